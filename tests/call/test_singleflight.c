/*
 * test_singleflight.c -- one load for all who want it now; whoever leaves
 * disturbs nobody (K1, K2, K3, K5, K9 of the policies' properties).
 */
#include <stdlib.h>
#include <weir/singleflight.h>

#include "base/alloc.h"
#include "core/world.h"

struct world {
    weir_flights *set;
    weir_span takes;
    int fail; /* what loads return; 0: success */
    int loads, ended, running, most;
    int cancelled;       /* loads that were cut */
    int key;             /* for callers */
    int want, got_value; /* of callers: what they should get; how many did */
    int got_error, got_cancel;
    int code; /* the last error */
};

static int load_number(void *ctx, const void *key, size_t len, void *out)
{
    struct world *w = ctx;
    int number, r;

    EQ(len, sizeof number);
    memcpy(&number, key, sizeof number);
    w->loads++;
    if (++w->running > w->most)
        w->most = w->running;
    r = weir_sleep(weir_after(w->takes));
    w->running--;
    w->ended++;
    if (r < 0)
        w->cancelled++;
    if (r < 0 || w->fail)
        return r < 0 ? r : w->fail;
    *(int *)out = number * 10;
    return 0;
}

static weir_flights *numbers(struct world *w)
{
    return weir_flights_new(
        &(struct weir_flights_opts){.type = WEIR_TYPE(int), .load = load_number, .ctx = w});
}

static int ask(struct world *w, int key)
{
    int value = -7, r = weir_flights_run(w->set, &key, sizeof key, &value, sizeof value);

    if (r >= 0) {
        EQ(value, key * 10);
        w->got_value++;
    } else {
        EQ(value, -7); /* not written */
        w->code = r;
        if (r == -ECANCELED)
            w->got_cancel++;
        else
            w->got_error++;
    }
    return r;
}

static int asker(void *arg)
{
    struct world *w = arg;
    (void)ask(w, w->key);
    return 0;
}

struct numbered {
    struct world *w;
    int key;
};

static int asker_of(void *arg)
{
    struct numbered *n = arg;
    (void)ask(n->w, n->key);
    return 0;
}

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

/* --- values with an owner ----------------------------------------------------------- */

static int clones_left;

static void text_drop(void *item)
{
    char **text = item;
    weir__free(*text, 8);
}

static int text_clone(void *to, const void *from)
{
    char *copy = clones_left-- > 0 ? weir__alloc(8) : NULL;

    if (!copy)
        return -ENOMEM;
    memcpy(copy, *(char *const *)from, 8);
    *(char **)to = copy;
    return 0;
}

static int load_text(void *ctx, const void *key, size_t len, void *out)
{
    char *text;
    int r = weir_sleep(weir_after(WEIR_MS(1)));

    (void)ctx;
    if (r < 0)
        return r;
    text = weir__alloc(8);
    if (!text)
        return -ENOMEM;
    memcpy(text, key, len < 7 ? len : 7);
    *(char **)out = text;
    return 0;
}

static const struct weir_flights_opts text_opts = {
    .type = {sizeof(char *), sizeof(char *), text_drop, text_clone, "text"}, .load = load_text};

struct text_world {
    weir_flights *set;
    int got, failed, code;
};

static int text_asker(void *arg)
{
    struct text_world *w = arg;
    char *text = NULL;
    int r = weir_flights_run(w->set, "fish", 4, &text, sizeof text);

    if (r == 0)
        STREQ(text, "fish");
    w->got += r == 0;
    w->failed += r < 0;
    w->code = r < 0 ? r : w->code;
    text_drop(&text);
    return 0;
}

SIM_TEST(each_caller_owns_its_value)
{
    struct text_world w = {weir_flights_new(&text_opts), 0, 0, 0};
    weir_scope *s = weir_scope_open(NULL);

    clones_left = 4; /* the last of five needs no copy */
    for (int i = 0; i < 5; i++)
        GO(s, text_asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.got, 5);
    EQ(clones_left, 0);
    weir_flights_free(&w.set);
    return 0;
}

