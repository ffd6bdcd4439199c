/*
 * fetch_job.h -- one item's life, from its line to its record.
 *
 *     QUEUED -> RUNNING -> DONE
 *        ^         |
 *        +- WAITING  (backoff or Retry-After; holds no slot)
 *
 * A job is made from a line of input, lives while it is held in the window,
 * and is freed once its record is out.
 */
#ifndef WEIR_CLI_FETCH_JOB_H
#define WEIR_CLI_FETCH_JOB_H

#include "fetch_class.h"
#include "fetch_heap.h"

#include <weir/backoff.h>
#include <weir/breaker.h>

enum fetch_state { FETCH_QUEUED = 0, FETCH_RUNNING, FETCH_WAITING, FETCH_DONE };

/* One attempt, as its record will tell. */
struct fetch_try {
    weir_time due; /* since when neither backoff nor a pause held it */
    weir_time start, end;
    weir_span wait;        /* until the next try may start; < 0: there is none */
    weir_span retry_after; /* what the server asked; < 0: nothing */
    int16_t status;
    uint8_t outcome;
};

struct fetch_host;
struct fetch_job;

/* What an item needs from its first attempt on: most of those held have not got there. */
struct fetch_work {
    struct fetch_job *job;
    struct fetch_node node; /* in the heap while WAITING */
    struct fetch_job *prev; /* in flight: the other way of job->next */
    void *run;              /* whoever started the attempt */
    weir_span limit;        /* of the running attempt */
    struct fetch_try *tries;
    struct fetch_try first; /* where the tries are as long as there is one */
    uint32_t tries_cap;
    uint32_t level;         /* of the backoff, in half steps */
    uint32_t auto_timeouts; /* attempts that ran into the adaptive timeout */
    uint64_t host_ok_seen;  /* the host's successes when the last attempt ended */
    struct weir_backoff_state backoff;
    struct weir_breaker_token token;
    struct fetch_result last;
    char *body; /* of a good answer, with --body inline */
    size_t body_len;
    char *file;  /* of a good answer, with --body file */
    char *error; /* the client's words for the last failure; NULL: none */
};

struct fetch_job {
    struct fetch_job *next;  /* in one list at a time */
    struct fetch_host *host; /* NULL: the line is no URL */
    struct fetch_work *work; /* never NULL; before the first attempt it is nobody's, and const */
    uint64_t seq;
    char *url;           /* NULL: the line is no URL */
    const char *problem; /* static text: why the line is no URL, or why it was left */
    weir_time read_at, due, end;
    uint32_t in_len, origin_len, host_at, host_len;
    uint32_t attempts;
    enum fetch_state state;
    enum fetch_outcome outcome;
    char in[]; /* the line, as it came */
};

/*
 * A job for a line, which is copied; blanks around it are not part of it.  A
 * line that is no URL gives a job that is DONE and `invalid`.  NULL: no memory.
 */
struct fetch_job *fetch_job_new(const char *line, size_t len, uint64_t seq, weir_time now);

/* Gives it work of its own, if it has none.  0, or -ENOMEM and nothing changed. */
int fetch_job_prepare(struct fetch_job *job);

/* An attempt starts: a new try is noted.  0, or -ENOMEM and nothing changed. */
int fetch_job_start(struct fetch_job *job, weir_time now);

/* The newest try; the job must have one. */
struct fetch_try *fetch_job_try(const struct fetch_job *job);

/* Drops a body that must not be delivered, in memory and on disk. */
void fetch_job_body_drop(struct fetch_job *job);

/* Keeps a copy of the text; without memory there is none. */
void fetch_job_error_set(struct fetch_job *job, const char *text);

void fetch_job_free(struct fetch_job **job);

#endif
