#include "model/listener.h"

namespace weft::model {

namespace {

template <typename T>
bool same(const std::shared_ptr<const T>& a, const std::shared_ptr<const T>& b) {
  return a == b || (a && b && *a == *b);
}

}  // namespace

bool HttpManager::operator==(const HttpManager& other) const {
  const auto scalars = [](const HttpManager& m) {
    return std::tie(m.stat_prefix, m.codec, m.rds_name, m.filters, m.access_logs, m.upgrades,
                    m.stream_idle_timeout, m.request_timeout, m.request_headers_timeout, m.idle_timeout,
                    m.max_connection_duration, m.drain_timeout, m.delayed_close_timeout,
                    m.max_request_headers_kb, m.max_headers_count, m.max_requests_per_connection,
                    m.use_remote_address, m.xff_trusted_hops, m.skip_xff_append, m.forward_client_cert,
                    m.set_client_cert_uri, m.set_client_cert_dns, m.set_client_cert_subject, m.normalize_path,
                    m.merge_slashes, m.escaped_slashes, m.generate_request_id, m.preserve_external_request_id,
                    m.always_set_request_id_in_response, m.accept_http_10, m.preserve_header_case,
                    m.strip_port_from_host, m.reject_underscore_headers, m.server_name, m.server_header,
                    m.http2_max_concurrent_streams, m.http2_initial_stream_window,
                    m.http2_initial_connection_window, m.allow_connect);
  };
  return scalars(*this) == scalars(other) && same(inline_routes, other.inline_routes);
}

bool FilterChain::operator==(const FilterChain& other) const {
  if (name != other.name || match != other.match || tls != other.tls || istio_stats != other.istio_stats ||
      network_rbacs.size() != other.network_rbacs.size() || terminal.index() != other.terminal.index()) {
    return false;
  }
  for (size_t i = 0; i < network_rbacs.size(); ++i) {
    if (!same(network_rbacs[i], other.network_rbacs[i])) return false;
  }
  if (terminal.index() == 0) return same(std::get<0>(terminal), std::get<0>(other.terminal));
  return same(std::get<1>(terminal), std::get<1>(other.terminal));
}

}  // namespace weft::model
