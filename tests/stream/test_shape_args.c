/*
 * test_shape_args.c -- spans, counts, rates and flags that an operator of shape.h refuses.
 */
#include "stream/marbles.h"

static struct weir_event event;

static uint64_t weigh_one(void *ctx, const void *item)
{
    (void)ctx;
    (void)item;
    return 1;
}

static int no_item(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return 0;
}

#define BAD(expression)                                                                            \
    do {                                                                                           \
        int closed = 0;                                                                            \
        weir_stream *s = marbles_counted("a|", &closed), *bad = (expression);                      \
        if (weir_error(bad) != -EINVAL)                                                            \
            FAIL("%s is %d", #expression, weir_error(bad));                                        \
        EQ(closed, 1); /* a source is taken also when it fails */                                  \
        weir_stream_close(&bad);                                                                   \
    } while (0)

#define BAD_OPTS(call, type, ...) BAD(call(s, (&(struct type){__VA_ARGS__})))

TEST(bad_spans_and_counts_of_batches)
{
    BAD(weir_batch(s, NULL));
    BAD(weir_chunks_timeout(s, 0, WEIR_MS(1)));
    BAD(weir_chunks_timeout(s, SIZE_MAX, WEIR_MS(1)));
    BAD(weir_chunks_timeout(s, SIZE_MAX / sizeof(struct mark), WEIR_MS(1)));
    BAD(weir_chunks_timeout(s, 1, 0));
    BAD(weir_chunks_timeout(s, 1, -1));
    BAD(weir_chunks_timeout(s, 1, INT64_MIN));
    BAD(weir_chunks_timeout(s, 1, INT64_MAX));
    BAD(weir_ready_chunks(s, 0));
    BAD(weir_chunks_weighted(s, 0, 1, weigh_one, NULL));
    BAD(weir_chunks_weighted(s, 1, 0, weigh_one, NULL));
    BAD(weir_chunks_weighted(s, 1, 1, NULL, NULL));
    BAD_OPTS(weir_batch, weir_batch_opts, .items = 0);
    BAD_OPTS(weir_batch, weir_batch_opts, .items = 1, .wait = -2);
    BAD_OPTS(weir_batch, weir_batch_opts, .items = 1, .weight = 1);
    BAD_OPTS(weir_batch, weir_batch_opts, .items = 1, .weigh = weigh_one);
    BAD_OPTS(weir_batch, weir_batch_opts, .items = 1, .reserved = {0, 1});
}

TEST(bad_spans_and_flags_of_debounce_throttle_and_sample)
{
    BAD(weir_debounce(s, NULL));
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = 0);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = -1);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = INT64_MAX);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = 2, .max_wait = 1);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = 2, .max_wait = -1);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = 2, .max_wait = INT64_MAX);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = 2, .edges = 4);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = 2, .drop_failed = 2);
    BAD_OPTS(weir_debounce, weir_debounce_opts, .quiet = 2, .reserved = {0, 0, 0, 1});
    BAD(weir_throttle(s, NULL));
    BAD_OPTS(weir_throttle, weir_throttle_opts, .period = 0);
    BAD_OPTS(weir_throttle, weir_throttle_opts, .period = -1);
    BAD_OPTS(weir_throttle, weir_throttle_opts, .period = WEIR_EPOCH + 1);
    BAD_OPTS(weir_throttle, weir_throttle_opts, .period = 1, .edges = 7);
    BAD_OPTS(weir_throttle, weir_throttle_opts, .period = 1, .drop_failed = 9);
    BAD_OPTS(weir_throttle, weir_throttle_opts, .period = 1, .reserved = {1});
    BAD(weir_sample(s, 0));
    BAD(weir_sample(s, -5));
    BAD(weir_sample(s, INT64_MAX));
}

TEST(bad_rates_spans_and_flags_of_pace_and_delay)
{
    BAD(weir_pace(s, NULL));
    BAD_OPTS(weir_pace, weir_pace_opts, .enforce = 1);
    BAD_OPTS(weir_pace, weir_pace_opts, .rate = {.per_sec = 1, .max_wait = 1});
    BAD_OPTS(weir_pace, weir_pace_opts, .rate = {.per_sec = 1, .reserved = {1}});
    BAD_OPTS(weir_pace, weir_pace_opts, .rate = {.per_sec = 1, .count = 1, .period = 1});
    BAD_OPTS(weir_pace, weir_pace_opts, .rate = {.count = 1, .period = -1});
    BAD_OPTS(weir_pace, weir_pace_opts, .rate = {.per_sec = 1}, .enforce = 2);
    BAD_OPTS(weir_pace, weir_pace_opts, .rate = {.per_sec = 1}, .reserved = {0, 0, 1});
    BAD(weir_delay(s, 0, 1));
    BAD(weir_delay(s, -1, 1));
    BAD(weir_delay(s, INT64_MAX, 1));
    BAD(weir_delay(s, 1, 0));
    BAD(weir_delay(s, 1, SIZE_MAX));
}

TEST(bad_spans_and_flags_of_timeouts_keep_alive_and_take_until)
{
    weir_scope *poisoned = weir_scope_open(NULL); /* off a fiber */

    BAD(weir_timeouts(s, NULL));
    BAD_OPTS(weir_timeouts, weir_timeouts_opts, .first = 0);
    BAD_OPTS(weir_timeouts, weir_timeouts_opts, .first = -1);
    BAD_OPTS(weir_timeouts, weir_timeouts_opts, .first = 1, .idle = -1);
    BAD_OPTS(weir_timeouts, weir_timeouts_opts, .first = 1, .total = INT64_MIN);
    BAD_OPTS(weir_timeouts, weir_timeouts_opts, .first = 1, .pressure = INT64_MAX);
    BAD_OPTS(weir_timeouts, weir_timeouts_opts, .first = 1, .reserved = {0, 0, 0, 1});
    BAD(weir_keep_alive(s, 0, no_item, NULL));
    BAD(weir_keep_alive(s, -1, no_item, NULL));
    BAD(weir_keep_alive(s, INT64_MAX, no_item, NULL));
    BAD(weir_keep_alive(s, 1, NULL, NULL));
    BAD(weir_take_until(s, NULL));
    BAD_OPTS(weir_take_until, weir_until_opts, .event = NULL);
    BAD_OPTS(weir_take_until, weir_until_opts, .deadline = WEIR_MS(5));
    BAD_OPTS(weir_take_until, weir_until_opts, .event = &event, .reserved = {0, 1});
    OK(weir_error(poisoned) < 0);
    weir_stream *t = weir_take_until(marbles("|"), &(struct weir_until_opts){.stop = poisoned});
    EQ(weir_error(t), weir_error(poisoned));
    weir_stream_close(&t);
}

TEST(bad_options_of_a_stage)
{
    BAD_OPTS(weir_stage, weir_stage_opts, .overflow = (enum weir_overflow)5);
    BAD_OPTS(weir_stage, weir_stage_opts, .capacity = SIZE_MAX);
    BAD_OPTS(weir_stage, weir_stage_opts, .weight = 1);
    BAD_OPTS(weir_stage, weir_stage_opts, .weigh = weigh_one);
    BAD_OPTS(weir_stage, weir_stage_opts, .reserved = {0, 1});
    BAD_OPTS(weir_stage, weir_stage_opts, .loop = -2);
}
