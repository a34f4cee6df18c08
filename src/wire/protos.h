// The generated classes, by short names. Private to this room, and only for its .cc files and its headers
// that no other room includes.
#pragma once

#include <string>

#include "envoy/config/accesslog/v3/accesslog.pb.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/core/v3/grpc_service.pb.h"
#include "envoy/config/core/v3/protocol.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/rbac/v3/rbac.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/struct.pb.h"

namespace weft::wire {

namespace accesslog_pb = envoy::config::accesslog::v3;
namespace bootstrap_pb = envoy::config::bootstrap::v3;
namespace cluster_pb = envoy::config::cluster::v3;
namespace core_pb = envoy::config::core::v3;
namespace endpoint_pb = envoy::config::endpoint::v3;
namespace listener_pb = envoy::config::listener::v3;
namespace rbac_pb = envoy::config::rbac::v3;
namespace route_pb = envoy::config::route::v3;
namespace matcher_pb = envoy::type::matcher::v3;
namespace type_pb = envoy::type::v3;

}  // namespace weft::wire
