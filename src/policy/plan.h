/*
 * plan.h -- running a policy stack without a fiber.
 *
 * One call is one struct weir__plan_run in the driver's memory:
 *
 *     begin;  loop { while ((w = admit) != 0) wait or return w;
 *                    run the attempt;
 *                    if ((w = done(result, &out)) == 0) return out;  wait w; }
 *
 * and abandon instead of any step when nobody wants the call any more.  Each
 * thing taken is given back exactly once, whichever way the call ends.  All
 * functions may be called from any thread; none parks or reads a clock.
 */
#ifndef WEIR__PLAN_H
#define WEIR__PLAN_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/codel.h>
#include <weir/policy.h>

#include "base/list.h"

/* Wait until wake is called or until run.park_until, then admit again. */
#define WEIR__PLAN_PARK INT64_MAX

enum weir__plan_phase {
    WEIR__PLAN_IDLE = 0, /* holds nothing; to be admitted (now, or at not_before) */
    WEIR__PLAN_WAITING,  /* in the row of a rate or a bulkhead */
    WEIR__PLAN_RUNNING,
    WEIR__PLAN_FINISHED
};

struct weir__plan_slot {
    union {
        struct weir_breaker_token breaker;
        struct weir_rate_ticket rate;
        struct weir_retry_state retry;
        struct weir_adaptive_token adaptive;
    } u;
    uint32_t held;                    /* the layer is taken, and must be given back */
    const struct weir_budget *budget; /* of the retry that the call has entered here */
};

struct weir__plan_run {
    const weir_policy *policy;          /* set by begin */
    const struct weir__plan_run *outer; /* the call that this one is part of; set by the driver */
    weir_time begun, deadline;          /* of the whole call */
    weir_time attempt_deadline, attempt_start;
    weir_time not_before; /* in a row: since when it stands there */
    weir_time park_until;
    uint32_t weight;  /* permits of a bulkhead, from 1 */
    uint32_t attempt; /* attempts admitted so far */
    uint32_t pos;     /* the first layer not taken yet */
    uint16_t phase, retrying;
    uint32_t giveup; /* enum weir_giveup of the retry that spoke last */
    bool granted, waited;
    bool entered;                   /* it was admitted once: the deadline is the stack's too */
    bool overtime;                  /* timeouts have counted that it took too long */
    bool classifies;                /* the stack has a classify */
    int last_result;                /* of the last attempt; 0 before */
    struct weir_retry_outcome hint; /* what the attempt said about itself: cls, retry_after */
    struct weir_retry_outcome out;  /* what the retry was asked about */
    struct weir_refusal refusal;    /* the last one */
    struct weir_retry_event event;  /* for delay and on_retry, once the lock is off */
    struct weir__list row;
    /*
     * Called when a waiting run should be admitted again.  It runs under the
     * policy's lock: it may only make somebody runnable.
     */
    void (*wake)(struct weir__plan_run *r);
    void *wake_ctx;
    struct weir__plan_slot slot[WEIR_POLICY_LAYERS];
};

struct weir__plan_layer {
    uint32_t kind, mode; /* enum weir_mode */
    weir_span max_wait;  /* of a gate, as is what follows */
    uint32_t queue, queued, lifo;
    weir_time seen; /* the latest instant */
    struct weir_codel codel;
    struct weir__list row; /* runs that wait here, first come first */
    struct weir_layer_counts counts;
    weir_policy *policy;
    void (*on_change)(void *ctx, const struct weir_breaker_event *e); /* of a breaker */
    void *ctx;
    union {
        struct weir_retry retry;
        struct weir_breaker breaker;
        struct weir_rate rate;
        struct weir_bulkhead bulkhead;
        struct weir_timeout_opts timeout;
        struct weir_adaptive adaptive;
        struct weir_shed shed;
    } u;
};

struct weir__plan_refused {
    int code;
    uint32_t layer;
    weir_span retry_after;
};

/*
 * What the stack must know of a kind of layer (kinds.c has the table).  All
 * are called under the policy's lock; NULL where a kind has nothing to do.
 */
