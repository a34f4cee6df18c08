#!/usr/bin/env bash
# Builds AWS-LC from the locked crate and leaves archives and headers under
# build/third_party/awslc/root; fetches the crate that carries Envoy's .proto files
# and links its folder to build/third_party/protos. Does nothing where that is done.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/build/third_party
mkdir -p "$out"
stamp=$out/awslc/root/stamp
want=$(sha256sum third_party/awslc/Cargo.lock | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ]; then
  echo "building AWS-LC (about two minutes, once)"
  cargo build --quiet --release --locked --manifest-path third_party/awslc/Cargo.toml \
    --target-dir "$out/awslc" --message-format=json > "$out/awslc-messages.json"
  python3 - "$out" <<'PY'
import json, os, pathlib, shutil, sys
out = pathlib.Path(sys.argv[1])
crate = None
for line in (out / "awslc-messages.json").read_text().splitlines():
    message = json.loads(line)
    if message.get("reason") == "build-script-executed" and "aws-lc-sys" in message["package_id"]:
        crate = pathlib.Path(message["out_dir"])
if crate is None:
    sys.exit("third_party.sh: cargo did not say where it built aws-lc-sys")
root = out / "awslc" / "root"
shutil.rmtree(root, ignore_errors=True)
(root / "lib").mkdir(parents=True)
for name in ("crypto", "ssl"):
    found = sorted(crate.rglob(f"libaws_lc_*_{name}.a"))
    if not found:
        sys.exit(f"third_party.sh: no {name} archive under {crate}")
    os.symlink(found[0], root / "lib" / f"lib{name}.a")
os.symlink(crate / "include", root / "include")
PY
  echo "$want" > "$stamp"
fi
protos=$out/protos
if [ ! -e "$protos/proto" ]; then
  cargo fetch --quiet --locked --manifest-path third_party/protos/Cargo.toml
  manifest=$(cargo metadata --quiet --locked --offline --format-version 1 --manifest-path third_party/protos/Cargo.toml |
    python3 -c 'import json,sys; print([p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "envoy-types"][0])')
  mkdir -p "$protos"
  ln -sfn "$(dirname "$manifest")/proto" "$protos/proto"
fi
