/*
 * test_zip.c -- one of each: zip, zip_all, merge_sorted, combine_latest: what
 * becomes of heads that are left over, of failures, of slow sides.
 */
#include "fan_world.h"

/* What a callback saw of three sources. */
struct row {
    int n[3];
};

static int to_row(void *ctx, void *const in[], size_t n, void *out)
{
    struct row *r = out;

    (void)ctx;
    LE(n, 3u);
    for (size_t i = 0; i < 3; i++)
        r->n[i] = i < n && in[i] ? ((struct thing *)in[i])->n : -1;
    return 1;
}

static const struct weir_heads_opts concurrent = {.concurrent = 1};

static int left_over[4];

static void take_left_over(void *ctx, size_t source, void *item)
{
    (void)ctx;
    left_over[source]++;
    thing_drop(item);
}

FAN_TEST(a_zip_puts_the_ith_items_together)
{
    for (int way = 0; way < 4; way++) {
        weir_stream *s =
            weir_zip(WEIR_STREAMS(feed_as(0, 10, WEIR_MS(1), 0, way & 1), feed(1, 10, 0),
                                  feed_as(2, 10, WEIR_MS(3), 0, 1)),
                     to_row, NULL, WEIR_TYPE(struct row), way & 2 ? &concurrent : NULL);
        struct row r;

        for (int i = 0; i < 10; i++) {
            EQ(weir_next(s, &r), 1);
            EQ(r.n[0], i);
            EQ(r.n[1], i);
            EQ(r.n[2], i);
            books(s);
        }
        EQ(weir_next(s, &r), 0);
        EQ(books(s).out, 30u);
        EQ(feeds_open, 0);
        weir_stream_close(&s);
    }
    return 0;
}

FAN_TEST(concurrent_sides_are_pulled_at_the_same_time)
{
    weir_stream *s =
        weir_zip(WEIR_STREAMS(feed_as(0, 5, WEIR_MS(10), 0, 1), feed_as(1, 5, WEIR_MS(10), 0, 1)),
                 to_row, NULL, WEIR_TYPE(struct row), &concurrent);
    struct row r;

    for (int i = 1; i <= 5; i++) {
        EQ(weir_next(s, &r), 1);
        EQ(fan_age(), WEIR_MS(10 * i));
    }
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_head_left_over_is_given_back_or_counted)
{
    struct weir_heads_opts give = {.on_drop = take_left_over};
    weir_stream *s = weir_zip(WEIR_STREAMS(feed(0, 9, 0), feed(1, 3, WEIR_MS(1)), feed(2, 9, 0)),
                              to_row, NULL, WEIR_TYPE(struct row), &give);
    struct weir_fan_stats b;
    struct row r;
    int made;

    memset(left_over, 0, sizeof left_over);
    for (int i = 0; i < 3; i++)
        EQ(weir_next(s, &r), 1);
    EQ(weir_next(s, &r), 0);
    b = books(s);
    EQ(left_over[0] + left_over[2], 2);
    EQ(b.dropped, 2u);
    EQ(b.held, 0u);
    EQ(feeds_open, 0); /* the others are closed with the end, not with the stream */
    weir_stream_close(&s);
    made = fan.made;
    s = weir_zip(WEIR_STREAMS(feed(0, 9, 0), feed(1, 0, WEIR_MS(1))), to_row, NULL,
                 WEIR_TYPE(struct row), NULL);
    EQ(weir_next(s, &r), 0);
    EQ(books(s).dropped, (unsigned)(fan.made - made));
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(closing_early_gives_the_heads_back_too)
{
    struct weir_heads_opts give = {.on_drop = take_left_over, .concurrent = 1};
    weir_stream *s = weir_zip(WEIR_STREAMS(feed(0, 9, 0), feed(1, 9, WEIR_S(9))), to_row, NULL,
                              WEIR_TYPE(struct row), &give);
    struct weir_limit l;
    struct row r;

    memset(left_over, 0, sizeof left_over);
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(5))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &r)), -ETIMEDOUT);
    EQ(books(s).held, 1u);
    weir_stream_close(&s);
    EQ(left_over[0], 1);
    return 0;
}

