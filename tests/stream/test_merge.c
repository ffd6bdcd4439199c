/*
 * test_merge.c -- many streams as they come: merge, merge_preferred, race:
 * order, fairness, failures, cancels, and that nothing is lost.
 */
#include "fan_world.h"

FAN_TEST(a_merge_gives_everything_of_all_sources)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(feed(0, 100, 0), feed(1, 50, WEIR_MS(1)),
                                             feed_as(2, 70, WEIR_MS(2), 0, 1), feed(3, 0, 0)),
                                NULL);
    int last[4] = {-1, -1, -1, -1}, n = 0;
    struct thing t;

    while (weir_next(s, &t) == 1) {
        EQ(t.n, last[t.from] + 1); /* each source's own order is kept */
        last[t.from] = t.n;
        n++;
        books(s);
        thing_drop(&t);
    }
    EQ(n, 220);
    EQ(books(s).out, 220u);
    EQ(weir_next(s, &t), 0);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(items_come_when_they_come)
{
    weir_stream *s =
        weir_merge(WEIR_STREAMS(feed(0, 3, WEIR_MS(10)), feed(1, 3, WEIR_MS(7))), NULL);
    static const int at[] = {7, 10, 14, 20, 21, 30}, from[] = {1, 0, 1, 0, 1, 0};
    struct thing t;

    for (int i = 0; i < 6; i++) {
        EQ(weir_next(s, &t), 1);
        EQ(fan_age(), WEIR_MS(at[i]));
        EQ(t.from, from[i]);
        thing_drop(&t);
    }
    EQ(weir_next(s, &t), 0);
    weir_stream_close(&s);
    return 0;
}

enum { MANY = 50 };

FAN_TEST(of_fifty_ready_sources_each_gives_one_in_turn)
{
    weir_stream *all[MANY], *s;
    int got[MANY] = {0};
    struct thing t;

    for (int i = 0; i < MANY; i++)
        all[i] = feed(i, 1000, 0);
    s = weir_merge(all, MANY, &(struct weir_merge_opts){.ahead = 4});
    for (int i = 0; i < 20 * MANY; i++) {
        EQ(weir_next(s, &t), 1);
        got[t.from]++;
        thing_drop(&t);
    }
    for (int i = 0; i < MANY; i++) { /* chained binary merges would give the first one half */
        LE(15, got[i]);
        LE(got[i], 25);
    }
    LE(books(s).held, 4u * MANY);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(ahead_bounds_what_a_source_gives_before_it_is_asked)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(feed(0, 100, 0), feed(1, 100, 0)), NULL);
    struct thing t;

    EQ(feeds[0].at, 0); /* building starts nothing */
    EQ(weir_next(s, &t), 1);
    thing_drop(&t);
    (void)weir_sleep(weir_after(WEIR_S(1)));
    LE(feeds[0].at + feeds[1].at, 3); /* one given, one held each */
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(what_is_held_of_a_batch_comes_in_turn_too)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(weir_range(0, 1000), weir_range(1000, 2000)),
                                &(struct weir_merge_opts){.ahead = 64});
    int64_t batch[40], next[2] = {0, 1000};
    ssize_t r;

    while ((r = weir_pull(s, batch, 40)) > 0) {
        int of[2] = {0};

        for (ssize_t i = 0; i < r; i++) {
            EQ(batch[i], next[batch[i] >= 1000]++);
            of[batch[i] >= 1000]++;
        }
        if (r == 40 && next[0] < 900 && next[1] < 1900 && of[0] && of[1])
            LE(10, of[0] < of[1] ? of[0] : of[1]);
    }
    EQ(r, 0);
    EQ(next[0], 1000);
    EQ(next[1], 2000);
    EQ(books(s).out, 2000u);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_preferred_source_goes_first)
{
    weir_stream *s =
        weir_merge_preferred(WEIR_STREAMS(feed(0, 20, 0), feed(1, 20, 0), feed(2, 20, 0)), NULL);
    struct thing t;

    EQ(weir_next(s, &t), 1);
    thing_drop(&t);
    for (int i = 0; i < 10; i++) {
        (void)weir_sleep(weir_after(WEIR_MS(1))); /* all have one ready now */
        EQ(weir_next(s, &t), 1);
        EQ(t.from, 0);
        thing_drop(&t);
    }
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(the_first_failure_ends_the_others_after_what_is_held)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(feed_as(0, 2, WEIR_MS(10), -EIO, 0),
                                             feed(1, 1000, WEIR_MS(4)), feed(2, 1, WEIR_MS(29))),
                                NULL);
    int n = 0;

    EQ(fan_drain(s, &n), -EIO);
    LE(2 + 7 + 1, n);
    LE(n, 2 + 8 + 1);
    EQ(fan_age(), WEIR_MS(30));
    EQ(feeds_open, 0); /* cancelled, awaited and closed before the end is told */
    EQ(books(s).held, 0u);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_delayed_error_comes_after_all_others)
{
    weir_stream *s =
        weir_merge(WEIR_STREAMS(feed_as(0, 2, WEIR_MS(10), -EIO, 0),
                                feed_as(1, 30, WEIR_MS(4), -EPIPE, 0), feed(2, 5, WEIR_MS(50))),
                   &(struct weir_merge_opts){.on_error = WEIR_MERGE_DELAY_ERROR});
    int n = 0;

    EQ(fan_drain(s, &n), -EIO); /* the first of the two */
    EQ(n, 37);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(an_eager_merge_ends_with_the_first_end)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(feed(0, 3, WEIR_MS(10)), weir_never(thing_type())),
                                &(struct weir_merge_opts){.eager = 1});
    int n = 0;

    EQ(fan_drain(s, &n), 0);
    EQ(n, 3);
    EQ(fan_age(), WEIR_MS(40));
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_pull_that_times_out_loses_nothing)
{
    weir_stream *s =
        weir_merge(WEIR_STREAMS(feed(0, 20, WEIR_MS(10)), feed(1, 20, WEIR_MS(7))), NULL);
    struct weir_limit l;
    struct thing t;
    int n = 0, r, missed = 0;

    do {
        EQ(weir_limit_init(&l, weir_after(WEIR_MS(2))), 0);
        r = weir_limit_fini(&l, weir_next(s, &t));
        missed += r == -ETIMEDOUT;
        n += r == 1;
        if (r == 1)
            thing_drop(&t);
    } while (r == 1 || r == -ETIMEDOUT);
    EQ(r, 0);
    EQ(n, 40);
    LT(20, missed);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(what_runs_goes_on_while_nobody_pulls)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(feed(0, 8, WEIR_MS(10)), feed(1, 8, WEIR_MS(10))),
                                &(struct weir_merge_opts){.ahead = 8});
    struct thing t;

    EQ(weir_next(s, &t), 1);
    thing_drop(&t);
    (void)weir_sleep(weir_after(WEIR_MS(10)));
    EQ(weir_next(s, &t), 1); /* was taken meanwhile */
    EQ(fan_age(), WEIR_MS(20));
    thing_drop(&t);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(the_scope_in_which_it_was_built_ends_it)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *s = weir_merge(WEIR_STREAMS(feed(0, 9, WEIR_MS(1)), feed(1, 9, WEIR_S(1))), NULL);
    struct thing t;
    int n = 0;

    EQ(weir_next(s, &t), 1);
    thing_drop(&t);
    EQ(weir_scope_close(&scope), 0);
    EQ(fan_drain(s, &n), -ECANCELED);
    LE(n, 2);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_stream_that_is_never_pulled_never_starts)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(feed(0, 9, 0), feed(1, 9, 0)), NULL);

    weir_stream_close(&s);
    EQ(feeds[0].at + feeds[1].at, 0);
    EQ(feeds_open, 0);
    s = weir_race_streams(WEIR_STREAMS(feed(0, 9, 0), feed(1, 9, 0)), WEIR_RACE_VALUE);
    weir_stream_close(&s);
    EQ(feeds_open, 0);
    return 0;
}

