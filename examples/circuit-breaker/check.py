from weft_mesh import Mesh

with Mesh(__file__) as mesh:
    client = "deployment/client"
    log = (mesh.work / "up.log").read_text()
    mesh.promise("minRequestVolume gets a warning that names it", "minRequestVolume" in log,
                 "warning" in log and "minRequestVolume" in log)

    # In seconds from here on, as a user would do it: the mesh runs.
    applied = mesh.weft("apply", "-f", "-", stdin=(mesh.directory / "rule-in-seconds.txt").read_text())
    mesh.promise("weft apply replaces the rule", applied.stdout.strip(), "configured" in applied.stdout)

    def in_force():
        cluster = mesh.clusters(client).get("outbound|8080||payments.default.svc.cluster.local", {})
        return cluster.get("outlier_detection", {}).get("base_ejection_time") == "10s"

    mesh.wait("the caller's proxy has the rule in seconds", in_force)

    bad = sorted(pod["name"] for pod in mesh.pods("default") if pod["owner"] == "payments")[0]
    seen = mesh.load(client, "http://payments:8080/", count=400)
    mesh.promise("four backends share evenly (ROUND_ROBIN)", seen["pods"],
                 len(seen["pods"]) == 4 and min(seen["pods"].values()) >= 80)

    mesh.exec(bad, "weft-demo", "get", "http://127.0.0.1:8080/control?fail_rate=1&fail_code=500")
    seen = mesh.load(client, "http://payments:8080/", count=300)
    mesh.promise("one fails: its errors end when it is ejected", f"{seen['failed']} of {seen['total']} failed",
                 0 < seen["failed"] <= 40)
    seen = mesh.load(client, "http://payments:8080/", count=100)
    mesh.promise("while it is ejected nobody fails", f"{seen['failed']} of {seen['total']}", seen["failed"] == 0)
    clusters = mesh.exec(client, "weft-demo", "get", "http://127.0.0.1:15000/clusters").stdout
    mesh.promise("the admin page shows the ejection", "failed_outlier_check", "failed_outlier_check" in clusters)
    metric = [line for line in mesh.metrics(client) if "ejections_enforced_total" in line and not line.startswith("#")]
    mesh.promise("the metric counts the ejection", metric[:1], any(not line.endswith(" 0") for line in metric))

    mesh.exec(bad, "weft-demo", "get", "http://127.0.0.1:8080/control?fail_rate=0")
    mesh.wait("it comes back", lambda: bad in mesh.load(client, "http://payments:8080/", count=60)["pods"], 40)
    mesh.promise("it comes back after baseEjectionTime", bad, True)
