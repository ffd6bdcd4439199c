/*
 * vec.c -- several buffers at once, and all of a buffer; how writes keep SIGPIPE away.
 *
 * Partial results are exact: what is told as done has been moved, and nothing more.
 */
#include <limits.h>
#include <signal.h>

#include "io/io.h"

enum { VEC_MOST = 1024, VEC_WINDOW = 16 };

/* --- writing without the signal ------------------------------------------ */

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100 /* Linux 6.18; others answer -EOPNOTSUPP */
#endif

/*
 * SIGPIPE is the thread's own that writes: it can be held back, and taken out unless it
 * was there.
 */
static ssize_t vec_write_masked(int fd, const struct iovec *v, int n)
{
    static const struct timespec now;
    sigset_t sigpipe, before, pending;
    ssize_t r;
    int e;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    r = writev(fd, v, n);
    e = errno;
    if (r < 0 && e == EPIPE && !sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&sigpipe, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = e;
    return r;
}

ssize_t weir__io_writev(int fd, const struct iovec *v, int n)
{
    struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n};
    ssize_t r = sendmsg(fd, &m, MSG_NOSIGNAL);

    if (r >= 0 || errno != ENOTSOCK)
        return r;
    r = pwritev2(fd, v, n, -1, RWF_NOSIGNAL);
    if (r >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS))
        return r;
    return vec_write_masked(fd, v, n);
}

/* --- vectors -------------------------------------------------------------- */

ssize_t weir_readv(int fd, const struct iovec *v, int n, weir_time deadline)
{
    int r = v && n > 0 ? weir__io_begin(deadline) : -EINVAL;

    n = n < VEC_MOST ? n : VEC_MOST;
    while (r == 0) {
        ssize_t k = weir__fault_point(WEIR__FAULT_SYSCALL) ? (errno = EIO, -1) : readv(fd, v, n);

        if (k >= 0)
            return k;
        r = weir__io_again(fd, WEIR_FD_READ, deadline, errno);
    }
    return r;
}

ssize_t weir_writev(int fd, const struct iovec *v, int n, weir_time deadline)
{
    int r = v && n > 0 ? weir__io_begin(deadline) : -EINVAL;

    n = n < VEC_MOST ? n : VEC_MOST;
    while (r == 0) {
        ssize_t k =
            weir__fault_point(WEIR__FAULT_SYSCALL) ? (errno = EIO, -1) : weir__io_writev(fd, v, n);

        if (k >= 0)
            return k;
        r = weir__io_again(fd, WEIR_FD_WRITE, deadline, errno);
    }
    return r;
}

static int vec_sum(const struct iovec *v, size_t n, size_t *sum)
{
    *sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].iov_len > SSIZE_MAX - *sum)
            return -EOVERFLOW;
        *sum += v[i].iov_len;
    }
    return 0;
}

/* The next vectors that are not empty, of which `skip` bytes are done.  How many. */
static int vec_window(struct iovec *out, const struct iovec *v, size_t n, size_t skip)
{
    int k = 0;

    for (size_t i = 0; i < n && k < VEC_WINDOW; i++) {
        if (skip >= v[i].iov_len) {
            skip -= v[i].iov_len;
            continue;
        }
        out[k++] = (struct iovec){(char *)v[i].iov_base + skip, v[i].iov_len - skip};
        skip = 0;
    }
    return k;
}

ssize_t weir_writev_all(int fd, const struct iovec *v, size_t n, size_t *done, weir_time deadline)
{
    struct iovec window[VEC_WINDOW];
    size_t sum = 0, k = 0, at = 0, before = 0; /* vectors done with; the bytes in them */
    ssize_t r = v || !n ? vec_sum(v, n, &sum) : -EINVAL;

    while (r >= 0 && k < sum) {
        while (k - before >= v[at].iov_len)
            before += v[at++].iov_len;
        r = weir_writev(fd, window, vec_window(window, v + at, n - at, k - before), deadline);
        if (r > 0)
            k += (size_t)r;
    }
    if (done)
        *done = k;
    return r < 0 ? r : (ssize_t)k;
}

ssize_t weir_read_all(int fd, void *buf, size_t size, size_t *done, weir_time deadline)
{
    char *p = buf;
    size_t k = 0;
    ssize_t r = buf && size <= SSIZE_MAX ? 0 : -EINVAL;

    while (r >= 0 && k < size) {
        r = weir_read(fd, p + k, size - k, deadline);
        if (r > 0)
            k += (size_t)r;
        else if (r == 0)
            r = WEIR_ETRUNCATED;
    }
    if (done)
        *done = k;
    return r < 0 ? r : (ssize_t)k;
}
