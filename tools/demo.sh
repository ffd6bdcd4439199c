#!/bin/sh
# demo.sh -- the main job, end to end, with nothing but this tree and Debian's packages.
#
#   sh tools/demo.sh        installs what is missing (root or sudo), builds release, and then
#
#   1. starts `weir chaos --seed 1`: of its answers 30 % are 503, 5 % are 429 with Retry-After 2,
#      3 % are resets, 1 % are cut short and 1 % never come;
#   2. fetches 5,000 URLs from it with `weir fetch`, and judges: exit 0, every body by sha256sum
#      against what its path must give, no request before a path's Retry-After had passed, at most
#      8,700 requests, no second without a completion while an item was due, at most 40 s;
#   3. fetches 300 more from a server with a true rate limit: after the third 429 the whole host is
#      left alone until Retry-After has passed.
#
# Builds under ${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}.  WEIR=PATH takes a tool that is built.
# The exit status is 0 if and only if everything held.
set -eu
cd "$(dirname "$0")/.."

urls=5000
most_requests=8700
most_seconds=40
faults=503:30%,429:5%:retry-after=2,reset:3%,truncate:1%,hang:1%:30s

say() {
    printf '\n== %s\n' "$*"
}

die() {
    echo "demo: $*" >&2
    exit 1
}

build() {
    say 'what is missing is installed, and weir is built (release)'
    sh tools/deps.sh build || die 'the packages above are needed'
    dir=${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}/demo
    mkdir -p "$dir"
    log=$dir.log
    if [ -e "$dir/build.ninja" ]; then
        meson setup --reconfigure "$dir" >"$log" 2>&1 || rm -rf "$dir"
    fi
    [ -e "$dir/build.ninja" ] || meson setup "$dir" --buildtype=release -Dtests=false >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; die "meson setup failed; all of it is in $log"; }
    ninja -C "$dir" >"$log" 2>&1 ||
        { tail -n 30 "$log" >&2; die "the build failed; all of it is in $log"; }
    weir=$dir/cli/weir
    echo "$weir"
}

server=
work=$(mktemp -d)
stop_server() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; } || :
    server=
}
trap 'stop_server; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

start_server() { # FLAG ...: sets $url and $server
    : >"$work/listening"
    "$weir" chaos --port 0 "$@" >"$work/listening" 2>"$work/chaos.err" &
    server=$!
    tries=0
    until url=$(sed -n '1s/^listening //p' "$work/listening") && [ -n "$url" ]; do
        tries=$((tries + 1))
        kill -0 "$server" 2>/dev/null && [ $tries -lt 200 ] ||
            die "weir chaos did not start: $(cat "$work/chaos.err")"
        sleep 0.05
    done
    echo "weir chaos $* on $url"
}

failed=0
check() { # STATUS WHAT
    if [ "$1" = 0 ]; then
        echo "ok      $2"
    else
        echo "NOT OK  $2"
        failed=1
    fi
}

holds() { # A OP B as of test(1)
    test "$@" && echo 0 || echo 1
}

# stat_of KEY: a number in /__stats, as the server counted it
stat_of() {
    sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p" "$work/stats"
}

violations() { # path or client
    sed -n "s/.*\"retry_after_violations\":{[^}]*\"$1\":\([0-9]*\).*/\1/p" "$work/stats"
}

# The server's own words, brought by whatever is here.
ask_stats() {
    if command -v curl >/dev/null; then
        curl -s "$url/__stats" >"$work/stats"
    else
        "$weir" fetch --quiet "$url/__stats" | sed 's/\\"/"/g' >"$work/stats"
    fi
}

# make_urls N: a line each
make_urls() {
    awk -v n="$1" -v url="$url" 'BEGIN { for (i = 0; i < n; i++) print url "/u/" i }'
}

# judge_bodies N: each body of an ok record, and what its path must give, as files; then sha256sum.
judge_bodies() {
    rm -rf "$work/got" "$work/want"
    mkdir "$work/got" "$work/want"
    awk -v dir="$work/got" '
        match($0, /"url":"[^"]*"/) && /"ok":true/ {
            n = substr($0, RSTART + 7, RLENGTH - 8); sub(/.*\//, "", n)
            body = $0; sub(/.*,"body":"/, "", body); sub(/"}$/, "", body)
            gsub(/\\"/, "\"", body); gsub(/\\n/, "\n", body)
            printf "%s", body >dir "/" n; close(dir "/" n)
        }' "$work/records"
    awk -v dir="$work/want" -v n="$1" 'BEGIN {
        for (i = 0; i < n; i++) {
            path = "/u/" i
            printf "{\"path\":\"%s\",\"n\":%d}\n", path, length(path) >dir "/" i; close(dir "/" i)
        } }'
    (cd "$work/want" && find . -type f -exec sha256sum {} +) >"$work/sums"
    good=$(cd "$work/got" && LC_ALL=C sha256sum -c "$work/sums" 2>/dev/null | grep -c ': OK$' || :)
    check "$(holds "$good" = "$1")" "$good of $1 bodies are right, says sha256sum"
}

