/*
 * test_debounce.c -- debounce, throttle, sample: what timelines.def does not
 * show.  The rows of the guide's sections 8.2 and 8.3 are here under their names.
 */
#include "stream/marbles.h"

static void want(weir_stream *s, const char *script)
{
    marbles_want(s, 0, script);
}

/* --- no wake-ups ------------------------------------------------------------------- */

static weir_chan *idle_chan;

static int idle_end(void *arg)
{
    weir_stream *s = arg;
    int x = 0, r, n = 0;

    while ((r = weir_next(s, &x)) > 0)
        n++;
    EQ(r, 0);
    return n;
}

/* Turns of the loop in 3 s in which nothing comes; then one item and the end. */
static void idle(weir_stream *(*over)(weir_stream *))
{
    weir_scope *scope = weir_scope_open(&(struct weir_scope_opts){.results = 1});
    weir_stream *s;
    struct weir_done done;
    uint64_t turns;
    int x = 7;

    idle_chan = weir_chan_new(WEIR_TYPE(int), 4);
    s = over(weir_from_chan(idle_chan));
    GO(scope, idle_end, s);
    world_settle();
    turns = weir__loop_get()->turns;
    EQ(weir_sleep(weir_after(WEIR_S(3))), 0);
    LE(weir__loop_get()->turns - turns, 2); /* this fiber's own */
    EQ(weir_send(idle_chan, &x, WEIR_NEVER), 1);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_chan_close(idle_chan, 0), 0);
    weir_time closed = weir_now();
    EQ(weir_scope_next(scope, &done, WEIR_NEVER), 1);
    EQ(weir_now(), closed);
    EQ(done.result, 1); /* with its last value */
    EQ(weir_scope_close(&scope), 0);
    weir_stream_close(&s);
    weir_chan_free(&idle_chan);
}

static weir_stream *over_debounce(weir_stream *s)
{
    return weir_debounce(s, &(struct weir_debounce_opts){.quiet = WEIR_MS(10)});
}

static weir_stream *over_throttle(weir_stream *s)
{
    return weir_throttle(
        s, &(struct weir_throttle_opts){.period = WEIR_MS(10), .edges = WEIR_TRAILING});
}

static weir_stream *over_sample(weir_stream *s)
{
    return weir_sample(s, WEIR_MS(10));
}

SIM_TEST(guide_8_2_an_idle_debounce_never_wakes_and_ends_at_once_with_its_last_value)
{
    idle(over_debounce);
    return 0;
}

SIM_TEST(an_idle_throttle_never_wakes)
{
    idle(over_throttle);
    return 0;
}

SIM_TEST(an_idle_sample_never_wakes)
{
    idle(over_sample);
    return 0;
}

/* --- debounce -------------------------------------------------------------------------- */

SIM_TEST(guide_8_2_a_busy_source_starves_nobody_with_max_wait)
{
    struct marbles_log l;
    struct weir_debounce_opts o = {.quiet = WEIR_MS(15), .max_wait = WEIR_MS(45)};

    marbles_run(&l,
                weir_debounce(marbles("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz|"), &o),
                0, 0);
    EQ(l.events[0].at, WEIR_MS(45));
    for (size_t i = 1; i + 2 < l.n; i++)
        EQ(l.events[i].at - l.events[i - 1].at, WEIR_MS(50)); /* 45 after the next item */
    EQ(l.books.in, 52);
    EQ(l.books.replaced, 52 - l.books.out);
    return 0;
}

SIM_TEST(guide_8_2_without_max_wait_it_waits_for_quiet)
{
    want(weir_debounce(marbles("abcdefghijklmnopqrst|"),
                       &(struct weir_debounce_opts){.quiet = WEIR_MS(15)}),
         "200:t 200:|");
    return 0;
}

SIM_TEST(leading_with_max_wait_lets_one_through_each_time)
{
    struct weir_debounce_opts o = {
        .quiet = WEIR_MS(15), .max_wait = WEIR_MS(45), .edges = WEIR_LEADING};
    weir_stream *s = weir_debounce(marbles("abcdefghijkl|"), &o);

    want(s, "0:a 50:f 100:k 120:|");
    return 0;
}

SIM_TEST(one_item_on_both_edges_goes_out_once)
{
    want(weir_debounce(marbles("a------b|"),
                       &(struct weir_debounce_opts){.quiet = WEIR_MS(25), .edges = 3}),
         "0:a 70:b 80:|");
    return 0;
}

/* Given up at 25 with a kept since 0; back at 100: a was due at 35, whatever came later. */
SIM_TEST(what_was_due_while_nobody_pulled_goes_out_first)
{
    weir_stream *s =
        weir_debounce(marbles("a------b|"), &(struct weir_debounce_opts){.quiet = WEIR_MS(35)});
    struct weir_limit l;
    struct mark m;

    EQ(weir_limit_init(&l, weir_after(WEIR_MS(25))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &m)), -ETIMEDOUT);
    EQ(weir_sleep(WEIR_EPOCH + WEIR_MS(100)), 0);
    EQ(weir_next(s, &m), 1);
    EQ(m.c, 'a');
    EQ(world_age(), WEIR_MS(100));
    mark_drop(&m);
    EQ(weir_next(s, &m), 1);
    EQ(m.c, 'b');
    EQ(world_age(), WEIR_MS(100)); /* the source has ended: at once */
    mark_drop(&m);
    EQ(weir_next(s, &m), 0);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_failure_drops_what_is_kept_only_if_asked_to)
{
    struct marbles_log l;

    marbles_run(&l,
                weir_debounce(marbles("ab!"),
                              &(struct weir_debounce_opts){.quiet = WEIR_S(1), .drop_failed = 1}),
                0, 0);
    EQ(l.end, -EIO);
    EQ(l.books.out, 0);
    EQ(l.books.failed, 1);
    EQ(l.books.replaced, 1);
    marbles_run(&l,
                weir_throttle(marbles("abc!"),
                              &(struct weir_throttle_opts){.period = WEIR_S(1), .drop_failed = 1}),
                0, 0);
    EQ(l.end, -EIO);
    EQ(l.books.out, 1);
    EQ(l.books.failed + l.books.replaced, 2);
    return 0;
}

