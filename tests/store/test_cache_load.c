/*
 * test_cache_load.c -- get_or_load: one load for all, errors, what is forgotten
 * or replaced meanwhile, the end (K1-K5, K9 of the policies' properties).
 */
#include "store/cache_world.h"

/* --- K1: one load -------------------------------------------------------------------------- */

SIM_TEST(a_thousand_misses_of_one_key_are_one_load)
{
    struct world w = {.takes = WEIR_MS(10), .key = 4};
    weir_scope *s;

    make(&w, WITH(.ttl = WEIR_S(10)));
    s = weir_scope_open(NULL);
    for (int i = 0; i < 1000; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1);
    EQ(w.got, 1000);
    EQ(w.last, 4001);
    EQ(ask(&w, 4), 4001);
    EQ(look(&w, 4), 4001);
    EQ(stats_of(&w).misses, 1000);
    EQ(stats_of(&w).hits, 2);
    EQ(stats_of(&w).loads, 1);
    EQ(stats_of(&w).load_time, WEIR_MS(10));
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(a_thousand_keys_are_a_thousand_loads)
{
    static struct numbered n[1000];
    struct world w = {.takes = WEIR_MS(10)};
    weir_scope *s;

    make(&w, WITH(.max_entries = 1000));
    s = weir_scope_open(NULL);
    for (int i = 0; i < 1000; i++) {
        n[i] = (struct numbered){&w, i};
        GO(s, asker_of, &n[i]);
    }
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1000);
    EQ(w.most, 1000);
    EQ(stats_of(&w).entries, 1000);
    weir_cache_free(&w.c);
    return 0;
}

/* --- K2: who leaves ------------------------------------------------------------------------- */

SIM_TEST(the_first_to_ask_may_leave)
{
    struct world w = {.takes = WEIR_MS(10), .key = 1};
    weir_scope *first, *rest;

    make(&w, WITH(.ttl = WEIR_S(10)));
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
    EQ(w.got, 9);
    EQ(w.cancelled, 1);
    EQ(w.cut, 0);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(the_last_to_leave_ends_the_load_and_nothing_is_kept)
{
    struct world w = {.takes = WEIR_S(10), .key = 1};
    weir_scope *s;

    make(&w, WITH(.negative_ttl = WEIR_S(100)));
    s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_S(1))});
    for (int i = 0; i < 5; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    EQ(w.cancelled, 5);
    world_settle();
    EQ(w.cut, 1);
    EQ(stats_of(&w).abandoned, 1);
    EQ(stats_of(&w).failed, 0);
    EQ(stats_of(&w).entries, 0);
    EQ(ask(&w, 1), 1002);
    weir_cache_free(&w.c);
    return 0;
}

static int load_stubborn(void *ctx, const void *key, size_t len, void *out, weir_span *ttl)
{
    struct world *w = ctx;
    struct weir_limit l;
    int mine = ++w->loads;

    (void)key, (void)len, (void)ttl;
    EQ(weir_shield_init(&l, WEIR_S(99)), 0);
    EQ(weir_sleep(weir_after(mine == 1 ? WEIR_S(10) : WEIR_S(1))), 0);
    *(int *)out = mine;
    return weir_limit_fini(&l, 0);
}

/* The old load ends after the new one: it must not win. */
SIM_TEST(an_abandoned_load_that_ends_all_the_same_replaces_nothing)
{
    struct world w = {.key = 1};

    w.c = weir_cache_new(
        &(struct weir_cache_opts){.type = WEIR_TYPE(int), .load = load_stubborn, .ctx = &w});
    EQ(weir_within(WEIR_S(1), asker, &w), 0);
    EQ(w.cancelled, 1);
    EQ(ask(&w, 1), 2);
    AT(WEIR_S(20));
    EQ(ask(&w, 1), 2);
    EQ(w.loads, 2);
    EQ(stats_of(&w).replaced, 0);
    weir_cache_free(&w.c);
    return 0;
}

/* --- K3: errors ------------------------------------------------------------------------------ */

