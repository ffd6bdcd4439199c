/*
 * pace.c -- nothing dropped, nothing faster than a rate.
 *
 * The limit's clock is `at`: the instant at which the last item could have
 * gone.  An item that the source had ready is charged from there, not from
 * now, so that wake-ups that come late cost nothing of the rate; but not from
 * further back than PACE_SLACK, so that a slow puller saves nothing up.
 */
#include "base/arith.h"
#include "stream/shape.h"

#define PACE_SLACK WEIR_MS(1)

struct pace {
    struct weir__shape base;
    struct weir_pace_opts opts;
    struct weir_rate rate;
    weir_time at;
    uint64_t owes; /* what the kept item has not been charged yet */
};

/* What has come later than the slack is not made good. */
static void pace_forgive(struct pace *p)
{
    weir_time now = weir_now();

    if (now - p->at > PACE_SLACK)
        p->at = now;
}

static void pace_arrival(struct pace *p, weir_time before)
{
    weir_time now = weir_now();

    p->base.holding = true;
    p->owes = p->opts.cost ? p->opts.cost(p->opts.ctx, weir__shape_kept(&p->base)) : 1;
    if (now > before || p->opts.enforce)
        p->at = now; /* it had to be waited for */
    pace_forgive(p);
}

static ssize_t pace_refuse(struct pace *p)
{
    weir__shape_forget(&p->base);
    p->base.over = true;
    p->base.end = WEIR_ERATE;
    return WEIR_ERATE;
}

/* Pays for the kept item, a bucket full at a time.  0, WEIR_ERATE, or cut. */
static ssize_t pace_pay(struct pace *p)
{
    while (p->owes) {
        uint32_t part = p->owes < p->rate.burst ? (uint32_t)p->owes : p->rate.burst;
        int64_t wait = weir_rate_take(&p->rate, part, p->at);

        if (wait == 0) {
            p->owes -= part;
            continue;
        }
        if (wait < 0 || p->opts.enforce)
            return pace_refuse(p);
        if (wait >= WEIR_NEVER - p->at)
            wait = WEIR_NEVER - 1 - p->at;
        if (p->at + wait > weir_now()) {
            int r = weir_sleep(p->at + wait);

            if (r < 0)
                return r;
        }
        p->at += wait;
        pace_forgive(p); /* the puller was away */
    }
    return 0;
}

static ssize_t pace_pull(void *self, void *items, size_t max)
{
    struct pace *p = self;
    struct weir__shape *g = &p->base;
    ssize_t r = 1;

    (void)max; /* one: the next may have to wait */
    if (!g->holding) {
        weir_time before = weir_now();

        r = weir__shape_take(g, weir__shape_kept(g), 1, WEIR_NEVER);
        if (r <= 0)
            return r < 0 ? r : g->end;
        pace_arrival(p, before);
    }
    r = pace_pay(p);
    return r < 0 ? r : weir__shape_give(g, items);
}

static const struct weir_stream_ops pace_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, pace_pull, weir__shape_close};

weir_stream *weir_pace(weir_stream *s, const struct weir_pace_opts *opts)
{
    struct pace p = {0};
    int r = weir__stream_check(s);

    if (r == 0 && (!opts || opts->enforce > 1 || opts->rate.max_wait || opts->reserved[0] ||
                   opts->reserved[1] || opts->reserved[2]))
        r = -EINVAL;
    if (r == 0)
        r = weir_rate_init(&p.rate, &opts->rate);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    p.opts = *opts;
    return weir__shape_make(&pace_ops, &p, sizeof p, s, 1, s->type, 0);
}

/* --- how much a queue may hold ------------------------------------------------- */

size_t weir_queue_capacity(uint64_t per_sec, weir_span delay)
{
    uint64_t n = delay > 0 ? weir__mul_div(per_sec, (uint64_t)delay, 1000000000) : 0;
    size_t fits = (size_t)n;

    return fits != n ? SIZE_MAX : fits > 0 ? fits : 1;
}
