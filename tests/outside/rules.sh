#!/bin/sh
# rules.sh -- tools/style.sh and tools/layers.sh see what they are there to see: each is shown a
# tree with one breach of each of its rules, and one without.
#
#   sh tests/outside/rules.sh SOURCE_DIR       TAP
set -u
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/tools" "$tree/src/base" "$tree/src/core" "$tree/include/weir" "$tree/cli" \
    "$tree/tests" "$tree/examples"
cp "$1/tools/style.sh" "$1/tools/layers.sh" "$tree/tools/"
number=0

wrong() { # WHAT; a file, for it is said in pipelines
    printf '%s; ' "$1" >>"$tree/wrong"
}

# Writes FILE of one breach, and looks for WHAT and its place in what the script prints.
caught() { # SCRIPT FILE LINE WHAT, the file on standard input
    cat >"$tree/$2"
    sh "$tree/tools/$1.sh" >"$tree/out" 2>&1 && wrong "$4 passes"
    grep -q "^$2:$3: .*$4" "$tree/out" || wrong "$4 is not seen"
    rm "$tree/$2"
}

report() { # NAME
    number=$((number + 1))
    [ ! -s "$tree/wrong" ] && echo "ok $number - $1" || echo "not ok $number - $1 # $(cat "$tree/wrong")"
    rm -f "$tree/wrong"
}

many() { # N LINE
    yes "$2" | head -n "$1"
}

echo 1..3
printf '/* a.c -- nothing. */\n#include "base/b.h"\nint a;\n' >"$tree/src/core/a.c"
printf '/* b.h -- nothing. */\nint b;\n' >"$tree/src/base/b.h"
printf '/* b.h -- nothing. */\nint b;\n' >"$tree/include/weir/b.h"
printf '/* weir.h -- nothing. */\n#include <weir/b.h>\n' >"$tree/include/weir.h"
for script in style layers; do
    sh "$tree/tools/$script.sh" >"$tree/out" 2>&1 || wrong "$script: $(head -n 1 "$tree/out")"
done
report a_tree_without_a_breach_passes

c='/* c.c -- nothing. */'
printf 'int c;\n' | caught style src/base/c.c 1 'opens without a comment'
{ echo "$c"; many 599 'int c;'; } | caught style src/base/c.c 600 'lines long'
{ echo "$c"; many 599 'int c;'; } | caught style tests/c.c 600 'lines long'
{ echo "$c"; echo '{'; many 60 '    c();'; echo '}'; } | caught style src/base/c.c 63 'a function of'
printf '%s\n    return -1;\n' "$c" | caught style src/base/c.c 2 'would be -EPERM'
for word in TODO FIXME XXX; do
    printf '%s\n/* %s: later */\n' "$c" $word | caught style src/base/c.c 2 'unfinished'
done
printf '%s\n/* %0100d */\n' "$c" 0 | caught style src/base/c.c 2 'longer than 100'
printf '%s\nint c; \n' "$c" | caught style src/base/c.c 2 'ends in a blank'
printf '%s\n\tint c;\n' "$c" | caught style src/base/c.c 2 'has a tab'
printf '%s\n    return time(NULL);\n' "$c" | caught style src/base/c.c 2 'wall clock'
printf '%s\n    __asm__("");\n' "$c" | caught style src/base/c.c 2 'GNU extension'
printf '%s\nint c; \n' "$c" | caught style tests/c.c 2 'ends in a blank'
report style_sees_each_breach

printf '%s\n#include "core/d.h"\n' "$c" | caught layers src/base/c.c 2 'may not include'
printf '%s\n#include "core/d.h"\n' "$c" | caught layers cli/c.c 2 'looks inside'
report layers_sees_each_breach
