/*
 * marbles.h -- streams as strings: what an operator makes of items that come
 * at given instants, to the nanosecond.
 *
 *     "a-b--(cd)-|"     a column is 10 ms: a at 0, b at 20, c and d at 50, the
 *                       end at 70; ! instead of | is the failure -EIO
 *
 * The source is hot: its items come at these instants of the simulation whether
 * or not anyone pulls, and queue.  What goes out is written "20:a 70:|", in ms;
 * batches as [ab].  Marks are counted: each has to be dropped once.
 */
#ifndef TESTS_STREAM_MARBLES_H
#define TESTS_STREAM_MARBLES_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

#include "core/core.h"
#include "core/world.h"

enum { MARBLES_STEP = 10, MARBLES_MOST = 128, MARBLES_TEXT = 1024 };

/* --- marks, counted ------------------------------------------------------------- */

struct mark {
    int alive;
    char c;
};

static int marks_live;
static uint64_t marks_made;

static inline void mark_drop(void *item)
{
    struct mark *m = item;

    OK(m->alive == 0 || m->alive == 1);
    marks_live -= m->alive;
    m->alive = 0;
}

static inline int mark_clone(void *to, const void *from)
{
    *(struct mark *)to = *(const struct mark *)from;
    marks_live++;
    return 0;
}

static inline struct weir_type mark_type(void)
{
    struct weir_type t = WEIR_TYPE(struct mark);

    t.drop = mark_drop;
    t.clone = mark_clone;
    return t;
}

static inline void mark_make(struct mark *m, char c)
{
    *m = (struct mark){1, c};
    marks_live++;
    marks_made++;
}

/* --- the source --------------------------------------------------------------------- */

struct marbles {
    const char *at;
    weir_time now; /* of *at */
    bool group;
    int *closed; /* NULL, or counts */
};

/* The next character that is something, and its instant. */
static inline char marbles_next(struct marbles *m)
{
    for (;; m->at++) {
        if (*m->at == '(')
            m->group = true;
        else if (*m->at == '-' || *m->at == ')')
            m->now += WEIR_MS(MARBLES_STEP);
        else
            return *m->at;
        if (*m->at == ')')
            m->group = false;
    }
}

static inline ssize_t marbles_pull(void *self, void *items, size_t max)
{
    struct marbles *m = self;
    struct mark *out = items;
    size_t k = 0;

    while (k < max) {
        char c = marbles_next(m);
        int r;

        if (k && (m->now > weir_now() || c == '|' || c == '!' || c == '\0'))
            break;
        r = m->now > weir_now() ? weir_sleep(m->now) : 0;
        if (r < 0)
            return r;
        if (c == '|' || c == '!')
            return c == '|' ? 0 : -EIO;
        if (c == '\0')
            return weir_sleep(WEIR_NEVER);
        mark_make(&out[k++], c);
        m->at++;
        if (!m->group)
            m->now += WEIR_MS(MARBLES_STEP);
    }
    return (ssize_t)k;
}

static inline void marbles_close(void *self, int why)
{
    struct marbles *m = self;

    LE(why, 0);
    if (m->closed)
        ++*m->closed;
    free(m);
}

/* Counts its closing in *closed, if that is not NULL. */
static inline weir_stream *marbles_counted(const char *script, int *closed)
{
    static const struct weir_stream_ops ops = {sizeof(struct weir_stream_ops),
                                               WEIR_STREAM_RESUMABLE, marbles_pull, marbles_close};
    struct marbles *m = malloc(sizeof *m);
    weir_stream *s;

    OK(m != NULL);
    *m = (struct marbles){script, WEIR_EPOCH, false, closed};
    s = weir_stream_new(&ops, m, mark_type());
    if (weir_error(s) < 0)
        marbles_close(m, weir_error(s));
    return s;
}

static inline weir_stream *marbles(const char *script)
{
    return marbles_counted(script, NULL);
}

static inline int marbles_move(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(struct mark *)out = *(struct mark *)in;
    *(struct mark *)in = (struct mark){0, 0};
    return 1;
}

