/*
 * par.h -- what the files of weir_par_map share.
 *
 * A job is QUEUED (another of its key comes first), READY, RUNNING, WAITING
 * (for its policy: it holds a timer, but no slot and no stack) or OVER (its
 * result, or that it has none, waits to be pulled):
 *
 *     held = queued + ready + running + waiting + over  <=  window
 */
#ifndef WEIR__PAR_H
#define WEIR__PAR_H

#include <weir/sync.h>

#include "call/attempt.h"
#include "core/local.h"
#include "stream/fan.h"

enum weir__par_job_state {
    WEIR__JOB_FREE,
    WEIR__JOB_QUEUED,
    WEIR__JOB_READY,
    WEIR__JOB_RUNNING,
    WEIR__JOB_WAITING,
    WEIR__JOB_OVER
};

struct weir__par_job {
    struct weir__list link;      /* free, ready or over */
    struct weir__par_job *after; /* queued: the next of the same key */
    struct weir__par *par;
    uint64_t seq, key, weight;
    uint8_t state;
    bool emits;     /* over, with an item */
    bool handled;   /* on_fail has been asked, `result` is its answer */
    bool roused;    /* its policy has called while it was running */
    uint32_t told;  /* a letter about that is under way; atomic */
    uint64_t share; /* of the limit, while it runs */
    int64_t wait;   /* of the last attempt: 0, or how long until the next */
    int result;
    struct weir__par_crew *crew; /* that has it; NULL: none */
    struct weir__letter letter, rouse;
    struct weir__timer timer;
    struct weir__plan_run *run; /* NULL without a policy */
    char *in, *out;
};

struct weir__par_crew;

struct weir__par {
    struct weir__pen pen;
    weir_stream *source, *me;
    weir_fn *fn;
    void *ctx;
    struct weir_par_opts opts;
    struct weir_type in, out;
    struct weir__par_job *jobs, **by_seq; /* by_seq: ordered only, at seq % window */
    char *items;
    struct weir__plan_run *runs;
    struct weir__list free, ready, over;
    struct weir__table last; /* of each key that is held, its last job */
    uint64_t used;           /* of the limit, by what runs */
    uint32_t workers, held;
    uint32_t here, away; /* jobs that run on this loop, and elsewhere */
    uint32_t open;       /* held, and not over */
    struct weir__loop *home;
    struct weir__par_crew *crews; /* of the other loops */
    uint32_t crew_count;
    bool starting;      /* a worker that has not looked for work yet */
    uint64_t seq, next; /* of the next item in; of the next result out, if ordered */
    struct weir_event news, room;
    struct weir__timer deadline;
    int end, failed;
    bool started, source_over;
    struct weir__locals *locals; /* the first puller's: whoever starts a worker, a job has these */
};

void weir__par_job_init(struct weir__par_job *j, struct weir__par *p);
/* The item in j->in is taken: 1, 0 if its key says skip it, or why the operator must fail. */
int weir__par_take(struct weir__par *p, struct weir__par_job *j);
/* The job's result was taken, or there is none: its place is free. */
void weir__par_job_free(struct weir__par *p, struct weir__par_job *j);
/* What neither runs nor is over. */
void weir__par_discard_idle(struct weir__par *p);
/* The first failure ends the feeding; unless what runs may end (`drain`), it is cancelled. */
void weir__par_fail(struct weir__par *p, int code, bool drain);
/* One more worker, if there is work and room for it; or a job goes to another loop. */
void weir__par_dispatch(struct weir__par *p);
/* The first that is ready begins to run. */
struct weir__par_job *weir__par_job_begin(struct weir__par *p);
/* Its attempt, on the running fiber: sets `wait` and `result`. */
void weir__par_job_try(struct weir__par_job *j);
/* Asks on_fail, if that is to be asked; on the running fiber. */
void weir__par_job_handle(struct weir__par_job *j);
/* What follows from them, at home. */
void weir__par_job_done(struct weir__par_job *j);
/* No letter about a job is under way. */
void weir__par_jobs_settle(struct weir__par *p);

/* Starts the crews of other loops; 0 or -ENOMEM. */
int weir__par_crews_start(struct weir__par *p);
/* One job goes to another loop: true. */
bool weir__par_crews_take(struct weir__par *p);
/* They leave when nothing will come any more. */
void weir__par_crews_retire(struct weir__par *p);
void weir__par_crews_free(struct weir__par *p);

#endif
