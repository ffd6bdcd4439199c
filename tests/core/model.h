/*
 * model.h -- machines whose steps are those of the code between two atomic
 * operations, and a walk through every interleaving of them.  A state in which
 * nobody can step has to be an end that is right.  Each model has a twin with a
 * known mistake in it, which has to be found.
 */
#ifndef TESTS_CORE_MODEL_H
#define TESTS_CORE_MODEL_H

#include <stdbool.h>

#include "harness/test.h"

enum { WORDS = 24, STATES = 1 << 20, ACTORS = 4 };

/* All of a machine: small numbers only, so that equal states have equal bytes. */
struct state {
    uint8_t pc[ACTORS], v[WORDS];
};

struct model {
    int actors;
    /* One step of an actor; false if it has to wait, or is done. */
    bool (*step)(struct state *s, int actor);
    bool (*right)(const struct state *s); /* of a state in which nobody can step */
    struct state start;
};

static struct state seen[STATES];
static uint8_t used[STATES];
static struct state stack[STATES];

static bool state_new(const struct state *s)
{
    uint64_t h = 1469598103934665603u;

    for (size_t i = 0; i < sizeof *s; i++)
        h = (h ^ ((const uint8_t *)s)[i]) * 1099511628211u;
    for (size_t at = h % STATES;; at = (at + 1) % STATES) {
        if (!used[at]) {
            used[at] = 1;
            seen[at] = *s;
            return true;
        }
        if (memcmp(&seen[at], s, sizeof *s) == 0)
            return false;
    }
}

/* How many states there are; negative: so many, and one of them is a wrong end. */
static long explore(const struct model *m)
{
    size_t top = 0;
    long states = 0;

    memset(used, 0, sizeof used);
    stack[top++] = m->start;
    (void)state_new(&m->start);
    while (top) {
        struct state s = stack[--top];
        bool stepped = false;

        states++;
        for (int a = 0; a < m->actors; a++) {
            struct state next = s;

            if (!m->step(&next, a))
                continue;
            stepped = true;
            if (state_new(&next)) {
                LT(top, (size_t)STATES);
                LT(states, STATES / 2);
                stack[top++] = next;
            }
        }
        if (!stepped && !m->right(&s))
            return -states;
    }
    return states;
}

static bool go(struct state *s, int actor, int pc)
{
    s->pc[actor] = (uint8_t)pc;
    return true;
}

static void expect(const char *name, struct model m, struct model broken)
{
    long states = explore(&m), found = explore(&broken);

    test_note("%s: %ld states", name, states);
    LT(0, states);
    LT(found, 0);
}

#endif
