/*
 * fetch_run.c -- the coordinator and the life of a run.
 *
 * One fiber decides (fetch_sched says what), one reads, one writes, one for
 * each attempt in flight waits for the server.  The run ends when the input
 * has ended, nothing is held and every record is out; it then holds that
 * in = ok + failed + left.
 */
#include "fetch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static int64_t run_clock(clockid_t which)
{
    struct timespec ts;
    clock_gettime(which, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

weir_time fetch_now(const struct fetch_run *run)
{
    return run->clock + run_clock(CLOCK_MONOTONIC);
}

/* --- what is over ----------------------------------------------------------- */

static void run_deliver(struct fetch_run *run, struct fetch_job *job)
{
    fetch_list_push(&run->over, job);
    weir_event_set(&run->out_ready);
}

/* With --keep-order an item waits here until all before it are over. */
static void run_over(struct fetch_run *run, struct fetch_job *job)
{
    if (run->order == NULL) {
        run_deliver(run, job);
        return;
    }
    run->order[job->seq % run->order_size] = job;
    struct fetch_job **at;
    while (*(at = &run->order[run->order_next % run->order_size]) != NULL) {
        run_deliver(run, *at);
        *at = NULL;
        run->order_next++;
    }
}

/* --- attempts ----------------------------------------------------------------- */

static void run_flying_add(struct fetch_run *run, struct fetch_job *job)
{
    job->work->prev = NULL;
    job->next = run->flying;
    if (run->flying != NULL)
        run->flying->work->prev = job;
    run->flying = job;
}

static void run_flying_remove(struct fetch_run *run, struct fetch_job *job)
{
    if (job->work->prev != NULL)
        job->work->prev->next = job->next;
    else
        run->flying = job->next;
    if (job->next != NULL)
        job->next->work->prev = job->work->prev;
    job->next = job->work->prev = NULL;
}

static void run_landed(struct fetch_run *run, struct fetch_job *job, struct fetch_result *r)
{
    run_flying_remove(run, job);
    if (r->outcome == FETCH_CANCELLED && run->sched.stop != FETCH_OK)
        r->outcome = run->sched.stop;
    if (fetch_sched_done(&run->sched, job, r, fetch_now(run)))
        run_over(run, job);
    weir_event_set(&run->wake);
}

static int run_attempt_main(void *arg)
{
    struct fetch_job *job = arg;
    struct fetch_run *run = job->work->run;
    struct fetch_result r = {FETCH_CANCELLED, 0, -1, 0, -1, -1, -1, -1};
    int stored = fetch_client_try(run->client, job, &r);
    if (stored < 0 && run->counts.output_error == 0) {
        run->counts.output_error = stored;
        fetch_say(run, "weir fetch: cannot store a body in %s: %s", run->opts->body_dir,
                  weir_strerror(stored));
        fetch_run_stop(run, FETCH_CANCELLED, true);
    }
    if (stored < 0)
        r.outcome = FETCH_CANCELLED;
    run_landed(run, job, &r);
    return 0;
}

static void run_attempt(struct fetch_run *run, struct fetch_job *job)
{
    struct fetch_result lost = {FETCH_CANCELLED, 0, -1, 0, -1, -1, -1, -1};
    job->work->run = run;
    run_flying_add(run, job);
    int r = weir_go(run->requests, run_attempt_main, job);
    if (r == 0)
        return;
    fetch_job_error_set(job, weir_strerror(r));
    run_landed(run, job, &lost);
}

/* --- the coordinator ---------------------------------------------------------- */

void fetch_run_stop(struct fetch_run *run, enum fetch_outcome why, bool abort)
{
    fetch_sched_stop(&run->sched, why, fetch_now(run));
    if (why == FETCH_HALTED || why == FETCH_DEADLINE)
        run->counts.stopped = true;
    if (run->reading != NULL)
        (void)weir_scope_cancel(run->reading, -ECANCELED);
    if (abort && run->requests != NULL)
        (void)weir_scope_cancel(run->requests, -ECANCELED);
    weir_event_set(&run->wake);
}

static void run_policies(struct fetch_run *run)
{
    if (run->sched.stop != FETCH_OK)
        return;
    if (fetch_halt_hit(&run->opts->halt, &run->counts)) {
        fetch_say(run, "weir fetch: stopped by --halt");
        fetch_run_stop(run, FETCH_HALTED, run->opts->halt.now);
    } else if (fetch_now(run) >= run->sched.policy.deadline) {
        fetch_say(run, "weir fetch: the deadline has come");
        fetch_run_stop(run, FETCH_DEADLINE, true);
    }
}

static void run_start_all(struct fetch_run *run)
{
    struct fetch_job *job;
    while ((job = fetch_sched_next(&run->sched, fetch_now(run))) != NULL) {
        if (job->state == FETCH_RUNNING && !run->opts->dry_run)
            run_attempt(run, job);
        else
            run_over(run, job);
    }
}

static weir_time run_wake_at(const struct fetch_run *run)
{
    weir_time at = fetch_sched_wake(&run->sched);
    weir_time deadline = run->sched.stop == FETCH_OK ? run->sched.policy.deadline : WEIR_NEVER;
    return at < deadline ? at : deadline;
}

static int run_coordinate_main(void *arg)
{
    struct fetch_run *run = arg;
    for (;;) {
        weir_event_clear(&run->wake);
        run_policies(run);
        run_start_all(run);
        if (run->input_ended && run->sched.held == 0)
            break;
        int r = weir_event_wait(&run->wake, run_wake_at(run));
        if (r < 0 && r != -ETIMEDOUT && r != -EAGAIN)
            break;
    }
    weir_event_set(&run->coordinated);
    return 0;
}

/* Owns the reader's scope: whoever opened a scope is cancelled with it. */
static int run_reading_main(void *arg)
{
    struct fetch_run *run = arg;
    run->reading = weir_scope_open(NULL);
    if (weir_go(run->reading, fetch_input_main, run) < 0) {
        run->input_ended = run->input_cut = true;
        weir_event_set(&run->wake);
    }
    (void)weir_scope_close(&run->reading);
    return 0;
}

/* --- beginning and end -------------------------------------------------------- */

static int run_init(struct fetch_run *run)
{
    struct fetch_policy policy = run->opts->policy;
    run->began = fetch_now(run);
    run->unix_epoch = run_clock(CLOCK_REALTIME) - run->began;
    if (run->opts->deadline > 0)
        policy.deadline = run->began + run->opts->deadline;
    weir_event_init(&run->wake);
    weir_event_init(&run->out_ready);
    weir_event_init(&run->coordinated);
    if (run->opts->dry_run) { /* nothing is sent: nothing to spare */
        policy.jobs = policy.per_host = UINT32_MAX;
        policy.has_rate = policy.has_host_rate = policy.has_breaker = false;
    }
    int r = weir_sem_init(&run->room, policy.window);
    if (r == 0)
        r = fetch_sched_init(&run->sched, &policy);
    if (r == 0 && run->opts->keep_order) {
        run->order_size = policy.window;
        run->order = calloc(run->order_size, sizeof(struct fetch_job *));
        r = run->order != NULL ? 0 : -ENOMEM;
    }
    if (r == 0 && !run->opts->dry_run)
        r = fetch_client_new(&run->client, run->opts);
    return r;
}

static int run_service_start(struct fetch_run *run)
{
    int r = weir_go(run->service, fetch_signal_main, run);
    if (r == 0 && !run->opts->quiet)
        r = weir_go(run->service, fetch_progress_main, run);
    return r;
}

/*
 * The scopes, from the outside in: service (signals, progress), writing, coordinating, requests.
 * An abort cancels the innermost one, and with it the wait of this fiber: nothing starts any more
 * then, and it goes on to close it.
 */
static int run_fibers(struct fetch_run *run)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP};
    run->service = weir_scope_open(&keep);
    weir_scope *writing = weir_scope_open(&keep), *coordinating = weir_scope_open(&keep);
    keep.limit = run->sched.policy.jobs;
    run->requests = weir_scope_open(&keep);
    int r = run_service_start(run);
    if (r == 0)
        r = weir_go(writing, fetch_output_main, run);
    if (r == 0)
        r = weir_go(coordinating, run_reading_main, run);
    if (r == 0)
        r = weir_go(coordinating, run_coordinate_main, run);
    if (r == 0)
        (void)weir_event_wait(&run->coordinated, WEIR_NEVER);
    (void)weir_scope_close(&run->requests);
    (void)weir_scope_close(&coordinating);
    run->ended = true;
    weir_event_set(&run->out_ready);
    (void)weir_scope_close(&writing);
    (void)weir_scope_cancel(run->service, -ECANCELED);
    (void)weir_scope_close(&run->service);
    return r;
}

