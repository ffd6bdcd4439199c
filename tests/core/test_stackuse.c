/*
 * How much stack each spawn site has used: told at the end, and in a dump.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/core.h"
#include "core/world.h"

struct use_log {
    int lines;
    char text[64 << 10];
};

static void use_log(void *ctx, int level, const char *text)
{
    struct use_log *l = ctx;

    EQ(level, WEIR_LOG_INFO);
    l->lines++;
    snprintf(l->text + strlen(l->text), sizeof l->text - strlen(l->text), "%s\n", text);
}

/* Touches `n` bytes below the frame of its caller; the lowest is no zero. */
static __attribute__((noinline)) int touches(size_t n)
{
    volatile char *p = __builtin_alloca(n);

    for (size_t i = 0; i < n; i += 64)
        p[i] = 1;
    return p[n / 2] > 1;
}

static int uses(void *arg)
{
    int r = touches((size_t)(uintptr_t)arg);

    return r + weir_yield();
}

static __attribute__((noinline)) void start_small(weir_scope *s)
{
    GO(s, uses, (void *)(uintptr_t)1000);
}

static __attribute__((noinline)) void start_large(weir_scope *s, size_t n)
{
    EQ(weir_go_with(s, uses, (void *)(uintptr_t)n, NULL), 0);
}

enum { LARGE = 30000, SMALLS = 5 };

static int program(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    start_large(s, LARGE / 2);
    EQ(weir_scope_close(&s), 0);
    s = weir_scope_open(NULL);
    for (int i = 0; i < SMALLS; i++) /* one of them on the stack that was used before */
        start_small(s);
    start_large(s, LARGE);
    return weir_scope_close(&s);
}

static size_t used_by(const char *text, unsigned fibers, size_t *out_size)
{
    char what[64];
    size_t used = 0;
    const char *at;

    snprintf(what, sizeof what, " bytes at most, %u fibers started at", fibers);
    at = strstr(text, what);
    if (!at)
        FAIL("no \"%s\" in:\n%s", what, text);
    while (at > text && at[-1] != '\n')
        at--;
    EQ(sscanf(at, "stack: %zu of %zu", &used, out_size), 2);
    return used;
}

TEST(each_site_is_told_with_the_most_that_one_of_its_fibers_used)
{
    struct use_log log = {0};
    struct weir_config c = {
        .alloc = test_alloc, .stack_use = 1, .log = use_log, .log_ctx = &log, .stack = 1 << 20};
    size_t large, small, size;

    EQ(weir_run(&c, program, NULL), 0);
    EQ(log.lines, 3); /* main, and the two */
    large = used_by(log.text, 2, &size);
    LE(size, 1 << 20);
    LT((1 << 20) - 16384, size);
    small = used_by(log.text, SMALLS, &size);
    LE(LARGE, large);
    LE(large, LARGE + 12000);
    LE(1000, small);
    LE(small, 13000);
    OK(strstr(log.text, "2 fibers") < strstr(log.text, "5 fibers")); /* the greediest first */
    OK(strstr(log.text, "core_stackuse+0x") != NULL);
}

static int dumps(void *arg)
{
    char *text = arg;
    int fd = memfd_create("dump", MFD_CLOEXEC);
    ssize_t n;

    EQ(program(NULL), 0);
    EQ(weir_dump(fd), 0);
    n = pread(fd, text, 8000, 0);
    LT(0, n);
    text[n] = '\0';
    close(fd);
    return 0;
}

TEST(a_dump_has_it_too_and_only_if_asked_for)
{
    struct weir_config c = {.alloc = test_alloc, .stack_use = 1};
    char text[8001];
    size_t size;

    EQ(weir_sim_run(test_seed(), &c, dumps, text), 0);
    LE(LARGE, used_by(text, 2, &size));
    c.stack_use = 0;
    EQ(weir_sim_run(test_seed(), &c, dumps, text), 0);
    EQ(strstr(text, "stack:"), NULL);
    c.stack_use = 2;
    EQ(weir_sim_run(test_seed(), &c, dumps, text), -EINVAL);
}

static int touches_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int many_sites(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = 1});

    (void)arg;
#define FOUR                                                                                       \
    GO(s, touches_nothing, NULL);                                                                  \
    GO(s, touches_nothing, NULL);                                                                  \
    GO(s, touches_nothing, NULL);                                                                  \
    GO(s, touches_nothing, NULL);
#define SIXTEEN FOUR FOUR FOUR FOUR
#define SIXTY_FOUR SIXTEEN SIXTEEN SIXTEEN SIXTEEN
    SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTEEN return weir_scope_close(&s);
}

TEST(sites_beyond_the_table_are_counted)
{
    struct use_log log = {0};
    struct weir_config c = {.alloc = test_alloc, .stack_use = 1, .log = use_log, .log_ctx = &log};

    EQ(weir_run(&c, many_sites, NULL), 0);
    EQ(log.lines, 257);
    OK(strstr(log.text, "stack: 17 fibers of further sites\n") != NULL); /* 256 and main, and 16 */
}

static void no_memory(void *arg)
{
    struct weir_config c = {.alloc = test_alloc, .stack_use = 1};
    int r = weir_run(&c, fiber_nothing, NULL);

    (void)arg;
    OK(r == 0 || test_fault_hit());
}

TEST(without_memory_for_it_there_is_no_run)
{
    EVERY_POINT_OF(WEIR__FAULT_ALLOC, no_memory, NULL);
}
