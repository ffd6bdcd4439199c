/*
 * test_stream_map.c -- the set of streams that changes while it is pulled.
 */
#include "fan_world.h"

static weir_stream *map(void)
{
    return weir_stream_map(thing_type(), NULL);
}

FAN_TEST(items_come_with_their_key_and_ends_are_items)
{
    weir_stream *m = map();
    struct weir_keyed k;
    int items = 0, ends = 0;

    EQ(weir_stream_map_insert(m, 7, feed(0, 3, WEIR_MS(2))), 0);
    EQ(weir_stream_map_insert(m, UINT64_MAX, feed_as(1, 2, WEIR_MS(3), -EIO, 1)), 0);
    EQ(weir_stream_map_count(m), 2u);
    EQ(feeds[0].at, 0);
    while (weir_next(m, &k) == 1) {
        books(m);
        EQ(k.result == 1, k.item != NULL);
        if (k.result == 1) {
            items++;
            EQ(k.key == 7, ((struct thing *)k.item)->from == 0);
            continue;
        }
        ends++;
        EQ(k.result, k.key == 7 ? 0 : -EIO);
    }
    EQ(items, 5);
    EQ(ends, 2);
    EQ(weir_stream_map_count(m), 0u);
    weir_stream_close(&m);
    return 0;
}

struct later {
    weir_stream *m;
    int from, held;
};

static int insert_later(void *arg)
{
    struct later *l = arg;
    int r = weir_sleep(weir_after(WEIR_MS(50)));

    return r < 0 ? r : weir_stream_map_insert(l->m, 9, feed(l->from, 1, 0));
}

FAN_TEST(an_insert_wakes_whoever_pulls)
{
    weir_stream *m = map();
    weir_scope *s = weir_scope_open(NULL);
    struct later l = {m, 1, 0};
    struct weir_keyed k;

    EQ(weir_stream_map_insert(m, 1, weir_never(thing_type())), 0);
    FAN_GO(s, insert_later, &l);
    EQ(weir_next(m, &k), 1);
    EQ(k.key, 9u);
    EQ(fan_age(), WEIR_MS(50));
    EQ(weir_scope_close(&s), 0);
    EQ(weir_next(m, &k), 1); /* the inserting fiber has gone, its stream has not */
    EQ(k.result, 0);
    weir_stream_close(&m);
    return 0;
}

FAN_TEST(the_end_of_an_empty_map_is_not_final)
{
    weir_stream *m = map();
    struct weir_keyed k;

    EQ(weir_next(m, &k), 0);
    EQ(weir_next(m, &k), 0);
    EQ(weir_stream_map_insert(m, 1, feed(0, 1, 0)), 0);
    EQ(weir_next(m, &k), 1);
    EQ(weir_next(m, &k), 1);
    EQ(k.result, 0);
    EQ(weir_next(m, &k), 0);
    weir_stream_close(&m);
    return 0;
}

static int finish_later(void *arg)
{
    struct later *l = arg;
    int r = weir_sleep(weir_after(WEIR_MS(90)));

    return r < 0 ? r : weir_stream_map_finish(l->m);
}

FAN_TEST(a_map_that_holds_waits_for_an_insert_until_it_is_finished)
{
    weir_stream *m = weir_stream_map(thing_type(), &(struct weir_stream_map_opts){.hold = 1});
    weir_scope *s = weir_scope_open(NULL);
    struct later l = {m, 0, 1};
    struct weir_keyed k;

    FAN_GO(s, insert_later, &l);
    FAN_GO(s, finish_later, &l);
    EQ(weir_next(m, &k), 1);
    EQ(weir_next(m, &k), 1);
    EQ(k.result, 0);
    EQ(fan_age(), WEIR_MS(50));
    EQ(weir_next(m, &k), 0);
    EQ(fan_age(), WEIR_MS(90));
    EQ(weir_stream_map_insert(m, 4, feed(5, 1, 0)), -EPIPE);
    EQ(weir_scope_close(&s), 0);
    weir_stream_close(&m);
    return 0;
}

