"""A real Prometheus scrapes a weft-proxy and a weftd under known load, and answers the questions of every Istio
dashboard; promtool reads both texts."""

import json
import re
import shutil
import subprocess
import unittest
import urllib.parse
import urllib.request

from harness import Stage, await_that, free_port, parse, run_cases, socket_address

ARGUMENTS = parse(__doc__, "--weftd", "--demo")
WEB = "web.default.svc.cluster.local"
# Names that are Istio's and Envoy's, against Prometheus's advice on names: dashboards and alerts ask for these.
KNOWN_NAMES = re.compile(r"(citadel_server_\w+_count|pilot_\w+|istio_request_duration_milliseconds|envoy_\w+) ")

OBJECTS = """
apiVersion: v1
kind: Pod
metadata: {{name: gateway, namespace: default, labels: {{istio: ingressgateway, app: gateway}}}}
spec: {{containers: [{{name: weft-proxy, image: auto}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: default, labels: {{app: web, version: v1}}}}
spec: {{containers: [{{name: web, image: weft/demo}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: default}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: {web}}}]}}
---
# The gateway has no identity here, and is to wait for none.
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: default}}
spec: {{host: web, trafficPolicy: {{tls: {{mode: DISABLE}}}}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gateway, namespace: default}}
spec: {{selector: {{istio: ingressgateway}}, servers: [{{port: {{number: {gateway}, name: http, protocol: HTTP}}, hosts: ["*"]}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: default}}
spec: {{hosts: ["*"], gateways: [gateway], http: [{{route: [{{destination: {{host: web}}}}]}}]}}
"""


def text_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


