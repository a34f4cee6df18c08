import http.client
import socket
import ssl
import subprocess

from weft_mesh import Mesh


class Prepared(Mesh):
    def __enter__(self):
        subprocess.run([self.directory / "make-secret.sh", self.directory], check=True)
        return super().__enter__()


with Prepared(__file__) as mesh:
    host, port = mesh.gateway(443)
    context = ssl.create_default_context(cafile=str(mesh.directory / "ca.crt"))

    def https(path, server_name="shop.example.com"):
        raw = socket.create_connection((host, port), timeout=10)
        connection = http.client.HTTPSConnection("shop.example.com", context=context, timeout=10)
        connection.sock = context.wrap_socket(raw, server_hostname=server_name)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def served():
        try:
            return https("/shop/item")[0] == 200
        except OSError:
            return False

    mesh.wait("HTTPS is served", served)
    status, body = https("/shop/item")
    mesh.promise("HTTPS with a certificate that the client trusts", status, status == 200)
    mesh.promise("the path is rewritten", '"path":"/item"' in body, '"path":"/item"' in body or '"path":"//item"' in body)
    mesh.promise("another path is nobody's", https("/other")[0], https("/other")[0] == 404)

    plain_host, plain_port = mesh.gateway(80)
    connection = http.client.HTTPConnection(plain_host, plain_port, timeout=10)
    connection.request("GET", "/shop", headers={"Host": "shop.example.com"})
    answer = connection.getresponse()
    mesh.promise("HTTP is sent to HTTPS", f"{answer.status} {answer.getheader('location')}",
                 answer.status == 301 and answer.getheader("location", "").startswith("https://shop.example.com"))
