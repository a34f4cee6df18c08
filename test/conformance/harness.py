"""What the conformance tests share: ports, processes, certificates, bootstraps, an HTTP/1.1 backend that keeps count.

    with Stage(arguments) as stage:
        backend = stage.backend()
        proxy = stage.proxy(Route(target=backend.port))
        ... talk to proxy.port ...

A Stage ends everything it started, by process id, however the test ends. Nothing here sleeps for a fixed time to let
something happen: what is waited for is asked for again until it is there, or until a deadline.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 60.0  # seconds for anything to come up; machines under test are busy


def await_that(what: str, holds, seconds: float = PATIENCE):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = holds()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


# ---- processes


_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def die_with_us() -> None:
    """Run in a child: a test that is killed leaves no program behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    def __init__(self, command: list[str], log: Path) -> None:
        self.command = command
        self.log = log
        with log.open("wb") as sink:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                          preexec_fn=die_with_us)

    def await_port(self, port: int) -> None:
        def up() -> bool:
            if self.child.poll() is not None:
                raise AssertionError(f"{' '.join(self.command)} ended with status {self.child.returncode}:\n"
                                     f"{self.log.read_text(errors='replace')[-4000:]}")
            return listens(port)

        await_that(f"{self.command[0]} listens on {port}", up)

    def resident_kb(self) -> int:
        for line in Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def stop(self) -> int:
        """Asks it to end, then makes it. Returns its exit status."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(10)
        return self.child.returncode


# ---- a backend that keeps count


@dataclass
class Seen:
    """One request as the backend got it."""

    line: str
    headers: list[tuple[str, str]]
    body: int = 0
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name]
        return ", ".join(found) if found else None


class Backend:
    """An HTTP/1.1 server that reads strictly and remembers every request.

    Paths say what is wanted: /echo (the body comes back, chunked), /size/N (N bytes, with a length), /chunked/N,
    /trailers (an answer with trailers), /early (an early hint first), /upgrade (WebSocket, echoing),
    /close (no length: the body ends with the connection); anything else: 200 and a short body.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.broken: list[bytes] = []  # bytes that were no request: what must not happen behind a proxy
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as reader:
            while self._serve_one(connection, reader):
                pass

    def _fields(self, reader) -> list[tuple[str, str]]:
        fields = []
        while True:
            line = reader.readline(65537)
            if line in (b"\r\n", b""):
                return fields
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name != name.strip() or not line.endswith(b"\r\n"):
                self.broken.append(line)
            fields.append((name, value.strip()))

    def _chunks(self, reader):
        while True:
            line = reader.readline(1024)
            if not line:
                return
            size = int(line.split(b";")[0], 16)
            if size == 0:
                return
            left = size
            while left:
                part = reader.read1(min(left, 65536))
                if not part:
                    return
                left -= len(part)
                yield part
            if reader.read(2) != b"\r\n":
                self.broken.append(b"chunk without CRLF")
                return

    def _serve_one(self, connection: socket.socket, reader) -> bool:
        line = reader.readline(65537)
        if not line:
            return False
        words = line.decode("latin-1").rstrip("\r\n").split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0") or not line.endswith(b"\r\n"):
            self.broken.append(line)
            return False
        request = Seen(line.decode("latin-1").rstrip(), self._fields(reader))
        self.seen.append(request)
        method, path, _ = words
        if request.header("expect") == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.header("upgrade") and path == "/upgrade":
            return self._upgrade(connection, reader, request)

        lengths = {v for k, v in request.headers if k.lower() == "content-length"}
        chunked = request.header("transfer-encoding") is not None
        if len(lengths) > 1 or (chunked and lengths):
            self.broken.append(b"ambiguous length: " + line)
            return False
        echo = path == "/echo"
        if echo:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Body\r\n\r\n")
        for part in self._body(reader, lengths, chunked):
            request.body += len(part)
            if echo:
                connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        if chunked:
            request.trailers = self._fields(reader)
        if echo:
            connection.sendall(b"0\r\nX-Body: %d\r\n\r\n" % request.body)
            return True
        return self._answer(connection, method, path)

    def _body(self, reader, lengths: set[str], chunked: bool):
        if chunked:
            yield from self._chunks(reader)
            return
        left = int(next(iter(lengths))) if lengths else 0
        while left:
            part = reader.read1(min(left, 65536))
            if not part:
                return
            left -= len(part)
            yield part

    def _answer(self, connection: socket.socket, method: str, path: str) -> bool:
        kind, _, number = path.strip("/").partition("/")
        if kind in ("size", "chunked"):
            return self._many(connection, method, int(number), kind == "chunked")
        if kind == "trailers":
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                               b"5\r\nhello\r\n0\r\nX-Sum: 532\r\n\r\n")
            return True
        if kind == "close":
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
            return False
        if kind == "early":
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        body = b"" if method == "HEAD" else b"ok"
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Case-Kept: yes\r\nContent-Length: 2\r\n\r\n" + body)
        return True

    def _many(self, connection: socket.socket, method: str, size: int, chunked: bool) -> bool:
        head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        if method == "HEAD":
            return True
        block = b"x" * 65536
        left = size
        while left:
            part = block[: min(left, len(block))]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            left -= len(part)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        return True

    def _upgrade(self, connection: socket.socket, reader, request: Seen) -> bool:
        import base64
        import hashlib

        key = request.header("sec-websocket-key") or ""
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while part := reader.read1(65536):
            connection.sendall(part)
        return False


# ---- bootstraps


