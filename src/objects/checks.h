// The rules that text in an object must keep, each as a function that says what is wrong with it.
//
//   fields.text("host", out.host, check_host);
//
// Rules are Kubernetes' and Istio's: DNS-1123 names, label keys, host names with a wildcard, addresses,
// durations.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weft::objects {

struct Problem {
  std::string cause;
  std::string next_step;
};

using TextCheck = std::function<std::optional<Problem>(const std::string&)>;

// Text as a complaint shows it: 'reviews', with what does not print as \xNN, and an end when long.
std::string quoted(std::string_view text);

// "'FOO' is not one of A, B, C" with the nearest of them.
Problem not_among(std::string_view word, const std::vector<std::string_view>& words);
// "did you mean 'x'?", or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known);

std::optional<Problem> check_not_empty(const std::string& text);
std::optional<Problem> check_dns_label(const std::string& text);      // RFC 1123: at most 63 of a-z, 0-9, -
std::optional<Problem> check_dns_subdomain(const std::string& text);  // labels with dots, at most 253
std::optional<Problem> check_service_name(const std::string& text);   // RFC 1035: begins with a letter
std::optional<Problem> check_port_name(const std::string& text);      // at most 15, with a letter
std::optional<Problem> check_label_key(const std::string& text);      // [prefix/]name
std::optional<Problem> check_label_value(const std::string& text);
std::optional<Problem> check_env_name(const std::string& text);

// A DNS name of any depth: "reviews", "reviews.default.svc.cluster.local".
std::optional<Problem> check_fqdn(const std::string& text);
// The same or with a wildcard first: "*", "*.example.com".
std::optional<Problem> check_wildcard_host(const std::string& text);
// One of the two above that may also be an IP address.
std::optional<Problem> check_host_or_ip(const std::string& text);

std::optional<Problem> check_ip(const std::string& text);
std::optional<Problem> check_cidr(const std::string& text);  // an address alone is its full length
std::optional<Problem> check_port_text(const std::string& text);
std::optional<Problem> check_unix_path(const std::string& text);  // what follows unix://
std::optional<Problem> check_regex(const std::string& text);
std::optional<Problem> check_header_name(const std::string& text);
std::optional<Problem> check_header_value(const std::string& text);

// exportTo: ".", "*", "~" or a namespace.
std::optional<Problem> check_export_to(const std::string& text);
// "gateway", "namespace/gateway", or a name with dots.
std::optional<Problem> check_gateway_ref(const std::string& text);

// True where every host that `narrow` matches is matched by `wide`: "*.a.com" covers "b.a.com" and
// "*.b.a.com".
bool host_covers(std::string_view wide, std::string_view narrow);

// Go's durations: "1.5s", "100ms", "1h2m".
Result<Duration> parse_duration(std::string_view text);
// RFC 3339: "2026-11-24T21:40:12Z".
std::optional<WallTime> parse_timestamp(std::string_view text);

}  // namespace weft::objects
