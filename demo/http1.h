// HTTP/1.1 messages over a blocking socket: as much of RFC 9112 as an application needs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "demo/socket.h"

namespace weft::demo {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

std::string header(const HeaderList& headers, std::string_view name);  // empty if it is not there
bool same_word(std::string_view a, std::string_view b);                // ignoring case

struct Message {
  std::string first_line;
  HeaderList headers;
  std::string body;
};

// What was read past one message belongs to the next.
class MessageReader {
 public:
  enum class Outcome { message, closed, failed };
  enum class Body { of_request, of_response, none };

  explicit MessageReader(Socket& socket) : socket_(socket) {}

  // Head only; the body follows with read_body(). `closed`: the peer ended between messages.
  Outcome read_head(Message& message);
  bool read_body(Message& message, Body kind, size_t limit);
  // At least `size` bytes that stay to be read, or fewer at the end.
  std::string_view peek(size_t size);
  // Bytes that are there already, or the next that come; empty at the end.
  std::string take_some();
  bool pending() const { return !buffer_.empty(); }

 private:
  bool fill();
  bool take_line(std::string& line);
  bool take_exactly(std::string& out, size_t size);

  Socket& socket_;
  std::string buffer_;
};

struct Url {
  std::string host;
  std::string port;
  std::string authority;  // as written
  std::string path;
};
// http:// only; nullopt for anything else.
std::optional<Url> parse_url(std::string_view text);

std::string_view reason_phrase(int status);
std::string json_text(std::string_view text);  // with quotes

}  // namespace weft::demo
