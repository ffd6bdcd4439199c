/*
 * test_until.c -- timeouts, keep_alive, take_until: what timelines.def does not
 * show.
 */
#include "stream/marbles.h"

static int closed;

static weir_stream *source(const char *script)
{
    closed = 0;
    return marbles_counted(script, &closed);
}

static char next(weir_stream *s)
{
    struct mark m;
    int r = weir_next(s, &m);

    if (r <= 0)
        return r == 0 ? '|' : r == -ETIMEDOUT ? 'T' : r == -ECANCELED ? 'C' : '!';
    mark_drop(&m);
    return m.c;
}

static enum weir_timeout_cause cause(const weir_stream *s)
{
    struct weir_shape_stats b;

    EQ(weir_shape_stats(s, &b), 0);
    return b.cause;
}

/* --- timeouts --------------------------------------------------------------------------- */

/* Which of them it was, when, and that the source is closed by then. */
static void timed_out(struct weir_timeouts_opts o, const char *script, int items, weir_span busy,
                      enum weir_timeout_cause why, weir_span at)
{
    weir_stream *s = weir_timeouts(source(script), &o);
    weir_time start = weir_now();
    char c = 'a';

    for (int i = 0; i < items && c != 'T'; i++) {
        c = next(s);
        EQ(c, 'a' + i);
        EQ(weir_sleep(weir_after(busy)), 0);
    }
    EQ(next(s), 'T');
    EQ(weir_now() - start, at);
    EQ(cause(s), why);
    EQ(closed, 1);
    EQ(next(s), 'T');
    weir_stream_close(&s);
    EQ(closed, 1);
    EQ(marks_live, 0);
}

SIM_TEST(each_timeout_says_which_it_was)
{
    struct weir_timeouts_opts all = {WEIR_MS(35), WEIR_MS(45), WEIR_MS(125), WEIR_MS(75), {0}};

    timed_out(all, "----a|", 0, 0, WEIR_TIMEOUT_FIRST, WEIR_MS(35));
    EQ(weir_sleep(WEIR_EPOCH + WEIR_S(1)), 0); /* all items of the script are there */
    timed_out(all, "a", 1, WEIR_MS(20), WEIR_TIMEOUT_IDLE, WEIR_MS(65));
    timed_out(all, "abc", 3, WEIR_MS(40), WEIR_TIMEOUT_TOTAL, WEIR_MS(125));
    timed_out(all, "ab", 1, WEIR_MS(80), WEIR_TIMEOUT_PRESSURE, WEIR_MS(80));
    return 0;
}

SIM_TEST(the_source_is_closed_while_the_puller_is_away)
{
    weir_stream *s =
        weir_timeouts(source("abc|"), &(struct weir_timeouts_opts){.pressure = WEIR_MS(50)});

    EQ(next(s), 'a');
    EQ(weir_sleep(weir_after(WEIR_MS(49))), 0);
    EQ(closed, 0);
    EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
    EQ(closed, 1);
    EQ(next(s), 'T');
    weir_stream_close(&s);
    s = weir_timeouts(source("a------------|"), &(struct weir_timeouts_opts){.total = WEIR_MS(50)});
    EQ(next(s), 'a');
    EQ(weir_sleep(weir_after(WEIR_MS(51))), 0);
    EQ(closed, 1);
    EQ(next(s), 'T');
    EQ(cause(s), WEIR_TIMEOUT_TOTAL);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(an_item_that_is_there_is_given_however_late)
{
    weir_stream *s =
        weir_timeouts(source("ab-----c|"), &(struct weir_timeouts_opts){.first = 1, .idle = 1});

    EQ(next(s), 'a');
    EQ(weir_sleep(weir_after(WEIR_S(2))), 0);
    EQ(next(s), 'b');
    EQ(next(s), 'c');
    EQ(next(s), '|');
    EQ(cause(s), WEIR_TIMEOUT_NONE);
    weir_stream_close(&s);
    return 0;
}

/* The wait goes on through a pull that is given up: it does not begin again. */
SIM_TEST(a_timeout_does_not_begin_again_with_each_pull)
{
    weir_stream *s =
        weir_timeouts(source("---------a|"), &(struct weir_timeouts_opts){.first = WEIR_MS(55)});

    for (int i = 0; i < 2; i++) {
        struct weir_limit l;
        struct mark m;

        EQ(weir_limit_init(&l, weir_after(WEIR_MS(20))), 0);
        EQ(weir_limit_fini(&l, weir_next(s, &m)), -ETIMEDOUT);
        EQ(cause(s), WEIR_TIMEOUT_NONE);
    }
    EQ(next(s), 'T');
    EQ(world_age(), WEIR_MS(55));
    EQ(cause(s), WEIR_TIMEOUT_FIRST);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_puller_that_waits_is_not_away)
{
    weir_stream *s =
        weir_timeouts(source("a-----b|"), &(struct weir_timeouts_opts){.pressure = WEIR_MS(50)});
    struct weir_limit l;
    struct mark m;

    EQ(next(s), 'a');
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(20))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &m)), -ETIMEDOUT);
    EQ(weir_sleep(WEIR_EPOCH + WEIR_MS(100)), 0); /* it gave up, without an item in hand */
    EQ(next(s), 'b');
    EQ(next(s), '|');
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_source_that_times_out_itself_is_not_taken_for_ours)
{
    weir_stream *s = weir_timeouts(weir_fail(mark_type(), -ETIMEDOUT),
                                   &(struct weir_timeouts_opts){.total = WEIR_S(1)});

    EQ(next(s), 'T');
    EQ(cause(s), WEIR_TIMEOUT_NONE);
    weir_stream_close(&s);
    return 0;
}

