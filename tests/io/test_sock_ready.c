/*
 * test_sock_ready.c -- waiting until a descriptor is ready: pipes, files, hundreds of
 * sockets at once, beside busy fibers; and signals.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sock_world.h"

/* --- readiness ---------------------------------------------------------- */

REAL_TEST(a_wait_tells_what_is_there)
{
    int fd[2];
    char c;
    sock_pair(fd);
    EQ(weir_fd_wait(fd[0], WEIR_FD_WRITE, WEIR_NEVER), WEIR_FD_WRITE);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ, 0), -EAGAIN);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ, weir_after(WEIR_MS(3))), -ETIMEDOUT);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ | WEIR_FD_WRITE, WEIR_NEVER), WEIR_FD_WRITE);
    EQ(weir_write(fd[1], "x", 1, WEIR_NEVER), 1);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ, weir_after(WEIR_S(5))), WEIR_FD_READ);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ, 0), WEIR_FD_READ); /* a level: until it is read */
    EQ(weir_fd_wait(fd[0], 3, 0), 3);
    EQ(weir_read(fd[0], &c, 1, 0), 1);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ, 0), -EAGAIN);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ, weir_after(WEIR_MS(2))), -ETIMEDOUT); /* no stale edge */
    sock_pair_close(fd);
    return 0;
}

REAL_TEST(one_waiter_for_each_direction)
{
    int fd[2];
    sock_pair(fd);
    struct end_wait a = {fd[0], WEIR_FD_READ, 99};
    weir_scope *s = weir_scope_open(NULL);
    char c;
    GO(s, end_fd_wait, &a);
    EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
    EQ(weir_fd_wait(fd[0], WEIR_FD_READ, weir_after(WEIR_S(1))), -EBUSY);
    EQ(weir_read(fd[0], &c, 1, weir_after(WEIR_S(1))), -EBUSY);
    EQ(weir_fd_wait(fd[0], WEIR_FD_WRITE, weir_after(WEIR_S(1))), WEIR_FD_WRITE);
    EQ(weir_write(fd[1], "x", 1, WEIR_NEVER), 1);
    EQ(weir_scope_close(&s), 0);
    EQ(a.result, WEIR_FD_READ);
    sock_pair_close(fd);
    return 0;
}

REAL_TEST(a_plain_file_is_read_and_written_but_not_waited_for)
{
    char name[] = "/tmp/weir-sock-XXXXXX", buf[8] = "";
    int fd = mkostemp(name, O_CLOEXEC);
    OK(fd >= 0);
    EQ(unlink(name), 0);
    EQ(weir_fd_wait(fd, WEIR_FD_READ, WEIR_NEVER), -EPERM);
    EQ(weir_write_all(fd, "weir", 4, NULL, WEIR_NEVER), 4);
    EQ(lseek(fd, 0, SEEK_SET), 0);
    EQ(weir_read(fd, buf, sizeof buf, WEIR_NEVER), 4);
    STREQ(buf, "weir");
    EQ(weir_read(fd, buf, sizeof buf, WEIR_NEVER), 0);
    return weir_close(fd);
}

static int pipe_feed(void *arg)
{
    static char buf[4096];
    for (int i = 0; i < 100; i++)
        EQ(weir_write_all(*(int *)arg, buf, sizeof buf, NULL, WEIR_NEVER), sizeof buf);
    return weir_close(*(int *)arg);
}

