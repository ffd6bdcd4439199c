/*
 * test_http.c -- the client against a server on loopback that does what it is told.
 *
 * The path of a request says how the server answers; each test runs both ends
 * as fibers of one loop, on the real clock.
 */
#include "http/served.h"

#include <malloc.h>
#include <weir/call.h>
#include <weir/loop.h>

#include "http/http.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_IS_FOREIGN 1
#elif defined(__has_feature)
#define HEAP_IS_FOREIGN (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define HEAP_IS_FOREIGN 0
#endif

/* A request that must fail so, with a text that says the host. */
static void fails(struct weir_http_req req, enum weir_http_outcome outcome, int code)
{
    struct weir_http_resp resp = {0};

    EQ(weir_http_do(world.client, &req, &resp), code);
    STREQ(weir_http_outcome_name(resp.outcome), weir_http_outcome_name(outcome));
    EQ(resp.error, code);
    OK(resp.body == NULL);
    OK(strstr(resp.text, "127.0.0.1"));
    weir_http_close(&resp);
}

/* --- answers ------------------------------------------------------------- */

SERVED(a_whole_answer_is_ok_with_its_head_and_body)
{
    struct weir_http_req req = to("/ok");
    struct weir_http_resp resp = {0};
    size_t n;

    EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(resp.outcome, WEIR_HTTP_OK);
    EQ(resp.status, 200);
    EQ(resp.version, 11);
    EQ(resp.body_size, 5);
    STREQ(resp.body, "hello");
    EQ(resp.bytes, 5);
    const char *x = weir_http_header(&resp, "x-test", &n);
    EQ(n, 3);
    MEMEQ(x, "yes", 3);
    OK(weir_http_header(&resp, "absent", &n) == NULL);
    EQ(resp.retry_after, -1);
    LE(0, resp.connect);
    LE(resp.ttfb, resp.total + WEIR_MS(50));
    weir_http_close(&resp);
    OK(resp.opaque == NULL);
}

SERVED(other_answers_are_complete_too)
{
    struct {
        const char *path, *body;
        int status;
    } want[] = {{"/chunked", "abcde", 200}, {"/404", "none", 404}, {"/interim", "ok", 200}};
    struct weir_http_resp resp = {0};

    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct weir_http_req req = to(want[i].path);

        EQ(weir_http_do(world.client, &req, &resp), 0);
        EQ(resp.status, want[i].status);
        STREQ(resp.body, want[i].body);
    }
    struct weir_http_req req = to("/empty");
    EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(resp.status, 204);
    EQ(resp.body_size, 0);
    weir_http_close(&resp);
}

SERVED(a_connection_is_used_again_and_nothing_is_allocated)
{
    struct weir_http_req req = to("/ok");
    struct weir_http_resp resp = {0};
    uint64_t calls;

    for (int i = 0; i < 5; i++)
        EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(world.accepted, 1);
    EQ(resp.reused, 1);
    calls = test_alloc_calls();
    for (int i = 0; i < 50; i++)
        EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(test_alloc_calls(), calls);
    EQ(world.accepted, 1);
    weir_http_close(&resp);
}

SERVED(redirects_are_followed_only_if_asked_and_not_for_ever)
{
    struct weir_http_req req = to("/moved"), loop = to("/loop"), away = to("/away");
    struct weir_http_resp resp = {0};

    EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(resp.status, 301);
    STREQ(resp.body, "xyz");
    req.redirects = 3;
    EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(resp.status, 200);
    EQ(resp.redirects, 1);
    STREQ(resp.body, "hello");
    OK(strstr(resp.url, "/ok"));
    weir_http_close(&resp);
    loop.redirects = 4;
    world.requests = 0;
    fails(loop, WEIR_HTTP_REDIRECT_LOOP, -ELOOP);
    EQ(world.requests, 5);
    away.redirects = 1;
    fails(away, WEIR_HTTP_PROTOCOL, WEIR_EPROTO);
}

