// TlsStream: TLS over another Stream, to whoever holds it a Stream like any other.
//
//   auto tls = co_await TlsStream::connect(std::move(socket), context, deadline);
//   if (!tls) return fail(std::move(tls).error());      // says why: wrong peer, untrusted, not TLS, timeout
//   (*tls)->peer().spiffe_id();
//
// One read of the inner stream feeds many records; what one try_write() takes leaves as full records in
// one write. Up to 64 KiB of ciphertext wait here when the inner stream takes no more; then try_write
// answers `blocked`. An idle stream holds no buffers.
//
// The end. shutdown_write() sends close_notify and FIN, and so does destroying the stream; what still
// waits then is sent from the loop's keeping (Loop::keep). abort() sends neither. A peer's FIN without
// its close_notify is not `eof` but `failed`, with Error::Kind::reset: bytes may be missing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "identity/certificate.h"
#include "io/stream.h"
#include "io/task_group.h"
#include "tls/context.h"

struct ssl_st;

namespace weft::tls {

// What the handshake proved and agreed.
struct Peer {
  std::optional<identity::Certificate> certificate;  // verified, unless the context verifies nothing
  bool verified = false;
  std::string alpn;         // empty: none agreed
  std::string server_name;  // SNI: what the client asked for
  std::string version;      // "TLSv1.3"
  std::string cipher;       // "TLS_AES_128_GCM_SHA256"
  bool resumed = false;

  // The peer's proven identity in the mesh; nothing without a verified certificate.
  const std::optional<identity::SpiffeId>& spiffe_id() const;
};

class TlsStream final : public io::Stream {
 public:
  static io::Task<Result<std::unique_ptr<TlsStream>>> accept(std::unique_ptr<io::Stream> inner,
                                                             std::shared_ptr<const ServerContext> context,
                                                             TimePoint deadline);
  static io::Task<Result<std::unique_ptr<TlsStream>>> connect(std::unique_ptr<io::Stream> inner,
                                                              std::shared_ptr<const ClientContext> context,
                                                              TimePoint deadline);
  ~TlsStream() override;

  const Peer& peer() const { return peer_; }

  io::IoResult try_write(std::span<const Bytes> pieces) override;
  using Stream::try_write;
  void shutdown_write() override;
  void abort() override;
  Error error() const override { return error_; }
  SocketAddress local_address() const override { return inner_->local_address(); }
  SocketAddress peer_address() const override { return inner_->peer_address(); }
  std::optional<SocketAddress> original_destination() const override {
    return inner_->original_destination();
  }

 private:
  friend struct Hooks;  // the library's callbacks

  TlsStream(std::unique_ptr<io::Stream> inner, std::shared_ptr<const Context> context);
  static io::Task<Result<std::unique_ptr<TlsStream>>> handshake(std::unique_ptr<TlsStream> stream,
                                                                TimePoint deadline);

  io::IoResult do_read(MutableBytes into) override;
  size_t seal(Bytes plain);
  void flush();
  void keep_flushing();
  io::Task<void> flush_when_writable();
  void finish_handshake();
  Error handshake_error(int code);
  void fail_with(Error error);
  void close_notify();

  // What the library reads and writes through.
  int bio_read(MutableBytes into, bool& retry);
  int bio_write(Bytes bytes);

  std::unique_ptr<io::Stream> inner_;
  std::shared_ptr<const Context> context_;
  const ClientContext* client_ = nullptr;  // context_, if we are the client
  const ServerContext* server_ = nullptr;  // or if we are the server
  ssl_st* ssl_ = nullptr;
  Buffer out_;           // ciphertext that the inner stream has not taken
  bool corked_ = false;  // several records are coming: gather them in out_
  bool established_ = false;
  bool writer_blocked_ = false;
  bool shut_ = false;  // close_notify is sent or in out_
  bool fin_after_flush_ = false;
  bool failed_ = false;
  bool inner_failed_ = false;
  bool inner_ended_ = false;
  Error error_;
  std::optional<Error> verify_error_;
  Peer peer_;
  io::TaskGroup tasks_;
};

}  // namespace weft::tls
