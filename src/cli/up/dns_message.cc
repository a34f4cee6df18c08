#include "cli/up/dns_message.h"

#include "base/strings.h"

namespace weft::cli {
namespace {

constexpr size_t kHeaderSize = 12;
constexpr uint32_t kTimeToLive = 5;  // seconds: pods come and go

uint16_t read16(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 | static_cast<uint8_t>(bytes[at + 1]));
}

void put16(std::string& out, size_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

void put32(std::string& out, uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

void put_name(std::string& out, std::string_view name) {
  for (const auto label : split(name, '.')) {
    if (label.empty() || label.size() > 63) continue;
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
}

std::unexpected<Error> malformed(std::string_view why) {
  return fail(Error::Kind::protocol, concat("DNS query: ", why));
}

// The name at `at`, which moves past it.
Result<std::string> read_name(std::string_view bytes, size_t& at) {
  std::string name;
  for (;;) {
    if (at >= bytes.size()) return malformed("the name runs past the end");
    const auto length = static_cast<uint8_t>(bytes[at++]);
    if (length == 0) return name;
    if (length > 63) return malformed("the name is compressed");
    if (at + length > bytes.size()) return malformed("a label runs past the end");
    if (!name.empty()) name += '.';
    name += to_lower(bytes.substr(at, length));
    at += length;
    if (name.size() > 253) return malformed("the name is longer than 253");
  }
}

std::string record_data(const DnsRecord& record) {
  std::string data;
  switch (record.type) {
    case DnsType::a:
      data.assign(reinterpret_cast<const char*>(record.address.bytes().data()) + 12, 4);
      break;
    case DnsType::aaaa:
      data.assign(reinterpret_cast<const char*>(record.address.bytes().data()), 16);
      break;
    case DnsType::srv:
      put16(data, 0);
      put16(data, 100);
      put16(data, record.port);
      put_name(data, record.target);
      break;
    default:
      put_name(data, record.target);
      break;
  }
  return data;
}

}  // namespace

Result<DnsQuery> parse_dns_query(std::string_view bytes) {
  if (bytes.size() < kHeaderSize) return malformed("shorter than a header");
  DnsQuery query;
  query.id = read16(bytes, 0);
  const uint16_t flags = read16(bytes, 2);
  if ((flags & 0x8000) != 0) return malformed("it is an answer");
  if ((flags & 0x7800) != 0) return malformed("it is no standard query");
  query.recursion_desired = (flags & 0x0100) != 0;
  if (read16(bytes, 4) != 1) return malformed("it has not exactly one question");
  const uint16_t additional = read16(bytes, 10);

  size_t at = kHeaderSize;
  WEFT_TRY(query.name, read_name(bytes, at));
  if (at + 4 > bytes.size()) return malformed("the question is cut short");
  query.type = read16(bytes, at);
  if (read16(bytes, at + 2) != 1) return malformed("its class is not IN");
  at += 4;
  query.question = bytes.substr(kHeaderSize, at - kHeaderSize);

  // EDNS (RFC 6891): an OPT record with the root's name tells how large an answer may be.
  if (additional > 0 && at + 11 <= bytes.size() && bytes[at] == '\0' &&
      read16(bytes, at + 1) == static_cast<uint16_t>(DnsType::opt)) {
    query.edns = true;
    query.udp_size = std::max<uint16_t>(512, read16(bytes, at + 3));
  }
  return query;
}

std::string write_dns_reply(const DnsQuery& query, const DnsReply& reply, size_t max_size) {
  std::string answers;
  for (const DnsRecord& record : reply.records) {
    put_name(answers, record.name);
    put16(answers, static_cast<uint16_t>(record.type));
    put16(answers, 1);
    put32(answers, kTimeToLive);
    const std::string data = record_data(record);
    put16(answers, data.size());
    answers += data;
  }
  std::string opt;
  if (query.edns) {
    opt += '\0';
    put16(opt, static_cast<uint16_t>(DnsType::opt));
    put16(opt, 1232);
    put32(opt, 0);
    put16(opt, 0);
  }
  const bool truncated = kHeaderSize + query.question.size() + answers.size() + opt.size() > max_size;

  std::string out;
  put16(out, query.id);
  // QR, AA, RD as asked, RA: nobody else is asked, but resolvers complain where RA is missing.
  put16(out, 0x8480u | (truncated ? 0x0200u : 0) | (query.recursion_desired ? 0x0100u : 0) |
                 static_cast<unsigned>(reply.code));
  put16(out, 1);
  put16(out, truncated ? 0 : reply.records.size());
  put16(out, 0);
  put16(out, query.edns ? 1 : 0);
  out += query.question;
  if (!truncated) out += answers;
  return out + opt;
}

}  // namespace weft::cli
