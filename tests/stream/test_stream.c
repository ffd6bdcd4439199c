/*
 * test_stream.c -- sources, stages, ends: batches, ends and latches, failures
 * at item k, cancels, and that every item is dropped exactly once.
 */
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <weir.h>

#include "harness/test.h"

static struct weir_config config(void)
{
    return (struct weir_config){.alloc = test_alloc};
}

static void run(int (*fn)(void *))
{
    struct weir_config c = config();

    EQ(weir_sim_run(test_seed(), &c, fn, NULL), 0);
}

/* --- items that are counted ------------------------------------------------- */

static int live;

struct thing {
    int alive, n;
};

static void thing_drop(void *p)
{
    struct thing *t = p;

    live -= t->alive;
    t->alive = 0;
}

static struct weir_type thing_type(void)
{
    struct weir_type t = WEIR_TYPE(struct thing);

    t.drop = thing_drop;
    return t;
}

static int thing_next(void *ctx, void *in, void *out)
{
    int *left = ctx;

    (void)in;
    if (*left == 0)
        return 0;
    *(struct thing *)out = (struct thing){1, --*left};
    live++;
    return 1;
}

/* --- callbacks ----------------------------------------------------------------- */

static int double_it(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in * 2;
    return 1;
}

static int is_even(void *ctx, void *in, void *out)
{
    (void)ctx;
    OK(out == NULL);
    return *(int64_t *)in % 2 == 0;
}

static int fails_at(void *ctx, void *in, void *out)
{
    *(int64_t *)out = *(int64_t *)in;
    return *(int64_t *)in == *(int64_t *)ctx ? -EIO : 1;
}

static int sum(void *ctx, void *in, void *acc)
{
    (void)ctx;
    *(int64_t *)acc += *(int64_t *)in;
    return 0;
}

static int below(void *ctx, void *in, void *out)
{
    (void)out;
    return *(int64_t *)in < *(int64_t *)ctx;
}

/* --- the tests -------------------------------------------------------------------- */

static int map_filter_fold(void *arg)
{
    weir_stream *s = weir_map(weir_filter(weir_range(0, 1000), is_even, NULL), double_it, NULL,
                              WEIR_TYPE(int64_t));
    int64_t acc = 0;

    (void)arg;
    EQ(weir_fold(&s, sum, NULL, &acc), 0);
    EQ(acc, 2 * (0 + 998) * 500 / 2);
    OK(s == NULL);
    return 0;
}

TEST(a_filtered_mapped_range_adds_up)
{
    run(map_filter_fold);
}

static int what_came_before_a_failure(void *arg)
{
    int64_t bad = 300, out[1000];
    size_t n;
    weir_stream *s = weir_map(weir_range(0, 1000), fails_at, &bad, WEIR_TYPE(int64_t));

    (void)arg;
    EQ(weir_collect(&s, out, 1000, &n), -EIO);
    EQ(n, 300);
    for (size_t i = 0; i < n; i++)
        EQ(out[i], (int64_t)i);
    return 0;
}

TEST(a_callback_that_fails_at_item_k_delivers_the_k_before_it)
{
    run(what_came_before_a_failure);
}

static int end_is_latched(void *arg)
{
    weir_stream *s = weir_fail(WEIR_TYPE(int), -EIO), *e = weir_empty(WEIR_TYPE(int));
    int x;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        EQ(weir_next(s, &x), -EIO);
        EQ(weir_next(e, &x), 0);
    }
    weir_stream_close(&s);
    weir_stream_close(&e);
    return 0;
}

TEST(an_end_is_the_same_for_ever)
{
    run(end_is_latched);
}

static int cancelled_pull_resumes(void *arg)
{
    weir_stream *s = weir_interval(&(struct weir_interval_opts){.period = WEIR_MS(100)});
    struct weir_limit l;
    struct weir_tick t;

    (void)arg;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(30))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &t)), -ETIMEDOUT);
    EQ(weir_next(s, &t), 1);
    EQ(t.now - WEIR_EPOCH, WEIR_MS(100));
    EQ(t.seq, 0);
    weir_stream_close(&s);
    return 0;
}

