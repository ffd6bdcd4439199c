#!/bin/sh
# compare.sh -- weir, the floor, tokio and Go, workload by workload in turns, and one table of all.
#
#   sh bench/compare.sh [--rounds N] [--only REGEX] [--scale F] [--no-peers] [--no-install] [--build DIR]
#
#   --rounds N     goes through all rows N times, each workload in a process of its own (3)
#   --only REGEX   only rows whose name matches (awk's regular expressions)
#   --scale F      factor on the item counts: 0.02 checks the programs and measures nothing (1)
#   --no-peers     weir and the floor alone; needs no packages but weir's own
#   --no-install   the packages are there
#   --build DIR    a release build of weir; otherwise one is made
#
# Installs Debian's packages for the peers, builds all under ${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build},
# and takes some minutes to build and half a minute a row and round.  bench/rows.tsv has the rows and
# the bounds, bench/peers/ the peers.  Tokio needs a cargo of 1.72 or later, newer than Debian's;
# without one its column stays empty.
#
# The table has CPU time in ns an item, the least of all rounds: what can be compared on a machine that
# does other things too.  Rows whose workers overlap in time (2t, timers) say so.  The ratios are those
# of this very run.
set -eu
cd "$(dirname "$0")/.."

work=${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}
rounds=3 only=. scale=1 peers=1 install=1 build=

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' bench/compare.sh >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --no-peers) peers=0; shift; continue ;;
    --no-install) install=0; shift; continue ;;
    --rounds | --only | --scale | --build) [ $# -gt 1 ] || usage ;;
    *) usage ;;
    esac
    case $1 in
    --rounds) rounds=$2 ;;
    --only) only=$2 ;;
    --scale) scale=$2 ;;
    --build) build=$2 ;;
    esac
    shift 2
done
mkdir -p "$work/peers"
work=$(cd "$work" && pwd)
made=$work/peers
text_bytes=100000000
server=

say() {
    echo "compare: $*" >&2
}

# --- what is compared ---------------------------------------------------------

build_weir() {
    [ -z "$build" ] || return 0
    build=$work/bench
    [ -d "$build" ] || meson setup "$build" --buildtype=release >"$made/weir.log" 2>&1
    ninja -C "$build" >"$made/weir.log" 2>&1 || { tail -n 20 "$made/weir.log"; exit 1; }
}

peer_packages='golang-go golang-golang-x-sync-dev golang-golang-x-time-dev librust-tokio-dev
    librust-tokio-stream-dev librust-futures-dev librust-tower-dev librust-hyper-dev librust-reqwest-dev
    librust-serde-dev librust-serde-derive-dev librust-serde-json-dev librust-hashbrown-dev
    librust-rustc-hash-dev librust-libc-dev gcc nginx-light curl'

install_peers() {
    say "installs the peers' packages"
    root=
    [ "$(id -u)" = 0 ] || root=sudo
    # shellcheck disable=SC2086
    { $root apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        $root apt-get install -y -q --no-install-recommends $peer_packages; } >"$made/apt.log" 2>&1 ||
        { tail -n 20 "$made/apt.log" >&2; exit 1; }
}

build_go() {
    (cd bench/peers/go && GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= GOCACHE=$made/gocache \
        go build -o "$made/peers-go" .)
    go=$made/peers-go
}

build_rust() {
    command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
    minor=$(cargo --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
    if [ "${minor:-0}" -lt 72 ]; then
        say 'no cargo of 1.72 or later: the column of tokio stays empty'
        return
    fi
    (cd bench/peers/rust && CARGO_TARGET_DIR=$made/rust cargo build --release --quiet)
    rust=$made/rust/release/peers-rust
}

build_peers() {
    go='' rust=''
    cc -O2 -o "$made/floor" bench/peers/floor/floor.c -lpthread
    [ $peers = 1 ] || return 0
    [ $install = 0 ] || install_peers
    say 'builds the peers'
    build_go
    build_rust
}

# Words for the peers' mapreduce, from their generator; weir-bench makes the same kind by itself.
make_text() {
    text=$made/text.txt
    [ -n "$rust" ] || { text=; return 0; }
    [ "$(stat -c %s "$text" 2>/dev/null || echo 0)" -ge $text_bytes ] ||
        "$rust" gen-text "$text" $text_bytes
}

# One nginx worker that serves a file of 1 KiB; stopped by pid at the end.
start_server() {
    port=18480
    mkdir -p "$made/nginx/www"
    head -c 1024 /dev/zero | tr '\0' x >"$made/nginx/www/1k.txt"
    cat >"$made/nginx/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid nginx.pid;
error_log error.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600;
    open_file_cache max=16;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
    uwsgi_temp_path tmp; scgi_temp_path tmp;
    server { listen 127.0.0.1:$port; root $made/nginx/www; }
}
CONF
    chmod 755 "$made" "$made/nginx" "$made/nginx/www"
    PATH=$PATH:/usr/sbin nginx -e error.log -p "$made/nginx/" -c nginx.conf &
    server=$!
    trap 'kill $server 2>/dev/null' EXIT
    url=http://127.0.0.1:$port/1k.txt
    curl -fsS --retry 5 --retry-connrefused -o /dev/null "$url"
}

