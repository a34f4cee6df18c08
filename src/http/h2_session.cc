#include "http/h2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <deque>

#include "base/check.h"
#include "base/shelf.h"
#include "base/strings.h"
#include "http/characters.h"
#include "http/sanitize.h"
#include "http/uri.h"

namespace weft::http {
namespace {

constexpr size_t kStreamBuffer = 64 * 1024;
constexpr size_t kResetsRemembered = 4096;
// A section above the limit is answered 431; so far above it, the peer means harm: a byte that refers to the
// table costs kilobytes to decode.
constexpr size_t kHopeless = 16;
constexpr uint32_t kFieldOverhead = 32;  // RFC 9113 section 6.5.2

// Streams and header fields come and go with each request.
constexpr nghttp2_mem kMemory = {
    .mem_user_data = nullptr,
    .malloc = [](size_t size, void*) noexcept { return shelf::take(size); },
    .free = [](void* block, void*) noexcept { shelf::give(block); },
    .calloc = [](size_t count, size_t size, void*) noexcept -> void* {
      if (size != 0 && count > SIZE_MAX / size) return nullptr;
      return std::memset(shelf::take(count * size), 0, count * size);
    },
    // A block of the shelf is one of malloc's.
    .realloc = [](void* block, size_t size, void*) noexcept { return std::realloc(block, size); },
};

// Fields whose value hardly comes twice, each by a bit of its own; 0 for all others. In the compression table
// they would push out those that do come again, and each of them would be compared with all before it.
uint8_t new_each_time(std::string_view name) {
  const auto is = [name](std::string_view known) { return equal_ignoring_case(name, known); };
  switch (name.size()) {
    case 2:
      return is("b3") ? 1 : 0;
    case 11:
      return is("traceparent") ? 2 : is("x-b3-spanid") ? 4 : 0;
    case 12:
      return is("x-request-id") ? 8 : is("x-b3-traceid") ? 16 : is("grpc-timeout") ? 32 : 0;
    case 16:
      return is("x-correlation-id") ? 64 : 0;
    case 17:
      return is("x-b3-parentspanid") ? 128 : 0;
    default:
      return 0;
  }
}

std::string_view view(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace

std::string_view to_string(H2Code code) { return nghttp2_http2_strerror(static_cast<uint32_t>(code)); }

Error::Kind error_kind(H2Code code) {
  switch (code) {
    case H2Code::no_error:
      return Error::Kind::closed;
    case H2Code::protocol_error:
    case H2Code::flow_control_error:
    case H2Code::stream_closed:
    case H2Code::frame_size_error:
    case H2Code::compression_error:
      return Error::Kind::protocol;
    case H2Code::refused_stream:
      return Error::Kind::refused;
    case H2Code::cancel:
      return Error::Kind::cancelled;
    case H2Code::enhance_your_calm:
      return Error::Kind::overflow;
    case H2Code::settings_timeout:
      return Error::Kind::timeout;
    default:
      return Error::Kind::reset;
  }
}

bool H2Session::Bucket::take(TimePoint now) {
  if (now > last) {
    tokens = std::min(burst, tokens + rate * std::chrono::duration<double>(now - last).count());
    last = now;
  }
  if (tokens < 1) return false;
  tokens -= 1;
  return true;
}

struct H2Session::Stream {
  int32_t id = 0;
  void* user = nullptr;

  // The head or trailer section that is being read.
  enum class Section : uint8_t { none, head, trailers };
  Section section = Section::none;
  bool had_final_head = false;
  bool rejected = false;  // reset or answered here; nothing of it reaches the listener
  bool reset_by_peer = false;
  bool too_large = false;
  size_t list_size = 0;
  size_t field_count = 0;
  Request request;
  Response response;
  Headers trailers;
  std::string host;
  std::string cookie;
  bool has_cookie = false;
  std::optional<uint64_t> length;

  // What the request was, on a client.
  bool asked_head = false;
  bool asked_upgrade = false;
  bool asked_connect = false;

  // Our message.
  Buffer out;
  bool sending_body = false;
  bool deferred = false;
  bool finished = false;
  bool has_trailers = false;
  bool head_left = false;
  bool reset_after_end = false;
  bool end_sent = false;
  bool remote_ended = false;
  Headers out_trailers;
};

// Name-value pairs of one head, in nghttp2's form. They point into the message, or into `owned`.
struct H2Session::Fields {
  std::vector<nghttp2_nv> pairs;
  std::deque<std::string> owned;
  // Of the fields that are new each time, those that went into the table: their names are a byte there.
  uint8_t introduced = 0;
  uint32_t sections = 0;

  void clear() {
    pairs.clear();
    owned.clear();
    if (++sections % 256 == 0) introduced = 0;  // others may have pushed them out
  }
  // The first of a name is indexed for the name's sake; those after it are literals that never are.
  bool stays_out_of_table(std::string_view name) {
    const uint8_t bit = new_each_time(name);
    const bool known = (introduced & bit) != 0;
    introduced |= bit;
    return known;
  }
  std::string_view own(std::string text) { return owned.emplace_back(std::move(text)); }
  void add(std::string_view name, std::string_view value, bool never_index = false) {
    // nghttp2 copies both, and writes names in lower case; its interface has no const.
    pairs.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                     static_cast<uint8_t>(never_index ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
  }
  // `name` is a literal in lower case.
  void add_known(std::string_view name, std::string_view value) {
    add(name, value);
    pairs.back().flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME;
  }
  void add_all(const Headers& headers, bool trailers) {
    for (const Headers::Field& field : headers) {
      if (!is_token(field.name) || is_hop_by_hop(field.name)) continue;
      if (trailers ? is_forbidden_trailer(field.name)
                   : equal_ignoring_case(field.name, "content-length") ||
                         equal_ignoring_case(field.name, "host")) {
        continue;
      }
      std::string_view value = field.value;
      if (!is_field_value(value)) {
        std::string clean(value);
        for (char& c : clean) {
          if (!is_value_byte(static_cast<uint8_t>(c))) c = ' ';
        }
        value = own(std::string(trim(clean)));
      }
      add(field.name, value, field.never_index || stays_out_of_table(field.name));
    }
  }
  void add_length(uint64_t length) {
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof digits, length).ptr;
    add_known("content-length", own(std::string(digits, static_cast<size_t>(end - digits))));
  }
};

// ------------------------------------------------------------------ nghttp2's callbacks

struct H2Session::Callbacks {
  static H2Session& self(void* data) { return *static_cast<H2Session*>(data); }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* data) {
    H2Session& s = self(data);
    switch (head->type) {
      case NGHTTP2_SETTINGS:
      case NGHTTP2_PING:
        if (!s.control_.take(s.now_)) s.flood("SETTINGS and PING frames");
        break;
      case NGHTTP2_PRIORITY:
        if (--s.priorities_left_ < 0) s.flood("PRIORITY frames");
        break;
      case NGHTTP2_WINDOW_UPDATE:
        if (--s.window_updates_left_ < 0) s.flood("WINDOW_UPDATE frames");
        break;
      case NGHTTP2_RST_STREAM:
        if (!s.resets_.take(s.now_)) s.flood("reset streams");
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    H2Session& s = self(data);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    s.section_size_ = 0;
    Stream* stream = s.find(frame->hd.stream_id);
    if (stream == nullptr) {
      if (s.role_ == Role::client || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
      auto opened = std::make_unique<Stream>();
      stream = opened.get();
      stream->id = frame->hd.stream_id;
      s.open_.emplace(stream->id, std::move(opened));
      s.priorities_left_ += 100;
      s.window_updates_left_ += 100;
    }
    s.open_head(*stream);
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t flags, void* data) {
    H2Session& s = self(data);
    if (s.is_hopeless(name_size + value_size)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    Stream* const stream = s.find(frame->hd.stream_id);
    if (stream == nullptr || stream->rejected) return 0;
    s.take_field(*stream, view(name, name_size), view(value, value_size),
                 (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
    return 0;
  }

  // What nghttp2 would drop silently makes the message malformed: others may read it.
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                               size_t name_size, const uint8_t*, size_t value_size, uint8_t, void* data) {
    H2Session& s = self(data);
    if (s.is_hopeless(name_size + value_size)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (Stream* const stream = s.find(frame->hd.stream_id)) {
      s.malformed(*stream, concat("the field '", printable(view(name, name_size), 64), "' is malformed"));
    }
    return 0;
  }

  static int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    H2Session& s = self(data);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (Stream* const stream = s.find(frame->hd.stream_id)) s.end_head(*stream, end);
        break;
      case NGHTTP2_DATA:
        if (frame->hd.length == 0 && !end) {
          if (++s.empty_data_ > s.limits_.max_empty_data_frames) s.flood("empty DATA frames");
        } else {
          s.empty_data_ = 0;
        }
        if (Stream* const stream = s.find(frame->hd.stream_id); stream != nullptr && end) {
          stream->remote_ended = true;
          if (!stream->rejected) s.listener_.on_end(stream->id, stream->user, nullptr);
        }
        break;
      case NGHTTP2_RST_STREAM:
        if (Stream* const stream = s.find(frame->hd.stream_id)) stream->reset_by_peer = true;
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) s.listener_.on_settings();
        break;
      case NGHTTP2_GOAWAY:
        s.goaway_received_ = true;
        s.listener_.on_goaway(frame->goaway.last_stream_id, static_cast<H2Code>(frame->goaway.error_code));
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
          uint64_t opaque = 0;
          std::memcpy(&opaque, frame->ping.opaque_data, sizeof opaque);
          s.listener_.on_ping_ack(opaque);
        }
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_data_chunk(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes, size_t size,
                           void* data) {
    H2Session& s = self(data);
    s.window_updates_left_ += 1;
    Stream* const stream = s.find(id);
    if (stream == nullptr || stream->rejected) {
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    s.listener_.on_data(id, stream->user, as_bytes(view(bytes, size)));
    return 0;
  }

  static int on_stream_close(nghttp2_session*, int32_t id, uint32_t code, void* data) {
    H2Session& s = self(data);
    s.close(id, static_cast<H2Code>(code));
    return 0;
  }

  // A request that could not go out any more: GOAWAY came, or it was reset before it left.
  static int on_frame_not_send(nghttp2_session*, const nghttp2_frame* frame, int, void* data) {
    H2Session& s = self(data);
    if (s.role_ == Role::client && frame->hd.type == NGHTTP2_HEADERS &&
        frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      s.close(frame->hd.stream_id, H2Code::refused_stream);
    }
    return 0;
  }

  static int on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* data) {
    H2Session& s = self(data);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        if (Stream* const stream = s.find(frame->hd.stream_id)) {
          if (frame->hd.type == NGHTTP2_HEADERS) stream->head_left = true;
          if (end) {
            stream->end_sent = true;
            s.listener_.on_sent(stream->id, stream->user);
            if (stream->reset_after_end && !stream->remote_ended) {
              s.forget_later(stream->id);
              nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
            }
          }
        }
        break;
      case NGHTTP2_RST_STREAM:
        s.forget_later(frame->hd.stream_id);
        break;
      case NGHTTP2_GOAWAY:
        s.goaway_sent_ = true;
        break;
      default:
        break;
    }
    return 0;
  }

  // The peer made nghttp2 give up a stream: the mirror of rapid reset (CVE-2025-8671).
  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame* frame, int code, void* data) {
    H2Session& s = self(data);
    if (frame->hd.stream_id != 0) {
      s.forget_later(frame->hd.stream_id);
      if (!s.resets_.take(s.now_)) s.flood("streams reset for protocol errors");
    }
    const Error error = {.kind = Error::Kind::protocol,
                         .side = s.role_ == Role::server ? Error::Side::client : Error::Side::backend,
                         .text = concat("frame type ", static_cast<int>(frame->hd.type), " on stream ",
                                        frame->hd.stream_id, ": ", nghttp2_strerror(code))};
    Stream* const stream = s.find(frame->hd.stream_id);
    if (stream != nullptr && s.role_ == Role::server && !stream->rejected) s.tell_malformed(*stream, error);
    if (s.error_.text.empty()) s.error_ = error;
    return 0;
  }

  static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t*, size_t length, uint32_t* flags,
                           nghttp2_data_source*, void* data) {
    H2Session& s = self(data);
    Stream* const stream = s.find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t count = std::min(length, stream->out.size());
    if (count == 0 && !stream->finished) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->finished && count == stream->out.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (stream->has_trailers) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        s.fields_->clear();
        s.fields_->add_all(stream->out_trailers, true);
        nghttp2_submit_trailer(session, id, s.fields_->pairs.data(), s.fields_->pairs.size());
      }
    }
    return static_cast<ssize_t>(count);
  }

