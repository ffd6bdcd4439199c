/*
 * test_loops.c -- members of a scope on other loops: where they run, how they end, and
 * how they are placed.
 */
#include <stdbool.h>
#include <weir.h>

#include "core/group.h"
#include "core/loops_world.h"

/* --- members elsewhere ------------------------------------------------- */

static int tells_its_loop(void *arg)
{
    *(int *)arg = weir_loop_index();
    EQ(weir_loops(), LOOPS);
    for (int i = 0; i < 5; i++)
        EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
    EQ(*(int *)arg, weir_loop_index());
    return 0;
}

LOOPS_TEST(a_fiber_runs_on_the_loop_it_was_sent_to_and_stays_there)
{
    weir_scope *s = weir_scope_open(NULL);
    int at[LOOPS];

    for (int i = 0; i < LOOPS; i++)
        GO_ON(s, i, tells_its_loop, &at[i]);
    EQ(weir_scope_running(s), LOOPS);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < LOOPS; i++)
        EQ(at[i], i);
    return 0;
}

struct crew {
    int begun; /* atomic */
    int at[LOOPS];
};

/* Holds its loop until all have begun. */
static int begins(void *arg)
{
    struct crew *c = arg;

    c->at[weir_loop_index()]++;
    __atomic_add_fetch(&c->begun, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&c->begun, __ATOMIC_RELAXED) < LOOPS - 1)
        ;
    return 0;
}

LOOPS_TEST(any_loop_is_the_one_with_the_least_to_do)
{
    for (int k = 0; k < 20; k++) {
        weir_scope *s = weir_scope_open(NULL);
        struct crew c = {0};

        for (int i = 1; i < LOOPS; i++)
            GO_ON(s, WEIR_ANY_LOOP, begins, &c);
        EQ(weir_scope_close(&s), 0);
        for (int i = 1; i < LOOPS; i++)
            EQ(c.at[i], 1); /* not here: this loop is busy with placing them */
    }
    return 0;
}

static int fails_soon(void *arg)
{
    (void)arg;
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    return -EIO;
}

LOOPS_TEST(a_failure_elsewhere_cancels_the_members_on_every_loop)
{
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < LOOPS; i++)
        GO_ON(s, i, fiber_forever, NULL);
    GO_ON(s, 2, fails_soon, NULL);
    EQ(weir_scope_close(&s), -EIO);
    return 0;
}

LOOPS_TEST(a_deadline_reaches_the_members_on_every_loop)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_MS(2))});

    for (int i = 0; i < LOOPS; i++)
        GO_ON(s, i, fiber_forever, NULL);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    return 0;
}

static int opens_more(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    GO(s, fiber_forever, NULL);
    GO_ON(s, 0, fiber_forever, NULL); /* back where it came from */
    GO_ON(s, 2, fiber_forever, NULL);
    weir_event_set(arg);
    return weir_scope_close(&s) == -ECANCELED ? 7 : -EIO;
}

LOOPS_TEST(scopes_nest_over_loops_and_a_cancel_goes_down)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 4});
    struct weir_event open;
    struct weir_done d;

    weir_event_init(&open);
    GO_ON(s, 1, opens_more, &open);
    EQ(weir_event_wait(&open, WEIR_NEVER), 0);
    EQ(weir_scope_next(s, &d, 0), -EAGAIN);
    EQ(weir_scope_cancel(s, -EINTR), 0);
    while (weir_scope_next(s, &d, WEIR_NEVER) == -ECANCELED && weir_scope_running(s))
        (void)weir_yield();
    EQ(weir_scope_close(&s), -EINTR);
    return 0;
}

struct peak {
    int now, most;
};

static int counts_peak(void *arg)
{
    struct peak *p = arg;
    int n = __atomic_add_fetch(&p->now, 1, __ATOMIC_RELAXED);

    for (int m = __atomic_load_n(&p->most, __ATOMIC_RELAXED); m < n;)
        if (__atomic_compare_exchange_n(&p->most, &m, n, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            break;
    (void)weir_sleep(weir_after(WEIR_US(100)));
    __atomic_sub_fetch(&p->now, 1, __ATOMIC_RELAXED);
    return 0;
}

LOOPS_TEST(a_limit_counts_members_on_all_loops)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = 3});
    struct peak p = {0};

    for (int i = 0; i < 60; i++)
        GO_ON(s, i % LOOPS, counts_peak, &p);
    EQ(weir_scope_close(&s), 0);
    LE(p.most, 3);
    return 0;
}

