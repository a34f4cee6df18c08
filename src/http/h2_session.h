// HTTP/2 without I/O: bytes in, bytes out, messages at the side. A thin wrapper of nghttp2, and the one place
// that includes it.
//
//   H2Session session(H2Session::Role::server, limits, listener);
//   session.feed(bytes, now);               // the listener hears of heads, data, ends, resets
//   session.submit_response(stream, head, false);
//   stream.write(bytes) ... session.gather(out, 64 * 1024);   // what is to be sent
//
// nghttp2 checks frames, states, HPACK and most of RFC 9113 section 8. Here is what it leaves to its user:
//   - budgets against floods: resets (by the peer, or forced upon us), PING and SETTINGS, PRIORITY,
//   WINDOW_UPDATE
//     and empty DATA frames, decoded header bytes (limits.h says which and why);
//   - STREAM_CLOSED for frames on streams that have ended (section 5.1);
//   - messages in their one form: Host and :authority agree, cookie crumbs are joined, an extended CONNECT
//     (RFC 8441) is a GET with `protocol` as HTTP/1.1's Upgrade is, and its answer is 101;
//   - windows are given back only as the reader consumes: backpressure reaches the peer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/limits.h"
#include "http/message.h"

struct nghttp2_session;

namespace weft::http {

enum class H2Code : uint32_t {  // RFC 9113 section 7
  no_error = 0,
  protocol_error = 1,
  internal_error = 2,
  flow_control_error = 3,
  settings_timeout = 4,
  stream_closed = 5,
  frame_size_error = 6,
  refused_stream = 7,
  cancel = 8,
  compression_error = 9,
  connect_error = 10,
  enhance_your_calm = 11,
  inadequate_security = 12,
  http_1_1_required = 13,
};
std::string_view to_string(H2Code code);  // "REFUSED_STREAM"
Error::Kind error_kind(H2Code code);

class H2Session {
 public:
  enum class Role : uint8_t { client, server };

  // Called from feed() and gather(). It may submit, write, reset and consume, but not feed or gather.
  // `user` is what set_user() gave the stream, or nullptr.
  class Listener {
   public:
    virtual void on_request(int32_t stream, Request&& head, bool end) {}
    // 1xx heads too; their `end` is false.
    virtual void on_response(int32_t stream, void* user, Response&& head, bool end) {}
    virtual void on_data(int32_t stream, void* user, Bytes bytes) = 0;
    // The message has ended, with trailers or (nullptr) without.
    virtual void on_end(int32_t stream, void* user, Headers* trailers) = 0;
    // The stream is gone: both directions ended (no_error), or it was reset by either side.
    virtual void on_closed(int32_t stream, void* user, H2Code code) = 0;
    // Server: a request whose head was delivered went on in a way that HTTP forbids; its stream is reset.
    virtual void on_malformed(int32_t stream, void* user, const Error& error) {}
    // Bytes of the stream left: write() may take more.
    virtual void on_writable(int32_t stream, void* user) {}
    // All of our message, its end included, is in the output.
    virtual void on_sent(int32_t stream, void* user) {}
    // The peer starts no more streams (server), or takes none above `last` (client).
    virtual void on_goaway(int32_t last, H2Code code) {}
    virtual void on_settings() {}
    virtual void on_ping_ack(uint64_t opaque) {}
    // A request that was answered here: too large (431); status 0: malformed, and its stream is reset.
    virtual void on_refused(int status, const Error& error) {}

   protected:
    ~Listener() = default;
  };

  H2Session(Role role, const H2Limits& limits, Listener& listener);
  ~H2Session();
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;

  // An error ends the connection; GOAWAY is in the output, and should be sent before closing.
  Result<void> feed(Bytes bytes, TimePoint now);
  // Moves what is to be sent to `out` until that holds `limit` bytes. True if there was anything.
  bool gather(Buffer& out, size_t limit);
  // There may be something to gather.
  bool wants_write() const;
  // The connection has run its course (failed, or GOAWAY sent and nothing open): close it when everything is
  // sent.
  bool done() const;
  // Why the connection failed, if it did.
  const Error& error() const { return error_; }

