// Writes JSON. Commas, colons and escapes are its business; balance is checked.
//
//   JsonWriter json;
//   json.begin_object().key("name").value("web").key("ports").begin_array().value(80).end_array().end_object();
//   json.take();   // {"name":"web","ports":[80]}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

class JsonWriter {
 public:
  // indent 0 writes one line; otherwise that many spaces a level.
  explicit JsonWriter(int indent = 0) : indent_(indent) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(int number) { return value(static_cast<int64_t>(number)); }
  JsonWriter& value(unsigned number) { return value(static_cast<uint64_t>(number)); }
  JsonWriter& value(int64_t number);
  JsonWriter& value(uint64_t number);
  JsonWriter& value(double number);
  JsonWriter& null();
  // JSON that is already written, as it is.
  JsonWriter& raw(std::string_view json);
  template <typename T>
  JsonWriter& field(std::string_view name, const T& v) {
    return key(name).value(v);
  }

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  void before_value();
  void new_line();
  JsonWriter& begin(char open);
  JsonWriter& end(char close);

  std::string out_;
  int indent_;
  std::vector<bool> has_items_;
  bool after_key_ = false;
};

// The text with JSON's escapes, without quotes.
std::string json_escape(std::string_view text);

}  // namespace weft
