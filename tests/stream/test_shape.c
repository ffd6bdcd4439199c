/*
 * test_shape.c -- what holds for every operator of shape.h and for weir_stage:
 * one table, and for each line of it
 *
 *     NULL and poisoned sources; no items, a failure at once;
 *     built and never pulled; ends that are latched; a scope that closes first;
 *     random items, pullers that are slow, away, or give up and come back:
 *     in + made = out + replaced + refused + failed + held at every step, what
 *     goes out is what came in, in order, and each item is dropped once;
 *     a fault at every point.
 */
#include "stream/marbles.h"

enum {
    LOSSLESS = 1, /* all that comes in goes out */
    LAST = 2,     /* the last item goes out, at a clean end */
    CUTS = 4      /* may end before its source does */
};

static uint64_t weigh_letter(void *ctx, const void *item)
{
    OK(ctx == NULL);
    return (uint64_t)(((const struct mark *)item)->c - 'a') % 4;
}

static int no_item(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return 0;
}

static int make_tilde(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    mark_make(out, '~');
    return 1;
}

static struct weir_event event;
static weir_stream *s0; /* the source of the line that is being built */

struct op {
    const char *name;
    weir_stream *(*build)(void);
    int flags;
    weir_span gap; /* the least between two that go out, but for the end's; 0: none */
};

#define OPS(OP)                                                                                    \
    OP(chunks_timeout, LOSSLESS, 0, weir_chunks_timeout(s0, 3, WEIR_MS(25)))                       \
    OP(chunks_one, LOSSLESS, 0, weir_chunks_timeout(s0, 1, WEIR_MS(25)))                           \
    OP(ready_chunks, LOSSLESS, 0, weir_ready_chunks(s0, 4))                                        \
    OP(chunks_weighted, LOSSLESS, 0, weir_chunks_weighted(s0, 5, 4, weigh_letter, NULL))           \
    OP(batch_all, LOSSLESS, 0,                                                                     \
       weir_batch(s0, &(struct weir_batch_opts){                                                   \
                          .items = 4, .wait = WEIR_MS(25), .weight = 3, .weigh = weigh_letter}))   \
    OP(debounce, LAST, 0, weir_debounce(s0, &(struct weir_debounce_opts){.quiet = WEIR_MS(15)}))   \
    OP(debounce_max, LAST, 0,                                                                      \
       weir_debounce(s0,                                                                           \
                     &(struct weir_debounce_opts){.quiet = WEIR_MS(15), .max_wait = WEIR_MS(35)})) \
    OP(debounce_leading, 0, 0,                                                                     \
       weir_debounce(s0,                                                                           \
                     &(struct weir_debounce_opts){.quiet = WEIR_MS(15), .edges = WEIR_LEADING}))   \
    OP(debounce_both, LAST, 0,                                                                     \
       weir_debounce(s0, &(struct weir_debounce_opts){.quiet = WEIR_MS(15), .edges = 3}))          \
    OP(debounce_drops, LAST, 0,                                                                    \
       weir_debounce(s0, &(struct weir_debounce_opts){.quiet = WEIR_MS(15), .drop_failed = 1}))    \
    OP(throttle, LAST, WEIR_MS(35),                                                                \
       weir_throttle(s0, &(struct weir_throttle_opts){.period = WEIR_MS(35)}))                     \
    OP(throttle_leading, 0, WEIR_MS(35),                                                           \
       weir_throttle(s0,                                                                           \
                     &(struct weir_throttle_opts){.period = WEIR_MS(35), .edges = WEIR_LEADING}))  \
    OP(throttle_trailing, LAST, WEIR_MS(35),                                                       \
       weir_throttle(s0, &(struct weir_throttle_opts){.period = WEIR_MS(35), .edges = 2}))         \
    OP(sample, LAST, 0, weir_sample(s0, WEIR_MS(35)))                                              \
    OP(pace, LOSSLESS, WEIR_MS(14),                                                                \
       weir_pace(s0, &(struct weir_pace_opts){.rate = {.count = 1, .period = WEIR_MS(15)}}))       \
    OP(pace_costs, LOSSLESS, 0,                                                                    \
       weir_pace(s0,                                                                               \
                 &(struct weir_pace_opts){.rate = {.count = 1, .period = WEIR_MS(15), .burst = 2}, \
                                          .cost = weigh_letter}))                                  \
    OP(delay, LOSSLESS, 0, weir_delay(s0, WEIR_MS(25), 3))                                         \
    OP(timeouts, LOSSLESS, 0,                                                                      \
       weir_timeouts(                                                                              \
           s0, &(struct weir_timeouts_opts){WEIR_S(90), WEIR_S(90), WEIR_S(90), WEIR_S(90), {0}})) \
    OP(timeouts_short, CUTS, 0,                                                                    \
       weir_timeouts(s0, &(struct weir_timeouts_opts){                                             \
                             WEIR_MS(45), WEIR_MS(35), WEIR_MS(145), WEIR_MS(95), {0}}))           \
    OP(keep_alive, LOSSLESS, 0, weir_keep_alive(s0, WEIR_MS(15), no_item, NULL))                   \
    OP(keep_alive_makes, 0, 0, weir_keep_alive(s0, WEIR_MS(15), make_tilde, NULL))                 \
    OP(take_until, LOSSLESS, 0, weir_take_until(s0, &(struct weir_until_opts){.event = &event}))   \
    OP(take_until_soon, CUTS, 0,                                                                   \
       weir_take_until(                                                                            \
           s0, &(struct weir_until_opts){.event = &event, .deadline = WEIR_EPOCH + WEIR_MS(155)})) \
    OP(stage, LOSSLESS, 0, weir_stage(s0, &(struct weir_stage_opts){.capacity = 3}))               \
    OP(stage_weighs, LOSSLESS, 0,                                                                  \
       weir_stage(s0, &(struct weir_stage_opts){.weight = 4, .weigh = weigh_letter}))              \
    OP(stage_newest, 0, 0,                                                                         \
       weir_stage(s0, &(struct weir_stage_opts){.capacity = 2, .overflow = WEIR_DROP_NEWEST}))     \
    OP(stage_oldest, LAST, 0,                                                                      \
       weir_stage(s0, &(struct weir_stage_opts){                                                   \
                          .weight = 4, .weigh = weigh_letter, .overflow = WEIR_DROP_OLDEST}))      \
    OP(stage_latest, LAST, 0,                                                                      \
       weir_stage(s0, &(struct weir_stage_opts){.capacity = 2, .overflow = WEIR_LATEST}))          \
    OP(stage_fails, CUTS, 0,                                                                       \
       weir_stage(s0, &(struct weir_stage_opts){.capacity = 2, .overflow = WEIR_FAIL}))

