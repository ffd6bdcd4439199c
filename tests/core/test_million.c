/*
 * A million fibers at once, each with a guard below its stack.  Where there is
 * no room for that (less than 6 GB free), guards cost a mapping each (before
 * Linux 6.13) or an instrumented build multiplies everything, fewer, and it says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/core.h"
#include "core/world.h"
#include "sys/pages.h"

enum { MILLION = 1000000, SAMPLE = 997, BYTES_MOST = 4300 };

static long free_kb(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    long kb = 0;

    OK(f != NULL);
    while (!kb && fgets(line, sizeof line, f))
        (void)sscanf(line, "MemAvailable: %ld", &kb);
    fclose(f);
    return kb;
}

static long resident_kb(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long all, resident;

    OK(f != NULL);
    EQ(fscanf(f, "%ld %ld", &all, &resident), 2);
    fclose(f);
    return resident * 4;
}

static long mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    long n = 0;
    int c;

    OK(f != NULL);
    while ((c = fgetc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

struct mass {
    long n, started, ended, looked;
    int pipe[2];
};

static struct mass mass;

/* What the kernel says of one byte: readable, or not. */
static bool readable(const char *at)
{
    char back;

    if (write(mass.pipe[1], at, 1) < 0) {
        EQ(errno, EFAULT);
        return false;
    }
    EQ(read(mass.pipe[0], &back, 1), 1);
    return true;
}

/* An emulator says yes to advice it does not know, so the guard is tried. */
static bool guards_are_free(void)
{
    char *page = mmap(NULL, WEIR__PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool installs = madvise(page, WEIR__PAGE, 102) == 0 && !readable(page);

    munmap(page, WEIR__PAGE);
    return installs;
}

static int waits(void *arg)
{
    weir_time until = weir_after(WEIR_S(1) + (intptr_t)arg % 1000);

    if (mass.started++ % SAMPLE == 0) {
        const char *stack = weir__self()->stack;

        OK(!readable(stack - 1));
        OK(!readable(stack - WEIR__PAGE));
        OK(readable(stack));
        mass.looked++;
    }
    EQ(weir_sleep(until), 0);
    mass.ended++;
    return 0;
}

static int crowd(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    long kb = resident_kb(), lines = mappings();

    (void)arg;
    for (long i = 0; i < mass.n; i++)
        EQ(weir_go(s, waits, (void *)(intptr_t)(i * 7919)), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(mass.started, mass.n); /* all of them are there, and none has ended */
    EQ(mass.ended, 0);
    EQ(weir_scope_running(s), (size_t)mass.n);
    kb = resident_kb() - kb;
    lines = mappings() - lines;
    test_note("%ld fibers, %ld bytes and %.4f mappings each", mass.n, kb * 1024 / mass.n,
              (double)lines / (double)mass.n);
    if (mass.n == MILLION) { /* else an emulator's or a sanitizer's books are in it */
        LE(kb * 1024 / mass.n, BYTES_MOST);
        LE(lines, 2 * MILLION / 1024 + 100);
    }
    EQ(weir_scope_close(&s), 0);
    EQ(mass.ended, mass.n);
    return 0;
}

TEST_WITH(a_million_guarded_fibers_wait_at_once, .timeout = 240)
{
    bool room = free_kb() >= 6L << 20, cheap,
         quick = !WEIR__ASAN && !WEIR__TSAN && !WEIR__MSAN && !WEIR__VALGRIND;
    struct weir_config c = {0};

    EQ(pipe2(mass.pipe, O_CLOEXEC), 0);
    cheap = guards_are_free();
    mass.n = room && quick && cheap ? MILLION : 2000;
    if (mass.n < MILLION)
        test_note("%ld fibers only: free are %ld MB, guards %s, the build is %s", mass.n,
                  free_kb() >> 10, cheap ? "cost nothing" : "are mappings",
                  quick ? "plain" : "instrumented");
    EQ(weir_sim_run(test_seed(), &c, crowd, NULL), 0);
    EQ(mass.looked, (mass.n + SAMPLE - 1) / SAMPLE);
    close(mass.pipe[0]);
    close(mass.pipe[1]);
}
