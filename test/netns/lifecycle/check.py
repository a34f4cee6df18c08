"""How a mesh ends: by Ctrl-C, by `weft down`, by a crash followed by `weft down`; as root and without. Nothing may
be left: no namespace, link, mount, process or file. And how one does not begin: what it says then."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BIN = pathlib.Path(os.environ.get("WEFT_BIN", pathlib.Path(__file__).resolve().parents[3] / "build" / "bin"))
NAME = f"life{os.getpid() % 100000}"
HERE = pathlib.Path(__file__).resolve().parent
failed = 0


def promise(promised, seen, kept):
    global failed
    failed += not kept
    print(f"{'ok  ' if kept else 'FAIL'}  {promised:<62}  {seen}", flush=True)


def weft(*words, **options):
    command = [str(BIN / "weft"), words[0], "--mesh", NAME, *map(str, words[1:])]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def left_behind():
    left = [f"namespace {name}" for name in os.listdir("/run/netns") if name.startswith(f"weft-{NAME}-")] \
        if os.path.isdir("/run/netns") else []
    left += [f"mount {line.split()[1]}" for line in open("/proc/self/mounts") if f"weft-{NAME}-" in line]
    left += [f"directory {path}" for path in (f"/run/weft/{NAME}",) if os.path.exists(path)]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
        except OSError:
            continue
        if NAME in words or words[:2] in (["sleep", "86399"], ["sleep", "86398"]):
            left.append(f"process {pid} {' '.join(words)}")
    return left


def clean(how):
    deadline = time.monotonic() + 10
    while left_behind() and time.monotonic() < deadline:
        time.sleep(0.1)
    left = left_behind()
    promise(f"{how}: nothing is left behind", left or "clean", not left)


def links():
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.count("\n")


class Up:
    def __init__(self, directory, *options, gateways=False, **popen):
        self.log = tempfile.TemporaryFile("w+")
        which = ["--http-port", "0", "--https-port", "0"] if gateways else ["--no-gateways"]
        command = [str(BIN / "weft"), "up", str(directory), "--mesh", NAME, *which, *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True, **popen)

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def ready(self):
        deadline = time.monotonic() + 60
        while "are ready after" not in self.text() and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.05)
        promise("the mesh comes up", self.text().splitlines()[:1], "are ready after" in self.text())

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(30)


before = links()
up = Up(HERE)
up.ready()
second = weft("up", HERE, "--no-gateways")
promise("a second mesh of that name is refused", second.stderr.strip()[:60],
        second.returncode == 1 and "already runs" in second.stderr and "--mesh" in second.stderr)
promise("Ctrl-C ends it with status 0", (status := up.end(signal.SIGINT)), status == 0)
clean("Ctrl-C")

up = Up(HERE)
up.ready()
down = weft("down")
promise("weft down ends it", down.stdout.strip(), down.returncode == 0 and up.process.wait(10) == 0)
clean("weft down")

up = Up(HERE)
up.ready()
up.process.kill()
up.process.wait()
listed = weft("get", "pods")
promise("after a crash, weft get says so and what to do", listed.stderr.strip()[:60],
        listed.returncode == 1 and "has died" in listed.stderr and "weft down" in listed.stderr and not listed.stdout)
applied = weft("apply", "-f", HERE / "mesh.yaml")
promise("after a crash, weft apply changes nothing", applied.stderr.strip()[:60],
        applied.returncode == 1 and "has died" in applied.stderr)
promise("weft down cleans up after a crash", (down := weft("down")).stdout.strip(), down.returncode == 0)
clean("crash")
promise("weft down where nothing runs is no error", (down := weft("down")).stdout.strip(), down.returncode == 0)

up = Up(HERE)
up.ready()
up.process.kill()
up.process.wait()
up = Up(HERE)
up.ready()
promise("a new mesh takes the place of a crashed one", up.end(signal.SIGTERM), up.process.returncode == 0)
clean("crash and up")
promise("the host's links are as before", f"{before} and {links()}", before == links())

with tempfile.TemporaryDirectory() as scratch:
    broken = pathlib.Path(scratch, "broken.yaml")
    broken.write_text((HERE / "mesh.yaml").read_text() + "---\nkind: [\n")
    refused = weft("up", scratch, "--no-gateways")
    promise("broken YAML: file, line and status 1", refused.stderr.splitlines()[0][-70:],
            refused.returncode == 1 and f"{broken}:" in refused.stderr)
    broken.unlink()
    shutil.copy(HERE / "mesh.yaml", scratch)
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    refused = weft("up", scratch, "--http-port", port)
    promise("a port in use: which one, and which option", refused.stderr.strip()[-90:],
            refused.returncode == 1 and str(port) in refused.stderr and "--http-port" in refused.stderr)
    clean("a start that failed")
    refused = weft("up", pathlib.Path(scratch, "none"))
    promise("no such directory", refused.stderr.strip()[:60], refused.returncode == 1)
    path = {"PATH": scratch}
    refused = weft("up", HERE, "--no-gateways", env=path)
    promise("no ip or nft: what to install", refused.stderr.strip()[-70:],
            refused.returncode == 1 and "install" in refused.stderr)
    clean("a start without tools")


def until(what, patience=15):
    deadline = time.monotonic() + patience
    while not (seen := what()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen


def eventually(promised, text, wanted):
    kept = until(lambda: wanted in text())
    promise(promised, [line for line in text().splitlines() if wanted in line][:1], kept)


# While it runs: what a user sees of what they write.
with tempfile.TemporaryDirectory() as scratch:
    directory = pathlib.Path(scratch)
    shutil.copy(HERE / "mesh.yaml", directory)
    policies = directory / "policies.yaml"
    policy = ("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny-all}\n"
              "spec: {}\n")
    policies.write_text(policy)
    up = Up(directory, gateways=True)
    up.ready()

    one = weft("get", "pod", "busy", "-o", "yaml")
    promise("weft get pod NAME -o yaml: the one object", one.stdout.splitlines()[:3],
            one.returncode == 0 and one.stdout.startswith("kind: Pod\n") and "\nname: busy\n" in one.stdout)
    absent = weft("get", "pods", "nothing")
    promise("weft get pods NAME: that it is not there, and 1", absent.stderr.strip(),
            absent.returncode == 1 and "no pod 'nothing'" in absent.stderr)
    elsewhere = weft("get", "pods", "-n", "istio-system", "-o", "name")
    promise("weft get -n: the pods of that namespace", elsewhere.stdout.split(), "pod/istio-ingressgateway-" in elsewhere.stdout)
    missing = weft("exec", "busy", "--", "nosuchprog")
    promise("weft exec of no program: so it says, and 127", missing.stderr.strip(),
            missing.returncode == 127 and missing.stderr.strip() == "weft: nosuchprog: not found in pod default/busy")

    policies.write_text("kind: [\n")
    eventually("a broken file: its last good state stays in force", up.text,
               f"{policies}: what it last held without an error stays in force")
    policies.write_text(policy)
    mended = f"{policies}: is mended"
    eventually("a mended file: so it says", up.text, mended)
    policies.write_text("")
    gone = f"{policies}: 1 object gone: AuthorizationPolicy default/deny-all"
    eventually("an emptied file: what went with it", up.text, gone)
    promise("each of it is said once", (counts := [up.text().count(mended), up.text().count(gone)]), counts == [1, 1])
    eventually("weftd says the same", lambda: weft("logs", "weftd").stdout, gone)

    (directory / "gateway.yaml").write_text("""
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: late}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 9123, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: late}
spec:
  hosts: ["*"]
  gateways: [late]
  http: [{route: [{destination: {host: web}}]}]
