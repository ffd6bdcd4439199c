/*
 * net.c -- sockets: listen, accept, connect, datagrams.  Each tries first and
 * parks on EAGAIN only; a descriptor that was made on the way is closed on failure.
 */
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "io/io.h"

enum {
    NET_LISTEN_FLAGS = WEIR_SOCK_DELAY | WEIR_SOCK_REUSEPORT | WEIR_SOCK_V6ONLY | WEIR_SOCK_REPLACE,
    NET_DGRAM_FLAGS = WEIR_SOCK_REUSEPORT | WEIR_SOCK_V6ONLY,
    NET_STREAM_FLAGS = WEIR_SOCK_DELAY
};

/* --- options ------------------------------------------------------------- */

static int net_opts_check(const struct weir_sock_opts *o, uint32_t flags)
{
    if (o->flags & ~flags || o->backlog > INT_MAX || o->recv_buffer > INT_MAX / 2 ||
        o->send_buffer > INT_MAX / 2)
        return -EINVAL;
    if (o->keepalive < 0 || (o->keepalive && o->keepalive < WEIR_S(1)) ||
        o->keepalive > WEIR_S(32767))
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return o->from && !weir__addr_sound(o->from) ? -EINVAL : 0;
}

static int net_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

/* Three probes in as long a time again decide that nobody is there. */
static int net_keepalive(int fd, weir_span span)
{
    int idle = (int)((span + WEIR_S(1) - 1) / WEIR_S(1));
    int r = net_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

    if (r == 0)
        r = net_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    if (r == 0)
        r = net_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, idle >= 3 ? idle / 3 : 1);
    return r ? r : net_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/* What a socket of any kind may be given; UNIX sockets know neither delay nor probes. */
static int net_set(int fd, int family, const struct weir_sock_opts *o)
{
    int r = 0;

    if (o->recv_buffer)
        r = net_option(fd, SOL_SOCKET, SO_RCVBUF, (int)o->recv_buffer);
    if (r == 0 && o->send_buffer)
        r = net_option(fd, SOL_SOCKET, SO_SNDBUF, (int)o->send_buffer);
    if (family == AF_UNIX)
        return r;
    if (r == 0 && o->keepalive)
        r = net_keepalive(fd, o->keepalive);
    return r;
}

static int net_family(int fd)
{
    int family = 0;
    socklen_t size = sizeof family;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 ? -errno : family;
}

static int net_nodelay(int fd, int family, const struct weir_sock_opts *o)
{
    return family == AF_UNIX
               ? 0
               : net_option(fd, IPPROTO_TCP, TCP_NODELAY, !(o && o->flags & WEIR_SOCK_DELAY));
}

int weir_sock_set(int fd, const struct weir_sock_opts *opts)
{
    int r = !opts || opts->backlog || opts->from ? -EINVAL : net_opts_check(opts, NET_STREAM_FLAGS);
    int family = r < 0 ? r : net_family(fd);

    if (family < 0)
        return family;
    r = net_set(fd, family, opts);
    return r ? r : net_nodelay(fd, family, opts);
}

/* --- making ---------------------------------------------------------------- */

static int net_socket(int family, int type)
{
    int fd = weir__fault_point(WEIR__FAULT_SYSCALL)
                 ? (errno = EMFILE, -1)
                 : socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

static int net_bind(int fd, const struct weir_addr *at)
{
    return bind(fd, weir__addr_any(at), at->size) < 0 ? -errno : 0;
}

/* Whether a socket file at this path is there, and nobody answers behind it. */
static bool net_stale(const struct weir_addr *at)
{
    const struct sockaddr_un *un = (const void *)weir__addr_any(at);
    struct stat st;
    int fd, e = 0;

    if (lstat(un->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) /* a file would refuse as well */
        return false;
    fd = net_socket(AF_UNIX, SOCK_STREAM);
    if (fd < 0)
        return false;
    if (connect(fd, weir__addr_any(at), at->size) < 0)
        e = errno;
    close(fd);
    return e == ECONNREFUSED;
}

static int net_bind_over(int fd, const struct weir_addr *at, uint32_t flags)
{
    const struct sockaddr_un *un = (const void *)weir__addr_any(at);
    int r = net_bind(fd, at);

    if (r != -EADDRINUSE || un->sun_family != AF_UNIX || !un->sun_path[0] ||
        !(flags & WEIR_SOCK_REPLACE) || !net_stale(at))
        return r;
    if (unlink(un->sun_path) < 0)
        return -errno;
    return net_bind(fd, at);
}

static int net_prepare(int fd, int family, const struct weir_sock_opts *o)
{
    int r = net_set(fd, family, o);

    if (r == 0 && o->flags & WEIR_SOCK_REUSEPORT && family != AF_UNIX)
        r = net_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && family == AF_INET6)
        r = net_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, (o->flags & WEIR_SOCK_V6ONLY) != 0);
    return r;
}