SIM_TEST(a_clone_that_fails_fails_for_its_caller_alone)
{
    struct text_world w = {weir_flights_new(&text_opts), 0, 0, 0};
    weir_scope *s = weir_scope_open(NULL);

    clones_left = 2;
    for (int i = 0; i < 5; i++)
        GO(s, text_asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.got, 3);
    EQ(w.failed, 2);
    EQ(w.code, -ENOMEM);
    weir_flights_free(&w.set);
    return 0;
}

struct wide {
    _Alignas(64) char c[64];
};

static int load_wide(void *ctx, const void *key, size_t len, void *out)
{
    (void)ctx, (void)key, (void)len;
    EQ((uintptr_t)out & 63, 0);
    *(struct wide *)out = (struct wide){{1}};
    return 0;
}

SIM_TEST(values_lie_as_their_type_asks)
{
    weir_flights *f = weir_flights_new(
        &(struct weir_flights_opts){.type = WEIR_TYPE(struct wide), .load = load_wide});
    struct wide out;

    for (size_t len = 0; len < 70; len++)
        EQ(weir_flights_run(
               f, "1234567890123456789012345678901234567890123456789012345678901234567890", len,
               &out, sizeof out),
           0);
    weir_flights_free(&f);
    return 0;
}

/* --- the end (K9) --------------------------------------------------------------------- */