TEST(a_pull_ended_by_the_pullers_deadline_is_no_end)
{
    run(cancelled_pull_resumes);
}

static int half_a_chunk_survives(void *arg)
{
    weir_stream *s = weir_chunks(
        weir_interval(&(struct weir_interval_opts){.period = WEIR_MS(10), .first_now = 1}), 3);
    struct weir_limit l;
    struct weir_chunk c;

    (void)arg;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(15))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &c)), -ETIMEDOUT);
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 3);
    EQ(((struct weir_tick *)c.items)[0].seq, 0);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(20));
    weir_stream_close(&s);
    return 0;
}

TEST(a_chunk_that_a_timeout_interrupts_loses_nothing)
{
    run(half_a_chunk_survives);
}

static int dropped_once(void *arg)
{
    int left = 100;
    uint64_t n;
    weir_stream *s = weir_take(weir_skip(weir_unfold(thing_next, &left, thing_type()), 10), 20);

    (void)arg;
    live = 0;
    EQ(weir_count(&s, &n), 0);
    EQ(n, 20);
    EQ(live, 0);
    EQ(left, 70); /* take closed upstream at once: no more were made */
    return 0;
}

TEST(every_item_is_dropped_once)
{
    run(dropped_once);
}

static int take_while_ends(void *arg)
{
    int64_t limit = 5, out[10];
    size_t n;
    weir_stream *s = weir_take_while(weir_range(0, 100), below, &limit, 0);
    weir_stream *t = weir_take_while(weir_range(0, 100), below, &limit, 1);

    (void)arg;
    EQ(weir_collect(&s, out, 10, &n), 0);
    EQ(n, 5);
    EQ(weir_collect(&t, out, 10, &n), 0);
    EQ(n, 6);
    return 0;
}

TEST(take_while_may_include_the_item_that_ends_it)
{
    run(take_while_ends);
}

static int too_many(void *arg)
{
    int64_t out[3];
    size_t n = 9;
    weir_stream *s = weir_range(0, 4), *t = weir_range(0, 3), *none = NULL;

    (void)arg;
    EQ(weir_collect(&s, out, 3, &n), WEIR_ETOOLARGE);
    EQ(n, 3);
    EQ(weir_collect(&t, out, 3, &n), 0);
    EQ(n, 3);
    EQ(weir_collect(&none, out, 3, &n), -EINVAL);
    EQ(n, 0);
    return 0;
}

TEST(collect_keeps_what_fits_and_says_that_there_was_more)
{
    run(too_many);
}

TEST(a_chain_on_a_poisoned_stream_answers_its_code)
{
    int64_t x;
    size_t n;
    weir_stream *s = weir_take(
        weir_map(weir_chunks(weir_range(0, 3), 0), double_it, NULL, WEIR_TYPE(int64_t)), 3);

    EQ(weir_error(s), -EINVAL);
    EQ(weir_next(s, &x), -EINVAL);
    EQ(weir_collect(&s, &x, 1, &n), -EINVAL);
    s = weir_map(NULL, double_it, NULL, WEIR_TYPE(int));
    EQ(weir_error(s), -EINVAL);
    weir_stream_close(&s);
    s = weir_map(weir_range(0, 1), NULL, NULL, WEIR_TYPE(int));
    EQ(weir_error(s), -EINVAL);
    s = weir_chain(weir_range(0, 1), weir_empty(WEIR_TYPE(char)));
    EQ(weir_error(s), WEIR_ETYPE);
    s = weir_interval(&(struct weir_interval_opts){.period = 0});
    EQ(weir_error(s), -EINVAL);
    s = weir_fail(WEIR_TYPE(int), 1);
    EQ(weir_error(s), -EINVAL);
}

static int emit_some(weir_generator *g, void *ctx)
{
    int *stopped = ctx;

    for (int i = 0; i < 1000; i++)
        if (weir_emit(g, &i) < 0) {
            *stopped = i;
            return 0;
        }
    return -EIO;
}

