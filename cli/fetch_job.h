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

struct fetch_job {
    struct fetch_job *next, *prev; /* in one list at a time; prev only in flight */
    struct fetch_node node;        /* in the heap while WAITING */
    struct fetch_host *host;       /* NULL: the line is no URL */
    void *run;                     /* whoever started the attempt */
    uint64_t seq;
    char *in; /* the line, as it came */
    size_t in_len;
    char *url; /* NULL: the line is no URL */
    uint32_t origin_len, host_at, host_len;
    enum fetch_state state;
    weir_time read_at, due, end;
    weir_span limit; /* of the running attempt */
    struct fetch_try *tries;
    uint32_t attempts, tries_cap;
    uint32_t level;         /* of the backoff, in half steps */
    uint32_t auto_timeouts; /* attempts that ran into the adaptive timeout */
    uint64_t host_ok_seen;  /* the host's successes when the last attempt ended */
    struct weir_backoff_state backoff;
    struct weir_breaker_token token;
    struct fetch_result last;
    enum fetch_outcome outcome;
    const char *problem; /* static text: why the line is no URL, or why it was left */
    char *body;          /* of a good answer, with --body inline */
    size_t body_len;
    char *file;  /* of a good answer, with --body file */
    char *error; /* the client's words for the last failure; NULL: none */
};

/*
 * A job for a line, which is copied; blanks around it are not part of it.  A
 * line that is no URL gives a job that is DONE and `invalid`.  NULL: no memory.
 */
struct fetch_job *fetch_job_new(const char *line, size_t len, uint64_t seq, weir_time now);

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
