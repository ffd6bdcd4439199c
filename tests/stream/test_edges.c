/*
 * test_edges.c -- what the constructors of stream.h, ops.h and recover.h say of
 * 0, negative, huge and NULL, and what each makes of no items at all.
 */
#include "stream/ints.h"

static int pass(void *ctx, void *in, void *out)
{
    (void)ctx;
    if (out)
        *(int64_t *)out = *(int64_t *)in;
    return 1;
}

static int none_k(void *ctx, void *in, uint64_t k, void *out)
{
    (void)ctx;
    (void)in;
    (void)k;
    (void)out;
    return 0;
}

static weir_stream *make_none(void *ctx)
{
    (void)ctx;
    return NULL;
}

static weir_stream *make_none_of(void *ctx, void *item)
{
    (void)ctx;
    (void)item;
    return NULL;
}

WEIR_MAP(same, int64_t, int64_t, x)

#define NO_TYPE ((struct weir_type){0})
#define R weir_range(0, 9)
#define BAD(stream) refuses(stream, -EINVAL)
#define PAR(...) weir_par_map(R, pass, NULL, INT, &(struct weir_par_opts){__VA_ARGS__})

/* --- sources ---------------------------------------------------------------------- */

SIM_TEST(sources_refuse_what_makes_no_sense)
{
    struct weir_type drops = wide_type();
    int64_t x = 5;

    BAD(weir_array(NULL, 1, INT));
    BAD(weir_array(&x, 1, NO_TYPE));
    drops.clone = NULL;
    BAD(weir_array(&x, 1, drops));
    BAD(weir_repeat(&x, drops));
    BAD(weir_repeat(NULL, INT));
    BAD(weir_fail(INT, 0));
    BAD(weir_fail(INT, 7));
    BAD(weir_empty(NO_TYPE));
    BAD(weir_unfold(NULL, NULL, INT));
    BAD(weir_generate(NULL, NULL, INT));
    BAD(weir_from_chan(NULL));
    BAD(weir_consume(NULL));
    BAD(weir_interval(NULL));
    BAD(weir_interval(&(struct weir_interval_opts){.period = 0}));
    BAD(weir_interval(&(struct weir_interval_opts){.period = -1}));
    BAD(weir_interval(&(struct weir_interval_opts){.period = WEIR_EPOCH + 1}));
    BAD(weir_interval(&(struct weir_interval_opts){.period = 1, .first_now = 2}));
    BAD(weir_interval(&(struct weir_interval_opts){.period = 1, .missed = 9}));
    BAD(weir_once(NULL, INT));
    BAD(weir_from_poll(NULL, NULL, NULL, INT));
    BAD(weir_from_poll(pass, NULL, NULL, INT));
    BAD(weir_resource(NULL, NULL, INT));
    BAD(weir_resource(&(struct weir_resource){0}, NULL, INT));
    BAD(weir_defer(NULL, NULL, INT));
    BAD(weir_pages(NULL, NULL, INT));
    BAD(weir_pages(&(struct weir_pages_opts){0}, NULL, INT));
    BAD(weir_restart(NULL, NULL, INT, NULL));
    return 0;
}

SIM_TEST(a_range_that_is_none_is_empty)
{
    int64_t x = 5;

    EXPECT_NONE(weir_range(5, 5), 0);
    EXPECT_NONE(weir_range(5, -5), 0);
    EXPECT(weir_range(INT64_MIN, INT64_MIN + 2), 0, INT64_MIN, INT64_MIN + 1);
    EXPECT_NONE(weir_array(NULL, 0, INT), 0);
    EXPECT_NONE(weir_array(&x, 0, INT), 0);
    EXPECT_NONE(weir_defer(make_none, NULL, INT), 0);
    return 0;
}

/* --- stages ------------------------------------------------------------------------ */

