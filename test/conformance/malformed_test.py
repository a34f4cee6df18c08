"""Malformed and ambiguous HTTP/1.1 requests, as malformed.json lists them, sent as they are.

Each is refused as RFC 9112 says (a status, or the connection ends), and whatever the proxy did, the backend got only
requests that nobody can read in two ways: had the proxy and the backend seen different requests, the planted second
one ("/smuggled") would have arrived.
"""

import json
import socket
import unittest
from pathlib import Path

from harness import Route, Stage, parse, run_cases

ARGUMENTS = parse(__doc__)
CASES = json.loads((Path(__file__).parent / "malformed.json").read_text())


def text_of(case: dict) -> bytes:
    text = "".join(part if isinstance(part, str) else part["repeat"] * part["times"] for part in case["send"])
    return text.encode("latin-1")


class Malformed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage(ARGUMENTS.proxy)
        try:
            cls.backend = cls.stage.backend()
            cls.proxy = cls.stage.proxy(Route(target=cls.backend.port))
        except BaseException:
            cls.stage.__exit__()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stage.__exit__()

    def exchange(self, text: bytes, half_close: bool) -> tuple[list[int], bool]:
        """The statuses that came back, and whether the proxy ended the connection."""
        got = b""
        closed = False
        with socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10) as plain:
            try:
                plain.sendall(text)
                if half_close:
                    plain.shutdown(socket.SHUT_WR)
                while True:
                    part = plain.recv(65536)
                    if not part:
                        closed = True
                        break
                    got += part
                    # A good answer leaves the connection open: nothing more will come.
                    if not half_close and got.endswith(b"\r\n\r\nok"):
                        plain.settimeout(0.5)
            except ConnectionError:
                closed = True
            except TimeoutError:
                pass
        return [int(line.split(b" ")[1]) for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.")], closed

    def test_each_is_refused_and_none_reaches_the_backend_in_two_readings(self):
        for case in CASES:
            with self.subTest(case=case["name"]):
                already = len(self.backend.seen)
                statuses, closed = self.exchange(text_of(case), case.get("half_close", False))
                expected = case["expect"]
                if expected == "close":
                    self.assertTrue(closed, f"still open after {statuses}")
                    self.assertFalse([s for s in statuses if s < 400], statuses)
                elif isinstance(expected, int) and expected >= 400:
                    # The connection may be reset before the answer is read; an answer, if any, is this one.
                    self.assertIn(statuses, ([expected], []))
                    self.assertTrue(closed or statuses, "neither an answer nor an end")
                    if statuses:
                        self.assertTrue(closed, "the connection stays usable after a request that cannot be delimited")
                else:
                    self.assertEqual(statuses, expected if isinstance(expected, list) else [expected])
                arrived = [seen.line for seen in self.backend.seen[already:]]
                self.assertFalse([line for line in arrived if "/smuggled" in line], arrived)
                self.assertEqual(self.backend.broken, [])
                if isinstance(expected, int) and expected >= 400:
                    self.assertEqual(arrived, [])
        self.assertIsNone(self.proxy.child.poll(), "weft-proxy died")

    def test_a_good_client_is_served_afterwards(self):
        statuses, _ = self.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", False)
        self.assertEqual(statuses, [200])


run_cases()
