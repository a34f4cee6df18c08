#include "cli/up/dns_server.h"

#include <array>

#include "base/log.h"
#include "io/stream.h"

namespace weft::cli {
namespace {

constexpr Duration kIdle = 10s;  // a TCP connection without a question
constexpr size_t kMaxConnections = 256;

// Reads exactly so many bytes; false at the end or on an error.
io::Task<bool> read_exactly(io::Stream& stream, MutableBytes into, TimePoint deadline) {
  size_t have = 0;
  while (have < into.size()) {
    const auto count = co_await io::read_some(stream, into.subspan(have), deadline);
    if (!count || *count == 0) co_return false;
    have += *count;
  }
  co_return true;
}

}  // namespace

Result<void> DnsServer::listen(const SocketAddress& address) {
  WEFT_TRY(udp_, io::UdpSocket::open(loop_, address, {}));
  WEFT_TRY(tcp_, loop_.listen(address, {}));
  tasks_.spawn(serve_udp());
  tasks_.spawn(serve_tcp());
  return {};
}

std::string DnsServer::answer(std::string_view bytes, bool over_udp) const {
  const auto query = parse_dns_query(bytes);
  if (!query) {
    // The identifier alone is worth an answer: a client then stops waiting.
    if (bytes.size() < 12 || (bytes[2] & 0x80) != 0) return {};
    std::string refusal(bytes.substr(0, 2));
    refusal += std::string("\x80\x01\0\0\0\0\0\0\0\0", 10);
    return refusal;
  }
  const DnsReply reply = zone_ ? zone_->answer(query->name, query->type)
                               : DnsReply{.code = DnsReply::Code::server_failure, .records = {}};
  return write_dns_reply(*query, reply, over_udp ? query->udp_size : 65535);
}

io::Task<void> DnsServer::serve_udp() {
  std::array<std::byte, 4096> buffer;
  for (;;) {
    const auto datagram = co_await udp_->receive(buffer);
    if (!datagram) {
      log_debug("dns", datagram.error().text);
      continue;
    }
    const std::string reply = answer(as_text({buffer.data(), datagram->size}), true);
    if (!reply.empty()) static_cast<void>(udp_->send_to(as_bytes(reply), datagram->from));
  }
}

io::Task<void> DnsServer::serve_tcp() {
  for (;;) {
    auto stream = co_await tcp_->accept();
    if (!stream) {
      co_await io::sleep_for(loop_, 50ms);  // out of descriptors: the clients in line wait
    } else if (tasks_.size() < kMaxConnections) {
      tasks_.spawn(serve_connection(std::move(*stream)));
    }
  }
}

io::Task<void> DnsServer::serve_connection(std::unique_ptr<io::Stream> stream) {
  for (;;) {
    const TimePoint deadline = loop_.now() + kIdle;
    std::array<std::byte, 2> length;
    if (!co_await read_exactly(*stream, length, deadline)) co_return;
    std::string query(std::to_integer<size_t>(length[0]) << 8 | std::to_integer<size_t>(length[1]), '\0');
    if (!co_await read_exactly(
            *stream, MutableBytes(reinterpret_cast<std::byte*>(query.data()), query.size()), deadline))
      co_return;
    const std::string reply = answer(query, false);
    if (reply.empty()) co_return;
    std::string framed{static_cast<char>(reply.size() >> 8), static_cast<char>(reply.size())};
    framed += reply;
    if (!co_await io::write_all(*stream, as_bytes(framed), deadline)) co_return;
  }
}

}  // namespace weft::cli