  static int send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head, size_t length,
                       nghttp2_data_source*, void* data) {
    H2Session& s = self(data);
    Stream* const stream = s.find(frame->hd.stream_id);
    if (stream == nullptr || s.gathering_ == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (s.gathering_->size() >= s.gather_limit_) return NGHTTP2_ERR_WOULDBLOCK;
    constexpr size_t kFrameHead = 9;
    s.gathering_->reserve(kFrameHead + length);
    s.gathering_->append(as_bytes(view(head, kFrameHead)));
    s.gathering_->append(stream->out.bytes().first(length));
    stream->out.consume(length);
    s.window_updates_left_ += 10;
    if (stream->out.empty()) stream->out.release();
    if (!stream->finished) s.listener_.on_writable(stream->id, stream->user);
    return 0;
  }
};

// ------------------------------------------------------------------ life

H2Session::H2Session(Role role, const H2Limits& limits, Listener& listener)
    : role_(role), limits_(limits), listener_(listener), fields_(std::make_unique<Fields>()) {
  resets_ = {.tokens = double(limits.reset_burst),
             .burst = double(limits.reset_burst),
             .rate = double(limits.reset_rate)};
  // gRPC peers probe their bandwidth with a PING a round trip.
  control_ = {.tokens = 10000, .burst = 10000, .rate = 1000};
  if (role == Role::server) preface_left_ = NGHTTP2_CLIENT_MAGIC_LEN;
  priorities_left_ = 1000;
  window_updates_left_ = 1000;

  nghttp2_session_callbacks* callbacks = nullptr;
  WEFT_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, Callbacks::on_begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, Callbacks::on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame_recv);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::on_invalid_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_stream_close);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, Callbacks::on_frame_not_send);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::on_frame_send);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, Callbacks::send_data);

  nghttp2_option* options = nullptr;
  WEFT_CHECK(nghttp2_option_new(&options) == 0);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  nghttp2_option_set_max_outbound_ack(options, limits.max_control_frames);
  nghttp2_option_set_max_settings(options, limits.max_settings_entries);
  nghttp2_option_set_max_continuations(options, limits.max_continuations);
  // Ours speaks first, with ENHANCE_YOUR_CALM.
  nghttp2_option_set_stream_reset_rate_limit(options, uint64_t{limits.reset_burst} * 2,
                                             uint64_t{limits.reset_rate} * 2);
  nghttp2_option_set_max_send_header_block_length(options, 256 * 1024);
  nghttp2_option_set_peer_max_concurrent_streams(options, 100);
  nghttp2_mem memory = kMemory;
  const int made = role == Role::server
                       ? nghttp2_session_server_new3(&session_, callbacks, this, options, &memory)
                       : nghttp2_session_client_new3(&session_, callbacks, this, options, &memory);
  WEFT_CHECK(made == 0);
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_option_del(options);

  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.max_header_list)},
  };
  if (limits.max_frame_size != 16384)
    settings.push_back({NGHTTP2_SETTINGS_MAX_FRAME_SIZE, limits.max_frame_size});
  if (limits.header_table_size != 4096) {
    settings.push_back({NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, limits.header_table_size});
  }
  if (role == Role::server) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams});
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(limits.connection_window));
}

