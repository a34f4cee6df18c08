// Names to addresses, for clusters whose endpoints are DNS names, the sidecar's DNS proxy and the command.
//
//   auto addresses = co_await resolver.resolve("db.example.com", loop);   // both families, IPv4 first
//
// The system's resolver (getaddrinfo) runs in helper threads, so /etc/hosts, search lists and nsswitch hold.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/task.h"

namespace weft::net {

class Resolver {
 public:
  enum class Family : uint8_t { any, v4, v6 };
  virtual ~Resolver() = default;
  // Error kinds: not_found (no such name, or no address of the family), timeout, unavailable (resolver down).
  virtual io::Task<Result<std::vector<IpAddress>>> resolve(std::string name, io::Loop& loop, Family family,
                                                           Duration timeout) = 0;
};

// At most `threads` look-ups at once; at most `max_pending` wait, more is Error::Kind::overflow.
// Its owner destroys it after the loops that use it have ended.
std::unique_ptr<Resolver> make_system_resolver(size_t threads = 2, size_t max_pending = 256);

}  // namespace weft::net
