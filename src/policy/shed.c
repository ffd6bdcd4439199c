/*
 * shed.c -- requests and accepts in sixteen buckets; the law is in the header.
 */
#include <weir/shed.h>

#include <errno.h>

#include "base/arith.h"

int weir_shed_init(struct weir_shed *s, const struct weir_shed_opts *opts)
{
    static const struct weir_shed_opts defaults;
    static const struct weir_shed zero;
    struct weir_shed_opts o = opts ? *opts : defaults;

    *s = zero;
    o.k_milli = o.k_milli ? o.k_milli : 2000;
    o.max_percent = o.max_percent ? o.max_percent : 95;
    o.window = o.window ? o.window : WEIR_S(120);
    if (o.k_milli < 1000 || o.k_milli > 100000 || o.max_percent > 100 || o.cls >= WEIR_SHED_CLASSES)
        return -EINVAL;
    if (o.window < WEIR_SHED_BUCKETS || o.window > WEIR_S(86400) * 366)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o.reserved / sizeof *o.reserved; i++)
        if (o.reserved[i])
            return -EINVAL;
    s->opts = o;
    return 0;
}

/* Time never goes back. */
static int64_t shed_tick(const struct weir_shed *s, weir_time now)
{
    now = now < s->last ? s->last : now;
    return (now < 0 ? 0 : now) / (s->opts.window / WEIR_SHED_BUCKETS);
}

static int shed_at(struct weir_shed *s, weir_time now)
{
    int64_t tick = shed_tick(s, now);
    int at = (int)(tick % WEIR_SHED_BUCKETS);

    s->last = weir__max64(s->last, now);
    if (s->bucket[at].tick == tick)
        return at;
    s->bucket[at].tick = tick;
    s->bucket[at].accepts = 0;
    for (int c = 0; c < WEIR_SHED_CLASSES; c++)
        s->bucket[at].requests[c] = 0;
    return at;
}

/*
 * What must go is a share of all; the classes below pay it first.  p of a
 * class is what is left to pay over what the class asks for.
 */
uint32_t weir_shed_ppm(const struct weir_shed *s, uint32_t cls, weir_time now)
{
    double of[WEIR_SHED_CLASSES] = {0}, all = 0, accepts = 0, pay, p;
    int64_t tick;

    if (s->opts.window == 0 || cls >= WEIR_SHED_CLASSES)
        return 0;
    tick = shed_tick(s, now);
    for (int i = 0; i < WEIR_SHED_BUCKETS; i++) {
        if (tick - s->bucket[i].tick >= WEIR_SHED_BUCKETS)
            continue;
        accepts += (double)s->bucket[i].accepts;
        for (int c = 0; c < WEIR_SHED_CLASSES; c++) {
            of[c] += (double)s->bucket[i].requests[c];
            all += (double)s->bucket[i].requests[c];
        }
    }
    pay = (all - s->opts.k_milli / 1000.0 * accepts) * all / (all + 1);
    for (uint32_t c = 0; c < cls; c++)
        pay -= of[c];
    p = pay <= 0 || of[cls] == 0 ? 0 : pay / of[cls] * 1e6;
    return p < s->opts.max_percent * 1e4 ? (uint32_t)p : s->opts.max_percent * 10000;
}

int weir_shed_take(struct weir_shed *s, uint32_t cls, weir_time now, struct weir_rng *rng)
{
    uint32_t ppm;

    if (s->opts.window == 0 || cls >= WEIR_SHED_CLASSES || !rng)
        return -EINVAL;
    ppm = weir_shed_ppm(s, cls, now);
    s->bucket[shed_at(s, now)].requests[cls]++;
    return ppm && weir_rng_below(rng, 1000000) < ppm ? WEIR_ESHED : 0;
}

void weir_shed_accepted(struct weir_shed *s, weir_time now)
{
    if (s->opts.window)
        s->bucket[shed_at(s, now)].accepts++;
}
