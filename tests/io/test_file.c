/*
 * test_file.c -- files: what is read and written, at once or by a thread, and
 * what becomes of it when somebody is cancelled meanwhile.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weir.h>

#include "core/world.h"

static char dir[64], file[128], other[128];

static void place_open(void)
{
    snprintf(dir, sizeof dir, "/tmp/weir-file-XXXXXX");
    OK(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(other, sizeof other, "%s/other", dir);
}

/* Nothing but these two may be left in it. */
static void place_close(void)
{
    (void)unlink(file);
    (void)unlink(other);
    EQ(rmdir(dir), 0);
}

#define PLACE_TEST(NAME)                                                                           \
    static int NAME##__main(void *place__arg);                                                     \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        place_open();                                                                              \
        EQ(world_real(NAME##__main, NULL), 0);                                                     \
        place_close();                                                                             \
        place_open();                                                                              \
        EQ(world_run(NAME##__main, NULL), 0);                                                      \
        place_close();                                                                             \
    }                                                                                              \
    static int NAME##__main(void *place__arg __attribute__((unused)))

static int file_new(const char *path)
{
    int fd = weir_file_open(path, O_RDWR | O_CREAT | O_TRUNC, 0640);
    OK(fd >= 0);
    return fd;
}

static void file_with(const char *path, const char *text)
{
    int fd = file_new(path);
    EQ(weir_file_write(fd, text, strlen(text)), strlen(text));
    EQ(weir_file_close(fd), 0);
}

/* --- the calls --------------------------------------------------------------- */

PLACE_TEST(what_is_written_is_read)
{
    char buf[32] = "";
    struct stat st;
    int fd = file_new(file);
    OK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    EQ(weir_file_write(fd, "hello ", 6), 6);
    EQ(weir_file_write(fd, "world", 5), 5);
    EQ(weir_file_read(fd, buf, 32), 0); /* at the end */
    EQ(weir_file_pread(fd, buf, 32, 0), 11);
    MEMEQ(buf, "hello world", 11);
    EQ(weir_file_pread(fd, buf, 3, 6), 3);
    MEMEQ(buf, "wor", 3);
    EQ(weir_file_pread(fd, buf, 32, 11), 0);
    EQ(weir_file_pread(fd, buf, 32, (int64_t)1 << 50), 0);
    EQ(weir_file_pwrite(fd, "W", 1, 6), 1);
    EQ(weir_file_pwrite(fd, "!", 1, 20), 1); /* a hole before it */
    EQ(lseek(fd, 0, SEEK_SET), 0);
    EQ(weir_file_read(fd, buf, 4), 4);
    EQ(weir_file_read(fd, buf, 32), 17);
    MEMEQ(buf, "o World\0\0\0\0\0\0\0\0\0!", 17);
    EQ(weir_file_read(fd, buf, 0), 0);
    EQ(weir_file_write(fd, buf, 0), 0);
    EQ(weir_file_sync(fd, 0), 0);
    EQ(weir_file_sync(fd, 1), 0);
    EQ(weir_file_fstat(fd, &st), 0);
    EQ(st.st_size, 21);
    EQ(weir_file_close(fd), 0);
    EQ(weir_file_stat(file, &st), 0);
    EQ(st.st_size, 21);
    EQ(weir_file_rename(file, other), 0);
    EQ(weir_file_stat(file, &st), -ENOENT);
    EQ(weir_file_unlink(other), 0);
    EQ(weir_file_unlink(other), -ENOENT);
    return 0;
}

PLACE_TEST(what_is_wrong_is_said)
{
    char buf[8];
    struct stat st;
    int fd = file_new(file);
    EQ(weir_file_open(NULL, O_RDONLY, 0), -EINVAL);
    EQ(weir_file_open("", O_RDONLY, 0), -ENOENT);
    EQ(weir_file_open(other, O_RDONLY, 0), -ENOENT);
    EQ(weir_file_open(dir, O_RDWR, 0), -EISDIR);
    EQ(weir_file_read(fd, NULL, 1), -EINVAL);
    EQ(weir_file_read(fd, buf, SIZE_MAX), -EINVAL);
    EQ(weir_file_write(fd, NULL, 1), -EINVAL);
    EQ(weir_file_write(fd, buf, (size_t)SSIZE_MAX + 1), -EINVAL);
    EQ(weir_file_pread(fd, buf, 1, -1), -EINVAL);
    EQ(weir_file_pread(fd, buf, 1, INT64_MIN), -EINVAL);
    EQ(weir_file_pread(fd, buf, 2, INT64_MAX - 1), -EINVAL);
    EQ(weir_file_pwrite(fd, buf, 1, -1), -EINVAL);
    EQ(weir_file_pread(-1, buf, 1, 0), -EBADF);
    EQ(weir_file_write(987, buf, 1), -EBADF);
    EQ(weir_file_sync(-1, 0), -EBADF);
    EQ(weir_file_fstat(-1, &st), -EBADF);
    EQ(weir_file_fstat(fd, NULL), -EINVAL);
    EQ(weir_file_stat(NULL, &st), -EINVAL);
    EQ(weir_file_stat(file, NULL), -EINVAL);
    EQ(weir_file_rename(NULL, file), -EINVAL);
    EQ(weir_file_rename(file, NULL), -EINVAL);
    EQ(weir_file_rename(other, file), -ENOENT);
    EQ(weir_file_unlink(NULL), -EINVAL);
    EQ(weir_file_unlink(dir), -EISDIR);
    EQ(weir_file_close(-1), -EBADF);
    EQ(weir_file_close(987), -EBADF);
    EQ(weir_file_close(fd), 0);
    EQ(weir_file_close(fd), -EBADF);
    fd = weir_file_open(file, O_WRONLY, 0);
    EQ(weir_file_read(fd, buf, 1), -EBADF);
    EQ(weir_file_close(fd), 0);
    return 0;
}

TEST(off_a_fiber_there_are_no_files)
{
    char buf[1];
    struct stat st;
    EQ(weir_file_open("/", O_RDONLY, 0), WEIR_ENOFIBER);
    EQ(weir_file_read(0, buf, 1), WEIR_ENOFIBER);
    EQ(weir_file_stat("/", &st), WEIR_ENOFIBER);
    EQ(weir_file_load("/etc/passwd", buf, 1), WEIR_ENOFIBER);
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    EQ(weir_file_close(fd), 0); /* closes always */
}

PLACE_TEST(a_file_that_is_not_in_the_cache_is_read_as_well)
{
    enum { BYTES = 3000000 };
    unsigned char *from = malloc(BYTES), *to = malloc(BYTES);
    int fd = file_new(file);
    for (size_t i = 0; i < BYTES; i++)
        from[i] = (unsigned char)(i * 31 + i / 977);
    EQ(weir_file_write(fd, from, BYTES), BYTES);
    EQ(weir_file_sync(fd, 0), 0);
    EQ(posix_fadvise(fd, 1000000, 1000000, POSIX_FADV_DONTNEED), 0); /* the middle only */
    EQ(weir_file_pread(fd, to, BYTES, 0), BYTES);
    MEMEQ(to, from, BYTES);
    EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    EQ(lseek(fd, 5, SEEK_SET), 5);
    EQ(weir_file_read(fd, to, BYTES), BYTES - 5);
    MEMEQ(to, from + 5, BYTES - 5);
    EQ(weir_file_close(fd), 0);
    free(from);
    free(to);
    return 0;
}

PLACE_TEST(a_write_that_finds_no_room_tells_what_it_has_written)
{
    struct rlimit before, small = {100, RLIM_INFINITY};
    char text[150] = "";
    int full = weir_file_open("/dev/full", O_WRONLY, 0), fd = file_new(file);
    EQ(weir_file_write(full, text, sizeof text), -ENOSPC);
    EQ(weir_file_close(full), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    ssize_t n = weir_file_write(fd, text, sizeof text), m = weir_file_write(fd, text, 1);
    EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EQ(n, 100);
    EQ(m, -EFBIG);
    EQ(weir_file_close(fd), 0);
    return 0;
}

/* --- cancelling ---------------------------------------------------------------- */

struct slow {
    int fd, r;
};

static int opens_fifo(void *arg)
{
    struct slow *s = arg;
    s->r = weir_file_open(file, O_RDONLY, 0); /* until somebody writes: for ever */
    return 0;
}

static int fifo_main(void *arg)
{
    struct slow slow = {-1, 99};
    weir_scope *s = weir_scope_open(NULL);
    GO(s, opens_fifo, &slow);
    EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(slow.r, -ECANCELED);
    *(int *)arg = open(file, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* now the thread gets it */
    return 0;
}

/* The run waits for its threads; then the harness looks for the descriptor. */
TEST(an_open_is_left_behind_by_a_cancel_and_closed_when_it_comes)
{
    int fd = -1;
    place_open();
    EQ(mkfifo(file, 0600), 0);
    EQ(world_real(fifo_main, &fd), 0);
    EQ(close(fd), 0);
    place_close();
}

static int reads_pipe(void *arg)
{
    struct slow *s = arg;
    char buf[8];
    s->r = (int)weir_file_read(s->fd, buf, sizeof buf);
    return 0;
}

static int reads_pipe_late(void *arg)
{
    (void)arg;
    return weir_sleep(weir_after(WEIR_MS(2)));
}

REAL_TEST(what_a_thread_has_read_is_told_in_spite_of_a_cancel)
{
    int p[2];
    weir_scope *s = weir_scope_open(NULL), *t;
    EQ(pipe2(p, O_CLOEXEC), 0);
    struct slow slow = {p[0], 99};
    GO(s, reads_pipe, &slow);
    t = weir_scope_open(NULL);
    GO(t, reads_pipe_late, NULL);
    EQ(weir_scope_close(&t), 0);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(write(p[1], "abc", 3), 3);
    EQ(weir_scope_close(&s), -EPERM);
    if (slow.r == -ECANCELED) /* no thread had begun: then it is still there */
        EQ(read(p[0], (char[8]){0}, 8), 3);
    else
        EQ(slow.r, 3); /* what there is, not all eight */
    EQ(close(p[0]), 0);
    EQ(close(p[1]), 0);
    return 0;
}

static int cancelled_calls(void *arg)
{
    int fd = *(int *)arg;
    char buf[1];
    struct stat st;
    EQ(weir_sleep(WEIR_NEVER - 1), -ECANCELED);
    EQ(weir_file_read(fd, buf, 1), -ECANCELED);
    EQ(weir_file_open(file, O_RDONLY, 0), -ECANCELED);
    EQ(weir_file_stat(file, &st), -ECANCELED);
    EQ(weir_file_close(fd), 0);
    OK(fcntl(fd, F_GETFD) < 0); /* closed all the same */
    return 0;
}

PLACE_TEST(a_cancelled_fiber_can_still_close)
{
    int fd = file_new(file);
    weir_scope *s = weir_scope_open(NULL);
    GO(s, cancelled_calls, &fd);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    return 0;
}

/* --- whole files ------------------------------------------------------------------ */

PLACE_TEST(a_whole_file_is_loaded_if_it_fits)
{
    char buf[16] = "";
    file_with(file, "0123456789");
    EQ(weir_file_load(file, buf, 16), 10);
    EQ(weir_file_load(file, buf, 10), 10);
    MEMEQ(buf, "0123456789", 10);
    memset(buf, 0, sizeof buf);
    EQ(weir_file_load(file, buf, 9), WEIR_ETOOLARGE);
    MEMEQ(buf, "012345678\0", 10);
    EQ(weir_file_load(file, NULL, 0), WEIR_ETOOLARGE);
    EQ(weir_file_load(other, buf, 16), -ENOENT);
    EQ(weir_file_load(dir, buf, 16), -EISDIR);
    EQ(weir_file_load(NULL, buf, 16), -EINVAL);
    EQ(weir_file_load(file, NULL, 1), -EINVAL);
    EQ(weir_file_load(file, buf, SIZE_MAX), -EINVAL);
    file_with(other, "");
    EQ(weir_file_load(other, buf, 16), 0);
    EQ(weir_file_load(other, NULL, 0), 0);
    EQ(weir_file_load("/proc/self/stat", buf, 1), WEIR_ETOOLARGE); /* says no size of its own */
    return 0;
}

PLACE_TEST(a_file_is_stored_whole_or_not_at_all)
{
    char buf[16] = "", path[160];
    struct stat st;
    file_with(file, "old");
    EQ(weir_file_store(file, "brand new", 9, 0604), 0);
    EQ(weir_file_load(file, buf, 16), 9);
    MEMEQ(buf, "brand new", 9);
    EQ(weir_file_stat(file, &st), 0);
    EQ(st.st_mode & 0777, 0604);
    EQ(weir_file_store(other, NULL, 0, 0600), 0);
    EQ(weir_file_load(other, buf, 16), 0);
    snprintf(path, sizeof path, "%s/no/where", dir);
    EQ(weir_file_store(path, "x", 1, 0600), -ENOENT);
    EQ(weir_file_unlink(other), 0);
    EQ(mkdir(other, 0700), 0);
    EQ(weir_file_store(other, "x", 1, 0600), -EISDIR); /* what was written beside it is gone */
    EQ(rmdir(other), 0);
    EQ(weir_file_store(NULL, "x", 1, 0600), -EINVAL);
    EQ(weir_file_store("", "x", 1, 0600), -EINVAL);
    EQ(weir_file_store(other, NULL, 1, 0600), -EINVAL);
    EQ(weir_file_store(other, "x", SIZE_MAX, 0600), -EINVAL);
    return 0;
}

/* --- streams ------------------------------------------------------------------------ */

PLACE_TEST(a_file_is_a_stream_of_its_lines_or_bytes)
{
    weir_stream *s;
    struct weir_line l;
    struct weir_chunk c;
    file_with(file, "one\ntwo\nthree");
    s = weir_file_lines(file, 0);
    for (int i = 0; i < 3; i++) {
        EQ(weir_next(s, &l), 1);
        STREQ(l.text, i == 0 ? "one" : i == 1 ? "two" : "three");
    }
    EQ(weir_next(s, &l), 0);
    weir_stream_close(&s);
    s = weir_file_bytes(file, 10);
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 10u);
    MEMEQ(c.items, "one\ntwo\nth", 10);
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 3u);
    EQ(weir_next(s, &c), 0);
    weir_stream_close(&s);
    s = weir_file_lines(file, 4);
    EQ(weir_next(s, &l), 1);
    EQ(weir_next(s, &l), 1);
    EQ(weir_next(s, &l), WEIR_ETOOLARGE);
    weir_stream_close(&s);
    s = weir_file_lines(other, 0); /* opened by the first pull */
    EQ(weir_error(s), 0);
    EQ(weir_next(s, &l), -ENOENT);
    weir_stream_close(&s);
    s = weir_file_lines(other, 0); /* never opened */
    weir_stream_close(&s);
    s = weir_file_bytes(NULL, 0);
    EQ(weir_error(s), -EINVAL);
    s = weir_file_lines(file, SIZE_MAX);
    EQ(weir_error(s), -EINVAL);
    return 0;
}

/* --- many at once ---------------------------------------------------------------------- */

static int many_reads(void *arg)
{
    int fd = weir_file_open(file, O_RDONLY, 0);
    char buf[100];
    (void)arg;
    OK(fd >= 0);
    for (int i = 0; i < 20; i++) {
        int at = i * 331 % 900; /* test_random is for one thread */
        EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        EQ(weir_file_pread(fd, buf, 100, at), 100);
        for (int k = 0; k < 100; k++)
            EQ((unsigned char)buf[k], (unsigned char)((at + k) * 7));
    }
    return weir_file_close(fd);
}

static int many_main(void *arg)
{
    unsigned char bytes[1000];
    weir_scope *s;
    (void)arg;
    for (int i = 0; i < 1000; i++)
        bytes[i] = (unsigned char)(i * 7);
    EQ(weir_file_store(file, bytes, sizeof bytes, 0600), 0);
    s = weir_scope_open(NULL);
    for (int i = 0; i < 50; i++)
        EQ(weir_go_on(s, WEIR_ANY_LOOP, many_reads, NULL, NULL), 0);
    return weir_scope_close(&s);
}

TEST(many_fibers_on_many_loops_read_files)
{
    NEEDS_THREADS();
    struct weir_config c = {
        .alloc = test_alloc, .loops = 2, .offload_threads = 3, .offload_queue = 5};
    place_open();
    EQ(weir_run(&c, many_main, NULL), 0);
    place_close();
}

/* --- every point -------------------------------------------------------------------------- */

static int point_main(void *arg)
{
    char buf[16];
    struct weir_line l;
    int r = weir_file_store(file, "one\ntwo\n", 8, 0600);
    (void)arg;
    if (r == 0)
        r = (int)weir_file_load(file, buf, 16);
    if (r >= 0) {
        EQ(r, 8);
        r = weir_file_open(file, O_RDWR, 0);
    }
    if (r >= 0) {
        int fd = r;
        r = (int)weir_file_write(fd, "six", 3);
        if (r == 3)
            r = (int)weir_file_pread(fd, buf, 16, 0);
        if (r >= 0)
            r = weir_file_sync(fd, 1);
        int z = weir_file_close(fd);
        r = r < 0 ? r : z;
    }
    weir_stream *s = weir_file_lines(file, 0);
    if (r == 0)
        r = weir_next(s, &l);
    if (r == 1)
        STREQ(l.text, "six");
    weir_stream_close(&s);
    return r < 0 ? r : 0;
}

static void point_run(void *arg)
{
    int r = world_real(point_main, arg);
    OK(test_fault_hit() ? r <= 0 : r == 0);
    (void)unlink(file);
}

TEST(files_hold_whatever_fails)
{
    place_open();
    EVERY_POINT(point_run, NULL);
    place_close();
}
