from weft_mesh import Mesh

with Mesh(__file__) as mesh:
    client = "deployment/client"
    seen = mesh.load(client, "http://shop:8080/api/items", count=2000, connections=8)
    mesh.promise("shop: 90/10 for /api on port 8080: v2 gets 10 %", seen.share("v2"), 0.07 <= seen.share("v2") <= 0.13)
    mesh.promise("shop: no request fails", f"{seen['failed']} of {seen['total']}", seen["failed"] == 0)

    seen = mesh.load(client, "http://shop:8080/other", count=300)
    mesh.promise("shop: another path stays with v1", seen.share("v1"), seen.share("v1") == 1)
    seen = mesh.load(client, "http://shop:9090/api/items", count=300)
    mesh.promise("shop: another port stays with v1", seen.share("v1"), seen.share("v1") == 1)

    seen = mesh.load(client, "http://portal/", count=3000, connections=8)
    mesh.promise("portal: 95/5: canary gets 5 %", seen.share("canary"), 0.03 <= seen.share("canary") <= 0.07)
    seen = mesh.load(client, "http://portal/admin/users", count=200)
    mesh.promise("portal: /admin goes to the admin service", seen.service_share("admin"), seen.service_share("admin") == 1)
    seen = mesh.load(client, "http://portal/api/v1", count=200)
    mesh.promise("portal: /api goes to the api service", seen.service_share("api"), seen.service_share("api") == 1)

    mesh.edit("shop.yaml", "weight: 90", "weight: 50")
    mesh.edit("shop.yaml", "weight: 10", "weight: 50")
    mesh.wait("a changed weight takes effect while running",
              lambda: 0.4 < mesh.load(client, "http://shop:8080/api/items", count=200).share("v2") < 0.6)
    mesh.promise("a changed weight takes effect while running", "50/50", True)
