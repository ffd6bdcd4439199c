/*
 * test_par_offload.c -- jobs of weir_par_map on threads: they compute or block
 * while the loop goes on.  Real threads, so gates say who is where, no clock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "stream/ints.h"

static struct gates {
    pthread_t loop;
    atomic_int entered, open, running, most, wrong;
} gates;

static void gates_enter(void)
{
    int n = atomic_fetch_add(&gates.running, 1) + 1, most = atomic_load(&gates.most);

    while (n > most && !atomic_compare_exchange_weak(&gates.most, &most, n))
        ;
    if (pthread_equal(pthread_self(), gates.loop))
        atomic_fetch_add(&gates.wrong, 1);
    atomic_fetch_add(&gates.entered, 1);
}

static int blocks(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)ctx;
    gates_enter();
    while (n >= atomic_load(&gates.open)) /* so many may pass */
        usleep(100);
    if (weir_job_seq() != (uint64_t)n)
        atomic_fetch_add(&gates.wrong, 1);
    *(int64_t *)out = n * n;
    atomic_fetch_sub(&gates.running, 1);
    return n == 13 ? -EDOM : n % 2 == 0;
}

static weir_stream *squares(int64_t n, struct weir_par_opts o)
{
    memset(&gates, 0, sizeof gates);
    gates.loop = pthread_self();
    o.offload = 1;
    return weir_par_map(weir_range(0, n), blocks, NULL, INT, &o);
}

static void until(atomic_int *what, int n)
{
    while (atomic_load(what) < n)
        EQ(weir_sleep(weir_after(WEIR_US(100))), 0);
}

static int pull_squares(void *arg)
{
    EXPECT((weir_stream *)arg, 0, 0, 4, 16, 36, 64);
    return 0;
}

/* The fiber that opens the gate could not, if the jobs held the loop. */
REAL_TEST(jobs_block_on_threads_while_the_loop_goes_on)
{
    weir_scope *s = weir_scope_open(NULL);

    GO(s, pull_squares, squares(10, (struct weir_par_opts){.limit = 3, .ordered = 1}));
    until(&gates.entered, 3);
    EQ(atomic_load(&gates.running), 3);
    atomic_store(&gates.open, 100);
    EQ(weir_scope_close(&s), 0);
    EQ(atomic_load(&gates.most), 3);
    EQ(atomic_load(&gates.wrong), 0);
    return 0;
}

REAL_TEST(a_job_that_fails_on_its_thread_fails_the_stream)
{
    int64_t out[20];
    size_t n;
    weir_stream *s = squares(20, (struct weir_par_opts){.limit = 1, .ordered = 1});

    atomic_store(&gates.open, 100);
    EQ(weir_collect(&s, out, 20, &n), -EDOM);
    EQ(n, 7u);
    return 0;
}

static int closes(void *arg)
{
    weir_stream *s = arg;
    int64_t x;

    EQ(weir_next(s, &x), 1);
    until(&gates.running, 2);
    weir_stream_close(&s); /* waits for what is on a thread: it uses its item */
    EQ(atomic_load(&gates.running), 0);
    return 0;
}

REAL_TEST(a_close_waits_for_what_is_on_a_thread)
{
    weir_scope *s = weir_scope_open(NULL);
    weir_stream *squared = squares(10, (struct weir_par_opts){.limit = 2});

    atomic_store(&gates.open, 1);
    GO(s, closes, squared);
    until(&gates.entered, 3);
    for (int i = 0; i < 50; i++)
        EQ(weir_sleep(weir_after(WEIR_US(100))), 0);
    atomic_store(&gates.open, 100);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

static int fails_twice(void *ctx, void *in, void *out)
{
    *(int64_t *)out = *(int64_t *)in;
    return atomic_fetch_add((atomic_int *)ctx, 1) < 2 ? -ECONNRESET : 1;
}

SIM_TEST(a_policy_stands_round_what_runs_on_a_thread)
{
    atomic_int tries = 0;
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = WEIR_S(10), .jitter = WEIR_JITTER_NONE));

    EXPECT(weir_par_map(INTS(5), fails_twice, &tries, INT,
                        &(struct weir_par_opts){.limit = 1, .policy = p, .offload = 1}),
           0, 5);
    EQ(world_age(), WEIR_S(30)); /* the waits are the loop's, and virtual */
    weir_policy_free(&p);
    return 0;
}

SIM_TEST(more_than_a_flag_is_refused)
{
    refuses(weir_par_map(INTS(5), fails_twice, NULL, INT,
                         &(struct weir_par_opts){.limit = 1, .offload = 2}),
            -EINVAL);
    EQ(weir_job_seq(), 0u);
    return 0;
}
