/*
 * transfer.c -- a request under way: its pool, its phases and their deadlines,
 * its end.
 *
 * A transfer ends once: by libcurl's word (ended) or by ours (abort).  One
 * timer serves all its deadlines: it stands at the least of them, is moved
 * only to an earlier instant, and looks again when it fires.
 */
#include <string.h>
#include <weir/run.h>

#include "http/http.h"

/* --- buffers ----------------------------------------------------------- */

/* Most heads fit, and each transfer of a pool has its own. */
enum { TRANSFER_LEAST = 512 };

int weir__http_buf_grow(struct weir__http_buf *b, size_t more)
{
    size_t cap = b->cap ? b->cap : TRANSFER_LEAST;
    char *data;

    if (more >= SIZE_MAX / 4 - b->len)
        return -ENOMEM;
    if (b->cap > b->len + more)
        return 0;
    while (cap <= b->len + more)
        cap *= 2;
    data = weir__realloc(b->data, b->cap, cap);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

static void transfer_buf_free(struct weir__http_buf *b)
{
    weir__free(b->data, b->cap);
    *b = (struct weir__http_buf){0};
}

/* --- the pool ---------------------------------------------------------- */

void weir__http_transfer_destroy(struct weir__http_transfer *t)
{
    if (t->easy)
        curl_easy_cleanup(t->easy);
    transfer_buf_free(&t->head);
    transfer_buf_free(&t->body);
    weir__free(t, sizeof *t);
}

static void transfer_timer_fire(struct weir__timer *timer);

static struct weir__http_transfer *transfer_new(weir_http *c)
{
    struct weir__http_transfer *t = weir__alloc(sizeof *t);

    if (!t)
        return NULL;
    t->client = c;
    t->timer.fire = transfer_timer_fire;
    t->easy = curl_easy_init();
    if (t->easy)
        return t;
    weir__http_transfer_destroy(t);
    return NULL;
}

struct weir__http_transfer *weir__http_transfer_take(weir_http *c)
{
    struct weir__http_transfer *t = c->pool;

    if (t)
        c->pool = t->next_free;
    else
        t = transfer_new(c);
    if (!t)
        return NULL;
    c->refs++;
    t->next_free = NULL;
    t->phase = WEIR__HTTP_IN_CONNECT;
    t->pulled = t->paused = t->follows = t->head_done = t->reading = t->lent = t->no_body =
        t->once = false;
    t->why = t->sink_error = 0;
    t->named = 0;
    t->head.at = t->head.len = t->body.at = t->body.len = 0;
    t->out = (struct weir_http_resp){
        .retry_after = -1, .dns = -1, .connect = -1, .tls = -1, .ttfb = -1, .total = -1};
    t->problem[0] = 0;
    weir_event_init(&t->event);
    return t;
}

void weir__http_transfer_give(struct weir__http_transfer *t)
{
    weir_http *c = t->client;

    weir__http_transfer_abort(t, WEIR_HTTP_CANCELLED, -ECANCELED);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->resolve);
    t->headers = t->resolve = NULL;
    if (t->body.cap > WEIR__HTTP_KEEP)
        transfer_buf_free(&t->body);
    if (c->closed) {
        weir__http_transfer_destroy(t);
    } else {
        t->next_free = c->pool;
        c->pool = t;
    }
    weir__http_unref(c);
}

/* --- deadlines --------------------------------------------------------- */

static weir_time transfer_sum(weir_time at, weir_span span)
{
    return span >= WEIR_NEVER - at ? WEIR_NEVER : at + span;
}

/* When the present phase has lasted too long. */
static weir_time transfer_phase_end(const struct weir__http_transfer *t)
{
    switch (t->phase) {
    case WEIR__HTTP_IN_CONNECT:
        return transfer_sum(t->since, t->connect);
    case WEIR__HTTP_IN_WAIT:
        return transfer_sum(t->since, t->ttfb);
    case WEIR__HTTP_IN_BODY:
        return transfer_sum(t->paused ? weir_now() : t->since, t->idle);
    default:
        return WEIR_NEVER;
    }
}

