#!/usr/bin/env bash
# Builds gRPC's interoperation client and server from their locked Go module, and prints the folder that holds
# them. Does nothing but print where that is done. Needs Go 1.24 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/go_tool.sh
build_go_tool grpc_interop google.golang.org/grpc/interop/client google.golang.org/grpc/interop/server
echo "$out"
