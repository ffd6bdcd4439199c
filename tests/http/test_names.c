/*
 * test_names.c -- names of hosts: one question for all who ask, and what becomes of the answer.
 *
 * A DNS server, an HTTP server and the client are fibers of one loop, on the
 * real clock.  The DNS server answers by the name: *.good.test is this
 * machine, *.none.test does not exist, *.deaf.test gets no answer.
 */
#include "http/server.h"

#include <stdbool.h>
#include <weir/net.h>

static struct {
    int fd, port, a, other; /* questions seen, for addresses of IPv4 and for all else */
} dns;

/* --- the DNS server -------------------------------------------------------- */

/* The name of a question as text; where its type stands, 0 if it is no question. */
static size_t dns_name(const uint8_t *q, size_t size, char *name, size_t max)
{
    size_t at = 12, n = 0;

    while (at < size && q[at] && at + 1 + q[at] < size && n + q[at] + 1 < max) {
        memcpy(name + n, q + at + 1, q[at]);
        n += q[at];
        name[n++] = '.';
        at += 1u + q[at];
    }
    name[n ? n - 1 : 0] = 0;
    return at + 5 <= size && !q[at] ? at + 1 : 0;
}

static bool dns_under(const char *name, const char *zone)
{
    size_t n = strlen(name), z = strlen(zone);

    return n >= z && strcmp(name + n - z, zone) == 0;
}

/* The answer, in place; its size, 0 for none. */
static size_t dns_answer(uint8_t *q, size_t size)
{
    static const uint8_t address[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 1};
    char name[300];
    size_t type = dns_name(q, size, name, sizeof name);
    bool a = type && q[type + 1] == 1;

    if (!type)
        return 0;
    dns.a += a;
    dns.other += !a;
    if (dns_under(name, ".deaf.test"))
        return 0;
    size = type + 4; /* what else was in the question, EDNS say, goes */
    memset(q + 4, 0, 8);
    q[2] = 0x81;
    q[3] = dns_under(name, ".none.test") ? 3 : 0;
    q[5] = 1;
    if (a && dns_under(name, ".good.test")) {
        q[7] = 1;
        memcpy(q + size, address, sizeof address);
        size += sizeof address;
    }
    return size;
}

static int dns_serve(void *arg)
{
    struct weir_addr from;
    uint8_t buf[1024];
    ssize_t n;

    (void)arg;
    while ((n = weir_dgram_recv(dns.fd, buf, sizeof buf - 64, &from, WEIR_NEVER)) >= 0) {
        size_t size = dns_answer(buf, (size_t)n);

        if (size && weir_dgram_send(dns.fd, buf, size, &from, WEIR_NEVER) < 0)
            break;
    }
    return 0;
}

static void dns_open(void)
{
    struct weir_addr at;
    memset(&dns, 0, sizeof dns);
    EQ(weir_addr_parse("127.0.0.1:0", &at), 0);
    dns.fd = weir_dgram_open(&at, NULL);
    LE(0, dns.fd);
    EQ(weir_addr_local(dns.fd, &at), 0);
    dns.port = weir_addr_port(&at);
    EQ(weir_go(world.scope, dns_serve, NULL), 0);
}

/* --- a test's body between them ------------------------------------------- */

static weir_http *client_new(void)
{
    char servers[64];

    snprintf(servers, sizeof servers, "127.0.0.1:%d", dns.port);
    return weir_http_new(&(struct weir_http_opts){.proxy = "", .dns_servers = servers});
}

static int with_names(void *fn)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP};

    memset(&world, 0, sizeof world);
    world.listener = weir_tcp_listen(NULL, 0, 64);
    LE(0, world.listener);
    world.port = weir_tcp_port(world.listener);
    world.scope = weir_scope_open(&keep);
    EQ(weir_go(world.scope, listen_on, NULL), 0);
    dns_open();
    world.client = client_new();
    if (weir_http_error(world.client) == -ENOTSUP)
        SKIP("built without c-ares");
    EQ(weir_http_error(world.client), 0);
    (*(void (**)(void))fn)();
    weir_http_free(&world.client);
    weir_scope_cancel(world.scope, -ECANCELED);
    (void)weir_scope_close(&world.scope);
    weir_close(dns.fd);
    weir_close(world.listener);
    return 0;
}

