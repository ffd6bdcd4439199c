/*
 * codel.c -- the law of RFC 8289, one head at a time.
 */
#include <weir/codel.h>

#include <errno.h>

#include "base/arith.h"

int weir_codel_init(struct weir_codel *c, const struct weir_codel_opts *opts)
{
    static const struct weir_codel_opts defaults;
    static const struct weir_codel zero;

    *c = zero;
    opts = opts ? opts : &defaults;
    if (opts->target < 0 || opts->interval < 0)
        return -EINVAL;
    c->target = opts->target ? opts->target : WEIR_MS(5);
    c->interval = opts->interval ? opts->interval : WEIR_MS(100);
    return c->interval < c->target ? -EINVAL : 0;
}

/* The next refusal after this one. */
static void codel_next(struct weir_codel *c, weir_time from)
{
    c->next = weir__sat_add(from, weir__sat_of((double)c->interval / weir__sqrt(c->count)));
}

static int codel_begin(struct weir_codel *c, weir_time now)
{
    /* Soon after the last spell the pace goes on where that one left off. */
    int soon =
        c->count > c->last + 1 && weir__sat_sub(now, c->next) < weir__sat_mul(16, c->interval);

    c->count = soon ? c->count - c->last : 1;
    c->last = c->count;
    c->dropping = 1;
    codel_next(c, now);
    return 1;
}

int weir_codel_drop(struct weir_codel *c, weir_span waited, weir_time now)
{
    if (waited < c->target) {
        c->above = c->dropping = 0;
        return 0;
    }
    if (!c->above) {
        c->above = 1;
        c->above_since = now;
        return 0;
    }
    if (weir__sat_sub(now, c->above_since) < c->interval)
        return 0;
    if (!c->dropping)
        return codel_begin(c, now);
    if (now < c->next)
        return 0;
    c->count += c->count < UINT32_MAX;
    codel_next(c, c->next);
    return 1;
}

void weir_codel_empty(struct weir_codel *c)
{
    c->above = c->dropping = 0;
}

int weir_codel_overloaded(const struct weir_codel *c)
{
    return c->dropping;
}
