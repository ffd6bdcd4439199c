/*
 * chaos_send.c -- the bytes of an answer: head, body, pieces of a body.
 *
 * A client that does not read is given 30 s for each write, then dropped.
 * Small answers go out in one write.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "chaos.h"

#define CHAOS_WRITE_TIME WEIR_S(30)

int chaos_send_text(struct chaos_conn *c, const char *text, size_t size)
{
    ssize_t n = weir_write_all(c->fd, text, size, NULL, weir_after(CHAOS_WRITE_TIME));

    return n < 0 ? (int)n : 0;
}

/* Where the body's byte `from` is, and how many follow it there. */
static const char *chaos_body_piece(const struct chaos_body *b, uint64_t from, uint64_t *out_size)
{
    if (b->page == CHAOS_PAGE_BYTES) {
        *out_size = CHAOS_PATTERN_SIZE - from % 16;
        return chaos_body_pattern() + from % 16;
    }
    *out_size = b->size - from;
    return b->text + from;
}

int chaos_send_body(struct chaos_conn *c, const struct chaos_body *body, uint64_t from, uint64_t to)
{
    while (from < to) {
        uint64_t n;
        const char *piece = chaos_body_piece(body, from, &n);
        int r;

        if (n > to - from)
            n = to - from;
        if ((r = chaos_send_text(c, piece, (size_t)n)) < 0)
            return r;
        from += n;
    }
    return 0;
}

/* The date as HTTP writes it, made once a second. */
static const char *chaos_date(void)
{
    static time_t made;
    static char text[40];
    time_t now = time(NULL);
    struct tm tm;

    if (now != made && gmtime_r(&now, &tm)) {
        strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        made = now;
    }
    return text;
}

static size_t chaos_head_write(char *out, size_t size, const struct chaos_reply *reply,
                               const struct chaos_body *body)
{
    const char *type = body->page == CHAOS_PAGE_BYTES ? "text/plain" : "application/json";
    size_t at = (size_t)snprintf(out, size, "HTTP/1.1 %u %s\r\nServer: weir-chaos\r\nDate: %s\r\n",
                                 reply->status, chaos_reason(reply->status), chaos_date());

    if (reply->chunked)
        at += (size_t)snprintf(out + at, size - at, "Transfer-Encoding: chunked\r\n");
    else if (reply->status != 204 && reply->status != 304)
        at += (size_t)snprintf(out + at, size - at, "Content-Length: %llu\r\n",
                               (unsigned long long)reply->declared);
    if (body->size)
        at += (size_t)snprintf(out + at, size - at, "Content-Type: %s\r\n", type);
    if (reply->retry_after)
        at += (size_t)snprintf(out + at, size - at, "Retry-After: %u\r\n",
                               (unsigned)reply->retry_after);
    if (reply->link && reply->link[0])
        at += (size_t)snprintf(out + at, size - at, "Link: %s\r\n", reply->link);
    return at + (size_t)snprintf(out + at, size - at, "Connection: %s\r\n\r\n",
                                 reply->close ? "close" : "keep-alive");
}

int chaos_send_head(struct chaos_conn *c, const struct chaos_reply *reply,
                    const struct chaos_body *body, uint64_t body_end, uint64_t *out_sent)
{
    size_t at = chaos_head_write(c->out, sizeof c->out, reply, body);
    uint64_t n = 0;
    int r;

    if (body_end > 0) {
        const char *piece = chaos_body_piece(body, 0, &n);
        if (n > body_end)
            n = body_end;
        if (n > sizeof c->out - at)
            n = sizeof c->out - at;
        memcpy(c->out + at, piece, (size_t)n);
    }
    if ((r = chaos_send_text(c, c->out, at + (size_t)n)) < 0)
        return r;
    *out_sent = n;
    return 0;
}
