#!/bin/sh
# nolock.sh -- with one loop no primitive costs an atomic: the functions of its path hold no
# instruction with a lock prefix, and no xchg with memory, which is one.
#
#   sh tests/outside/nolock.sh LIBRARY      TAP; x86-64 only
set -u
paths='weir_sem_take weir_sem_give weir_mutex_lock weir_mutex_unlock weir_chan_send weir_chan_recv
       chan_send_slow chan_recv_slow sem_serve weir_event_set weir_event_wait weir_promise_send
       weir_future_recv weir_watch_set weir_watcher_recv weir_topic_send weir_sub_recv
       weir_rwlock_read weir_rwlock_write weir_rwlock_unlock weir_latch_down weir_latch_wait
       weir_once_call weir_token_why weir_token_cancel weir_pool_get'
# These do lock, and are here so that the test is known to see it.
others='weir__guard_take chan_send_many chan_recv_many'

body() { # FUNCTION
    objdump -d --no-show-raw-insn "$1" | awk -v f="<$2>:" '$2 == f { on = 1 } on && /^$/ { exit } on'
}
locked() {
    grep -Eq '[[:space:]]lock |xchg .*\(' "$work"
}

work=$(mktemp)
trap 'rm -f "$work"' EXIT
if [ "$(uname -m)" != x86_64 ] || ! command -v objdump >/dev/null; then
    echo '1..0 # SKIP needs objdump on x86-64'
    exit 0
fi
echo 1..2
bad=
for f in $paths; do
    body "$1" "$f" >"$work"
    case $f in weir_*) [ -s "$work" ] || bad="$bad $f(missing)" ;; esac
    locked && bad="$bad $f"
done
[ -z "$bad" ] && echo 'ok 1 - the_path_of_one_loop_has_no_atomic' ||
    echo "not ok 1 - the_path_of_one_loop_has_no_atomic #$bad"
blind=
for f in $others; do
    body "$1" "$f" >"$work"
    locked || blind="$blind $f"
done
[ -z "$blind" ] && echo 'ok 2 - and_the_path_of_many_has' || echo "not ok 2 - and_the_path_of_many_has #$blind"
