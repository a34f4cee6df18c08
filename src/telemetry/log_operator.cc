#include "telemetry/log_operator.h"

#include <algorithm>
#include <ctime>
#include <vector>

#include "base/strings.h"
#include "telemetry/trace_context.h"

namespace weft::telemetry {

namespace {

// ---- times

void append_padded(std::string& out, int64_t number, size_t width) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  const auto size = static_cast<size_t>(end - digits);
  if (size < width) out.append(width - size, '0');
  out.append(digits, size);
}

// 2026-11-24T21:40:12.004Z
void append_iso_time(std::string& out, WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::milliseconds>(time - day));
  append_padded(out, static_cast<int>(date.year()), 4);
  out.push_back('-');
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out.push_back('-');
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out.push_back('T');
  append_padded(out, clock.hours().count(), 2);
  out.push_back(':');
  append_padded(out, clock.minutes().count(), 2);
  out.push_back(':');
  append_padded(out, clock.seconds().count(), 2);
  out.push_back('.');
  append_padded(out, clock.subseconds().count(), 3);
  out.push_back('Z');
}

// strftime, and Envoy's own: %s seconds since 1970, %f nanoseconds, %1f to %9f that many of their digits,
// %3s seconds with the fraction's digits behind them.
void append_time(std::string& out, WallTime time, const std::string& format) {
  if (format.empty()) return append_iso_time(out, time);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto nanoseconds = (time - seconds).count();
  const std::time_t stamp = seconds.time_since_epoch().count();
  std::tm parts{};
  gmtime_r(&stamp, &parts);
  const auto append_fraction = [&](size_t digits) {
    std::string fraction;
    append_padded(fraction, nanoseconds, 9);
    out.append(fraction, 0, digits);
  };
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out.push_back(format[i]);
      continue;
    }
    const char next = format[++i];
    const char after = i + 1 < format.size() ? format[i + 1] : '\0';
    if (next >= '1' && next <= '9' && (after == 'f' || after == 's')) {
      if (after == 's') out.append(std::to_string(stamp));
      append_fraction(static_cast<size_t>(next - '0'));
      ++i;
    } else if (next == 'f') {
      append_fraction(9);
    } else if (next == 's') {
      out.append(std::to_string(stamp));
    } else {
      const char one[] = {'%', next, '\0'};
      char text[64];
      out.append(text, strftime(text, sizeof text, one, &parts));
    }
  }
}

// ---- pieces

const std::string_view kTimeFormatLetters = "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%";

// IpAddress::to_string() goes through the C library's printf; a line holds four or five addresses.
void append_ip(const IpAddress& ip, std::string& out) {
  if (!ip.is_v4()) {
    out.append(ip.to_string());
    return;
  }
  char text[16];
  char* end = text;
  for (size_t i = 12; i < 16; ++i) {
    if (i > 12) *end++ = '.';
    end = std::to_chars(end, text + sizeof text, ip.bytes()[i]).ptr;
  }
  out.append(text, end);
}

void set_address(const SocketAddress& address, LogValue& value) {
  std::string& text = value.scratch();
  if (address.is_unix()) {
    text = address.to_string();
    return value.set_present(text);
  }
  if (!address.ip.is_v4()) text.push_back('[');
  append_ip(address.ip, text);
  text.append(address.ip.is_v4() ? ":" : "]:");
  append_padded(text, address.port, 1);
  value.set_ours(text);
}

void set_ip(const SocketAddress& address, LogValue& value) {
  if (address.is_unix()) return value.set_present(address.path);
  std::string& text = value.scratch();
  append_ip(address.ip, text);
  value.set_ours(text);
}

void set_port(const SocketAddress& address, LogValue& value) {
  if (address.is_unix()) return value.set_missing();
  value.set_number(address.port);
}

void set_milliseconds(std::optional<Duration> duration, LogValue& value) {
  if (!duration) return value.set_missing();
  value.set_number(duration_cast<std::chrono::milliseconds>(*duration).count());
}

void set_joined(std::span<const std::string> names, LogValue& value) {
  if (names.empty()) return value.set_missing();
  if (names.size() == 1) return value.set_text(names.front());
  std::string& text = value.scratch();
  for (const auto& name : names) text.append(text.empty() ? "" : ",").append(name);
  value.set_text(text);
}

