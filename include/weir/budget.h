/*
 * budget.h -- how much of the traffic may be retries.
 *
 * Four forms of one thing; each starts able to pay.
 *
 *   WEIR_BUDGET_RATIO   Finagle's.  Over any window of `ttl`
 *                           retries  <=  ratio * first tries  +  min_per_sec * ttl
 *   WEIR_BUDGET_SHARE   the SRE book's: the ratio is of all tries, the retries too
 *                           retries  <=  ratio * (first tries + retries)  +  min_per_sec * ttl
 *   WEIR_BUDGET_TOKENS  gRPC's (A6): a failure that may be retried takes one of
 *                       `tokens`, a success gives `ratio` of one back; a retry
 *                       is allowed while more than half of them are there
 *   WEIR_BUDGET_COST    the AWS SDKs': a retry takes 5 of `tokens`, 10 after a
 *                       TRANSIENT failure; its success gives that back, a first
 *                       try's success gives 1
 *
 * (ttl is kept in ten slices, and a slice ages out as a whole).  One budget
 * shared by retries, hedges, nested stacks and calls within calls bounds the
 * amplification of all of them together: they tell it of one first try.
 * Plain memory, no pointers; stacks lock it while they use it.
 */
#ifndef WEIR_BUDGET_H
#define WEIR_BUDGET_H

#include <weir/base.h>

WEIR_BEGIN

#define WEIR_BUDGET_SLICES 10
#define WEIR_BUDGET_NONE UINT32_MAX

enum weir_budget_form {
    WEIR_BUDGET_RATIO = 0,
    WEIR_BUDGET_SHARE,
    WEIR_BUDGET_TOKENS,
    WEIR_BUDGET_COST
};

struct weir_budget_opts {
    /*
     * In thousandths: of a retry, per first try (RATIO: 0 means 200) or per try
     * (SHARE: 0 means 100, at most 999); of a token, per success (TOKENS: 0
     * means 100).  WEIR_BUDGET_NONE: 0.  Not with COST.
     */
    uint32_t ratio_milli;
    uint32_t min_per_sec; /* always allowed; 0 means 10 (SHARE: 1); WEIR_BUDGET_NONE: 0 */
    weir_span ttl;        /* 0 means 10 s (SHARE: 2 min); at least 10 ns */
    uint32_t form;        /* enum weir_budget_form */
    uint32_t tokens;      /* TOKENS: 1 .. 1000, 0 means 10; COST: 0 means 500 */
    uint32_t reserved[2]; /* must be zero */
};

struct weir_budget {
    /* private: in thousandths of a retry, or of a token */
    int64_t slice[WEIR_BUDGET_SLICES], balance, reserve, most;
    int64_t tick;
    weir_span width, shift;
    weir_time last;
    uint32_t ratio_milli, cost, form;
};

/* A retry paid for; zero is none. */
struct weir_budget_token {
    /* private */
    int64_t tick_plus_one, cost;
};

/* 0, or -EINVAL; then the budget is that of the defaults.  NULL opts are the defaults. */
WEIR_API int weir_budget_init(struct weir_budget *b, const struct weir_budget_opts *opts);

/*
 * Other options of the same form from now on; what was deposited and taken
 * stays, and the tokens are as full in proportion as before.  0, or -EINVAL
 * and nothing changed.  NULL opts are the defaults.
 */
WEIR_API int weir_budget_reconfigure(struct weir_budget *b, const struct weir_budget_opts *opts,
                                     weir_time now);

/* A first try was made. */
WEIR_API void weir_budget_deposit(struct weir_budget *b, weir_time now);

/* A try failed in a way that may be retried, whether it will be or not. */
WEIR_API void weir_budget_failed(struct weir_budget *b, weir_time now);

/* A try succeeded; the token is what was paid for it (zero or NULL: a first try). */
WEIR_API void weir_budget_succeeded(struct weir_budget *b, weir_time now,
                                    const struct weir_budget_token *token);

/* 0: a retry is paid for.  WEIR_EBUDGET: not allowed now, nothing changed. */
WEIR_API WEIR_MUST_USE int weir_budget_take(struct weir_budget *b, weir_time now,
                                            struct weir_budget_token *out_token);

/* The same at the price of n retries, n from 1 to 1000; -EINVAL beyond. */
WEIR_API WEIR_MUST_USE int weir_budget_take_n(struct weir_budget *b, uint32_t n, weir_time now,
                                              struct weir_budget_token *out_token);

/* The retry was not made: gives back what was paid, once, if it has not aged out. */
WEIR_API void weir_budget_refund(struct weir_budget *b, weir_time now,
                                 struct weir_budget_token *token);

/* Retries allowed now. */
WEIR_API uint64_t weir_budget_left(struct weir_budget *b, weir_time now);

WEIR_END
#endif
