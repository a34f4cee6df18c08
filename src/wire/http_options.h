// The option of HTTP/1 that listeners and clusters share: header names as they were written. Private to this
// room.
#pragma once

#include "wire/place.h"
#include "wire/protos.h"

namespace weft::wire {

void write_preserve_case(core_pb::Http1ProtocolOptions& to);
Read<bool> read_preserve_case(const core_pb::Http1ProtocolOptions& from, const Place& at);

}  // namespace weft::wire
