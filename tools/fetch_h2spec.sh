#!/usr/bin/env bash
# Builds h2spec, the HTTP/2 conformance client, from its locked Go module, and prints the path of its binary.
# Does nothing but print where that is done. Needs Go 1.24 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/go_tool.sh
build_go_tool h2spec github.com/summerwind/h2spec/cmd/h2spec
echo "$out/h2spec"
