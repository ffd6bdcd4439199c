/*
 * test_singleflight.c -- one load for all who want it now; whoever leaves
 * disturbs nobody (K1, K2, K3, K5 of the policies' properties).
 */
#include <stdlib.h>

#include "call/flights_world.h"

/* --- K1 ------------------------------------------------------------------------ */

SIM_TEST(a_thousand_callers_of_one_key_share_one_load)
{
    struct world w = {.takes = WEIR_MS(10), .key = 4};
    weir_scope *s;
    struct weir_flights_stats stats;

    w.set = numbers(&w);
    s = weir_scope_open(NULL);
    for (int i = 0; i < 1000; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1);
    EQ(w.got_value, 1000);
    EQ(world_age(), WEIR_MS(10));
    weir_flights_stats(w.set, &stats);
    EQ(stats.calls, 1000);
    EQ(stats.loads, 1);
    EQ(stats.flying + stats.waiting + stats.failed + stats.abandoned, 0);
    EQ(ask(&w, 4), 0); /* it was not kept */
    EQ(w.loads, 2);
    weir_flights_free(&w.set);
    OK(!w.set);
    return 0;
}

SIM_TEST(a_thousand_keys_are_a_thousand_loads_at_once)
{
    struct world w = {.takes = WEIR_MS(10)};
    static struct numbered n[1000];
    weir_scope *s;

    w.set = numbers(&w);
    s = weir_scope_open(NULL);
    for (int i = 0; i < 1000; i++) {
        n[i] = (struct numbered){&w, i};
        GO(s, asker_of, &n[i]);
    }
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1000);
    EQ(w.most, 1000);
    EQ(w.got_value, 1000);
    weir_flights_free(&w.set);
    return 0;
}

/* --- K2 ------------------------------------------------------------------------ */

SIM_TEST(the_first_caller_may_leave_and_the_others_do_not_notice)
{
    struct world w = {.takes = WEIR_MS(10), .key = 1};
    weir_scope *first, *rest;

    w.set = numbers(&w);
    rest = weir_scope_open(NULL);
    first = weir_scope_open(NULL);
    GO(first, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    for (int i = 0; i < 9; i++)
        GO(rest, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_scope_cancel(first, -EINTR), 0);
    EQ(weir_scope_close(&first), -EINTR);
    EQ(weir_scope_close(&rest), 0);
    EQ(w.loads, 1);
    EQ(w.cancelled, 0);
    EQ(w.got_value, 9);
    EQ(w.got_cancel, 1);
    weir_flights_free(&w.set);
    return 0;
}

SIM_TEST(when_the_last_caller_leaves_the_load_is_cancelled)
{
    struct world w = {.takes = WEIR_S(10), .key = 1};
    weir_scope *s;
    struct weir_flights_stats stats;

    w.set = numbers(&w);
    s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_S(1))});
    for (int i = 0; i < 5; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    EQ(w.got_cancel, 5);
    world_settle();
    EQ(w.cancelled, 1);
    EQ(world_age(), WEIR_S(1));
    weir_flights_stats(w.set, &stats);
    EQ(stats.abandoned, 1);
    EQ(stats.flying, 0);
    EQ(ask(&w, 1), 0); /* and the next one is answered */
    EQ(w.loads, 2);
    weir_flights_free(&w.set);
    return 0;
}

static int load_stubborn(void *ctx, const void *key, size_t len, void *out)
{
    struct world *w = ctx;
    struct weir_limit l;
    int mine = ++w->loads;

    (void)key, (void)len;
    EQ(weir_shield_init(&l, WEIR_S(99)), 0);
    EQ(weir_sleep(weir_after(WEIR_S(10))), 0);
    EQ(weir_limit_fini(&l, 0), 0);
    *(int *)out = mine;
    return 0;
}

SIM_TEST(one_who_comes_after_the_last_has_left_gets_a_load_of_its_own)
{
    struct world w = {.key = 1};
    int value = 0;

    w.set = weir_flights_new(
        &(struct weir_flights_opts){.type = WEIR_TYPE(int), .load = load_stubborn, .ctx = &w});
    EQ(weir_within(WEIR_S(1), asker, &w), 0);
    EQ(w.got_cancel, 1);
    EQ(weir_flights_run(w.set, &w.key, sizeof w.key, &value, sizeof value), 0);
    EQ(value, 2); /* not that of the load that was given up and still runs to its end */
    EQ(world_age(), WEIR_S(11));
    weir_flights_free(&w.set);
    return 0;
}

SIM_TEST(a_caller_that_is_cancelled_already_starts_nothing)
{
    struct world w = {.takes = 1, .key = 1};
    struct weir_limit l;

    w.set = numbers(&w);
    EQ(weir_limit_init(&l, 0), 0);
    EQ(ask(&w, 1), -ECANCELED);
    EQ(weir_limit_fini(&l, 0), 0);
    world_settle();
    EQ(w.loads, 0);
    weir_flights_free(&w.set);
    return 0;
}

/* One that leaves before the fiber had its first turn. */
SIM_TEST(a_load_that_nobody_waits_for_before_it_began_does_not_begin)
{
    struct world w = {.takes = WEIR_S(1), .key = 1};
    struct weir_flights_stats stats;
    weir_scope *s;

    w.set = numbers(&w);
    s = weir_scope_open(NULL);
    GO(s, asker, &w);
    while (weir_flights_stats(w.set, &stats), stats.waiting == 0)
        EQ(weir_yield(), 0);
    if (w.loads == 0) {
        EQ(weir_scope_cancel(s, -EINTR), 0);
        EQ(weir_scope_close(&s), -EINTR);
        world_settle();
        LE(w.loads, 1);
        EQ(w.loads, w.ended);
    } else
        EQ(weir_scope_close(&s), 0);
    weir_flights_free(&w.set);
    return 0;
}

