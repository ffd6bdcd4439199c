#!/bin/sh
# examples.sh -- runs the examples and looks at what they print.
#
#   sh tests/outside/examples.sh SOURCE_DIR BUILD_DIR/examples      TAP
set -u
source=$1
bin=$2
n=0
report() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; fi
}

out=$("$bin/example_readme")
[ "$out" = "0 1 4 9 16 25 36 49 64 81" ]
report the_readme_program_prints_its_squares $?

awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$source/README.md" |
    cmp -s - "$source/examples/readme.c"
report the_readme_shows_the_program_that_is_tested $?

"$bin/example_twenty" | grep -q '^20 results: success$'
report twenty_jobs_in_twelve_lines $?

[ "$(timeout 50 "$bin/example_policy_epoll")" = "20 of 20 requests answered in 40 attempts" ]
report policies_in_an_epoll_loop $?

[ "$(timeout 50 "$bin/example_policy_threads")" = \
    "8 threads: 80 of 80 calls served, never more than 3 at once, with retries" ]
report policies_among_plain_threads $?

[ "$(timeout 50 "$bin/example_pool")" = "12 gets, 6 connections, 0 left" ]
report a_pool_of_connections $?

"$bin/example_cache" | grep -q '^too old.* asked  8 times; hits 100, stale 100, misses 200$'
report a_cache_serves_old_values_while_the_source_is_down $?

[ "$(timeout 50 "$bin/example_host_epoll")" = "100 numbers, sum 5050: success" ]
report a_bare_epoll_loop_hosts_weir $?

# --- a pool of connections to Redis ---------------------------------------------

redis_example() {
    dir=$(mktemp -d)
    redis-server --port 0 --unixsocket "$dir/sock" --save '' --appendonly no --dir "$dir" \
        >"$dir/log" 2>&1 &
    redis=$!
    tries=0
    until [ -S "$dir/sock" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || break
        sleep 0.05
    done
    got=$(timeout 50 "$bin/example_redis" "$dir/sock")
    kill -KILL $redis
    wait $redis 2>/dev/null
    rm -rf "$dir"
    [ "$got" = "160 visits over 5 connections, 2 of them found broken" ]
}

if command -v redis-server >/dev/null; then
    redis_example
    report a_pool_of_connections_to_redis $?
else
    n=$((n + 1))
    echo "ok $n - a_pool_of_connections_to_redis # SKIP redis-server is not installed"
fi
# host NAME SAYS: an example that is left out where its host is not installed.
host() {
    if [ ! -x "$bin/example_host_$1" ]; then
        n=$((n + 1))
        echo "ok $n - $1_hosts_weir # SKIP it is not installed"
        return
    fi
    [ "$(timeout 50 "$bin/example_host_$1")" = "100 numbers through $2, sum 5050: success" ]
    report "$1_hosts_weir" $?
}
host uv libuv
host glib GLib

# --- the echo server ----------------------------------------------------------

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$work"' EXIT

echo_start() { # ARGUMENT ...: sets $server and $port
    : >"$work/out"
    "$bin/example_echo" "$@" >"$work/out" 2>"$work/err" &
    server=$!
    tries=0
    until port=$(sed -n 's/^listening on .*:\([0-9][0-9]*\)$/\1/p' "$work/out") && [ -n "$port" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || return 1
        sleep 0.05
    done
}

# echo_ends CUT: the server ends well, and has cut so many clients.
echo_ends() {
    wait "$server"
    status=$?
    server=
    [ $status = 0 ] && grep -q "; $1 clients were cut\$" "$work/err"
}

echo_start
got=$(bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; echo hello >&3; IFS= read -r line <&3; echo \$line")
kill -TERM "$server"
echo_ends 0 && [ "$got" = hello ]
report the_echo_server_echoes_and_ends_gracefully $?

# Through the proxy, by name; the end of input is passed on, and so is the answer.
echo_start 0 1
"$bin/example_proxy" 0 localhost "$port" >"$work/proxy" 2>"$work/proxy-err" &
proxy=$!
tries=0
until through=$(sed -n 's/^listening on .*:\([0-9][0-9]*\)$/\1/p' "$work/proxy") && [ -n "$through" ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || break
    sleep 0.05
done
got=$(bash -c "exec 3<>/dev/tcp/127.0.0.1/$through; echo far >&3; IFS= read -r line <&3; echo \$line")
kill -TERM $proxy
wait $proxy
status=$?
kill -TERM "$server"
echo_ends 0 && [ "$got" = far ] && [ $status = 0 ]
report the_proxy_passes_both_directions_on $?

# Two lines, the second after the signal's word could have come: both are echoed, then the end.
echo_start 0 20
bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; echo one >&3; IFS= read -r line <&3; echo \$line
    echo two >&3; kill -INT $server; cat <&3" >"$work/got"
printf 'one\ntwo\n' | cmp -s - "$work/got"
same=$?
echo_ends 0 && [ $same = 0 ]
report what_was_sent_before_the_drain_is_still_echoed $?

# One that sends and never reads: it is cut when its second is over.
echo_start 0 1
bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; exec head -c 64000000 /dev/zero >&3" 2>/dev/null &
client=$!
written() {
    sed -n 's/^wchar: //p' "/proc/$client/io"
}
before=0
now=$(written)
until [ "$now" = "$before" ] && [ "$now" -gt 1000000 ]; do # all buffers are full
    kill -0 "$client" || break
    sleep 0.3
    before=$now
    now=$(written)
done
kill -TERM "$server"
echo_ends 1
report a_client_that_does_not_take_its_echo_is_cut $?
kill "$client" 2>/dev/null
wait "$client" 2>/dev/null
echo "1..$n"
