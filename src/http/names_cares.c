/*
 * names_cares.c -- names of hosts by c-ares, on the loop, one lookup for all who ask.
 *
 * libcurl's own resolver takes a thread for each lookup.  Here a request to a
 * name that is not known waits for one query, which all requests to that host
 * and port share; then libcurl is handed the addresses and asks nobody.  What
 * is known stays known for as long as its TTL says, at most NAME_KEEP.  c-ares
 * is set up for the first name, so a client of addresses does without.
 *
 * Left to libcurl, and so to the system: addresses, names without a dot and
 * those in .local (files, mDNS), what a proxy will resolve, the later hops of
 * a redirect, and any host that is spelled strangely.
 */
#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weir/io.h>
#include <weir/run.h>

#include "base/hash.h"
#include "http/http.h"

#define NAME_KEEP WEIR_S(50) /* libcurl itself forgets after 60 s */
#define NAME_LEAST WEIR_S(1)

enum {
    NAME_SIZE = 264, /* host, colon, port, 0 */
    NAME_BUCKETS = 1024,
    NAME_MOST = 4096, /* names held; beyond that the oldest that nobody waits for is forgotten */
    NAME_ADDRS = 1024 /* bytes of addresses handed to libcurl */
};

struct name {
    struct weir__list age;     /* in names->ages, oldest first */
    struct weir__list waiters; /* of transfers, by their link */
    struct name *next;         /* in its bucket */
    struct weir__http_names *names;
    weir_time until; /* known until then; in the past: not known */
    uint64_t hash;
    bool asking;
    uint16_t host_size, port;
    char text[NAME_SIZE]; /* "host:port" */
};

struct name_sock {
    struct weir__watch watch; /* first */
    struct weir__http_names *names;
    struct name_sock *next;
};

struct weir__http_names {
    weir_http *client;
    ares_channel channel; /* NULL: not yet, or there is none to be had */
    struct weir__timer timer;
    struct weir__hash_key key;
    struct name_sock *socks; /* kept: c-ares opens few */
    struct weir__list ages;
    uint32_t count;
    bool opened;     /* the channel was tried for */
    bool proxied[2]; /* http, https: a proxy is asked, by the environment or the options */
    struct name *buckets[NAME_BUCKETS];
};

/* --- the host of a URL --------------------------------------------------- */

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

/* A name that DNS is asked for: it has a dot, a last label of letters, and is not in .local. */
static bool name_is_global(const char *host, size_t size)
{
    const char *dot = NULL;

    for (size_t i = 0; i + 1 < size; i++)
        if (host[i] == '.')
            dot = host + i;
    if (!dot || size > 253 || *host == '.')
        return false;
    if (dot[1] >= '0' && dot[1] <= '9')
        return false;
    size = (size_t)(host + size - dot);
    return !(size == 6 && strncasecmp(dot, ".local", 6) == 0) &&
           !(size == 10 && strncasecmp(dot, ".localhost", 10) == 0);
}

static int name_port(const char *at, const char *end, uint16_t standard)
{
    unsigned long port = 0;

    if (at == end)
        return standard;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9' || port > 65535)
            return 0;
        port = port * 10 + (unsigned long)(*at - '0');
    }
    return port > 65535 ? 0 : (int)port;
}

/* Fills in text, host_size and port; false: not ours to look up. */
static bool name_of_url(struct name *n, const char *url, bool tls)
{
    const char *host = url + (tls ? 8 : 7), *end = host + strcspn(host, "/?#"), *at = host;
    int port;

    while (at < end && name_char(*at))
        at++;
    if ((at < end && *at != ':') || !name_is_global(host, (size_t)(at - host)))
        return false;
    port = name_port(at < end ? at + 1 : end, end, tls ? 443 : 80);
    if (port == 0)
        return false;
    n->host_size = (uint16_t)(at - host);
    n->port = (uint16_t)port;
    for (size_t i = 0; i < n->host_size; i++)
        n->text[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] + 32) : host[i];
    snprintf(n->text + n->host_size, 8, ":%d", port);
    return true;
}

/* --- the table ------------------------------------------------------------ */

static struct name **name_slot(struct weir__http_names *s, uint64_t hash)
{
    return &s->buckets[hash % NAME_BUCKETS];
}

static struct name *name_find(struct weir__http_names *s, const struct name *key)
{
    struct name *n = *name_slot(s, key->hash);

    while (n && (n->hash != key->hash || strcmp(n->text, key->text) != 0))
        n = n->next;
    return n;
}

static void name_drop(struct name *n)
{
    struct name **at = name_slot(n->names, n->hash);

    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    weir__list_remove(&n->age);
    n->names->count--;
    weir__free(n, sizeof *n);
}

