/*
 * test_sample_by.c -- sampled by another stream; and what stalls among sorted
 * sources, cut by a timeout.
 */
#include "stream/fan_world.h"

static void next_is(weir_stream *s, int n, weir_span at)
{
    struct thing t;

    EQ(weir_next(s, &t), 1);
    EQ(t.n, n);
    EQ(fan_age(), at);
    thing_drop(&t);
    (void)books(s);
}

static void end_is(weir_stream **s, int end)
{
    struct thing t;
    struct weir_fan_stats b;

    EQ(weir_next(*s, &t), end);
    EQ(weir_next(*s, &t), end);
    b = books(*s);
    EQ(b.held, 0u);
    weir_stream_close(s);
}

FAN_TEST(the_newest_goes_when_the_other_gives_one)
{
    weir_stream *s = weir_sample_by(feed(0, 10, WEIR_MS(10)), feed(1, 9, WEIR_MS(37)));

    next_is(s, 2, WEIR_MS(37)); /* 0 1 2 came at 10, 20, 30 */
    next_is(s, 6, WEIR_MS(74));
    next_is(s, 9, WEIR_MS(110)); /* the last, with the end */
    end_is(&s, 0);
    return 0;
}

FAN_TEST(what_has_been_given_is_not_given_again_and_the_samplers_end_is_the_end)
{
    weir_stream *s = weir_sample_by(feed(0, 3, WEIR_MS(50)), feed(1, 5, WEIR_MS(15)));

    next_is(s, 0, WEIR_MS(60)); /* nothing new at 15, 30, 45; nor at 75 */
    end_is(&s, 0);
    EQ(fan_age(), WEIR_MS(90));
    return 0;
}

FAN_TEST(a_failure_comes_after_what_is_new)
{
    weir_stream *s = weir_sample_by(feed_as(0, 1, WEIR_MS(10), -EIO, 1), feed(1, 1, WEIR_MS(100)));

    next_is(s, 0, WEIR_MS(20));
    end_is(&s, -EIO);
    return 0;
}

FAN_TEST(a_slow_puller_sees_the_present_once)
{
    weir_stream *s = weir_sample_by(feed(0, 100, WEIR_MS(10)), feed(1, 100, WEIR_MS(17)));

    next_is(s, 0, WEIR_MS(17));
    (void)weir_sleep(weir_after(WEIR_MS(188))); /* to 205 */
    next_is(s, 19, WEIR_MS(205));
    next_is(s, 21, WEIR_MS(221));
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(what_is_no_stream_is_refused_and_the_other_closed)
{
    weir_stream *s = weir_sample_by(feed(0, 1, 0), NULL);

    EQ(weir_error(s), -EINVAL);
    weir_stream_close(&s);
    s = weir_sample_by(NULL, feed(0, 1, 0));
    EQ(weir_error(s), -EINVAL);
    weir_stream_close(&s);
    return 0;
}

/* --- a source that stalls ------------------------------------------------------------ */

static int by_n(void *ctx, const void *a, const void *b)
{
    (void)ctx;
    return ((const struct thing *)a)->n - ((const struct thing *)b)->n;
}

static weir_stream *without_it(void *ctx, int code)
{
    (void)ctx;
    EQ(code, -ETIMEDOUT);
    return weir_empty(thing_type());
}

static weir_stream *impatient(weir_stream *s)
{
    return weir_timeouts(s,
                         &(struct weir_timeouts_opts){.first = WEIR_MS(50), .idle = WEIR_MS(50)});
}

FAN_TEST(a_sorted_source_that_stalls_is_left_out_or_fails_all)
{
    weir_stream *stalls = weir_recover(impatient(weir_never(thing_type())), 0, without_it, NULL);
    weir_stream *s =
        weir_merge_sorted(WEIR_STREAMS(feed(0, 3, 0), stalls, feed(1, 3, 0)), by_n, NULL, NULL);
    int n = 0;

    EQ(fan_drain(s, &n), 0);
    EQ(n, 6);
    EQ(fan_age(), WEIR_MS(50));
    weir_stream_close(&s);
    s = weir_merge_sorted(WEIR_STREAMS(feed(2, 3, 0), impatient(weir_never(thing_type()))), by_n,
                          NULL, NULL);
    n = 0;
    EQ(fan_drain(s, &n), -ETIMEDOUT);
    weir_stream_close(&s);
    return 0;
}