static int generators(void *arg)
{
    int out[2000], stopped = 0;
    size_t n;
    weir_stream *s = weir_generate(emit_some, &stopped, WEIR_TYPE(int));

    (void)arg;
    EQ(weir_collect(&s, out, 2000, &n), -EIO);
    EQ(n, 1000);
    s = weir_take(weir_generate(emit_some, &stopped, WEIR_TYPE(int)), 3);
    EQ(weir_collect(&s, out, 2000, &n), 0);
    EQ(n, 3);
    OK(stopped >= 3 && stopped <= 5);
    s = weir_generate(emit_some, &stopped, WEIR_TYPE(int)); /* never pulled, never run */
    weir_stream_close(&s);
    return 0;
}

TEST(a_generator_ends_when_nobody_wants_more)
{
    run(generators);
}

/* --- items aligned to 64, from an allocator that aligns no better than it has to ------------ */

struct wide {
    _Alignas(64) char x[64];
};

static void wide_drop(void *p)
{
    EQ((uintptr_t)p % 64, 0);
}

static struct weir_type wide_type(uint32_t size)
{
    struct weir_type t = WEIR_TYPE(struct wide);

    t.size = size;
    t.drop = wide_drop;
    return t;
}

static int wide_next(void *left, void *in, void *out)
{
    (void)in;
    EQ((uintptr_t)out % 64, 0);
    memset(out, 0, sizeof(struct wide));
    return (*(int *)left)-- > 0;
}

static int wide_same(void *ctx, void *in, void *out)
{
    (void)ctx;
    EQ((uintptr_t)in % 64, 0);
    EQ((uintptr_t)out % 64, 0);
    if (out)
        memcpy(out, in, sizeof(struct wide));
    return 1;
}

static void *sixteen(void *ctx, void *p, size_t old, size_t size)
{
    char *base =
        test_alloc.realloc(ctx, p ? (char *)p - 16 : NULL, p ? old + 16 : 0, size ? size + 16 : 0);

    return base ? base + 16 : NULL;
}

static weir_stream *wides(int *left, int n, uint32_t size)
{
    *left = n;
    return weir_unfold(wide_next, left, wide_type(size));
}

static int aligned(void *arg)
{
    for (uint32_t size = 64; size <= 8192; size += 8192 - 64) { /* beyond what ends keep at hand */
        weir_chan *ch = weir_chan_new(wide_type(size), 100);
        struct weir_type t = wide_type(size);
        struct weir_chunk c;
        weir_stream *s;
        uint64_t n;
        int left;

        (void)arg;
        s = weir_stage(
            weir_filter(weir_map(wides(&left, 9, size), wide_same, NULL, t), wide_same, NULL),
            NULL);
        s = weir_buffered(weir_then(s, wide_same, NULL, t), wide_same, NULL, t, 3);
        EQ(weir_count(&s, &n), 0);
        EQ(n, 9);
        s = weir_chunks(wides(&left, 9, size), 4);
        while (weir_next(s, &c) == 1)
            EQ((uintptr_t)c.items % 64, 0);
        weir_stream_close(&s);
        s = wides(&left, 9, size);
        EQ(weir_forward(&s, ch), 0);
        s = weir_skip(wides(&left, 9, size), 3);
        EQ(weir_collect(&s, NULL, 0, &n), WEIR_ETOOLARGE);
        weir_chan_free(&ch);
    }
    return 0;
}

TEST(items_lie_as_their_type_asks_in_every_stage)
{
    struct weir_config c = {.alloc = {sixteen, NULL}};

    EQ(weir_sim_run(test_seed(), &c, aligned, NULL), 0);
}

static int stuck_generator(weir_generator *g, void *event)
{
    (void)g;
    return weir_event_wait(event, WEIR_NEVER);
}

static int stuck_job(void *event, void *in, void *out)
{
    (void)in;
    (void)out;
    return weir_event_wait(event, WEIR_NEVER);
}

