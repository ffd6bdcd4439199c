/*
 * test_par_offload.c -- weir_par_map with jobs on the pool of threads, and a fault at every
 * point of a loop while jobs run elsewhere.
 */
#include <pthread.h>

#include "stream/par_world.h"

/* --- on the pool of threads ---------------------------------------------------------------- */

struct blocking {
    pthread_t loop;
    int calls, here;
};

static int blocks(void *ctx, void *in, void *out)
{
    struct blocking *b = ctx;

    add(&b->calls, 1);
    add(&b->here, pthread_equal(pthread_self(), b->loop) != 0);
    *(int64_t *)out = *(int64_t *)in * 2;
    return *(int64_t *)in == 70 ? -EIO : 1;
}

static int offloads(void *arg)
{
    struct blocking b = {.loop = pthread_self()};
    struct weir_par_opts o = {.limit = 4, .ordered = 1, .offload = 1, .loops = 9};
    weir_stream *s = weir_par_map(weir_range(0, 50), blocks, &b, INT, &o);
    int64_t x, want = 0;

    (void)arg;
    while (weir_next(s, &x) == 1)
        EQ(x, 2 * want++);
    EQ(weir_next(s, &x), 0);
    weir_stream_close(&s);
    EQ(b.calls, 50);
    EQ(b.here, 0);
    s = weir_par_map(weir_range(0, 100), blocks, &b, INT, &o);
    EQ(weir_drain(&s), -EIO);
    return 0;
}

TEST(jobs_may_run_on_the_pool_of_threads)
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, offloads, NULL), 0);
    EQ(weir_run(&c, offloads, NULL), 0);
    EQ(loops_run(LOOPS, offloads, NULL), 0);
}

static int offload_closed(void *arg)
{
    struct blocking b = {.loop = pthread_self()};
    struct weir_par_opts o = {.limit = 8, .offload = 1};
    weir_stream *s = weir_par_map(weir_range(0, 1000), blocks, &b, INT, &o);
    int64_t x;

    (void)arg;
    for (int i = 0; i < 9; i++)
        EQ(weir_next(s, &x), 1);
    weir_stream_close(&s); /* what runs is waited for: `b` is on this stack */
    return 0;
}

TEST(closing_waits_for_the_threads)
{
    struct weir_config c = {.alloc = test_alloc};

    for (int i = 0; i < 20; i++)
        EQ(weir_run(&c, offload_closed, NULL), 0);
}

static int offload_whole(void *arg)
{
    struct blocking b = {.calls = 0};
    struct weir_par_opts o = {.limit = 3, .ordered = 1, .offload = 1};
    weir_stream *s = weir_par_map(weir_range(0, 12), blocks, &b, INT, &o);
    uint64_t n;
    int r = weir_count(&s, &n);

    (void)arg;
    OK(r == 0 ? n == 12 : r == -ENOMEM || r == -ECANCELED);
    return 0;
}

static void offload_once(void *arg)
{
    struct weir_config c = {.alloc = test_alloc};
    int r = weir_sim_run(test_seed(), &c, offload_whole, arg);

    OK(r == 0 || r == -ENOMEM);
}

TEST(a_fault_at_any_point_leaves_no_thread_with_a_job)
{
    EVERY_POINT(offload_once, NULL);
}

/* Faults of the stream's own loop; those of the others go on. */
static int far_whole(void *arg)
{
    struct gauge g = {0};
    weir_stream *s = weir_stage(weir_range(0, 12), &(struct weir_stage_opts){.loop = 1});
    uint64_t n;
    int r;

    (void)arg;
    s = PAR(s, naps, &g, .limit = 3, .ordered = 1);
    r = weir_count(&s, &n);
    OK(r == 0 ? n == 12 : r == -ENOMEM || r == -ECANCELED);
    EQ(get(&g.running), 0);
    return 0;
}

static void far_once(void *arg)
{
    int r = loops_run(2, far_whole, arg);

    OK(r <= 0);
    OK(test_fault_hit() || r == 0);
}

TEST(a_fault_at_any_point_of_one_loop_leaves_no_job_on_another)
{
    EVERY_POINT(far_once, NULL);
}

TEST(what_is_neither_0_nor_1_is_refused)
{
    refuses(PAR(weir_range(0, 3), blocks, NULL, .limit = 1, .offload = 2), -EINVAL);
    refuses(PAR(weir_range(0, 3), blocks, NULL, .limit = 1, .reserved = {0, 1}), -EINVAL);
}
