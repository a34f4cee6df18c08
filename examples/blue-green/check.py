import time

from weft_mesh import Mesh

BLUE = ("subset: blue}\n      weight: 100", "subset: green}\n      weight: 0")
GREEN = ("subset: blue}\n      weight: 0", "subset: green}\n      weight: 100")

with Mesh(__file__) as mesh:
    client = "deployment/client"

    def live():
        return mesh.load(client, "http://shop:8080/", count=40)["versions"]

    def flip(old, new):
        path = mesh.directory / "route.yaml"
        text = path.read_text()
        for before, after in zip(old, new):
            assert before in text
            text = text.replace(before, after)
        path.write_text(text)

    mesh.promise("blue is live", live(), set(live()) == {"blue"})
    load = mesh.start_load(client, "http://shop:8080/", rps=300, duration=8, connections=8)
    time.sleep(2)
    flip(BLUE, GREEN)
    mesh.wait("green is live after the flip", lambda: set(live()) == {"green"})
    mesh.promise("green is live after the flip", live(), set(live()) == {"green"})
    flip(GREEN, BLUE)
    mesh.wait("blue is live after the flip back", lambda: set(live()) == {"blue"})
    mesh.promise("blue is live after the flip back", live(), set(live()) == {"blue"})
    seen = load.report()
    mesh.promise("no request failed while it flipped", f"{seen['failed']} of {seen['total']}, {seen['versions']}",
                 seen["failed"] == 0 and seen["total"] >= 2000 and set(seen["versions"]) == {"blue", "green"})
