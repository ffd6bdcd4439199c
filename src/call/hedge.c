/*
 * hedge.c -- the same call on up to nine fibers, the first success wins.
 */
#include <weir/hedge.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arith.h"
#include "core/core.h"
#include "policy/plan.h"

enum { HEDGED_MOST = 9 };

struct hedged_try {
    struct hedged *all;
    void *out;
    weir_time began;
    int result;
    bool over, told;
    struct weir_retry_outcome hint; /* what it said about itself */
};

struct hedged {
    struct weir_hedge *h;
    weir_hedge_fn *fn;
    void *ctx;
    struct weir__plan_run *call; /* the call in whose attempt this is; NULL: none */
    struct weir_event news;
    struct hedged_try tries[HEDGED_MOST];
    uint32_t most, sent, over; /* most: there is memory for so many, whatever options say later */
    int winner;                /* -1: none yet */
};

/* --- the state, which calls on other loops may use too --------------------------- */

static weir_span hedged_delay(const struct weir_hedge *h, weir_time now)
{
    weir_span delay;

    weir__budget_enter();
    delay = weir_hedge_delay(h, now);
    weir__budget_exit();
    return delay;
}

static int hedged_take(struct weir_hedge *h, weir_time now)
{
    int r;

    weir__budget_enter();
    r = weir_hedge_take(h, now);
    weir__budget_exit();
    return r;
}

static void hedged_record(struct weir_hedge *h, weir_span took, weir_time now)
{
    weir__budget_enter();
    weir_hedge_record(h, took, now);
    weir__budget_exit();
}

static void hedged_begin(struct weir_hedge *h, weir_time now)
{
    weir__budget_enter();
    weir_hedge_begin(h, now);
    weir__budget_exit();
}

/* How many tries a call may make. */
static uint32_t hedged_most(const struct weir_hedge *h, int idempotent)
{
    uint32_t hedges;

    weir__budget_enter();
    hedges = h->opts.hedges;
    weir__budget_exit();
    return 1 + (idempotent ? hedges : 0);
}

static void hedged_won(struct weir_hedge *h)
{
    weir__budget_enter();
    h->won++;
    weir__budget_exit();
}

void weir_hedge_stats(const struct weir_hedge *h, struct weir_hedge_stats *out)
{
    weir__budget_enter();
    *out = (struct weir_hedge_stats){
        .calls = h->calls, .sent = h->sent, .won = h->won, .would_send = h->would};
    weir__budget_exit();
}

/* --- a call ------------------------------------------------------------------------ */

/*
 * The user's function, on a fiber of its own, but still in the attempt of the
 * caller: it may ask about it, and calls within it are part of it.  Its hints are
 * its own until it has won.
 */
static int hedged_work(struct hedged_try *t)
{
    static const struct weir__plan_run zero;
    struct weir__plan_run *call = t->all->call, mine = zero;
    int r;

    if (!call)
        return t->all->fn(t->all->ctx, t->out);
    mine.outer = call;
    mine.attempt = call->attempt;
    mine.attempt_start = call->attempt_start;
    mine.attempt_deadline = call->attempt_deadline;
    mine.last_result = call->last_result;
    weir__fiber_slot_set(WEIR__SLOT_TRY, &mine);
    r = t->all->fn(t->all->ctx, t->out);
    weir__fiber_slot_set(WEIR__SLOT_TRY, NULL);
    t->hint = mine.hint;
    return r;
}

/* Once for each try. */
static void hedged_tell(struct hedged_try *t, weir_time now)
{
    if (!t->told)
        hedged_record(t->all->h, weir__sat_sub(now, t->began), now);
    t->told = true;
}

/*
 * Those that are overtaken, or out of time: so long at least they would have taken.  If
 * only what ends were counted, the usual would seem shorter from hedge to hedge.
 */
static void hedged_overtaken(struct hedged *a, weir_time now)
{
    weir_span delay = hedged_delay(a->h, now);

    for (uint32_t i = 0; i < a->sent; i++)
        if (!a->tries[i].over && weir__sat_sub(now, a->tries[i].began) >= delay)
            hedged_tell(&a->tries[i], now);
}

static int hedged_try(void *arg)
{
    struct hedged_try *t = arg;
    struct hedged *a = t->all;
    int r = hedged_work(t);
    weir_time now = weir_now();

    t->result = r;
    t->over = true;
    a->over++;
    if (r >= 0) {
        hedged_tell(t, now);
        if (a->winner < 0)
            a->winner = (int)(t - a->tries);
    }
    weir_event_set(&a->news);
    return 0;
}

