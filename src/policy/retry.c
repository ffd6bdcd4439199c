/*
 * retry.c -- the rule of include/weir/retry.h.
 *
 * Invariant: an answer other than STOP is followed by a wait that ends at
 * least min_attempt before the deadline, and its retry is paid for.
 */
#include <weir/retry.h>

#include <errno.h>

#include "base/arith.h"

#define RETRY_ON_DEFAULT                                                                           \
    (WEIR_CLASS_BIT(WEIR_CLASS_TRANSIENT) | WEIR_CLASS_BIT(WEIR_CLASS_THROTTLED) |                 \
     WEIR_CLASS_BIT(WEIR_CLASS_SERVER))
#define RETRY_ON_NEVER                                                                             \
    (WEIR_CLASS_BIT(WEIR_CLASS_AUTO) | WEIR_CLASS_BIT(WEIR_CLASS_OK) |                             \
     WEIR_CLASS_BIT(WEIR_CLASS_CANCELLED))

enum { RETRY_ATTEMPTS = 3 };

int weir_never_sent(int result)
{
    switch (result) {
    case -ECONNREFUSED:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -ENETDOWN:
    case WEIR_EDNS:
    case WEIR_ENOTRUN:
        return 1;
    default:
        return weir_classify(result) == WEIR_CLASS_REJECTED_LOCAL;
    }
}

static enum weir_class retry_class_of_errno(int e)
{
    switch (e) {
    case ETIMEDOUT:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENETRESET:
    case EAGAIN:
    case EINTR:
    case EBUSY:
    case EIO:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return WEIR_CLASS_TRANSIENT;
    case ECANCELED:
        return WEIR_CLASS_CANCELLED;
    case EPROTO:
    case EBADMSG:
        return WEIR_CLASS_SERVER;
    case EINVAL:
    case ENOENT:
    case EACCES:
    case EPERM:
    case EEXIST:
    case ENAMETOOLONG:
    case E2BIG:
        return WEIR_CLASS_CLIENT;
    default:
        return WEIR_CLASS_FATAL;
    }
}

enum weir_class weir_classify(int result)
{
    if (result >= 0)
        return WEIR_CLASS_OK;
    switch (result) {
    case WEIR_EOPEN:
    case WEIR_ERATE:
    case WEIR_EFULL:
    case WEIR_EBUDGET:
    case WEIR_ESHED:
        return WEIR_CLASS_REJECTED_LOCAL;
    case WEIR_ETRUNCATED:
    case WEIR_EDNS:
        return WEIR_CLASS_TRANSIENT;
    case WEIR_EPROTO:
        return WEIR_CLASS_SERVER;
    case WEIR_ETOOLARGE:
        return WEIR_CLASS_CLIENT;
    default:
        return result == INT32_MIN ? WEIR_CLASS_FATAL : retry_class_of_errno(-result);
    }
}

static int retry_check(const struct weir_retry_opts *o)
{
    if (o->reserved0 || o->reserved[0] || o->reserved[1] || o->unsafe > 1)
        return -EINVAL;
    if (o->min_attempt < 0 || o->retry_after_cap < WEIR_RETRY_AFTER_IGNORE)
        return -EINVAL;
    if (o->retry_on & RETRY_ON_NEVER || o->retry_on >= WEIR_CLASS_BIT(9))
        return -EINVAL;
    return 0;
}

int weir_retry_init(struct weir_retry *r, const struct weir_retry_opts *opts)
{
    static const struct weir_retry_opts defaults;
    const struct weir_retry_opts *o = opts ? opts : &defaults;
    struct weir_backoff_opts law = {.base = o->base,
                                    .cap = o->cap,
                                    .grow = o->grow,
                                    .jitter = o->jitter,
                                    .factor_milli = o->factor_milli,
                                    .percent = o->percent};
    int bad = weir_backoff_init(&r->backoff, &law) < 0 || retry_check(o) < 0;

    r->opts = bad ? defaults : *o;
    if (bad)
        r->opts.attempts = 1;
    if (r->opts.attempts == 0)
        r->opts.attempts = RETRY_ATTEMPTS;
    if (r->opts.retry_on == 0)
        r->opts.retry_on = RETRY_ON_DEFAULT;
    return bad ? -EINVAL : 0;
}

int weir_retry_reconfigure(struct weir_retry *r, const struct weir_retry_opts *opts)
{
    struct weir_retry fresh;

    if (weir_retry_init(&fresh, opts) < 0)
        return -EINVAL;
    *r = fresh;
    return 0;
}

void weir_retry_nest(const struct weir_retry *r, struct weir_retry_state *state)
{
    static const struct weir_retry_state inside = {.nested = 1};

    (void)r;
    *state = inside;
}

void weir_retry_begin(const struct weir_retry *r, struct weir_retry_state *state, weir_time now)
{
    static const struct weir_retry_state zero;

    *state = zero;
    if (r->opts.budget)
        weir_budget_deposit(r->opts.budget, now);
}

static uint32_t retry_class(const struct weir_retry *r, const struct weir_retry_outcome *out)
{
    int cls = (int)out->cls;

    if (cls == WEIR_CLASS_AUTO && r->opts.classify)
        cls = r->opts.classify(r->opts.ctx, out->result);
    if (cls == WEIR_CLASS_AUTO)
        return weir_classify(out->result);
    return cls < 0 || cls > WEIR_CLASS_REJECTED_LOCAL ? WEIR_CLASS_FATAL : (uint32_t)cls;
}

