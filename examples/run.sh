#!/usr/bin/env bash
# Runs an example's check: its mesh comes up, promises are compared with what is seen, and it goes down.
#   examples/run.sh NAME...        without a name: all of them
# WEFT_BIN is the directory of weft, weftd, weft-proxy and weft-demo (build/bin).
set -uo pipefail
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- $(for check in */check.py; do dirname "$check"; done)
status=0
for name in "$@"; do
  [ -f "$name/check.py" ] || { echo "there is no example '$name'; there are:" */ >&2; exit 2; }
  echo "== $name"
  PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=lib python3 "$name/check.py" || status=1
done
exit $status
