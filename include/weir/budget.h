/*
 * budget.h -- how much of the traffic may be retries.
 *
 * Over any window of `ttl`
 *
 *     retries  <=  ratio * first tries  +  min_per_sec * ttl
 *
 * (ttl is kept in ten slices, and a slice ages out as a whole).  One budget
 * shared by nested stacks bounds the amplification of all of them together.
 * Plain memory, no pointers; stacks lock it while they use it.
 */
#ifndef WEIR_BUDGET_H
#define WEIR_BUDGET_H

#include <weir/base.h>

WEIR_BEGIN

#define WEIR_BUDGET_SLICES 10
#define WEIR_BUDGET_NONE UINT32_MAX

struct weir_budget_opts {
    uint32_t ratio_milli; /* retries a thousand first tries; 0 means 200; WEIR_BUDGET_NONE: 0 */
    uint32_t min_per_sec; /* always allowed; 0 means 10; WEIR_BUDGET_NONE: 0 */
    weir_span ttl;        /* 0 means 10 s; at least 10 ns */
    uint32_t reserved[2]; /* must be zero */
};

struct weir_budget {
    /* private: a retry costs 1000 */
    int64_t slice[WEIR_BUDGET_SLICES], balance, reserve;
    int64_t tick;
    weir_span width;
    uint32_t ratio_milli;
};

/* A retry paid for; zero is none. */
struct weir_budget_token {
    int64_t tick_plus_one; /* private */
};

/* 0, or -EINVAL; then the budget is that of the defaults.  NULL opts are the defaults. */
WEIR_API int weir_budget_init(struct weir_budget *b, const struct weir_budget_opts *opts);

/* A first try was made. */
WEIR_API void weir_budget_deposit(struct weir_budget *b, weir_time now);

/* 0: a retry is paid for.  WEIR_EBUDGET: not allowed now, nothing changed. */
WEIR_API WEIR_MUST_USE int weir_budget_take(struct weir_budget *b, weir_time now,
                                            struct weir_budget_token *out_token);

/* The retry was not made: gives back what was paid, once, if it has not aged out. */
WEIR_API void weir_budget_refund(struct weir_budget *b, weir_time now,
                                 struct weir_budget_token *token);

/* Retries allowed now. */
WEIR_API uint64_t weir_budget_left(struct weir_budget *b, weir_time now);

WEIR_END
#endif
