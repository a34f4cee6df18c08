// The HTTP connection manager, both ways. Private to this room.
//
// Filters that a stock Envoy does not have (istio_stats, istio_alpn, metadata_exchange) travel as metadata of
// the filter chain, `weft.http_filters`, with their place in the order; Envoy carries it and does nothing.
#pragma once

#include <memory>

#include "model/listener.h"
#include "wire/place.h"
#include "wire/protos.h"
#include "wire/value.h"

namespace weft::wire {

// What goes into metadata is appended to `beside`.
void write_http_manager(const model::HttpManager& from, google::protobuf::Any& to, Value::Array& beside);
Read<std::shared_ptr<const model::HttpManager>> read_http_manager(const google::protobuf::Any& from,
                                                                  const Value* beside, const Place& at);
bool is_http_manager(const google::protobuf::Any& any);

// What a gRPC client library reads of one: where its routes come from, and the filters it has.
void write_grpc_client_manager(std::string_view rds_name, google::protobuf::Any& to);

}  // namespace weft::wire
