// The guard at the door: refuses, by its full name, whatever field of a message weft-proxy does not
// implement. It runs over the bytes before they are parsed, so that nothing is ignored because nobody looked.
// Private to this room.
#pragma once

#include <string_view>

#include "wire/place.h"
#include "wire/schema.h"

namespace weft::wire {

Read<> check_accepted(const MessageRow& message, std::string_view bytes, const Place& at);

}  // namespace weft::wire
