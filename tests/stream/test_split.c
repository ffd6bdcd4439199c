/*
 * test_split.c -- each item to one: balance, partition; and unzip.
 */
#include "fan_world.h"

/* --- balance ----------------------------------------------------------------- */

FAN_TEST(each_item_goes_to_one_who_is_free)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *out[3];
    struct drainer d[3] = {{0}};
    static const int pause[3] = {10, 20, 200};

    EQ(weir_balance(feed(0, 100, 0), 3, 0, out), 0);
    for (int i = 0; i < 3; i++) {
        d[i] = (struct drainer){.s = out[i], .pause = WEIR_MS(pause[i])};
        FAN_GO(scope, drainer_main, &d[i]);
    }
    EQ(weir_scope_close(&scope), 0);
    EQ(d[0].n + d[1].n + d[2].n, 100);
    EQ(feeds[0].at, 100);
    LE(60, d[0].n); /* in the ratio of their speeds: 20 : 10 : 1 */
    LE(30, d[1].n);
    LE(d[2].n, 5);
    for (int i = 0; i < 3; i++)
        EQ(d[i].r, 0);
    return 0;
}

FAN_TEST(a_pull_of_a_balance_takes_one_so_that_nobody_hoards)
{
    weir_stream *out[2];
    int64_t x[8];

    EQ(weir_balance(weir_range(0, 100), 2, 8, out), 0);
    for (int i = 0; i < 20; i++)
        EQ(weir_pull(out[i % 2], x, 8), 1);
    EQ(books(out[0]).out, 10u);
    EQ(weir_balance(weir_range(0, 1), 1, SIZE_MAX / 2, (weir_stream *[1]){0}), -EINVAL);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
    return 0;
}

FAN_TEST(a_worker_that_leaves_takes_no_item_with_it)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *out[3];
    struct drainer d[3] = {{.most = 3}, {.most = 7}, {0}};

    EQ(weir_balance(feed_as(0, 60, WEIR_MS(1), -EIO, 1), 3, 0, out), 0);
    for (int i = 0; i < 3; i++) {
        d[i].s = out[i];
        FAN_GO(scope, drainer_main, &d[i]);
    }
    EQ(weir_scope_close(&scope), 0);
    EQ(d[0].n + d[1].n + d[2].n, 60);
    EQ(d[2].r, -EIO);
    return 0;
}

/* --- partition ---------------------------------------------------------------- */

static int by_three(void *ctx, const void *item)
{
    int n = ((const struct thing *)item)->n;

    return ctx && n == 20 ? *(int *)ctx : n % 3;
}

FAN_TEST(each_item_goes_where_the_route_says)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *out[3];
    struct drainer d[3] = {{0}};

    EQ(weir_partition(feed(0, 100, 0), 3, by_three, NULL, NULL, out), 0);
    for (int i = 0; i < 3; i++) {
        d[i].s = out[i];
        FAN_GO(scope, drainer_main, &d[i]);
    }
    EQ(weir_scope_close(&scope), 0);
    EQ(d[0].n, 34);
    EQ(d[1].n, 33);
    EQ(d[2].last, 98);
    return 0;
}

FAN_TEST(a_route_that_fails_or_misses_ends_all)
{
    for (int code = -ERANGE; code <= 3; code += ERANGE + 3) {
        weir_stream *out[3];
        int n = 0;

        EQ(weir_partition(feed(0, 100, 0), 3, by_three, &code, NULL, out), 0);
        for (int i = 0; i < 3; i++) {
            EQ(fan_drain(out[i], &n), -ERANGE);
            EQ(books(out[i]).left, 1u);
        }
        EQ(n, 20);
        for (int i = 0; i < 3; i++)
            weir_stream_close(&out[i]);
    }
    return 0;
}

FAN_TEST(what_was_meant_for_one_who_has_left_is_counted)
{
    struct weir_outlet_opts o[3] = {{0}, {0}, {.capacity = 2, .overflow = WEIR_DROP_OLDEST}};
    weir_stream *out[3];
    int n[3] = {0};

    EQ(weir_partition(feed(0, 99, 0), 3, by_three, NULL, o, out), 0);
    weir_stream_close(&out[1]);
    EQ(fan_drain(out[0], &n[0]), 0);
    EQ(n[0], 33);
    EQ(books(out[0]).left, 33u);
    EQ(fan_drain(out[2], &n[2]), 0);
    EQ(n[2] + (int)books(out[2]).dropped, 33);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[2]);
    return 0;
}