""")

    def ask():
        ports = [line.split()[-1] for line in weft("get", "gateways").stdout.splitlines() if " 9123 " in line]
        if not ports:
            return ""
        try:
            with urllib.request.urlopen(f"http://{ports[0]}/", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    eventually("a Gateway's new port is reachable from the host", ask, '"service":"web"')
    promise("with all of that it ends with status 0", up.end(signal.SIGINT), up.process.returncode == 0)
    clean("a mesh that was edited")

# Without root: what the user nobody can do in a user namespace. The programs must be where nobody may read.
nobody = pwd.getpwnam("nobody")
with tempfile.TemporaryDirectory() as scratch:
    os.chmod(scratch, 0o755)
    home = pathlib.Path(scratch)
    for program in ("weft", "weftd", "weft-proxy", "weft-demo"):
        shutil.copy(BIN / program, home / program)
    mesh = home / "mesh"
    mesh.mkdir()
    shutil.copy(HERE / "mesh.yaml", mesh)
    # With sidecars: there is one user alone, so the proxy is told by a mark.
    (mesh / "namespace.yaml").write_text("apiVersion: v1\nkind: Namespace\n"
                                         "metadata: {name: default, labels: {istio-injection: enabled}}\n")
    (mesh / "mirror.yaml").write_text("""
apiVersion: v1
kind: Service
metadata: {name: copy}
spec: {selector: {app: copy}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: copy, labels: {app: copy}}
spec: {containers: [{name: copy, image: weft/demo}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web}}], mirror: {host: copy}, mirrorPercentage: {value: 100}}]
""")
    state = home / "state"
    state.mkdir()
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    BIN = home
    environment = {"PATH": os.environ["PATH"], "WEFT_STATE_DIR": str(state)}
    become = dict(user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], env=environment, cwd="/")
    up = Up(mesh, **become)
    up.ready()
    answer = weft("exec", "busy", "--", home / "weft-demo", "get", "http://web/", **become)
    promise("without root: a pod reaches a service by name", answer.stdout[:40] or answer.stderr, '"service":"web"' in answer.stdout)
    promise("without root: by mTLS between sidecars", answer.stdout[-60:].strip(),
            "spiffe://cluster.local/ns/default/sa/default" in answer.stdout)
    eventually("a VirtualService's mirror gets a copy of the request",
               lambda: weft("logs", "copy", "-c", "weft-proxy", **become).stdout, '"GET / HTTP/')
    promise("without root: it ends with status 0", up.end(signal.SIGTERM), up.process.returncode == 0)
    clean("without root")
    promise("without root: the state is gone", list(state.iterdir()), not list(state.iterdir()))

sys.exit(1 if failed else 0)
