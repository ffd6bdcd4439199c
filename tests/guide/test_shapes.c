/*
 * test_shapes.c -- sections 8.2 and 8.3 of the guide, debounce and throttle;
 * and a long stream in constant memory.
 */
#include "core/core.h"
#include "stream/ints.h"

/* --- 8.2 debounce ---------------------------------------------------------------- */

struct quiet {
    weir_chan *ch;
    weir_stream *s;
    int64_t got[8];
    int n, r;
    weir_time at[8], ended;
    weir_span handler; /* how long what is done with an item takes */
};

static int listen_to(void *arg)
{
    struct quiet *q = arg;
    int64_t x;

    while ((q->r = weir_next(q->s, &x)) == 1) {
        q->at[q->n] = weir_now();
        q->got[q->n++] = x;
        if (q->handler)
            EQ(weir_sleep(weir_after(q->handler)), 0);
    }
    q->ended = weir_now();
    return 0;
}

static void quiet_open(struct quiet *q, weir_scope *scope, struct weir_debounce_opts opts)
{
    *q = (struct quiet){.ch = weir_chan_new(INT, 64)};
    q->s = weir_debounce(weir_from_chan(q->ch), &opts);
    GO(scope, listen_to, q);
}

static void say(struct quiet *q, int64_t x, weir_span pause)
{
    EQ(weir_send(q->ch, &x, WEIR_NEVER), 1);
    EQ(weir_sleep(weir_after(pause)), 0);
}

static void quiet_close(struct quiet *q, weir_scope **scope)
{
    EQ(weir_chan_close(q->ch, 0), 0);
    EQ(weir_scope_close(scope), 0);
    EQ(q->r, 0);
    weir_stream_close(&q->s);
    weir_chan_free(&q->ch);
}

static int tick(void *arg)
{
    weir_stream *s = weir_interval(&(struct weir_interval_opts){.period = WEIR_MS(200)});
    struct weir_tick t;

    while (weir_next(s, &t) == 1)
        ++*(int *)arg;
    weir_stream_close(&s);
    return 0;
}

/* The guide's spins here, and stops the clocks of everybody else. */
SIM_TEST(guide_8_2_an_idle_debounce_never_wakes_and_others_keep_their_time)
{
    weir_scope *ticking = weir_scope_open(NULL), *scope = weir_scope_open(NULL);
    struct quiet q;
    uint64_t turns;
    int ticks = 0;

    quiet_open(&q, scope, (struct weir_debounce_opts){.quiet = WEIR_MS(300)});
    world_settle();
    turns = weir__loop_get()->turns;
    EQ(weir_sleep(weir_after(WEIR_S(3))), 0);
    LE(weir__loop_get()->turns - turns, 2u); /* this fiber's own: no wake-up at all */
    GO(ticking, tick, &ticks);
    EQ(weir_sleep(weir_after(WEIR_MS(3050))), 0);
    EQ(ticks, 15);
    quiet_close(&q, &scope);
    EQ(q.n, 0);
    EQ(weir_scope_cancel(ticking, -EINTR), 0);
    EQ(weir_scope_close(&ticking), -EINTR);
    return 0;
}

/* The guide's never ends; the value comes after the delay, or not at all. */
SIM_TEST(guide_8_2_a_closed_channel_ends_it_at_once_with_its_last_value)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct quiet q;
    weir_time closed;

    quiet_open(&q, scope, (struct weir_debounce_opts){.quiet = WEIR_MS(300)});
    say(&q, 1, WEIR_MS(10));
    say(&q, 2, WEIR_MS(10));
    closed = weir_now();
    quiet_close(&q, &scope);
    EQ(q.n, 1);
    EQ(q.got[0], 2);
    EQ(q.at[0], closed);
    EQ(q.ended, closed);
    return 0;
}

SIM_TEST(guide_8_2_an_error_may_drop_what_is_pending)
{
    weir_stream *s =
        weir_debounce(weir_chain(INTS(1, 2), weir_fail(INT, -EIO)),
                      &(struct weir_debounce_opts){.quiet = WEIR_MS(300), .drop_failed = 1});

    EXPECT_NONE(s, -EIO);
    EXPECT(weir_debounce(weir_chain(INTS(1, 2), weir_fail(INT, -EIO)),
                         &(struct weir_debounce_opts){.quiet = WEIR_MS(300)}),
           -EIO, 2);
    return 0;
}

SIM_TEST(guide_8_2_a_busy_source_is_heard_within_max_wait)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct quiet q;

    quiet_open(&q, scope,
               (struct weir_debounce_opts){.quiet = WEIR_MS(300), .max_wait = WEIR_S(1)});
    for (int64_t i = 0; i < 25; i++)
        say(&q, i, WEIR_MS(100));
    EQ(q.n, 2);
    EQ(q.at[0] - WEIR_EPOCH, WEIR_S(1));
    quiet_close(&q, &scope);
    return 0;
}

