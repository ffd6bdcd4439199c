/*
 * request.c -- the calls that a fiber makes: do, open, read, close.
 *
 * They run on the fiber's stack and go to libcurl by weir_loop_call only.  A
 * fiber that is cancelled while it waits aborts its transfer before it
 * returns.
 */
#include <stdio.h>
#include <string.h>
#include <weir/call.h>
#include <weir/run.h>

#include "http/http.h"

/* --- on the loop's stack ----------------------------------------------- */

struct request_start {
    weir_http *client;
    const struct weir_http_req *req;
    bool pulled;
    struct weir__http_transfer *t;
};

static int request_begin(void *start)
{
    struct request_start *s = start;
    int r;

    s->t = weir__http_transfer_take(s->client);
    if (!s->t)
        return -ENOMEM;
    s->t->pulled = s->pulled;
    r = weir__http_easy_setup(s->t, s->req);
    if (r == 0)
        r = weir__http_transfer_start(s->t, s->req->url);
    if (r < 0) {
        weir__http_transfer_give(s->t);
        s->t = NULL;
    }
    return r;
}

static int request_give(void *transfer)
{
    weir__http_transfer_give(transfer);
    return 0;
}

static int request_cancel(void *transfer)
{
    struct weir__http_transfer *t = transfer;

    if (t->sink_error)
        weir__http_transfer_abort(t, WEIR_HTTP_SINK, t->sink_error);
    else
        weir__http_transfer_abort(t, WEIR_HTTP_CANCELLED, -ECANCELED);
    return 0;
}

