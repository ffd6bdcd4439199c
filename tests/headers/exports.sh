#!/bin/sh
# exports.sh -- the shared library shows what the headers declare, and nothing else.
#
#   sh tests/headers/exports.sh SOURCE_DIR LIBRARY [--only=PREFIX] HEADER ...     TAP, two tests
#
# The headers are those of this library; with --only, what they declare is looked at by prefix.
set -eu
source=$1
library=$2
shift 2
only=weir_
case $1 in --only=*) only=${1#--only=}; shift ;; esac
cd "$source/include"

shown=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort -u)
declared=$(cc -E -P -D_GNU_SOURCE -I. "$@" |
    tr -s ' \n' ' ' | tr ';{}' '\n\n\n' | grep 'visibility("default")' |
    grep -oE "\b${only}[a-z0-9_]+ ?\\(" | tr -d ' (' | sort -u)

echo 1..2
failed=0
report() { # NUMBER NAME WHAT-IS-WRONG
    if [ -z "$3" ]; then
        echo "ok $1 - $2"
    else
        echo "not ok $1 - $2"
        echo "$3" | sed 's/^/#   /'
        failed=1
    fi
}
inside=$(grep -o 'weir__[a-z_]*;' "$source/src/weir.map" | tr -d ';')
# A weir__x may be shown if the map names it.
stray=$(for f in $(echo "$shown" | grep -v '^weir_[^_]'); do
    grep -q "^ *$f;" "$source/src/weir.map" || echo "$f"
done)
missing=$(for f in $declared; do echo "$shown" | grep -qx "$f" || echo "$f"; done)
report 1 only_weir_names_are_exported "$stray"
report 2 all_that_the_headers_declare_is_exported "$missing"
exit $failed