#define NAMED(NAME)                                                                                \
    static void NAME##_body(void);                                                                 \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        struct weir_config config = {.alloc = test_alloc};                                         \
        void (*fn)(void) = NAME##_body;                                                            \
        EQ(weir_run(&config, with_names, &fn), 0);                                                 \
    }                                                                                              \
    static void NAME##_body(void)

static int get(const char *host, struct weir_http_resp *resp)
{
    char url[400];
    struct weir_http_req req = {.url = url, .total_timeout = WEIR_S(10)};

    snprintf(url, sizeof url, "http://%s:%d/ok", host, world.port);
    return weir_http_do(world.client, &req, resp);
}

static int get_host(const char *host)
{
    struct weir_http_resp resp = {0};
    int r = get(host, &resp);

    if (r == 0)
        r = resp.status == 200 ? 0 : -EIO;
    weir_http_close(&resp);
    return r;
}

static int get_code(void *host)
{
    return get_host(host);
}

/* weir_go, for a host */
static int go_get(weir_scope *s, const char *host)
{
    return weir_go(s, get_code, (void *)(uintptr_t)host);
}

/* --- what comes of it ------------------------------------------------------ */

NAMED(a_name_is_asked_for_once_by_all_who_want_it)
{
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < 20; i++)
        EQ(go_get(s, i % 2 ? "a.good.test" : "A.Good.Test"), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(dns.a, 1);
    for (int i = 0; i < 5; i++)
        EQ(get_host("a.good.test"), 0);
    EQ(dns.a, 1);
    EQ(get_host("b.good.test"), 0);
    EQ(dns.a, 2);
}

NAMED(the_time_of_the_lookup_is_in_the_answer)
{
    struct weir_http_resp resp = {0};

    EQ(get("a.good.test", &resp), 0);
    LT(0, resp.dns);
    LE(resp.dns, resp.connect);
    LE(resp.connect, resp.ttfb);
    weir_http_close(&resp);
}

NAMED(a_known_name_costs_no_memory)
{
    struct weir_http_resp resp = {0};
    uint64_t calls;

    for (int i = 0; i < 3; i++)
        EQ(get("a.good.test", &resp), 0);
    calls = test_alloc_calls();
    for (int i = 0; i < 20; i++)
        EQ(get("a.good.test", &resp), 0);
    EQ(test_alloc_calls(), calls);
    weir_http_close(&resp);
}

NAMED(a_name_that_is_none_is_a_failure_for_all_and_asked_for_again)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP, .results = 3};
    weir_scope *s = weir_scope_open(&keep);
    struct weir_http_resp resp = {0};
    struct weir_done done;

    for (int i = 0; i < 3; i++)
        EQ(go_get(s, "x.none.test"), 0);
    for (int i = 0; i < 3; i++) {
        EQ(weir_scope_next(s, &done, WEIR_NEVER), 1);
        EQ(done.result, WEIR_EDNS);
    }
    (void)weir_scope_close(&s);
    EQ(dns.a, 1);
    EQ(get("x.none.test", &resp), WEIR_EDNS);
    EQ(resp.outcome, WEIR_HTTP_DNS);
    OK(strstr(resp.text, "resolving x.none.test"));
    EQ(dns.a, 2);
    weir_http_close(&resp);
}

NAMED(an_unanswered_question_ends_with_the_time_to_connect)
{
    char url[100];
    struct weir_http_req req = {.url = url, .connect_timeout = WEIR_MS(60)};
    struct weir_http_resp resp = {0};

    snprintf(url, sizeof url, "http://x.deaf.test:%d/ok", world.port);
    EQ(weir_http_do(world.client, &req, &resp), -ETIMEDOUT);
    EQ(resp.outcome, WEIR_HTTP_TIMEOUT_CONNECT);
    OK(strstr(resp.text, "x.deaf.test"));
    EQ(get_host("a.good.test"), 0); /* others do not suffer */
    weir_http_close(&resp);
}

