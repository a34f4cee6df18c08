#include "demo/h2_server.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "demo/protobuf.h"

namespace weft::demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMaxBody = 64u << 20;
enum GrpcCode { kOk = 0, kInvalid = 3, kUnimplemented = 12 };

struct Stream {
  int32_t id = 0;
  Question question;
  bool grpc = false;
  bool answered = false;   // a head was submitted
  std::string texts;       // ClientStream: joined so far
  int owed = 0;            // Both: replies that wait for their time
  bool asked_all = false;  // Both: the client has no more to say
  std::string out;         // body that waits to be sent
  size_t sent = 0;
  bool finished = false;  // nothing will be added to `out`
  int grpc_status = kOk;
  std::string grpc_message;
};

struct Later {
  Clock::time_point due;
  int32_t stream;
  std::function<void(Stream&)> run;
};

class Connection {
 public:
  Connection(Application& application, Socket& socket) : application_(application), socket_(socket) {}
  ~Connection() { nghttp2_session_del(session_); }

  void run(const std::string& start, const std::function<bool()>& draining);

 private:
  static Connection& self(void* data) { return *static_cast<Connection*>(data); }
  void make_session();
  bool receive(std::string_view bytes);
  bool flush();
  int wait_ms() const;
  void run_due();

  void header_came(int32_t id, std::string name, std::string value);
  void data_came(int32_t id, std::string_view bytes);
  void request_ended(int32_t id);
  void answer_page(Stream& stream);
  void take_messages(Stream& stream, bool ended);
  void send_reply(Stream& stream, const std::string& text);
  void finish_grpc(Stream& stream, int status, const std::string& message);
  void submit_head(Stream& stream, int status, const HeaderList& headers, bool body);
  void resume(Stream& stream) { nghttp2_session_resume_data(session_, stream.id); }
  void later(int delay_ms, Stream& stream, std::function<void(Stream&)> run) {
    if (delay_ms <= 0) return run(stream);
    later_.push_back({Clock::now() + std::chrono::milliseconds(delay_ms), stream.id, std::move(run)});
  }
  ssize_t read_body(Stream& stream, uint8_t* into, size_t size, uint32_t* flags);

  Application& application_;
  Socket& socket_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::unique_ptr<Stream>> streams_;
  std::vector<Later> later_;
};

nghttp2_nv field(const std::string& name, const std::string& value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

std::string text_of(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

void Connection::make_session() {
  nghttp2_session_callbacks* calls;
  nghttp2_session_callbacks_new(&calls);
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      calls, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
          auto stream = std::make_unique<Stream>();
          stream->id = frame->hd.stream_id;
          stream->question.protocol = "HTTP/2";
          stream->question.peer = self(data).socket_.peer();
          self(data).streams_[frame->hd.stream_id] = std::move(stream);
        }
        return 0;
      });
  nghttp2_session_callbacks_set_on_header_callback(
      calls, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                const uint8_t* value, size_t value_size, uint8_t, void* data) {
        self(data).header_came(frame->hd.stream_id, text_of(name, name_size), text_of(value, value_size));
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      calls, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* data) {
        self(data).data_came(id, {reinterpret_cast<const char*>(bytes), size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      calls, [](nghttp2_session*, const nghttp2_frame* frame, void* data) {
        const bool carries_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
        if (carries_message && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
          self(data).request_ended(frame->hd.stream_id);
        return 0;
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      calls, [](nghttp2_session*, int32_t id, uint32_t, void* data) {
        self(data).streams_.erase(id);
        return 0;
      });
  nghttp2_session_server_new(&session_, calls, this);
  nghttp2_session_callbacks_del(calls);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 20}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 24);
}

void Connection::run(const std::string& start, const std::function<bool()>& draining) {
  make_session();
  bool told = false;
  if (!receive(start) || !flush()) return;
  while (nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0 ||
         !later_.empty()) {
    if (draining() && !told) {
      nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
      told = true;
    }
    run_due();
    if (!flush()) return;
    pollfd waiting{socket_.fd(), POLLIN, 0};
    if (::poll(&waiting, 1, wait_ms()) <= 0) continue;
    char bytes[32768];
    const long count = socket_.read(bytes, sizeof bytes);
    if (count <= 0 || !receive({bytes, static_cast<size_t>(count)}) || !flush()) return;
  }
}

bool Connection::receive(std::string_view bytes) {
  return nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) >=
         0;
}

bool Connection::flush() {
  std::string bytes;
  for (;;) {
    const uint8_t* chunk;
    const auto size = nghttp2_session_mem_send(session_, &chunk);
    if (size < 0) return false;
    if (size == 0) break;
    bytes.append(reinterpret_cast<const char*>(chunk), static_cast<size_t>(size));
    if (bytes.size() > 256 * 1024) {
      if (!socket_.write_all(bytes)) return false;
      bytes.clear();
    }
  }
  return bytes.empty() || socket_.write_all(bytes);
}

int Connection::wait_ms() const {
  int wait = 200;  // how late the end of the program may be noticed
  for (const Later& each : later_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(each.due - Clock::now()).count();
    wait = std::clamp(static_cast<int>(left), 0, wait);
  }
  return wait;
}

void Connection::run_due() {
  const auto now = Clock::now();
  std::vector<Later> due;
  std::erase_if(later_, [&](Later& each) {
    if (each.due > now) return false;
    due.push_back(std::move(each));
    return true;
  });
  for (Later& each : due) {
    if (const auto it = streams_.find(each.stream); it != streams_.end()) each.run(*it->second);
  }
}

