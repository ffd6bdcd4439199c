/*
 * test_cache.c -- section 8.4 of the guide, a cache with a time to live: no
 * stampede, no task that outlives it, errors, bounds.
 */
#include "store/cache_world.h"

SIM_TEST(guide_8_4_five_hundred_misses_of_one_key_are_one_load)
{
    struct world w = {.takes = WEIR_MS(50), .key = 3};
    weir_scope *s = weir_scope_open(NULL);

    make(&w, WITH(.ttl = WEIR_S(10)));
    for (int i = 0; i < 500; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1);
    EQ(w.got, 500);
    EQ(w.last, 3001);
    weir_cache_free(&w.c);
    return 0;
}

static int dropped;

static void number_drop(void *p)
{
    dropped += *(int *)p != 0;
    *(int *)p = 0;
}

/* It is freed with its last handle, and nothing of it runs on. */
SIM_TEST(guide_8_4_a_cache_is_freed_and_no_task_keeps_it)
{
    struct weir_type type = WEIR_TYPE(int);
    uint64_t live;
    weir_cache *c;
    int key = 1, value = 5;

    type.drop = number_drop;
    dropped = 0;
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    live = test_alloc_live();
    c = weir_cache_new(&(struct weir_cache_opts){.type = type, .ttl = WEIR_MS(10)});
    EQ(weir_cache_put(c, &key, sizeof key, &value, sizeof value, 0), 0);
    weir_cache_free(&c);
    EQ(dropped, 1);
    EQ(test_alloc_live(), live);
    return 0; /* and the run ends: the deadlock detector has nothing to say either */
}

SIM_TEST(guide_8_4_a_ttl_of_none_is_for_ever_and_a_bad_one_refused)
{
    struct world w = {.key = 1};
    struct weir_cache_opts bad = {.type = WEIR_TYPE(int), .ttl = -1};
    weir_cache *c = weir_cache_new(&bad);

    EQ(weir_cache_error(c), -EINVAL);
    weir_cache_free(&c);
    make(&w, WITH(.ttl = 0));
    EQ(asker(&w), 0);
    EQ(weir_sleep(weir_after(WEIR_S(100000))), 0);
    EQ(asker(&w), 0);
    EQ(w.loads, 1);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(guide_8_4_a_load_that_fails_is_told_to_all_who_wait)
{
    struct world w = {.takes = WEIR_MS(50), .fail = -EHOSTUNREACH};
    weir_cache *c = make(&w, WITH(.ttl = WEIR_S(10)));
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < 10; i++)
        GO(s, asker, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1);
    EQ(w.failed, 10);
    EQ(w.code, -EHOSTUNREACH);
    w.fail = 0;
    EQ(asker(&w), 0); /* and it is not kept, unless that is asked for */
    EQ(w.got, 1);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(guide_8_4_the_one_who_asked_first_may_leave_and_the_others_get_the_value)
{
    struct world w = {.takes = WEIR_MS(50)};
    weir_cache *c = make(&w, WITH(.ttl = WEIR_S(10)));
    weir_scope *others = weir_scope_open(NULL), *first = weir_scope_open(NULL);

    GO(first, asker, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(10))), 0);
    for (int i = 0; i < 9; i++)
        GO(others, asker, &w);
    world_settle();
    EQ(weir_scope_cancel(first, -EINTR), 0);
    EQ(weir_scope_close(&first), -EINTR);
    EQ(weir_scope_close(&others), 0);
    EQ(w.cancelled, 1);
    EQ(w.got, 9);
    EQ(w.loads, 1);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(guide_8_4_it_is_bounded_and_the_expired_go_while_it_is_used)
{
    struct world w = {0};
    struct weir_cache_stats stats;

    make(&w, WITH(.max_entries = 100, .ttl = WEIR_S(10)));
    for (w.key = 0; w.key < 1000; w.key++)
        EQ(asker(&w), 0);
    weir_cache_stats(w.c, &stats);
    EQ(stats.entries, 100u);
    EQ(weir_sleep(weir_after(WEIR_S(11))), 0);
    for (int i = 0; i < 1000; i++) {
        w.key = 5000;
        EQ(asker(&w), 0);
    }
    weir_cache_stats(w.c, &stats);
    EQ(stats.entries, 1u);
    weir_cache_free(&w.c);
    return 0;
}

SIM_TEST(guide_8_4_what_was_loaded_together_does_not_expire_together)
{
    struct world w = {0};
    int fresh = 0;

    make(&w, WITH(.ttl = WEIR_S(100), .jitter = 20, .max_entries = 1000));
    for (w.key = 0; w.key < 100; w.key++)
        EQ(asker(&w), 0);
    EQ(weir_sleep(weir_after(WEIR_S(90))), 0);
    for (int key = 0; key < 100; key++)
        fresh += look(&w, key) > 0;
    LT(10, fresh);
    LT(fresh, 90);
    weir_cache_free(&w.c);
    return 0;
}