/* A few of the oldest go if they are of no use any more, or there are too many. */
static void name_sweep(struct weir__http_names *s)
{
    for (int i = 0; i < 2 && !weir__list_empty(&s->ages); i++) {
        struct name *n = WEIR__ENTRY(s->ages.next, struct name, age);

        if (n->asking || (n->until > weir_now() && s->count < NAME_MOST))
            return;
        name_drop(n);
    }
}

static struct name *name_add(struct weir__http_names *s, const struct name *key)
{
    struct name *n;

    name_sweep(s);
    n = weir__alloc(sizeof *n);
    if (!n)
        return NULL;
    *n = *key;
    weir__list_init(&n->waiters);
    weir__list_append(&s->ages, &n->age);
    n->names = s;
    n->next = *name_slot(s, n->hash);
    *name_slot(s, n->hash) = n;
    s->count++;
    return n;
}

/* --- the answer ------------------------------------------------------------ */

/* "+host:port:address,[address]": '+' lets libcurl forget it in time.  False: no address. */
static bool name_line(const struct name *n, const struct ares_addrinfo *info, char *line, int size)
{
    int at = snprintf(line, (size_t)size, "+%s:", n->text), first = at;

    for (const struct ares_addrinfo_node *i = info->nodes; i; i = i->ai_next) {
        const void *addr =
            i->ai_family == AF_INET6
                ? (const void *)&((struct sockaddr_in6 *)(void *)i->ai_addr)->sin6_addr
                : &((struct sockaddr_in *)(void *)i->ai_addr)->sin_addr;
        char text[64];

        if (!ares_inet_ntop(i->ai_family, addr, text, sizeof text) ||
            at + (int)strlen(text) + 4 > size)
            continue;
        at += snprintf(line + at, (size_t)(size - at), i->ai_family == AF_INET6 ? "%s[%s]" : "%s%s",
                       at > first ? "," : "", text);
    }
    return at > first;
}

static weir_span name_ttl(const struct ares_addrinfo *info)
{
    weir_span keep = NAME_KEEP;

    for (const struct ares_addrinfo_node *i = info->nodes; i; i = i->ai_next)
        if (i->ai_ttl > 0 && WEIR_S(i->ai_ttl) < keep)
            keep = WEIR_S(i->ai_ttl);
    return keep > NAME_LEAST ? keep : NAME_LEAST;
}

static int name_hand(struct weir__http_transfer *t, const char *line)
{
    t->resolve = curl_slist_append(NULL, line);
    if (!t->resolve)
        return -ENOMEM;
    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolve);
    return 0;
}

static int name_code(int status)
{
    return status == ARES_ENOMEM ? -ENOMEM : status == ARES_EDESTRUCTION ? -ECANCELED : WEIR_EDNS;
}

/* Those who wait go on, each with the line for libcurl, or end. */
static void name_tell(struct name *n, int status, const char *line)
{
    struct weir__list waiters;

    weir__list_init(&waiters);
    while (!weir__list_empty(&n->waiters)) { /* an end may bring new ones */
        struct weir__list *first = n->waiters.next;

        weir__list_remove(first);
        weir__list_append(&waiters, first);
    }
    while (!weir__list_empty(&waiters)) {
        struct weir__http_transfer *t = WEIR__ENTRY(waiters.next, struct weir__http_transfer, link);

        weir__list_remove(&t->link);
        snprintf(t->problem, sizeof t->problem, "%s", status ? ares_strerror(status) : "");
        weir__http_transfer_named(t, status ? name_code(status) : name_hand(t, line));
    }
}

static void name_come(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct name *n = arg;
    char line[NAME_SIZE + NAME_ADDRS] = "";

    (void)timeouts;
    n->asking = false;
    if (status == ARES_SUCCESS && !name_line(n, info, line, (int)sizeof line))
        status = ARES_ENODATA;
    if (status == ARES_SUCCESS)
        n->until = weir_now() + name_ttl(info);
    if (info)
        ares_freeaddrinfo(info);
    name_tell(n, status, line);
}

/* --- c-ares on the loop ------------------------------------------------------ */

static void name_timer_set(struct weir__http_names *s)
{
    struct timeval tv, *next = ares_timeout(s->channel, NULL, &tv);

    if (next)
        (void)weir__timer_arm(&s->timer, weir_after(WEIR_S(next->tv_sec) + WEIR_US(next->tv_usec)));
    else
        weir__timer_stop(&s->timer);
}

static void name_process(struct weir__http_names *s, ares_socket_t in, ares_socket_t out)
{
    weir_http *c = s->client;

    ares_process_fd(s->channel, in, out);
    name_timer_set(s);
    weir__http_turn(c);
}

static void name_timer_fire(struct weir__timer *timer)
{
    name_process(WEIR__ENTRY(timer, struct weir__http_names, timer), ARES_SOCKET_BAD,
                 ARES_SOCKET_BAD);
}

static void name_ready(struct weir__watch *w, int events)
{
    struct name_sock *k = (struct name_sock *)w;

    name_process(k->names, events & WEIR_FD_READ ? w->fd : ARES_SOCKET_BAD,
                 events & WEIR_FD_WRITE ? w->fd : ARES_SOCKET_BAD);
}

