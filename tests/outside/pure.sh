#!/bin/sh
# pure.sh -- policies do no I/O, read no clock, start no thread and allocate nothing after a stack
# was made: what the objects of src/policy ask of others, by their symbols.
#
#   sh tests/outside/pure.sh ARCHIVE        TAP
set -u
if ! command -v nm >/dev/null; then
    echo '1..0 # SKIP needs nm'
    exit 0
fi
echo 1..3
# "policy_rate.c.o symbol", one a line: what each object leaves to others
asks=$(nm -A --undefined-only "$1" 2>/dev/null | sed -n 's/.*[:[]\(policy_[a-z]*\.c\.o\)[]:]*.* U \([^@]*\).*/\1 \2/p')
of() { # PATTERN: who asks for what
    echo "$asks" | grep -E " ($1)\$"
}

objects=$(echo "$asks" | sed 's/ .*//' | sort -u | wc -l)
[ "$objects" -ge 15 ] && echo 'ok 1 - the_objects_of_the_policies_were_found' ||
    echo "not ok 1 - the_objects_of_the_policies_were_found # $objects"

bad=$(of 'malloc|calloc|realloc|free|posix_memalign|mmap|weir__(re)?alloc|weir__free' |
    grep -v '^policy_policy\.c\.o ')
made=$(of 'weir__alloc' | grep -c '^policy_policy\.c\.o ')
[ -z "$bad" ] && [ "$made" = 1 ] && echo 'ok 2 - P2_only_making_a_stack_allocates' ||
    echo "not ok 2 - P2_only_making_a_stack_allocates #" $bad

bad=$(of 'time|clock_gettime|gettimeofday|clock|read|write|open|close|socket|poll|epoll_.*|nanosleep|usleep|pthread_.*|rand|random|getrandom|weir_now|weir__clock.*')
[ -z "$bad" ] && echo 'ok 3 - A5_no_policy_reads_a_clock_or_does_io' ||
    echo "not ok 3 - A5_no_policy_reads_a_clock_or_does_io #" $bad
