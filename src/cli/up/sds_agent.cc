#include "cli/up/sds_agent.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "cli/files.h"
#include "identity/certificate.h"
#include "identity/csr.h"
#include "identity/key.h"
#include "io/stream.h"
#include "net/server_connection.h"
#include "wire/ca.h"
#include "wire/discovery.h"
#include "wire/to_wire.h"

namespace weft::cli {
namespace {

constexpr Duration kRetry = 500ms;
constexpr Duration kLook = 1s;  // how often roots and the certificate's age are looked at

io::Task<Result<net::Pool::Connected>> connect_to_weftd(io::EpollLoop& loop) {
  // In the hub, where weftd lives, its plaintext port is on loopback.
  WEFT_CO_TRY(auto stream,
              co_await loop.connect({.ip = IpAddress::loopback(), .port = 15010, .path = {}}, {}));
  co_return net::Pool::Connected{.stream = std::move(stream), .alpn = "h2"};
}

}  // namespace

// One SDS stream of Envoy.
struct SdsAgent::Subscriber {
  net::GrpcServerStream& stream;
  io::TaskGroup sends;
  std::vector<std::string> names;
  uint64_t sent = 0;  // version of the material
  uint64_t nonce = 0;
  bool sending = false;
};

SdsAgent::SdsAgent(io::EpollLoop& loop, identity::SpiffeId id, std::string token, std::string root_file)
    : loop_(loop),
      id_(std::move(id)),
      token_(std::move(token)),
      root_file_(std::move(root_file)),
      ca_(loop, [&loop] { return connect_to_weftd(loop); }, {.authority = "istiod.istio-system.svc:15010"}),
      tasks_(loop) {
  grpc_.handle(std::string(wire::kSdsStreamPath),
               [this](net::GrpcServerStream& stream) { return serve(stream); });
}

Result<void> SdsAgent::listen(const std::string& path) {
  ::unlink(path.c_str());
  WEFT_TRY(acceptor_, loop_.listen({.ip = {}, .port = 0, .path = path}, {}));
  tasks_.spawn(keep_fresh());
  tasks_.spawn(accept_loop());
  return {};
}

io::Task<void> SdsAgent::keep_fresh() {
  for (;;) {
    const uint64_t before = version_;
    read_roots();
    if (material_.chain.empty() || loop_.wall_now() >= renew_at_) {
      if (auto got = co_await request(); !got) {
        log_warning("sds", "no certificate for ", id_.uri(), ", asking again: ", got.error().text);
        co_await io::sleep_for(loop_, kRetry);
        continue;
      }
    }
    if (version_ != before) poke_all();
    co_await io::sleep_for(loop_, kLook);
  }
}

io::Task<Result<void>> SdsAgent::request() {
  WEFT_CO_TRY(const identity::PrivateKey key, identity::PrivateKey::generate());
  wire::CertificateRequest request;
  WEFT_CO_TRY(request.csr, identity::make_csr(key, id_));
  net::GrpcCallOptions call;
  call.timeout = 10s;
  call.metadata.add("authorization", concat("Bearer ", token_));
  WEFT_CO_TRY(const std::string reply, co_await ca_.unary(std::string(wire::kCreateCertificatePath),
                                                          wire::encode(request), std::move(call)));
  WEFT_CO_TRY(const wire::CertificateResponse answer, wire::decode_certificate_response(as_bytes(reply)));
  if (answer.chain.size() < 2) {
    co_return fail(Error::Kind::protocol, "weftd answered with less than a certificate and a root");
  }
  std::string chain;
  for (size_t i = 0; i + 1 < answer.chain.size(); ++i) chain += answer.chain[i];
  WEFT_CO_TRY(const auto parsed, identity::Certificate::parse_chain_pem(chain));
  material_.chain = std::move(chain);
  material_.key = key.to_pem();
  if (material_.roots.empty()) material_.roots = answer.chain.back();
  renew_at_ = loop_.wall_now() + (parsed.front().not_after() - loop_.wall_now()) / 2;
  ++version_;
  co_return Result<void>{};
}

void SdsAgent::read_roots() {
  auto text = read_file(root_file_);
  if (!text || text->empty() || *text == material_.roots) return;
  material_.roots = std::move(*text);
  ++version_;
}

io::Task<void> SdsAgent::accept_loop() {
  for (;;) {
    auto stream = co_await acceptor_->accept();
    if (!stream) {
      co_await io::sleep_for(loop_, 50ms);
      continue;
    }
    tasks_.spawn(serve_connection(std::move(*stream)));
  }
}

io::Task<void> SdsAgent::serve_connection(std::unique_ptr<io::Stream> stream) {
  co_await net::serve_http2(std::move(stream), {},
                            [this](net::ServerExchange& exchange) { return grpc_.serve(exchange); });
}

io::Task<void> SdsAgent::serve(net::GrpcServerStream& stream) {
  Subscriber subscriber{.stream = stream, .sends = io::TaskGroup(loop_), .names = {}};
  subscribers_.insert(&subscriber);
  for (;;) {
    const auto message = co_await stream.read();
    if (!message || !*message) break;
    const auto request = wire::decode_request(as_bytes(**message));
    if (!request) break;
    if (request->error)
      log_warning("sds", "Envoy refused a secret of ", id_.uri(), ": ", request->error->message);
    if (!request->nonce.empty() && request->names == subscriber.names) continue;  // it took what it was sent
    subscriber.names = request->names;
    subscriber.sent = 0;
    if (!subscriber.sending) subscriber.sends.spawn(flush(subscriber));
  }
  subscribers_.erase(&subscriber);
}

io::Task<void> SdsAgent::flush(Subscriber& subscriber) {
  subscriber.sending = true;
  while (!material_.chain.empty() && subscriber.sent != version_) {
    subscriber.sent = version_;
    wire::DiscoveryResponse response{.version = concat(version_),
                                     .resources = {},
                                     .type_url = std::string(wire::kSecretUrl),
                                     .nonce = concat(++subscriber.nonce),
                                     .control_plane = "weft"};
    for (const std::string& name : subscriber.names) {
      model::Secret secret{.name = name, .certificate_chain = {}, .private_key = {}, .trusted_ca = {}};
      if (name == "ROOTCA") {
        secret.trusted_ca = material_.roots;
      } else {
        secret.certificate_chain = material_.chain;
        secret.private_key = material_.key;
      }
      response.resources.push_back({.name = name,
                                    .version = {},
                                    .any = wire::wrap_any(wire::ResourceType::secret, wire::encode(secret))});
    }
    if (!co_await subscriber.stream.write(wire::encode(response))) break;
  }
  subscriber.sending = false;
}

void SdsAgent::poke_all() {
  for (Subscriber* subscriber : subscribers_) {
    if (!subscriber->sending && !subscriber->names.empty()) subscriber->sends.spawn(flush(*subscriber));
  }
}

}  // namespace weft::cli