SIM_TEST(an_error_goes_to_all_who_wait_and_is_not_kept)
{
    struct world w = {.takes = WEIR_MS(10), .key = 1, .fail = -EIO};
    weir_scope *s;

    make(&w, WITH(.ttl = WEIR_S(10)));
    s = weir_scope_open(NULL);
    for (int i = 0; i < 10; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1);
    EQ(w.failed, 10);
    EQ(w.code, -EIO);
    EQ(stats_of(&w).entries, 0);
    w.fail = 0;
    EQ(ask(&w, 1), 1002);
    EQ(stats_of(&w).failed, 1);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(an_error_is_kept_for_its_ttl_exactly_when_that_is_asked_for)
{
    struct world w = {.fail = -ENOENT};

    make(&w, WITH(.ttl = WEIR_S(99), .negative_ttl = WEIR_S(2), .jitter = 50, .refresh = 50,
                  .stale = WEIR_S(9), .stale_error = WEIR_S(9)));
    EQ(ask(&w, 1), -ENOENT);
    AT(WEIR_S(2) - 1);
    EQ(ask(&w, 1), -ENOENT);
    EQ(look(&w, 1), -ENOENT);
    EQ(w.loads, 1);
    EQ(stats_of(&w).hits, 2);
    AT(WEIR_S(2));
    EQ(look(&w, 1), -1);
    EQ(ask(&w, 1), -ENOENT);
    EQ(w.loads, 2);
    EQ(put(&w, 1, 5), 0); /* a value is better than an error */
    EQ(ask(&w, 1), 5);
    weir_cache_free(&w.c);
    return 0;
}

/* --- the ttl of a load ----------------------------------------------------------------------- */

SIM_TEST(a_load_says_how_long_its_value_is_good)
{
    struct world w = {.ttl = WEIR_S(3)};

    make(&w, WITH(.ttl = WEIR_S(99)));
    EQ(ask(&w, 1), 1001);
    AT(WEIR_S(3) - 1);
    EQ(ask(&w, 1), 1001);
    AT(WEIR_S(3));
    EQ(ask(&w, 1), 1002);
    w.ttl = -1; /* not at all */
    EQ(ask(&w, 2), 2003);
    EQ(ask(&w, 2), 2004);
    EQ(stats_of(&w).refused, 2);
    w.ttl = WEIR_NEVER;
    EQ(ask(&w, 3), 3005);
    AT(WEIR_S(99999));
    EQ(ask(&w, 3), 3005);
    weir_cache_free(&w.c);
    return 0;
}

static uint64_t weigh_much(void *ctx, const void *key, size_t len, const void *value)
{
    (void)ctx, (void)key, (void)len, (void)value;
    return 50;
}

SIM_TEST(what_is_too_heavy_is_handed_out_and_not_kept)
{
    struct world w = {.key = 1};

    make(&w, WITH(.max_weight = 49, .weigh = weigh_much));
    EQ(ask(&w, 1), 1001);
    EQ(ask(&w, 1), 1002);
    EQ(stats_of(&w).refused, 2);
    EQ(stats_of(&w).entries, 0);
    weir_cache_free(&w.c);
    return 0;
}

/* --- K4: meanwhile --------------------------------------------------------------------------- */

enum meanwhile { INVALIDATE, CLEAR, PUT };

static int during_load(enum meanwhile what)
{
    struct world w = {.takes = WEIR_S(1), .key = 1};
    weir_scope *s;

    make(&w, WITH(.ttl = WEIR_S(99)));
    s = weir_scope_open(NULL);
    GO(s, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(what == PUT ? put(&w, 1, 77) : what == CLEAR ? weir_cache_clear(w.c) : forget(&w, 1) - 1, 0);
    if (what != PUT)
        EQ(forget(&w, 1), 0); /* there is none any more that could be joined */
    EQ(weir_scope_close(&s), 0);
    EQ(w.got, 1); /* who waited has asked before */
    EQ(w.last, 1001);
    EQ(look(&w, 1), what == PUT ? 77 : -1);
    EQ(ask(&w, 1), what == PUT ? 77 : 1002);
    EQ(stats_of(&w).refused, 1);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(what_is_invalidated_during_its_load_does_not_come_back)
{
    return during_load(INVALIDATE);
}

SIM_TEST(nor_what_is_cleared)
{
    return during_load(CLEAR);
}

SIM_TEST(a_load_does_not_replace_what_was_put_after_it_began)
{
    return during_load(PUT);
}

SIM_TEST(an_error_of_what_was_invalidated_is_not_kept)
{
    struct world w = {.takes = WEIR_S(1), .key = 1, .fail = -EIO};
    weir_scope *s;

    make(&w, WITH(.ttl = WEIR_S(99), .negative_ttl = WEIR_S(99)));
    s = weir_scope_open(NULL);
    GO(s, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(forget(&w, 1), 1);
    EQ(weir_scope_close(&s), 0);
    EQ(w.code, -EIO);
    EQ(look(&w, 1), -1);
    EQ(stats_of(&w).entries, 0);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(an_invalidated_refresh_is_cancelled)
{
    struct world w = {.takes = WEIR_S(5)};

    make(&w, WITH(.ttl = WEIR_S(10), .refresh = 50));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(6));
    EQ(ask(&w, 1), 7);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(w.running, 1);
    EQ(forget(&w, 1), 1);
    world_settle();
    EQ(w.cut, 1); /* nobody waited for it */
    EQ(look(&w, 1), -1);
    weir_cache_free(&w.c);
    return 0;
}

/* --- K5: itself ------------------------------------------------------------------------------ */

static int load_next(void *ctx, const void *key, size_t len, void *out, weir_span *ttl)
{
    struct world *w = ctx;
    weir_cached *h = NULL;
    int number, r;

    (void)ttl;
    memcpy(&number, key, len);
    w->loads++;
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    *(int *)out = number;
    if (number == 0)
        return 0;
    number =
        number == 7 ? 5 : number - 1; /* 5 and 4 .. 0 are a line; 7 asks for 5; 99 for itself */
    number = number == 98 ? 99 : number;
    r = weir_cache_get_or_load(w->c, &number, sizeof number, &h);
    weir_cached_unref(&h);
    return r;
}

SIM_TEST(a_load_that_asks_for_its_own_key_is_told_so)
{
    struct world w = {0};

    w.c = weir_cache_new(&(struct weir_cache_opts){
        .type = WEIR_TYPE(int), .load = load_next, .ctx = &w, .max_entries = 300});
    EQ(ask(&w, 99), -EDEADLK);
    EQ(ask(&w, 7), 7);
    EQ(w.loads, 1 + 7);
    EQ(ask(&w, 250), -EDEADLK); /* ever deeper */
    EQ(w.loads, 8 + 64);
    weir_cache_free(&w.c);
    return 0;
}

/* --- K9: the end ----------------------------------------------------------------------------- */

SIM_TEST(a_free_ends_loads_refreshes_and_waits)
{
    struct world w = {.takes = WEIR_S(100), .key = 2};
    weir_scope *s = weir_scope_open(NULL);

    make(&w, WITH(.ttl = WEIR_S(10), .refresh = 50, .negative_ttl = WEIR_S(1)));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(6));
    EQ(ask(&w, 1), 7);
    for (int i = 0; i < 5; i++)
        GO(s, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(w.running, 2);
    weir_cache_free(&w.c);
    EQ(w.running, 0);
    EQ(w.cancelled, 5);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_now(), WEIR_EPOCH + WEIR_S(6) + WEIR_MS(1));
    return 0;
}

/* The run ends although a refresh was on its way: nothing keeps it alive. */
static int leave_a_refresh(void *arg)
{
    struct world *w = arg;

    make(w, WITH(.ttl = WEIR_S(10), .refresh = 50));
    EQ(put(w, 1, 7), 0);
    AT(WEIR_S(6));
    EQ(ask(w, 1), 7);
    EQ(weir_yield(), 0);
    return 0;
}

TEST(a_cache_keeps_no_run_alive_and_outlives_it)
{
    struct world w = {.takes = WEIR_S(1000000)};
    struct weir_config config = {.alloc = {0}};
    weir_cached *h = NULL;
    int key = 1;

    EQ(weir_sim_run(test_seed(), &config, leave_a_refresh, &w), 0);
    EQ(w.running, 0);
    key = 9;
    EQ(weir_cache_get_or_load(w.c, &key, sizeof key, &h), WEIR_ENOFIBER);
    weir_cache_free(&w.c);
}

SIM_TEST(when_the_builders_scope_has_closed_what_is_there_is_served)
{
    struct world w = {.takes = WEIR_S(1)};
    weir_scope *builder = weir_scope_open(NULL);

    make(&w,
         WITH(.ttl = WEIR_S(10), .refresh = 10, .stale = WEIR_S(10), .stale_error = WEIR_S(50)));
    EQ(put(&w, 1, 7), 0);
    EQ(weir_scope_close(&builder), 0);
    EQ(ask(&w, 1), 7);
    AT(WEIR_S(5));
    EQ(ask(&w, 1), 7);
    AT(WEIR_S(15));
    EQ(ask(&w, 1), 7);
    AT(WEIR_S(40));
    EQ(ask(&w, 1), 7);
    EQ(ask(&w, 2), -ECANCELED);
    EQ(put(&w, 2, 8), 0);
    EQ(ask(&w, 2), 8);
    EQ(w.loads, 0);
    weir_cache_free(&w.c);
    return 0;
}
