// Small text helpers that several rooms need.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

// ASCII only: header names and host names, never user text.
inline char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
std::string to_lower(std::string_view text);
bool equal_ignoring_case(const char* a, const char* b, size_t size);
// Most look-ups compare names of different lengths: those end here.
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && equal_ignoring_case(a.data(), b.data(), a.size());
}
bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);

std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

// The whole text as a decimal number, no sign, no space; nullopt on anything else or overflow.
std::optional<uint64_t> parse_unsigned(std::string_view text);

// concat("port ", 80, " of ", name)
inline void append_to(std::string& out, std::string_view text) { out.append(text); }
inline void append_to(std::string& out, char c) { out.push_back(c); }
template <typename Number>
  requires std::is_arithmetic_v<Number>
void append_to(std::string& out, Number number) {
  out.append(std::to_string(number));
}
template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (append_to(out, parts), ...);
  return out;
}

// The candidate nearest to `word` by edit distance, if near enough to suggest ("did you mean").
std::optional<std::string_view> nearest(std::string_view word,
                                        const std::vector<std::string_view>& candidates);

// Bytes for a log line or message: control characters, quotes and backslash as \xNN, at most `limit` bytes.
std::string printable(std::string_view text, size_t limit = 200);

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);
std::string hex_encode(std::string_view bytes);

}  // namespace weft
