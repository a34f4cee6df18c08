"""From a saved file to an obeying proxy: weftd and one weft-proxy, 1,000 services with 10 endpoints each.

A gateway serves all of them, each by a VirtualService of its own. One of those is rewritten by rename, and requests
go through the proxy, one after the other on one connection, until the answer shows the change. What is measured is
the time from the rename to the first answer that obeys: watching, reading, translating, delivering and taking over
are all in it.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from pathlib import Path

from measure import BenchError
from peers import endpoint_address, service_host

FIELD = "x-version"
PATIENCE_S = 10.0
POLL_S = 0.001  # between requests, so that asking does not slow down what is asked about


def gateway_objects(port: int) -> str:
    return f"""apiVersion: v1
kind: Namespace
metadata: {{name: bench}}
---
apiVersion: v1
kind: Pod
metadata: {{name: gate, namespace: bench, labels: {{istio: ingressgateway}}}}
spec:
  containers: [{{name: proxy, image: weft/gateway}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gate, namespace: bench}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: {port}, name: http, protocol: HTTP}}
    hosts: ["*"]
"""


def service_entry(index: int, addresses: list[tuple[str, int]]) -> str:
    endpoints = "\n".join(f"  - {{address: {ip}, ports: {{http: {port}}}}}" for ip, port in addresses)
    return f"""---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: service-{index}, namespace: bench}}
spec:
  hosts: [{service_host(index)}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints:
{endpoints}
"""


def virtual_service(index: int, version: int) -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: service-{index}, namespace: bench}}
spec:
  hosts: [{service_host(index)}]
  gateways: [gate]
  http:
  - headers: {{response: {{set: {{{FIELD}: "{version}"}}}}}}
    route: [{{destination: {{host: {service_host(index)}, port: {{number: 80}}}}}}]
"""


def bootstrap(xds_port: int) -> str:
    http2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": xds_port}}
    ads = {"ads": {}, "resource_api_version": "V3"}
    return json.dumps({
        "node": {"id": "router~127.0.0.1~gate.bench~bench.svc.cluster.local", "cluster": "gate.bench",
                 "metadata": {"NAME": "gate", "NAMESPACE": "bench", "ISTIO_VERSION": "1.24.0",
                              "LABELS": {"istio": "ingressgateway"}}},
        "dynamic_resources": {
            "lds_config": ads, "cds_config": ads,
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3",
                           "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}},
        "static_resources": {"clusters": [{
            "name": "xds", "type": "STATIC", "connect_timeout": "5s", "typed_extension_protocol_options": http2,
            "load_assignment": {"cluster_name": "xds", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": address}}]}]}}]},
    }, indent=1) + "\n"


def save(path: Path, text: str) -> None:
    """As editors and `kubectl`-like tools do it: all of it, or none."""
    beside = path.with_name("." + path.name + ".new")
    beside.write_text(text)
    os.rename(beside, path)


class Client:
    """Requests on one connection; a new one where the proxy closed it."""

    def __init__(self, port: int, host: str) -> None:
        self.port, self.host = port, host
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

    def version(self) -> tuple[int, str | None]:
        try:
            self.connection.request("GET", "/", headers={"Host": self.host})
            answer = self.connection.getresponse()
            answer.read()
            return answer.status, answer.getheader(FIELD)
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0, None


def measure_propagation(bench, services: int, endpoints: int, changes: int) -> dict:
    folder = bench._folder("propagation")
    objects = folder / "objects"
    objects.mkdir()
    port = bench.ports.pick()
    (objects / "gateway.yaml").write_text(gateway_objects(port))
    (objects / "services.yaml").write_text("".join(
        service_entry(i, [("127.0.0.1", bench.plain)] if i == 0 else
                      [(endpoint_address(i, e), 8080) for e in range(endpoints)]) for i in range(services)))
    (objects / "routes.yaml").write_text("".join(virtual_service(i, 0) for i in range(1, services)))
    changed = objects / "changed.yaml"
    save(changed, virtual_service(0, 0))

    ports = folder / "ports.json"
    weftd = bench.weftd([str(objects), "--xds-address", "127.0.0.1:0", "--secure-address", "none",
                               "--admin-address", "none", "--ports-file", str(ports), "--log-level", "error"],
                              folder)
    try:
        await_true(ports.exists, "weftd did not listen", weftd)
        xds = int(json.loads(ports.read_text())["xds"].rsplit(":", 1)[1])
        (folder / "conf.json").write_text(bootstrap(xds))
        proxy = bench.weft_of(folder)
        try:
            client = Client(port, service_host(0))
            await_true(lambda: client.version() == (200, "0"), "the proxy did not get its routes", weftd, proxy)
            took, wrong = [], 0
            spent = [weftd.cpu_ns(), proxy.cpu_ns()]
            for version in range(1, changes + 1):
                began = time.monotonic()
                save(changed, virtual_service(0, version))
                while True:
                    status, seen = client.version()
                    if status == 200 and seen == str(version):
                        break
                    wrong += status != 200
                    if time.monotonic() - began > PATIENCE_S:
                        raise BenchError(f"change {version} was not obeyed within {PATIENCE_S:.0f} s")
                    time.sleep(POLL_S)
                took.append((time.monotonic() - began) * 1e3)
                time.sleep(0.2)  # a change in a quiet mesh, not one of a burst
            spent = [(after - before) / 1e6 / changes for before, after in zip(spent, [weftd.cpu_ns(), proxy.cpu_ns()])]
            return {"weftd_cpu_ms": spent[0], "proxy_cpu_ms": spent[1], "services": services, "endpoints": endpoints, "changes": changes, "ms": sorted(took),
                    "wrong_answers": wrong, "weftd_kb": weftd.memory_kb(), "proxy_kb": proxy.memory_kb()}
        finally:
            bench.stop([proxy])
    finally:
        bench.stop([weftd])


def await_true(done, what: str, *processes) -> None:
    end = time.monotonic() + 60
    while not done():
        for process in processes:
            process.check()
        if time.monotonic() > end:
            raise BenchError(f"{what} within a minute")
        time.sleep(0.05)
