/*
 * test_pipelines.c -- sections 4 and 5 of the guide, codes 15 to 18, its
 * anti-patterns 1 and 3, batches (8.1) and question 3: work that passes
 * several hands, with backpressure between them.
 */
#include <stdio.h>

#include "stream/ints.h"

/* --- 4.1 how large a buffer ---------------------------------------------------------- */

static int produce_100(void *arg)
{
    weir_chan *ch = arg;

    for (int64_t i = 0; i < 100; i++) {
        weir_time sent = weir_now();
        int r = weir_send(ch, &sent, WEIR_NEVER);

        if (r < 0)
            return r;
        LE(weir_chan_length(ch), 16u); /* and nobody holds one more beside it */
    }
    return 0;
}

SIM_TEST(guide_4_1_a_buffer_delays_by_its_capacity_over_the_rate_and_ends_no_overload)
{
    weir_chan *ch = weir_chan_new(INT, weir_queue_capacity(100, WEIR_MS(160)));
    weir_scope *s = weir_scope_open(NULL);
    struct weir_chan_stats stats;
    weir_span worst = 0;
    weir_time sent;

    EQ(weir_go_with(s, produce_100, ch, &(struct weir_go_opts){.feeds = ch}), 0);
    while (weir_recv(ch, &sent, WEIR_NEVER) == 1) {
        worst = weir_now() - sent > worst ? weir_now() - sent : worst;
        EQ(weir_sleep(weir_after(WEIR_MS(10))), 0); /* 100 a second */
    }
    LE(worst, WEIR_MS(10) * 17); /* capacity = rate * the delay that is tolerated */
    EQ(weir_chan_stats(ch, &stats), 0);
    EQ(stats.high_water, 16u);
    LE(WEIR_MS(10) * 80, stats.blocked_send); /* the source waits: the buffer absorbed no more */
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&ch);
    return 0;
}

/* --- code 15: a pipeline --------------------------------------------------------------- */

static int parse_or_die(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)ctx;
    *(int64_t *)out = n;
    return n == 7 ? -EPROTO : 1;
}

SIM_TEST(code_15_a_stage_that_fails_is_no_clean_end)
{
    weir_stream *s = weir_stage(weir_range(0, 100), &(struct weir_stage_opts){.capacity = 64});

    s = weir_stage(weir_map(s, parse_or_die, NULL, INT), &(struct weir_stage_opts){.capacity = 32});
    EXPECT(s, -EPROTO, 0, 1, 2, 3, 4, 5, 6);
    return 0;
}

static int dies_after_three(void *arg)
{
    for (int64_t i = 0; i < 3; i++)
        if (weir_send((weir_chan *)arg, &i, WEIR_NEVER) < 0)
            return -EPIPE;
    return -EFAULT;
}

SIM_TEST(code_15_nor_is_a_fiber_that_dies_with_its_sender)
{
    weir_chan *ch = weir_chan_new(INT, 16);
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});

    EQ(weir_go_with(s, dies_after_three, ch, &(struct weir_go_opts){.feeds = ch}), 0);
    EXPECT(weir_from_chan(ch), -EFAULT, 0, 1, 2);
    EQ(weir_scope_close(&s), -EFAULT);
    weir_chan_free(&ch);
    return 0;
}

static int parse_even(void *ctx, void *in, void *out)
{
    *(int64_t *)out = *(int64_t *)in;
    if (*(int64_t *)in % 2 == 0)
        return 1;
    return ctx ? weir_send((weir_chan *)ctx, (int64_t *)in, WEIR_NEVER) < 0 : 0;
}

SIM_TEST(code_15_what_does_not_parse_is_counted_and_may_be_kept)
{
    weir_chan *dead = weir_chan_new(INT, 100);
    weir_stream *s = weir_then(weir_range(0, 100), parse_even, dead, INT);
    int64_t x;

    while (weir_next(s, &x) == 1)
        ;
    EQ(weir_stream_dropped(s), 50u);
    EQ(weir_chan_length(dead), 50u);
    weir_stream_close(&s);
    weir_chan_free(&dead);
    return 0;
}

