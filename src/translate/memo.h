// Remembers resources between translations, so that what did not change is the same pointer as before.
//
//   cluster = memo.get(slot, key, name, [&] { return outbound_cluster_of(...); });
//
// A slot is one resource as one group of proxies sees it; the key says what it was made from. A new key costs
// a remake, no more: where the result is equal to what any slot has under that resource name, that pointer is
// returned. So a key may name too much, but never too little.
//
// Keys hold addresses of objects in a World. They stay comparable because a slot that was not asked for
// during one world is forgotten before the next but one, and Translator keeps the last two worlds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::translate {

class MemoKey {
 public:
  MemoKey& add(const void* address) {
    bytes_.append(reinterpret_cast<const char*>(&address), sizeof(address));
    return *this;
  }
  template <typename T>
  MemoKey& add_all(const std::vector<std::shared_ptr<const T>>& list) {
    for (const auto& item : list) add(item.get());
    return add(nullptr);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

template <typename T>
class Memo {
 public:
  using Ref = std::shared_ptr<const T>;

  // `make` returns Ref; null is remembered too.
  template <typename Make>
  Ref get(const std::string& slot, const MemoKey& key, const std::string& name, const Make& make) {
    Slot& entry = slots_[slot];
    const bool fresh = entry.generation == 0;
    entry.generation = generation_;
    if (!fresh && entry.key == key.bytes()) return entry.value;
    entry.key = key.bytes();
    Ref made = make();
    if (!made) return entry.value = nullptr;
    if (!fresh && entry.value && *entry.value == *made) return entry.value;
    return entry.value = intern(name, std::move(made));
  }

  // A new world begins: what the last one did not ask for goes.
  void next_generation() {
    std::erase_if(slots_, [this](const auto& item) { return item.second.generation != generation_; });
    if (generation_ % 16 == 0) forget_expired();
    ++generation_;
  }

  void clear() {
    slots_.clear();
    known_.clear();
  }

 private:
  struct Slot {
    std::string key;
    Ref value;
    uint64_t generation = 0;
  };

  void forget_expired() {
    for (auto it = known_.begin(); it != known_.end();) {
      std::erase_if(it->second, [](const auto& weak) { return weak.expired(); });
      it = it->second.empty() ? known_.erase(it) : std::next(it);
    }
  }

  Ref intern(const std::string& name, Ref made) {
    auto& list = known_[name];
    for (const auto& weak : list) {
      if (auto known = weak.lock(); known && *known == *made) return known;
    }
    list.push_back(made);
    return made;
  }

  uint64_t generation_ = 1;
  std::unordered_map<std::string, Slot> slots_;
  std::unordered_map<std::string, std::vector<std::weak_ptr<const T>>> known_;
};

}  // namespace weft::translate
