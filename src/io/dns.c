/*
 * dns.c -- lookups on the pool, and the race of connections to what they found.
 *
 * Of all descriptors that a race has made, at most one is left when it returns.
 */
#include "io/dns.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <stddef.h>

#include "io/io.h"
#include "io/owned.h"

struct dns_job {
    struct weir__owned owned;
    weir__lookup_fn *fn;
    struct weir__lookup lookup;
};

/* --- on the worker --------------------------------------------------------- */

static int dns_code(int e)
{
    switch (e) {
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno ? -errno : WEIR_EDNS;
    default:
        return WEIR_EDNS;
    }
}

static void dns_port_set(struct weir_addr *a, uint16_t port)
{
    /* Both kinds have the port in the same place: two bytes after the family. */
    uint16_t net = htons(port);

    _Static_assert(offsetof(struct sockaddr_in, sin_port) ==
                       offsetof(struct sockaddr_in6, sin6_port),
                   "one place");
    memcpy((char *)a->storage + offsetof(struct sockaddr_in, sin_port), &net, sizeof net);
}

static int dns_getaddrinfo(struct weir__lookup *l)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *list, *i;
    int e = getaddrinfo(l->host, NULL, &want, &list);

    if (e != 0)
        return dns_code(e);
    for (i = list; i && l->count < WEIR_RESOLVE_MAX; i = i->ai_next) {
        struct weir_addr *a = &l->addrs[l->count];

        if (i->ai_addrlen > sizeof a->storage)
            continue;
        *a = (struct weir_addr){.size = i->ai_addrlen};
        memcpy(a->storage, i->ai_addr, i->ai_addrlen);
        if (!weir__addr_sound(a))
            continue;
        dns_port_set(a, l->port);
        l->count++;
    }
    freeaddrinfo(list);
    return 0;
}

static int dns_run(struct weir__owned *o)
{
    struct dns_job *j = (struct dns_job *)o;

    return j->fn(&j->lookup);
}

/* --- lookups ------------------------------------------------------------------ */

static void dns_free(struct weir__owned *o)
{
    weir__free(o, sizeof(struct dns_job));
}

static int dns_family(const struct weir_addr *a)
{
    return weir__addr_any(a)->sa_family;
}

/* The first of the family `like` from *at on, or of another; NULL when there is none left. */
static const struct weir_addr *dns_next(const struct weir__lookup *l, int *at, int family,
                                        bool like)
{
    while (*at < l->count && (dns_family(&l->addrs[*at]) == family) != like)
        ++*at;
    return *at < l->count ? &l->addrs[(*at)++] : NULL;
}

/* The first address's family and the others in turn, each in its own order. */
static int dns_interleave(const struct weir__lookup *l, struct weir_addr *out, size_t max)
{
    int family = l->count ? dns_family(&l->addrs[0]) : 0, at[2] = {0, 0};
    size_t n = 0, want = (size_t)l->count < max ? (size_t)l->count : max;

    for (int turn = 0; n < want; turn ^= 1) {
        const struct weir_addr *a = dns_next(l, &at[turn], family, turn == 0);

        if (a)
            out[n++] = *a;
    }
    return n ? (int)n : WEIR_EDNS;
}

static int dns_look(struct dns_job *j, struct weir_addr *out, size_t max, weir_time deadline)
{
    struct weir__owned *o = &j->owned;
    struct weir_limit limit;
    int r = weir_limit_init(&limit, deadline);

    if (r == 0)
        r = weir__owned_run(&o);
    r = weir_limit_fini(&limit, r);
    if (r == 0)
        r = dns_interleave(&j->lookup, out, max);
    if (o)
        dns_free(o);
    return r;
}

int weir__resolve_by(weir__lookup_fn *fn, const char *host, uint16_t port, struct weir_addr *out,
                     size_t max, weir_time deadline)
{
    size_t len = host ? strlen(host) : 0;
    struct dns_job *j;
    int r;

    if (!len || len >= sizeof j->lookup.host || !out || !max || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir_addr_host(host, port, out) == 0)
        return 1;
    r = weir__io_begin(deadline);
    if (r < 0 || deadline == 0)
        return r < 0 ? r : -EAGAIN;
    j = weir__alloc(sizeof *j);
    if (!j)
        return -ENOMEM;
    j->owned = (struct weir__owned){.run = dns_run, .free = dns_free};
    j->fn = fn;
    j->lookup.port = port;
    memcpy(j->lookup.host, host, len);
    return dns_look(j, out, max, deadline);
}

