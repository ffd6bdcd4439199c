/*
 * fetch_job.c -- making, starting and freeing one item.
 * Promises: one allocation a job, one more for its tries, its body and its file name.
 */
#include "fetch_job.h"

#include "fetch_url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void job_url_set(struct fetch_job *job, const struct fetch_url *u)
{
    job->url = job->in + job->in_len + 1;
    memcpy(job->url, job->in, u->end);
    job->url[u->end] = 0;
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
    struct fetch_job *job = calloc(1, sizeof *job + keep + 1 + (problem == NULL ? u.end + 1 : 0));
    if (job == NULL)
        return NULL;
    job->seq = seq;
    job->in = (char *)(job + 1);
    job->in_len = keep;
    memcpy(job->in, line, keep);
    job->read_at = job->due = job->end = now;
    job->last = (struct fetch_result){FETCH_INVALID, 0, -1, 0, -1, -1, -1, -1};
    if (problem == NULL) {
        job_url_set(job, &u);
    } else {
        job->problem = problem;
        job->outcome = FETCH_INVALID;
        job->state = FETCH_DONE;
    }
    return job;
}

int fetch_job_start(struct fetch_job *job, weir_time now)
{
    if (job->attempts == job->tries_cap) {
        uint32_t cap = job->tries_cap > 0 ? job->tries_cap * 2 : 1;
        struct fetch_try *tries = realloc(job->tries, cap * sizeof *tries);
        if (tries == NULL)
            return -ENOMEM;
        job->tries = tries;
        job->tries_cap = cap;
    }
    job->tries[job->attempts++] = (struct fetch_try){job->due, now, now, -1, -1, 0, FETCH_OK};
    job->state = FETCH_RUNNING;
    return 0;
}

struct fetch_try *fetch_job_try(const struct fetch_job *job)
{
    return &job->tries[job->attempts - 1];
}

void fetch_job_body_drop(struct fetch_job *job)
{
    free(job->body);
    job->body = NULL;
    job->body_len = 0;
    if (job->file != NULL)
        (void)unlink(job->file);
    free(job->file);
    job->file = NULL;
}

void fetch_job_error_set(struct fetch_job *job, const char *text)
{
    free(job->error);
    job->error = text[0] != 0 ? strdup(text) : NULL;
}

void fetch_job_free(struct fetch_job **job)
{
    if (*job == NULL)
        return;
    free((*job)->tries);
    free((*job)->body);
    free((*job)->file);
    free((*job)->error);
    free(*job);
    *job = NULL;
}
