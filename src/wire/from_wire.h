// xDS v3 messages as the model: the door through which configuration enters a proxy.
//
//   WEFT_TRY(OpenedAny opened, open_any(*resource.any));
//   WEFT_TRY(auto listener, decode_listener(opened.message));
//
// Nothing is ignored in silence. A field that weft-proxy does not implement and that could change who gets in
// or where traffic goes is refused by its full name,
//   listeners[virtualInbound].filter_chains[2].filters[0].typed_config.access_log_options is not supported by
//   weft-proxy
// and so is an extension, an enum value or a number it cannot honour. What is accepted is listed, with the
// reason where it has no effect, in accepted_fields.txt.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "model/cluster.h"
#include "model/listener.h"
#include "model/route.h"
#include "model/snapshot.h"

namespace weft::wire {

Result<std::shared_ptr<const model::Listener>> decode_listener(Bytes message);
Result<std::shared_ptr<const model::RouteConfig>> decode_routes(Bytes message);
Result<std::shared_ptr<const model::Cluster>> decode_cluster(Bytes message);
Result<std::shared_ptr<const model::EndpointSet>> decode_endpoints(Bytes message);
Result<std::shared_ptr<const model::Secret>> decode_secret(Bytes message);

}  // namespace weft::wire
