/*
 * fetch_world.h -- a world of one scheduler, for tests: the clock is turned by hand.
 */
#ifndef TESTS_CLI_FETCH_WORLD_H
#define TESTS_CLI_FETCH_WORLD_H

#include "harness/test.h"

#include <stdlib.h>

#include "fetch_sched.h"

#define T0 WEIR_EPOCH

struct world {
    struct fetch_sched s;
    weir_time now;
    uint64_t seq, delivered, by_outcome[FETCH_OUTCOMES];
};

static inline struct fetch_policy plain(void)
{
    struct fetch_policy p;
    const char *bad;
    size_t len;
    memset(&p, 0, sizeof p);
    p.jobs = 50;
    p.per_host = 8;
    p.window = 1000;
    p.retries = 5;
    p.retry = true;
    EQ(fetch_retry_on_parse(&p.retry_on, FETCH_RETRY_ON_DEFAULT, &bad, &len), 0);
    p.backoff.base = WEIR_MS(500);
    p.backoff.cap = WEIR_S(30);
    p.backoff.jitter = WEIR_JITTER_NONE;
    p.max_time = WEIR_S(30);
    p.deadline = WEIR_NEVER;
    p.seed = 1;
    return p;
}

static inline void world_open(struct world *w, const struct fetch_policy *p)
{
    memset(w, 0, sizeof *w);
    w->now = T0;
    EQ(fetch_sched_init(&w->s, p), 0);
}

static inline struct fetch_job *world_add(struct world *w, const char *url)
{
    struct fetch_job *job = fetch_job_new(url, strlen(url), w->seq++, w->now);
    OK(job != NULL);
    EQ(fetch_sched_add(&w->s, job, w->now), 0);
    return job;
}

static inline void world_deliver(struct world *w, struct fetch_job *job)
{
    EQ(job->state, FETCH_DONE);
    w->delivered++;
    w->by_outcome[job->outcome]++;
    fetch_sched_release(&w->s, &job);
}

static inline struct fetch_result answer(int status)
{
    return (struct fetch_result){
        status >= 200 && status < 300 ? FETCH_OK : FETCH_HTTP, status, -1, 10, -1, -1, -1, -1};
}

static inline struct fetch_result asked(int status, weir_span retry_after)
{
    struct fetch_result r = answer(status);
    r.retry_after = retry_after;
    return r;
}

static inline struct fetch_result broken(enum fetch_outcome o)
{
    return (struct fetch_result){o, 0, -1, 0, -1, -1, -1, -1};
}

static inline bool done(struct world *w, struct fetch_job *job, struct fetch_result r)
{
    return fetch_sched_done(&w->s, job, &r, w->now);
}

/* The item that starts now; there must be one. */
static inline struct fetch_job *starts(struct world *w)
{
    struct fetch_job *job = fetch_sched_next(&w->s, w->now);
    OK(job != NULL);
    EQ(job->state, FETCH_RUNNING);
    return job;
}

static inline void world_close(struct world *w)
{
    EQ(w->s.held, 0);
    EQ(w->s.queued + w->s.running + w->s.waiting, 0);
    fetch_sched_fini(&w->s);
}

#endif
