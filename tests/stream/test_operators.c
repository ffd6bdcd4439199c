/*
 * test_operators.c -- one table of all operators, and what holds for each.
 *
 * A line of operators.def is a stream over a source of six things that are
 * counted one by one.  Each is run to its end; on no items; on a source that
 * fails; closed early; built in a scope that closes; with a slow puller, and
 * with one that is cancelled again and again; and with a fault at every point.
 * Whatever happens
 *
 *     every thing that was made is dropped once, every source closed once,
 *     of a stage that passes things on:  in = out + dropped + held,
 *     held <= what it states, and 0 at the end,
 *     an end is the same for ever, and nothing is left behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weir.h>

#include "core/world.h"
#include "stream/stream.h"

enum {
    SOURCE = 1,     /* takes no stream */
    PASS = 2,       /* passes things on: in = out + dropped + held */
    ENDLESS = 4,    /* has no end */
    NEVER = 8,      /* and gives nothing */
    UNSTEADY = 16,  /* what comes depends on who runs when */
    UNORDERED = 32, /* the order does, not what comes */
    DEAF = 64,      /* a failure of its source need not be its own */
    LAZY = 128,     /* makes its source when it is pulled */
    FAILS = 256     /* with -EIO */
};
#define HOLD(n) ((n) << 16) /* how many items it may hold; of a PASS */

struct row {
    const char *name;
    int flags;
    weir_stream *(*build)(void);
};

enum { SIX = 6, MOST = 1 << 14, PULLS = 5 };

/* --- things -------------------------------------------------------------------- */

struct thing {
    int64_t n;
    uint32_t id; /* 0: empty */
};

static struct books {
    uint32_t made;
    int live, sources, opened;
    int64_t sourced; /* things that the source gave */
    uint8_t dropped[MOST];
} books;

static void thing_drop(void *p)
{
    struct thing *t = p;

    if (!t->id)
        return;
    OK(t->id <= books.made);
    EQ(books.dropped[t->id], 0);
    books.dropped[t->id] = 1;
    books.live--;
    t->id = 0;
}

static void thing_make(struct thing *t, int64_t n)
{
    LT(books.made, MOST - 1);
    *t = (struct thing){n, ++books.made};
    books.live++;
}

static int thing_clone(void *to, const void *from)
{
    thing_make(to, ((const struct thing *)from)->n);
    return 0;
}

static struct weir_type thing_type(void)
{
    struct weir_type t = WEIR_TYPE(struct thing);

    t.drop = thing_drop;
    t.clone = thing_clone;
    return t;
}

static const struct thing original = {100, 0};
static int64_t six[SIX] = {0, 1, 2, 3, 4, 5};

/* --- the source under test ------------------------------------------------------- */

static struct plan {
    int64_t items; /* how many */
    int64_t fails; /* -EIO after so many; -1: never */
    weir_span nap; /* before each item, which then comes alone */
    int poison;    /* there is no source */
} plan;

struct source {
    int64_t at;
    weir_time due;
};

static ssize_t source_pull(void *self, void *items, size_t max)
{
    struct source *s = self;
    struct thing *out = items;
    size_t k = 0;

    if (s->at == plan.fails)
        return -EIO;
    if (plan.nap && s->at < plan.items) {
        if (!s->due)
            s->due = weir_after(plan.nap);
        int r = weir_sleep(s->due);
        if (r < 0)
            return r;
        s->due = 0;
        max = 1;
    }
    for (; k < max && s->at < plan.items && s->at != plan.fails; k++, s->at++)
        thing_make(&out[k], s->at);
    books.sourced += (int64_t)k;
    return (ssize_t)k;
}

static void source_close(void *self, int why)
{
    LE(why, 0);
    books.sources--;
    free(self);
}

static const struct weir_stream_ops source_ops = {sizeof(struct weir_stream_ops),
                                                  WEIR_STREAM_RESUMABLE, source_pull, source_close};

