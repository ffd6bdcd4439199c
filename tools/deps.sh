#!/bin/sh
# deps.sh -- installs what the build and the tests need and is missing: Debian's packages only.
#
#   sh tools/deps.sh [build|test]    build: to build and run weir; test (default): also all checks
#
# Run as root, or as someone who may sudo.  Does nothing, and needs no network, if all is there.
set -eu

build='gcc libc6-dev meson ninja-build pkg-config libcurl4-openssl-dev libc-ares-dev node-llhttp'
# Sanitizers and valgrind; lint; peers that tests talk to; the other architecture.
test='g++ clang clang-format clang-tidy libclang-rt-14-dev cppcheck valgrind mandoc gdb
      curl libcjson-dev libglib2.0-dev libuv1-dev nginx-light openssl tinyproxy-bin redis-server
      qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross'

say() {
    echo "deps: $*" >&2
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "must be root, or have sudo, to install: $missing"
        exit 1
    fi
}

# Installing a server must not start it; tests start their own, on loopback.
install_missing() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        trap 'as_root rm -f "$policy"' EXIT
    fi
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing >"$log" 2>&1
}

case ${1-test} in
build) wanted=$build ;;
test) wanted="$build $test" ;;
*) say "usage: sh tools/deps.sh [build|test]"; exit 2 ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || {
    say "this is not Debian; install the like of:" $wanted
    exit 1
}

missing=
for package in $wanted; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

say "installing$missing"
log=$(mktemp)
if ! install_missing; then
    say "the lists of packages may be old; apt-get update"
    as_root apt-get update -q >"$log" 2>&1 && install_missing || {
        tail -n 20 "$log" >&2
        say "could not install$missing (all of it is in $log)"
        exit 1
    }
fi
rm -f "$log"
