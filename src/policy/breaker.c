/*
 * breaker.c -- the states of include/weir/breaker.h.
 *
 * One door for changes of state: breaker_enter, which clears the window and
 * the probes and starts a generation.  Each public function makes at most one
 * change, and tells of it last, when the breaker is whole again.  Generation 0
 * belongs to calls that are admitted but never counted.
 */
#include <weir/breaker.h>

#include <errno.h>
#include <string.h>

#include "base/arith.h"
#include "policy/steady.h"

enum { BREAKER_FAILURES = 5, BREAKER_CALLS = 20, BREAKER_PROBES = 3, BREAKER_JITTER = 10 };

static int breaker_check(const struct weir_breaker_opts *o)
{
    if (o->reserved0 || o->reserved[0] || o->reserved[1] || o->mode > WEIR_BREAKER_OFF)
        return -EINVAL;
    if (o->window > WEIR_BREAKER_WINDOW || o->probes > WEIR_BREAKER_PROBES || o->percent > 100)
        return -EINVAL;
    if (o->jitter > 100 || (o->percent && o->failures) || (o->window && o->period))
        return -EINVAL;
    if (o->percent ? !o->window && !o->period : o->min_calls != 0)
        return -EINVAL;
    if (o->window && (o->window < o->failures || o->window < o->min_calls))
        return -EINVAL;
    if (o->window && !o->percent && !o->failures && o->window < BREAKER_FAILURES)
        return -EINVAL;
    if (o->slow < 0 || o->open < 0 || o->open_max < 0 || o->lease < 0 || o->period < 0)
        return -EINVAL;
    if (o->period && o->period < WEIR_BREAKER_BUCKETS)
        return -EINVAL;
    return o->open_max && o->open_max < (o->open ? o->open : WEIR_S(30)) ? -EINVAL : 0;
}

static void breaker_defaults(struct weir_breaker_opts *o)
{
    if (o->failures == 0)
        o->failures = BREAKER_FAILURES;
    if (o->min_calls == 0)
        o->min_calls = o->window && o->window < BREAKER_CALLS ? o->window : BREAKER_CALLS;
    if (o->probes == 0)
        o->probes = BREAKER_PROBES;
    if (o->jitter == 0)
        o->jitter = BREAKER_JITTER;
    if (o->open == 0)
        o->open = WEIR_S(30);
    if (o->open_max == 0)
        o->open_max = weir__sat_mul(o->open, 10);
    if (o->lease == 0)
        o->lease = o->open;
}

int weir_breaker_init(struct weir_breaker *b, const struct weir_breaker_opts *opts)
{
    int bad = opts && breaker_check(opts) < 0;

    memset(b, 0, sizeof *b);
    if (opts && !bad)
        b->opts = *opts;
    breaker_defaults(&b->opts);
    b->generation = 1;
    return bad ? -EINVAL : 0;
}

static weir_time breaker_clock(struct weir_breaker *b, weir_time now)
{
    b->last = weir__steady(b->last, &b->shift, now);
    return b->last;
}

/* The same for those who only look. */
static weir_time breaker_look(const struct weir_breaker *b, weir_time now)
{
    weir_span shift = b->shift;
    return weir__steady(b->last, &shift, now);
}

/* Tells of the change made since `generation`, if there was one; on a copy, for b may go on. */
static void breaker_tell(const struct weir_breaker *b, uint32_t generation)
{
    struct weir_breaker_event e = b->change;

    if (b->opts.on_change && b->generation != generation)
        b->opts.on_change(b->opts.ctx, &e);
}

static void breaker_enter(struct weir_breaker *b, enum weir_breaker_state to, weir_time now)
{
    int row = !b->opts.window && !b->opts.period;

    b->generation += b->generation == UINT32_MAX ? 2 : 1;
    b->change = (struct weir_breaker_event){.from = b->state,
                                            .to = to,
                                            .generation = b->generation,
                                            .calls = row ? b->streak : b->calls,
                                            .fails = row ? b->streak : b->fails,
                                            .at = now};
    b->state = to;
    b->since = now;
    b->streak = b->calls = b->fails = b->head = b->probes_ok = 0;
    memset(b->bits, 0, sizeof b->bits);
    memset(b->bucket, 0, sizeof b->bucket);
    memset(b->probe, 0, sizeof b->probe);
}