static int closed;

static void note_close(void *ctx, int why)
{
    (void)ctx;
    EQ(why, -ECANCELED);
    closed++;
}

static weir_stream *boundary(weir_stream *s)
{
    return weir_finally(weir_stage(s, &(struct weir_stage_opts){.capacity = 4}), note_close, NULL);
}

/* A parked source, three stages: when the end goes all of them have ended. */
SIM_TEST(code_15_when_the_end_leaves_every_stage_is_stopped_and_joined)
{
    weir_stream *s = boundary(boundary(boundary(weir_chain(INTS(1, 2, 3), weir_never(INT)))));
    int64_t x;

    closed = 0;
    EQ(weir_next(s, &x), 1);
    weir_stream_close(&s);
    EQ(closed, 3);
    return 0; /* and the run ends, with nobody left in it */
}

static int nap_10(void *ctx, void *in, void *out)
{
    int *live = ctx;
    int r;

    if (live)
        live[1] = ++live[0] > live[1] ? live[0] : live[1];
    r = weir_sleep(weir_after(WEIR_MS(10)));
    if (live)
        live[0]--;
    if (out)
        *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

SIM_TEST(code_15_stages_work_at_the_same_time)
{
    weir_stream *s = weir_stage(weir_then(weir_range(0, 100), nap_10, NULL, INT), NULL);

    s = weir_stage(weir_then(s, nap_10, NULL, INT), NULL);
    EQ(weir_for_each(&s, nap_10, NULL), 0);
    EQ(world_age(), WEIR_MS(10) * 102); /* not 300 */
    return 0;
}

/* --- code 16, question 3: how much backpressure there is ------------------------------------ */

struct edges {
    weir_chan *a, *b;
};

static int first_hand(void *arg)
{
    struct edges *e = arg;
    int r = 1;

    for (int64_t i = 0; i < 20 && r > 0; i++)
        r = weir_send(e->a, &i, WEIR_NEVER);
    return r < 0 ? r : 0;
}

static int second_hand(void *arg)
{
    struct edges *e = arg;
    int64_t x;
    int r;

    while ((r = weir_recv(e->a, &x, WEIR_NEVER)) > 0)
        if ((r = weir_send(e->b, &x, WEIR_NEVER)) < 0)
            break;
    return r;
}

SIM_TEST(code_16_backpressure_is_the_time_spent_waiting_on_each_edge)
{
    struct edges e = {weir_chan_new(INT, 4), weir_chan_new(INT, 4)};
    weir_scope *s = weir_scope_open(NULL);
    struct weir_chan_stats a, b;
    int64_t x;
    int n = 0;

    EQ(weir_go_with(s, first_hand, &e, &(struct weir_go_opts){.feeds = e.a}), 0);
    EQ(weir_go_with(s, second_hand, &e, &(struct weir_go_opts){.feeds = e.b, .drains = e.a}), 0);
    for (; weir_recv(e.b, &x, WEIR_NEVER) == 1; n++)
        EQ(weir_sleep(weir_after(WEIR_MS(100))), 0);
    EQ(n, 20);
    EQ(weir_chan_stats(e.a, &a), 0);
    EQ(weir_chan_stats(e.b, &b), 0);
    LE(WEIR_MS(900), a.blocked_send); /* both edges, each its own: 20 less what 2 x 4 hold */
    LE(a.blocked_send, WEIR_MS(1200));
    LE(WEIR_MS(1300), b.blocked_send);
    LE(b.blocked_send, WEIR_MS(1600));
    EQ(a.high_water, 4u);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&e.a);
    weir_chan_free(&e.b);
    return 0;
}

static int monitor(void *arg)
{
    weir_stream *s =
        weir_interval(&(struct weir_interval_opts){.period = WEIR_MS(100), .missed = WEIR_SKIP});
    struct weir_tick t;
    int r;

    while ((r = weir_next(s, &t)) == 1) {
        EQ(t.now - WEIR_EPOCH, WEIR_MS(100) * ((int64_t)t.seq + 1)); /* no report at once */
        ++*(int *)arg;
    }
    weir_stream_close(&s);
    return r;
}

