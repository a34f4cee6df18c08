// Route configurations, both ways. Private to this room.
#pragma once

#include <memory>

#include "model/route.h"
#include "wire/place.h"
#include "wire/protos.h"

namespace weft::wire {

inline constexpr char kFaultFilter[] = "envoy.filters.http.fault";

route_pb::RouteConfiguration to_message(const model::RouteConfig& from);
Read<std::shared_ptr<const model::RouteConfig>> from_message(const route_pb::RouteConfiguration& from,
                                                             const Place& at);

}  // namespace weft::wire