/* --- throttle ---------------------------------------------------------------------------- */

SIM_TEST(guide_8_3_the_first_goes_at_once_just_after_boot)
{
    weir_stream *s =
        weir_throttle(marbles("a|"), &(struct weir_throttle_opts){.period = WEIR_EPOCH});
    struct mark m;

    EQ(weir_now(), WEIR_EPOCH); /* the clock has just begun: now - period is before it */
    EQ(weir_next(s, &m), 1);
    EQ(weir_now(), WEIR_EPOCH);
    mark_drop(&m);
    weir_stream_close(&s);
    return 0;
}

static int endless(void *ctx, void *in, void *out)
{
    int64_t *n = ctx;

    (void)in;
    EQ(weir_sleep(WEIR_EPOCH + *n * WEIR_MS(1) + WEIR_US(500)), 0);
    *(int64_t *)out = (*n)++;
    return 1;
}

/* A handler of 7 ms, a period of 20: 100 firings in 2 s, 20 ms from start to start. */
SIM_TEST(guide_8_3_a_period_is_measured_from_start_to_start)
{
    int64_t n = 0, x;
    weir_stream *s = weir_throttle(weir_unfold(endless, &n, WEIR_TYPE(int64_t)),
                                   &(struct weir_throttle_opts){.period = WEIR_MS(20)});
    int fired = 0;

    for (; fired < 100; fired++) {
        EQ(weir_next(s, &x), 1);
        EQ(world_age(), fired * WEIR_MS(20) + WEIR_US(500));
        EQ(weir_sleep(weir_after(WEIR_MS(7))), 0);
    }
    LT(world_age(), WEIR_S(2));
    weir_stream_close(&s);
    return 0;
}

static struct weir__timer hog;

/* The loop was held up: everything that comes due now comes late. */
static void hog_fire(struct weir__timer *t)
{
    (void)t;
    weir__loop_get()->now += WEIR_MS(3);
}

SIM_TEST(a_wake_up_that_comes_late_moves_no_period)
{
    struct weir_throttle_opts o = {.period = WEIR_MS(35)};
    weir_stream *s = weir_throttle(marbles("abcdefghijklm|"), &o);

    hog.fire = hog_fire;
    EQ(weir__timer_arm(&hog, WEIR_EPOCH + WEIR_MS(35) - WEIR_US(1)), 0);
    marbles_want(s, 0, "0:a 37.999:d 70:g 105:k 130:m 130:|");
    return 0;
}

static void hog_long_fire(struct weir__timer *t)
{
    (void)t;
    weir__loop_get()->now += WEIR_MS(80);
}

SIM_TEST(one_later_than_a_period_begins_a_new_grid)
{
    struct weir_throttle_opts o = {.period = WEIR_MS(35)};
    weir_stream *s = weir_throttle(marbles("abcdefghijklmnopqrst|"), &o);

    hog.fire = hog_long_fire;
    EQ(weir__timer_arm(&hog, WEIR_EPOCH + WEIR_MS(35) - WEIR_US(1000)), 0);
    marbles_want(s, 0, "0:a 114:d 149:o 184:s 200:t 200:|");
    return 0;
}

SIM_TEST(guide_8_3_what_is_overwritten_is_counted)
{
    struct marbles_log l;

    marbles_run(
        &l, weir_throttle(marbles("abcdef|"), &(struct weir_throttle_opts){.period = WEIR_MS(25)}),
        0, 0);
    EQ(l.books.in, 6);
    EQ(l.books.out, 4); /* a at 0, c at 25, e at 50, f at the end */
    EQ(l.books.replaced, 2);
    EQ(l.books.refused, 0);
    marbles_run(
        &l,
        weir_throttle(marbles("abcdef|"),
                      &(struct weir_throttle_opts){.period = WEIR_MS(25), .edges = WEIR_LEADING}),
        0, 0);
    EQ(l.books.in, 6);
    EQ(l.books.refused, 6 - l.books.out);
    EQ(l.books.replaced, 0);
    return 0;
}

SIM_TEST(guide_8_3_the_end_does_not_delay_the_last_value)
{
    want(weir_throttle(marbles("ab|"), &(struct weir_throttle_opts){.period = WEIR_S(9)}),
         "0:a 20:b 20:|");
    return 0;
}

/* --- sample ----------------------------------------------------------------------------------- */

SIM_TEST(a_sample_keeps_its_grid_whatever_the_puller_does)
{
    marbles_want(weir_sample(marbles("abcdefghijklmno|"), WEIR_MS(35)), WEIR_MS(20),
                 "35:d 70:g 105:k 140:n 160:o 180:|");
    return 0;
}

SIM_TEST(a_sample_of_nothing_new_is_nothing)
{
    want(weir_sample(marbles("a----------------b---------|"), WEIR_MS(35)), "35:a 175:b 270:|");
    return 0;
}
