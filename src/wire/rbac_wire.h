// Authorization rules, both ways: the HTTP and the network RBAC filter hold the same tree. Private to this
// room.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/policy.h"
#include "wire/place.h"
#include "wire/protos.h"

namespace weft::wire {

void write_network_rbac(const model::Rbac& from, google::protobuf::Any& to);
void write_http_rbac(const model::Rbac& from, google::protobuf::Any& to);

// One xDS filter may hold rules to enforce and rules to only record: that is two of ours, in this order.
using Rbacs = std::vector<std::shared_ptr<const model::Rbac>>;
Read<Rbacs> read_network_rbac(const google::protobuf::Any& from, const Place& at);
Read<Rbacs> read_http_rbac(const google::protobuf::Any& from, const Place& at);

// Istio's path template ("/api/{*}/x/{**}") as a regex that any Envoy can run, and back; empty where the
// pattern is not one that template_to_regex made.
std::string template_to_regex(std::string_view path_template);
std::string regex_to_template(std::string_view pattern);

}  // namespace weft::wire