FAN_TEST(a_failing_side_ends_a_zip_at_once)
{
    weir_stream *s =
        weir_zip(WEIR_STREAMS(feed(0, 9, WEIR_S(5)), feed_as(1, 0, WEIR_MS(1), -EIO, 0)), to_row,
                 NULL, WEIR_TYPE(struct row), NULL);
    weir_stream *a = weir_zip_all(WEIR_STREAMS(feed(2, 9, 0), feed_as(3, 2, WEIR_MS(1), -EIO, 0)),
                                  to_row, NULL, WEIR_TYPE(struct row), NULL);
    struct row r;

    EQ(weir_next(s, &r), -EIO);
    EQ(fan_age(), WEIR_MS(1));
    weir_stream_close(&s);
    EQ(weir_next(a, &r), 1);
    EQ(weir_next(a, &r), 1);
    EQ(weir_next(a, &r), -EIO);
    books(a);
    weir_stream_close(&a);
    return 0;
}

FAN_TEST(zip_all_goes_on_without_those_that_have_ended)
{
    weir_stream *s =
        weir_zip_all(WEIR_STREAMS(feed(0, 2, 0), feed_as(1, 4, WEIR_MS(1), 0, 1), feed(2, 0, 0)),
                     to_row, NULL, WEIR_TYPE(struct row), NULL);
    struct row r;

    for (int i = 0; i < 4; i++) {
        EQ(weir_next(s, &r), 1);
        EQ(r.n[0], i < 2 ? i : -1);
        EQ(r.n[1], i);
        EQ(r.n[2], -1);
    }
    EQ(weir_next(s, &r), 0);
    EQ(books(s).out, 6u);
    weir_stream_close(&s);
    return 0;
}

static int picky(void *ctx, void *const in[], size_t n, void *out)
{
    struct thing *a = in[0];

    (void)n;
    if (a->n % 2)
        return a->n == 5 ? *(int *)ctx : 0;
    *(struct thing *)out = *a; /* moved out */
    *a = (struct thing){0};
    return 1;
}

FAN_TEST(a_zip_callback_may_skip_move_and_fail)
{
    int code = -ERANGE, n = 0;
    weir_stream *s =
        weir_zip(WEIR_STREAMS(feed(0, 9, 0), feed(1, 9, 0)), picky, &code, thing_type(), NULL);

    EQ(fan_drain(s, &n), -ERANGE);
    EQ(n, 3);
    EQ(books(s).out, 6u);
    EQ(books(s).failed, 6u); /* 1, 3 and 5 */
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_zip_that_times_out_resumes)
{
    for (int way = 0; way < 2; way++) {
        weir_stream *s =
            weir_zip(WEIR_STREAMS(feed_as(0, 10, WEIR_MS(10), 0, 1), feed(1, 10, WEIR_MS(7))),
                     to_row, NULL, WEIR_TYPE(struct row), way ? &concurrent : NULL);
        struct weir_limit l;
        struct row row;
        int n = 0, r;

        do {
            EQ(weir_limit_init(&l, weir_after(WEIR_MS(3))), 0);
            r = weir_limit_fini(&l, weir_next(s, &row));
            if (r == 1) {
                EQ(row.n[0], n);
                EQ(row.n[1], n);
                n++;
            }
        } while (r == 1 || r == -ETIMEDOUT);
        EQ(r, 0);
        EQ(n, 10);
        weir_stream_close(&s);
    }
    return 0;
}

/* --- merge_sorted ------------------------------------------------------------------- */

static int by_n(void *ctx, const void *a, const void *b)
{
    (void)ctx;
    return ((const struct thing *)a)->n - ((const struct thing *)b)->n;
}

FAN_TEST(sorted_sources_merge_into_one_stable_order)
{
    for (int way = 0; way < 2; way++) {
        weir_stream *all[9], *s;
        struct thing t;
        int last = -1, from = 0, n = 0;

        for (int i = 0; i < 9; i++)
            all[i] = feed_as(i, 30 + i, i % 3 ? 0 : WEIR_MS(i), 0, i % 2);
        s = weir_merge_sorted(all, 9, by_n, NULL, way ? &concurrent : NULL);
        for (; weir_next(s, &t) == 1; n++) {
            OK(t.n > last || (t.n == last && t.from > from));
            last = t.n;
            from = t.from;
            thing_drop(&t);
        }
        EQ(n, 9 * 30 + 36);
        EQ(books(s).out, (unsigned)n);
        weir_stream_close(&s);
    }
    return 0;
}

