#!/usr/bin/env bash
# Installs what the build and the tests need from Debian's packages, where it is missing, then
# prepares the pinned sources (third_party.sh). Needs root, or sudo, only if something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build

packages=(
  clang-19 clang-tidy-19 clang-format-19 lld-19 libclang-rt-19-dev llvm-19 ccache ninja-build cmake pkg-config
  protobuf-compiler libprotobuf-dev python3-protobuf libnghttp2-dev libre2-dev libyaml-dev libxxhash-dev
  libcli11-dev libgtest-dev libgmock-dev libbenchmark-dev
  nftables iproute2 procps tcpdump curl openssl wrk nghttp2-client nginx-light haproxy prometheus
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || { echo "setup: missing packages (${missing[*]}) need root or sudo" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "installing: ${missing[*]}"
  # Debian starts daemons that it installs; none of these is wanted running.
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" > /dev/null
    "${as_root[@]}" chmod +x "$policy"
    made_policy=yes
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > build/setup.log
  [ "$made_policy" = no ] || "${as_root[@]}" rm -f "$policy"
fi
command -v cargo > /dev/null || { echo "setup: cargo is needed (Rust 1.71 or newer) to fetch and build AWS-LC" >&2; exit 1; }
tools/third_party.sh
