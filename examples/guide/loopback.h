/*
 * loopback.h -- a web server inside the program, so that the examples that
 * fetch have somebody to fetch from.  One fiber a connection; `page` writes
 * each answer.
 */
#ifndef GUIDE_LOOPBACK_H
#define GUIDE_LOOPBACK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

struct loopback {
    /* Answers a GET of `path` on the connection; may park.  Negative: the connection is closed. */
    int (*page)(void *ctx, const char *path, int fd);
    void *ctx;
    weir_scope *scope;
    int listener, port;
};

struct loopback_client {
    struct loopback *server;
    int fd;
};

/* A whole answer.  Negative when the client has left. */
static inline int loopback_say(int fd, const char *status, const char *body)
{
    char text[512];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
                     strlen(body), body);
    ssize_t r = weir_write_all(fd, text, (size_t)n, NULL, WEIR_NEVER);

    return r < 0 ? (int)r : 0;
}

/* Requests of a connection, one after the other, until the client has had enough. */
static inline int loopback_serve(void *arg)
{
    struct loopback_client *c = arg;
    char head[2048], path[128];
    size_t n = 0;
    ssize_t r;

    while ((r = weir_read(c->fd, head + n, sizeof head - 1 - n, WEIR_NEVER)) > 0) {
        n += (size_t)r;
        head[n] = '\0';
        if (!strstr(head, "\r\n\r\n"))
            continue;
        n = 0;
        if (sscanf(head, "GET %127s", path) != 1 ||
            c->server->page(c->server->ctx, path, c->fd) < 0)
            break;
    }
    weir_close(c->fd);
    free(c);
    return 0; /* a client that goes is no failure of the server */
}

static inline int loopback_accept(void *arg)
{
    struct loopback *s = arg;
    int fd, r = 0;

    while (r == 0 && (fd = weir_tcp_accept(s->listener, WEIR_NEVER)) >= 0) {
        struct loopback_client *c = malloc(sizeof *c);

        if (c) {
            *c = (struct loopback_client){s, fd};
            r = weir_go(s->scope, loopback_serve, c);
        } else {
            r = -ENOMEM;
        }
        if (r < 0) {
            weir_close(fd);
            free(c);
        }
    }
    return r < 0 ? r : fd;
}

/* Listens and serves until loopback_stop, which must be called in any case. */
static inline int loopback_start(struct loopback *s)
{
    s->scope = weir_scope_open(NULL);
    s->listener = weir_tcp_listen(NULL, 0, 64);
    if (s->listener < 0)
        return s->listener;
    s->port = weir_tcp_port(s->listener);
    return s->port < 0 ? s->port : weir_go(s->scope, loopback_accept, s);
}

static inline int loopback_stop(struct loopback *s)
{
    int r;

    weir_scope_cancel(s->scope, -ESHUTDOWN);
    r = weir_scope_close(&s->scope);
    if (s->listener >= 0)
        weir_close(s->listener);
    return r == -ESHUTDOWN ? 0 : r;
}

#endif