SIM_TEST(stages_refuse_what_makes_no_sense)
{
    BAD(weir_map(R, NULL, NULL, INT));
    BAD(weir_map(R, pass, NULL, NO_TYPE));
    BAD(weir_map(NULL, pass, NULL, INT));
    BAD(weir_filter_map(R, NULL, NULL, INT));
    BAD(weir_scan(R, NULL, NULL, INT));
    BAD(weir_filter(R, NULL, NULL));
    BAD(weir_then(R, NULL, NULL, INT));
    BAD(weir_apply(R, NULL, INT));
    BAD(weir_apply(R, same, wide_type()));
    BAD(weir_take(NULL, 1));
    BAD(weir_skip(NULL, 1));
    BAD(weir_take_while(R, NULL, NULL, 0));
    BAD(weir_chain(R, NULL));
    BAD(weir_chain(NULL, R));
    BAD(weir_chunks(R, 0));
    BAD(weir_chunks(R, SIZE_MAX));
    BAD(weir_stage(NULL, NULL));
    BAD(weir_stage(R, &(struct weir_stage_opts){.overflow = 9}));
    BAD(weir_stage(R, &(struct weir_stage_opts){.weight = 9}));
    BAD(weir_enumerate(NULL, 0, INT));
    BAD(weir_inspect(R, NULL, NULL));
    BAD(weir_skip_while(R, NULL, NULL));
    BAD(weir_step_by(R, 0));
    BAD(weir_distinct(R, pass, NULL, INT, 0));
    BAD(weir_distinct(R, pass, NULL, wide_type(), 1));
    BAD(weir_distinct_until_changed(R, pass, NULL, NO_TYPE));
    BAD(weir_scan_until(R, NULL, NULL, NULL, INT));
    BAD(weir_map_concat(R, NULL, NULL, INT));
    BAD(weir_intersperse(R, NULL));
    BAD(weir_flat_map(R, NULL, NULL, INT));
    BAD(weir_flat_map_unordered(R, make_none_of, NULL, INT, 0));
    BAD(weir_flat_map_unordered(R, NULL, NULL, INT, 1));
    BAD(weir_switch_map(R, NULL, NULL, INT));
    BAD(weir_sliding(R, 0));
    BAD(weir_pairwise(NULL));
    BAD(weir_peekable(NULL));
    BAD(weir_recover(R, 0, NULL, NULL));
    refuses(weir_flatten(R, NO_TYPE), -EINVAL);
    refuses(weir_enumerate(R, 0, INT), WEIR_ETYPE);
    refuses(weir_chain(R, weir_empty(WEIR_TYPE(char))), WEIR_ETYPE);
    return 0;
}

SIM_TEST(the_parallel_operator_refuses_limits_that_make_no_sense)
{
    BAD(weir_par_map(R, pass, NULL, INT, NULL));
    BAD(weir_par_map(R, NULL, NULL, INT, &(struct weir_par_opts){.limit = 1}));
    BAD(PAR(.limit = 0));
    BAD(PAR(.limit = UINT32_MAX));
    BAD(PAR(.limit = 4, .window = 3));
    BAD(PAR(.limit = 4, .window = UINT32_MAX));
    BAD(PAR(.limit = 1, .ordered = 2));
    BAD(PAR(.limit = 1, .on_error = 9));
    BAD(PAR(.limit = 1, .on_error = WEIR_PAR_HANDLE));
    BAD(PAR(.limit = 1, .deadline = WEIR_S(1))); /* a span for an instant */
    BAD(weir_buffered(R, pass, NULL, INT, 0));
    BAD(weir_buffer_unordered(R, pass, NULL, INT, 0));
    return 0;
}

SIM_TEST(a_count_of_none_or_of_all_is_what_it_says)
{
    EXPECT_NONE(weir_take(R, 0), 0);
    EXPECT(weir_take(weir_range(0, 3), UINT64_MAX), 0, 0, 1, 2);
    EXPECT(weir_skip(weir_range(0, 3), 0), 0, 0, 1, 2);
    EXPECT_NONE(weir_skip(weir_range(0, 3), UINT64_MAX), 0);
    EXPECT(weir_step_by(weir_range(0, 3), UINT64_MAX), 0, 0);
    return 0;
}

/* --- of nothing comes nothing -------------------------------------------------------- */

#define E weir_empty(INT)
#define NONE(stream) none(stream)

static void none(weir_stream *s)
{
    char item[256];

    EQ(weir_error(s), 0);
    EQ(weir_pull(s, item, 1), 0);
    EQ(weir_pull(s, item, 1), 0);
    EQ(weir_stream_dropped(s), 0u);
    weir_stream_close(&s);
}

