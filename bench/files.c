/*
 * files.c -- how a file should be read: weir_file_pread (RWF_NOWAIT, then the pool), the
 * pool alone, and io_uring at its least: a ring that is entered and waited for
 * on the spot, without a loop beside it, which no runtime could better.
 *
 *   bench-files [ROUNDS]      a table: us a read of 4 KiB, the least of the rounds, wall time
 *
 * Cold reads have been dropped from the cache before.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <weir.h>

enum { BLOCK = 4096, BLOCKS = 16384, DEEP = 64, READS = 16384, COLD_READS = 2048 };

static int bench_fd;
static char bench_bufs[DEEP][BLOCK];
static uint32_t bench_state;

static void bench_need(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench-files: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t bench_place(void)
{
    bench_state = bench_state * 1664525u + 1013904223u;
    return (int64_t)(bench_state >> 8) % BLOCKS * BLOCK;
}

/* --- a ring ------------------------------------------------------------- */

static struct {
    int fd;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
} ring;

static void ring_open(void)
{
    struct io_uring_params p = {.flags = 0};
    size_t size;
    char *m;

    ring.fd = (int)syscall(SYS_io_uring_setup, DEEP, &p);
    if (ring.fd < 0)
        return;
    size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    if (size < p.sq_off.array + p.sq_entries * sizeof(unsigned))
        size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
    m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
             IORING_OFF_SQ_RING); /* one mapping for both since Linux 5.4 */
    ring.sqes = mmap(NULL, p.sq_entries * sizeof *ring.sqes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
    bench_need(m != MAP_FAILED && (void *)ring.sqes != MAP_FAILED, "mmap");
    ring.sq_tail = (unsigned *)(void *)(m + p.sq_off.tail);
    ring.sq_mask = (unsigned *)(void *)(m + p.sq_off.ring_mask);
    ring.sq_array = (unsigned *)(void *)(m + p.sq_off.array);
    ring.cq_head = (unsigned *)(void *)(m + p.cq_off.head);
    ring.cq_tail = (unsigned *)(void *)(m + p.cq_off.tail);
    ring.cq_mask = (unsigned *)(void *)(m + p.cq_off.ring_mask);
    ring.cqes = (struct io_uring_cqe *)(void *)(m + p.cq_off.cqes);
}

/* n reads at once, all waited for. */
static void ring_read(unsigned n)
{
    unsigned tail = *ring.sq_tail, head = *ring.cq_head;

    for (unsigned i = 0; i < n; i++, tail++) {
        unsigned k = tail & *ring.sq_mask;

        ring.sqes[k] = (struct io_uring_sqe){.opcode = IORING_OP_READ,
                                             .fd = bench_fd,
                                             .addr = (uint64_t)(uintptr_t)bench_bufs[i],
                                             .len = BLOCK,
                                             .off = (uint64_t)bench_place()};
        ring.sq_array[k] = k;
    }
    __atomic_store_n(ring.sq_tail, tail, __ATOMIC_RELEASE);
    bench_need(syscall(SYS_io_uring_enter, ring.fd, n, n, IORING_ENTER_GETEVENTS, NULL, 0) == n,
               "io_uring_enter");
    for (; head != __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE); head++)
        bench_need(ring.cqes[head & *ring.cq_mask].res == BLOCK, "a read of the ring");
    __atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
}

/* --- the ways ------------------------------------------------------------- */

struct pool_read {
    char *buf;
    int64_t at;
};

static int pool_work(void *arg)
{
    struct pool_read *r = arg;

    return (int)pread(bench_fd, r->buf, BLOCK, r->at);
}

static int read_pool(char *buf)
{
    struct pool_read r = {buf, bench_place()};

    return weir_offload(pool_work, &r);
}

static int read_file(char *buf)
{
    return (int)weir_file_pread(bench_fd, buf, BLOCK, bench_place());
}

static int (*way)(char *buf); /* NULL: the ring */
static long way_each;

static int way_fiber(void *arg)
{
    for (long i = 0; i < way_each; i++)
        bench_need(way(arg) == BLOCK, "a read");
    return 0;
}

static void way_run(long reads, int depth)
{
    weir_scope *s;

    way_each = reads / depth;
    for (long i = 0; !way && i < way_each; i++)
        ring_read((unsigned)depth);
    if (!way)
        return;
    s = weir_scope_open(NULL);
    for (int i = 0; i < depth; i++)
        bench_need(weir_go(s, way_fiber, bench_bufs[i]) == 0, "weir_go");
    bench_need(weir_scope_close(&s) == 0, "reading");
}

static double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double way_time(int depth, int cold)
{
    long reads = cold ? COLD_READS : READS;
    double begin;

    if (cold)
        bench_need(posix_fadvise(bench_fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
    begin = bench_now();
    way_run(reads, depth);
    return (bench_now() - begin) / (double)reads;
}

static void bench_file(void)
{
    char path[] = "bench-files.XXXXXX", block[BLOCK];

    bench_fd = mkostemp(path, O_CLOEXEC);
    bench_need(bench_fd >= 0, "no file here");
    unlink(path);
    memset(block, 'b', sizeof block);
    for (int i = 0; i < BLOCKS; i++)
        bench_need(write(bench_fd, block, BLOCK) == BLOCK, "write");
    bench_need(fsync(bench_fd) == 0, "fsync");
    (void)posix_fadvise(bench_fd, 0, 0, POSIX_FADV_RANDOM);
}

static int bench_all(void *arg)
{
    static int (*const ways[])(char *) = {read_file, read_pool, NULL};
    static const char *const names[] = {"weir_file_pread", "pool alone", "io_uring alone"};
    double best[3][4];
    int rounds = *(int *)arg;

    for (int r = 0; r < rounds; r++)
        for (int k = 0; k < 4; k++)
            for (int w = 0; w < 3; w++) { /* in turns, so that all see the same noise */
                double t = 0;

                way = ways[w];
                if (way || ring.fd >= 0)
                    t = way_time(k & 1 ? DEEP : 1, k >= 2);
                if (r == 0 || t < best[w][k])
                    best[w][k] = t;
            }
    printf("%-16s %10s %10s %10s %10s\n", "us a read", "cached 1", "cached 64", "cold 1",
           "cold 64");
    for (int w = 0; w < 3; w++)
        printf("%-16s %10.2f %10.2f %10.2f %10.2f\n", names[w], best[w][0], best[w][1], best[w][2],
               best[w][3]);
    return 0;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;

    bench_file();
    ring_open();
    if (ring.fd < 0)
        printf("no io_uring here: %s\n", strerror(errno));
    bench_need(rounds > 0 && weir_run(NULL, bench_all, &rounds) == 0, "weir_run");
    return 0;
}
