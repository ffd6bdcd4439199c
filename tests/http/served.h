/*
 * served.h -- a test's body between a server and a client, both fibers of one
 * loop, on the real clock.
 */
#ifndef TESTS_HTTP_SERVED_H
#define TESTS_HTTP_SERVED_H

#include "http/server.h"

static int with_server(void *fn)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP};

    memset(&world, 0, sizeof world);
    weir_event_init(&world.taken);
    world.listener = weir_tcp_listen(NULL, 0, 64);
    LE(0, world.listener);
    world.port = weir_tcp_port(world.listener);
    world.scope = weir_scope_open(&keep);
    EQ(weir_go(world.scope, listen_on, NULL), 0);
    world.client = weir_http_new(&(struct weir_http_opts){.proxy = ""});
    EQ(weir_http_error(world.client), 0);
    (*(void (**)(void))fn)();
    weir_http_free(&world.client);
    OK(world.client == NULL);
    weir_scope_cancel(world.scope, -ECANCELED);
    (void)weir_scope_close(&world.scope);
    weir_close(world.listener);
    return 0;
}

#define SERVED(NAME)                                                                               \
    static void NAME##_body(void);                                                                 \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        struct weir_config config = {.alloc = test_alloc};                                         \
        void (*fn)(void) = NAME##_body;                                                            \
        EQ(weir_run(&config, with_server, &fn), 0);                                                \
    }                                                                                              \
    static void NAME##_body(void)

static struct weir_http_req to(const char *path)
{
    static char url[8][128];
    static unsigned at;
    char *u = url[at++ % 8];

    snprintf(u, sizeof url[0], "http://127.0.0.1:%d%s", world.port, path);
    return (struct weir_http_req){.url = u, .total_timeout = WEIR_S(5)};
}

#endif
