#include "wire/dump.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

#include "base/strings.h"
#include "wire/protobuf_bytes.h"
#include "wire/schema.h"

namespace weft::wire {

namespace {

constexpr int kMaxDepth = 100;
constexpr std::string_view kRedacted = "[redacted]";

// Writes bytes as JSON by the table. What is malformed ends its message early; the JSON is whole all the
// same.
class Printer {
 public:
  explicit Printer(JsonWriter& json) : json_(json) {}

  void message(const MessageRow& row, std::string_view bytes, int depth);
  void any(std::string_view bytes, int depth);
  // "@type" first, the fields of the message after it.
  void typed(std::string_view type_url, std::string_view bytes, int depth);
  bool good() const { return good_; }

 private:
  std::vector<WireField> split_fields(std::string_view bytes) {
    std::vector<WireField> fields;
    WireReader reader(bytes);
    while (!reader.done()) {
      const auto field = reader.next();
      if (!field) {
        good_ = false;
        break;
      }
      fields.push_back(*field);
    }
    // By number, and among equals in the order written.
    std::vector<size_t> order(fields.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::sort(order, {}, [&fields](size_t i) { return std::pair(fields[i].number, i); });
    std::vector<WireField> sorted;
    sorted.reserve(fields.size());
    for (const size_t i : order) sorted.push_back(fields[i]);
    return sorted;
  }
  void members(const MessageRow& row, std::string_view bytes, int depth);
  void field(const FieldRow& row, std::span<const WireField> occurrences, int depth);
  void single(const FieldRow& row, const WireField& field, int depth);
  void scalar(const FieldRow& row, uint64_t bits);
  void packed(const FieldRow& row, std::string_view bytes);
  void entry(const FieldRow& row, std::string_view bytes, int depth);
  void duration(std::string_view bytes);
  void wrapper(const MessageRow& row, std::string_view bytes);
  void structure(std::string_view bytes, int depth);
  void value(std::string_view bytes, int depth);
  void list(std::string_view bytes, int depth);

  JsonWriter& json_;
  bool redact_ = false;
  bool good_ = true;
};

void Printer::message(const MessageRow& row, std::string_view bytes, int depth) {
  if (depth > kMaxDepth) {
    good_ = false;
    json_.null();
    return;
  }
  switch (row.form) {
    case MessageForm::any:
      return any(bytes, depth);
    case MessageForm::duration:
      return duration(bytes);
    case MessageForm::wrapper:
      return wrapper(row, bytes);
    case MessageForm::struct_:
      return structure(bytes, depth);
    case MessageForm::value:
      return value(bytes, depth);
    case MessageForm::list_value:
      return list(bytes, depth);
    case MessageForm::plain:
    case MessageForm::map_entry:
      break;
  }
  json_.begin_object();
  members(row, bytes, depth);
  json_.end_object();
}

void Printer::members(const MessageRow& row, std::string_view bytes, int depth) {
  const std::vector<WireField> fields = split_fields(bytes);
  for (size_t begin = 0; begin < fields.size();) {
    size_t end = begin + 1;
    while (end < fields.size() && fields[end].number == fields[begin].number) ++end;
    const FieldRow* known = find_field(row, fields[begin].number);
    if (known == nullptr) {
      good_ = false;
    } else {
      const bool was = redact_;
      redact_ = redact_ || known->redacted;
      field(*known, std::span(fields).subspan(begin, end - begin), depth);
      redact_ = was;
    }
    begin = end;
  }
}

void Printer::field(const FieldRow& row, std::span<const WireField> occurrences, int depth) {
  json_.key(row.name);
  if (row.map && row.row != kNoRow) {
    json_.begin_object();
    for (const WireField& occurrence : occurrences) entry(row, occurrence.bytes, depth);
    json_.end_object();
    return;
  }
  if (!row.repeated) {
    // Parts of one message add up, as they do when they are parsed; the last scalar wins.
    if (row.type == FieldType::message && occurrences.size() > 1) {
      std::string joined;
      for (const WireField& occurrence : occurrences) joined += occurrence.bytes;
      WireField whole = occurrences.back();
      whole.bytes = joined;
      return single(row, whole, depth);
    }
    return single(row, occurrences.back(), depth);
  }
  json_.begin_array();
  for (const WireField& occurrence : occurrences) {
    const bool is_text =
        row.type == FieldType::message || row.type == FieldType::string || row.type == FieldType::bytes;
    if (occurrence.type == WireType::length && !is_text) {
      packed(row, occurrence.bytes);
    } else {
      single(row, occurrence, depth);
    }
  }
  json_.end_array();
}

void Printer::single(const FieldRow& row, const WireField& field, int depth) {
  switch (row.type) {
    case FieldType::message:
      if (row.row == kNoRow) {
        json_.value("[not shown]");
      } else {
        message(message_of(row), field.bytes, depth + 1);
      }
      return;
    case FieldType::string:
      json_.value(redact_ && row.name != "filename" ? kRedacted : field.bytes);
      return;
    case FieldType::bytes:
      json_.value(base64_encode(redact_ ? kRedacted : field.bytes));
      return;
    default:
      scalar(row, field.number_value);
  }
}

void Printer::scalar(const FieldRow& row, uint64_t bits) {
  switch (row.type) {
    case FieldType::boolean:
      json_.value(bits != 0);
      return;
    case FieldType::enumeration: {
      const auto number = static_cast<int32_t>(bits);
      if (row.row != kNoRow) {
        for (const EnumValue& choice : enum_of(row).values) {
          if (choice.number == number) {
            json_.value(choice.name);
            return;
          }
        }
      }
      json_.value(number);
      return;
    }
    case FieldType::int32:
    case FieldType::sfixed32:
      json_.value(static_cast<int32_t>(bits));
      return;
    case FieldType::uint32:
    case FieldType::fixed32:
      json_.value(static_cast<uint32_t>(bits));
      return;
    case FieldType::sint32:
      json_.value(static_cast<int32_t>((bits >> 1) ^ (~(bits & 1) + 1)));
      return;
    case FieldType::sint64:
      json_.value(std::to_string(static_cast<int64_t>((bits >> 1) ^ (~(bits & 1) + 1))));
      return;
    case FieldType::int64:
    case FieldType::sfixed64:
      json_.value(std::to_string(static_cast<int64_t>(bits)));
      return;
    case FieldType::double_:
      json_.value(std::bit_cast<double>(bits));
      return;
    case FieldType::float_:
      json_.value(static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits))));
      return;
    default:
      json_.value(std::to_string(bits));
  }
}

