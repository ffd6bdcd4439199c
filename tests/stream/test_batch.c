/*
 * test_batch.c -- batches: what timelines.def does not show.
 */
#include "stream/marbles.h"

static weir_stream *chunks(const char *script, size_t n, int64_t ms)
{
    return weir_chunks_timeout(marbles(script), n, WEIR_MS(ms));
}

/* The puller's own deadline strikes at every instant there is: nothing is lost or late. */
SIM_TEST(a_half_built_batch_survives_a_cut_at_any_instant)
{
    for (int64_t cut = 1; cut < 90; cut++) {
        struct marbles_log log;
        struct weir_limit l;
        struct weir_chunk c;
        char got[MARBLES_TEXT], want[MARBLES_TEXT];
        weir_time start = weir_now();
        struct marbles *m = malloc(sizeof *m);
        static const struct weir_stream_ops ops = {
            sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, marbles_pull, marbles_close};
        weir_stream *s;

        *m = (struct marbles){"a-bc-----(de)-f|", start, false, NULL};
        s = weir_chunks_timeout(weir_stream_new(&ops, m, mark_type()), 3, WEIR_MS(35));
        EQ(weir_limit_init(&l, start + WEIR_US(cut * 1000 - 500)), 0);
        log.end = weir_limit_fini(&l, weir_next(s, &c));
        snprintf(want, sizeof want, "%g:[abc] %g:[def] %g:|",
                 (double)(start - WEIR_EPOCH) / 1e6 + 30, (double)(start - WEIR_EPOCH) / 1e6 + 110,
                 (double)(start - WEIR_EPOCH) / 1e6 + 120);
        if (log.end > 0) { /* the batch came before the cut */
            LT(30, cut);
            EQ(c.n, 3);
        } else {
            EQ(log.end, -ETIMEDOUT);
        }
        if (log.end > 0)
            memmove(want, strchr(want, ' ') + 1, strlen(strchr(want, ' ')));
        marbles_run(&log, s, 0, 0);
        marbles_text(&log, got);
        STREQ(got, want);
    }
    return 0;
}

SIM_TEST(a_batch_that_is_due_while_nobody_pulls_takes_what_has_come_meanwhile)
{
    weir_stream *s = chunks("ab---c-d-------e|", 8, 35);
    struct weir_limit l;
    struct weir_chunk c;

    EQ(weir_limit_init(&l, weir_after(WEIR_MS(15))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &c)), -ETIMEDOUT);
    EQ(weir_sleep(WEIR_EPOCH + WEIR_MS(100)), 0); /* it was due at 35 */
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 4);
    EQ(world_age(), WEIR_MS(100));
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 1);
    EQ(world_age(), WEIR_MS(160));
    EQ(weir_next(s, &c), 0);
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

SIM_TEST(ready_chunks_wait_for_one_item_only)
{
    struct marbles_log log;
    char got[MARBLES_TEXT];

    marbles_run(&log, weir_ready_chunks(marbles("--(abc)d---(efghi)|"), 4), 0, 0);
    marbles_text(&log, got);
    STREQ(got, "20:[abc] 30:[d] 70:[efgh] 70:[i] 80:|");
    marbles_run(&log, weir_ready_chunks(marbles("ab|"), 1000), WEIR_MS(100), 0);
    marbles_text(&log, got);
    STREQ(got, "80:[ab] 180:|"); /* it began at 80: both were there */
    return 0;
}

SIM_TEST(ready_chunks_take_the_ticks_that_are_due)
{
    weir_stream *s =
        weir_ready_chunks(weir_interval(&(struct weir_interval_opts){.period = WEIR_MS(10)}), 9);
    struct weir_chunk c;

    EQ(weir_next(s, &c), 1);
    EQ(c.n, 1);
    EQ(weir_sleep(WEIR_EPOCH + WEIR_MS(55)), 0);
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 4);
    EQ(((struct weir_tick *)c.items)[3].due, WEIR_EPOCH + WEIR_MS(50));
    weir_stream_close(&s);
    return 0;
}

/* --- weights ---------------------------------------------------------------------- */

static int weighed[8];

static uint64_t weigh(void *ctx, const void *item)
{
    const uint64_t *table = ctx;
    char c = ((const struct mark *)item)->c;

    weighed[c - 'a']++;
    return table[c - 'a'];
}

static void weights(const char *script, uint64_t *table, uint64_t most, const char *want)
{
    struct marbles_log log;
    char got[MARBLES_TEXT];

    memset(weighed, 0, sizeof weighed);
    marbles_run(&log, weir_chunks_weighted(marbles(script), 4, most, weigh, table), 0, 0);
    marbles_text(&log, got);
    STREQ(strchr(got, ':') ? got : "", want);
    for (const char *c = script; *c; c++)
        if (*c >= 'a' && *c <= 'h')
            EQ(weighed[*c - 'a'], 1);
}

SIM_TEST(weights_at_their_limits)
{
    weights("(abcdefgh)|", (uint64_t[8]){0}, 1, "0:[abcd] 0:[efgh] 10:|"); /* by number only */
    return 0;
}

