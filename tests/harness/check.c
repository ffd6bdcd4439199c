/*
 * check.c -- assertions, the counting allocator, and what a test leaves behind.
 *
 * A failed assertion writes what it saw to stderr, which the runner keeps, and
 * leaves the process at once: no cleanup runs that could hide the cause.
 */
#include "harness/harness.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

int64_t test_fault_k;

static uint64_t seed_given, seed_state;

/* --- failing ------------------------------------------------------------ */

static void fail_end(void)
{
    if (test_fault_k)
        fprintf(stderr, "with fault point %lld failed; WEIR_FAULT_AT=%lld repeats it\n",
                (long long)test_fault_k, (long long)test_fault_k);
    fflush(NULL);
    _exit(1);
}

void test__fail(const char *file, int line, const char *format, ...)
{
    va_list ap;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    fail_end();
    _exit(1);
}

static void value_print(const struct test__value *v, char text[64])
{
    if (v->kind == 'i')
        snprintf(text, 64, "%lld", v->i);
    else if (v->kind == 'u')
        snprintf(text, 64, "%llu", v->u);
    else if (v->kind == 'd')
        snprintf(text, 64, "%.17g", v->d);
    else
        snprintf(text, 64, "%p", v->p);
}

static const char *compare_name(const char *op)
{
    if (op[0] == '<')
        return op[1] ? "LE" : "LT";
    return op[0] == '=' ? "EQ" : "NE";
}

void test__fail_compare(const char *file, int line, const char *text, struct test__value a,
                        const char *op, struct test__value b)
{
    char left[64], right[64];
    value_print(&a, left);
    value_print(&b, right);
    test__fail(file, line, "%s(%s): not %s %s %s", compare_name(op), text, left, op, right);
}

void test__streq(const char *file, int line, const char *text, const char *a, const char *b)
{
    if (a && b && strcmp(a, b) == 0)
        return;
    test__fail(file, line, "STREQ(%s):\n  \"%s\"\n  \"%s\"", text, a ? a : "(NULL)",
               b ? b : "(NULL)");
}

void test__memeq(const char *file, int line, const char *text, const void *a, const void *b,
                 size_t n)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            test__fail(file, line, "MEMEQ(%s): byte %zu of %zu is %02x, not %02x", text, i, n, x[i],
                       y[i]);
}

void test__skip(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("# SKIP ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    fflush(NULL);
    _exit(HARNESS_SKIP);
}

void test_note(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("# ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/* --- chance ------------------------------------------------------------- */

void harness__seed_set(uint64_t seed)
{
    seed_given = seed_state = seed;
}

uint64_t test_seed(void)
{
    return seed_given;
}

/* splitmix64: the harness must not stand on the generator that it tests. */
uint64_t test_random(void)
{
    uint64_t z = seed_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double harness__env(const char *name, double otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtod(text, NULL) : otherwise;
}

/* --- the counting allocator --------------------------------------------- */

/* Each block carries its size in front, so that a wrong old size is caught. */
struct alloc_head {
    _Alignas(64) size_t size;
};

static atomic_uint_fast64_t alloc_live, alloc_calls, alloc_fail;

static void *alloc_resize(struct alloc_head *old, size_t size)
{
    struct alloc_head *h = NULL;
    uint64_t call = atomic_fetch_add(&alloc_calls, 1) + 1;
    if (call == atomic_load(&alloc_fail))
        return NULL;
    if (posix_memalign((void **)&h, sizeof *h, sizeof *h + size) != 0)
        return NULL;
    h->size = size;
    memset(h + 1, 0xa5, size); /* what nobody wrote must not look like zero */
    if (old)
        memcpy(h + 1, old + 1, old->size < size ? old->size : size);
    atomic_fetch_add(&alloc_live, size);
    return h + 1;
}

static void alloc_release(struct alloc_head *h)
{
    atomic_fetch_sub(&alloc_live, h->size);
    memset(h + 1, 0x5a, h->size);
    free(h);
}

static void *alloc_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
    struct alloc_head *old = p ? (struct alloc_head *)p - 1 : NULL;
    (void)ctx;
    if (old && old->size != old_size)
        FAIL("a block of %zu bytes was given back as one of %zu", old->size, old_size);
    if (!old && old_size != 0)
        FAIL("NULL was given back as a block of %zu bytes", old_size);
    void *fresh = size ? alloc_resize(old, size) : NULL;
    if (old && (fresh || size == 0))
        alloc_release(old);
    return fresh;
}

struct weir_alloc test_alloc = {alloc_realloc, NULL};

uint64_t test_alloc_live(void)
{
    return atomic_load(&alloc_live);
}

uint64_t test_alloc_calls(void)
{
    return atomic_load(&alloc_calls);
}

void test_alloc_fail_at(uint64_t k)
{
    atomic_store(&alloc_fail, k ? atomic_load(&alloc_calls) + k : 0);
}

void harness__alloc_reset(void)
{
    atomic_store(&alloc_live, 0);
    atomic_store(&alloc_calls, 0);
    atomic_store(&alloc_fail, 0);
}

/* --- what is left ------------------------------------------------------- */

void harness__hold(struct harness_holding *h)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;
    h->n = 0;
    while (dir && (e = readdir(dir)) != NULL && h->n < HARNESS_FDS)
        if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir))
            h->fds[h->n++] = atoi(e->d_name);
    if (dir)
        closedir(dir);
}

static int holding_has(const struct harness_holding *h, int fd)
{
    for (int i = 0; i < h->n; i++)
        if (h->fds[i] == fd)
            return 1;
    return 0;
}

static void left_fds(const struct harness_holding *before, const struct harness_holding *after)
{
    char link[64], target[256];
    int left = 0;
    for (int i = 0; i < after->n; i++) {
        if (holding_has(before, after->fds[i]))
            continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", after->fds[i]);
        ssize_t n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        fprintf(stderr, "descriptor %d was left open: %s\n", after->fds[i], target);
        left++;
    }
    if (left)
        FAIL("%d descriptors left behind", left);
}

void harness__check_left(const struct harness_holding *before)
{
    struct harness_holding after;
    harness__hold(&after);
    left_fds(before, &after);
    if (test_alloc_live() != 0)
        FAIL("%llu bytes of test_alloc left behind", (unsigned long long)test_alloc_live());
    if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
        FAIL("a child process was left behind");
}

int test_fault_hit(void)
{
    return weir__fault.hit != 0;
}
