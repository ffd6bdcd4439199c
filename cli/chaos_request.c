/*
 * chaos_request.c -- reading one request, from clients of every kind.
 *
 * llhttp parses; this bounds.  A request that is not well formed, too long or
 * too slow is still a request, with the status that refuses it in `error`:
 *
 *     400 malformed, or HTTP/1.1 without Host    413 body over --max-body
 *     408 not complete in time                   414 path over 4,096 bytes
 *     417 an expectation other than 100-continue 431 head over 16 KiB
 *     501 CONNECT
 *
 * Bodies are read and thrown away.  What follows a request stays in `in` for
 * the next one, so pipelined requests are answered one after the other.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "chaos.h"

/* A body must come within this after its head. */
#define CHAOS_BODY_TIME WEIR_S(30)

static struct chaos_request *chaos_request_of(llhttp_t *parser)
{
    return &((struct chaos_conn *)parser->data)->req;
}

static int chaos_request_refuse(struct chaos_request *q, unsigned status)
{
    if (!q->error)
        q->error = status;
    return HPE_USER;
}

/* --- llhttp's callbacks -------------------------------------------------------------------- */

static int chaos_on_url(llhttp_t *parser, const char *at, size_t n)
{
    struct chaos_request *q = chaos_request_of(parser);

    if (n > CHAOS_PATH_MAX - q->path_size)
        return chaos_request_refuse(q, 414);
    memcpy(q->path + q->path_size, at, n);
    q->path_size += n;
    return 0;
}

static void chaos_request_gather(char *to, size_t *size, size_t room, const char *at, size_t n)
{
    for (size_t i = 0; i < n && *size < room; i++)
        to[(*size)++] = at[i];
}

static int chaos_on_name(llhttp_t *parser, const char *at, size_t n)
{
    struct chaos_request *q = chaos_request_of(parser);

    chaos_request_gather(q->name, &q->name_size, sizeof q->name, at, n);
    return 0;
}

static int chaos_on_value(llhttp_t *parser, const char *at, size_t n)
{
    struct chaos_request *q = chaos_request_of(parser);

    chaos_request_gather(q->value, &q->value_size, sizeof q->value, at, n);
    return 0;
}

static int chaos_on_value_complete(llhttp_t *parser)
{
    struct chaos_request *q = chaos_request_of(parser);

    if (q->name_size == 4 && strncasecmp(q->name, "host", 4) == 0)
        q->has_host = 1;
    if (q->name_size == 6 && strncasecmp(q->name, "expect", 6) == 0) {
        if (q->value_size != 12 || strncasecmp(q->value, "100-continue", 12) != 0)
            return chaos_request_refuse(q, 417);
        q->expects = 1;
    }
    q->name_size = q->value_size = 0;
    return 0;
}

static int chaos_on_head(llhttp_t *parser)
{
    struct chaos_conn *c = parser->data;
    struct chaos_request *q = &c->req;

    q->head_done = 1;
    q->method = llhttp_get_method(parser);
    q->keep_alive = (unsigned)llhttp_should_keep_alive(parser);
    if (q->method == HTTP_CONNECT)
        return chaos_request_refuse(q, 501);
    parser->upgrade = 0; /* an offer of h2c or a web socket is not taken up */
    if (!q->has_host && parser->http_major == 1 && parser->http_minor == 1)
        return chaos_request_refuse(q, 400);
    if ((parser->flags & F_CONTENT_LENGTH) && parser->content_length > c->server->opts.max_body)
        return chaos_request_refuse(q, 413);
    return 0;
}

static int chaos_on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct chaos_conn *c = parser->data;

    (void)at;
    c->req.body_size += n;
    return c->req.body_size > c->server->opts.max_body ? chaos_request_refuse(&c->req, 413) : 0;
}

static int chaos_on_message(llhttp_t *parser)
{
    chaos_request_of(parser)->done = 1;
    return HPE_PAUSED;
}

