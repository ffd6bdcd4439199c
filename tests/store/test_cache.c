/*
 * test_cache.c -- what a cache keeps, for how long, how much of it, and who is
 * told when it leaves (K6, K8, K10 of the policies' properties; A for clocks).
 */
#include <stdio.h>
#include <weir/cache.h>

#include "base/alloc.h"
#include "core/world.h"

/* --- helpers ------------------------------------------------------------------------ */

static weir_cache *ints(const struct weir_cache_opts *more)
{
    struct weir_cache_opts o = *more;

    o.type = WEIR_TYPE(int);
    return weir_cache_new(&o);
}

static int put_for(weir_cache *c, int key, int value, weir_span ttl)
{
    return weir_cache_put(c, &key, sizeof key, &value, sizeof value, ttl);
}

static int put(weir_cache *c, int key, int value)
{
    return put_for(c, key, value, 0);
}

/* The value, or -1 for none. */
static int look(weir_cache *c, int key)
{
    weir_cached *h = NULL;
    int r = weir_cache_get(c, &key, sizeof key, &h), value = -1;

    if (r == 1)
        value = *(const int *)weir_cached_value(h);
    else
        OK(!h);
    weir_cached_unref(&h);
    return value;
}

static int drop_key(weir_cache *c, int key)
{
    return weir_cache_invalidate(c, &key, sizeof key);
}

static struct weir_cache_stats stats_of(weir_cache *c)
{
    struct weir_cache_stats s;
    weir_cache_stats(c, &s);
    return s;
}

#define LIMITS(...) (&(struct weir_cache_opts){__VA_ARGS__})

/* --- the plain life --------------------------------------------------------------------- */

SIM_TEST(what_was_put_is_there_until_it_is_forgotten)
{
    weir_cache *c = ints(LIMITS(.max_entries = 10));

    EQ(look(c, 1), -1);
    EQ(put(c, 1, 11), 0);
    EQ(put(c, 2, 22), 0);
    EQ(look(c, 1), 11);
    EQ(put(c, 1, 12), 0);
    EQ(look(c, 1), 12);
    EQ(drop_key(c, 1), 1);
    EQ(drop_key(c, 1), 0);
    EQ(look(c, 1), -1);
    EQ(look(c, 2), 22);
    EQ(weir_cache_clear(c), 0);
    EQ(look(c, 2), -1);
    EQ(stats_of(c).hits, 3);
    EQ(stats_of(c).misses, 3);
    EQ(stats_of(c).replaced, 1);
    EQ(stats_of(c).invalidated, 2);
    EQ(stats_of(c).entries, 0);
    EQ(stats_of(c).weight, 0);
    weir_cache_free(&c);
    OK(!c);
    return 0;
}

TEST(a_cache_works_off_a_fiber)
{
    weir_cache *c = ints(LIMITS(.ttl = WEIR_S(1000)));

    EQ(put(c, 1, 11), 0);
    EQ(look(c, 1), 11);
    weir_cache_free(&c);
    weir_cache_free(&c);
    weir_cache_free(NULL);
}

SIM_TEST(keys_are_bytes_of_any_length)
{
    static char text[600];
    weir_cache *c = ints(LIMITS(.max_entries = 1000));
    weir_cached *h = NULL;

    memset(text, 'x', sizeof text);
    for (int len = 0; len < 600; len++)
        EQ(weir_cache_put(c, len ? text : NULL, (size_t)len, &len, sizeof len, 0), 0);
    for (int len = 0; len < 600; len++) {
        EQ(weir_cache_get(c, text, (size_t)len, &h), 1);
        EQ(*(const int *)weir_cached_value(h), len);
        weir_cached_unref(&h);
    }
    weir_cache_free(&c);
    return 0;
}

struct wide {
    _Alignas(64) char c[64];
};