REAL_TEST(pipes_park_too)
{
    int p[2];
    char buf[999];
    ssize_t n;
    size_t all = 0;
    weir_scope *s = weir_scope_open(NULL);
    EQ(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
    GO(s, pipe_feed, &p[1]);
    while ((n = weir_read(p[0], buf, sizeof buf, WEIR_NEVER)) > 0)
        all += (size_t)n;
    EQ(n, 0);
    EQ(all, 409600u);
    EQ(weir_scope_close(&s), 0);
    return weir_close(p[0]);
}

/* Edges that come while nobody waits, and table growth while others do. */
static int edge_ping(void *arg)
{
    int *fd = arg;
    char c;
    for (int i = 0; i < 200; i++) {
        EQ(weir_write(fd[0], "p", 1, WEIR_NEVER), 1);
        if (i % 3 == 0)
            EQ(weir_yield(), 0);
        EQ(weir_read(fd[0], &c, 1, WEIR_NEVER), 1);
    }
    return weir_close(fd[0]);
}

static int edge_pong(void *arg)
{
    int *fd = arg;
    char c;
    ssize_t n;
    while ((n = weir_read(fd[1], &c, 1, WEIR_NEVER)) > 0) {
        if (test_random() % 4 == 0)
            EQ(weir_sleep(weir_after(WEIR_US(20))), 0);
        EQ(weir_write(fd[1], "q", 1, WEIR_NEVER), 1);
    }
    EQ(n, 0);
    return weir_close(fd[1]);
}

static int edges_main(void *arg)
{
    enum { PAIRS = 150 };
    static int fd[PAIRS][2];
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    for (int i = 0; i < PAIRS; i++) { /* more than the table's first 64 places */
        EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd[i]), 0);
        GO(s, edge_ping, fd[i]);
        GO(s, edge_pong, fd[i]);
        EQ(weir_yield(), 0);
    }
    return weir_scope_close(&s);
}

TEST(no_edge_is_lost_with_hundreds_of_descriptors)
{
    EQ(world_real(edges_main, NULL), 0);
    EQ(world_run(edges_main, NULL), 0);
}

/* --- starvation --------------------------------------------------------- */

static int spin_until(void *arg)
{
    volatile int *stop = arg;
    while (!*stop)
        EQ(weir_yield(), 0);
    return 0;
}

REAL_TEST(busy_fibers_do_not_starve_descriptors)
{
    volatile int stop = 0;
    int fd[2];
    weir_scope *s = weir_scope_open(NULL);
    sock_pair(fd);
    GO(s, spin_until, (void *)&stop);
    GO(s, spin_until, (void *)&stop);
    struct end_wait w = {fd[0], 0, 99};
    weir_scope *r = weir_scope_open(NULL);
    GO(r, end_read, &w);
    EQ(weir_yield(), 0);
    EQ(weir_write(fd[1], "x", 1, WEIR_NEVER), 1);
    EQ(weir_scope_close(&r), 0);
    EQ(w.result, 1);
    stop = 1;
    EQ(weir_scope_close(&s), 0);
    sock_pair_close(fd);
    return 0;
}

/* --- signals ------------------------------------------------------------ */

static int signal_send(void *arg)
{
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    return kill(getpid(), *(int *)arg) == 0 ? 0 : -errno;
}

REAL_TEST(a_signal_wakes_the_one_who_waits_for_it)
{
    int signals[] = {SIGUSR1, SIGUSR2, 0}, two = SIGUSR2;
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_signal_wait(NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_signal_wait(&signals[2], WEIR_NEVER), -EINVAL);
    EQ(weir_signal_wait((const int[]){9999, 0}, WEIR_NEVER), -EINVAL);
    EQ(weir_signal_wait((const int[]){-1, 0}, WEIR_NEVER), -EINVAL);
    EQ(weir_signal_wait((const int[]){SIGUSR1, SIGKILL, 0}, WEIR_NEVER), -EINVAL);
    EQ(weir_signal_wait((const int[]){SIGSEGV, 0}, WEIR_NEVER), -EINVAL);
    EQ(weir_signal_wait(signals, WEIR_S(1)), -EINVAL);
    EQ(weir_signal_wait(signals, 0), -EAGAIN);
    EQ(weir_signal_wait(signals, weir_after(WEIR_MS(3))), -ETIMEDOUT);
    GO(s, signal_send, &two);
    EQ(weir_signal_wait(signals, WEIR_NEVER), SIGUSR2);
    EQ(weir_scope_close(&s), 0);
    EQ(kill(getpid(), SIGUSR1), 0); /* blocked, so not lost between two waits */
    EQ(weir_signal_wait(signals, WEIR_NEVER), SIGUSR1);
    return 0;
}
