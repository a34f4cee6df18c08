#include "demo/application.h"

#include <algorithm>
#include <cstdlib>

namespace weft::demo {
namespace {

constexpr size_t kMaxBytes = 512u << 20;

std::string percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::strtol(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string get(const std::map<std::string, std::string>& query, const std::string& key,
                const std::string& otherwise) {
  const auto it = query.find(key);
  return it == query.end() ? otherwise : it->second;
}

// The number that follows `prefix` in the path; nullopt where the path is another one or holds no number.
std::optional<long> number_after(const std::string& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  const std::string digits = path.substr(prefix.size());
  if (digits.empty() || digits.size() > 10 || digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return std::strtol(digits.c_str(), nullptr, 10);
}

std::string headers_json(const HeaderList& headers) {
  std::string out = "{";
  for (const auto& [name, value] : headers) {
    if (out.size() > 1) out += ',';
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out += json_text(lower) + ':' + json_text(value);
  }
  return out + '}';
}

}  // namespace

std::map<std::string, std::string> parse_query(const std::string& path) {
  std::map<std::string, std::string> query;
  const size_t mark = path.find('?');
  if (mark == std::string::npos) return query;
  std::string_view rest = std::string_view(path).substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    const size_t equals = pair.find('=');
    query[percent_decode(pair.substr(0, equals))] =
        equals == std::string_view::npos ? "" : percent_decode(pair.substr(equals + 1));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
  }
  return query;
}

Answer Application::answer(const Question& question) {
  ++served_;
  const auto query = parse_query(question.path);
  const std::string path = question.path.substr(0, question.path.find('?'));
  Answer answer = route(question, path, query);
  answer.headers.emplace_back("x-demo-service", identity_.service);
  answer.headers.emplace_back("x-demo-version", identity_.version);
  answer.headers.emplace_back("x-demo-pod", identity_.pod);
  return answer;
}

Answer Application::route(const Question& question, const std::string& path,
                          const std::map<std::string, std::string>& query) {
  if (path == "/healthz") return {.content_type = "text/plain", .body = "ok\n"};
  if (path == "/control") return control(query);
  if (planted_failure()) {
    return {.status = fail_code_,
            .content_type = "text/plain",
            .body = "planted failure\n",
            .delay_ms = delay_ms_};
  }
  if (path == "/flaky") return flaky(question, path, query);
  if (path == "/echo") {
    const std::string type = header(question.headers, "content-type");
    return {.content_type = type.empty() ? "application/octet-stream" : type,
            .body = question.body,
            .delay_ms = delay_ms_};
  }
  if (path == "/headers") return {.body = headers_json(question.headers) + "\n", .delay_ms = delay_ms_};
  if (const auto size = number_after(path, "/bytes/")) {
    if (static_cast<size_t>(*size) > kMaxBytes)
      return {.status = 400, .content_type = "text/plain", .body = "too many bytes\n"};
    return {.content_type = "application/octet-stream",
            .body = std::string(static_cast<size_t>(*size), 'w'),
            .delay_ms = delay_ms_};
  }
  Answer answer = describe(question);
  if (const auto status = number_after(path, "/status/"); status && *status >= 200 && *status <= 599) {
    answer.status = static_cast<int>(*status);
  }
  answer.delay_ms = delay_ms_ + static_cast<int>(number_after(path, "/delay/").value_or(0));
  return answer;
}

Answer Application::describe(const Question& question) const {
  std::string body = "{\"service\":" + json_text(identity_.service);
  body += ",\"version\":" + json_text(identity_.version);
  body += ",\"pod\":" + json_text(identity_.pod);
  body += ",\"method\":" + json_text(question.method);
  body += ",\"path\":" + json_text(question.path);
  body += ",\"protocol\":" + json_text(question.protocol);
  body += ",\"authority\":" + json_text(question.authority);
  body += ",\"peer\":" + json_text(question.peer);
  body += ",\"headers\":" + headers_json(question.headers) + "}\n";
  return {.body = body};
}

Answer Application::flaky(const Question& question, const std::string& path,
                          const std::map<std::string, std::string>& query) {
  const int fail = std::atoi(get(query, "fail", "0").c_str());
  const int every = std::atoi(get(query, "every", "0").c_str());
  int attempt;
  {
    const std::lock_guard lock(mutex_);
    attempt = ++attempts_[get(query, "key", question.path)];
  }
  const bool fails = every > 0 ? attempt % every == 0 : fail > 0 && (attempt - 1) % (fail + 1) < fail;
  Answer answer = describe(question);
  answer.delay_ms = std::atoi(get(query, "delay", "0").c_str());
  if (fails) answer.status = std::clamp(std::atoi(get(query, "code", "503").c_str()), 200, 599);
  answer.headers.emplace_back("x-demo-attempt", std::to_string(attempt));
  return answer;
}

Answer Application::control(const std::map<std::string, std::string>& query) {
  if (const auto it = query.find("fail_rate"); it != query.end()) fail_rate_ = std::atof(it->second.c_str());
  if (const auto it = query.find("fail_code"); it != query.end()) {
    fail_code_ = std::clamp(std::atoi(it->second.c_str()), 200, 599);
  }
  if (const auto it = query.find("delay_ms"); it != query.end())
    delay_ms_ = std::max(0, std::atoi(it->second.c_str()));
  return {.body = "{\"fail_rate\":" + std::to_string(fail_rate_) + ",\"fail_code\":" +
                  std::to_string(fail_code_) + ",\"delay_ms\":" + std::to_string(delay_ms_) +
                  ",\"served\":" + std::to_string(served_) + "}\n"};
}

bool Application::planted_failure() {
  const double rate = fail_rate_;
  if (rate <= 0) return false;
  const std::lock_guard lock(mutex_);
  owed_ += rate;
  if (owed_ < 1) return false;
  owed_ -= 1;
  return true;
}

}  // namespace weft::demo