/* --- K3 ------------------------------------------------------------------------ */

SIM_TEST(an_error_goes_to_all_who_wait_and_is_forgotten)
{
    struct world w = {.takes = WEIR_MS(10), .key = 1, .fail = -EIO};
    weir_scope *s;
    struct weir_flights_stats stats;

    w.set = numbers(&w);
    s = weir_scope_open(NULL);
    for (int i = 0; i < 10; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1);
    EQ(w.got_error, 10);
    EQ(w.code, -EIO);
    w.fail = 0;
    EQ(ask(&w, 1), 0);
    EQ(w.loads, 2);
    weir_flights_stats(w.set, &stats);
    EQ(stats.failed, 1);
    weir_flights_free(&w.set);
    return 0;
}

static int load_count(void *ctx, const void *key, size_t len, void *out)
{
    (void)ctx, (void)key;
    *(int *)out = 1;
    return (int)len;
}

SIM_TEST(what_a_load_returns_is_what_its_callers_get)
{
    int out = 0;
    weir_flights *f =
        weir_flights_new(&(struct weir_flights_opts){.type = WEIR_TYPE(int), .load = load_count});

    EQ(weir_flights_run(f, "abc", 3, &out, sizeof out), 3);
    EQ(weir_flights_run(f, NULL, 0, &out, sizeof out), 0);
    weir_flights_free(&f);
    return 0;
}

/* --- K5 ------------------------------------------------------------------------ */

/* Key k asks for what `next[k]` says; -1: it is a leaf. */
struct ring {
    weir_flights *set;
    int next[200];
    int loads;
};

static int ring_ask(struct ring *r, int key, int *out)
{
    return weir_flights_run(r->set, &key, sizeof key, out, sizeof *out);
}

struct ring_child {
    struct ring *ring;
    int key, result;
};

static int ring_child(void *arg)
{
    struct ring_child *c = arg;
    int out;

    c->result = ring_ask(c->ring, c->key, &out);
    return 0;
}

static int load_ring(void *ctx, const void *key, size_t len, void *out)
{
    struct ring *ring = ctx;
    struct ring_child c = {.ring = ring};
    int number, r;
    weir_scope *s;

    (void)len;
    memcpy(&number, key, sizeof number);
    ring->loads++;
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    c.key = ring->next[number];
    *(int *)out = number;
    if (c.key < 0)
        return 0;
    if (number % 2) /* half of them ask from a fiber of their own */
        return ring_ask(ring, c.key, &(int){0});
    s = weir_scope_open(NULL);
    r = weir_go(s, ring_child, &c);
    EQ(weir_scope_close(&s), 0);
    return r < 0 ? r : c.result;
}

static weir_flights *ring_flights(struct ring *r)
{
    return weir_flights_new(
        &(struct weir_flights_opts){.type = WEIR_TYPE(int), .load = load_ring, .ctx = r});
}

SIM_TEST(a_load_that_asks_for_itself_is_told_so)
{
    struct ring r = {.next = {0, 1, 3, 4, 5, 2, -1, 6}};
    int out = 0;
    weir_time start;

    r.set = ring_flights(&r);
    EQ(ring_ask(&r, 0, &out), -EDEADLK); /* from a fiber of the load */
    EQ(ring_ask(&r, 1, &out), -EDEADLK); /* from the load itself */
    start = weir_now();
    EQ(ring_ask(&r, 2, &out), -EDEADLK); /* round 2 3 4 5 2 */
    EQ(weir_now() - start, WEIR_MS(4));
    EQ(ring_ask(&r, 7, &out), 0); /* loads may ask for others */
    EQ(out, 7);
    weir_flights_free(&r.set);
    return 0;
}

SIM_TEST(two_loads_that_want_one_another_do_not_hang)
{
    struct ring r = {.next = {1, 0}};
    weir_scope *s;
    struct ring_child c[2] = {{.ring = &r, .key = 0}, {.ring = &r, .key = 1}};

    r.set = ring_flights(&r);
    s = weir_scope_open(NULL);
    GO(s, ring_child, &c[0]);
    GO(s, ring_child, &c[1]);
    EQ(weir_scope_close(&s), 0);
    EQ(c[0].result, -EDEADLK);
    EQ(c[1].result, -EDEADLK);
    EQ(r.loads, 2);
    weir_flights_free(&r.set);
    return 0;
}

SIM_TEST(loads_that_go_ever_deeper_end)
{
    struct ring r = {.set = NULL};
    int out;

    for (int i = 0; i < 200; i++)
        r.next[i] = i + 1 < 200 ? i + 1 : -1;
    r.set = ring_flights(&r);
    EQ(ring_ask(&r, 0, &out), -EDEADLK);
    EQ(r.loads, 64);
    EQ(ring_ask(&r, 150, &out), 0);
    weir_flights_free(&r.set);
    return 0;
}

/* --- forgetting ------------------------------------------------------------------ */

SIM_TEST(who_comes_after_a_forget_gets_another_load)
{
    struct world w = {.takes = WEIR_MS(10), .key = 1};
    weir_scope *s;

    w.set = numbers(&w);
    s = weir_scope_open(NULL);
    EQ(weir_flights_forget(w.set, &w.key, sizeof w.key), 0);
    GO(s, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_flights_forget(w.set, &w.key, sizeof w.key), 1);
    EQ(weir_flights_forget(w.set, &w.key, sizeof w.key), 0);
    GO(s, asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 2);
    EQ(w.got_value, 2);
    weir_flights_free(&w.set);
    return 0;
}
