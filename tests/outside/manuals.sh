#!/bin/sh
# manuals.sh -- the manual pages say what the headers say, because copies drift.
#
#   sh tests/outside/manuals.sh SOURCE_DIR      TAP
#
# Every function that a public header declares stands in the SYNOPSIS of a page of man/, with the
# same result and parameters, and none that no header declares; every page of section 3 ends in BUGS.
# CONTRIBUTING.md explains every option of the build.
set -u
cd "$1" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# "result name(parameter, ...)", a line each, blanks as single spaces
declared() {
    grep -hv '^#' include/weir/*.h | awk '
        { text = text $0 "\n" }
        END {
            while (match(text, /\/\*([^*]|\*+[^*\/])*\*+\//))
                text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
            gsub(/[ \t\n]+/, " ", text)
            n = split(text, part, "WEIR_API ")
            for (i = 2; i <= n; i++) {
                sub(/;.*/, "", part[i])
                sub(/^WEIR_MUST_USE /, "", part[i])
                if (part[i] ~ /\(/) print part[i]
            }
        }' | sed 's/\* *weir_\([a-z0-9_]*\)(/* weir_\1(/' | sort
}

documented() {
    awk '
        function words(line) { gsub(/^\.F[toa] /, "", line); gsub(/"/, "", line); return line }
        /^\.Ft / { result = words($0) }
        /^\.Fo / { name = words($0); parameters = "" }
        /^\.Fa / && name { parameters = parameters (parameters ? ", " : "") words($0) }
        /^\.Fc/ { print result " " name "(" parameters ")"; name = "" }
    ' man/*.3 | sort
}

echo 1..4
declared >"$work/headers"
documented >"$work/pages"
if [ "$(wc -l <"$work/headers")" -gt 100 ] && diff "$work/headers" "$work/pages" >"$work/diff"; then
    echo 'ok 1 - each_function_has_its_manual_and_they_agree'
else
    sed 's/^/# /; s/^# </# header:/; s/^# >/# page:  /' "$work/diff"
    echo 'not ok 1 - each_function_has_its_manual_and_they_agree'
fi

missing=$(for page in man/*.3; do grep -q '^\.Sh BUGS' "$page" || echo "$page"; done)
[ -z "$missing" ] && echo 'ok 2 - each_page_has_its_bugs' || echo "not ok 2 - each_page_has_its_bugs # $missing"

if ! command -v mandoc >/dev/null; then
    echo 'ok 3 - mandoc_finds_nothing # SKIP no mandoc'
elif mandoc -T lint -W warning man/* >"$work/lint"; then
    echo 'ok 3 - mandoc_finds_nothing'
else
    sed 's/^/# /' "$work/lint"
    echo 'not ok 3 - mandoc_finds_nothing'
fi

missing=$(sed -n "s/^option('\([a-z]*\)'.*/\1/p" meson_options.txt |
    while read -r option; do grep -q "^| \`$option\` |" CONTRIBUTING.md || echo "$option"; done)
[ -z "$missing" ] && echo 'ok 4 - each_build_option_is_explained' ||
    echo "not ok 4 - each_build_option_is_explained # $missing"
