import shutil
import subprocess
import time

from weft_mesh import Mesh

SECRET = "a-secret-that-nobody-may-read"

with Mesh(__file__) as mesh:
    vault = next(pod for pod in mesh.pods("default") if pod["owner"] == "vault")
    capture = None
    if shutil.which("tcpdump"):
        # The hub sees every packet between pods.
        netns = vault["netns"].rsplit("/", 1)[0] + f"/weft-{mesh.name}-hub"
        capture = subprocess.Popen(["nsenter", f"--net={netns}", "tcpdump", "-i", "any", "-U", "-w", mesh.work / "wire.pcap",
                                    "tcp and host " + vault["ip"]], stderr=subprocess.PIPE, text=True)
        while "listening on" not in capture.stderr.readline():
            pass

    answer = mesh.get("deployment/client", f"http://vault:8080/{SECRET}")
    mesh.promise("a caller with a sidecar is served", answer.status, answer.status == 200)
    xfcc = answer.json["headers"].get("x-forwarded-client-cert", "") if answer.status == 200 else ""
    mesh.promise("its identity is known", xfcc[-60:], "spiffe://cluster.local/ns/default/sa/default" in xfcc)
    seen = mesh.load("deployment/client", f"http://vault:8080/{SECRET}", count=200)
    mesh.promise("no request of it fails", f"{seen['failed']} of {seen['total']}", seen["failed"] == 0)

    answer = mesh.get("legacy/old-client", f"http://vault.default:8080/plain", "--timeout", "5")
    mesh.promise("a plaintext caller is refused", answer.body.strip()[:50], answer.status == 0)

    if capture:
        time.sleep(0.5)
        capture.terminate()
        capture.wait()
        packets = (mesh.work / "wire.pcap").read_bytes()
        mesh.promise("the capture shows no plaintext", f"{len(packets)} bytes captured",
                     SECRET.encode() not in packets and len(packets) > 10000)