H2Session::~H2Session() { nghttp2_session_del(session_); }

H2Session::Stream* H2Session::find(int32_t stream) const {
  const auto found = open_.find(stream);
  return found == open_.end() ? nullptr : found->second.get();
}

void H2Session::close(int32_t id, H2Code code) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  const std::unique_ptr<Stream> stream = std::move(found->second);
  open_.erase(found);
  if (role_ == Role::client) return listener_.on_closed(id, stream->user, code);
  if (stream->rejected) return;
  // A body that is not as long as its Content-Length, a window that was not kept to: nghttp2 resets by
  // itself.
  if (code != H2Code::no_error && code != H2Code::refused_stream && !stream->reset_by_peer) {
    return tell_malformed(*stream,
                          {.kind = Error::Kind::protocol,
                           .side = Error::Side::client,
                           .text = concat("the stream broke the protocol and was reset: ", to_string(code))});
  }
  listener_.on_closed(id, stream->user, code);
}

void H2Session::forget_later(int32_t stream) {
  if (was_reset_by_us(stream)) return;
  if (reset_by_us_.size() < kResetsRemembered) {
    reset_by_us_.push_back(stream);
  } else {
    reset_by_us_[reset_next_] = stream;
    reset_next_ = (reset_next_ + 1) % kResetsRemembered;
  }
}