NAMED(who_is_cancelled_waits_no_longer_and_the_rest_do)
{
    weir_scope *s = weir_scope_open(NULL), *other = weir_scope_open(NULL);

    EQ(go_get(other, "a.good.test"), 0);
    EQ(weir_scope_close(&other), 0);
    EQ(go_get(s, "x.deaf.test"), 0);
    EQ(go_get(s, "x.deaf.test"), 0);
    (void)weir_sleep(weir_after(WEIR_MS(5)));
    EQ(weir_scope_cancel(s, -EINTR), 0);
    EQ(weir_scope_close(&s), -EINTR);
}

NAMED(a_client_that_is_freed_lets_go_of_those_who_wait)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP, .results = 1};
    weir_scope *s = weir_scope_open(&keep);
    struct weir_done done;

    EQ(go_get(s, "x.deaf.test"), 0);
    (void)weir_sleep(weir_after(WEIR_MS(5)));
    weir_http_free(&world.client);
    EQ(weir_scope_next(s, &done, WEIR_NEVER), 1);
    EQ(done.result, -ECANCELED);
    (void)weir_scope_close(&s);
}

NAMED(what_is_no_name_of_dns_is_left_to_the_system)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "x.localhost", "u@localhost"};

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        EQ(get_host(hosts[i]), 0);
    EQ(dns.a + dns.other, 0);
}

NAMED(many_names_are_forgotten_in_time_and_nothing_is_lost)
{
    char host[64];

    for (int i = 0; i < 300; i++) {
        snprintf(host, sizeof host, "h%d.none.test", i);
        EQ(get_host(host), WEIR_EDNS);
    }
    EQ(dns.a, 300);
}

static int refused(void *arg)
{
    weir_http *c =
        weir_http_new(&(struct weir_http_opts){.proxy = "", .dns_servers = "not an address"});
    int r = weir_http_error(c);

    (void)arg;
    weir_http_free(&c);
    return r;
}

TEST(servers_that_are_no_addresses_are_refused)
{
    int r = weir_run(NULL, refused, NULL);

    if (r == -ENOTSUP)
        SKIP("built without c-ares");
    EQ(r, -EINVAL);
}

/* --- memory that runs out ---------------------------------------------------- */

static int point_main(void *arg)
{
    char servers[64], url[100];
    struct weir_http_req req = {.url = url, .connect_timeout = WEIR_MS(300)};
    struct weir_http_resp resp = {0};
    weir_http *c;
    int r;

    (void)arg;
    snprintf(servers, sizeof servers, "127.0.0.1:%d", 1); /* nobody: refused at once */
    snprintf(url, sizeof url, "http://a.good.test:9/ok");
    c = weir_http_new(&(struct weir_http_opts){.proxy = "", .dns_servers = servers});
    r = weir_http_error(c);
    if (r == 0)
        r = weir_http_do(c, &req, &resp);
    weir_http_close(&resp);
    weir_http_free(&c);
    return r;
}

static void point_run(void *arg)
{
    struct weir_config config = {.alloc = test_alloc};
    int r = weir_run(&config, point_main, arg);

    OK(r == WEIR_EDNS || r == -ETIMEDOUT || r == -ENOTSUP || (test_fault_hit() && r < 0));
}

TEST_WITH(a_lookup_holds_whatever_fails, .timeout = 60)
{
    EVERY_POINT(point_run, NULL);
}

/* The system's servers, which are set up for the first name: this one needs no answer of theirs. */
static int first_name_main(void *arg)
{
    struct weir_http_req req = {.url = "http://a..test/", .total_timeout = WEIR_S(2)};
    struct weir_http_resp resp = {0};
    weir_http *c = weir_http_new(&(struct weir_http_opts){.proxy = ""});
    int r = weir_http_error(c);

    (void)arg;
    for (int i = 0; r == 0 && i < 2; i++) {
        r = weir_http_do(c, &req, &resp);
        OK(r == WEIR_EDNS || (test_fault_hit() && r < 0));
        r = 0;
    }
    weir_http_close(&resp);
    weir_http_free(&c);
    return r;
}

static void first_name_run(void *arg)
{
    struct weir_config config = {.alloc = test_alloc};
    int r = weir_run(&config, first_name_main, arg);

    OK(r == 0 || (test_fault_hit() && r < 0));
}

TEST_WITH(the_first_name_holds_whatever_fails, .timeout = 60)
{
    EVERY_POINT(first_name_run, NULL);
}
