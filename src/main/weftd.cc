// weftd: the control plane. Reads objects from directories, tells every proxy its part of them, and is the
// mesh's certificate authority. All of it is control/control_plane.h; here are flags, signals and watches.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "control/control_plane.h"
#include "control/ingest/files.h"
#include "io/epoll_loop.h"
#include "io/file_watch.h"
#include "io/signals.h"
#include "io/task_group.h"

namespace {

using namespace weft;

constexpr std::string_view kUsage = R"(weftd: the control plane of a Weft mesh

  weftd DIR... [options]

  DIR, --config-dir DIR    directory of YAML or JSON objects, watched; may be given several times
  --overlay DIR            another one, whose objects stand in for those of the same kind, namespace and name
  --state-dir DIR, --state DIR
                           where weft up tells of running pods (workloads.json, tokens.json), and where the
                           authority keeps its keys (ca.json); without it keys live in memory
  --xds-address ADDR       xDS and CA in plaintext; believes its callers on loopback
                           (default 127.0.0.1:15010; "none" to leave it out)
  --secure-address ADDR    xDS and CA over TLS (default 0.0.0.0:15012; "none")
  --admin-address ADDR     metrics and debug pages (default 127.0.0.1:15014; "none")
  --health-address ADDR    the same pages once more, /ready among them (default "none"; Istio has 8080)
  --secure-name NAME       a further DNS name or address in the TLS certificate; may be given several times
  --ports-file FILE        write the addresses that were got to FILE as JSON, once all of them listen
  --trust-domain NAME      (default cluster.local)
  --cluster-domain NAME    (default cluster.local)
  --root-namespace NAME    policies there hold for the whole mesh (default istio-system)
  --outbound-policy NAME   allow-any or registry-only (default allow-any)
  --access-log FILE        of every proxy: /dev/stdout, say; empty is off (default)
  --access-log-encoding E  text or json (default text)
  --detection-timeout TIME how long a proxy waits for a client's first bytes (default 1s)
  --leaf-ttl TIME          life of workload certificates that ask for none (default 24h)
  --max-leaf-ttl TIME      longest life that is given (default 2160h)
  --issuer-ttl TIME        life of the intermediate certificate (default 2160h)
  --root-ttl TIME          life of the root certificate (default 87600h)
  --log-level LEVEL        trace, debug, info, warning, error, off (default info)
  --version, --help

  TIME is a number with ms, s, m or h. ADDR is HOST:PORT, or unix:PATH; port 0 takes a free one.
  SIGTERM and SIGINT end it once its connections have ended, or after five seconds; a second one ends it now.
  SIGHUP reads everything again.
)";

// "90s", "24h", "100ms"
Result<Duration> parse_duration(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789");
  const auto number = parse_unsigned(text.substr(0, end));
  const std::string_view unit = end == std::string_view::npos ? std::string_view() : text.substr(end);
  constexpr uint64_t kMost = 1'000'000;
  if (number && *number > 0 && *number <= kMost) {
    const auto count = static_cast<int64_t>(*number);
    if (unit == "ms") return std::chrono::milliseconds(count);
    if (unit == "s") return std::chrono::seconds(count);
    if (unit == "m") return std::chrono::minutes(count);
    if (unit == "h") return std::chrono::hours(count);
  }
  return fail(Error::Kind::invalid, concat("\"", printable(text), "\" is no time such as 500ms, 10s or 24h"));
}

Result<std::optional<SocketAddress>> parse_listen(std::string_view text) {
  if (text == "none" || text.empty()) return std::nullopt;
  WEFT_TRY(SocketAddress address, SocketAddress::parse(text));
  return address;
}

struct Flags {
  control::ControlPlaneOptions plane;
  std::string ports_file;
  bool help = false;
  bool version = false;
};

struct Flag {
  std::string_view name;
  std::function<Result<void>(Flags&, std::string_view)> take;
};

// A flag whose text is kept as it is.
template <typename Place>
Flag text_flag(std::string_view name, Place place) {
  return {name, [place](Flags& flags, std::string_view text) -> Result<void> {
            place(flags) = text;
            return {};
          }};
}
// A flag whose text `parse` understands.
template <typename Place, typename Parse>
Flag parsed_flag(std::string_view name, Place place, Parse parse) {
  return {name, [place, parse](Flags& flags, std::string_view text) -> Result<void> {
            WEFT_TRY(place(flags), parse(text));
            return {};
          }};
}
template <typename Value>
Result<Value> choice(std::string_view text,
                     std::initializer_list<std::pair<std::string_view, Value>> choices) {
  std::string names;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    names += concat(names.empty() ? "" : " or ", name);
  }
  return fail(Error::Kind::invalid, concat("\"", printable(text), "\" is not ", names));
}