constexpr std::string_view kGrpcCamel[] = {
    "OK",       "Canceled",        "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",   "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",      "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated",
};

}  // namespace

// ---- what each operator reads

struct LogOperatorReaders {
  using Op = const LogOperator&;
  using Rec = const RequestRecord&;

  static std::optional<std::string_view> of_request(const http::Request& request, std::string_view name) {
    if (name == ":method") return request.method;
    if (name == ":path") return request.path;
    if (name == ":authority" || name == "host") return request.authority;
    if (name == ":scheme") return request.scheme;
    if (name == ":protocol") return request.protocol;
    return request.headers.get(name);
  }
  static std::optional<std::string_view> of_response(const http::Response& response, std::string_view name,
                                                     LogValue& value) {
    if (name != ":status") return response.headers.get(name);
    value.set_number(response.status);
    return value.text();
  }

  static void request_header(Op op, Rec record, LogValue& value) {
    if (!record.request) return value.set_missing();
    auto found = of_request(*record.request, op.name_);
    if ((!found || found->empty()) && !op.fallback_.empty())
      found = of_request(*record.request, op.fallback_);
    found ? value.set_present(*found) : value.set_missing();
  }
  static void request_header_without_query(Op op, Rec record, LogValue& value) {
    request_header(op, record, value);
    if (!value.missing()) value.cut(value.text().find('?'));
  }
  static void response_header(Op op, Rec record, LogValue& value) {
    if (!record.response) return value.set_missing();
    auto found = of_response(*record.response, op.name_, value);
    if (!found && !op.fallback_.empty()) found = of_response(*record.response, op.fallback_, value);
    found ? value.set_present(*found) : value.set_missing();
  }
  static void trailer(Op op, Rec record, LogValue& value) {
    if (!record.response_trailers) return value.set_missing();
    auto found = record.response_trailers->get(op.name_);
    if (!found && !op.fallback_.empty()) found = record.response_trailers->get(op.fallback_);
    found ? value.set_present(*found) : value.set_missing();
  }
  static void start_time(Op op, Rec record, LogValue& value) {
    std::string& text = value.scratch();
    append_time(text, record.start, op.name_);
    value.set_text(text);
  }
  static void emit_time(Op op, Rec record, LogValue& value) {
    std::string& text = value.scratch();
    append_time(text, record.start + record.duration, op.name_);
    value.set_text(text);
  }
  static void protocol(Op, Rec record, LogValue& value) {
    if (record.kind == RequestRecord::Kind::tcp) return value.set_missing();
    value.set_ours(http::to_string(record.version));
  }
  static void response_code(Op, Rec record, LogValue& value) { value.set_number(record.response_code); }
  static void response_flags(Op, Rec record, LogValue& value) {
    if (record.flags.none()) return value.set_missing();
    value.set_ours(record.flags.to_string(value.scratch()));
  }
  static void response_flags_long(Op, Rec record, LogValue& value) {
    if (record.flags.none()) return value.set_missing();
    std::string& text = value.scratch();
    text = record.flags.to_long_string();
    value.set_ours(text);
  }
  // Words by themselves must stay one word, so that a line can be cut at its spaces.
  static void one_word(std::string_view text, LogValue& value) {
    if (text.find(' ') == text.npos) return value.set_present(text);
    std::string& word = value.scratch();
    for (const char c : text) word.push_back(c == ' ' ? '_' : c);
    value.set_text(word);
  }
  static void code_details(Op, Rec record, LogValue& value) { one_word(record.response_code_details, value); }
  static void termination_details(Op, Rec record, LogValue& value) {
    one_word(record.connection_termination_details, value);
  }
  static void transport_failure(Op, Rec record, LogValue& value) {
    value.set_present(record.upstream_transport_failure);
  }
  static void bytes_received(Op, Rec record, LogValue& value) { value.set_number(record.bytes_received); }
  static void bytes_sent(Op, Rec record, LogValue& value) { value.set_number(record.bytes_sent); }
  static void duration(Op, Rec record, LogValue& value) { set_milliseconds(record.duration, value); }
  static void request_duration(Op, Rec record, LogValue& value) {
    set_milliseconds(record.request_received, value);
  }
  static void request_tx_duration(Op, Rec record, LogValue& value) {
    set_milliseconds(record.request_sent_fully, value);
  }
  static void response_duration(Op, Rec record, LogValue& value) {
    set_milliseconds(record.response_received, value);
  }
  static void response_tx_duration(Op, Rec record, LogValue& value) {
    if (!record.response_received) return value.set_missing();
    set_milliseconds(record.duration - *record.response_received, value);
  }