static int hedged_send(struct hedged *a, weir_scope *s)
{
    struct hedged_try *t = &a->tries[a->sent];
    int r;

    t->began = weir_now();
    r = weir_go(s, hedged_try, t);
    if (r == 0)
        a->sent++;
    return r;
}

/* The instant of the next hedge; WEIR_NEVER if there is to be none. */
static weir_time hedged_next(const struct hedged *a, int idempotent, weir_time deadline)
{
    weir_time now = weir_now(), at;
    weir_span delay = hedged_delay(a->h, now);

    if (!idempotent || delay == WEIR_NEVER || a->sent >= a->most)
        return WEIR_NEVER;
    at = weir__sat_add(a->tries[a->sent - 1].began, delay);
    return at < deadline ? at : WEIR_NEVER;
}

/* Until one has succeeded or all that were sent have failed. */
static int hedged_wait(struct hedged *a, weir_scope *s, int idempotent, weir_time deadline)
{
    weir_time next = hedged_next(a, idempotent, deadline);

    while (a->winner < 0 && a->over < a->sent) {
        weir_time now = weir_now();
        int r;

        if (now >= deadline)
            return -ETIMEDOUT;
        if (now >= next) {
            /* Without budget or memory those that are there must do. */
            r = hedged_take(a->h, now) == 0 ? hedged_send(a, s) : WEIR_EBUDGET;
            next = r == 0 ? hedged_next(a, idempotent, deadline) : WEIR_NEVER;
            continue;
        }
        weir_event_clear(&a->news);
        r = weir_event_wait(&a->news, next < deadline ? next : deadline);
        if (r < 0 && r != -ETIMEDOUT)
            return r;
    }
    return a->winner < 0 ? a->tries[0].result : 0;
}

/* All have ended: the winner's item is the caller's, the others' are dropped. */
static int hedged_settle(struct hedged *a, const struct weir_type *type, void *out, int r)
{
    if (r < 0)
        a->winner = -1; /* it came too late */
    for (int i = 0; i < (int)a->sent; i++) {
        if (i == a->winner)
            memcpy(out, a->tries[i].out, type->size);
        else if (a->tries[i].result >= 0 && type->drop)
            type->drop(a->tries[i].out);
    }
    if (a->call) /* what the answer said, or the first failure, which is the result */
        a->call->hint = a->tries[a->winner < 0 ? 0 : a->winner].hint;
    if (a->winner < 0)
        return r < 0 ? r : -ECANCELED;
    if (a->winner > 0)
        hedged_won(a->h);
    return a->tries[a->winner].result;
}

static int hedged_run(struct hedged *a, const struct weir_type *type, void *out, int idempotent,
                      weir_time deadline)
{
    struct weir_scope_opts opts = {.on_error = WEIR_KEEP, .name = "hedged"};
    weir_scope *s = weir_scope_open(&opts);
    int r = weir_scope_error(s);

    if (r < 0)
        return r;
    hedged_begin(a->h, weir_now());
    r = hedged_send(a, s);
    if (r == 0)
        r = hedged_wait(a, s, idempotent, deadline);
    if (a->winner >= 0 || r == -ETIMEDOUT)
        hedged_overtaken(a, weir_now());
    weir_scope_cancel(s, -ECANCELED);
    (void)weir_scope_close(&s);
    return hedged_settle(a, type, out, r);
}

int weir_hedged(struct weir_hedge *h, weir_hedge_fn *fn, void *ctx, struct weir_type type,
                void *out, int idempotent, weir_time deadline)
{
    size_t stride = (type.size + 63) & ~(size_t)63, bytes;
    struct hedged a = {.h = h, .fn = fn, .ctx = ctx, .winner = -1};
    char *places;
    int r;

    if (!h || !fn || !out || deadline < 0 || type.size == 0)
        return -EINVAL;
    if (type.align == 0 || type.align > 16 || (type.align & (type.align - 1)))
        return -EINVAL;
    memset(out, 0, type.size);
    a.call = weir__self() ? weir__fiber_slot_get(WEIR__SLOT_TRY) : NULL;
    a.most = hedged_most(h, idempotent);
    bytes = a.most * stride;
    places = weir__alloc(bytes);
    if (!places)
        return -ENOMEM;
    for (uint32_t i = 0; i < a.most; i++)
        a.tries[i] =
            (struct hedged_try){.all = &a, .out = places + i * stride, .result = -ECANCELED};
    weir_event_init(&a.news);
    r = hedged_run(&a, &type, out, idempotent, deadline ? deadline : WEIR_NEVER);
    weir__free(places, bytes);
    return r;
}