FAN_TEST(a_failure_comes_after_the_heads_in_order)
{
    for (int way = 0; way < 2; way++) {
        weir_stream *s =
            weir_merge_sorted(WEIR_STREAMS(feed(0, 9, 0), feed_as(1, 3, WEIR_MS(1), -EIO, 0),
                                           feed_as(2, 9, WEIR_MS(1), 0, 1)),
                              by_n, NULL, way ? &concurrent : NULL);
        struct thing t;
        int last = 0, n = 0, r;

        while ((r = weir_next(s, &t)) == 1) {
            LE(last, t.n);
            last = t.n;
            thing_drop(&t);
            n++;
        }
        EQ(r, -EIO);
        LE(9, n);
        EQ(books(s).dropped, 0u);
        EQ(books(s).held, 0u);
        weir_stream_close(&s);
    }
    return 0;
}

FAN_TEST(what_came_with_a_failure_goes_out_before_it)
{
    weir_stream *s =
        weir_merge_sorted(WEIR_STREAMS(feed_as(0, 0, WEIR_MS(5), -EIO, 0), feed(1, 1, WEIR_MS(5))),
                          by_n, NULL, &concurrent);
    int n = 0;

    EQ(fan_drain(s, &n), -EIO);
    EQ(n, fan.made);
    EQ(books(s).dropped, 0u);
    weir_stream_close(&s);
    return 0;
}

/* --- combine_latest --------------------------------------------------------------------- */

FAN_TEST(the_latest_of_each_whenever_one_is_new)
{
    weir_stream *s =
        weir_combine_latest(WEIR_STREAMS(feed(0, 3, WEIR_MS(10)), feed(1, 2, WEIR_MS(14))), to_row,
                            NULL, WEIR_TYPE(struct row));
    static const int at[] = {14, 20, 28, 30}, a[] = {0, 1, 1, 2}, b[] = {0, 0, 1, 1};
    struct row r;

    for (int i = 0; i < 4; i++) {
        EQ(weir_next(s, &r), 1);
        EQ(fan_age(), WEIR_MS(at[i]));
        EQ(r.n[0], a[i]);
        EQ(r.n[1], b[i]);
        books(s);
    }
    EQ(weir_next(s, &r), 0);
    EQ(books(s).out, 5u);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_slow_puller_sees_the_present_and_the_rest_is_counted)
{
    weir_stream *s =
        weir_combine_latest(WEIR_STREAMS(feed(0, 100, WEIR_MS(1)), feed(1, 100, WEIR_MS(1))),
                            to_row, NULL, WEIR_TYPE(struct row));
    struct row r;
    int n = 0, last = -1;

    while (weir_next(s, &r) == 1) {
        LT(last, r.n[0] + r.n[1]);
        last = r.n[0] + r.n[1];
        n++;
        (void)weir_sleep(weir_after(WEIR_MS(10)));
    }
    EQ(last, 198); /* the last of each always goes out */
    LE(n, 14);
    EQ(books(s).in, 200u);
    LT(150u, books(s).dropped);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_source_that_never_spoke_ends_it_and_so_does_a_failure)
{
    weir_stream *s =
        weir_combine_latest(WEIR_STREAMS(feed(0, 100, WEIR_MS(1)), feed(1, 0, WEIR_MS(5))), to_row,
                            NULL, WEIR_TYPE(struct row));
    weir_stream *f = weir_combine_latest(
        WEIR_STREAMS(feed(2, 100, WEIR_MS(1)), feed_as(3, 1, WEIR_MS(5), -EIO, 0)), to_row, NULL,
        WEIR_TYPE(struct row));
    struct row r;
    int got;

    EQ(weir_next(s, &r), 0);
    EQ(fan_age(), WEIR_MS(5));
    EQ(books(s).held, 0u);
    weir_stream_close(&s);
    while ((got = weir_next(f, &r)) == 1)
        (void)books(f);
    EQ(got, -EIO);
    EQ(fan_age(), WEIR_MS(15));
    EQ(books(f).held, 0u);
    weir_stream_close(&f);
    return 0;
}

static int to_sum(void *ctx, void *const in[], size_t n, void *out)
{
    (void)ctx;
    EQ(n, 2u);
    *(int64_t *)out = *(int64_t *)in[0] + *(int64_t *)in[1];
    return 1;
}

FAN_TEST(sources_that_never_park_do_not_starve_the_others)
{
    weir_stream *s =
        weir_combine_latest(WEIR_STREAMS(weir_range(0, INT64_MAX), weir_range(0, INT64_MAX)),
                            to_sum, NULL, WEIR_TYPE(int64_t));
    int64_t r;

    for (int i = 0; i < 5; i++)
        EQ(weir_next(s, &r), 1);
    weir_stream_close(&s);
    return 0;
}