/* Opens, for longer each time; `again` means straight from a failed probe. */
static void breaker_open(struct weir_breaker *b, int again, weir_time now, struct weir_rng *rng)
{
    weir_span span = b->opts.open, cut;

    if (!again && weir__sat_sub(now, b->since) >= b->open_for)
        b->level = 0;
    for (uint32_t i = 0; i < b->level && span < b->opts.open_max; i++)
        span = weir__min64(b->opts.open_max, weir__sat_mul(span, 2));
    b->level += b->level < 64;
    cut = weir__percent_of(span, b->opts.jitter);
    if (rng)
        span -= (weir_span)weir_rng_below(rng, (uint64_t)cut + 1);
    breaker_enter(b, WEIR_BREAKER_OPEN, now);
    b->open_for = weir__max64(span, 1);
    b->until = weir__sat_add(now, b->open_for);
    b->change.open_for = b->open_for;
    b->counts.opened++;
}

/* Nanoseconds until the next lease ends; 0 and *out_slot when one is free. */
static weir_span breaker_slot(const struct weir_breaker *b, weir_time now, uint32_t *out_slot)
{
    weir_span least = WEIR_NEVER;

    for (uint32_t i = 0; i < b->opts.probes; i++) {
        if (b->probe[i].done)
            continue;
        if (b->probe[i].serial == 0 || b->probe[i].ends <= now) {
            *out_slot = i;
            return 0;
        }
        least = weir__min64(least, b->probe[i].ends - now);
    }
    return least;
}

/* The verdict, and the probe's slot if it is one (else probes). */
static int64_t breaker_verdict(struct weir_breaker *b, weir_time now, uint32_t *out_slot)
{
    weir_span wait;

    *out_slot = WEIR_BREAKER_PROBES;
    if (b->state == WEIR_BREAKER_FORCED_OPEN)
        return WEIR_EOPEN;
    if (b->state == WEIR_BREAKER_OPEN) {
        if (now < b->until)
            return weir__sat_sub(b->until, now);
        breaker_enter(b, WEIR_BREAKER_HALF_OPEN, now);
    }
    if (b->state != WEIR_BREAKER_HALF_OPEN)
        return 0;
    wait = breaker_slot(b, now, out_slot);
    if (wait == 0) {
        b->serial += b->serial == UINT32_MAX ? 2 : 1;
        b->probe[*out_slot].serial = b->serial;
        b->probe[*out_slot].ends = weir__sat_add(now, b->opts.lease);
    }
    return wait;
}

int64_t weir_breaker_take(struct weir_breaker *b, weir_time now,
                          struct weir_breaker_token *out_token)
{
    static const struct weir_breaker_token none;
    uint32_t slot = WEIR_BREAKER_PROBES, generation = b->generation;
    int64_t r;
    int counted;

    *out_token = none;
    now = breaker_clock(b, now);
    r = b->opts.mode == WEIR_BREAKER_OFF ? 0 : breaker_verdict(b, now, &slot);
    counted = r == 0 && b->opts.mode != WEIR_BREAKER_OFF && b->state != WEIR_BREAKER_FORCED_CLOSED;
    if (r != 0 && b->opts.mode == WEIR_BREAKER_OBSERVE) {
        b->counts.would_refuse++;
        r = 0;
    }
    if (r != 0) {
        b->counts.refused++;
        return r; /* nothing has changed: what changes is let through */
    }
    b->counts.admitted++;
    out_token->live = 1;
    out_token->start = now;
    out_token->slot = slot;
    out_token->generation = counted ? b->generation : 0;
    out_token->serial = slot < WEIR_BREAKER_PROBES ? b->serial : 0;
    breaker_tell(b, generation);
    return 0;
}

