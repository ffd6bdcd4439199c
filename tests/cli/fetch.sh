#!/bin/sh
# fetch.sh -- all of `weir fetch`, with `weir chaos` as the server.
#
#   sh tests/cli/fetch.sh WEIR      TAP; every step waits for what it needs, not for a time
set -u
. "$(dirname "$0")/tap.sh"
weir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d)
cd "$work" || exit 1
pid=
LC_ALL=C
NO_COLOR=1
export LC_ALL NO_COLOR
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT

server() { # FLAG ...: sets $pid and $url
    [ -z "$pid" ] || { kill "$pid"; wait "$pid" 2>/dev/null; }
    : >listening
    "$weir" chaos --port 0 --quiet "$@" >listening 2>chaos.err &
    pid=$!
    tries=0
    until url=$(sed -n '1s/^listening //p' listening) && [ -n "$url" ]; do
        tries=$((tries + 1))
        [ $tries -lt 2000 ] || { echo "Bail out! weir chaos did not start"; cat chaos.err; exit 1; }
        sleep 0.02
    done
}

urls() { # FROM TO [PREFIX]
    awk -v from="$1" -v to="$2" -v at="$url${3-/u/}" 'BEGIN { while (from <= to) print at from++ }'
}

fetch() { # FLAG ...: stdin or URLs; records in `out`, stderr in `err`, sets $code
    "$weir" fetch "$@" >out 2>err
    code=$?
}

count() { # PATTERN: records with it
    grep -c -- "$1" out
}

field() { # KEY: of the only record
    sed -n "s/,\"tries\".*//; s/.*\"$1\":\"\{0,1\}\([^,\"]*\).*/\1/p" out
}

stat_of() { # KEY: a number of /__stats
    "$weir" fetch --quiet "$url/__stats" | sed 's/\\"/"/g' | sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p"
}

summary() { # what the summary says was in, ok, failed, left
    sed -n 's/^in \([0-9]*\) = ok \([0-9]*\) + failed \([0-9]*\) + left \([0-9]*\)$/\1 \2 \3 \4/p' err
}

# --- a server that does nothing wrong ---
server --seed 1
fetch "$url/a"
same "$code $(summary)" "0 1 1 0 0" 'one URL is fetched'
same "$(sed 's/.*"body":"\(.*\)"}$/\1/' out)" '{\"path\":\"/a\",\"n\":2}\n' 'its body is in the record'
urls 1 300 | { fetch --keep-order --window 20 -j 10; echo "$code" >code; }
same "$(cat code) $(sed 's/.*"seq":\([0-9]*\).*/\1/' out | sort -nc 2>&1 && count '"ok":true')" '0 300' \
    '--keep-order keeps it, with a window smaller than the input'
urls 1 20 >list
fetch -o records "@list" "$url/more"
same "$code $(wc -l <records) $(wc -l <out)" '0 21 0' '@FILE and URL together, records to -o'
fetch -O bodies "@list"
same "$code $(find bodies -type f | wc -l) $(cat bodies/000019-20)" '0 20 {"path":"/u/20","n":5}' \
    '-O puts bodies into files'
fetch -O some "$url/bytes/0" "$url/status/404" "$url/bytes/300000"
same "$code $(cd some && wc -c * | awk '{ print $1, $2 }' | tr '\n' ' ')$(find some -name '.*' | wc -l)" \
    '1 0 000000-0 300000 000002-300000 300000 total 0' '-O: an empty body is an empty file, a failure is none'
: >file
fetch -O file "$url/a"
same "$code" 4 '-O into what is no directory is 4'
fetch --body none "$url/bytes/100000"
same "$code $(field bytes) $(count body)" '0 100000 0' '--body none leaves it out'
fetch --max-body 64K "$url/bytes/100000"
same "$code $(field outcome)" '1 too_large' 'a body beyond --max-body is a failure'
fetch "$url/status/404"
same "$code $(field outcome) $(field status) $(field attempts)" '1 http 404 1' 'a 404 is not retried'
fetch --retry 2 --backoff 1ms..2ms "$url/status/503"
same "$code $(field outcome) $(field attempts)" '1 http 3' '--retry 2 is three attempts'
fetch --retry 2 --backoff 1ms..2ms -d x "$url/status/503"
same "$(field attempts)" 1 'POST is not retried'
fetch --retry 2 --backoff 1ms..2ms --retry-post -d x "$url/status/503"
same "$(field attempts)" 3 'POST is retried when asked'
fetch --retry 1 --backoff 1ms..2ms -m 100ms "$url/delay/5000"
same "$code $(field attempts) $(count '"outcome":"timeout_[a-z]*","status":null,"attempts"')" '1 2 1' \
    '-m limits an attempt'
