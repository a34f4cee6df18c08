// What can go wrong in a correct program, as a value.
//
// An Error says what kind of thing happened, on whose side, whether trying again can help, and
// in words an operator can act on. It is carried by Result<T> (result.h):
//
//   return fail(Error::Kind::invalid, "port 70000 is above 65535");
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

struct Error {
  enum class Kind : uint8_t {
    invalid,      // the input is wrong: configuration, message, argument
    unsupported,  // the input is right but this program does not implement it
    not_found,
    conflict,     // two inputs that cannot both hold
    denied,       // policy or the kernel says no
    timeout,      // a deadline passed
    cancelled,    // we gave up on it
    closed,       // the other end closed in an orderly way
    reset,        // the other end, or the network, tore it down
    refused,      // nobody listens, or a stream was refused before it was processed
    protocol,     // the other end broke the protocol
    overflow,     // a limit of ours was reached
    unavailable,  // nobody to send to
    io,           // the kernel's other refusals
    internal,     // ours to mend
  };
  enum class Side : uint8_t { ours, client, backend };

  Kind kind = Kind::internal;
  Side side = Side::ours;
  bool retryable = false;
  std::string text;

  // "timeout: text"
  std::string to_string() const;
  // The same error with `prefix: ` before its text: what we were doing when it happened.
  Error within(std::string_view prefix) &&;
};

std::string_view to_string(Error::Kind kind);

// The error of a failed system call: `what: strerror(number)`, with a kind that fits the number.
Error system_error(std::string_view what, int error_number);

}  // namespace weft