int weir_breaker_stale(const struct weir_breaker *b, const struct weir_breaker_token *token)
{
    return token->live && token->generation != 0 && token->generation != b->generation;
}

static void breaker_count_window(struct weir_breaker *b, uint32_t failed)
{
    uint64_t *word = &b->bits[b->head / 64], bit = (uint64_t)1 << b->head % 64;

    if (b->calls == b->opts.window)
        b->fails -= (*word & bit) != 0; /* the oldest leaves */
    else
        b->calls++;
    b->fails += failed;
    *word = failed ? *word | bit : *word & ~bit;
    b->head = (b->head + 1) % b->opts.window;
}

static int64_t breaker_tick(const struct weir_breaker *b, weir_time now)
{
    return weir__max64(now, 0) / (b->opts.period / WEIR_BREAKER_BUCKETS);
}

static void breaker_count_period(struct weir_breaker *b, uint32_t failed, weir_time now)
{
    int64_t tick = breaker_tick(b, now);
    int64_t age = weir__min64(tick - b->tick, WEIR_BREAKER_BUCKETS);

    for (int64_t i = 1; i <= age; i++) {
        uint32_t old = (uint32_t)((b->tick + i) % WEIR_BREAKER_BUCKETS);
        b->calls -= b->bucket[old].calls;
        b->fails -= b->bucket[old].fails;
        b->bucket[old].calls = b->bucket[old].fails = 0;
    }
    b->tick = tick;
    if (b->calls == UINT32_MAX)
        return;
    b->bucket[tick % WEIR_BREAKER_BUCKETS].calls++;
    b->bucket[tick % WEIR_BREAKER_BUCKETS].fails += failed;
    b->calls++;
    b->fails += failed;
}

static int breaker_tripped(const struct weir_breaker *b)
{
    const struct weir_breaker_opts *o = &b->opts;

    if (!o->window && !o->period)
        return b->streak >= o->failures;
    if (!o->percent)
        return b->fails >= o->failures;
    return b->calls >= o->min_calls && b->fails * (uint64_t)100 >= b->calls * (uint64_t)o->percent;
}

static void breaker_count(struct weir_breaker *b, uint32_t failed, weir_time now,
                          struct weir_rng *rng)
{
    b->streak = failed ? b->streak + 1 : 0;
    if (b->opts.window)
        breaker_count_window(b, failed);
    else if (b->opts.period)
        breaker_count_period(b, failed, now);
    if (breaker_tripped(b))
        breaker_open(b, 0, now, rng);
}

/* The answer of a probe whose lease is still its own. */
static void breaker_probe(struct weir_breaker *b, uint32_t slot, uint32_t failed, weir_time now,
                          struct weir_rng *rng)
{
    if (failed) {
        breaker_open(b, 1, now, rng);
        return;
    }
    b->probe[slot].done = 1;
    if (++b->probes_ok >= b->opts.probes)
        breaker_enter(b, WEIR_BREAKER_CLOSED, now);
}

static int breaker_mine(const struct weir_breaker *b, const struct weir_breaker_token *t)
{
    if (t->generation == 0 || t->generation != b->generation)
        return 0;
    return t->slot >= WEIR_BREAKER_PROBES ||
           (b->probe[t->slot].serial == t->serial && !b->probe[t->slot].done);
}

int weir_breaker_done(struct weir_breaker *b, struct weir_breaker_token *token,
                      enum weir_breaker_outcome outcome, weir_time now, struct weir_rng *rng)
{
    struct weir_breaker_token t = *token;
    uint32_t failed = outcome == WEIR_BREAKER_FAILED, generation = b->generation;