static int request_resume(void *transfer)
{
    struct weir__http_transfer *t = transfer;

    if (!t->active)
        return 0;
    t->paused = false;
    t->since = weir_now();
    (void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
    weir__http_turn(t->client);
    return 0;
}

/* --- on the fiber ------------------------------------------------------ */

static void request_tell(const struct weir_http_resp *resp)
{
    enum weir_class cls = WEIR_CLASS_AUTO;

    if (resp->error == 0) {
        if (resp->status == 429)
            cls = WEIR_CLASS_THROTTLED;
        else if (resp->status == 408 || resp->status == 425)
            cls = WEIR_CLASS_TRANSIENT;
        else if (resp->status >= 500)
            cls =
                resp->status == 501 || resp->status == 505 ? WEIR_CLASS_CLIENT : WEIR_CLASS_SERVER;
        else if (resp->status >= 400)
            cls = WEIR_CLASS_CLIENT;
    }
    (void)weir_try_hint(cls, resp->retry_after > 0 ? resp->retry_after : 0);
}

/* What is known goes into the caller's struct; the result. */
static int request_show(struct weir__http_transfer *t, struct weir_http_resp *resp)
{
    weir__check(t);
    if (!t->pulled && t->phase == WEIR__HTTP_IN_DONE && t->out.error == 0 && t->body.data) {
        t->body.data[t->body.len] = 0;
        t->out.body = t->body.data;
        t->out.body_size = t->body.len;
    }
    t->out.head = t->head.len ? t->head.data : NULL;
    t->out.head_size = t->head.len;
    t->out.opaque = t;
    *resp = t->out;
    return resp->error;
}

/* How a body ends is told to who has read it to its end, not before. */
static void request_hide(struct weir_http_resp *resp)
{
    resp->outcome = WEIR_HTTP_OK;
    resp->error = 0;
    resp->text[0] = 0;
}

static int request_refused(struct weir_http_resp *resp, int code)
{
    *resp = (struct weir_http_resp){.error = code,
                                    .retry_after = -1,
                                    .dns = -1,
                                    .connect = -1,
                                    .tls = -1,
                                    .ttfb = -1,
                                    .total = -1};
    resp->outcome = code == -EINVAL      ? WEIR_HTTP_INVALID
                    : code == -ECANCELED ? WEIR_HTTP_CANCELLED
                                         : WEIR_HTTP_FAILED;
    snprintf(resp->text, sizeof resp->text, "the request: %s", weir_strerror(code));
    return code;
}

/* Parks until something is new.  A cancel ends the transfer here and now. */
static int request_wait(struct weir__http_transfer *t)
{
    int r = weir_event_wait(&t->event, WEIR_NEVER);

    weir_event_clear(&t->event);
    if (r < 0)
        (void)weir_loop_call(request_cancel, t);
    return r;
}

static int request_start(weir_http *client, const struct weir_http_req *req, bool pulled,
                         struct weir__http_transfer **out)
{
    struct request_start s = {client, req, pulled, NULL};
    int r = client ? client->poison : -EINVAL;

    if (r == 0 && !req)
        r = -EINVAL;
    if (r == 0 && weir__loop_here && client->loop != weir__loop_here)
        r = -EXDEV;
    if (r == 0)
        r = weir_checkpoint(); /* a cancelled fiber sends nothing */
    if (r == 0)
        r = weir_loop_call(request_begin, &s);
    *out = s.t;
    return r;
}

/* Before the first piece: what the head said.  The answer is nobody's to read or close yet. */
static void request_foretell(struct weir__http_transfer *t, struct weir_http_resp *resp)
{
    (void)request_show(t, resp);
    request_hide(resp);
    resp->opaque = NULL;
}

/* Gives the pieces that are there to the sink: the sink may park, and more may come meanwhile. */
static void request_pour(struct weir__http_transfer *t, const struct weir_http_req *req,
                         struct weir_http_resp *resp)
{
    struct weir__http_buf *b = &t->body;
    size_t to;

    if (!resp->status)
        request_foretell(t, resp);
    t->lent = true;
    while (b->at < b->len && !t->sink_error) {
        to = b->len;
        t->sink_error = req->sink(req->ctx, b->data + b->at, to - b->at);
        if (t->sink_error > 0)
            t->sink_error = 0;
        b->at = to;
    }
    t->lent = false;
    b->at = b->len = 0;
    if (t->sink_error)
        (void)weir_loop_call(request_cancel, t);
    else if (t->paused)
        (void)weir_loop_call(request_resume, t);
}

static void request_run(struct weir__http_transfer *t, const struct weir_http_req *req,
                        struct weir_http_resp *resp)
{
    weir__check(t);
    while (t->phase != WEIR__HTTP_IN_DONE) {
        if (request_wait(t) < 0)
            return;
        if (t->pulled && t->body.at < t->body.len)
            request_pour(t, req, resp);
    }
    if (t->pulled && t->out.error == 0 && t->body.at < t->body.len)
        request_pour(t, req, resp); /* it ended before the wait: what is left */
    if (t->sink_error && t->out.error == 0) {
        t->out.outcome = WEIR_HTTP_SINK;
        t->out.error = t->sink_error;
    }
}

int weir_http_do(weir_http *client, const struct weir_http_req *req, struct weir_http_resp *resp)
{
    struct weir__http_transfer *t;
    int r;

    if (!resp)
        return -EINVAL;
    weir_http_close(resp);
    if (resp->opaque)
        return -EXDEV; /* the answer it holds is another loop's */
    r = request_start(client, req, req && req->sink, &t);
    if (r < 0)
        return request_refused(resp, r);
    request_run(t, req, resp);
    r = request_show(t, resp);
    request_tell(resp);
    return r;
}

int weir_http_open(weir_http *client, const struct weir_http_req *req, struct weir_http_resp *resp)
{
    struct weir__http_transfer *t;
    int r;

    if (!resp)
        return -EINVAL;
    weir_http_close(resp);
    if (resp->opaque)
        return -EXDEV;
    if (req && req->sink)
        return request_refused(resp, -EINVAL);
    r = request_start(client, req, true, &t);
    if (r < 0)
        return request_refused(resp, r);
    weir__check(t);
    while (r == 0 && !t->head_done && t->phase != WEIR__HTTP_IN_DONE)
        r = request_wait(t);
    (void)request_show(t, resp);
    if (t->head_done)
        request_hide(resp);
    request_tell(resp);
    return resp->error;
}

/* --- reading ----------------------------------------------------------- */

static ssize_t request_take(struct weir__http_transfer *t, void *buf, size_t size)
{
    struct weir__http_buf *b = &t->body;

    if (size > b->len - b->at)
        size = b->len - b->at;
    memcpy(buf, b->data + b->at, size);
    b->at += size;
    if (b->at == b->len) {
        b->at = b->len = 0;
        if (t->paused)
            (void)weir_loop_call(request_resume, t);
    }
    return (ssize_t)size;
}

static ssize_t request_read(struct weir__http_transfer *t, void *buf, size_t size)
{
    for (;;) {
        if (t->body.at < t->body.len)
            return request_take(t, buf, size);
        if (t->phase == WEIR__HTTP_IN_DONE)
            return t->out.error;
        if (request_wait(t) < 0)
            return t->out.error ? t->out.error : -ECANCELED;
    }
}

ssize_t weir_http_read(struct weir_http_resp *resp, void *buf, size_t size)
{
    struct weir__http_transfer *t = resp ? resp->opaque : NULL;
    ssize_t n;

    if (!resp || !buf || size == 0 || size > INT32_MAX)
        return -EINVAL;
    if (!t)
        return resp->error ? resp->error : -EINVAL;
    if (!t->pulled)
        return -EINVAL;
    if (t->client->loop != weir__loop_here)
        return weir__loop_here ? -EXDEV : WEIR_ENOFIBER;
    if (t->reading)
        return -EBUSY;
    t->reading = true;
    n = request_read(t, buf, size);
    t->reading = false;
    (void)request_show(t, resp);
    if (n > 0)
        request_hide(resp);
    return n;
}

void weir_http_close(struct weir_http_resp *resp)
{
    const struct weir__http_transfer *t = resp ? resp->opaque : NULL;

    if (!resp || (t && t->client->loop != weir__loop_here))
        return;
    if (t)
        (void)weir_loop_call(request_give, resp->opaque);
    *resp = (struct weir_http_resp){0};
}
