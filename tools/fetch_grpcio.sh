#!/usr/bin/env bash
# Fetches gRPC for Python, whose client library speaks xDS, by name, version and hash, and prints the folder to
# put into PYTHONPATH. Does nothing but print where that is done. The hashes are those of Python 3.11 to 3.13.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/build/third_party/grpcio
want=$( (cat tools/grpcio-requirements.txt; python3 -c 'import sys; print(sys.version_info[:2])') | sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/stamp" 2> /dev/null || true)" != "$want" ]; then
  rm -rf "$out"
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
    --no-compile --require-hashes --target "$out" --requirement tools/grpcio-requirements.txt >&2
  echo "$want" > "$out/stamp"
fi
echo "$out"
