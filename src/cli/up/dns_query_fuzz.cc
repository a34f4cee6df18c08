#include <cstdlib>

#include "cli/up/dns_message.h"

// Whatever is accepted can be answered, within the size that was asked for.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto query = weft::cli::parse_dns_query({reinterpret_cast<const char*>(data), size});
  if (!query) return 0;
  weft::cli::DnsReply reply;
  reply.records.push_back({.name = query->name, .type = weft::cli::DnsType::a, .address = {}, .target = {}});
  const std::string written = weft::cli::write_dns_reply(*query, reply, query->udp_size);
  if (written.size() > query->udp_size && written.size() > 12 + query->question.size() + 11) std::abort();
  return 0;
}