SIM_TEST(code_16_a_monitor_reports_after_a_period_and_ends_with_its_scope)
{
    weir_scope *s = weir_scope_open(NULL);
    int reports = 0;

    GO(s, monitor, &reports);
    EQ(weir_sleep(weir_after(WEIR_MS(550))), 0);
    EQ(weir_scope_cancel(s, -EINTR), 0);
    EQ(weir_scope_close(&s), -EINTR);
    EQ(reports, 5);
    return 0;
}

SIM_TEST(code_16_a_send_to_nobody_is_an_answer_no_panic)
{
    weir_chan *ch = weir_chan_new(INT, 4);
    int64_t x = 1;

    EQ(weir_chan_shut(ch), 0);
    EQ(weir_send(ch, &x, WEIR_NEVER), -EPIPE);
    weir_chan_free(&ch);
    return 0;
}

/* --- code 17: several workers ---------------------------------------------------------------- */

static weir_stream *workers(weir_stream *s, uint32_t n, weir_fn *fn, void *ctx)
{
    return weir_par_map(s, fn, ctx, INT, &(struct weir_par_opts){.limit = n, .ordered = 1});
}

SIM_TEST(code_17_nothing_to_do_is_an_end_and_no_workers_are_refused)
{
    EXPECT_NONE(workers(weir_empty(INT), 4, nap_10, NULL), 0);
    refuses(workers(weir_range(0, 5), 0, nap_10, NULL), -EINVAL);
    return 0;
}

SIM_TEST(code_17_five_items_keep_four_workers_busy)
{
    int live[2] = {0, 0};

    EXPECT(workers(weir_range(0, 5), 4, nap_10, live), 0, 0, 1, 2, 3, 4);
    EQ(live[1], 4);
    EQ(world_age(), WEIR_MS(20));
    return 0;
}

static int first_is_slow(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)ctx;
    *(int64_t *)out = n;
    return weir_sleep(weir_after(n == 0 ? WEIR_MS(300) : WEIR_MS(10))) < 0 ? -ECANCELED : 1;
}

/* In four chunks of 25 the one with the slow item would take 540 ms. */
SIM_TEST(code_17_a_slow_item_holds_up_nobody_else)
{
    weir_stream *s = weir_buffer_unordered(weir_range(0, 100), first_is_slow, NULL, INT, 4);

    EQ(weir_drain(&s), 0);
    LE(world_age(), WEIR_MS(340));
    return 0;
}

static int third_dies(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;
    int r = nap_10(ctx, in, out);

    EQ(weir_job_seq(), (uint64_t)n);
    return r < 0 ? r : n == 3 ? -EFAULT : 1;
}

SIM_TEST(code_17_a_worker_that_fails_is_an_error_and_results_know_their_place)
{
    EXPECT(workers(weir_range(0, 100), 1, third_dies, NULL), -EFAULT, 0, 1, 2);
    return 0;
}

/* --- code 18: map and reduce ----------------------------------------------------------------- */

struct words {
    int running, most, fails_at, emitted;
    uint64_t last;
};

static int map_word(void *ctx, void *in, uint64_t *key, void *value)
{
    struct words *w = ctx;
    int64_t n = *(int64_t *)in;
    int r;

    w->most = ++w->running > w->most ? w->running : w->most;
    r = weir_sleep(weir_after(WEIR_MS(1 + n % 3)));
    w->running--;
    *key = (uint64_t)(n * 7 % 10);
    *(uint64_t *)value = 1;
    return r < 0 ? r : w->fails_at && n == w->fails_at ? -EILSEQ : 1;
}

static int add_counts(void *ctx, uint64_t key, void *acc, void *value)
{
    (void)ctx;
    (void)key;
    *(uint64_t *)acc += *(uint64_t *)value;
    return 1;
}

static int emit_word(void *ctx, uint64_t key, void *acc)
{
    struct words *w = ctx;

    EQ(*(uint64_t *)acc, 100u); /* all ten are ties */
    EQ(key, (uint64_t)w->emitted);
    w->emitted++;
    return 1;
}