SIM_TEST(an_item_heavier_than_a_batch_goes_alone)
{
    weights("(abcd)|", (uint64_t[8]){UINT64_MAX, UINT64_MAX, 1, UINT64_MAX}, 10,
            "0:[a] 0:[b] 0:[c] 0:[d] 10:|");
    return 0;
}

SIM_TEST(sums_of_weights_do_not_overflow)
{
    weights("(abcd)|", (uint64_t[8]){UINT64_MAX - 1, 1, 1, UINT64_MAX}, UINT64_MAX,
            "0:[ab] 0:[c] 0:[d] 10:|");
    return 0;
}

SIM_TEST(the_one_too_heavy_begins_the_next_batch_and_its_time)
{
    struct marbles_log log;
    char got[MARBLES_TEXT];
    uint64_t table[8] = {2, 2, 1};
    struct weir_batch_opts o = {
        .items = 4, .wait = WEIR_MS(35), .weight = 3, .weigh = weigh, .ctx = table};

    marbles_run(&log, weir_batch(marbles("a-b-----c----|"), &o), 0, 0);
    marbles_text(&log, got);
    STREQ(got, "20:[a] 55:[b] 115:[c] 130:|");
    return 0;
}

/* --- what was lent ------------------------------------------------------------------- */

SIM_TEST(what_is_moved_out_of_a_batch_is_the_pullers)
{
    weir_stream *s = weir_ready_chunks(marbles("(abc)|"), 3);
    struct weir_chunk c;
    struct mark mine;

    EQ(weir_next(s, &c), 1);
    mine = ((struct mark *)c.items)[1];
    ((struct mark *)c.items)[1] = (struct mark){0, 0};
    EQ(marks_live, 3);
    EQ(weir_next(s, &c), 0);
    EQ(marks_live, 1);
    weir_stream_close(&s);
    EQ(marks_live, 1);
    EQ(mine.c, 'b');
    mark_drop(&mine);
    return 0;
}

static int slow_square(void *ctx, void *in, void *out)
{
    int r = weir_sleep(weir_after(WEIR_MS(50)));

    (void)ctx;
    if (r == 0)
        *(int64_t *)out = *(int64_t *)in * *(int64_t *)in;
    return r < 0 ? r : 1;
}

/* The batch's timer must not cut a callback that parks. */
SIM_TEST(a_callback_that_parks_before_a_batch_is_not_disturbed)
{
    weir_stream *s = weir_chunks_timeout(
        weir_take(weir_then(weir_range(0, 9), slow_square, NULL, WEIR_TYPE(int64_t)), 4), 3,
        WEIR_MS(70));
    int64_t want[] = {0, 1, 4, 9};
    size_t k = 0;
    struct weir_chunk c;

    while (weir_next(s, &c) > 0)
        for (size_t i = 0; i < c.n; i++)
            EQ(((int64_t *)c.items)[i], want[k++]);
    EQ(k, 4);
    EQ(weir_next(s, &c), 0);
    EQ(world_age(), WEIR_MS(200));
    weir_stream_close(&s);
    return 0;
}

/* Nor through operators that pass it on. */
SIM_TEST(what_stands_between_hands_down_that_a_callback_may_park)
{
    for (int i = 0; i < 4; i++) {
        weir_stream *s = weir_then(weir_range(0, 4), slow_square, NULL, WEIR_TYPE(int64_t));
        struct weir_chunk c;
        size_t n = 0;

        if (i == 0)
            s = weir_timeouts(s, &(struct weir_timeouts_opts){.total = WEIR_S(9)});
        else if (i == 1)
            s = weir_pace(s, &(struct weir_pace_opts){.rate = {.per_sec = 1000}});
        else if (i == 2)
            s = weir_take_until(s, &(struct weir_until_opts){.deadline = weir_after(WEIR_S(9))});
        s = weir_chunks_timeout(i < 3 ? s : weir_chain(weir_range(9, 10), s), 3, WEIR_MS(70));
        while (weir_next(s, &c) > 0)
            n += c.n;
        EQ(n, i < 3 ? 4 : 5);
        EQ(weir_next(s, &c), 0);
        weir_stream_close(&s);
    }
    return 0;
}

/* Nobody gains from a batch that is not full: 100 s of nothing cost no turn of the loop. */
SIM_TEST(an_empty_batch_runs_no_timer)
{
    weir_stream *s = chunks("|", 3, 1);
    struct weir_limit l;
    struct weir_chunk c;
    uint64_t turns;

    weir_stream_close(&s);
    s = chunks("", 3, 1);
    EQ(weir_limit_init(&l, weir_after(WEIR_S(100))), 0);
    turns = weir__loop_get()->turns;
    EQ(weir_limit_fini(&l, weir_next(s, &c)), -ETIMEDOUT);
    LE(weir__loop_get()->turns - turns, 2);
    weir_stream_close(&s);
    return 0;
}
