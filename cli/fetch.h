/*
 * fetch.h -- what the files of `weir fetch` share: the flags, and the parts of a run.
 */
#ifndef WEIR_CLI_FETCH_H
#define WEIR_CLI_FETCH_H

#include "fetch_counts.h"
#include "fetch_record.h"
#include "fetch_sched.h"

#include <weir/run.h>
#include <weir/scope.h>
#include <weir/sync.h>

/* --- flags (fetch_opts.c) ----------------------------------------------- */

struct fetch_opts {
    struct fetch_policy policy;
    struct fetch_halt halt;
    const char *method, *agent, *proxy, *ca_file, *dns_servers; /* NULL: none */
    const char **headers;                                       /* "Name: value" */
    size_t header_count;
    char *data;
    size_t data_len;
    bool has_data, follow, insecure, compressed;
    weir_span connect_timeout, ttfb_timeout; /* 0: as --max-time */
    weir_span deadline;                      /* 0: none */
    uint64_t max_body;
    bool keep_order, quiet, bar, dry_run;
    enum fetch_body body;
    const char *body_dir, *out; /* NULL: none, stdout */
    char **inputs;
    int input_count;
};

/* 1: go on.  0: all is said (--help, --version).  Negative: a usage error was printed. */
int fetch_opts_parse(struct fetch_opts *o, int argc, char **argv);
void fetch_opts_fini(struct fetch_opts *o);

/* What --help prints. */
void fetch_help(void);

/* --- a run (fetch_run.c) ------------------------------------------------ */

struct fetch_out;
struct fetch_client;

/*
 * Everything here belongs to one loop: its fibers change it between two
 * points at which they park, and need no lock.
 *
 *     reader --room--> sched --flying--> over --> order --> writer
 *
 * The reader takes a permit of `room` for each item, the writer gives it
 * back once the record is rendered: that bounds what is held.
 */
struct fetch_run {
    const struct fetch_opts *opts;
    struct fetch_sched sched;
    struct fetch_counts counts;
    struct weir_sem room;
    struct weir_event wake;        /* for the coordinator: something happened */
    struct weir_event out_ready;   /* for the writer: `over` has items, or the end */
    struct weir_event coordinated; /* the coordinator has ended */
    struct fetch_list over;        /* for the writer, in output order */
    struct fetch_job **order;      /* --keep-order: what is over, at seq % order_size */
    size_t order_size;
    uint64_t order_next;
    struct fetch_job *flying; /* attempts in flight, linked by `next` */
    weir_scope *reading, *requests, *service;
    struct fetch_client *client;
    struct fetch_out *out;
    weir_time began;
    int64_t clock;      /* + CLOCK_MONOTONIC = a weir_time */
    int64_t unix_epoch; /* + a weir_time = ns since 1970 */
    uint64_t seq;
    bool input_ended, input_cut, input_waits, ended, progress_shown;
};

/*
 * The clock itself, not the loop's idea of now: a wait that the server asked
 * for counts from when its answer was really here.
 */
weir_time fetch_now(const struct fetch_run *run);

/* The run, from the first line to the summary: the exit code. */
int fetch_run(const struct fetch_opts *opts);

/* Nothing starts any more; `abort` also cuts what is in flight.  Never parks. */
void fetch_run_stop(struct fetch_run *run, enum fetch_outcome why, bool abort);

/* Fibers; `arg` is the run. */
int fetch_input_main(void *arg);    /* fetch_input.c: lines to jobs */
int fetch_output_main(void *arg);   /* fetch_out.c: jobs to records */
int fetch_progress_main(void *arg); /* fetch_progress.c: the line on stderr */
int fetch_signal_main(void *arg);   /* fetch_signal.c: drains, then aborts */

/* Clears the progress line and prints the summary. */
void fetch_progress_end(struct fetch_run *run);

/* A line on stderr, past the progress line if there is one. */
void fetch_say(struct fetch_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- the records' way out (fetch_out.c) --------------------------------- */

/* `path` NULL is stdout.  0, or a negative errno.  Call it before weir_run. */
int fetch_out_open(struct fetch_out **out, const char *path);

/* All of the buffer, which is emptied; parks.  0 or a negative errno. */
int fetch_out_write(struct fetch_out *out, struct fetch_buf *b);

/* With the verdict of close(2): 0 or a negative errno.  NULL is fine. */
int fetch_out_close(struct fetch_out **out);

/* --- bodies in files (fetch_file.c) ------------------------------------- */

/*
 * A file that appears under its name only when it is whole: it is written
 * under a hidden name beside it and renamed by fetch_file_keep.
 */
struct fetch_file {
    int fd;
    char *path, *temp;
};

int fetch_file_open(struct fetch_file *f, const char *dir, const struct fetch_job *job);
int fetch_file_write(struct fetch_file *f, const void *p, size_t n);
/* Renames it; the path is the caller's to free.  0, or a negative errno and nothing is left. */
int fetch_file_keep(struct fetch_file *f, char **out_path);
void fetch_file_drop(struct fetch_file *f);

/* --- one attempt (fetch_http.c) ----------------------------------------- */

int fetch_client_new(struct fetch_client **c, const struct fetch_opts *opts);
void fetch_client_free(struct fetch_client **c);

/*
 * Makes one attempt; parks.  Fills *out and, for an `ok` one, the job's body
 * or file; its error text otherwise.  0, or a negative errno if the body
 * could not be stored: that is an output error, not the server's.
 */
int fetch_client_try(struct fetch_client *c, struct fetch_job *job, struct fetch_result *out);

#endif
