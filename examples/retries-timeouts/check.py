import time

from weft_mesh import Mesh

with Mesh(__file__) as mesh:
    client = "deployment/client"
    # Keys keep the failures of one caller apart; with three replicas each counts for itself.
    seen = mesh.load(client, "http://orders:8080/flaky?every=3", count=300, connections=1)
    mesh.promise("every third try fails; attempts: 3 hides it", f"{seen['failed']} of {seen['total']} failed",
                 seen["failed"] == 0)
    seen = mesh.load(client, "http://orders:8080/flaky?every=3", count=300, connections=1, header="x-retries: off")
    mesh.promise("attempts: 0 shows it", f"{seen['failed']} of {seen['total']} failed", 60 <= seen["failed"] <= 140)

    began = time.monotonic()
    answer = mesh.get(client, "http://orders:8080/delay/15000", "--timeout", "20")
    took = time.monotonic() - began
    mesh.promise("perTryTimeout 2s x 4 tries: 504 after 8 s, within 10 s", f"{answer.status} after {took:.1f} s",
                 answer.status == 504 and 6 <= took <= 11)
    began = time.monotonic()
    answer = mesh.get(client, "http://orders:8080/delay/5000", "--header", "x-timeout: short")
    took = time.monotonic() - began
    mesh.promise("timeout 1s: 504 after 1 s", f"{answer.status} after {took:.1f} s", answer.status == 504 and 0.8 <= took <= 3)
    answer = mesh.get(client, "http://orders:8080/delay/300")
    mesh.promise("what is quick enough arrives", answer.status, answer.status == 200)