  static void upstream_host(Op, Rec record, LogValue& value) {
    record.upstream_host ? set_address(*record.upstream_host, value) : value.set_missing();
  }
  static void upstream_ip(Op, Rec record, LogValue& value) {
    record.upstream_host ? set_ip(*record.upstream_host, value) : value.set_missing();
  }
  static void upstream_port(Op, Rec record, LogValue& value) {
    record.upstream_host ? set_port(*record.upstream_host, value) : value.set_missing();
  }
  static void upstream_host_name(Op, Rec record, LogValue& value) {
    if (!record.upstream_hostname.empty()) return value.set_text(record.upstream_hostname);
    record.upstream_host ? set_address(*record.upstream_host, value) : value.set_missing();
  }
  static void upstream_local(Op, Rec record, LogValue& value) {
    record.upstream_local ? set_address(*record.upstream_local, value) : value.set_missing();
  }
  static void upstream_local_ip(Op, Rec record, LogValue& value) {
    record.upstream_local ? set_ip(*record.upstream_local, value) : value.set_missing();
  }
  static void upstream_local_port(Op, Rec record, LogValue& value) {
    record.upstream_local ? set_port(*record.upstream_local, value) : value.set_missing();
  }
  static void upstream_cluster(Op, Rec record, LogValue& value) { value.set_present(record.cluster_name); }
  static void upstream_protocol(Op, Rec record, LogValue& value) {
    value.set_present(record.upstream_protocol);
  }
  static void upstream_attempts(Op, Rec record, LogValue& value) { value.set_number(record.attempts); }