SIM_TEST(guide_8_2_a_leading_edge_goes_at_once)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct quiet q;

    quiet_open(&q, scope,
               (struct weir_debounce_opts){.quiet = WEIR_MS(300), .edges = WEIR_LEADING});
    say(&q, 1, WEIR_MS(100));
    say(&q, 2, WEIR_MS(400));
    say(&q, 3, WEIR_MS(100));
    quiet_close(&q, &scope);
    EQ(q.n, 2);
    EQ(q.got[0], 1);
    EQ(q.at[0], WEIR_EPOCH);
    EQ(q.got[1], 3);
    return 0;
}

/* What is done with a value is the puller's own time: what comes meanwhile is not lost. */
SIM_TEST(guide_8_2_a_slow_handler_loses_no_last_value)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct quiet q;

    quiet_open(&q, scope, (struct weir_debounce_opts){.quiet = WEIR_MS(50)});
    q.handler = WEIR_S(1);
    say(&q, 1, WEIR_MS(100));
    say(&q, 2, WEIR_MS(10));
    say(&q, 3, WEIR_S(2));
    EQ(q.n, 2);
    EQ(q.got[1], 3);
    quiet_close(&q, &scope);
    return 0;
}

/* --- 8.3 throttle ------------------------------------------------------------------ */

static int each_ms(void *ctx, void *in, void *out)
{
    int64_t *n = ctx;

    (void)in;
    EQ(weir_sleep(WEIR_EPOCH + *n * WEIR_MS(1)), 0);
    *(int64_t *)out = (*n)++;
    return 1;
}

/* A handler of 7 ms: the guide's has 96 firings. */
SIM_TEST(guide_8_3_two_seconds_have_their_hundred_firings)
{
    int64_t n = 0, x;
    weir_stream *s = weir_throttle(weir_unfold(each_ms, &n, INT),
                                   &(struct weir_throttle_opts){.period = WEIR_MS(20)});
    int fired = 0;

    while (weir_now() < WEIR_EPOCH + WEIR_S(2) - WEIR_MS(20)) {
        EQ(weir_next(s, &x), 1);
        EQ(world_age(), fired++ * WEIR_MS(20));
        EQ(weir_sleep(weir_after(WEIR_MS(7))), 0);
    }
    EQ(fired, 100);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(guide_8_3_the_first_goes_at_once_just_after_boot)
{
    weir_stream *s = weir_throttle(INTS(1), &(struct weir_throttle_opts){.period = WEIR_EPOCH});
    int64_t x;

    EQ(weir_now(), WEIR_EPOCH); /* now - period is before all time */
    EQ(weir_next(s, &x), 1);
    EQ(weir_now(), WEIR_EPOCH);
    weir_stream_close(&s);
    return 0;
}

/* Both ready, value and timer: the newest goes; what it replaced is counted; the end waits not. */
SIM_TEST(guide_8_3_the_newest_goes_the_overwritten_are_counted_the_end_is_not_delayed)
{
    weir_stream *s =
        weir_throttle(INTS(1, 2, 3, 4), &(struct weir_throttle_opts){.period = WEIR_S(9)});
    struct weir_shape_stats stats;
    int64_t x;

    EQ(weir_next(s, &x), 1);
    EQ(x, 1);
    EQ(weir_next(s, &x), 1);
    EQ(x, 4);
    EQ(weir_next(s, &x), 0);
    EQ(weir_now(), WEIR_EPOCH);
    EQ(weir_shape_stats(s, &stats), 0);
    EQ(stats.replaced, 2u);
    weir_stream_close(&s);
    return 0;
}

/* --- constant memory ----------------------------------------------------------------- */

/* Ten million; a tenth of it where each access is checked. */
enum { LONG = WEIR__ASAN || WEIR__TSAN ? 1000000 : 10000000 };

static int keep_thirds(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return *(int64_t *)in % 3 == 0;
}

static int twice(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in * 2;
    return 1;
}

struct long_sum {
    uint64_t sum, n, live, calls;
};

static int add_up(void *ctx, void *in, void *acc)
{
    struct long_sum *l = acc;

    (void)ctx;
    l->sum += (uint64_t) * (int64_t *)in;
    if (l->n++ % 1024 != 0)
        return 0;
    if (l->n == 1) {
        l->live = test_alloc_live();
        l->calls = test_alloc_calls();
    }
    EQ(test_alloc_live(), l->live);
    EQ(test_alloc_calls(), l->calls); /* not one allocation after the first item */
    return 0;
}

static int long_stream(void *arg)
{
    weir_stream *s =
        weir_map(weir_filter(weir_range(0, LONG), keep_thirds, NULL), twice, NULL, INT);
    struct long_sum l = {0};
    uint64_t kept = (LONG + 2) / 3;

    (void)arg;
    EQ(weir_fold(&s, add_up, NULL, &l), 0);
    EQ(l.n, kept);
    EQ(l.sum, 3 * kept * (kept - 1));
    return 0;
}

TEST_WITH(ten_million_items_go_through_filter_map_and_fold_in_constant_memory, .timeout = 60)
{
    EQ(world_run(long_stream, NULL), 0);
}
