// DNS messages (RFC 1035) as far as a server of A, AAAA, SRV and PTR records needs them.
//
//   auto query = parse_query(bytes);
//   std::string answer = write_answer(*query, reply, max_size);
//
// Queries are hostile input: names are bounded, compression pointers are refused (no query needs one).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace weft::cli {

enum class DnsType : uint16_t { a = 1, cname = 5, ptr = 12, aaaa = 28, srv = 33, opt = 41, any = 255 };

struct DnsQuery {
  uint16_t id = 0;
  bool recursion_desired = false;
  std::string name;  // lower case, no dot at the end; the question's own spelling is in `question`
  uint16_t type = 0;
  std::string question;     // the question section as it came, for the answer
  uint16_t udp_size = 512;  // what the client takes over UDP (EDNS)
  bool edns = false;
};

struct DnsRecord {
  std::string name;
  DnsType type = DnsType::a;
  IpAddress address;   // A, AAAA
  std::string target;  // CNAME, PTR, SRV
  uint16_t port = 0;   // SRV
};

struct DnsReply {
  enum class Code : uint8_t {
    no_error = 0,
    format_error = 1,
    server_failure = 2,
    no_such_name = 3,
    not_implemented = 4,
    refused = 5
  };
  Code code = Code::no_error;
  std::vector<DnsRecord> records;
};

Result<DnsQuery> parse_dns_query(std::string_view bytes);
// Longer than max_size: no records and the truncation flag, so that the client asks again over TCP.
std::string write_dns_reply(const DnsQuery& query, const DnsReply& reply, size_t max_size);

}  // namespace weft::cli
