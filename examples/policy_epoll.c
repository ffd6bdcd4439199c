/*
 * policy_epoll.c -- a policy stack in an epoll loop, without weir's fibers.
 *
 * Twenty requests go to a server that hangs up on the first connection of each
 * and answers the second.  Each request is a struct weir_pass beside its
 * socket; the loop sleeps until a socket is ready or a policy's wait is over.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weir/pass.h>

enum { REQUESTS = 20 };

struct request {
    struct weir_pass pass;
    weir_time at; /* when to look at it again; WEIR_NEVER: not by the clock */
    int fd, id;   /* fd -1: no attempt is being made */
    int over, result, sent;
};

static struct request requests[REQUESTS];
static struct sockaddr_in server;
static weir_policy *policy;
static int loop;

/* --- the server, in a process of its own --------------------------------------- */

static void serve(int listener)
{
    int seen[REQUESTS] = {0};

    for (int n = 0; n < 2 * REQUESTS; n++) {
        int fd = accept(listener, NULL, NULL);
        unsigned char id;

        if (fd < 0)
            _exit(1);
        if (read(fd, &id, 1) == 1 && id < REQUESTS && seen[id]++ > 0 && write(fd, &id, 1) != 1)
            _exit(1);
        close(fd);
    }
    _exit(0);
}

/* --- one request ------------------------------------------------------------------ */

/* Somebody's permit is ours now: the loop asks again at once. */
static void request_wake(void *ctx)
{
    struct request *q = ctx;
    q->at = 0;
}

static void request_over(struct request *q, int result)
{
    q->over = 1;
    q->result = result;
    q->at = WEIR_NEVER;
}

/* The attempt has ended so. */
static void request_ended(struct request *q, int result)
{
    struct weir_retry_outcome outcome = {.result = result};
    weir_time now = weir_now();
    int64_t wait;

    if (q->fd >= 0)
        close(q->fd);
    q->fd = -1;
    wait = weir_pass_done(&q->pass, weir_pass_attempt(&q->pass), &outcome, now, &result);
    if (wait <= 0)
        request_over(q, wait < 0 ? (int)wait : result);
    else
        q->at = now + wait;
}

/* An attempt: a connection under way, and the attempt's deadline as the next look. */
static void request_start(struct request *q)
{
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = q};

    q->sent = 0;
    q->at = weir_pass_deadline(&q->pass);
    q->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (q->fd < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, q->fd, &e) < 0)
        request_ended(q, -errno);
    else if (connect(q->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        request_ended(q, -errno);
}

/* Its time has come: an attempt that took too long, or the policy may be asked again. */
static void request_due(struct request *q)
{
    weir_time now = weir_now();
    int64_t wait;

    if (q->fd >= 0) {
        request_ended(q, -ETIMEDOUT);
        return;
    }
    q->at = WEIR_NEVER; /* before enter: a wake must not be lost */
    wait = weir_pass_enter(&q->pass, now);
    if (wait < 0)
        request_over(q, (int)wait);
    else if (wait == 0)
        request_start(q);
    else if (wait != WEIR_NEVER && q->at == WEIR_NEVER)
        q->at = now + wait;
}

/* The socket is ready: send the one byte, then wait for it to come back. */
static void request_ready(struct request *q)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = q};
    unsigned char id = (unsigned char)q->id;
    ssize_t n = q->sent ? read(q->fd, &id, 1) : write(q->fd, &id, 1);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n != 1)
        request_ended(q, n < 0 ? -errno : -ECONNRESET);
    else if (q->sent)
        request_ended(q, id == q->id ? 1 : -EPROTO);
    else if (q->sent = 1, epoll_ctl(loop, EPOLL_CTL_MOD, q->fd, &e) < 0)
        request_ended(q, -errno);
}

/* --- the loop ------------------------------------------------------------------------ */

/* Milliseconds until somebody is due, rounded up; -1: nobody will be. */
static int loop_wait(void)
{
    weir_time now = weir_now(), least = WEIR_NEVER;

    for (int i = 0; i < REQUESTS; i++)
        least = requests[i].at < least ? requests[i].at : least;
    if (least == WEIR_NEVER)
        return -1;
    if (least <= now)
        return 0;
    return (int)((least - now < WEIR_S(1000) ? least - now : WEIR_S(1000)) / WEIR_MS(1)) + 1;
}

static int loop_run(void)
{
    for (;;) {
        struct epoll_event ready[REQUESTS];
        int left = 0, n;

        for (int i = 0; i < REQUESTS; i++) {
            if (requests[i].at <= weir_now())
                request_due(&requests[i]);
            left += !requests[i].over;
        }
        if (left == 0)
            return 0;
        n = epoll_wait(loop, ready, REQUESTS, loop_wait());
        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++)
            request_ready(ready[i].data.ptr);
    }
}

static int listen_here(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof server;

    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&server, size) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&server, &size) < 0)
        return -errno;
    return fd;
}

int main(void)
{
    int listener = listen_here(), answered = 0, r, status;
    unsigned attempts = 0;
    pid_t pid = listener < 0 ? -1 : fork();

    if (pid == 0)
        serve(listener);
    loop = epoll_create1(EPOLL_CLOEXEC);
    policy = WEIR_POLICY(
        WEIR_TIMEOUT(.total = WEIR_S(30)), WEIR_RETRY(.attempts = 4, .base = WEIR_MS(5)),
        WEIR_BREAKER(.failures = 50), WEIR_BULKHEAD(.limit = 4), WEIR_TIMEOUT(.each = WEIR_S(5)));
    if (pid < 0 || loop < 0 || weir_policy_error(policy) < 0)
        return 1;
    close(listener);
    for (int i = 0; i < REQUESTS; i++) {
        requests[i].id = i;
        requests[i].fd = -1;
        weir_pass_begin(&requests[i].pass, policy, weir_now(), WEIR_NEVER, request_wake,
                        &requests[i]);
    }
    r = loop_run();
    for (int i = 0; i < REQUESTS; i++) {
        answered += requests[i].result == 1;
        attempts += weir_pass_attempt(&requests[i].pass);
        weir_pass_abandon(&requests[i].pass, weir_now());
    }
    printf("%d of %d requests answered in %u attempts\n", answered, REQUESTS, attempts);
    weir_policy_free(&policy);
    close(loop);
    waitpid(pid, &status, 0);
    return r < 0 || answered != REQUESTS;
}
