// One %OPERATOR(argument):length% of the access log's format language: parsed once, then read from records.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "telemetry/record.h"

namespace weft::telemetry {

// What an operator read: a view of the record, or text made in a buffer of its own, used again for the next.
class LogValue {
 public:
  void set_missing() { kind_ = Kind::missing, text_ = {}; }
  // From outside: to be escaped.
  void set_text(std::string_view text) { kind_ = Kind::text, text_ = text; }
  void set_present(std::string_view text) { text.empty() ? set_missing() : set_text(text); }
  // Made by us of characters that need no escape.
  void set_ours(std::string_view text) { kind_ = Kind::ours, text_ = text; }
  template <typename Number>
  void set_number(Number number) {
    const auto end = std::to_chars(buffer_, buffer_ + sizeof buffer_, number).ptr;
    kind_ = Kind::number;
    text_ = {buffer_, static_cast<size_t>(end - buffer_)};
  }
  // Room for text that is made; set_text() or set_ours() it then.
  std::string& scratch() {
    scratch_.clear();
    return scratch_;
  }
  void cut(size_t length) { text_ = text_.substr(0, length); }

  bool missing() const { return kind_ == Kind::missing; }
  bool is_number() const { return kind_ == Kind::number; }
  bool is_ours() const { return kind_ == Kind::ours || kind_ == Kind::number; }
  std::string_view text() const { return text_; }

 private:
  enum class Kind : uint8_t { missing, text, ours, number };
  Kind kind_ = Kind::missing;
  std::string_view text_;
  char buffer_[24];
  std::string scratch_;
};

class LogOperator {
 public:
  struct Parsed;
  // `text` begins at the first '%'. Errors: no closing '%', an unknown name, a wrong argument.
  static Result<Parsed> parse(std::string_view text);

  void read(const RequestRecord& record, std::string_view hostname, LogValue& value) const;

 private:
  using Read = void (*)(const LogOperator&, const RequestRecord&, LogValue&);
  struct Entry;
  static const Entry kEntries[];

  Read read_ = nullptr;          // null: the host's name
  std::string name_, fallback_;  // header operators; or the time format
  std::optional<size_t> length_;

  friend struct LogOperatorReaders;
};

struct LogOperator::Parsed {
  LogOperator op;
  size_t length;  // of the text, both '%' included
};

}  // namespace weft::telemetry
