/*
 * test_par_map.c -- the parallel operator on virtual time: limits, window,
 * order, failures, policies, and that what runs does not wait for the puller.
 */
#include <errno.h>
#include <weir.h>

#include "harness/test.h"

static int run_with(int (*fn)(void *), void *arg)
{
    struct weir_config c = {.alloc = test_alloc};

    return weir_sim_run(test_seed(), &c, fn, arg);
}

static void run(int (*fn)(void *))
{
    EQ(run_with(fn, NULL), 0);
}

static struct gauge {
    int running, most, started, dropped;
    weir_span longest;
} gauge;

static int nap(weir_span span)
{
    int r;

    gauge.started++;
    if (++gauge.running > gauge.most)
        gauge.most = gauge.running;
    r = weir_sleep(weir_after(span));
    gauge.running--;
    return r;
}

/* Item i naps: 500 ms for the first four, 10 ms for the others. */
static int uneven(void *ctx, void *in, void *out)
{
    int64_t i = *(int64_t *)in;
    int r = nap(i < 4 ? WEIR_MS(500) : WEIR_MS(10));

    (void)ctx;
    EQ(weir_job_seq(), i);
    *(int64_t *)out = i;
    return r < 0 ? r : 1;
}

static int ordered_window(void *arg)
{
    int64_t out[40];
    size_t n;
    weir_stream *s = weir_par_map(weir_range(0, 40), uneven, NULL, WEIR_TYPE(int64_t),
                                  &(struct weir_par_opts){.limit = 4, .window = 40, .ordered = 1});

    (void)arg;
    EQ(weir_collect(&s, out, 40, &n), 0);
    EQ(n, 40);
    for (size_t i = 0; i < n; i++)
        EQ(out[i], (int64_t)i);
    EQ(gauge.most, 4);
    LE(weir_now() - WEIR_EPOCH, WEIR_MS(750));
    return 0;
}

TEST(ordered_results_do_not_hold_up_the_workers)
{
    run(ordered_window);
}

/* "Barbara": a body that parks must not slow the jobs, nor deadlock with what they share. */
static int timed(void *ctx, void *in, void *out)
{
    struct weir_sem *sem = ctx;
    weir_time began = weir_now();
    int r = weir_sem_take(sem, 1, WEIR_NEVER);

    EQ(r, 0);
    r = nap(WEIR_MS(20));
    weir_sem_give(sem, 1);
    if (weir_now() - began > gauge.longest)
        gauge.longest = weir_now() - began;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

static int barbara(void *arg)
{
    struct weir_sem sem;
    int64_t x;
    int n = 0;
    weir_stream *s;

    (void)arg;
    EQ(weir_sem_init(&sem, 5), 0);
    s = weir_buffer_unordered(weir_range(0, 30), timed, &sem, WEIR_TYPE(int64_t), 5);
    while (weir_next(s, &x) == 1) {
        EQ(weir_sem_take(&sem, 1, WEIR_NEVER), 0); /* inside and after the stage */
        weir_sem_give(&sem, 1);
        weir_sleep(weir_after(WEIR_MS(100)));
        n++;
    }
    weir_stream_close(&s);
    EQ(n, 30);
    LE(gauge.longest, WEIR_MS(25));
    return 0;
}

TEST(jobs_run_while_the_loop_body_parks)
{
    run(barbara);
}

static int one_fails(void *ctx, void *in, void *out)
{
    int64_t i = *(int64_t *)in;
    int r = nap(WEIR_MS(10) * (i + 1));

    (void)ctx;
    *(int64_t *)out = i;
    return r < 0 ? r : i == 5 ? -EIO : 1;
}

static int fail_fast(void *arg)
{
    int64_t out[20];
    size_t n;
    weir_stream *s = weir_par_map(weir_range(0, 20), one_fails, NULL, WEIR_TYPE(int64_t),
                                  &(struct weir_par_opts){.limit = 20, .ordered = 1});

    (void)arg;
    EQ(weir_collect(&s, out, 20, &n), -EIO);
    EQ(n, 5); /* what was done before is kept */
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(60));
    EQ(gauge.running, 0);
    return 0;
}

TEST(the_first_failure_cancels_the_rest_and_keeps_what_is_done)
{
    run(fail_fast);
}

static int drains(void *arg)
{
    int64_t out[20];
    size_t n;
    weir_stream *s = weir_par_map(weir_range(0, 20), one_fails, NULL, WEIR_TYPE(int64_t),
                                  &(struct weir_par_opts){.limit = 8, .on_error = WEIR_PAR_DRAIN});

    (void)arg;
    EQ(weir_collect(&s, out, 20, &n), -EIO);
    LT(7, n); /* the eight that ran, all but the failed one, at the least */
    EQ(gauge.running, 0);
    return 0;
}

TEST(drain_lets_what_runs_end)
{
    run(drains);
}

static int make_negative(void *ctx, void *in, void *out, int err)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in == 5 ? err : 0;
    return 1;
}

static int handled(void *arg)
{
    int64_t out[20];
    size_t n;
    weir_stream *s = weir_par_map(
        weir_range(0, 20), one_fails, NULL, WEIR_TYPE(int64_t),
        &(struct weir_par_opts){
            .limit = 4, .ordered = 1, .on_error = WEIR_PAR_HANDLE, .on_fail = make_negative});

    (void)arg;
    EQ(weir_collect(&s, out, 20, &n), 0);
    EQ(n, 20);
    EQ(out[5], -EIO);
    EQ(out[19], 19);
    return 0;
}

