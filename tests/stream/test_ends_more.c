/*
 * test_ends_more.c -- sums that do not fit or lose nothing; a stream in the
 * background of a scope.
 */
#include "stream/ints.h"

SIM_TEST(a_sum_fits_or_says_so)
{
    weir_stream *s = weir_range(0, 1001), *bad = weir_fail(INT, -EIO);
    int64_t sum = -7;
    char c = 1;

    EQ(weir_sum(&s, &sum), 0);
    OK(s == NULL);
    EQ(sum, 500500);
    s = weir_empty(INT);
    EQ(weir_sum(&s, &sum), 0);
    EQ(sum, 0);
    s = INTS(INT64_MAX, -1, 1);
    EQ(weir_sum(&s, &sum), 0);
    EQ(sum, INT64_MAX);
    s = INTS(INT64_MIN, -1, 1);
    sum = 3;
    EQ(weir_sum(&s, &sum), -ERANGE);
    EQ(weir_sum(&bad, &sum), -EIO);
    s = weir_array(&c, 1, WEIR_TYPE(char));
    EQ(weir_sum(&s, &sum), WEIR_ETYPE);
    OK(s == NULL);
    s = weir_range(0, 3);
    EQ(weir_sum(&s, NULL), -EINVAL);
    OK(s == NULL);
    EQ(weir_sum(NULL, &sum), -EINVAL);
    EQ(sum, 3); /* written on success only */
    return 0;
}

SIM_TEST(a_sum_of_doubles_keeps_what_an_addition_loses)
{
    double x[] = {1, 1e100, 1, -1e100}, tenths[1000], huge[] = {1e308, 1e308}, sum = 0;
    weir_stream *s = weir_array(x, 4, WEIR_TYPE(double));

    EQ(weir_sum_double(&s, &sum), 0);
    OK(sum == 2);
    for (int i = 0; i < 1000; i++)
        tenths[i] = 0.1;
    s = weir_array(tenths, 1000, WEIR_TYPE(double));
    EQ(weir_sum_double(&s, &sum), 0);
    OK(sum == 100);
    s = weir_array(huge, 2, WEIR_TYPE(double));
    EQ(weir_sum_double(&s, &sum), 0);
    OK(sum > 1.7e308); /* infinite, not a nan */
    s = weir_empty(WEIR_TYPE(double));
    EQ(weir_sum_double(&s, &sum), 0);
    OK(sum == 0);
    s = weir_array(x, 4, WEIR_TYPE(double));
    EQ(weir_sum_double(&s, NULL), -EINVAL);
    OK(s == NULL);
    return 0;
}

/* --- a cancel is seen, although the source never parks ------------------------------- */

static int never_true(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return 0;
}

static int no_order(void *ctx, const void *a, const void *b)
{
    (void)ctx;
    (void)a;
    (void)b;
    return 0;
}

static int end_of(int which, weir_stream *s)
{
    int64_t x[4];
    uint64_t n;

    switch (which) {
    case 0:
        return weir_count(&s, &n);
    case 1:
        return weir_drain(&s);
    case 2:
        return weir_find(&s, never_true, NULL, x);
    case 3:
        return weir_any(&s, never_true, NULL);
    case 4:
        return weir_last(&s, x);
    case 5:
        return weir_min(&s, no_order, NULL, x);
    case 6:
        return weir_for_each(&s, never_true, NULL);
    default:
        return weir_sum(&s, x);
    }
}

SIM_TEST(every_end_of_an_endless_source_can_be_cancelled)
{
    for (int which = 0; which < 8; which++) {
        struct weir_limit l;

        EQ(weir_limit_init(&l, weir_now()), 0); /* it has passed */
        EQ(weir_limit_fini(&l, end_of(which, weir_range(INT64_MIN, INT64_MAX))), -ETIMEDOUT);
    }
    return 0;
}

/* --- in the background ------------------------------------------------------------------ */

static int add_up(void *ctx, void *in, void *out)
{
    int64_t *sum = ctx;

    (void)out;
    if (weir_sleep(weir_after(WEIR_MS(1))) < 0)
        return -ECANCELED;
    *sum += *(int64_t *)in;
    return *sum > 100 ? -EOVERFLOW : 1;
}

SIM_TEST(streams_run_by_themselves_until_their_scope_closes)
{
    weir_scope *s = weir_scope_open(NULL);
    int64_t sum[2] = {0, 0};

    EQ(weir_go_for_each(s, weir_range(0, 5), add_up, &sum[0]), 0);
    EQ(weir_go_for_each(s, weir_range(0, 10), add_up, &sum[1]), 0);
    EQ(weir_go_for_each(s, weir_range(0, 100), NULL, NULL), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(sum[0], 10);
    EQ(sum[1], 45);
    EQ(world_age(), WEIR_MS(10));
    return 0;
}

SIM_TEST(a_failure_in_the_background_is_the_scopes)
{
    weir_scope *s = weir_scope_open(NULL);
    int64_t sum = 0;

    EQ(weir_go_for_each(s, weir_range(0, 100), add_up, &sum), 0);
    EQ(weir_go_for_each(s, weir_never(INT), NULL, NULL), 0);
    EQ(weir_scope_close(&s), -EOVERFLOW);
    return 0;
}

static void note_close(void *ctx, int why)
{
    (void)why;
    ++*(int *)ctx;
}

SIM_TEST(what_cannot_be_started_is_closed)
{
    weir_scope *s = weir_scope_open(NULL);
    int closed = 0;

    EQ(weir_go_for_each(s, weir_fail(INT, 1), NULL, NULL), -EINVAL);
    EQ(weir_go_for_each(s, NULL, NULL, NULL), -EINVAL);
    EQ(weir_go_for_each(NULL, weir_finally(weir_range(0, 3), note_close, &closed), NULL, NULL),
       -EINVAL);
    EQ(closed, 1);
    EQ(weir_go_for_each(s, weir_finally(weir_range(0, 3), note_close, &closed), NULL, NULL), 0);
    EQ(weir_scope_cancel(s, -EINTR), 0); /* before it has run at all */
    EQ(weir_go_for_each(s, weir_finally(weir_range(0, 3), note_close, &closed), NULL, NULL),
       -ECANCELED);
    EQ(closed, 2);
    EQ(weir_scope_close(&s), -EINTR);
    EQ(closed, 3);
    return 0;
}

static int at_every_point(void *arg)
{
    int64_t left = 9;
    weir_scope *s = weir_scope_open(NULL);
    int r = weir_go_for_each(s, weir_unfold(wide_next, &left, wide_type()), NULL, NULL), e;

    (void)arg;
    e = weir_scope_close(&s);
    EQ(wides, 0);
    return r < 0 ? r : e;
}

static void run_at_every_point(void *arg)
{
    int r = world_run(at_every_point, arg);

    OK(r == 0 || r == -ENOMEM || r == -ECANCELED);
}

TEST(whatever_fails_in_the_background_nothing_is_left)
{
    EVERY_POINT(run_at_every_point, NULL);
}
