/*
 * lock.c -- the slow half of lock.h: spins a little; then the holder has lost
 * the processor, so this thread gives its own away, and in the end sleeps a
 * moment, in case it is the more urgent of the two.
 */
#include "core/lock.h"

#include <sched.h>
#include <time.h>

enum { LOCK_SPINS = 100, LOCK_YIELDS = 64, LOCK_NAP_NS = 50000 };

static bool lock_try(uint32_t *lock)
{
    uint32_t free = 0;

    return __atomic_load_n(lock, __ATOMIC_RELAXED) == 0 &&
           __atomic_compare_exchange_n(lock, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static bool lock_spin(uint32_t *lock)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        if (lock_try(lock))
            return true;
        weir__lock_pause();
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
