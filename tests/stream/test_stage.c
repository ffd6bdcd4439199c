/*
 * test_stage.c -- weir_stage: capacity in items and by weight, overflow, what
 * is counted, that it runs on its own.
 */
#include "stream/marbles.h"

static weir_stream *stage(const char *script, struct weir_stage_opts o)
{
    return weir_stage(marbles(script), &o);
}

static struct weir_shape_stats books(const weir_stream *s)
{
    struct weir_shape_stats b;

    marbles_balance(s, &b);
    return b;
}

static char next(weir_stream *s)
{
    struct mark m;
    int r = weir_next(s, &m);

    if (r <= 0)
        return r == 0 ? '|' : r == WEIR_EFULL ? 'F' : '!';
    mark_drop(&m);
    return m.c;
}

SIM_TEST(a_stage_runs_ahead_by_exactly_its_capacity)
{
    for (size_t capacity = 1; capacity < 6; capacity++) {
        uint64_t before = marks_made;
        weir_stream *s =
            stage("(abcdefghijklmnopqrstuvwxyz)|", (struct weir_stage_opts){.capacity = capacity});

        EQ(next(s), 'a');
        EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
        EQ(marks_made - before, capacity + 1);
        EQ(books(s).held, capacity);
        EQ(books(s).most, capacity);
        for (char c = 'b'; c <= 'z'; c++)
            EQ(next(s), c);
        EQ(next(s), '|');
        weir_stream_close(&s);
        EQ(marks_live, 0);
    }
    return 0;
}