static const llhttp_settings_t chaos_settings = {
    .on_url = chaos_on_url,
    .on_header_field = chaos_on_name,
    .on_header_value = chaos_on_value,
    .on_header_value_complete = chaos_on_value_complete,
    .on_headers_complete = chaos_on_head,
    .on_body = chaos_on_body,
    .on_message_complete = chaos_on_message,
};

void chaos_request_init(struct chaos_conn *c)
{
    llhttp_init(&c->parser, HTTP_REQUEST, &chaos_settings);
    c->parser.data = c;
}

/* --- reading ------------------------------------------------------------------------------- */

/* Gives the parser what is in `in`, as far as it takes it. */
static void chaos_request_feed(struct chaos_conn *c)
{
    struct chaos_request *q = &c->req;
    const char *at = c->in + c->in_at;
    size_t n = c->in_end - c->in_at;
    llhttp_errno_t e = llhttp_execute(&c->parser, at, n);

    if (e != HPE_OK && llhttp_get_error_pos(&c->parser))
        n = (size_t)(llhttp_get_error_pos(&c->parser) - at);
    c->in_at += n;
    if (!q->head_done && (q->head_size += n) > CHAOS_HEAD_MAX)
        chaos_request_refuse(q, 431);
    if (e == HPE_PAUSED)
        llhttp_resume(&c->parser);
    else if (e != HPE_OK)
        chaos_request_refuse(q, 400);
}

/* More bytes into `in`: 1; 0 the end; 408 is set when the request was under way and late. */
static int chaos_request_fill(struct chaos_conn *c, weir_time deadline)
{
    ssize_t n;

    c->idle = c->req.head_size == 0;
    n = weir_read(c->fd, c->in, sizeof c->in, deadline);
    if (n == -ETIMEDOUT && !c->idle) {
        c->req.error = 408;
        return 1;
    }
    c->idle = 0;
    if (n == -ETIMEDOUT || n == -ECONNRESET)
        return 0;
    if (n <= 0)
        return (int)n;
    c->in_at = 0;
    c->in_end = (size_t)n;
    return 1;
}

/* The path of an absolute target, as proxies get it, is what follows the host. */
static void chaos_request_strip(struct chaos_request *q)
{
    char *host = strstr(q->path, "://"), *path;

    if (q->path[0] == '/' || !host)
        return;
    path = host + 3 + strcspn(host + 3, "/?");
    if (*path != '/')
        *--path = '/';
    q->path_size -= (size_t)(path - q->path);
    memmove(q->path, path, q->path_size + 1);
}

static void chaos_request_begin(struct chaos_request *q)
{
    memset(q, 0, offsetof(struct chaos_request, path));
    q->keep_alive = 1;
}

static weir_time chaos_request_deadline(const struct chaos_conn *c, weir_time *head,
                                        weir_time *body)
{
    const struct chaos_options *o = &c->server->opts;

    if (c->req.head_size == 0)
        return weir_after(o->idle_timeout);
    if (!c->req.head_done)
        return *head ? *head : (*head = weir_after(o->header_timeout));
    return *body ? *body : (*body = weir_after(CHAOS_BODY_TIME));
}

int chaos_request_read(struct chaos_conn *c)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct chaos_request *q = &c->req;
    weir_time head = 0, body = 0;
    int r;

    chaos_request_begin(q);
    for (;;) {
        if (c->in_at < c->in_end)
            chaos_request_feed(c);
        if (q->done || q->error)
            break;
        if (q->head_done && q->expects) {
            q->expects = 0;
            if ((r = chaos_send_text(c, go_on, sizeof go_on - 1)) < 0)
                return r;
        }
        if (c->server->stopping && q->head_size == 0)
            return 0;
        if ((r = chaos_request_fill(c, chaos_request_deadline(c, &head, &body))) <= 0)
            return r;
    }
    q->path[q->path_size] = '\0';
    chaos_request_strip(q);
    return 1;
}