/* --- what is refused ------------------------------------------------------------- */

static void refused(weir_stream *s, int code)
{
    struct thing t;

    EQ(weir_error(s), code);
    EQ(weir_next(s, &t), code);
    EQ(feeds_open, 0); /* the sources were taken all the same */
    weir_stream_close(&s);
}

FAN_TEST(bad_merges_are_refused_and_close_their_sources)
{
    static const struct weir_merge_opts bad[] = {{.on_error = (enum weir_merge_error)2},
                                                 {.on_error = (enum weir_merge_error) - 1},
                                                 {.eager = 2},
                                                 {.ahead = 65537},
                                                 {.reserved = {0, 1}}};
    weir_stream *twice = NULL;

    refused(weir_merge(NULL, 3, NULL), -EINVAL);
    refused(weir_merge(&twice, 0, NULL), -EINVAL);
    twice = feed(1, 1, 0);
    refused(weir_merge(WEIR_STREAMS(twice, feed(0, 1, 0), twice), NULL), -EINVAL);
    refused(weir_merge(WEIR_STREAMS(feed(0, 1, 0), NULL), NULL), -EINVAL);
    refused(weir_merge(WEIR_STREAMS(feed(0, 1, 0), weir_fail(thing_type(), 1)), NULL), -EINVAL);
    refused(weir_merge(WEIR_STREAMS(feed(0, 1, 0), weir_range(0, 1)), NULL), WEIR_ETYPE);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(weir_merge(WEIR_STREAMS(feed(0, 1, 0), feed(1, 1, 0)), &bad[i]), -EINVAL);
    refused(weir_race_streams(WEIR_STREAMS(feed(0, 1, 0)), (enum weir_race_mode)2), -EINVAL);
    refused(weir_race_streams(NULL, 0, WEIR_RACE_SIGNAL), -EINVAL);
    EQ(weir_fan_stats(NULL, NULL), -EINVAL);
    return 0;
}

TEST(off_a_fiber_a_merge_can_be_built_and_closed_but_not_pulled)
{
    weir_stream *s = weir_merge(WEIR_STREAMS(weir_range(0, 3), weir_range(0, 3)), NULL);
    int64_t x;

    EQ(weir_error(s), 0);
    EQ(weir_next(s, &x), WEIR_ENOFIBER);
    weir_stream_close(&s);
}

