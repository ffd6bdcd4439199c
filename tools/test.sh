#!/bin/sh
# test.sh -- installs what is missing, builds weir in each of its variants, runs all tests and lint.
#
#   sh tools/test.sh            everything; some minutes on two cores
#   sh tools/test.sh --quick    one debug build with ASan and UBSan, and its tests
#   sh tools/test.sh STEP ...   only these steps: sh tools/test.sh --list names them
#
# Run as root or as someone who may sudo (for tools/deps.sh).  Builds under
# ${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}.  The last line is `N passed, N failed`; the exit status
# is 0 if and only if nothing failed.  A lint step counts as one test.
set -u
cd "$(dirname "$0")/.." || exit 1

source=$PWD
build=${WEIR_BUILD:-${TMPDIR:-/tmp}/weir-build}
logs=$build/logs
passed=0
failed=0
skipped=0
failures=

steps='release asan tsan msan clang ucontext nothreads valgrind aarch64 outside layers style format manuals analyzer cppcheck tidy'

say() {
    printf '\n== %s\n' "$*"
}

count_failed() { # NAME
    failed=$((failed + 1))
    failures="$failures $1"
    echo "FAILED: $1"
}

# check NAME COMMAND ...: one test, which passes if the command does; its output is shown if not.
check() {
    check_name=$1
    shift
    if "$@" >"$logs/$check_name.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok: $check_name"
    else
        tail -n 60 "$logs/$check_name.log"
        count_failed "$check_name"
    fi
}

# not_here NAME WHY: a step that cannot be taken counts as skipped, never as passed.
not_here() {
    skipped=$((skipped + 1))
    echo "skipped: $1: $2"
}

# build_variant NAME MESON-OPTION ...: configured anew each time, for folders that came or went.
build_variant() {
    variant=$1
    dir=$build/$variant
    shift
    if [ "$(cat "$dir/options" 2>/dev/null)" = "$source $*" ]; then
        meson setup --reconfigure "$dir" "$source" >"$logs/$variant-setup.log" 2>&1
    else
        rm -rf "$dir"
        meson setup "$dir" "$source" "$@" >"$logs/$variant-setup.log" 2>&1 &&
            echo "$source $*" >"$dir/options"
    fi || {
        tail -n 30 "$logs/$variant-setup.log"
        count_failed "$variant: setup"
        rm -rf "$dir"
        return 1
    }
    ninja -C "$dir" >"$logs/$variant-build.log" 2>&1 || {
        grep -vE '^\[[0-9]+/[0-9]+\] (Compiling|Linking|Generating)' "$logs/$variant-build.log" | tail -n 60
        count_failed "$variant: build"
        return 1
    }
}

# Meson writes what each TAP line became as JUnit; sums are taken from there.
sum() { # ATTRIBUTE FILE
    grep -o '<testsuite [^>]*>' "$2" | grep -o " $1=\"[0-9]*\"" | tr -dc '0-9\n' |
        awk '{ n += $1 } END { print n + 0 }'
}

# The failed lines of a log with what they say, under the name of their program.
show_failures() {
    awk '/^test: / { program = $NF; shown = 0 }
         /^result: / && !/exit status 0|ignored/ { print program ": " substr($0, 15) }
         /^not ok/ { shown = 1 }
         /^(ok|1\.\.|---|===|$)/ { shown = 0 }
         shown || /(ERROR|WARNING): [A-Z][a-zA-Z]*Sanitizer/' "$1" | head -n 200
}

# run_tests VARIANT MESON-TEST-OPTION ...: adds the results of all its TAP lines to the sums.
run_tests() {
    variant=$1
    dir=$build/$variant
    shift
    rm -f "$dir"/meson-logs/testlog*
    meson test -C "$dir" --no-rebuild "$@" >"$logs/$variant-test.log" 2>&1
    status=$?
    xml=$(ls "$dir"/meson-logs/testlog*.junit.xml 2>/dev/null) # a wrapper's name is in it
    if [ -z "$xml" ]; then
        tail -n 20 "$logs/$variant-test.log"
        count_failed "$variant: tests did not run"
        return
    fi
    n_all=$(sum tests "$xml")
    n_skip=$(sum skipped "$xml")
    n_bad=$(($(sum failures "$xml") + $(sum errors "$xml")))
    # A program that dies between two tests has no failed line of its own.
    if [ $status != 0 ] && [ "$n_bad" = 0 ]; then
        n_bad=1
        n_all=$((n_all + 1))
    fi
    passed=$((passed + n_all - n_skip - n_bad))
    skipped=$((skipped + n_skip))
    failed=$((failed + n_bad))
    echo "$variant: $((n_all - n_skip - n_bad)) passed, $n_bad failed, $n_skip skipped"
    if [ "$n_bad" != 0 ]; then
        failures="$failures $variant:tests"
        show_failures "${xml%.junit.xml}.txt"
    fi
}

# --- the steps ---------------------------------------------------------------

step_release() {
    build_variant release --buildtype=release && run_tests release
}

asan_options() {
    export ASAN_OPTIONS=detect_stack_use_after_return=0:detect_leaks=1:abort_on_error=0
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
}

step_asan() {
    asan_options
    build_variant asan --buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined &&
        TEST_TIMEOUT_MULT=3 run_tests asan
}

