#!/bin/sh
# operators.sh -- every constructor of a stream that a public header declares is in the table of
# tests/stream/operators.def, so every one is run through what that table does.
#
#   sh tests/headers/operators.sh SOURCE_DIR TEST_PROGRAM     TAP
set -eu
declared=$(cat "$1"/include/weir/*.h | tr '\n' ' ' | tr -s ' ' |
    grep -oE 'WEIR_API (WEIR_MUST_USE )?weir_stream ?\* ?weir_[a-z0-9_]+' | sed 's/.*[* ]//' | sort -u)
listed=$("$2" --list | sed -n 's/^operator__//p')

echo 1..1
missing=$(for f in $declared; do echo "$listed" | grep -qx "$f" || echo "$f"; done)
if [ -n "$missing" ] || [ "$(echo "$declared" | wc -l)" -lt 20 ]; then
    echo "not ok 1 - every_operator_is_in_the_table"
    echo "$missing" | sed 's/^/#   no line in tests\/stream\/operators.def: /'
    exit 1
fi
echo "ok 1 - every_operator_is_in_the_table"
echo "# $(echo "$declared" | wc -l) constructors"
