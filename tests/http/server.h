/*
 * server.h -- a server on loopback that does what the path says: what the tests
 * of requests and of names share.
 */
#ifndef TESTS_HTTP_SERVER_H
#define TESTS_HTTP_SERVER_H

#include "harness/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <weir/http.h>
#include <weir/io.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/sync.h>

enum { BIG = 4 << 20, GROWING = 60000 };

static struct {
    int listener, port, accepted, requests;
    size_t sent;             /* of /big */
    struct weir_event taken; /* a sink has the first piece of /growing */
    weir_scope *scope;
    weir_http *client;
} world;

/* --- the server --------------------------------------------------------- */

static int say(int fd, const char *text)
{
    size_t done;

    return weir_write_all(fd, text, strlen(text), &done, WEIR_NEVER) < 0 ? -EPIPE : 0;
}

static void reset(int fd)
{
    struct linger hard = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static int serve_big(int fd)
{
    static char block[16384];
    size_t done;
    int r = say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n");

    memset(block, 'b', sizeof block);
    for (size_t i = 0; r == 0 && i < BIG / sizeof block; i++) {
        if (weir_write_all(fd, block, sizeof block, &done, WEIR_NEVER) < 0)
            return -EPIPE;
        world.sent += done;
    }
    return r;
}

/* A little, and once somebody has it, much. */
static int serve_growing(int fd)
{
    static char block[GROWING - 10];
    size_t done;
    int r = say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\nX-Test: yes\r\n\r\nbbbbbbbbbb");

    memset(block, 'b', sizeof block);
    (void)weir_event_wait(&world.taken, weir_after(WEIR_S(2)));
    return r == 0 && weir_write_all(fd, block, sizeof block, &done, WEIR_NEVER) < 0 ? -EPIPE : r;
}

static int serve_date(int fd)
{
    char text[256], date[64], later[64];
    time_t now = 1700000000, then = now + 7; /* far from the real clock: Date counts */
    struct tm tm;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    strftime(later, sizeof later, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &tm));
    snprintf(text, sizeof text,
             "HTTP/1.1 503 No\r\nDate: %s\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", date,
             later);
    return say(fd, text);
}

struct answer {
    const char *path, *text;
    int after; /* 0 go on, 1 close, 2 reset, 3 hang */
};

static const struct answer answers[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test:  yes \r\n\r\nhello", 0},
    {"/chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 0},
    {"/404", "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone", 0},
    {"/empty", "HTTP/1.1 204 Nothing\r\n\r\n", 0},
    {"/truncated", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", 1},
    {"/cut-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 1},
    {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", 3},
    {"/cut-head", "HTTP/1.1 200 OK\r\nContent-Le", 1},
    {"/nothing", "", 1},
    {"/reset", "", 2},
    {"/reset-body", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", 2},
    {"/hang", "", 3},
    {"/stall", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", 3},
    {"/loop", "HTTP/1.1 302 Go\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n", 0},
    {"/moved", "HTTP/1.1 301 Go\r\nLocation: /ok\r\nContent-Length: 3\r\n\r\nxyz", 0},
    {"/away", "HTTP/1.1 302 Go\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", 0},
    {"/noise", "\001\002\003 what is this\r\n\r\n", 1},
    {"/later", "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", 0},
    {"/interim",
     "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0},
};

static int serve_text(int fd, const char *path)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct answer *a = &answers[i];

        if (strcmp(a->path, path) != 0)
            continue;
        if (say(fd, a->text) < 0 || a->after == 1)
            return -EPIPE;
        if (a->after == 2) {
            if (*a->text) /* what was sent must arrive before the reset overtakes it */
                (void)weir_sleep(weir_after(WEIR_MS(30)));
            reset(fd);
            return -EPIPE;
        }
        if (a->after == 3)
            return weir_sleep(weir_after(WEIR_S(60)));
        return 0;
    }
    return say(fd, "HTTP/1.1 500 ?\r\nContent-Length: 0\r\n\r\n");
}

static int serve_one(int fd, const char *path)
{
    world.requests++;
    if (strcmp(path, "/big") == 0)
        return serve_big(fd);
    if (strcmp(path, "/growing") == 0)
        return serve_growing(fd);
    if (strcmp(path, "/date") == 0)
        return serve_date(fd);
    if (strcmp(path, "/slow") == 0)
        (void)weir_sleep(weir_after(WEIR_MS(80)));
    return serve_text(fd, strcmp(path, "/slow") == 0 ? "/ok" : path);
}

static int serve(void *arg)
{
    int fd = (int)(intptr_t)arg, r = 0;
    char head[4096], path[64];
    size_t have = 0;

    while (r == 0) {
        ssize_t n = weir_read(fd, head + have, sizeof head - 1 - have, WEIR_NEVER);

        if (n <= 0)
            break;
        head[have += (size_t)n] = 0;
        if (!strstr(head, "\r\n\r\n"))
            continue;
        have = 0;
        if (sscanf(head, "%*s %63s", path) == 1)
            r = serve_one(fd, path);
    }
    weir_close(fd);
    return 0;
}

static int listen_on(void *arg __attribute__((unused)))
{
    int fd;

    while ((fd = weir_tcp_accept(world.listener, WEIR_NEVER)) >= 0) {
        world.accepted++;
        if (weir_go(world.scope, serve, (void *)(intptr_t)fd) < 0)
            weir_close(fd);
    }
    return 0;
}

#endif