class Mesh:
    """weftd, one gateway and one application, without a privilege: a gateway needs no interception."""

    def __init__(self, stage: Stage) -> None:
        self.web, self.port, self.admin = free_port(), free_port(), free_port()
        objects, state, ports = stage.folder / "objects", stage.folder / "state", stage.folder / "ports.json"
        objects.mkdir()
        state.mkdir()
        (objects / "mesh.yaml").write_text(OBJECTS.format(web=self.web, gateway=self.port))
        pods = [{"namespace": "default", "name": name, "ip": "127.0.0.1", "ready": True, "labels": labels, "owner": name,
                 "proxy": proxy} for name, labels, proxy in
                (("gateway", {"istio": "ingressgateway", "app": "gateway"}, "router"),
                 ("web", {"app": "web", "version": "v1"}, "none"))]
        (state / "workloads.json").write_text(json.dumps({"version": 1, "pods": pods}))
        stage.program([ARGUMENTS.demo, "serve", "--http", str(self.web), "--name", "web", "--version", "v1"], self.web)
        stage.program([ARGUMENTS.weftd, str(objects), "--state-dir", str(state), "--xds-address", "127.0.0.1:0",
                       "--secure-address", "none", "--admin-address", "127.0.0.1:0", "--ports-file", str(ports)])
        await_that("weftd listens", ports.exists)
        self.weftd = json.loads(ports.read_text())
        config = stage.folder / "gateway.json"
        config.write_text(json.dumps(self.bootstrap()))
        stage.program([ARGUMENTS.proxy, "-c", str(config), "--concurrency", "2"], self.port)

    def bootstrap(self) -> dict:
        ads = {"ads": {}, "resource_api_version": "V3"}
        options = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                   "explicit_http_config": {"http2_protocol_options": {}}}
        xds = socket_address(int(self.weftd["xds"].rpartition(":")[2]))
        return {
            "node": {"id": "router~127.0.0.1~gateway.default~default.svc.cluster.local", "cluster": "gateway.default",
                     "metadata": {"NAME": "gateway", "NAMESPACE": "default", "WORKLOAD_NAME": "gateway",
                                  "ISTIO_VERSION": "1", "LABELS": {"app": "gateway"}}},
            "admin": {"address": socket_address(self.admin)},
            "dynamic_resources": {"lds_config": ads, "cds_config": ads, "ads_config": {
                "api_type": "DELTA_GRPC", "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]}},
            "static_resources": {"clusters": [{
                "name": "xds-grpc", "type": "STATIC", "connect_timeout": "5s",
                "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
                "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": xds}}]}]}}]},
        }

    def load(self, path: str, count: int) -> None:
        done = subprocess.run([ARGUMENTS.demo, "load", "--json", "--connections", "8", "--count", str(count), "--url",
                               f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["total"] == count, done.stdout


class Prometheus:
    def __init__(self, stage: Stage, **targets: int) -> None:
        port = free_port()
        jobs = [{"job_name": job, "metrics_path": "/stats/prometheus" if job == "proxy" else "/metrics",
                 "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]} for job, target in targets.items()]
        config = stage.folder / "prometheus.yml"
        config.write_text(json.dumps({"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}, "scrape_configs": jobs}))
        self.url = f"http://127.0.0.1:{port}"
        stage.program(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={stage.folder}/tsdb",
                       f"--web.listen-address=127.0.0.1:{port}"], port)

    def ask(self, query: str) -> dict:
        """Labels (as a tuple of their values, by name) to the value of each series of the answer."""
        answer = json.loads(text_of(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"))
        return {tuple(value for _, value in sorted(series["metric"].items())): float(series["value"][1])
                for series in answer["data"]["result"]}

    def ready(self) -> bool:
        try:
            return bool(text_of(f"{self.url}/-/ready"))
        except OSError:
            return False


class Scraped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("prometheus", "promtool"):
            if shutil.which(program) is None:
                raise AssertionError(f"{program} is not here; tools/setup.sh installs it")
        cls.stage = Stage(ARGUMENTS.proxy)
        cls.addClassCleanup(cls.stage.__exit__)
        cls.mesh = Mesh(cls.stage)

    def test_a_dashboards_queries_are_answered_rightly(self):
        mesh = self.mesh
        prometheus = Prometheus(self.stage, proxy=mesh.admin, weftd=int(mesh.weftd["admin"].rpartition(":")[2]))
        await_that("Prometheus is ready", prometheus.ready)
        by_code = f'sum by (response_code) (istio_requests_total{{reporter="source",destination_service="{WEB}"}})'
        # A counter is not born at zero: what a rate is to see comes after the first scrape.
        mesh.load("/delay/30", 10)
        mesh.load("/status/418", 10)
        await_that("both are scraped", lambda: prometheus.ask(by_code) == {("200",): 10, ("418",): 10})
        mesh.load("/delay/30", 400)
        mesh.load("/status/418", 100)
        await_that("every request is counted once", lambda: prometheus.ask(by_code) == {("200",): 410, ("418",): 110})

        # Over five minutes, all of it: 1.67 and 0.33 a second, with what extrapolation adds at the ends.
        rates = prometheus.ask(f'sum by (response_code) (rate(istio_requests_total{{destination_service="{WEB}"}}[5m]))')
        for code, count in (("200", 400), ("418", 100)):
            self.assertGreater(rates[code,], 0.97 * count / 300, rates)
            self.assertLess(rates[code,], 1.5 * count / 300, rates)
        [share] = prometheus.ask('sum(increase(istio_requests_total{response_code="418"}[5m])) / '
                                 'sum(increase(istio_requests_total[5m]))').values()
        self.assertAlmostEqual(share, 0.2, delta=0.02)
        [median] = prometheus.ask('histogram_quantile(0.5, sum by (le) (rate(istio_request_duration_milliseconds_bucket'
                                  '{response_code="200"}[5m])))').values()
        self.assertGreaterEqual(median, 25)  # the bucket that 30 ms is in begins there
        [count] = prometheus.ask('sum(istio_request_duration_milliseconds_count)').values()
        self.assertEqual(count, 520)
        who = prometheus.ask('sum by (source_workload, destination_workload, destination_version, request_protocol) '
                             '(istio_requests_total)')
        self.assertEqual(who, {("v1", "web", "http", "gateway"): 520})
        self.assertEqual(prometheus.ask('sum(up)'), {(): 2})
        self.assertEqual(prometheus.ask('sum(pilot_xds)'), {(): 1})
        self.assertEqual(prometheus.ask('sum(pilot_total_xds_rejects) or vector(0)'), {(): 0})

    def test_promtool_objects_to_nothing_but_names_of_others(self):
        self.mesh.load("/", 5)
        for url in (f"http://127.0.0.1:{self.mesh.admin}/stats/prometheus", f"http://{self.mesh.weftd['admin']}/metrics"):
            with self.subTest(url=url):
                done = subprocess.run(["promtool", "check", "metrics"], input=text_of(url), capture_output=True, text=True)
                said = (done.stdout + done.stderr).splitlines()
                self.assertEqual([line for line in said if not KNOWN_NAMES.match(line)], [])
                self.assertIn(done.returncode, (0, 3), said)  # 3: read, with advice


run_cases()
