#include "tls/stream.h"

#include <openssl/ssl.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/check.h"
#include "base/strings.h"
#include "identity/openssl.h"
#include "io/wait.h"
#include "tls/callbacks.h"

namespace weft::tls {

namespace {

// What may wait for the inner stream before try_write says `blocked`.
constexpr size_t kMostPending = 64 * 1024;
constexpr size_t kRecord = 16 * 1024;
// How long a destroyed stream's last bytes may take.
constexpr Duration kLastWords = 10s;

// The library asks for the time without saying for whom.
thread_local const io::Loop* loop_at_work = nullptr;

class AtWork {
 public:
  explicit AtWork(const io::Loop& loop) { loop_at_work = &loop; }
  ~AtWork() { loop_at_work = nullptr; }
};

const std::optional<identity::SpiffeId> kNobody;

io::Task<void> send_last_words(std::unique_ptr<io::Stream> stream, Buffer bytes) {
  (void)co_await io::write_all(*stream, bytes.bytes(), stream->loop().now() + kLastWords);
  stream->shutdown_write();
}

}  // namespace

const std::optional<identity::SpiffeId>& Peer::spiffe_id() const {
  return verified && certificate ? certificate->spiffe_id() : kNobody;
}

// ---- what the library calls

struct Hooks {
  static TlsStream& stream_of(const SSL* ssl) { return *static_cast<TlsStream*>(SSL_get_app_data(ssl)); }

  static int bio_read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    bool retry = false;
    const int count = stream.bio_read({reinterpret_cast<std::byte*>(into), static_cast<size_t>(size)}, retry);
    if (retry) BIO_set_retry_read(bio);
    return count;
  }
  static int bio_write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    return stream.bio_write({reinterpret_cast<const std::byte*>(bytes), static_cast<size_t>(size)});
  }
  static long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO* new_bio(TlsStream& stream) {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weft stream");
      BIO_meth_set_read(made, bio_read);
      BIO_meth_set_write(made, bio_write);
      BIO_meth_set_ctrl(made, bio_control);
      return made;
    }();
    BIO* bio = BIO_new(method);
    BIO_set_data(bio, &stream);
    BIO_set_init(bio, 1);
    return bio;
  }

  static std::vector<Bytes> chain_of(const SSL* ssl) {
    std::vector<Bytes> chain;
    const STACK_OF(CRYPTO_BUFFER)* sent = SSL_get0_peer_certificates(ssl);
    for (size_t i = 0; sent != nullptr && i < sk_CRYPTO_BUFFER_num(sent); ++i) {
      const CRYPTO_BUFFER* der = sk_CRYPTO_BUFFER_value(sent, i);
      chain.emplace_back(reinterpret_cast<const std::byte*>(CRYPTO_BUFFER_data(der)), CRYPTO_BUFFER_len(der));
    }
    return chain;
  }

  static bool verify(TlsStream& stream, const SSL* ssl) {
    auto leaf = stream.context_->verify_peer(chain_of(ssl), stream.loop_.wall_now());
    if (!leaf) {
      stream.verify_error_ = std::move(leaf).error();
      return false;
    }
    stream.peer_.certificate = std::move(*leaf);
    stream.peer_.verified = stream.context_->verifies();
    return true;
  }

  // A session lives no longer than the certificate that was verified for it.
  static void cut_life(SSL_SESSION* session, const TlsStream& stream) {
    if (session == nullptr || !stream.peer_.certificate) return;
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(stream.peer_.certificate->not_after() -
                                                                       stream.loop_.wall_now());
    const int64_t seconds = std::max<int64_t>(left.count(), 0);
    if (seconds < SSL_SESSION_get_timeout(session)) {
      SSL_SESSION_set_timeout(session, static_cast<uint32_t>(seconds));
    }
  }

  static void save(TlsStream& stream, SSL_SESSION* session) {
    if (stream.client_ == nullptr || !stream.peer_.certificate) return;
    cut_life(session, stream);
    const WallTime now = stream.loop_.wall_now();
    const WallTime until = std::min(stream.peer_.certificate->not_after(),
                                    now + std::chrono::seconds(SSL_SESSION_get_timeout(session)));
    stream.client_->save_session(stream.inner_->peer_address(), session, until);
  }

  static std::string_view choose_alpn(const TlsStream& stream, Bytes offered) {
    return stream.server_ != nullptr ? stream.server_->choose_alpn(offered) : std::string_view();
  }
};

