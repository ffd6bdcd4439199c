/*
 * join.c -- several operations in one scope, a result slot each.
 */
#include <weir/join.h>

#include <limits.h>

#include "core/core.h"

/* What the fibers of one call share. */
struct join {
    struct weir_job *jobs;
    weir_scope *scope;
    size_t n, winner; /* winner: n while there is none */
    int first;        /* failure */
    bool race;
};

struct join_one {
    struct join *all;
    struct weir_job *job;
};

static int join_check(const struct weir_job *jobs, size_t n, const struct weir_join_opts *o)
{
    if (n && !jobs)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!jobs[i].fn)
            return -EINVAL;
    if (o->reserved[0] || o->reserved[1] || o->reserved[2] || (unsigned)o->on_error > WEIR_KEEP)
        return -EINVAL;
    return weir__deadline_check(o->deadline);
}

/* In a race a success ends the others, and a failure is no cause until all have failed. */
static int join_run(void *arg)
{
    struct join_one *o = arg;
    struct join *all = o->all;
    int r = o->job->fn(o->job->arg);

    o->job->result = r;
    if (r < 0 && !all->first && !(r == -ECANCELED && weir_cancel_why()))
        all->first = r;
    if (!all->race)
        return r < 0 ? r : 0;
    if (r >= 0 && all->winner == all->n) {
        all->winner = (size_t)(o->job - all->jobs);
        weir_scope_cancel(all->scope, -ECANCELED);
    }
    return 0;
}

static void join_start(struct join *all, struct join_one *ones)
{
    int r = 0;

    for (size_t i = 0; i < all->n && r == 0 && all->winner == all->n; i++) {
        ones[i] = (struct join_one){all, &all->jobs[i]};
        r = weir_go(all->scope, join_run, &ones[i]);
    }
    if (r < 0)
        weir_scope_cancel(all->scope, r); /* if it was not that already, this is the cause */
}

/* Those that our own deadline cut say so. */
static void join_mark_late(struct join *all)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->jobs[i].result == -ECANCELED)
            all->jobs[i].result = -ETIMEDOUT;
}

static int join_in_scope(struct join *all, const struct weir_join_opts *o)
{
    struct weir_scope_opts opts = {.limit = o->limit,
                                   .deadline = o->deadline,
                                   .on_error = o->on_error,
                                   .stack = o->stack,
                                   .name = all->race ? "race" : "join"};
    size_t bytes = all->n * sizeof(struct join_one);
    struct join_one *ones = weir__alloc(bytes);
    int r;

    for (size_t i = 0; i < all->n; i++)
        all->jobs[i].result = WEIR_ENOTRUN;
    if (!ones)
        return -ENOMEM;
    all->scope = weir_scope_open(&opts);
    r = weir_scope_error(all->scope);
    if (r == 0) {
        join_start(all, ones);
        r = weir_scope_close(&all->scope);
        if (r == -ETIMEDOUT)
            join_mark_late(all);
    }
    weir__free(ones, bytes);
    return r;
}

int weir_join_all(struct weir_job *jobs, size_t n, const struct weir_join_opts *opts)
{
    static const struct weir_join_opts defaults;
    const struct weir_join_opts *o = opts ? opts : &defaults;
    struct join all = {.jobs = jobs, .n = n, .winner = n};
    int r = n > SIZE_MAX / sizeof(struct join_one) ? -EINVAL : join_check(jobs, n, o);

    return r < 0 || n == 0 ? r : join_in_scope(&all, o);
}

int weir_race(struct weir_job *jobs, size_t n, const struct weir_join_opts *opts)
{
    static const struct weir_join_opts defaults;
    const struct weir_join_opts *o = opts ? opts : &defaults;
    struct join all = {.jobs = jobs, .n = n, .winner = n, .race = true};
    int r = n == 0 || n > INT_MAX ? -EINVAL : join_check(jobs, n, o);

    if (r == 0 && o->on_error == WEIR_KEEP)
        r = -EINVAL;
    if (r < 0)
        return r;
    r = join_in_scope(&all, o);
    if (all.winner < n)
        return (int)all.winner;
    return r < 0 ? r : all.first;
}