SIM_TEST(of_no_items_each_stage_makes_none)
{
    int64_t comma = 0;

    NONE(weir_map(E, pass, NULL, INT));
    NONE(weir_filter(E, pass, NULL));
    NONE(weir_then(E, pass, NULL, INT));
    NONE(weir_apply(E, same, INT));
    NONE(weir_take(E, 3));
    NONE(weir_skip(E, 3));
    NONE(weir_take_while(E, pass, NULL, 1));
    NONE(weir_chain(E, E));
    NONE(weir_chunks(E, 3));
    NONE(weir_stage(E, NULL));
    NONE(weir_buffered(E, pass, NULL, INT, 3));
    NONE(weir_inspect(E, pass, NULL));
    NONE(weir_skip_while(E, pass, NULL));
    NONE(weir_step_by(E, 3));
    NONE(weir_distinct(E, pass, NULL, INT, 3));
    NONE(weir_scan_until(E, pass, NULL, NULL, INT));
    NONE(weir_map_concat(E, none_k, NULL, INT));
    NONE(weir_intersperse(E, &comma));
    NONE(weir_flat_map(E, make_none_of, NULL, INT));
    NONE(weir_flat_map_unordered(E, make_none_of, NULL, INT, 2));
    NONE(weir_switch_map(E, make_none_of, NULL, INT));
    NONE(weir_sliding(E, 3));
    NONE(weir_pairwise(E));
    NONE(weir_peekable(E));
    NONE(weir_unbatch(E));
    NONE(weir_unchunk(weir_chunks(E, 3), INT));
    return 0;
}

TEST(a_capacity_is_a_rate_times_a_delay)
{
    EQ(weir_queue_capacity(100, WEIR_MS(160)), 16u);
    EQ(weir_queue_capacity(100, WEIR_MS(169)), 16u);
    EQ(weir_queue_capacity(1, WEIR_MS(1)), 1u);
    EQ(weir_queue_capacity(0, WEIR_S(1)), 1u);
    EQ(weir_queue_capacity(100, 0), 1u);
    EQ(weir_queue_capacity(100, -5), 1u);
    EQ(weir_queue_capacity(1000000000, WEIR_S(3600)), 3600000000000u);
    EQ(weir_queue_capacity(UINT64_MAX, INT64_MAX), SIZE_MAX);
    EQ(weir_queue_capacity(UINT64_MAX, WEIR_S(1)), SIZE_MAX);
}

/* --- ends --------------------------------------------------------------------------------- */

static int less(void *ctx, const void *a, const void *b)
{
    (void)ctx;
    return *(const int64_t *)a < *(const int64_t *)b ? -1 : 1;
}

SIM_TEST(ends_of_no_items_and_of_no_stream)
{
    weir_stream *s = E, *nothing = NULL;
    int64_t x = 7;
    uint64_t n = 7;
    size_t k = 7;

    EQ(weir_first(&s, &x), 0);
    s = E;
    EQ(weir_last(&s, &x), 0);
    s = E;
    EQ(weir_min(&s, less, NULL, &x), 0);
    s = E;
    EQ(weir_reduce(&s, pass, NULL, &x), 0);
    s = E;
    EQ(weir_find(&s, pass, NULL, &x), 0);
    s = E;
    EQ(weir_count(&s, &n), 0);
    EQ(n, 0u);
    s = E;
    EQ(weir_collect(&s, NULL, 0, &k), 0);
    EQ(k, 0u);
    s = R;
    EQ(weir_collect(&s, NULL, 0, &k), WEIR_ETOOLARGE);
    s = R;
    EQ(weir_collect(&s, NULL, 1, &k), -EINVAL);
    OK(s == NULL);
    s = R;
    EQ(weir_for_each(&s, NULL, NULL), -EINVAL);
    OK(s == NULL);
    EQ(weir_fold(NULL, pass, NULL, NULL), -EINVAL);
    EQ(weir_drain(&nothing), -EINVAL);
    EQ(weir_first(&nothing, &x), -EINVAL);
    EQ(x, 7);
    return 0;
}
