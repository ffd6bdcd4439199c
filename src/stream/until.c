/*
 * until.c -- keep_alive: items when there are none; take_until: no more of
 * them.
 *
 * take_until has a fiber for the event and one for the scope, which stand and
 * wait, and cut the pull that is going on when they are woken.
 */
#include "core/group.h"
#include "stream/shape.h"

/* --- keep_alive ------------------------------------------------------------------- */

struct alive {
    struct weir__shape base;
    weir_span idle;
    weir_fn *make;
    void *ctx;
    weir_time last; /* the last item, or the first pull; 0: not pulled yet */
};

static ssize_t alive_make(struct alive *a, void *items)
{
    int r = a->make(a->ctx, NULL, items);

    a->last = weir_now();
    if (r > 0) {
        a->base.books.made++;
        a->base.books.out++;
        return 1;
    }
    if (r < 0) {
        a->base.over = true;
        a->base.end = r;
    }
    return 0;
}

static ssize_t alive_pull(void *self, void *items, size_t max)
{
    struct alive *a = self;
    struct weir__shape *g = &a->base;
    ssize_t r = WEIR__SHAPE_LATE;

    if (!a->last)
        a->last = weir_now();
    while (r == WEIR__SHAPE_LATE) {
        if (g->over)
            return g->end;
        r = weir__shape_take(g, items, max, a->last + a->idle);
        if (r == WEIR__SHAPE_LATE && alive_make(a, items) > 0)
            return 1;
    }
    if (r <= 0)
        return r < 0 ? r : g->end;
    a->last = weir_now();
    g->books.out += (uint64_t)r;
    return r;
}

static const struct weir_stream_ops alive_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, alive_pull, weir__shape_close};

weir_stream *weir_keep_alive(weir_stream *s, weir_span idle, weir_fn *make, void *ctx)
{
    struct alive a = {.idle = idle, .make = make, .ctx = ctx};
    int r = weir__stream_check(s);

    if (r < 0 || !make || !weir__span_sound(idle))
        return weir__stream_refuse(r < 0 ? r : -EINVAL, s, NULL);
    return weir__shape_make(&alive_ops, &a, sizeof a, s, 0, s->type,
                            WEIR__SHAPE_TIMED | WEIR__SHAPE_CALLS);
}

/* --- take_until ---------------------------------------------------------------------- */

struct until {
    struct weir__shape base;
    struct weir_until_opts opts;
    struct weir__pen pen;
    bool started, stopped;
    int failed; /* a watcher has */
};

static void until_stop(struct until *u)
{
    u->stopped = true;
    if (u->base.limit)
        weir__node_cancel(u->base.limit, -ECANCELED);
}

static int until_watched(struct until *u, int r)
{
    if (r < 0)
        u->failed = r;
    until_stop(u);
    return 0;
}

static int until_event(void *arg)
{
    struct until *u = arg;

    return until_watched(u, weir_event_wait(u->opts.event, WEIR_NEVER));
}

static int until_scope(void *arg)
{
    struct until *u = arg;
    struct weir_select stop[] = {WEIR_ON_STOP(u->opts.stop)};

    return until_watched(u, weir_select(stop, 1, WEIR_NEVER));
}

static int until_start(struct until *u)
{
    int r = 0;

    if (u->started)
        return 0;
    if (u->opts.event)
        r = weir__pen_go(&u->pen, until_event, u, "until");
    if (r == 0 && u->opts.stop)
        r = weir__pen_go(&u->pen, until_scope, u, "until");
    u->started = r == 0;
    return r;
}

/* It may have come while the watchers, woken, have not run yet. */
static bool until_reached(const struct until *u)
{
    const struct weir_until_opts *o = &u->opts;
    const weir_scope *stop = o->stop ? weir__far_stand_in(o->stop) : NULL;

    if (u->stopped || (o->event && o->event->set))
        return true;
    return (o->deadline && weir_now() >= o->deadline) ||
           (stop && (stop->draining || stop->node.why));
}

static ssize_t until_end(struct until *u)
{
    u->base.over = true;
    u->base.end = u->failed;
    weir_stream_close(&u->base.source); /* nobody will want more: connections go now */
    return u->base.end;
}

static ssize_t until_pull(void *self, void *items, size_t max)
{
    struct until *u = self;
    struct weir__shape *g = &u->base;
    ssize_t r = 0;

    if (g->over)
        return g->end;
    if (!until_reached(u)) {
        r = until_start(u);
        if (r < 0)
            return r;
        r = weir__shape_take(g, items, max, u->opts.deadline ? u->opts.deadline : WEIR_NEVER);
    }
    if (r > 0)
        g->books.out += (uint64_t)r;
    else if (g->over && g->end != -ECANCELED) /* of itself, whatever else has come meanwhile */
        r = g->end;
    else if (until_reached(u) || r == WEIR__SHAPE_LATE)
        r = until_end(u);
    else if (r == 0)
        r = g->end;
    return r;
}

static void until_fini(void *self)
{
    struct until *u = self;

    weir__pen_cancel(&u->pen, -ECANCELED);
    weir__pen_join(&u->pen);
}

static const struct weir_stream_ops until_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, until_pull, weir__shape_close};

static int until_check(const struct weir_until_opts *o)
{
    if (!o || (!o->event && !o->stop && !o->deadline))
        return -EINVAL;
    if (o->reserved[0] || o->reserved[1] || o->reserved[2] || o->reserved[3])
        return -EINVAL;
    if (o->stop && weir_scope_error(o->stop) < 0)
        return weir_scope_error(o->stop);
    return weir__deadline_check(o->deadline);
}

weir_stream *weir_take_until(weir_stream *s, const struct weir_until_opts *opts)
{
    struct until init = {.base = {.fini = until_fini, .exposed = true}};
    int r = weir__stream_check(s);
    weir_stream *made;

    if (r == 0)
        r = until_check(opts);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    init.opts = *opts;
    made = weir__shape_make(&until_ops, &init, sizeof init, s, 0, s->type, 0);
    if (!made->poison)
        weir__pen_init(&((struct until *)made->self)->pen);
    return made;
}