# The longest time without a completion during which an item was due all along: in flight, or free
# to start because neither backoff nor a pause held it.  Prints seconds.
longest_standstill() {
    awk '
        function number(text, key) {
            sub(".*" key, "", text)
            return text + 0
        }
        {
            match($0, /"bytes":[0-9]+,"t":[0-9.]+/)
            print number(substr($0, RSTART, RLENGTH), "\"t\":"), "done"
            rest = $0
            while (match(rest, /\{"due":[0-9.]+,"t":[0-9.]+,"ms":[0-9.]+/)) {
                one = substr(rest, RSTART, RLENGTH)
                rest = substr(rest, RSTART + RLENGTH)
                printf "%.6f due %.6f\n", number(one, "\"due\":"),
                    number(one, ",\"t\":") + number(one, "\"ms\":") / 1000
            }
        }' OFMT=%.6f "$work/records" | LC_ALL=C sort -n | awk '
        # `from`: since when, without a gap, something was due and nothing was completed
        function close_at(t) { if (t - from > longest) longest = t - from }
        BEGIN { until = -1 }
        $2 == "due" {
            if ($1 > until) {
                if (until >= 0 && from < until) close_at(until)
                from = $1
            }
            if ($3 > until) until = $3
        }
        $2 == "done" { close_at($1 < until ? $1 : until); from = $1 }
        END { if (from < until) close_at(until); printf "%.3f\n", longest }'
}

main_job() {
    say "$urls URLs from a server that misbehaves"
    start_server --seed 1 --fail "$faults"
    make_urls $urls >"$work/urls"
    echo "weir fetch -j 50 --per-host 50 --retry 11 -m 5 --timeout auto <urls >records"
    began=$(date +%s%N)
    code=0
    "$weir" fetch -j 50 --per-host 50 --retry 11 -m 5 --timeout auto \
        <"$work/urls" >"$work/records" || code=$?
    ms=$((($(date +%s%N) - began) / 1000000))
    ask_stats
    stop_server
    echo
    check "$code" "exit status $code"
    delivered=$(grep -c '"ok":true' "$work/records" || :)
    check "$(holds "$delivered" = $urls)" "$delivered of $urls delivered"
    check "$(holds "$(wc -l <"$work/records")" -eq $urls)" "one record for each"
    judge_bodies $urls
    early=$(violations path)
    check "$(holds "${early:-none}" = 0)" "${early:-?} requests before a path's Retry-After had passed"
    requests=$(stat_of attempts)
    check "$(holds "${requests:-999999}" -le $most_requests)" \
        "$requests requests, at most $most_requests"
    still=$(longest_standstill)
    check "$(echo "$still" | awk '{ print $1 < 1 ? 0 : 1 }')" \
        "longest time without a completion while an item was due: $still s"
    check "$(holds $ms -le $((most_seconds * 1000)))" \
        "wall time $((ms / 1000)).$(printf %03d $((ms % 1000))) s, at most $most_seconds s"
}

host_pause() {
    say '300 URLs from a server that allows 100 a second'
    start_server --seed 1 --rate-limit 100/s
    make_urls 300 >"$work/urls"
    code=0
    "$weir" fetch --retry 11 <"$work/urls" >"$work/records" || code=$?
    ask_stats
    stop_server
    echo
    check "$code" "exit status $code"
    judge_bodies 300
    refused=$(grep -o '"status":429' "$work/records" | wc -l)
    check "$(holds "$refused" -ge 3)" "$refused answers were 429"
    early=$(violations client)
    check "$(holds "${early:-none}" = 0)" \
        "${early:-?} requests of anyone while a third 429 held the whole client back"
}

if [ -n "${WEIR-}" ]; then
    weir=$WEIR
else
    build
fi
main_job
host_pause
say "$([ $failed = 0 ] && echo 'all of it held' || echo 'something above did not hold')"
exit $failed
