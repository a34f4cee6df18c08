#!/usr/bin/env bash
# clang-tidy over the files given, or over every source of ours, with the checks of .clang-tidy.
# WEFT_TIDY_QUICK=1 leaves out the static analyser, which takes two thirds of the time. WEFT_TIDY_BUILD is a
# configured build directory (build/dev).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${WEFT_TIDY_BUILD:-build/dev}
checks=()
[ -z "${WEFT_TIDY_QUICK:-}" ] || checks=(--checks=-clang-analyzer-*)
[ -f "$build/compile_commands.json" ] || cmake --preset dev > /dev/null
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(git ls-files 'src/*.cc' 'demo/*.cc' | grep -vE '_(test|fuzz|bench)\.cc$'); fi
printf '%s\0' "${files[@]}" |
  xargs -0 -P "${JOBS:-$(nproc)}" -n 4 clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*' "${checks[@]}" 2> /dev/null
