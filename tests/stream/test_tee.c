/*
 * test_tee.c -- each item to many: tee, broadcast, wire_tap: policies, leavers,
 * the slow and the deadlocked.
 */
#include "fan_world.h"

static int (*const drain)(void *) = drainer_main;

FAN_TEST(each_subscriber_gets_everything)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *out[3];
    struct drainer d[3] = {{0}};

    EQ(weir_tee(feed(0, 50, WEIR_MS(1)), 3, NULL, out), 0);
    EQ(feeds[0].at, 0);
    for (int i = 0; i < 3; i++) {
        d[i] = (struct drainer){.s = out[i], .pause = WEIR_MS(i)};
        FAN_GO(scope, drain, &d[i]);
    }
    EQ(weir_scope_close(&scope), 0);
    for (int i = 0; i < 3; i++) {
        EQ(d[i].n, 50);
        EQ(d[i].r, 0);
    }
    return 0;
}

FAN_TEST(the_slowest_that_blocks_sets_the_pace)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct weir_outlet_opts o[2] = {{.capacity = 2}, {.capacity = 2}};
    weir_stream *out[2];
    struct drainer d[2] = {{.pause = WEIR_MS(10)}, {0}};

    EQ(weir_tee(feed(0, 20, 0), 2, o, out), 0);
    for (int i = 0; i < 2; i++) {
        d[i].s = out[i];
        FAN_GO(scope, drain, &d[i]);
    }
    (void)weir_sleep(weir_after(WEIR_MS(55)));
    LE(feeds[0].at, 6 + 2 + 2); /* taken by the slow one, its queue, the hand, one in its hand */
    EQ(weir_scope_close(&scope), 0);
    EQ(d[0].n, 20);
    EQ(d[1].n, 20);
    return 0;
}

FAN_TEST(each_has_a_policy_of_its_own_and_counts)
{
    static const struct weir_outlet_opts o[5] = {{.capacity = 64},
                                                 {.capacity = 4, .overflow = WEIR_DROP_NEWEST},
                                                 {.capacity = 4, .overflow = WEIR_DROP_OLDEST},
                                                 {.capacity = 1, .overflow = WEIR_LATEST},
                                                 {.capacity = 4, .overflow = WEIR_FAIL}};
    static const int first[5] = {0, 0, 26, 29, 0}, count[5] = {30, 4, 4, 1, 4};
    weir_stream *out[5];
    struct thing t;

    EQ(weir_tee(feed(0, 30, 0), 5, o, out), 0);
    EQ(weir_next(out[0], &t), 1);
    thing_drop(&t);
    (void)weir_sleep(weir_after(WEIR_S(1)));
    for (int i = 0; i < 5; i++) {
        int want = count[i] - (i == 0), r;

        EQ(books(out[i]).held, (unsigned)want + 0u);
        if (i)
            EQ(books(out[i]).in, i == 4 ? 5u : 30u);
        for (int k = 0; k < want; k++) {
            EQ(weir_next(out[i], &t), 1);
            EQ(t.n, first[i] + k + (i == 0));
            thing_drop(&t);
        }
        r = weir_next(out[i], &t);
        EQ(r, i == 4 ? WEIR_EFULL : 0);
        weir_stream_close(&out[i]);
    }
    return 0;
}

FAN_TEST(one_that_leaves_stalls_nobody)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct weir_outlet_opts o[3] = {{.capacity = 1}, {.capacity = 1}, {.capacity = 1}};
    weir_stream *out[3];
    struct drainer d[2] = {{.most = 5}, {0}};

    EQ(weir_tee(feed(0, 100, 0), 3, o, out), 0);
    d[0].s = out[0];
    d[1].s = out[1];
    FAN_GO(scope, drain, &d[0]);
    FAN_GO(scope, drain, &d[1]);
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    LE(d[1].n, 2); /* held up by the third, who never pulls */
    weir_stream_close(&out[2]);
    EQ(weir_scope_close(&scope), 0);
    EQ(d[0].n, 5);
    EQ(d[1].n, 100);
    EQ(feeds_open, 0);
    return 0;
}

FAN_TEST(when_all_have_left_the_source_is_closed)
{
    weir_stream *out[2];
    struct thing t;

    EQ(weir_tee(feed(0, 100, WEIR_MS(1)), 2, NULL, out), 0);
    EQ(weir_next(out[1], &t), 1);
    thing_drop(&t);
    weir_stream_close(&out[1]);
    EQ(feeds_open, 1);
    weir_stream_close(&out[0]);
    EQ(feeds_open, 0);
    return 0;
}

