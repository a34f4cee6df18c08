"""Opens mutual-TLS connections one after the other on a few threads: full handshake, one request, close.

    tls_connections.py PORT CERTS SECONDS

Prints JSON: done, failed, seconds, the median and 99th percentile of a connection's life, the first error.
"""

import json
import socket
import ssl
import struct
import sys
import threading
import time

THREADS = 8
REQUEST = b"GET / HTTP/1.1\r\nHost: server.bench\r\nConnection: close\r\n\r\n"


def main() -> None:
    port, certs, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    context = ssl.create_default_context(cafile=f"{certs}/root.pem")
    context.check_hostname = False
    context.load_cert_chain(f"{certs}/client.pem", f"{certs}/client.key")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    start = time.monotonic()
    end = start + seconds
    times: list[float] = []
    errors: list[str] = []

    def work() -> None:
        while time.monotonic() < end and len(errors) < 100:
            began = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
                    # Thousands of closed connections would wait for stragglers otherwise.
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    with context.wrap_socket(plain, server_hostname="server.bench") as secure:
                        secure.sendall(REQUEST)
                        answer = b""
                        while b"\r\n\r\n" not in answer:
                            part = secure.recv(65536)
                            if not part:
                                break
                            answer += part
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise OSError(f"answer {answer[:60]!r}")
                times.append(time.monotonic() - began)
            except OSError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    at = (lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1e6) if times else (lambda share: 0.0)
    print(json.dumps({"done": len(times), "failed": len(errors), "seconds": time.monotonic() - start,
                      "p50_us": at(0.5), "p99_us": at(0.99), "error": errors[0] if errors else ""}))


main()
