"""How weftd ends on SIGTERM: its streams end in order (trailers, GOAWAY, the end of the connection), and the process
leaves with 0, soon, and in bounded time where a client does not let go. The client here speaks HTTP/2 by hand."""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("WEFT_BIN", pathlib.Path(__file__).resolve().parents[2] / "build" / "bin"))
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]
"""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A field that enters no table (RFC 7541 section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of type bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


class Stream:
    """A delta ADS stream that asks for clusters."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.bytes = b""
        head = b"".join(literal(*pair) for pair in [
            (":method", "POST"), (":scheme", "http"), (":authority", "weftd"),
            (":path", "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"),
            ("content-type", "application/grpc"), ("te", "trailers")])
        node = field(1, b"sidecar~10.0.0.1~web-0.default~default.svc.cluster.local")
        request = field(1, node) + field(2, b"type.googleapis.com/envoy.config.cluster.v3.Cluster")
        message = b"\0" + struct.pack(">I", len(request)) + request
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) +
                            frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, 0, 1, message))

    def next(self) -> tuple[int, int, int, bytes] | None:
        """The next frame, acknowledged where it wants that; None at the end of the connection."""
        while True:
            if len(self.bytes) >= 9:
                size = int.from_bytes(self.bytes[:3], "big")
                if len(self.bytes) >= 9 + size:
                    kind, flags = self.bytes[3:5]
                    stream = int.from_bytes(self.bytes[5:9], "big")
                    payload, self.bytes = self.bytes[9:9 + size], self.bytes[9 + size:]
                    if kind in (SETTINGS, PING) and not flags & ACK:
                        self.socket.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
                    return kind, flags, stream, payload
            part = self.socket.recv(65536)
            if not part:
                return None
            self.bytes += part

    def until_data(self):
        while True:
            got = self.next()
            if got is None:
                raise AssertionError("the stream ended before it said anything")
            if got[0] == DATA and got[3]:
                return


class WeftdEnds(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        root = pathlib.Path(self.place.name)
        (root / "mesh").mkdir()
        (root / "mesh" / "web.yaml").write_text(SERVICE)
        ports = root / "ports.json"
        self.log = open(root / "weftd.log", "w+")
        self.weftd = subprocess.Popen(
            [BIN / "weftd", root / "mesh", "--xds-address", "127.0.0.1:0", "--secure-address", "none",
             "--admin-address", "127.0.0.1:0", "--ports-file", ports], stderr=self.log, stdout=self.log)
        deadline = time.monotonic() + 30
        while not ports.exists() or not ports.read_text().endswith("\n"):
            self.assertIsNone(self.weftd.poll(), "weftd has left")
            self.assertLess(time.monotonic(), deadline, "weftd does not come up")
            time.sleep(0.02)
        told = json.loads(ports.read_text())
        self.xds = int(told["xds"].rsplit(":", 1)[1])

    def tearDown(self):
        if self.weftd.poll() is None:
            self.weftd.kill()
            self.weftd.wait()
        self.log.close()
        self.place.cleanup()

    def test_streams_end_in_order_and_the_process_leaves(self):
        stream = Stream(self.xds)
        self.addCleanup(stream.socket.close)
        stream.until_data()
        self.weftd.send_signal(signal.SIGTERM)
        order = []
        while (got := stream.next()) is not None:
            kind, flags, number, payload = got
            if kind == RESET:  # "the rest of the request is not wanted" (RFC 9113 section 8.1), after the answer
                self.assertEqual(int.from_bytes(payload, "big"), 0, "the stream was torn down")
                self.assertIn("trailers", order)
            if kind == HEADERS and number == 1 and flags & END_STREAM:
                order.append("trailers")
            if kind == GOAWAY:
                self.assertEqual(int.from_bytes(payload[4:8], "big"), 0, "GOAWAY blames somebody")
                order.append("goaway")
        self.assertEqual(order.count("trailers"), 1, "the stream ends, once")
        self.assertIn("goaway", order)
        self.assertEqual(self.weftd.wait(timeout=4), 0)

    def test_a_client_that_does_not_let_go_is_not_waited_for_long(self):
        stream = Stream(self.xds)
        self.addCleanup(stream.socket.close)
        stream.until_data()
        self.weftd.send_signal(signal.SIGTERM)  # and nobody reads, answers or closes
        self.assertEqual(self.weftd.wait(timeout=30), 0)

    def test_a_second_signal_ends_it_now(self):
        stream = Stream(self.xds)
        self.addCleanup(stream.socket.close)
        stream.until_data()
        self.weftd.send_signal(signal.SIGTERM)
        while (got := stream.next()) is not None and got[0] != GOAWAY:
            pass
        self.assertIsNotNone(got, "it has said that it is leaving")
        self.weftd.send_signal(signal.SIGTERM)
        self.assertEqual(self.weftd.wait(timeout=20), 0)


if __name__ == "__main__":
    unittest.main()
