"""Clients that others wrote, through weft-proxy to a backend that keeps count: curl, Python's http.client, Node's
fetch, wrk, h2load, and a WebSocket by hand."""

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import unittest

from harness import Route, Stage, await_that, parse, run_cases

ARGUMENTS = parse(__doc__)
LARGE = 100 * 1024 * 1024
GROWTH_KB = 32 * 1024  # what a large body may cost the proxy, whatever its length


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage(ARGUMENTS.proxy)
        try:
            cls.backend = cls.stage.backend()
            cls.proxy = cls.stage.proxy(Route(target=cls.backend.port))
            cls.tls = cls.stage.proxy(Route(target=cls.backend.port, tls_in=True))
        except BaseException:
            cls.stage.__exit__()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stage.__exit__()

    def tearDown(self):
        self.assertIsNone(self.proxy.child.poll(), "weft-proxy died")
        self.assertEqual(self.backend.broken, [], "the backend got something that is no request")

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=60)
        self.addCleanup(connection.close)
        return connection

    def curl(self, *arguments: str) -> subprocess.CompletedProcess:
        done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "120", *arguments], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.proxy.port}{path}"

    # ---- Python's http.client

    def test_many_requests_share_one_connection(self):
        connection = self.connect()
        connection.connect()
        first = connection.sock
        for _ in range(50):
            connection.request("GET", "/")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b"ok"))
            self.assertIs(connection.sock, first)

    def test_head_has_the_length_and_no_body(self):
        connection = self.connect()
        connection.request("HEAD", "/size/1000")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.getheader("content-length"), answer.read()), (200, "1000", b""))
        connection.request("GET", "/")
        self.assertEqual(connection.getresponse().read(), b"ok")

    def test_a_chunked_request_comes_back_chunked(self):
        connection = self.connect()
        parts = [bytes([c]) * n for c, n in ((97, 1), (98, 4096), (99, 70000))]
        connection.request("POST", "/echo", body=iter(parts), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(connection.getresponse().read(), b"".join(parts))

    def test_a_body_of_unknown_length_ends_with_the_connection(self):
        connection = self.connect()
        connection.request("GET", "/close")
        self.assertEqual(connection.getresponse().read(), b"until the end")

    # ---- bytes on the wire

    def raw(self, text: bytes, until: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=60) as plain:
            plain.sendall(text)
            got = b""
            while until not in got:
                part = plain.recv(65536)
                self.assertTrue(part, f"closed after {got!r}")
                got += part
            return got

    def test_trailers_of_an_answer_arrive(self):
        got = self.raw(b"GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n", b"532\r\n\r\n")
        self.assertRegex(got.lower(), rb"(?s)hello\r\n0\r\nx-sum: 532\r\n\r\n$")

    def test_trailers_of_a_request_arrive(self):
        self.raw(b"POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                 b"2\r\nhi\r\n0\r\nX-Sum: 209\r\n\r\n", b"ok")
        seen = [s for s in self.backend.seen if s.line.startswith("POST /in ")][-1]
        self.assertEqual((seen.body, [(k.lower(), v) for k, v in seen.trailers]), (2, [("x-sum", "209")]))

    def test_pipelined_requests_are_answered_in_order(self):
        text = b"".join(b"GET /size/%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(1, 11))
        got = self.raw(text, b"\r\n\r\n" + b"x" * 10)
        self.assertEqual([int(n) for n in re.findall(rb"(?i)content-length: (\d+)", got)], list(range(1, 11)))

    def test_an_interim_answer_comes_before_the_final_one(self):
        got = self.raw(b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\r\nok")
        self.assertLess(got.find(b" 103 "), got.find(b" 200 "))

    def test_a_client_that_expects_100_continue_is_told(self):
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=60) as plain:
            plain.sendall(b"POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            got = b""
            while b"\r\n\r\n" not in got:
                part = plain.recv(4096)
                self.assertTrue(part, f"closed after {got!r}")
                got += part
            self.assertTrue(got.startswith(b"HTTP/1.1 100"), got)
            plain.sendall(b"hello")
            while not got.endswith(b"ok"):
                part = plain.recv(4096)
                self.assertTrue(part, f"closed after {got!r}")
                got += part
            self.assertIn(b"HTTP/1.1 200", got)

    def test_field_names_keep_their_case(self):
        case = {"header_key_format": {"stateful_formatter": {"name": "preserve_case", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3."
                     "PreserveCaseFormatterConfig"}}}}
        proxy = self.stage.proxy(Route(target=self.backend.port, manager={"http_protocol_options": case}))
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as plain:
            plain.sendall(b"GET /case HTTP/1.1\r\nHost: a\r\nX-cUrious-Name: 1\r\n\r\n")
            got = b""
            while not got.endswith(b"ok"):
                part = plain.recv(4096)
                self.assertTrue(part, f"closed after {got!r}")
                got += part
        self.assertIn(b"X-Case-Kept: yes", got)
        seen = [s for s in self.backend.seen if s.line.startswith("GET /case ")][-1]
        self.assertIn("X-cUrious-Name", [name for name, _ in seen.headers])

    def test_a_websocket_echoes_both_ways(self):
        key = base64.b64encode(os.urandom(16))
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=60) as plain:
            plain.sendall(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                          b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
            got = b""
            while b"\r\n\r\n" not in got:
                part = plain.recv(4096)
                self.assertTrue(part, f"closed after {got!r}")
                got += part
            self.assertTrue(got.startswith(b"HTTP/1.1 101"), got)
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            self.assertIn(accept, got)
            got = got.split(b"\r\n\r\n", 1)[1]
            for size in (1, 125, 60000):
                frame = b"\x82" + (bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")) + b"\0" * 4
                frame += b"w" * size
                plain.sendall(frame)
                while len(got) < len(frame):
                    part = plain.recv(65536)
                    self.assertTrue(part, "closed while echoing")
                    got += part
                self.assertEqual(got, frame)
                got = b""

    # ---- curl

    def test_curl_speaks_http1_http2_and_tls(self):
        root = str(self.stage.certs / "root.pem")
        secure = f"https://localhost:{self.tls.port}/"
        resolve = ["--resolve", f"localhost:{self.tls.port}:127.0.0.1", "--cacert", root]
        for flags, version in ((["--http1.1", self.url("/")], "1.1"), (["--http2-prior-knowledge", self.url("/")], "2"),
                               (["--http1.1", *resolve, secure], "1.1"), (["--http2", *resolve, secure], "2")):
            with self.subTest(flags=flags):
                done = self.curl("--write-out", " %{http_version} %{http_code}", *flags)
                self.assertEqual(done.stdout.decode(), f"ok {version} 200")

    def test_large_bodies_pass_both_ways_in_bounded_memory(self):
        for flag in ("--http1.1", "--http2-prior-knowledge"):
            with self.subTest(flag=flag):
                before = self.proxy.resident_kb()
                peak = [before]
                done = threading.Event()

                def watch():
                    while not done.wait(0.05):
                        peak[0] = max(peak[0], self.proxy.resident_kb())

                watcher = threading.Thread(target=watch)
                watcher.start()
                try:
                    down = self.curl(flag, "--output", "/dev/null", "--write-out", "%{size_download}", self.url(f"/size/{LARGE}"))
                    self.assertEqual(int(down.stdout), LARGE)
                    body = self.stage.folder / "large"
                    if not body.exists():
                        with body.open("wb") as file:
                            file.truncate(LARGE)
                    up = self.curl(flag, "--upload-file", str(body), "--header", "Expect:", self.url("/upload"))
                    self.assertEqual(up.stdout, b"ok")
                finally:
                    done.set()
                    watcher.join()
                received = await_that("the upload is counted", lambda: [
                    s.body for s in self.backend.seen if s.line.startswith("PUT /upload")])
                self.assertEqual(received[-1], LARGE)
                self.assertLess(peak[0] - before, GROWTH_KB)

    def test_a_slow_reader_does_not_make_the_proxy_hoard(self):
        before = self.proxy.resident_kb()
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=60) as plain:
            plain.sendall(b"GET /size/%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % LARGE)
            plain.recv(1000)
            # Nobody reads on. What comes in settles; what the proxy holds then is bounded.
            last = [-1]

            def settled() -> bool:
                now = self.proxy.resident_kb()
                same, last[0] = now == last[0], now
                return same

            await_that("memory settles", settled)
            self.assertLess(self.proxy.resident_kb() - before, GROWTH_KB)
            total = 0
            while part := plain.recv(1 << 20):
                total += len(part)
            self.assertGreater(total, LARGE - 1000)

    # ---- Node

    @unittest.skipUnless(shutil.which("node"), "Node is not installed")
    def test_node_fetch_gets_and_streams(self):
        script = """
const base = process.argv[1];
const plain = await fetch(base + '/');
const posted = await fetch(base + '/echo', {method: 'POST', body: 'y'.repeat(200000)});
const streamed = await fetch(base + '/echo', {method: 'POST', duplex: 'half', body: new ReadableStream({
  async start(controller) { for (let i = 0; i < 10; i++) controller.enqueue(new TextEncoder().encode('part')); controller.close(); }})});
const many = await Promise.all(Array.from({length: 20}, (_, i) => fetch(base + '/size/' + i).then(r => r.text()).then(t => t.length)));
console.log(JSON.stringify([plain.status, await plain.text(), (await posted.text()).length, await streamed.text(), many]));
"""
        done = subprocess.run(["node", "--input-type=module", "-e", script, f"http://127.0.0.1:{self.proxy.port}"],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), [200, "ok", 200000, "part" * 10, list(range(20))])

    # ---- load tools

    @unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
    def test_wrk_sees_no_error(self):
        done = subprocess.run(["wrk", "-t2", "-c32", "-d1", "--timeout", "20s", self.url("/size/1024")], capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertNotIn("Socket errors", done.stdout)
        self.assertGreater(int(re.search(r"(\d+) requests in", done.stdout)[1]), 0)

    @unittest.skipUnless(shutil.which("h2load"), "h2load is not installed")
    def test_h2load_sees_no_error(self):
        for url in (self.url("/size/1024"), f"https://127.0.0.1:{self.tls.port}/size/1024"):
            with self.subTest(url=url):
                done = subprocess.run(["h2load", "-n2000", "-c4", "-m32", url], capture_output=True, text=True, timeout=120)
                self.assertRegex(done.stdout, r"requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed")
                self.assertRegex(done.stdout, r"status codes: 2000 2xx")


run_cases()