int weir_resolve(const char *host, uint16_t port, struct weir_addr *out, size_t max,
                 weir_time deadline)
{
    return weir__resolve_by(dns_getaddrinfo, host, port, out, max, deadline);
}

/* --- the race -------------------------------------------------------------------- */

enum { DNS_TRIES = 64 };

struct dns_try {
    const struct weir_addr *to;
    const struct weir_sock_opts *opts;
    weir_time deadline;
    int fd; /* or why not */
};

struct dns_race {
    weir_scope *scope;
    weir_span stagger;
    weir_time deadline;
    size_t n, started, ended;
    struct dns_try tries[DNS_TRIES];
};

static int dns_try_run(void *arg)
{
    struct dns_try *t = arg;

    t->fd = weir_connect(t->to, t->opts, t->deadline);
    return 0; /* a failure is a result like others */
}

/* The next to end: 1 with *out set, 0 when it is time for another try, negative. */
static int dns_race_next(struct dns_race *c, struct dns_try **out)
{
    weir_time until = weir_after(c->stagger);
    bool more = c->started < c->n && until < c->deadline;
    struct weir_done done;
    int r = weir_scope_next(c->scope, &done, more ? until : c->deadline);

    if (r == 1) {
        c->ended++;
        *out = done.arg;
    }
    return r == -ETIMEDOUT && more ? 0 : r;
}

/* The first to connect: its descriptor.  It is taken out of its try. */
static int dns_race_run(struct dns_race *c)
{
    int last = -EHOSTUNREACH;

    while (c->started < c->n || c->ended < c->started) {
        struct dns_try *t = NULL;
        int r = c->started < c->n ? weir_go(c->scope, dns_try_run, &c->tries[c->started]) : 0;

        if (r < 0)
            return r;
        c->started += c->started < c->n;
        r = dns_race_next(c, &t);
        if (r < 0)
            return r;
        if (!t)
            continue;
        last = t->fd;
        t->fd = -ECANCELED;
        if (last >= 0)
            return last;
    }
    return last;
}

static int dns_race(struct dns_race *c, const struct weir_addr *addrs,
                    const struct weir_sock_opts *sock)
{
    struct weir_scope_opts opts = {
        .results = (uint32_t)c->n, .on_error = WEIR_KEEP, .name = "connect"};
    int r;

    for (size_t i = 0; i < c->n; i++)
        c->tries[i] = (struct dns_try){&addrs[i], sock, c->deadline, -ECANCELED};
    c->scope = weir_scope_open(&opts);
    r = dns_race_run(c);
    if (weir_scope_error(c->scope) == 0)
        (void)weir_scope_cancel(c->scope, -ECANCELED);
    (void)weir_scope_close(&c->scope);
    for (size_t i = 0; i < c->n; i++) /* those that came second */
        if (c->tries[i].fd >= 0)
            weir_close(c->tries[i].fd);
    return r;
}

static int dns_opts_check(const struct weir_dial_opts *o)
{
    if (o->stagger < 0 || o->stagger > WEIR_EPOCH)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return 0;
}

int weir_connect_any(const struct weir_addr *addrs, size_t n, const struct weir_dial_opts *opts,
                     weir_time deadline)
{
    static const struct weir_dial_opts none;
    const struct weir_dial_opts *o = opts ? opts : &none;
    struct dns_race c = {.stagger = o->stagger ? o->stagger : WEIR_MS(250)};
    int r;

    if (!addrs || !n || n > DNS_TRIES || dns_opts_check(o) < 0)
        return -EINVAL;
    if (n == 1 || deadline == 0)
        return weir_connect(addrs, o->sock, deadline);
    r = weir__io_begin(deadline);
    if (r < 0)
        return r;
    c.deadline = deadline;
    c.n = n;
    return dns_race(&c, addrs, o->sock);
}

int weir_dial(const char *host, uint16_t port, const struct weir_dial_opts *opts,
              weir_time deadline)
{
    enum { BYTES = WEIR_RESOLVE_MAX * sizeof(struct weir_addr) };
    struct weir_addr *addrs;
    int r = opts ? dns_opts_check(opts) : 0;

    if (r < 0)
        return r;
    addrs = weir__alloc(BYTES);
    if (!addrs)
        return -ENOMEM;
    r = weir_resolve(host, port, addrs, WEIR_RESOLVE_MAX, deadline);
    if (r > 0)
        r = weir_connect_any(addrs, (size_t)r, opts, deadline);
    weir__free(addrs, BYTES);
    return r;
}
