/*
 * sock_world.h -- what the tests of sockets share: a connected pair of them, and
 * fibers that wait at one and keep what came of it.
 */
#ifndef TESTS_IO_SOCK_WORLD_H
#define TESTS_IO_SOCK_WORLD_H

#include <weir/io.h>

#include "core/world.h"

/* A connected pair of TCP sockets. */
static inline void sock_pair(int fd[2])
{
    int listener = weir_tcp_listen(NULL, 0, 0);
    OK(listener >= 0);
    int port = weir_tcp_port(listener);
    LT(0, port);
    fd[0] = weir_tcp_connect(NULL, (uint16_t)port, WEIR_NEVER);
    OK(fd[0] >= 0);
    fd[1] = weir_tcp_accept(listener, WEIR_NEVER);
    OK(fd[1] >= 0);
    EQ(weir_close(listener), 0);
}

static inline void sock_pair_close(int fd[2])
{
    for (int i = 0; i < 2; i++)
        if (fd[i] >= 0)
            EQ(weir_close(fd[i]), 0);
}

struct end_wait {
    int fd, events;
    ssize_t result;
};

static inline int end_read(void *arg)
{
    struct end_wait *w = arg;
    char c;
    w->result = weir_read(w->fd, &c, 1, WEIR_NEVER);
    return 0;
}

static inline int end_fd_wait(void *arg)
{
    struct end_wait *w = arg;
    w->result = weir_fd_wait(w->fd, w->events, WEIR_NEVER);
    return 0;
}

#endif
