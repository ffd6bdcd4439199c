#!/bin/sh
# chaos.sh -- all of `weir chaos`, with curl as the client.
#
#   sh tests/cli/chaos.sh WEIR      TAP; every step waits for what it needs, not for a time
set -u
command -v curl >/dev/null || { echo '1..0 # SKIP no curl'; exit 0; }
. "$(dirname "$0")/tap.sh"
weir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d)
cd "$work" || exit 1
pid=
LC_ALL=C
export LC_ALL
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT

start() { # FLAG ...: sets $pid and $url
    : >out
    "$weir" chaos "$@" >out 2>err &
    pid=$!
    tries=0
    until url=$(sed -n '1s/^listening //p' out) && [ -n "$url" ]; do
        tries=$((tries + 1))
        [ $tries -lt 2000 ] || { echo "Bail out! weir chaos did not start"; cat err; exit 1; }
        sleep 0.02
    done
}

stop() { # sets $code
    kill -"${1-TERM}" "$pid"
    wait "$pid"
    code=$?
    pid=
}

get() { # PATH [CURL FLAG ...]
    path=$1
    shift
    curl -s -g -m 10 "$@" "$url$path"
}

status() { # PATH [CURL FLAG ...]: the status, 000 if none
    get "$@" -o /dev/null -w '%{http_code}'
}

curl_exit() {
    get "$@" >/dev/null
    echo $?
}

stat_of() { # NAME: a number in /__stats
    get /__stats | sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"
}

document() {
    printf '{"path":"%s","n":%d}\n' "$1" "${#1}"
}

# --- documents ---
start --seed 1
good=0
for p in / /a /a/b/c?d=e%20f /u/12345; do
    [ "$(get "$p" | sha256sum)" = "$(document "$p" | sha256sum)" ] || good=1
done
ok $good 'a document is what the shell makes of its path'
same "$(get /bytes/100000 | sha256sum)" "$(yes 0123456789abcde | head -c 100000 | sha256sum)" \
    '/bytes/N is N bytes of the documented pattern'
same "$(status /status/418) $(status /status/204) $(status /status/503)" '418 204 503' \
    '/status/CODE answers CODE'
same "$(get /delay/200 -o /dev/null -w '%{time_total}' | awk '{print ($1 >= 0.2 && $1 < 5)}')" 1 \
    '/delay/MS takes MS'
same "$(status /a -I) $(get /a -I -o /dev/null -w '%{size_download}')" '200 0' \
    'HEAD has no body'
next=/items
pages=0
while [ -n "$next" ] && [ $pages -lt 30 ]; do
    pages=$((pages + 1))
    next=$(get "$next" | sed -n 's/.*"next":"\([^"]*\)".*/\1/p')
done
same $pages 20 '/items leads from page to page, and ends'

# --- clients of every kind ---
head -c 2000000 /dev/zero >big
head -c 500000 /dev/zero >small
same "$(status /a --data-binary @small) $(status /a --data-binary @big)" '200 413' \
    'a body up to the bound is read, a greater one is 413'
same "$(status /a --data-binary @small -H 'Expect: 100-continue')" 200 'Expect: 100-continue'
same "$(status /a --data-binary @small -H 'Transfer-Encoding: chunked')" 200 'a chunked body'
awk 'BEGIN { for (i = 0; i < 300; i++) printf "X-%d: %080d\n", i, i }' >headers
same "$(status /a -H @headers)" 431 'a head that is too long is 431'
same "$(status "/$(head -c 5000 /dev/zero | tr '\0' a)")" 414 'a path that is too long is 414'
same "$(status /a -H Host:)" 400 'no Host is 400'
same "$(status /a --http1.0)" 200 'HTTP/1.0'
same "$(get /a -x "$url" -o /dev/null -w '%{http_code}')" 200 'an absolute target, as to a proxy'
same "$(curl -s -m 10 -o /dev/null -o /dev/null -w '%{num_connects} ' "$url/a" "$url/b")" '1 0 ' \
    'a connection is kept'
same "$(printf 'GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /bb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' |
    curl -s -m 10 "telnet://${url#http://}" | grep -c '^{"path":"/')" 2 'pipelined requests'
same "$(printf 'nonsense\r\n\r\n' | curl -s -m 10 "telnet://${url#http://}" | head -n 1 |
    tr -d '\r')" 'HTTP/1.1 400 Bad Request' 'nonsense is 400'
