/*
 * net.h -- addresses, and sockets of all kinds: TCP, UNIX, UDP.
 *
 * A socket made here is non-blocking and close-on-exec, and is read, written
 * and closed by io.h's calls.  A deadline means what it means there: 0 tries
 * once (-EAGAIN), a passed one is -ETIMEDOUT, a cancel -ECANCELED.
 */
#ifndef WEIR_NET_H
#define WEIR_NET_H

#include <weir/base.h>

WEIR_BEGIN

/* --- addresses ----------------------------------------------------------- */

enum { WEIR_ADDR_TEXT = 128 /* bytes that hold the text of any address, with its zero */ };

/* Plain data: copied at will.  `storage` begins with a struct sockaddr of `size` bytes. */
struct weir_addr {
    uint32_t size; /* 0: none */
    uint32_t reserved;
    uint64_t storage[16];
};

/*
 * Reads "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", a UNIX path that begins
 * with '/' or '.', or the abstract name "@name".  0; -EINVAL; -ENAMETOOLONG for
 * a UNIX name of more than 107 bytes.  Names of hosts: weir_resolve.  Never parks.
 */
WEIR_API int weir_addr_parse(const char *text, struct weir_addr *out);

/* The same from a numeric host (NULL: 127.0.0.1) and a port.  0 or -EINVAL. */
WEIR_API int weir_addr_host(const char *host, uint16_t port, struct weir_addr *out);

/*
 * The text that weir_addr_parse reads; "unnamed" for a UNIX socket without a name.
 * Its length; -ENOSPC if it needs more than `size` bytes; -EINVAL; -EAFNOSUPPORT.
 */
WEIR_API int weir_addr_text(const struct weir_addr *a, char *text, size_t size);

/* The port; 0 if it has none. */
WEIR_API uint16_t weir_addr_port(const struct weir_addr *a);

/* Whose the socket's ends are.  0, or -ENOTCONN, -EBADF, -ENOTSOCK. */
WEIR_API int weir_addr_local(int fd, struct weir_addr *out);
WEIR_API int weir_addr_peer(int fd, struct weir_addr *out);

/* --- streams of bytes: TCP and UNIX ---------------------------------------- */

enum weir_sock_flags {
    WEIR_SOCK_DELAY = 1,     /* keep Nagle's delay; off by default */
    WEIR_SOCK_REUSEPORT = 2, /* listen, UDP: several sockets share the port, the kernel spreads */
    WEIR_SOCK_V6ONLY = 4,    /* listen, UDP: no IPv4 through "[::]" */
    WEIR_SOCK_REPLACE = 8    /* listen: a UNIX path that nobody listens on any more is taken over */
};

struct weir_sock_opts {
    uint32_t flags;
    uint32_t backlog;     /* listen; 0: 128 */
    weir_span keepalive;  /* probes after so much silence, 1 s .. 32767 s; 0: none */
    uint32_t recv_buffer; /* bytes asked of the kernel, up to INT_MAX / 2; 0: its default */
    uint32_t send_buffer;
    const struct weir_addr *from; /* connect: the local address; NULL: any */
    uint32_t reserved[4];         /* must be zero */
};

/*
 * A listening socket; port 0 picks one, which weir_addr_local tells.  `opts` NULL is
 * all defaults.  A descriptor; -EADDRINUSE; -EINVAL.  A UNIX path stays until unlink(2).
 */
WEIR_API int weir_listen(const struct weir_addr *at, const struct weir_sock_opts *opts);

/* Parks for the next client; its address to *peer if not NULL.  A descriptor, or negative. */
WEIR_API int weir_accept(int listener, struct weir_addr *peer, weir_time deadline);

/*
 * Parks until connected.  A descriptor, or negative.  A UNIX listener whose queue is
 * full is asked again after 1 ms, 2 ms ... 64 ms, for the kernel has no event for it.
 */
WEIR_API int weir_connect(const struct weir_addr *to, const struct weir_sock_opts *opts,
                          weir_time deadline);

/* Options of a socket that exists: `flags` WEIR_SOCK_DELAY, keepalive, buffers; else -EINVAL. */
WEIR_API int weir_sock_set(int fd, const struct weir_sock_opts *opts);

/*
 * Half-close: WEIR_FD_WRITE tells the peer that no more comes, WEIR_FD_READ ends one's
 * own reads, or both.  0, -ENOTCONN, -EINVAL.  The descriptor must still be closed.
 */
WEIR_API int weir_shutdown(int fd, int directions);

/* A connected pair of UNIX stream sockets.  0 with both set, or a negative errno. */
WEIR_API int weir_socketpair(int fds[2]);

/* --- UNIX by name ----------------------------------------------------------- */

/* As weir_listen and weir_connect, from the text of a UNIX address; else -EINVAL. */
WEIR_API int weir_unix_listen(const char *name, int backlog);
WEIR_API int weir_unix_connect(const char *name, weir_time deadline);

/* --- datagrams: UDP and UNIX -------------------------------------------------- */

/* A socket bound to the address ("0.0.0.0:0" for any).  A descriptor, or negative. */
WEIR_API int weir_dgram_open(const struct weir_addr *at, const struct weir_sock_opts *opts);

/* One datagram, whole or not at all.  `size`, or negative: -EMSGSIZE, -ECONNREFUSED ... */
WEIR_API ssize_t weir_dgram_send(int fd, const void *buf, size_t size, const struct weir_addr *to,
                                 weir_time deadline);

/*
 * The next datagram: its size, 0 for an empty one; *from, if not NULL, is the sender's.
 * One larger than `size` is lost: WEIR_ETOOLARGE.
 */
WEIR_API ssize_t weir_dgram_recv(int fd, void *buf, size_t size, struct weir_addr *from,
                                 weir_time deadline);

WEIR_END
#endif
