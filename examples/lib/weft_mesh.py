"""What every example's check needs: a mesh from a directory, commands in it, and promises beside what is seen.

    with Mesh(__file__) as mesh:
        seen = mesh.load("deployment/client", "http://shop:8080/api", count=1000)
        mesh.promise("v2 gets 10 %", seen.share("v2"), 0.07 <= seen.share("v2") <= 0.13)

Runs with the standard library alone. WEFT_BIN names the directory of the programs (build/bin of this tree).
WEFT_DATA_PLANE=envoy runs the same check with real Envoys as proxies: mesh.envoy says so, for what only weft-proxy promises.
The directory of the example is copied first, so a check may edit files while the mesh runs.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("WEFT_BIN", ROOT / "build" / "bin"))
READY_SECONDS = float(os.environ.get("WEFT_EXAMPLE_READY", "60"))


class Load(dict):
    """The report of `weft-demo load --json`."""

    def share(self, version):
        answered = sum(self["versions"].values())
        return self["versions"].get(version, 0) / answered if answered else 0.0

    def service_share(self, service):
        answered = sum(self["services"].values())
        return self["services"].get(service, 0) / answered if answered else 0.0

    def status_count(self, status):
        return self["status"].get(str(status), 0)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Mesh:
    def __init__(self, check_file, options=(), directories=None):
        example = pathlib.Path(check_file).resolve().parent
        self.name = "x" + "".join(c for c in example.name if c.isalnum())[:12] + str(os.getpid() % 10000)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="weft-example-"))
        self.directory = self.work / example.name
        shutil.copytree(example, self.directory)
        self.options = list(options)
        self.failed = 0
        self.process = None
        self.envoy = os.environ.get("WEFT_DATA_PLANE") == "envoy"

    # ---- life

    def __enter__(self):
        words = [BIN / "weft", "up", self.directory, "--mesh", self.name, "--http-port", "0", "--https-port", "0"]
        if self.envoy:
            words += ["--data-plane", "envoy"]
        self.log = open(self.work / "up.log", "w+")
        self.process = subprocess.Popen([*map(str, words), *self.options], stdout=self.log, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        try:
            self.wait("every pod is ready", self.all_ready, READY_SECONDS)
        except AssertionError:
            self.__exit__(AssertionError, None, None)
            raise SystemExit(1)
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.check_accepted()
        else:
            traceback.print_exception(kind, value, trace) if value else None
            self.show_trouble()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "killed"
            self.weft("down")
        self.check_clean(status)
        if self.failed or kind is not None:
            print(f"{self.failed or 1} promises were not kept; the log is {self.work}/up.log", flush=True)
            os._exit(1)
        shutil.rmtree(self.work, ignore_errors=True)
        return False

    def check_clean(self, status):
        prefix = f"weft-{self.name}-"
        namespaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
        left = [line for line in namespaces.splitlines() if line.startswith(prefix)]
        left += [line for line in open("/proc/self/mounts") if prefix in line]
        self.promise("nothing is left behind", f"exit {status}, {len(left)} left", status == 0 and not left)

    def check_accepted(self):
        """What weftd sends is right for whoever reads it: no proxy refused any of it, from the first to the last."""
        refusals = [line for line in self.weft("logs", "weftd").stdout.splitlines() if " refused " in line]
        self.promise("no proxy refused anything", f"{len(refusals)} refused {' | '.join(refusals[:3])[:300]}", not refusals)
        if self.envoy:
            self.check_envoys()

    def check_envoys(self):
        """The same in Envoy's own words, which also speak of what the pod's agent sent (certificates)."""
        asked, taken, refused = 0, 0, []
        for pod in self.pods():
            if pod["proxy"] not in ("sidecar", "router"):
                continue
            asked += 1
            for line in self.exec(f"{pod['namespace']}/{pod['name']}", "weft-demo", "get",
                                  "http://127.0.0.1:15000/stats?filter=update_").stdout.splitlines():
                name, _, value = line.rpartition(": ")
                if name.endswith("update_rejected") and value != "0":
                    refused.append(f"{pod['name']} {line}")
                if name in ("listener_manager.lds.update_success", "cluster_manager.cds.update_success"):
                    taken += int(value) > 0
        self.promise("update_rejected is 0 in every Envoy", f"{asked} Envoys {' | '.join(refused[:5])}",
                     not refused and asked > 0 and taken == 2 * asked)

    def all_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("weft up ended")
        self.log.flush()
        return "are ready after" in (self.work / "up.log").read_text()

    def show_trouble(self):
        print((self.work / "up.log").read_text(), flush=True)
        print(self.weft("get", "pods", "-A").stdout, flush=True)
        for pod in json.loads(self.weft("get", "pods", "-A", "-o", "json").stdout or '{"items":[]}')["items"]:
            for container in pod["containers"]:
                if not container["ready"] and container["log"]:
                    print(f"--- {pod['name']} {container['name']}: {container['reason']}")
                    print("".join(open(container["log"], errors="replace").readlines()[-15:]), flush=True)
        print("--- weftd\n" + "\n".join(self.weft("logs", "weftd", "--tail", "15").stdout.splitlines()), flush=True)

    # ---- commands

    def weft(self, *words, check=False, stdin=None):
        command = words[0]
        rest = [str(word) for word in words[1:]]
        return subprocess.run([str(BIN / "weft"), command, "--mesh", self.name, *rest], capture_output=True, text=True,
                              errors="replace", check=check, input=stdin)

    def exec(self, pod, *words):
        return self.weft("exec", pod, "--", *words)

    def load(self, pod, url, **options):
        words = ["weft-demo", "load", "--json", "--url", url]
        for name, value in options.items():
            for each in value if isinstance(value, list) else [value]:
                words.append("--" + name.replace("_", "-"))
                if each is not True:
                    words.append(str(each))
        done = self.exec(pod, *words)
        if done.returncode != 0:
            raise AssertionError(f"load failed: {done.stderr}")
        return Load(json.loads(done.stdout))

    def start_load(self, pod, url, **options):
        """Load in the background; finish it with .report()."""
        words = [str(BIN / "weft"), "exec", "--mesh", self.name, pod, "--", "weft-demo", "load", "--json", "--url", url]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def report():
            out, err = process.communicate(timeout=120)
            if process.returncode != 0:
                raise AssertionError(f"load failed: {err}")
            return Load(json.loads(out))

        process.report = report
        return process

    def get(self, pod, url, *options):
        """One request; status 0 where no answer came."""
        done = self.exec(pod, "weft-demo", "get", "--include", url, *options)
        if done.returncode != 0 or not done.stdout.startswith("HTTP/"):
            return Answer(0, {}, done.stderr)
        head, _, body = done.stdout.partition("\n\n")
        lines = head.splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return Answer(int(lines[0].split()[1]), headers, body)

    def gateway(self, port=80):
        host, _, number = json.loads(self.weft("get", "gateways", "-o", "json").stdout)[f"ingress:{port}"].rpartition(":")
        return host, int(number)

    def pods(self, namespace=None):
        items = json.loads(self.weft("get", "pods", "-A", "-o", "json").stdout)["items"]
        return [pod for pod in items if namespace in (None, pod["namespace"])]

    def metrics(self, pod):
        """Prometheus lines of a pod's proxy."""
        return self.exec(pod, "weft-demo", "get", "http://127.0.0.1:15000/stats/prometheus").stdout.splitlines()

    def clusters(self, pod):
        """The clusters a pod's proxy works with, by name: not those that only warm up (an Envoy's do, for a while)."""
        dump = json.loads(self.exec(pod, "weft-demo", "get", "http://127.0.0.1:15000/config_dump").stdout)
        return {one["cluster"]["name"]: one["cluster"] for part in dump["configs"]
                for one in part.get("dynamic_active_clusters", [])}

    def proxy_log(self, pod):
        return self.weft("logs", pod, "-c", "weft-proxy").stdout

    def edit(self, file, old, new):
        path = self.directory / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new))

    # ---- what is promised

    def wait(self, what, test, seconds=15):
        deadline = time.monotonic() + seconds
        while True:
            if test():
                return True
            if time.monotonic() > deadline:
                self.promise(what, f"not within {seconds:g} s", False)
                raise AssertionError(what)
            time.sleep(0.1)

    def promise(self, promised, seen, kept):
        if isinstance(seen, float):
            seen = f"{seen:.1%}"
        self.failed += not kept
        print(f"{'ok  ' if kept else 'FAIL'}  {promised:<62}  {seen}", flush=True)
        return kept