SIM_TEST(it_runs_whether_or_not_anyone_pulls)
{
    weir_stream *s = stage("a-b-c-d|", (struct weir_stage_opts){.capacity = 9});

    EQ(next(s), 'a');
    EQ(books(s).held, 0);
    EQ(weir_sleep(weir_after(WEIR_MS(45))), 0);
    EQ(books(s).held, 2);
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

static int64_t most;

static ssize_t counting_pull(void *self, void *items, size_t max)
{
    (void)self;
    memset(items, 0, max * sizeof(int64_t));
    if ((int64_t)max > most)
        most = (int64_t)max;
    return (ssize_t)max;
}

SIM_TEST(a_source_is_asked_for_as_many_as_there_is_room_for)
{
    static const struct weir_stream_ops ops = {sizeof ops, 0, counting_pull, NULL};
    weir_stream *s = weir_stage(weir_stream_new(&ops, NULL, WEIR_TYPE(int64_t)),
                                &(struct weir_stage_opts){.capacity = 48});
    int64_t x[100];
    ssize_t n = 0;

    most = 0;
    for (int i = 0; i < 10; i++) {
        n = weir_pull(s, x, 100);
        LT(0, n);
        LE(n, 48);
    }
    EQ(most, 48);
    EQ(n, 48);
    weir_stream_close(&s);
    return 0;
}

/* --- by weight ------------------------------------------------------------------------ */

static uint64_t weigh(void *ctx, const void *item)
{
    char c = ((const struct mark *)item)->c;

    (void)ctx;
    return c == 'z' ? UINT64_MAX : (uint64_t)(c - 'a');
}

SIM_TEST(the_queue_holds_no_more_weight_than_stated)
{
    /* b 1, c 2, d 3: of (cccc) two fit in 5, and one is in hand; z goes in alone */
    weir_stream *s = stage("(bccccdzba)|", (struct weir_stage_opts){.weight = 5, .weigh = weigh});
    static const char want[] = "bccccdzba";
    uint64_t queued[] = {2, 2, 2, 2, 1, 1, 2, 1, 0};

    for (size_t i = 0; want[i]; i++) {
        EQ(next(s), want[i]);
        EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
        EQ(books(s).held, queued[i] + (i < 6)); /* and one in hand until the last but two */
    }
    EQ(next(s), '|');
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(many_at_a_time_leave_their_weight)
{
    weir_stream *s =
        stage("(abcdbbbbbbbb)|", (struct weir_stage_opts){.weight = 6, .weigh = weigh});
    struct mark m[4];

    EQ(next(s), 'a');
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(books(s).held, 4); /* b 1, c 2, d 3, and one in hand */
    EQ(weir_pull(s, m, 3), 3);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(books(s).held, 7); /* six of 1, and one in hand */
    for (int i = 0; i < 3; i++)
        mark_drop(&m[i]);
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

SIM_TEST(both_bounds_hold_at_once)
{
    weir_stream *s = stage("(aaaaaaaa)|",
                           (struct weir_stage_opts){.capacity = 2, .weight = 100, .weigh = weigh});

    EQ(next(s), 'a');
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(books(s).held, 3); /* two queued, one in hand */
    EQ(books(s).most, 2);
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

SIM_TEST(the_oldest_go_until_the_newest_fits)
{
    weir_stream *s =
        stage("-(bbbbd)-|",
              (struct weir_stage_opts){.weight = 4, .weigh = weigh, .overflow = WEIR_DROP_OLDEST});

    EQ(next(s), 'b'); /* the last of them: all came in one go, and d is 3 */
    EQ(books(s).replaced, 3);
    EQ(next(s), 'd');
    EQ(next(s), '|');
    weir_stream_close(&s);
    return 0;
}

/* --- overflow -------------------------------------------------------------------------- */

static char dropped[32];

static void on_drop(void *ctx, void *item)
{
    struct mark *m = item;

    strncat(ctx, &m->c, 1);
    mark_drop(m);
}

static void overflows(enum weir_overflow how, const char *lost, const char *rest, int end)
{
    weir_stream *s =
        stage("abcdefg|", (struct weir_stage_opts){
                              .capacity = 2, .overflow = how, .on_drop = on_drop, .ctx = dropped});
    weir_time start = weir_now();
    struct weir_shape_stats b;
    char got[16] = "";

    dropped[0] = '\0';
    marks_made = 0;
    EQ(next(s), 'a');
    EQ(weir_sleep(start + WEIR_MS(100)), 0);
    b = books(s);
    STREQ(dropped, lost);
    EQ(b.replaced + b.refused + b.failed, strlen(lost));
    EQ(how == WEIR_DROP_NEWEST ? b.refused
       : how == WEIR_FAIL      ? b.failed
                               : b.replaced,
       strlen(lost));
    EQ(weir_stream_dropped(s), strlen(lost));
    for (char c; (c = next(s)) != (char)end;)
        strncat(got, &c, 1);
    STREQ(got, rest);
    weir_stream_close(&s);
    EQ(marks_live, 0);
}

static int overflow_newest(void *arg)
{
    (void)arg;
    overflows(WEIR_DROP_NEWEST, "defg", "bc", '|');
    return 0;
}

static int overflow_oldest(void *arg)
{
    (void)arg;
    overflows(WEIR_DROP_OLDEST, "bcde", "fg", '|');
    return 0;
}

static int overflow_latest(void *arg)
{
    (void)arg;
    overflows(WEIR_LATEST, "bcde", "fg", '|');
    return 0;
}

static int overflow_fail(void *arg)
{
    (void)arg;
    overflows(WEIR_FAIL, "d", "bc", 'F');
    return 0;
}

TEST(the_newest_are_refused)
{
    world_seeds(overflow_newest);
}

TEST(the_oldest_are_replaced)
{
    world_seeds(overflow_oldest);
}

TEST(only_the_latest_are_kept)
{
    world_seeds(overflow_latest);
}

TEST(a_full_stage_fails_after_what_is_queued)
{
    world_seeds(overflow_fail);
}

/* A source that never parks, dropped without end: the others run all the same. */
SIM_TEST(an_endless_source_that_overflows_shares_the_loop)
{
    weir_stream *s =
        weir_stage(weir_range(0, INT64_MAX),
                   &(struct weir_stage_opts){.capacity = 4, .overflow = WEIR_DROP_OLDEST});
    int64_t x, last = -1;

    for (int i = 0; i < 1000; i++) {
        EQ(weir_next(s, &x), 1);
        LT(last, x);
        last = x;
        EQ(weir_yield(), 0);
    }
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_stage_after_a_stage_loses_nothing)
{
    weir_stream *s = weir_range(0, 5000);
    int64_t x, want = 0;

    for (size_t i = 1; i < 6; i++)
        s = weir_stage(s, &(struct weir_stage_opts){.capacity = i * i});
    while (weir_next(s, &x) > 0)
        EQ(x, want++);
    EQ(want, 5000);
    weir_stream_close(&s);
    return 0;
}

/* --- alignment ---------------------------------------------------------------------------- */

struct wide {
    _Alignas(64) int64_t n;
};

static void wide_drop(void *item)
{
    EQ((uintptr_t)item % 64, 0);
}

static int wide_next(void *ctx, void *in, void *out)
{
    int64_t *n = ctx;

    (void)in;
    EQ((uintptr_t)out % 64, 0);
    ((struct wide *)out)->n = *n;
    return (*n)++ < 40;
}

static uint64_t wide_weigh(void *ctx, const void *item)
{
    (void)ctx;
    EQ((uintptr_t)item % 64, 0);
    return 1;
}

static weir_stream *wide_source(int64_t *n)
{
    struct weir_type t = WEIR_TYPE(struct wide);

    *n = 0;
    t.drop = wide_drop;
    return weir_unfold(wide_next, n, t);
}

static void wide_count(weir_stream *s, uint64_t want)
{
    uint64_t n;

    EQ(weir_count(&s, &n), 0);
    EQ(n, want);
}

/* The least that an allocator promises: 16, and no more. */
static void *odd_realloc(void *ctx, void *p, size_t old, size_t size)
{
    char *block = NULL;

    (void)ctx;
    if (size && posix_memalign((void **)&block, 64, size + 64) == 0) {
        memcpy(block + 16, p ? p : block, p ? (old < size ? old : size) : 0);
        block += 16;
    }
    if (p && (block || !size))
        free((char *)p - 16);
    return block;
}

static int items_stand(void *arg)
{
    int64_t n;
    struct weir_stage_opts o = {.capacity = 3, .overflow = WEIR_DROP_OLDEST};

    wide_count(weir_chunks_weighted(wide_source(&n), 7, 4, wide_weigh, NULL), 10);
    wide_count(weir_chunks_timeout(wide_source(&n), 7, WEIR_MS(1)), 6);
    weir_stream *s = weir_stage(wide_source(&n), &o);
    EQ(weir_count(&s, &(uint64_t){0}), 0);
    s = weir_debounce(wide_source(&n), &(struct weir_debounce_opts){.quiet = 1});
    EQ(weir_count(&s, &(uint64_t){0}), 0);
    (void)arg;
    return 0;
}

TEST(items_stand_where_their_type_asks)
{
    struct weir_config c = {.alloc = {odd_realloc, NULL}};

    EQ(weir_sim_run(test_seed(), &c, items_stand, NULL), 0);
}