# --- running -------------------------------------------------------------------

# Every line is: row, who, wall ns, CPU ns, bytes an item, percent of a core that others took.
line() { # ROW WHO < a result line of bench.h
    awk -F '\t' -v row="$1" -v who="$2" 'NF >= 10 { print row "\t" who "\t" $2 "\t" $5 "\t" $8 "\t" $10 }' \
        >>"$results"
}

has() { # PROGRAM WORKLOAD
    [ -n "$1" ] && [ "$2" != - ] && "$1" list | grep -qx -e "$2"
}

run_http() { # ROW WHO PROGRAM
    [ -n "$server" ] || return 0
    n=$(awk -v s="$scale" 'BEGIN { print int(50000 * s) }')
    "$build/bench/$3" "$url?i=" "$n" 64 | tr -d '{}"' | tr ',' '\n' | awk -F: -v row="$1" -v who="$2" '
        { v[$1] = $2 }
        END { print row "\t" who "\t" v["ns_op"] "\t" v["cpu_ns_op"] "\t0\t0" }' >>"$results"
}

run_weir() { # ROW WORKLOAD
    if [ "$2" = http ]; then
        run_http "$1" weir bench-http-fetch
    elif has "$build/bench/weir-bench" "$2"; then
        "$build/bench/weir-bench" run --scale "$scale" "$2" | line "$1" weir
    fi
}

run_floor() { # ROW WORKLOAD
    case $2 in
    http) run_http "$1" floor bench-http-floor ;;
    p:*)
        test=${2#p:}
        n=$(awk -v s="$scale" 'BEGIN { print int(3000000 * s) }')
        for try in 1 2 3; do
            case $test in
            *:*) "$made/floor" "${test%:*}" "$n" "${test#*:}" ;;
            *) "$made/floor" "$test" "$n" ;;
            esac
        done | awk -v row="$1" '{ print row "\tfloor\t" $4 "\t" $6 "\t0\t0" }' >>"$results"
        ;;
    *)
        if [ -x "$build/bench/weir-floor" ] && has "$build/bench/weir-floor" "$2"; then
            "$build/bench/weir-floor" run --scale "$scale" "$2" | line "$1" floor
        fi
        ;;
    esac
}

run_peer() { # ROW WHO PROGRAM DASH WORKLOAD
    case $5 in
    mapreduce*) [ -n "$text" ] || return 0 ;;
    http*) [ -n "$server" ] || return 0 ;;
    esac
    if has "$3" "$5"; then
        "$3" run "${4}scale" "$scale" "${4}text" "$text" "${4}url" "${url:-}" "$5" | line "$1" "$2"
    fi
}

build_weir
build_peers
make_text
[ $peers = 0 ] || start_server
results=$made/results.tsv
: >"$results"
round=1
while [ "$round" -le "$rounds" ]; do
    say "round $round of $rounds"
    awk -v only="$only" '!/^#/ && NF && $1 ~ only' bench/rows.tsv | while read -r row w f r g _; do
        run_floor "$row" "$f"
        run_weir "$row" "$w"
        run_peer "$row" rust "$rust" -- "$r" </dev/null
        run_peer "$row" go "$go" - "$g" </dev/null
    done
    round=$((round + 1))
done

echo "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(uname -sr);" \
    "$rounds rounds, scale $scale$([ -z "$rust" ] || rustc --version | sed 's/^/; /')$([ -z "$go" ] || go version | sed 's/^go version/;/')"
awk -f bench/table.awk "$results" bench/rows.tsv