  static void downstream_local(Op, Rec record, LogValue& value) {
    set_address(record.downstream_local, value);
  }
  static void downstream_local_ip(Op, Rec record, LogValue& value) { set_ip(record.downstream_local, value); }
  static void downstream_local_port(Op, Rec record, LogValue& value) {
    set_port(record.downstream_local, value);
  }
  static void downstream_remote(Op, Rec record, LogValue& value) {
    set_address(record.downstream_remote, value);
  }
  static void downstream_remote_ip(Op, Rec record, LogValue& value) {
    set_ip(record.downstream_remote, value);
  }
  static void downstream_remote_port(Op, Rec record, LogValue& value) {
    set_port(record.downstream_remote, value);
  }
  static void downstream_direct(Op, Rec record, LogValue& value) {
    set_address(record.downstream_direct_remote, value);
  }
  static void downstream_direct_ip(Op, Rec record, LogValue& value) {
    set_ip(record.downstream_direct_remote, value);
  }
  static void downstream_direct_port(Op, Rec record, LogValue& value) {
    set_port(record.downstream_direct_remote, value);
  }
  static void downstream_tls_version(Op, Rec record, LogValue& value) {
    value.set_present(record.downstream_tls_version);
  }
  static void downstream_tls_cipher(Op, Rec record, LogValue& value) {
    value.set_present(record.downstream_tls_cipher);
  }
  static void peer_uri(Op, Rec record, LogValue& value) {
    record.downstream_peer ? set_joined(record.downstream_peer->uris, value) : value.set_missing();
  }
  static void peer_dns(Op, Rec record, LogValue& value) {
    record.downstream_peer ? set_joined(record.downstream_peer->dns_names, value) : value.set_missing();
  }
  static void peer_subject(Op, Rec record, LogValue& value) {
    record.downstream_peer ? value.set_present(record.downstream_peer->subject) : value.set_missing();
  }
  static void peer_issuer(Op, Rec record, LogValue& value) {
    record.downstream_peer ? value.set_present(record.downstream_peer->issuer) : value.set_missing();
  }
  static void peer_serial(Op, Rec record, LogValue& value) {
    record.downstream_peer ? value.set_present(record.downstream_peer->serial) : value.set_missing();
  }
  static void peer_fingerprint(Op, Rec record, LogValue& value) {
    record.downstream_peer ? value.set_present(record.downstream_peer->fingerprint_256) : value.set_missing();
  }
  static void request_header_bytes(Op, Rec record, LogValue& value) {
    value.set_number(record.request_header_bytes);
  }
  static void response_header_bytes(Op, Rec record, LogValue& value) {
    value.set_number(record.response_header_bytes);
  }
  static void response_trailer_bytes(Op, Rec record, LogValue& value) {
    value.set_number(record.response_trailer_bytes);
  }
  static void connection_id(Op, Rec record, LogValue& value) { value.set_number(record.connection_id); }
  static void server_name(Op, Rec record, LogValue& value) { value.set_present(record.server_name); }
  static void route_name(Op, Rec record, LogValue& value) { value.set_present(record.route_name); }
  static void virtual_host(Op, Rec record, LogValue& value) { value.set_present(record.virtual_host); }
  static void route_origin(Op, Rec record, LogValue& value) { value.set_present(record.route_origin); }
  static void denial_rule(Op, Rec record, LogValue& value) { value.set_present(record.denial_rule); }
  static void denial_policy(Op, Rec record, LogValue& value) { value.set_present(record.denial_policy); }
  static void filter_chain(Op, Rec record, LogValue& value) { value.set_present(record.filter_chain_name); }
  static void listener(Op, Rec record, LogValue& value) { value.set_present(record.listener_name); }
  // Envoy's stream id is the request id; its trace id is that of the context that the request carries on.
  static void stream_id(Op, Rec record, LogValue& value) {
    const auto id = record.request ? record.request->headers.get("x-request-id") : std::nullopt;
    id ? value.set_text(*id) : value.set_missing();
  }
  static void trace_id(Op, Rec record, LogValue& value) {
    const auto trace = record.request ? TraceContext::read(record.request->headers) : std::nullopt;
    if (!trace) return value.set_missing();
    std::string& text = value.scratch();
    text = trace->trace_id();
    value.set_text(text);
  }
  static void grpc_name(Op, Rec record, LogValue& value) {
    if (!record.grpc_status) return value.set_missing();
    const int status = *record.grpc_status;
    if (status < 0 || static_cast<size_t>(status) >= std::size(kGrpcCamel)) return value.set_number(status);
    value.set_ours(kGrpcCamel[status]);
  }
  static void grpc_number(Op, Rec record, LogValue& value) {
    record.grpc_status ? value.set_number(*record.grpc_status) : value.set_missing();
  }
  static void metadata(Op op, Rec record, LogValue& value) {
    if (record.cluster == nullptr) return value.set_missing();
    if (op.name_ == "config") return value.set_present(record.cluster->config_path);
    if (op.name_ == "subset") return value.set_present(record.cluster->subset);
    value.set_missing();
  }
  static void nothing(Op, Rec, LogValue& value) { value.set_missing(); }
};

namespace {

enum class Argument : uint8_t { none, header, time, metadata, ignored };

}  // namespace

struct LogOperator::Entry {
  std::string_view name;
  Argument argument;
  Read read;
};

