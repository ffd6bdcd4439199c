/*
 * sock.c -- read, write, TCP by numeric host: try first, park on EAGAIN only.
 */
#include <limits.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "io/io.h"

ssize_t weir_read(int fd, void *buf, size_t size, weir_time deadline)
{
    int r = buf ? weir__io_begin(deadline) : -EINVAL;

    while (r == 0) {
        ssize_t n =
            weir__fault_point(WEIR__FAULT_SYSCALL) ? (errno = EIO, -1) : read(fd, buf, size);

        if (n >= 0)
            return n;
        r = weir__io_again(fd, WEIR_FD_READ, deadline, errno);
    }
    return r;
}

ssize_t weir_write(int fd, const void *buf, size_t size, weir_time deadline)
{
    int r = buf ? weir__io_begin(deadline) : -EINVAL;

    while (r == 0) {
        struct iovec v = {(void *)buf, size};
        ssize_t n =
            weir__fault_point(WEIR__FAULT_SYSCALL) ? (errno = EIO, -1) : weir__io_writev(fd, &v, 1);

        if (n >= 0)
            return n;
        r = weir__io_again(fd, WEIR_FD_WRITE, deadline, errno);
    }
    return r;
}

ssize_t weir_write_all(int fd, const void *buf, size_t size, size_t *done, weir_time deadline)
{
    const char *p = buf;
    size_t k = 0;
    ssize_t r = buf ? 0 : -EINVAL;

    while (r >= 0 && k < size) {
        r = weir_write(fd, p + k, size - k, deadline);
        if (r > 0)
            k += (size_t)r;
    }
    if (done)
        *done = k;
    return r < 0 ? r : (ssize_t)k;
}

/* --- TCP --------------------------------------------------------------- */

int weir_tcp_listen(const char *host, uint16_t port, int backlog)
{
    struct weir_sock_opts o = {.backlog = backlog > 0 ? (uint32_t)backlog : 0};
    struct weir_addr a;
    int r = weir_addr_host(host, port, &a);

    return r < 0 ? r : weir_listen(&a, &o);
}

int weir_tcp_accept(int listener, weir_time deadline)
{
    return weir_accept(listener, NULL, deadline);
}

int weir_tcp_connect(const char *host, uint16_t port, weir_time deadline)
{
    struct weir_addr a;
    int r = weir_addr_host(host, port, &a);

    return r < 0 ? r : weir_connect(&a, NULL, deadline);
}

int weir_tcp_port(int fd)
{
    struct weir_addr a;
    int r = weir_addr_local(fd, &a);

    if (r == 0 && (!weir__addr_sound(&a) || weir__addr_any(&a)->sa_family == AF_UNIX))
        r = -EAFNOSUPPORT;
    return r < 0 ? r : weir_addr_port(&a);
}

/* --- signals ----------------------------------------------------------- */

int weir_signal_wait(const int *signals, weir_time deadline)
{
    struct signalfd_siginfo info = {0};
    sigset_t set;
    ssize_t r;
    int fd;

    if (weir__signal_set(&set, signals) < 0)
        return -EINVAL;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = weir_read(fd, &info, sizeof info, deadline);
    weir_close(fd);
    return r < 0 ? (int)r : (int)info.ssi_signo;
}