/* The record of a socket of c-ares's, or a free one: fd is -EBADF.  NULL: no memory. */
static struct name_sock *name_sock(struct weir__http_names *s, int fd)
{
    struct name_sock *k = s->socks;

    while (k && k->watch.fd != fd)
        k = k->next;
    if (k || fd != -EBADF)
        return k;
    k = weir__alloc(sizeof *k);
    if (!k)
        return NULL;
    *k = (struct name_sock){{.fd = -EBADF, .fn = name_ready}, s, s->socks};
    s->socks = k;
    return k;
}

static void name_sock_state(void *names, ares_socket_t fd, int in, int out)
{
    struct name_sock *k = name_sock(names, fd);

    if (!in && !out) {
        if (k) {
            weir__watch_del(&k->watch);
            k->watch.fd = -EBADF;
        }
        return;
    }
    if (!k)
        k = name_sock(names, -EBADF);
    if (k) /* without one the query ends by its own time */
        (void)weir__watch_set(&k->watch, fd, (in ? WEIR_FD_READ : 0) | (out ? WEIR_FD_WRITE : 0));
}

/* --- what the client calls ---------------------------------------------------- */

static void name_ask(struct name *n)
{
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC,
                                                     .ai_socktype = SOCK_STREAM};
    char host[NAME_SIZE];

    snprintf(host, sizeof host, "%.*s", n->host_size, n->text);
    n->asking = true;
    ares_getaddrinfo(n->names->channel, host, NULL, &hints, name_come, n);
    name_timer_set(n->names);
}

static int name_channel(struct weir__http_names *s, const char *servers)
{
    struct ares_options o = {.sock_state_cb = name_sock_state, .sock_state_cb_data = s};
    int status = ares_init_options(&s->channel, &o, ARES_OPT_SOCK_STATE_CB);

    if (status != ARES_SUCCESS) {
        s->channel = NULL;
        s->opened = status != ARES_ENOMEM;
        return status == ARES_ENOMEM ? -ENOMEM : servers ? -EINVAL : 0;
    }
    s->opened = true;
    if (servers && ares_set_servers_ports_csv(s->channel, servers) != ARES_SUCCESS)
        return -EINVAL;
    return 0;
}

int weir__http_name_find(struct weir__http_transfer *t, const char *url)
{
    struct weir__http_names *s = t->client->names;
    bool tls = strncasecmp(url, "https:", 6) == 0;
    struct name key = {.until = 0}, *n;

    if (!s || s->proxied[tls] || !name_of_url(&key, url, tls))
        return 1;
    if (!s->opened && name_channel(s, NULL) < 0)
        return -ENOMEM;
    if (!s->channel)
        return 1;
    key.hash = weir__hash(&s->key, key.text, strlen(key.text));
    n = name_find(s, &key);
    if (n && n->until > weir_now())
        return 1;
    if (!n)
        n = name_add(s, &key);
    if (!n)
        return -ENOMEM;
    weir__list_append(&n->waiters, &t->link);
    if (!n->asking)
        name_ask(n); /* may tell at once: a hosts file, a name that can be none */
    return 0;
}

static bool name_env(const char *lower, const char *upper)
{
    const char *value = getenv(lower);

    if (!value && upper)
        value = getenv(upper);
    return value && *value;
}

int weir__http_names_open(weir_http *c)
{
    const char *proxy = c->opts.proxy;
    bool all = proxy ? *proxy != 0 : name_env("all_proxy", "ALL_PROXY");
    struct weir__http_names *s;

    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return -ENOMEM;
    s = c->names = weir__alloc(sizeof *s);
    if (!s) {
        ares_library_cleanup();
        return -ENOMEM;
    }
    s->client = c;
    s->timer.fire = name_timer_fire;
    s->key = weir__hash_key_new();
    weir__list_init(&s->ages);
    s->proxied[0] = all || (!proxy && name_env("http_proxy", NULL));
    s->proxied[1] = all || (!proxy && name_env("https_proxy", "HTTPS_PROXY"));
    return c->opts.dns_servers ? name_channel(s, c->opts.dns_servers) : 0;
}

void weir__http_names_free(weir_http *c)
{
    struct weir__http_names *s = c->names;

    if (!s)
        return;
    if (s->channel)
        ares_destroy(s->channel);
    weir__timer_stop(&s->timer);
    while (!weir__list_empty(&s->ages))
        name_drop(WEIR__ENTRY(s->ages.next, struct name, age));
    while (s->socks) {
        struct name_sock *k = s->socks;

        s->socks = k->next;
        weir__watch_del(&k->watch);
        weir__free(k, sizeof *k);
    }
    weir__free(s, sizeof *s);
    c->names = NULL;
    ares_library_cleanup();
}