SERVED(retry_after_is_read_in_both_forms)
{
    struct weir_http_req later = to("/later"), date = to("/date");
    struct weir_http_resp resp = {0};

    EQ(weir_http_do(world.client, &later, &resp), 0);
    EQ(resp.status, 429);
    EQ(resp.retry_after, WEIR_S(3));
    EQ(weir_http_do(world.client, &date, &resp), 0);
    EQ(resp.status, 503);
    EQ(resp.retry_after, WEIR_S(7));
    weir_http_close(&resp);
}

/* --- what is never OK ------------------------------------------------------ */

SERVED(a_body_that_was_cut_is_never_a_success)
{
    fails(to("/truncated"), WEIR_HTTP_TRUNCATED, WEIR_ETRUNCATED);
    fails(to("/cut-chunk"), WEIR_HTTP_TRUNCATED, WEIR_ETRUNCATED);
    fails(to("/reset-body"), WEIR_HTTP_TRUNCATED, WEIR_ETRUNCATED);
    fails(to("/bad-chunk"), WEIR_HTTP_PROTOCOL, WEIR_EPROTO);
}

SERVED(a_connection_that_breaks_before_the_head_is_a_reset)
{
    fails(to("/reset"), WEIR_HTTP_RESET, -ECONNRESET);
    fails(to("/nothing"), WEIR_HTTP_RESET, -ECONNRESET);
    fails(to("/cut-head"), WEIR_HTTP_RESET, -ECONNRESET);
}

SERVED(a_post_is_never_sent_a_second_time)
{
    struct weir_http_req first = to("/ok"), post = to("/nothing"), get = to("/nothing");
    struct weir_http_resp resp = {0};

    post.method = "POST";
    EQ(weir_http_do(world.client, &first, &resp), 0); /* a connection is there to be reused */
    weir_http_close(&resp);
    world.requests = 0;
    fails(post, WEIR_HTTP_RESET, -ECONNRESET);
    EQ(world.requests, 1);
    EQ(weir_http_do(world.client, &first, &resp), 0);
    weir_http_close(&resp);
    world.requests = 0;
    fails(get, WEIR_HTTP_RESET, -ECONNRESET);
    EQ(world.requests, 2); /* as http.h says */
}

SERVED(what_is_not_http_is_a_protocol_error)
{
    fails(to("/noise"), WEIR_HTTP_PROTOCOL, WEIR_EPROTO);
}

SERVED(a_port_where_nobody_listens_is_refused)
{
    int fd = weir_tcp_listen(NULL, 0, 1);
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%d/", weir_tcp_port(fd));
    weir_close(fd);
    fails((struct weir_http_req){.url = url}, WEIR_HTTP_REFUSED, -ECONNREFUSED);
}

SERVED(a_body_larger_than_allowed_is_refused)
{
    struct weir_http_req known = to("/ok"), unknown = to("/chunked");

    known.max_body = unknown.max_body = 4;
    fails(known, WEIR_HTTP_TOO_LARGE, WEIR_ETOOLARGE);
    fails(unknown, WEIR_HTTP_TOO_LARGE, WEIR_ETOOLARGE);
    known.max_body = 5;
    struct weir_http_resp resp = {0};
    EQ(weir_http_do(world.client, &known, &resp), 0);
    weir_http_close(&resp);
}

SERVED(requests_that_make_no_sense_are_invalid)
{
    const char *smuggled[] = {"A: b\r\nC: d"};
    struct weir_http_req bad[] = {{.url = NULL},      {.url = "ftp://127.0.0.1/"},
                                  {.url = "http://"}, to("/ok"),
                                  to("/ok"),          to("/ok")};
    struct weir_http_resp resp = {0};

    bad[3].headers = smuggled;
    bad[3].header_count = 1;
    bad[4].method = "GET / HTTP/1.1\r\nX: y";
    bad[5].total_timeout = -1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_http_do(world.client, &bad[i], &resp), -EINVAL);
        EQ(resp.outcome, WEIR_HTTP_INVALID);
    }
    EQ(weir_http_do(NULL, &bad[5], &resp), -EINVAL);
    EQ(world.requests, 0);
    weir_http_close(&resp);
    weir_http *poisoned = weir_http_new(&(struct weir_http_opts){.reserved = {1}});
    EQ(weir_http_error(poisoned), -EINVAL);
    weir_http_free(&poisoned);
}

