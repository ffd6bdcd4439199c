/*
 * test_group.c -- group_by: a stream a key, bounded in keys and items, and no
 * deadlock whoever pulls what.
 */
#include <stdlib.h>

#include "fan_world.h"

static int keys = 5;

static int by_key(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = (uint64_t)(((const struct thing *)item)->n % keys);
    return 1;
}

/* Starts a drainer for each group. */
struct crowd {
    weir_scope *scope;
    struct drainer d[256];
    uint64_t key[256];
    int n;
};

static int crowd_take(struct crowd *c, weir_stream *groups, weir_span pause)
{
    struct weir_group g;
    int r;

    while ((r = weir_next(groups, &g)) == 1) {
        LT(c->n, 256);
        c->key[c->n] = g.key;
        c->d[c->n] = (struct drainer){.s = g.items, .pause = pause};
        FAN_GO(c->scope, drainer_main, &c->d[c->n]);
        c->n++;
    }
    return r;
}

FAN_TEST(each_key_has_a_stream_in_the_order_of_its_items)
{
    struct crowd *c = calloc(1, sizeof *c);
    weir_stream *s = weir_group_by(feed(0, 103, WEIR_MS(1)), by_key, NULL, NULL);

    keys = 5;
    c->scope = weir_scope_open(NULL);
    EQ(feeds[0].at, 0);
    EQ(crowd_take(c, s, 0), 0);
    EQ(weir_scope_close(&c->scope), 0);
    EQ(c->n, 5);
    for (int i = 0; i < 5; i++) {
        EQ(c->d[i].n, (int)c->key[i] < 3 ? 21 : 20);
        EQ(c->d[i].r, 0);
    }
    EQ(books(s).out, 5u);
    EQ(books(s).left, 0u);
    weir_stream_close(&s);
    free(c);
    return 0;
}

FAN_TEST(slow_groups_hold_up_the_source_but_nothing_is_lost)
{
    struct crowd *c = calloc(1, sizeof *c);
    weir_stream *s =
        weir_group_by(feed(0, 100, 0), by_key, NULL, &(struct weir_group_opts){.capacity = 2});
    int total = 0;

    keys = 5;
    c->scope = weir_scope_open(NULL);
    EQ(crowd_take(c, s, WEIR_MS(100)), 0);
    EQ(weir_scope_close(&c->scope), 0);
    for (int i = 0; i < c->n; i++)
        total += c->d[i].n;
    EQ(total, 100);
    weir_stream_close(&s);
    free(c);
    return 0;
}

FAN_TEST(a_failure_ends_all_groups_with_it)
{
    struct crowd *c = calloc(1, sizeof *c);
    weir_stream *s = weir_group_by(feed_as(0, 10, 0, -EIO, 0), by_key, NULL, NULL);

    keys = 5;
    c->scope = weir_scope_open(NULL);
    EQ(crowd_take(c, s, 0), -EIO);
    EQ(weir_scope_close(&c->scope), 0);
    for (int i = 0; i < 5; i++) {
        EQ(c->d[i].n, 2);
        EQ(c->d[i].r, -EIO);
    }
    weir_stream_close(&s);
    free(c);
    return 0;
}

/* --- more groups than consumers ------------------------------------------------ */

/* One fiber pulls one group to its end before it looks at the next: others fill up. */
static int one_after_another(const struct weir_group_opts *o, int *n)
{
    weir_stream *s = weir_group_by(feed(0, 100, 0), by_key, NULL, o);
    struct weir_group g;
    int r, end = 0;

    keys = 5;
    *n = 0;
    while ((r = weir_next(s, &g)) == 1 && end == 0) {
        end = fan_drain(g.items, n);
        weir_stream_close(&g.items);
    }
    if (r == 1)
        weir_stream_close(&g.items);
    weir_stream_close(&s);
    return end ? end : r;
}

FAN_TEST(groups_that_nobody_pulls_end_in_an_error_not_in_a_hang)
{
    struct weir_group_opts o = {.capacity = 3, .patience = WEIR_MS(70)};
    int n;

    EQ(one_after_another(&o, &n), WEIR_EFULL);
    EQ(fan_age(), WEIR_MS(70)); /* after patience, not before */
    EQ(n, 4);
    o.patience = 0;
    EQ(one_after_another(&o, &n), WEIR_EFULL);
    EQ(fan_age(), WEIR_MS(70) + WEIR_S(10));
    o.patience = WEIR_NEVER; /* then the detector */
    EQ(one_after_another(&o, &n), WEIR_EDEADLOCK);
    return 0;
}

/* The same while a timer elsewhere keeps the detector quiet. */
static int heartbeat(void *arg)
{
    (void)arg;
    while (weir_sleep(weir_after(WEIR_MS(5))) == 0)
        ;
    return 0;
}

FAN_TEST(a_heartbeat_elsewhere_does_not_make_it_a_hang)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct weir_group_opts o = {.capacity = 3, .patience = WEIR_MS(70)};
    int n;

    FAN_GO(scope, heartbeat, NULL);
    EQ(one_after_another(&o, &n), WEIR_EFULL);
    EQ(weir_scope_cancel(scope, -ECANCELED), 0);
    EQ(weir_scope_close(&scope), -ECANCELED);
    return 0;
}