struct drained {
    weir_scope *scope, *other;
    int begun, stopped; /* atomic */
};

static int stops_when_told(void *arg)
{
    struct drained *w = arg;
    struct weir_select stop[] = {WEIR_ON_STOP(w->scope)};

    __atomic_add_fetch(&w->begun, 1, __ATOMIC_RELAXED);
    EQ(weir_select(stop, 1, WEIR_NEVER), 0);
    EQ(stop[0].result, 1);
    EQ(weir_select(stop, 1, 0), 0); /* and from now on */
    __atomic_add_fetch(&w->stopped, 1, __ATOMIC_RELAXED);
    return 0;
}

static int ends_its_stream_when_told(void *arg)
{
    struct drained *w = arg;
    weir_scope *nested = weir_scope_open(NULL);
    weir_stream *s =
        weir_take_until(weir_interval(&(struct weir_interval_opts){.period = WEIR_US(10)}),
                        &(struct weir_until_opts){.stop = w->scope});

    __atomic_add_fetch(&w->begun, 1, __ATOMIC_RELAXED);
    EQ(weir_drain(&s), 0);
    __atomic_add_fetch(&w->stopped, 1, __ATOMIC_RELAXED);
    return weir_scope_close(&nested);
}

LOOPS_TEST(a_drain_is_told_on_all_loops)
{
    struct drained w = {.scope = weir_scope_open(NULL)};

    for (int i = 0; i < 4 * LOOPS; i++)
        GO_ON(w.scope, i % LOOPS, i < 2 * LOOPS ? stops_when_told : ends_its_stream_when_told, &w);
    while (__atomic_load_n(&w.begun, __ATOMIC_RELAXED) < LOOPS) /* some have not begun */
        EQ(weir_yield(), 0);
    EQ(weir_scope_drain(w.scope, WEIR_NEVER), 0);
    EQ(w.stopped, 4 * LOOPS);
    EQ(weir_scope_close(&w.scope), 0);
    return 0;
}

static int is_no_member(void *arg)
{
    struct drained *w = arg;
    struct weir_select stop[] = {WEIR_ON_STOP(w->other)};

    EQ(weir_select(stop, 1, 0), -EXDEV);
    return 0;
}

LOOPS_TEST(only_members_hear_a_stop_from_another_loop)
{
    struct drained w = {.other = weir_scope_open(NULL)};

    w.scope = weir_scope_open(NULL);
    GO_ON(w.scope, 1, is_no_member, &w);
    EQ(weir_scope_close(&w.scope), 0);
    EQ(weir_scope_close(&w.other), 0);
    return 0;
}

static int uses_a_foreign_scope(void *arg)
{
    weir_scope *s = arg;
    struct weir_done d;

    EQ(weir_go(s, fiber_nothing, NULL), -EXDEV);
    EQ(weir_go_on(s, 0, fiber_nothing, NULL, NULL), -EXDEV);
    EQ(weir_scope_cancel(s, -EIO), -EXDEV);
    EQ(weir_scope_drain(s, WEIR_NEVER), -EXDEV);
    EQ(weir_scope_next(s, &d, 0), -EXDEV);
    EQ(weir_scope_close(&s), -EINVAL);
    return 0;
}

LOOPS_TEST(what_is_wrong_between_loops_is_said)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 4});

    EQ(weir_go_on(s, LOOPS, fiber_nothing, NULL, NULL), -EINVAL);
    EQ(weir_go_on(s, -2, fiber_nothing, NULL, NULL), -EINVAL);
    EQ(weir_go_on(s, 1, NULL, NULL, NULL), -EINVAL);
    EQ(weir_go_on(NULL, 1, fiber_nothing, NULL, NULL), -EINVAL);
    EQ(weir_go_on(s, 1, fiber_nothing, NULL, &(struct weir_go_opts){.reserved = {1}}), -EINVAL);
    GO_ON(s, 1, uses_a_foreign_scope, s);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

