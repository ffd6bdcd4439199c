/*
 * http.c -- the floor of a fetch: libcurl's multi-socket interface round epoll, and nothing else.
 * Sockets are registered once, handles used again; what libcurl stops wanting is taken out of
 * epoll when it next rings.
 */
#include <curl/curl.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../http_bench.h"

enum { HTTP_SOCKETS = 4096, HTTP_EVENTS = 64 };

static struct {
    struct http_bench job;
    CURLM *multi;
    int epoll, running;
    long timeout; /* ms as libcurl said it, from `said` on; -1: none */
    double said;
    uint32_t wants[HTTP_SOCKETS], knows[HTTP_SOCKETS];
} http;

/* --- what libcurl calls --------------------------------------------------------------- */

static void http_register(int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};

    if (epoll_ctl(http.epoll, EPOLL_CTL_MOD, fd, &e) < 0 &&
        epoll_ctl(http.epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        abort();
    http.knows[fd] = events;
}

static int http_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    uint32_t in = what == CURL_POLL_IN || what == CURL_POLL_INOUT ? EPOLLIN : 0;
    uint32_t out = what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? EPOLLOUT : 0;

    (void)easy, (void)ctx, (void)socket_ctx;
    if (fd >= HTTP_SOCKETS)
        abort();
    http.wants[fd] = in | out;
    if ((http.knows[fd] & http.wants[fd]) != http.wants[fd])
        http_register(fd, http.wants[fd]);
    return 0;
}

static int http_close(void *ctx, curl_socket_t fd)
{
    (void)ctx;
    http.knows[fd] = 0;
    return close(fd);
}

static int http_timer(CURLM *multi, long ms, void *ctx)
{
    (void)multi, (void)ctx;
    http.timeout = ms;
    http.said = http_bench_ns();
    return 0;
}

static size_t http_write(char *data, size_t size, size_t n, void *ctx)
{
    (void)data, (void)ctx;
    return size * n;
}

/* --- fetching ------------------------------------------------------------------------- */

static bool http_start(CURL *easy)
{
    char url[HTTP_BENCH_URL];

    if (!http_bench_next(&http.job, url))
        return false;
    curl_easy_reset(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_write);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_close);
    return curl_multi_add_handle(http.multi, easy) == CURLM_OK;
}

/* What has ended; its handle fetches the next. */
static void http_reap(void)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http.multi, &left))) {
        CURL *easy = message->easy_handle;
        long status = 0;

        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        http.job.failed += message->data.result != CURLE_OK || status != 200;
        curl_multi_remove_handle(http.multi, easy);
        if (!http_start(easy))
            curl_easy_cleanup(easy);
    }
}

static void http_act(curl_socket_t fd, int events)
{
    curl_multi_socket_action(http.multi, fd, events, &http.running);
    http_reap();
    while (http.timeout == 0) { /* "at once", which new transfers ask for */
        http.timeout = -1;
        curl_multi_socket_action(http.multi, CURL_SOCKET_TIMEOUT, 0, &http.running);
        http_reap();
    }
}

static void http_ring(int fd, uint32_t events)
{
    events &= http.wants[fd] | EPOLLERR | EPOLLHUP;
    if (!events)
        http_register(fd, http.wants[fd]);
    else
        http_act(fd, (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                         (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                         (events & EPOLLERR ? CURL_CSELECT_ERR : 0));
}

/* Milliseconds, as epoll wants them: -1 is for ever. */
static int http_wait(void)
{
    double past = (http_bench_ns() - http.said) / 1e6;

    if (http.timeout < 0)
        return -1;
    return past >= (double)http.timeout ? 0 : (int)((double)http.timeout - past) + 1;
}

static int http_run(void)
{
    struct epoll_event events[HTTP_EVENTS];

    http.epoll = epoll_create1(0);
    http.timeout = -1;
    http.multi = curl_multi_init();
    if (http.epoll < 0 || !http.multi)
        return -ENOMEM;
    curl_multi_setopt(http.multi, CURLMOPT_SOCKETFUNCTION, http_socket);
    curl_multi_setopt(http.multi, CURLMOPT_TIMERFUNCTION, http_timer);
    curl_multi_setopt(http.multi, CURLMOPT_MAXCONNECTS, 4L * http.job.jobs);
    for (int i = 0; i < http.job.jobs && http_start(curl_easy_init()); i++)
        http.running++;
    while (http.running) {
        int n = epoll_wait(http.epoll, events, HTTP_EVENTS, http_wait());

        if (n == 0) {
            http.timeout = -1;
            http_act(CURL_SOCKET_TIMEOUT, 0);
        }
        for (int i = 0; i < n; i++)
            http_ring(events[i].data.fd, events[i].events);
    }
    curl_multi_cleanup(http.multi);
    close(http.epoll);
    return 0;
}

int main(int argc, char **argv)
{
    return http_bench_main(argc, argv, &http.job, http_run);
}
