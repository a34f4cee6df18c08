#include "wire/bootstrap.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/strings.h"
#include "wire/cluster_wire.h"
#include "wire/listener_wire.h"
#include "wire/node.h"
#include "wire/parts.h"
#include "wire/schema.h"
#include "wire/tls_wire.h"
#include "wire/tree_to_message.h"
#include "yaml/tree.h"

namespace weft::wire {

namespace {

using yaml::Complaint;
using Tree = yaml::Node;

constexpr std::string_view kBootstrap = "envoy.config.bootstrap.v3.Bootstrap";

// ---- from a path back to the line: "static_resources.listeners[0].filter_chains[1]" in the tree

const Tree* find_member(const Tree& node, std::string_view name) {
  for (const Tree& child : node.children) {
    if (child.key == name) return &child;
  }
  // JSON's other spelling: default_filter_chain is defaultFilterChain.
  std::string camel;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '_' && i + 1 < name.size() && name[i + 1] >= 'a' && name[i + 1] <= 'z') {
      camel += static_cast<char>(name[++i] - 'a' + 'A');
    } else {
      camel += name[i];
    }
  }
  for (const Tree& child : node.children) {
    if (child.key == camel) return &child;
  }
  return nullptr;
}

// The deepest node on the way that is there.
const Tree& locate(const Tree& root, std::string_view path) {
  const Tree* node = &root;
  while (!path.empty()) {
    if (path[0] == '.') path.remove_prefix(1);
    const Tree* next = nullptr;
    if (path.starts_with('[')) {
      const std::string_view key = path.substr(1, path.find(']') - 1);
      const auto index = parse_unsigned(key);
      if (node->is_sequence() && index && *index < node->children.size()) {
        next = &node->children[*index];
      } else {
        next = find_member(*node, key);
      }
      path.remove_prefix(std::min(path.size(), key.size() + 2));
    } else {
      const std::string_view name = path.substr(0, path.find_first_of(".["));
      next = find_member(*node, name);
      path.remove_prefix(name.size());
    }
    if (next == nullptr) return *node;
    node = next;
  }
  return *node;
}

Error to_error(const std::vector<Complaint>& complaints) {
  Error error;
  error.kind = Error::Kind::invalid;
  for (const Complaint& complaint : complaints) {
    if (!complaint.is_error()) continue;
    if (!error.text.empty()) error.text += '\n';
    error.text += complaint.to_string();
  }
  return error;
}

class Reader {
 public:
  Reader(const Tree& tree, std::string_view file, std::vector<Complaint>& complaints)
      : tree_(tree), file_(file), complaints_(complaints) {}

  Bootstrap read_bootstrap(const bootstrap_pb::Bootstrap& from);

 private:
  void complain(const Trouble& trouble) {
    const Tree& node = locate(tree_, trouble.path);
    Complaint complaint;
    complaint.file = file_;
    complaint.line = node.line;
    complaint.column = node.column;
    complaint.field = trouble.path;
    complaint.cause = trouble.cause;
    complaints_.push_back(std::move(complaint));
  }
  // The value, or a complaint and nothing.
  template <typename T>
  std::optional<T> take(Read<T> read) {
    if (read) return *std::move(read);
    complain(read.error());
    return std::nullopt;
  }
  void check(Read<> read) {
    if (!read) complain(read.error());
  }

  template <typename T, typename Messages>
  void read_resources(const Messages& from, std::string_view kind, std::vector<std::shared_ptr<const T>>& to);
  void name_listeners(Bootstrap& to);
  void read_dynamic(const bootstrap_pb::Bootstrap::DynamicResources& from, Bootstrap& to);
  Read<Bootstrap::Ads> read_ads(const core_pb::ApiConfigSource& from, const Bootstrap& bootstrap,
                                const Place& at);
  void check_served(const Bootstrap& bootstrap);

  const Tree& tree_;
  std::string_view file_;
  std::vector<Complaint>& complaints_;
};

template <typename T, typename Messages>
void Reader::read_resources(const Messages& from, std::string_view kind,
                            std::vector<std::shared_ptr<const T>>& to) {
  const Place fixed("static_resources");
  std::set<std::string, std::less<>> names;
  for (int i = 0; i < from.size(); ++i) {
    const Place at = fixed(kind, static_cast<size_t>(i));
    auto resource = take(from_message(from[i], at));
    if (!resource) continue;
    if (!(*resource)->name.empty() && !names.insert((*resource)->name).second) {
      complain(
          {at("name").to_string(), concat("is \"", printable((*resource)->name), "\", and so is another's")});
      continue;
    }
    to.push_back(std::move(*resource));
  }
}

// A listener of a bootstrap need have no name; its address is as good.
void Reader::name_listeners(Bootstrap& to) {
  for (auto& listener : to.listeners) {
    if (!listener->name.empty()) continue;
    auto named = std::make_shared<model::Listener>(*listener);
    named->name = named->address.to_string();
    listener = std::move(named);
  }
}

