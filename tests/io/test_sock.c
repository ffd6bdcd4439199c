/*
 * test_sock.c -- sockets on loopback: what is sent comes, an end is told, a deadline or
 * a cancel ends a wait and leaves the descriptor what it was.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sock_world.h"

/* --- echo --------------------------------------------------------------- */

enum { ECHO_CLIENTS = 20, ECHO_BYTES = 200000 };

static int echo_serve(void *arg)
{
    int fd = *(int *)arg;
    char buf[5000];
    ssize_t n;
    free(arg);
    while ((n = weir_read(fd, buf, sizeof buf, WEIR_NEVER)) > 0)
        if (weir_write_all(fd, buf, (size_t)n, NULL, WEIR_NEVER) != n)
            FAIL("short write");
    EQ(weir_close(fd), 0);
    return (int)n;
}

static int echo_accept(void *arg)
{
    int listener = *(int *)arg;
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < ECHO_CLIENTS; i++) {
        int *fd = malloc(sizeof *fd);
        *fd = weir_tcp_accept(listener, WEIR_NEVER);
        OK(*fd >= 0);
        GO(s, echo_serve, fd);
    }
    return weir_scope_close(&s);
}

struct echo_client {
    int fd;
};

static unsigned char echo_byte(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static int echo_send(void *arg)
{
    struct echo_client *c = arg;
    unsigned char *p = malloc(ECHO_BYTES);
    size_t done = 0;
    for (size_t i = 0; i < ECHO_BYTES; i++)
        p[i] = echo_byte(i);
    EQ(weir_write_all(c->fd, p, ECHO_BYTES, &done, WEIR_NEVER), ECHO_BYTES);
    EQ(done, (size_t)ECHO_BYTES);
    EQ(shutdown(c->fd, SHUT_WR), 0);
    free(p);
    return 0;
}

static int echo_client(void *arg)
{
    struct echo_client c = {weir_tcp_connect("127.0.0.1", (uint16_t) * (int *)arg, WEIR_NEVER)};
    unsigned char buf[3000];
    size_t at = 0;
    ssize_t n;
    OK(c.fd >= 0);
    weir_scope *s = weir_scope_open(NULL);
    GO(s, echo_send, &c); /* reader and writer of one descriptor are two fibers */
    while ((n = weir_read(c.fd, buf, sizeof buf, WEIR_NEVER)) > 0)
        for (ssize_t i = 0; i < n; i++)
            EQ(buf[i], echo_byte(at++));
    EQ(n, 0);
    EQ(at, (size_t)ECHO_BYTES);
    EQ(weir_scope_close(&s), 0);
    return weir_close(c.fd);
}

static int echo_main(void *arg)
{
    int listener = weir_tcp_listen(NULL, 0, 0), port = weir_tcp_port(listener);
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    GO(s, echo_accept, &listener);
    for (int i = 0; i < ECHO_CLIENTS; i++)
        GO(s, echo_client, &port);
    EQ(weir_scope_close(&s), 0);
    return weir_close(listener);
}

TEST_WITH(what_is_sent_comes_back_whole_on_the_real_clock, .timeout = 60)
{
    EQ(world_real(echo_main, NULL), 0);
}

TEST_WITH(what_is_sent_comes_back_whole_in_a_simulation, .timeout = 60)
{
    for (uint64_t i = 0; i < 3; i++)
        EQ(world_seed(test_seed() + i, echo_main, NULL), 0);
}

/* --- arguments ---------------------------------------------------------- */

REAL_TEST(wrong_arguments_are_told)
{
    static const weir_time bad[] = {1, -1, WEIR_EPOCH - 1, INT64_MIN};
    int fd[2];
    char c = 0;
    sock_pair(fd);
    for (int i = 0; i < 4; i++) {
        EQ(weir_read(fd[0], &c, 1, bad[i]), -EINVAL);
        EQ(weir_write(fd[0], &c, 1, bad[i]), -EINVAL);
        EQ(weir_fd_wait(fd[0], WEIR_FD_READ, bad[i]), -EINVAL);
        EQ(weir_tcp_accept(fd[0], bad[i]), -EINVAL);
        EQ(weir_tcp_connect(NULL, 1, bad[i]), -EINVAL);
    }
    EQ(weir_read(fd[0], NULL, 1, 0), -EINVAL);
    EQ(weir_write(fd[0], NULL, 1, 0), -EINVAL);
    EQ(weir_write_all(fd[0], NULL, 1, NULL, 0), -EINVAL);
    EQ(weir_read(-1, &c, 1, WEIR_NEVER), -EBADF);
    EQ(weir_write(-1, &c, 1, WEIR_NEVER), -EBADF);
    EQ(weir_read(9999, &c, 1, WEIR_NEVER), -EBADF);
    EQ(weir_tcp_accept(-1, WEIR_NEVER), -EBADF);
    EQ(weir_fd_wait(-1, WEIR_FD_READ, WEIR_NEVER), -EBADF);
    EQ(weir_fd_wait(9999, WEIR_FD_READ, WEIR_NEVER), -EBADF);
    EQ(weir_fd_wait(fd[0], 0, WEIR_NEVER), -EINVAL);
    EQ(weir_fd_wait(fd[0], 4, WEIR_NEVER), -EINVAL);
    EQ(weir_fd_wait(fd[0], -1, WEIR_NEVER), -EINVAL);
    EQ(weir_close(-1), -EBADF);
    EQ(weir_close(9999), -EBADF);
    weir_fd_forget(-1);
    weir_fd_forget(9999);
    EQ(weir_tcp_listen("not a host", 0, 0), -EINVAL);
    EQ(weir_tcp_listen("localhost", 0, 0), -EINVAL); /* numeric only */
    EQ(weir_tcp_connect("", 1, WEIR_NEVER), -EINVAL);
    EQ(weir_tcp_port(-1), -EBADF);
    EQ(weir_write_all(fd[0], "", 0, NULL, WEIR_NEVER), 0);
    EQ(weir_read(fd[0], &c, 0, WEIR_NEVER), 0);
    sock_pair_close(fd);
    return 0;
}

TEST(off_a_fiber_io_says_so)
{
    char c = 0;
    EQ(weir_read(0, &c, 1, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_write(1, &c, 1, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_tcp_accept(0, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_tcp_connect(NULL, 1, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_fd_wait(0, WEIR_FD_READ, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_signal_wait((const int[]){SIGUSR1, 0}, WEIR_NEVER), WEIR_ENOFIBER);
    int fd = weir_tcp_listen(NULL, 0, 5);
    OK(fd >= 0);
    EQ(weir_close(fd), 0);
}

/* --- deadlines and cancel ----------------------------------------------- */

REAL_TEST(a_read_ends_at_its_deadline_and_takes_nothing)
{
    int fd[2];
    char c = 'x';
    sock_pair(fd);
    EQ(weir_read(fd[0], &c, 1, 0), -EAGAIN);
    weir_time until = weir_after(WEIR_MS(10));
    EQ(weir_read(fd[0], &c, 1, until), -ETIMEDOUT);
    LE(until, weir_now());
    EQ(weir_read(fd[0], &c, 1, WEIR_EPOCH), -ETIMEDOUT); /* long past */
    EQ(c, 'x');
    EQ(weir_write(fd[1], "ab", 2, WEIR_NEVER), 2);
    EQ(weir_read(fd[0], &c, 1, weir_after(WEIR_S(5))), 1);
    EQ(c, 'a');
    EQ(weir_read(fd[0], &c, 1, 0), 1);
    EQ(c, 'b');
    sock_pair_close(fd);
    return 0;
}

REAL_TEST(a_write_to_one_who_does_not_read_ends_at_its_deadline)
{
    static char buf[1 << 20];
    int fd[2];
    size_t done = 0, all = 0;
    sock_pair(fd);
    for (int i = 0; i < 100; i++) {
        ssize_t n = weir_write_all(fd[0], buf, sizeof buf, &done, weir_after(WEIR_MS(10)));
        all += done;
        if (n < 0) {
            EQ(n, -ETIMEDOUT);
            break;
        }
        EQ((size_t)n, done);
    }
    LT(done, sizeof buf);
    ssize_t n;
    while ((n = weir_write(fd[0], buf, 1, 0)) == 1) /* what the kernel has moved on meanwhile */
        all++;
    EQ(n, -EAGAIN);
    EQ(shutdown(fd[0], SHUT_WR), 0);
    while ((n = weir_read(fd[1], buf, sizeof buf, WEIR_NEVER)) > 0)
        all -= (size_t)n;
    EQ(n, 0);
    EQ(all, 0u); /* what was counted is what arrives */
    sock_pair_close(fd);
    return 0;
}

static int sock_read_one(void *arg)
{
    char c;
    return (int)weir_read(*(int *)arg, &c, 1, WEIR_NEVER);
}

REAL_TEST(a_cancel_ends_a_read_and_the_descriptor_stays_usable)
{
    int fd[2];
    char c;
    weir_scope *s;
    sock_pair(fd);
    s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_MS(10))});
    GO(s, sock_read_one, &fd[0]);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    s = weir_scope_open(NULL);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_write(fd[1], "z", 1, WEIR_NEVER), -ECANCELED);
    EQ(weir_read(fd[0], &c, 1, WEIR_NEVER), -ECANCELED); /* even if there were something */
    EQ(weir_scope_close(&s), -EPERM);
    EQ(weir_write(fd[1], "z", 1, WEIR_NEVER), 1);
    EQ(weir_read(fd[0], &c, 1, WEIR_NEVER), 1);
    EQ(c, 'z');
    sock_pair_close(fd);
    return 0;
}

REAL_TEST(an_accept_ends_at_its_deadline)
{
    int listener = weir_tcp_listen("127.0.0.1", 0, 3);
    EQ(weir_tcp_accept(listener, 0), -EAGAIN);
    EQ(weir_tcp_accept(listener, weir_after(WEIR_MS(5))), -ETIMEDOUT);
    return weir_close(listener);
}

/* --- ends --------------------------------------------------------------- */

REAL_TEST(a_write_to_one_who_has_gone_is_a_broken_pipe_and_no_signal)
{
    int fd[2];
    ssize_t r = 0;
    sock_pair(fd);
    EQ(weir_close(fd[1]), 0);
    fd[1] = -1;
    for (int i = 0; i < 1000 && r >= 0; i++) {
        r = weir_write(fd[0], "x", 1, weir_after(WEIR_S(1)));
        (void)weir_sleep(weir_after(WEIR_US(100)));
    }
    OK(r == -EPIPE || r == -ECONNRESET);
    EQ(weir_write(fd[0], "x", 1, weir_after(WEIR_S(1))), -EPIPE);
    sock_pair_close(fd);
    return 0;
}

REAL_TEST(one_who_waits_sees_the_end_when_the_peer_closes)
{
    int fd[2];
    sock_pair(fd);
    struct end_wait w = {fd[0], 0, 99};
    weir_scope *s = weir_scope_open(NULL);
    GO(s, end_read, &w);
    EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
    EQ(weir_close(fd[1]), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w.result, 0);
    fd[1] = -1;
    sock_pair_close(fd);
    return 0;
}

REAL_TEST(a_close_wakes_whoever_waits)
{
    int fd[2];
    sock_pair(fd);
    struct end_wait r = {fd[0], WEIR_FD_READ, 99}, f = {fd[1], WEIR_FD_READ, 99};
    weir_scope *s = weir_scope_open(NULL);
    GO(s, end_read, &r);
    GO(s, end_fd_wait, &f);
    EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
    EQ(weir_close(fd[0]), 0);
    EQ(weir_scope_cancel(s, -EPERM), 0); /* the first has its answer already */
    EQ(weir_scope_close(&s), -EPERM);
    EQ(r.result, -EBADF);
    EQ(f.result, -ECANCELED);
    return weir_close(fd[1]);
}

/* The number is another descriptor before the woken one has run. */
REAL_TEST(a_number_used_again_is_not_confused_with_the_old_one)
{
    for (int i = 0; i < 20; i++) {
        int fd[2], again[2];
        sock_pair(fd);
        struct end_wait r = {fd[0], 0, 99}, n;
        weir_scope *s = weir_scope_open(NULL);
        GO(s, end_read, &r);
        EQ(weir_sleep(weir_after(WEIR_US(200))), 0);
        EQ(weir_close(fd[0]), 0);
        EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, again), 0);
        if (again[0] != fd[0]) { /* the least free numbers: one of the two is the old one */
            again[1] = again[0];
            again[0] = fd[0];
        }
        n = (struct end_wait){again[0], 0, 99};
        GO(s, end_read, &n);
        EQ(weir_sleep(weir_after(WEIR_US(200))), 0);
        EQ(r.result, -EBADF);
        EQ(n.result, 99);
        EQ(weir_write(again[1], "q", 1, WEIR_NEVER), 1);
        EQ(weir_scope_close(&s), 0);
        EQ(n.result, 1);
        sock_pair_close(again);
        EQ(weir_close(fd[1]), 0);
    }
    return 0;
}

