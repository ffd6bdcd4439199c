/*
 * ring.c -- the floor of a channel between two threads: a ring of one producer
 * and one consumer, without a lock, an end or a sleep; each side looks at the
 * other's index only when its own idea of it has run out.  What is left is the
 * way of a cache line from one processor to the other.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "floor.h"

enum { RING_LINE = 128, RING_PAUSES = 10000 };

struct ring {
    _Alignas(RING_LINE) _Atomic long put;
    _Alignas(RING_LINE) _Atomic long taken;
    _Alignas(RING_LINE) long capacity;
    int64_t slots[1024];
};

struct ring_job {
    struct ring there, back;
    long n;
    int64_t sum;
};

/* Until the index is past `old`; the other thread may have no processor. */
static long ring_wait(_Atomic long *index, long old)
{
    long now;

    for (int i = 1; (now = atomic_load_explicit(index, memory_order_acquire)) == old; i++)
        if (i % RING_PAUSES)
            __builtin_ia32_pause();
        else
            sched_yield();
    return now;
}

static void ring_send(struct ring *r, long at, long *taken, int64_t item)
{
    if (at - *taken == r->capacity)
        *taken = ring_wait(&r->taken, *taken);
    r->slots[at % r->capacity] = item;
    atomic_store_explicit(&r->put, at + 1, memory_order_release);
}

static int64_t ring_recv(struct ring *r, long at, long *put)
{
    int64_t item;

    if (at == *put)
        *put = ring_wait(&r->put, *put);
    item = r->slots[at % r->capacity];
    atomic_store_explicit(&r->taken, at + 1, memory_order_release);
    return item;
}

static void *ring_receives(void *arg)
{
    struct ring_job *j = arg;
    long put = 0;

    for (long i = 0; i < j->n; i++)
        j->sum += ring_recv(&j->there, i, &put);
    return NULL;
}

static void *ring_answers(void *arg)
{
    struct ring_job *j = arg;
    long put = 0, taken = 0;

    for (long i = 0; i < j->n; i++)
        ring_send(&j->back, i, &taken, ring_recv(&j->there, i, &put) + 1);
    return NULL;
}

static struct ring_job *ring_start(long n, long capacity, void *(*fn)(void *), pthread_t *out)
{
    struct ring_job *j = aligned_alloc(RING_LINE, sizeof *j);

    bench_check(j, "no memory");
    *j = (struct ring_job){.there.capacity = capacity, .back.capacity = capacity, .n = n};
    bench_check(pthread_create(out, NULL, fn, j) == 0, "no thread");
    return j;
}

static long ring_chan(long n, long capacity)
{
    pthread_t thread;
    struct ring_job *j = ring_start(n, capacity, ring_receives, &thread);
    long taken = 0;

    for (long i = 0; i < n; i++)
        ring_send(&j->there, i, &taken, i);
    pthread_join(thread, NULL);
    bench_check(j->sum == bench_sum(n), "wrong sum");
    free(j);
    return n;
}

static long ring_cap1(long n)
{
    return ring_chan(n, 1);
}

static long ring_cap32(long n)
{
    return ring_chan(n, 32);
}

static long ring_cap1024(long n)
{
    return ring_chan(n, 1024);
}

static long ring_pingpong(long n)
{
    pthread_t thread;
    struct ring_job *j = ring_start(n, 1, ring_answers, &thread);
    long taken = 0, put = 0;

    for (long i = 0; i < n; i++) {
        ring_send(&j->there, i, &taken, i);
        bench_check(ring_recv(&j->back, i, &put) == i + 1, "wrong answer");
    }
    pthread_join(thread, NULL);
    free(j);
    return n;
}

const struct bench_case ring_cases[] = {
    {"chan_cap1_2t", 7, 1000000, ring_cap1, 2},
    {"chan_cap32_2t", 7, 1000000, ring_cap32, 2},
    {"chan_cap1024_2t", 7, 1000000, ring_cap1024, 2},
    {"pingpong_round_trip_2t", 7, 300000, ring_pingpong, 2},
    {0},
};
