#!/usr/bin/env python3
"""weft-proxy beside nginx, HAProxy and Envoy: CPU per request, throughput, latency, memory, in one run.
And weftd with one weft-proxy: how long a saved file takes until a request obeys it.

The figure that matters is CPU time per good answer, summed over all proxies of the path and all their threads
(/proc/PID/task/*/schedstat). Client and backend share one processor, the proxies have another. Peers take turns,
round by round and in changing order, so that what else the machine does hits all of them; ratios are made within a
round, and the median over the rounds is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable

from certificates import make_certificates
from chart import bars, table
from measure import BenchError, Path_, Ports, Process, Sample, h2load, sample, tls_connections, wrk
from peers import Hop, WRITERS, nginx_backend, service_host
from propagation import measure_propagation

BODY = 1024
CONNECTIONS = 32
SERVICES = 1000
ENDPOINTS = 10


@dataclass(frozen=True)
class Variant:
    """A peer, and how its two halves talk where it has a choice."""

    name: str  # as printed: "haproxy/h2"
    kind: str
    h2_between: bool = False


@dataclass(frozen=True)
class Scenario:
    key: str
    title: str
    variants: list[Variant]
    start: Callable[["Bench", Variant], Path_]
    load: Callable[["Bench", int, int], object]  # (bench, port, seconds) -> Load
    per: str = "request"


class Bench:
    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.folder = folder
        self.certs = make_certificates(folder / "certs")
        self.ports = Ports()
        self.processes: list[Process] = []
        processors = sorted(os.sched_getaffinity(0))
        self.client_cpu = processors[0] if len(processors) > 1 else None
        self.proxy_cpu = processors[-1] if len(processors) > 1 else None
        self.binaries = {"nginx": "nginx", "haproxy": "haproxy", "envoy": arguments.envoy, "weft": arguments.weft}
        self.plain, self.secure = self.ports.pick(), self.ports.pick()
        self.backend = self._start_backend()

    # ---- processes

    def _start(self, name: str, command: list[str], folder: Path, processor: int | None, port: int) -> Process:
        process = Process(name, command, folder / "log", processor)
        self.processes.append(process)
        process.await_port(port)
        return process

    def _start_backend(self) -> Process:
        folder = self._folder("backend")
        (folder / "conf").write_text(nginx_backend(self.plain, self.secure, BODY, folder, self.certs))
        return self._start("backend", self._command("nginx", folder), folder, self.client_cpu, self.plain)

    def _folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name.replace('/', '-')}-", dir=self.folder))

    def _command(self, kind: str, folder: Path) -> list[str]:
        conf = str(folder / "conf")
        return {
            "nginx": [self.binaries["nginx"], "-p", str(folder), "-e", "stderr", "-c", conf],
            "haproxy": [self.binaries["haproxy"], "-db", "-q", "-f", conf],
            "envoy": [self.binaries["envoy"], "-c", conf + ".json", "--concurrency", "1", "-l", "error",
                      "--disable-hot-restart"],
            "weft": [self.binaries["weft"], "-c", conf + ".json", "--concurrency", "1", "-l", "error"],
        }[kind]

    def proxy(self, variant: Variant, hop: Hop, driver: bool = False) -> Process:
        folder = self._folder(variant.name)
        text = WRITERS[variant.kind](hop, folder, self.certs)
        (folder / ("conf.json" if variant.kind in ("envoy", "weft") else "conf")).write_text(text)
        processor = self.client_cpu if driver else self.proxy_cpu
        return self._start(variant.name, self._command(variant.kind, folder), folder, processor, hop.listen)

    def weftd(self, arguments: list[str], folder: Path) -> Process:
        process = Process("weftd", [self.arguments.weftd, *arguments], folder / "weftd.log", self.client_cpu)
        self.processes.append(process)
        return process

    def weft_of(self, folder: Path) -> Process:
        """A weft-proxy that finds its bootstrap in `folder`, and its listeners later."""
        process = Process("weft", self._command("weft", folder), folder / "log", self.proxy_cpu)
        self.processes.append(process)
        return process

    def stop(self, processes: list[Process]) -> None:
        for process in processes:
            process.stop()
            self.processes.remove(process)

    def stop_all(self) -> None:
        self.stop(list(self.processes))


# ---- scenarios


def direct(bench: Bench, variant: Variant) -> Path_:
    return Path_("direct", [], [], bench.plain)


def one_hop(bench: Bench, variant: Variant) -> Path_:
    hop = Hop(bench.ports.pick(), bench.plain)
    return Path_(variant.name, [bench.proxy(variant, hop)], [], hop.listen)


def h2_in(bench: Bench, variant: Variant) -> Path_:
    hop = Hop(bench.ports.pick(), bench.plain, h2_in=True)
    return Path_(variant.name, [bench.proxy(variant, hop)], [], hop.listen)


def originate(bench: Bench, variant: Variant) -> Path_:
    hop = Hop(bench.ports.pick(), bench.secure, tls_out=True)
    return Path_(variant.name, [bench.proxy(variant, hop)], [], hop.listen)


def terminate_only(bench: Bench, variant: Variant) -> Path_:
    hop = Hop(bench.ports.pick(), bench.plain, tls_in=True)
    return Path_(variant.name, [bench.proxy(variant, hop)], [], hop.listen)


def terminate(bench: Bench, variant: Variant) -> Path_:
    path = terminate_only(bench, variant)
    driver = Hop(bench.ports.pick(), path.port, tls_out=True)
    path.helpers.append(bench.proxy(Variant("driver", "nginx"), driver, driver=True))
    path.port = driver.listen
    return path


def two_hops(bench: Bench, variant: Variant) -> Path_:
    mesh = variant.kind == "weft"
    h2 = variant.h2_between
    inner = Hop(bench.ports.pick(), bench.plain, tls_in=True, h2_in=h2, mesh=mesh)
    outer = Hop(bench.ports.pick(), inner.listen, tls_out=True, h2_out=h2 and not mesh, mesh=mesh)
    return Path_(variant.name, [bench.proxy(variant, inner), bench.proxy(variant, outer)], [], outer.listen)


def many_services(bench: Bench, variant: Variant) -> Path_:
    hop = Hop(bench.ports.pick(), bench.plain, services=SERVICES)
    return Path_(variant.name, [bench.proxy(variant, hop)], [], hop.listen)


def plain_load(bench: Bench, port: int, seconds: int):
    return wrk(port, seconds, CONNECTIONS, bench.client_cpu)


def one_connection(bench: Bench, port: int, seconds: int):
    return wrk(port, seconds, 1, bench.client_cpu)


def service_load(bench: Bench, port: int, seconds: int):
    return wrk(port, seconds, CONNECTIONS, bench.client_cpu, host=service_host(0))


def h2_load(bench: Bench, port: int, seconds: int):
    return h2load(port, seconds, 4, 16, bench.client_cpu)


def connection_load(bench: Bench, port: int, seconds: int):
    return tls_connections(port, seconds, bench.certs, bench.client_cpu)


def h2_pair_load(bench: Bench, port: int, seconds: int):
    return h2load(port, seconds, 4, 16, bench.client_cpu)


NGINX, HAPROXY, ENVOY, WEFT = (Variant(n, n) for n in ("nginx", "haproxy", "envoy", "weft"))
HAPROXY_H2, ENVOY_H2 = Variant("haproxy/h2", "haproxy", True), Variant("envoy/h2", "envoy", True)
DIRECT = Variant("direct", "none")
ALL = [NGINX, HAPROXY, ENVOY, WEFT]

SCENARIOS = [
    Scenario("plain", "one hop, HTTP/1.1, 1 KB, 32 connections", [DIRECT, *ALL], one_hop, plain_load),
    Scenario("plain1", "one hop, HTTP/1.1, 1 KB, 1 connection", [DIRECT, *ALL], one_hop, one_connection),
    Scenario("originate", "one hop, HTTP/1.1 in, mTLS out", ALL, originate, plain_load),
    Scenario("terminate", "one hop, mTLS in, HTTP/1.1 out", ALL, terminate, plain_load),
    Scenario("pair", "two hops, mTLS between, HTTP/1.1 1 KB, 32 connections",
             [DIRECT, NGINX, HAPROXY, HAPROXY_H2, ENVOY, ENVOY_H2, WEFT], two_hops, plain_load),
    Scenario("h2", "one hop, HTTP/2 in (4 connections x 16 streams), HTTP/1.1 out", ALL, h2_in, h2_load),
    Scenario("connections", "new mTLS connections: full handshake, one request", ALL, terminate_only, connection_load,
             per="connection"),
]

OTHERS = ("memory", "propagation")  # not a load on each peer


def median_ratio(samples: dict[str, list[Sample]], ours: str, theirs: str) -> float | None:
    if ours not in samples or theirs not in samples or "direct" in (ours, theirs):
        return None
    return statistics.median(a.cpu_us / b.cpu_us for a, b in zip(samples[ours], samples[theirs]))


def run_scenario(bench: Bench, scenario: Scenario) -> dict:
    variants = [v for v in scenario.variants if v.kind == "none" or v.kind in bench.arguments.peers]
    paths = [(direct if v.kind == "none" else scenario.start)(bench, v) for v in variants]
    memory_idle = {p.peer: memory(p) for p in paths if p.proxies}
    samples: dict[str, list[Sample]] = {p.peer: [] for p in paths}
    for path in paths:
        scenario.load(bench, path.port, 1)  # warm: connections, pages, caches
    for turn in range(bench.arguments.rounds):
        shift = turn % len(paths)
        order = paths[shift:] + paths[:shift]
        for path in order if turn % 2 == 0 else reversed(order):
            samples[path.peer].append(
                sample(path, bench.backend, lambda port: scenario.load(bench, port, bench.arguments.seconds)))
    memory_loaded = {p.peer: memory(p) for p in paths if p.proxies}
    for path in paths:
        bench.stop(path.proxies + path.helpers)
    return {"key": scenario.key, "title": scenario.title, "per": scenario.per, "samples": samples,
            "memory_idle_kb": memory_idle, "memory_loaded_kb": memory_loaded}


def memory(path: Path_) -> tuple[int, int]:
    each = [process.memory_kb() for process in path.proxies]
    return sum(e[0] for e in each), sum(e[1] for e in each)


def print_scenario(result: dict) -> None:
    samples: dict[str, list[Sample]] = result["samples"]
    base = samples.get("direct")
    def middle(peer: str, what: str) -> float:
        return statistics.median(getattr(s, what) for s in samples[peer])
    rows = []
    for peer in samples:
        cpu = [s.cpu_us for s in samples[peer]]
        ratio = median_ratio(samples, "weft", peer)
        p50, p99 = middle(peer, "p50_us"), middle(peer, "p99_us")
        added = base is not None and peer != "direct"
        if added:
            p50, p99 = p50 - middle("direct", "p50_us"), p99 - middle("direct", "p99_us")
        rows.append([
            peer,
            f"{statistics.median(cpu):.1f}" if peer != "direct" else "-",
            f"{min(cpu):.1f}-{max(cpu):.1f}" if peer != "direct" else "-",
            f"{ratio:.2f}" if ratio is not None and peer not in ("weft", "direct") else "-",
            f"{middle(peer, 'path_us'):.1f}",
            f"{middle(peer, 'rate'):.0f}",
            ("+" if added else "") + f"{p50:.0f}",
            (("+" if added else "") + f"{p99:.0f}") if p99 else "-",
            "{0[0]:.1f} ({0[1]:.1f})".format([k / 1024 for k in result["memory_loaded_kb"][peer]])
            if peer in result["memory_loaded_kb"] else "-",
        ])
    print(f"\n{result['title']}")
    print(table([f"per {result['per']}", "CPU us", "range", "weft is x", "whole path us", "per second", "p50 us",
                 "p99 us", "RSS MB (anon)"], rows))


# ---- memory, and 1,000 services


def run_memory(bench: Bench) -> dict:
    idle, services = {}, {}
    for variant in (v for v in ALL if v.kind in bench.arguments.peers):
        path = one_hop(bench, variant)
        time.sleep(1)  # threads that start late, caches that fill: what "idle" means a second on
        idle[variant.name] = memory(path)
        bench.stop(path.proxies)
        began = time.monotonic()
        path = many_services(bench, variant)
        ready = time.monotonic() - began
        cpu_to_start = sum(p.cpu_ns() for p in path.proxies) / 1e6
        time.sleep(1)
        resting = memory(path)
        load = service_load(bench, path.port, bench.arguments.seconds)
        if load.bad:
            raise BenchError(f"{variant.name}, {SERVICES} services: {load.bad} wrong answers beside {load.good} good ones")
        services[variant.name] = {"idle_kb": resting, "loaded_kb": memory(path), "ready_s": ready,
                                  "cpu_to_start_ms": cpu_to_start}
        bench.stop(path.proxies)
    return {"idle_kb": idle, "services": services}


def print_memory(result: dict) -> None:
    rows = []
    for peer, kb in result["idle_kb"].items():
        s = result["services"][peer]
        def cell(pair: tuple[int, int]) -> str:
            return f"{pair[0] / 1024:.1f} ({pair[1] / 1024:.1f})"
        rows.append([peer, cell(kb), cell(s["idle_kb"]), cell(s["loaded_kb"]), f"{s['cpu_to_start_ms']:.0f}",
                     f"{s['ready_s'] * 1000:.0f}"])
    print(f"\nmemory, RSS MB (anonymous part)")
    print(table(["", "idle", f"{SERVICES} services x 10", "same, loaded", "CPU ms to start", "ms to ready"], rows))


# ---- a change of configuration


def print_propagation(result: dict) -> None:
    ms = result["ms"]
    print(f"\nYAML saved to the next request that obeys: weftd and one weft-proxy, {result['services']} services x "
          f"{result['endpoints']}, {result['changes']} changes")
    print(table(["", "median ms", "p90 ms", "worst ms", "weftd CPU ms", "weft-proxy CPU ms",
                 "weftd RSS MB", "weft-proxy RSS MB"],
                [["weft", f"{statistics.median(ms):.1f}", f"{ms[len(ms) * 9 // 10]:.1f}", f"{ms[-1]:.1f}",
                  f"{result['weftd_cpu_ms']:.1f}", f"{result['proxy_cpu_ms']:.1f}",
                  f"{result['weftd_kb'][0] / 1024:.1f}", f"{result['proxy_kb'][0] / 1024:.1f}"]]))


# ---- bars

BARS = [
    # scenario, peer, bar, goal
    ("pair", "nginx", 0.65, 0.45),
    ("pair", "haproxy/h2", 1.1, 0.8),
    ("pair", "envoy", 0.25, 0.15),
    ("plain", "haproxy", 1.0, None),
    ("connections", "haproxy", 0.6, None),
]
MEMORY_BARS = [("idle sidecar", 10), (f"{SERVICES} services x 10 endpoints", 25)]
PROPAGATION_BAR_MS = 100


def compare(results: dict[str, dict], memories: dict | None, propagation: dict | None) -> list[dict]:
    found = []
    for key, peer, bar, goal in BARS:
        if key not in results:
            continue
        ratio = median_ratio(results[key]["samples"], "weft", peer)
        if ratio is not None:
            found.append({"figure": f"{results[key]['title']}: CPU per {results[key]['per']}, weft / {peer}",
                          "bar": bar, "goal": goal, "value": round(ratio, 3), "met": ratio <= bar, "unit": "x"})
    if memories and "weft" in memories["idle_kb"]:
        values = [memories["idle_kb"]["weft"][0], memories["services"]["weft"]["loaded_kb"][0]]
        for (what, bar), kb in zip(MEMORY_BARS, values):
            found.append({"figure": f"memory, {what}", "bar": bar, "goal": None, "value": round(kb / 1024, 1),
                          "met": kb / 1024 <= bar, "unit": "MB"})
    if propagation:
        middle = statistics.median(propagation["ms"])
        found.append({"figure": f"YAML saved to next request obeys, {propagation['services']} services: median of "
                                f"{propagation['changes']} (worst {propagation['ms'][-1]:.0f} ms)",
                      "bar": PROPAGATION_BAR_MS, "goal": None,
                      "value": round(middle, 1), "met": middle <= PROPAGATION_BAR_MS, "unit": "ms"})
    return found


def print_bars(found: list[dict]) -> None:
    print()
    print(table(["figure", "measured", "bar", "goal", "verdict"], [
        [bar["figure"], f"{bar['value']:g} {bar['unit']}", f"<= {bar['bar']:g}",
         f"{bar['goal']:g}" if bar["goal"] else "-",
         "NOT MET" if not bar["met"] else "goal met" if bar["goal"] and bar["value"] <= bar["goal"] else "met"]
        for bar in found]))


def chart(results: dict[str, dict], memories: dict | None) -> str:
    panels = []
    for result in results.values():
        panels.append({"title": result["title"], "unit": f"CPU us per {result['per']}",
                       "bars": [(peer, statistics.median(s.cpu_us for s in samples))
                                for peer, samples in result["samples"].items() if peer != "direct"]})
    if memories:
        panels.append({"title": "idle", "unit": "RSS MB",
                       "bars": [(peer, kb[0] / 1024) for peer, kb in memories["idle_kb"].items()]})
        panels.append({"title": f"{SERVICES} services x 10 endpoints", "unit": "RSS MB, loaded",
                       "bars": [(peer, s["loaded_kb"][0] / 1024) for peer, s in memories["services"].items()]})
    return bars(panels)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--weft", default=str(root / "build/bin/weft-proxy"), help="weft-proxy to measure")
    parser.add_argument("--weftd", default=str(root / "build/bin/weftd"), help="weftd that configures it")
    parser.add_argument("--envoy", default=str(root / "build/third_party/envoy/envoy"), help="Envoy to compare with")
    parser.add_argument("--peers", default="nginx,haproxy,envoy,weft", help="which of them, separated by commas")
    parser.add_argument("--scenarios", default=",".join([s.key for s in SCENARIOS] + list(OTHERS)),
                        help="which of them, separated by commas: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each peer in each scenario")
    parser.add_argument("--seconds", type=int, default=3, help="length of a measurement")
    parser.add_argument("--changes", type=int, default=30, help="of YAML, each measured until a request obeys")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: shows that it runs, proves little")
    parser.add_argument("--out", default=str(root / "build/bench"), help="where result.json and chart.svg go")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.changes = 2, 1, 5
    arguments.peers = arguments.peers.split(",")
    arguments.scenarios = arguments.scenarios.split(",")
    if unknown := set(arguments.peers) - set(WRITERS):
        parser.error(f"unknown peer {', '.join(sorted(unknown))}; there are {', '.join(WRITERS)}")
    if unknown := set(arguments.scenarios) - {s.key for s in SCENARIOS} - set(OTHERS):
        parser.error(f"unknown scenario {', '.join(sorted(unknown))}; --help lists them")
    for peer, binary, hint in (("weft", arguments.weft, "make build"), ("weft", arguments.weftd, "make build"),
                               ("envoy", arguments.envoy, "tools/fetch_envoy.sh"),
                               ("nginx", "nginx", "tools/setup.sh"), ("haproxy", "haproxy", "tools/setup.sh")):
        if peer in arguments.peers and shutil.which(binary) is None:
            parser.error(f"{binary} is not there: run {hint}")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="weft-bench-"))
    bench = None
    results: dict[str, dict] = {}
    memories = propagation = None
    try:
        bench = Bench(arguments, folder)
        print(f"{arguments.rounds} rounds of {arguments.seconds} s; proxies on processor {bench.proxy_cpu}, client and "
              f"backend on {bench.client_cpu}; latency is a closed loop's")
        for scenario in SCENARIOS:
            if scenario.key in arguments.scenarios:
                results[scenario.key] = run_scenario(bench, scenario)
                print_scenario(results[scenario.key])
                sys.stdout.flush()
        if "memory" in arguments.scenarios:
            memories = run_memory(bench)
            print_memory(memories)
        if "propagation" in arguments.scenarios and "weft" in arguments.peers:
            propagation = measure_propagation(bench, SERVICES, ENDPOINTS, arguments.changes)
            print_propagation(propagation)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if bench:
            bench.stop_all()
        shutil.rmtree(folder, ignore_errors=True)

    found = compare(results, memories, propagation)
    if found:
        print_bars(found)
    foreign = [s.foreign for r in results.values() for ss in r["samples"].values() for s in ss]
    if foreign:
        share = statistics.median(foreign)
        print(f"\nothers used {share:.0%} of the processors meanwhile"
              + ("" if share <= 0.05 else ": read the ratios, and those with care"))
    told = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rounds": arguments.rounds,
        "seconds": arguments.seconds, "foreign_share": round(statistics.median(foreign), 4) if foreign else None,
        "scenarios": [{**r, "samples": {p: [asdict(s) for s in ss] for p, ss in r["samples"].items()}}
                      for r in results.values()],
        "memory": memories, "propagation": propagation, "bars": found,
    }
    (out / "result.json").write_text(json.dumps(told, indent=1) + "\n")
    if results or memories:
        (out / "chart.svg").write_text(chart(results, memories))
    print(f"written: {out / 'result.json'}, {out / 'chart.svg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
