/*
 * operators.h -- what the lines of operators.def are made of: things that are
 * counted, the source under test, callbacks and sources of the table.
 */
#ifndef TESTS_STREAM_OPERATORS_H
#define TESTS_STREAM_OPERATORS_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

static const struct row *under; /* that is the source of another */

static weir_stream *source(void)
{
    const struct row *other = under;
    struct source *self;
    weir_stream *s;

    if (other) {
        under = NULL;
        s = other->build();
        under = other;
        return s;
    }
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

static uint64_t weigh_thing(void *ctx, const void *item)
{
    (void)ctx;
    return (uint64_t)((const struct thing *)item)->n % 3;
}

static int no_thing(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return 0;
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
    static int64_t sum;

    sum = 0;
    return &sum;
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

static void free_due(void *p)
{
    weir_due *d = p;

    weir_due_free(&d);
}

/* Half of it is due, the rest a millisecond apart. */
static int fill_due(weir_due *d)
{
    int r = 0;

    for (int64_t i = 0; i < SIX && r == 0; i++) {
        struct thing t;

        thing_make(&t, i);
        r = weir_due_add(d, &t, sizeof t, i < 3 ? 0 : weir_after(WEIR_MS(i)), NULL);
        if (r < 0)
            thing_drop(&t);
    }
    return r < 0 ? r : weir_due_close(d, 0);
}

static weir_stream *from_due(void)
{
    weir_due *d = weir_due_new(thing_type(), SIX);
    weir_stream *s = weir_from_due(d);

    if (fill_due(d) < 0 || weir_stream_own(s, d, free_due) < 0) {
        weir_stream_close(&s);
        weir_due_free(&d);
        return weir__stream_poison(-ENOMEM);
    }
    return s;
}

static weir_stream *from_chan(weir_stream *(*make)(weir_chan *ch))
{
    weir_chan *ch = weir_chan_new(thing_type(), SIX);
    weir_stream *s = make(ch);

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

#endif