FAN_TEST(a_failure_reaches_all_after_what_they_have_queued)
{
    weir_stream *out[2];
    int n[2] = {0};

    EQ(weir_tee(feed_as(0, 9, 0, -EIO, 0), 2, NULL, out), 0);
    for (int i = 0; i < 2; i++) {
        EQ(fan_drain(out[i], &n[i]), -EIO);
        EQ(n[i], 9);
        EQ(books(out[i]).left, 0u);
        weir_stream_close(&out[i]);
    }
    return 0;
}

FAN_TEST(all_have_failed_and_an_endless_source_is_let_go)
{
    struct weir_outlet_opts o[2] = {{.capacity = 1, .overflow = WEIR_FAIL},
                                    {.capacity = 2, .overflow = WEIR_FAIL}};
    weir_stream *out[2];
    int64_t x;

    EQ(weir_tee(weir_range(0, INT64_MAX), 2, o, out), 0);
    EQ(weir_next(out[0], &x), 1);
    (void)weir_sleep(weir_after(WEIR_S(1)));
    while (weir_next(out[0], &x) == 1)
        ;
    EQ(weir_next(out[0], &x), WEIR_EFULL);
    EQ(weir_next(out[1], &x), 1);
    EQ(weir_next(out[1], &x), 1);
    EQ(weir_next(out[1], &x), WEIR_EFULL);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
    return 0;
}

FAN_TEST(a_source_that_never_parks_and_subscribers_that_drop_can_be_closed)
{
    struct weir_outlet_opts o = {.capacity = 1, .overflow = WEIR_LATEST};
    weir_stream *out[1];
    int64_t x;

    EQ(weir_tee(weir_range(0, INT64_MAX), 1, &o, out), 0);
    EQ(weir_next(out[0], &x), 1);
    weir_stream_close(&out[0]);
    return 0;
}

static int clone_but_three(void *to, const void *from)
{
    return ((const struct thing *)from)->n == 3 ? -ENOMEM : thing_clone(to, from);
}

static int pass(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(struct thing *)out = *(struct thing *)in;
    memset(in, 0, sizeof(struct thing));
    return 1;
}

FAN_TEST(a_clone_that_fails_ends_all)
{
    struct weir_type type = thing_type();
    weir_stream *out[2];
    int n[2] = {0};

    type.clone = clone_but_three;
    EQ(weir_tee(weir_then(feed(0, 9, 0), pass, NULL, type), 2, NULL, out), 0);
    for (int i = 0; i < 2; i++) {
        EQ(fan_drain(out[i], &n[i]), -ENOMEM);
        EQ(n[i], 3);
    }
    EQ(books(out[0]).left, 2u);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
    return 0;
}

/* The classic: one branch drops, the other's queue fills, and zip waits for both. */
static int every_tenth(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return ((struct thing *)in)->n % 10 == 9;
}

static int first_of(void *ctx, void *const in[], size_t n, void *out)
{
    (void)ctx;
    (void)n;
    *(int *)out = ((struct thing *)in[0])->n;
    return 1;
}

static int tee_into_zip(size_t capacity, int concurrent, weir_span patience)
{
    struct weir_outlet_opts o[2] = {{.capacity = capacity, .patience = patience},
                                    {.capacity = capacity, .patience = patience}};
    struct weir_heads_opts h = {.concurrent = (uint32_t)concurrent};
    weir_stream *out[2], *s;
    int x, r;

    EQ(weir_tee(feed(0, 100, 0), 2, o, out), 0);
    s = weir_zip(WEIR_STREAMS(out[0], weir_filter(out[1], every_tenth, NULL)), first_of, NULL,
                 WEIR_TYPE(int), &h);
    while ((r = weir_next(s, &x)) == 1)
        ;
    weir_stream_close(&s);
    return r;
}

FAN_TEST(tee_into_zip_with_a_branch_that_drops_ends_in_a_deadlock_not_a_hang)
{
    EQ(tee_into_zip(1, 0, 0), WEIR_EDEADLOCK);
    EQ(tee_into_zip(1, 1, 0), WEIR_EDEADLOCK);
    EQ(tee_into_zip(200, 0, 0), 0); /* with room enough it is none */
    EQ(tee_into_zip(200, 1, 0), 0);
    return 0;
}

static int heartbeat(void *arg)
{
    (void)arg;
    while (weir_sleep(weir_after(WEIR_MS(5))) == 0)
        ;
    return 0;
}

