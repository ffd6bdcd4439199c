/*
 * io.h -- what calls on descriptors share: how they begin, and when they park.
 *
 *     r = weir__io_begin(deadline);
 *     while (r == 0) {
 *         n = the system call;
 *         if (n >= 0) return n;
 *         r = weir__io_again(fd, WEIR_FD_READ, deadline, errno);
 *     }
 *     return r;
 */
#ifndef WEIR__IO_H
#define WEIR__IO_H

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <weir/io.h>
#include <weir/net.h>

#include "core/core.h"

/* 0; -EINVAL for a span; WEIR_ENOFIBER; -ECANCELED in a cancelled fiber. */
static inline int weir__io_begin(weir_time deadline)
{
    struct weir__fiber *me = weir__self();

    if (weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    return me->node->why ? -ECANCELED : 0;
}

/* 0 when a call that failed with `e` should be made again: at once, or the descriptor is ready. */
static inline int weir__io_again(int fd, int events, weir_time deadline, int e)
{
    if (e == EINTR)
        return 0;
    if (e != EAGAIN && e != EWOULDBLOCK)
        return -e;
    if (deadline == 0)
        return -EAGAIN;
    e = weir__fd_wait_edge(fd, events, deadline);
    return e < 0 ? e : 0;
}

/* writev(2) that never raises SIGPIPE, on sockets, pipes and all else. */
ssize_t weir__io_writev(int fd, const struct iovec *v, int n);

/* The set of a 0-terminated array; -EINVAL for none, and for those that cannot be waited for. */
int weir__signal_set(sigset_t *set, const int *signals);

static inline struct sockaddr *weir__addr_any(const struct weir_addr *a)
{
    return (struct sockaddr *)(void *)a->storage;
}

/* Whether it holds a family that weir knows, in its right size. */
bool weir__addr_sound(const struct weir_addr *a);

#endif