ssl_verify_result_t verify_certificate(SSL* ssl, uint8_t* alert) {
  TlsStream& stream = Hooks::stream_of(ssl);
  if (!Hooks::verify(stream, ssl)) {
    *alert = SSL_AD_CERTIFICATE_UNKNOWN;
    return ssl_verify_invalid;
  }
  Hooks::cut_life(SSL_get_session(ssl), stream);
  return ssl_verify_ok;
}

int select_alpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* offered,
                unsigned offered_size, void*) {
  const std::string_view chosen =
      Hooks::choose_alpn(Hooks::stream_of(ssl), {reinterpret_cast<const std::byte*>(offered), offered_size});
  // No common protocol is no reason to refuse: what speaks is told by the bytes, as everywhere in the mesh.
  if (chosen.empty()) return SSL_TLSEXT_ERR_NOACK;
  *out = reinterpret_cast<const uint8_t*>(chosen.data());
  *out_size = static_cast<uint8_t>(chosen.size());
  return SSL_TLSEXT_ERR_OK;
}

int save_new_session(SSL* ssl, SSL_SESSION* session) {
  Hooks::save(Hooks::stream_of(ssl), session);
  return 0;
}

void current_time(const SSL*, timeval* out) {
  const WallTime now =
      loop_at_work != nullptr ? loop_at_work->wall_now() : WallTime(std::chrono::system_clock::now());
  out->tv_sec = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  out->tv_usec = 0;
}

int TlsStream::bio_read(MutableBytes into, bool& retry) {
  const io::IoResult result = inner_->try_read(into);
  switch (result.status) {
    case io::IoStatus::ok:
      return static_cast<int>(result.count);
    case io::IoStatus::blocked:
      retry = true;
      return -1;
    case io::IoStatus::eof:
      inner_ended_ = true;
      return 0;
    case io::IoStatus::failed:
      inner_failed_ = true;
      return -1;
  }
  return -1;
}

// Takes everything: the library never holds ciphertext back, and try_write keeps out_ within its bound.
int TlsStream::bio_write(Bytes bytes) {
  if (inner_failed_) return -1;
  size_t sent = 0;
  if (!corked_ && out_.empty()) {
    const io::IoResult result = inner_->try_write(bytes);
    if (result.status == io::IoStatus::failed) {
      inner_failed_ = true;
      return -1;
    }
    if (result.status == io::IoStatus::ok) sent = result.count;
  }
  out_.append(bytes.subspan(sent));
  return static_cast<int>(bytes.size());
}

// ---- making one

TlsStream::TlsStream(std::unique_ptr<io::Stream> inner, std::shared_ptr<const Context> context)
    : Stream(inner->loop()), inner_(std::move(inner)), context_(std::move(context)), tasks_(loop_) {
  ssl_ = SSL_new(context_->get());
  WEFT_CHECK(ssl_ != nullptr);
  SSL_set_app_data(ssl_, this);
  BIO* bio = Hooks::new_bio(*this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_shed_handshake_config(ssl_, 1);
  inner_->readable_event().forward_to(&readable_);
}

TlsStream::~TlsStream() {
  tasks_.cancel_all();
  if (inner_ != nullptr && !failed_ && established_) {
    close_notify();
    inner_->readable_event().forward_to(nullptr);
    if (!inner_failed_) {
      if (out_.empty()) {
        inner_->shutdown_write();
      } else {
        loop_.keep(send_last_words(std::move(inner_), std::move(out_)));
      }
    }
  }
  SSL_free(ssl_);
}

io::Task<Result<std::unique_ptr<TlsStream>>> TlsStream::accept(std::unique_ptr<io::Stream> inner,
                                                               std::shared_ptr<const ServerContext> context,
                                                               TimePoint deadline) {
  const ServerContext* server = context.get();
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(inner), std::move(context)));
  stream->server_ = server;
  SSL_set_accept_state(stream->ssl_);
  return handshake(std::move(stream), deadline);
}

