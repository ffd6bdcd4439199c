/*
 * fetch_host.h -- what is known of one origin, and what it lets us do now.
 *
 * A host (scheme, name and port) may run at most
 *
 *     min(per_host, allow)
 *
 * attempts; `allow` is 1 when a pause has ended and grows by one with each
 * success, so a host that asked for quiet is not met by a crowd.  Its rate and
 * its breaker have their say after that.  Three answers with Retry-After and
 * no success between them pause the host for everyone.
 *
 * After a pause its attempts keep a distance, `gap`: at first what the host
 * took for each success since the pause before, pause included.  Each success
 * halves it down to `gap_goal`, twice what was too little the last time, and
 * from there takes a sixteenth off; each Retry-After doubles it.  So the pace
 * settles near the host's limit, where a burst after each pause would not.
 *
 * The adaptive timeout is 10 x p99 of its good answers, at least 300 ms (one
 * lost packet is no hang), from 20 samples on; it doubles with each attempt
 * of one item that ran into it, and with every 8 in a row on the host, up to
 * --max-time: a host that got slow is found out, not starved.
 */
#ifndef WEIR_CLI_FETCH_HOST_H
#define WEIR_CLI_FETCH_HOST_H

#include "fetch_hist.h"
#include "fetch_job.h"

#include <weir/rate.h>

#define FETCH_PAUSE_AFTER 3
#define FETCH_GAP_LEAST WEIR_US(200) /* below it there is no pace */
#define FETCH_GAP_MOST WEIR_S(1)
#define FETCH_AUTO_FACTOR 10
#define FETCH_AUTO_SAMPLES 20
#define FETCH_AUTO_FLOOR WEIR_MS(300)

/* What the scheduler obeys: filled from the flags, or by a test. */
struct fetch_policy {
    uint32_t jobs, per_host, window;
    uint32_t retries; /* attempts are one more */
    bool retry;       /* false: this method is not retried at all */
    struct fetch_retry_on retry_on;
    struct weir_backoff_opts backoff;
    struct fetch_ra ra;
    bool has_rate, has_host_rate, has_breaker, breaker_fail, timeout_auto;
    struct weir_rate_opts rate, host_rate;
    struct weir_breaker_opts breaker;
    weir_span max_time;
    weir_time deadline; /* WEIR_NEVER: none */
    uint64_t seed;
};

struct fetch_list {
    struct fetch_job *head, *tail;
    size_t n;
};

enum fetch_host_place { FETCH_HOST_IDLE = 0, FETCH_HOST_READY, FETCH_HOST_TIMED, FETCH_HOST_FULL };

struct fetch_host {
    struct fetch_host *hash_next;
    struct fetch_host *prev, *next; /* of the ready ring or of the idle list */
    struct fetch_node node;         /* in the heap while TIMED */
    enum fetch_host_place place;
    struct fetch_list fresh, again; /* queued items; those that were tried before go first */
    uint64_t hash;
    uint32_t running, held, allow; /* allow 0: no ramp */
    uint32_t asked;                /* answers with Retry-After since the last success */
    uint32_t timeouts;             /* adaptive timeouts since the last success */
    uint64_t oks;
    weir_time paused_until;
    weir_time paced_from, paced_next; /* the pace: since when, and no attempt before */
    uint64_t paced_oks;               /* successes at paced_from */
    weir_span gap, gap_goal;          /* 0: none */
    struct weir_rate rate;
    struct weir_breaker *breaker; /* NULL: none */
    struct fetch_hist hist;
    char *origin; /* lies behind the struct */
};

void fetch_list_push(struct fetch_list *l, struct fetch_job *job);
struct fetch_job *fetch_list_pop(struct fetch_list *l);

/* A host that nothing is known of.  NULL: no memory. */
struct fetch_host *fetch_host_new(const struct fetch_policy *p, const char *origin, size_t len);
void fetch_host_free(struct fetch_host **h);

/*
 * May the host start an attempt now?  0: yes, and the rate and the breaker
 * have been charged for `job`.  Positive: not for so long.  WEIR_EFULL: not
 * before one of its attempts ends.  WEIR_EOPEN: its breaker is open, and
 * *out_wait says for how long.
 */
int64_t fetch_host_admit(struct fetch_host *h, const struct fetch_policy *p, struct fetch_job *job,
                         weir_time now, weir_span *out_wait);

/* An attempt of `job` has ended with `r`: everything but the queues learns of it. */
void fetch_host_learn(struct fetch_host *h, const struct fetch_policy *p, struct fetch_job *job,
                      const struct fetch_result *r, weir_time now, struct weir_rng *rng);

/* How long the next attempt of `job` may take. */
weir_span fetch_host_limit(const struct fetch_host *h, const struct fetch_policy *p,
                           const struct fetch_job *job);

/* The wait before the next attempt of `job`, which `r` has just ended. */
weir_span fetch_host_wait(const struct fetch_host *h, const struct fetch_policy *p,
                          struct fetch_job *job, const struct fetch_result *r,
                          struct weir_rng *rng);

#endif
