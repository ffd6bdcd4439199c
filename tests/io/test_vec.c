/*
 * test_vec.c -- vectors, all of a buffer, exact partial results, no SIGPIPE.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <weir/io.h>
#include <weir/net.h>

#include "core/core.h"
#include "core/world.h"

static void vec_pipe(int p[2])
{
    EQ(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
}

/* Byte i of everything that is sent here. */
static unsigned char vec_byte(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

/* --- vectors ----------------------------------------------------------------- */

REAL_TEST(a_read_is_spread_over_the_vectors)
{
    int fd[2];
    char a[3] = "", b[8] = "";
    struct iovec v[] = {{a, 2}, {NULL, 0}, {b, 8}};
    EQ(weir_socketpair(fd), 0);
    EQ(weir_readv(fd[0], v, 3, 0), -EAGAIN);
    EQ(weir_readv(fd[0], v, 3, weir_after(WEIR_MS(2))), -ETIMEDOUT);
    EQ(weir_writev(fd[1], (struct iovec[]){{(void *)"he", 2}, {(void *)"llo", 3}}, 2, WEIR_NEVER),
       5);
    EQ(weir_readv(fd[0], v, 3, WEIR_NEVER), 5);
    STREQ(a, "he");
    STREQ(b, "llo");
    EQ(weir_close(fd[1]), 0);
    EQ(weir_readv(fd[0], v, 3, WEIR_NEVER), 0);
    EQ(weir_writev(fd[0], v, 3, WEIR_NEVER), -EPIPE);
    return weir_close(fd[0]);
}

struct vec_flow {
    int fd;
    size_t bytes;
};

static int flow_check(void *arg)
{
    struct vec_flow *f = arg;
    unsigned char buf[777];
    ssize_t n;
    while ((n = weir_read(f->fd, buf, sizeof buf, WEIR_NEVER)) > 0)
        for (ssize_t i = 0; i < n; i++)
            EQ(buf[i], vec_byte(f->bytes++));
    return (int)n;
}

/* Vectors of all sizes, empty ones too, more than a call takes; the pipe holds 64 KiB only. */
REAL_TEST(all_vectors_are_written_in_order)
{
    enum { VECTORS = 3000 };
    static unsigned char data[VECTORS * 300];
    static struct iovec v[VECTORS];
    size_t sum = 0, done = 0;
    int p[2];
    vec_pipe(p);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = vec_byte(i);
    for (int i = 0; i < VECTORS; i++) {
        v[i] = (struct iovec){data + sum, test_random() % 3 ? test_random() % 300 : 0};
        sum += v[i].iov_len;
    }
    struct vec_flow f = {p[0], 0};
    weir_scope *s = weir_scope_open(NULL);
    GO(s, flow_check, &f);
    EQ(weir_writev_all(p[1], v, VECTORS, &done, WEIR_NEVER), (ssize_t)sum);
    EQ(done, sum);
    EQ(weir_close(p[1]), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(f.bytes, sum);
    return weir_close(p[0]);
}

REAL_TEST(what_was_done_before_a_failure_is_told_exactly)
{
    static unsigned char data[300000], back[300000];
    struct iovec v[] = {{data, 1}, {data + 1, 99999}, {data + 100000, 200000}};
    size_t done = 77, got = 77;
    int p[2];
    vec_pipe(p);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = vec_byte(i);
    EQ(weir_writev_all(p[1], v, 3, &done, weir_after(WEIR_MS(3))), -ETIMEDOUT);
    OK(done > 0 && done < sizeof data);
    EQ(weir_read_all(p[0], back, sizeof back, &got, weir_after(WEIR_MS(3))), -ETIMEDOUT);
    EQ(got, done);
    MEMEQ(back, data, done);
    EQ(weir_writev_all(p[1], v, 1, &done, WEIR_NEVER), 1);
    EQ(weir_close(p[1]), 0);
    EQ(weir_read_all(p[0], back, 2, &got, WEIR_NEVER), WEIR_ETRUNCATED);
    EQ(got, 1u);
    EQ(weir_read_all(p[0], back, 0, &got, WEIR_NEVER), 0);
    EQ(got, 0u);
    return weir_close(p[0]);
}

REAL_TEST(bad_vectors_are_refused)
{
    char c = 'c';
    struct iovec v = {&c, 1}, huge[] = {{&c, SSIZE_MAX}, {&c, 1}};
    size_t done = 77;
    int p[2];
    vec_pipe(p);
    EQ(weir_readv(p[0], NULL, 1, WEIR_NEVER), -EINVAL);
    EQ(weir_readv(p[0], &v, 0, WEIR_NEVER), -EINVAL);
    EQ(weir_readv(p[0], &v, -1, WEIR_NEVER), -EINVAL);
    EQ(weir_readv(p[0], &v, 1, WEIR_S(1)), -EINVAL);
    EQ(weir_readv(-1, &v, 1, WEIR_NEVER), -EBADF);
    EQ(weir_writev(p[1], NULL, 1, WEIR_NEVER), -EINVAL);
    EQ(weir_writev(p[1], &v, 0, WEIR_NEVER), -EINVAL);
    EQ(weir_writev(p[1], &v, 1, WEIR_S(1)), -EINVAL);
    EQ(weir_writev(-1, &v, 1, WEIR_NEVER), -EBADF);
    EQ(weir_writev_all(p[1], NULL, 1, &done, WEIR_NEVER), -EINVAL);
    EQ(done, 0u);
    EQ(weir_writev_all(p[1], NULL, 0, &done, WEIR_NEVER), 0);
    EQ(weir_writev_all(p[1], huge, 2, &done, WEIR_NEVER), -EOVERFLOW);
    EQ(weir_read_all(p[0], NULL, 1, &done, WEIR_NEVER), -EINVAL);
    EQ(weir_read_all(p[0], &c, (size_t)SSIZE_MAX + 1, &done, WEIR_NEVER), -EINVAL);
    EQ(weir_close(p[0]), 0);
    return weir_close(p[1]);
}

TEST(off_a_fiber_nothing_parks)
{
    char c;
    EQ(weir_readv(0, &(struct iovec){&c, 1}, 1, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_writev(0, &(struct iovec){&c, 1}, 1, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_read_all(0, &c, 1, NULL, WEIR_NEVER), WEIR_ENOFIBER);
}

/* --- SIGPIPE -------------------------------------------------------------------- */

REAL_TEST(no_write_raises_sigpipe)
{
    sigset_t pending;
    int p[2], e = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    vec_pipe(p);
    EQ(weir_close(p[0]), 0);
    EQ(weir_write(p[1], "x", 1, WEIR_NEVER), -EPIPE);
    EQ(weir_writev(p[1], &(struct iovec){(void *)"x", 1}, 1, WEIR_NEVER), -EPIPE);
    EQ(sigpending(&pending), 0);
    EQ(sigismember(&pending, SIGPIPE), 0);
    EQ(weir_write(e, &(uint64_t){3}, 8, WEIR_NEVER), 8); /* what knows no vectors */
    uint64_t n = 0;
    EQ(weir_read(e, &n, 8, WEIR_NEVER), 8);
    EQ(n, 3u);
    EQ(weir_close(e), 0);
    return weir_close(p[1]);
}
