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
#include <sys/mman.h>

#include "stream/operators_fan.h"

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
    if (books.live || books.sources || books.opened)
        FAIL("%s over %s: %d things, %d sources, %d resources left", row->name,
             under ? under->name : "a source", books.live, books.sources, books.opened);
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
    if (a->r != b->r || a->out != b->out || a->sum != b->sum ||
        (!(row->flags & UNORDERED) && a->order != b->order))
        FAIL("%s over %s: ends in %d after %lld of sum %llu; another time in %d, %lld, %llu",
             row->name, under ? under->name : "a source", a->r, (long long)a->out,
             (unsigned long long)a->sum, b->r, (long long)b->out, (unsigned long long)b->sum);
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

/* --- every point ----------------------------------------------------------------------------- */

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

/* --- each over each -------------------------------------------------------------------------- */

#undef ROW
#define ROW(id, text, flags, expression) {text, flags, build__##id},
static const struct row rows[] = {
#include "operators.def"
};

enum { ROWS = sizeof rows / sizeof *rows };

static const struct row *upper; /* of the pair that is being run */

static weir_stream *build_pair(void)
{
    return upper->build();
}

/* Can stand under another: gives things, of itself, and comes to an end. */
static bool can_be_under(const struct row *r)
{
    weir_stream *s;
    bool things;

    if (r->flags & (ENDLESS | NEVER | FAILS | LAZY))
        return false;
    books_open();
    s = r->build();
    things = weir_stream_type(s).drop == thing_drop;
    weir_stream_close(&s);
    books_check();
    return things;
}

static int check_pair(const struct row *a, const struct row *b)
{
    struct row pair = {a->name, (a->flags | b->flags) & (UNORDERED | UNSTEADY), build_pair};
    struct outcome full;

    if (b->flags & UNORDERED) /* what the upper one lets through may depend on the order */
        pair.flags |= UNSTEADY;
    row = &pair;
    upper = a;
    under = b;
    check_to_the_end(&full);
    check_puller_scope_closed(&full);
    check_cancelled_pulls();
    check_closed_early();
    check_scope_closed(2);
    under = NULL;
    return 1;
}

static int check_pairs(void *arg)
{
    int n = 0;

    (void)arg;
    for (int b = 0; b < ROWS; b++)
        if (can_be_under(&rows[b]))
            for (int a = 0; a < ROWS; a++)
                n += rows[a].flags & SOURCE ? 0 : check_pair(&rows[a], &rows[b]);
    test_note("%d pairs", n);
    return 0;
}

TEST_WITH(each_operator_works_over_each, .timeout = 60)
{
    EQ(world_run(check_pairs, NULL), 0);
}

TEST(points_of_all_operators)
{
    test_note("%lld operators x their points = %lld runs with a fault", (long long)total->operators,
              (long long)total->points);
}
