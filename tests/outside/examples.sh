#!/bin/sh
# examples.sh -- runs the examples and looks at what they print.
#
#   sh tests/outside/examples.sh SOURCE_DIR BUILD_DIR/examples      TAP
set -u
source=$1
bin=$2
n=0
report() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" = 0 ]; then echo "ok $n - $1"; else echo "not ok $n - $1"; fi
}
echo 1..4

out=$("$bin/example_readme")
[ "$out" = "0 1 4 9 16 25 36 49 64 81" ]
report the_readme_program_prints_its_squares $?

awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$source/README.md" |
    cmp -s - "$source/examples/readme.c"
report the_readme_shows_the_program_that_is_tested $?

"$bin/example_twenty" | grep -q '^20 results: success$'
report twenty_jobs_in_twelve_lines $?

# The server echoes, and a client that is still connected does not keep it from ending.
log=$(mktemp)
"$bin/example_echo" >"$log" 2>"$log.err" &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -s "$log" ] && break
    sleep 0.1
done
port=$(sed -n 's/.*:\([0-9]*\)$/\1/p' "$log")
got=$(bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; echo hello >&3; IFS= read -r line <&3; echo \$line")
kill -TERM $pid
wait $pid
status=$?
[ "$got" = hello ] && [ $status = 0 ] && grep -q 'stopped; 0 clients were cut' "$log.err"
report the_echo_server_echoes_and_ends_gracefully $?
rm -f "$log" "$log.err"
