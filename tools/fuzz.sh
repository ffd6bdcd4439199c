#!/bin/sh
# fuzz.sh -- runs the fuzz targets with clang's libFuzzer, ASan and UBSan.
#
#   sh tools/fuzz.sh [SECONDS [TARGET ...]]      60 seconds each; all of fuzz/
#
# Starts from fuzz/corpus; what it finds that is new stays in the build folder, under found/TARGET.
# An input that breaks a promise is left beside it as crash-*, and the exit status is 1: put it
# into fuzz/corpus/TARGET, where it is a test from then on.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-60}
[ $# -gt 0 ] && shift
source=$PWD
build=${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}/fuzz

[ -f "$build/build.ninja" ] ||
    CC=clang CFLAGS=-fsanitize=fuzzer-no-link meson setup "$build" "$source" --buildtype=debug \
        -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true -Dtests=false \
        -Dtrap=false || exit 1
ninja -C "$build" || exit 1
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(cd fuzz/corpus && echo *)
bad=0
for target; do
    mkdir -p "$build/found/$target"
    echo "== $target: $seconds s"
    (cd "$build/found/$target" && ASAN_OPTIONS=detect_stack_use_after_return=0 \
        "$build/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=1024 -verbosity=0 \
        -print_final_stats=1 . "$source/fuzz/corpus/$target" 2>&1 | grep -vE '^(INFO|#)' ;
        ! ls crash-* leak-* timeout-* oom-* >/dev/null 2>&1) || bad=1
done
exit $bad
