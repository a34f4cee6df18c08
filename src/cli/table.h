// Tables as kubectl prints them: columns as wide as their widest cell, three spaces between.
//
//   Table table({"NAME", "READY"});
//   table.add({"reviews-v1-0", "2/2"});
//   std::fputs(table.to_string().c_str(), stdout);
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace weft::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.size() == 1; }
  std::string to_string() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "12s", "5m40s", "3h", "6d"
std::string age_text(std::chrono::seconds age);

}  // namespace weft::cli
