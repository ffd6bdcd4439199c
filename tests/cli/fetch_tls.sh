#!/bin/sh
# fetch_tls.sh -- `weir fetch` over TLS, HTTP/2 and proxies, against nginx and tinyproxy on loopback.
#
#   sh tests/cli/fetch_tls.sh WEIR      TAP; stops what it started, by pid
set -u
. "$(dirname "$0")/tap.sh"
PATH=$PATH:/usr/sbin
for tool in nginx openssl tinyproxy sha256sum; do
    command -v $tool >/dev/null || { echo "1..0 # SKIP no $tool"; exit 0; }
done
weir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d)
cd "$work" || exit 1
LC_ALL=C
NO_COLOR=1
export LC_ALL NO_COLOR
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
nginx_pid=
proxy_pid=
cleanup() {
    [ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null
    [ -z "$proxy_pid" ] || kill "$proxy_pid" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
chmod 755 "$work"

# --- certificates: an authority, and a server's for localhost ---
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj /CN=test-ca -keyout ca.key -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
        -keyout server.key -out server.csr
    printf 'subjectAltName=DNS:localhost\n' >san
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
        -extfile san -out server.pem
}
certificate >openssl.log 2>&1 || { echo 'Bail out! no certificates'; cat openssl.log; exit 1; }

# --- servers, on ports that are free ---
mkdir www
i=1
while [ $i -le 60 ]; do
    head -c $((i * 997)) /dev/zero | tr '\0' "$(printf '\\%03o' $((64 + i % 26)))" >www/f$i
    i=$((i + 1))
done

# try_port COMMAND-NAME: calls it with a random port until it says that it listens.
nginx_start() { # PORT
    cat >nginx.conf <<CONF
daemon off;
master_process off;
pid $work/nginx.pid;
error_log $work/nginx.err;
events { worker_connections 512; }
http {
    access_log $work/access.log;
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
    uwsgi_temp_path $work; scgi_temp_path $work;
    gzip on; gzip_min_length 100; gzip_types *;
    root $work/www;
    server { listen 127.0.0.1:$1; }
    server {
        listen 127.0.0.1:$(($1 + 1)) ssl http2;
        ssl_certificate $work/server.pem;
        ssl_certificate_key $work/server.key;
    }
}
CONF
    nginx -p "$work" -c nginx.conf -e nginx.err &
    nginx_pid=$!
}

proxy_start() { # PORT
    cat >proxy.conf <<CONF
Port $1
Listen 127.0.0.1
Timeout 20
MaxClients 50
LogFile "$work/proxy.log"
LogLevel Connect
PidFile "$work/proxy.pid"
CONF
    tinyproxy -d -c proxy.conf >proxy.out 2>&1 &
    proxy_pid=$!
}

# answers URL: once something is said there, whatever it is
answers() {
    tries=0
    until "$weir" fetch --quiet --retry 0 "$1" | grep -q '"status":[0-9]'; do
        tries=$((tries + 1))
        [ $tries -lt 1000 ] || return 1
        sleep 0.02
    done
}

started=1
for port in 21380 24680 27180 31580; do
    nginx_start $port
    if answers "http://127.0.0.1:$port/f1" && kill -0 "$nginx_pid" 2>/dev/null; then
        started=0
        break
    fi
    kill "$nginx_pid" 2>/dev/null
done
[ $started = 0 ] || { echo 'Bail out! nginx did not start'; cat nginx.err; exit 1; }
proxy_start $((port + 2))
answers "http://127.0.0.1:$((port + 2))/" || { echo 'Bail out! tinyproxy did not start'; cat proxy.out; exit 1; }
plain=http://localhost:$port
tls=https://localhost:$((port + 1))
proxy=http://127.0.0.1:$((port + 2))

fetch() { # FLAG ...: records in `out`, stderr in `err`, sets $code
    "$weir" fetch "$@" >out 2>err
    code=$?
}

field() { # KEY: of the only record
    sed -n "s/,\"tries\".*//; s/.*\"$1\":\"\{0,1\}\([^,\"]*\).*/\1/p" out
}

urls() { # PREFIX
    awk -v at="$1" 'BEGIN { while (++i <= 60) print at "/f" i }'
}

bodies_right() { # whether each of got/ is what it should be, in the order of the input
    i=0
    while [ $i -lt 60 ]; do
        name=$(printf 'got/%06d-f%d' $i $((i + 1)))
        [ "$(sha256sum <"$name")" = "$(sha256sum <www/f$((i + 1)))" ] || return 1
        i=$((i + 1))
    done
}

# --- TLS ---
urls "$tls" >list
: >access.log
fetch --cacert ca.pem -O got @list
same "$code $(grep -c '"ok":true' out)" '0 60' '60 files over TLS, verified'
bodies_right
ok $? 'and every one of them is right, says sha256sum'
same "$(grep -c 'HTTP/2.0" 200' access.log)" 60 'over HTTP/2'
rm -r got
fetch --cacert ca.pem --compressed -O got @list
bodies_right
same "$code $?" '0 0' 'compressed, they are right too'
fetch --retry 2 "$tls/f1"
same "$code $(field outcome) $(field attempts)" '1 tls 1' 'an authority that is not trusted: tls, not retried'
fetch --cacert ca.pem "https://127.0.0.1:$((port + 1))/f1"
same "$code $(field outcome)" '1 tls' 'a certificate for another name: tls'
fetch -k "https://127.0.0.1:$((port + 1))/f1"
same "$code $(field status)" '0 200' '-k does not look'
fetch --cacert ca.pem "https://localhost:$port/f1"
same "$code $(field outcome)" '1 tls' 'TLS with a server that speaks none: tls'
fetch "http://localhost:$((port + 1))/f1"
same "$code $(field status)" '1 400' 'and HTTP to one that speaks TLS is what it answers'
fetch --cacert /nonexistent "$tls/f1"
same "$code $(grep -c 'cacert.*cannot be read' err)" '2 1' 'an unreadable --cacert is said at once'

# --- proxies ---
: >proxy.log
fetch -x "$proxy" "$plain/f3"
same "$code $(field bytes) $(grep -c 'GET http' proxy.log)" '0 2991 1' '-x: by the proxy'
fetch -x "$proxy" --cacert ca.pem "$tls/f3"
same "$code $(field bytes) $(grep -c 'CONNECT localhost' proxy.log)" '0 2991 1' 'TLS through a tunnel of the proxy'
: >proxy.log
http_proxy=$proxy "$weir" fetch "$plain/f4" >out 2>err
same "$? $(grep -c 'GET http' proxy.log)" '0 1' 'http_proxy is heeded'
: >proxy.log
http_proxy=$proxy no_proxy=localhost "$weir" fetch "$plain/f4" >out 2>err
same "$? $(grep -c 'GET http' proxy.log)" '0 0' 'and no_proxy'
fetch --retry 0 -x http://127.0.0.1:1 "$plain/f4"
same "$code $(field outcome)" '1 refused' 'a proxy that is not there: refused'
fetch --retry 0 -x http://no.such.proxy.invalid:1 "$plain/f4"
same "$code $(field outcome)" '1 dns' 'a proxy without an address: dns'
tap_end
