#!/bin/sh
# run.sh -- weir and the floor in turns, and one table of both, with the ratios of this very run.
#
#   sh bench/run.sh BUILD_DIR [--only REGEX] [--rounds N] [--scale F] [--peers RESULTS.tsv]
#
#   --only REGEX   only workloads whose name matches (awk's regular expressions)
#   --rounds N     go through all of them N times, each in a new process (default 3)
#   --scale F      factor on the item counts: 0.01 is a check of the programs, no measurement
#   --peers FILE   a results.tsv of the peers' run.sh on the same machine: two more columns
#
# BUILD_DIR is a release build.  The table has CPU time, the minima over the rounds: each workload
# has one thread, so on a quiet machine that is the wall time but for the sleepers, and on a busy
# one it is what can be compared.  A `~` marks what was measured while all else took over 15 % of
# a core.  All lines stay in BUILD_DIR/bench/results.tsv: round, program, then bench.h's line.
# A variant (stream_sync_kernels, chan_cap1024_n_1t) is set against the floor of its workload.
set -eu

usage() {
    sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0" >&2
    exit 2
}

[ $# -gt 0 ] || usage
build=$1/bench
shift
only=. rounds=3 scale=1 peers=/dev/null
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || usage
    case $1 in
    --only) only=$2 ;;
    --rounds) rounds=$2 ;;
    --scale) scale=$2 ;;
    --peers) peers=$2 ;;
    *) usage ;;
    esac
    shift 2
done
[ -x "$build/weir-bench" ] || { echo "run: no $build/weir-bench: build it first" >&2; exit 2; }

results=$build/results.tsv
: >"$results"

run_one() { # PROGRAM NAME
    if [ -x "$build/weir-$1" ] && "$build/weir-$1" list | grep -qx "$2"; then
        "$build/weir-$1" run --scale "$scale" "$2" | sed "s/^/$round\t$1\t/" >>"$results"
    fi
}

round=1
while [ "$round" -le "$rounds" ]; do
    for name in $("$build/weir-bench" list | awk -v only="$only" '$0 ~ only'); do
        run_one floor "$name"
        run_one bench "$name"
    done
    round=$((round + 1))
done

echo "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(uname -sr);" \
    "rounds: $rounds, scale: $scale"
awk -F '\t' -v peers="$peers" '
# A quiet line beats any that is not; among equals the least counts.
function take(key, cpu, growth, quiet) {
    if (!quiet && key in calm) return
    if (!(key in cpus) || quiet && !(key in calm) || cpu < cpus[key]) cpus[key] = cpu
    if (!(key in grown) || growth < grown[key]) grown[key] = growth
    if (quiet) calm[key] = 1
}
function base(name) {
    sub(/_kernels$|_chan_1t$/, "", name)
    sub(/_n_1t$/, "_1t", name)
    sub(/_cap0_round/, "_round", name)
    sub(/_join_scope/, "_join_each", name)
    return name
}
function number(x) {
    if (x < 10) return sprintf("%.2f", x)
    return x < 100 ? sprintf("%.1f", x) : sprintf("%.0f", x)
}
function cell(key) {
    if (!(key in cpus)) return "-"
    return (key in calm ? "" : "~") number(cpus[key])
}
function ratio(a, b) {
    return (b in cpus) && cpus[b] > 0 ? sprintf("%.2f", cpus[a] / cpus[b]) : "-"
}
FILENAME == peers { take($2 SUBSEP $3, $7 + 0, $10 + 0, 1); next }
{ take($2 SUBSEP $3, $7 + 0, $10 + 0, $12 <= 15) }
$2 == "bench" && !($3 in seen) { seen[$3] = 1; names[++n] = $3 }
END {
    format = "%-34s %9s %9s %7s %8s"
    printf(format, "CPU ns per item", "weir", "floor", "ratio", "B/item")
    if (peers != "/dev/null") printf(" %9s %9s", "rust", "go")
    printf("\n")
    for (i = 1; i <= n; i++) {
        name = names[i]
        ours = "bench" SUBSEP name
        floor = "floor" SUBSEP name
        if (!(floor in cpus)) floor = "floor" SUBSEP base(name)
        printf(format, name, cell(ours), cell(floor), ratio(ours, floor), sprintf("%.0f", grown[ours]))
        if (peers != "/dev/null") printf(" %9s %9s", cell("rust" SUBSEP name), cell("go" SUBSEP name))
        printf("\n")
    }
}' "$peers" "$results"
