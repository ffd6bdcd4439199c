/*
 * points.c -- EVERY_POINT: a piece of code, run once for each way it can be hit.
 *
 * Runs are forked from the test's process, so that a run which fails or
 * crashes leaves the others what they were.  They end when one was untouched:
 * then each point on the way through has failed once.
 */
#include "harness/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

enum { POINTS_MAX = 200000 };

struct points_job {
    void (*fn)(void *);
    void *arg;
    int kinds;
};

static int points_once(const struct points_job *job, int64_t k)
{
    struct harness_holding before;
    harness__hold(&before);
    test_fault_k = k;
    weir__fault_arm(k, job->kinds);
    job->fn(job->arg);
    int hit = weir__fault.hit;
    weir__fault.at = 0;
    harness__check_left(&before);
    test_fault_k = 0;
    return hit ? 0 : HARNESS_UNTOUCHED;
}

/* Returns 0 when the point struck, HARNESS_UNTOUCHED when there was none; else the test fails. */
static int points_fork(const struct points_job *job, int64_t k, const char *file, int line)
{
    char text[64];
    int late = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        test__fail(file, line, "fork failed");
    if (pid == 0) {
        int code = points_once(job, k);
        fflush(NULL);
        _exit(code);
    }
    int status = harness__wait(pid, 10 * harness__env("TEST_TIMEOUT_MULT", 1), &late);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == HARNESS_UNTOUCHED))
        return WEXITSTATUS(status);
    test__fail(file, line, "fault point %lld: %s; WEIR_FAULT_AT=%lld repeats it", (long long)k,
               harness__status(status, late, text), (long long)k);
}

void test__every_point(const char *file, int line, const char *name, void (*fn)(void *), void *arg,
                       int kinds)
{
    struct points_job job = {fn, arg, kinds};
    int64_t only = (int64_t)harness__env("WEIR_FAULT_AT", 0);
    int64_t step = (int64_t)harness__env("TEST_POINTS_STEP", 1), k = 1;
    if (only) {
        points_once(&job, only);
        return;
    }
    if (step > 1) /* where a run is slow: each so many, from another one on each time */
        k += (int64_t)(test_random() % (uint64_t)step);
    while (points_fork(&job, k, file, line) == 0)
        if ((k += step) > POINTS_MAX)
            test__fail(file, line, "%s: still new points after %d", name, POINTS_MAX);
    test_note("%s: %lld points", name, (long long)k - 1);
}
