#!/usr/bin/env python3
"""Instructions per request outside the kernel: a figure that a busy machine does not move by more than a percent or two.

    bench/instructions.py [--scenario pair] [--peer weft] [--requests 8000] [--functions 30] [--weft build/bin/weft-proxy]

Runs the proxies of one scenario of bench/run.py under valgrind's callgrind, counts while h2load sends a fixed number of
requests on 32 connections, and prints the sum and where it went. Good for comparing two builds of ours; across peers
it leaves out the kernel, which is half of the cost and more, and what a cache miss costs.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import run
from measure import BenchError, Process

WARM_UP = 500


class Counted(run.Bench):
    """Its proxies run under callgrind, with counting off at first."""

    def _command(self, kind: str, folder: Path) -> list[str]:
        command = super()._command(kind, folder)
        if folder.name.startswith("backend"):
            return command
        return ["valgrind", "--tool=callgrind", "--instr-atstart=no",
                f"--callgrind-out-file={folder}/callgrind.out", *command]


def control(flag: list[str], process: Process) -> None:
    subprocess.run(["callgrind_control", *flag, str(process.child.pid)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def send(port: int, requests: int, scenario: str) -> None:
    shape = ["-c4", "-m16"] if scenario == "h2" else ["--h1", "-c32", "-m1"]
    done = subprocess.run(["h2load", "-t1", f"-n{requests}", *shape, f"http://127.0.0.1:{port}/"],
                          capture_output=True, text=True, check=True).stdout
    if f", {requests} done" not in done:
        raise BenchError(f"not all of {requests} requests were answered:\n{done}")


def self_cost(profile: Path) -> dict[str, int]:
    """Instructions by function, without those of what it calls."""
    names: dict[str, str] = {}
    cost: dict[str, int] = defaultdict(int)
    function, inclusive = "", False
    for line in profile.read_text(errors="replace").splitlines():
        if named := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            if named[2]:
                names[named[1]] = named[2]
            if line.startswith("fn="):
                function = names[named[1]]
        elif line.startswith("calls="):
            inclusive = True  # the next line is the callee's
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not inclusive:
                cost[function] += int(line.split()[1])
            inclusive = False
    return cost


def without_debug_info(binary: str, folder: Path) -> str:
    """Debian's valgrind cannot read DWARF 5; the symbols are enough."""
    stripped = folder / Path(binary).name
    subprocess.run(["objcopy", "--strip-debug", binary, str(stripped)], check=True)
    return str(stripped)


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", default="pair", choices=[s.key for s in run.SCENARIOS])
    parser.add_argument("--peer", default="weft", help="as bench/run.py prints it: haproxy/h2, say")
    parser.add_argument("--weft", default=str(root / "build/bin/weft-proxy"))
    parser.add_argument("--envoy", default=str(root / "build/third_party/envoy/envoy"))
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--functions", type=int, default=30, help="how many to print, of each proxy")
    arguments = parser.parse_args()
    for tool in ("valgrind", "h2load", "objcopy"):
        if shutil.which(tool) is None:
            parser.error(f"{tool} is not there: apt-get install {'nghttp2-client' if tool == 'h2load' else tool}")
    scenario = next(s for s in run.SCENARIOS if s.key == arguments.scenario)
    variant = next((v for v in scenario.variants if v.name == arguments.peer), None)
    if variant is None:
        parser.error(f"no {arguments.peer} in {scenario.key}: {', '.join(v.name for v in scenario.variants)}")

    folder = Path(tempfile.mkdtemp(prefix="weft-instructions-"))
    bench = None
    try:
        arguments.weft = without_debug_info(arguments.weft, folder)
        bench = Counted(arguments, folder)
        path = scenario.start(bench, variant)
        send(path.port, WARM_UP, scenario.key)
        for process in path.proxies:
            control(["-i", "on"], process)
        send(path.port, arguments.requests, scenario.key)
        for process in path.proxies:
            control(["-i", "off"], process)
            control(["-d"], process)
        time.sleep(0.5)
        total = 0.0
        for process in path.proxies:
            profile = max(process.log.parent.glob("callgrind.out*"), key=lambda p: p.stat().st_size)
            cost = self_cost(profile)
            each = sum(cost.values()) / arguments.requests
            total += each
            print(f"{process.log.parent.name}: {each:.0f} instructions per request")
            for name, count in sorted(cost.items(), key=lambda item: -item[1])[: arguments.functions]:
                print(f"  {count / arguments.requests:8.1f}  {name[:120]}")
        print(f"{arguments.peer}, {scenario.key}: {total:.0f} instructions per request")
    except (BenchError, subprocess.CalledProcessError) as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 1
    finally:
        if bench:
            bench.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