using R = LogOperatorReaders;
const LogOperator::Entry LogOperator::kEntries[] = {
    {"REQ", Argument::header, R::request_header},
    {"REQ_WITHOUT_QUERY", Argument::header, R::request_header_without_query},
    {"RESP", Argument::header, R::response_header},
    {"TRAILER", Argument::header, R::trailer},
    {"START_TIME", Argument::time, R::start_time},
    {"EMIT_TIME", Argument::time, R::emit_time},
    {"PROTOCOL", Argument::none, R::protocol},
    {"RESPONSE_CODE", Argument::none, R::response_code},
    {"RESPONSE_FLAGS", Argument::none, R::response_flags},
    {"RESPONSE_FLAGS_LONG", Argument::none, R::response_flags_long},
    {"RESPONSE_CODE_DETAILS", Argument::ignored, R::code_details},
    {"CONNECTION_TERMINATION_DETAILS", Argument::none, R::termination_details},
    {"BYTES_RECEIVED", Argument::none, R::bytes_received},
    {"BYTES_SENT", Argument::none, R::bytes_sent},
    {"DURATION", Argument::none, R::duration},
    {"REQUEST_DURATION", Argument::none, R::request_duration},
    {"REQUEST_TX_DURATION", Argument::none, R::request_tx_duration},
    {"RESPONSE_DURATION", Argument::none, R::response_duration},
    {"RESPONSE_TX_DURATION", Argument::none, R::response_tx_duration},
    {"REQUEST_HEADERS_BYTES", Argument::none, R::request_header_bytes},
    {"RESPONSE_HEADERS_BYTES", Argument::none, R::response_header_bytes},
    {"RESPONSE_TRAILERS_BYTES", Argument::none, R::response_trailer_bytes},
    {"UPSTREAM_HOST", Argument::none, R::upstream_host},
    {"UPSTREAM_HOST_NAME", Argument::none, R::upstream_host_name},
    {"UPSTREAM_REMOTE_ADDRESS", Argument::none, R::upstream_host},
    {"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::none, R::upstream_ip},
    {"UPSTREAM_REMOTE_PORT", Argument::none, R::upstream_port},
    {"UPSTREAM_LOCAL_ADDRESS", Argument::none, R::upstream_local},
    {"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::none, R::upstream_local_ip},
    {"UPSTREAM_LOCAL_PORT", Argument::none, R::upstream_local_port},
    {"UPSTREAM_CLUSTER", Argument::none, R::upstream_cluster},
    {"UPSTREAM_CLUSTER_RAW", Argument::none, R::upstream_cluster},
    {"UPSTREAM_PROTOCOL", Argument::none, R::upstream_protocol},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", Argument::none, R::upstream_attempts},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", Argument::none, R::transport_failure},
    {"DOWNSTREAM_LOCAL_ADDRESS", Argument::none, R::downstream_local},
    {"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Argument::none, R::downstream_local_ip},
    {"DOWNSTREAM_LOCAL_PORT", Argument::none, R::downstream_local_port},
    {"DOWNSTREAM_REMOTE_ADDRESS", Argument::none, R::downstream_remote},
    {"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Argument::none, R::downstream_remote_ip},
    {"DOWNSTREAM_REMOTE_PORT", Argument::none, R::downstream_remote_port},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Argument::none, R::downstream_direct},
    {"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Argument::none, R::downstream_direct_ip},
    {"DOWNSTREAM_DIRECT_REMOTE_PORT", Argument::none, R::downstream_direct_port},
    {"DOWNSTREAM_TLS_VERSION", Argument::none, R::downstream_tls_version},
    {"DOWNSTREAM_TLS_CIPHER", Argument::none, R::downstream_tls_cipher},
    {"DOWNSTREAM_PEER_URI_SAN", Argument::none, R::peer_uri},
    {"DOWNSTREAM_PEER_DNS_SAN", Argument::none, R::peer_dns},
    {"DOWNSTREAM_PEER_SUBJECT", Argument::none, R::peer_subject},
    {"DOWNSTREAM_PEER_ISSUER", Argument::none, R::peer_issuer},
    {"DOWNSTREAM_PEER_SERIAL", Argument::none, R::peer_serial},
    {"DOWNSTREAM_PEER_FINGERPRINT_256", Argument::none, R::peer_fingerprint},
    {"CONNECTION_ID", Argument::none, R::connection_id},
    {"REQUESTED_SERVER_NAME", Argument::ignored, R::server_name},
    {"ROUTE_NAME", Argument::none, R::route_name},
    {"VIRTUAL_HOST_NAME", Argument::none, R::virtual_host},
    {"VIRTUAL_CLUSTER_NAME", Argument::none, R::nothing},
    {"FILTER_CHAIN_NAME", Argument::none, R::filter_chain},
    {"LISTENER_NAME", Argument::none, R::listener},
    {"HOSTNAME", Argument::none, nullptr},
    {"STREAM_ID", Argument::none, R::stream_id},
    {"TRACE_ID", Argument::none, R::trace_id},
    {"GRPC_STATUS", Argument::ignored, R::grpc_name},
    {"GRPC_STATUS_NUMBER", Argument::none, R::grpc_number},
    {"CLUSTER_METADATA", Argument::metadata, R::metadata},
    // What Envoy's filters leave behind and no filter here does; there is never a value.
    {"DYNAMIC_METADATA", Argument::ignored, R::nothing},
    // Weft's own: which object made the route, which rule refused the request.
    {"ROUTE_ORIGIN", Argument::none, R::route_origin},
    {"DENIAL_POLICY", Argument::none, R::denial_policy},
    {"DENIAL_RULE", Argument::none, R::denial_rule},
};

void LogOperator::read(const RequestRecord& record, std::string_view hostname, LogValue& value) const {
  if (read_) {
    read_(*this, record, value);
  } else {
    value.set_present(hostname);
  }
  if (length_) value.cut(*length_);
}

// ---- parsing

namespace {

std::unexpected<Error> bad(std::string text) { return fail(Error::Kind::invalid, std::move(text)); }

bool is_name_character(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

Result<void> check_time_format(std::string_view format) {
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    const char next = i + 1 < format.size() ? format[++i] : '\0';
    const char after = i + 1 < format.size() ? format[i + 1] : '\0';
    if (next == 'f' || next == 's') continue;
    if (next >= '1' && next <= '9' && (after == 'f' || after == 's')) {
      ++i;
      continue;
    }
    if (next == '\0' || kTimeFormatLetters.find(next) == kTimeFormatLetters.npos) {
      return bad(concat("the time format '", printable(format), "' has an unknown letter after '%'"));
    }
  }
  return {};
}

}  // namespace

Result<LogOperator::Parsed> LogOperator::parse(std::string_view text) {
  size_t at = 1;
  while (at < text.size() && is_name_character(text[at])) ++at;
  const std::string_view name = text.substr(1, at - 1);
  if (name.empty()) {
    return bad("a '%' that begins no operator; write '%%' for the character itself");
  }

  std::optional<std::string_view> argument;
  if (at < text.size() && text[at] == '(') {
    const size_t end = text.find(')', at);
    if (end == text.npos) return bad(concat("%", name, "( has no closing parenthesis"));
    argument = text.substr(at + 1, end - at - 1);
    at = end + 1;
  }
  LogOperator op;
  if (at < text.size() && text[at] == ':') {
    const size_t end = text.find('%', at);
    const auto length = parse_unsigned(text.substr(at + 1, end - at - 1));
    if (end == text.npos || !length || *length == 0) {
      return bad(concat("%", name, ": what follows ':' is not a length"));
    }
    op.length_ = *length;
    at = end;
  }
  if (at >= text.size() || text[at] != '%') return bad(concat("%", name, " has no closing '%'"));

  const auto* entry = std::ranges::find(kEntries, name, &Entry::name);
  if (entry == std::end(kEntries)) {
    std::vector<std::string_view> names;
    for (const auto& each : kEntries) names.push_back(each.name);
    std::string message = concat("%", printable(name), "% is not an operator known here");
    if (const auto near = nearest(name, names)) message.append(concat("; did you mean %", *near, "%?"));
    return fail(Error::Kind::unsupported, std::move(message));
  }
  op.read_ = entry->read;
  switch (entry->argument) {
    case Argument::none:
      if (argument) return bad(concat("%", name, "% takes no argument"));
      break;
    case Argument::ignored:
      break;
    case Argument::header: {
      const std::string_view names = argument.value_or(std::string_view());
      const size_t question = names.find('?');
      op.name_ = to_lower(names.substr(0, question));
      if (question != names.npos) op.fallback_ = to_lower(names.substr(question + 1));
      if (op.name_.empty()) return bad(concat("%", name, "% needs a header's name: %", name, "(NAME)%"));
      break;
    }
    case Argument::time:
      WEFT_CHECK_OK(check_time_format(argument.value_or(std::string_view())));
      op.name_ = argument.value_or(std::string_view());
      break;
    case Argument::metadata: {
      // istio:config and istio:services are what Istio keeps there.
      const std::string_view key = argument.value_or(std::string_view());
      const size_t colon = key.find(':');
      if (colon == key.npos)
        return bad(concat("%", name, "% needs namespace and key: %", name, "(istio:config)%"));
      op.name_ = key.substr(0, colon) == "istio" ? key.substr(colon + 1) : std::string_view();
      break;
    }
  }
  return Parsed{.op = std::move(op), .length = at + 1};
}

}  // namespace weft::telemetry