SIM_TEST(a_free_cancels_loads_and_waits_for_the_callers)
{
    struct world w = {.takes = WEIR_S(10), .key = 1};
    weir_scope *s;

    w.set = numbers(&w);
    s = weir_scope_open(NULL);
    for (int i = 0; i < 5; i++)
        GO(s, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    weir_flights_free(&w.set);
    EQ(w.cancelled, 1);
    EQ(w.got_cancel, 5); /* they have left: the set is not needed any more */
    EQ(weir_scope_close(&s), 0);
    EQ(world_age(), WEIR_MS(1));
    return 0;
}

struct late {
    weir_flights *set;
    int result;
};

static int load_then_ask_again(void *ctx, const void *key, size_t len, void *out)
{
    struct late *l = ctx;
    struct weir_limit shield;
    int r = weir_sleep(weir_after(WEIR_S(10)));

    (void)key, (void)len, (void)out;
    EQ(r, -ECANCELED);
    EQ(weir_shield_init(&shield, WEIR_S(1)), 0);
    l->result = weir_flights_run(l->set, "y", 1, &r, sizeof r);
    return weir_limit_fini(&shield, -ECANCELED);
}

static int late_asker(void *arg)
{
    struct late *l = arg;
    int out;
    EQ(weir_flights_run(l->set, "x", 1, &out, sizeof out), -ECANCELED);
    return 0;
}

SIM_TEST(a_call_during_the_free_is_told_that_it_is_closed)
{
    struct late l = {NULL, 0};
    weir_flights *f;
    weir_scope *s = weir_scope_open(NULL);

    f = l.set = weir_flights_new(&(struct weir_flights_opts){
        .type = WEIR_TYPE(int), .load = load_then_ask_again, .ctx = &l});
    GO(s, late_asker, &l);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    weir_flights_free(&f);
    EQ(l.result, WEIR_ECLOSED);
    return weir_scope_close(&s);
}

SIM_TEST(when_the_builders_scope_closes_loads_are_cut_and_calls_refused)
{
    struct world w = {.takes = WEIR_S(10), .key = 1};
    weir_scope *callers = weir_scope_open(NULL), *builder = weir_scope_open(NULL);

    w.set = numbers(&w);
    GO(callers, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_scope_close(&builder), 0);
    EQ(weir_scope_close(&callers), 0);
    EQ(w.got_cancel, 1);
    EQ(w.cancelled, 1);
    EQ(ask(&w, 1), -ECANCELED);
    weir_flights_free(&w.set);
    return 0;
}

TEST(a_set_made_off_a_fiber_and_never_used_is_freed_there)
{
    struct world w = {.takes = 1};

    w.set = numbers(&w);
    EQ(weir_flights_error(w.set), 0);
    EQ(ask(&w, 1), WEIR_ENOFIBER);
    weir_flights_free(&w.set);
    weir_flights_free(&w.set);
    weir_flights_free(NULL);
}

static int use_once(void *arg)
{
    struct world *w = arg;
    return ask(w, 1);
}

TEST(a_set_made_off_a_fiber_serves_the_run_that_uses_it)
{
    struct world w = {.takes = WEIR_MS(1)};

    w.set = numbers(&w);
    EQ(world_run(use_once, &w), 0);
    weir_flights_free(&w.set);
}

/* --- what is refused --------------------------------------------------------------------- */

TEST(bad_options_give_a_poisoned_handle)
{
    struct weir_flights_opts bad[8];
    struct weir_flights_stats stats;

    for (size_t i = 0; i < 8; i++)
        bad[i] = (struct weir_flights_opts){.type = WEIR_TYPE(int), .load = load_number};
    bad[0].load = NULL;
    bad[1].type.size = 0;
    bad[2].type.size = (1 << 20) + 1;
    bad[3].type.align = 128;
    bad[4].type.align = 3;
    bad[5].type.drop = text_drop;
    bad[6].reserved[3] = 1;
    bad[7].reserved[0] = 1;
    for (size_t i = 0; i < 8; i++) {
        weir_flights *f = weir_flights_new(&bad[i]);
        int out = 0;
        EQ(weir_flights_error(f), -EINVAL);
        EQ(weir_flights_run(f, "x", 1, &out, sizeof out), -EINVAL);
        EQ(weir_flights_forget(f, "x", 1), -EINVAL);
        weir_flights_stats(f, &stats);
        EQ(stats.calls, 0);
        weir_flights_free(&f);
        OK(!f);
    }
    EQ(weir_flights_error(weir_flights_new(NULL)), -EINVAL);
    EQ(weir_flights_error(NULL), -EINVAL);
}

SIM_TEST(bad_arguments_are_refused)
{
    struct world w = {.takes = 1};
    int out;

    w.set = numbers(&w);
    EQ(weir_flights_run(NULL, "x", 1, &out, sizeof out), -EINVAL);
    EQ(weir_flights_run(w.set, NULL, 1, &out, sizeof out), -EINVAL);
    EQ(weir_flights_run(w.set, "x", (64 << 10) + 1, &out, sizeof out), -EINVAL);
    EQ(weir_flights_run(w.set, "x", 1, NULL, sizeof out), -EINVAL);
    EQ(weir_flights_run(w.set, "x", 1, &out, 1), WEIR_ETYPE);
    EQ(weir_flights_forget(w.set, NULL, 1), -EINVAL);
    EQ(w.loads, 0);
    weir_flights_free(&w.set);
    return 0;
}

/* --- every point -------------------------------------------------------------------------- */

static int everything(void *arg)
{
    struct text_world *w = arg;
    weir_scope *s;
    int r = 0;

    clones_left = 100;
    w->set = weir_flights_new(&text_opts);
    s = weir_scope_open(NULL);
    for (int i = 0; i < 3 && r == 0; i++)
        r = weir_go(s, text_asker, w);
    if (r == 0)
        r = weir_within(WEIR_US(500), text_asker, w);
    r = weir_scope_close(&s);
    weir_flights_free(&w->set);
    return r;
}

static void one_point(void *arg __attribute__((unused)))
{
    struct text_world w = {NULL, 0, 0, 0};
    struct weir_config config = {.alloc = test_alloc};
    int r = weir_sim_run(1, &config, everything, &w);

    if (test_fault_hit())
        return;
    EQ(r, 0);
    EQ(w.got, 3);
    EQ(w.failed, 1);
}

TEST_WITH(whatever_point_fails_every_call_returns_and_nothing_is_left, .timeout = 60)
{
    EVERY_POINT(one_point, NULL);
}
