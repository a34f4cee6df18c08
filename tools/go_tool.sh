# Sourced by the fetch_*.sh that build Go programs: build_go_tool NAME PACKAGE... builds the packages, in the
# versions and with the checksums that tools/NAME/go.mod and go.sum lock, into $out = build/third_party/NAME.

build_go_tool() {
  local name=$1
  shift
  out=$PWD/build/third_party/$name
  local want
  want=$(cat "tools/$name/go.mod" "tools/$name/go.sum" | sha256sum | cut -d' ' -f1)
  [ "$(cat "$out/stamp" 2> /dev/null || true)" != "$want" ] || return 0
  command -v go > /dev/null || { echo "$name: Go 1.24 or newer is needed to build it" >&2; exit 1; }
  mkdir -p "$out"
  (cd "tools/$name" && GOFLAGS=-mod=readonly go build -o "$out/" "$@") >&2
  echo "$want" > "$out/stamp"
}