static int alone(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    int ran = 0;

    (void)arg;
    EQ(weir_loops(), 1);
    EQ(weir_loop_index(), 0);
    EQ(weir_go_on(s, 1, fiber_result, &ran, NULL), -EINVAL);
    GO_ON(s, WEIR_ANY_LOOP, fiber_result, &ran);
    GO_ON(s, 0, fiber_result, &ran);
    EQ(weir_scope_close(&s), 0);
    s = weir_scope_open(&(struct weir_scope_opts){.spread = 1});
    GO(s, fiber_result, &ran);
    return weir_scope_close(&s);
}

TEST(one_loop_is_any_loop)
{
    struct weir_config many = {.loops = 2}, toomany = {.loops = 257};

    EQ(world_real(alone, NULL), 0);
    EQ(weir_loops(), WEIR_ENOFIBER);
    EQ(weir_loop_index(), WEIR_ENOFIBER);
    EQ(weir_run(&toomany, alone, NULL), -EINVAL);
    EQ(weir_sim_run(1, &many, alone, NULL), -ENOTSUP);
    many.catch_overflow = 1;
    EQ(weir_run(&many, alone, NULL), -ENOTSUP); /* one handler, one loop */
    many.catch_overflow = 0;
}

/* --- placing ------------------------------------------------------------ */

/* Counts where it runs; holds its loop without parking, as work does. */
static int works(void *arg)
{
    int *count = arg;
    volatile int spin = 0;

    __atomic_add_fetch(&count[weir_loop_index()], 1, __ATOMIC_RELAXED);
    while (spin < 20000)
        spin++;
    return 0;
}

LOOPS_TEST(a_scope_that_spreads_uses_all_loops)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.spread = 1});
    int count[LOOPS] = {0}, sum = 0;

    for (int i = 0; i < 30 * LOOPS; i++)
        GO(s, works, count);
    EQ(weir_scope_running(s), 30 * LOOPS);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < LOOPS; i++) {
        OK(count[i] > 0);
        sum += count[i];
    }
    EQ(sum, 30 * LOOPS);
    s = weir_scope_open(&(struct weir_scope_opts){.spread = 2});
    EQ(weir_scope_close(&s), -EINVAL);
    return 0;
}

LOOPS_TEST(what_was_placed_is_counted_until_it_ends_at_home_too)
{
    struct weir__group *g = weir__loop_get()->group;

    for (int k = 0; k < 50; k++) {
        weir_scope *s =
            weir_scope_open(&(struct weir_scope_opts){.spread = 1, .results = 9, .limit = 90});
        uint32_t sum = 0;
        int at[9];

        for (int i = 0; i < 9; i++)
            GO(s, tells_its_loop, &at[i]);
        for (uint32_t i = 0; i < LOOPS; i++)
            sum += __atomic_load_n(&g->loops[i]->load, __ATOMIC_RELAXED);
        LE(sum, 9);
        EQ(weir_scope_close(&s), 0);
        for (uint32_t i = 0; i < LOOPS; i++) {
            EQ(__atomic_load_n(&g->loops[i]->load, __ATOMIC_RELAXED), 0);
            EQ(__atomic_load_n(&g->loops[i]->coming, __ATOMIC_RELAXED), 0);
        }
    }
    return 0;
}

static int feeds_one(void *arg)
{
    int x = 1;

    return weir_send((weir_chan *)arg, &x, WEIR_NEVER) == 1 ? 0 : -EIO;
}

LOOPS_TEST(spread_fibers_feed_fail_and_are_cancelled_like_others)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.spread = 1, .limit = 4});
    int x, n = 0;

    EQ(weir_chan_producer_add(ch), 0);
    for (int i = 0; i < 4; i++)
        EQ(weir_go_with(s, feeds_one, ch, &(struct weir_go_opts){.feeds = ch}), 0);
    EQ(weir_chan_producer_done(ch, 0), 0);
    while (weir_recv(ch, &x, WEIR_NEVER) == 1)
        n++;
    EQ(n, 4);
    GO(s, fails_soon, NULL);
    GO(s, fiber_forever, NULL);
    GO(s, fiber_forever, NULL);
    EQ(weir_scope_close(&s), -EIO);
    s = weir_scope_open(&(struct weir_scope_opts){.spread = 1});
    EQ(weir_scope_drain(s, WEIR_NEVER), 0);
    EQ(weir_go(s, fiber_nothing, NULL), -ECANCELED);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&ch);
    return 0;
}
