/*
 * fetch_http.c -- one attempt, by libweir-http.
 *
 * A body reaches the item, or its file, only from a complete answer with a
 * status of 200 to 299.  Bodies that go to files are written as they come;
 * those that go into records are held whole, up to --max-body.
 */
#include "fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/http.h>

#define HTTP_REDIRECTS 20

struct fetch_client {
    weir_http *http;
    const struct fetch_opts *opts;
};

int fetch_client_new(struct fetch_client **c, const struct fetch_opts *opts)
{
    struct fetch_client *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    struct weir_http_opts http = {.agent = opts->agent,
                                  .proxy = opts->proxy,
                                  .ca_file = opts->ca_file,
                                  .dns_servers = opts->dns_servers,
                                  .insecure = opts->insecure};
    made->opts = opts;
    made->http = weir_http_new(&http);
    *c = made;
    return weir_http_error(made->http);
}

void fetch_client_free(struct fetch_client **c)
{
    if (*c == NULL)
        return;
    weir_http_free(&(*c)->http);
    free(*c);
    *c = NULL;
}

static weir_span http_least(weir_span own, weir_span limit)
{
    return own > 0 && own < limit ? own : limit;
}

static void http_request(const struct fetch_opts *o, const struct fetch_job *job,
                         struct weir_http_req *req)
{
    *req = (struct weir_http_req){
        .url = job->url,
        .method = o->method,
        .headers = o->headers,
        .header_count = o->header_count,
        .body = o->has_data ? o->data : NULL,
        .body_size = o->data_len,
        .redirects = o->follow ? HTTP_REDIRECTS : 0,
        .compressed = o->compressed,
        .max_body = o->max_body,
        .connect_timeout = http_least(o->connect_timeout, job->work->limit),
        .ttfb_timeout = http_least(o->ttfb_timeout, job->work->limit),
        .idle_timeout = job->work->limit,
        .total_timeout = job->work->limit,
    };
}

static enum fetch_outcome http_outcome(const struct weir_http_resp *resp)
{
    static const uint8_t map[] = {
        [WEIR_HTTP_OK] = FETCH_OK,
        [WEIR_HTTP_TIMEOUT_CONNECT] = FETCH_TIMEOUT_CONNECT,
        [WEIR_HTTP_TIMEOUT_TTFB] = FETCH_TIMEOUT_TTFB,
        [WEIR_HTTP_TIMEOUT_IDLE] = FETCH_IDLE,
        [WEIR_HTTP_TIMEOUT_TOTAL] = FETCH_TIMEOUT_TOTAL,
        [WEIR_HTTP_REFUSED] = FETCH_REFUSED,
        [WEIR_HTTP_RESET] = FETCH_RESET,
        [WEIR_HTTP_DNS] = FETCH_DNS,
        [WEIR_HTTP_TLS] = FETCH_TLS,
        [WEIR_HTTP_TRUNCATED] = FETCH_TRUNCATED,
        [WEIR_HTTP_TOO_LARGE] = FETCH_TOO_LARGE,
        [WEIR_HTTP_PROTOCOL] = FETCH_PROTOCOL,
        [WEIR_HTTP_REDIRECT_LOOP] = FETCH_REDIRECT_LOOP,
        [WEIR_HTTP_CANCELLED] = FETCH_CANCELLED,
        [WEIR_HTTP_INVALID] = FETCH_INVALID,
        [WEIR_HTTP_SINK] = FETCH_CANCELLED,
        [WEIR_HTTP_FAILED] = FETCH_RESET, /* out of descriptors, say: a later try may do */
    };
    if (resp->outcome != WEIR_HTTP_OK)
        return (size_t)resp->outcome < sizeof map ? (enum fetch_outcome)map[resp->outcome]
                                                  : FETCH_RESET;
    return resp->status >= 200 && resp->status < 300 ? FETCH_OK : FETCH_HTTP;
}

static void http_result(struct fetch_job *job, const struct weir_http_resp *resp,
                        struct fetch_result *out)
{
    *out = (struct fetch_result){
        .outcome = http_outcome(resp),
        .status = resp->status,
        .retry_after = resp->outcome == WEIR_HTTP_OK ? resp->retry_after : WEIR_NS(-1),
        .bytes = resp->bytes,
        .dns = resp->dns,
        .connect = resp->connect,
        .tls = resp->tls,
        .ttfb = resp->ttfb,
    };
    if (out->outcome != FETCH_OK)
        fetch_job_error_set(job, resp->text);
}

/* The whole body in the item. */
static int http_inline(struct fetch_client *c, struct fetch_job *job,
                       const struct weir_http_req *req, struct weir_http_resp *resp)
{
    (void)!weir_http_do(c->http, req, resp); /* resp->outcome says it all */
    if (http_outcome(resp) != FETCH_OK || resp->body_size == 0)
        return 0;
    job->work->body = malloc(resp->body_size);
    if (job->work->body == NULL)
        return -ENOMEM;
    memcpy(job->work->body, resp->body, resp->body_size);
    job->work->body_len = resp->body_size;
    return 0;
}

static int http_discard(void *ctx, const void *data, size_t size)
{
    (void)ctx;
    (void)data;
    (void)size;
    return 0;
}

static int http_none(struct fetch_client *c, struct weir_http_req *req, struct weir_http_resp *resp)
{
    req->sink = http_discard;
    (void)!weir_http_do(c->http, req, resp);
    return 0;
}

/* A body on its way into a file, which is made once there is something good to put into it. */
struct http_body {
    const char *dir;
    const struct fetch_job *job;
    const struct weir_http_resp *resp;
    struct fetch_file file;
    bool opened;
    int error; /* of the disk, not the server */
};

static int http_body_open(struct http_body *b)
{
    int r = b->opened ? 0 : fetch_file_open(&b->file, b->dir, b->job);
    b->opened = r == 0;
    return r;
}

static int http_body_put(void *ctx, const void *data, size_t size)
{
    struct http_body *b = ctx;
    if (http_outcome(b->resp) != FETCH_OK)
        return 0;
    b->error = http_body_open(b);
    if (b->error == 0)
        b->error = fetch_file_write(&b->file, data, size);
    return b->error;
}

static int http_file(struct fetch_client *c, struct fetch_job *job, const struct weir_http_req *req,
                     struct weir_http_resp *resp)
{
    struct http_body b = {.dir = c->opts->body_dir, .job = job, .resp = resp};
    struct weir_http_req to_file = *req;
    to_file.sink = http_body_put;
    to_file.ctx = &b;
    (void)!weir_http_do(c->http, &to_file, resp);
    bool whole = b.error == 0 && http_outcome(resp) == FETCH_OK;
    if (whole)
        b.error = http_body_open(&b); /* an empty body is a file too */
    if (whole && b.error == 0)
        return fetch_file_keep(&b.file, &job->work->file);
    if (b.opened)
        fetch_file_drop(&b.file);
    return b.error;
}

int fetch_client_try(struct fetch_client *c, struct fetch_job *job, struct fetch_result *out)
{
    struct weir_http_req req;
    struct weir_http_resp resp;
    int r;
    memset(&resp, 0, sizeof resp);
    http_request(c->opts, job, &req);
    if (c->opts->body == FETCH_BODY_INLINE)
        r = http_inline(c, job, &req, &resp);
    else if (c->opts->body == FETCH_BODY_NONE)
        r = http_none(c, &req, &resp);
    else
        r = http_file(c, job, &req, &resp);
    http_result(job, &resp, out);
    weir_http_close(&resp);
    return r;
}