bool H2Session::was_reset_by_us(int32_t stream) const {
  return std::ranges::find(reset_by_us_, stream) != reset_by_us_.end();
}

// Counts one more field of the section that is being decoded. True where it is too much even to be refused
// politely.
bool H2Session::is_hopeless(size_t field_size) {
  section_size_ += field_size + kFieldOverhead;
  if (section_size_ <= kHopeless * limits_.max_header_list) return false;
  flood("header fields");
  return true;
}

void H2Session::flood(std::string what) {
  if (failed_) return;
  failed_ = true;
  error_ = {.kind = Error::Kind::overflow,
            .side = role_ == Role::server ? Error::Side::client : Error::Side::backend,
            .text = concat("the peer floods the connection with ", what)};
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

Result<void> H2Session::feed(Bytes bytes, TimePoint now) {
  now_ = now;
  if (!failed_ && !pass_frames(bytes)) failed_ = true;
  if (failed_) return std::unexpected(error_);
  return {};
}

bool H2Session::take(Bytes bytes) {
  if (bytes.empty()) return true;
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (taken >= 0) return !failed_;
  const bool flooded = taken == NGHTTP2_ERR_FLOODED;
  if (!failed_) {
    error_ = {.kind = flooded ? Error::Kind::overflow : Error::Kind::protocol,
              .side = role_ == Role::server ? Error::Side::client : Error::Side::backend,
              .text = concat("HTTP/2: ", nghttp2_strerror(static_cast<int>(taken)))};
  }
  nghttp2_session_terminate_session(session_, flooded ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  return false;
}

bool H2Session::pass_frames(Bytes bytes) {
  size_t passed = 0;  // bytes[0, passed) have been looked at; nghttp2 has got bytes[0, taken)
  size_t taken = 0;
  if (preface_left_ > 0) {
    passed = std::min(preface_left_, bytes.size());
    preface_left_ -= passed;
  }
  while (passed < bytes.size()) {
    if (payload_left_ > 0) {
      const size_t step = std::min(payload_left_, bytes.size() - passed);
      payload_left_ -= step;
      passed += step;
      continue;
    }
    const size_t step = std::min(sizeof frame_head_ - frame_head_size_, bytes.size() - passed);
    std::memcpy(frame_head_ + frame_head_size_, bytes.data() + passed, step);
    frame_head_size_ += step;
    passed += step;
    if (frame_head_size_ < sizeof frame_head_) break;
    frame_head_size_ = 0;
    payload_left_ = size_t{frame_head_[0]} << 16 | size_t{frame_head_[1]} << 8 | frame_head_[2];
    const uint8_t type = frame_head_[3];
    if (type == NGHTTP2_RST_STREAM) reset_ahead_ = true;
    if (type != NGHTTP2_DATA && type != NGHTTP2_HEADERS) continue;
    const auto stream =
        static_cast<int32_t>((uint32_t{frame_head_[5]} & 0x7f) << 24 | uint32_t{frame_head_[6]} << 16 |
                             uint32_t{frame_head_[7]} << 8 | frame_head_[8]);
    if (find(stream) != nullptr && !reset_ahead_) continue;
    // What came before this frame may open the stream, or end the connection.
    const size_t before = passed - step;
    if (before > taken && !take(bytes.subspan(taken, before - taken))) return false;
    taken = before;
    reset_ahead_ = false;
    if (refers_to_ended(stream, type)) return false;
  }
  return take(bytes.subspan(taken, passed - taken));
}

// A frame on a stream that has ended: nghttp2 ignores it, RFC 9113 section 5.1 makes it an error of type
// STREAM_CLOSED, unless we reset the stream and the peer cannot know yet. A HEADERS frame for a stream that
// was passed over is a PROTOCOL_ERROR (section 5.1.1).
bool H2Session::refers_to_ended(int32_t stream, uint8_t type) {
  if (stream <= 0 || stream % 2 == 0 || find(stream) != nullptr || goaway_sent_) return false;
  if (role_ == Role::server) {
    if (stream > last_opened_) {
      if (type == NGHTTP2_HEADERS) {
        if (stream > last_opened_ + 2 && skipped_.size() < 1024)
          skipped_.emplace_back(last_opened_ + 1, stream - 1);
        last_opened_ = stream;
      }
      return false;
    }
  } else if (stream >= static_cast<int32_t>(nghttp2_session_get_next_stream_id(session_))) {
    return false;
  }
  if (was_reset_by_us(stream)) return false;
  const bool never_open =
      std::ranges::any_of(skipped_, [&](const auto& s) { return stream >= s.first && stream <= s.second; });
  error_ = {.kind = Error::Kind::protocol,
            .side = role_ == Role::server ? Error::Side::client : Error::Side::backend,
            .text = concat("a frame came for stream ", stream,
                           never_open ? ", which was passed over" : ", which has ended")};
  nghttp2_session_terminate_session(session_, never_open ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED);
  return true;
}

bool H2Session::gather(Buffer& out, size_t limit) {
  const size_t before = out.size();
  gathering_ = &out;
  gather_limit_ = limit;
  while (out.size() < limit) {
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
    if (count < 0) {
      failed_ = true;
      if (error_.text.empty())
        error_ = {.kind = Error::Kind::internal, .text = nghttp2_strerror(static_cast<int>(count))};
      break;
    }
    const size_t held = out.size();
    if (count > 0) out.append(as_bytes(view(bytes, static_cast<size_t>(count))));
    // DATA goes straight to `out` by send_data, and mem_send goes on by itself.
    if (count == 0 && held == out.size()) break;
  }
  gathering_ = nullptr;
  return out.size() > before;
}

bool H2Session::wants_write() const { return nghttp2_session_want_write(session_) != 0; }

bool H2Session::done() const {
  return failed_ || (goaway_sent_ && (open_.empty() || nghttp2_session_want_read(session_) == 0));
}

void H2Session::set_user(int32_t stream, void* user) {
  if (Stream* const s = find(stream)) s->user = user;
}

uint32_t H2Session::peer_max_streams() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool H2Session::head_left(int32_t stream) const {
  const Stream* const s = find(stream);
  return s == nullptr || s->head_left;
}

// ------------------------------------------------------------------ reading heads

void H2Session::open_head(Stream& stream) {
  stream.section = stream.had_final_head ? Stream::Section::trailers : Stream::Section::head;
  stream.list_size = 0;
  stream.field_count = 0;
  stream.too_large = false;
  if (stream.section == Stream::Section::head) {
    if (role_ == Role::server) stream.request.headers.reserve(16, 1024);
    stream.length.reset();
  }
}

void H2Session::malformed(Stream& stream, std::string why) {
  if (stream.rejected) return;
  stream.rejected = true;
  if (!resets_.take(now_)) flood("malformed messages");
  const Error error = {.kind = Error::Kind::protocol,
                       .side = role_ == Role::server ? Error::Side::client : Error::Side::backend,
                       .text = std::move(why)};
  forget_later(stream.id);
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_PROTOCOL_ERROR);
  if (role_ == Role::server) tell_malformed(stream, error);
}

void H2Session::tell_malformed(Stream& stream, const Error& error) {
  stream.rejected = true;
  if (stream.had_final_head) {
    listener_.on_malformed(stream.id, stream.user, error);
    stream.user = nullptr;
  } else {
    listener_.on_refused(0, error);
  }
}

bool H2Session::take_field(Stream& stream, std::string_view name, std::string_view value, bool never_index) {
  stream.list_size += name.size() + value.size() + kFieldOverhead;
  ++stream.field_count;
  const bool pseudo = name.starts_with(':');
  if (stream.list_size > limits_.max_header_list || stream.field_count > limits_.max_fields + 5) {
    stream.too_large = true;  // what came is counted, what comes is dropped: the answer is 431
    return false;
  }
  if (stream.section == Stream::Section::trailers) {
    if (!is_forbidden_trailer(name) && !is_framing_look_alike(name))
      stream.trailers.add(name, value, never_index);
    return true;
  }
  if (pseudo) return take_pseudo(stream, name, value);
  Headers& headers = role_ == Role::server ? stream.request.headers : stream.response.headers;
  switch (name.size()) {
    case 4:
      if (role_ == Role::server && name == "host") {
        if (!stream.host.empty() && stream.host != value) malformed(stream, "there are two Host fields");
        stream.host = value;
        return true;
      }
      break;
    case 6:
      if (name == "cookie" && role_ == Role::server) {  // RFC 9113 section 8.2.3
        if (stream.has_cookie) stream.cookie += "; ";
        stream.cookie += value;
        stream.has_cookie = true;
        return true;
      }
      if (name == "expect" && role_ == Role::server && equal_ignoring_case(value, "100-continue")) {
        stream.request.expect_continue = true;
        return true;
      }
      break;
    case 14:
      if (name == "content-length") {  // nghttp2 has checked that it is one number, and checks the body by it
        stream.length = parse_unsigned(value);
        return true;
      }
      break;
    default:
      break;
  }
  if (is_framing_look_alike(name)) {
    malformed(stream, concat("the field '", printable(name, 64), "' poses as one that frames the message"));
    return false;
  }
  headers.add(name, value, never_index);
  return true;
}

bool H2Session::take_pseudo(Stream& stream, std::string_view name, std::string_view value) {
  Request& request = stream.request;
  if (role_ == Role::client) {
    if (name == ":status") stream.response.status = static_cast<int>(parse_unsigned(value).value_or(0));
    return true;
  }
  if (name == ":method") {
    request.method = value;
  } else if (name == ":scheme") {
    request.scheme = value;
  } else if (name == ":authority") {
    request.authority = value;
  } else if (name == ":path") {
    request.path = value;
  } else if (name == ":protocol") {
    request.protocol = value;
  }
  return true;
}

void H2Session::end_head(Stream& stream, bool end_stream) {
  const Stream::Section section = std::exchange(stream.section, Stream::Section::none);
  if (end_stream) stream.remote_ended = true;
  if (stream.rejected) return;
  if (section == Stream::Section::trailers) {
    if (stream.too_large) {
      malformed(stream, "the trailer section is too large");
      return;
    }
    if (end_stream) listener_.on_end(stream.id, stream.user, &stream.trailers);
    return;
  }
  if (stream.too_large) {
    const Error error = {.kind = Error::Kind::overflow,
                         .side = role_ == Role::server ? Error::Side::client : Error::Side::backend,
                         .text = concat("the header list is above ", limits_.max_header_list, " bytes or ",
                                        limits_.max_fields, " fields")};
    if (role_ == Role::client) {
      malformed(stream, error.text);
      return;
    }
    stream.rejected = true;
    listener_.on_refused(431, error);
    Response head;
    head.status = 431;
    submit_response(stream.id, head, true);
    reset_after_end(stream.id);
    return;
  }
  role_ == Role::server ? deliver_request(stream, end_stream) : deliver_response(stream, end_stream);
}

// nghttp2 has checked that the pseudo-fields are there, once, before the others, and fit the method.
void H2Session::deliver_request(Stream& stream, bool end) {
  Request& request = stream.request;
  request.version = Version::http2;
  stream.had_final_head = true;
  const auto refuse = [&](std::string why) {
    stream.had_final_head = false;
    malformed(stream, std::move(why));
  };
  if (request.authority.empty()) {
    request.authority = stream.host;
  } else if (!stream.host.empty() && !equal_ignoring_case(stream.host, request.authority)) {
    return refuse("Host and :authority differ");
  }
  const bool extended = request.is_connect() && !request.protocol.empty();
  if (request.authority.empty() || !is_valid_authority(request.authority)) {
    return refuse(concat("'", printable(request.authority, 80), "' is not an authority"));
  }
  if (request.is_connect() && !extended) {
    if (!parse_authority(request.authority)->port) return refuse("CONNECT names no port");
    request.path.clear();
  } else if (!all_of_class(request.path, kTarget) || request.path.empty() ||
             (request.path.front() != '/' && !(request.path == "*" && request.method == "OPTIONS"))) {
    return refuse(concat("'", printable(request.path, 80), "' is not a path"));
  }
  if (extended) {
    if (!is_token(request.protocol)) return refuse(":protocol is not a token");
    request.method = "GET";
  }
  if (stream.has_cookie) request.headers.add("cookie", stream.cookie);
  if (request.is_connect() || extended) {
    request.content_length = 0;
  } else {
    request.content_length = end ? std::optional<uint64_t>(0) : stream.length;
  }
  stream.host.clear();
  stream.cookie.clear();
  listener_.on_request(stream.id, std::move(request), end);
}

void H2Session::deliver_response(Stream& stream, bool end) {
  Response response = std::move(stream.response);
  stream.response = Response();
  response.version = Version::http2;
  if (response.status >= 200) {
    stream.had_final_head = true;
    // The internal form of a switched protocol is HTTP/1.1's.
    if (stream.asked_upgrade && response.status < 300) response.status = 101;
  }
  response.content_length = stream.length;
  if (end && !stream.length && !stream.asked_head) response.content_length = 0;
  listener_.on_response(stream.id, stream.user, std::move(response), end);
}

// ------------------------------------------------------------------ writing

int32_t H2Session::submit_request(const Request& head, bool end, void* user) {
  auto stream = std::make_unique<Stream>();
  stream->user = user;
  stream->asked_head = head.method == "HEAD";
  stream->asked_upgrade = head.is_upgrade();
  stream->asked_connect = head.is_connect();
  const bool tunnel = stream->asked_upgrade || stream->asked_connect;
  fields_->clear();
  fields_->add_known(":method", tunnel ? "CONNECT" : std::string_view(head.method));
  if (!stream->asked_connect) {
    fields_->add_known(":scheme", head.scheme.empty() ? "http" : std::string_view(head.scheme));
    fields_->add_known(":path", head.path.empty() ? "/" : std::string_view(head.path));
  }
  fields_->add_known(":authority", head.authority);
  if (stream->asked_upgrade) fields_->add_known(":protocol", head.protocol);
  fields_->add_all(head.headers, false);
  if (!tunnel && head.content_length &&
      (*head.content_length > 0 || head.method == "POST" || head.method == "PUT")) {
    fields_->add_length(*head.content_length);
  }
  const bool body = tunnel || !end;
  nghttp2_data_provider provider{.source = {.ptr = nullptr}, .read_callback = Callbacks::read_body};
  stream->sending_body = body;
  stream->finished = !body;
  const int32_t id = nghttp2_submit_request(session_, nullptr, fields_->pairs.data(), fields_->pairs.size(),
                                            body ? &provider : nullptr, nullptr);
  if (id < 0) return id;
  stream->id = id;
  open_.emplace(id, std::move(stream));
  window_updates_left_ += 100;
  return id;
}

void H2Session::submit_informational(int32_t stream, const Response& head) {
  if (find(stream) == nullptr) return;
  fields_->clear();
  fields_->add_known(":status", fields_->own(std::to_string(head.status)));
  fields_->add_all(head.headers, false);
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream, nullptr, fields_->pairs.data(),
                         fields_->pairs.size(), nullptr);
}