/* --- what is refused -------------------------------------------------------------------- */

static void refused(weir_stream *s, int code)
{
    EQ(weir_error(s), code);
    EQ(feeds_open, 0);
    weir_stream_close(&s);
}

FAN_TEST(bad_zips_are_refused_and_close_their_sources)
{
    struct weir_type row = WEIR_TYPE(struct row), none = {0};
    struct weir_heads_opts two = {.concurrent = 2}, reserved = {.reserved = {[4] = 1}};

    refused(weir_zip(WEIR_STREAMS(feed(0, 1, 0), feed(1, 1, 0)), NULL, NULL, row, NULL), -EINVAL);
    refused(weir_zip(WEIR_STREAMS(feed(0, 1, 0), NULL), to_row, NULL, row, NULL), -EINVAL);
    refused(weir_zip(WEIR_STREAMS(feed(0, 1, 0)), to_row, NULL, none, NULL), -EINVAL);
    refused(weir_zip(WEIR_STREAMS(feed(0, 1, 0)), to_row, NULL, row, &two), -EINVAL);
    refused(weir_zip_all(WEIR_STREAMS(feed(0, 1, 0)), to_row, NULL, row, &reserved), -EINVAL);
    refused(weir_zip_all(NULL, 0, to_row, NULL, row, NULL), -EINVAL);
    refused(weir_merge_sorted(WEIR_STREAMS(feed(0, 1, 0)), NULL, NULL, NULL), -EINVAL);
    refused(weir_merge_sorted(WEIR_STREAMS(feed(0, 1, 0), weir_range(0, 1)), by_n, NULL, NULL),
            WEIR_ETYPE);
    refused(weir_combine_latest(WEIR_STREAMS(feed(0, 1, 0)), NULL, NULL, row), -EINVAL);
    refused(weir_combine_latest(WEIR_STREAMS(feed(0, 1, 0)), to_row, NULL, none), -EINVAL);
    refused(weir_combine_latest(NULL, 1, to_row, NULL, row), -EINVAL);
    return 0;
}

/* --- every point ---------------------------------------------------------------------------- */

static int rows(weir_stream *s, int want)
{
    struct row row;
    int n = 0, r;

    while ((r = weir_next(s, &row)) == 1)
        n++;
    OK(r < 0 || want == 0 || n == want);
    if (weir_error(s) == 0)
        books(s);
    weir_stream_close(&s);
    return r;
}

static int zipped(void *arg)
{
    return rows(weir_zip(WEIR_STREAMS(feed(0, 3, WEIR_MS(2)), feed_as(1, 4, WEIR_MS(3), 0, 1)),
                         to_row, NULL, WEIR_TYPE(struct row), arg),
                3);
}

static int zipped_all(void *arg)
{
    return rows(weir_zip_all(WEIR_STREAMS(feed(0, 2, WEIR_MS(2)), feed_as(1, 4, WEIR_MS(3), 0, 1)),
                             to_row, NULL, WEIR_TYPE(struct row), arg),
                4);
}

static int combined(void *arg)
{
    (void)arg;
    return rows(weir_combine_latest(WEIR_STREAMS(feed(0, 2, WEIR_MS(2)), feed(1, 3, WEIR_MS(3))),
                                    to_row, NULL, WEIR_TYPE(struct row)),
                0);
}

static int sorted(void *arg)
{
    weir_stream *s = weir_merge_sorted(
        WEIR_STREAMS(feed(0, 3, WEIR_MS(2)), feed_as(1, 3, WEIR_MS(3), 0, 1)), by_n, NULL, arg);
    int n = 0, r = fan_drain(s, &n);

    OK(r < 0 || n == 6);
    if (weir_error(s) == 0)
        books(s);
    weir_stream_close(&s);
    return r;
}

TEST(a_fault_at_any_point_loses_no_head)
{
    FAN_POINTS(zipped, NULL);
    FAN_POINTS(zipped, (void *)&concurrent);
    FAN_POINTS(zipped_all, NULL);
    FAN_POINTS(zipped_all, (void *)&concurrent);
    FAN_POINTS(combined, NULL);
    FAN_POINTS(sorted, NULL);
    FAN_POINTS(sorted, (void *)&concurrent);
}
