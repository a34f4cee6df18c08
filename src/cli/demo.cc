// weft demo: a real mesh with traffic on it, what was promised beside what was seen.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/mesh_state.h"
#include "io/child_process.h"
#include "io/signals.h"
#include "io/task_group.h"
#include "yaml/tree.h"

namespace weft::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMesh = "demo";
constexpr Duration kReadyWithin = 60s;

struct DemoOptions {
  std::string examples;
  bool once = false;
};

// Where the examples of this tree are: two directories above build/bin, or below the working directory.
Result<std::string> find_examples(const std::string& given) {
  std::error_code error;
  std::vector<fs::path> places;
  if (!given.empty()) {
    places = {given};
  } else {
    places = {fs::read_symlink("/proc/self/exe", error).parent_path() / "../../examples", "examples"};
    places.push_back(fs::read_symlink("/proc/self/exe", error).parent_path() / "../../../examples");
  }
  for (const fs::path& place : places) {
    if (fs::exists(place / "canary/shop.yaml")) return fs::absolute(place).lexically_normal().string();
  }
  return fail(Error::Kind::not_found,
              concat("no examples in ", places.front().string(), "; say where they are with --examples DIR"));
}

double number(const yaml::Node& report, std::string_view name, std::string_view key = {}) {
  const yaml::Node* node = report.find(name);
  if (node != nullptr && !key.empty()) node = node->find(key);
  return node == nullptr ? 0 : yaml::as_number(*node).value_or(0);
}

std::string percent(double part, double whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", whole > 0 ? 100 * part / whole : 0.0);
  return text;
}

// The promises, one after the other. Each runs commands in pods of the mesh that is up.
class Show {
 public:
  Show(std::string self, std::string examples) : self_(std::move(self)), examples_(std::move(examples)) {}

  bool run() {
    std::printf("\n  %-66s %s\n", "promised", "seen");
    split();
    identity();
    retries();
    killed_replica();
    ejection();
    denial();
    std::printf("\n%s\n", kept_all_ ? "Every promise was kept." : "Not every promise was kept.");
    std::fflush(stdout);
    return kept_all_;
  }

 private:
  std::string in_pod(const std::string& pod, std::vector<std::string> words) {
    std::vector<std::string> all{self_, "exec", "--mesh", kMesh, pod, "--"};
    all.insert(all.end(), words.begin(), words.end());
    auto ran = io::run_command({.arguments = std::move(all)});
    return ran ? ran->output + ran->errors : ran.error().text;
  }

  // `rps` 0: as fast as it goes.
  yaml::Node load(const std::string& url, int count, int connections = 8, int rps = 0) {
    const std::string out =
        in_pod("deployment/client", {"weft-demo", "load", "--json", "--url", url, "--count", concat(count),
                                     "--connections", concat(connections), "--rps", concat(rps)});
    auto report = yaml::parse_one(out, "report");
    return report ? std::move(*report) : yaml::Node{};
  }

  void promise(const std::string& promised, const std::string& seen, bool kept) {
    kept_all_ = kept_all_ && kept;
    std::printf("%s %-66s %s\n", kept ? " " : "!", promised.c_str(), seen.c_str());
    std::fflush(stdout);
  }

  void split() {
    const yaml::Node seen = load("http://shop:8080/api/items", 2000);
    const double v2 = number(seen, "versions", "v2");
    const double all = v2 + number(seen, "versions", "v1");
    promise("split: 10 % of /api goes to v2",
            concat(percent(v2, all), " of ", static_cast<int>(all), " requests"),
            all == 2000 && v2 > 140 && v2 < 260);
    const yaml::Node other = load("http://shop:8080/other", 500);
    promise("split: nothing else does", percent(number(other, "versions", "v2"), 500),
            number(other, "versions", "v1") == 500);
  }

