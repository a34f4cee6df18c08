// Bytes that claim to be a resource, a discovery message or a certificate request. What is accepted must come
// back equal, and must print.
#include "wire/from_wire.h"

#include "base/check.h"
#include "wire/ca.h"
#include "wire/discovery.h"
#include "wire/dump.h"
#include "wire/to_wire.h"

namespace {

using namespace weft;

template <typename Decode>
void try_resource(wire::ResourceType type, Bytes bytes, Decode decode) {
  const auto first = decode(bytes);
  JsonWriter json;
  (void)wire::write_json(json, wire::type_url(type), bytes);
  if (!first) return;
  const std::string again = wire::encode(**first);
  const auto second = decode(as_bytes(again));
  WEFT_CHECK(second.has_value());
  WEFT_CHECK(**second == **first);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 11) {
    case 0:
      try_resource(wire::ResourceType::listener, bytes, wire::decode_listener);
      break;
    case 1:
      try_resource(wire::ResourceType::route, bytes, wire::decode_routes);
      break;
    case 2:
      try_resource(wire::ResourceType::cluster, bytes, wire::decode_cluster);
      break;
    case 3:
      try_resource(wire::ResourceType::endpoint, bytes, wire::decode_endpoints);
      break;
    case 4:
      try_resource(wire::ResourceType::secret, bytes, wire::decode_secret);
      break;
    case 5:
      (void)wire::decode_request(bytes);
      break;
    case 6:
      (void)wire::decode_response(bytes);
      break;
    case 7:
      (void)wire::decode_delta_request(bytes);
      break;
    case 8:
      (void)wire::decode_delta_response(bytes);
      break;
    case 9:
      (void)wire::decode_certificate_request(bytes);
      break;
    default:
      (void)wire::any_to_json(as_text(bytes));
      break;
  }
  return 0;
}