Read<Bootstrap::Ads> Reader::read_ads(const core_pb::ApiConfigSource& from, const Bootstrap& bootstrap,
                                      const Place& at) {
  Bootstrap::Ads ads;
  switch (from.api_type()) {
    case core_pb::ApiConfigSource::GRPC:
    case core_pb::ApiConfigSource::AGGREGATED_GRPC:
      break;
    case core_pb::ApiConfigSource::DELTA_GRPC:
    case core_pb::ApiConfigSource::AGGREGATED_DELTA_GRPC:
      ads.delta = true;
      break;
    default:
      return not_supported(at("api_type"), "other than GRPC and DELTA_GRPC");
  }
  if (from.transport_api_version() != core_pb::V3) {
    return refuse(at("transport_api_version"), "must be V3");
  }
  if (from.grpc_services_size() != 1)
    return refuse(at("grpc_services"), "must be one service", Error::Kind::unsupported);
  const auto& service = from.grpc_services(0);
  const Place place = at("grpc_services", size_t{0});
  const Place grpc = place("envoy_grpc");
  ads.cluster = service.envoy_grpc().cluster_name();
  ads.authority = service.envoy_grpc().authority();
  for (const auto& header : service.initial_metadata())
    ads.metadata.emplace_back(to_lower(header.key()), header.value());
  const bool known = std::ranges::any_of(bootstrap.clusters,
                                         [&](const auto& cluster) { return cluster->name == ads.cluster; });
  if (!known) {
    return refuse(grpc("cluster_name"), concat("is \"", printable(ads.cluster),
                                               "\", and static_resources has no cluster of that name"));
  }
  return ads;
}

void Reader::read_dynamic(const bootstrap_pb::Bootstrap::DynamicResources& from, Bootstrap& to) {
  const Place at("dynamic_resources");
  if (from.has_ads_config()) to.ads = take(read_ads(from.ads_config(), to, at("ads_config")));
  if (from.has_lds_config()) {
    check(check_ads(from.lds_config(), at("lds_config")));
    to.listeners_by_ads = true;
  }
  if (from.has_cds_config()) {
    check(check_ads(from.cds_config(), at("cds_config")));
    to.clusters_by_ads = true;
  }
  if (!from.has_ads_config() && (to.listeners_by_ads || to.clusters_by_ads)) {
    complain({"dynamic_resources", "has resources by ADS and no ads_config", Error::Kind::invalid});
  }
}

// What names the ADS stream needs one.
void Reader::check_served(const Bootstrap& bootstrap) {
  if (bootstrap.ads) return;
  const auto complain_of = [this](std::string_view kind, std::string_view name, std::string_view what) {
    complain({"static_resources",
              concat("has ", kind, " \"", name, "\", whose ", what,
                     " come by ADS, and there is no dynamic_resources.ads_config"),
              Error::Kind::invalid});
  };
  for (const auto& cluster : bootstrap.clusters) {
    if (cluster->discovery == model::Discovery::eds) complain_of("cluster", cluster->name, "endpoints");
  }
  for (const auto& listener : bootstrap.listeners) {
    const auto check_chain = [&](const model::FilterChain& chain) {
      const auto* http = std::get_if<std::shared_ptr<const model::HttpManager>>(&chain.terminal);
      if (http != nullptr && !(*http)->rds_name.empty()) complain_of("listener", listener->name, "routes");
    };
    for (const auto& chain : listener->chains) check_chain(chain);
    if (listener->default_chain) check_chain(*listener->default_chain);
  }
}

Bootstrap Reader::read_bootstrap(const bootstrap_pb::Bootstrap& from) {
  Bootstrap to;
  to.node = read(from.node());
  read_resources(from.static_resources().listeners(), "listeners", to.listeners);
  read_resources(from.static_resources().clusters(), "clusters", to.clusters);
  read_resources(from.static_resources().secrets(), "secrets", to.secrets);
  name_listeners(to);
  read_dynamic(from.dynamic_resources(), to);
  if (from.admin().has_address()) {
    const Place admin("admin");
    to.admin = take(read(from.admin().address(), admin("address")));
  }
  if (complaints_.empty()) check_served(to);
  return to;
}

}  // namespace

Result<Bootstrap> parse_bootstrap(std::string_view text, std::string_view file) {
  WEFT_TRY(const Tree tree, yaml::parse_one(text, file));
  const MessageRow* row = find_message(kBootstrap);
  WEFT_CHECK(row != nullptr);
  std::vector<Complaint> complaints;
  std::string bytes = tree_to_message(tree, *row, file, complaints);
  if (yaml::any_error(complaints)) return fail(to_error(complaints));
  bootstrap_pb::Bootstrap message;
  if (!parse(message, bytes)) {
    // The one thing that the tree does not check and protobuf does.
    return fail(Error::Kind::invalid, concat(file, ": holds text that is not UTF-8, or nests too deep"));
  }
  Bootstrap bootstrap = Reader(tree, file, complaints).read_bootstrap(message);
  if (yaml::any_error(complaints)) return fail(to_error(complaints));
  bootstrap.encoded = std::move(bytes);
  return bootstrap;
}

}  // namespace weft::wire
