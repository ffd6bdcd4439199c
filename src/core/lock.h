/*
 * lock.h -- a lock of one word, for what is held a few instructions long.
 *
 *     0 free, 1 held
 *
 * The one who gives it touches the word for the last time when he sets it to
 * 0, so the next holder may free the memory it lies in.  That is a plain store:
 * nobody sleeps where he would have to be called, so a lock costs one
 * locked instruction, not two.
 */
#ifndef WEIR__LOCK_H
#define WEIR__LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* For loops that wait for another thread. */
static inline void weir__lock_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("yield");
#endif
}

void weir__lock_wait(uint32_t *lock);

static inline void weir__lock_take(uint32_t *lock)
{
    uint32_t free = 0;

    if (!__atomic_compare_exchange_n(lock, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        weir__lock_wait(lock);
}

static inline void weir__lock_give(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