struct weir__plan_kind {
    const char *name;
    /* A fresh layer, or other options for one in use.  0, or -EINVAL and no change. */
    int (*init)(struct weir__plan_layer *l, const struct weir_policy_layer *from);
    int (*set)(struct weir__plan_layer *l, const struct weir_policy_layer *from, weir_time now);
    /*
     * 0: passed, and slot.held says whether there is something to give back.
     * Positive: wait so long, in the row if phase is WAITING.  Negative:
     * refused, *why filled.
     */
    int64_t (*take)(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                    struct weir__plan_refused *why);
    /* Leaves the row, with whatever the wait had won. */
    void (*leave)(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i);
    /* Everything is taken, the attempt starts. */
    void (*start)(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i);
    /* It waited further in: may what was taken still be used?  0, or negative and *why. */
    int (*recheck)(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                   struct weir__plan_refused *why);
    /* Gives back what is held; `cls` is how what the layer guarded has ended. */
    void (*give)(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls, weir_time now);
    /* May change what it came to.  Positive: go on from here then.  WEIR_RETRY_STOP: outwards. */
    int64_t (*ended)(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t asked,
                     struct weir_retry_outcome *out, weir_time now);
};

extern const struct weir__plan_kind weir__kind_bulkhead, weir__kind_adaptive, weir__kind_shed;

/* Into the layer's row, and out of it if it stands there. */
void weir__plan_enqueue(struct weir__plan_layer *l, struct weir__plan_run *r);
void weir__plan_dequeue(struct weir__plan_layer *l, struct weir__plan_run *r);

/* NULL for a number that is no kind. */
const struct weir__plan_kind *weir__plan_kind(uint32_t kind);

/* A change of a breaker's state that nobody was told of yet. */
struct weir__plan_news {
    void (*on_change)(void *ctx, const struct weir_breaker_event *e);
    void *ctx;
    struct weir_breaker_event event;
};

enum { WEIR__PLAN_NEWS = 16 };

struct weir_policy {
    int poison;
    uint32_t n;
    atomic_flag lock;
    uint32_t telling, news_head, news_n, seeded, forks;
    struct weir__plan_news news[WEIR__PLAN_NEWS];
    weir_span total, each, min_attempt; /* the least of all layers; WEIR_NEVER, 0: none */
    struct weir_rng rng;
    struct weir__plan_layer layer[];
};

/* Starts a call; wake, wake_ctx and outer, if any, are set by the driver afterwards. */
void weir__plan_begin(const weir_policy *p, struct weir__plan_run *r, weir_time now,
                      weir_time deadline);

/*
 * 0: run the attempt, until attempt_deadline at most.  Positive: admit again
 * after so many nanoseconds, or when woken; WEIR__PLAN_PARK: when woken, or at
 * park_until.  Negative: the call is over with that result.
 */
int64_t weir__plan_admit(weir_policy *p, struct weir__plan_run *r, weir_time now);

/* 0: the call is over with *out_result.  Positive: admit again after so many nanoseconds. */
int64_t weir__plan_done(weir_policy *p, struct weir__plan_run *r, int result, weir_time now,
                        int *out_result);

/* Gives everything back; harmless after the end. */
void weir__plan_abandon(weir_policy *p, struct weir__plan_run *r, weir_time now);

/* An attempt is over, or (over) the whole call: timeouts count what took too long. */
void weir__plan_overtime(weir_policy *p, struct weir__plan_run *r, weir_time now, int over);

/*
 * Spins: what is done under a policy's lock is short and never parks.  But its
 * holder may have lost the processor, to one of those who spin.
 */
static inline void weir__plan_lock(atomic_flag *lock)
{
    for (unsigned tries = 1; atomic_flag_test_and_set_explicit(lock, memory_order_acquire); tries++)
        if (tries % 64 == 0)
            sched_yield();
}

static inline void weir__plan_unlock(atomic_flag *lock)
{
    atomic_flag_clear_explicit(lock, memory_order_release);
}

/* One lock for all budgets: stacks and hedges on other threads may have the same one. */
void weir__budget_enter(void);
void weir__budget_exit(void);

/* The instant at which an attempt must have started to make any sense. */
weir_time weir__plan_latest(const weir_policy *p, const struct weir__plan_run *r);

/* Takes the policy's lock; leaving it tells of what happened meanwhile. */
void weir__plan_enter(weir_policy *p);
void weir__plan_exit(weir_policy *p);

/* After options or modes changed: what holds for the whole stack, and who waits looks again. */
void weir__plan_sum(weir_policy *p);
void weir__plan_stir(struct weir__plan_layer *l);

/* The worst a stack can do: attempts (UINT64_MAX: no bound), time (WEIR_NEVER: no bound). */
struct weir__plan_bounds {
    uint64_t attempts;
    weir_span time;
};
struct weir__plan_bounds weir__plan_worst(const weir_policy *p);

/* Attempts a call in the long run, by the budgets; 0: they give no bound. */
double weir__plan_long_run(const weir_policy *p);

/* weir_policy_lint, under the lock. */
int weir__plan_lint(const weir_policy *p);

#endif
