/*
 * test_cache_leave.c -- who is told when a value leaves, who still holds it then, and that
 * what is in the cache is what the plainest model has (K8 of the policies' properties).
 */
#include <stdio.h>

#include "base/alloc.h"
#include "store/cache_ints.h"

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