std::vector<Flag> known_flags() {
  using Outbound = translate::MeshOptions::OutboundPolicy;
  using Encoding = translate::MeshOptions::Encoding;
  return {
      {"--config-dir",
       [](Flags& flags, std::string_view text) -> Result<void> {
         flags.plane.config_directories.emplace_back(text);
         return {};
       }},
      {"--secure-name",
       [](Flags& flags, std::string_view text) -> Result<void> {
         flags.plane.extra_names.emplace_back(text);
         return {};
       }},
      text_flag("--state-dir", [](Flags& flags) -> auto& { return flags.plane.state_directory; }),
      text_flag("--state", [](Flags& flags) -> auto& { return flags.plane.state_directory; }),
      text_flag("--overlay", [](Flags& flags) -> auto& { return flags.plane.overlay_directory; }),
      text_flag("--ports-file", [](Flags& flags) -> auto& { return flags.ports_file; }),
      text_flag("--trust-domain", [](Flags& flags) -> auto& { return flags.plane.mesh.trust_domain; }),
      text_flag("--cluster-domain", [](Flags& flags) -> auto& { return flags.plane.mesh.cluster_domain; }),
      text_flag("--root-namespace", [](Flags& flags) -> auto& { return flags.plane.mesh.root_namespace; }),
      text_flag("--access-log", [](Flags& flags) -> auto& { return flags.plane.mesh.access_log_file; }),
      parsed_flag(
          "--xds-address", [](Flags& flags) -> auto& { return flags.plane.xds; }, parse_listen),
      parsed_flag(
          "--secure-address", [](Flags& flags) -> auto& { return flags.plane.secure; }, parse_listen),
      parsed_flag(
          "--admin-address", [](Flags& flags) -> auto& { return flags.plane.admin; }, parse_listen),
      parsed_flag(
          "--health-address", [](Flags& flags) -> auto& { return flags.plane.health; }, parse_listen),
      parsed_flag(
          "--leaf-ttl", [](Flags& flags) -> auto& { return flags.plane.certificates.leaf_life; },
          parse_duration),
      parsed_flag(
          "--max-leaf-ttl", [](Flags& flags) -> auto& { return flags.plane.certificates.max_leaf_life; },
          parse_duration),
      parsed_flag(
          "--issuer-ttl", [](Flags& flags) -> auto& { return flags.plane.certificates.issuer_life; },
          parse_duration),
      parsed_flag(
          "--root-ttl", [](Flags& flags) -> auto& { return flags.plane.certificates.root_life; },
          parse_duration),
      parsed_flag(
          "--detection-timeout", [](Flags& flags) -> auto& { return flags.plane.mesh.detection_timeout; },
          parse_duration),
      parsed_flag(
          "--outbound-policy", [](Flags& flags) -> auto& { return flags.plane.mesh.outbound; },
          [](std::string_view text) {
            return choice<Outbound>(
                text, {{"allow-any", Outbound::allow_any}, {"registry-only", Outbound::registry_only}});
          }),
      parsed_flag(
          "--access-log-encoding", [](Flags& flags) -> auto& { return flags.plane.mesh.access_log_encoding; },
          [](std::string_view text) {
            return choice<Encoding>(text, {{"text", Encoding::text}, {"json", Encoding::json}});
          }),
      {"--log-level",
       [](Flags&, std::string_view text) -> Result<void> {
         WEFT_TRY(const LogLevel level, parse_log_level(text));
         set_log_level(level);
         return {};
       }},
  };
}

// "--name value" and "--name=value".
Result<Flags> parse_flags(const std::vector<std::string_view>& arguments) {
  Flags flags;
  flags.plane.xds = SocketAddress{.ip = IpAddress::loopback(), .port = 15010};
  flags.plane.secure = SocketAddress{.ip = IpAddress::any(), .port = 15012};
  flags.plane.admin = SocketAddress{.ip = IpAddress::loopback(), .port = 15014};
  const std::vector<Flag> known = known_flags();
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view name = arguments[i];
    if (name == "--help" || name == "-h") {
      flags.help = true;
      continue;
    }
    if (name == "--version") {
      flags.version = true;
      continue;
    }
    if (!name.starts_with('-')) {
      flags.plane.config_directories.emplace_back(name);
      continue;
    }
    std::optional<std::string_view> value;
    if (const size_t equals = name.find('='); equals != std::string_view::npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const Flag* flag = nullptr;
    std::vector<std::string_view> names;
    for (const Flag& one : known) {
      names.push_back(one.name);
      if (one.name == name) flag = &one;
    }
    if (flag == nullptr) {
      const auto meant = nearest(name, names);
      return fail(Error::Kind::invalid,
                  concat("there is no flag ", printable(name),
                         meant ? concat("; did you mean ", *meant, "?") : std::string()));
    }
    if (!value && i + 1 < arguments.size()) value = arguments[++i];
    if (!value) return fail(Error::Kind::invalid, concat(name, " wants a value"));
    if (auto taken = flag->take(flags, *value); !taken) {
      return std::unexpected(std::move(taken).error().within(name));
    }
  }
  return flags;
}

