/*
 * sim_laws.h -- laws of backoff by name: weir's own, and other libraries' as they are coded.
 *
 * weir's laws are weir_backoff_next itself.  They start where the AWS post
 * does: the first level is 2 x base, decorrelated starts from base.  The
 * others' are models of their sources, with their constants and their way of
 * capping; b is the base, M the cap, n counts retries from 1:
 *
 *     curl            min(b 2^(n-1), M), no jitter
 *     grpc            min(b 2^(n-1), M) x U(0.8, 1.2)            may pass M
 *     failsafe        min(b 2^(n-1), M) x U(0.75, 1.25)          may pass M
 *     cenkalti        min(b 1.5^(n-1), M) x U(0.5, 1.5)          may pass M
 *     envoy           U(0, min(b (2^n - 1), M))
 *     tower           min(v + U(0, 0.99 v), M), v = min(b 2^(n-1), M)        none left at M
 *     resilience4j    min(b 1.5^(n-1) x U(0.5, 1.5), M)                      none left at M
 *     polly           min(b (f(t) - f(t'))/1.4, M), f(t) = 2^t tanh(2 sqrt t), t = n - 1 + U(0, 1),
 *                     f(t') that of the retry before                         none left at M
 *     finagle         s x 2^n is where the next s is drawn below; M for ever once that is M
 *     finagle-equal   h + U(0, h), h = b 2^(n-1); M for ever once that is M
 *     finagle-decorr  U(s, min(3 s, M)) from s = b: it never goes down
 */
#ifndef WEIR_CLI_SIM_LAWS_H
#define WEIR_CLI_SIM_LAWS_H

#include <weir.h>

enum { SIM_LAWS_MAX = 24 };

struct sim_law_state {
    struct weir_backoff_state weir;
    uint64_t n;
    double last;
    int stuck; /* finagle: at the cap for ever */
};

struct sim_law;

/* A law with its base and cap. */
struct sim_rule {
    const struct sim_law *law;
    struct weir_backoff weir;
    double base, cap; /* ms */
};

/* Indices from 0; NULL past the end. */
const char *sim_law_name(size_t index);
const char *sim_law_what(size_t index); /* "exponential, full jitter" */

/*
 * "full", or a group: aws, weir, libs, all; or several parted by commas, each
 * once.  How many indices went to `out`; -EINVAL: *bad is the word that is none.
 */
int sim_law_list(const char *text, size_t out[SIM_LAWS_MAX], char bad[32], const char **guess);

/* 0, or -EINVAL: base and cap must be 1 ns .. a day, base <= cap. */
int sim_rule_init(struct sim_rule *r, size_t law, weir_span base, weir_span cap);

/* The next wait, in milliseconds.  All zero is the start of a state. */
double sim_rule_next(const struct sim_rule *r, struct sim_law_state *s, struct weir_rng *rng);

#endif