static weir_stream *source(void)
{
    struct source *self;
    weir_stream *s;

    if (plan.poison)
        return weir__stream_poison(plan.poison);
    self = calloc(1, sizeof *self);
    books.sources++;
    s = weir_stream_new(&source_ops, self, thing_type());
    if (weir_error(s) < 0)
        source_close(self, weir_error(s));
    return s;
}

#define IN source()

/* --- callbacks of the table ---------------------------------------------------------- */

static int move(void *ctx, void *in, void *out)
{
    (void)ctx;
    memcpy(out, in, sizeof(struct thing));
    memset(in, 0, sizeof(struct thing));
    return 1;
}

static int job(void *ctx, void *in, void *out)
{
    int r = weir_sleep(weir_after(WEIR_MS(1 + ((struct thing *)in)->n % 3)));

    return r < 0 ? r : move(ctx, in, out);
}

static int is_odd(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return ((struct thing *)in)->n % 2 != 0;
}

static int move_odd(void *ctx, void *in, void *out)
{
    return is_odd(ctx, in, out) ? move(ctx, in, out) : 0;
}

static int is_below_2(void *ctx, void *in, void *out)
{
    (void)ctx;
    OK(out == NULL);
    return ((struct thing *)in)->n < 2;
}

static int look(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    OK(((struct thing *)in)->id != 0);
    return 0;
}

static int key_half(void *ctx, void *in, void *out)
{
    (void)ctx;
    EQ(*(int64_t *)out, 0);
    *(int64_t *)out = ((struct thing *)in)->n / 2;
    return 1;
}

static int key_third(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = ((struct thing *)in)->n % 3;
    return 1;
}

static int64_t count;

static int64_t *counter(void)
{
    count = 0;
    return &count;
}

static int next_thing(void *ctx, void *in, void *out)
{
    int64_t *at = ctx;

    OK(in == NULL);
    if (*at == SIX)
        return 0;
    thing_make(out, (*at)++);
    return 1;
}

static int64_t *sum_zero(void)
{
    return counter();
}

static int sum_to_6(void *ctx, void *in, void *out)
{
    int64_t *sum = ctx;

    *sum += ((struct thing *)in)->n;
    *(int64_t *)out = *sum;
    return *sum >= 6 ? WEIR_SCAN_LAST : WEIR_SCAN_EMIT;
}

static int sum_last(void *ctx, void *in, void *out)
{
    OK(in == NULL);
    *(int64_t *)out = -*(int64_t *)ctx;
    return 1;
}

static int thrice(void *ctx, void *in, uint64_t k, void *out)
{
    (void)ctx;
    if (k < 3)
        thing_make(out, ((struct thing *)in)->n * 10 + (int64_t)k);
    return k < 3;
}

static weir_stream *make_in(void *ctx)
{
    (void)ctx;
    return source();
}

static weir_stream *make_staged(void *ctx)
{
    return weir_stage(make_in(ctx), &(struct weir_stage_opts){.capacity = 1});
}

static weir_stream *restart_in(void *ctx, const struct weir_restart *about)
{
    (void)ctx;
    OK(about->run == 0 ? about->failed == 0 : about->failed < 0);
    return source();
}

static weir_stream *restart_staged(void *ctx, const struct weir_restart *about)
{
    (void)about;
    return make_staged(ctx);
}

static int last_n(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = ((struct thing *)in)->n;
    return 1;
}

static const struct weir_restart_opts restarts = {
    .retry = {.attempts = 3}, .token = last_n, .token_type = {.size = 8, .align = 8}};

static weir_stream *nothing_else(void *ctx, int code)
{
    (void)ctx;
    LT(code, 0);
    return weir_empty(thing_type());
}

static void note_end(void *ctx, int why)
{
    (void)ctx;
    LE(why, 0);
}

static weir_stream *stream_of(void *ctx, void *item)
{
    struct thing t = *(struct thing *)item;

    (void)ctx;
    memset(item, 0, sizeof t);
    return weir_once(&t, thing_type());
}

