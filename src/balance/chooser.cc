#include "balance/chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "balance/balancer.h"
#include "balance/hash.h"

namespace weft::balance {

namespace {

bool weights_differ(const HostList& hosts) {
  return std::ranges::any_of(
      hosts, [&](const auto& host) { return host->endpoint().weight != hosts.front()->endpoint().weight; });
}

uint32_t weight_of(const Host& host) { return std::max(host.endpoint().weight, 1u); }

// What a host is known by on a ring or in a table.
std::string key_of(const Host& host) { return host.address().to_string(); }

struct Share {
  uint32_t host;
  double weight;  // of 1
  std::string key;
};

std::vector<Share> shares_of(const HostList& hosts) {
  uint64_t total = 0;
  for (const auto& host : hosts) total += weight_of(*host);
  std::vector<Share> shares;
  shares.reserve(hosts.size());
  for (size_t i = 0; i < hosts.size(); ++i) {
    shares.push_back({static_cast<uint32_t>(i),
                      static_cast<double>(weight_of(*hosts[i])) / static_cast<double>(total),
                      key_of(*hosts[i])});
  }
  return shares;
}

}  // namespace

// ---- drawing by weight

WeightedDraw::WeightedDraw(const HostList& hosts) : size_(hosts.size()) {
  if (!weights_differ(hosts)) return;
  uint64_t total = 0;
  for (const auto& host : hosts) total += weight_of(*host);
  std::vector<double> scaled;
  std::vector<uint32_t> small, large;
  for (size_t i = 0; i < size_; ++i) {
    scaled.push_back(static_cast<double>(weight_of(*hosts[i])) * static_cast<double>(size_) /
                     static_cast<double>(total));
    (scaled.back() < 1 ? small : large).push_back(static_cast<uint32_t>(i));
  }
  columns_.assign(size_, {uint64_t{1} << 32, 0});
  while (!small.empty() && !large.empty()) {
    const uint32_t less = small.back(), more = large.back();
    small.pop_back();
    columns_[less] = {static_cast<uint64_t>(scaled[less] * 0x1p32), more};
    scaled[more] -= 1 - scaled[less];
    if (scaled[more] < 1) {
      large.pop_back();
      small.push_back(more);
    }
  }
}

size_t WeightedDraw::draw(Random& random) const {
  const uint64_t place = random.below(size_);
  if (columns_.empty()) return place;
  const Column& column = columns_[place];
  return (random.next() >> 32) < column.limit ? place : column.other;
}

// ---- round robin

RoundRobin::RoundRobin(const HostList& hosts, Random& random)
    : Chooser(hosts), weighted_(weights_differ(hosts)) {
  // Every worker of every proxy starts somewhere else, or all first requests would go to one host.
  if (!weighted_) {
    at_ = random.below(hosts.size());
    return;
  }
  for (size_t i = 0; i < hosts.size(); ++i) {
    const double step = 1.0 / weight_of(*hosts[i]);
    turns_.push({step * random.unit(), order_++, static_cast<uint32_t>(i)});
  }
}

size_t RoundRobin::next() {
  if (!weighted_) {
    const size_t place = at_;
    at_ = at_ + 1 == hosts_.size() ? 0 : at_ + 1;
    return place;
  }
  Turn turn = turns_.top();
  turns_.pop();
  const size_t place = turn.host;
  turn.deadline += 1.0 / weight_of(*hosts_[place]);
  turn.order = order_++;
  turns_.push(turn);
  return place;
}

const std::shared_ptr<Host>& RoundRobin::choose(uint64_t, uint32_t, Random&) { return hosts_[next()]; }

// ---- least request, random

const std::shared_ptr<Host>& LeastRequest::choose(uint64_t, uint32_t, Random& random) {
  size_t best = draw_.draw(random);
  for (uint32_t i = 1; i < choices_; ++i) {
    const size_t other = draw_.draw(random);
    const uint64_t best_load = uint64_t{hosts_[best]->active_requests} * weight_of(*hosts_[other]);
    const uint64_t other_load = uint64_t{hosts_[other]->active_requests} * weight_of(*hosts_[best]);
    if (other_load < best_load) best = other;
  }
  return hosts_[best];
}

const std::shared_ptr<Host>& RandomChoice::choose(uint64_t, uint32_t, Random& random) {
  return hosts_[draw_.draw(random)];
}

// ---- ring hash

RingHash::RingHash(const HostList& hosts, uint64_t least, uint64_t most) : Chooser(hosts) {
  const auto shares = shares_of(hosts);
  double smallest = 1;
  for (const auto& share : shares) smallest = std::min(smallest, share.weight);
  // So many points that the lightest host has a whole number of them and the ring at least `least`.
  const double scale =
      std::min(std::ceil(smallest * static_cast<double>(least)) / smallest, static_cast<double>(most));
  ring_.reserve(static_cast<size_t>(std::ceil(scale)) + hosts.size());
  double placed = 0, wanted = 0;
  for (const auto& share : shares) {
    wanted += scale * share.weight;
    const std::string prefix = share.key + "_";
    for (uint64_t i = 0; placed < wanted; ++i, ++placed) {
      ring_.push_back({hash64(prefix + std::to_string(i)), share.host});
    }
  }
  std::ranges::sort(ring_, [](const Point& a, const Point& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.host < b.host;
  });
}

const std::shared_ptr<Host>& RingHash::choose(uint64_t hash, uint32_t attempt, Random&) {
  const auto at = std::ranges::lower_bound(ring_, hash, {}, &Point::hash);
  const auto place = (static_cast<size_t>(at - ring_.begin()) + attempt) % ring_.size();
  return hosts_[ring_[place].host];
}

// ---- maglev

Maglev::Maglev(const HostList& hosts, uint64_t table_size) : Chooser(hosts) {
  constexpr uint32_t kFree = std::numeric_limits<uint32_t>::max();
  struct Filling {
    Share share;
    uint64_t offset, skip, next = 0;
    double target = 0;
  };
  const uint64_t size = std::max<uint64_t>(table_size, 2);
  std::vector<Filling> fillings;
  double largest = 0;
  auto shares = shares_of(hosts);
  // The table must not depend on the order in which hosts were told.
  std::ranges::sort(shares, {}, &Share::key);
  for (auto& share : shares) {
    const uint64_t offset = hash64(share.key) % size;
    const uint64_t skip = hash64(share.key, 1) % (size - 1) + 1;
    largest = std::max(largest, share.weight);
    fillings.push_back({std::move(share), offset, skip});
  }
  table_.assign(size, kFree);
  uint64_t filled = 0;
  for (uint64_t turn = 1; filled < size; ++turn) {
    for (auto& filling : fillings) {
      if (filled == size) break;
      // A host of half the largest weight takes every second turn.
      if (static_cast<double>(turn) * filling.share.weight < filling.target) continue;
      filling.target += largest;
      uint64_t place;
      do {
        place = (filling.offset + filling.skip * filling.next++) % size;
      } while (table_[place] != kFree);
      table_[place] = filling.share.host;
      ++filled;
    }
  }
}

const std::shared_ptr<Host>& Maglev::choose(uint64_t hash, uint32_t attempt, Random&) {
  // Another attempt is another key.
  if (attempt > 0) hash ^= ~uint64_t{0} - attempt + 1;
  return hosts_[table_[hash % table_.size()]];
}

}  // namespace weft::balance
