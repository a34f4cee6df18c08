// Listeners, both ways. Private to this room.
#pragma once

#include <memory>

#include "model/listener.h"
#include "wire/place.h"
#include "wire/protos.h"

namespace weft::wire {

listener_pb::Listener to_message(const model::Listener& from);
Read<std::shared_ptr<const model::Listener>> from_message(const listener_pb::Listener& from, const Place& at);

}  // namespace weft::wire
