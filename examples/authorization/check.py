from weft_mesh import Mesh

CASES = [
    ("deployment/shop", "GET", "/api/v1/items", 200),
    ("deployment/shop", "POST", "/api/v1/items", 200),
    ("deployment/shop", "DELETE", "/api/v1/items", 403),
    ("deployment/shop", "GET", "/api/v2/items", 403),
    ("deployment/shop", "GET", "/", 403),
    ("deployment/audit", "GET", "/api/v1/items", 403),
]

with Mesh(__file__) as mesh:
    for caller, method, path, status in CASES:
        answer = mesh.get(caller, f"http://orders:8080{path}", "--method", method)
        mesh.promise(f"{caller.split('/')[1]} {method} {path}: {status}", answer.status, answer.status == status)
        if status == 403:
            mesh.promise("  the caller is told nothing more", answer.body.strip(), "RBAC: access denied" in answer.body)
    mesh.wait("the log of the proxy that refused says why",
              lambda: "rbac_access_denied" in mesh.proxy_log("deployment/orders"))
    mesh.promise("the log of the proxy that refused says why", "rbac_access_denied", True)