FAN_TEST(one_that_leaves_with_a_full_queue_lets_the_others_go_on)
{
    struct weir_outlet_opts o[3] = {{.capacity = 1}, {.capacity = 1}, {.capacity = 1}};
    weir_stream *out[3];
    struct weir_limit l;
    int n = 0;

    EQ(weir_partition(feed(0, 99, 0), 3, by_three, NULL, o, out), 0);
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(9))), 0);
    EQ(weir_limit_fini(&l, fan_drain(out[0], &n)), -ETIMEDOUT);
    LE(n, 2);
    weir_stream_close(&out[1]);
    weir_stream_close(&out[2]);
    EQ(fan_drain(out[0], &n), 0);
    EQ(n, 33);
    EQ(books(out[0]).left, 66u);
    weir_stream_close(&out[0]);
    return 0;
}

/* --- unzip ------------------------------------------------------------------------ */

static int split(void *ctx, void *in, void *a, void *b)
{
    struct thing *t = in;

    if (t->n == 7)
        return *(int *)ctx;
    *(int *)b = t->n;
    *(struct thing *)a = *t;
    memset(t, 0, sizeof *t);
    return 1;
}

FAN_TEST(an_unzip_makes_two_streams_of_one)
{
    for (int code = -EIO; code <= 0; code += EIO) {
        struct weir_outlet_opts o[2] = {{.capacity = 20}, {.capacity = 20}};
        weir_stream *out[2];
        int n = 0, x, b = 0, end;

        EQ(weir_unzip(feed(0, 10, 0), split, &code, thing_type(), WEIR_TYPE(int), o, out), 0);
        EQ(fan_drain(out[0], &n), code);
        EQ(n, code ? 7 : 9);
        while ((end = weir_next(out[1], &x)) == 1) {
            EQ(x, b < 7 ? b : b + 1);
            b++;
        }
        EQ(end, code);
        EQ(b, n);
        EQ(books(out[1]).left, 1u); /* the seventh */
        weir_stream_close(&out[0]);
        weir_stream_close(&out[1]);
    }
    return 0;
}

FAN_TEST(half_of_an_unzip_may_leave)
{
    int code = 0, x, n = 0;
    weir_stream *out[2];

    EQ(weir_unzip(feed(0, 200, 0), split, &code, thing_type(), WEIR_TYPE(int), NULL, out), 0);
    weir_stream_close(&out[0]);
    while (weir_next(out[1], &x) == 1)
        n++;
    EQ(n, 199);
    weir_stream_close(&out[1]);
    return 0;
}

/* --- what is refused ----------------------------------------------------------------- */

static void refused(int got, weir_stream **out, int n, int code)
{
    EQ(got, code);
    EQ(feeds_open, 0);
    for (int i = 0; out && i < n; i++) {
        EQ(weir_error(out[i]), code);
        weir_stream_close(&out[i]);
    }
}