/*
 * A refusal of ours that names its time is waited out, like a Retry-After; one
 * that does not (a full bulkhead) is retried only if retry_on says so.
 */
static int retry_wanted(const struct weir_retry *r, const struct weir_retry_outcome *out,
                        uint32_t cls)
{
    int local = cls == WEIR_CLASS_REJECTED_LOCAL;

    if (r->opts.unsafe && !local && !weir_never_sent(out->result))
        return 0;
    return (r->opts.retry_on & WEIR_CLASS_BIT(cls)) != 0 || (local && out->retry_after > 0);
}

static weir_span retry_wait(const struct weir_retry *r, struct weir_retry_state *state,
                            const struct weir_retry_outcome *out, struct weir_rng *rng)
{
    static const struct weir_backoff_state start;
    weir_span wait, extra, cap = r->opts.retry_after_cap, after = out->retry_after;

    if (out->pushback == WEIR_PUSHBACK_WAIT) {
        state->backoff = start;
        return weir__max64(after, 0);
    }
    wait = weir_backoff_next(&r->backoff, &state->backoff, rng);
    if (after <= 0 || cap == WEIR_RETRY_AFTER_IGNORE)
        return wait;
    after = cap ? weir__min64(after, cap) : after;
    extra = (weir_span)weir_rng_below(rng, (uint64_t)after / 4 + 1);
    return weir__max64(wait, weir__sat_add(after, extra));
}

static int64_t retry_stop(struct weir_retry_state *state, enum weir_giveup why)
{
    state->giveup = why;
    return WEIR_RETRY_STOP;
}

/*
 * Tells the budget how the attempt ended; what was paid for it is spent.  A
 * refusal of ours is no attempt: the one that is waited for stays paid.
 */
static void retry_account(const struct weir_retry *r, struct weir_retry_state *state,
                          const struct weir_retry_outcome *out, uint32_t cls, weir_time now)
{
    static const struct weir_budget_token none;
    struct weir_budget_token paid = state->paid;
    struct weir_budget *b = out->counted ? NULL : r->opts.budget;
    int failed = (r->opts.retry_on & WEIR_CLASS_BIT(cls)) != 0;

    if (cls == WEIR_CLASS_REJECTED_LOCAL)
        return;
    state->paid = none;
    if (b && cls == WEIR_CLASS_OK && !state->nested)
        weir_budget_succeeded(b, now, &paid);
    else if (b && (failed || out->pushback == WEIR_PUSHBACK_STOP))
        weir_budget_failed(b, now);
}

/* Pays for the next attempt: 0, or WEIR_EBUDGET. */
static int retry_pay(const struct weir_retry *r, struct weir_retry_state *state, uint32_t cls,
                     weir_time now)
{
    struct weir_budget *b = r->opts.budget;
    int dear = b && b->form == WEIR_BUDGET_COST && cls == WEIR_CLASS_TRANSIENT;

    if (!b || cls == WEIR_CLASS_REJECTED_LOCAL)
        return 0;
    return weir_budget_take_n(b, dear ? 2 : 1, now, &state->paid);
}

static int64_t retry_next(const struct weir_retry *r, struct weir_retry_state *state,
                          const struct weir_retry_outcome *outcome, weir_time now,
                          weir_time deadline, struct weir_rng *rng)
{
    uint32_t cls = retry_class(r, outcome);
    weir_span wait, need = r->opts.min_attempt;

    state->giveup = WEIR_GIVEUP_NONE;
    retry_account(r, state, outcome, cls, now);
    if (cls == WEIR_CLASS_OK)
        return retry_stop(state, WEIR_GIVEUP_OK);
    state->failed += state->failed < UINT32_MAX;
    if (cls != WEIR_CLASS_REJECTED_LOCAL) {
        state->last_error = outcome->result;
        state->last_class = cls;
    }
    if (!retry_wanted(r, outcome, cls))
        return retry_stop(state, WEIR_GIVEUP_CLASS);
    if (outcome->pushback >= WEIR_PUSHBACK_STOP)
        return retry_stop(state, WEIR_GIVEUP_PUSHBACK);
    if (state->failed >= r->opts.attempts && r->opts.attempts != UINT32_MAX)
        return retry_stop(state, WEIR_GIVEUP_ATTEMPTS);
    wait = retry_wait(r, state, outcome, rng);
    if (deadline != WEIR_NEVER && weir__sat_add(weir__sat_add(now, wait), need) >= deadline)
        return retry_stop(state, WEIR_GIVEUP_DEADLINE);
    if (retry_pay(r, state, cls, now) < 0)
        return retry_stop(state, WEIR_GIVEUP_BUDGET);
    return wait;
}

void weir_retry_abandon(const struct weir_retry *r, struct weir_retry_state *state, weir_time now)
{
    if (r->opts.budget)
        weir_budget_refund(r->opts.budget, now, &state->paid);
}

int64_t weir_retry_next(const struct weir_retry *r, struct weir_retry_state *state,
                        const struct weir_retry_outcome *outcome, weir_time now, weir_time deadline,
                        struct weir_rng *rng)
{
    int64_t wait = retry_next(r, state, outcome, now, deadline, rng);

    if (wait == WEIR_RETRY_STOP)
        weir_retry_abandon(r, state, now); /* what was paid for an attempt that was refused */
    return wait;
}
