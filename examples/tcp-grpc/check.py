import time

from weft_mesh import Mesh

with Mesh(__file__) as mesh:
    client = "deployment/client"

    def run(what, *words, lines=1, seconds=3.0, text="hello"):
        began = time.monotonic()
        done = mesh.exec(client, "weft-demo", *words)
        took = time.monotonic() - began
        got = [line for line in done.stdout.splitlines() if text in line]
        mesh.promise(what, f"{len(got)} answers in {took:.1f} s {done.stderr.strip()[:60]}",
                     done.returncode == 0 and len(got) == lines and took < seconds)
        return done.stdout

    run("TCP by its port's name", "tcp", "echo:9000")
    run("TCP without a name, told from the first bytes", "tcp", "echo:9002", "--keep-open")
    if not mesh.envoy:  # which resets it: its inspector takes the client's end for the connection's
        run("the same from a client that closes its half at once", "tcp", "echo:9002")
    run("a server that speaks first is not kept waiting", "tcp", "echo:9001", "--listen-first", seconds=2.5)
    run("gRPC, one call", "grpc", "echo:7070")
    run("gRPC, a stream from the server", "grpc", "echo:7070", "--method", "ServerStream", "--count", "5", lines=5)
    run("gRPC, a stream from the client", "grpc", "echo:7070", "--method", "ClientStream", "--messages", "4")
    run("gRPC, streams both ways", "grpc", "echo:7070", "--method", "Both", "--messages", "4", lines=4)
    done = mesh.exec(client, "weft-demo", "grpc", "echo:7070", "--code", "7")
    mesh.promise("a gRPC status arrives as it was sent", done.stderr.strip(), "grpc status 7" in done.stderr)
    run("WebSocket by upgrade", "ws", "http://echo:8080/", "--count", "3", lines=3)
    pods = {run("gRPC, again", "grpc", "echo:7070").split('"pod":')[1] for _ in range(12)}
    mesh.promise("gRPC calls reach both replicas", len(pods), len(pods) == 2)
    mesh.wait("the access log has them", lambda: "weft.demo.Echo" in mesh.proxy_log("deployment/echo"))
    mesh.promise("the access log has them", "weft.demo.Echo", True)