  void set_user(int32_t stream, void* user);

  // ---- sending
  // Client: the new stream; negative where no stream can be started any more.
  int32_t submit_request(const Request& head, bool end, void* user);
  void submit_informational(int32_t stream, const Response& head);
  void submit_response(int32_t stream, const Response& head, bool end);
  // Takes what fits into the stream's buffer of 64 KiB.
  size_t write(int32_t stream, Bytes bytes);
  void finish(int32_t stream, const Headers* trailers);
  void reset(int32_t stream, H2Code code);
  // RST_STREAM(NO_ERROR) once our message is sent: the rest of the request is not wanted (RFC 9113
  // section 8.1).
  void reset_after_end(int32_t stream);
  // The reader has used that many bytes: windows open again.
  void consume(int32_t stream, size_t count);

  // ---- the connection
  // Two-step shutdown (RFC 9113 section 6.8): announce() lets streams on their way in; goaway() draws the
  // line.
  void announce_shutdown();
  void goaway(H2Code code);
  void ping(uint64_t opaque);
  size_t streams() const { return open_.size(); }
  // Streams that the peer's SETTINGS allow us at once.
  uint32_t peer_max_streams() const;
  bool goaway_received() const { return goaway_received_; }
  // Client: whether HEADERS of that stream have left in gather().
  bool head_left(int32_t stream) const;

 private:
  struct Stream;
  struct Callbacks;

  // Refills with time, and says when too much was asked.
  struct Bucket {
    double tokens = 0;
    double burst = 0;
    double rate = 0;
    TimePoint last{};
    bool take(TimePoint now);
  };

  Stream* find(int32_t stream) const;
  void close(int32_t stream, H2Code code);
  void open_head(Stream& stream);
  bool take_field(Stream& stream, std::string_view name, std::string_view value, bool never_index);
  bool take_pseudo(Stream& stream, std::string_view name, std::string_view value);
  void end_head(Stream& stream, bool end_stream);
  void deliver_request(Stream& stream, bool end);
  void deliver_response(Stream& stream, bool end);
  void malformed(Stream& stream, std::string why);
  void tell_malformed(Stream& stream, const Error& error);
  bool is_hopeless(size_t field_size);
  void flood(std::string what);
  // Follows the frames in what is fed, to see those that nghttp2 would ignore. False: the connection is to
  // end.
  bool pass_frames(Bytes bytes);
  bool take(Bytes bytes);
  bool refers_to_ended(int32_t stream, uint8_t type);
  void forget_later(int32_t stream);
  bool was_reset_by_us(int32_t stream) const;

  Role role_;
  H2Limits limits_;
  Listener& listener_;
  nghttp2_session* session_ = nullptr;
  Buffer* gathering_ = nullptr;
  Error error_;
  TimePoint now_{};
  bool goaway_received_ = false;
  bool goaway_sent_ = false;
  bool failed_ = false;
  Bucket resets_;
  Bucket control_;
  int64_t window_updates_left_ = 0;
  int64_t priorities_left_ = 0;
  uint32_t empty_data_ = 0;
  size_t preface_left_ = 0;
  uint8_t frame_head_[9] = {};
  size_t frame_head_size_ = 0;
  size_t payload_left_ = 0;
  size_t section_size_ = 0;   // of the header section that is being decoded
  bool reset_ahead_ = false;  // an RST_STREAM was looked at that nghttp2 may not have got
  int32_t last_opened_ = 0;
  std::vector<std::pair<int32_t, int32_t>> skipped_;  // streams the client passed over, first and last
  std::vector<int32_t> reset_by_us_;  // a ring of the last ones: their frames may still be on the way
  size_t reset_next_ = 0;
  struct Fields;
  std::unique_ptr<Fields> fields_;  // scratch of submit
  size_t gather_limit_ = 0;
  std::unordered_map<int32_t, std::unique_ptr<Stream>> open_;
};

}  // namespace weft::http
