from weft_mesh import Mesh

SPACES = ["production", "staging", "development"]

with Mesh(__file__) as mesh:
    for space in SPACES:
        version = "v1" if space == "production" else "v2"
        seen = mesh.load(f"{space}/client", "http://shop:8080/", count=50)
        pods = {pod["name"] for pod in mesh.pods(space)}
        mesh.promise(f"{space}: a short name stays in the namespace", seen["pods"],
                     seen["failed"] == 0 and set(seen["versions"]) == {version} and set(seen["pods"]) <= pods)
    for caller, target, status in [("staging", "production", 403), ("development", "production", 403),
                                   ("production", "production", 200), ("development", "staging", 200),
                                   ("production", "staging", 200)]:
        answer = mesh.get(f"{caller}/client", f"http://shop.{target}:8080/")
        mesh.promise(f"{caller} -> {target}: {status}", answer.status, answer.status == status)
