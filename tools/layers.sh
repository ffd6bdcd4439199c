#!/bin/sh
# layers.sh -- includes point down: checks each #include of ours against the layers of the design.
#
#   sh tools/layers.sh      prints each include that points up or sideways; 1 if there is one
set -eu
cd "$(dirname "$0")/.."

allowed() { # what a folder may include besides itself and the public headers
    case $1 in
    base) echo ;;
    sys | policy) echo base ;;
    core) echo base sys ;;
    call) echo base sys policy core ;;
    store) echo base sys policy core call ;;
    stream) echo base sys policy core call store ;;
    io) echo base sys policy core call store stream ;;
    http | link) echo base sys policy core call store stream io ;;
    obs) echo base ;;
    sim) echo base sys policy core call store stream io ;;
    *) echo "layers: src/$1 is no layer" >&2; exit 1 ;;
    esac
}

# file:line:header of every #include "..." under the given folders
includes() {
    find "$@" -name '*.[ch]' 2>/dev/null | sort | xargs -r grep -Hn '^ *# *include *"' |
        sed 's/^\([^:]*:[0-9]*\):.*"\(.*\)".*/\1:\2/'
}

bad=0
for dir in src/*/; do
    layer=$(basename "$dir")
    may=" $layer $(allowed "$layer") "
    for include in $(includes "$dir"); do
        header=${include##*:}
        case $header in
        */*) target=${header%%/*} ;;
        *) target=$layer ;;
        esac
        case $may in
        *" $target "*) ;;
        *) echo "${include%:*}: $layer may not include \"$header\""; bad=1 ;;
        esac
    done
done

# The tool is a stranger: its own headers, and <weir.h>.
for include in $(includes cli examples); do
    case ${include##*:} in
    base/* | sys/* | policy/* | core/* | call/* | store/* | stream/* | io/* | http/* | obs/* | sim/*)
        echo "${include%:*}: looks inside the library: ${include##*:}"; bad=1 ;;
    esac
done

# No public header knows a private one.
if grep -n '^ *# *include *"' include/weir.h include/weir/*.h 2>/dev/null; then
    echo "public headers include each other as <weir/x.h>"
    bad=1
fi

# One include gets all of libweir; http.h belongs to libweir-http.
for header in include/weir/*.h; do
    name=weir/$(basename "$header")
    [ "$name" = weir/http.h ] || grep -q "^#include <$name>" include/weir.h || {
        echo "include/weir.h: does not include <$name>"
        bad=1
    }
done

# System calls stay beneath the fibers: pure layers do no input or output and read no clock.
if grep -nE '^ *# *include *<(unistd|time|pthread|poll|fcntl|signal)\.h>|^ *# *include *<sys/(epoll|socket|mman|time)' \
    src/policy/*.[ch] 2>/dev/null; then
    echo "src/policy is pure: no clock, no input or output, no threads"
    bad=1
fi
exit $bad
