#include "objects/checks.h"

#include <algorithm>
#include <charconv>

#include "base/address.h"
#include "base/regex.h"
#include "base/strings.h"

namespace weft::objects {

namespace {

constexpr std::string_view kDnsLabelRule =
    "use up to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_lower(to_lower(c)) || is_digit(c); }

bool is_dns_label(std::string_view text, bool upper_too = false) {
  if (text.empty() || text.size() > 63) return false;
  const auto fits = [&](char c) { return is_lower(upper_too ? to_lower(c) : c) || is_digit(c); };
  return fits(text.front()) && fits(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return fits(c) || c == '-'; });
}

bool is_dns_name(std::string_view text, bool upper_too) {
  if (text.empty() || text.size() > 253) return false;
  for (const std::string_view label : split(text, '.')) {
    if (!is_dns_label(label, upper_too)) return false;
  }
  return true;
}

// What may stand in a label's key after the prefix, and in its value.
bool is_qualified(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
         });
}

Problem problem(std::string_view text, std::string_view what, std::string_view next_step) {
  return {concat(quoted(text), " is not ", what), std::string(next_step)};
}

}  // namespace

std::string quoted(std::string_view text) { return concat('\'', printable(text, 80), '\''); }

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
  const auto near = nearest(word, known);
  return near ? concat("did you mean ", quoted(*near), '?') : std::string{};
}

Problem not_among(std::string_view word, const std::vector<std::string_view>& words) {
  std::string list;
  for (const std::string_view one : words) list += concat(list.empty() ? "" : ", ", one);
  return {concat(quoted(word), " is not one of ", list), did_you_mean(word, words)};
}

std::optional<Problem> check_not_empty(const std::string& text) {
  if (!text.empty()) return std::nullopt;
  return Problem{"is empty", "write it, or leave the field out"};
}

std::optional<Problem> check_dns_label(const std::string& text) {
  if (is_dns_label(text)) return std::nullopt;
  return problem(text, "a DNS label", kDnsLabelRule);
}

std::optional<Problem> check_dns_subdomain(const std::string& text) {
  if (is_dns_name(text, false)) return std::nullopt;
  return problem(text, "a DNS name",
                 "use a-z, 0-9, '-' and '.', every part beginning and ending with a letter or digit");
}

std::optional<Problem> check_service_name(const std::string& text) {
  if (is_dns_label(text) && is_lower(text.front())) return std::nullopt;
  return problem(
      text, "a service name",
      "use up to 63 of a-z, 0-9 and '-', beginning with a letter and ending with a letter or digit");
}

std::optional<Problem> check_port_name(const std::string& text) {
  const bool has_letter = std::any_of(text.begin(), text.end(), is_lower);
  if (is_dns_label(text) && text.size() <= 15 && has_letter && text.find("--") == std::string::npos)
    return std::nullopt;
  return problem(text, "a port name", "use up to 15 of a-z, 0-9 and single '-', with a letter among them");
}

std::optional<Problem> check_label_key(const std::string& text) {
  const size_t slash = text.find('/');
  const std::string_view name = slash == std::string::npos ? text : std::string_view(text).substr(slash + 1);
  const bool prefix_fits =
      slash == std::string::npos || is_dns_name(std::string_view(text).substr(0, slash), false);
  if (prefix_fits && is_qualified(name)) return std::nullopt;
  return problem(text, "a label key",
                 "use an optional DNS name and '/', then up to 63 letters, digits, '-', '_' and '.'");
}

std::optional<Problem> check_label_value(const std::string& text) {
  if (text.empty() || is_qualified(text)) return std::nullopt;
  return problem(
      text, "a label value",
      "use up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit");
}

std::optional<Problem> check_env_name(const std::string& text) {
  const bool fits =
      !text.empty() && !is_digit(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
        return is_alphanumeric(c) || c == '_' || c == '-' || c == '.';
      });
  if (fits) return std::nullopt;
  return problem(text, "a variable's name",
                 "use letters, digits, '_', '-' and '.', not beginning with a digit");
}

