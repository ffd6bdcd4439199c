#!/bin/sh
# format.sh -- clang-format settles the layout.
#
#   sh tools/format.sh [FILE ...]         lists the files that differ; 1 if there are any
#   sh tools/format.sh --fix [FILE ...]   rewrites them
set -eu
cd "$(dirname "$0")/.."

fix=
if [ "${1-}" = --fix ]; then
    fix=1
    shift
fi
if [ $# = 0 ]; then
    set -- $(find include src cli tests examples bench fuzz -name '*.[ch]' -o -name '*.cc' | sort)
fi
if [ -n "$fix" ]; then
    exec clang-format -i "$@"
fi
clang-format --dry-run "$@" 2>&1 |
    awk -F: '/clang-format-violations/ { n[$1]++ }
             END { for (f in n) { print f ": " n[f] " places differ: sh tools/format.sh --fix " f; bad = 1 }
                   exit bad }'
