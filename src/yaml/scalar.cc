// What plain scalars mean: YAML 1.1 as Kubernetes' reader (go-yaml v2) takes it.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/strings.h"
#include "yaml/tree.h"

namespace weft::yaml {

namespace {

std::optional<bool> boolean_word(std::string_view text) {
  static constexpr std::array kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                       "True", "TRUE", "on",  "On",  "ON"};
  static constexpr std::array kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                        "False", "FALSE", "off", "Off", "OFF"};
  const auto is = [text](std::string_view word) { return word == text; };
  if (std::any_of(kTrue.begin(), kTrue.end(), is)) return true;
  if (std::any_of(kFalse.begin(), kFalse.end(), is)) return false;
  return std::nullopt;
}

bool begins_number(std::string_view text) {
  return !text.empty() && ((text[0] >= '0' && text[0] <= '9') || text[0] == '+' || text[0] == '-');
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

struct Integer {
  bool negative = false;
  uint64_t magnitude = 0;
};

// Decimal, 0x, 0o, 0b, and octal by a leading 0, with a sign. Fits 64 bits.
std::optional<Integer> parse_integer(std::string_view text) {
  Integer value;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    value.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char kind = to_lower(text[1]);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value.magnitude, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  constexpr uint64_t kMostNegative = uint64_t{1} << 63;
  if (value.negative && value.magnitude > kMostNegative) return std::nullopt;
  return value;
}

// [-+]? digits, a point among or before them, and an exponent.
std::optional<double> parse_float(std::string_view text) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const size_t first = !text.empty() && text[0] == '-' ? 1 : 0;
  const bool begins_well =
      text.size() > first && ((text[first] >= '0' && text[first] <= '9') || text[first] == '.');
  if (!begins_well) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_special_float(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  return text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" ||
         text == ".NAN";
}

}  // namespace

ScalarType scalar_type(const Node& node) {
  if (node.is_null()) return ScalarType::null;
  if (node.quoted) return ScalarType::text;
  if (boolean_word(node.text)) return ScalarType::boolean;
  if (is_special_float(node.text)) return ScalarType::floating;
  if (begins_number(node.text)) {
    const std::string plain = without_underscores(node.text);
    if (parse_integer(plain)) return ScalarType::integer;
    if (parse_float(plain)) return ScalarType::floating;
  } else if (node.text.starts_with('.') && parse_float(node.text)) {
    return ScalarType::floating;
  }
  return ScalarType::text;
}

std::optional<bool> as_boolean(const Node& node) {
  if (!node.is_scalar() || node.quoted) return std::nullopt;
  return boolean_word(node.text);
}

std::optional<int64_t> as_integer(const Node& node) {
  if (!node.is_scalar() || node.quoted || !begins_number(node.text)) return std::nullopt;
  const std::string plain = without_underscores(node.text);
  if (const auto value = parse_integer(plain)) {
    if (value->negative) return static_cast<int64_t>(~value->magnitude + 1);
    if (value->magnitude > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
    return static_cast<int64_t>(value->magnitude);
  }
  constexpr double kExactly = 9007199254740992.0;  // 2^53: integers below it are exact
  const auto value = parse_float(plain);
  if (!value || std::trunc(*value) != *value || std::abs(*value) > kExactly) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<double> as_number(const Node& node) {
  if (!node.is_scalar() || node.quoted) return std::nullopt;
  if (!begins_number(node.text)) return node.text.starts_with('.') ? parse_float(node.text) : std::nullopt;
  const std::string plain = without_underscores(node.text);
  if (const auto value = parse_integer(plain)) {
    const auto magnitude = static_cast<double>(value->magnitude);
    return value->negative ? -magnitude : magnitude;
  }
  return parse_float(plain);
}

std::string_view describe(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "nothing";
    case Node::Kind::mapping:
      return "a mapping";
    case Node::Kind::sequence:
      return "a list";
    case Node::Kind::scalar:
      break;
  }
  switch (scalar_type(node)) {
    case ScalarType::boolean:
      return "a boolean";
    case ScalarType::integer:
    case ScalarType::floating:
      return "a number";
    default:
      return "text";
  }
}

}  // namespace weft::yaml
