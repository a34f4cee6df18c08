// Keys, certificates and roots that TLS contexts are built from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "model/snapshot.h"
#include "model/tls.h"

namespace weft::proxy {

// The workload's own identity, as the CA gave it.
struct WorkloadIdentity {
  std::string certificate_chain;  // PEM, leaf first
  std::string private_key;        // PEM
  std::string roots;              // PEM: every root that peers may be signed by
  std::string spiffe_id;
  std::string serial;
  WallTime not_before{};
  WallTime not_after{};
};

// A view of what is there now. `generation` changes with any of it.
struct Secrets {
  std::shared_ptr<const WorkloadIdentity> workload;  // null: not yet issued
  const model::ResourceMap<model::Secret>* by_name = nullptr;
  uint64_t generation = 0;

  // PEM of a reference, by what it is to be used as. not_found names the secret that has not come.
  struct Material {
    std::string certificate_chain, private_key, roots;
  };
  Result<Material> resolve(const model::TlsCommon& tls) const;
};

}  // namespace weft::proxy
