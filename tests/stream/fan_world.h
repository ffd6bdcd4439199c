/*
 * fan_world.h -- what the tests of fan.h share: items that know whether they
 * are alive, sources on a timetable, and books that have to balance.
 *
 * Each thing is aligned to 64 and has an entry in a register: to drop it twice
 * fails at once, and what is alive at the end is a loss.
 */
#ifndef TESTS_STREAM_FAN_WORLD_H
#define TESTS_STREAM_FAN_WORLD_H

#include <errno.h>
#include <weir.h>

#include "harness/test.h"

enum { FAN_THINGS = 1 << 16, FAN_FEEDS = 64 };

struct thing {
    _Alignas(64) int id; /* 0: empty */
    int from, n;
};

static struct fan_register {
    int made, live;
    unsigned char alive[FAN_THINGS];
} fan;

static inline struct thing thing_make(int from, int n)
{
    fan.alive[++fan.made] = 1;
    fan.live++;
    LT(fan.made, FAN_THINGS - 1);
    return (struct thing){fan.made, from, n};
}

static inline void thing_drop(void *p)
{
    struct thing *t = p;

    EQ((uintptr_t)p % 64, 0u);
    if (!t->id)
        return;
    if (!fan.alive[t->id])
        FAIL("thing %d of %d was dropped twice", t->n, t->from);
    fan.alive[t->id] = 0;
    fan.live--;
    t->id = 0;
}

static inline int thing_clone(void *to, const void *from)
{
    const struct thing *t = from;

    EQ((uintptr_t)to % 64, 0u);
    EQ(fan.alive[t->id], 1);
    *(struct thing *)to = thing_make(t->from, t->n);
    return 0;
}

static inline struct weir_type thing_type(void)
{
    struct weir_type t = WEIR_TYPE(struct thing);

    t.drop = thing_drop;
    t.clone = thing_clone;
    return t;
}

/* n things, one every `every`, then the end. */
struct feed {
    int from, n, at, end, closed;
    weir_span every;
    weir_time due;
};

static struct feed feeds[FAN_FEEDS];
static int feeds_open;

static inline ssize_t feed_pull(void *self, void *items, size_t max)
{
    struct feed *f = self;
    int r = 0;

    EQ(f->closed, 0);
    (void)max;
    if (f->every && !f->due)
        f->due = weir_after(f->every);
    if (f->every)
        r = weir_sleep(f->due);
    if (r < 0)
        return r;
    f->due = 0;
    if (f->at == f->n)
        return f->end;
    *(struct thing *)items = thing_make(f->from, f->at++);
    return 1;
}

static inline void feed_close(void *self, int why)
{
    struct feed *f = self;

    (void)why;
    f->closed++;
    feeds_open--;
    EQ(f->closed, 1);
}

static inline weir_stream *feed_as(int from, int n, weir_span every, int end, int resumable)
{
    static const struct weir_stream_ops ops[2] = {
        {sizeof(struct weir_stream_ops), 0, feed_pull, feed_close},
        {sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, feed_pull, feed_close}};
    weir_stream *s;

    feeds[from] = (struct feed){.from = from, .n = n, .every = every, .end = end};
    s = weir_stream_new(&ops[resumable], &feeds[from], thing_type());
    feeds_open += weir_error(s) == 0;
    return s;
}

static inline weir_stream *feed(int from, int n, weir_span every)
{
    return feed_as(from, n, every, 0, 0);
}

static inline struct weir_fan_stats books(const weir_stream *s)
{
    struct weir_fan_stats b;

    EQ(weir_fan_stats(s, &b), 0);
    EQ(b.in, b.out + b.dropped + b.failed + b.held);
    EQ(weir_stream_dropped(s), b.dropped + b.failed);
    return b;
}

/* An allocator that aligns no better than it has to: the harness's own aligns everything to 64. */
static inline void *fan_realloc(void *ctx, void *p, size_t old, size_t size)
{
    char *base =
        test_alloc.realloc(ctx, p ? (char *)p - 16 : NULL, p ? old + 16 : 0, size ? size + 16 : 0);

    return base ? base + 16 : NULL;
}

/* Runs fn in a simulation; afterwards nothing is alive and every source has been closed. */
static inline int fan_run_seed(uint64_t seed, int (*fn)(void *), void *arg)
{
    struct weir_config c = {.alloc = {fan_realloc, NULL}};
    int r;

    memset(&fan, 0, sizeof fan);
    feeds_open = 0;
    r = weir_sim_run(seed, &c, fn, arg);
    EQ(fan.live, 0);
    EQ(feeds_open, 0);
    return r;
}

static inline void fan_run(int (*fn)(void *), void *arg)
{
    for (uint64_t i = 0; i < 10; i++) {
        int r = fan_run_seed(test_seed() + i, fn, arg);

        if (r != 0)
            FAIL("seed %llu gave %d (%s)", (unsigned long long)(test_seed() + i), r,
                 weir_strerror(r));
    }
}

/* A test whose body is a fiber, under several seeds; it returns 0. */
#define FAN_TEST(NAME)                                                                             \
    static int NAME##__fiber(void *fan__arg);                                                      \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        fan_run(NAME##__fiber, NULL);                                                              \
    }                                                                                              \
    static int NAME##__fiber(void *fan__arg __attribute__((unused)))

/* The same body at every point: whatever fails, nothing is lost and nothing is left. */
struct fan_point {
    int (*fn)(void *);
    void *arg;
};

static inline void fan_once(void *arg)
{
    struct fan_point *p = arg;
    int r = fan_run_seed(test_seed(), p->fn, p->arg);

    if (r != 0 && r != -ENOMEM && r != -ECANCELED)
        FAIL("gave %d (%s)", r, weir_strerror(r));
}

#define FAN_POINTS(FN, ARG) EVERY_POINT(fan_once, (&(struct fan_point){FN, ARG}))

/* Pulls to the end, dropping; how it ended, and how many there were. */
static inline int fan_drain(weir_stream *s, int *n)
{
    _Alignas(64) struct thing batch[8];
    ssize_t r;

    while ((r = weir_pull(s, batch, 8)) > 0)
        for (ssize_t i = 0; i < r; i++, ++*n)
            thing_drop(&batch[i]);
    return (int)r;
}

/* What a fiber that drains a stream needs and tells. */
struct drainer {
    weir_stream *s;
    weir_span pause; /* after each item */
    int most;        /* items, then it leaves; 0: all */
    int n, r;
    int last; /* the n of the last thing */
    weir_time ended;
};

static inline int drainer_main(void *arg)
{
    struct drainer *d = arg;
    struct thing t;

    while ((d->r = weir_next(d->s, &t)) > 0) {
        d->last = t.n;
        thing_drop(&t);
        d->n++;
        if (d->pause)
            (void)weir_sleep(weir_after(d->pause));
        if (d->n == d->most)
            break;
    }
    d->ended = weir_now();
    weir_stream_close(&d->s);
    return 0;
}

#define FAN_GO(s, fn, arg) EQ(weir_go(s, fn, arg), 0)

static inline weir_span fan_age(void)
{
    return weir_now() - WEIR_EPOCH;
}

#endif