static weir_stream *fiber_stream_of(void *ctx, void *item)
{
    return weir_stage(stream_of(ctx, item), &(struct weir_stage_opts){.capacity = 1});
}

static weir_stream *busy_stream_of(void *ctx, void *item)
{
    return weir_map_concat(stream_of(ctx, item), thrice, NULL, thing_type());
}

static int to_stream(void *ctx, void *in, void *out)
{
    *(weir_stream **)out = stream_of(ctx, in);
    return 1;
}

struct numbered {
    uint64_t index;
    struct thing thing;
};

static void numbered_drop(void *p)
{
    thing_drop(&((struct numbered *)p)->thing);
}

static struct weir_type numbered_type(void)
{
    struct weir_type t = WEIR_TYPE(struct numbered);

    t.drop = numbered_drop;
    return t;
}

WEIR_MAP(increment, int64_t, int64_t, x + 1)

/* --- sources of the table --------------------------------------------------------------- */

static weir_stream *once(void)
{
    struct thing t;

    thing_make(&t, 7);
    return weir_once(&t, thing_type());
}

static struct weir_event ready;

static struct weir_event *poll_ready(void)
{
    weir_event_init(&ready);
    return &ready;
}

/* Every third time it is not ready, and becomes so before anybody could wait for it. */
static int poll_thing(void *ctx, void *in, void *out)
{
    static int asked;

    if (asked++ % 3 == 0) {
        weir_event_set(&ready);
        return -EAGAIN;
    }
    return next_thing(ctx, in, out);
}

static int resource_open(void *ctx)
{
    int r = weir_sleep(weir_after(WEIR_MS(2)));

    (void)ctx;
    books.opened += r == 0;
    return r;
}

static void resource_close(void *ctx, int why)
{
    (void)ctx;
    LE(why, 0);
    books.opened--;
}

static const struct weir_resource resource = {resource_open, next_thing, resource_close, NULL};

static int fetch(void *ctx, weir_page *page)
{
    uint64_t number = weir_page_number(page);
    char cursor[16];
    int r = weir_sleep(weir_after(WEIR_MS(2)));

    (void)ctx;
    for (int64_t i = 0; i < 2 && r == 0; i++) {
        struct thing t;

        thing_make(&t, (int64_t)number * 2 + i);
        r = weir_page_add(page, &t, 1);
        if (r < 0)
            thing_drop(&t);
    }
    snprintf(cursor, sizeof cursor, "p%d", (int)number + 1);
    if (r == 0 && number < 2)
        r = weir_page_next(page, cursor, strlen(cursor));
    return r < 0 ? r : number < 2;
}

static int emit_things(weir_generator *g, void *ctx)
{
    int r = 1;

    (void)ctx;
    for (int64_t i = 0; i < SIX && r > 0; i++) {
        struct thing t;

        thing_make(&t, i);
        r = weir_emit(g, &t);
        if (r < 0)
            thing_drop(&t);
    }
    return r < 0 ? r : 0;
}

static void chan_free(void *p)
{
    weir_chan *ch = p;

    weir_chan_free(&ch);
}

static weir_stream *from_chan(void)
{
    weir_chan *ch = weir_chan_new(thing_type(), SIX);
    weir_stream *s = weir_from_chan(ch);

    for (int64_t i = 0; i < SIX; i++) {
        struct thing t;

        thing_make(&t, i);
        if (weir_send(ch, &t, 0) < 0)
            thing_drop(&t);
    }
    weir_chan_close(ch, 0);
    if (weir_stream_own(s, ch, chan_free) < 0) {
        weir_stream_close(&s);
        weir_chan_free(&ch);
        return weir__stream_poison(-ENOMEM);
    }
    return s;
}

static void fd_close(void *p)
{
    weir_close((int)(intptr_t)p);
}

