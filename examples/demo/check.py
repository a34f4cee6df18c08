"""What `make demo` shows: a mesh comes up, traffic runs through it, and what the YAML promised is printed
beside what was seen. On a terminal (and with --stay) the mesh stays until Ctrl-C; otherwise it ends, with
exit status 0 if every promise was kept, 1 if not."""
import os
import signal
import sys

from weft_mesh import Mesh

CLIENT = "deployment/client"
INTRUDER = "deployment/intruder"


def replicas(mesh, owner):
    return sorted(pod["name"] for pod in mesh.pods("default") if pod["owner"] == owner)


def show(mesh):
    seen = mesh.load(CLIENT, "http://shop:8080/", count=2000, connections=8)
    mesh.promise("shop: 90 % to v1, 10 % to v2 (VirtualService shop)",
                 f"v1 {seen['versions'].get('v1', 0)}, v2 {seen['versions'].get('v2', 0)} of {seen['total']}",
                 0.07 <= seen.share("v2") <= 0.13 and seen["failed"] == 0)

    peer = mesh.get(CLIENT, "http://shop:8080/").json["headers"].get("x-forwarded-client-cert", "")
    identity = peer.rpartition("URI=")[2]
    mesh.promise("every hop over mTLS, the caller's identity known (STRICT)", identity or "none",
                 identity == "spiffe://cluster.local/ns/default/sa/client")

    seen = mesh.load(CLIENT, "http://orders:8080/flaky?every=3", count=300, connections=1)
    tries = sum(float(line.rsplit(" ", 1)[1]) for line in mesh.metrics(CLIENT)
                if line.startswith("envoy_cluster_upstream_rq_retry "))
    mesh.promise("orders: every third try fails, retries hide it (attempts: 3)",
                 f"{seen['failed']} of {seen['total']} failed, {tries:.0f} retries", seen["failed"] == 0 and tries >= 90)

    bad = replicas(mesh, "payments")[0]
    mesh.exec(bad, "weft-demo", "get", "http://127.0.0.1:8080/control?fail_rate=1&fail_code=500")
    seen = mesh.load(CLIENT, "http://payments:8080/", rps=200, duration=2)
    after = mesh.load(CLIENT, "http://payments:8080/", count=100)
    mesh.promise("payments: a replica that fails 5 times is ejected (DestinationRule)",
                 f"{seen['failed']} errors, then {after['failed']} of {after['total']}",
                 0 < seen["failed"] <= 60 and after["failed"] == 0)

    answer = mesh.get(INTRUDER, "http://payments:8080/")
    mesh.promise("payments: an intruder is refused (AuthorizationPolicy no-intruders)", f"{answer.status} {answer.body.strip()}",
                 answer.status == 403)
    denials = [line for pod in replicas(mesh, "payments") for line in mesh.proxy_log(pod).splitlines()
               if "policy[no-intruders]" in line]
    why = denials[-1].split("rbac_access_denied")[1].split()[0] if denials else "nothing"
    mesh.promise("  and the proxy's log says why, the caller is not told", "rbac_access_denied" + why, bool(denials))
    answer = mesh.get(CLIENT, "http://payments:8080/refunds")
    mesh.promise("payments: the client may not call another path", str(answer.status), answer.status == 403)

    victim = replicas(mesh, "shop-v1")[0]
    pid = next(container["pid"] for pod in mesh.pods("default") if pod["name"] == victim
               for container in pod["containers"] if container["name"] == "shop")
    load = mesh.start_load(CLIENT, "http://shop:8080/", rps=300, duration=4)
    mesh.wait("load is running", lambda: load.poll() is None)
    os.kill(pid, signal.SIGKILL)
    seen = load.report()
    mesh.promise("shop: a replica is killed under load and nobody notices",
                 f"{seen['failed']} of {seen['total']} failed", seen["failed"] == 0)


def stay(mesh):
    host, port = mesh.gateway()
    print(f"""
The mesh '{mesh.name}' stays up until Ctrl-C. In another terminal:
  build/bin/weft get pods --mesh {mesh.name}
  build/bin/weft exec --mesh {mesh.name} {CLIENT} -- weft-demo load --url http://shop:8080/ --rps 100 --duration 10
  build/bin/weft logs --mesh {mesh.name} {CLIENT} -c weft-proxy
  build/bin/weft scale --mesh {mesh.name} deployment/shop-v2 --replicas 3
Edit {mesh.directory}/mesh.yaml and watch the next request obey. Ingress gateway: http://{host}:{port}""", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


with Mesh(__file__) as mesh:
    print(f"\n      {'promised':<62}  seen")
    show(mesh)
    if "--stay" in sys.argv or (sys.stdout.isatty() and sys.stdin.isatty() and "--no-stay" not in sys.argv):
        stay(mesh)
