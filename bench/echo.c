/*
 * echo.c -- 64 bytes to an echo server and back, over 64 TCP connections on
 * loopback.  Both ends are in this process; an item is a round trip, so it is
 * two writes and two reads.  Read the CPU time.
 */
#include <errno.h>
#include <weir.h>

#include "workloads.h"

enum { ECHO_CONNECTIONS = 64, ECHO_BYTES = 64 };

static struct echo_world {
    int listener;
    uint16_t port;
    long each;
} echo;

static int echo_server(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    ssize_t n;

    while ((n = weir_read(fd, buf, sizeof buf, WEIR_NEVER)) > 0)
        if ((n = weir_write_all(fd, buf, (size_t)n, NULL, WEIR_NEVER)) < 0)
            break;
    weir_close(fd);
    return n < 0 ? (int)n : 0;
}

static int echo_client(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[ECHO_BYTES] = "echo";
    int r = 0;

    for (long i = 0; i < echo.each && r == 0; i++) {
        size_t got = 0;
        ssize_t n = weir_write_all(fd, buf, sizeof buf, NULL, WEIR_NEVER);

        while (n > 0 && got < sizeof buf)
            got += (n = weir_read(fd, buf, sizeof buf - got, WEIR_NEVER)) > 0 ? (size_t)n : 0;
        r = n > 0 ? 0 : n < 0 ? (int)n : -EPIPE;
    }
    weir_close(fd);
    return r;
}

static long echo_run(long n)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;

    echo.each = n / ECHO_CONNECTIONS;
    echo.listener = weir_tcp_listen(NULL, 0, 0);
    bench_check(echo.listener >= 0, "no listener");
    echo.port = (uint16_t)weir_tcp_port(echo.listener);
    for (intptr_t i = 0; i < ECHO_CONNECTIONS && r == 0; i++) {
        intptr_t client = weir_tcp_connect(NULL, echo.port, WEIR_NEVER), server;

        bench_check(client >= 0, "no connection");
        server = weir_tcp_accept(echo.listener, WEIR_NEVER);
        bench_check(server >= 0, "not accepted");
        r = weir_go(s, echo_server, (void *)server);
        if (r == 0)
            r = weir_go(s, echo_client, (void *)client);
    }
    bench_check(r == 0 && weir_scope_close(&s) == 0, "echoing failed");
    weir_close(echo.listener);
    return echo.each * ECHO_CONNECTIONS;
}

const struct bench_case echo_cases[] = {
    {"echo64_1t", 5, 200000, echo_run},
    {0},
};
