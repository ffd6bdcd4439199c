/*
 * fetch_sched.h -- which item runs next, and what becomes of one that failed.
 *
 * One owner, no clock, no I/O: events and instants go in, decisions come out.
 *
 *     held = queued + running + waiting + done but not released  <=  window
 *
 * A waiting retry holds no slot.  Hosts take turns; within a host items that
 * were tried before go first.  Every call is O(log n) in the items held.
 * Memory is that of the items held, and of at most 1,024 hosts that have
 * none; of those the one idle longest is forgotten first.
 */
#ifndef WEIR_CLI_FETCH_SCHED_H
#define WEIR_CLI_FETCH_SCHED_H

#include "fetch_host.h"

#define FETCH_HOSTS_KEPT 1024

struct fetch_sched {
    struct fetch_policy policy;
    struct weir_rng rng;
    struct weir_rate rate;
    weir_time rate_at;      /* no attempt before this, by --rate */
    struct fetch_heap heap; /* waiting items and timed hosts */
    struct fetch_host ring; /* sentinel: hosts that may start something */
    struct fetch_host idle; /* sentinel: hosts without items, the oldest first */
    struct fetch_host **table;
    size_t table_size, hosts;
    struct fetch_list over;  /* items that ended without another attempt */
    enum fetch_outcome stop; /* FETCH_OK: go on */
    uint32_t held, queued, running, waiting;
    uint64_t requests;
};

/* 0, -EINVAL (jobs, per_host or window 0; a bad rate or breaker), -ENOMEM. */
int fetch_sched_init(struct fetch_sched *s, const struct fetch_policy *policy);

/* The items must have been released. */
void fetch_sched_fini(struct fetch_sched *s);

/* How many more items may be added. */
uint32_t fetch_sched_room(const struct fetch_sched *s);

/* Takes a new item, if there is room.  0, or -ENOMEM and it is still the caller's. */
int fetch_sched_add(struct fetch_sched *s, struct fetch_job *job, weir_time now);

/*
 * The next item to act on, or NULL: then nothing is to be done before
 * fetch_sched_wake() or the next event.  RUNNING: start its attempt, which
 * may take job->limit; DONE: it is over, deliver it.
 */
struct fetch_job *fetch_sched_next(struct fetch_sched *s, weir_time now);

/* When fetch_sched_next may have something without another event; WEIR_NEVER. */
weir_time fetch_sched_wake(const struct fetch_sched *s);

/* The attempt of `job` ended so.  True: the item is DONE.  False: it will come again. */
bool fetch_sched_done(struct fetch_sched *s, struct fetch_job *job, const struct fetch_result *r,
                      weir_time now);

/* The item's record is out: it no longer counts, and is freed. */
void fetch_sched_release(struct fetch_sched *s, struct fetch_job **job);

/*
 * Nothing starts any more.  Items that wait come out of fetch_sched_next as
 * DONE with this outcome, and so do running ones whose attempt would have
 * been repeated.  The first call counts.
 */
void fetch_sched_stop(struct fetch_sched *s, enum fetch_outcome why, weir_time now);

/* Items that are kept back by a pause, an open breaker or a rate of their host. */
uint32_t fetch_sched_held_back(const struct fetch_sched *s);

#endif
