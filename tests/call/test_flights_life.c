/*
 * test_flights_life.c -- the values of a set of flights, which have an owner each; its end;
 * what it refuses; and a fault at every point of it (K9 of the policies' properties).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "call/flights_world.h"

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
