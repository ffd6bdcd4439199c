#!/bin/sh
# properties.sh -- docs/properties.md is true: every test that it names exists, every property of
# the list has a row, and each row names a test or says why there is none.
#
#   sh tests/outside/properties.sh SOURCE_DIR       TAP
#
# A test is written `layer/program:name`; a script or a file `file:path`.
set -u
page=$1/docs/properties.md
tests=$1/tests
echo 1..3

# The test is registered in the program, by TEST(name), TEST_WITH(name, ...) or a like macro.
registered() { # LAYER/PROGRAM NAME
    grep -qE "^(TEST|[A-Z_]+_TEST|TEST_WITH|SERVED|SIM)\($2[,)]" \
        "$tests/${1%/*}/test_${1#*/}.c" 2>/dev/null
}
missing=
for name in $(grep -oE '`[a-z]+/[a-z_]+:[A-Za-z0-9_]+`' "$page" | tr -d '`' | sort -u); do
    registered "${name%%:*}" "${name#*:}" || missing="$missing $name"
done
for file in $(grep -oE '`file:[^`]+`' "$page" | tr -d '`' | sort -u); do
    [ -f "$1/${file#file:}" ] || missing="$missing $file"
done
[ -z "$missing" ] && echo 'ok 1 - every_test_that_is_named_exists' ||
    echo "not ok 1 - every_test_that_is_named_exists #$missing"

absent=
for group in A:6 B:10 C:12 D:8 E:15 F:13 G:8 H:7 I:5 J:7 K:10 L:6 M:3 N:3 O:3 P:6; do
    letter=${group%:*}
    for i in $(seq "${group#*:}"); do
        grep -q "^| $letter$i |" "$page" || absent="$absent $letter$i"
    done
done
[ -z "$absent" ] && echo 'ok 2 - every_property_has_a_row' ||
    echo "not ok 2 - every_property_has_a_row #$absent"

empty=$(grep '^| ' "$page" | grep -vE '^\| (property|trap|complaint)' |
    grep -vE '`([a-z]+/[a-z_]+:[A-Za-z0-9_]+|file:[^`]+)`|not for weir, because' | cut -c1-40)
[ -z "$empty" ] && echo 'ok 3 - every_row_names_a_test_or_says_why_not' ||
    echo "not ok 3 - every_row_names_a_test_or_says_why_not # $(echo $empty)"
