/*
 * runner.c -- runs each test in a process of its own and prints TAP.
 *
 * The parent does nothing but fork, wait and print, so no test can harm
 * another.  What a test writes is kept in memory and shown if it fails; lines
 * that start with "# " are shown always.
 */
#include "harness/harness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"

static struct test *runner_tests, **runner_end = &runner_tests;

void test__register(struct test *t)
{
    *runner_end = t;
    runner_end = &t->next;
}

/* --- waiting ------------------------------------------------------------ */

static double wait_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* SIGCHLD is blocked meanwhile, so that one which comes between the two calls is not lost. */
static int wait_until(int pid, double end, int *late)
{
    sigset_t child;
    int status = 0;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        double left = end - wait_clock();
        if (left <= 0) {
            *late = 1;
            if (kill(-pid, SIGKILL) < 0)
                kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            break;
        }
        struct timespec ts = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        sigtimedwait(&child, NULL, &ts);
    }
    return status;
}

int harness__wait(int pid, double seconds, int *late)
{
    sigset_t child, old;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &old);
    int status = wait_until(pid, wait_clock() + seconds, late);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return status;
}

const char *harness__status(int status, int late, char text[64])
{
    if (late)
        snprintf(text, 64, "timed out");
    else if (WIFSIGNALED(status))
        snprintf(text, 64, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, 64, "exit %d", WEXITSTATUS(status));
    return text;
}

/* --- one test ----------------------------------------------------------- */

static void test_run(const struct test *t)
{
    struct harness_holding before;
    harness__alloc_reset();
    harness__hold(&before);
    weir__fault_arm((int64_t)harness__env("WEIR_FAULT_AT", 0), 0);
    t->fn();
    weir__fault_arm(0, 0);
    fflush(NULL);
    harness__check_left(&before);
}

/* Its own process group, so that a timeout ends whatever it started. */
static void test_child(const struct test *t, int out)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    close(out);
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_run(t);
    exit(0); /* not _exit: a leak checker looks at exit */
}

static int test_skipped(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_SKIP;
}

/* --- its output --------------------------------------------------------- */

static char *output_read(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    if (!text || pread(fd, text, (size_t)size, 0) != size)
        abort();
    for (off_t i = 0; i < size; i++)
        if (text[i] == '\0')
            text[i] = '?';
    return text;
}

static void output_print(char *text, int all)
{
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        int note = strncmp(line, "# ", 2) == 0;
        if (all && !note)
            printf("#   %s\n", line);
        else if (note && strncmp(line, "# SKIP", 6) != 0)
            printf("%s\n", line);
    }
}

static void skip_print(const char *text)
{
    const char *why = strstr(text, "# SKIP ");
    why = why ? why + 7 : "";
    printf(" # SKIP %.*s", (int)strcspn(why, "\n"), why);
}

/* Prints the result of one test; 1 if it counts as failed. */
static int test_report(const struct test *t, int number, int status, int late, char *text,
                       const char *program)
{
    char why[64];
    int failed = late || status != 0, skipped = test_skipped(status);
    int said = !t->saying || strstr(text, t->saying) || (late && strstr("timed out", t->saying));
    int bad = skipped ? 0 : t->must_fail ? !failed || !said : failed;

    printf("%s %d - %s", bad ? "not ok" : "ok", number, t->name);
    if (skipped)
        skip_print(text);
    putchar('\n');
    if (bad && t->must_fail)
        printf("#   it had to fail%s%s\n", failed && *t->saying ? " saying " : "",
               failed ? t->saying : "");
    else if (bad)
        printf("#   %s\n", harness__status(status, late, why));
    output_print(text, bad);
    if (bad)
        printf("#   again: WEIR_SEED=%llu %s %s\n", (unsigned long long)test_seed(), program,
               t->name);
    fflush(stdout);
    return bad;
}

static int test_fork(const struct test *t, int number, const char *program)
{
    int late = 0, out = memfd_create("output", MFD_CLOEXEC);
    fflush(NULL);
    pid_t pid = out < 0 ? -1 : fork();
    if (pid < 0) {
        printf("Bail out! %s\n", strerror(errno));
        exit(2);
    }
    if (pid == 0)
        test_child(t, out);
    double seconds = (t->timeout > 0 ? t->timeout : 20) * harness__env("TEST_TIMEOUT_MULT", 1);
    int status = harness__wait(pid, seconds, &late);
    kill(-pid, SIGKILL); /* whatever it left running; mostly there is no such group any more */
    char *text = output_read(out);
    int bad = test_report(t, number, status, late, text, program);
    free(text);
    close(out);
    return bad;
}

/* --- all of them -------------------------------------------------------- */

static int test_chosen(const struct test *t, char **patterns)
{
    if (!*patterns)
        return 1;
    for (; *patterns; patterns++)
        if (strstr(t->name, *patterns))
            return 1;
    return 0;
}

static void seed_choose(void)
{
    uint64_t seed = 0;
    const char *text = getenv("WEIR_SEED");
    if (text && *text)
        seed = strtoull(text, NULL, 0);
    else if (getrandom(&seed, 4, 0) != 4) /* 4 bytes: short enough to be typed */
        seed = (uint64_t)time(NULL);
    harness__seed_set(seed);
}

static int tests_list(void)
{
    for (const struct test *t = runner_tests; t; t = t->next)
        puts(t->name);
    return 0;
}

static int tests_run(const char *program, char **patterns)
{
    int n = 0, number = 0, failed = 0;
    for (const struct test *t = runner_tests; t; t = t->next)
        n += test_chosen(t, patterns);
    printf("1..%d\n", n);
    for (const struct test *t = runner_tests; t; t = t->next)
        if (test_chosen(t, patterns))
            failed += test_fork(t, ++number, program);
    return failed > 0;
}

static int tests_run_here(char **patterns)
{
    for (const struct test *t = runner_tests; t; t = t->next)
        if (test_chosen(t, patterns)) {
            fprintf(stderr, "%s\n", t->name);
            test_run(t);
        }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--list") == 0)
        return tests_list();
    seed_choose();
    if (getenv("TEST_IN_PROCESS"))
        return tests_run_here(argv + 1);
    return tests_run(argv[0], argv + 1);
}