FAN_TEST(a_removed_stream_is_closed_and_awaited_while_others_go_on)
{
    weir_stream *m = map();
    struct weir_keyed k;
    int got[3] = {0};

    for (int i = 0; i < 3; i++)
        EQ(weir_stream_map_insert(m, (uint64_t)i, feed(i, 20, WEIR_MS(1 + i))), 0);
    while (weir_next(m, &k) == 1) {
        if (k.result == 1 && ++got[k.key] == 5 && k.key == 1) {
            EQ(weir_stream_map_remove(m, 1), 0);
            EQ(feeds[1].closed, 1);
            EQ(((struct thing *)k.item)->from, 1); /* still lent */
            EQ(weir_stream_map_remove(m, 1), -ENOENT);
        }
        books(m);
    }
    EQ(got[0], 20);
    EQ(got[1], 5);
    EQ(got[2], 20);
    EQ(books(m).out, 45u);
    weir_stream_close(&m);
    return 0;
}

static int remove_later(void *arg)
{
    struct later *l = arg;
    int r = weir_sleep(weir_after(WEIR_MS(30)));

    return r < 0 ? r : weir_stream_map_remove(l->m, 1);
}

FAN_TEST(whoever_pulls_hears_that_the_last_one_was_removed)
{
    weir_scope *s = weir_scope_open(NULL);
    struct later l = {map(), 0, 0};
    struct weir_keyed k;

    EQ(weir_stream_map_insert(l.m, 1, weir_never(thing_type())), 0);
    FAN_GO(s, remove_later, &l);
    EQ(weir_next(l.m, &k), 0);
    EQ(fan_age(), WEIR_MS(30));
    EQ(weir_scope_close(&s), 0);
    weir_stream_close(&l.m);
    return 0;
}

FAN_TEST(what_a_removed_stream_held_is_in_the_books)
{
    weir_stream *m = map();
    struct weir_keyed k;

    EQ(weir_stream_map_insert(m, 1, feed(0, 9, 0)), 0);
    EQ(weir_next(m, &k), 1);
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    EQ(books(m).held, 1u);
    EQ(weir_stream_map_remove(m, 1), 0);
    EQ(books(m).dropped, 1u);
    EQ(books(m).in, 2u);
    EQ(weir_next(m, &k), 0);
    weir_stream_close(&m);
    return 0;
}

FAN_TEST(an_item_may_be_kept)
{
    weir_stream *m = map();
    struct weir_keyed k;
    struct thing mine;

    EQ(weir_stream_map_insert(m, 1, feed(0, 3, 0)), 0);
    EQ(weir_next(m, &k), 1);
    mine = *(struct thing *)k.item;
    memset(k.item, 0, sizeof mine);
    weir_stream_close(&m);
    EQ(fan.alive[mine.id], 1);
    thing_drop(&mine);
    return 0;
}

enum { CROWD = 3000 };

static int closes;

static void noted_close(void *self, int why)
{
    (void)self;
    (void)why;
    closes++;
}

static ssize_t one_pull(void *self, void *items, size_t max)
{
    (void)self;
    (void)max;
    *(int *)items = 1;
    return 1;
}

/* Streams that never speak cost nothing but their place; those that do take turns. */
FAN_TEST(a_crowd_that_is_silent_does_not_slow_the_few)
{
    static const struct weir_stream_ops ops = {sizeof ops, 0, one_pull, noted_close};
    weir_stream *m = weir_stream_map(WEIR_TYPE(int), NULL);
    struct weir_keyed k;
    int got[2] = {0};

    closes = 0;
    for (uint64_t i = 2; i < CROWD; i++)
        EQ(weir_stream_map_insert(m, i, weir_never(WEIR_TYPE(int))), 0);
    EQ(weir_stream_map_insert(m, 0, weir_stream_new(&ops, NULL, WEIR_TYPE(int))), 0);
    EQ(weir_stream_map_insert(m, 1, weir_stream_new(&ops, NULL, WEIR_TYPE(int))), 0);
    for (int i = 0; i < 2000; i++) {
        EQ(weir_next(m, &k), 1);
        LT(k.key, 2u);
        got[k.key]++;
    }
    LE(900, got[0]);
    LE(900, got[1]);
    for (uint64_t i = 2; i < CROWD; i += 2)
        EQ(weir_stream_map_remove(m, i), 0);
    EQ(weir_stream_map_count(m), CROWD / 2 + 1u);
    for (uint64_t i = 2; i < CROWD; i++)
        EQ(weir_stream_map_insert(m, i, weir_never(WEIR_TYPE(int))), i % 2 ? -EEXIST : 0);
    weir_stream_close(&m);
    EQ(closes, 2);
    return 0;
}

