/*
 * fetch_counts.h -- what was counted, and everything that follows from it alone.
 *
 *     in = ok + failed + left
 *
 * at the end of every run, however it ended; the summary prints it and checks
 * it.  The exit code, the progress line and --halt are functions of counters.
 */
#ifndef WEIR_CLI_FETCH_COUNTS_H
#define WEIR_CLI_FETCH_COUNTS_H

#include "fetch_class.h"

struct fetch_counts {
    uint64_t in, ok, failed, left;
    uint64_t outcomes[FETCH_OUTCOMES];
    uint64_t attempts, bytes;
    uint32_t input_errors; /* files that could not be read */
    int output_error;      /* negative errno of the first write that failed; 0 */
    int signal;            /* SIGINT or SIGTERM once it came; 0 */
    bool stopped;          /* by --halt or --deadline */
};

/* One item more is done. */
void fetch_counts_add(struct fetch_counts *c, enum fetch_outcome o, uint32_t attempts,
                      uint64_t bytes);

bool fetch_counts_hold(const struct fetch_counts *c);

/*
 * The first that holds: 3 input, 4 output, 128 + n signal n, 5 stopped by a
 * policy, 1 some failed, 0 all ok.  (2, usage, ends before anything is counted.)
 */
int fetch_counts_exit(const struct fetch_counts *c);

/* --- --halt ------------------------------------------------------------- */

enum fetch_halt_what { FETCH_HALT_NEVER = 0, FETCH_HALT_FAIL, FETCH_HALT_SUCCESS, FETCH_HALT_DONE };

struct fetch_halt {
    enum fetch_halt_what what;
    bool now;     /* also aborts what is in flight */
    bool percent; /* n is a share of what is done, once 3 or more are */
    uint64_t n;
};

/* "never", "[now,|soon,]fail=N", "...=N%", with success or done for fail.  0 or -EINVAL. */
int fetch_halt_parse(struct fetch_halt *h, const char *text);

bool fetch_halt_hit(const struct fetch_halt *h, const struct fetch_counts *c);

/* --- the progress line -------------------------------------------------- */

struct fetch_view {
    const struct fetch_counts *counts;
    uint64_t waiting, running, hung, held_back; /* retrying, in flight, stuck, paused */
    double elapsed, rate;                       /* seconds; items done a second of late */
    bool total_known;                           /* the input has ended: `in` is the total */
    bool window_full;                           /* --keep-order holds the input back */
    bool draining;                              /* a signal came: nothing new starts */
    bool bar, colour;
    unsigned width; /* of the terminal; 0: not a terminal */
};

/* One line without its end, at most `width` columns; always ends with 0. */
void fetch_view_line(const struct fetch_view *v, char *out, size_t size);

/* The summary: one line that starts with `in = ok + failed + left`, then one per outcome. */
void fetch_view_summary(const struct fetch_view *v, char *out, size_t size);

#endif
