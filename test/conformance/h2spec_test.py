"""h2spec in strict mode through weft-proxy: HTTP/2 with prior knowledge, and over TLS."""

import re
import subprocess
import unittest

from harness import Route, Stage, parse, run_cases

ARGUMENTS = parse(__doc__, "--fetch")
CASES = 146


class H2spec(unittest.TestCase):
    def check(self, stage: Stage, route: Route, *flags: str) -> None:
        binary = subprocess.run([ARGUMENTS.fetch], check=True, capture_output=True, text=True).stdout.strip()
        proxy = stage.proxy(route)
        # Its own clock: a case that waits for silence takes this long, one that waits for an answer no longer than needed.
        done = subprocess.run([binary, "-h", "127.0.0.1", "-p", str(proxy.port), "-S", "-P", "/size/4096", "-o", "5", *flags],
                              capture_output=True, text=True, timeout=280)
        summary = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
        self.assertIsNotNone(summary, done.stdout[-2000:] + done.stderr[-2000:])
        tests, passed, skipped, failed = (int(n) for n in summary.groups())
        failures = done.stdout[done.stdout.find("Failures:"):] if failed else ""
        self.assertEqual(failed, 0, failures)
        self.assertEqual(tests, CASES)
        self.assertEqual(passed + skipped, CASES)
        self.assertEqual(skipped, 0)
        self.assertIsNone(proxy.child.poll(), "weft-proxy died")

    def test_every_case_passes_over_plain_http2(self):
        with Stage(ARGUMENTS.proxy) as stage:
            self.check(stage, Route(target=stage.backend().port))

    def test_every_case_passes_over_tls(self):
        with Stage(ARGUMENTS.proxy) as stage:
            self.check(stage, Route(target=stage.backend().port, tls_in=True), "-t", "-k")


run_cases()
