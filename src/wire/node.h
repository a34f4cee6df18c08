// A node, both ways: bootstraps and discovery requests carry one. Private to this room.
#pragma once

#include "wire/discovery.h"
#include "wire/protos.h"

namespace weft::wire {

void write(const Node& from, core_pb::Node& to);
Node read(const core_pb::Node& from);

}  // namespace weft::wire