FAN_TEST(with_patience_it_ends_also_while_a_timer_elsewhere_runs)
{
    weir_scope *scope = weir_scope_open(NULL);

    FAN_GO(scope, heartbeat, NULL);
    EQ(tee_into_zip(1, 0, WEIR_MS(80)), WEIR_EFULL);
    EQ(fan_age(), WEIR_MS(80));
    EQ(tee_into_zip(1, 1, WEIR_MS(80)), WEIR_EFULL);
    EQ(tee_into_zip(200, 1, WEIR_MS(80)), 0);
    EQ(weir_scope_cancel(scope, -ECANCELED), 0);
    EQ(weir_scope_close(&scope), -ECANCELED);
    return 0;
}

FAN_TEST(patience_is_not_lost_with_one_who_is_only_slow)
{
    weir_scope *scope = weir_scope_open(NULL);
    struct weir_outlet_opts o[2] = {{.capacity = 1, .patience = WEIR_MS(80)}, {.capacity = 1}};
    weir_stream *out[2];
    struct drainer d[2] = {{.pause = WEIR_MS(70)}, {0}};

    EQ(weir_tee(feed(0, 20, 0), 2, o, out), 0);
    for (int i = 0; i < 2; i++) {
        d[i].s = out[i];
        FAN_GO(scope, drainer_main, &d[i]);
    }
    EQ(weir_scope_close(&scope), 0);
    EQ(d[0].n, 20);
    EQ(d[1].n, 20);
    return 0;
}

/* Whichever pen of the ring the detector cuts, the end says why. */
FAN_TEST(a_ring_of_a_stage_and_a_tee_is_told_too)
{
    for (int way = 0; way < 4; way++) {
        struct weir_outlet_opts o[2] = {{.capacity = 1}, {.capacity = 1}};
        weir_stream *out[2], *s;
        int x, r;

        EQ(weir_tee(feed(0, 100, 0), 2, o, out), 0);
        s = weir_filter(out[1], every_tenth, NULL);
        s = way & 1 ? weir_stage(s, &(struct weir_stage_opts){.capacity = 1})
                    : weir_buffered(s, pass, NULL, thing_type(), 1);
        s = way & 2 ? weir_zip(WEIR_STREAMS(out[0], s), first_of, NULL, WEIR_TYPE(int), NULL)
                    : weir_zip(WEIR_STREAMS(s, out[0]), first_of, NULL, WEIR_TYPE(int), NULL);
        while ((r = weir_next(s, &x)) == 1)
            ;
        EQ(r, WEIR_EDEADLOCK);
        weir_stream_close(&s);
    }
    return 0;
}

TEST(off_a_fiber_a_tee_can_be_built_and_closed_but_not_pulled)
{
    weir_stream *out[2];
    int64_t x;

    EQ(weir_tee(weir_range(0, 3), 2, NULL, out), 0);
    EQ(weir_next(out[1], &x), WEIR_ENOFIBER);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
}

FAN_TEST(a_tee_that_is_never_pulled_never_starts)
{
    weir_stream *out[2];

    EQ(weir_tee(feed(0, 3, 0), 2, NULL, out), 0);
    (void)weir_sleep(weir_after(WEIR_MS(1)));
    weir_stream_close(&out[0]);
    EQ(feeds_open, 1);
    weir_stream_close(&out[1]);
    EQ(feeds[0].at, 0);
    EQ(feeds_open, 0);
    return 0;
}

FAN_TEST(the_builders_scope_ends_all_subscribers_after_what_they_have)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *out[2];
    struct thing t;
    int n = 0;

    EQ(weir_tee(feed(0, 9, WEIR_MS(1)), 2, NULL, out), 0);
    for (int i = 0; i < 3; i++) {
        EQ(weir_next(out[0], &t), 1);
        thing_drop(&t);
    }
    EQ(weir_scope_close(&scope), 0);
    EQ(fan_drain(out[0], &n), -ECANCELED);
    EQ(n, 0);
    EQ(fan_drain(out[1], &n), -ECANCELED);
    EQ(n, 3);
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
    return 0;
}

FAN_TEST(a_subscriber_whose_pull_times_out_loses_nothing)
{
    weir_stream *out[1];
    struct weir_limit l;
    struct thing t;
    int n = 0, r;

    EQ(weir_tee(feed(0, 20, WEIR_MS(5)), 1, NULL, out), 0);
    do {
        EQ(weir_limit_init(&l, weir_after(WEIR_MS(2))), 0);
        r = weir_limit_fini(&l, weir_next(out[0], &t));
        if (r == 1) {
            EQ(t.n, n);
            thing_drop(&t);
            n++;
        }
    } while (r == 1 || r == -ETIMEDOUT);
    EQ(r, 0);
    EQ(n, 20);
    weir_stream_close(&out[0]);
    return 0;
}

