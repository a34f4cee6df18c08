// Access logs, both ways. Private to this room.
#pragma once

#include <vector>

#include "model/listener.h"
#include "wire/place.h"
#include "wire/protos.h"

namespace weft::wire {

using AccessLogMessages = google::protobuf::RepeatedPtrField<accesslog_pb::AccessLog>;

void write(const std::vector<model::AccessLog>& from, AccessLogMessages& to);
// `at` is the message that holds the list `field`.
Read<std::vector<model::AccessLog>> read_access_logs(const AccessLogMessages& from, std::string_view field,
                                                     const Place& at);

}  // namespace weft::wire
