// TLS contexts and secrets, both ways. Private to this room.
#pragma once

#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "model/snapshot.h"
#include "model/tls.h"
#include "wire/place.h"
#include "wire/protos.h"

namespace weft::wire {

namespace tls_pb = envoy::extensions::transport_sockets::tls::v3;

void write(const model::DownstreamTls& from, core_pb::TransportSocket& to);
void write(const model::UpstreamTls& from, core_pb::TransportSocket& to);
void write_raw_buffer(core_pb::TransportSocket& to);

// nullopt: plain bytes (raw_buffer).
Read<std::optional<model::DownstreamTls>> read_downstream(const core_pb::TransportSocket& from,
                                                          const Place& at);
Read<std::optional<model::UpstreamTls>> read_upstream(const core_pb::TransportSocket& from, const Place& at);

tls_pb::Secret to_message(const model::Secret& from);
Read<std::shared_ptr<const model::Secret>> from_message(const tls_pb::Secret& from, const Place& at);

}  // namespace weft::wire