std::optional<Problem> check_fqdn(const std::string& text) {
  std::string_view name = text;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (is_dns_name(name, true)) return std::nullopt;
  if (text.find("://") != std::string::npos) return problem(text, "a host name", "leave out the scheme");
  if (text.find('/') != std::string::npos) return problem(text, "a host name", "leave out the path");
  if (text.find(':') != std::string::npos) return problem(text, "a host name", "leave out the port");
  if (text.find('*') != std::string::npos)
    return problem(text, "a host name", "a wildcard is not possible here");
  return problem(text, "a host name", "use letters, digits, '-' and '.'");
}

std::optional<Problem> check_wildcard_host(const std::string& text) {
  if (text == "*") return std::nullopt;
  if (text.find('*') == std::string::npos) return check_fqdn(text);
  // "*.example.com", and as Istio has it also "*-eu.example.com".
  std::string_view rest = text;
  rest.remove_prefix(rest.starts_with("*.") || rest.starts_with("*-") ? 2 : rest.starts_with('*') ? 1 : 0);
  if (is_dns_name(rest, true)) return std::nullopt;
  return problem(text, "a host name", "a wildcard stands first, like '*.' before the rest of the name");
}

std::optional<Problem> check_host_or_ip(const std::string& text) {
  if (!check_ip(text)) return std::nullopt;
  return check_wildcard_host(text);
}

std::optional<Problem> check_ip(const std::string& text) {
  if (IpAddress::parse(text)) return std::nullopt;
  return problem(text, "an IP address", "write it like 10.0.0.7 or fd00::7");
}

std::optional<Problem> check_cidr(const std::string& text) {
  if (Cidr::parse(text)) return std::nullopt;
  return problem(text, "an IP address or range", "write it like 10.0.0.7 or 10.0.0.0/8");
}

std::optional<Problem> check_port_text(const std::string& text) {
  const auto number = parse_unsigned(text);
  if (number && *number >= 1 && *number <= 65535) return std::nullopt;
  return problem(text, "a port", "a port is a number from 1 to 65535");
}

std::optional<Problem> check_unix_path(const std::string& text) {
  if (text.size() > 1 && (text[0] == '@' || (text[0] == '/' && text.back() != '/'))) return std::nullopt;
  return problem(text, "the path of a Unix socket", "write an absolute path to a file, or '@' and a name");
}

std::optional<Problem> check_regex(const std::string& text) {
  if (text.empty())
    return Problem{"the regular expression is empty", "write one, or leave the condition out"};
  const auto regex = Regex::compile(text);
  if (regex) return std::nullopt;
  return Problem{regex.error().text, "use RE2's syntax: no look-around, no back-references"};
}

std::optional<Problem> check_header_name(const std::string& text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";  // RFC 9110 section 5.6.2
  const bool fits = !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || kOthers.find(c) != std::string_view::npos;
  });
  if (fits) return std::nullopt;
  return problem(text, "a header name", "use letters, digits and '-'");
}

std::optional<Problem> check_header_value(const std::string& text) {
  const bool fits = std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
  if (fits) return std::nullopt;
  return problem(text, "a header value", "leave out control characters and line breaks");
}

std::optional<Problem> check_export_to(const std::string& text) {
  if (text == "." || text == "*" || text == "~" || is_dns_label(text)) return std::nullopt;
  return problem(text, "a namespace", "write '.', '*', '~' or the name of a namespace");
}

std::optional<Problem> check_gateway_ref(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) {
    if (is_dns_name(text, false)) return std::nullopt;
  } else if ((is_dns_label(std::string_view(text).substr(0, slash)) || text.substr(0, slash) == ".") &&
             is_dns_name(std::string_view(text).substr(slash + 1), false)) {
    return std::nullopt;
  }
  return problem(text, "the name of a gateway", "write 'name', 'namespace/name' or 'mesh'");
}

bool host_covers(std::string_view wide, std::string_view narrow) {
  if (wide == "*") return true;
  if (!wide.starts_with('*')) return equal_ignoring_case(wide, narrow);
  const std::string_view suffix = wide.substr(1);
  if (narrow.starts_with('*')) narrow.remove_prefix(1);
  return narrow.size() >= suffix.size() &&
         equal_ignoring_case(narrow.substr(narrow.size() - suffix.size()), suffix);
}