REAL_TEST(a_connect_nobody_answers_is_refused)
{
    int listener = weir_tcp_listen(NULL, 0, 1), port = weir_tcp_port(listener);
    EQ(weir_close(listener), 0);
    EQ(weir_tcp_connect(NULL, (uint16_t)port, weir_after(WEIR_S(5))), -ECONNREFUSED);
    EQ(weir_tcp_connect("127.0.0.1", (uint16_t)port, WEIR_NEVER), -ECONNREFUSED);
    return 0;
}

REAL_TEST(a_port_in_use_is_told)
{
    int a = weir_tcp_listen("127.0.0.1", 0, 1);
    EQ(weir_tcp_listen("127.0.0.1", (uint16_t)weir_tcp_port(a), 1), -EADDRINUSE);
    int b = weir_tcp_listen("::1", 0, 1);
    if (b >= 0) {
        int port = weir_tcp_port(b);
        LT(0, port);
        int c = weir_tcp_connect("::1", (uint16_t)port, WEIR_NEVER);
        OK(c >= 0);
        EQ(weir_close(c), 0);
        EQ(weir_close(b), 0);
    }
    return weir_close(a);
}

REAL_TEST(descriptors_made_here_do_not_block_and_do_not_leak_into_children)
{
    int fd[2], listener = weir_tcp_listen(NULL, 0, 1);
    sock_pair(fd);
    int all[] = {fd[0], fd[1], listener};
    for (int i = 0; i < 3; i++) {
        OK(fcntl(all[i], F_GETFL) & O_NONBLOCK);
        OK(fcntl(all[i], F_GETFD) & FD_CLOEXEC);
    }
    sock_pair_close(fd);
    return weir_close(listener);
}

