#include "control/control_plane.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "control/admin/process_metrics.h"
#include "control/ingest/files.h"
#include "wire/ca.h"

namespace weft::control {
namespace {

constexpr size_t kMaxRequest = 16u << 20;
constexpr std::string_view kServiceAccount = "weftd";
constexpr std::string_view kAuthorityFile = "ca.json";
constexpr std::string_view kRootsFile = "root-cert.pem";
constexpr Duration kRetryCertificate = std::chrono::seconds(5);

// The names that Istio's and Weft's bootstraps know a control plane by, and the addresses it listens on.
identity::LeafNames own_names(const ControlPlaneOptions& options) {
  identity::LeafNames names;
  const std::string& space = options.mesh.root_namespace;
  names.dns = {"localhost"};
  for (const std::string_view service : {"weftd", "istiod"}) {
    names.dns.push_back(std::string(service));
    names.dns.push_back(concat(service, ".", space));
    names.dns.push_back(concat(service, ".", space, ".svc"));
    names.dns.push_back(concat(service, ".", space, ".svc.", options.mesh.cluster_domain));
  }
  names.ips = {IpAddress::loopback()};
  if (options.secure && !options.secure->is_unix() && !options.secure->ip.is_unspecified() &&
      !options.secure->ip.is_loopback()) {
    names.ips.push_back(options.secure->ip);
  }
  for (const std::string& extra : options.extra_names) {
    if (const auto ip = IpAddress::parse(extra)) {
      names.ips.push_back(*ip);
    } else {
      names.dns.push_back(extra);
    }
  }
  return names;
}

std::vector<std::string> directories_of(const ControlPlaneOptions& options) {
  std::vector<std::string> directories = options.config_directories;
  if (!options.overlay_directory.empty()) directories.push_back(options.overlay_directory);
  return directories;
}

std::string in_state(const ControlPlaneOptions& options, std::string_view file) {
  return options.state_directory.empty() ? std::string() : concat(options.state_directory, "/", file);
}

}  // namespace

Result<std::unique_ptr<ControlPlane>> ControlPlane::make(io::Loop& loop, ControlPlaneOptions options) {
  if (options.config_directories.empty()) {
    return fail(Error::Kind::invalid, "no directory of objects was given; say which: weftd DIR");
  }
  const auto without_slash = [](std::string& directory) {
    while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  };
  std::ranges::for_each(options.config_directories, without_slash);
  without_slash(options.overlay_directory);
  without_slash(options.state_directory);
  auto registry = std::make_unique<telemetry::Registry>();
  telemetry::Shard& metrics = registry->make_shard();
  Authority::Options authority_options;
  authority_options.state_file = in_state(options, kAuthorityFile);
  authority_options.trust_domain = options.mesh.trust_domain;
  authority_options.rotation = options.certificates;
  WEFT_TRY(auto authority, Authority::make(loop, std::move(authority_options), *registry, metrics));
  std::unique_ptr<ControlPlane> plane(
      new ControlPlane(loop, std::move(options), std::move(registry), metrics, std::move(authority)));
  WEFT_CHECK_OK(plane->start());
  return plane;
}

ControlPlane::ControlPlane(io::Loop& loop, ControlPlaneOptions options,
                           std::unique_ptr<telemetry::Registry> registry, telemetry::Shard& metrics,
                           std::unique_ptr<Authority> authority)
    : loop_(loop),
      options_(std::move(options)),
      registry_(std::move(registry)),
      store_(options_.overlay_directory),
      authority_(std::move(authority)),
      directory_(loop, store_, {.directories = directories_of(options_)},
                 [this] { publisher_.publish("config"); }),
      runtime_(loop, options_.state_directory,
               [this] {
                 callers_.set_tokens(runtime_.tokens());
                 publisher_.publish("pods");
               }),
      publisher_(loop, store_, runtime_, options_.mesh, *registry_, metrics),
      callers_(options_.mesh.trust_domain),
      ads_(loop, publisher_, callers_, *registry_, metrics),
      pages_({*registry_, store_, publisher_, ads_, *authority_, loop.wall_now()}),
      renew_(loop,
             [this] {
               if (const auto renewed = renew_own_certificate(); !renewed) {
                 log_error("ca", "weftd's own certificate: ", renewed.error().text);
               }
             }),
      listener_(loop, grpc_),
      admin_(loop) {}

ControlPlane::~ControlPlane() = default;

void ControlPlane::wire_up() {
  publisher_.set_roots(authority_->roots());
  publisher_.on_publish([this] {
    ads_.push();
    authority_->poke();
  });
  ads_.on_progress([this] { authority_->poke(); });
  authority_->ask_trust([this] { return everybody_trusts(); });
  authority_->on_bundle([this] {
    write_roots();
    publisher_.set_roots(authority_->roots());
    publisher_.publish("ca");
    renew_.arm_after(Duration::zero());
  });
  authority_->on_issuer([this] { renew_.arm_after(Duration::zero()); });

  grpc_.max_message = kMaxRequest;
  ads_.add_to(grpc_);
  grpc_.handle_unary(std::string(wire::kCreateCertificatePath),
                     [this](std::string request, net::ServerExchange& exchange) {
                       return create_certificate(std::move(request), exchange);
                     });
  pages_.add_to(admin_);
  add_process_metrics(*registry_);
}

Result<void> ControlPlane::start() {
  wire_up();
  write_roots();
  WEFT_CHECK_OK(renew_own_certificate());
  if (!options_.state_directory.empty()) runtime_.scan();
  WEFT_CHECK_OK(directory_.start());
  publisher_.publish("start");

  const auto listen = [&](const std::optional<SocketAddress>& wanted, std::optional<SocketAddress>& got,
                          std::string_view what, auto how) -> Result<void> {
    if (!wanted) return {};
    auto address = how(*wanted);
    if (!address) return std::unexpected(std::move(address).error().within(concat("listening for ", what)));
    got = *address;
    return {};
  };
  WEFT_CHECK_OK(listen(options_.xds, addresses_.xds, "xDS",
                       [&](const SocketAddress& address) { return listener_.listen_plaintext(address); }));
  WEFT_CHECK_OK(listen(options_.secure, addresses_.secure, "xDS over TLS",
                       [&](const SocketAddress& address) { return listener_.listen_tls(address); }));
  const auto pages = [&](const SocketAddress& address) { return admin_.listen(address); };
  WEFT_CHECK_OK(listen(options_.admin, addresses_.admin, "the admin pages", pages));
  return listen(options_.health, addresses_.health, "health checks", pages);
}

void ControlPlane::reload() {
  if (!options_.state_directory.empty()) runtime_.scan();
  directory_.scan();
}

void ControlPlane::drain() {
  listener_.stop_accepting();
  ads_.drain();
  listener_.drain().start();
  admin_.drain().start();
}

void ControlPlane::expire() {
  drain();
  listener_.drain().expire();
  admin_.drain().expire();
}

size_t ControlPlane::open_connections() { return listener_.drain().size() + admin_.drain().size(); }

// ---------------------------------------------------------------- authority

Result<void> ControlPlane::renew_own_certificate() {
  identity::LeafNames names = own_names(options_);
  WEFT_TRY(names.id, identity::SpiffeId::make(options_.mesh.trust_domain, options_.mesh.root_namespace,
                                              kServiceAccount));
  auto own = authority_->issue_own(names);
  if (!own) {
    renew_.arm_after(kRetryCertificate);
    return std::unexpected(std::move(own).error());
  }
  tls::ServerSettings settings{
      .identity = {.chain = {}, .key = std::move(own->key)},
      .trust = authority_->rotation().bundle(),
      .client_certificate = tls::ClientCertificate::optional,
  };
  settings.identity.chain = std::move(own->chain);
  settings.common.alpn = {"h2"};
  WEFT_TRY(auto context, tls::ServerContext::make(std::move(settings)));
  listener_.set_context(std::move(context));
  renew_.arm_after(std::max<Duration>(own->renew_at - loop_.wall_now(), std::chrono::milliseconds(100)));
  return {};
}

// For whoever connects for the first time: `weft up` hands it to proxies.
void ControlPlane::write_roots() {
  const std::string file = in_state(options_, kRootsFile);
  if (file.empty()) return;
  if (const auto written = write_file(file, authority_->roots()->trusted_ca, 0644); !written) {
    log_error("ca", written.error().text);
  }
}

// Whether each proxy that runs has acknowledged the roots as they are. One that is not connected has not.
bool ControlPlane::everybody_trusts() const {
  const auto& world = publisher_.world();
  if (!world) return false;
  const auto acknowledged = [&](const Connection& connection) {
    const auto& secrets = connection.session.sent(wire::ResourceType::secret);
    const auto roots = secrets.find(authority_->roots()->name);
    return roots != secrets.end() && roots->second.state == SentResource::State::accepted &&
           roots->second.resource == authority_->roots();
  };
  // A gRPC client's roots come from an agent of its own, if it has any.
  std::vector<const Connection*> proxies_connected;
  for (const Connection* connection : ads_.connections()) {
    if (!connection->node.grpc_client) proxies_connected.push_back(connection);
  }
  size_t proxies = 0;
  for (const auto& workload : world->workloads()) {
    if (!workload->sidecar && !workload->gateway) continue;
    ++proxies;
    const std::string id = concat(workload->name, ".", workload->namespace_name);
    const bool connected = std::ranges::any_of(
        proxies_connected, [&](const Connection* connection) { return connection->node.short_id() == id; });
    if (!connected) return false;
  }
  return proxies > 0 && std::ranges::all_of(proxies_connected, [&](const Connection* connection) {
           return acknowledged(*connection);
         });
}

io::Task<std::expected<std::string, http::GrpcStatus>> ControlPlane::create_certificate(
    std::string request, net::ServerExchange& exchange) {
  const auto caller = callers_.identify(exchange.request(), exchange.connection());
  if (!caller || !caller->id) {
    authority_->count_unauthenticated();
    const std::string why = caller ? "no identity was proved" : caller.error().text;
    log_warning("ca", exchange.connection().peer.to_string(), " gets no certificate: ", why);
    co_return std::unexpected(http::GrpcStatus{http::GrpcStatus::unauthenticated, why});
  }
  co_return authority_->create_certificate(request, *caller->id);
}

}  // namespace weft::control
