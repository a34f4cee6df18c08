#include "demo/http1.h"

#include <strings.h>

#include <cstdio>
#include <cstdlib>

namespace weft::demo {
namespace {

constexpr size_t kMaxHead = 64 * 1024;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string header(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (same_word(key, name)) return value;
  }
  return {};
}

bool MessageReader::fill() {
  char bytes[16384];
  const long count = socket_.read(bytes, sizeof bytes);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(count));
  return true;
}

std::string_view MessageReader::peek(size_t size) {
  while (buffer_.size() < size && fill()) {
  }
  return buffer_;
}

std::string MessageReader::take_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

bool MessageReader::take_line(std::string& line) {
  size_t end;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    if (buffer_.size() > kMaxHead || !fill()) return false;
  }
  line = trim(std::string_view(buffer_).substr(0, end));
  buffer_.erase(0, end + 1);
  return true;
}

bool MessageReader::take_exactly(std::string& out, size_t size) {
  while (buffer_.size() < size) {
    if (!fill()) return false;
  }
  out.append(buffer_, 0, size);
  buffer_.erase(0, size);
  return true;
}

MessageReader::Outcome MessageReader::read_head(Message& message) {
  message = {};
  if (buffer_.empty() && !fill()) return Outcome::closed;
  if (!take_line(message.first_line)) return Outcome::failed;
  for (std::string line; take_line(line);) {
    if (line.empty()) return Outcome::message;
    const size_t colon = line.find(':');
    if (colon == std::string::npos || message.headers.size() > 200) return Outcome::failed;
    message.headers.emplace_back(line.substr(0, colon), trim(std::string_view(line).substr(colon + 1)));
  }
  return Outcome::failed;
}

bool MessageReader::read_body(Message& message, Body kind, size_t limit) {
  if (kind == Body::none) return true;
  if (same_word(header(message.headers, "transfer-encoding"), "chunked")) {
    for (std::string line; take_line(line);) {
      const size_t size = std::strtoul(line.c_str(), nullptr, 16);
      if (size == 0) {
        while (take_line(line)) {
          if (line.empty()) return true;
          if (const size_t colon = line.find(':'); colon != std::string::npos) {
            message.headers.emplace_back(line.substr(0, colon),
                                         trim(std::string_view(line).substr(colon + 1)));
          }
        }
        return false;
      }
      if (message.body.size() + size > limit || !take_exactly(message.body, size) || !take_line(line))
        return false;
    }
    return false;
  }
  const std::string length = header(message.headers, "content-length");
  if (!length.empty()) {
    const size_t size = std::strtoul(length.c_str(), nullptr, 10);
    return size <= limit && take_exactly(message.body, size);
  }
  if (kind == Body::of_request) return true;
  do {
    message.body += std::exchange(buffer_, {});
  } while (message.body.size() <= limit && fill());
  return true;
}

std::optional<Url> parse_url(std::string_view text) {
  if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else if (text.find("://") != std::string_view::npos) {
    return std::nullopt;
  }
  const size_t slash = text.find_first_of("/?");
  Url url;
  url.authority = text.substr(0, slash);
  url.path = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
  if (url.path.front() == '?') url.path.insert(0, "/");
  auto [host, port] = split_host_port(url.authority);
  if (host.empty()) return std::nullopt;
  url.host = host;
  url.port = port.empty() ? "80" : port;
  return url;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 418:
      return "I'm a teapot";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace weft::demo