  void identity() {
    const std::string answer = in_pod("deployment/client", {"weft-demo", "get", "http://shop:8080/other"});
    const size_t at = answer.find("URI=spiffe://");
    const std::string who =
        at == std::string::npos ? "none" : answer.substr(at + 4, answer.find_first_of("\";\\", at) - at - 4);
    promise("identity: the server's proxy knows the caller by certificate", who,
            who == "spiffe://cluster.local/ns/default/sa/default");
  }

  void retries() {
    // One at a time: of several at once, one could meet four failing tries in a row by chance.
    const yaml::Node seen = load("http://orders:8080/flaky?every=4", 400, 1);
    promise("retries: every 4th try at orders fails, no caller sees it",
            concat(static_cast<int>(number(seen, "failed")), " of 400 failed"),
            number(seen, "failed") == 0 && number(seen, "total") == 400);
  }

  // A container of each replica of that owner.
  static std::vector<ContainerStatus> containers(const std::string& owner, const std::string& name) {
    std::vector<ContainerStatus> found;
    const auto status = MeshState::of(kMesh).read_status();
    if (!status) return found;
    for (const PodStatus& pod : status->pods) {
      for (const ContainerStatus& container : pod.containers) {
        if (pod.owner == owner && container.name == name) found.push_back(container);
      }
    }
    return found;
  }

  void killed_replica() {
    constexpr int kRequests = 3000;
    std::atomic<bool> ended = false;
    yaml::Node seen;
    std::thread caller([&] {
      seen = load("http://orders:8080/", kRequests, 8, 2000);
      ended = true;
    });
    std::this_thread::sleep_for(400ms);  // into the load; that it still ran is checked below
    const std::vector<ContainerStatus> replicas = containers("orders", "orders");
    const bool killed =
        !replicas.empty() && replicas.front().pid > 0 && ::kill(replicas.front().pid, SIGKILL) == 0;
    const bool under_load = killed && !ended;
    caller.join();
    promise("replica: 1 of 2 orders is killed under load, no caller sees it",
            under_load ? concat(static_cast<int>(number(seen, "failed")), " of ", kRequests, " failed")
                       : "no replica could be killed while requests ran",
            under_load && number(seen, "failed") == 0 && number(seen, "total") == kRequests);
  }

  void ejection() {
    const yaml::Node first = load("http://payments:8080/", 400);
    const yaml::Node then = load("http://payments:8080/", 400);
    promise("ejection: 1 of 4 payments always fails, and is taken out",
            concat("failed: ", static_cast<int>(number(first, "failed")), " of the first 400, ",
                   static_cast<int>(number(then, "failed")), " of the next"),
            number(first, "failed") <= 40 && number(then, "failed") == 0 && number(then, "total") == 400);
    const std::string clusters =
        in_pod("deployment/client", {"weft-demo", "get", "http://127.0.0.1:15000/clusters"});
    const bool shown = clusters.find("failed_outlier_check") != std::string::npos;
    promise("ejection: the admin page of the caller's proxy shows it",
            shown ? "failed_outlier_check" : "no ejection", shown);
  }

  void denial() {
    const std::string answer =
        in_pod("deployment/stranger", {"weft-demo", "get", "--include", "http://orders:8080/"});
    const std::string line = answer.substr(0, answer.find('\n'));
    promise("denial: service account 'stranger' may not ask for orders", line,
            line.find(" 403") != std::string::npos);
    const std::string where = denying_line();
    promise("denial: the log of the proxy at orders names the rule that did it",
            where.empty() ? "no rule" : where, !where.empty());
    const std::string allowed =
        in_pod("deployment/client", {"weft-demo", "get", "--include", "http://orders:8080/"});
    const std::string other = allowed.substr(0, allowed.find('\n'));
    promise("denial: service account 'default' may", other, other.find(" 200") != std::string::npos);
  }

