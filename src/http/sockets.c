/*
 * sockets.c -- libcurl's sockets as watches of the loop.
 *
 * libcurl says "remove" after each request and "add" before the next, on the
 * same connection; that is only recorded, and costs no system call.  A socket
 * that we opened tells us when it closes; one that libcurl made by itself (the
 * resolver's) does not, and is really removed.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/io.h>

#include "http/http.h"

static void socket_ready(struct weir__watch *w, int events)
{
    struct weir__http_sock *s = (struct weir__http_sock *)w;
    weir_http *c = s->client;
    int mask = (events & WEIR_FD_READ ? CURL_CSELECT_IN : 0) |
               (events & WEIR_FD_WRITE ? CURL_CSELECT_OUT : 0);
    int running;

    (void)curl_multi_socket_action(c->multi, w->fd, mask, &running);
    weir__http_turn(c);
}

static int socket_table_grow(weir_http *c, size_t fd)
{
    size_t count = c->sock_count ? c->sock_count : 64;
    struct weir__http_sock **socks;

    while (count <= fd)
        count *= 2;
    socks = weir__realloc(c->socks, c->sock_count * sizeof *socks, count * sizeof *socks);
    if (!socks)
        return -ENOMEM;
    memset(socks + c->sock_count, 0, (count - c->sock_count) * sizeof *socks);
    c->socks = socks;
    c->sock_count = count;
    return 0;
}

/* The record of a descriptor, made if it is the first with its number; NULL: no memory. */
static struct weir__http_sock *socket_of(weir_http *c, curl_socket_t fd)
{
    if ((size_t)fd >= c->sock_count && socket_table_grow(c, (size_t)fd) < 0)
        return NULL;
    if (!c->socks[fd]) {
        c->socks[fd] = weir__alloc(sizeof **c->socks);
        if (!c->socks[fd])
            return NULL;
        c->socks[fd]->client = c;
        c->socks[fd]->watch.fn = socket_ready;
        c->socks[fd]->watch.fd = -EBADF;
    }
    return c->socks[fd];
}

int weir__http_socket(CURL *easy, curl_socket_t fd, int what, void *client, void *sock)
{
    struct weir__http_sock *s = socket_of(client, fd);
    int events =
        (what & CURL_POLL_IN ? WEIR_FD_READ : 0) | (what & CURL_POLL_OUT ? WEIR_FD_WRITE : 0);

    (void)easy;
    (void)sock;
    if (!s)
        return 0;
    if (what != CURL_POLL_REMOVE)
        (void)weir__watch_set(&s->watch, fd, events);
    else if (!s->ours)
        weir__watch_del(&s->watch);
    else if (s->watch.fd == fd)
        (void)weir__watch_set(&s->watch, fd, 0);
    return 0; /* a failed watch ends by its deadline; an error here would end all transfers */
}

curl_socket_t weir__http_socket_open(void *client, curlsocktype purpose, struct curl_sockaddr *a)
{
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->protocol);
    struct weir__http_sock *s;

    (void)purpose;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    s = socket_of(client, fd);
    if (!s) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    s->ours = true;
    return fd;
}

int weir__http_socket_close(void *client, curl_socket_t fd)
{
    weir_http *c = client;
    struct weir__http_sock *s = (size_t)fd < c->sock_count ? c->socks[fd] : NULL;

    if (s) {
        weir__watch_del(&s->watch);
        s->ours = false;
    }
    return close(fd);
}

void weir__http_sockets_free(weir_http *c)
{
    for (size_t i = 0; i < c->sock_count; i++) {
        if (c->socks[i])
            weir__watch_del(&c->socks[i]->watch);
        weir__free(c->socks[i], sizeof *c->socks[i]);
    }
    weir__free(c->socks, c->sock_count * sizeof *c->socks);
    c->socks = NULL;
    c->sock_count = 0;
}