/* --- every point -------------------------------------------------------- */

static int point_serve(void *arg)
{
    int fd = weir_tcp_accept(*(int *)arg, WEIR_NEVER);
    char c;
    if (fd < 0)
        return fd;
    ssize_t r = weir_read(fd, &c, 1, WEIR_NEVER);
    if (r > 0)
        r = weir_write(fd, &c, 1, WEIR_NEVER);
    EQ(weir_close(fd), 0);
    return r < 0 ? (int)r : 0;
}

static int point_main(void *arg)
{
    int listener = weir_tcp_listen(NULL, 0, 1), port = weir_tcp_port(listener), fd = -1;
    (void)arg;
    if (listener < 0)
        return listener;
    weir_scope *s = weir_scope_open(NULL);
    char c = 0;
    int r = weir_go(s, point_serve, &listener);
    if (r == 0)
        r = fd = weir_tcp_connect(NULL, (uint16_t)port, weir_after(WEIR_S(5)));
    if (r >= 0)
        r = (int)weir_write_all(fd, "k", 1, NULL, WEIR_NEVER);
    if (r >= 0)
        r = (int)weir_read(fd, &c, 1, WEIR_NEVER);
    if (r == 1)
        EQ(c, 'k');
    if (fd >= 0)
        EQ(weir_close(fd), 0);
    if (r < 0 && weir_scope_error(s) == 0)
        EQ(weir_scope_cancel(s, r), 0);
    int z = weir_scope_close(&s);
    EQ(weir_close(listener), 0);
    return r < 0 ? r : z;
}

static void point_run(void *arg)
{
    int r = world_real(point_main, arg);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST_WITH(an_exchange_holds_whatever_fails, .timeout = 60)
{
    EVERY_POINT(point_run, NULL);
}