void H2Session::submit_response(int32_t stream, const Response& head, bool end) {
  Stream* const s = find(stream);
  if (s == nullptr) return;
  const int status = head.status == 101 ? 200 : head.status;
  fields_->clear();
  fields_->add_known(":status", fields_->own(std::to_string(status)));
  fields_->add_all(head.headers, false);
  if (head.status != 101 && status != 204 && status >= 200 && head.content_length &&
      (*head.content_length > 0 || status != 304)) {
    fields_->add_length(*head.content_length);
  }
  nghttp2_data_provider provider{.source = {.ptr = nullptr}, .read_callback = Callbacks::read_body};
  s->sending_body = !end;
  s->finished = end;
  nghttp2_submit_response(session_, stream, fields_->pairs.data(), fields_->pairs.size(),
                          end ? nullptr : &provider);
}

size_t H2Session::write(int32_t stream, Bytes bytes) {
  Stream* const s = find(stream);
  if (s == nullptr || s->finished || !s->sending_body) return bytes.size();
  const size_t room = kStreamBuffer - std::min(kStreamBuffer, s->out.size());
  const size_t count = std::min(room, bytes.size());
  if (count == 0) return 0;
  s->out.append(bytes.first(count));
  if (std::exchange(s->deferred, false)) nghttp2_session_resume_data(session_, stream);
  return count;
}

