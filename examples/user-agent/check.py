from weft_mesh import Mesh

AGENTS = {
    "Mozilla/5.0 (Linux; Android 14; Pixel 8)": "mobile",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)": "mobile",
    "SomethingMobile": "mobile",
    "Mozilla/5.0 (X11; Linux x86_64)": "desktop",
    "mobile": "desktop",
}

with Mesh(__file__) as mesh:
    for agent, version in AGENTS.items():
        seen = mesh.load("deployment/client", "http://shop:8080/", count=50, header=f"user-agent: {agent}")
        mesh.promise(f"{agent[:44]} -> {version}", seen["versions"], set(seen["versions"]) == {version})
