// How far an object has come: by how many of the connected proxies it is in force.
//
//   for (const ObjectStatus& status : object_statuses(publisher, ads)) …   // "VirtualService
//   default/reviews: 11 of 12"
//
// A proxy has an object once it accepted a version that holds it, whole. One that refused any part of a
// version, and has not accepted a later one, does not have it, and is named with what it said.
#pragma once

#include <string>
#include <vector>

#include "control/deliver/ads_server.h"
#include "control/publish/publisher.h"

namespace weft::control {

struct Refused {
  std::string proxy;
  std::string type;      // "CDS"
  std::string resource;  // empty: the proxy did not say which
  std::string error;
};

struct ObjectStatus {
  Publisher::Published object;
  size_t programmed = 0;
  size_t proxies = 0;
  std::vector<std::string> pending;  // proxies that do not have it yet, at most ten
};

std::vector<ObjectStatus> object_statuses(const Publisher& publisher, const AdsServer& ads);
std::vector<Refused> refusals(const AdsServer& ads);

// The page /debug/statusz.
std::string statuses_json(const Publisher& publisher, const AdsServer& ads);

}  // namespace weft::control
