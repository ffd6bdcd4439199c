/*
 * test_cache.c -- what a cache keeps, for how long, and how much of it (K6, K8, K10 of the
 * policies' properties; A for clocks).
 */

#include "store/cache_ints.h"

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
