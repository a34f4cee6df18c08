#!/usr/bin/env bash
# clang-tidy over the files given, or over every source of ours, with the checks of .clang-tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f build/dev/compile_commands.json ] || cmake --preset dev > /dev/null
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(git ls-files 'src/*.cc' | grep -vE '_(test|fuzz|bench)\.cc$'); fi
printf '%s\0' "${files[@]}" | xargs -0 -P "${JOBS:-$(nproc)}" -n 4 clang-tidy-19 -p build/dev --quiet --warnings-as-errors='*'
