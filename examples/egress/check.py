from weft_mesh import Mesh

with Mesh(__file__) as mesh:
    client = "deployment/client"
    mesh.wait("api.example.com answers", lambda: mesh.get(client, "http://api.example.com/").status == 200)
    answer = mesh.get(client, "http://api.example.com/path-of-mine")
    mesh.promise("api.example.com answers", answer.status, answer.status == 200)
    gateway = next(pod for pod in mesh.pods("istio-system") if pod["owner"] == "istio-egressgateway")
    peer = answer.json["peer"].rpartition(":")[0] if answer.status == 200 else ""
    mesh.promise("the outside sees the egress gateway", f"{peer}, gateway {gateway['ip']}", peer == gateway["ip"])
    mesh.wait("the egress gateway logs it", lambda: "/path-of-mine" in mesh.proxy_log("istio-system/istio-egressgateway"))
    mesh.promise("the egress gateway logs it", "/path-of-mine", True)
    seen = mesh.load(client, "http://api.example.com/", count=200)
    mesh.promise("no request fails", f"{seen['failed']} of {seen['total']}", seen["failed"] == 0)
