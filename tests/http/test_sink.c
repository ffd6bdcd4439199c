/*
 * test_sink.c -- a body that is given to a sink: what the sink may rely on.
 */
#include "http/served.h"

/* --- a sink that parks ----------------------------------------------------- */

struct sleeper {
    size_t total;
    int pieces;
};

/* What it was given must still be there after it has slept, however much has come meanwhile. */
static int sleep_then_look(void *ctx, const void *data, size_t size)
{
    struct sleeper *s = ctx;

    if (s->pieces++ == 0) {
        EQ(size, 10);
        weir_event_set(&world.taken);
        if (weir_sleep(weir_after(WEIR_MS(100))) < 0)
            return -ECANCELED;
    }
    for (size_t i = 0; i < size; i++)
        EQ(((const char *)data)[i], 'b');
    s->total += size;
    return 0;
}

SERVED(a_piece_stays_where_it_is_while_its_sink_parks)
{
    struct sleeper s = {0};
    struct weir_http_req req = to("/growing");
    struct weir_http_resp resp = {0};

    req.sink = sleep_then_look;
    req.ctx = &s;
    EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(s.total, GROWING);
    weir_http_close(&resp);
}

/* --- what a sink may know -------------------------------------------------- */

struct looker {
    struct weir_http_resp *resp;
    size_t total;
    int status, pieces, fail_at;
};

static int look(void *ctx, const void *data, size_t size)
{
    struct looker *l = ctx;
    size_t n = 0;
    char one;

    (void)data;
    EQ(l->resp->status, l->status);
    EQ(l->resp->outcome, WEIR_HTTP_OK); /* nothing of how it ends */
    EQ(l->resp->error, 0);
    EQ(l->resp->text[0], 0);
    OK(l->resp->body == NULL);
    OK(weir_http_header(l->resp, "content-length", &n) || l->status == 200);
    EQ(weir_http_read(l->resp, &one, 1), -EINVAL); /* it has one reader */
    l->total += size;
    return ++l->pieces == l->fail_at ? -ENOSPC : 0;
}

static int fetch(const char *path, struct looker *l, struct weir_http_resp *resp)
{
    struct weir_http_req req = to(path);

    *l = (struct looker){.resp = resp, .status = l->status, .fail_at = l->fail_at};
    req.sink = look;
    req.ctx = l;
    return weir_http_do(world.client, &req, resp);
}

SERVED(a_sink_sees_the_head_and_not_the_end)
{
    struct weir_http_resp resp = {0};
    struct looker l = {.status = 404};
    size_t n;

    EQ(fetch("/404", &l, &resp), 0);
    EQ(l.total, 4);
    l.status = 200;
    EQ(fetch("/ok", &l, &resp), 0); /* the answer before it is forgotten */
    EQ(l.total, 5);
    OK(weir_http_header(&resp, "x-test", &n));
    EQ(fetch("/chunked", &l, &resp), 0);
    EQ(l.total, 5);
    EQ(fetch("/truncated", &l, &resp), WEIR_ETRUNCATED);
    EQ(l.total, 4);
    EQ(resp.outcome, WEIR_HTTP_TRUNCATED);
    EQ(fetch("/reset-body", &l, &resp), WEIR_ETRUNCATED);
    EQ(fetch("/empty", &l, &resp), 0);
    EQ(l.pieces, 0);
    EQ(resp.status, 204);
    weir_http_close(&resp);
}

SERVED(a_sink_that_says_no_at_once_ends_the_request)
{
    struct weir_http_resp resp = {0};
    struct looker l = {.status = 200, .fail_at = 1};

    EQ(fetch("/big", &l, &resp), -ENOSPC);
    EQ(resp.outcome, WEIR_HTTP_SINK);
    EQ(resp.status, 200);
    EQ(l.pieces, 1);
    weir_http_close(&resp);
}

static int close_it(void *ctx, const void *data, size_t size)
{
    (void)data, (void)size;
    weir_http_close(ctx);
    return 0;
}

SERVED(a_close_within_the_sink_is_no_close)
{
    struct weir_http_req req = to("/ok");
    struct weir_http_resp resp = {0};

    req.sink = close_it;
    req.ctx = &resp;
    EQ(weir_http_do(world.client, &req, &resp), 0);
    EQ(resp.status, 200);
    EQ(resp.bytes, 5);
    weir_http_close(&resp);
}

static int sleep_on(void *ctx, const void *data, size_t size)
{
    (void)data;
    *(size_t *)ctx += size;
    weir_event_set(&world.taken);
    return weir_sleep(WEIR_NEVER);
}

static int get_growing(void *arg)
{
    struct weir_http_req req = to("/growing");
    struct weir_http_resp resp = {0};
    int r;

    req.sink = sleep_on;
    req.ctx = arg;
    r = weir_http_do(world.client, &req, &resp);
    EQ(resp.status, 200);
    weir_http_close(&resp);
    return r;
}

SERVED(a_cancel_reaches_a_sink_that_parks)
{
    size_t total = 0;

    EQ(weir_within(WEIR_MS(60), get_growing, &total), -ETIMEDOUT);
    EQ(total, 10);
}

/* --- whatever fails -------------------------------------------------------- */

static int count(void *ctx, const void *data, size_t size)
{
    weir_event_set(&world.taken);
    for (size_t i = 0; i < size; i++)
        EQ(((const char *)data)[i], 'b');
    *(size_t *)ctx += size;
    return weir_sleep(weir_after(WEIR_MS(1)));
}

static int point_request(size_t *total)
{
    struct weir_http_req req = to("/growing");
    struct weir_http_resp resp = {0};
    int r;

    world.client = weir_http_new(&(struct weir_http_opts){.proxy = ""});
    r = weir_http_error(world.client);
    req.sink = count;
    req.ctx = total;
    req.total_timeout = WEIR_MS(300);
    if (r == 0)
        r = weir_http_do(world.client, &req, &resp);
    weir_http_close(&resp);
    weir_http_free(&world.client);
    return r;
}

static int point_main(void *arg)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP};
    int r;

    memset(&world, 0, sizeof world);
    weir_event_init(&world.taken);
    world.listener = weir_tcp_listen(NULL, 0, 64);
    if (world.listener < 0)
        return world.listener;
    world.port = weir_tcp_port(world.listener);
    world.scope = weir_scope_open(&keep);
    r = weir_go(world.scope, listen_on, NULL);
    if (r == 0)
        r = point_request(arg);
    weir_scope_cancel(world.scope, -ECANCELED);
    (void)weir_scope_close(&world.scope);
    weir_close(world.listener);
    return r;
}

static void point_run(void *arg)
{
    struct weir_config config = {.alloc = test_alloc};
    size_t total = 0;
    int r = weir_run(&config, point_main, &total);

    (void)arg;
    OK(r < 0 ? test_fault_hit() : total == GROWING);
}

TEST_WITH(a_sink_holds_whatever_fails, .timeout = 120)
{
    EVERY_POINT(point_run, NULL);
}