  // "no-strangers rule 0, demo/mesh.yaml:141": the rule that the access log names, and where it is written.
  std::string denying_line() const {
    constexpr std::string_view kRule = "ns[default]-policy[no-strangers]-rule[0]";
    for (int tries = 0; tries < 40; ++tries) {  // the log is written by a thread of its own
      for (const ContainerStatus& proxy : containers("orders", "weft-proxy")) {
        const auto log = read_file(proxy.log);
        if (!log || log->find(concat("rbac_access_denied_matched_policy[", kRule)) == std::string::npos)
          continue;
        return concat("no-strangers rule 0, demo/mesh.yaml:", line_of_rule("no-strangers"));
      }
      std::this_thread::sleep_for(50ms);
    }
    return {};
  }

  int line_of_rule(std::string_view policy) const {
    const auto text = read_file(examples_ + "/demo/mesh.yaml");
    if (!text) return 0;
    for (const yaml::Document& document : yaml::parse(*text, "mesh.yaml").documents) {
      const yaml::Node* metadata = document.root.find("metadata");
      const yaml::Node* name = metadata == nullptr ? nullptr : metadata->find("name");
      const yaml::Node* spec = document.root.find("spec");
      const yaml::Node* rules = spec == nullptr ? nullptr : spec->find("rules");
      if (name != nullptr && name->text == policy && rules != nullptr && !rules->children.empty())
        return rules->children.front().line;
    }
    return 0;
  }

  std::string self_;
  std::string examples_;
  bool kept_all_ = true;
};

bool all_ready(const MeshState& state) {
  // Written when everything is ready for the first time, and only then.
  return ::access(state.path("ready").c_str(), F_OK) == 0;
}

// What became of the demo; the loop stops when it is known.
struct Outcome {
  Result<int> status = 1;
};

io::Task<void> present(io::EpollLoop& loop, DemoOptions options, io::ChildProcess& up, std::string self,
                       io::Signals& signals, Outcome& outcome) {
  const MeshState state = MeshState::of(kMesh);
  const TimePoint deadline = loop.now() + kReadyWithin;
  while (up.running() && !all_ready(state) && loop.now() < deadline) co_await io::sleep_for(loop, 50ms);
  if (!up.running()) {
    outcome.status = 1;  // it has said why
    loop.stop();
    co_return;
  }
  if (!all_ready(state)) {
    outcome.status = fail(
        Error::Kind::timeout,
        "not every pod was ready within 60 s; the logs say why: weft logs --mesh demo POD -c weft-proxy");
  } else {
    outcome.status = Show(self, options.examples).run() ? 0 : 1;
    if (!options.once && ::isatty(STDOUT_FILENO) != 0) {
      std::printf("The mesh stays up: try 'weft get pods --mesh demo'. Ctrl-C ends it.\n");
      std::fflush(stdout);
      static_cast<void>(co_await signals.next());
    }
  }
  up.signal(SIGTERM);
  static_cast<void>(co_await up.exited());
  loop.stop();
}

Result<int> run_demo(DemoOptions options) {
  WEFT_TRY(options.examples, find_examples(options.examples));
  std::error_code error;
  const std::string self = fs::read_symlink("/proc/self/exe", error).string();
  WEFT_TRY(auto loop, io::EpollLoop::make(std::random_device{}()));
  WEFT_TRY(auto signals, io::Signals::make(*loop, {SIGINT, SIGTERM}));
  WEFT_TRY(auto up, io::ChildProcess::spawn(
                        *loop, {.arguments = {self, "up", "--mesh", kMesh, options.examples + "/canary",
                                              options.examples + "/demo"},
                                .dies_with_parent = false}));
  Outcome outcome;
  {
    io::TaskGroup tasks(*loop);
    tasks.spawn(present(*loop, options, *up, self, *signals, outcome));
    loop->run();
  }
  return std::move(outcome.status);
}

}  // namespace

void add_demo(CommandTable& table) {
  auto options = std::make_shared<DemoOptions>();
  table.add("demo", "Run the canary example with load; promised beside seen")
      .option("--examples", options->examples, "the directory of the examples")
      .flag("--once", options->once, "end after the promises, also on a terminal")
      .runs([options] { return run_demo(*options); });
}

}  // namespace weft::cli