io::Task<Result<std::unique_ptr<TlsStream>>> TlsStream::connect(std::unique_ptr<io::Stream> inner,
                                                                std::shared_ptr<const ClientContext> context,
                                                                TimePoint deadline) {
  const ClientContext* client = context.get();
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(inner), std::move(context)));
  stream->client_ = client;
  SSL* ssl = stream->ssl_;
  SSL_set_connect_state(ssl);
  // RFC 6066 3: an address is no server name.
  if (!client->server_name().empty() && !IpAddress::parse(client->server_name())) {
    SSL_set_tlsext_host_name(ssl, client->server_name().c_str());
  }
  std::string alpn;
  for (const std::string& protocol : client->alpn()) {
    alpn.push_back(static_cast<char>(protocol.size()));
    alpn += protocol;
  }
  SSL_set_alpn_protos(ssl, reinterpret_cast<const uint8_t*>(alpn.data()), alpn.size());
  const AtWork at_work(stream->loop_);
  if (const auto session = client->take_session(stream->inner_->peer_address(), stream->loop_.wall_now())) {
    SSL_set_session(ssl, session.get());
  }
  return handshake(std::move(stream), deadline);
}

io::Task<Result<std::unique_ptr<TlsStream>>> TlsStream::handshake(std::unique_ptr<TlsStream> stream,
                                                                  TimePoint deadline) {
  TlsStream& s = *stream;
  for (;;) {
    int code = 0;
    {
      const AtWork at_work(s.loop_);
      s.corked_ = true;  // a flight leaves in one write
      code = SSL_do_handshake(s.ssl_);
      s.corked_ = false;
      if (code != 1) code = -SSL_get_error(s.ssl_, code);
      if (code == 1 && s.server_ != nullptr && SSL_session_reused(s.ssl_) && s.server_->verifies()) {
        // The library does not ask again about a client that resumes.
        const bool sent = SSL_get0_peer_certificates(s.ssl_) != nullptr;
        if (sent && !Hooks::verify(s, s.ssl_)) code = -SSL_ERROR_SSL;
      }
    }
    s.flush();
    if (code == 1) break;
    if (code != -SSL_ERROR_WANT_READ) {
      Error error = s.handshake_error(-code);
      s.fail_with(error);
      co_return fail(std::move(error));
    }
    if (!co_await io::wait_until(s.readable_, deadline)) {
      s.abort();
      co_return fail(Error::Kind::timeout, concat("TLS handshake with ", s.peer_address().to_string(),
                                                  ": not finished before the deadline"));
    }
  }
  s.finish_handshake();
  co_return std::move(stream);
}

void TlsStream::finish_handshake() {
  established_ = true;
  const uint8_t* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &alpn_size);
  peer_.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name))
    peer_.server_name = to_lower(name);
  if (client_ != nullptr) peer_.server_name = client_->server_name();
  peer_.version = SSL_get_version(ssl_);
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_))
    peer_.cipher = SSL_CIPHER_standard_name(cipher);
  peer_.resumed = SSL_session_reused(ssl_) != 0;
  ERR_clear_error();
  // Records that came behind the handshake are in the library's buffer: nobody else would say so.
  readable_.notify();
}

