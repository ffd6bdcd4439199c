/*
 * floor.c -- the workloads that need fibers, on the least that fibers can be
 * (runtime.h), under the names that they have in weir's bench.
 */
#include "floor.h"
#include "runtime.h"

/* --- starting, joining, switching ----------------------------------------------- */

static void floor_one(void *arg)
{
    ++*(int64_t *)arg;
}

static long floor_spawn_join(long n)
{
    int64_t *results = calloc((size_t)n, sizeof *results), sum = 0;

    bench_check(results, "no memory");
    for (long i = 0; i < n; i++)
        floor_spawn(floor_one, &results[i]);
    floor_join_all();
    for (long i = 0; i < n; i++)
        sum += results[i];
    bench_check(sum == n, "wrong sum");
    free(results);
    return n;
}

static long floor_spawn_join_each(long n)
{
    int64_t count = 0;

    for (long i = 0; i < n; i++)
        floor_join(floor_spawn(floor_one, &count));
    bench_check(count == n, "wrong sum");
    return n;
}

static void floor_yields(void *arg)
{
    for (long i = (intptr_t)arg; i; i--)
        floor_yield();
}

static long floor_yield_switch(long n)
{
    struct floor_fiber *a = floor_spawn(floor_yields, (void *)(n / 2));
    struct floor_fiber *b = floor_spawn(floor_yields, (void *)(n / 2));

    floor_join(a);
    floor_join(b);
    return n / 2 * 2;
}

/* --- channels --------------------------------------------------------------------- */

struct floor_sender {
    struct floor_chan ch;
    long n;
};

static void floor_sends(void *arg)
{
    struct floor_sender *p = arg;

    for (int64_t i = 0; i < p->n; i++)
        floor_send(&p->ch, i);
}

static long floor_chan_run(long n, unsigned capacity, int producers)
{
    struct floor_sender p = {.n = n / producers};
    int64_t sum = 0;

    floor_chan_init(&p.ch, capacity);
    for (int i = 0; i < producers; i++)
        floor_spawn(floor_sends, &p);
    for (long i = 0; i < p.n * producers; i++)
        sum += floor_recv(&p.ch);
    floor_join_all();
    bench_check(sum == producers * bench_sum(p.n), "wrong sum");
    free(p.ch.items);
    return p.n * producers;
}

#define FLOOR_CHAN(name, capacity, producers)                                                      \
    static long floor_##name(long n)                                                               \
    {                                                                                              \
        return floor_chan_run(n, capacity, producers);                                             \
    }
FLOOR_CHAN(cap1, 1, 1)
FLOOR_CHAN(cap32, 32, 1)
FLOOR_CHAN(cap1024, 1024, 1)
FLOOR_CHAN(4p_cap1, 1, 4)
FLOOR_CHAN(4p_cap32, 32, 4)
FLOOR_CHAN(4p_cap1024, 1024, 4)

struct floor_pair {
    struct floor_chan there, back;
    long n;
};

static void floor_answers(void *arg)
{
    struct floor_pair *p = arg;

    for (long i = 0; i < p->n; i++)
        floor_send(&p->back, floor_recv(&p->there) + 1);
}

static long floor_pingpong(long n)
{
    struct floor_pair p = {.n = n};

    floor_chan_init(&p.there, 1);
    floor_chan_init(&p.back, 1);
    floor_spawn(floor_answers, &p);
    for (int64_t i = 0; i < n; i++) {
        floor_send(&p.there, i);
        bench_check(floor_recv(&p.back) == i + 1, "wrong answer");
    }
    floor_join_all();
    free(p.there.items);
    free(p.back.items);
    return n;
}

/* --- permits ---------------------------------------------------------------------- */

static struct {
    long permits, each, value;
    struct floor_fiber *waiters, **tail;
} floor_sem;

static void floor_sem_fiber(void *arg)
{
    (void)arg;
    for (long i = 0; i < floor_sem.each; i++) {
        if (floor_sem.permits) {
            floor_sem.permits--;
        } else {
            floor_me->next = NULL;
            if (!floor_sem.waiters)
                floor_sem.tail = &floor_sem.waiters;
            *floor_sem.tail = floor_me;
            floor_sem.tail = &floor_me->next;
            floor_park(); /* the permit is handed over */
        }
        floor_sem.value++;
        floor_yield();
        if (floor_sem.waiters) {
            struct floor_fiber *f = floor_sem.waiters;

            floor_sem.waiters = f->next;
            floor_ready(f);
        } else {
            floor_sem.permits++;
        }
    }
}

