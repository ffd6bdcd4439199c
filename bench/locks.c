/*
 * locks.c -- semaphore, mutex, rate limit.
 *
 * contended64: 64 fibers on 8 permits, or on one mutex, held over one yield.
 * ratelimit: a limit that is never reached; _clock reads the clock for each
 * take, _loop takes the loop's time.
 */
#include <weir.h>

#include "workloads.h"

enum { LOCKS_FIBERS = 64 };

static struct locks_shared {
    struct weir_sem sem;
    struct weir_mutex mutex;
    int64_t value;
    long each;
} locks;

static long locks_sem_uncontended(long n)
{
    int r = weir_sem_init(&locks.sem, 1);

    for (long i = 0; i < n && r == 0; i++) {
        r = weir_sem_take(&locks.sem, 1, WEIR_NEVER);
        if (r == 0)
            r = weir_sem_give(&locks.sem, 1);
    }
    bench_check(r == 0, "the semaphore failed");
    return n;
}

static long locks_mutex_uncontended(long n)
{
    int r = 0;

    weir_mutex_init(&locks.mutex);
    locks.value = 0;
    for (long i = 0; i < n && r == 0; i++) {
        r = weir_mutex_lock(&locks.mutex, WEIR_NEVER);
        locks.value++;
        if (r == 0)
            r = weir_mutex_unlock(&locks.mutex);
    }
    bench_check(r == 0 && locks.value == n, "the mutex failed");
    return n;
}

/* --- contended ------------------------------------------------------------------ */

static int locks_sem_fiber(void *arg)
{
    int r = 0;

    (void)arg;
    for (long i = 0; i < locks.each && r == 0; i++) {
        r = weir_sem_take(&locks.sem, 1, WEIR_NEVER);
        locks.value++;
        if (r == 0)
            r = weir_yield();
        if (r == 0)
            r = weir_sem_give(&locks.sem, 1);
    }
    return r;
}

static int locks_mutex_fiber(void *arg)
{
    int r = 0;

    (void)arg;
    for (long i = 0; i < locks.each && r == 0; i++) {
        r = weir_mutex_lock(&locks.mutex, WEIR_NEVER);
        locks.value++;
        if (r == 0)
            r = weir_yield();
        if (r == 0)
            r = weir_mutex_unlock(&locks.mutex);
    }
    return r;
}

static long locks_in64(long n, int (*fn)(void *))
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;

    locks.each = n / LOCKS_FIBERS;
    locks.value = 0;
    for (int i = 0; i < LOCKS_FIBERS && r == 0; i++)
        r = weir_go(s, fn, NULL);
    bench_check(r == 0 && weir_scope_close(&s) == 0, "a contender failed");
    bench_check(locks.value == locks.each * LOCKS_FIBERS, "lost update");
    return locks.value;
}

static long locks_sem_contended64(long n)
{
    bench_check(weir_sem_init(&locks.sem, 8) == 0, "the semaphore failed");
    return locks_in64(n, locks_sem_fiber);
}

static long locks_mutex_contended64(long n)
{
    weir_mutex_init(&locks.mutex);
    return locks_in64(n, locks_mutex_fiber);
}

/* --- rate limit ------------------------------------------------------------------- */

static void locks_rate_init(struct weir_rate *r)
{
    const struct weir_rate_opts opts = {.per_sec = 1000000000, .burst = 1000000000};

    bench_check(weir_rate_init(r, &opts) == 0, "no limit");
}

static long locks_ratelimit_clock(long n)
{
    struct weir_rate rate;

    locks_rate_init(&rate);
    for (long i = 0; i < n; i++)
        bench_check(weir_rate_take(&rate, 1, WEIR_EPOCH + bench_clock()) == 0, "limited");
    return n;
}

static long locks_ratelimit_loop(long n)
{
    struct weir_rate rate;

    locks_rate_init(&rate);
    for (long i = 0; i < n; i++)
        bench_check(weir_rate_take(&rate, 1, weir_now()) == 0, "limited");
    return n;
}

const struct bench_case locks_cases[] = {
    {"sem_uncontended", 9, 5000000, locks_sem_uncontended},
    {"sem_contended64_1t", 7, 1000000, locks_sem_contended64},
    {"mutex_uncontended", 9, 5000000, locks_mutex_uncontended},
    {"mutex_contended64_1t", 7, 1000000, locks_mutex_contended64},
    {"ratelimit_clock", 9, 5000000, locks_ratelimit_clock},
    {"ratelimit_loop", 9, 5000000, locks_ratelimit_loop},
    {0},
};
