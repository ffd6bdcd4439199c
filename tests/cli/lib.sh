# lib.sh -- what golden tests share; a case's cmd reads it with `. "$lib"`.

# chaos_start [FLAG ...]: starts `weir chaos` on a free port; $url is where it listens.  It is
# stopped when the case ends.
chaos_start() {
    weir chaos --port 0 "$@" >chaos.out 2>chaos.err &
    chaos_pid=$!
    trap 'kill "$chaos_pid" 2>/dev/null; wait "$chaos_pid" 2>/dev/null' EXIT
    tries=0
    until url=$(sed -n '1s/^listening //p' chaos.out) && [ -n "$url" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 800 ]; then
            echo "weir chaos did not start:" >&2
            cat chaos.err >&2
            exit 99
        fi
        sleep 0.05
    done
}