get /__reset >/dev/null
same "$(stat_of requests) $(stat_of successes)" '0 0' '/__reset forgets'
get '/a"b' >/dev/null
same "$(get '/__stats?paths=1' | grep '^"/')" '"/a\"b":{"attempts":1,"successes":1}}}' \
    '/__stats?paths=1 lists the paths'
get /hold/1 >/dev/null
stop INT
same "$code $(grep -c ' requests, ' err)" '0 1' 'SIGINT ends it with 0 and a summary'

# --- each fault ---
start --fail reset:100%
same "$(curl_exit /a)" 56 'reset: curl says the connection was reset'
stop
start --fail truncate:100%
same "$(curl_exit /a)" 18 'truncate: curl says a partial file'
stop
start --fail bad-length:100%
same "$(curl_exit /a)" 18 'bad-length: more was declared than came'
stop
start --fail bad-chunk:100%
same "$(curl_exit /bytes/5000)" 56 'bad-chunk: curl says the encoding is broken'
stop
start --fail hang:100%:30s
same "$(curl_exit /a -m 0.3)" 28 'hang: curl times out'
stop
same "$code" 0 'a hung connection does not hold up the end'
start --fail hang:100%:100ms
same "$(curl_exit /a)" 52 'hang: ends without an answer'
stop
start --fail slow:100%:300ms
same "$(get /a -w ' %{time_total}' | awk 'NR == 1 { b = $0 } END { print b, ($1 >= 0.3) }')" \
    "$(document /a) 1" 'slow: a good answer, late'
stop
start --fail drip:100%:200ms
same "$(get /bytes/1000 | sha256sum)" "$(yes 0123456789abcde | head -c 1000 | sha256sum)" \
    'drip: a good answer'
stop
start --fail 429:100%:retry-after=2
same "$(get /a -o /dev/null -w '%{http_code} %header{retry-after}')" '429 2' \
    'a status carries its Retry-After'
get /a >/dev/null
get /b >/dev/null
same "$(get /__stats | sed -n 's/.*violations":{\([^}]*\)}.*/\1/p')" '"path":1,"client":0' \
    'a request before its Retry-After is counted'
stop
start --first-n-fail 2
same "$(status /a) $(status /a) $(status /b) $(status /a)" '503 503 503 200' \
    '--first-n-fail: each path fails so often'
stop
start --rate-limit 2/s:3
same "$(for i in 1 2 3 4; do status /a; printf ' '; done)" '200 200 200 429 ' \
    '--rate-limit: the burst, then 429'
same "$(get /a -o /dev/null -w '%header{retry-after}')" 1 '429 says when to come back'
get /a -o /dev/null
sleep 0.2
get /b -o /dev/null
same "$(get /__stats | sed -n 's/.*"client":\([0-9]*\).*/\1/p')" 1 \
    'after the third 429 a request to any path is too early'
stop
start --down 30s@0s
same "$(curl_exit /a)" 7 '--down: refused'
stop
start --down 200ms@0s
sleep 0.25
same "$(get /a --retry 20 --retry-delay 1 --retry-connrefused)" "$(document /a)" '--down: and back'
stop
start --header-timeout 100ms
same "$( (printf 'GET / HTTP/1.1\r\n'; sleep 0.5) | curl -s -m 10 "telnet://${url#http://}" |
    head -n 1 | tr -d '\r')" 'HTTP/1.1 408 Request Timeout' 'a head that dawdles is 408'
stop
start --latency 100ms..200ms
same "$(get /a -o /dev/null -w '%{time_total}' | awk '{ print ($1 >= 0.1) }')" 1 '--latency'
stop
start --capacity 1 --latency 50ms
for i in 1 2 3 4 5 6 7 8; do
    get "/$i" -o /dev/null -w '%{time_total}\n' >>times &
    last="${last-} $!"
done
# shellcheck disable=SC2086
wait $last
same "$(sort -n times | awk 'END { print ($1 >= 0.15) }')" 1 '--capacity: load makes it slow'
stop

# --- the same faults again ---
run_of() { # SEED ORDER
    start --seed "$1" --fail 503:30%,429:10%,404:10%
    for round in 1 2; do
        # shellcheck disable=SC2086
        for i in $2; do
            echo "$i $round $(status "/r/$i")"
        done
    done | sort
    stop
}
up=$(seq 30)
down=$(seq 30 -1 1)
run_of 5 "$up" >first
run_of 5 "$down" >second
run_of 6 "$up" >third
cmp -s first second
ok $? 'one seed: the same faults in any order'
! cmp -s first third
ok $? 'another seed: other faults'

tap_end