TEST(a_failed_job_may_become_an_item)
{
    run(handled);
}

static int third_time(void *ctx, void *in, void *out)
{
    int r = nap(WEIR_MS(1));

    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : weir_try_info().attempt < 3 ? -ECONNRESET : 1;
}

/* 100 jobs of 3 attempts in one slot: backoffs of 1 s overlap, for they hold no slot. */
static int backoff_holds_no_slot(void *arg)
{
    int64_t out[100];
    size_t n;
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 3, .grow = WEIR_GROW_FIXED,
                                            .jitter = WEIR_JITTER_NONE, .base = WEIR_S(1)));
    weir_stream *s =
        weir_par_map(weir_range(0, 100), third_time, NULL, WEIR_TYPE(int64_t),
                     &(struct weir_par_opts){.limit = 1, .window = 100, .ordered = 1, .policy = p});

    (void)arg;
    EQ(weir_collect(&s, out, 100, &n), 0);
    EQ(n, 100);
    EQ(gauge.started, 300);
    EQ(gauge.most, 1);
    LE(weir_now() - WEIR_EPOCH, WEIR_S(3));
    weir_policy_free(&p);
    return 0;
}

TEST(a_job_in_backoff_holds_no_slot)
{
    run(backoff_holds_no_slot);
}

static int deadline_ends_jobs(void *arg)
{
    int64_t out[40];
    size_t n;
    weir_stream *s =
        weir_par_map(weir_range(0, 40), uneven, NULL, WEIR_TYPE(int64_t),
                     &(struct weir_par_opts){.limit = 40, .deadline = weir_after(WEIR_MS(100))});

    (void)arg;
    EQ(weir_collect(&s, out, 40, &n), -ETIMEDOUT);
    EQ(n, 36);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(100));
    EQ(weir_cancel_why(), 0);
    return 0;
}

TEST(a_deadline_ends_the_jobs_not_the_puller)
{
    run(deadline_ends_jobs);
}

static void count_drop(void *ctx, void *in)
{
    (void)ctx;
    (void)in;
    gauge.dropped++;
}

static int closed_early(void *arg)
{
    int64_t x;
    weir_stream *s =
        weir_par_map(weir_range(0, 100), uneven, NULL, WEIR_TYPE(int64_t),
                     &(struct weir_par_opts){.limit = 8, .window = 10, .on_drop = count_drop});

    (void)arg;
    EQ(weir_next(s, &x), 1);
    weir_stream_close(&s);
    EQ(gauge.running, 0);
    LT(0, gauge.dropped);
    LE(gauge.dropped, 10);
    return 0;
}

TEST(closing_joins_the_jobs_and_gives_back_what_was_held)
{
    run(closed_early);
}

static int builders_scope(void *arg)
{
    weir_scope *scope = weir_scope_open(NULL);
    int64_t x;
    weir_stream *s = weir_buffered(weir_range(0, 100), uneven, NULL, WEIR_TYPE(int64_t), 4);

    (void)arg;
    EQ(weir_next(s, &x), 1);
    EQ(weir_scope_close(&scope), 0);
    EQ(gauge.running, 0); /* cancelled and joined with the scope it was built in */
    EQ(weir_next(s, &x) < 0 || x >= 0, 1);
    while (weir_next(s, &x) > 0)
        ;
    EQ(weir_next(s, &x), -ECANCELED);
    weir_stream_close(&s);
    return 0;
}

TEST(the_builders_scope_ends_the_jobs)
{
    run(builders_scope);
}

TEST(zero_limits_and_small_windows_are_refused)
{
    static const struct weir_par_opts bad[] = {{.limit = 0},
                                               {.limit = 4, .window = 3},
                                               {.limit = 1, .ordered = 2},
                                               {.limit = 1, .on_error = WEIR_PAR_HANDLE},
                                               {.limit = 1, .reserved = {1}}};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weir_stream *s = weir_par_map(weir_range(0, 1), uneven, NULL, WEIR_TYPE(int64_t), &bad[i]);

        EQ(weir_error(s), -EINVAL);
        weir_stream_close(&s);
    }
}

static int short_naps(void *ctx, void *in, void *out)
{
    int r = nap(WEIR_MS(1) * (1 + *(int64_t *)in % 3));

    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

static int whole(void *arg)
{
    const struct weir_par_opts *o = arg;
    weir_stream *s = weir_par_map(weir_range(0, 12), short_naps, NULL, WEIR_TYPE(int64_t), o);
    uint64_t n;
    int r = weir_count(&s, &n);

    OK(r == 0 ? n == 12 : r == -ENOMEM || r == -ECANCELED);
    return 0;
}

static void whole_once(void *arg)
{
    int r = run_with(whole, arg);

    OK(r == 0 || r == -ENOMEM);
}

TEST(a_fault_at_any_point_leaves_no_job_behind)
{
    struct weir_par_opts unordered = {.limit = 3}, ordered = {.limit = 3, .ordered = 1};

    EVERY_POINT(whole_once, &unordered);
    EVERY_POINT(whole_once, &ordered);
}
