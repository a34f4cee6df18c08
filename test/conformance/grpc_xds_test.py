"""gRPC client libraries that take their configuration from weftd over ADS and need no proxy: gRPC's C core (by way of
Python) and gRPC for Go, whose xDS clients were written against other control planes."""

import json
import os
import subprocess
import sys
import time
import unittest
from collections import Counter
from pathlib import Path

from harness import Stage, await_that, free_port, parse, run_cases

ARGUMENTS = parse(__doc__, "--weftd", "--demo", "--fetch-grpcio", "--fetch-interop")
HOST = "default.svc.cluster.local"


def fetched(script: str) -> str:
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout.strip()


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def echo_request(text: str, delay_ms: int = 0) -> bytes:
    """weft.demo.EchoRequest (demo/echo.proto)."""
    return b"\x0a" + varint(len(text)) + text.encode() + (b"\x18" + varint(delay_ms) if delay_ms else b"")


def echo_reply(message: bytes) -> dict:
    """weft.demo.EchoReply: four texts, each shorter than 128 bytes."""
    names, fields, at = {1: "text", 2: "service", 3: "version", 4: "pod"}, {}, 0
    while at < len(message):
        tag, length = message[at], message[at + 1]
        fields[names[tag >> 3]] = message[at + 2:at + 2 + length].decode()
        at += 2 + length
    return fields


def service(name: str, app: str) -> dict:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
            "spec": {"selector": {"app": app}, "ports": [{"name": "grpc", "port": 7070, "targetPort": "grpc"}]}}


def destination_rule(name: str, **policy) -> dict:
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"host": name, **({"trafficPolicy": policy} if policy else {}),
                     "subsets": [{"name": v, "labels": {"version": v}} for v in ("v1", "v2")]}}


def virtual_service(name: str, *http: dict) -> dict:
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": name, "namespace": "default"}, "spec": {"hosts": [name], "http": list(http)}}


def to(name: str, **weights: int) -> dict:
    return {"route": [{"destination": {"host": name, "subset": subset}, "weight": weight}
                      for subset, weight in weights.items()]}


class Weftd:
    """A control plane with a directory of objects and a list of pods, both changed while it runs."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.objects, self.state = stage.folder / "objects", stage.folder / "state"
        self.objects.mkdir()
        self.state.mkdir()
        self.pods: dict[str, dict] = {}
        self.write_pods()
        ports = stage.folder / "ports.json"
        stage.program([ARGUMENTS.weftd, str(self.objects), "--state-dir", str(self.state), "--xds-address", "127.0.0.1:0",
                       "--secure-address", "none", "--admin-address", "127.0.0.1:0", "--ports-file", str(ports)])
        await_that("weftd listens", ports.exists)
        self.address = json.loads(ports.read_text())["xds"]

    def put(self, *objects: dict) -> None:
        for one in objects:
            path = self.objects / f"{one['kind']}-{one['metadata']['name']}.yaml"
            path.with_suffix(".new").write_text(json.dumps(one))  # JSON is YAML
            path.with_suffix(".new").rename(path)

    def pod(self, name: str, app: str, port: int, version: str = "v1", account: str = "server") -> None:
        labels = {"app": app, "version": version}
        self.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": labels},
                  "spec": {"serviceAccountName": account,
                           "containers": [{"name": "app", "image": "weft/demo",
                                           "ports": [{"name": "grpc", "containerPort": port}]}]}})
        self.pods[name] = {"namespace": "default", "name": name, "ip": "127.0.0.1", "labels": labels, "ready": True,
                           "serviceAccount": account, "ports": [{"name": "grpc", "port": port}]}
        self.write_pods()

    def remove_pod(self, name: str) -> None:
        (self.objects / f"Pod-{name}.yaml").unlink()
        del self.pods[name]
        self.write_pods()

    def write_pods(self) -> None:
        new = self.state / "workloads.new"
        new.write_text(json.dumps({"version": 1, "pods": list(self.pods.values())}))
        new.rename(self.state / "workloads.json")

    def bootstrap(self, certs: Path) -> str:
        """As Istio's agent writes it for an application that is its own proxy (GENERATOR)."""
        return json.dumps({
            "xds_servers": [{"server_uri": self.address, "channel_creds": [{"type": "insecure"}],
                             "server_features": ["xds_v3"]}],
            "node": {"id": "sidecar~127.0.0.1~client.default~default.svc.cluster.local",
                     "metadata": {"GENERATOR": "grpc", "NAMESPACE": "default"}},
            "certificate_providers": {"default": {"plugin_name": "file_watcher", "config": {
                "certificate_file": f"{certs}/client.pem", "private_key_file": f"{certs}/client.key",
                "ca_certificate_file": f"{certs}/root.pem", "refresh_interval": "600s"}}}})


class GrpcClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
        sys.path.insert(0, fetched(ARGUMENTS.fetch_grpcio))
        cls.stage = Stage(ARGUMENTS.proxy)
        cls.addClassCleanup(cls.stage.__exit__)
        cls.weftd = Weftd(cls.stage)
        # Read once by a process.
        os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = cls.weftd.bootstrap(cls.stage.certs)
        import grpc
        cls.grpc = grpc

    def server(self, app: str, version: str) -> tuple[int, object]:
        port = free_port()
        program = self.stage.program([ARGUMENTS.demo, "serve", "--http", str(port), "--name", app, "--version", version], port)
        return port, program

    def call(self, target: str, credentials=None, **options):
        """A function that makes one call and gives what answered, or the status that it ended with."""
        channel = self.grpc.secure_channel(target, credentials) if credentials else self.grpc.insecure_channel(target)
        self.addCleanup(channel.close)
        unary = channel.unary_unary("/weft.demo.Echo/Unary")

        def one(delay_ms=0, metadata=(), timeout=15):
            try:
                return echo_reply(unary(echo_request("hello", delay_ms), timeout=timeout, metadata=metadata,
                                        wait_for_ready=options.get("wait", True)))
            except self.grpc.RpcError as error:
                return {"status": error.code().name, "details": error.details()}

        return one

    def versions(self, call, count: int, **options) -> Counter:
        return Counter(answer.get("version") or str(answer) for answer in (call(**options) for _ in range(count)))

    def test_reaches_the_endpoint_under_each_name_of_the_service(self):
        port, _ = self.server("plain", "v1")
        self.weftd.put(service("plain", "plain"))
        self.weftd.pod("plain-0", "plain", port)
        for name in (f"plain.{HOST}", "plain.default.svc", "plain.default", "plain"):
            with self.subTest(name=name):
                answer = self.call(f"xds:///{name}:7070")()
                self.assertEqual((answer.get("text"), answer.get("service")), ("hello", "plain"), answer)

    def test_splits_by_weight_matches_headers_and_follows_both(self):
        self.weftd.put(service("split", "split"), destination_rule("split"),
                       virtual_service("split", {"match": [{"headers": {"x-user": {"exact": "tester"}}}], **to("split", v2=100)},
                                       to("split", v1=80, v2=20)))
        for version in ("v1", "v2"):
            self.weftd.pod(f"split-{version}", "split", self.server("split", version)[0], version)
        call = self.call(f"xds:///split.{HOST}:7070")
        seen = self.versions(call, 1000)
        self.assertEqual(set(seen), {"v1", "v2"}, seen)
        self.assertTrue(140 <= seen["v2"] <= 260, seen)  # 200, and more than four standard deviations
        self.assertEqual(self.versions(call, 50, metadata=(("x-user", "tester"),)), {"v2": 50})

        self.weftd.put(virtual_service("split", to("split", v1=0, v2=100)))
        await_that("all calls go to v2", lambda: self.versions(call, 50) == {"v2": 50})
        self.weftd.put(virtual_service("split", to("split", v1=100, v2=0)))
        await_that("all calls go to v1", lambda: self.versions(call, 50) == {"v1": 50})

    def test_follows_its_endpoints_without_a_failed_call(self):
        self.weftd.put(service("moving", "moving"))
        port, first = self.server("moving", "old")
        self.weftd.pod("moving-0", "moving", port)
        call = self.call(f"xds:///moving.{HOST}:7070")
        self.assertEqual(self.versions(call, 10), {"old": 10})
        self.weftd.pod("moving-1", "moving", self.server("moving", "new")[0])
        seen = Counter()

        def both() -> bool:
            now = self.versions(call, 10)
            seen.update(now)
            return now["old"] > 0 and now["new"] > 0

        def only_new() -> bool:
            now = self.versions(call, 10)
            seen.update(now)
            return now["new"] == 10

        await_that("both are called in turn", both)
        self.weftd.remove_pod("moving-0")
        await_that("the old one is not called any more", only_new)
        first.stop()
        seen.update(self.versions(call, 50))
        self.assertEqual(set(seen), {"old", "new"}, seen)

    def test_a_timeout_ends_a_call_and_a_fault_is_injected(self):
        self.weftd.put(service("slow", "slow"), destination_rule("slow"),
                       virtual_service("slow", {"match": [{"headers": {"x-fault": {"exact": "yes"}}}], **to("slow", v1=100),
                                                "fault": {"abort": {"percentage": {"value": 100}, "grpcStatus": "ABORTED"}}},
                                       {"timeout": "3s", **to("slow", v1=100)}))  # of which the C core takes off one
        self.weftd.pod("slow-0", "slow", self.server("slow", "v1")[0])
        call = self.call(f"xds:///slow.{HOST}:7070")
        await_that("it answers in time", lambda: call().get("version") == "v1")
        self.assertEqual(call(delay_ms=60_000).get("status"), "DEADLINE_EXCEEDED")
        self.assertEqual(call(metadata=(("x-fault", "yes"),)).get("status"), "ABORTED")

    def tls_server(self) -> int:
        """A server of the mesh without a proxy: it knows itself and demands a client's certificate."""
        certs = self.stage.certs
        grpc = self.grpc
        from concurrent.futures import ThreadPoolExecutor

        seen = self.peers = []

        class Echo(grpc.GenericRpcHandler):
            def service(self, details):
                def unary(request, context):
                    seen.append(context.auth_context().get("x509_subject_alternative_name", []))
                    return b"\x1a\x03tls"
                return grpc.unary_unary_rpc_method_handler(unary)

        server = grpc.server(ThreadPoolExecutor(4), handlers=(Echo(),))
        credentials = grpc.ssl_server_credentials([((certs / "server.key").read_bytes(), (certs / "server.pem").read_bytes())],
                                                  (certs / "root.pem").read_bytes(), require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        self.addCleanup(lambda: server.stop(0).wait())
        return port

    def test_mesh_tls_where_a_rule_asks_for_it_and_only_with_the_right_peer(self):
        port = self.tls_server()
        credentials = self.grpc.xds_channel_credentials(self.grpc.experimental.insecure_channel_credentials())
        for name, account, expected in (("sealed", "server", "tls"), ("feigned", "another", "UNAVAILABLE")):
            self.weftd.put(service(name, name), destination_rule(name, tls={"mode": "ISTIO_MUTUAL"}))
            self.weftd.pod(f"{name}-0", name, port, account=account)
            call = self.call(f"xds:///{name}.{HOST}:7070", credentials, wait=False)

            def outcome() -> str:
                answer = call()
                return answer.get("version") or answer["status"]

            with self.subTest(name=name):
                if expected == "tls":
                    await_that("it answers over TLS", lambda: outcome() == expected)
                    self.assertIn(b"spiffe://cluster.local/ns/default/sa/client", self.peers[-1])
                else:
                    self.assertEqual({outcome() for _ in range(5)}, {expected})

    def test_grpc_for_go_passes_its_cases(self):
        programs = Path(fetched(ARGUMENTS.fetch_interop))
        port = free_port()
        self.stage.program([str(programs / "server"), f"--port={port}", "--use_tls=false"], port)
        self.weftd.put(service("interop", "interop"))
        self.weftd.pod("interop-0", "interop", port)
        for case in ("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong",
                     "status_code_and_message", "custom_metadata"):
            with self.subTest(case=case):
                done = subprocess.run([str(programs / "client"), f"--server_host=xds:///interop.{HOST}:7070",
                                       "--server_port=0", "--use_tls=false", f"--test_case={case}"],
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])


run_cases()