static int timeouts_alone(void *arg)
{
    weir_stream *s = weir_timeouts(
        weir_then(source("abc|"), marbles_move, NULL, mark_type()),
        &(struct weir_timeouts_opts){WEIR_MS(30), WEIR_MS(30), WEIR_MS(70), WEIR_MS(30), {0}});
    (void)arg;
    while (next(s) == 'a')
        EQ(weir_sleep(weir_after(WEIR_MS(40))) <= 0, 1);
    weir_stream_close(&s);
    EQ(closed, 1);
    return 0;
}

static void timeouts_once(void *arg)
{
    OK(world_run(timeouts_alone, arg) <= 0);
    EQ(marks_live, 0);
}

TEST(a_timeout_while_nobody_pulls_stands_a_fault_at_every_point)
{
    EVERY_POINT(timeouts_once, NULL);
}

static weir_stream *kept[2];

static int move_mark(void *ctx, void *in, void *out)
{
    return marbles_move(ctx, in, out);
}

static int keeps_them(void *arg)
{
    struct weir_par_opts o = {.limit = 1, .deadline = weir_after(WEIR_S(9))};

    (void)arg;
    kept[0] = weir_timeouts(source("ab|"), &(struct weir_timeouts_opts){.pressure = WEIR_S(1)});
    kept[1] = weir_par_map(marbles("ab|"), move_mark, NULL, mark_type(), &o);
    EQ(next(kept[0]), 'a');
    EQ(next(kept[1]), 'a');
    return 0;
}

/* Their timers were armed in a loop that is no more.  (With an allocator of its own they could
 * not outlive it.) */
TEST(a_stream_with_a_timer_may_be_closed_after_its_loop)
{
    EQ(weir_sim_run(1, NULL, keeps_them, NULL), 0);
    EQ(weir_sim_run(1, NULL, fiber_nothing, NULL), 0);
    for (int i = 0; i < 2; i++)
        weir_stream_close(&kept[i]);
    EQ(marks_live, 0);
}

/* --- keep_alive ---------------------------------------------------------------------------- */

static int made;

static int tilde(void *ctx, void *in, void *out)
{
    int r = ctx ? *(int *)ctx : 1;

    (void)in;
    made++;
    if (r > 0)
        mark_make(out, '~');
    return r;
}

SIM_TEST(a_puller_that_was_away_finds_one_made_item_at_most)
{
    marbles_want(weir_keep_alive(marbles("a------------------------b|"), WEIR_MS(15), tilde, NULL),
                 WEIR_MS(100), "0:a 100:~ 200:~ 300:b 400:|");
    return 0;
}

SIM_TEST(a_source_that_flows_is_left_alone)
{
    struct marbles_log l;

    made = 0;
    marbles_run(&l, weir_keep_alive(marbles("abcdefghijkl|"), WEIR_MS(15), tilde, NULL), 0, 0);
    EQ(made, 0);
    EQ(l.books.made, 0);
    EQ(l.books.out, 12);
    return 0;
}