    if (!t.live)
        return -EALREADY;
    token->live = 0;
    now = breaker_clock(b, now);
    if (!breaker_mine(b, &t)) {
        b->counts.stale += t.generation != 0;
        return 0;
    }
    if (outcome == WEIR_BREAKER_IGNORED) {
        if (t.slot < WEIR_BREAKER_PROBES)
            b->probe[t.slot].serial = 0;
        return 0;
    }
    if (b->opts.slow && weir__sat_sub(now, t.start) >= b->opts.slow)
        failed = 1;
    if (failed)
        b->counts.failed++;
    else
        b->counts.succeeded++;
    if (t.slot < WEIR_BREAKER_PROBES)
        breaker_probe(b, t.slot, failed, now, rng);
    else
        breaker_count(b, failed, now, rng);
    breaker_tell(b, generation);
    return 1;
}

enum weir_breaker_state weir_breaker_state(const struct weir_breaker *b, weir_time now)
{
    if (b->state == WEIR_BREAKER_OPEN && breaker_look(b, now) >= b->until)
        return WEIR_BREAKER_HALF_OPEN;
    return (enum weir_breaker_state)b->state;
}

weir_span weir_breaker_left(const struct weir_breaker *b, weir_time now)
{
    now = breaker_look(b, now);
    return b->state == WEIR_BREAKER_OPEN && now < b->until ? b->until - now : 0;
}

int weir_breaker_force(struct weir_breaker *b, enum weir_breaker_state to, weir_time now)
{
    uint32_t generation = b->generation;

    if (to != WEIR_BREAKER_CLOSED && to != WEIR_BREAKER_FORCED_OPEN &&
        to != WEIR_BREAKER_FORCED_CLOSED)
        return -EINVAL;
    b->level = 0;
    b->open_for = 0;
    breaker_enter(b, to, breaker_clock(b, now));
    breaker_tell(b, generation);
    return 0;
}

/* The newest results of a window of another size, oldest first. */
static void breaker_resize(struct weir_breaker *b, const struct weir_breaker *old)
{
    uint32_t keep = old->calls < b->opts.window ? old->calls : b->opts.window;
    uint32_t from = old->opts.window;

    b->calls = b->fails = b->head = 0;
    memset(b->bits, 0, sizeof b->bits);
    for (uint32_t i = 0; i < keep; i++) {
        uint32_t at = (old->head + from - keep + i) % from;
        breaker_count_window(b, old->bits[at / 64] >> at % 64 & 1);
    }
}

/* All of a period's results, as if they had just come in. */
static void breaker_rescale(struct weir_breaker *b, weir_time now)
{
    memset(b->bucket, 0, sizeof b->bucket);
    b->tick = breaker_tick(b, now);
    b->bucket[b->tick % WEIR_BREAKER_BUCKETS].calls = b->calls;
    b->bucket[b->tick % WEIR_BREAKER_BUCKETS].fails = b->fails;
}

int weir_breaker_reconfigure(struct weir_breaker *b, const struct weir_breaker_opts *opts,
                             weir_time now)
{
    static const struct weir_breaker_opts defaults;
    struct weir_breaker old = *b;
    uint32_t generation = b->generation;

    opts = opts ? opts : &defaults;
    if (breaker_check(opts) < 0)
        return -EINVAL;
    now = breaker_clock(b, now);
    b->opts = *opts;
    breaker_defaults(&b->opts);
    if (b->opts.window && old.opts.window) {
        breaker_resize(b, &old);
    } else if (b->opts.period && old.opts.period) {
        if (b->opts.period != old.opts.period)
            breaker_rescale(b, now);
    } else {
        b->calls = b->fails = b->head = 0;
        memset(b->bits, 0, sizeof b->bits);
        memset(b->bucket, 0, sizeof b->bucket);
    }
    if (b->state == WEIR_BREAKER_OPEN)
        b->until = weir__min64(b->until, weir__sat_add(b->since, b->opts.open_max));
    if (b->state == WEIR_BREAKER_HALF_OPEN && b->probes_ok >= b->opts.probes)
        breaker_enter(b, WEIR_BREAKER_CLOSED, now);
    breaker_tell(b, generation);
    return 0;
}

struct weir_breaker_counts weir_breaker_counts(const struct weir_breaker *b)
{
    return b->counts;
}