static int run_main(void *arg)
{
    struct fetch_run *run = arg;
    int r = run_init(run);
    if (r == 0)
        r = run_fibers(run);
    fetch_client_free(&run->client);
    if (r == 0) {
        if (run->counts.outcomes[FETCH_DEADLINE] > 0)
            run->counts.stopped = true;
        int closed = fetch_out_close(&run->out);
        if (closed < 0 && run->counts.output_error == 0) {
            run->counts.output_error = closed;
            fetch_say(run, "weir fetch: cannot write: %s", weir_strerror(closed));
        }
        fetch_progress_end(run);
    }
    fetch_sched_fini(&run->sched);
    free(run->order);
    return r;
}

/* Before any thread is there: they inherit what is blocked. */
static void run_signals(void)
{
    sigset_t set;
    (void)signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int run_output_open(struct fetch_run *run)
{
    const struct fetch_opts *o = run->opts;
    int r = fetch_out_open(&run->out, o->out);
    if (r < 0) {
        fprintf(stderr, "weir fetch: cannot write to %s: %s\n", o->out != NULL ? o->out : "stdout",
                weir_strerror(r));
        return r;
    }
    if (o->body == FETCH_BODY_FILE && mkdir(o->body_dir, 0777) < 0 && errno != EEXIST) {
        r = -errno;
        fprintf(stderr, "weir fetch: cannot make %s: %s\n", o->body_dir, weir_strerror(r));
    }
    return r;
}

static void run_log(void *ctx, int level, const char *text)
{
    (void)ctx;
    if (level <= WEIR_LOG_WARN)
        fprintf(stderr, "weir fetch: %s\n", text);
}

int fetch_run(const struct fetch_opts *opts)
{
    struct fetch_run *run = calloc(1, sizeof *run);
    struct weir_config config = {.log = run_log, .watchdog = WEIR_S(2), .catch_overflow = 1};
    int code = 4;
    if (run == NULL) {
        fputs("weir fetch: no memory\n", stderr);
        return code;
    }
    run->opts = opts;
    run->clock = weir_now() - run_clock(CLOCK_MONOTONIC); /* off a loop: the clock itself */
    run_signals();
    if (run_output_open(run) == 0) {
        int r = weir_run(&config, run_main, run);
        code = r == 0 ? fetch_counts_exit(&run->counts) : 4;
        if (r < 0)
            fprintf(stderr, "weir fetch: %s\n",
                    r == -ENOTSUP ? "--dns-servers needs a weir built with c-ares"
                                  : weir_strerror(r));
    }
    (void)fetch_out_close(&run->out);
    free(run);
    return code;
}
