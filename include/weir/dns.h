/*
 * dns.h -- names without blocking, and connections to them.
 *
 * A lookup is getaddrinfo(3) on a thread of the offload pool, so it knows what
 * the system knows: hosts file, search list, mDNS.  A cancel or a deadline
 * returns at once; the thread's result is then thrown away when it comes.
 */
#ifndef WEIR_DNS_H
#define WEIR_DNS_H

#include <weir/base.h>
#include <weir/net.h>

WEIR_BEGIN

enum { WEIR_RESOLVE_MAX = 32 /* addresses of a name that are looked at */ };

/*
 * The addresses of a host with this port, in the order in which to try them:
 * getaddrinfo's (RFC 6724), with the families in turn (RFC 8305, section 4).
 * A numeric host is its own address, and parks nobody.  How many, 1 .. max;
 * WEIR_EDNS if there is none; -ETIMEDOUT; -EAGAIN with a deadline of 0;
 * -ECANCELED; -EINVAL for an empty name or one of more than 253 bytes.
 */
WEIR_API int weir_resolve(const char *host, uint16_t port, struct weir_addr *out, size_t max,
                          weir_time deadline);

struct weir_dial_opts {
    weir_span stagger; /* the next address is tried beside the others after it; 0: 250 ms */
    const struct weir_sock_opts *sock; /* of the connection; NULL: defaults */
    uint32_t reserved[4];              /* must be zero */
};

/*
 * Connects to the first of the addresses that answers (RFC 8305, simple form): each
 * is tried when the one before it has failed, or after `stagger`, and the others are
 * given up when one is there.  n is 1 .. 64; `opts` may be NULL.  A descriptor, or
 * what the last to fail said; a deadline of 0 tries the first address only.
 */
WEIR_API int weir_connect_any(const struct weir_addr *addrs, size_t n,
                              const struct weir_dial_opts *opts, weir_time deadline);

/* weir_resolve and weir_connect_any under one deadline.  A descriptor, or their failures. */
WEIR_API int weir_dial(const char *host, uint16_t port, const struct weir_dial_opts *opts,
                       weir_time deadline);

WEIR_END
#endif
