// A small authority and two ends on a ManualLoop, for the tests of this room and those above it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "identity/issuer.h"
#include "io/manual_loop.h"
#include "io/pipe.h"
#include "io/task_group.h"
#include "tls/context.h"
#include "tls/stream.h"

namespace weft::tls::testing {

// A root and an issuer under it, and leaves for workloads and hosts.
class Authority {
 public:
  explicit Authority(WallTime now, std::string_view name = "test root")
      : now_(now),
        root_(identity::Issuer::make_root(name, now, std::chrono::hours(24 * 365)).value()),
        issuer_(root_.make_intermediate("test issuer", now, std::chrono::hours(24 * 30)).value()) {}

  identity::TrustBundle bundle() const { return identity::TrustBundle::make({root_.certificate()}).value(); }
  Identity workload(std::string_view name_space, std::string_view account,
                    Duration life = std::chrono::hours(1)) const {
    return leaf({.id = identity::SpiffeId::make("cluster.local", name_space, account).value()}, life);
  }
  Identity host(std::vector<std::string> names) const {
    return leaf({.dns = std::move(names)}, std::chrono::hours(1));
  }

 private:
  Identity leaf(const identity::LeafNames& names, Duration life) const {
    auto key = identity::PrivateKey::generate().value();
    const auto certificate = issuer_.sign(identity::PublicKey::of(key), names, now_, life).value();
    return {issuer_.chain_of(certificate), std::move(key)};
  }

  WallTime now_;
  identity::Issuer root_;
  identity::Issuer issuer_;
};

using MaybeStream = Result<std::unique_ptr<TlsStream>>;
inline MaybeStream not_yet() { return fail(Error::Kind::internal, "not yet"); }

inline io::Task<void> accept_into(std::unique_ptr<io::Stream> inner,
                                  std::shared_ptr<const ServerContext> context, TimePoint deadline,
                                  MaybeStream& out) {
  out = co_await TlsStream::accept(std::move(inner), std::move(context), deadline);
}
inline io::Task<void> connect_into(std::unique_ptr<io::Stream> inner,
                                   std::shared_ptr<const ClientContext> context, TimePoint deadline,
                                   MaybeStream& out) {
  out = co_await TlsStream::connect(std::move(inner), std::move(context), deadline);
}

}  // namespace weft::tls::testing
