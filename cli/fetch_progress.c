/*
 * fetch_progress.c -- what a person sees on stderr while it runs, and after.
 *
 * On a terminal one line, drawn anew five times a second; elsewhere a plain
 * line every ten seconds.  NO_COLOR and --quiet are obeyed.  stdout is never
 * touched.
 */
#include "fetch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned progress_width(void)
{
    struct winsize w;
    if (!isatty(STDERR_FILENO))
        return 0;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col - 1u : 79u;
}

/* In flight for ten times what 99 of 100 answers of its host take, and for a second. */
static uint64_t progress_hung(const struct fetch_run *run)
{
    uint64_t n = 0;
    for (const struct fetch_job *job = run->flying; job != NULL; job = job->next) {
        weir_span p99 = fetch_hist_quantile(&job->host->hist, 990);
        weir_span limit = p99 > 0 ? FETCH_AUTO_FACTOR * p99 : WEIR_S(5);
        n += fetch_now(run) - fetch_job_try(job)->start > (limit > WEIR_S(1) ? limit : WEIR_S(1));
    }
    return n;
}

static void progress_view(const struct fetch_run *run, struct fetch_view *v)
{
    memset(v, 0, sizeof *v);
    v->counts = &run->counts;
    v->waiting = run->sched.waiting;
    v->running = run->sched.running;
    v->hung = progress_hung(run);
    v->held_back = fetch_sched_held_back(&run->sched);
    v->elapsed = (double)(fetch_now(run) - run->began) / 1e9;
    v->total_known = run->input_ended && !run->input_cut;
    v->window_full = run->opts->keep_order && run->input_waits;
    v->draining = run->sched.stop != FETCH_OK;
    v->bar = run->opts->bar;
    v->width = progress_width();
    const char *no = getenv("NO_COLOR");
    v->colour = v->width > 0 && (no == NULL || no[0] == 0);
}

static void progress_clear(struct fetch_run *run)
{
    if (run->progress_shown)
        fputs("\r\033[K", stderr);
    run->progress_shown = false;
}

void fetch_say(struct fetch_run *run, const char *format, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    progress_clear(run);
    fprintf(stderr, "%s\n", text);
}

/* Fading mean of items a second: a stall shows within a few lines. */
struct progress_rate {
    uint64_t done;
    weir_time at;
    double mean;
};

static double progress_rate(struct progress_rate *r, const struct fetch_run *run)
{
    uint64_t done = run->counts.ok + run->counts.failed + run->counts.left;
    weir_time now = fetch_now(run);
    double span = (double)(now - r->at) / 1e9;
    if (span > 0) {
        double rate = (double)(done - r->done) / span;
        double keep = r->done == 0 && r->mean <= 0 ? 0 : 1.0 / (1.0 + span);
        r->mean = r->mean * keep + rate * (1 - keep);
    }
    r->done = done;
    r->at = now;
    return r->mean;
}

static void progress_draw(struct fetch_run *run, struct progress_rate *rate)
{
    char line[512];
    struct fetch_view v;
    progress_view(run, &v);
    v.rate = progress_rate(rate, run);
    fetch_view_line(&v, line, sizeof line);
    if (v.width > 0)
        fprintf(stderr, "\r\033[K%s", line);
    else
        fprintf(stderr, "%s\n", line);
    (void)fflush(stderr);
    run->progress_shown = v.width > 0;
}

int fetch_progress_main(void *arg)
{
    struct fetch_run *run = arg;
    struct progress_rate rate = {0, run->began, 0};
    weir_span every = progress_width() > 0 ? WEIR_MS(200) : WEIR_S(10);
    while (weir_sleep(weir_after(every)) == 0)
        progress_draw(run, &rate);
    return 0;
}

void fetch_progress_end(struct fetch_run *run)
{
    char text[1024];
    struct fetch_view v;
    progress_clear(run);
    if (run->opts->quiet)
        return;
    progress_view(run, &v);
    fetch_view_summary(&v, text, sizeof text);
    fputs(text, stderr);
    if (run->input_cut)
        fputs("the input was not read to its end\n", stderr);
}