/* --- deadlines --------------------------------------------------------------- */

SERVED(each_phase_has_a_deadline_of_its_own)
{
    struct weir_http_req ttfb = to("/hang"), idle = to("/stall"), total = to("/hang");
    weir_time start = weir_now();

    ttfb.ttfb_timeout = WEIR_MS(60);
    fails(ttfb, WEIR_HTTP_TIMEOUT_TTFB, -ETIMEDOUT);
    idle.idle_timeout = WEIR_MS(60);
    fails(idle, WEIR_HTTP_TIMEOUT_IDLE, -ETIMEDOUT);
    total.total_timeout = WEIR_MS(60);
    fails(total, WEIR_HTTP_TIMEOUT_TOTAL, -ETIMEDOUT);
    LE(WEIR_MS(180), weir_now() - start);
    LT(weir_now() - start, WEIR_S(3));
}

SERVED(a_connection_that_never_comes_is_a_connect_timeout)
{
    int fd = weir_tcp_listen(NULL, 0, 1), filler[4];
    char url[64];

    for (int i = 0; i < 4; i++) /* the backlog is full: the next SYN is not answered */
        filler[i] =
            weir_tcp_connect("127.0.0.1", (uint16_t)weir_tcp_port(fd), weir_after(WEIR_MS(50)));
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", weir_tcp_port(fd));
    fails((struct weir_http_req){.url = url, .connect_timeout = WEIR_MS(100)},
          WEIR_HTTP_TIMEOUT_CONNECT, -ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        if (filler[i] >= 0)
            weir_close(filler[i]);
    weir_close(fd);
}

/* --- bodies by the piece ------------------------------------------------------ */

SERVED(a_slow_reader_stops_the_sender)
{
    struct weir_http_req req = to("/big");
    struct weir_http_resp resp = {0};
    static char buf[30000];
    size_t total = 0, before;
    ssize_t n;

    req.total_timeout = WEIR_S(15);
    req.idle_timeout = WEIR_MS(1500); /* a slow reader is not an idle server */
    EQ(weir_http_open(world.client, &req, &resp), 0);
    EQ(resp.status, 200);
    LE(1, weir_http_read(&resp, buf, 1));
    total = 1;
    (void)weir_sleep(weir_after(WEIR_MS(1700)));
    before = world.sent;
    (void)weir_sleep(weir_after(WEIR_MS(150)));
    EQ(world.sent, before); /* it stands still, with the kernel's buffers full */
    LT(before, BIG);
    while ((n = weir_http_read(&resp, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            EQ(buf[i], 'b');
        total += (size_t)n;
    }
    EQ(n, 0);
    EQ(total, BIG);
    EQ(resp.outcome, WEIR_HTTP_OK);
    EQ(weir_http_read(&resp, buf, 1), 0);
    weir_http_close(&resp);
}

/* All that malloc has given out, to libcurl too: bytes. */
static size_t heap(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

SERVED(a_transfer_whose_reader_sleeps_holds_at_most_256_KiB)
{
    enum { N = 16 };
    static struct weir_http_resp resp[N];
    struct weir_http_req req = to("/big"), warm = to("/ok");
    size_t before, held;
    char buf[1];

    if (HEAP_IS_FOREIGN)
        SKIP("a sanitizer's malloc does not say what it gave out");
    EQ(weir_http_do(world.client, &warm, &resp[0]), 0);
    before = heap();
    for (int i = 0; i < N; i++) {
        EQ(weir_http_open(world.client, &req, &resp[i]), 0);
        EQ(weir_http_read(&resp[i], buf, 1), 1);
    }
    (void)weir_sleep(weir_after(WEIR_MS(200))); /* now each has all that it takes */
    held = (heap() - before) / N;
    test_note("%zu bytes held a transfer", held);
    LE(WEIR__HTTP_HOLD / 2, held); /* or nothing was measured */
    LE(held, 256 << 10);
    for (int i = 0; i < N; i++)
        weir_http_close(&resp[i]);
}

/* A list of addresses, say, needs no resolver: c-ares alone takes 74 KiB. */
SERVED(a_client_that_asks_for_no_name_is_small)
{
    struct weir_http_req req = to("/ok");
    struct weir_http_resp resp = {0};
    size_t before = heap(), held;
    weir_http *c;

    if (HEAP_IS_FOREIGN)
        SKIP("a sanitizer's malloc does not say what it gave out");
    c = weir_http_new(&(struct weir_http_opts){.proxy = ""});
    EQ(weir_http_do(c, &req, &resp), 0);
    held = heap() - before;
    test_note("%zu bytes with one connection", held);
    LT(0, held);
    LE(held, 96 << 10); /* 67 of it libcurl's and the first connection's */
    weir_http_close(&resp);
    weir_http_free(&c);
}

SERVED(a_truncated_body_that_is_read_ends_in_an_error)
{
    struct weir_http_req req = to("/truncated");
    struct weir_http_resp resp = {0};
    char buf[16];

    EQ(weir_http_open(world.client, &req, &resp), 0);
    EQ(weir_http_read(&resp, buf, sizeof buf), 4);
    EQ(weir_http_read(&resp, buf, sizeof buf), WEIR_ETRUNCATED);
    EQ(weir_http_read(&resp, buf, sizeof buf), WEIR_ETRUNCATED);
    EQ(resp.outcome, WEIR_HTTP_TRUNCATED);
    weir_http_close(&resp);
}

struct pouring {
    size_t total, stop_at;
    int pieces;
};

static int pour(void *ctx, const void *data, size_t size)
{
    struct pouring *p = ctx;

    for (size_t i = 0; i < size; i++)
        EQ(((const char *)data)[i], 'b');
    p->total += size;
    if (p->pieces++ % 16 == 0 && weir_sleep(weir_after(WEIR_MS(1))) < 0) /* it may park */
        return -ECANCELED;
    return p->stop_at && p->total >= p->stop_at ? -EIO : 0;
}

SERVED(a_sink_gets_it_all_and_may_say_no)
{
    struct pouring all = {0}, some = {.stop_at = 100000};
    struct weir_http_req req = to("/big");
    struct weir_http_resp resp = {0};

    req.total_timeout = WEIR_S(15);
    req.sink = pour;
    req.ctx = &all;
    EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(all.total, BIG);
    EQ(resp.bytes, BIG);
    req.ctx = &some;
    EQ(weir_http_do(world.client, &req, &resp), -EIO);
    EQ(resp.outcome, WEIR_HTTP_SINK);
    LT(some.total, BIG);
    weir_http_close(&resp);
}

/* --- cancel ------------------------------------------------------------------ */

static int get_hang(void *arg)
{
    struct weir_http_resp *resp = arg;
    struct weir_http_req req = to("/stall");

    return weir_http_do(world.client, &req, resp);
}

SERVED(a_cancelled_fiber_aborts_its_request_at_once)
{
    struct weir_http_resp resp = {0};
    weir_time start = weir_now();

    EQ(weir_within(WEIR_MS(60), get_hang, &resp), -ETIMEDOUT); /* the limit's owner says so */
    EQ(resp.outcome, WEIR_HTTP_CANCELLED);
    EQ(resp.error, -ECANCELED);
    LT(weir_now() - start, WEIR_S(1));
    weir_http_close(&resp);
}

struct freed {
    struct weir_http_resp resp;
    struct weir_event came;
};

static int tell_it_came(void *ctx, const void *piece, size_t size)
{
    (void)piece;
    (void)size;
    weir_event_set(&((struct freed *)ctx)->came);
    return 0;
}

static int get_until_freed(void *arg)
{
    struct freed *f = arg;
    struct weir_http_req req = to("/stall");

    req.sink = tell_it_came;
    req.ctx = f;
    EQ(weir_http_do(world.client, &req, &f->resp), -ECANCELED);
    return 0;
}

SERVED(freeing_the_client_ends_what_is_under_way)
{
    struct freed f = {.resp = {0}};
    weir_scope *s = weir_scope_open(NULL);

    weir_event_init(&f.came);
    EQ(weir_go(s, get_until_freed, &f), 0);
    EQ(weir_event_wait(&f.came, weir_after(WEIR_S(5))), 0);
    weir_http_free(&world.client);
    EQ(weir_scope_close(&s), 0);
    EQ(f.resp.outcome, WEIR_HTTP_CANCELLED);
    EQ(f.resp.status, 200); /* the head had come, and stays readable */
    OK(f.resp.head_size > 0);
    weir_http_close(&f.resp);
}

/* --- many ------------------------------------------------------------------- */

static int get_slow(void *arg)
{
    struct weir_http_req req = to("/slow");
    struct weir_http_resp resp = {0};
    int r = weir_http_do(world.client, &req, &resp);

    *(int *)arg += r == 0 && resp.status == 200;
    weir_http_close(&resp);
    return r;
}

SERVED(many_fibers_share_a_client)
{
    weir_scope *s = weir_scope_open(NULL);
    weir_time start = weir_now();
    int done = 0;

    for (int i = 0; i < 40; i++)
        EQ(weir_go(s, get_slow, &done), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(done, 40);
    LT(weir_now() - start, WEIR_MS(80) * 20); /* they wait side by side */
}

static int get_silence(void *arg)
{
    struct weir_http_req req = to("/hang");
    struct weir_http_resp resp = {0};
    int r = weir_http_do(world.client, &req, &resp);

    (void)arg;
    weir_http_close(&resp);
    return r;
}

/* The very first request of a host, unanswered, tells nothing of what the host can do. */
SERVED(a_silent_first_answer_holds_up_nobody_else)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_http_req req = to("/ok");
    struct weir_http_resp resp = {0};

    req.total_timeout = WEIR_S(3);
    EQ(weir_go(s, get_silence, NULL), 0);
    (void)weir_sleep(weir_after(WEIR_MS(50)));
    EQ(weir_http_do(world.client, &req, &resp), 0);
    weir_http_close(&resp);
    EQ(weir_scope_cancel(s, -EINTR), 0);
    EQ(weir_scope_close(&s), -EINTR);
}

static int get_later(void *arg)
{
    struct weir_http_req req = to("/later");
    struct weir_http_resp resp = {0};
    int r = weir_http_do(world.client, &req, &resp);

    ++*(int *)arg;
    weir_http_close(&resp);
    return r < 0 ? r : -EIO; /* unknown by its code alone: the hint decides */
}

SERVED(a_policy_stack_hears_of_retry_after)
{
    int tries = 0;
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 2, .base = WEIR_MS(1), .retry_after_cap = WEIR_MS(40)));
    weir_time start = weir_now();

    EQ(weir_call(p, get_later, &tries), -EIO);
    EQ(tries, 2);
    LE(WEIR_MS(40), weir_now() - start);
    weir_policy_free(&p);
}

static int used_elsewhere(void *arg)
{
    weir_http **c = arg;
    struct weir_http_req req = {.url = "http://127.0.0.1:1/"};
    struct weir_http_resp resp = {0};

    EQ(weir_http_do(*c, &req, &resp), -EXDEV);
    weir_http_close(&resp);
    weir_http_free(c);
    OK(*c != NULL);
    return 0;
}

static int with_two_loops(void *arg)
{
    weir_http *c = weir_http_new(NULL);
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_http_error(c), 0);
    EQ(weir_go_on(s, 1, used_elsewhere, &c, NULL), 0);
    EQ(weir_scope_close(&s), 0);
    weir_http_free(&c);
    OK(c == NULL);
    return 0;
}

TEST(a_client_is_its_loops_own)
{
    NEEDS_THREADS();
    struct weir_config config = {.alloc = test_alloc, .loops = 2};

    EQ(weir_run(&config, with_two_loops, NULL), 0);
}

TEST(off_a_fiber_there_is_no_client)
{
    weir_http *c = weir_http_new(NULL);

    EQ(weir_http_error(c), WEIR_ENOFIBER);
    weir_http_free(&c);
}