@dataclass
class Route:
    """What one weft-proxy is to do: listen, and send all requests to 127.0.0.1:target."""

    target: int
    tls_in: bool = False  # plain TLS, no client certificate
    mesh_in: bool = False  # mutual TLS from another sidecar
    mesh_out: bool = False  # mutual TLS to another sidecar
    http2_out: bool = False
    manager: dict = field(default_factory=dict)  # more fields of the HTTP connection manager


def socket_address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def tls_context(kind: str, certs: Path, who: str, roots: bool, alpn: list[str], **more) -> dict:
    common = {
        "tls_certificates": [{"certificate_chain": {"filename": f"{certs}/{who}.pem"},
                              "private_key": {"filename": f"{certs}/{who}.key"}}],
        "alpn_protocols": alpn,
    }
    if roots:
        common["validation_context"] = {"trusted_ca": {"filename": f"{certs}/root.pem"}}
        common["validation_context"] |= more.pop("validation", {})
    return {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}",
        "common_tls_context": common, **more}}


def bootstrap(route: Route, port: int, admin: int, certs: Path | None) -> dict:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "codec_type": "AUTO",
        "route_config": {"name": "routes", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "target", "timeout": "0s"}}]}]},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        **route.manager,
    }
    chain: dict = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if route.tls_in:
        chain["transport_socket"] = tls_context("DownstreamTlsContext", certs, "server", False, ["h2", "http/1.1"])
    if route.mesh_in:
        chain["transport_socket"] = tls_context("DownstreamTlsContext", certs, "server", True,
                                                ["istio-peer-exchange", "h2", "http/1.1"], require_client_certificate=True)
    explicit = {"http2_protocol_options": {}} if route.http2_out else {"http_protocol_options": {}}
    endpoint: dict = {"endpoint": {"address": socket_address(route.target)}}
    cluster: dict = {
        "name": "target", "type": "STATIC", "connect_timeout": "10s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": explicit}},
        "load_assignment": {"cluster_name": "target", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if route.mesh_out:
        endpoint["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
        names = [{"san_type": "URI", "matcher": {"exact": "spiffe://cluster.local/ns/default/sa/server"}}]
        cluster["transport_socket_matches"] = [{
            "name": "tlsMode-istio", "match": {"tlsMode": "istio"},
            "transport_socket": tls_context("UpstreamTlsContext", certs, "client", True, ["h2"] if route.http2_out else ["http/1.1"],
                                            sni="server.test", validation={"match_typed_subject_alt_names": names})}]
    return {
        "node": {"id": "conformance", "cluster": "conformance"},
        "admin": {"address": socket_address(admin)},
        "static_resources": {
            "listeners": [{"name": "in", "address": socket_address(port), "filter_chains": [chain]}],
            "clusters": [cluster],
        },
    }


def make_certificates(folder: Path) -> Path:
    """A root and two leaves, ECDSA P-256: client and server, each with a SPIFFE name and a DNS name."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    folder.mkdir(parents=True, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", f"{folder}/root.key", "-out", f"{folder}/root.pem", "-days", "2",
            "-subj", "/O=cluster.local", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign")
    for who in ("client", "server"):
        extensions = folder / f"{who}.ext"
        extensions.write_text(f"subjectAltName=critical,URI:spiffe://cluster.local/ns/default/sa/{who},DNS:localhost\n"
                              "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                              "extendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", *curve, "-keyout", f"{folder}/{who}.key", "-out", f"{folder}/{who}.csr", "-subj", "/")
        openssl("x509", "-req", "-in", f"{folder}/{who}.csr", "-CA", f"{folder}/root.pem", "-CAkey",
                f"{folder}/root.key", "-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out",
                f"{folder}/{who}.pem")
    return folder


# ---- the stage


class Proxy(Program):
    port: int
    admin: int


class Stage:
    def __init__(self, proxy: str) -> None:
        self.proxy_binary = proxy
        self.folder = Path(tempfile.mkdtemp(prefix="weft-conformance-"))
        self.programs: list[Program] = []
        self.backends: list[Backend] = []
        self._certs: Path | None = None
        atexit.register(self.__exit__)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_) -> None:
        for program in reversed(self.programs):
            program.stop()
        for backend in self.backends:
            backend.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def certs(self) -> Path:
        if self._certs is None:
            self._certs = make_certificates(self.folder / "certs")
        return self._certs

    def backend(self) -> Backend:
        self.backends.append(Backend())
        return self.backends[-1]

    def program(self, command: list[str], port: int | None = None) -> Program:
        made = Program(command, self.folder / f"log-{len(self.programs)}")
        self.programs.append(made)
        if port is not None:
            made.await_port(port)
        return made

    def proxy(self, route: Route) -> Proxy:
        port, admin = free_port(), free_port()
        certs = self.certs if route.tls_in or route.mesh_in or route.mesh_out else None
        config = self.folder / f"bootstrap-{port}.json"
        config.write_text(json.dumps(bootstrap(route, port, admin, certs), indent=1))
        made = Proxy([self.proxy_binary, "-c", str(config), "--concurrency", "2"], self.folder / f"proxy-{port}.log")
        made.port, made.admin = port, admin
        self.programs.append(made)
        made.await_port(port)
        return made


def parse(description: str, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--proxy", default="build/bin/weft-proxy", help="weft-proxy under test")
    for flag in more:
        parser.add_argument(flag)
    arguments, rest = parser.parse_known_args()
    if not Path(arguments.proxy).exists():
        parser.error(f"{arguments.proxy} is not there; build it, or say --proxy PATH")
    sys.argv[1:] = rest
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ctest's time-out: let the stage clean up
    return arguments


def run_cases() -> None:
    unittest.main(verbosity=2)
