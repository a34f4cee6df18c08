// The balancing policies, each over a fixed list of hosts. Balancer (balancer.h) owns one for each priority
// and makes a new one when its hosts or their health change.
#pragma once

#include <cstdint>
#include <memory>
#include <queue>
#include <vector>

#include "base/random.h"

namespace weft::balance {

class Host;

using HostList = std::vector<std::shared_ptr<Host>>;

// Draws a place in proportion to weight, in constant time (Vose's alias method).
class WeightedDraw {
 public:
  WeightedDraw() = default;
  explicit WeightedDraw(const HostList& hosts);
  size_t draw(Random& random) const;

 private:
  struct Column {
    uint64_t limit;  // of 2^32: below it this place, else `other`
    uint32_t other;
  };
  std::vector<Column> columns_;
  size_t size_ = 0;  // columns_ is empty where all weights are equal
};

class Chooser {
 public:
  explicit Chooser(const HostList& hosts) : hosts_(hosts) {}
  virtual ~Chooser() = default;
  // A host of the list, which is not empty. `attempt` counts draws for one request: 0 first. Consistent
  // policies give the same host for the same hash and attempt.
  virtual const std::shared_ptr<Host>& choose(uint64_t hash, uint32_t attempt, Random& random) = 0;

 protected:
  const HostList& hosts_;  // outlives the chooser
};

// Earliest deadline first: each host's next turn comes 1/weight later than its last.
class RoundRobin : public Chooser {
 public:
  RoundRobin(const HostList& hosts, Random& random);
  const std::shared_ptr<Host>& choose(uint64_t hash, uint32_t attempt, Random& random) override;

 private:
  struct Turn {
    double deadline;
    uint64_t order;  // ties go to whoever waits longer
    uint32_t host;
    bool operator>(const Turn& other) const {
      return deadline != other.deadline ? deadline > other.deadline : order > other.order;
    }
  };
  size_t next();

  bool weighted_;
  size_t at_ = 0;
  uint64_t order_ = 0;
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns_;
};

// Of `choices` hosts drawn by weight, the one with the fewest active requests for its weight.
class LeastRequest : public Chooser {
 public:
  LeastRequest(const HostList& hosts, uint32_t choices) : Chooser(hosts), draw_(hosts), choices_(choices) {}
  const std::shared_ptr<Host>& choose(uint64_t hash, uint32_t attempt, Random& random) override;

 private:
  WeightedDraw draw_;
  uint32_t choices_;
};

class RandomChoice : public Chooser {
 public:
  explicit RandomChoice(const HostList& hosts) : Chooser(hosts), draw_(hosts) {}
  const std::shared_ptr<Host>& choose(uint64_t hash, uint32_t attempt, Random& random) override;

 private:
  WeightedDraw draw_;
};

// Ketama: each host stands many times on a circle of hashes, and a request goes to the next one.
class RingHash : public Chooser {
 public:
  RingHash(const HostList& hosts, uint64_t least, uint64_t most);
  const std::shared_ptr<Host>& choose(uint64_t hash, uint32_t attempt, Random& random) override;
  size_t size() const { return ring_.size(); }

 private:
  struct Point {
    uint64_t hash;
    uint32_t host;
  };
  std::vector<Point> ring_;  // by hash
};

// Maglev (Eisenbud et al., 2016): a table of prime size that hosts fill in turns, each in its own order.
class Maglev : public Chooser {
 public:
  Maglev(const HostList& hosts, uint64_t table_size);
  const std::shared_ptr<Host>& choose(uint64_t hash, uint32_t attempt, Random& random) override;

 private:
  std::vector<uint32_t> table_;
};

}  // namespace weft::balance
