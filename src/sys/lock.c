/*
 * lock.c -- the slow half of lock.h: spins a little, then sleeps on a futex.
 */
#include "sys/lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOCK_SPINS = 100 };

static bool lock_try(uint32_t *lock)
{
    uint32_t free = 0;

    return __atomic_load_n(lock, __ATOMIC_RELAXED) == 0 &&
           __atomic_compare_exchange_n(lock, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

void weir__lock_sleep(uint32_t *lock)
{
    for (int i = 0; i < LOCK_SPINS; i++) {
        if (lock_try(lock))
            return;
        weir__lock_pause();
    }
    while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, lock, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

/* The word may be another's by now: then somebody wakes for nothing, and looks again. */
void weir__lock_rouse(uint32_t *lock)
{
    syscall(SYS_futex, lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
