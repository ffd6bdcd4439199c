/*
 * io.h -- descriptors that park the fiber, not the thread.
 *
 * Descriptors given to these calls must be non-blocking; those made here are,
 * and close-on-exec.
 */
#ifndef WEIR_IO_H
#define WEIR_IO_H

#include <sys/uio.h>
#include <weir/base.h>

WEIR_BEGIN

enum weir_fd_events { WEIR_FD_READ = 1, WEIR_FD_WRITE = 2 };

/*
 * Parks until the descriptor is readable / writable, hung up or failed.  The
 * events that are there (> 0), -ETIMEDOUT, -ECANCELED, -EAGAIN with a
 * deadline of 0, -EBADF, -EPERM for a plain file.  One waiter for each
 * direction: a second is -EBUSY.
 */
WEIR_API int weir_fd_wait(int fd, int events, weir_time deadline);

/*
 * read(2), write(2) that park.  A regular file or blocking descriptor just blocks:
 * weir_offload has threads for that.  No write raises SIGPIPE: it is -EPIPE.
 */
WEIR_API ssize_t weir_read(int fd, void *buf, size_t size, weir_time deadline);
WEIR_API ssize_t weir_write(int fd, const void *buf, size_t size, weir_time deadline);

/* All of it, or a failure; *done, if not NULL, is always set. */
WEIR_API ssize_t weir_write_all(int fd, const void *buf, size_t size, size_t *done,
                                weir_time deadline);

/*
 * All of it, or a failure: WEIR_ETRUNCATED when the input ended before.  *done, if
 * not NULL, is always set: so many bytes have been read, whatever the result.
 */
WEIR_API ssize_t weir_read_all(int fd, void *buf, size_t size, size_t *done, weir_time deadline);

/*
 * readv(2), writev(2) that park: how many bytes, in the order of the vectors, as the
 * system gave or took them at once.  n from 1; beyond 1,024 the rest is left for the next call.
 */
WEIR_API ssize_t weir_readv(int fd, const struct iovec *v, int n, weir_time deadline);
WEIR_API ssize_t weir_writev(int fd, const struct iovec *v, int n, weir_time deadline);

/*
 * All vectors, any number from 0, which are not changed.  The sum of their sizes, or a
 * failure (-EOVERFLOW if it is beyond SSIZE_MAX); *done as above: exactly the first
 * *done bytes of the vectors have been written.
 */
WEIR_API ssize_t weir_writev_all(int fd, const struct iovec *v, size_t n, size_t *done,
                                 weir_time deadline);

/*
 * Closes, and wakes whoever waits on it with -EBADF.  Descriptors that weir
 * has waited on must be closed with this, or told by weir_fd_forget before; on
 * any loop or thread, but only waiters of the same loop are woken at once.
 */
WEIR_API int weir_close(int fd);
WEIR_API void weir_fd_forget(int fd);

/*
 * A listening TCP socket on host:port; host NULL is 127.0.0.1; port 0 picks
 * one.  A descriptor, or a negative errno.  Numeric hosts only.
 */
WEIR_API int weir_tcp_listen(const char *host, uint16_t port, int backlog);
WEIR_API int weir_tcp_accept(int listener, weir_time deadline);
WEIR_API int weir_tcp_connect(const char *host, uint16_t port, weir_time deadline);
WEIR_API int weir_tcp_port(int fd); /* the local port, or a negative errno */

/*
 * Parks until the process gets one of `signals` (0-terminated array): the
 * signal's number; -EINVAL as weir_signals.  The signals are blocked in the calling thread from the
 * first call on, as signalfd(2) asks, and stay so; signal.h has a stream of them.
 */
WEIR_API int weir_signal_wait(const int *signals, weir_time deadline);

WEIR_END
#endif
