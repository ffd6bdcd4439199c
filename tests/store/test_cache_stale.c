/*
 * test_cache_stale.c -- refresh before the ttl, stale values after it (K7), and
 * everything at once: readers and writers of changing truths, failing points.
 */
#include "base/alloc.h"
#include "base/rand.h"
#include "store/cache_world.h"

/* --- K7: refresh and stale ------------------------------------------------------------------- */

SIM_TEST(an_old_value_is_refreshed_once_while_it_is_served)
{
    struct world w = {.takes = WEIR_S(1)};

    make(&w, WITH(.ttl = WEIR_S(10), .refresh = 80));
    EQ(ask(&w, 1), 1001); /* at 1 s */
    AT(WEIR_S(9) - 1);
    EQ(ask(&w, 1), 1001);
    world_settle();
    EQ(w.loads, 1);
    AT(WEIR_S(9));
    for (int i = 0; i < 100; i++) {
        EQ(ask(&w, 1), 1001);
        EQ(weir_yield(), 0);
    }
    EQ(weir_now(), WEIR_EPOCH + WEIR_S(9)); /* nobody waited */
    EQ(w.loads, 2);
    AT(WEIR_S(10) + 1);
    EQ(ask(&w, 1), 1002);
    AT(WEIR_S(17));
    EQ(ask(&w, 1), 1002); /* its own time began at 10 s */
    EQ(w.loads, 2);
    EQ(stats_of(&w).refreshes, 1);
    EQ(stats_of(&w).misses, 1);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(nobody_asks_nothing_is_refreshed)
{
    struct world w = {.takes = WEIR_S(1)};

    make(&w, WITH(.ttl = WEIR_S(10), .refresh = 50, .stale = WEIR_S(5)));
    EQ(ask(&w, 1), 1001);
    AT(WEIR_S(100));
    EQ(w.loads, 1);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(a_stale_value_is_served_while_one_load_runs)
{
    struct world w = {.takes = WEIR_S(1)};

    make(&w, WITH(.ttl = WEIR_S(10), .stale = WEIR_S(5)));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(10));
    EQ(look(&w, 1), -1); /* get gives fresh values only */
    EQ(ask(&w, 1), 7);
    EQ(w.stale, 0);
    AT(WEIR_S(10) + WEIR_MS(500));
    EQ(ask(&w, 1), 7);
    EQ(w.stale, WEIR_MS(500));
    AT(WEIR_S(11) + 1);
    EQ(ask(&w, 1), 1001);
    EQ(w.loads, 1);
    EQ(stats_of(&w).stale, 2);
    AT(WEIR_S(26)); /* the hard limit: 21 + 5 */
    EQ(ask(&w, 1), 1002);
    EQ(weir_now(), WEIR_EPOCH + WEIR_S(27)); /* this one had to wait */
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(a_refresh_that_fails_keeps_the_value_and_is_not_hammered)
{
    struct world w = {.fail = -EIO};
    weir_span wait = WEIR_S(1), at = 0;

    make(&w, WITH(.ttl = WEIR_S(10), .stale = WEIR_S(1000)));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(10));
    for (int ms = 0; ms < 500000; ms += 100) { /* asked ten times a second for 500 s */
        EQ(ask(&w, 1), 7);
        AT(WEIR_S(10) + WEIR_MS(ms));
    }
    LE(w.loads, 14);
    for (int i = 0; i < w.loads; i++) { /* after 1, 2, 4 .. 64, 64 s, as soon as asked */
        weir_span since = w.started[i] - WEIR_EPOCH - WEIR_S(10);
        OK(since >= at && since <= at + WEIR_MS(200));
        at = since + wait;
        wait = wait < WEIR_S(64) ? 2 * wait : wait;
    }
    EQ(stats_of(&w).failed, w.loads);
    w.fail = 0;
    AT(WEIR_S(600));
    EQ(ask(&w, 1), 7);
    world_settle();
    EQ(ask(&w, 1) / 1000, 1);
    weir_cache_free(&w.c);
    return 0;
}

/* A hundred that fail together are not tried again together. */
SIM_TEST(the_wait_after_a_failure_is_jittered_too)
{
    struct world w = {.fail = -EIO};

    make(&w, WITH(.ttl = WEIR_S(100), .jitter = 50, .stale = WEIR_S(900), .retry = WEIR_S(100)));
    for (int k = 0; k < 100; k++)
        EQ(put(&w, k, k), 0);
    AT(WEIR_S(200));
    for (int k = 0; k < 100; k++)
        EQ(ask(&w, k), k);
    world_settle();
    EQ(w.loads, 100);
    for (int at = 250; at <= 300; at += 25) { /* half of the wait, three quarters, all of it */
        AT(WEIR_S(at) - 1);
        for (int k = 0; k < 100; k++)
            EQ(ask(&w, k), k);
        world_settle();
        if (at == 250)
            EQ(w.loads, 100);
        if (at == 275)
            OK(w.loads >= 120 && w.loads <= 180);
    }
    LE(199, w.loads);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(a_stale_value_ends_at_its_hard_limit)
{
    struct world w = {.fail = -EIO};

    make(&w, WITH(.ttl = WEIR_S(10), .stale = WEIR_S(5)));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(15) - 1);
    EQ(ask(&w, 1), 7);
    AT(WEIR_S(15));
    EQ(ask(&w, 1), -EIO);
    EQ(stats_of(&w).expired, 1);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(a_failed_load_serves_what_is_past_its_ttl)
{
    struct world w = {.takes = WEIR_MS(10), .fail = -EIO};

    make(&w, WITH(.ttl = WEIR_S(10), .stale_error = WEIR_S(60), .retry = WEIR_S(5)));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(12));
    EQ(ask(&w, 1), 7); /* after having tried */
    EQ(weir_now(), WEIR_EPOCH + WEIR_S(12) + WEIR_MS(10));
    EQ(w.stale, WEIR_S(2) + WEIR_MS(10));
    for (int i = 0; i < 50; i++)
        EQ(ask(&w, 1), 7); /* without trying: too soon */
    EQ(w.loads, 1);
    AT(WEIR_S(17) + WEIR_MS(10));
    EQ(ask(&w, 1), 7);
    EQ(w.loads, 2);
    w.fail = 0;
    AT(WEIR_S(28));
    EQ(ask(&w, 1), 1003);
    w.fail = -EIO;
    AT(WEIR_S(38) + WEIR_S(60) + WEIR_MS(10)); /* past everything */
    EQ(ask(&w, 1), -EIO);
    EQ(stats_of(&w).entries, 0);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(who_is_cancelled_gets_no_stale_value_for_it)
{
    struct world w = {.takes = WEIR_S(10), .key = 1};

    make(&w, WITH(.ttl = WEIR_S(10), .stale_error = WEIR_S(60)));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(12));
    EQ(weir_within(WEIR_S(1), asker, &w), 0);
    EQ(w.cancelled, 1);
    EQ(w.got, 0);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(a_refresh_goes_on_when_one_who_joined_it_leaves)
{
    struct world w = {.takes = WEIR_S(5), .key = 1};

    make(&w, WITH(.ttl = WEIR_S(10), .refresh = 90));
    EQ(put(&w, 1, 7), 0);
    AT(WEIR_S(9));
    EQ(ask(&w, 1), 7);
    AT(WEIR_S(11));
    EQ(weir_within(WEIR_S(1), asker, &w), 0); /* joins the refresh, and leaves it */
    EQ(w.cancelled, 1);
    AT(WEIR_S(14) + 1);
    EQ(look(&w, 1), 1001);
    EQ(w.loads, 1);
    weir_cache_free(&w.c);
    return 0;
}

/* 1 for a hit; a miss is loaded. */
static int want(struct world *w, int key)
{
    uint64_t before = stats_of(w).hits;

    LE(key * 1000, ask(w, key));
    return stats_of(w).hits > before;
}

/* Of one seed: their keys lie, collide and are learned of alike. */
static void make_twins(struct world *w, struct world *twin, uint64_t entries)
{
    uint64_t seed = test_random();

    weir__seed_set(seed);
    make(w, WITH(.max_entries = entries, .ttl = WEIR_S(1000), .refresh = 1));
    weir__seed_set(seed);
    make(twin, WITH(.max_entries = entries, .ttl = WEIR_S(1000)));
}

/* A twin that refreshes nothing, and puts nothing anew, hits and misses the same to the end. */
SIM_TEST(a_refreshed_value_keeps_its_place)
{
    struct world w = {0}, twin = {0};

    make_twins(&w, &twin, 50);
    for (int i = 0; i < 3000; i++) {
        int key = (int)(test_random() % 300 * (test_random() % 300) / 300);

        EQ(want(&w, key), want(&twin, key));
        if (i % 7 == 0)
            EQ(put(&w, key, key * 1000), 0);
        AT(WEIR_MS(200) * (i + 1)); /* 600 s in all: nothing expires */
        EQ(stats_of(&w).evicted, stats_of(&twin).evicted);
    }
    EQ(stats_of(&twin).refreshes, 0);
    LE(100, stats_of(&w).refreshes);
    LE(400, stats_of(&w).replaced);
    LE(500, stats_of(&w).hits);
    LE(500, stats_of(&w).evicted);
    weir_cache_free(&w.c);
    weir_cache_free(&twin.c);
    return 0;
}

/* --- a long time after ---------------------------------------------------------------------- */

/* With whatever may still be served of it, and however it is asked for. */
SIM_TEST(A2_after_a_jump_of_a_century_everything_has_expired)
{
    struct world w = {.fail = -EIO};

    make(&w, WITH(.ttl = WEIR_S(10), .jitter = 50, .refresh = 50, .stale = WEIR_S(86400),
                  .stale_error = WEIR_S(86400) * 365, .negative_ttl = WEIR_S(60)));
    for (int k = 0; k < 100; k++)
        EQ(put(&w, k, k), 0);
    EQ(ask(&w, 100), -EIO);
    AT(WEIR_S(86400) * 36500);
    for (int k = 0; k < 100; k++) {
        EQ(look(&w, k), -1);
        EQ(ask(&w, k), -EIO); /* nothing old in its place */
    }
    EQ(w.loads, 1 + 100);
    EQ(stats_of(&w).hits + stats_of(&w).stale, 0);
    w.fail = 0;
    EQ(look(&w, 100), -1); /* nor the error that was kept */
    EQ(ask(&w, 100), 100102);
    EQ(stats_of(&w).expired, 101);
    weir_cache_free(&w.c);
    return 0;
}

/* --- against a model ------------------------------------------------------------------------- */

/*
 * Sources of truth have versions; loads take a while and read the version when
 * they end or when they begin.  Whoever changes the truth invalidates.  Then
 * nothing older than what was there when a caller asked may be served.
 */
struct truth {
    struct world w;
    int version[8];
};

static int load_truth(void *ctx, const void *key, size_t len, void *out, weir_span *ttl)
{
    struct truth *t = ctx;
    int number, seen, r;

    (void)ttl;
    memcpy(&number, key, len);
    seen = t->version[number];
    t->w.loads++;
    r = weir_sleep(weir_after(WEIR_MS(1 + test_random() % 20)));
    if (r < 0)
        return r;
    if (test_random() % 10 == 0)
        return -EIO;
    *(int *)out = seen;
    return 0;
}

static int truth_reader(void *arg)
{
    struct truth *t = arg;

    for (int i = 0; i < 60; i++) {
        int key = (int)(test_random() % 8), before = t->version[key];
        struct weir_limit l;
        weir_cached *h = NULL;
        int r = weir_limit_init(&l, weir_after(WEIR_MS(1 + test_random() % 30)));

        if (r == 0)
            r = weir_cache_get_or_load(t->w.c, &key, sizeof key, &h);
        if (r == 1)
            LE(before, *(const int *)weir_cached_value(h));
        else
            OK(r == -EIO || r == -ECANCELED);
        (void)weir_limit_fini(&l, 0);
        weir_cached_unref(&h);
        EQ(weir_sleep(weir_after(WEIR_MS(test_random() % 10))), 0);
    }
    return 0;
}

static int truth_writer(void *arg)
{
    struct truth *t = arg;

    for (int i = 0; i < 100; i++) {
        int key = (int)(test_random() % 8);

        t->version[key]++;
        if (test_random() % 5 == 0)
            EQ(weir_cache_clear(t->w.c), 0);
        else if (test_random() % 2)
            LE(forget(&t->w, key), 1);
        else
            EQ(put(&t->w, key, t->version[key]), 0);
        EQ(weir_sleep(weir_after(WEIR_MS(test_random() % 10))), 0);
    }
    return 0;
}

SIM_TEST(nothing_older_than_the_last_invalidation_is_ever_served)
{
    struct truth t = {.version = {0}};
    struct weir_cache_stats s;
    weir_scope *scope;

    t.w.c = weir_cache_new(&(struct weir_cache_opts){.type = WEIR_TYPE(int),
                                                     .load = load_truth,
                                                     .ctx = &t,
                                                     .max_entries = 6,
                                                     .ttl = WEIR_MS(50),
                                                     .jitter = 30,
                                                     .refresh = 50,
                                                     .stale = WEIR_MS(20),
                                                     .stale_error = WEIR_MS(60),
                                                     .retry = WEIR_MS(5)});
    scope = weir_scope_open(NULL);
    for (int i = 0; i < 10; i++)
        GO(scope, truth_reader, &t);
    GO(scope, truth_writer, &t);
    EQ(weir_scope_close(&scope), 0);
    s = stats_of(&t.w);
    LE(t.w.loads, s.loads); /* one that is abandoned before its first turn does not begin */
    EQ(s.waiting, 0);
    weir_cache_free(&t.w.c);
    return 0;
}

/* --- every point ----------------------------------------------------------------------------- */

static void text_drop(void *item)
{
    char **text = item;
    weir__free(*text, 8);
    *text = NULL;
}

static int load_text(void *ctx, const void *key, size_t len, void *out, weir_span *ttl)
{
    char *text;
    int r = weir_sleep(weir_after(WEIR_MS(1)));

    (void)ctx, (void)ttl;
    text = r < 0 ? NULL : weir__alloc(8);
    if (!text)
        return r < 0 ? r : -ENOMEM;
    memcpy(text, key, len < 7 ? len : 7);
    *(char **)out = text;
    return 0;
}

struct points {
    weir_cache *c;
    int got, failed;
};

static int text_asker(void *arg)
{
    struct points *p = arg;
    weir_cached *h = NULL;
    int r = weir_cache_get_or_load(p->c, "fish", 4, &h);

    OK((r == 1) == (h != NULL));
    if (r == 1)
        STREQ(*(char *const *)weir_cached_value(h), "fish");
    p->got += r == 1;
    p->failed += r < 0;
    weir_cached_unref(&h);
    return 0;
}

static int everything(void *arg)
{
    struct points *p = arg;
    weir_scope *s;
    int r = 0;

    p->c = weir_cache_new(
        &(struct weir_cache_opts){.type = {sizeof(char *), sizeof(char *), text_drop, NULL, "text"},
                                  .load = load_text,
                                  .max_entries = 2,
                                  .ttl = WEIR_S(1),
                                  .refresh = 50,
                                  .stale = WEIR_S(1),
                                  .negative_ttl = WEIR_MS(100)});
    s = weir_scope_open(NULL);
    for (int i = 0; i < 3 && r == 0; i++)
        r = weir_go(s, text_asker, p);
    r = weir_scope_close(&s);
    (void)weir_within(WEIR_US(500), text_asker, p);
    (void)weir_sleep(weir_after(WEIR_MS(700)));
    (void)text_asker(p); /* starts a refresh */
    (void)weir_sleep(weir_after(WEIR_MS(10)));
    (void)weir_sleep(weir_after(WEIR_S(1)));
    (void)text_asker(p); /* a stale one */
    (void)weir_sleep(weir_after(WEIR_S(5)));
    (void)weir_within(WEIR_US(500), text_asker, p); /* an abandoned one */
    (void)text_asker(p);
    weir_cache_free(&p->c);
    return r;
}

static void one_point(void *arg __attribute__((unused)))
{
    struct points p = {NULL, 0, 0};
    struct weir_config config = {.alloc = test_alloc};
    int r = weir_sim_run(1, &config, everything, &p);

    if (test_fault_hit())
        return;
    EQ(r, 0);
    EQ(p.got, 7);
    EQ(p.failed, 1);
}

TEST_WITH(whatever_point_fails_every_call_returns_and_nothing_is_left, .timeout = 60)
{
    EVERY_POINT(one_point, NULL);
}
