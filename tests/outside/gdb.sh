#!/bin/sh
# gdb.sh -- tools/gdb/weir.py lists the fibers of a program, and unwinds them through the switch.
#
#   sh tests/outside/gdb.sh SOURCE_DIR PROGRAM      TAP; PROGRAM is tests/outside/fibers.c
set -u
source=$1
program=$2
if ! command -v gdb >/dev/null || ! readelf -S "$program" | grep -q debug_info; then
    echo '1..0 # SKIP needs gdb, and debug information'
    exit 0
fi
work=$(mktemp)
trap 'rm -f "$work"' EXIT
ASAN_OPTIONS=detect_leaks=0 timeout 100 gdb -q -nx -batch -ex 'set debuginfod enabled off' \
    -ex 'set confirm off' -ex "source $source/tools/gdb/weir.py" -ex 'break stop_here' -ex run \
    -ex 'echo LIST\n' -ex 'weir fibers' -ex 'echo ALL\n' -ex 'weir bt' -ex 'echo ONE\n' \
    -ex 'weir bt parser' -ex 'weir bt nobody' -ex 'echo THREAD\n' -ex bt -ex kill "$program" >"$work" 2>&1
if grep -qE 'ptrace: |Could not trace' "$work"; then
    echo '1..0 # SKIP processes may not be traced here'
    exit 0
fi

# section FROM TO: the lines between two marks
section() {
    awk -v from="$1" -v to="$2" '$0 == to { on = 0 } on { print } $0 == from { on = 1 }' "$work"
}
# The names of the functions of a backtrace on one line.
names() {
    sed -n 's/^ *#[0-9]* *0x[0-9a-f]* in \([^ ]*\).*/\1/p' | tr '\n' ' '
}
n=0
report() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else
        sed 's/^/# /' "$work"
        echo "not ok $n - $1"
    fi
}
echo 1..5
list=$(section LIST ALL)
[ "$(echo "$list" | grep -c fiber)" = 4 ] && echo "$list" | grep -q 'parser: parked in recv 0x' &&
    echo "$list" | grep -q 'ticker: parked in sleep' && echo "$list" | grep -q 'looker: running' &&
    echo "$list" | grep -q 'main: parked in scope_close'
report every_fiber_is_listed_with_what_it_waits_for $?

section ONE THREAD | names | grep -Eq '(weir_chan_recv|chan_recv_slow) .*inner outer outer outer outer receives fiber_entry $'
report a_parked_fiber_is_unwound_through_the_switch_to_its_entry $?

all=$(section ALL ONE | names)
echo "$all" | grep -q 'weir_sleep sleeps fiber_entry' && echo "$all" | grep -q 'stop_here looks fiber_entry' &&
    echo "$all" | grep -q 'weir_scope_close app .*fiber_entry'
report so_are_all_the_others $?

section ONE THREAD | grep -q 'no such fiber'
report a_name_that_nobody_has_is_told $?

section THREAD '' | grep -q '#0 .*stop_here' && section THREAD '' | grep '^#' | tail -n 1 | grep -q 'fiber_entry'
report the_thread_is_left_as_it_was $?
