// The words after a mode's name: --key value, --key=value, --flag, and what stands alone.
//
//   Arguments arguments(words, {"json", "no-keepalive"});
//   int rps = arguments.number("rps", 0);
//
// An option can also come from the environment: --http from WEFT_DEMO_HTTP. The command line wins.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace weft::demo {

// Ends the program with status 2 after saying what is wrong: for mistakes on the command line.
[[noreturn]] void usage_error(const std::string& text);

class Arguments {
 public:
  Arguments(const std::vector<std::string>& words, std::set<std::string> flags,
            std::set<std::string> options);

  bool flag(const std::string& name) const { return values_.contains(name); }
  std::string text(const std::string& name, const std::string& otherwise) const;
  double number(const std::string& name, double otherwise) const;
  // All values of an option that may come many times.
  std::vector<std::string> all(const std::string& name) const;
  const std::vector<std::string>& rest() const { return rest_; }

 private:
  std::multimap<std::string, std::string> values_;
  std::vector<std::string> rest_;
};

}  // namespace weft::demo
