#include "objects/secret.h"

#include <algorithm>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

std::optional<Problem> check_data_key(const std::string& text) {
  const bool fits = !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    const char lower = to_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (fits) return std::nullopt;
  return Problem{concat(quoted(text), " is not a key"), "use letters, digits, '-', '_' and '.'"};
}

// Base64 is often folded over several lines.
std::string without_spaces(std::string text) {
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
  return text;
}

std::optional<Problem> check_base64(const std::string& text) {
  if (base64_decode(without_spaces(text))) return std::nullopt;
  return Problem{"is not base64", "encode it, or write it as it is under stringData or data of a ConfigMap"};
}

void read_encoded(FieldReader& fields, std::string_view name, std::map<std::string, std::string>& out) {
  std::map<std::string, std::string> encoded;
  fields.text_map(name, encoded, check_data_key, check_base64);
  for (const auto& [key, value] : encoded) out.insert_or_assign(key, *base64_decode(without_spaces(value)));
}

}  // namespace

void read_object(FieldReader& fields, Secret& out) {
  fields.text("type", out.type);
  read_encoded(fields, "data", out.data);
  fields.text_map("stringData", out.data, check_data_key);
  fields.accept("immutable");
  if (out.type != "kubernetes.io/tls") return;
  for (const std::string_view key : {"tls.crt", "tls.key"}) {
    if (out.data.contains(std::string(key))) continue;
    fields.error("data", concat("has no ", key),
                 "a Secret of type kubernetes.io/tls holds tls.crt and tls.key");
  }
}

void read_object(FieldReader& fields, ConfigMap& out) {
  fields.text_map("data", out.data, check_data_key);
  read_encoded(fields, "binaryData", out.data);
  fields.accept("immutable");
}

}  // namespace weft::objects