#define OP(name, flags, gap, expression)                                                           \
    static weir_stream *build_##name(void)                                                         \
    {                                                                                              \
        return (expression);                                                                       \
    }
OPS(OP)
#undef OP
#define OP(name, flags, gap, expression) {#name, build_##name, flags, gap},
static const struct op ops[] = {OPS(OP)};
#undef OP
enum { N_OPS = sizeof ops / sizeof *ops };

/* The line's operator over a stream. */
static weir_stream *over(const struct op *op, weir_stream *s)
{
    s0 = s;
    weir_event_init(&event);
    return op->build();
}

static _Alignas(64) char buffer[1024];

/* --- without items ---------------------------------------------------------------------- */

static int no_source(void *arg)
{
    const struct op *op = arg;
    weir_stream *s = over(op, NULL);

    EQ(weir_error(s), -EINVAL);
    s = over(op, weir_range(5, 5));
    EQ(weir_error(s), 0);
    weir_stream_close(&s);
    s = over(op, weir_chunks(weir_empty(mark_type()), 0));
    EQ(weir_error(s), -EINVAL);
    EQ(weir_pull(s, buffer, 1), -EINVAL);
    s = over(op, weir_fail(mark_type(), 7));
    EQ(weir_error(s), -EINVAL);
    weir_stream_close(&s);
    return 0;
}

static int no_items(void *arg)
{
    const struct op *op = arg;
    static const char *const scripts[] = {"|", "---|", "!", "--!"};

    for (size_t i = 0; i < 4; i++) {
        int closed = 0, want = scripts[i][strlen(scripts[i]) - 1] == '|' ? 0 : -EIO;
        weir_stream *s = over(op, marbles_counted(scripts[i], &closed));
        struct weir_shape_stats b;

        for (int k = 0; k < 3;) {
            ssize_t r = weir_pull(s, buffer, 1);

            k += r <= 0;
            if (r > 0)
                mark_drop(buffer);
            else
                EQ(r, want);
        }
        EQ(weir_shape_stats(s, &b), 0);
        EQ(b.in + b.held, 0);
        weir_stream_close(&s);
        EQ(closed, 1);
    }
    return 0;
}

static int never_pulled(void *arg)
{
    int closed = 0;
    weir_stream *s = over(arg, marbles_counted("ab|", &closed));

    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    weir_stream_close(&s);
    EQ(closed, 1);
    EQ(marks_made, 0);
    return 0;
}

static int all_ops(int (*fn)(void *))
{
    for (size_t i = 0; i < N_OPS; i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            int r = world_seed(test_seed() + seed, fn, (void *)&ops[i]);

            if (r != 0 || marks_live != 0)
                FAIL("%s: %d, %d items live", ops[i].name, r, marks_live);
        }
    return 0;
}

