#!/usr/bin/env bash
# Measures weft-proxy against nginx, HAProxy and Envoy in one run: `bench/run.sh [--quick] [--help]`.
# Wants build/bin/weft-proxy and weftd (make build), and wrk, h2load, nginx, haproxy (tools/setup.sh); fetches Envoy itself.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/bench
export PYTHONDONTWRITEBYTECODE=1
envoy=$(tools/fetch_envoy.sh)
exec python3 bench/run.py --envoy "$envoy" "$@"
