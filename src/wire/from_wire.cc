#include "wire/from_wire.h"

#include "base/check.h"
#include "base/strings.h"
#include "wire/check_accepted.h"
#include "wire/cluster_wire.h"
#include "wire/listener_wire.h"
#include "wire/parts.h"
#include "wire/protobuf_bytes.h"
#include "wire/route_wire.h"
#include "wire/tls_wire.h"

namespace weft::wire {

namespace {

// The name of a resource before it is parsed, for what is said of it: a string field of a known number.
std::string_view peek_name(std::string_view bytes, uint32_t number) {
  WireReader reader(bytes);
  while (!reader.done()) {
    const auto field = reader.next();
    if (!field) break;
    if (field->number == number && field->type == WireType::length) return field->bytes;
  }
  return {};
}

template <typename Message, typename ReadMessage>
auto decode(Bytes bytes, std::string_view kind, uint32_t name_number, ReadMessage read_message)
    -> Result<typename decltype(read_message(std::declval<const Message&>(),
                                             std::declval<const Place&>()))::value_type> {
  const std::string_view text = as_text(bytes);
  const std::string root = concat(kind, "[", printable(peek_name(text, name_number)), "]");
  const Place at(root);
  const MessageRow* row = find_message(Message::default_instance().GetTypeName());
  WEFT_CHECK(row != nullptr);
  if (auto good = check_accepted(*row, text, at); !good)
    return std::unexpected(std::move(good).error().to_error());
  Message message;
  if (!parse(message, text)) {
    return fail(Error::Kind::invalid, concat(root, " is not well-formed protobuf"));
  }
  auto read = read_message(message, at);
  if (!read) return std::unexpected(std::move(read).error().to_error());
  return *std::move(read);
}

}  // namespace

Result<std::shared_ptr<const model::Listener>> decode_listener(Bytes message) {
  return decode<listener_pb::Listener>(
      message, "listeners", 1, [](const auto& from, const Place& at) { return from_message(from, at); });
}

Result<std::shared_ptr<const model::RouteConfig>> decode_routes(Bytes message) {
  return decode<route_pb::RouteConfiguration>(
      message, "routes", 1, [](const auto& from, const Place& at) { return from_message(from, at); });
}

Result<std::shared_ptr<const model::Cluster>> decode_cluster(Bytes message) {
  return decode<cluster_pb::Cluster>(
      message, "clusters", 1, [](const auto& from, const Place& at) { return from_message(from, at); });
}

Result<std::shared_ptr<const model::EndpointSet>> decode_endpoints(Bytes message) {
  return decode<endpoint_pb::ClusterLoadAssignment>(
      message, "endpoints", 1,
      [](const auto& from, const Place& at) -> Read<std::shared_ptr<const model::EndpointSet>> {
        WEFT_TRY(auto set, read_endpoints(from, at));
        return std::make_shared<const model::EndpointSet>(std::move(set));
      });
}

Result<std::shared_ptr<const model::Secret>> decode_secret(Bytes message) {
  return decode<tls_pb::Secret>(message, "secrets", 1,
                                [](const auto& from, const Place& at) { return from_message(from, at); });
}

}  // namespace weft::wire
