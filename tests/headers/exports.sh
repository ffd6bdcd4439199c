#!/bin/sh
# exports.sh -- the shared library shows what the headers declare, and nothing else.
#
#   sh tests/headers/exports.sh SOURCE_DIR LIBRARY HEADER ...     TAP, two tests
#
# The headers are what declares this library's part; other declarations are of other libraries.
set -eu
source=$1
library=$2
shift 2
cd "$source/include"

shown=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort -u)
declared=$(cc -E -P -D_GNU_SOURCE -I. "$@" |
    tr -s ' \n' ' ' | tr ';{}' '\n\n\n' | grep 'visibility("default")' |
    grep -oE '\bweir_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u)

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
stray=$(echo "$shown" | grep -v '^weir_[^_]' || true)
missing=$(for f in $declared; do echo "$shown" | grep -qx "$f" || echo "$f"; done)
report 1 only_weir_names_are_exported "$stray"
report 2 all_that_the_headers_declare_is_exported "$missing"
exit $failed