/* Whose fiber was cut off by the deadlock detector says so: nobody else has cancelled it. */
static int stuck(void *arg)
{
    struct weir_event never;
    weir_stream *s = weir_generate(stuck_generator, &never, WEIR_TYPE(int));
    int64_t x;
    int y;

    (void)arg;
    weir_event_init(&never);
    EQ(weir_next(s, &y), WEIR_EDEADLOCK);
    weir_stream_close(&s);
    s = weir_buffered(weir_range(0, 9), stuck_job, &never, WEIR_TYPE(int64_t), 2);
    EQ(weir_next(s, &x), WEIR_EDEADLOCK);
    weir_stream_close(&s);
    return 0;
}

TEST(a_stream_whose_fiber_nothing_can_wake_ends_in_a_deadlock)
{
    run(stuck);
}

static int staged(void *arg)
{
    int left = 50;
    uint64_t n;
    weir_stream *s;

    (void)arg;
    live = 0;
    s = weir_stage(weir_unfold(thing_next, &left, thing_type()),
                   &(struct weir_stage_opts){.capacity = 4});
    s = weir_take(s, 7);
    EQ(weir_count(&s, &n), 0);
    EQ(n, 7);
    EQ(live, 0);
    OK(left >= 50 - 7 - 4 - 2); /* what was taken, the capacity, one in hand on either side */
    return 0;
}

TEST(a_stage_runs_ahead_by_its_capacity_only)
{
    run(staged);
}

static int lines_of_a_pipe(void *arg)
{
    static const char text[] = "one\r\n\nthree\0x\nlast";
    static const struct weir_line want[] = {
        {(char *)"one", 3}, {(char *)"", 0}, {(char *)"three\0x", 7}, {(char *)"last", 4}};
    struct weir_line got;
    weir_stream *s;
    int fds[2];

    (void)arg;
    EQ(pipe(fds), 0);
    EQ(write(fds[1], text, sizeof text - 1), sizeof text - 1);
    close(fds[1]);
    s = weir_lines(fds[0], 16);
    for (size_t i = 0; i < 4; i++) {
        EQ(weir_next(s, &got), 1);
        EQ(got.len, want[i].len);
        EQ(memcmp(got.text, want[i].text, got.len), 0);
    }
    EQ(weir_next(s, &got), 0);
    weir_stream_close(&s);
    weir_close(fds[0]);
    return 0;
}

TEST(lines_keep_zero_bytes_and_the_last_one_without_an_end)
{
    run(lines_of_a_pipe);
}

static int lines_too_long(void *arg)
{
    struct weir_line got;
    weir_stream *s;
    int fds[2];

    (void)arg;
    EQ(pipe(fds), 0);
    EQ(write(fds[1], "ok\n0123456789\n", 14), 14);
    s = weir_lines(fds[0], 5);
    EQ(weir_next(s, &got), 1);
    EQ(weir_next(s, &got), WEIR_ETOOLARGE);
    EQ(weir_next(s, &got), WEIR_ETOOLARGE);
    weir_stream_close(&s);
    close(fds[1]);
    weir_close(fds[0]);
    return 0;
}

TEST(a_line_beyond_the_limit_is_an_error)
{
    run(lines_too_long);
}

static int everything(void *arg)
{
    int64_t limit = 40, acc = 0;
    int stopped = 0, r;
    uint64_t n;
    weir_stream *s;

    (void)arg;
    s = weir_map(weir_stage(weir_filter(weir_take_while(weir_range(0, 100), below, &limit, 0),
                                        is_even, NULL),
                            NULL),
                 double_it, NULL, WEIR_TYPE(int64_t));
    r = weir_fold(&s, sum, NULL, &acc);
    OK(r == 0 ? acc == 760 : r == -ENOMEM || r == -ECANCELED);
    s = weir_take(weir_generate(emit_some, &stopped, WEIR_TYPE(int)), 3);
    r = weir_count(&s, &n);
    OK(r == 0 ? n == 3 : r == -ENOMEM || r == -ECANCELED);
    return 0;
}

static void everything_once(void *arg)
{
    struct weir_config c = config();
    int r = weir_sim_run(test_seed(), &c, everything, arg);

    OK(r == 0 || r == -ENOMEM);
}

TEST(a_fault_at_any_point_leaves_nothing_behind)
{
    EVERY_POINT(everything_once, NULL);
}