/* The same behind a callback, which might park: so behind a boundary of one slot. */
static inline weir_stream *marbles_mapped(const char *script)
{
    return weir_map(marbles(script), marbles_move, NULL, mark_type());
}

/* --- what comes out -------------------------------------------------------------------- */

struct marbles_event {
    weir_time at;
    char text[32];
};

struct marbles_log {
    size_t n, pulls;
    struct marbles_event events[MARBLES_MOST];
    weir_time pull[MARBLES_MOST]; /* when each began */
    struct weir_shape_stats books;
    int end;
};

static inline void marbles_note(struct marbles_log *l, const char *text)
{
    LT(l->n, MARBLES_MOST);
    l->events[l->n].at = weir_now() - WEIR_EPOCH;
    snprintf(l->events[l->n++].text, sizeof l->events[0].text, "%s", text);
}

static inline void marbles_item(struct marbles_log *l, const struct weir_type *type, void *item)
{
    char text[32] = "";
    size_t k = 0;

    if (type->drop == mark_drop) {
        text[k++] = ((struct mark *)item)->c;
        mark_drop(item);
    } else if (type->size == sizeof(struct weir_chunk)) {
        struct weir_chunk *c = item;

        LT(0, c->n);
        text[k++] = '[';
        for (size_t i = 0; i < c->n; i++)
            text[k++] = ((struct mark *)c->items)[i].c;
        text[k++] = ']';
    } else { /* a tick: when it was due */
        snprintf(text, sizeof text, "%d",
                 (int)((((struct weir_tick *)item)->due - WEIR_EPOCH) / WEIR_MS(1)));
    }
    marbles_note(l, text);
}

/*
 * in + made = out + replaced + refused + failed + held.  weir_interval keeps no
 * books.
 */
static inline void marbles_balance(const weir_stream *s, struct weir_shape_stats *b)
{
    *b = (struct weir_shape_stats){0};
    if (weir_shape_stats(s, b) == 0)
        EQ(b->in + b->made, b->out + b->replaced + b->refused + b->failed + b->held);
}

/*
 * Pulls to the end, busy for `busy` after each item (negative: after the
 * first); at most `pulls` times (0: no bound).
 */
static inline void marbles_run(struct marbles_log *l, weir_stream *s, weir_span busy, size_t pulls)
{
    _Alignas(64) char item[256];
    struct weir_type type = weir_stream_type(s);
    ssize_t r = 1;

    *l = (struct marbles_log){0};
    while (r > 0 && (!pulls || l->pulls < pulls)) {
        l->pull[l->pulls++] = weir_now() - WEIR_EPOCH;
        r = weir_pull(s, item, 1);
        marbles_balance(s, &l->books);
        if (r > 0)
            marbles_item(l, &type, item);
        if (r > 0 && (busy > 0 || (busy < 0 && l->pulls == 1)))
            EQ(weir_sleep(weir_after(busy < 0 ? -busy : busy)), 0);
    }
    if (r <= 0) {
        l->end = (int)r;
        marbles_note(l, r == 0            ? "|"
                        : r == -EIO       ? "!"
                        : r == -ETIMEDOUT ? "timeout"
                        : r == WEIR_EFULL ? "full"
                        : r == WEIR_ERATE ? "rate"
                                          : "?");
        EQ(l->books.held, 0);
    }
    weir_stream_close(&s);
    EQ(marks_live, 0);
}

static inline void marbles_text(const struct marbles_log *l, char *text)
{
    size_t k = 0;

    text[0] = '\0';
    for (size_t i = 0; i < l->n; i++)
        k += (size_t)snprintf(text + k, MARBLES_TEXT - k, "%s%g:%s", i ? " " : "",
                              (double)l->events[i].at / 1e6, l->events[i].text);
    LT(k, MARBLES_TEXT);
}

/* A fiber's test of one line: the stream of `s` gives exactly `want`. */
static inline void marbles_want(weir_stream *s, weir_span busy, const char *want)
{
    struct marbles_log l;
    char got[MARBLES_TEXT];

    marbles_run(&l, s, busy, 0);
    marbles_text(&l, got);
    STREQ(got, want);
}

#endif
