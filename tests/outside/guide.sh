#!/bin/sh
# guide.sh -- runs the examples of docs/guide.md, compares what they print, and looks up every name
# that the page mentions, because copies drift.
#
#   sh tests/outside/guide.sh SOURCE_DIR BUILD_DIR/examples/guide      TAP
#
# An example is examples/guide/NN-name.c, and NN-name.out is what it prints; it has to end well and
# say nothing else.  Those that need libweir-http are skipped where that was not built.
set -u
cd "$1" || exit 1
bin=$2
page=docs/guide.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

set -- examples/guide/*.c
echo "1..$(($# + 6))"
for example; do
    name=$(basename "$example" .c)
    n=$((n + 1))
    if [ ! -x "$bin/guide_$name" ] && grep -q '<weir/http.h>' "$example"; then
        echo "ok $n - example_$name # SKIP without libweir-http"
        continue
    fi
    timeout 50 "$bin/guide_$name" >"$work/out" 2>"$work/err"
    status=$?
    if [ $status = 0 ] && [ ! -s "$work/err" ] && cmp -s "${example%.c}.out" "$work/out"; then
        echo "ok $n - example_$name"
    else
        echo "not ok $n - example_$name"
        echo "# exit status $status"
        diff -u "${example%.c}.out" "$work/out" | sed 's/^/# /'
        sed 's/^/# /' "$work/err"
    fi
done

# --- the page ------------------------------------------------------------------

# missing NAME WANTED HAD: each line of the file WANTED is one of HAD, and there are some.
missing() {
    n=$((n + 1))
    sort -u "$2" >"$work/a"
    sort -u "$3" | comm -23 "$work/a" - >"$work/missing"
    if [ -s "$work/a" ] && [ ! -s "$work/missing" ]; then
        echo "ok $n - $1"
        echo "# $(wc -l <"$work/a") names"
    else
        echo "not ok $n - $1"
        sed 's/^/# missing: /' "$work/missing"
    fi
}

grep -o '`[^`]*`' $page | tr -d '`' >"$work/code" # what the page sets as code

grep -oE '\<(weir|WEIR)_[A-Za-z0-9_]+' "$work/code" >"$work/wanted"
cat include/weir/*.h | grep -oE '\<(weir|WEIR)_[A-Za-z0-9_]+' >"$work/had"
missing every_function_on_the_page_is_declared "$work/wanted" "$work/had"

# an option or field, as `.limit`: not `.map()`, which is Rust's
grep -E '^\.[a-z_]+( |$)' "$work/code" | sed 's/^\.\([a-z_]*\).*/\1/' >"$work/wanted"
grep -ohE '(\<|\(\*)[a-z_]+[]);,[]' include/weir/*.h | tr -d '(*)[];,' >"$work/had"
missing every_option_on_the_page_is_a_field "$work/wanted" "$work/had"

grep -oE '\.\./examples/guide/[^)]*' $page | sed 's/^\.\.\///' >"$work/wanted"
ls examples/guide/*.c >"$work/had"
missing every_example_on_the_page_is_there "$work/wanted" "$work/had"
missing every_example_is_on_the_page "$work/had" "$work/wanted"

# Four words and more are the name of a test, and operator__weir_NAME one of operators.def.
grep -xE '[A-Za-z0-9]+(_+[a-z0-9]+){3,}' "$work/code" | grep -vE '^(weir|WEIR)_' >"$work/wanted"
grep -rhoE '^[A-Z_]+\([A-Za-z0-9_]+' tests | sed 's/.*(//' >"$work/had"
sed -n 's/^OPERATOR(\([a-z0-9_]*\),.*/operator__\1/p' tests/stream/operators.def >>"$work/had"
missing every_test_on_the_page_is_there "$work/wanted" "$work/had"

cat tests/guide/*.c | grep -oE '^[A-Z_]*TEST[A-Z_]*\([A-Za-z0-9_]+' | sed 's/.*(//' >"$work/had"
missing every_test_of_the_guide_is_on_the_page "$work/had" "$work/wanted"