step_tsan() {
    build_variant tsan --buildtype=debug -Doptimization=1 -Db_sanitize=thread -Dcli=disabled &&
        TSAN_OPTIONS=halt_on_error=1 TEST_TIMEOUT_MULT=5 run_tests tsan --suite harness --suite threads --suite core
}

# What it can see whole: libweir alone, and libc.
step_msan() {
    CC=clang build_variant msan --buildtype=debug -Doptimization=1 -Db_sanitize=memory -Db_lundef=false \
        -Dcli=disabled -Dhttp=disabled &&
        MSAN_OPTIONS=halt_on_error=1 TEST_TIMEOUT_MULT=5 run_tests msan --suite base --suite policy \
            --suite core --suite fuzz
}

step_clang() {
    CC=clang build_variant clang --buildtype=debug -Doptimization=2 && run_tests clang
}

# The fallback of the switch, which nothing else of CI takes.
step_ucontext() {
    asan_options
    build_variant ucontext --buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined \
        -Dswitch=ucontext -Dcli=disabled -Dhttp=disabled &&
        TEST_TIMEOUT_MULT=3 run_tests ucontext --suite core
}

# Without threads: one loop and no doors, and what needs them says so.
step_nothreads() {
    build_variant nothreads --buildtype=debug -Doptimization=1 -Dthreads=false \
        -Dcli=disabled -Dhttp=disabled && run_tests nothreads
}

# Under valgrind the core tests alone, and each fourth fault point of theirs; the rest takes too
# long for what it could find.
step_valgrind() {
    build_variant valgrind --buildtype=debug -Doptimization=1 -Dcli=disabled -Dhttp=disabled &&
        TEST_TIMEOUT_MULT=20 TEST_POINTS_STEP=4 run_tests valgrind --suite harness --suite base --suite core --suite stream \
            --wrap='valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite'
}

step_aarch64() {
    build_variant aarch64 --cross-file tools/cross-aarch64.ini --buildtype=release \
        -Dhttp=disabled -Dcli=disabled &&
        TEST_TIMEOUT_MULT=10 run_tests aarch64 --suite harness --suite base --suite sys --suite policy --suite core --suite stream
}

step_outside() {
    build_variant release --buildtype=release || return
    check install sh tests/outside/install.sh "$source" "$build/release"
    if [ -f README.md ]; then
        check amalgam sh tests/outside/amalgam.sh "$source"
    else
        not_here amalgam 'no README.md'
    fi
}

step_layers() {
    check layers sh tools/layers.sh
}

step_style() {
    check style sh tools/style.sh
}

step_format() {
    check format sh tools/format.sh
}

step_manuals() {
    pages=$(find man docs -name '*.[1357]' 2>/dev/null)
    if [ -z "$pages" ]; then
        not_here manuals 'no manual pages'
        return
    fi
    # shellcheck disable=SC2086
    check manuals mandoc -T lint -W warning $pages
}

# each_file COMMAND < LIST: two at a time; fails if one does.
each_file() {
    xargs -P "$(nproc)" -n 1 "$@"
}

sources_of() {
    find "$@" -name '*.c' 2>/dev/null | sort
}

flags='-std=gnu11 -D_GNU_SOURCE -Iinclude -Isrc'

# Leaks are left to LeakSanitizer and test_alloc: gcc 12 takes a realloc of NULL for one.
step_analyzer() {
    analyzer_all() {
        sources_of src/base src/policy src/call |
            each_file gcc $flags -O1 -Wall -Wextra -fanalyzer -Wno-analyzer-malloc-leak -Werror -c -o /dev/null
    }
    check analyzer analyzer_all
}

step_cppcheck() {
    check cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -j "$(nproc)" \
        --enable=warning,portability --suppressions-list=tools/cppcheck.txt \
        -D_GNU_SOURCE -D__x86_64__ -Iinclude -Isrc src cli
}

step_tidy() {
    tidy_all() {
        sources_of src cli | each_file sh -c "clang-tidy --quiet --warnings-as-errors='*' \"\$0\" -- $flags \
            -I/usr/share/include/llhttp" >"$logs/tidy-all.log" 2>&1
        tidy_status=$?
        grep -A 2 ' error: ' "$logs/tidy-all.log"
        return $tidy_status
    }
    check tidy tidy_all
}

# --- which of them -----------------------------------------------------------

case ${1-} in
--list) echo "$steps"; exit 0 ;;
--help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' tools/test.sh; exit 0 ;;
--quick) chosen=asan ;;
-*) echo "test: unknown option $1; sh tools/test.sh --help" >&2; exit 2 ;;
'') chosen=$steps ;;
*) chosen=$* ;;
esac
for step in $chosen; do
    case " $steps " in
    *" $step "*) ;;
    *) echo "test: no step $step; there are: $steps" >&2; exit 2 ;;
    esac
done

echo "weir: installs what is missing (Debian packages), then:" $chosen
echo "builds and logs are under $build"
sh tools/deps.sh test || {
    echo '0 passed, 1 failed'
    exit 1
}
mkdir -p "$logs" || exit 1
for step in $chosen; do
    say "$step"
    started=$(date +%s)
    "step_$step"
    echo "($step took $(($(date +%s) - started)) s)"
done

[ $failed = 0 ] || say "failed:$failures (logs in $logs)"
[ $skipped = 0 ] || echo "skipped: $skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