static int count_words(struct words *w, uint32_t most)
{
    weir_stream *s = weir_range(0, 1000);

    return weir_map_reduce(&s, &(struct weir_map_reduce){.workers = 8,
                                                         .most = most,
                                                         .value = WEIR_TYPE(uint64_t),
                                                         .map = map_word,
                                                         .combine = add_counts,
                                                         .emit = emit_word,
                                                         .ctx = w});
}

/* Every seed runs the mappers in another order. */
SIM_TEST(code_18_keys_come_in_their_order_whatever_ran_first)
{
    struct words w = {0};

    EQ(count_words(&w, 0), 0);
    EQ(w.emitted, 10);
    EQ(w.most, 8); /* so many at once, not a thread a chunk */
    return 0;
}

SIM_TEST(code_18_a_mapper_that_fails_is_the_result_and_nothing_is_emitted)
{
    struct words w = {.fails_at = 500};

    EQ(count_words(&w, 0), -EILSEQ);
    EQ(w.emitted, 0);
    EQ(w.running, 0);
    return 0;
}

SIM_TEST(code_18_what_it_keeps_is_bounded_by_its_keys)
{
    struct words w = {0};

    EQ(count_words(&w, 9), WEIR_EFULL);
    EQ(w.emitted, 0);
    return 0;
}

/* --- anti-patterns 1 and 3 ------------------------------------------------------------------- */

SIM_TEST(anti_pattern_1_a_bounded_fan_out_is_parallel_and_bounded)
{
    int live[2] = {0, 0};
    weir_stream *s = weir_range(0, 10000);

    EQ(weir_for_each_concurrent(&s, nap_10, live, 100), 0);
    EQ(live[1], 100);
    EQ(world_age(), WEIR_S(1));
    return 0;
}

SIM_TEST(anti_pattern_3_a_slow_stream_gives_small_chunks_in_time)
{
    weir_stream *s = weir_chunks_timeout(
        weir_interval(&(struct weir_interval_opts){.period = WEIR_MS(400)}), 100, WEIR_S(1));
    struct weir_chunk c;

    EQ(weir_next(s, &c), 1);
    EQ(c.n, 3u); /* at 400, 800, 1200: a second after the first */
    EQ(world_age(), WEIR_MS(1400));
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(anti_pattern_3_for_each_is_serial_only_if_that_is_asked_for)
{
    weir_stream *s = weir_range(0, 100);

    EQ(weir_for_each(&s, nap_10, NULL), 0);
    EQ(world_age(), WEIR_S(1));
    s = weir_range(0, 100);
    EQ(weir_for_each_concurrent(&s, nap_10, NULL, 10), 0);
    EQ(world_age(), WEIR_MS(1100));
    return 0;
}

/* --- 8.1 batches ----------------------------------------------------------------------------- */

static int sum_batch(void *ctx, void *in, void *out)
{
    struct weir_chunk *c = in;
    int64_t *items = c->items, sum = 0;

    for (size_t i = 0; i < c->n; i++)
        sum += items[i];
    *(int64_t *)out = sum;
    if (ctx && items[0] == *(int64_t *)ctx)
        *(int64_t *)out = -EIO; /* how this one went, beside the others */
    return weir_sleep(weir_after(WEIR_MS(10))) < 0 ? -ECANCELED : 1;
}

SIM_TEST(guide_8_1_a_batch_of_none_and_no_workers_are_refused)
{
    refuses(weir_chunks(weir_range(0, 10), 0), -EINVAL);
    refuses(weir_buffer_unordered(weir_chunks(weir_range(0, 10), 5), sum_batch, NULL, INT, 0),
            -EINVAL);
    return 0;
}

SIM_TEST(guide_8_1_batches_keep_their_order_and_each_tells_how_it_went)
{
    int64_t bad = 3;

    EXPECT(weir_then(weir_chunks(weir_range(0, 10), 3), sum_batch, &bad, INT), 0, 3, -EIO, 21, 9);
    return 0;
}
