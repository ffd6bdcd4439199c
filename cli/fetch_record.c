/*
 * fetch_record.c -- the NDJSON record.
 * Promises: exactly one line; every field in a fixed order; nothing of a body
 * that is not known to be whole.
 */
#include "fetch_record.h"

#include <string.h>

static void record_span(struct fetch_buf *b, const char *name, weir_span span)
{
    if (span < 0)
        return;
    fetch_buf_text(b, name);
    fetch_buf_millis(b, span);
}

static void record_status(struct fetch_buf *b, int status)
{
    fetch_buf_text(b, ",\"status\":");
    if (status > 0)
        fetch_buf_u64(b, (uint64_t)status);
    else
        fetch_buf_text(b, "null");
}

static void record_outcome(struct fetch_buf *b, enum fetch_outcome o)
{
    fetch_buf_text(b, "\"outcome\":\"");
    fetch_buf_text(b, fetch_outcome_name(o));
    fetch_buf_text(b, "\"");
}

static void record_in(struct fetch_buf *b, const struct fetch_job *job)
{
    fetch_buf_text(b, "{\"v\":1,\"seq\":");
    fetch_buf_u64(b, job->seq);
    fetch_buf_text(b, ",\"in\":");
    fetch_buf_json(b, job->in, job->in_len);
    if (!fetch_utf8_is(job->in, job->in_len)) {
        fetch_buf_text(b, ",\"in_b64\":\"");
        fetch_buf_base64(b, job->in, job->in_len);
        fetch_buf_text(b, "\"");
    }
    fetch_buf_text(b, ",\"url\":");
    if (job->url != NULL)
        fetch_buf_json(b, job->url, strlen(job->url));
    else
        fetch_buf_text(b, "null");
}

static weir_span record_running(const struct fetch_job *job)
{
    weir_span sum = 0;
    for (uint32_t i = 0; i < job->attempts; i++)
        sum += job->work->tries[i].end - job->work->tries[i].start;
    return sum;
}

/* total: line read to done.  wait: of it, not in an attempt.  The rest: of the last attempt. */
static void record_ms(struct fetch_buf *b, const struct fetch_job *job)
{
    weir_span total = job->end - job->read_at;
    fetch_buf_text(b, ",\"ms\":{\"total\":");
    fetch_buf_millis(b, total);
    record_span(b, ",\"wait\":", total - record_running(job));
    record_span(b, ",\"dns\":", job->work->last.dns);
    record_span(b, ",\"connect\":", job->work->last.connect);
    record_span(b, ",\"tls\":", job->work->last.tls);
    record_span(b, ",\"ttfb\":", job->work->last.ttfb);
    fetch_buf_text(b, "}");
}

static void record_try(struct fetch_buf *b, const struct fetch_try *t, int64_t unix_epoch)
{
    fetch_buf_text(b, "{\"due\":");
    fetch_buf_seconds(b, t->due + unix_epoch);
    fetch_buf_text(b, ",\"t\":");
    fetch_buf_seconds(b, t->start + unix_epoch);
    record_span(b, ",\"ms\":", t->end - t->start);
    fetch_buf_text(b, ",");
    record_outcome(b, t->outcome);
    record_status(b, t->status);
    record_span(b, ",\"retry_after_ms\":", t->retry_after);
    record_span(b, ",\"wait_ms\":", t->wait);
    fetch_buf_text(b, "}");
}

static void record_tries(struct fetch_buf *b, const struct fetch_job *job, int64_t unix_epoch)
{
    fetch_buf_text(b, ",\"host\":");
    if (job->url != NULL)
        fetch_buf_json(b, job->url + job->host_at, job->host_len);
    else
        fetch_buf_text(b, "null");
    fetch_buf_text(b, ",\"tries\":[");
    for (uint32_t i = 0; i < job->attempts; i++) {
        if (i > 0)
            fetch_buf_text(b, ",");
        record_try(b, &job->work->tries[i], unix_epoch);
    }
    fetch_buf_text(b, "]");
}

static void record_body(struct fetch_buf *b, const struct fetch_job *job, enum fetch_body body)
{
    if (job->outcome != FETCH_OK || body == FETCH_BODY_NONE)
        return;
    if (body == FETCH_BODY_FILE) {
        fetch_buf_text(b, ",\"file\":");
        fetch_buf_json(b, job->work->file != NULL ? job->work->file : "",
                       job->work->file != NULL ? strlen(job->work->file) : 0);
    } else if (fetch_utf8_is(job->work->body, job->work->body_len)) {
        fetch_buf_text(b, ",\"body\":");
        fetch_buf_json(b, job->work->body, job->work->body_len);
    } else {
        fetch_buf_text(b, ",\"body_b64\":\"");
        fetch_buf_base64(b, job->work->body, job->work->body_len);
        fetch_buf_text(b, "\"");
    }
}

static void record_error(struct fetch_buf *b, const struct fetch_job *job)
{
    const char *problem = job->problem != NULL ? job->problem : "";
    const char *error = job->work->error != NULL ? job->work->error : "";
    if (job->outcome == FETCH_OK)
        return;
    fetch_buf_text(b, ",\"error\":");
    struct fetch_buf text = {NULL, 0, 0, false};
    fetch_buf_text(&text, problem);
    if (problem[0] != 0 && error[0] != 0)
        fetch_buf_text(&text, "; before: ");
    fetch_buf_text(&text, error);
    if (text.n == 0)
        fetch_buf_text(&text, fetch_outcome_name(job->outcome));
    fetch_buf_json(b, text.p, text.n);
    b->failed = b->failed || text.failed;
    fetch_buf_fini(&text);
}

void fetch_record_put(struct fetch_buf *b, const struct fetch_job *job, enum fetch_body body,
                      int64_t unix_epoch)
{
    record_in(b, job);
    fetch_buf_text(b, job->outcome == FETCH_OK ? ",\"ok\":true," : ",\"ok\":false,");
    record_outcome(b, job->outcome);
    record_status(b, job->work->last.status);
    fetch_buf_text(b, ",\"attempts\":");
    fetch_buf_u64(b, job->attempts);
    fetch_buf_text(b, ",\"bytes\":");
    fetch_buf_u64(b, job->work->last.bytes);
    fetch_buf_text(b, ",\"t\":");
    fetch_buf_seconds(b, job->end + unix_epoch);
    record_ms(b, job);
    record_tries(b, job, unix_epoch);
    record_body(b, job, body);
    record_error(b, job);
    fetch_buf_text(b, "}\n");
}

void fetch_record_plan(struct fetch_buf *b, const struct fetch_job *job)
{
    record_in(b, job);
    fetch_buf_text(b, ",\"host\":");
    if (job->url != NULL) {
        fetch_buf_json(b, job->url + job->host_at, job->host_len);
        fetch_buf_text(b, ",\"planned\":true}\n");
        return;
    }
    fetch_buf_text(b, "null,\"planned\":false,");
    record_outcome(b, FETCH_INVALID);
    record_error(b, job);
    fetch_buf_text(b, "}\n");
}
