/*
 * chaos_answer.c -- what a request gets: the fault that is due, or the document.
 *
 * The order is fixed: a bad request is refused, a control path answered, an
 * outage resets, the rate limit refuses; only then does the request become an
 * attempt with a number, and that number decides the rest.  So what the rate
 * limit or an outage does depends on time, and the faults of --fail,
 * --first-n-fail and --latency do not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "chaos.h"

/* The latency that load makes longer, when --latency gives none. */
#define CHAOS_CAPACITY_LATENCY WEIR_MS(20)

enum { CHAOS_DRIPS = 20 };

/* --- plain answers ------------------------------------------------------------------------- */

static enum chaos_next chaos_after(struct chaos_conn *c, int r, int close)
{
    if (r < 0) {
        c->server->stats.client_gone++;
        return CHAOS_DROP;
    }
    return close ? CHAOS_CLOSE : CHAOS_KEEP;
}

static int chaos_closes(const struct chaos_conn *c)
{
    return !c->req.keep_alive || c->server->stopping;
}

/* The whole body under `reply`'s head. */
static int chaos_deliver(struct chaos_conn *c, struct chaos_reply *reply,
                         const struct chaos_body *body)
{
    uint64_t end = c->req.method == HTTP_HEAD ? 0 : body->size, sent;
    int r = chaos_send_head(c, reply, body, end, &sent);

    return r < 0 ? r : chaos_send_body(c, body, sent, end);
}

/* A small JSON answer that is no document: refusals and faults. */
static enum chaos_next chaos_say(struct chaos_conn *c, unsigned status, uint32_t retry_after,
                                 const char *error, int close)
{
    struct chaos_body body = {.status = status, .text = c->text};
    struct chaos_reply reply = {.status = status, .retry_after = retry_after, .close = close};
    int r;

    body.size = reply.declared = (uint64_t)snprintf(
        c->text, sizeof c->text, "{\"error\":\"%s\",\"status\":%u}\n", error, status);
    if (retry_after)
        chaos_stats_retry_after(&c->server->stats, c->req.path, c->req.path_size, retry_after,
                                chaos_clock());
    r = chaos_deliver(c, &reply, &body);
    return chaos_after(c, r, close);
}

static enum chaos_next chaos_answer_stats(struct chaos_conn *c)
{
    struct chaos_server *s = c->server;
    struct chaos_body body = {.page = CHAOS_PAGE_STATS, .status = 200};
    struct chaos_reply reply = {.status = 200, .close = chaos_closes(c)};
    int with_paths = strstr(c->req.path, "paths=1") != NULL, r;
    size_t size = 0;

    body.text =
        chaos_stats_json(&s->stats, &s->opts.spec, s->opts.seed, chaos_clock(), with_paths, &size);
    if (!body.text)
        return chaos_say(c, 503, 0, "no memory", 1);
    body.size = reply.declared = size;
    r = chaos_deliver(c, &reply, &body);
    free(body.text);
    return chaos_after(c, r, reply.close);
}

static enum chaos_next chaos_answer_reset(struct chaos_conn *c)
{
    struct chaos_server *s = c->server;
    struct chaos_body body = {.status = 200, .text = c->text};
    struct chaos_reply reply = {.status = 200, .close = chaos_closes(c)};
    int r;

    chaos_stats_reset(&s->stats, chaos_clock());
    if (s->opts.rate.count)
        weir_rate_init(&s->rate, &s->opts.rate);
    body.size = reply.declared = (uint64_t)sprintf(c->text, "{\"reset\":true}\n");
    r = chaos_deliver(c, &reply, &body);
    return chaos_after(c, r, reply.close);
}

/* --- faults -------------------------------------------------------------------------------- */

