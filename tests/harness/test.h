/*
 * test.h -- the test harness: writing a test registers it.
 *
 *     #include "harness/test.h"
 *
 *     TEST(a_sum_is_a_sum)
 *     {
 *         EQ(1 + 1, 2);
 *     }
 *
 * One program a file, main() comes with the harness.  Each test runs in a
 * process of its own under a timeout, and fails if an assertion fails, if it
 * crashes, or if it leaves a descriptor, a child process or a byte of
 * test_alloc behind.  The output is TAP; 77 skips.
 *
 *     prog [--list] [PATTERN ...]     the tests whose names contain a PATTERN
 *     WEIR_SEED=n                     the seed to use; random and printed otherwise
 *     WEIR_FAULT_AT=k                 fail the k-th fault point (base/fault.h)
 *     TEST_TIMEOUT_MULT=m             stretches all timeouts, for valgrind and emulators
 *     TEST_POINTS_STEP=n              each n-th fault point only, from a random one on
 *     TEST_IN_PROCESS=1               no fork: for a debugger
 */
#ifndef TESTS_HARNESS_TEST_H
#define TESTS_HARNESS_TEST_H

#include <stdint.h>
#include <string.h>

#include <weir/base.h>

/* --- registering -------------------------------------------------------- */

struct test {
    const char *name, *file;
    void (*fn)(void);
    int must_fail;      /* passes if and only if fn fails */
    const char *saying; /* what a must-fail test has to say as it fails; "" is anything */
    double timeout;     /* seconds; 0 is 20 */
    struct test *next;
};

void test__register(struct test *t);

#define TEST_WITH(NAME, ...)                                                                       \
    static void NAME(void);                                                                        \
    static struct test test_case__##NAME = {                                                       \
        .name = #NAME, .file = __FILE__, .fn = NAME, __VA_ARGS__};                                 \
    __attribute__((constructor)) static void test__register_##NAME(void)                           \
    {                                                                                              \
        test__register(&test_case__##NAME);                                                        \
    }                                                                                              \
    static void NAME(void)

#define TEST(NAME) TEST_WITH(NAME, .must_fail = 0)

/* TEST_MUST_FAIL(name) or TEST_MUST_FAIL(name, "part of the message"). */
#define TEST_MUST_FAIL(NAME, ...) TEST_WITH(NAME, .must_fail = 1, .saying = "" __VA_ARGS__)

/* --- asserting ---------------------------------------------------------- */

/* A failed assertion prints both operands and ends the test's process, from any thread or fiber. */
#define OK(x) ((x) ? (void)0 : test__fail(__FILE__, __LINE__, "OK(" #x ") is false"))
#define FAIL(...) test__fail(__FILE__, __LINE__, __VA_ARGS__)
#define EQ(a, b) TEST__COMPARE(a, ==, b)
#define NE(a, b) TEST__COMPARE(a, !=, b)
#define LT(a, b) TEST__COMPARE(a, <, b)
#define LE(a, b) TEST__COMPARE(a, <=, b)
#define STREQ(a, b) test__streq(__FILE__, __LINE__, #a ", " #b, a, b)
#define MEMEQ(a, b, n) test__memeq(__FILE__, __LINE__, #a ", " #b, a, b, n)

/* Ends the test as skipped, with a reason. */
#define SKIP(...) test__skip(__VA_ARGS__)

/* In a build without threads (-Dthreads=false) there is one loop and no door: skips there. */
#if defined(WEIR_THREADS) && !WEIR_THREADS
#define NEEDS_THREADS() SKIP("built without threads")
#else
#define NEEDS_THREADS() (void)0
#endif

/* A line that is shown in the TAP output whatever becomes of the test. */
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- chance ------------------------------------------------------------- */

/* The seed of this run; a failure prints the command that repeats it. */
uint64_t test_seed(void);

/* The next number of the test's own sequence, which starts from the seed. */
uint64_t test_random(void);

/* --- memory ------------------------------------------------------------- */

/* Hand it to whatever is under test, as `weir_config.alloc`: it counts, checks sizes, can fail. */
extern struct weir_alloc test_alloc;

uint64_t test_alloc_live(void);      /* bytes not given back yet */
uint64_t test_alloc_calls(void);     /* allocations and growths so far; frees not counted */
void test_alloc_fail_at(uint64_t k); /* the k-th from now fails; 0: none */

/* --- every point -------------------------------------------------------- */

/*
 * Runs fn(arg) again and again, each time in a forked child in which the k-th
 * fault point (allocation, suspension or system call) fails, for k = 1, 2, ...
 * until a run meets no fault.  fn asserts what must hold whatever fails, and
 * may look at test_fault_k; in the last run nothing failed.  Each run is
 * checked for descriptors, children and bytes left behind.
 */
#define EVERY_POINT(fn, arg) test__every_point(__FILE__, __LINE__, #fn, fn, arg, 0)

/* The same for some kinds of points: WEIR__FAULT_ALLOC | ... */
#define EVERY_POINT_OF(kinds, fn, arg) test__every_point(__FILE__, __LINE__, #fn, fn, arg, kinds)

/* The point that is to fail in this run of EVERY_POINT; 0 outside of one. */
extern int64_t test_fault_k;

/* Nonzero once the fault of this run has struck. */
int test_fault_hit(void);

/* --- the macros' other half --------------------------------------------- */

struct test__value {
    char kind; /* i u d p */
    union {
        long long i;
        unsigned long long u;
        double d;
        const void *p;
    };
};

void test__fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void test__fail_compare(const char *file, int line, const char *text, struct test__value a,
                        const char *op, struct test__value b) __attribute__((noreturn));
void test__streq(const char *file, int line, const char *text, const char *a, const char *b);
void test__memeq(const char *file, int line, const char *text, const void *a, const void *b,
                 size_t n);
void test__skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void test__every_point(const char *file, int line, const char *name, void (*fn)(void *), void *arg,
                       int kinds);

static inline struct test__value test__of_i(long long i)
{
    return (struct test__value){.kind = 'i', .i = i};
}

static inline struct test__value test__of_u(unsigned long long u)
{
    return (struct test__value){.kind = 'u', .u = u};
}

static inline struct test__value test__of_d(double d)
{
    return (struct test__value){.kind = 'd', .d = d};
}

static inline struct test__value test__of_p(const void *p)
{
    return (struct test__value){.kind = 'p', .p = p};
}

#define TEST__VALUE(x)                                                                             \
    _Generic((x), _Bool                                                                            \
             : test__of_i, char                                                                    \
             : test__of_i, signed char                                                             \
             : test__of_i, short                                                                   \
             : test__of_i, int                                                                     \
             : test__of_i, long                                                                    \
             : test__of_i, long long                                                               \
             : test__of_i, unsigned char                                                           \
             : test__of_u, unsigned short                                                          \
             : test__of_u, unsigned                                                                \
             : test__of_u, unsigned long                                                           \
             : test__of_u, unsigned long long                                                      \
             : test__of_u, float                                                                   \
             : test__of_d, double                                                                  \
             : test__of_d, default                                                                 \
             : test__of_p)(x)

/* Each operand is evaluated once; a bit-field needs a `+ 0`. */
#define TEST__COMPARE(a, op, b)                                                                    \
    do {                                                                                           \
        __auto_type test__a = (a);                                                                 \
        __auto_type test__b = (b);                                                                 \
        if (!(test__a op test__b))                                                                 \
            test__fail_compare(__FILE__, __LINE__, #a ", " #b, TEST__VALUE(test__a), #op,          \
                               TEST__VALUE(test__b));                                              \
    } while (0)

#endif