Error TlsStream::handshake_error(int code) {
  Error error;
  error.side = server_ != nullptr ? Error::Side::client : Error::Side::backend;
  error.kind = Error::Kind::protocol;
  const std::string with = concat("TLS handshake with ", inner_->peer_address().to_string(), ": ");
  const uint32_t packed = ERR_peek_error();
  const int reason = ERR_GET_LIB(packed) == ERR_LIB_SSL ? ERR_GET_REASON(packed) : 0;
  if (verify_error_) {
    error.kind = Error::Kind::denied;
    error.text = concat(with, "certificate verify failed: ", verify_error_->text);
  } else if (inner_failed_) {
    error = inner_->error();
    error.side = server_ != nullptr ? Error::Side::client : Error::Side::backend;
    error.text = concat(with, error.text);
  } else if (inner_ended_ || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    error.kind = Error::Kind::reset;
    error.text = concat(with, "the peer closed the connection before it finished");
  } else {
    switch (reason) {
      case SSL_R_HTTP_REQUEST:
      case SSL_R_HTTPS_PROXY_REQUEST:
        error.text = concat(with, "not TLS: got HTTP request");
        break;
      case SSL_R_WRONG_VERSION_NUMBER:
        error.text = concat(with, "not TLS: got other bytes");
        break;
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        error.kind = Error::Kind::denied;
        error.text = concat(with, "client sent no certificate");
        break;
      case SSL_R_UNSUPPORTED_PROTOCOL:
      case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        error.text = concat(with, "no TLS version that both sides allow");
        break;
      case SSL_R_NO_SHARED_CIPHER:
        error.text = concat(with, "no cipher that both sides allow");
        break;
      case SSL_R_NO_SHARED_GROUP:
        error.text = concat(with, "no key exchange group that both sides allow");
        break;
      case SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED:
        error.kind = Error::Kind::denied;
        error.text = concat(with, "the peer demands a certificate and we sent none");
        break;
      case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
      case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        error.kind = Error::Kind::denied;
        error.text = concat(with, "the peer refused our certificate (", identity::take_library_error(), ")");
        break;
      default:
        error.text = concat(
            with, code == SSL_ERROR_ZERO_RETURN ? "the peer closed it" : identity::take_library_error());
    }
  }
  ERR_clear_error();
  return error;
}

// ---- reading

