/*
 * file.h -- files, without the thread standing still for a disk.
 *
 * What is in the system's cache is read or written at once; everything else is done by a
 * thread of the offload pool while the fiber is parked.  Files have no
 * deadlines: the scope is.  A cancel withdraws what no thread has begun; what one has
 * begun on the caller's memory is waited for, and its result is not lost.
 */
#ifndef WEIR_FILE_H
#define WEIR_FILE_H

#include <sys/stat.h>
#include <weir/base.h>
#include <weir/stream.h>

WEIR_BEGIN

/*
 * open(2), and close-on-exec.  A descriptor, or a negative errno; cancelled,
 * -ECANCELED at once, and what a thread opens later is closed by it.
 */
WEIR_API int weir_file_open(const char *path, int flags, mode_t mode);

/* Closes it, whatever the result, also in a cancelled fiber.  0, or what close(2) said: -EIO ... */
WEIR_API int weir_file_close(int fd);

/*
 * Bytes from the descriptor's place on, which goes on, or from `at`.  `size` of them,
 * fewer at the end of the file, 0 there; or negative, and nothing was read.  Of what is no
 * plain file (a FIFO, a terminal) what there is, as read(2) gives it.
 */
WEIR_API ssize_t weir_file_read(int fd, void *buf, size_t size);
WEIR_API ssize_t weir_file_pread(int fd, void *buf, size_t size, int64_t at);

/* All of it; fewer if it failed on the way (no room left), and the next call says so; negative. */
WEIR_API ssize_t weir_file_write(int fd, const void *buf, size_t size);
WEIR_API ssize_t weir_file_pwrite(int fd, const void *buf, size_t size, int64_t at);

/* fsync(2), or with `data_only` fdatasync(2).  0 or negative. */
WEIR_API int weir_file_sync(int fd, int data_only);

/* stat(2), fstat(2).  0 with *out set, or negative. */
WEIR_API int weir_file_stat(const char *path, struct stat *out);
WEIR_API int weir_file_fstat(int fd, struct stat *out);

/* rename(2), unlink(2).  0 or negative. */
WEIR_API int weir_file_rename(const char *from, const char *to);
WEIR_API int weir_file_unlink(const char *path);

/*
 * A whole file, in one go: its size; WEIR_ETOOLARGE if it has more than `size` bytes, and
 * the first of them are there; or what open or read said.
 */
WEIR_API ssize_t weir_file_load(const char *path, void *buf, size_t size);

/*
 * The whole of a file anew, in one go: written beside it, synced and renamed, so whoever reads
 * the path, or a crash, finds the old or the new one.  0, or negative and the old one is there.
 */
WEIR_API int weir_file_store(const char *path, const void *buf, size_t size, mode_t mode);

/*
 * weir_lines and weir_bytes of a file, which the first pull opens and close closes.  The
 * path is copied.
 */
WEIR_API weir_stream *weir_file_lines(const char *path, size_t max);
WEIR_API weir_stream *weir_file_bytes(const char *path, size_t max);

WEIR_END
#endif
