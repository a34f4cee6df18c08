#include "proxy/config/identity_client.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "identity/certificate.h"
#include "identity/csr.h"
#include "identity/key.h"
#include "wire/ca.h"

namespace weft::proxy {

namespace {

constexpr Duration kCallTimeout = std::chrono::seconds(10);
constexpr Duration kFirstRetry = std::chrono::milliseconds(100);
constexpr Duration kLongestRetry = std::chrono::seconds(10);

}  // namespace

IdentityClient::IdentityClient(io::Loop& loop, net::GrpcChannel& ca, Options options, Credentials credentials,
                               Changed changed)
    : loop_(loop),
      ca_(ca),
      options_(std::move(options)),
      credentials_(std::move(credentials)),
      changed_(std::move(changed)) {}

io::Task<Result<WorkloadIdentity>> IdentityClient::request() {
  WEFT_CO_TRY(identity::PrivateKey key, identity::PrivateKey::generate());
  WEFT_CO_TRY(std::string csr, identity::make_csr(key, options_.id));
  wire::CertificateRequest request;
  request.csr = std::move(csr);
  request.validity_seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.wanted_life).count();
  net::GrpcCallOptions call;
  call.timeout = kCallTimeout;
  if (credentials_) credentials_(call.metadata);
  WEFT_CO_TRY(std::string reply, co_await ca_.unary(std::string(wire::kCreateCertificatePath),
                                                    wire::encode(request), std::move(call)));
  WEFT_CO_TRY(wire::CertificateResponse response, wire::decode_certificate_response(as_bytes(reply)));
  if (response.chain.size() < 2) {
    co_return fail(Error::Kind::protocol, "the CA answered with less than a certificate and a root");
  }
  WorkloadIdentity fresh;
  fresh.private_key = key.to_pem();
  for (size_t i = 0; i + 1 < response.chain.size(); ++i) fresh.certificate_chain += response.chain[i];
  fresh.roots = response.chain.back();

  WEFT_CO_TRY(auto chain, identity::Certificate::parse_chain_pem(fresh.certificate_chain));
  const identity::Certificate& leaf = chain.front();
  if (!leaf.belongs_to(key)) co_return fail(Error::Kind::protocol, "the CA signed another key than ours");
  if (!leaf.spiffe_id() || !(*leaf.spiffe_id() == options_.id)) {
    co_return fail(Error::Kind::denied,
                   concat("the CA gave us the identity ", leaf.describe(), ", we are ", options_.id.uri()));
  }
  fresh.spiffe_id = leaf.spiffe_id()->uri();
  fresh.serial = leaf.serial();
  fresh.not_before = leaf.not_before();
  fresh.not_after = leaf.not_after();
  co_return fresh;
}

io::Task<void> IdentityClient::run() {
  Duration retry = kFirstRetry;
  for (;;) {
    auto fresh = co_await request();
    if (!fresh) {
      ++failures_;
      last_error_ = fresh.error().to_string();
      log_warning("identity", "no certificate from the CA, asking again: ", last_error_);
      co_await io::sleep_for(loop_,
                             retry / 2 + Duration(static_cast<int64_t>(loop_.random().unit() *
                                                                       static_cast<double>(retry.count()))));
      retry = std::min(retry * 2, kLongestRetry);
      // Ask more often as the end of the certificate comes near.
      if (current_) {
        const Duration left = current_->not_after - loop_.wall_now();
        retry = std::clamp<Duration>(left / 10, kFirstRetry, retry);
      }
      continue;
    }
    retry = kFirstRetry;
    ++renewals_;
    last_error_.clear();
    if (!pushed_roots_.empty()) fresh->roots = pushed_roots_;
    current_ = std::make_shared<const WorkloadIdentity>(std::move(*fresh));
    log_info("identity", "certificate of ", current_->spiffe_id, ", serial ", current_->serial);
    changed_(current_);

    // NotBefore is back-dated, so what counts is what is left.
    const Duration left = current_->not_after - loop_.wall_now();
    const double share = 0.5 + (loop_.random().unit() - 0.5) * 0.1;
    const auto wait = Duration(static_cast<int64_t>(static_cast<double>(left.count()) * share));
    co_await io::sleep_for(loop_, std::max<Duration>(wait, 500ms));
  }
}

void IdentityClient::set_roots(const std::string& pem) {
  if (pem == pushed_roots_ || pem.empty()) return;
  pushed_roots_ = pem;
  if (!current_ || current_->roots == pem) return;
  auto changed = std::make_shared<WorkloadIdentity>(*current_);
  changed->roots = pem;
  current_ = std::move(changed);
  changed_(current_);
}

}  // namespace weft::proxy
