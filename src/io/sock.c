/*
 * sock.c -- read, write, accept, connect: try first, park on EAGAIN only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/io.h>

#include "core/core.h"

/* Whether a call that failed with `e` should be made again once the descriptor is ready. */
static int sock_again(int fd, int events, weir_time deadline, int e)
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

static int sock_begin(const void *buf, weir_time deadline)
{
    struct weir__fiber *me = weir__self();

    if (!buf || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    return me->node->why ? -ECANCELED : 0;
}

ssize_t weir_read(int fd, void *buf, size_t size, weir_time deadline)
{
    int r = sock_begin(buf, deadline);

    while (r == 0) {
        ssize_t n =
            weir__fault_point(WEIR__FAULT_SYSCALL) ? (errno = EIO, -1) : read(fd, buf, size);

        if (n >= 0)
            return n;
        r = sock_again(fd, WEIR_FD_READ, deadline, errno);
    }
    return r;
}

/* A socket whose peer has gone answers -EPIPE, without the signal. */
static ssize_t sock_write(int fd, const void *buf, size_t size)
{
    ssize_t n = send(fd, buf, size, MSG_NOSIGNAL);

    return n < 0 && errno == ENOTSOCK ? write(fd, buf, size) : n;
}

ssize_t weir_write(int fd, const void *buf, size_t size, weir_time deadline)
{
    int r = sock_begin(buf, deadline);

    while (r == 0) {
        ssize_t n =
            weir__fault_point(WEIR__FAULT_SYSCALL) ? (errno = EIO, -1) : sock_write(fd, buf, size);

        if (n >= 0)
            return n;
        r = sock_again(fd, WEIR_FD_WRITE, deadline, errno);
    }
    return r;
}

ssize_t weir_write_all(int fd, const void *buf, size_t size, size_t *done, weir_time deadline)
{
    const char *p = buf;
    size_t k = 0;
    ssize_t r = buf ? 0 : -EINVAL;

    while (r >= 0 && k < size) {
        r = weir_write(fd, p + k, size - k, deadline);
        if (r > 0)
            k += (size_t)r;
    }
    if (done)
        *done = k;
    return r < 0 ? r : (ssize_t)k;
}

/* --- TCP --------------------------------------------------------------- */

union sock_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t sock_parse(union sock_address *a, const char *host, uint16_t port)
{
    memset(a, 0, sizeof *a);
    if (!host)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons(port);
        return sizeof a->v4;
    }
    if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(port);
        return sizeof a->v6;
    }
    return 0;
}

static int sock_open(const union sock_address *a)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static void sock_nodelay(int fd)
{
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int weir_tcp_listen(const char *host, uint16_t port, int backlog)
{
    union sock_address a;
    socklen_t size = sock_parse(&a, host, port);
    int one = 1, fd, r;

    if (!size)
        return -EINVAL;
    fd = sock_open(&a);
    if (fd < 0)
        return fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, &a.any, size) < 0 || listen(fd, backlog > 0 ? backlog : 128) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int weir_tcp_accept(int listener, weir_time deadline)
{
    int r = sock_begin("", deadline);

    while (r == 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            sock_nodelay(fd);
            return fd;
        }
        if (errno == ECONNABORTED) /* the peer left while it was queued */
            continue;
        r = sock_again(listener, WEIR_FD_READ, deadline, errno);
    }
    return r;
}

static int sock_connected(int fd, weir_time deadline)
{
    socklen_t size = sizeof(int);
    int e = 0, r;

    r = weir_fd_wait(fd, WEIR_FD_WRITE, deadline);
    if (r < 0)
        return r;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &size) < 0 ? -errno : -e;
}

int weir_tcp_connect(const char *host, uint16_t port, weir_time deadline)
{
    union sock_address a;
    socklen_t size = sock_parse(&a, host, port);
    int fd, r = size ? sock_begin("", deadline) : -EINVAL;

    if (r < 0)
        return r;
    fd = sock_open(&a);
    if (fd < 0)
        return fd;
    r = connect(fd, &a.any, size) < 0 ? -errno : 0;
    if (r == -EINPROGRESS || r == -EINTR)
        r = sock_connected(fd, deadline);
    if (r < 0) {
        weir_close(fd);
        return r;
    }
    sock_nodelay(fd);
    return fd;
}

int weir_tcp_port(int fd)
{
    union sock_address a = {0};
    socklen_t size = sizeof a;

    if (getsockname(fd, &a.any, &size) < 0)
        return -errno;
    if (a.any.sa_family == AF_INET)
        return ntohs(a.v4.sin_port);
    return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : -EAFNOSUPPORT;
}

/* --- signals ----------------------------------------------------------- */

int weir_signal_wait(const int *signals, weir_time deadline)
{
    struct signalfd_siginfo info = {0};
    sigset_t set;
    ssize_t r;
    int fd;

    if (!signals || !*signals)
        return -EINVAL;
    sigemptyset(&set);
    for (const int *s = signals; *s; s++)
        if (sigaddset(&set, *s) < 0)
            return -EINVAL;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = weir_read(fd, &info, sizeof info, deadline);
    weir_close(fd);
    return r < 0 ? (int)r : (int)info.ssi_signo;
}
