/*
 * resp.h -- as much of Redis' protocol as the examples and the tests need: one
 * connection that sends a command and reads its reply, parking the fiber.
 *
 *     r = resp_do(c, RESP("GET", "key"), text, sizeof text, deadline);
 *
 * A reply of the server's that says "error" is RESP_REFUSED and harms nothing.
 * Any other negative result means that nobody knows any more where in the
 * stream the next reply begins: the connection has to go.
 */
#ifndef EXAMPLES_RESP_H
#define EXAMPLES_RESP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#define RESP(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RESP_REFUSED (-EREMOTEIO)

struct resp {
    int fd;
    size_t from, upto; /* what has been read and not been used yet */
    char buf[1024];
};

/* A whole command.  0, or negative; -EMSGSIZE: longer than this example can send. */
static inline int resp_send(struct resp *c, const char *const *words, weir_time deadline)
{
    char out[1024];
    size_t n = 0, used;

    while (words[n])
        n++;
    used = (size_t)snprintf(out, sizeof out, "*%zu\r\n", n);
    for (size_t i = 0; i < n && used < sizeof out; i++)
        used += (size_t)snprintf(out + used, sizeof out - used, "$%zu\r\n%s\r\n", strlen(words[i]),
                                 words[i]);
    if (used >= sizeof out)
        return -EMSGSIZE;
    n = (size_t)weir_write_all(c->fd, out, used, NULL, deadline);
    return (ssize_t)n < 0 ? (int)(ssize_t)n : 0;
}

static inline int resp_fill(struct resp *c, weir_time deadline)
{
    ssize_t n;

    memmove(c->buf, c->buf + c->from, c->upto - c->from);
    c->upto -= c->from;
    c->from = 0;
    if (c->upto == sizeof c->buf)
        return WEIR_ETOOLARGE;
    n = weir_read(c->fd, c->buf + c->upto, sizeof c->buf - c->upto, deadline);
    if (n <= 0)
        return n < 0 ? (int)n : WEIR_ETRUNCATED; /* the server hung up in the middle */
    c->upto += (size_t)n;
    return 0;
}

/* `bytes` of them and "\r\n" into text, cut to size. */
static inline int resp_bytes(struct resp *c, size_t bytes, char *text, size_t size,
                             weir_time deadline)
{
    int r = 0;

    while (r == 0 && c->upto - c->from < bytes + 2)
        r = resp_fill(c, deadline);
    if (r < 0)
        return r;
    snprintf(text, size, "%.*s", (int)bytes, c->buf + c->from);
    c->from += bytes + 2;
    return 0;
}

/* The line that begins a reply, with its first letter. */
static inline int resp_line(struct resp *c, char *text, size_t size, weir_time deadline)
{
    char *end;
    int r;

    while (!(end = memmem(c->buf + c->from, c->upto - c->from, "\r\n", 2)))
        if ((r = resp_fill(c, deadline)) < 0)
            return r;
    return resp_bytes(c, (size_t)(end - (c->buf + c->from)), text, size, deadline);
}

/* 1 and the text; 0: nil; negative.  Lists are not read: WEIR_EPROTO. */
static inline int resp_reply(struct resp *c, char *text, size_t size, weir_time deadline)
{
    char line[256] = "";
    int r = resp_line(c, line, sizeof line, deadline);
    long bytes;

    if (r < 0)
        return r;
    if (line[0] == '+' || line[0] == ':' || line[0] == '-') {
        snprintf(text, size, "%.*s", (int)size - 1, line + 1);
        return line[0] == '-' ? RESP_REFUSED : 1;
    }
    bytes = strtol(line + 1, NULL, 10);
    if (bytes == -1)
        return 0;
    if (line[0] != '$' || bytes < 0)
        return WEIR_EPROTO;
    r = resp_bytes(c, (size_t)bytes, text, size, deadline);
    return r < 0 ? r : 1;
}

static inline int resp_do(struct resp *c, const char *const *words, char *text, size_t size,
                          weir_time deadline)
{
    int sent = resp_send(c, words, deadline), r;

    text[0] = '\0';
    if (sent < 0 && sent != -EPIPE)
        return sent;
    r = resp_reply(c, text, size, deadline);
    /* A server that hangs up may have said why before. */
    return sent < 0 && r != RESP_REFUSED ? sent : r;
}

/* --- the hooks of a pool; ctx is the server's struct weir_addr ------------------------------- */

/* Connected, and the server has answered: a server that lets nobody in says so here. */
static inline int resp_create(void *ctx, void **object)
{
    struct resp *c = calloc(1, sizeof *c);
    char text[128];
    int r;

    if (!c)
        return -ENOMEM;
    c->fd = weir_connect(ctx, NULL, WEIR_NEVER); /* create_timeout ends it */
    r = c->fd < 0 ? c->fd : resp_do(c, RESP("PING"), text, sizeof text, WEIR_NEVER);
    if (r < 0) {
        if (c->fd >= 0)
            weir_close(c->fd);
        free(c);
        return r;
    }
    *object = c;
    return 0;
}

static inline int resp_check(void *ctx, void *object)
{
    char text[128];
    int r = resp_do(object, RESP("PING"), text, sizeof text, weir_after(WEIR_MS(500)));

    (void)ctx;
    return r < 0 ? r : strcmp(text, "PONG") == 0 ? 0 : WEIR_EPROTO;
}

static inline void resp_destroy(void *ctx, void *object, int why)
{
    struct resp *c = object;

    (void)ctx;
    (void)why;
    weir_close(c->fd);
    free(c);
}

#endif
