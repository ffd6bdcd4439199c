/*
 * file.c -- files: the cache first, then a thread of the pool.
 *
 * RWF_NOWAIT answers -EAGAIN where a read or write would wait for the disk, so a
 * hit costs a system call and no hop between threads.  bench/files.c measures
 * this against io_uring.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/file.h>

#include "io/io.h"
#include "io/owned.h"

/* A job borrows all that it points to. */
struct file_job {
    ssize_t (*run)(struct file_job *j); /* on a worker: a result, or negative errno */
    const char *path, *to;
    struct stat *stat;
    char *buf;
    size_t size, done; /* bytes; so many of them are done with already */
    int64_t at;        /* -1: where the descriptor stands */
    ssize_t result;
    int fd, flags;
    mode_t mode;
};

static int file_work(void *arg)
{
    struct file_job *j = arg;

    j->result = j->run(j);
    return 0;
}

/* If it ran, its result, whatever has happened meanwhile. */
static ssize_t file_do(struct file_job *j)
{
    int r = weir__io_begin(0);

    if (r == 0 && weir__fault_point(WEIR__FAULT_SYSCALL))
        r = -EIO;
    if (r == 0)
        r = weir_offload(file_work, j);
    return r < 0 ? r : j->result;
}

static ssize_t file_result(long r)
{
    return r < 0 ? -errno : r;
}

/* --- reading and writing ------------------------------------------------ */

static struct iovec file_rest(const struct file_job *j)
{
    return (struct iovec){j->buf + j->done, j->size - j->done};
}

static off_t file_place(const struct file_job *j)
{
    return j->at < 0 ? -1 : (off_t)(j->at + (int64_t)j->done);
}

static ssize_t file_read_some(const struct file_job *j, int flags)
{
    struct iovec v = file_rest(j);
    ssize_t n = preadv2(j->fd, &v, 1, file_place(j), flags);

    if (n > 0)
        WEIR__MSAN_WRITTEN(v.iov_base, (size_t)n);
    return file_result(n);
}

static ssize_t file_write_some(const struct file_job *j, int flags)
{
    struct iovec v = file_rest(j);

    return file_result(pwritev2(j->fd, &v, 1, file_place(j), flags));
}

/* Until all is done, the end, or a failure; what was done before a failure is the result. */
static ssize_t file_go_on(struct file_job *j, ssize_t (*some)(const struct file_job *, int),
                          int flags)
{
    ssize_t r = 1;

    while (j->done < j->size && r > 0) {
        r = some(j, flags);
        j->done += r > 0 ? (size_t)r : 0;
    }
    return r < 0 && (!j->done || flags) ? r : (ssize_t)j->done;
}