/* Parks for `span` unless the client goes away first.  0 or negative. */
static int chaos_hang(struct chaos_conn *c, weir_span span)
{
    weir_time until = weir_after(span);
    int r = weir_fd_wait(c->fd, WEIR_FD_READ, until);
    char byte;

    if (r == -ETIMEDOUT)
        return 0;
    if (r > 0 && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return weir_sleep(until); /* it sends on regardless */
    return r < 0 ? r : -ECONNRESET;
}

static enum chaos_next chaos_fail_truncate(struct chaos_conn *c, const struct chaos_body *body,
                                           uint64_t draw)
{
    struct chaos_reply reply = {.status = body->status, .declared = body->size, .link = body->link};
    uint64_t cut = draw % body->size, sent;
    int r = chaos_send_head(c, &reply, body, cut, &sent);

    if (r == 0)
        r = chaos_send_body(c, body, sent, cut);
    return chaos_after(c, r, 1);
}

static enum chaos_next chaos_fail_length(struct chaos_conn *c, const struct chaos_body *body,
                                         uint64_t draw)
{
    struct chaos_reply reply = {
        .status = body->status, .declared = body->size + 1 + draw % 16, .link = body->link};

    return chaos_after(c, chaos_deliver(c, &reply, body), 1);
}

/* One good chunk with the first half of the body, at most 1 KiB; then a size that is none. */
static enum chaos_next chaos_fail_chunk(struct chaos_conn *c, const struct chaos_body *body)
{
    static const char bad[] = "\r\nzz\r\nthis is no chunk\r\n0\r\n\r\n";
    struct chaos_reply reply = {.status = body->status, .chunked = 1, .link = body->link};
    uint64_t half = body->size / 2 < 1024 ? (body->size + 1) / 2 : 1024, sent;
    char size[16];
    int n = snprintf(size, sizeof size, "%x\r\n", (unsigned)half);
    int r = chaos_send_head(c, &reply, body, 0, &sent);

    if (r == 0 && (r = chaos_send_text(c, size, (size_t)n)) == 0 &&
        (r = chaos_send_body(c, body, 0, half)) == 0)
        r = chaos_send_text(c, bad, sizeof bad - 1);
    return chaos_after(c, r, 1);
}

/* The body in at most CHAOS_DRIPS pieces, evenly over `span`. */
static int chaos_drip(struct chaos_conn *c, struct chaos_reply *reply,
                      const struct chaos_body *body, weir_span span)
{
    uint64_t sent, end = c->req.method == HTTP_HEAD ? 0 : body->size;
    uint64_t pieces = end < CHAOS_DRIPS ? end : CHAOS_DRIPS;
    int r = chaos_send_head(c, reply, body, 0, &sent);

    for (uint64_t i = 1; r == 0 && i <= pieces; i++) {
        uint64_t to = end / pieces * i + end % pieces * i / pieces;
        if ((r = weir_sleep(weir_after(span / (weir_span)pieces))) == 0)
            r = chaos_send_body(c, body, sent, to);
        sent = to;
    }
    return r;
}

/* --- one attempt --------------------------------------------------------------------------- */

static enum chaos_next chaos_answer_well(struct chaos_conn *c, const struct chaos_body *body,
                                         const struct chaos_fault *f)
{
    struct chaos_reply reply = {.status = body->status,
                                .declared = body->size,
                                .close = chaos_closes(c),
                                .link = body->link};
    int r = f && f->kind == CHAOS_DRIP ? chaos_drip(c, &reply, body, f->span)
                                       : chaos_deliver(c, &reply, body);

    if (r == 0 && body->status < 400)
        chaos_stats_success(&c->server->stats, c->req.path, c->req.path_size);
    return chaos_after(c, r, reply.close);
}

static enum chaos_next chaos_answer_with(struct chaos_conn *c, const struct chaos_body *body,
                                         const struct chaos_fault *f, uint64_t cut)
{
    enum chaos_kind kind = f ? f->kind : CHAOS_KINDS;
    int bodiless = body->size == 0 || c->req.method == HTTP_HEAD;

    switch (kind) {
    case CHAOS_STATUS:
        return chaos_say(c, f->status, f->retry_after, "fault", chaos_closes(c));
    case CHAOS_RESET:
        return CHAOS_RST;
    case CHAOS_TRUNCATE:
        return bodiless ? CHAOS_RST : chaos_fail_truncate(c, body, cut);
    case CHAOS_BAD_CHUNK:
        return bodiless ? CHAOS_RST : chaos_fail_chunk(c, body);
    case CHAOS_BAD_LENGTH:
        return bodiless ? CHAOS_RST : chaos_fail_length(c, body, cut);
    default:
        return chaos_answer_well(c, body, f);
    }
}

/* How long the server works on it: --latency and --capacity, the path's own delay, `slow`. */
static weir_span chaos_latency(const struct chaos_server *s, const struct chaos_body *body,
                               const struct chaos_fault *f, uint64_t draw)
{
    const struct chaos_options *o = &s->opts;
    weir_span span = o->latency_low;

    if (o->latency_high > o->latency_low)
        span += (weir_span)(draw % (uint64_t)(o->latency_high - o->latency_low + 1));
    if (o->capacity && !span)
        span = CHAOS_CAPACITY_LATENCY;
    if (o->capacity && s->serving > o->capacity)
        span = (weir_span)((double)span * (double)s->serving / (double)o->capacity);
    return span + body->delay + (f && f->kind == CHAOS_SLOW ? f->span : 0);
}

static enum chaos_next chaos_attempt(struct chaos_conn *c, const struct chaos_body *body,
                                     const struct chaos_fault *f, uint32_t number)
{
    struct chaos_server *s = c->server;
    uint64_t hash = chaos_path_hash(c->req.path, c->req.path_size);
    enum chaos_next next;
    weir_span span;

    if (f && f->kind == CHAOS_HANG)
        return chaos_hang(c, f->span) < 0 ? CHAOS_DROP : CHAOS_CLOSE;
    s->serving++;
    span = chaos_latency(s, body, f, chaos_draw(s->opts.seed, hash, number, CHAOS_USE_LATENCY));
    if (span && weir_sleep(weir_after(span)) < 0)
        next = CHAOS_DROP;
    else
        next = chaos_answer_with(c, body, f, chaos_draw(s->opts.seed, hash, number, CHAOS_USE_CUT));
    s->serving--;
    return next;
}

/* The outage and the rate limit, which come before a request is an attempt.  1: *out is it. */
static int chaos_refuse(struct chaos_conn *c, enum chaos_next *out)
{
    struct chaos_server *s = c->server;
    int64_t wait;

    if (chaos_down_at(&s->opts, weir_now() - s->start)) {
        s->stats.by_cause[CHAOS_BY_DOWN]++;
        *out = CHAOS_RST;
        return 1;
    }
    if (!s->opts.rate.count || (wait = weir_rate_take(&s->rate, 1, weir_now())) == 0)
        return 0;
    s->stats.by_cause[CHAOS_BY_RATE]++;
    *out = chaos_say(c, 429, (uint32_t)((wait + WEIR_S(1) - 1) / WEIR_S(1)), "rate limit",
                     chaos_closes(c));
    return 1;
}

static enum chaos_next chaos_answer_path(struct chaos_conn *c, const struct chaos_body *body,
                                         struct chaos_path *path)
{
    struct chaos_server *s = c->server;
    const struct chaos_request *q = &c->req;
    const struct chaos_fault *f;
    enum chaos_next next;
    uint32_t number;

    if (chaos_refuse(c, &next))
        return next;
    number = chaos_stats_attempt(&s->stats, q->path, q->path_size, path);
    if (number <= s->opts.first_n) {
        s->stats.by_cause[CHAOS_BY_FIRST]++;
        return chaos_say(c, 503, 0, "one of the first", chaos_closes(c));
    }
    f = chaos_fault_pick(&s->opts.spec, s->opts.seed, q->path, q->path_size, number);
    if (f)
        s->stats.by_fault[f - s->opts.spec.fault]++;
    return chaos_attempt(c, body, f, number);
}

enum chaos_next chaos_answer(struct chaos_conn *c)
{
    struct chaos_stats *stats = &c->server->stats;
    const struct chaos_request *q = &c->req;
    struct chaos_body body;
    struct chaos_path *path;
    enum chaos_next next;

    if (q->error) {
        stats->bad_requests++;
        return chaos_say(c, q->error, 0, chaos_reason(q->error), 1);
    }
    chaos_body_make(q->path, q->path_size, c->text, &body);
    if (body.page == CHAOS_PAGE_STATS)
        return chaos_answer_stats(c);
    if (body.page == CHAOS_PAGE_RESET)
        return chaos_answer_reset(c);
    if (body.page == CHAOS_PAGE_UNKNOWN)
        return chaos_say(c, 404, 0, "only /__stats and /__reset", chaos_closes(c));
    path = chaos_stats_arrive(stats, q->path, q->path_size, chaos_clock());
    if (++stats->in_flight > stats->in_flight_max)
        stats->in_flight_max = stats->in_flight;
    next = chaos_answer_path(c, &body, path);
    stats->in_flight--;
    return next;
}
