#include "demo/grpc_client.h"

#include <nghttp2/nghttp2.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace weft::demo {
namespace {

// One call on a connection of its own.
struct Call {
  GrpcOutcome outcome;
  std::string out;
  size_t sent = 0;
  std::string in;
  bool ended = false;
  bool has_status = false;
  int http_status = 0;
};

Call& call_of(void* data) { return *static_cast<Call*>(data); }

void take_header(Call& call, std::string_view name, std::string_view value) {
  if (name == ":status") call.http_status = std::atoi(std::string(value).c_str());
  if (name == "grpc-status") {
    call.outcome.status = std::atoi(std::string(value).c_str());
    call.has_status = true;
  }
  if (name == "grpc-message") call.outcome.message = value;
}

nghttp2_session* make_session(Call& call) {
  nghttp2_session_callbacks* calls;
  nghttp2_session_callbacks_new(&calls);
  nghttp2_session_callbacks_set_on_header_callback(
      calls, [](nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                const uint8_t* value, size_t value_size, uint8_t, void* data) {
        take_header(call_of(data), {reinterpret_cast<const char*>(name), name_size},
                    {reinterpret_cast<const char*>(value), value_size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      calls, [](nghttp2_session*, uint8_t, int32_t, const uint8_t* bytes, size_t size, void* data) {
        Call& call = call_of(data);
        call.in.append(reinterpret_cast<const char*>(bytes), size);
        for (std::string message; take_grpc_frame(call.in, message);) {
          EchoReply reply;
          if (decode(message, reply)) call.outcome.replies.push_back(std::move(reply));
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      calls, [](nghttp2_session*, int32_t, uint32_t error, void* data) {
        Call& call = call_of(data);
        call.ended = true;
        if (!call.has_status && error != 0)
          call.outcome.message = std::string("stream reset: ") + nghttp2_http2_strerror(error);
        return 0;
      });
  nghttp2_session* session;
  nghttp2_session_client_new(&session, calls, &call);
  nghttp2_session_callbacks_del(calls);
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  return session;
}

ssize_t read_out(nghttp2_session*, int32_t, uint8_t* into, size_t size, uint32_t* flags, nghttp2_data_source*,
                 void* data) {
  Call& call = call_of(data);
  const size_t count = std::min(size, call.out.size() - call.sent);
  std::memcpy(into, call.out.data() + call.sent, count);
  call.sent += count;
  if (call.sent == call.out.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(count);
}

bool send_pending(nghttp2_session* session, Socket& socket) {
  for (;;) {
    const uint8_t* bytes;
    const auto size = nghttp2_session_mem_send(session, &bytes);
    if (size < 0) return false;
    if (size == 0) return true;
    if (!socket.write_all({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)})) return false;
  }
}

}  // namespace

GrpcOutcome call_grpc(const GrpcCall& wanted) {
  Call call;
  auto socket = Socket::connect(wanted.host, wanted.port, wanted.timeout);
  if (!socket) {
    call.outcome = {.status = 14, .message = socket.error(), .replies = {}};
    return call.outcome;
  }
  socket->set_timeout(wanted.timeout);
  for (int i = 0; i < wanted.messages; ++i) call.out += grpc_frame(encode(wanted.request));

  const std::unique_ptr<nghttp2_session, void (*)(nghttp2_session*)> session(make_session(call),
                                                                             nghttp2_session_del);
  HeaderList headers{{":method", "POST"},
                     {":scheme", "http"},
                     {":path", "/weft.demo.Echo/" + wanted.method},
                     {":authority", wanted.authority},
                     {"content-type", "application/grpc"},
                     {"te", "trailers"}};
  headers.insert(headers.end(), wanted.metadata.begin(), wanted.metadata.end());
  std::vector<nghttp2_nv> fields;
  for (auto& [name, value] : headers) {
    fields.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()),
                      name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  nghttp2_data_provider provider;
  provider.source.ptr = nullptr;
  provider.read_callback = read_out;
  nghttp2_submit_request(session.get(), nullptr, fields.data(), fields.size(), &provider, nullptr);

  while (!call.ended) {
    if (!send_pending(session.get(), *socket)) break;
    char bytes[32768];
    const long count = socket->read(bytes, sizeof bytes);
    if (count <= 0) {
      call.outcome.status = count < 0 && errno == EAGAIN ? 4 : 14;
      call.outcome.message =
          count < 0 && errno == EAGAIN ? "no answer in time" : "the connection ended early";
      return call.outcome;
    }
    if (nghttp2_session_mem_recv(session.get(), reinterpret_cast<const uint8_t*>(bytes),
                                 static_cast<size_t>(count)) < 0) {
      call.outcome.message = "the server broke HTTP/2";
      return call.outcome;
    }
  }
  if (!call.has_status && call.http_status != 0 && call.http_status != 200) {
    call.outcome.message = "HTTP status " + std::to_string(call.http_status);
  }
  return call.outcome;
}

}  // namespace weft::demo
