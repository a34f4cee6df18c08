// What the demo application answers, whatever protocol carried the question.
//
//   /            who I am: service, version, pod, method, path, headers, peer
//   /delay/MS    the same after MS milliseconds
//   /status/CODE that status
//   /bytes/N     N bytes
//   /echo        the request's body
//   /headers     the request's headers
//   /flaky?fail=N[&code=503][&key=K]   of every N+1 requests with one key the first N fail
//   /flaky?every=N                     every Nth request fails
//   /control?fail_rate=R&fail_code=C&delay_ms=D   plants errors and delay in every other path, while running
//
// Every answer carries x-demo-service, x-demo-version and x-demo-pod.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "demo/http1.h"

namespace weft::demo {

struct Question {
  std::string method;
  std::string path;  // with its query
  std::string authority;
  std::string protocol;  // "HTTP/1.1"
  HeaderList headers;
  std::string body;
  std::string peer;
};

struct Answer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  HeaderList headers;
  int delay_ms = 0;  // wait so long before answering
};

struct Identity {
  std::string service;
  std::string version;
  std::string pod;
};

class Application {
 public:
  Application(Identity identity, double fail_rate, int fail_code, int delay_ms)
      : identity_(std::move(identity)), fail_rate_(fail_rate), fail_code_(fail_code), delay_ms_(delay_ms) {}

  Answer answer(const Question& question);
  const Identity& identity() const { return identity_; }

 private:
  Answer route(const Question& question, const std::string& path,
               const std::map<std::string, std::string>& query);
  Answer describe(const Question& question) const;
  Answer flaky(const Question& question, const std::string& path,
               const std::map<std::string, std::string>& query);
  Answer control(const std::map<std::string, std::string>& query);
  bool planted_failure();

  Identity identity_;
  std::atomic<double> fail_rate_;
  std::atomic<int> fail_code_;
  std::atomic<int> delay_ms_;
  std::atomic<uint64_t> served_ = 0;
  std::mutex mutex_;
  double owed_ = 0;                      // failures owed by fail_rate_: exact shares, no dice
  std::map<std::string, int> attempts_;  // of /flaky, by key
};

std::map<std::string, std::string> parse_query(const std::string& path);

}  // namespace weft::demo
