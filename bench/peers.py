"""How each of the compared proxies is told to do the same thing.

A Hop is one proxy process: what it listens for, and what it speaks to whom. Every peer gets one worker,
TLS 1.3 with AES-128-GCM where it lets that be chosen (BoringSSL and AWS-LC prefer it where the processor
has AES instructions), ECDSA P-256 certificates, no access log, and keep-alive that no round can exhaust.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

ROUNDS_NEVER_END_A_CONNECTION = 1_000_000_000
CIPHER = "TLS_AES_128_GCM_SHA256"
SERVER_NAME = "server.bench"
SERVER_ID = "spiffe://cluster.local/ns/default/sa/server"


@dataclass(frozen=True)
class Hop:
    listen: int
    target: int
    tls_in: bool = False  # mutual, in
    tls_out: bool = False  # mutual, out
    h2_in: bool = False
    h2_out: bool = False
    mesh: bool = False  # the TLS side is another sidecar of the same kind
    services: int = 0  # > 0: that many services of `endpoints` each; the first leads to `target`
    endpoints: int = 10


def service_host(index: int) -> str:
    return f"service-{index}.default.svc.cluster.local"


def endpoint_address(service: int, endpoint: int) -> str:
    """Loopback addresses where nobody listens; the load goes to service 0 alone."""
    return f"127.{100 + service // 250}.{service % 250}.{endpoint + 1}"


# ---- nginx


def nginx(hop: Hop, folder: Path, certs: Path) -> str:
    listen = f"listen 127.0.0.1:{hop.listen}{' ssl' if hop.tls_in else ''}{' http2' if hop.h2_in else ''} backlog=1024;"
    lines = [
        "daemon off; worker_processes 1; error_log stderr crit;",
        f"pid {folder}/nginx.pid;",
        "events { worker_connections 8192; }",
        "http {",
        "access_log off; server_tokens off; tcp_nodelay on; proxy_buffering on;",
        f"keepalive_requests {ROUNDS_NEVER_END_A_CONNECTION}; keepalive_timeout 600s;",
    ]
    for temp in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        lines.append(f"{temp}_temp_path {folder}/{temp};")
    if hop.services:
        lines += ["server_names_hash_max_size 8192; server_names_hash_bucket_size 128;",
                  "map_hash_max_size 16384; map_hash_bucket_size 128;", "map $host $upstream {"]
        lines += [f"{service_host(i)} service_{i};" for i in range(hop.services)]
        lines.append("}")
        for i in range(hop.services):
            servers = "".join(
                f"server {'127.0.0.1:%d' % hop.target if i == 0 else endpoint_address(i, e) + ':8080'};"
                for e in range(1 if i == 0 else hop.endpoints))
            lines.append(f"upstream service_{i} {{ {servers} keepalive 64; }}")
        target = "$upstream"
    else:
        lines.append(f"upstream target {{ server 127.0.0.1:{hop.target}; keepalive 256;"
                     f" keepalive_requests {ROUNDS_NEVER_END_A_CONNECTION}; keepalive_timeout 600s; }}")
        target = "target"
    lines += ["server {", listen]
    if hop.tls_in:
        lines += [f"ssl_certificate {certs}/server.pem; ssl_certificate_key {certs}/server.key;",
                  f"ssl_client_certificate {certs}/root.pem; ssl_verify_client on;",
                  f"ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {CIPHER};"]
    lines += ["location / {", f"proxy_pass {'https' if hop.tls_out else 'http'}://{target};",
              'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;']
    if hop.tls_out:
        lines += [f"proxy_ssl_certificate {certs}/client.pem; proxy_ssl_certificate_key {certs}/client.key;",
                  f"proxy_ssl_trusted_certificate {certs}/root.pem; proxy_ssl_verify on;",
                  f"proxy_ssl_name {SERVER_NAME}; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;",
                  f"proxy_ssl_conf_command Ciphersuites {CIPHER};"]
    lines += ["}", "}", "}", ""]
    return "\n".join(lines)


def nginx_backend(plain: int, secure: int, body: int, folder: Path, certs: Path) -> str:
    """The server behind every path: a fixed answer, without a disk or a header more than needed."""
    lines = [
        "daemon off; worker_processes 1; error_log stderr crit;",
        f"pid {folder}/nginx.pid;",
        "events { worker_connections 8192; }",
        "http {",
        "access_log off; server_tokens off; tcp_nodelay on; default_type text/plain;",
        f"keepalive_requests {ROUNDS_NEVER_END_A_CONNECTION}; keepalive_timeout 600s;",
    ]
    for temp in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        lines.append(f"{temp}_temp_path {folder}/{temp};")
    answer = f'location / {{ return 200 "{"x" * body}"; }}'
    lines += [f"server {{ listen 127.0.0.1:{plain} backlog=1024; {answer} }}",
              f"server {{ listen 127.0.0.1:{secure} ssl backlog=1024;",
              f"ssl_certificate {certs}/server.pem; ssl_certificate_key {certs}/server.key;",
              f"ssl_client_certificate {certs}/root.pem; ssl_verify_client on;",
              f"ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {CIPHER};",
              f"{answer} }}", "}", ""]
    return "\n".join(lines)


# ---- HAProxy


def haproxy(hop: Hop, folder: Path, certs: Path) -> str:
    lines = [
        "global", "  nbthread 1", "  maxconn 8192", f"  ssl-default-bind-ciphersuites {CIPHER}",
        f"  ssl-default-server-ciphersuites {CIPHER}", "  ssl-default-bind-options ssl-min-ver TLSv1.3",
        "  ssl-default-server-options ssl-min-ver TLSv1.3", "defaults", "  mode http", "  timeout client 600s",
        "  timeout server 600s", "  timeout connect 5s", "  timeout http-keep-alive 600s", "  http-reuse always",
        "frontend in",
    ]
    bind = f"  bind 127.0.0.1:{hop.listen}"
    if hop.tls_in:
        bind += f" ssl crt {certs}/server-both.pem ca-file {certs}/root.pem verify required"
        bind += f" alpn {'h2,http/1.1' if hop.h2_in else 'http/1.1'}"
    elif hop.h2_in:
        bind += " proto h2"
    lines.append(bind)
    if hop.services:
        table = folder / "hosts.map"
        table.write_text("".join(f"{service_host(i)} service_{i}\n" for i in range(hop.services)))
        lines.append(f"  use_backend %[req.hdr(host),field(1,:),lower,map_str({table},service_0)]")
        for i in range(hop.services):
            lines.append(f"backend service_{i}")
            lines.append("  balance leastconn")
            for e in range(1 if i == 0 else hop.endpoints):
                address = f"127.0.0.1:{hop.target}" if i == 0 else f"{endpoint_address(i, e)}:8080"
                lines.append(f"  server s{e} {address}")
    else:
        server = f"  server s 127.0.0.1:{hop.target}"
        if hop.tls_out:
            server += f" ssl crt {certs}/client-both.pem ca-file {certs}/root.pem verify required"
            server += f" sni str({SERVER_NAME}) verifyhost {SERVER_NAME} alpn {'h2' if hop.h2_out else 'http/1.1'}"
        elif hop.h2_out:
            server += " proto h2"
        lines += ["  default_backend target", "backend target", server]
    return "\n".join(lines) + "\n"


# ---- Envoy and weft-proxy: the same bootstrap


def _address(address: str, port: int) -> dict:
    return {"socket_address": {"address": address, "port_value": port}}


def _tls_params() -> dict:
    return {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}


def _certificate(certs: Path, who: str) -> list:
    return [{"certificate_chain": {"filename": f"{certs}/{who}.pem"}, "private_key": {"filename": f"{certs}/{who}.key"}}]


def _server_socket(hop: Hop, certs: Path) -> dict:
    alpn = ["istio-peer-exchange"] if hop.mesh else []
    alpn += ["h2", "http/1.1"] if hop.h2_in or hop.mesh else ["http/1.1"]
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": True,
            "common_tls_context": {
                "tls_params": _tls_params(),
                "tls_certificates": _certificate(certs, "server"),
                "validation_context": {"trusted_ca": {"filename": f"{certs}/root.pem"}},
                "alpn_protocols": alpn,
            },
        },
    }


def _client_socket(hop: Hop, certs: Path) -> dict:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": SERVER_NAME,
            "common_tls_context": {
                "tls_params": _tls_params(),
                "tls_certificates": _certificate(certs, "client"),
                "validation_context": {
                    "trusted_ca": {"filename": f"{certs}/root.pem"},
                    "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": SERVER_ID}}],
                },
                "alpn_protocols": ["h2"] if hop.h2_out else ["http/1.1"],
            },
        },
    }


def _cluster(hop: Hop, certs: Path, name: str, addresses: list) -> dict:
    explicit = {"http2_protocol_options": {}} if hop.h2_out else {"http_protocol_options": {}}
    cluster = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_connections": 8192, "max_pending_requests": 8192,
                                             "max_requests": 8192}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": _address(ip, port)}} for ip, port in addresses]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": explicit,
            }
        },
    }
    if hop.tls_out and hop.mesh:
        # As a control plane of Istio's says it: the endpoint tells whether its side is a sidecar.
        cluster["transport_socket_matches"] = [
            {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transport_socket": _client_socket(hop, certs)}]
        for endpoint in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]:
            endpoint["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
    elif hop.tls_out:
        cluster["transport_socket"] = _client_socket(hop, certs)
    return cluster


def envoy(hop: Hop, folder: Path, certs: Path) -> str:
    hosts = range(hop.services) if hop.services else range(0)
    virtual_hosts = [{"name": service_host(i), "domains": [service_host(i), service_host(i) + ":*"],
                      "routes": [{"match": {"prefix": "/"}, "route": {"cluster": f"service-{i}"}}]} for i in hosts]
    clusters = [_cluster(hop, certs, f"service-{i}",
                         [("127.0.0.1", hop.target)] if i == 0 else
                         [(endpoint_address(i, e), 8080) for e in range(hop.endpoints)]) for i in hosts]
    if not hop.services:
        virtual_hosts = [{"name": "all", "domains": ["*"],
                          "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "target"}}]}]
        clusters = [_cluster(hop, certs, "target", [("127.0.0.1", hop.target)])]
    chain = {
        "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
                         "HttpConnectionManager",
                "stat_prefix": "in",
                "codec_type": "AUTO",
                "route_config": {"name": "routes", "virtual_hosts": virtual_hosts},
                "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
            },
        }],
    }
    if hop.tls_in:
        chain["transport_socket"] = _server_socket(hop, certs)
    listener = {"name": "in", "address": _address("127.0.0.1", hop.listen), "filter_chains": [chain]}
    return json.dumps({"node": {"id": "bench", "cluster": "bench"},
                       "static_resources": {"listeners": [listener], "clusters": clusters}}, indent=1) + "\n"


WRITERS = {"nginx": nginx, "haproxy": haproxy, "envoy": envoy, "weft": envoy}