static weir_stream *owns_fd(weir_stream *(*make)(int fd, size_t max), size_t max)
{
    int fds[2];
    weir_stream *s;

    EQ(pipe(fds), 0);
    EQ(write(fds[1], "one\ntwo\nthree", 13), 13);
    close(fds[1]);
    s = make(fds[0], max);
    if (weir_stream_own(s, (void *)(intptr_t)fds[0], fd_close) < 0) {
        weir_stream_close(&s);
        close(fds[0]);
        return weir__stream_poison(-ENOMEM);
    }
    return s;
}

/* --- one run of a row --------------------------------------------------------------------- */

struct outcome {
    int r;               /* the end; 1: there was none yet */
    int64_t out;         /* items */
    uint64_t sum, order; /* of their numbers; of these in order */
};

static const struct row *row; /* that is being run */

static void books_open(void)
{
    memset(&books, 0, sizeof books);
    plan = (struct plan){.items = SIX, .fails = -1};
}

static void books_check(void)
{
    EQ(books.live, 0);
    EQ(books.sources, 0);
    EQ(books.opened, 0);
}

/* in = out + dropped + held, and held is what the row states at most. */
static void ledger_check(weir_stream *s, const struct outcome *o)
{
    int64_t held = books.sourced - o->out - (int64_t)weir_stream_dropped(s);

    if (!(row->flags & PASS))
        return;
    LE(0, held);
    if (o->r == 0)
        EQ(held, 0);
    else if (o->r == 1)
        LE(held, row->flags >> 16);
}

static void take_in(weir_stream *s, struct outcome *o, char *items, ssize_t n)
{
    struct weir_type t = weir_stream_type(s);

    for (ssize_t i = 0; i < n; i++) {
        char *item = items + (size_t)i * t.size;
        uint64_t number = 0;

        if (t.drop == thing_drop || t.drop == numbered_drop)
            number = (uint64_t)((struct thing *)(t.drop == thing_drop ? item : item + 8))->n;
        else if (t.size == 8)
            memcpy(&number, item, 8);
        o->sum += number;
        o->order = o->order * 31 + number + 1;
        o->out++;
        if (t.drop)
            t.drop(item);
    }
}

/* Pulls `max` at a time, `pulls` times or to the end. */
static void pull_some(weir_stream *s, struct outcome *o, size_t max, int pulls)
{
    _Alignas(64) static char items[64 * 256];
    ssize_t n = 1;

    LE(weir_stream_type(s).size, 256);
    for (; pulls != 0 && n > 0; pulls--) {
        n = weir_pull(s, items, max);
        take_in(s, o, items, n);
        o->r = n > 0 ? 1 : (int)n;
        if (weir_error(s) == 0 && max == 1)
            ledger_check(s, o);
    }
}

static void pull_all(weir_stream *s, struct outcome *o, size_t max)
{
    pull_some(s, o, max, row->flags & ENDLESS ? PULLS : -1);
}

/* The end stays the end, and then the books are closed. */
static void finish(weir_stream **s, const struct outcome *o)
{
    char item[256];

    if (o->r <= 0 && weir_error(*s) == 0)
        EQ(weir_pull(*s, item, 1), o->r);
    weir_stream_close(s);
    books_check();
}

static void expect_same(const struct outcome *a, const struct outcome *b)
{
    if (row->flags & UNSTEADY)
        return;
    EQ(a->r, b->r);
    EQ(a->out, b->out);
    EQ(a->sum, b->sum);
    if (!(row->flags & UNORDERED))
        EQ(a->order, b->order);
}

static struct outcome run_plain(size_t max)
{
    struct outcome o = {.r = 1};
    weir_stream *s = row->build();

    EQ(weir_error(s), 0);
    pull_all(s, &o, max);
    finish(&s, &o);
    return o;
}

/* --- what is done with each ------------------------------------------------------------------ */

