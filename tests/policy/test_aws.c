/*
 * test_aws.c -- the laws of backoff.h in the world of "Exponential Backoff And
 * Jitter" (AWS Architecture Blog, 2015), against the numbers it is known to give.
 *
 * N clients write one row under optimistic locking.  A hop takes |N(10, 2)| ms,
 * a client reads, writes, and on a conflict reads again after its backoff.
 */
#include "harness/test.h"

#include <weir/backoff.h>

enum { CLIENTS = 100, READ, READ_DONE, WRITE, WRITE_DONE, OVER };

struct client {
    double at; /* of its only pending event, ms */
    uint64_t order;
    int event, version, won;
    struct weir_backoff_state state;
};

struct world {
    struct weir_rng rng;
    struct weir_backoff law;
    double sd, time;
    int version, calls;
    uint64_t order;
    struct client client[CLIENTS];
};

static double hop(struct world *w)
{
    double sum = -6; /* of twelve uniform draws: normal enough */

    for (int i = 0; i < 12; i++)
        sum += weir_rng_unit(&w->rng);
    return 10 + sum * w->sd;
}

static void plan_event(struct world *w, struct client *c, int event, double in)
{
    c->event = event;
    c->at = w->time + in;
    c->order = w->order++;
}

static void handle(struct world *w, struct client *c)
{
    w->time = c->at;
    switch (c->event) {
    case READ:
        c->version = w->version;
        plan_event(w, c, READ_DONE, hop(w));
        break;
    case READ_DONE:
        plan_event(w, c, WRITE, hop(w));
        break;
    case WRITE:
        w->calls++;
        c->won = c->version == w->version;
        w->version += c->won;
        plan_event(w, c, WRITE_DONE, hop(w));
        break;
    default:
        if (c->won)
            c->event = OVER;
        else
            plan_event(w, c, READ,
                       hop(w) + (double)weir_backoff_next(&w->law, &c->state, &w->rng) / 1e6);
    }
}

static void run(struct world *w, int n)
{
    w->time = 0;
    w->version = w->calls = 0;
    for (int i = 0; i < n; i++) {
        w->client[i].state = (struct weir_backoff_state){0, 0, 0};
        plan_event(w, &w->client[i], READ, hop(w));
    }
    for (;;) {
        struct client *next = NULL;
        for (int i = 0; i < n; i++) {
            struct client *c = &w->client[i];
            if (c->event != OVER &&
                (!next || c->at < next->at || (c->at == next->at && c->order < next->order)))
                next = c;
        }
        if (!next)
            return;
        handle(w, next);
    }
}

static struct weir_backoff law(uint32_t grow, uint32_t jitter)
{
    /* the post's first window is 10 ms, but the decorrelated one starts from 5 */
    struct weir_backoff_opts o = {.base =
                                      jitter == WEIR_JITTER_DECORRELATED ? WEIR_MS(5) : WEIR_MS(10),
                                  .cap = WEIR_MS(2000),
                                  .grow = grow,
                                  .jitter = jitter};
    struct weir_backoff b;

    EQ(weir_backoff_init(&b, &o), 0);
    return b;
}

static void within(double value, double target, double share)
{
    LT(target * (1 - share), value);
    LT(value, target * (1 + share));
}

static void published(uint32_t grow, uint32_t jitter, double time, double calls, double slack)
{
    static struct world w;
    double all_time = 0, all_calls = 0;

    weir_rng_init(&w.rng, test_seed(), 0);
    w.sd = 2;
    w.law = law(grow, jitter);
    for (int trial = 0; trial < 100; trial++) {
        run(&w, CLIENTS);
        EQ(w.version, CLIENTS);
        all_time += w.time;
        all_calls += w.calls;
    }
    within(all_calls / 100, calls, 0.02);
    within(all_time / 100, time, slack);
}

TEST(B10_no_backoff_matches_the_table)
{
    published(WEIR_GROW_NONE, WEIR_JITTER_NONE, 2028, 2422.5, 0.05);
}

TEST(B10_exponential_without_jitter_matches_the_table)
{
    published(WEIR_GROW_EXPONENTIAL, WEIR_JITTER_NONE, 63540, 1855.6, 0.05);
}

TEST(B10_equal_jitter_matches_the_table)
{
    published(WEIR_GROW_EXPONENTIAL, WEIR_JITTER_EQUAL, 6651, 812.0, 0.08);
}

TEST(B10_full_jitter_matches_the_table)
{
    published(WEIR_GROW_EXPONENTIAL, WEIR_JITTER_FULL, 4929, 795.8, 0.08);
}

TEST(B10_decorrelated_jitter_matches_the_table)
{
    published(WEIR_GROW_EXPONENTIAL, WEIR_JITTER_DECORRELATED, 4595, 1001.7, 0.08);
}

TEST(B10_without_chance_the_numbers_are_exact)
{
    static struct world w;
    static const struct {
        int n, calls;
        uint32_t grow;
        double time;
    } row[] = {{2, 3, WEIR_GROW_NONE, 80},
               {10, 55, WEIR_GROW_NONE, 400},
               {100, 5050, WEIR_GROW_NONE, 4000},
               {2, 3, WEIR_GROW_EXPONENTIAL, 90},
               {10, 55, WEIR_GROW_EXPONENTIAL, 4950},
               {100, 5050, WEIR_GROW_EXPONENTIAL, 188550}};

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        w.sd = 0;
        w.law = law(row[i].grow, WEIR_JITTER_NONE);
        run(&w, row[i].n);
        EQ(w.calls, row[i].calls);
        EQ(w.time, row[i].time);
    }
}