void H2Session::finish(int32_t stream, const Headers* trailers) {
  Stream* const s = find(stream);
  if (s == nullptr || s->finished) return;
  s->finished = true;
  if (trailers != nullptr && !trailers->empty()) {
    s->out_trailers = *trailers;
    s->has_trailers = true;
  }
  if (std::exchange(s->deferred, false)) nghttp2_session_resume_data(session_, stream);
}

void H2Session::reset(int32_t stream, H2Code code) {
  Stream* const s = find(stream);
  if (s == nullptr) return;
  s->rejected = true;
  s->user = nullptr;
  forget_later(stream);
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, static_cast<uint32_t>(code));
}

void H2Session::reset_after_end(int32_t stream) {
  Stream* const s = find(stream);
  if (s == nullptr || s->remote_ended) return;
  if (s->end_sent) {
    reset(stream, H2Code::no_error);
  } else {
    s->reset_after_end = true;
    s->rejected = true;
    s->user = nullptr;
  }
}

void H2Session::consume(int32_t stream, size_t count) {
  if (count > 0) nghttp2_session_consume(session_, stream, count);
}

void H2Session::announce_shutdown() { nghttp2_submit_shutdown_notice(session_); }

void H2Session::goaway(H2Code code) {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        static_cast<uint32_t>(code), nullptr, 0);
}

void H2Session::ping(uint64_t opaque) {
  uint8_t bytes[8];
  std::memcpy(bytes, &opaque, sizeof bytes);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, bytes);
}

}  // namespace weft::http