TEST(a_source_that_is_none_poisons)
{
    all_ops(no_source);
}

TEST(no_items_is_an_end_and_a_failure_a_failure_and_both_are_latched)
{
    all_ops(no_items);
}

TEST(building_starts_nothing)
{
    all_ops(never_pulled);
}

static int off_a_fiber(const struct op *op)
{
    weir_stream *s = over(op, weir_array(&(struct mark){1, 'a'}, 1, mark_type()));
    ssize_t r = weir_pull(s, buffer, 1);

    OK(r == WEIR_ENOFIBER || r >= 0);
    if (r > 0 && weir_stream_type(s).drop)
        mark_drop(buffer);
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

TEST(off_a_fiber_a_pull_that_would_park_is_told_so)
{
    for (size_t i = 0; i < N_OPS; i++)
        off_a_fiber(&ops[i]);
}

TEST(only_streams_that_keep_books_have_some)
{
    struct weir_shape_stats b;
    weir_stream *s = weir_range(0, 3), *p = weir_fail(WEIR_TYPE(int), 1);

    EQ(weir_shape_stats(s, &b), -EINVAL);
    EQ(weir_shape_stats(NULL, &b), -EINVAL);
    EQ(weir_shape_stats(p, &b), -EINVAL);
    s = weir_sample(s, 1);
    EQ(weir_shape_stats(s, NULL), -EINVAL);
    EQ(weir_shape_stats(s, &b), 0);
    EQ(b.in + b.out + b.held, 0);
    weir_stream_close(&s);
}

/* --- random items, random pullers ------------------------------------------------------------ */

static char script[128], came[64], gone[256];
static weir_time when[256];
static size_t gone_n;
static bool mapped, patient; /* behind a callback; a puller that is never away nor gives up */

/* Forty instants, half of them with items; ends in | or !. */
static void random_script(void)
{
    size_t k = 0, items = 0;

    for (int i = 0; i < 40; i++) {
        uint64_t x = test_random() % 6;

        if (x < 3) {
            script[k++] = '-';
            continue;
        }
        if (x == 5)
            script[k++] = '(';
        for (uint64_t j = 0; j < (x == 5 ? 3 : 1) && items < sizeof came - 1; j++)
            script[k++] = came[items++] = (char)('a' + test_random() % 26);
        if (x == 5)
            script[k++] = ')';
    }
    came[items] = '\0';
    script[k++] = test_random() % 4 ? '|' : '!';
    script[k] = '\0';
}

static void random_took(const struct weir_type *type, void *item)
{
    if (type->drop != mark_drop) {
        struct weir_chunk *c = item;

        OK(c->n > 0 && c->n <= 5);
        for (size_t i = 0; i < c->n; i++)
            gone[gone_n++] = ((struct mark *)c->items)[i].c;
        return;
    }
    when[gone_n] = weir_now();
    gone[gone_n++] = ((struct mark *)item)->c;
    mark_drop(item);
}

/* A pull that may give up after a while, and be away afterwards. */
static ssize_t random_pull(weir_stream *s)
{
    struct weir_limit l;
    struct weir_type type = weir_stream_type(s);
    ssize_t r;

    EQ(weir_limit_init(&l, patient || test_random() % 2
                               ? WEIR_NEVER
                               : weir_after(WEIR_US(test_random() % 40000))),
       0);
    r = weir_limit_fini(&l, (int)weir_pull(s, buffer, 1 + test_random() % 4));
    for (ssize_t i = 0; i < r; i++)
        random_took(&type, buffer + (size_t)i * type.size);
    if (!patient && test_random() % 4 == 0)
        EQ(weir_sleep(weir_after(WEIR_US(test_random() % 60000))), 0);
    return r;
}

static bool cut_short(ssize_t r, const struct op *op, const struct weir_shape_stats *b)
{
    return r == -ETIMEDOUT && !(op->flags & CUTS && b->cause);
}

static void random_check(const struct op *op, int end)
{
    size_t k = 0;

    gone[gone_n] = '\0';
    for (size_t i = 0; came[i] && k < gone_n; i++) { /* a part of what came, in order */
        while (gone[k] == '~')
            k++;
        k += gone[k] == came[i];
    }
    while (gone[k] == '~')
        k++;
    EQ(k, gone_n);
    if (op->flags & LOSSLESS)
        STREQ(gone, came);
    if (op->flags & LAST && end == 0 && *came)
        EQ(gone[gone_n - 1], came[strlen(came) - 1]);
    if (!(op->flags & CUTS))
        EQ(end, script[strlen(script) - 1] == '|' ? 0 : -EIO);
    for (size_t i = 1; op->gap && i + 1 < gone_n; i++)
        LE(op->gap, when[i] - when[i - 1]);
}

static int random_run(void *arg)
{
    const struct op *op = arg;
    int closed = 0;
    weir_stream *s = marbles_counted(script, &closed);
    struct weir_shape_stats b;
    ssize_t r;

    if (mapped)
        s = weir_map(s, marbles_move, NULL, mark_type());
    s = over(op, s);
    gone_n = 0;
    do {
        r = random_pull(s);
        marbles_balance(s, &b);
        EQ(b.out, gone_n);
    } while (r > 0 || cut_short(r, op, &b));
    EQ(b.held, 0);
    EQ(weir_stream_dropped(s), b.replaced + b.refused + b.failed);
    random_check(op, (int)r);
    weir_stream_close(&s);
    EQ(closed, 1);
    EQ(marks_live, 0);
    return 0;
}

static void random_runs(const struct op *op)
{
    for (int i = 0; i < 60; i++) {
        random_script();
        mapped = i % 2;
        patient = i % 3 == 0;
        if (world_seed(test_random(), random_run, (void *)op) != 0)
            FAIL("%s on %s", op->name, script);
    }
}

/* Closed in the middle, at any moment. */
static int closed_early(void *arg)
{
    const struct op *op = arg;
    weir_stream *s = over(op, mapped ? marbles_mapped(script) : marbles(script));
    struct weir_shape_stats b;

    patient = false;
    gone_n = 0;
    for (uint64_t pulls = test_random() % 8; pulls; pulls--)
        (void)random_pull(s);
    marbles_balance(s, &b);
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

static void closed_runs(const struct op *op)
{
    for (int i = 0; i < 40; i++) {
        random_script();
        mapped = i % 2;
        if (world_seed(test_random(), closed_early, (void *)op) != 0)
            FAIL("%s on %s", op->name, script);
    }
}

/* --- a builder that goes first --------------------------------------------------------------- */

static weir_stream *orphan;

static int build_and_go(void *arg)
{
    weir_scope *inner = weir_scope_open(NULL);

    orphan = over(arg, marbles_mapped("abcdefgh---------ij|"));
    (void)random_pull(orphan);
    return weir_scope_close(&inner);
}

static int outlives_its_builder(void *arg)
{
    weir_scope *inner = weir_scope_open(NULL);
    ssize_t r;

    patient = true;
    gone_n = 0;
    GO(inner, build_and_go, arg);
    (void)weir_scope_close(&inner);
    do
        r = random_pull(orphan);
    while (r > 0);
    EQ(weir_pull(orphan, buffer, 1), r);
    weir_stream_close(&orphan);
    return 0;
}

TEST(a_stream_outlives_the_scope_it_was_built_in)
{
    all_ops(outlives_its_builder);
}

/* --- a fault at every point ------------------------------------------------------------------ */

static int faulty(void *arg)
{
    const struct op *op = arg;
    struct weir_type type;
    const char *in = "a-(bc)--d-e---f|";
    weir_stream *s = over(op, mapped ? marbles_mapped(in) : marbles(in));
    struct weir_shape_stats b;
    ssize_t r;
    int cuts = 0;

    type = weir_stream_type(s);
    gone_n = 0;
    do {
        r = weir_pull(s, buffer, 1);
        if (weir_error(s) == 0)
            marbles_balance(s, &b);
        if (r > 0)
            random_took(&type, buffer);
        if (r == -ECANCELED)
            cuts++;
    } while (r > 0 || (r == -ECANCELED && cuts < 3));
    if (!test_fault_hit() && !(op->flags & CUTS))
        EQ(r, 0);
    OK(r <= 0);
    weir_stream_close(&s);
    EQ(marks_live, 0);
    return 0;
}

static void faulty_once(void *arg)
{
    int r = world_run(faulty, arg);

    OK(r == 0 || r == -ENOMEM);
    EQ(marks_live, 0);
}

#define OP(name, flags, gap, expression)                                                           \
    TEST(name##_keeps_its_books_whoever_pulls)                                                     \
    {                                                                                              \
        random_runs(&(struct op){#name, build_##name, flags, gap});                                \
    }                                                                                              \
    TEST(name##_drops_what_it_holds_when_it_is_closed)                                             \
    {                                                                                              \
        closed_runs(&(struct op){#name, build_##name, flags, gap});                                \
    }                                                                                              \
    TEST(name##_stands_a_fault_at_every_point)                                                     \
    {                                                                                              \
        static struct op op = {#name, build_##name, flags, gap};                                   \
        mapped = false;                                                                            \
        EVERY_POINT(faulty_once, &op);                                                             \
        mapped = true;                                                                             \
        EVERY_POINT(faulty_once, &op);                                                             \
    }
OPS(OP)
#undef OP
