#!/bin/sh
# seeds.sh -- runs test programs under many seeds, two at a time: what one seed in a hundred breaks.
#
#   sh tools/seeds.sh BUILD_DIR N [PROGRAM ...]
#
# PROGRAM is layer/name as in tests/meson.build (`core/chan`), or `layer/` for a whole layer; without
# one all that BUILD_DIR has.  Each runs N times, each time with another WEIR_SEED, but not for longer
# than ${SEEDS_LIMIT:-60} seconds: a line a program says how many runs there were and how many failed.
# Below it each test that failed, with the command that repeats it.  The seeds come from one
# that is printed first; SEEDS_FROM=n takes them again.  The tests' own timeouts are stretched by
# ${TEST_TIMEOUT_MULT:-5}: a busy machine is no seed.  1 if a test failed, 2 if nothing ran.
set -u
[ "${1-}" != --one ] || {
    # One run, in the folder WORK; the name of the log is the seed.
    shift
    work=$1 program=$2 seed=$3
    [ "$(date +%s)" -lt "$(cat "$work/end")" ] || exit 0
    WEIR_SEED=$seed "$program" >"$work/$seed" 2>&1
    status=$?
    echo "$seed $status" >>"$work/runs"
    [ $status != 0 ] || rm "$work/$seed"
    exit 0
}
usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
}
case ${2-} in '' | 0* | *[!0-9]*) usage ;; esac
[ -d "$1/tests" ] || usage
self=$(realpath "$0")
build=$(realpath "$1")
count=$2
shift 2
cd "$(dirname "$self")/.." || exit 2
from=${SEEDS_FROM:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
limit=${SEEDS_LIMIT:-60}
export TEST_TIMEOUT_MULT="${TEST_TIMEOUT_MULT:-5}"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Where the build has put it; nothing if it has not.
built() { # LAYER/NAME
    for file in "$build/tests/${1%/*}_${1#*/}" "$build/tests/${1%/*}/${1%/*}_${1#*/}"; do
        [ ! -x "$file" ] || echo "$file"
    done
}

programs() { # [PROGRAM ...]
    for source in tests/*/test_*.c; do
        name=${source#tests/}
        name=${name%/*}/$(basename "${source##*/test_}" .c)
        [ $# -gt 0 ] || echo "$name"
        for wanted; do
            case $name in "$wanted") echo "$name" ;; "${wanted%/}"/*) echo "$name" ;; esac
        done
    done
}

# Far apart: a test may go on from its seed by ones.
seeds() {
    awk -v from="$from" -v n="$count" 'BEGIN {
        for (i = 1; i <= n; i++) printf "%.0f\n", (from + i * 40503001) % 4294967291 }'
}

# The failed lines of a log, each with what it says; all of the log if it has none.
show() { # LOG
    awk '/^not ok/ { shown = found = 1 } /^ok/ { shown = 0 } shown { print "    " $0 }
         END { exit !found }' "$1" || sed 's/^/    /' "$1"
}

ran=0
failed=0
echo "seeds from $from, at most $limit s a program"
for name in $(programs "$@"); do
    program=$(built "$name")
    [ "$program" ] || continue
    rm -rf "$work/one"
    mkdir "$work/one"
    : >"$work/one/runs"
    echo $(($(date +%s) + limit)) >"$work/one/end"
    seeds | xargs -P 2 -n 1 sh "$self" --one "$work/one" "$program"
    runs=$(wc -l <"$work/one/runs")
    bad=$(awk '$2 != 0 { print $1 }' "$work/one/runs")
    echo "$name: $runs runs, $(echo $bad | wc -w) failed"
    for seed in $bad; do
        echo "  WEIR_SEED=$seed $name: exit $(awk -v s="$seed" '$1 == s { print $2 }' "$work/one/runs")"
        show "$work/one/$seed"
        failed=$((failed + 1))
    done
    ran=$((ran + runs))
done
echo "$ran runs, $failed failed"
[ "$ran" -gt 0 ] || exit 2
[ "$failed" = 0 ]