std::string ports_json(const control::ControlPlane::Addresses& addresses) {
  JsonWriter json;
  json.begin_object().field("pid", int64_t{::getpid()});
  if (addresses.xds) json.field("xds", addresses.xds->to_string());
  if (addresses.secure) json.field("secure", addresses.secure->to_string());
  if (addresses.admin) json.field("admin", addresses.admin->to_string());
  if (addresses.health) json.field("health", addresses.health->to_string());
  json.end_object();
  return json.take() + "\n";
}

io::Task<void> follow(io::FileWatch& watch, std::function<void()> changed) {
  for (;;) {
    co_await watch.changed().wait();
    changed();
  }
}

// How long callers may take to end what they are doing. Proxies need no time: they keep what they have.
constexpr Duration kDrainTime = std::chrono::seconds(5);

// Streams end, then their connections; whoever does not let go is reset when the time is up.
io::Task<void> leave(io::EpollLoop& loop, control::ControlPlane& plane) {
  log_info("weftd", "ending");
  plane.drain();
  const TimePoint give_up = loop.now() + kDrainTime;
  while (plane.open_connections() > 0 && loop.now() < give_up) {
    co_await io::sleep_for(loop, std::chrono::milliseconds(5));
  }
  if (const size_t left = plane.open_connections(); left > 0) {
    log_warning("weftd", left, " connections did not end in time and are reset");
    plane.expire();
  }
  loop.stop();
}

io::Task<void> obey(io::Signals& signals, io::EpollLoop& loop, control::ControlPlane& plane) {
  io::TaskGroup leaving(loop);
  for (;;) {
    const int number = co_await signals.next();
    if (number == SIGHUP) {
      log_info("weftd", "reading everything again");
      plane.reload();
    } else if (leaving.empty()) {
      leaving.spawn(leave(loop, plane));
    } else {
      loop.stop();
    }
  }
}

Result<void> run(Flags flags) {
  WEFT_TRY(auto loop, io::EpollLoop::make(std::random_device()()));
  WEFT_TRY(auto signals, io::Signals::make(*loop, {SIGTERM, SIGINT, SIGHUP}));
  // Watched before it is read: what changes in between is not missed.
  std::vector<std::unique_ptr<io::FileWatch>> watches;
  std::vector<std::string> directories = flags.plane.config_directories;
  if (!flags.plane.overlay_directory.empty()) directories.push_back(flags.plane.overlay_directory);
  for (const std::string& directory : directories) {
    WEFT_TRY(watches.emplace_back(), io::FileWatch::make(*loop, directory));
  }
  std::unique_ptr<io::FileWatch> state;
  if (!flags.plane.state_directory.empty()) {
    WEFT_TRY(state, io::FileWatch::make(*loop, flags.plane.state_directory));
  }
  WEFT_TRY(auto plane, control::ControlPlane::make(*loop, std::move(flags.plane)));
  control::ControlPlane& weftd = *plane;

  io::TaskGroup tasks(*loop);
  for (const auto& watch : watches) tasks.spawn(follow(*watch, [&weftd] { weftd.objects_changed(); }));
  if (state) tasks.spawn(follow(*state, [&weftd] { weftd.state_changed(); }));
  tasks.spawn(obey(*signals, *loop, weftd));

  const std::string ports = ports_json(weftd.addresses());
  log_info("weftd", "serving ", trim(ports));
  if (!flags.ports_file.empty()) WEFT_CHECK_OK(control::write_file(flags.ports_file, ports, 0644));
  loop->run();
  tasks.cancel_all();
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  auto flags = parse_flags(std::vector<std::string_view>(argv + 1, argv + argc));
  if (!flags) {
    std::fprintf(stderr, "weftd: %s\nweftd --help lists the flags\n", flags.error().text.c_str());
    return 2;
  }
  if (flags->help) {
    std::fwrite(kUsage.data(), 1, kUsage.size(), stdout);
    return 0;
  }
  if (flags->version) {
    std::printf("weftd %s\n", WEFT_VERSION);
    return 0;
  }
  if (const auto ran = run(std::move(*flags)); !ran) {
    std::fprintf(stderr, "weftd: %s\n", ran.error().text.c_str());
    return 1;
  }
  return 0;
}