void Printer::packed(const FieldRow& row, std::string_view bytes) {
  const bool eight =
      row.type == FieldType::fixed64 || row.type == FieldType::sfixed64 || row.type == FieldType::double_;
  const bool four =
      row.type == FieldType::fixed32 || row.type == FieldType::sfixed32 || row.type == FieldType::float_;
  WireReader reader(bytes);
  while (!reader.done()) {
    const auto bits = eight ? reader.fixed(8) : four ? reader.fixed(4) : reader.varint();
    if (!bits) {
      good_ = false;
      return;
    }
    scalar(row, *bits);
  }
}

void Printer::entry(const FieldRow& row, std::string_view bytes, int depth) {
  std::string_view key;
  WireField value_field{.number = 2, .type = WireType::length};
  for (const WireField& part : split_fields(bytes)) {
    if (part.number == 1) key = part.bytes;
    if (part.number == 2) value_field = part;
  }
  json_.key(key);
  single(message_of(row).fields[1], value_field, depth + 1);
}

void Printer::any(std::string_view bytes, int depth) {
  std::string_view type_url, value_bytes;
  for (const WireField& part : split_fields(bytes)) {
    if (part.number == 1) type_url = part.bytes;
    if (part.number == 2) value_bytes = part.bytes;
  }
  typed(type_url, value_bytes, depth);
}

void Printer::typed(std::string_view type_url, std::string_view bytes, int depth) {
  json_.begin_object();
  json_.field("@type", type_url);
  const MessageRow* row = find_message_of_url(type_url);
  if (row == nullptr) {
    json_.field("value", base64_encode(bytes));
  } else if (row->form == MessageForm::plain) {
    if (depth > kMaxDepth) {
      good_ = false;
    } else {
      members(*row, bytes, depth + 1);
    }
  } else {
    json_.key("value");
    message(*row, bytes, depth + 1);
  }
  json_.end_object();
}

void Printer::duration(std::string_view bytes) {
  int64_t seconds = 0;
  int32_t nanos = 0;
  for (const WireField& part : split_fields(bytes)) {
    if (part.number == 1) seconds = static_cast<int64_t>(part.number_value);
    if (part.number == 2) nanos = static_cast<int32_t>(part.number_value);
  }
  std::string text = (seconds < 0 || nanos < 0) ? "-" : "";
  text += std::to_string(seconds < 0 ? ~static_cast<uint64_t>(seconds) + 1 : static_cast<uint64_t>(seconds));
  if (nanos != 0) {
    char fraction[16];
    std::snprintf(fraction, sizeof fraction, ".%09u",
                  nanos < 0 ? 0u - static_cast<unsigned>(nanos) : static_cast<unsigned>(nanos));
    std::string_view digits = fraction;
    while (digits.ends_with("000")) digits.remove_suffix(3);
    text += digits;
  }
  text += 's';
  json_.value(text);
}

void Printer::wrapper(const MessageRow& row, std::string_view bytes) {
  const FieldRow& inner = row.fields[0];
  WireField held{.number = 1};
  for (const WireField& part : split_fields(bytes)) {
    if (part.number == 1) held = part;
  }
  single(inner, held, 0);
}

void Printer::structure(std::string_view bytes, int depth) {
  json_.begin_object();
  // Maps have no order on the wire; sorted reads better and compares.
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  for (const WireField& part : split_fields(bytes)) {
    std::string_view key, held;
    for (const WireField& half : split_fields(part.bytes)) (half.number == 1 ? key : held) = half.bytes;
    fields.emplace_back(key, held);
  }
  std::ranges::sort(fields);
  for (const auto& [key, held] : fields) {
    json_.key(key);
    value(held, depth + 1);
  }
  json_.end_object();
}

