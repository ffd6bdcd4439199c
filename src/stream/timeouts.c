/*
 * timeouts.c -- four limits of a stream: first item, idle, total, backpressure.
 *
 * While somebody pulls they are the limit of the pull.  While nobody does, a
 * timer stands for `total` and `pressure`; when it fires a fiber closes the
 * source, for on the loop's stack nothing may park.
 */
#include "stream/shape.h"

struct timeouts {
    struct weir__shape base;
    struct weir_timeouts_opts opts;
    struct weir__pen pen;
    struct weir__timer timer;
    weir_time began, since, given; /* first pull; this wait; last item.  0: not yet */
};

static int timeouts_closer(void *arg)
{
    weir_stream_close(arg);
    return 0;
}

static void timeouts_expire(struct timeouts *t, enum weir_timeout_cause cause)
{
    t->base.books.cause = cause;
    t->base.over = true;
    t->base.end = -ETIMEDOUT;
}

/* The end of the present absence or, if it comes first, of all. */
static weir_time timeouts_away(const struct timeouts *t, enum weir_timeout_cause *cause)
{
    weir_time total = t->opts.total ? t->began + t->opts.total : WEIR_NEVER;
    bool away = t->opts.pressure && t->given && !t->since;
    weir_time pressure = away ? t->given + t->opts.pressure : WEIR_NEVER;

    *cause = pressure < total ? WEIR_TIMEOUT_PRESSURE : WEIR_TIMEOUT_TOTAL;
    return pressure < total ? pressure : total;
}

static void timeouts_fire(struct weir__timer *timer)
{
    struct timeouts *t = WEIR__ENTRY(timer, struct timeouts, timer);
    enum weir_timeout_cause cause;

    (void)timeouts_away(t, &cause);
    timeouts_expire(t, cause);
    (void)weir__pen_go(&t->pen, timeouts_closer, &t->base.source, "timeout"); /* else at close */
}

/* The end of the present wait. */
static weir_time timeouts_until(const struct timeouts *t, enum weir_timeout_cause *cause)
{
    weir_span wait = t->given ? t->opts.idle : t->opts.first;
    weir_time total = t->opts.total ? t->began + t->opts.total : WEIR_NEVER;
    weir_time until = wait ? t->since + wait : WEIR_NEVER;

    *cause = t->given ? WEIR_TIMEOUT_IDLE : WEIR_TIMEOUT_FIRST;
    if (total > until)
        return until;
    *cause = WEIR_TIMEOUT_TOTAL;
    return total;
}

static int timeouts_end(struct timeouts *t)
{
    weir_stream_close(&t->base.source);
    return t->base.end;
}

/* The puller is here: since when, and has it come too late?  0 or -ETIMEDOUT. */
static int timeouts_arrive(struct timeouts *t)
{
    enum weir_timeout_cause cause;
    weir_time now = weir_now();

    weir__timer_stop(&t->timer);
    if (!t->began)
        t->began = now;
    if (!t->base.over && now >= timeouts_away(t, &cause))
        timeouts_expire(t, cause);
    if (!t->since)
        t->since = now;
    return t->base.over ? -ETIMEDOUT : 0;
}

/* Without memory for the timer they are seen to at the next pull. */
static void timeouts_leave(struct timeouts *t)
{
    enum weir_timeout_cause cause;
    weir_time at = timeouts_away(t, &cause);

    if (at != WEIR_NEVER && weir__self())
        (void)weir__timer_arm(&t->timer, at);
}

static ssize_t timeouts_pull(void *self, void *items, size_t max)
{
    struct timeouts *t = self;
    struct weir__shape *g = &t->base;
    enum weir_timeout_cause cause;
    ssize_t r;

    if (timeouts_arrive(t) < 0)
        return timeouts_end(t);
    r = weir__shape_take(g, items, max, timeouts_until(t, &cause));
    if (r == WEIR__SHAPE_LATE) {
        timeouts_expire(t, cause);
        return timeouts_end(t);
    }
    if (r == 0)
        return g->end;
    if (r > 0) {
        g->books.out += (uint64_t)r;
        t->given = weir_now();
        t->since = 0;
    }
    timeouts_leave(t); /* after a cut, too: `total` goes on */
    return r;
}

static void timeouts_fini(void *self)
{
    struct timeouts *t = self;

    weir__timer_stop(&t->timer);
    weir__pen_join(&t->pen);
}

static const struct weir_stream_ops timeouts_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, timeouts_pull, weir__shape_close};

static int timeouts_check(const struct weir_timeouts_opts *o)
{
    const weir_span span[] = {o->first, o->idle, o->total, o->pressure};
    int some = 0;

    for (size_t i = 0; i < 4; i++) {
        if ((span[i] && !weir__span_sound(span[i])) || o->reserved[i])
            return -EINVAL;
        some |= span[i] != 0;
    }
    return some ? 0 : -EINVAL;
}

weir_stream *weir_timeouts(weir_stream *s, const struct weir_timeouts_opts *opts)
{
    struct timeouts init = {.base = {.fini = timeouts_fini}};
    int r = weir__stream_check(s);
    weir_stream *made;

    if (r == 0)
        r = opts ? timeouts_check(opts) : -EINVAL;
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    init.opts = *opts;
    init.timer.fire = timeouts_fire;
    made = weir__shape_make(&timeouts_ops, &init, sizeof init, s, 0, s->type, 0);
    if (!made->poison)
        weir__pen_init(&((struct timeouts *)made->self)->pen);
    return made;
}
