#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace weft {

std::string_view to_string(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::invalid:
      return "invalid";
    case Error::Kind::unsupported:
      return "unsupported";
    case Error::Kind::not_found:
      return "not found";
    case Error::Kind::conflict:
      return "conflict";
    case Error::Kind::denied:
      return "denied";
    case Error::Kind::timeout:
      return "timeout";
    case Error::Kind::cancelled:
      return "cancelled";
    case Error::Kind::closed:
      return "closed";
    case Error::Kind::reset:
      return "reset";
    case Error::Kind::refused:
      return "refused";
    case Error::Kind::protocol:
      return "protocol error";
    case Error::Kind::overflow:
      return "overflow";
    case Error::Kind::unavailable:
      return "unavailable";
    case Error::Kind::io:
      return "i/o error";
    case Error::Kind::internal:
      return "internal error";
  }
  return "error";
}

std::string Error::to_string() const {
  std::string out(weft::to_string(kind));
  if (!text.empty()) out.append(": ").append(text);
  return out;
}

Error Error::within(std::string_view prefix) && {
  std::string full(prefix);
  full.append(": ").append(text);
  text = std::move(full);
  return std::move(*this);
}

namespace {

Error::Kind kind_of(int error_number) {
  switch (error_number) {
    case ECONNREFUSED:
      return Error::Kind::refused;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return Error::Kind::reset;
    case ETIMEDOUT:
      return Error::Kind::timeout;
    case EACCES:
    case EPERM:
      return Error::Kind::denied;
    case ENOENT:
      return Error::Kind::not_found;
    case EADDRINUSE:
    case EEXIST:
      return Error::Kind::conflict;
    case EHOSTUNREACH:
    case ENETUNREACH:
      return Error::Kind::unavailable;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      return Error::Kind::overflow;
    default:
      return Error::Kind::io;
  }
}

}  // namespace

Error system_error(std::string_view what, int error_number) {
  Error error;
  error.kind = kind_of(error_number);
  char buffer[128];
  error.text = std::string(what) + ": " + strerror_r(error_number, buffer, sizeof buffer);
  return error;
}

}  // namespace weft