static long floor_contended64(long n, long permits)
{
    floor_sem.permits = permits;
    floor_sem.each = n / 64;
    floor_sem.value = 0;
    for (int i = 0; i < 64; i++)
        floor_spawn(floor_sem_fiber, NULL);
    floor_join_all();
    bench_check(floor_sem.value == n / 64 * 64, "lost update");
    return n / 64 * 64;
}

static long floor_sem_contended64(long n)
{
    return floor_contended64(n, 8);
}

static long floor_mutex_contended64(long n)
{
    return floor_contended64(n, 1);
}

/* --- sleeping, many at once --------------------------------------------------------- */

static void floor_sleeps(void *arg)
{
    floor_sleep(bench_clock() + (intptr_t)arg * 1000);
}

static long floor_timers(long n)
{
    uint64_t random = 7;

    for (long i = 0; i < n; i++)
        floor_spawn(floor_sleeps, (void *)(intptr_t)bench_random(&random, 1000000));
    floor_join_all();
    return n;
}

enum { FLOOR_JOBS = 1000 };

static struct {
    struct floor_chan done;
    int64_t pause;
    int64_t next[FLOOR_JOBS];
} floor_jobs;

static void floor_job(void *arg)
{
    int64_t x = *(int64_t *)arg;

    if (floor_jobs.pause)
        floor_sleep(bench_clock() + floor_jobs.pause);
    else
        floor_yield();
    *(int64_t *)arg = x; /* the job's result, in its slot */
    floor_send(&floor_jobs.done, (int64_t *)arg - floor_jobs.next);
}

/* A fiber a job, `limit` at once; results in the order of completion. */
static long floor_unordered(long n, int limit, int64_t pause)
{
    int64_t started = 0, sum = 0;

    floor_jobs.pause = pause;
    floor_chan_init(&floor_jobs.done, (unsigned)limit);
    for (; started < limit && started < n; started++) {
        floor_jobs.next[started] = started;
        floor_spawn(floor_job, &floor_jobs.next[started]);
    }
    for (long i = 0; i < n; i++) {
        int64_t slot = floor_recv(&floor_jobs.done);

        sum += floor_jobs.next[slot];
        if (started < n) {
            floor_jobs.next[slot] = started++;
            floor_spawn(floor_job, &floor_jobs.next[slot]);
        }
    }
    floor_join_all();
    bench_check(sum == bench_sum(n), "wrong sum");
    free(floor_jobs.done.items);
    return n;
}

static long floor_unordered64(long n)
{
    return floor_unordered(n, 64, 0);
}

static long floor_sleep1ms(long n)
{
    return floor_unordered(n, FLOOR_JOBS, 1000000);
}

static int floor_enter(uint32_t loops, int (*fn)(void *), void *arg)
{
    (void)loops;
    return fn(arg);
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"spawn_join_1t", 7, 1000000, floor_spawn_join},
        {"spawn_join_each_1t", 7, 1000000, floor_spawn_join_each},
        {"yield_switch_1t", 7, 1000000, floor_yield_switch},
        {"chan_cap1_1t", 7, 1000000, floor_cap1},
        {"chan_cap32_1t", 7, 1000000, floor_cap32},
        {"chan_cap1024_1t", 7, 1000000, floor_cap1024},
        {"chan4p_cap1_1t", 7, 1000000, floor_4p_cap1},
        {"chan4p_cap32_1t", 7, 1000000, floor_4p_cap32},
        {"chan4p_cap1024_1t", 7, 1000000, floor_4p_cap1024},
        {"pingpong_round_trip_1t", 7, 300000, floor_pingpong},
        {"buffer_unordered64_1t", 7, 1000000, floor_unordered64},
        {"buffer_unordered1000_sleep1ms_1t", 7, 100000, floor_sleep1ms},
        {"sem_contended64_1t", 7, 1000000, floor_sem_contended64},
        {"mutex_contended64_1t", 7, 1000000, floor_mutex_contended64},
        {"timers_100k_1t", 5, 100000, floor_timers},
        {"timers_1m_1t", 5, 1000000, floor_timers},
        {0},
    };
    static const struct bench_case *const tables[] = {plain_cases, cases, ring_cases, epoll_cases,
                                                      NULL};

    return bench_main(argc, argv, tables, floor_enter);
}