static int build_here(void *arg)
{
    weir_stream **m = arg;

    *m = map();
    return weir_stream_map_insert(*m, 1, feed(0, 5, WEIR_MS(1)));
}

FAN_TEST(the_builders_scope_ends_the_streams_of_a_map)
{
    weir_scope *s = weir_scope_open(NULL);
    weir_stream *m = NULL;
    struct weir_keyed k;

    FAN_GO(s, build_here, &m);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_stream_map_insert(m, 2, feed(1, 1, 0)), -ECANCELED);
    EQ(weir_next(m, &k), 1);
    EQ(k.result, -ECANCELED);
    weir_stream_close(&m);
    return 0;
}

struct elsewhere {
    weir_stream *m;
    int r;
};

static int pull_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    struct weir_keyed k;

    e->r = weir_next(e->m, &k);
    return 0;
}

FAN_TEST(who_waits_for_an_insert_hears_that_the_builder_has_gone)
{
    weir_scope *s = weir_scope_open(NULL), *inner;
    struct elsewhere e = {NULL, 1};

    inner = weir_scope_open(NULL);
    e.m = weir_stream_map(thing_type(), &(struct weir_stream_map_opts){.hold = 1});
    FAN_GO(s, pull_elsewhere, &e);
    (void)weir_sleep(weir_after(WEIR_MS(5)));
    EQ(e.r, 1);
    EQ(weir_scope_close(&inner), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(e.r, -ECANCELED);
    weir_stream_close(&e.m);
    return 0;
}

FAN_TEST(bad_maps_and_inserts_are_refused)
{
    static const struct weir_stream_map_opts bad[] = {{.hold = 2}, {.reserved = {[5] = 1}}};
    weir_stream *m = weir_stream_map(thing_type(), &(struct weir_stream_map_opts){.most = 2});
    weir_stream *none = weir_range(0, 1);

    for (size_t i = 0; i < 2; i++)
        EQ(weir_error(weir_stream_map(thing_type(), &bad[i])), -EINVAL);
    EQ(weir_error(weir_stream_map((struct weir_type){0}, NULL)), -EINVAL);
    EQ(weir_stream_map_insert(m, 1, weir_range(0, 3)), WEIR_ETYPE);
    EQ(weir_stream_map_insert(m, 1, NULL), -EINVAL);
    EQ(weir_stream_map_insert(m, 1, weir_fail(thing_type(), 1)), -EINVAL);
    EQ(weir_stream_map_insert(m, 1, m), -EINVAL);
    EQ(weir_stream_map_insert(none, 1, feed(0, 1, 0)), -EINVAL);
    EQ(weir_stream_map_insert(NULL, 1, feed(0, 1, 0)), -EINVAL);
    EQ(weir_stream_map_remove(none, 1), -EINVAL);
    EQ(weir_stream_map_finish(none), -EINVAL);
    EQ(weir_stream_map_finish(NULL), -EINVAL);
    EQ(weir_stream_map_count(none), 0u);
    EQ(weir_stream_map_insert(m, 1, feed(0, 1, 0)), 0);
    EQ(weir_stream_map_insert(m, 1, feed(1, 1, 0)), -EEXIST);
    EQ(weir_stream_map_insert(m, 2, feed(2, 1, 0)), 0);
    EQ(weir_stream_map_insert(m, 3, feed(3, 1, 0)), WEIR_EFULL);
    EQ(feeds_open, 2);
    weir_stream_close(&m);
    weir_stream_close(&none);
    return 0;
}

static int mapped(void *arg)
{
    weir_stream *m = map();
    struct weir_keyed k;
    int r = weir_error(m), late = 0;

    (void)arg;
    if (r == 0)
        r = weir_stream_map_insert(m, 1, feed(0, 2, WEIR_MS(2)));
    if (r == 0)
        r = weir_stream_map_insert(m, 2, feed_as(1, 2, WEIR_MS(3), 0, 1));
    while (r >= 0 && (r = weir_next(m, &k)) > 0)
        if (k.result == 1 && ++late == 2)
            r = weir_stream_map_insert(m, 3, feed(2, 1, 0));
    if (weir_error(m) == 0)
        books(m);
    weir_stream_close(&m);
    return r;
}

TEST(a_fault_at_any_point_loses_nothing_in_a_map)
{
    FAN_POINTS(mapped, NULL);
}