FAN_TEST(bad_splits_are_refused_and_close_their_source)
{
    struct weir_type none = {0}, ok = WEIR_TYPE(int);
    struct weir_outlet_opts bad[2] = {{0}, {.reserved = {[3] = 1}}};
    weir_stream *out[2];

    refused(weir_balance(feed(0, 1, 0), 0, 0, out), NULL, 0, -EINVAL);
    refused(weir_balance(feed(0, 1, 0), 2, 0, NULL), NULL, 0, -EINVAL);
    refused(weir_balance(NULL, 2, 0, out), out, 2, -EINVAL);
    refused(weir_partition(feed(0, 1, 0), 2, NULL, NULL, NULL, out), out, 2, -EINVAL);
    refused(weir_partition(feed(0, 1, 0), 0, by_three, NULL, NULL, out), NULL, 0, -EINVAL);
    refused(weir_partition(feed(0, 1, 0), 2, by_three, NULL, bad, out), out, 2, -EINVAL);
    refused(weir_unzip(feed(0, 1, 0), NULL, NULL, ok, ok, NULL, out), out, 2, -EINVAL);
    refused(weir_unzip(feed(0, 1, 0), split, NULL, none, ok, NULL, out), out, 2, -EINVAL);
    refused(weir_unzip(feed(0, 1, 0), split, NULL, ok, none, NULL, out), out, 2, -EINVAL);
    refused(weir_unzip(feed(0, 1, 0), split, NULL, ok, ok, bad, out), out, 2, -EINVAL);
    refused(weir_unzip(NULL, split, NULL, ok, ok, NULL, out), out, 2, -EINVAL);
    refused(weir_unzip(feed(0, 1, 0), split, NULL, ok, ok, NULL, NULL), NULL, 0, -EINVAL);
    return 0;
}

/* --- every point --------------------------------------------------------------------------- */

static int drain_both(weir_stream **out, int n0, int n1)
{
    int n[2] = {0}, r = fan_drain(out[0], &n[0]), r1 = fan_drain(out[1], &n[1]);

    OK(r < 0 || r1 < 0 || (n[0] == n0 && n[1] == n1));
    books(out[0]);
    books(out[1]);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
    return r < 0 ? r : r1;
}

static int balanced(void *arg)
{
    weir_stream *out[2];
    int r = weir_balance(feed(0, 4, WEIR_MS(1)), 2, 1, out);

    (void)arg;
    return r < 0 ? r : drain_both(out, 4, 0);
}

static int by_two(void *ctx, const void *item)
{
    (void)ctx;
    return ((const struct thing *)item)->n % 2;
}

static int partitioned(void *arg)
{
    weir_stream *out[2];
    int r = weir_partition(feed(0, 4, WEIR_MS(1)), 2, by_two, NULL, NULL, out);

    (void)arg;
    return r < 0 ? r : drain_both(out, 2, 2);
}

static int twice(void *ctx, void *in, void *a, void *b)
{
    struct thing *t = in;

    (void)ctx;
    *(struct thing *)a = *t;
    memset(t, 0, sizeof *t);
    return thing_clone(b, a) < 0 ? -ENOMEM : 1;
}

FAN_TEST(an_unzip_that_is_closed_while_it_waits_drops_what_it_has_in_hand)
{
    struct weir_outlet_opts o[2] = {{.capacity = 1}, {.capacity = 1}};
    weir_stream *out[2];
    struct weir_limit l;
    int n = 0;

    EQ(weir_unzip(feed(0, 9, 0), twice, NULL, thing_type(), thing_type(), o, out), 0);
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, fan_drain(out[1], &n)), -ETIMEDOUT);
    EQ(n, 2); /* one is queued for the first, the next waits for room there */
    weir_stream_close(&out[1]);
    weir_stream_close(&out[0]);
    return 0;
}

FAN_TEST(an_unzip_whose_builder_goes_drops_what_it_has_in_hand)
{
    struct weir_outlet_opts o[2] = {{.capacity = 1}, {.capacity = 1}};
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *out[2];
    struct weir_limit l;
    int n = 0;

    EQ(weir_unzip(feed(0, 9, 0), twice, NULL, thing_type(), thing_type(), o, out), 0);
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, fan_drain(out[1], &n)), -ETIMEDOUT);
    EQ(weir_scope_close(&scope), 0);
    EQ(books(out[1]).left, 1u);
    EQ(fan_drain(out[0], &n), -ECANCELED);
    EQ(n, 3);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
    return 0;
}

static int unzipped(void *arg)
{
    weir_stream *out[2];
    int r = weir_unzip(feed(0, 4, WEIR_MS(1)), twice, NULL, thing_type(), thing_type(), NULL, out);

    (void)arg;
    return r < 0 ? r : drain_both(out, 4, 4);
}

TEST(a_fault_at_any_point_loses_nothing_of_a_split)
{
    FAN_POINTS(balanced, NULL);
    FAN_POINTS(partitioned, NULL);
    FAN_POINTS(unzipped, NULL);
}
