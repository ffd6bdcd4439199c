/*
 * test_replay.c -- a broadcast that keeps its last items for who comes late.
 */
#include "stream/fan_world.h"

static struct weir_outlet_opts room(size_t capacity)
{
    return (struct weir_outlet_opts){.capacity = capacity};
}

/* What a new subscriber with so much room finds, up to the end: first, how many. */
static void late(weir_broadcast *b, size_t capacity, int first, int n)
{
    struct weir_outlet_opts o = room(capacity);
    weir_stream *s = weir_broadcast_subscribe(b, &o);
    struct thing t;

    for (int i = 0; i < n; i++) {
        EQ(weir_next(s, &t), 1);
        EQ(t.n, first + i);
        thing_drop(&t);
        (void)books(s);
    }
    EQ(weir_next(s, &t), 0);
    weir_stream_close(&s);
}

FAN_TEST(who_comes_late_gets_the_last_items_first)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_broadcast *b = weir_broadcast_replay(feed(0, 20, WEIR_MS(10)), 3);
    struct drainer d[4] = {{0}};

    for (int i = 0; i < 4; i++) {
        d[i] = (struct drainer){.s = weir_broadcast_subscribe(b, NULL)};
        FAN_GO(scope, drainer_main, &d[i]);
        (void)weir_sleep(weir_after(WEIR_MS(47)));
    }
    EQ(weir_scope_close(&scope), 0);
    for (int i = 0; i < 4; i++) {
        EQ(d[i].last, 19);
        EQ(d[i].n, i ? 20 - i * 47 / 10 + 3 : 20); /* none lost, none twice */
    }
    late(b, 64, 17, 3); /* after the end as well */
    late(b, 2, 18, 2);  /* as many as there is room for: the newest */
    late(b, 1, 19, 1);
    weir_broadcast_close(&b);
    return 0;
}

FAN_TEST(fewer_items_than_it_would_keep_are_all_kept)
{
    weir_broadcast *b = weir_broadcast_replay(feed(0, 2, 0), 5);
    weir_stream *s = weir_broadcast_subscribe(b, NULL);
    int n = 0;

    EQ(fan_drain(s, &n), 0);
    EQ(n, 2);
    weir_stream_close(&s);
    late(b, 64, 0, 2);
    late(b, 64, 0, 2);
    weir_broadcast_close(&b);
    return 0;
}

/* One item is in the hand of the operator, for the first has no room: the second gets it once. */
FAN_TEST(an_item_on_its_way_comes_once)
{
    weir_broadcast *b = weir_broadcast_replay(feed(0, 4, 0), 2);
    struct weir_outlet_opts one = room(1);
    weir_stream *slow = weir_broadcast_subscribe(b, &one), *s;
    struct thing t;
    int n = 0;

    EQ(weir_next(slow, &t), 1);
    thing_drop(&t);
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    s = weir_broadcast_subscribe(b, NULL);
    EQ(weir_next(s, &t), 1);
    EQ(t.n, 1); /* 1 and 2 of the past; 2 waits for room */
    thing_drop(&t);
    EQ(weir_next(s, &t), 1);
    EQ(t.n, 2);
    thing_drop(&t);
    weir_stream_close(&slow);
    EQ(weir_next(s, &t), 1);
    EQ(t.n, 3);
    thing_drop(&t);
    EQ(fan_drain(s, &n), 0);
    EQ(n, 0);
    weir_stream_close(&s);
    weir_broadcast_close(&b);
    return 0;
}

FAN_TEST(no_past_and_too_much_of_it_are_refused)
{
    weir_broadcast *b = weir_broadcast_replay(feed(0, 2, 0), 0);

    EQ(weir_broadcast_error(b), -EINVAL);
    weir_broadcast_close(&b);
    b = weir_broadcast_replay(feed(0, 2, 0), (1 << 16) + 1);
    EQ(weir_broadcast_error(b), -EINVAL);
    weir_broadcast_close(&b);
    b = weir_broadcast_replay(NULL, 1);
    EQ(weir_broadcast_error(b), -EINVAL);
    weir_broadcast_close(&b);
    return 0;
}

static int late_at_every_point(void *arg)
{
    weir_broadcast *b = weir_broadcast_replay(feed(0, 6, WEIR_MS(1)), 2);
    weir_stream *s = weir_broadcast_subscribe(b, NULL), *more;
    struct thing t;
    int n = 0, m = 0, r;

    (void)arg;
    for (int i = 0; i < 3 && (r = weir_next(s, &t)) > 0; i++, n++)
        thing_drop(&t);
    more = weir_broadcast_subscribe(b, NULL);
    r = fan_drain(s, &n);
    weir_stream_close(&s);
    r = r < 0 ? r : fan_drain(more, &m);
    weir_stream_close(&more);
    weir_broadcast_close(&b);
    if (r == 0)
        EQ(m, 5); /* 1 and 2, and what came after */
    return r;
}

TEST(whatever_fails_nothing_of_the_past_is_lost_or_left)
{
    FAN_POINTS(late_at_every_point, NULL);
}
