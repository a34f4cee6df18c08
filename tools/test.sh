#!/usr/bin/env bash
# Runs the tests. Without an argument: everything, ending with ctest's summary of the release build.
#   tools/test.sh [house|asan|tidy|tsan|fuzz|release]...
# WEFT_FUZZ_SECONDS (10) is how long each fuzz target runs. Its seed is WEFT_FUZZ_SEED (1), so that two runs of
# one tree try the same inputs; 0 draws one.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}

build() {
  cmake --preset "$1" "${@:2}" > "build/cmake-$1.log" || { cat "build/cmake-$1.log"; exit 1; }
  ninja -C "build/$1" -j"$jobs"
}

house() {
  python3 test/tidy/rooms_test.py
  tools/format.sh --check
}

asan() {
  build asan
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    WEFT_SIM_SEEDS=2 ctest --test-dir build/asan -L 'unit|sim|integration' -j"$jobs" --output-on-failure --no-tests=error
}

# By the commands of the ASan build.
tidy() {
  [ -f build/asan/compile_commands.json ] || build asan
  WEFT_TIDY_QUICK=1 WEFT_TIDY_BUILD=build/asan tools/tidy.sh
}

tsan() {
  build tsan
  TSAN_OPTIONS=suppressions=$PWD/test/tsan.supp:second_deadlock_stack=1 \
    WEFT_SIM_SEEDS=2 ctest --test-dir build/tsan -L 'unit|sim|integration' -j"$jobs" --output-on-failure --no-tests=error
}

# The targets are part of the ASan build.
fuzz() {
  build asan
  local seconds=${WEFT_FUZZ_SECONDS:-10} seed=${WEFT_FUZZ_SEED:-1} target corpus
  mkdir -p build/asan/fuzz
  while read -r target; do
    corpus=$PWD/fuzz/corpus/$target
    rm -rf "build/asan/fuzz/new/$target"  # what an earlier run found new would change what this one tries
    mkdir -p "build/asan/fuzz/new/$target" "build/asan/fuzz/found"
    [ -d "$corpus" ] || corpus=
    echo "fuzz: $target, ${seconds} s"
    "build/asan/bin/$target" -seed="$seed" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3072 -verbosity=0 \
      -artifact_prefix="build/asan/fuzz/found/$target-" "build/asan/fuzz/new/$target" $corpus 2> "build/asan/fuzz/$target.log" ||
      { tail -40 "build/asan/fuzz/$target.log"; exit 1; }
  done < build/asan/targets.txt
}

release() {
  build release -DWEFT_TESTS=ON
  tools/fetch_envoy.sh > /dev/null || echo "no Envoy to be had: the test that asks a real one is skipped"
  ctest --test-dir build/release -j"$jobs" --output-on-failure --no-tests=error
}

[ $# -gt 0 ] || set -- house asan tidy tsan fuzz release
for step in "$@"; do "$step"; done
