/*
 * harness.h -- what the parts of the test harness share; tests see test.h only.
 *
 * A test's process ends in one of four ways: 0 passed, 77 skipped, anything
 * else failed; and, under EVERY_POINT, UNTOUCHED: passed, and no fault struck.
 */
#ifndef TESTS_HARNESS_HARNESS_H
#define TESTS_HARNESS_HARNESS_H

#include "harness/test.h"

enum { HARNESS_SKIP = 77, HARNESS_UNTOUCHED = 78 };
enum { HARNESS_FDS = 256 };

/* What a process holds before a test, to be compared with what it holds after. */
struct harness_holding {
    int fds[HARNESS_FDS];
    int n;
};

void harness__hold(struct harness_holding *h);

/* Fails the running test, by name of what it left, if it holds more than `before`. */
void harness__check_left(const struct harness_holding *before);

/* Forgets what the parent's runs counted. */
void harness__alloc_reset(void);

/* The value of a number in the environment, or `otherwise`. */
double harness__env(const char *name, double otherwise);

void harness__seed_set(uint64_t seed);

/*
 * Waits for a child for `seconds`, then kills its process group.  Returns the
 * wait status; *late is set if it was killed.
 */
int harness__wait(int pid, double seconds, int *late);

/* Text of a wait status: "exit 1", "signal 11 (Segmentation fault)". */
const char *harness__status(int status, int late, char text[64]);

#endif