fetch --retry 0 http://127.0.0.1:1/
same "$code $(field outcome)" '1 refused' 'nobody listens: refused'
fetch "$url/a" nonsense "$url/b"
same "$code $(summary) $(count '"outcome":"invalid"')" '1 3 2 1 0 1' 'an invalid line does not stop the others'

# --- input, output, ends ---
fetch @/nonexistent "$url/a"
same "$code $(count '"ok":true')" '3 1' 'an unreadable file is 3, and the rest is fetched'
if [ -e /dev/full ]; then
    fetch -o /dev/full "@list"
    same "$code $(summary)" '4 20 0 0 20' 'a full disk is 4, and nothing counts as delivered'
fi
{ "$weir" fetch "@list" 2>err; echo $? >code; } | true
same "$(cat code)" 4 'a closed pipe is 4'
"$weir" fetch "$url/a" >&- 2>err
same $? 4 'a closed stdout is 4'
fetch --deadline 200ms "$url/a" "$url/delay/20000"
same "$code $(summary)" '5 2 1 0 1' '--deadline is 5, and what was done stays done'
urls 1 50 /status/40 >list
fetch -j 2 --halt now,fail=3 "@list"
same "$code $(summary | awk '{ print ($1 == $2 + $3 + $4), ($3 >= 3 && $3 < 10) }')" '5 1 1' \
    '--halt stops it and the sum holds'
rm -f code
: >out # what is in it from now on is the next one's
mkfifo lines
{ urls 1 3; echo "$url/delay/700"; } >list # in one piece: it has read the fourth when three are done
(cat list; exec sleep 600) >lines &
feeder=$!
"$weir" fetch <lines >out 2>err &
fetch_pid=$!
tries=0
until [ "$(wc -l <out)" -ge 3 ] || [ $tries -gt 2000 ]; do sleep 0.02; tries=$((tries + 1)); done
kill -INT $fetch_pid
wait $fetch_pid
echo $? >code
kill $feeder
same "$(cat code) $(summary)" '130 4 4 0 0' 'SIGINT lets what is in flight finish, and is 130'

cp "$weir" alone
./alone fetch "$url/a" 2>err
same "$? $(cat err)" "2 weir fetch: $work/alone-fetch: No such file or directory" 'a tool without its part says so'

# --- a server that misbehaves ---
server --seed 7 --fail 503:30%,429:3%:retry-after=1,reset:3%,truncate:3%,bad-length:1%,bad-chunk:1%
urls 1 400 | { fetch --retry 15 --per-host 50 --backoff 5ms..100ms -m 2s --retry-on 429,5xx,timeout,reset,truncated,protocol; echo "$code" >code; }
same "$(cat code) $(summary)" '0 400 400 0 0' 'everything is delivered in spite of it'
same "$(awk 'match($0, /"url":"[^"]*"/) {
        path = substr($0, RSTART + 7, RLENGTH - 8); sub(/^http:..[^\/]*/, "", path)
        want = "\"body\":\"{\\\"path\\\":\\\"" path "\\\",\\\"n\\\":" length(path) "}\\n\"}"
        if (substr($0, length($0) - length(want) + 1) == want) right++
    } END { print right + 0 }' out)" 400 'and every body is right'
same "$(stat_of path)" 0 'no request came before Retry-After had passed'
server --seed 1 --fail truncate:100%
fetch -O cut --retry 1 --backoff 1ms..2ms "$url/bytes/200000"
same "$code $(field outcome) $(find cut -type f | wc -l)" '1 truncated 0' '-O: a body that was cut leaves nothing'
server --seed 1 --fail hang:100%:30s
fetch --retry 0 -m 300ms "$url/a"
same "$code $(count '"outcome":"timeout_')" '1 1' 'a hung server is a timeout'
server --seed 1 --rate-limit 20/s
urls 1 40 | { fetch --retry 11; echo "$code" >code; }
same "$(cat code) $(summary) $(stat_of client)" '0 40 40 0 0 0' \
    'the third 429 holds everyone back until Retry-After has passed'
tap_end