static int net_close(int fd, int r)
{
    weir_close(fd);
    return r;
}

int weir_listen(const struct weir_addr *at, const struct weir_sock_opts *opts)
{
    static const struct weir_sock_opts none;
    const struct weir_sock_opts *o = opts ? opts : &none;
    int fd, family, r;

    if (!weir__addr_sound(at) || net_opts_check(o, NET_LISTEN_FLAGS) < 0 || o->from)
        return -EINVAL;
    family = weir__addr_any(at)->sa_family;
    fd = net_socket(family, SOCK_STREAM);
    if (fd < 0)
        return fd;
    r = net_prepare(fd, family, o);
    if (r == 0 && family != AF_UNIX)
        r = net_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0)
        r = net_nodelay(fd, family, o); /* what it accepts inherits it */
    if (r == 0)
        r = net_bind_over(fd, at, o->flags);
    if (r == 0 && listen(fd, o->backlog ? (int)o->backlog : 128) < 0)
        r = -errno;
    return r < 0 ? net_close(fd, r) : fd;
}

int weir_accept(int listener, struct weir_addr *peer, weir_time deadline)
{
    int r = weir__io_begin(deadline);

    while (r == 0) {
        struct weir_addr a = {0};
        socklen_t size = sizeof a.storage;
        int fd = weir__fault_point(WEIR__FAULT_SYSCALL)
                     ? (errno = EMFILE, -1)
                     : accept4(listener, weir__addr_any(&a), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            a.size = size < sizeof a.storage ? size : sizeof a.storage;
            if (peer)
                *peer = a;
            return fd;
        }
        if (errno == ECONNABORTED) /* the peer left while it was queued */
            continue;
        r = weir__io_again(listener, WEIR_FD_READ, deadline, errno);
    }
    return r;
}

/* --- connecting -------------------------------------------------------------- */

static int net_connected(int fd, weir_time deadline)
{
    socklen_t size = sizeof(int);
    int e = 0, r;

    r = weir_fd_wait(fd, WEIR_FD_WRITE, deadline);
    if (r < 0)
        return r;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &size) < 0 ? -errno : -e;
}

/* A full queue of a UNIX listener: 0 when it is time to ask again. */
static int net_pause(weir_span span, weir_time deadline)
{
    weir_time until = weir_after(span);
    int r;

    if (deadline == 0)
        return -EAGAIN;
    r = weir_sleep(until < deadline ? until : deadline);
    return r == 0 && until >= deadline ? -ETIMEDOUT : r;
}

static int net_connect(int fd, const struct weir_addr *to, weir_time deadline)
{
    weir_span pause = WEIR_MS(1);

    for (;;) {
        int r = weir__fault_point(WEIR__FAULT_SYSCALL)          ? -ECONNREFUSED
                : connect(fd, weir__addr_any(to), to->size) < 0 ? -errno
                                                                : 0;

        if (r == -EINPROGRESS || r == -EINTR)
            return net_connected(fd, deadline);
        if (r != -EAGAIN || weir__addr_any(to)->sa_family != AF_UNIX)
            return r;
        r = net_pause(pause, deadline);
        if (r < 0)
            return r;
        pause = pause < WEIR_MS(64) ? pause * 2 : pause;
    }
}

