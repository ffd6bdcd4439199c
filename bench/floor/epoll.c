/*
 * epoll.c -- the echo workload by hand: one epoll, edge-triggered, a client and
 * a server end for each of 64 connections, both in this process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "floor.h"

enum { EPOLL_CONNECTIONS = 64, EPOLL_BYTES = 64 };

struct epoll_end {
    int fd;
    bool client;
    long left; /* round trips */
    long got;  /* bytes of this answer */
};

static long epoll_open;

static void epoll_send(struct epoll_end *e, const char *buf, ssize_t n)
{
    bench_check(write(e->fd, buf, (size_t)n) == n, "a short write");
}

/* Reads until there is no more; a server sends it back, a client sends the next. */
static void epoll_ready(struct epoll_end *e)
{
    char buf[4096];
    ssize_t n;

    while ((n = read(e->fd, buf, sizeof buf)) > 0) {
        if (!e->client) {
            epoll_send(e, buf, n);
            continue;
        }
        e->got += n;
        if (e->got < EPOLL_BYTES)
            continue;
        e->got = 0;
        if (--e->left == 0) {
            shutdown(e->fd, SHUT_WR);
            return;
        }
        epoll_send(e, buf, EPOLL_BYTES);
    }
    if (n < 0 && errno == EAGAIN)
        return;
    bench_check(n == 0, "reading failed");
    close(e->fd);
    epoll_open--;
}

static void epoll_add(int ep, struct epoll_end *e)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.ptr = e};
    int one = 1;

    fcntl(e->fd, F_SETFL, O_NONBLOCK);
    setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    bench_check(epoll_ctl(ep, EPOLL_CTL_ADD, e->fd, &ev) == 0, "epoll_ctl failed");
    epoll_open++;
}

static void epoll_connect(int ep, int listener, struct epoll_end *pair, long each)
{
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    getsockname(listener, (struct sockaddr *)&a, &size);
    bench_check(connect(fd, (struct sockaddr *)&a, size) == 0, "no connection");
    pair[0] = (struct epoll_end){.fd = fd, .client = true, .left = each};
    pair[1] = (struct epoll_end){.fd = accept(listener, NULL, NULL)};
    epoll_add(ep, &pair[0]);
    epoll_add(ep, &pair[1]);
}

static int epoll_listener(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    bench_check(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 128) == 0,
                "no listener");
    return fd;
}

static long epoll_echo(long n)
{
    static struct epoll_end ends[EPOLL_CONNECTIONS][2];
    struct epoll_event events[2 * EPOLL_CONNECTIONS];
    int ep = epoll_create1(0), listener = epoll_listener();
    long each = n / EPOLL_CONNECTIONS;

    for (int i = 0; i < EPOLL_CONNECTIONS; i++)
        epoll_connect(ep, listener, ends[i], each);
    for (int i = 0; i < EPOLL_CONNECTIONS; i++)
        epoll_send(&ends[i][0], (char[EPOLL_BYTES]){"echo"}, EPOLL_BYTES);
    while (epoll_open) {
        int k = epoll_wait(ep, events, 2 * EPOLL_CONNECTIONS, -1);

        for (int i = 0; i < k; i++)
            epoll_ready(events[i].data.ptr);
    }
    close(listener);
    close(ep);
    return each * EPOLL_CONNECTIONS;
}

const struct bench_case epoll_cases[] = {
    {"echo64_1t", 5, 200000, epoll_echo},
    {0},
};
