/*
 * dns.h -- a lookup, apart from who does it: tests bring their own.
 */
#ifndef WEIR__DNS_H
#define WEIR__DNS_H

#include <weir/dns.h>

struct weir__lookup {
    char host[254];
    uint16_t port;
    int count;
    struct weir_addr addrs[WEIR_RESOLVE_MAX];
};

/* Fills in addrs and count, on a worker.  0 or negative. */
typedef int weir__lookup_fn(struct weir__lookup *l);

int weir__resolve_by(weir__lookup_fn *fn, const char *host, uint16_t port, struct weir_addr *out,
                     size_t max, weir_time deadline);

#endif