/* --- broadcast --------------------------------------------------------------------------- */

FAN_TEST(a_late_subscriber_gets_what_comes_after)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_broadcast *b = weir_broadcast_new(feed(0, 20, WEIR_MS(10)));
    struct drainer d[7] = {{0}};

    for (int i = 0; i < 7; i++) {
        d[i] = (struct drainer){.s = weir_broadcast_subscribe(b, NULL), .most = i == 1 ? 2 : 0};
        EQ(weir_error(d[i].s), 0);
        FAN_GO(scope, drain, &d[i]);
        (void)weir_sleep(weir_after(WEIR_MS(27)));
    }
    weir_broadcast_close(&b);
    OK(b == NULL);
    EQ(weir_scope_close(&scope), 0);
    for (int i = 0; i < 7; i++) {
        EQ(d[i].last, i == 1 ? 3 : 19);
        if (i != 1)
            EQ(d[i].n, 20 - (i * 27) / 10);
    }
    return 0;
}

FAN_TEST(while_nobody_subscribes_nothing_is_pulled)
{
    weir_broadcast *b = weir_broadcast_new(feed(0, 9, 0));
    weir_stream *s = weir_broadcast_subscribe(b, &(struct weir_outlet_opts){.capacity = 1}), *late;
    struct thing t;
    int n = 0, at;

    EQ(weir_next(s, &t), 1);
    thing_drop(&t);
    weir_stream_close(&s);
    at = feeds[0].at;
    LE(at, 3);
    (void)weir_sleep(weir_after(WEIR_S(1)));
    LE(feeds[0].at, at + 1);
    at = feeds[0].at;
    late = weir_broadcast_subscribe(b, NULL);
    EQ(fan_drain(late, &n), 0);
    EQ(n, 9 - at);
    EQ(books(late).left,
       (unsigned)(9 - 1 - n));             /* what the first left behind, and what nobody got */
    s = weir_broadcast_subscribe(b, NULL); /* after the end */
    EQ(weir_next(s, &t), 0);
    weir_stream_close(&s);
    weir_stream_close(&late);
    weir_broadcast_close(&b);
    return 0;
}

/* --- wire_tap ------------------------------------------------------------------------------ */

FAN_TEST(a_tap_gets_copies_and_never_holds_up_the_stream)
{
    weir_chan *ch = weir_chan_new(thing_type(), 5);
    weir_stream *s = weir_wire_tap(feed_as(0, 20, WEIR_MS(1), -EIO, 1), ch);
    struct thing t;
    int n = 0;

    EQ(fan_drain(s, &n), -EIO);
    EQ(n, 20);
    EQ(weir_stream_dropped(s), 15u);
    EQ(books(s).out, 5u);
    for (int i = 0; i < 5; i++) {
        EQ(weir_recv(ch, &t, WEIR_NEVER), 1);
        EQ(t.n, i);
        thing_drop(&t);
    }
    EQ(weir_recv(ch, &t, WEIR_NEVER), -EIO); /* the tap hears of the end */
    weir_stream_close(&s);
    weir_chan_free(&ch);
    return 0;
}

FAN_TEST(a_tap_that_is_closed_early_or_gone_hurts_nobody)
{
    weir_chan *ch = weir_chan_new(thing_type(), 5), *shut = weir_chan_new(thing_type(), 5);
    weir_stream *s = weir_wire_tap(feed(0, 20, 0), ch);
    struct thing t;
    int n = 0;

    EQ(weir_next(s, &t), 1);
    thing_drop(&t);
    weir_stream_close(&s);
    EQ(weir_recv(ch, &t, WEIR_NEVER), 1);
    thing_drop(&t);
    EQ(weir_recv(ch, &t, WEIR_NEVER), -ECANCELED);
    s = weir_wire_tap(feed(0, 20, 0), shut);
    EQ(weir_chan_shut(shut), 0);
    EQ(fan_drain(s, &n), 0);
    EQ(n, 20);
    EQ(books(s).dropped, 20u);
    weir_stream_close(&s);
    EQ(weir_error(weir_wire_tap(feed(1, 1, 0), shut)), WEIR_ECLOSED);
    weir_chan_free(&ch);
    weir_chan_free(&shut);
    return 0;
}

/* --- what is refused ------------------------------------------------------------------------- */

static void refused(int got, weir_stream **out, int n, int code)
{
    EQ(got, code);
    EQ(feeds_open, 0);
    for (int i = 0; out && i < n; i++) {
        EQ(weir_error(out[i]), code);
        weir_stream_close(&out[i]);
    }
}

