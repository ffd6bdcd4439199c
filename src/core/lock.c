/*
 * lock.c -- the slow half of lock.h: looks now and then, less and less often, for
 * each look takes the line of cache from the one who works on it; then the holder
 * has lost the processor, so this thread gives its own away, and in the end
 * sleeps a moment, in case it is the more urgent of the two.
 */
#include "core/lock.h"

#include <sched.h>
#include <time.h>

enum { LOCK_LEAST = 16, LOCK_MOST = 256, LOCK_YIELDS = 64, LOCK_NAP_NS = 50000 };

static bool lock_try(uint32_t *lock)
{
    uint32_t free = 0;

    return __atomic_load_n(lock, __ATOMIC_RELAXED) == 0 &&
           __atomic_compare_exchange_n(lock, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static bool lock_spin(uint32_t *lock)
{
    for (int pauses = LOCK_LEAST; pauses <= LOCK_MOST; pauses *= 2) {
        for (int i = 0; i < pauses; i++)
            weir__lock_pause();
        if (lock_try(lock))
            return true;
    }
    return false;
}

void weir__lock_wait(uint32_t *lock)
{
    const struct timespec nap = {.tv_nsec = LOCK_NAP_NS};

    for (unsigned rounds = 1; !lock_spin(lock); rounds++)
        if (rounds % LOCK_YIELDS)
            sched_yield();
        else
            nanosleep(&nap, NULL);
}