static void check_to_the_end(struct outcome *full)
{
    struct outcome batches;

    books_open();
    *full = run_plain(1);
    EQ(full->r, row->flags & FAILS ? -EIO : row->flags & ENDLESS ? 1 : 0);
    if (row->flags & ENDLESS)
        return;
    books_open();
    batches = run_plain(64);
    expect_same(&batches, full);
}

static void check_no_items(void)
{
    struct outcome o;

    books_open();
    plan.items = 0;
    o = run_plain(1);
    EQ(o.r, 0);
    if (row->flags & PASS)
        EQ(o.out, 0);
}

static void check_failure(void)
{
    for (int64_t k = 0; k <= 3; k++) {
        struct outcome o;

        books_open();
        plan.fails = k;
        o = run_plain(k % 2 ? 1 : 64);
        if (!(row->flags & DEAF))
            EQ(o.r, -EIO);
    }
}

static void check_poison(void)
{
    weir_stream *s;
    char item[256];

    books_open();
    plan.poison = -EXDEV;
    s = row->build();
    EQ(weir_error(s), row->flags & LAZY ? 0 : -EXDEV);
    EQ(weir_pull(s, item, 1), -EXDEV);
    weir_stream_close(&s);
    books_check();
}

static void check_closed_early(void)
{
    for (int pulls = 0; pulls <= 3; pulls++) {
        struct outcome o = {.r = 1};
        weir_stream *s;

        books_open();
        plan.nap = pulls % 2 ? WEIR_MS(5) : 0;
        s = row->build();
        pull_some(s, &o, 1, pulls);
        weir_stream_close(&s);
        books_check();
    }
}

/* The scope it was built in closes: what it owned there has ended, and it is still to be freed. */
static void check_scope_closed(int pulls)
{
    struct outcome o = {.r = 1};
    weir_scope *scope;
    weir_stream *s;

    books_open();
    plan.nap = WEIR_MS(5);
    scope = weir_scope_open(NULL);
    s = row->build();
    pull_some(s, &o, 1, pulls);
    EQ(weir_scope_close(&scope), 0);
    pull_some(s, &o, 1, row->flags & ENDLESS ? PULLS : -1);
    LE(o.r, row->flags & ENDLESS ? 1 : 0);
    finish(&s, &o);
}

/* Pulled within a scope that closes: it does not belong there. */
static void check_puller_scope_closed(const struct outcome *full)
{
    struct outcome o = {.r = 1};
    weir_scope *scope;
    weir_stream *s;

    books_open();
    s = row->build();
    scope = weir_scope_open(NULL);
    pull_some(s, &o, 1, 1);
    EQ(weir_scope_close(&scope), 0);
    pull_some(s, &o, 1, row->flags & ENDLESS ? PULLS - 1 : o.r == 1 ? -1 : 0);
    expect_same(&o, full);
    finish(&s, &o);
}

/* Deadlines that are too short, until the end is there all the same. */
static void check_cancelled_pulls(void)
{
    struct outcome calm, o = {.r = 1};
    weir_stream *s;
    int cut = 0;

    books_open();
    plan.nap = WEIR_MS(10);
    calm = run_plain(1);
    books_open();
    plan.nap = WEIR_MS(10);
    s = row->build();
    while (o.r == 1 && o.out < (row->flags & ENDLESS ? PULLS : MOST) && cut < 1000) {
        struct weir_limit l;

        EQ(weir_limit_init(&l, weir_after(WEIR_MS(3))), 0);
        pull_some(s, &o, 1, 1);
        o.r = weir_limit_fini(&l, o.r);
        if (o.r == -ETIMEDOUT || o.r == -ECANCELED) {
            cut++;
            o.r = 1;
        }
    }
    expect_same(&o, &calm);
    finish(&s, &o);
}

static void check_slow_puller(const struct outcome *full)
{
    struct outcome o = {.r = 1};
    weir_stream *s;

    books_open();
    s = row->build();
    while (o.r == 1 && o.out < (row->flags & ENDLESS ? PULLS : MOST)) {
        pull_some(s, &o, 1, 1);
        EQ(weir_sleep(weir_after(WEIR_MS(20))), 0);
        ledger_check(s, &o);
    }
    expect_same(&o, full);
    finish(&s, &o);
}

