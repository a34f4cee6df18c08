"""Steady load for a minute while everything changes: configuration ten times a second, certificates that live
ten seconds (so leaves are renewed, and the issuer too), weftd killed and restarted, replicas added, taken away
and replaced. Not one request may fail. WEFT_CHURN_SECONDS shortens it."""
import json
import os
import signal
import time

from weft_mesh import Mesh

SECONDS = int(os.environ.get("WEFT_CHURN_SECONDS", "60"))
OPTIONS = ["--weftd-option=--leaf-ttl=10s", "--weftd-option=--issuer-ttl=40s"]

with Mesh(__file__, options=OPTIONS) as mesh:
    client = "deployment/client"
    mesh.wait("requests pass before the storm", lambda: mesh.get(client, "http://shop:8080/").status == 200)
    load = mesh.start_load(client, "http://shop:8080/", rps=300, connections=8, duration=SECONDS)

    changes = 0
    done = set()
    start = time.monotonic()
    weights = ["weight: 90", "weight: 50"]

    def once(name, at, act):
        if name not in done and time.monotonic() - start > at * SECONDS:
            done.add(name)
            act()

    def kill_weftd():
        serving = [line for line in mesh.weft("logs", "weftd").stdout.splitlines() if '{"pid":' in line]
        os.kill(json.loads(serving[-1][serving[-1].index("{"):])["pid"], signal.SIGKILL)

    def replace_replicas():
        mesh.edit("mesh.yaml", "args: [--name, shop, --version, v1]", "args: [--name, shop, --version, v1, --http, '8080']")

    while time.monotonic() - start < SECONDS - 2 and load.poll() is None:
        mesh.edit("mesh.yaml", weights[changes % 2], weights[(changes + 1) % 2])
        changes += 1
        once("scale up", 0.15, lambda: mesh.weft("scale", "deployment/shop-v1", "--replicas", "3"))
        once("weftd dies", 0.3, kill_weftd)
        once("scale down", 0.5, lambda: mesh.weft("scale", "deployment/shop-v1", "--replicas", "2"))
        once("replace", 0.65, replace_replicas)
        time.sleep(max(0.0, start + changes * 0.1 - time.monotonic()))  # the pace of the changes, not a wait
    seen = load.report()
    mesh.promise("every part of the storm came", ", ".join(sorted(done)), len(done) == 4)
    mesh.promise("configuration changed about ten times a second", f"{changes} changes", changes >= SECONDS * 4)
    renewals = [float(line.rsplit(" ", 1)[1]) for line in mesh.metrics(client)
                if line.startswith("weft_certificate_renewals_total")]
    mesh.promise("certificates were renewed", renewals, bool(renewals) and renewals[0] >= SECONDS / 10)
    if seen["failed"]:
        print(seen["errors"])
        lines = [line for line in mesh.proxy_log(client).splitlines() if line and '" 200 ' not in line]
        print("\n".join(lines[:8] + lines[-8:]))
        print(mesh.weft("get", "pods", "-A").stdout)
    mesh.promise("no request failed", f"{seen['failed']} of {seen['total']}: {seen['status']}",
                 seen["failed"] == 0 and seen["total"] >= SECONDS * 150)
