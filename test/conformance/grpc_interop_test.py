"""gRPC's own interoperation client and server with two sidecars between them: client, weft-proxy, mutual TLS,
weft-proxy, server."""

import subprocess
import unittest
from pathlib import Path

from harness import Route, Stage, free_port, parse, run_cases

ARGUMENTS = parse(__doc__, "--fetch")
CASES = [
    "empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
    "timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
    "special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
]


class GrpcInterop(unittest.TestCase):
    def check(self, stage: Stage, programs: Path, port: int) -> None:
        for case in CASES:
            with self.subTest(case=case):
                done = subprocess.run([str(programs / "client"), "--server_host=127.0.0.1", f"--server_port={port}",
                                       "--use_tls=false", f"--test_case={case}"], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])

    def test_every_standard_case_passes_sidecar_to_sidecar(self):
        programs = Path(subprocess.run([ARGUMENTS.fetch], check=True, capture_output=True, text=True).stdout.strip())
        with Stage(ARGUMENTS.proxy) as stage:
            port = free_port()
            stage.program([str(programs / "server"), f"--port={port}", "--use_tls=false"], port)
            inbound = stage.proxy(Route(target=port, mesh_in=True, http2_out=True))
            outbound = stage.proxy(Route(target=inbound.port, mesh_out=True, http2_out=True))
            self.check(stage, programs, outbound.port)

    def test_every_standard_case_passes_through_one_proxy(self):
        programs = Path(subprocess.run([ARGUMENTS.fetch], check=True, capture_output=True, text=True).stdout.strip())
        with Stage(ARGUMENTS.proxy) as stage:
            port = free_port()
            stage.program([str(programs / "server"), f"--port={port}", "--use_tls=false"], port)
            self.check(stage, programs, stage.proxy(Route(target=port, http2_out=True)).port)


run_cases()
