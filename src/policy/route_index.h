// Which routes of a virtual host can match a path at all?
//
// A route that asks for an exact path, a prefix, or a regular expression with literal text at its beginning
// can only match paths that begin with that text. The index finds the routes for each beginning of the
// request's path by one hash look-up a length, and walks what it finds in the order of the routes: a
// thousand routes cost about as much as a few. It never leaves out a route that would match.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/route.h"

namespace weft::policy {

class RouteIndex {
 public:
  explicit RouteIndex(const std::vector<model::Route>& routes);

  // Calls `ask(i)` for each route that may match, in order, until one call returns true.
  template <typename Ask>
  void first(std::string_view path, Ask&& ask) const {
    if (!indexed_) {
      for (uint32_t i = 0; i < count_; ++i) {
        if (ask(i)) return;
      }
      return;
    }
    Cursors cursors = look_up(path);
    for (uint32_t i; cursors.next(i);) {
      if (ask(i)) return;
    }
  }

 private:
  static constexpr size_t kMostLengths = 16;
  using Places = std::vector<uint32_t>;  // of routes, rising
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Table = std::unordered_map<std::string, Places, TextHash, std::equal_to<>>;

  // The lists that fit one path, walked together in rising order. A route stands in one list only.
  struct Cursors {
    struct List {
      const uint32_t* at;
      const uint32_t* end;
    };
    std::array<List, kMostLengths + 2> lists;
    size_t count = 0;

    void add(const Places& places) {
      if (!places.empty()) lists[count++] = {places.data(), places.data() + places.size()};
    }
    bool next(uint32_t& place);
  };

  void choose_lengths(const std::vector<std::string>& beginnings);
  Cursors look_up(std::string_view path) const;

  uint32_t count_;
  bool indexed_ = false;
  std::vector<size_t> lengths_;      // of beginnings, rising
  std::vector<Table> by_beginning_;  // one for each length
  Table by_path_;                    // exact paths
  Places any_;                       // routes that say nothing of how a path begins
};

// The text that every full match of a regular expression begins with. For tests too.
std::string literal_beginning(std::string_view pattern);

}  // namespace weft::policy
