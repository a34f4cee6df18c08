// weft-demo: the application of Weft's examples, in many roles.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "demo/arguments.h"
#include "demo/client.h"
#include "demo/load.h"
#include "demo/server.h"

namespace weft::demo {
namespace {

constexpr const char* kHelp = R"(weft-demo: an application for trying a mesh with

  weft-demo [serve] [--http PORT,...] [--tcp PORT,...] [--server-first PORT,...]
            [--name NAME] [--version VERSION] [--fail-rate R] [--fail-code C] [--delay-ms MS] [--grace S]
      HTTP/1.1, HTTP/2 and gRPC on --http (8080 where nothing is given), WebSocket echo by upgrade,
      TCP echo, and a TCP server that speaks first.
      Paths: / /delay/MS /status/CODE /bytes/N /echo /headers /flaky?fail=N /flaky?every=N /healthz
             /control?fail_rate=R&fail_code=C&delay_ms=D
      Each option can come from the environment: WEFT_DEMO_HTTP, WEFT_DEMO_FAIL_RATE, ...

  weft-demo get URL [--method M] [--header 'k: v']... [--body TEXT] [--include] [--fail] [--count N] [--timeout S]
  weft-demo load --url URL [--rps N] [--connections C] [--duration S | --count N] [--header 'k: v']...
            [--method M] [--body TEXT] [--no-keepalive] [--timeout S] [--json] [--fail]
  weft-demo tcp HOST:PORT [--send TEXT] [--listen-first] [--keep-open] [--timeout S]
  weft-demo ws URL [--send TEXT] [--count N]
  weft-demo grpc HOST:PORT [--method Unary|ServerStream|ClientStream|Both] [--send TEXT] [--count N]
            [--messages N] [--delay MS] [--code C] [--header 'k: v']...
  get, load and ws take --connect HOST:PORT: connect there whatever the URL says.
)";

std::vector<int> port_list(const std::string& text) {
  std::vector<int> ports;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    const int port = std::atoi(word.c_str());
    if (port < 1 || port > 65535) usage_error("'" + word + "' is not a port");
    ports.push_back(port);
  }
  return ports;
}

std::string host_name() {
  for (const char* variable : {"POD_NAME", "HOSTNAME"}) {
    if (const char* value = std::getenv(variable); value != nullptr && *value != '\0') return value;
  }
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

int run_serve(const std::vector<std::string>& words) {
  const Arguments arguments(
      words, {},
      {"http", "tcp", "server-first", "name", "version", "fail-rate", "fail-code", "delay-ms", "grace"});
  if (!arguments.rest().empty()) usage_error("there is no mode '" + arguments.rest().front() + "'");
  Ports ports{.http = port_list(arguments.text("http", "")),
              .tcp = port_list(arguments.text("tcp", "")),
              .server_first = port_list(arguments.text("server-first", ""))};
  if (ports.http.empty() && ports.tcp.empty() && ports.server_first.empty()) ports.http = {8080};
  // Detached connection threads use it to the end of the process.
  auto& application =
      *new Application({.service = arguments.text("name", "demo"),
                        .version = arguments.text("version", "v1"),
                        .pod = host_name()},
                       arguments.number("fail-rate", 0), static_cast<int>(arguments.number("fail-code", 503)),
                       static_cast<int>(arguments.number("delay-ms", 0)));
  return serve(application, ports, arguments.number("grace", 5));
}

int run(std::vector<std::string> words) {
  const std::string mode = words.empty() || words.front().starts_with("--") ? "serve" : words.front();
  if (!words.empty() && (words.front() == "--help" || words.front() == "help")) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  if (!words.empty() && words.front() == mode) words.erase(words.begin());
  if (mode == "serve") return run_serve(words);
  if (mode == "get") return run_get(words);
  if (mode == "load") return run_load(words);
  if (mode == "tcp") return run_tcp(words);
  if (mode == "ws") return run_websocket(words);
  if (mode == "grpc") return run_grpc(words);
  usage_error("there is no mode '" + mode + "'");
}

}  // namespace
}  // namespace weft::demo

int main(int count, char** words) { return weft::demo::run({words + 1, words + count}); }