/* --- race ------------------------------------------------------------------------------ */

FAN_TEST(the_first_source_goes_on_alone)
{
    for (int resumable = 0; resumable < 2; resumable++) {
        weir_stream *s = weir_race_streams(WEIR_STREAMS(feed(0, 100, WEIR_MS(30)),
                                                        feed_as(1, 20, WEIR_MS(10), 0, resumable),
                                                        feed(2, 100, WEIR_MS(20))),
                                           WEIR_RACE_SIGNAL);
        struct thing t;

        for (int i = 0; i < 20; i++) {
            EQ(weir_next(s, &t), 1);
            EQ(t.from, 1);
            EQ(t.n, i);
            EQ(feeds[0].closed + feeds[2].closed, 2); /* awaited */
            (void)weir_sleep(weir_after(WEIR_MS(50)));
            EQ(feeds[1].at, resumable ? i + 1 : i < 19 ? i + 2 : 20); /* no fiber ahead of us */
            thing_drop(&t);
            books(s);
        }
        EQ(weir_next(s, &t), 0);
        weir_stream_close(&s);
    }
    return 0;
}

FAN_TEST(losers_that_had_an_item_are_in_the_books)
{
    weir_stream *s = weir_race_streams(WEIR_STREAMS(feed(0, 9, 0), feed(1, 9, 0), feed(2, 9, 0)),
                                       WEIR_RACE_SIGNAL);
    struct weir_fan_stats b;
    int n = 0;

    EQ(fan_drain(s, &n), 0);
    EQ(n, 9);
    b = books(s);
    EQ(b.out, 9u);
    EQ(b.dropped + 9, (unsigned)fan.made);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_signal_may_be_an_end_or_a_failure)
{
    weir_stream *s = weir_race_streams(
        WEIR_STREAMS(feed(0, 3, WEIR_MS(9)), feed_as(1, 0, WEIR_MS(1), -EIO, 0)), WEIR_RACE_SIGNAL);
    weir_stream *v = weir_race_streams(
        WEIR_STREAMS(feed(2, 3, WEIR_MS(9)), feed_as(3, 0, WEIR_MS(1), -EIO, 0), feed(4, 0, 0)),
        WEIR_RACE_VALUE);
    weir_stream *none = weir_race_streams(
        WEIR_STREAMS(feed(5, 0, WEIR_MS(9)), feed_as(6, 0, WEIR_MS(1), -EIO, 0)), WEIR_RACE_VALUE);
    int n = 0;

    EQ(fan_drain(s, &n), -EIO);
    EQ(n, 0);
    EQ(fan_drain(v, &n), 0);
    EQ(n, 3);
    EQ(fan_drain(none, &n), -EIO);
    EQ(n, 3);
    weir_stream_close(&s);
    weir_stream_close(&v);
    weir_stream_close(&none);
    return 0;
}

FAN_TEST(a_race_that_times_out_is_still_on)
{
    weir_stream *s = weir_race_streams(
        WEIR_STREAMS(feed(0, 3, WEIR_MS(30)), feed_as(1, 3, WEIR_MS(10), 0, 1)), WEIR_RACE_VALUE);
    struct weir_limit l;
    struct thing t;
    int n = 0;

    EQ(weir_limit_init(&l, weir_after(WEIR_MS(5))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &t)), -ETIMEDOUT);
    EQ(fan_drain(s, &n), 0);
    EQ(n, 3);
    weir_stream_close(&s);
    return 0;
}

/* --- every point ------------------------------------------------------------------------ */

static int merged(void *arg)
{
    weir_stream *s = weir_merge(
        WEIR_STREAMS(feed(0, 3, WEIR_MS(2)), feed_as(1, 3, WEIR_MS(3), 0, 1), feed(2, 2, 0)), arg);
    int n = 0, r = fan_drain(s, &n);

    OK(r < 0 || n == 8);
    if (weir_error(s) == 0)
        books(s);
    weir_stream_close(&s);
    return r;
}

static int raced(void *arg)
{
    weir_stream *s = weir_race_streams(
        WEIR_STREAMS(feed_as(0, 3, WEIR_MS(2), 0, arg != NULL), feed(1, 3, WEIR_MS(3))),
        WEIR_RACE_VALUE);
    int n = 0, r = fan_drain(s, &n);

    OK(r < 0 || n == 3);
    if (weir_error(s) == 0)
        books(s);
    weir_stream_close(&s);
    return r;
}

TEST(a_fault_at_any_point_loses_nothing_in_a_merge)
{
    struct weir_merge_opts delay = {.on_error = WEIR_MERGE_DELAY_ERROR, .ahead = 3};

    FAN_POINTS(merged, NULL);
    FAN_POINTS(merged, &delay);
}

TEST(a_fault_at_any_point_loses_nothing_in_a_race)
{
    int yes = 1;

    FAN_POINTS(raced, NULL);
    FAN_POINTS(raced, &yes);
}
