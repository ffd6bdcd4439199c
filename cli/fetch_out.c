/*
 * fetch_out.c -- the writer: items that are over become records.
 *
 * An item counts as what it is only once its record is out; if the output
 * fails, the items that did not get out are `left`, and nothing more is
 * started.  A reader that is slow or has stopped parks this fiber, not the
 * program.
 */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/io.h>

#define OUT_BATCH (64u << 10)

struct fetch_out {
    int fd;
    int restore; /* flags of a shared description to put back; negative: none */
};

/* See input_stdin: a pipe or terminal is opened anew, so that only we do not block on it. */
static int out_stdout(struct fetch_out *out)
{
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) < 0)
        return -errno;
    out->fd = STDOUT_FILENO;
    if (S_ISFIFO(st.st_mode) || isatty(STDOUT_FILENO)) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (fd >= 0) {
            out->fd = fd;
            return 0;
        }
    }
    if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) {
        out->restore = fcntl(STDOUT_FILENO, F_GETFL);
        (void)fcntl(STDOUT_FILENO, F_SETFL, out->restore | O_NONBLOCK);
    }
    return 0;
}

static int out_file(struct fetch_out *out, const char *path)
{
    out->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    return out->fd < 0 ? -errno : 0;
}

int fetch_out_open(struct fetch_out **out, const char *path)
{
    struct fetch_out *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->restore = -1;
    int r = path == NULL ? out_stdout(made) : out_file(made, path);
    if (r < 0) {
        free(made);
        return r;
    }
    *out = made;
    return 0;
}

int fetch_out_write(struct fetch_out *out, struct fetch_buf *b)
{
    size_t done = 0;
    ssize_t r = b->failed ? -ENOMEM : weir_write_all(out->fd, b->p, b->n, &done, WEIR_NEVER);
    fetch_buf_reset(b, 4 * OUT_BATCH);
    return r < 0 ? (int)r : 0;
}

int fetch_out_close(struct fetch_out **out)
{
    int r = 0;
    if (*out == NULL)
        return 0;
    if ((*out)->restore >= 0)
        (void)fcntl((*out)->fd, F_SETFL, (*out)->restore);
    if (close((*out)->fd) < 0)
        r = -errno;
    free(*out);
    *out = NULL;
    return r;
}

/* Turns items into text until there is a batch of it, and counts them in `batch`. */
static void out_render(struct fetch_run *run, struct fetch_buf *b, struct fetch_counts *batch)
{
    struct fetch_job *job;
    while (b->n < OUT_BATCH && (job = fetch_list_pop(&run->over)) != NULL) {
        enum fetch_outcome o = run->counts.output_error != 0 ? FETCH_CANCELLED : job->outcome;
        fetch_counts_add(batch, o, run->opts->dry_run ? 0 : job->attempts, job->work->last.bytes);
        if (run->counts.output_error == 0 && !run->opts->dry_run)
            fetch_record_put(b, job, run->opts->body, run->unix_epoch);
        else if (run->counts.output_error == 0)
            fetch_record_plan(b, job);
        fetch_sched_release(&run->sched, &job);
        (void)weir_sem_give(&run->room, 1);
    }
}

static void out_count(struct fetch_counts *to, const struct fetch_counts *batch)
{
    to->ok += batch->ok;
    to->failed += batch->failed;
    to->left += batch->left;
    to->attempts += batch->attempts;
    to->bytes += batch->bytes;
    for (int o = 0; o < FETCH_OUTCOMES; o++)
        to->outcomes[o] += batch->outcomes[o];
}

/* The batch did not get out: whatever its items were, nobody was told. */
static void out_lose(struct fetch_counts *batch)
{
    uint64_t n = batch->ok + batch->failed + batch->left;
    uint64_t attempts = batch->attempts, bytes = batch->bytes;
    memset(batch, 0, sizeof *batch);
    batch->left = batch->outcomes[FETCH_CANCELLED] = n;
    batch->attempts = attempts;
    batch->bytes = bytes;
}

static void out_failed(struct fetch_run *run, int why)
{
    if (why == -ECANCELED || run->counts.output_error != 0)
        return;
    run->counts.output_error = why;
    fetch_say(run, "weir fetch: cannot write to %s: %s",
              run->opts->out != NULL ? run->opts->out : "stdout", weir_strerror(why));
    fetch_run_stop(run, FETCH_CANCELLED, true);
}

static void out_batch(struct fetch_run *run, struct fetch_buf *b)
{
    struct fetch_counts batch;
    memset(&batch, 0, sizeof batch);
    out_render(run, b, &batch);
    int r = b->n > 0 || b->failed ? fetch_out_write(run->out, b) : 0;
    if (r < 0) {
        out_lose(&batch);
        out_failed(run, r);
    }
    out_count(&run->counts, &batch);
    weir_event_set(&run->wake);
}

int fetch_output_main(void *arg)
{
    struct fetch_run *run = arg;
    struct fetch_buf b = {NULL, 0, 0, false};
    while (!run->ended || run->over.n > 0) {
        if (run->over.n > 0) {
            out_batch(run, &b);
            continue;
        }
        weir_event_clear(&run->out_ready);
        if (weir_event_wait(&run->out_ready, WEIR_NEVER) < 0)
            break;
    }
    while (run->over.n > 0) /* cancelled: what is left is counted as left */
        out_batch(run, &b);
    fetch_buf_fini(&b);
    return 0;
}