static void check_never(void)
{
    struct outcome o = {.r = 1};
    struct weir_limit l;
    weir_stream *s;

    books_open();
    s = row->build();
    for (int i = 0; i < 2; i++) {
        EQ(weir_limit_init(&l, weir_after(WEIR_MS(3))), 0);
        pull_some(s, &o, 1, 1);
        EQ(weir_limit_fini(&l, o.r), -ETIMEDOUT);
        EQ(o.out, 0);
    }
    weir_stream_close(&s);
    books_check();
}

static int check_in_fiber(void *arg)
{
    struct outcome full;

    (void)arg;
    if (row->flags & NEVER) {
        check_never();
        return 0;
    }
    check_to_the_end(&full);
    check_puller_scope_closed(&full);
    check_slow_puller(&full);
    check_cancelled_pulls();
    check_closed_early();
    check_scope_closed(0);
    check_scope_closed(2);
    if (row->flags & SOURCE)
        return 0;
    check_no_items();
    check_failure();
    check_poison();
    return 0;
}

/* Building needs no fiber, nor does closing what was never pulled. */
static void check_off_fiber(void)
{
    weir_stream *s;

    books_open();
    s = row->build();
    EQ(weir_error(s), 0);
    weir_stream_close(&s);
    books_check();
}

/* --- every point -------------------------------------------------------------------------------- */

static struct total {
    int64_t operators, points;
} * total; /* shared by all processes of this program */

__attribute__((constructor)) static void total_open(void)
{
    total = mmap(NULL, sizeof *total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (total == MAP_FAILED)
        abort();
}

static struct outcome undisturbed;

static int fault_in_fiber(void *arg)
{
    struct outcome o = {.r = 1};
    weir_stream *s;

    books_open();
    plan.nap = WEIR_MS(1);
    s = row->build();
    if (!(row->flags & NEVER)) {
        pull_some(s, &o, 1, 2);
        if (o.r == 1)
            pull_all(s, &o, 8);
    }
    if (weir_error(s) < 0)
        o.r = weir_error(s);
    finish(&s, &o);
    if (arg)
        *(struct outcome *)arg = o;
    if (!arg && !test_fault_hit())
        expect_same(&o, &undisturbed);
    if (!arg && test_fault_hit() && !(row->flags & (UNSTEADY | DEAF)) && o.r == 0)
        EQ(o.out, undisturbed.out); /* what ended well has not lost anything */
    return 0;
}

static void fault_run(void *arg)
{
    int r;

    (void)arg;
    books_open();
    r = world_seed(7, fault_in_fiber, NULL);
    OK(r == 0 || test_fault_hit());
    if (test_fault_hit())
        total->points++;
}

static void check(const struct row *which)
{
    row = which;
    for (uint64_t i = 0; i < 3; i++)
        EQ(world_seed(test_seed() + i, check_in_fiber, NULL), 0);
    check_off_fiber();
    EQ(world_seed(7, fault_in_fiber, &undisturbed), 0);
    EVERY_POINT(fault_run, NULL);
    total->operators++;
}

#define OPERATOR(name, flags, expression) ROW(name, #name, flags, expression)
#define VARIANT(name, which, flags, expression)                                                    \
    ROW(name##__##which, #name " " #which, flags, expression)
#define ROW(id, text, flags, expression)                                                           \
    static weir_stream *build__##id(void)                                                          \
    {                                                                                              \
        return expression;                                                                         \
    }                                                                                              \
    TEST_WITH(operator__##id, .timeout = 60)                                                       \
    {                                                                                              \
        check(&(struct row){text, flags, build__##id});                                            \
    }
#include "operators.def"

TEST(points_of_all_operators)
{
    test_note("%lld operators x their points = %lld runs with a fault", (long long)total->operators,
              (long long)total->points);
}