FAN_TEST(groups_that_drop_let_one_consumer_go_through_all)
{
    static const enum weir_overflow how[] = {WEIR_DROP_NEWEST, WEIR_DROP_OLDEST};

    for (int i = 0; i < 2; i++) {
        struct weir_group_opts o = {.capacity = 3, .overflow = how[i]};
        int n;

        EQ(one_after_another(&o, &n), 0);
        LE(5, n);
        LE(n, 100);
    }
    return 0;
}

FAN_TEST(a_group_that_fails_when_full_ends_alone)
{
    weir_stream *s = weir_group_by(feed(0, 100, 0), by_key, NULL,
                                   &(struct weir_group_opts){.capacity = 3, .overflow = WEIR_FAIL});
    struct weir_group g[5];
    int n = 0;

    keys = 5;
    for (int i = 0; i < 5; i++)
        EQ(weir_next(s, &g[i]), 1);
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    for (int i = 0; i < 5; i++) {
        EQ(fan_drain(g[i].items, &n), WEIR_EFULL);
        weir_stream_close(&g[i].items);
    }
    EQ(n, 15);
    EQ(weir_next(s, &g[0]), 0);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(a_consumer_that_only_works_is_waited_for)
{
    struct weir_group_opts o = {.capacity = 1, .patience = WEIR_MS(50)};
    weir_stream *s = weir_group_by(feed(0, 20, 0), by_key, NULL, &o);
    struct weir_group g;
    int n = 0;

    keys = 1;
    EQ(weir_next(s, &g), 1);
    (void)weir_sleep(weir_after(WEIR_S(60))); /* nobody waits for another stream */
    EQ(fan_drain(g.items, &n), 0);
    EQ(n, 20);
    weir_stream_close(&g.items);
    weir_stream_close(&s);
    return 0;
}

/* --- more keys than places ---------------------------------------------------------- */

FAN_TEST(a_key_too_many_fails_or_is_dropped)
{
    struct weir_group_opts o = {.most = 3, .capacity = 100};
    int n;

    EQ(one_after_another(&o, &n), WEIR_EFULL);
    o.at_most = WEIR_GROUP_DROP;
    EQ(one_after_another(&o, &n), 0);
    EQ(n, 60);
    return 0;
}

static int by_ten(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = (uint64_t)(((const struct thing *)item)->n / 10);
    return 1;
}

FAN_TEST(the_group_idle_longest_gives_up_its_place)
{
    struct crowd *c = calloc(1, sizeof *c);
    struct weir_group_opts o = {.most = 3, .at_most = WEIR_GROUP_EVICT};
    weir_stream *s = weir_group_by(feed(0, 100, WEIR_MS(1)), by_ten, NULL, &o);

    c->scope = weir_scope_open(NULL);
    EQ(crowd_take(c, s, 0), 0);
    EQ(weir_scope_close(&c->scope), 0);
    EQ(c->n, 10);
    for (int i = 0; i < 10; i++) {
        EQ(c->d[i].n, 10);
        EQ(c->d[i].r, 0);
        if (i < 7) /* ended when the third after it came */
            EQ(c->d[i].ended - WEIR_EPOCH, WEIR_MS(10 * (i + 3) + 1));
    }
    weir_stream_close(&s);
    s = weir_group_by(feed(1, 100, 0), by_ten, NULL, &o); /* all have something queued */
    for (int i = 0; i < 3; i++) {
        struct weir_group g;

        EQ(weir_next(s, &g), 1);
        c->d[i].s = g.items;
    }
    EQ(weir_next(s, &(struct weir_group){0}), WEIR_EFULL);
    for (int i = 0; i < 3; i++)
        weir_stream_close(&c->d[i].s);
    weir_stream_close(&s);
    free(c);
    return 0;
}

static int by_letter(void *ctx, const void *item, uint64_t *key)
{
    *key = (uint64_t)((const char *)ctx)[((const struct thing *)item)->n];
    return 1;
}

FAN_TEST(an_old_group_that_is_busy_keeps_its_place)
{
    struct crowd *c = calloc(1, sizeof *c);
    struct weir_group_opts o = {.most = 2, .at_most = WEIR_GROUP_EVICT};
    char letters[] = "ABACABA";
    weir_stream *s = weir_group_by(feed(0, 7, WEIR_MS(1)), by_letter, letters, &o);
    int a = 0;

    c->scope = weir_scope_open(NULL);
    EQ(crowd_take(c, s, 0), 0);
    EQ(weir_scope_close(&c->scope), 0);
    for (int i = 0; i < c->n; i++)
        if (c->key[i] == 'A') {
            EQ(c->d[i].n, 4);
            a++;
        }
    EQ(a, 1); /* B went for C, and C for B */
    EQ(c->n, 4);
    weir_stream_close(&s);
    free(c);
    return 0;
}

FAN_TEST(more_groups_than_wait_to_be_handed_out_are_no_loss)
{
    weir_stream *s = weir_group_by(feed(0, 3000, 0), by_key, NULL,
                                   &(struct weir_group_opts){.most = 3000, .capacity = 1});
    struct weir_group g;
    struct thing t;
    int groups = 0, n = 0;

    keys = 3000;
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    while (weir_next(s, &g) == 1) {
        groups++;
        if (groups == 1)
            (void)weir_sleep(weir_after(WEIR_MS(1))); /* the queue of groups fills up */
        n += weir_next(g.items, &t) == 1;
        thing_drop(&t);
        weir_stream_close(&g.items);
    }
    EQ(groups, 3000);
    EQ(n, 3000);
    weir_stream_close(&s);
    return 0;
}

/* --- leaving ----------------------------------------------------------------------------- */

FAN_TEST(a_closed_group_opens_anew_with_the_next_item_of_its_key)
{
    weir_stream *s = weir_group_by(feed(0, 30, WEIR_MS(1)), by_key, NULL, NULL);
    struct weir_group g;
    struct thing t;
    int groups = 0;

    keys = 2;
    while (weir_next(s, &g) == 1) {
        groups++;
        EQ(weir_next(g.items, &t), 1);
        thing_drop(&t);
        weir_stream_close(&g.items);
    }
    EQ(groups, 30);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(groups_go_on_when_the_stream_of_groups_is_closed)
{
    weir_stream *s = weir_group_by(feed(0, 30, WEIR_MS(1)), by_key, NULL, NULL);
    struct weir_group g;
    struct weir_fan_stats b;
    int n = 0;

    keys = 3;
    EQ(weir_next(s, &g), 1);
    weir_stream_close(&s);
    EQ(fan_drain(g.items, &n), 0);
    EQ(n, 10);
    b = books(g.items);
    EQ(b.out, 10u);
    EQ(b.left, 20u);
    weir_stream_close(&g.items);
    EQ(feeds_open, 0);
    return 0;
}

FAN_TEST(groups_that_were_never_taken_are_closed_with_the_stream)
{
    weir_stream *s = weir_group_by(feed(0, 50, 0), by_key, NULL, NULL);
    struct weir_group g;

    keys = 5;
    EQ(weir_next(s, &g), 1);
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    EQ(books(s).held, 4u);
    weir_stream_close(&g.items);
    weir_stream_close(&s);
    s = weir_group_by(feed(1, 50, 0), by_key, NULL, NULL); /* never pulled */
    weir_stream_close(&s);
    return 0;
}

static int odd_or_fail(void *ctx, const void *item, uint64_t *key)
{
    int n = ((const struct thing *)item)->n;

    *key = 0;
    return n == 10 ? *(int *)ctx : n % 2;
}

FAN_TEST(a_key_function_may_drop_and_fail)
{
    int code = -ERANGE, n = 0;
    weir_stream *s = weir_group_by(feed(0, 30, 0), odd_or_fail, &code, NULL);
    struct weir_group g;

    EQ(weir_next(s, &g), 1);
    EQ(fan_drain(g.items, &n), -ERANGE);
    EQ(n, 5);
    EQ(books(s).left, 6u);
    EQ(weir_next(s, &g), -ERANGE);
    EQ(books(g.items).left, 6u);
    weir_stream_close(&g.items);
    weir_stream_close(&s);
    return 0;
}

FAN_TEST(bad_groups_are_refused_and_close_their_source)
{
    static const struct weir_group_opts bad[] = {{.most = (1 << 24) + 1},
                                                 {.at_most = (enum weir_group_limit)3},
                                                 {.overflow = (enum weir_overflow)7},
                                                 {.patience = -1},
                                                 {.reserved = {0, 0, 0, 1}},
                                                 {.capacity = SIZE_MAX / 2}};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_error(weir_group_by(feed(0, 1, 0), by_key, NULL, &bad[i])), -EINVAL);
        EQ(feeds_open, 0);
    }
    EQ(weir_error(weir_group_by(feed(0, 1, 0), NULL, NULL, NULL)), -EINVAL);
    EQ(weir_error(weir_group_by(NULL, by_key, NULL, NULL)), -EINVAL);
    return 0;
}

static int grouped(void *arg)
{
    weir_stream *s = weir_group_by(feed(0, 8, WEIR_MS(1)), by_key, NULL,
                                   &(struct weir_group_opts){.capacity = 8});
    struct weir_group g[4];
    int n = 0, made = 0, r;

    (void)arg;
    keys = 3;
    while ((r = weir_next(s, &g[made])) == 1)
        made++;
    for (int i = 0; i < made; i++) {
        int end = fan_drain(g[i].items, &n);

        r = r < 0 ? r : end;
        books(g[i].items);
        weir_stream_close(&g[i].items);
    }
    OK(r < 0 || n == 8);
    weir_stream_close(&s);
    return r;
}

TEST(a_fault_at_any_point_loses_nothing_of_a_group)
{
    FAN_POINTS(grouped, NULL);
}