static int transfer_timer_set(struct weir__http_transfer *t)
{
    weir_time at = transfer_phase_end(t);

    if (at > t->total_at)
        at = t->total_at;
    if (t->timer.pos && t->timer.at <= at)
        return 0; /* it will look again */
    return weir__timer_arm(&t->timer, at);
}

static enum weir_http_outcome transfer_late(const struct weir__http_transfer *t)
{
    static const enum weir_http_outcome of_phase[] = {
        WEIR_HTTP_TIMEOUT_CONNECT, WEIR_HTTP_TIMEOUT_TTFB, WEIR_HTTP_TIMEOUT_IDLE};

    return weir_now() >= t->total_at ? WEIR_HTTP_TIMEOUT_TOTAL : of_phase[t->phase];
}

static void transfer_timer_fire(struct weir__timer *timer)
{
    struct weir__http_transfer *t = WEIR__ENTRY(timer, struct weir__http_transfer, timer);
    weir_http *c = t->client;

    if (weir_now() >= t->total_at || weir_now() >= transfer_phase_end(t)) {
        weir__http_transfer_abort(t, transfer_late(t), -ETIMEDOUT);
        weir__http_turn(c);
    } else if (transfer_timer_set(t) < 0) {
        weir__http_transfer_abort(t, WEIR_HTTP_FAILED, -ENOMEM);
        weir__http_turn(c);
    }
}

void weir__http_phase_set(struct weir__http_transfer *t, enum weir__http_phase phase)
{
    t->phase = phase;
    t->since = weir_now();
    if (transfer_timer_set(t) < 0 && !t->why)
        t->why = -ENOMEM; /* the next callback ends it */
}

/* --- beginning and end ------------------------------------------------- */

static void transfer_count(weir_http *c)
{
    c->running++;
    if (c->running <= c->most)
        return;
    c->most = c->running;
    if (c->most * 2 > c->opts.idle) {
        c->opts.idle = (uint32_t)c->most * 4; /* in steps, so that it is not set each time */
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->opts.idle);
    }
}

static int transfer_hand(struct weir__http_transfer *t)
{
    weir_http *c = t->client;

    if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK)
        return -ENOMEM;
    t->active = true;
    weir__list_append(&c->active, &t->link);
    transfer_count(c);
    return 0;
}

int weir__http_transfer_start(struct weir__http_transfer *t, const char *url)
{
    int r;

    t->start = weir_now();
    t->total_at = t->total ? transfer_sum(t->start, t->total) : WEIR_NEVER;
    weir__http_phase_set(t, WEIR__HTTP_IN_CONNECT);
    if (t->why)
        return t->why;
    t->naming = true;
    r = weir__http_name_find(t, url);
    if (r != 0) {
        t->naming = false;
        r = r > 0 ? transfer_hand(t) : r;
    }
    if (r < 0)
        weir__timer_stop(&t->timer);
    else
        weir__http_turn(t->client);
    return r;
}

static void transfer_stop(struct weir__http_transfer *t)
{
    weir_http *c = t->client;

    if (t->active) {
        (void)curl_multi_remove_handle(c->multi, t->easy);
        weir__list_remove(&t->link);
        t->active = false;
        c->running--;
    } else if (t->naming) {
        weir__list_remove(&t->link);
        t->naming = false;
    }
    weir__timer_stop(&t->timer);
    t->phase = WEIR__HTTP_IN_DONE;
    weir_event_set(&t->event);
}

void weir__http_transfer_ended(struct weir__http_transfer *t, CURLcode result)
{
    weir__http_outcome_read(t, result);
    transfer_stop(t);
}

void weir__http_transfer_named(struct weir__http_transfer *t, int code)
{
    t->naming = false;
    t->named = weir_now() - t->start;
    if (code == 0)
        code = transfer_hand(t);
    if (code == 0)
        return;
    weir__http_outcome_set(t,
                           code == WEIR_EDNS    ? WEIR_HTTP_DNS
                           : code == -ECANCELED ? WEIR_HTTP_CANCELLED
                                                : WEIR_HTTP_FAILED,
                           code);
    transfer_stop(t);
}

void weir__http_transfer_abort(struct weir__http_transfer *t, enum weir_http_outcome outcome,
                               int code)
{
    if (!t->active && !t->naming)
        return;
    weir__http_outcome_set(t, outcome, code);
    transfer_stop(t);
}