int weir_connect(const struct weir_addr *to, const struct weir_sock_opts *opts, weir_time deadline)
{
    static const struct weir_sock_opts none;
    const struct weir_sock_opts *o = opts ? opts : &none;
    int fd, family, r;

    if (!weir__addr_sound(to) || net_opts_check(o, NET_STREAM_FLAGS) < 0 || o->backlog)
        return -EINVAL;
    r = weir__io_begin(deadline);
    if (r < 0)
        return r;
    family = weir__addr_any(to)->sa_family;
    fd = net_socket(family, SOCK_STREAM);
    if (fd < 0)
        return fd;
    r = net_set(fd, family, o);
    if (r == 0)
        r = net_nodelay(fd, family, o);
    if (r == 0 && o->from)
        r = net_bind(fd, o->from);
    if (r == 0)
        r = net_connect(fd, to, deadline);
    return r < 0 ? net_close(fd, r) : fd;
}

int weir_shutdown(int fd, int directions)
{
    static const int how[] = {0, SHUT_RD, SHUT_WR, SHUT_RDWR};

    if (directions <= 0 || directions > (WEIR_FD_READ | WEIR_FD_WRITE))
        return -EINVAL;
    return shutdown(fd, how[directions]) < 0 ? -errno : 0;
}

int weir_socketpair(int fds[2])
{
    int pair[2];

    if (!fds)
        return -EINVAL;
    if (weir__fault_point(WEIR__FAULT_SYSCALL))
        return -EMFILE;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    memcpy(fds, pair, sizeof pair);
    return 0;
}

/* --- UNIX by name -------------------------------------------------------------- */

static int net_unix(const char *name, struct weir_addr *out)
{
    int r = weir_addr_parse(name, out);

    return r == 0 && weir__addr_any(out)->sa_family != AF_UNIX ? -EINVAL : r;
}

int weir_unix_listen(const char *name, int backlog)
{
    struct weir_sock_opts o = {.backlog = backlog > 0 ? (uint32_t)backlog : 0};
    struct weir_addr a;
    int r = net_unix(name, &a);

    return r < 0 ? r : weir_listen(&a, &o);
}

int weir_unix_connect(const char *name, weir_time deadline)
{
    struct weir_addr a;
    int r = net_unix(name, &a);

    return r < 0 ? r : weir_connect(&a, NULL, deadline);
}

/* --- datagrams ------------------------------------------------------------------- */

int weir_dgram_open(const struct weir_addr *at, const struct weir_sock_opts *opts)
{
    static const struct weir_sock_opts none;
    const struct weir_sock_opts *o = opts ? opts : &none;
    int fd, family, r;

    if (!weir__addr_sound(at) || net_opts_check(o, NET_DGRAM_FLAGS) < 0 || o->from || o->backlog ||
        o->keepalive)
        return -EINVAL;
    family = weir__addr_any(at)->sa_family;
    fd = net_socket(family, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    r = net_prepare(fd, family, o);
    if (r == 0)
        r = net_bind(fd, at);
    return r < 0 ? net_close(fd, r) : fd;
}

ssize_t weir_dgram_send(int fd, const void *buf, size_t size, const struct weir_addr *to,
                        weir_time deadline)
{
    int r = (!buf && size) || !weir__addr_sound(to) ? -EINVAL : weir__io_begin(deadline);

    while (r == 0) {
        ssize_t n = weir__fault_point(WEIR__FAULT_SYSCALL)
                        ? (errno = EIO, -1)
                        : sendto(fd, buf, size, MSG_NOSIGNAL, weir__addr_any(to), to->size);

        if (n >= 0)
            return n;
        r = weir__io_again(fd, WEIR_FD_WRITE, deadline, errno);
    }
    return r;
}

ssize_t weir_dgram_recv(int fd, void *buf, size_t size, struct weir_addr *from, weir_time deadline)
{
    int r = buf || !size ? weir__io_begin(deadline) : -EINVAL;

    while (r == 0) {
        struct weir_addr a = {0};
        socklen_t len = sizeof a.storage;
        ssize_t n = weir__fault_point(WEIR__FAULT_SYSCALL)
                        ? (errno = EIO, -1)
                        : recvfrom(fd, buf, size, MSG_TRUNC, weir__addr_any(&a), &len);

        if (n >= 0) {
            a.size = len < sizeof a.storage ? len : sizeof a.storage;
            if (from)
                *from = a;
            return (size_t)n <= size ? n : WEIR_ETOOLARGE;
        }
        r = weir__io_again(fd, WEIR_FD_READ, deadline, errno);
    }
    return r;
}
