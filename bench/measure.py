"""Processes on one processor, what they cost, and the load they are put under."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path


CLOSED_EARLY = 32  # requests that wrk had under way when its time was up


class BenchError(Exception):
    """A process failed, or a load got wrong answers: the run's figures would mean nothing."""


# ---- ports


class Ports:
    """Ports that were free a moment ago, each given once."""

    def __init__(self) -> None:
        self.given: set[int] = set()

    def pick(self) -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if port not in self.given:
                self.given.add(port)
                return port


# ---- processes


_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def pin(processor: int | None):
    """What a child does before it becomes its program: it dies with us, and stays on its processor."""

    def prepare() -> None:
        os.setsid()
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if processor is not None:
            os.sched_setaffinity(0, {processor})

    return prepare


class Process:
    def __init__(self, name: str, command: list[str], log: Path, processor: int | None) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as sink:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                          preexec_fn=pin(processor))

    def pids(self) -> list[int]:
        found, todo = [], [self.child.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    todo += [int(child) for child in task.read_text().split()]
                except OSError:
                    pass
        return found

    def check(self) -> None:
        if self.child.poll() is not None:
            text = self.log.read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.name} ended with status {self.child.returncode}:\n{text}")

    def await_port(self, port: int, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} does not listen on {port} after {seconds} s; its log is {self.log}")
            time.sleep(0.01)

    def cpu_ns(self) -> int:
        total = 0
        for pid in self.pids():
            for stat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    total += int(stat.read_text().split()[0])
                except OSError:
                    pass
        return total

    def memory_kb(self) -> tuple[int, int]:
        """Resident, and the part of it that no file backs: the largest process, and of the others what is theirs alone."""
        each = []
        for pid in self.pids():
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            each.append({m[1]: int(m[2]) for m in re.finditer(r"^(\w+):\s+(\d+) kB", text, re.M)})
        each.sort(key=lambda values: -values["Rss"])
        others = sum(values["Private_Clean"] + values["Private_Dirty"] for values in each[1:])
        return each[0]["Rss"] + others, each[0]["Anonymous"] + others

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait(5)


# ---- load


@dataclass
class Load:
    good: int = 0
    bad: int = 0
    rate: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    client_ns: int = 0


_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


def _micros(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * _UNITS[unit]


def _run(command: list[str], processor: int | None, seconds: float) -> tuple[str, int]:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             preexec_fn=pin(processor))
    try:
        out = child.communicate(timeout=seconds + 30)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        raise BenchError(f"{command[0]} did not end") from None
    if child.returncode != 0:
        raise BenchError(f"{' '.join(command)} ended with status {child.returncode}:\n{out[-1500:]}")
    return out, child.pid


def wrk(port: int, seconds: int, connections: int, processor: int | None, host: str | None = None) -> Load:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "--timeout", "5s"]
    if host:
        command += ["-H", f"Host: {host}"]
    before = os.times()
    out, _ = _run(command + [f"http://127.0.0.1:{port}/"], processor, seconds)
    after = os.times()
    load = Load()
    load.good = int(re.search(r"(\d+) requests in", out)[1])
    load.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    load.p50_us = _micros(re.search(r"^\s+50%\s+(\S+)", out, re.M)[1])
    load.p99_us = _micros(re.search(r"^\s+99%\s+(\S+)", out, re.M)[1])
    if wrong := re.search(r"Non-2xx or 3xx responses: (\d+)", out):
        load.bad += int(wrong[1])
    if errors := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out):
        load.bad += sum(int(n) for n in errors.groups())
    load.good -= load.bad
    load.client_ns = _children_ns(before, after)
    return load


def h2load(port: int, seconds: int, connections: int, streams: int, processor: int | None) -> Load:
    command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", "-D", str(seconds), f"http://127.0.0.1:{port}/"]
    before = os.times()
    out, _ = _run(command, processor, seconds)
    after = os.times()
    load = Load()
    load.good = int(re.search(r"status codes: (\d+) 2xx", out)[1])
    load.bad = sum(int(n) for n in re.search(r"2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out).groups())
    load.bad += int(re.search(r"(\d+) failed", out)[1])
    load.rate = float(re.search(r"finished in [^,]+, ([\d.]+) req/s", out)[1])
    times = re.search(r"time for request:\s+\S+\s+\S+\s+(\S+)", out)
    load.p50_us = _micros(times[1])  # the mean: h2load 1.52 has no percentiles
    load.client_ns = _children_ns(before, after)
    return load


def tls_connections(port: int, seconds: int, certs: Path, processor: int | None) -> Load:
    import json
    import sys

    before = os.times()
    script = Path(__file__).parent / "tls_connections.py"
    out, _ = _run([sys.executable, str(script), str(port), str(certs), str(seconds)], processor, seconds)
    after = os.times()
    told = json.loads(out)
    if told["failed"]:
        raise BenchError(f"{told['failed']} of {told['failed'] + told['done']} TLS connections failed: {told['error']}")
    return Load(good=told["done"], bad=0, rate=told["done"] / told["seconds"], p50_us=told["p50_us"],
                p99_us=told["p99_us"], client_ns=_children_ns(before, after))


def _children_ns(before: os.times_result, after: os.times_result) -> int:
    return int((after.children_user + after.children_system - before.children_user - before.children_system) * 1e9)


# ---- the machine


def busy_ns() -> int:
    """CPU time that anybody used, of all processors."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(n) for n in first[:8])
    return (user + nice + system + irq + softirq + steal) * 10_000_000


@dataclass
class Sample:
    cpu_us: float  # per good answer, all proxies of the path
    path_us: float  # the same with client and backend
    rate: float
    p50_us: float
    p99_us: float
    foreign: float  # share of the processors that others used meanwhile


@dataclass
class Path_:
    """One peer in one scenario: its processes, and where the load goes."""

    peer: str
    proxies: list[Process] = field(default_factory=list)
    helpers: list[Process] = field(default_factory=list)  # drivers, on the client's processor
    port: int = 0


def sample(path: Path_, backend: Process, load) -> Sample:
    for _ in range(3):
        taken = _sample_once(path, backend, load)
        if taken is not None:
            return taken
    raise BenchError(f"{path.peer} gave no answer in three rounds")


def _sample_once(path: Path_, backend: Process, load) -> Sample | None:
    """None where there was no answer at all: on a machine that is busy elsewhere, a short round can end before the first."""
    for process in path.proxies + path.helpers:
        process.check()
    ours = path.proxies + path.helpers + [backend]
    started, busy = time.monotonic(), busy_ns()
    before = [p.cpu_ns() for p in ours]
    result: Load = load(path.port)
    after = [p.cpu_ns() for p in ours]
    wall = (time.monotonic() - started) * 1e9 * (os.cpu_count() or 1)
    if result.good == 0 and result.bad <= CLOSED_EARLY:
        return None
    if result.bad > max(CLOSED_EARLY, result.good // 1000):
        raise BenchError(f"{path.peer}: {result.bad} wrong answers beside {result.good} good ones")
    spent = [b - a for a, b in zip(before, after)]
    proxies = sum(spent[: len(path.proxies)])
    own = sum(spent) + result.client_ns
    return Sample(cpu_us=proxies / 1e3 / result.good, path_us=own / 1e3 / result.good, rate=result.rate,
                  p50_us=result.p50_us, p99_us=result.p99_us, foreign=max(0.0, (busy_ns() - busy - own) / wall))
