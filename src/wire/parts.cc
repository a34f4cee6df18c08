#include "wire/parts.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include "base/result.h"

namespace weft::wire {

namespace {

using google::protobuf::MessageLite;

// Durations of xDS may be as long as 10,000 years; ours count nanoseconds in 64 bits.
constexpr int64_t kMaxSeconds = 9'000'000'000;

constexpr std::string_view kTypePrefix = "type.googleapis.com/";

}  // namespace

std::string serialize(const MessageLite& message) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return out;
}

bool parse(MessageLite& message, std::string_view bytes) {
  [[maybe_unused]] static const auto former = google::protobuf::SetLogHandler(nullptr);
  if (bytes.size() > INT32_MAX) return false;
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

void pack(const MessageLite& message, google::protobuf::Any& any) {
  any.set_type_url(concat(kTypePrefix, message.GetTypeName()));
  any.set_value(serialize(message));
}

bool holds(const google::protobuf::Any& any, std::string_view message_name) {
  const std::string_view url = any.type_url();
  return url.size() > message_name.size() && url.ends_with(message_name) &&
         url[url.size() - message_name.size() - 1] == '/';
}

void write(Duration from, google::protobuf::Duration& to) {
  to.set_seconds(from.count() / 1'000'000'000);
  to.set_nanos(static_cast<int32_t>(from.count() % 1'000'000'000));
}

Read<Duration> read(const google::protobuf::Duration& from, const Place& at) {
  if (from.seconds() < 0 || from.nanos() < 0) return refuse(at, "is negative");
  if (from.seconds() > kMaxSeconds || from.nanos() > 999'999'999) return refuse(at, "is out of range");
  return std::chrono::seconds(from.seconds()) + std::chrono::nanoseconds(from.nanos());
}

Read<uint16_t> read_port(uint32_t port, const Place& at) {
  if (port > 65535) return refuse(at, concat("is ", port, ", and ports end at 65535"));
  return static_cast<uint16_t>(port);
}

void write_per_million(uint32_t per_million, type_pb::FractionalPercent& to) {
  if (per_million % 10'000 == 0) {
    to.set_numerator(per_million / 10'000);
    to.set_denominator(type_pb::FractionalPercent::HUNDRED);
  } else {
    to.set_numerator(per_million);
    to.set_denominator(type_pb::FractionalPercent::MILLION);
  }
}

Read<uint32_t> read_per_million(const type_pb::FractionalPercent& from, const Place& at) {
  uint64_t unit = 0;
  switch (from.denominator()) {
    case type_pb::FractionalPercent::HUNDRED:
      unit = 10'000;
      break;
    case type_pb::FractionalPercent::TEN_THOUSAND:
      unit = 100;
      break;
    case type_pb::FractionalPercent::MILLION:
      unit = 1;
      break;
    default:
      return not_supported(at("denominator"));
  }
  // More than the whole is the whole, as in Envoy.
  return static_cast<uint32_t>(std::min<uint64_t>(from.numerator() * unit, 1'000'000));
}

void write(const SocketAddress& from, core_pb::Address& to) {
  if (from.is_unix()) {
    to.mutable_pipe()->set_path(from.path);
    return;
  }
  to.mutable_socket_address()->set_address(from.ip.to_string());
  to.mutable_socket_address()->set_port_value(from.port);
}

Read<SocketAddress> read(const core_pb::Address& from, const Place& at) {
  SocketAddress address;
  if (from.has_pipe()) {
    if (from.pipe().path().empty()) return refuse(at, "has no path");
    address.path = from.pipe().path();
    return address;
  }
  if (!from.has_socket_address()) return refuse(at, "has neither socket_address nor pipe");
  const auto& socket = from.socket_address();
  const Place place = at("socket_address");
  if (socket.protocol() != core_pb::SocketAddress::TCP) return not_supported(place("protocol"), "UDP");
  auto ip = IpAddress::parse(socket.address());
  if (!ip)
    return refuse(place("address"),
                  concat("is \"", printable(socket.address()), "\", which is no IP address"));
  address.ip = *ip;
  WEFT_TRY(address.port, read_port(socket.port_value(), place("port_value")));
  return address;
}

void write(const Cidr& from, core_pb::CidrRange& to) {
  to.set_address_prefix(from.base.to_string());
  to.mutable_prefix_len()->set_value(from.bits);
}

Read<Cidr> read(const core_pb::CidrRange& from, const Place& at) {
  auto base = IpAddress::parse(from.address_prefix());
  if (!base) {
    return refuse(at("address_prefix"),
                  concat("is \"", printable(from.address_prefix()), "\", which is no IP address"));
  }
  const uint32_t bits = from.prefix_len().value();
  const uint32_t limit = base->is_v4() ? 32 : 128;
  if (bits > limit)
    return refuse(at("prefix_len"), concat("is ", bits, ", and this address has ", limit, " bits"));
  // By way of text: Cidr clears what lies behind the prefix.
  auto cidr = Cidr::parse(concat(base->to_string(), "/", bits));
  if (!cidr) return refuse(at, concat("is no range: ", cidr.error().text));
  return *cidr;
}

void write(const Regex& from, matcher_pb::RegexMatcher& to) { to.set_regex(from.pattern()); }

Read<Regex> read(const matcher_pb::RegexMatcher& from, const Place& at) {
  auto regex = Regex::compile(from.regex());
  if (!regex) return refuse(at("regex"), concat("cannot be used: ", regex.error().text));
  return *regex;
}

void write(const model::StringMatch& from, matcher_pb::StringMatcher& to) {
  using Kind = model::StringMatch::Kind;
  to.set_ignore_case(from.ignore_case);
  switch (from.kind) {
    case Kind::exact:
      to.set_exact(from.value);
      break;
    case Kind::prefix:
      to.set_prefix(from.value);
      break;
    case Kind::suffix:
      to.set_suffix(from.value);
      break;
    case Kind::contains:
      to.set_contains(from.value);
      break;
    case Kind::regex:
      to.mutable_safe_regex()->set_regex(from.value);
      break;
  }
}

Read<model::StringMatch> read(const matcher_pb::StringMatcher& from, const Place& at) {
  using model::StringMatch;
  switch (from.match_pattern_case()) {
    case matcher_pb::StringMatcher::kExact:
      return StringMatch::exact(from.exact(), from.ignore_case());
    case matcher_pb::StringMatcher::kPrefix:
      return StringMatch::prefix(from.prefix(), from.ignore_case());
    case matcher_pb::StringMatcher::kSuffix:
      return StringMatch::suffix(from.suffix(), from.ignore_case());
    case matcher_pb::StringMatcher::kContains: {
      StringMatch match = StringMatch::contains(from.contains());
      match.ignore_case = from.ignore_case();
      return match;
    }
    case matcher_pb::StringMatcher::kSafeRegex: {
      // Envoy: ignore_case has no effect on a regex.
      WEFT_TRY(Regex regex, read(from.safe_regex(), at("safe_regex")));
      StringMatch match;
      match.kind = StringMatch::Kind::regex;
      match.value = regex.pattern();
      match.regex = std::move(regex);
      return match;
    }
    case matcher_pb::StringMatcher::MATCH_PATTERN_NOT_SET:
      break;
  }
  return refuse(at, "says nothing to match");
}

void write(const model::HeaderMatch& from, route_pb::HeaderMatcher& to) {
  to.set_name(from.name);
  if (from.present_only) {
    to.set_present_match(true);
  } else {
    write(from.value, *to.mutable_string_match());
  }
  to.set_invert_match(from.invert);
  to.set_treat_missing_header_as_empty(from.treat_missing_as_empty);
}

Read<model::HeaderMatch> read(const route_pb::HeaderMatcher& from, const Place& at) {
  using model::StringMatch;
  model::HeaderMatch match;
  if (from.name().empty()) return refuse(at("name"), "is empty");
  match.name = to_lower(from.name());
  match.invert = from.invert_match();
  match.treat_missing_as_empty = from.treat_missing_header_as_empty();
  switch (from.header_match_specifier_case()) {
    case route_pb::HeaderMatcher::kExactMatch:
      match.value = StringMatch::exact(from.exact_match());
      break;
    case route_pb::HeaderMatcher::kPrefixMatch:
      match.value = StringMatch::prefix(from.prefix_match());
      break;
    case route_pb::HeaderMatcher::kSuffixMatch:
      match.value = StringMatch::suffix(from.suffix_match());
      break;
    case route_pb::HeaderMatcher::kContainsMatch:
      match.value = StringMatch::contains(from.contains_match());
      break;
    case route_pb::HeaderMatcher::kSafeRegexMatch: {
      WEFT_TRY(Regex regex, read(from.safe_regex_match(), at("safe_regex_match")));
      match.value.kind = StringMatch::Kind::regex;
      match.value.value = regex.pattern();
      match.value.regex = std::move(regex);
      break;
    }
    case route_pb::HeaderMatcher::kStringMatch: {
      WEFT_TRY(match.value, read(from.string_match(), at("string_match")));
      break;
    }
    case route_pb::HeaderMatcher::kPresentMatch:
      // present_match: false is "absent".
      match.present_only = true;
      if (!from.present_match()) match.invert = !match.invert;
      break;
    case route_pb::HeaderMatcher::HEADER_MATCH_SPECIFIER_NOT_SET:
      match.present_only = true;
      break;
  }
  return match;
}

core_pb::HeaderValueOption to_header_option(const model::HeaderEdit& from) {
  using Kind = model::HeaderEdit::Kind;
  core_pb::HeaderValueOption option;
  option.mutable_header()->set_key(from.name);
  option.mutable_header()->set_value(from.value);
  // Else an empty value would drop the edit.
  option.set_keep_empty_value(from.value.empty());
  switch (from.kind) {
    case Kind::append_or_add:
      option.set_append_action(core_pb::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD);
      break;
    case Kind::add_if_absent:
      option.set_append_action(core_pb::HeaderValueOption::ADD_IF_ABSENT);
      break;
    case Kind::overwrite_or_add:
      option.set_append_action(core_pb::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
      break;
    case Kind::overwrite_if_exists:
      option.set_append_action(core_pb::HeaderValueOption::OVERWRITE_IF_EXISTS);
      break;
  }
  return option;
}

Read<std::optional<model::HeaderEdit>> read(const core_pb::HeaderValueOption& from, const Place& at) {
  using Kind = model::HeaderEdit::Kind;
  model::HeaderEdit edit;
  edit.name = from.header().key();
  edit.value = from.header().value();
  const Place header = at("header");
  if (edit.name.empty()) return refuse(header("key"), "is empty");
  if (edit.value.empty() && !from.keep_empty_value()) return std::nullopt;
  switch (from.append_action()) {
    case core_pb::HeaderValueOption::APPEND_IF_EXISTS_OR_ADD:
      edit.kind = Kind::append_or_add;
      break;
    case core_pb::HeaderValueOption::ADD_IF_ABSENT:
      edit.kind = Kind::add_if_absent;
      break;
    case core_pb::HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD:
      edit.kind = Kind::overwrite_or_add;
      break;
    case core_pb::HeaderValueOption::OVERWRITE_IF_EXISTS:
      edit.kind = Kind::overwrite_if_exists;
      break;
    default:
      return not_supported(at("append_action"), std::to_string(from.append_action()));
  }
  // The older way to say it. Envoy refuses both together.
  if (from.has_append()) {
    if (edit.kind != Kind::append_or_add) return refuse(at, "has both append and append_action");
    edit.kind = from.append().value() ? Kind::append_or_add : Kind::overwrite_or_add;
  }
  return edit;
}

Read<std::vector<model::HeaderEdit>> read_edits(
    const google::protobuf::RepeatedPtrField<core_pb::HeaderValueOption>& from, std::string_view field,
    const Place& at) {
  std::vector<model::HeaderEdit> edits;
  for (int i = 0; i < from.size(); ++i) {
    WEFT_TRY(auto edit, read(from[i], at(field, static_cast<size_t>(i))));
    if (edit) edits.push_back(std::move(*edit));
  }
  return edits;
}

void write(const Value& from, google::protobuf::Value& to) {
  if (from.is_null()) {
    to.set_null_value(google::protobuf::NULL_VALUE);
  } else if (const bool* flag = std::get_if<bool>(&from.held)) {
    to.set_bool_value(*flag);
  } else if (const double* number = std::get_if<double>(&from.held)) {
    to.set_number_value(*number);
  } else if (const std::string* text = std::get_if<std::string>(&from.held)) {
    to.set_string_value(*text);
  } else if (const Value::Array* items = from.array()) {
    to.mutable_list_value();
    for (const Value& item : *items) write(item, *to.mutable_list_value()->add_values());
  } else {
    write(from, *to.mutable_struct_value());
  }
}

void write(const Value& from, google::protobuf::Struct& to) {
  const Value::Object* members = from.object();
  if (members == nullptr) return;
  for (const auto& [name, member] : *members) write(member, (*to.mutable_fields())[name]);
}

Value read(const google::protobuf::Value& from) {
  switch (from.kind_case()) {
    case google::protobuf::Value::kBoolValue:
      return from.bool_value();
    case google::protobuf::Value::kNumberValue:
      return from.number_value();
    case google::protobuf::Value::kStringValue:
      return from.string_value();
    case google::protobuf::Value::kStructValue:
      return read(from.struct_value());
    case google::protobuf::Value::kListValue: {
      Value::Array items;
      for (const auto& item : from.list_value().values()) items.push_back(read(item));
      return items;
    }
    default:
      return {};
  }
}

Value read(const google::protobuf::Struct& from) {
  Value::Object members;
  for (const auto& [name, member] : from.fields()) members.emplace(name, read(member));
  return members;
}

Value metadata_of(const core_pb::Metadata& metadata, const std::string& filter) {
  const auto it = metadata.filter_metadata().find(filter);
  return it == metadata.filter_metadata().end() ? Value() : read(it->second);
}

std::string_view metadata_text(const core_pb::Metadata& metadata, const std::string& filter,
                               const std::string& name) {
  const auto held = metadata.filter_metadata().find(filter);
  if (held == metadata.filter_metadata().end()) return {};
  const auto member = held->second.fields().find(name);
  return member == held->second.fields().end() ? std::string_view() : member->second.string_value();
}

void set_metadata(core_pb::Metadata& metadata, const std::string& filter, std::string_view name,
                  Value value) {
  auto& fields = *(*metadata.mutable_filter_metadata())[filter].mutable_fields();
  write(value, fields[std::string(name)]);
}

void write_ads(core_pb::ConfigSource& to) {
  to.mutable_ads();
  to.set_resource_api_version(core_pb::V3);
}

Read<> check_version(const core_pb::ConfigSource& from, const Place& at) {
  if (from.resource_api_version() != core_pb::V3 && from.resource_api_version() != core_pb::AUTO) {
    return not_supported(at("resource_api_version"), "V2");
  }
  return {};
}

Read<> check_ads(const core_pb::ConfigSource& from, const Place& at) {
  if (!from.has_ads()) {
    return refuse(at, "must be `ads: {}`: weft-proxy takes resources from the one ADS stream",
                  Error::Kind::unsupported);
  }
  return check_version(from, at);
}

}  // namespace weft::wire