SIM_TEST(making_nothing_waits_again_and_failing_fails)
{
    int nothing = 0, failure = -EIO;
    struct marbles_log l;

    made = 0;
    marbles_run(&l, weir_keep_alive(marbles("a--------b|"), WEIR_MS(25), tilde, &nothing), 0, 0);
    EQ(l.end, 0);
    EQ(made, 3); /* 25, 50, 75 */
    EQ(l.books.made, 0);
    marbles_run(&l, weir_keep_alive(marbles("a"), WEIR_MS(25), tilde, &failure), 0, 0);
    EQ(l.end, -EIO);
    return 0;
}

/* --- take_until ------------------------------------------------------------------------------ */

static struct weir_event event;

static weir_stream *until(weir_stream *s)
{
    return weir_take_until(s, &(struct weir_until_opts){.event = &event});
}

SIM_TEST(stop_comes_before_data)
{
    weir_stream *s;
    uint64_t before = marks_made;

    weir_event_init(&event);
    weir_event_set(&event);
    s = until(source("(abc)|"));
    EQ(next(s), '|');
    EQ(marks_made, before); /* never pulled */
    EQ(closed, 1);
    weir_stream_close(&s);
    weir_event_init(&event);
    s = until(source("(abc)|"));
    EQ(next(s), 'a');
    weir_event_set(&event); /* the watcher has not run when the next pull looks */
    EQ(next(s), '|');
    EQ(closed, 1);
    EQ(next(s), '|');
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

SIM_TEST(a_scope_that_was_stopped_before_gives_nothing)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *s;

    EQ(weir_scope_drain(scope, WEIR_NEVER), 0);
    s = weir_take_until(source("(abc)|"), &(struct weir_until_opts){.stop = scope});
    EQ(next(s), '|');
    weir_stream_close(&s);
    EQ(weir_scope_close(&scope), 0);
    return 0;
}

static int set_later(void *arg)
{
    EQ(weir_sleep(weir_after(*(weir_span *)arg)), 0);
    weir_event_set(&event);
    return 0;
}

/* Also where the pull that is cut parks in a callback. */
SIM_TEST(the_source_is_closed_with_the_stop)
{
    for (int mapped = 0; mapped < 2; mapped++) {
        weir_scope *scope = weir_scope_open(NULL);
        weir_span wait = WEIR_MS(25);
        weir_stream *s;

        weir_event_init(&event);
        GO(scope, set_later, &wait);
        s = source("");
        s = until(mapped ? weir_then(s, marbles_move, NULL, mark_type()) : s);
        EQ(next(s), '|');
        EQ(closed, 1);
        EQ(world_age(), (mapped + 1) * WEIR_MS(25));
        EQ(weir_scope_close(&scope), 0);
        weir_stream_close(&s);
    }
    return 0;
}

SIM_TEST(a_deadline_that_has_passed_gives_nothing)
{
    weir_stream *s =
        weir_take_until(source("abc|"), &(struct weir_until_opts){.deadline = WEIR_EPOCH});

    EQ(next(s), '|');
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_failure_before_the_stop_is_told)
{
    weir_event_init(&event);
    weir_stream *s = until(source("a-!"));

    EQ(next(s), 'a');
    EQ(next(s), '!');
    weir_event_set(&event);
    EQ(next(s), '!');
    weir_stream_close(&s);
    return 0;
}

static int stops_and_fails(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    weir_event_set(&event);
    return -EIO;
}

SIM_TEST(a_failure_that_comes_with_the_stop_is_told)
{
    weir_stream *s;

    weir_event_init(&event);
    s = until(weir_unfold(stops_and_fails, NULL, mark_type()));
    EQ(next(s), '!');
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(the_pullers_own_cancel_is_no_stop)
{
    weir_stream *s;
    struct weir_limit l;
    struct mark m;

    weir_event_init(&event);
    s = until(source("----a|"));
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(15))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &m)), -ETIMEDOUT);
    EQ(closed, 0);
    EQ(next(s), 'a');
    EQ(next(s), '|');
    weir_stream_close(&s);
    return 0;
}