Result<Duration> parse_duration(std::string_view text) {
  const auto refuse = [whole = text](std::string_view why) {
    return fail(Error::Kind::invalid, concat(quoted(whole), " is not a duration", why));
  };
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return Duration{0};
  if (text.empty()) return refuse("");
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  constexpr Unit kUnits[] = {{"ns", 1},   {"us", 1e3}, {"\u00b5s", 1e3}, {"\u03bcs", 1e3},
                             {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},      {"h", 3600e9}};
  // A double is exact to the nanosecond for 104 days; whole numbers are carried apart to stay exact beyond.
  int64_t total = 0;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    uint64_t whole = 0;
    if (digits > 0 && std::from_chars(text.data(), text.data() + digits, whole).ec != std::errc{}) {
      return refuse(": it is too long");
    }
    std::string_view rest = text.substr(digits);
    double fraction = 0;
    size_t fraction_digits = 0;
    if (rest.starts_with('.')) {
      fraction_digits = std::min(rest.find_first_not_of("0123456789", 1), rest.size()) - 1;
      if (fraction_digits > 0) {
        std::from_chars(rest.data(), rest.data() + 1 + fraction_digits, fraction);
      }
      rest.remove_prefix(1 + fraction_digits);
    }
    if (digits + fraction_digits == 0) return refuse("");
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& one) {
      const size_t end = std::min(rest.find_first_of("0123456789."), rest.size());
      return rest.substr(0, end) == one.name;
    });
    if (unit == std::end(kUnits)) {
      return refuse(rest.empty() ? ": it has no unit" : concat(": ", quoted(rest), " is not a unit"));
    }
    rest.remove_prefix(unit->name.size());
    int64_t part = 0;
    const auto part_fraction = static_cast<int64_t>(fraction * unit->nanoseconds + 0.5);
    if (whole > static_cast<uint64_t>(INT64_MAX) ||
        __builtin_mul_overflow(static_cast<int64_t>(whole), static_cast<int64_t>(unit->nanoseconds), &part) ||
        __builtin_add_overflow(part, part_fraction, &part) || __builtin_add_overflow(total, part, &total)) {
      return refuse(": it is too long");
    }
    text = rest;
  }
  return Duration{negative ? -total : total};
}

std::optional<WallTime> parse_timestamp(std::string_view text) {
  // 2026-11-24T21:40:12[.fraction](Z|+hh:mm|-hh:mm)
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() <= kShape.size()) return std::nullopt;
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool fits = kShape[i] == 'd' ? is_digit(text[i]) : to_lower(text[i]) == to_lower(kShape[i]);
    if (!fits) return std::nullopt;
  }
  const auto number = [&](size_t at, size_t size) {
    return static_cast<int>(*parse_unsigned(text.substr(at, size)));
  };
  const std::chrono::year_month_day date{std::chrono::year{number(0, 4)},
                                         std::chrono::month{static_cast<unsigned>(number(5, 2))},
                                         std::chrono::day{static_cast<unsigned>(number(8, 2))}};
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  const int second = number(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  // The range of nanoseconds in 64 bits.
  if (date.year() < std::chrono::year{1700} || date.year() > std::chrono::year{2200}) return std::nullopt;
  std::chrono::nanoseconds time =
      std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);

  text.remove_prefix(kShape.size());
  if (text.starts_with('.')) {
    const size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (end == 1) return std::nullopt;
    int64_t scale = 100'000'000;
    for (size_t i = 1; i < end; ++i, scale /= 10) time += std::chrono::nanoseconds((text[i] - '0') * scale);
    text.remove_prefix(end);
  }
  if (text != "Z" && text != "z") {
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
    const auto hours = parse_unsigned(text.substr(1, 2));
    const auto minutes = parse_unsigned(text.substr(4, 2));
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    const auto offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
    if (text[0] == '+') {
      time -= offset;
    } else {
      time += offset;
    }
  }
  return WallTime(std::chrono::sys_days(date).time_since_epoch() + time);
}

}  // namespace weft::objects