void Connection::header_came(int32_t id, std::string name, std::string value) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& stream = *it->second;
  if (name == ":method") {
    stream.question.method = value;
  } else if (name == ":path") {
    stream.question.path = value;
  } else if (name == ":authority") {
    stream.question.authority = value;
  } else if (!name.starts_with(':')) {
    if (name == "content-type" && value.starts_with("application/grpc")) stream.grpc = true;
    stream.question.headers.emplace_back(std::move(name), std::move(value));
  }
}

void Connection::data_came(int32_t id, std::string_view bytes) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& stream = *it->second;
  stream.question.body += bytes;
  if (stream.question.body.size() > kMaxBody) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
  } else if (stream.grpc) {
    take_messages(stream, false);
  }
}

void Connection::request_ended(int32_t id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  it->second->grpc ? take_messages(*it->second, true) : answer_page(*it->second);
}

void Connection::answer_page(Stream& stream) {
  auto answer = std::make_shared<Answer>(application_.answer(stream.question));
  later(answer->delay_ms, stream, [this, answer](Stream& then) {
    HeaderList headers = answer->headers;
    headers.emplace_back("content-type", answer->content_type);
    headers.emplace_back("content-length", std::to_string(answer->body.size()));
    const bool body = then.question.method != "HEAD" && !answer->body.empty();
    then.out = std::move(answer->body);
    then.finished = true;
    submit_head(then, answer->status, headers, body);
  });
}

void Connection::take_messages(Stream& stream, bool ended) {
  if (stream.finished) return;
  const std::string method =
      stream.question.path.starts_with("/weft.demo.Echo/") ? stream.question.path.substr(16) : "";
  if (method != "Unary" && method != "ServerStream" && method != "ClientStream" && method != "Both") {
    return finish_grpc(stream, kUnimplemented, "no such method: " + stream.question.path);
  }
  for (std::string bytes; take_grpc_frame(stream.question.body, bytes);) {
    EchoRequest request;
    if (!decode(bytes, request)) return finish_grpc(stream, kInvalid, "the message does not parse");
    if (request.code != 0) return finish_grpc(stream, request.code, "planted failure");
    if (method == "ClientStream") {
      stream.texts += (stream.texts.empty() ? "" : " ") + request.text;
    } else if (method == "ServerStream") {
      for (int i = 0; i < std::clamp(request.count, 1, 100000); ++i) {
        later(request.delay_ms * i, stream,
              [this, text = request.text, last = i + 1 >= request.count](Stream& then) {
                send_reply(then, text);
                if (last) finish_grpc(then, kOk, "");
              });
      }
    } else {
      const bool only = method == "Unary";
      ++stream.owed;
      later(request.delay_ms, stream, [this, text = request.text, only](Stream& then) {
        --then.owed;
        send_reply(then, text);
        if (only || (then.asked_all && then.owed == 0)) finish_grpc(then, kOk, "");
      });
    }
  }
  if (!ended) return;
  if (method == "ClientStream") send_reply(stream, stream.texts);
  stream.asked_all = true;
  if (method == "ClientStream" || (method == "Both" && stream.owed == 0)) finish_grpc(stream, kOk, "");
}

void Connection::send_reply(Stream& stream, const std::string& text) {
  if (stream.finished) return;
  const Identity& who = application_.identity();
  if (!stream.answered) submit_head(stream, 200, {{"content-type", "application/grpc"}}, true);
  stream.out += grpc_frame(encode(EchoReply{text, who.service, who.version, who.pod}));
  resume(stream);
}

void Connection::finish_grpc(Stream& stream, int status, const std::string& message) {
  if (stream.finished) return;
  stream.finished = true;
  stream.grpc_status = status;
  stream.grpc_message = message;
  if (!stream.answered) {  // trailers only
    submit_head(stream, 200,
                {{"content-type", "application/grpc"},
                 {"grpc-status", std::to_string(status)},
                 {"grpc-message", message}},
                false);
  } else {
    resume(stream);
  }
}

void Connection::submit_head(Stream& stream, int status, const HeaderList& headers, bool body) {
  stream.answered = true;
  const std::string status_name = ":status";
  const std::string status_text = std::to_string(status);
  std::vector<nghttp2_nv> fields{field(status_name, status_text)};
  for (const auto& [name, value] : headers) fields.push_back(field(name, value));
  nghttp2_data_provider provider;
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session*, int32_t id, uint8_t* into, size_t size, uint32_t* flags,
                              nghttp2_data_source* source, void*) -> ssize_t {
    Connection& connection = self(source->ptr);
    return connection.read_body(*connection.streams_.at(id), into, size, flags);
  };
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), body ? &provider : nullptr);
}

ssize_t Connection::read_body(Stream& stream, uint8_t* into, size_t size, uint32_t* flags) {
  const size_t count = std::min(size, stream.out.size() - stream.sent);
  if (count == 0 && !stream.finished) return NGHTTP2_ERR_DEFERRED;
  std::copy_n(stream.out.data() + stream.sent, count, into);
  stream.sent += count;
  if (stream.sent == stream.out.size()) {
    stream.out.clear();
    stream.sent = 0;
    if (stream.finished) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream.grpc) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::string name = "grpc-status";
        const std::string code = std::to_string(stream.grpc_status);
        const std::string message_name = "grpc-message";
        std::vector<nghttp2_nv> trailers{field(name, code)};
        if (!stream.grpc_message.empty()) trailers.push_back(field(message_name, stream.grpc_message));
        nghttp2_submit_trailer(session_, stream.id, trailers.data(), trailers.size());
      }
    }
  }
  return static_cast<ssize_t>(count);
}

}  // namespace

void serve_http2(Application& application, Socket& socket, const std::string& start,
                 const std::function<bool()>& draining) {
  Connection(application, socket).run(start, draining);
}

}  // namespace weft::demo