io::IoResult TlsStream::do_read(MutableBytes into) {
  if (failed_) return {io::IoStatus::failed, 0};
  if (into.empty()) return {io::IoStatus::blocked, 0};
  const AtWork at_work(loop_);
  size_t total = 0;
  int code = 1;
  while (total < into.size()) {
    const size_t room = std::min<size_t>(into.size() - total, 1 << 30);
    code = SSL_read(ssl_, into.data() + total, static_cast<int>(room));
    if (code <= 0) break;
    total += static_cast<size_t>(code);
  }
  if (!out_.empty()) flush();  // an acknowledged key update
  // An error comes again with the next call.
  if (total > 0) return {io::IoStatus::ok, total};

  switch (SSL_get_error(ssl_, code)) {
    case SSL_ERROR_WANT_READ:
      return {io::IoStatus::blocked, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {io::IoStatus::eof, 0};
    default:
      break;
  }
  Error error;
  const uint32_t packed = ERR_peek_error();
  const int reason = ERR_GET_LIB(packed) == ERR_LIB_SSL ? ERR_GET_REASON(packed) : 0;
  if (inner_failed_) {
    error = inner_->error();
  } else if (inner_ended_) {
    error = {.kind = Error::Kind::reset,
             .text = "the connection ended without TLS close_notify: it may be cut short"};
  } else if (reason == SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED) {
    // In TLS 1.3 a client learns only now what the server thinks of its certificate.
    error = {.kind = Error::Kind::denied, .text = "the peer demands a certificate and we sent none"};
  } else if (reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA || reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
             reason == SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN ||
             reason == SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED) {
    error = {.kind = Error::Kind::denied,
             .text = concat("the peer refused our certificate (", identity::take_library_error(), ")")};
  } else {
    error = {.kind = Error::Kind::protocol, .text = concat("TLS: ", identity::take_library_error())};
  }
  fail_with(std::move(error));
  return {io::IoStatus::failed, 0};
}

// ---- writing

io::IoResult TlsStream::try_write(std::span<const Bytes> pieces) {
  if (failed_) return {io::IoStatus::failed, 0};
  if (shut_) {
    fail_with({.kind = Error::Kind::internal, .text = "write after shutdown_write"});
    return {io::IoStatus::failed, 0};
  }
  if (!out_.empty()) flush();
  size_t size = 0;
  for (const Bytes piece : pieces) size += piece.size();

  std::array<std::byte, kRecord> record;  // only what comes in several pieces is copied to it
  size_t taken = 0;
  size_t index = 0;
  Bytes rest = pieces.empty() ? Bytes() : pieces[0];
  while (taken < size && !inner_failed_) {
    if (out_.size() >= kMostPending) {
      flush();
      // Short means that the inner stream takes no more: writable() will tell.
      if (out_.size() >= kMostPending || inner_failed_) break;
    }
    while (rest.empty()) rest = pieces[++index];
    Bytes plain = rest.first(std::min(rest.size(), kRecord));
    if (plain.size() < kRecord && plain.size() < size - taken) {
      size_t filled = 0;
      for (;;) {
        const size_t count = std::min(rest.size(), kRecord - filled);
        std::copy_n(rest.begin(), count, record.begin() + static_cast<long>(filled));
        filled += count;
        rest = rest.subspan(count);
        if (filled == kRecord || taken + filled == size) break;
        rest = pieces[++index];
      }
      plain = Bytes(record.data(), filled);
    } else {
      rest = rest.subspan(plain.size());
    }
    corked_ = size - taken > plain.size() || corked_;
    const size_t sealed = seal(plain);
    if (sealed == 0) break;
    taken += sealed;
  }
  corked_ = false;
  if (!out_.empty()) flush();
  if (inner_failed_) fail_with(inner_->error());
  if (failed_) return {io::IoStatus::failed, 0};
  if (taken > 0 || size == 0) {
    writer_blocked_ = taken < size;
    return {io::IoStatus::ok, taken};
  }
  writer_blocked_ = true;
  return {io::IoStatus::blocked, 0};
}

// One record at most.
size_t TlsStream::seal(Bytes plain) {
  const AtWork at_work(loop_);
  const int code = SSL_write(ssl_, plain.data(), static_cast<int>(plain.size()));
  if (code > 0) return static_cast<size_t>(code);
  if (!inner_failed_)
    fail_with({.kind = Error::Kind::protocol, .text = concat("TLS: ", identity::take_library_error())});
  ERR_clear_error();
  return 0;
}

void TlsStream::flush() {
  while (!out_.empty() && !inner_failed_) {
    const io::IoResult result = inner_->try_write(out_.bytes());
    if (result.status == io::IoStatus::failed) inner_failed_ = true;
    if (result.status != io::IoStatus::ok) break;
    out_.consume(result.count);
  }
  if (out_.empty()) {
    out_.release();
    if (std::exchange(fin_after_flush_, false)) inner_->shutdown_write();
  } else if (!inner_failed_) {
    keep_flushing();
  }
}

void TlsStream::keep_flushing() {
  if (tasks_.empty()) tasks_.spawn(flush_when_writable());
}

io::Task<void> TlsStream::flush_when_writable() {
  while (!out_.empty() && !inner_failed_) {
    co_await inner_->writable();
    flush();
    if (out_.size() < kMostPending && std::exchange(writer_blocked_, false)) writable_.notify();
  }
  if (inner_failed_ && !failed_) fail_with(inner_->error());
}

void TlsStream::close_notify() {
  if (std::exchange(shut_, true) || !established_) return;
  corked_ = true;
  SSL_shutdown(ssl_);
  corked_ = false;
  ERR_clear_error();
  if (out_.empty()) return;
  const io::IoResult result = inner_->try_write(out_.bytes());
  if (result.status == io::IoStatus::ok) out_.consume(result.count);
  if (result.status == io::IoStatus::failed) inner_failed_ = true;
}

void TlsStream::shutdown_write() {
  if (failed_ || shut_) return;
  close_notify();
  fin_after_flush_ = true;
  flush();
}

void TlsStream::abort() {
  inner_->abort();
  out_.release();
  if (!failed_) fail_with({.kind = Error::Kind::cancelled, .text = "the connection was aborted on our side"});
}

void TlsStream::fail_with(Error error) {
  if (failed_) return;
  failed_ = true;
  error_ = std::move(error);
  readable_.notify();
  writable_.notify();
}

}  // namespace weft::tls
