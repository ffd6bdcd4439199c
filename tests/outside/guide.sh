#!/bin/sh
# guide.sh -- runs the examples of docs/guide.md and compares what they print.
#
#   sh tests/outside/guide.sh SOURCE_DIR BUILD_DIR/examples/guide      TAP
#
# An example is examples/guide/NN-name.c, and NN-name.out is what it prints; it has to end well and
# say nothing else.  Those that need libweir-http are skipped where that was not built.
set -u
source=$1/examples/guide
bin=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

set -- "$source"/*.c
echo "1..$#"
for example; do
    name=$(basename "$example" .c)
    n=$((n + 1))
    if [ ! -x "$bin/guide_$name" ] && grep -q '<weir/http.h>' "$example"; then
        echo "ok $n - example_$name # SKIP without libweir-http"
        continue
    fi
    timeout 50 "$bin/guide_$name" >"$work/out" 2>"$work/err"
    status=$?
    if [ $status = 0 ] && [ ! -s "$work/err" ] && cmp -s "$source/$name.out" "$work/out"; then
        echo "ok $n - example_$name"
    else
        echo "not ok $n - example_$name"
        echo "# exit status $status"
        diff -u "$source/$name.out" "$work/out" | sed 's/^/# /'
        sed 's/^/# /' "$work/err"
    fi
done
