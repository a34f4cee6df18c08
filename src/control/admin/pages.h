// weftd's own pages: Istio's names and shapes where Istio has them (15014 and 8080 there).
//
//   AdminPages pages({...});
//   pages.add_to(server);
//
//   GET  /metrics                 Prometheus
//   GET  /ready  /version
//   GET  /debug/syncz             per proxy and type: what was sent, what was acknowledged
//   GET  /debug/configz           every object, as it was written (values of Secrets left out)
//   GET  /debug/endpointz[?proxyID=]
//   GET  /debug/config_dump?proxyID=web-1.default
//   GET  /debug/connections
//   GET  /debug/statusz           per object: by how many proxies it is in force
//   GET  /debug/complaintz        what is wrong with the configuration
//   GET  /debug/ca                roots, issuer, and how far a rotation has come
//   POST /ca/rotate?what=root|issuer
//
// /debug and /ca tell and do what only this machine's operator may know and do: they answer to loopback and
// Unix sockets, addressed by address or localhost (a web page elsewhere may name them otherwise), and
// POST never to a browser's page.
#pragma once

#include <functional>
#include <string>

#include "control/authority/authority.h"
#include "control/deliver/ads_server.h"
#include "control/ingest/store.h"
#include "control/publish/publisher.h"
#include "net/http_server.h"
#include "telemetry/metrics.h"

namespace weft::control {

class AdminPages {
 public:
  // All outlive the pages.
  struct Sources {
    telemetry::Registry& registry;
    const Store& store;
    const Publisher& publisher;
    const AdsServer& ads;
    Authority& authority;
    WallTime started;
  };
  explicit AdminPages(Sources sources) : sources_(sources) {}

  void add_to(net::HttpServer& server);

 private:
  using Page = std::function<net::HttpAnswer(const net::HttpPage&)>;
  void local(net::HttpServer& server, std::string method, std::string path, Page page);

  std::string syncz() const;
  std::string configz() const;
  net::HttpAnswer endpointz(const net::HttpPage& page) const;
  net::HttpAnswer config_dump(const net::HttpPage& page) const;
  std::string connections() const;
  std::string complaintz() const;
  std::string ca() const;
  net::HttpAnswer rotate(const net::HttpPage& page);

  Sources sources_;
};

// Whether a request may see what is for this machine's operator alone; the refusal otherwise.
std::optional<net::HttpAnswer> refuse_stranger(const http::Request& request, const net::ConnectionInfo& from);

}  // namespace weft::control