SIM_TEST(values_lie_as_their_type_asks)
{
    weir_cache *c = weir_cache_new(&(struct weir_cache_opts){.type = WEIR_TYPE(struct wide)});
    struct wide w = {{7}};
    char key[70] = {0};
    weir_cached *h = NULL;

    for (size_t len = 0; len < sizeof key; len++) {
        EQ(weir_cache_put(c, key, len, &w, sizeof w, 0), 0);
        EQ(weir_cache_get(c, key, len, &h), 1);
        EQ((uintptr_t)weir_cached_value(h) & 63, 0);
        EQ(((const struct wide *)weir_cached_value(h))->c[0], 7);
        weir_cached_unref(&h);
    }
    weir_cache_free(&c);
    return 0;
}

/* --- time (K6, A) -------------------------------------------------------------------------- */

SIM_TEST(a_value_expires_at_its_ttl_and_not_before)
{
    weir_cache *c = ints(LIMITS(.ttl = WEIR_S(10)));

    EQ(put(c, 1, 11), 0);
    EQ(put_for(c, 2, 22, WEIR_S(20)), 0);
    EQ(put_for(c, 3, 33, WEIR_NEVER), 0);
    EQ(put_for(c, 4, 44, WEIR_NEVER - 1), 0);
    EQ(weir_sleep(weir_after(WEIR_S(10) - 1)), 0);
    EQ(look(c, 1), 11);
    EQ(weir_sleep(weir_after(1)), 0);
    EQ(look(c, 1), -1);
    EQ(look(c, 2), 22);
    EQ(weir_sleep(weir_after(WEIR_S(10))), 0);
    EQ(look(c, 2), -1);
    EQ(weir_sleep(weir_after(WEIR_S(86400) * 36500)), 0); /* a hundred years */
    EQ(look(c, 3), 33);
    EQ(look(c, 4), 44);
    EQ(stats_of(c).expired, 2);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(without_a_ttl_nothing_expires)
{
    weir_cache *c = ints(LIMITS(.max_entries = 10, .jitter = 50, .stale = WEIR_S(1)));

    EQ(put(c, 1, 11), 0);
    EQ(weir_sleep(weir_after(WEIR_S(86400) * 36500)), 0);
    EQ(look(c, 1), 11);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(jitter_spreads_the_ends_over_its_band_and_no_further)
{
    weir_cache *c = ints(LIMITS(.max_entries = 1000, .ttl = WEIR_S(100), .jitter = 20));
    int there[5] = {0}, n = 0;

    for (int i = 0; i < 1000; i++)
        EQ(put(c, i, i), 0);
    EQ(weir_sleep(weir_after(WEIR_S(80) - 1)), 0);
    for (int i = 0; i < 1000; i++)
        OK(look(c, i) == i);
    for (int k = 0; k < 5; k++) { /* at 82, 86, 90, 94, 98 s */
        EQ(weir_sleep(WEIR_EPOCH + WEIR_S(82 + 4 * k)), 0);
        for (int i = 0; i < 1000; i++)
            there[k] += look(c, i) == i;
        EQ(there[k] / 100 - (90 - 20 * k) / 10 >= -1, 1);
        EQ(there[k] / 100 - (90 - 20 * k) / 10 <= 1, 1);
    }
    EQ(weir_sleep(WEIR_EPOCH + WEIR_S(100)), 0);
    for (int i = 0; i < 1000; i++)
        n += look(c, i) == i;
    EQ(n, 0);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(a_whole_jitter_still_gives_every_value_a_moment)
{
    weir_cache *c = ints(LIMITS(.ttl = 2, .jitter = 100));

    for (int i = 0; i < 100; i++) {
        EQ(put(c, i, i), 0);
        EQ(look(c, i), i);
    }
    weir_cache_free(&c);
    return 0;
}

/* No timer, no fiber: what has expired goes while other keys are used. */
SIM_TEST(what_has_expired_goes_little_by_little_while_the_cache_is_used)
{
    weir_cache *c = ints(LIMITS(.max_entries = 10000, .ttl = WEIR_S(1)));

    for (int i = 0; i < 5000; i++)
        EQ(put(c, i, i), 0);
    EQ(weir_sleep(weir_after(WEIR_S(2))), 0);
    EQ(stats_of(c).entries, 5000);
    for (int i = 0; i < 2000; i++)
        EQ(put(c, 10000 + i, i), 0);
    EQ(stats_of(c).expired, 5000);
    EQ(stats_of(c).entries, 2000);
    EQ(weir_sleep(weir_after(WEIR_S(2))), 0);
    for (int i = 0; i < 30000; i++)
        EQ(look(c, 1), -1); /* looking alone does it too */
    EQ(stats_of(c).entries, 0);
    weir_cache_free(&c);
    return 0;
}

/* --- limits (K8) ------------------------------------------------------------------------------ */

SIM_TEST(nothing_leaves_before_the_cache_is_full)
{
    weir_cache *c = ints(LIMITS(.max_entries = 1000));

    for (int i = 0; i < 1000; i++)
        EQ(put(c, i, i), 0);
    for (int i = 0; i < 1000; i++)
        EQ(look(c, i), i);
    EQ(stats_of(c).evicted, 0);
    EQ(put(c, 1000, 0), 0);
    EQ(stats_of(c).evicted, 1);
    EQ(stats_of(c).entries, 1000);
    EQ(look(c, 1000), 0);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(a_cache_of_one_holds_the_last)
{
    weir_cache *c = ints(LIMITS(.max_entries = 1));

    for (int i = 0; i < 1000; i++) {
        EQ(put(c, i, i), 0);
        for (int k = 0; k < i % 5; k++)
            EQ(look(c, i), i);
        EQ(stats_of(c).entries, 1);
        EQ(look(c, i), i);
    }
    weir_cache_free(&c);
    return 0;
}

static uint64_t weigh_value(void *ctx, const void *key, size_t len, const void *value)
{
    (void)ctx, (void)key, (void)len;
    return (uint64_t) * (const int *)value;
}

SIM_TEST(what_weighs_too_much_is_refused_and_stays_the_callers)
{
    weir_cache *c = ints(LIMITS(.max_weight = 100, .weigh = weigh_value));

    EQ(put(c, 1, 100), 0);
    EQ(put(c, 1, 101), WEIR_ETOOLARGE);
    EQ(look(c, 1), 100); /* nothing has changed */
    EQ(put(c, 2, 1), 0);
    EQ(look(c, 1), -1);
    EQ(look(c, 2), 1);
    for (int i = 0; i < 100; i++)
        EQ(put(c, 10 + i, 0), 0); /* what weighs nothing pushes nothing out */
    EQ(look(c, 2), 1);
    EQ(stats_of(c).entries, 101);
    weir_cache_free(&c);
    return 0;
}

static uint64_t weigh_enormously(void *ctx, const void *key, size_t len, const void *value)
{
    (void)ctx, (void)key, (void)len, (void)value;
    return UINT64_MAX / 2 - 1;
}

SIM_TEST(weights_do_not_overflow)
{
    weir_cache *c = ints(LIMITS(.max_entries = 10, .weigh = weigh_enormously));

    for (int i = 0; i < 20; i++) {
        EQ(put(c, i, i), 0);
        EQ(stats_of(c).entries, 1);
        EQ(look(c, i), i);
    }
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(without_a_weigher_an_entry_weighs_its_bytes)
{
    weir_cache *c = ints(LIMITS(.max_weight = 100000));
    uint64_t before = test_alloc_live(), bytes;

    EQ(put(c, 0, 0), 0);
    bytes = stats_of(c).weight;
    OK(bytes > sizeof(int) * 2 && bytes <= 160);
    EQ(put(c, 1, 0), 0);
    EQ(stats_of(c).weight, 2 * bytes);
    for (int i = 0; i < 4000; i++)
        EQ(put(c, i, i), 0);
    EQ(stats_of(c).entries, 100000 / bytes);
    /* 16 bytes a slot of the index, 32 for keys that have left, 8 KiB of what is learned. */
    OK(test_alloc_live() - before < 100000 + 2048 * 48 + 10000);
    weir_cache_free(&c);
    return 0;
}

/* --- leaving (K8) ---------------------------------------------------------------------------- */

struct watch {
    weir_cache *c;
    int live[100000]; /* times put - times told of */
    int told[6];
    int again; /* the callback puts another */
    int last_value;
};

static void watch_evict(void *ctx, const void *key, size_t len, const void *value,
                        enum weir_cache_why why)
{
    struct watch *w = ctx;
    int number;

    EQ(len, sizeof number);
    memcpy(&number, key, sizeof number);
    w->live[number]--;
    w->told[why]++;
    w->last_value = *(const int *)value;
    if (w->again > 0 && number < 50000) {
        w->again--;
        w->live[number + 50000]++;
        EQ(put(w->c, number + 50000, 1), 0);
        (void)look(w->c, number);
        EQ(stats_of(w->c).entries <= 100, 1);
    }
}

static struct watch watched;

SIM_TEST(each_that_leaves_is_told_of_once_with_the_reason)
{
    struct watch *w = &watched;

    *w = (struct watch){0};
    w->c = ints(LIMITS(.max_entries = 100, .ttl = WEIR_S(10), .on_evict = watch_evict, .ctx = w));
    for (int i = 0; i < 300; i++) {
        w->live[i]++;
        EQ(put(w->c, i, i), 0);
    }
    EQ(w->told[WEIR_CACHE_EVICTED], 200);
    w->live[299]++;
    EQ(put(w->c, 299, -5), 0);
    EQ(w->told[WEIR_CACHE_REPLACED], 1);
    EQ(w->last_value, 299); /* of what left, not of what came */
    EQ(drop_key(w->c, 299), 1);
    EQ(w->last_value, -5);
    EQ(weir_sleep(weir_after(WEIR_S(20))), 0);
    for (int i = 0; i < 100; i++) {
        w->live[1000 + i]++;
        EQ(put_for(w->c, 1000 + i, i, WEIR_S(99)), 0);
    }
    EQ(w->told[WEIR_CACHE_EXPIRED], 99);
    EQ(w->told[WEIR_CACHE_EVICTED], 200); /* the dead make room before the living */
    EQ(drop_key(w->c, 1000), 1);
    EQ(weir_cache_clear(w->c), 0);
    EQ(w->told[WEIR_CACHE_INVALIDATED], 101);
    w->live[5]++;
    EQ(put(w->c, 5, 5), 0);
    weir_cache_free(&w->c);
    EQ(w->told[WEIR_CACHE_FREED], 1);
    for (int i = 0; i < 100000; i++)
        EQ(w->live[i], 0);
    return 0;
}

SIM_TEST(a_callback_may_use_the_cache)
{
    struct watch *w = &watched;

    *w = (struct watch){.again = 500};
    w->c = ints(LIMITS(.max_entries = 100, .on_evict = watch_evict, .ctx = w));
    for (int i = 0; i < 300; i++) {
        w->live[i]++;
        EQ(put(w->c, i, i), 0);
    }
    LT(w->again, 500 - 190);
    w->again = 0;
    weir_cache_free(&w->c);
    for (int i = 0; i < 100000; i++)
        EQ(w->live[i], 0);
    return 0;
}

/* Each that leaves puts the next, which pushes it out in turn: on a fiber's stack. */
static void put_next(void *ctx, const void *key, size_t len, const void *value,
                     enum weir_cache_why why)
{
    struct watch *w = ctx;

    (void)key, (void)len, (void)value;
    w->told[why]++;
    if (why == WEIR_CACHE_EVICTED && w->told[why] < 5000)
        EQ(put(w->c, w->told[why] + 2, 1), 0);
}

SIM_TEST(callbacks_that_cause_each_other_take_turns)
{
    struct watch *w = &watched;

    *w = (struct watch){0};
    w->c = ints(LIMITS(.max_entries = 1, .on_evict = put_next, .ctx = w));
    EQ(put(w->c, 1, 1), 0);
    EQ(put(w->c, 2, 1), 0);
    EQ(w->told[WEIR_CACHE_EVICTED], 5000);
    weir_cache_free(&w->c);
    return 0;
}

static int closed_put;

static void put_at_the_end(void *ctx, const void *key, size_t len, const void *value,
                           enum weir_cache_why why)
{
    weir_cache **c = ctx;
    int copy = *(const int *)value;

    if (why == WEIR_CACHE_FREED)
        closed_put = weir_cache_put(*c, key, len, &copy, sizeof copy, 0);
}

SIM_TEST(what_is_put_while_the_cache_is_freed_is_refused)
{
    weir_cache *c = ints(LIMITS(.on_evict = put_at_the_end, .ctx = &c)), *mine = c;

    EQ(put(mine, 1, 1), 0);
    c = mine;
    weir_cache *freed = mine;
    weir_cache_free(&freed);
    EQ(closed_put, WEIR_ECLOSED);
    return 0;
}

/* --- handles --------------------------------------------------------------------------------- */

static int drops;

static void text_drop(void *item)
{
    char **text = item;

    drops += *text != NULL;
    weir__free(*text, 8);
    *text = NULL;
}

static const struct weir_type text_type = {sizeof(char *), sizeof(char *), text_drop, NULL, "text"};

static int put_text(weir_cache *c, const char *key)
{
    char *text = weir__alloc(8);
    int r = text ? 0 : -ENOMEM;

    if (r == 0) {
        memcpy(text, key, strlen(key));
        r = weir_cache_put(c, key, strlen(key), &text, sizeof text, 0);
    }
    if (r < 0)
        weir__free(text, 8);
    return r;
}

SIM_TEST(a_value_lives_as_long_as_somebody_holds_it)
{
    weir_cache *c = weir_cache_new(&(struct weir_cache_opts){.type = text_type, .max_entries = 1});
    weir_cached *a = NULL, *b, *none = NULL;

    drops = 0;
    EQ(put_text(c, "trout"), 0);
    EQ(weir_cache_get(c, "trout", 5, &a), 1);
    b = weir_cached_ref(a);
    OK(b == a);
    EQ(put_text(c, "perch"), 0); /* evicts it */
    EQ(stats_of(c).held, 1);
    STREQ(*(char *const *)weir_cached_value(a), "trout");
    weir_cached_unref(&a);
    OK(!a);
    EQ(drops, 0);
    weir_cache_free(&c); /* the handle stays good */
    EQ(drops, 1);
    STREQ(*(char *const *)weir_cached_value(b), "trout");
    weir_cached_unref(&b);
    EQ(drops, 2);
    weir_cached_unref(&none);
    weir_cached_unref(NULL);
    OK(!weir_cached_value(NULL));
    OK(!weir_cached_ref(NULL));
    EQ(weir_cached_stale(NULL), 0);
    return 0;
}

SIM_TEST(held_values_are_counted_until_they_are_given_back)
{
    weir_cache *c = ints(LIMITS(.max_entries = 1));
    weir_cached *h = NULL;
    int key = 1;

    EQ(put(c, 1, 1), 0);
    EQ(weir_cache_get(c, &key, sizeof key, &h), 1);
    EQ(stats_of(c).held, 0);
    EQ(drop_key(c, 1), 1);
    EQ(stats_of(c).held, 1);
    weir_cached_unref(&h);
    EQ(stats_of(c).held, 0);
    weir_cache_free(&c);
    return 0;
}

/* --- against a model ------------------------------------------------------------------------- */

/*
 * Random lives with small limits: the cache may forget, but what it gives is
 * the last value put and not expired, its counts add up, its limits hold.
 */
struct model {
    int value, there;
    weir_time end;
    int weight;
};

static void model_check(weir_cache *c, uint64_t most_n, uint64_t most_w, uint64_t puts)
{
    struct weir_cache_stats s = stats_of(c);

    LE(s.entries, most_n);
    LE(s.weight, most_w);
    EQ(s.entries + s.evicted + s.expired + s.replaced + s.invalidated, puts);
}

static int model_life(void *arg)
{
    static struct model m[200];
    uint64_t most_n = 1 + test_random() % 60, most_w = 20 + test_random() % 400, puts = 0;
    weir_cache *c = ints(LIMITS(.max_entries = most_n, .max_weight = most_w, .ttl = WEIR_S(5),
                                .weigh = weigh_value));

    (void)arg;
    memset(m, 0, sizeof m);
    for (int i = 0; i < 4000; i++) {
        int key = (int)(test_random() % 200), dice = (int)(test_random() % 100), r;

        key = dice % 2 ? key : key % 20;
        if (dice < 50) {
            int value = (int)(test_random() % 30);
            weir_span ttl = dice < 10 ? WEIR_S(1 + dice) : 0;

            r = put_for(c, key, value, ttl);
            EQ(r, (uint64_t)value > most_w ? WEIR_ETOOLARGE : 0);
            if (r == 0) {
                puts++;
                m[key] = (struct model){value, 1, weir_after(ttl ? ttl : WEIR_S(5)), value};
            }
        } else if (dice < 90) {
            int value = look(c, key);

            if (value >= 0) {
                OK(m[key].there && m[key].value == value);
                LT(weir_now(), m[key].end);
            }
        } else if (dice < 95) {
            (void)drop_key(c, key);
            m[key].there = 0;
        } else {
            EQ(weir_sleep(weir_after(WEIR_MS(test_random() % 1000))), 0);
        }
        if (i % 1000 == 999 && test_random() % 4 == 0) {
            EQ(weir_cache_clear(c), 0);
            memset(m, 0, sizeof m);
        }
        model_check(c, most_n, most_w, puts);
    }
    weir_cache_free(&c);
    return 0;
}

TEST(random_lives_agree_with_a_model)
{
    for (int i = 0; i < 30; i++)
        EQ(world_seed(test_seed() + (uint64_t)i, model_life, NULL), 0);
}

/* What there is room for is never forgotten: exact against the model. */
SIM_TEST(a_cache_that_is_large_enough_is_a_map)
{
    static struct model m[300];
    weir_cache *c = ints(LIMITS(.max_entries = 300, .ttl = WEIR_S(5)));

    memset(m, 0, sizeof m);
    for (int i = 0; i < 20000; i++) {
        int key = (int)(test_random() % 300), dice = (int)(test_random() % 100);

        if (dice < 40) {
            EQ(put(c, key, i), 0);
            m[key] = (struct model){i, 1, weir_after(WEIR_S(5)), 0};
        } else if (dice < 90) {
            EQ(look(c, key), m[key].there && weir_now() < m[key].end ? m[key].value : -1);
        } else if (dice < 95) {
            int was = drop_key(c, key); /* one that has expired may or may not be there still */
            OK(was == m[key].there || weir_now() >= m[key].end);
            m[key].there = 0;
        } else
            EQ(weir_sleep(weir_after(WEIR_MS(test_random() % 100))), 0);
    }
    EQ(stats_of(c).evicted, 0);
    weir_cache_free(&c);
    return 0;
}

/* --- keys that are aimed (K10) --------------------------------------------------------------- */

SIM_TEST(keys_that_collide_in_plain_hashes_do_not_slow_it_down)
{
    weir_cache *c = ints(LIMITS(.max_entries = 20000));
    char key[64];

    for (int i = 0; i < 20000; i++) { /* equal low bits: a chain of them would take minutes */
        uint64_t number = (uint64_t)i << 32;
        memset(key, 'a', sizeof key);
        memcpy(key + 8, &number, sizeof number);
        EQ(weir_cache_put(c, key, i % 2 ? sizeof key : 16, &i, sizeof i, 0), 0); /* two hashes */
    }
    EQ(stats_of(c).entries, 20000);
    weir_cache_free(&c);
    return 0;
}

/* --- what is refused ------------------------------------------------------------------------- */

TEST(bad_options_give_a_poisoned_handle)
{
    struct weir_cache_opts bad[17], good = {.type = WEIR_TYPE(int)};
    weir_cached *h = NULL;
    int value = 1;

    for (size_t i = 0; i < 17; i++)
        bad[i] = good;
    bad[0].type.size = 0;
    bad[1].type.size = (1 << 20) + 1;
    bad[2].type.align = 128;
    bad[3].type.align = 3;
    bad[4].ttl = -1;
    bad[5].stale = -1;
    bad[6].stale_error = -1;
    bad[7].retry = -1;
    bad[8].negative_ttl = -1;
    bad[9].jitter = 101;
    bad[10].refresh = 100;
    bad[11].max_entries = ((uint64_t)1 << 31) + 1;
    for (size_t i = 0; i < 4; i++)
        bad[12 + i].reserved[i] = 1;
    bad[16].max_weight = (uint64_t)1 << 63;
    for (size_t i = 0; i < 17; i++) {
        weir_cache *c = weir_cache_new(&bad[i]);
        EQ(weir_cache_error(c), -EINVAL);
        EQ(weir_cache_get(c, "x", 1, &h), -EINVAL);
        EQ(weir_cache_get_or_load(c, "x", 1, &h), -EINVAL);
        EQ(weir_cache_put(c, "x", 1, &value, sizeof value, 0), -EINVAL);
        EQ(weir_cache_invalidate(c, "x", 1), -EINVAL);
        EQ(weir_cache_clear(c), -EINVAL);
        EQ(stats_of(c).entries, 0);
        weir_cache_free(&c);
        OK(!c);
    }
    EQ(weir_cache_error(weir_cache_new(NULL)), -EINVAL);
    EQ(weir_cache_error(NULL), -EINVAL);
    EQ(weir_cache_get(NULL, "x", 1, &h), -EINVAL);
    EQ(weir_cache_clear(NULL), -EINVAL);
}

SIM_TEST(bad_arguments_are_refused)
{
    static char key[(64 << 10) + 1];
    weir_cache *c = ints(LIMITS(.max_entries = 1));
    weir_cached *h = NULL;
    int value = 1;

    EQ(weir_cache_get(c, NULL, 1, &h), -EINVAL);
    EQ(weir_cache_get(c, "x", 1, NULL), -EINVAL);
    EQ(weir_cache_get(c, key, sizeof key, &h), -EINVAL);
    EQ(weir_cache_get(c, key, sizeof key - 1, &h), 0);
    EQ(weir_cache_get_or_load(c, "x", 1, &h), -EINVAL); /* it has no load */
    EQ(weir_cache_put(c, NULL, 1, &value, sizeof value, 0), -EINVAL);
    EQ(weir_cache_put(c, "x", 1, NULL, sizeof value, 0), -EINVAL);
    EQ(weir_cache_put(c, "x", 1, &value, sizeof value, -1), -EINVAL);
    EQ(weir_cache_put(c, "x", 1, &value, 1, 0), WEIR_ETYPE);
    EQ(weir_cache_invalidate(c, NULL, 1), -EINVAL);
    EQ(stats_of(c).entries, 0);
    weir_cache_free(&c);
    return 0;
}

/* --- every point ----------------------------------------------------------------------------- */

static int plain_everything(void *arg)
{
    weir_cache *c = weir_cache_new(&(struct weir_cache_opts){.type = text_type, .max_entries = 30});
    weir_cached *h = NULL;
    int failed = 0;

    (void)arg;
    for (int i = 0; i < 60; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        failed += put_text(c, key) < 0;
        if (weir_cache_get(c, key, strlen(key), &h) == 1)
            STREQ(*(char *const *)weir_cached_value(h), key);
        weir_cached_unref(&h);
    }
    if (!test_fault_hit())
        EQ(failed, 0);
    else if (weir_cache_error(c) == 0)
        LE(failed, 1); /* a lack of memory costs one put at most */
    weir_cache_free(&c);
    return 0;
}

static void plain_point(void *arg __attribute__((unused)))
{
    struct weir_config config = {.alloc = test_alloc};
    (void)weir_sim_run(1, &config, plain_everything, NULL);
}

TEST_WITH(without_memory_a_put_fails_and_nothing_else, .timeout = 60)
{
    EVERY_POINT(plain_point, NULL);
}