void Printer::value(std::string_view bytes, int depth) {
  const std::vector<WireField> parts = split_fields(bytes);
  if (parts.empty() || depth > kMaxDepth) {
    json_.null();
    return;
  }
  const WireField& part = parts.back();
  switch (part.number) {
    case 2:
      json_.value(std::bit_cast<double>(part.number_value));
      return;
    case 3:
      json_.value(part.bytes);
      return;
    case 4:
      json_.value(part.number_value != 0);
      return;
    case 5:
      return structure(part.bytes, depth + 1);
    case 6:
      return list(part.bytes, depth + 1);
    default:
      json_.null();
  }
}

void Printer::list(std::string_view bytes, int depth) {
  json_.begin_array();
  for (const WireField& part : split_fields(bytes)) value(part.bytes, depth + 1);
  json_.end_array();
}

// ---- config_dump

// The names of one section, which differ from kind to kind for reasons of Envoy's history.
struct SectionNames {
  std::string_view dump;
  std::string_view fixed;
  std::string_view dynamic;
  std::string_view resource;
};

void write_resource(JsonWriter& json, std::string_view key, const DumpedResource& resource) {
  if (resource.any == nullptr) return;
  json.key(key);
  Printer(json).any(*resource.any, 0);
  json.field("last_updated", iso_time(resource.last_updated));
}

void write_error(JsonWriter& json, const DumpedResource& resource) {
  if (resource.error.empty()) return;
  json.key("error_state").begin_object();
  json.field("details", resource.error).field("version_info", resource.error_version);
  json.field("last_update_attempt", iso_time(resource.last_updated));
  json.end_object();
}

void write_section(JsonWriter& json, const SectionNames& names, const ConfigDump::Section& section) {
  json.begin_object();
  json.field("@type", concat("type.googleapis.com/envoy.admin.v3.", names.dump));
  if (!section.version.empty()) json.field("version_info", section.version);
  const bool is_listener = names.resource == "listener";
  const bool is_secret = names.resource == "secret";
  if (!section.fixed.empty()) {
    json.key(names.fixed).begin_array();
    for (const DumpedResource& resource : section.fixed) {
      json.begin_object();
      if (is_secret) json.field("name", resource.name);
      write_resource(json, names.resource, resource);
      json.end_object();
    }
    json.end_array();
  }
  if (!section.dynamic.empty()) {
    json.key(names.dynamic).begin_array();
    for (const DumpedResource& resource : section.dynamic) {
      json.begin_object();
      if (is_listener || is_secret) json.field("name", resource.name);
      if (is_listener && resource.any != nullptr) json.key("active_state").begin_object();
      if (resource.any != nullptr) json.field("version_info", resource.version);
      write_resource(json, names.resource, resource);
      if (is_listener && resource.any != nullptr) json.end_object();
      write_error(json, resource);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

constexpr std::string_view kBootstrapName = "envoy.config.bootstrap.v3.Bootstrap";

}  // namespace

std::string iso_time(WallTime time) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(millis);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(millis - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::string config_dump_json(const ConfigDump& dump) {
  JsonWriter json(1);
  json.begin_object().key("configs").begin_array();
  if (!dump.bootstrap.empty()) {
    json.begin_object()
        .field("@type", "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump")
        .key("bootstrap");
    if (const MessageRow* row = find_message(kBootstrapName)) Printer(json).message(*row, dump.bootstrap, 0);
    json.field("last_updated", iso_time(dump.bootstrap_updated)).end_object();
  }
  write_section(json, {"ClustersConfigDump", "static_clusters", "dynamic_active_clusters", "cluster"},
                dump.clusters);
  if (dump.include_endpoints) {
    write_section(
        json,
        {"EndpointsConfigDump", "static_endpoint_configs", "dynamic_endpoint_configs", "endpoint_config"},
        dump.endpoints);
  }
  write_section(json, {"ListenersConfigDump", "static_listeners", "dynamic_listeners", "listener"},
                dump.listeners);
  write_section(json, {"RoutesConfigDump", "static_route_configs", "dynamic_route_configs", "route_config"},
                dump.routes);
  write_section(json, {"SecretsConfigDump", "static_secrets", "dynamic_active_secrets", "secret"},
                dump.secrets);
  json.end_array().end_object();
  return json.take();
}

Result<void> write_json(JsonWriter& json, std::string_view type_url, Bytes message) {
  Printer printer(json);
  printer.typed(type_url, as_text(message), 0);
  if (printer.good()) return {};
  return fail(Error::Kind::invalid,
              concat("a message of type ", printable(type_url), " could not be shown in full"));
}

Result<std::string> any_to_json(std::string_view any, int indent) {
  WEFT_TRY(const OpenedAny opened, open_any(any));
  JsonWriter json(indent);
  WEFT_CHECK_OK(write_json(json, opened.type_url, opened.message));
  return json.take();
}

}  // namespace weft::wire
