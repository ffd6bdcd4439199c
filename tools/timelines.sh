#!/bin/sh
# timelines.sh -- the timelines that the manual and docs/shape.md show are what the tests have drawn.
#
#   sh tools/timelines.sh TEST_PROGRAM              TAP: compares
#   sh tools/timelines.sh --fix TEST_PROGRAM        writes them
#
# TEST_PROGRAM is tests/stream_timelines of a build.  The lines stand between two marks in each file.
set -eu
fix=
[ "$1" = --fix ] && { fix=1; shift; }
program=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
WEIR_TIMELINES=$work/drawn "$program" the_timelines_are_written_down >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

# Each section is a heading and a block; $1 opens it, %s is the heading, $2 closes it.
blocks() {
    awk -v begin="$1" -v end="$2" '
        /^== / { if (n++) print end; printf begin, substr($0, 4); first = 1; next }
        /^$/ { if (!first) print; first = 0; next }
        { print }
        END { print end }' "$work/drawn"
}

# file, mark before, mark after, the lines
between() {
    awk -v begin="$2" -v end="$3" -v lines="$4" '
        $0 == end { inside = 0 }
        !inside { print }
        $0 == begin { inside = 1; while ((getline line < lines) > 0) print line }' "$1"
}

blocks '\n### %s\n\n```\n' '```' >"$work/markdown"
blocks '.Ss %s\n.Bd -literal\n' '.Ed' >"$work/manual"
between docs/shape.md '<!-- timelines -->' '<!-- end of the timelines -->' "$work/markdown" >"$work/shape.md"
between man/weir_shape.3 '.\" timelines' '.\" end of the timelines' "$work/manual" >"$work/weir_shape.3"
if [ "$fix" ]; then
    cp "$work/shape.md" docs/shape.md
    cp "$work/weir_shape.3" man/weir_shape.3
    exit 0
fi

echo 1..3
n=0
for file in docs/shape.md man/weir_shape.3; do
    n=$((n + 1))
    if diff "$file" "$work/$(basename "$file")" >"$work/diff"; then
        echo "ok $n - the_timelines_of_${file}_are_what_happened"
    else
        sed 's/^/# /' "$work/diff"
        echo "not ok $n - $file shows what has not happened: sh tools/timelines.sh --fix $program"
    fi
done
drawn=$(grep -c '^    out' "$work/drawn")
listed=$(grep -c '^TIMELINE(' tests/stream/timelines.def)
[ "$drawn" -eq "$listed" ] && [ "$drawn" -gt 20 ] || printf 'not '
echo "ok 3 - all_timelines_are_drawn"