FAN_TEST(bad_tees_are_refused_and_close_their_source)
{
    struct weir_outlet_opts bad[2] = {{0}, {.overflow = (enum weir_overflow)9}},
                            impatient[2] = {{0}, {.patience = -1}},
                            reserved[2] = {{0}, {.reserved = {1}}};
    struct weir_type undroppable = thing_type();
    weir_chan *ints = weir_chan_new(WEIR_TYPE(int), 1);
    weir_broadcast *b;
    weir_stream *out[2];

    undroppable.clone = NULL;
    refused(weir_tee(feed(0, 1, 0), 2, bad, out), out, 2, -EINVAL);
    refused(weir_tee(feed(0, 1, 0), 2, reserved, out), out, 2, -EINVAL);
    refused(weir_tee(feed(0, 1, 0), 2, impatient, out), out, 2, -EINVAL);
    refused(weir_tee(feed(0, 1, 0), 0, NULL, out), NULL, 0, -EINVAL);
    refused(weir_tee(feed(0, 1, 0), 2, NULL, NULL), NULL, 0, -EINVAL);
    refused(weir_tee(NULL, 2, NULL, out), out, 2, -EINVAL);
    refused(weir_tee(weir_empty(undroppable), 2, NULL, out), out, 2, -EINVAL);
    b = weir_broadcast_new(NULL);
    EQ(weir_broadcast_error(b), -EINVAL);
    EQ(weir_error(weir_broadcast_subscribe(b, NULL)), -EINVAL);
    weir_broadcast_close(&b);
    b = weir_broadcast_new(weir_chain(weir_range(0, 1), weir_empty(WEIR_TYPE(int))));
    EQ(weir_broadcast_error(b), WEIR_ETYPE);
    EQ(weir_error(weir_broadcast_subscribe(b, NULL)), WEIR_ETYPE);
    weir_broadcast_close(&b);
    b = weir_broadcast_new(feed(0, 1, 0));
    EQ(weir_error(weir_broadcast_subscribe(b, &bad[1])), -EINVAL);
    EQ(weir_error(weir_broadcast_subscribe(NULL, NULL)), -EINVAL);
    weir_broadcast_close(&b);
    weir_broadcast_close(&b);
    EQ(weir_error(weir_wire_tap(feed(0, 1, 0), NULL)), -EINVAL);
    EQ(weir_error(weir_wire_tap(feed(0, 1, 0), ints)), WEIR_ETYPE);
    EQ(weir_error(weir_wire_tap(weir_empty(undroppable), ints)), WEIR_ETYPE);
    weir_chan_free(&ints);
    return 0;
}

/* --- every point ----------------------------------------------------------------------------- */

static int teed(void *arg)
{
    struct weir_outlet_opts o[2] = {{.capacity = 1}, {.capacity = 4, .overflow = WEIR_DROP_OLDEST}};
    weir_stream *out[2];
    int n[2] = {0}, r = weir_tee(feed(0, 4, WEIR_MS(2)), 2, o, out), r1 = r;

    (void)arg;
    if (r == 0) {
        r = fan_drain(out[0], &n[0]);
        OK(r < 0 || n[0] == 4);
        books(out[0]);
        r1 = fan_drain(out[1], &n[1]);
        OK(r1 < 0 || n[1] == 4);
        books(out[1]);
    }
    weir_stream_close(&out[0]);
    weir_stream_close(&out[1]);
    return r < 0 ? r : r1;
}

static int cast(void *arg)
{
    weir_broadcast *b = weir_broadcast_new(feed(0, 4, WEIR_MS(2)));
    weir_stream *s = weir_broadcast_subscribe(b, NULL);
    int n = 0, r = fan_drain(s, &n);

    (void)arg;
    OK(r < 0 || n == 4);
    weir_broadcast_close(&b);
    weir_stream_close(&s);
    return r;
}

static int tapped(void *arg)
{
    weir_chan *ch = weir_chan_new(thing_type(), 2);
    weir_stream *s = weir_wire_tap(feed(0, 4, WEIR_MS(2)), ch);
    int n = 0, r = fan_drain(s, &n);

    (void)arg;
    OK(r < 0 || n == 4);
    weir_stream_close(&s);
    weir_chan_free(&ch);
    return r;
}

TEST(a_fault_at_any_point_loses_nothing_on_the_way_out)
{
    FAN_POINTS(teed, NULL);
    FAN_POINTS(cast, NULL);
    FAN_POINTS(tapped, NULL);
}
