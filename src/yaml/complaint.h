// What is wrong with a user's text, and what to do about it: the one form in which every reader of
// configuration (objects, bootstraps, translation) speaks to a person.
//
//   examples/canary/mesh.yaml:14:9: error: VirtualService default/reviews: spec.http[0].route[1].weight:
//   -5 is negative; a weight is 0 or more
//
// Unlike an Error (base/error.h) a complaint does not stop anything: reading goes on, so that one
// run shows everything that is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::yaml {

struct Complaint {
  enum class Severity : uint8_t { warning, error };

  Severity severity = Severity::error;
  std::string file;
  int line = 0;           // from 1; 0: the file as a whole
  int column = 0;         // from 1; 0: the line as a whole
  std::string subject;    // "VirtualService default/reviews"; empty: no object was made out
  std::string field;      // "spec.http[0].route[1].weight"; empty: the object as a whole
  std::string cause;      // "-5 is negative"
  std::string next_step;  // "a weight is 0 or more"; empty where the cause says it
  std::string code;       // Istio's message code where analysis has one: "IST0106"

  bool is_error() const { return severity == Severity::error; }
  std::string to_string() const;
  bool operator==(const Complaint&) const = default;
};

bool any_error(const std::vector<Complaint>& complaints);

}  // namespace weft::yaml