static bool file_plain(int fd)
{
    struct stat st = {0}; /* MSan does not know fstat */

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* What is no plain file has more later, not at once: one read. */
static ssize_t file_read_run(struct file_job *j)
{
    if (file_plain(j->fd))
        return file_go_on(j, file_read_some, 0);
    return j->done ? (ssize_t)j->done : file_read_some(j, 0);
}

static ssize_t file_write_run(struct file_job *j)
{
    return file_go_on(j, file_write_some, 0);
}

/* The cache has it all, or cannot have it: the result; else a thread does the rest. */
static ssize_t file_move(struct file_job *j, ssize_t (*some)(const struct file_job *, int))
{
    ssize_t r = weir__io_begin(0), k;

    if (r < 0)
        return r;
    r = file_go_on(j, some, RWF_NOWAIT);
    if (r != -EAGAIN && r != -EOPNOTSUPP && r != -EINVAL)
        return r < 0 && j->done ? (ssize_t)j->done : r;
    k = (ssize_t)j->done;
    r = file_do(j);
    return r < 0 && k ? k : r;
}

static int file_move_check(const void *buf, size_t size, int64_t at)
{
    return !buf || size > SSIZE_MAX || at < 0 || at > INT64_MAX - (int64_t)size ? -EINVAL : 0;
}

ssize_t weir_file_pread(int fd, void *buf, size_t size, int64_t at)
{
    struct file_job j = {.run = file_read_run, .fd = fd, .buf = buf, .size = size, .at = at};
    int r = file_move_check(buf, size, at);

    return r < 0 ? r : file_move(&j, file_read_some);
}

ssize_t weir_file_read(int fd, void *buf, size_t size)
{
    struct file_job j = {.run = file_read_run, .fd = fd, .buf = buf, .size = size, .at = -1};
    int r = file_move_check(buf, size, 0);

    return r < 0 ? r : file_move(&j, file_read_some);
}

ssize_t weir_file_pwrite(int fd, const void *buf, size_t size, int64_t at)
{
    struct file_job j = {
        .run = file_write_run, .fd = fd, .buf = (char *)(uintptr_t)buf, .size = size, .at = at};
    int r = file_move_check(buf, size, at);

    return r < 0 ? r : file_move(&j, file_write_some);
}

ssize_t weir_file_write(int fd, const void *buf, size_t size)
{
    struct file_job j = {
        .run = file_write_run, .fd = fd, .buf = (char *)(uintptr_t)buf, .size = size, .at = -1};
    int r = file_move_check(buf, size, 0);

    return r < 0 ? r : file_move(&j, file_write_some);
}

/* --- what has a descriptor or a path ------------------------------------ */

static ssize_t file_close_run(struct file_job *j)
{
    int fd = j->fd;

    j->fd = -1;
    return file_result(close(fd));
}

int weir_file_close(int fd)
{
    struct file_job j = {.run = file_close_run, .fd = fd};
    ssize_t r;

    if (fd < 0)
        return -EBADF;
    weir_fd_forget(fd);
    r = file_do(&j);
    if (j.fd >= 0) /* no thread has had it */
        r = file_close_run(&j);
    return (int)r;
}

static ssize_t file_sync_run(struct file_job *j)
{
    return file_result(j->flags ? fdatasync(j->fd) : fsync(j->fd));
}

int weir_file_sync(int fd, int data_only)
{
    struct file_job j = {.run = file_sync_run, .fd = fd, .flags = data_only};

    return (int)file_do(&j);
}

static ssize_t file_stat_run(struct file_job *j)
{
    return file_result(j->path ? stat(j->path, j->stat) : fstat(j->fd, j->stat));
}

int weir_file_stat(const char *path, struct stat *out)
{
    struct file_job j = {.run = file_stat_run, .path = path, .stat = out};

    return path && out ? (int)file_do(&j) : -EINVAL;
}

int weir_file_fstat(int fd, struct stat *out)
{
    struct file_job j = {.run = file_stat_run, .fd = fd, .stat = out};

    return out ? (int)file_do(&j) : -EINVAL;
}

static ssize_t file_rename_run(struct file_job *j)
{
    return file_result(rename(j->path, j->to));
}

int weir_file_rename(const char *from, const char *to)
{
    struct file_job j = {.run = file_rename_run, .path = from, .to = to};

    return from && to ? (int)file_do(&j) : -EINVAL;
}

static ssize_t file_unlink_run(struct file_job *j)
{
    return file_result(unlink(j->path));
}

int weir_file_unlink(const char *path)
{
    struct file_job j = {.run = file_unlink_run, .path = path};

    return path ? (int)file_do(&j) : -EINVAL;
}

/* --- opening, which may take for ever: so it is left behind when cancelled -- */

struct file_open {
    struct weir__owned owned;
    int fd, flags;
    mode_t mode;
    size_t bytes;
    char path[];
};

static int file_open_run(struct weir__owned *o)
{
    struct file_open *f = WEIR__ENTRY(o, struct file_open, owned);

    f->fd = open(f->path, f->flags | O_CLOEXEC, f->mode);
    return f->fd < 0 ? -errno : 0;
}

static void file_open_free(struct weir__owned *o)
{
    struct file_open *f = WEIR__ENTRY(o, struct file_open, owned);

    if (f->fd >= 0)
        close(f->fd);
    weir__free(f, f->bytes);
}

static int file_open_take(struct weir__owned *o, int r)
{
    struct file_open *f = WEIR__ENTRY(o, struct file_open, owned);

    if (r >= 0) {
        r = f->fd;
        f->fd = -1;
    }
    file_open_free(o);
    return r;
}

int weir_file_open(const char *path, int flags, mode_t mode)
{
    size_t bytes = sizeof(struct file_open) + (path ? strlen(path) : 0) + 1;
    struct weir__owned *o;
    struct file_open *f;
    int r = path ? weir__io_begin(0) : -EINVAL;

    if (r == 0 && weir__fault_point(WEIR__FAULT_SYSCALL))
        r = -EMFILE;
    if (r < 0)
        return r;
    f = weir__alloc(bytes);
    if (!f)
        return -ENOMEM;
    f->owned = (struct weir__owned){.run = file_open_run, .free = file_open_free};
    f->fd = -1;
    f->flags = flags;
    f->mode = mode;
    f->bytes = bytes;
    memcpy(f->path, path, bytes - sizeof *f);
    o = &f->owned;
    r = weir__owned_run(&o);
    return o ? file_open_take(o, r) : r;
}

/* --- whole files -------------------------------------------------------- */

static ssize_t file_load_all(struct file_job *j)
{
    ssize_t r = file_go_on(j, file_read_some, 0);
    char more;

    if (r == (ssize_t)j->size) {
        ssize_t k = file_result(read(j->fd, &more, 1));

        r = k > 0 ? WEIR_ETOOLARGE : k < 0 ? k : r;
    }
    return r;
}

static ssize_t file_load_run(struct file_job *j)
{
    ssize_t r;

    j->fd = open(j->path, O_RDONLY | O_CLOEXEC);
    if (j->fd < 0)
        return -errno;
    r = file_load_all(j);
    close(j->fd);
    return r;
}

ssize_t weir_file_load(const char *path, void *buf, size_t size)
{
    struct file_job j = {.run = file_load_run, .path = path, .buf = buf, .size = size, .at = -1};

    return path && (buf || !size) && size <= SSIZE_MAX ? file_do(&j) : -EINVAL;
}

/* Into the new file, at j->fd; a short write says no more why: the next one does. */
static ssize_t file_store_all(struct file_job *j)
{
    ssize_t r = file_write_run(j);

    while (r >= 0 && j->done < j->size) {
        size_t before = j->done;

        r = file_write_run(j);
        if (r >= 0 && j->done == before)
            r = -ENOSPC;
    }
    if (r >= 0)
        r = file_result(fchmod(j->fd, j->mode));
    return r < 0 ? r : file_result(fsync(j->fd));
}

/* `to` is a template beside the path. */
static ssize_t file_store_run(struct file_job *j)
{
    char *beside = (char *)(uintptr_t)j->to;
    ssize_t r;

    j->fd = mkostemp(beside, O_CLOEXEC);
    if (j->fd < 0)
        return -errno;
    r = file_store_all(j);
    if (close(j->fd) < 0 && r >= 0)
        r = -errno;
    if (r >= 0)
        r = file_result(rename(beside, j->path));
    if (r < 0)
        (void)unlink(beside);
    return r;
}

int weir_file_store(const char *path, const void *buf, size_t size, mode_t mode)
{
    struct file_job j = {.run = file_store_run,
                         .path = path,
                         .buf = (char *)(uintptr_t)buf,
                         .size = size,
                         .at = -1,
                         .mode = mode};
    size_t bytes = path ? strlen(path) + sizeof ".XXXXXX" : 0;
    char *beside;
    int r;

    if (!path || !*path || (!buf && size) || size > SSIZE_MAX)
        return -EINVAL;
    beside = weir__alloc(bytes);
    if (!beside)
        return -ENOMEM;
    snprintf(beside, bytes, "%s.XXXXXX", path);
    j.to = beside;
    r = (int)file_do(&j);
    weir__free(beside, bytes);
    return r;
}
