/*
 * fetch_job.c -- making, starting and freeing one item.
 * Promises: one allocation a job that waits; one more with its first attempt, and then for further
 * tries, its body and its file name.
 */
#include "fetch_job.h"

#include "fetch_url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The work of all that have made no attempt: to be read only. */
static const struct fetch_work job_idle = {.last = {FETCH_INVALID, 0, -1, 0, -1, -1, -1, -1}};

static bool job_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void job_trim(const char **line, size_t *len)
{
    while (*len > 0 && job_blank((*line)[0])) {
        (*line)++;
        (*len)--;
    }
    while (*len > 0 && job_blank((*line)[*len - 1]))
        (*len)--;
}

/* A line without a fragment is its own URL. */
static void job_url_set(struct fetch_job *job, const struct fetch_url *u)
{
    job->url = job->in;
    if (u->end < job->in_len) {
        job->url += job->in_len + 1;
        memcpy(job->url, job->in, u->end);
        job->url[u->end] = 0;
    }
    job->origin_len = (uint32_t)u->origin_len;
    job->host_at = (uint32_t)u->host_at;
    job->host_len = (uint32_t)u->host_len;
}

struct fetch_job *fetch_job_new(const char *line, size_t len, uint64_t seq, weir_time now)
{
    struct fetch_url u = {0, 0, 0, 0};
    job_trim(&line, &len);
    const char *problem = fetch_url_check(line, len, &u);
    size_t keep = len <= FETCH_URL_MAX ? len : FETCH_URL_MAX;
    size_t url = problem == NULL && u.end < keep ? u.end + 1 : 0;
    struct fetch_job *job = calloc(1, sizeof *job + keep + 1 + url);
    if (job == NULL)
        return NULL;
    job->seq = seq;
    job->in_len = (uint32_t)keep;
    memcpy(job->in, line, keep);
    job->read_at = job->due = job->end = now;
    job->work = (struct fetch_work *)&job_idle;
    if (problem == NULL) {
        job_url_set(job, &u);
    } else {
        job->problem = problem;
        job->outcome = FETCH_INVALID;
        job->state = FETCH_DONE;
    }
    return job;
}

int fetch_job_prepare(struct fetch_job *job)
{
    if (job->work != &job_idle)
        return 0;
    struct fetch_work *work = malloc(sizeof *work);
    if (work == NULL)
        return -ENOMEM;
    *work = job_idle;
    work->job = job;
    work->tries = &work->first;
    work->tries_cap = 1;
    job->work = work;
    return 0;
}

static int job_tries_grow(struct fetch_work *work)
{
    uint32_t cap = work->tries_cap * 2;
    struct fetch_try *old = work->tries == &work->first ? NULL : work->tries;
    struct fetch_try *tries = realloc(old, cap * sizeof *tries);
    if (tries == NULL)
        return -ENOMEM;
    if (old == NULL)
        tries[0] = work->first;
    work->tries = tries;
    work->tries_cap = cap;
    return 0;
}

int fetch_job_start(struct fetch_job *job, weir_time now)
{
    int r = fetch_job_prepare(job);
    if (r == 0 && job->attempts == job->work->tries_cap)
        r = job_tries_grow(job->work);
    if (r < 0)
        return r;
    job->work->tries[job->attempts++] = (struct fetch_try){job->due, now, now, -1, -1, 0, FETCH_OK};
    job->state = FETCH_RUNNING;
    return 0;
}

struct fetch_try *fetch_job_try(const struct fetch_job *job)
{
    return &job->work->tries[job->attempts - 1];
}

void fetch_job_body_drop(struct fetch_job *job)
{
    struct fetch_work *work = job->work;
    if (work == &job_idle)
        return;
    free(work->body);
    work->body = NULL;
    work->body_len = 0;
    if (work->file != NULL)
        (void)unlink(work->file);
    free(work->file);
    work->file = NULL;
}

void fetch_job_error_set(struct fetch_job *job, const char *text)
{
    free(job->work->error);
    job->work->error = text[0] != 0 ? strdup(text) : NULL;
}

static void job_work_free(struct fetch_work *work)
{
    if (work == &job_idle)
        return;
    if (work->tries != &work->first)
        free(work->tries);
    free(work->body);
    free(work->file);
    free(work->error);
    free(work);
}

void fetch_job_free(struct fetch_job **job)
{
    if (*job == NULL)
        return;
    job_work_free((*job)->work);
    free(*job);
    *job = NULL;
}
