/*
 * test_stack_lives.c -- what becomes of a stack: its memory, forks and copies of it, and
 * random lives of random stacks, which give back everything they took.
 */
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "core/annotate.h"
#include "policy/stack_world.h"

/* --- memory and processes --------------------------------------------------------------- */

TEST(P2_nothing_is_allocated_after_init)
{
    struct weir_budget b;
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(1)), WEIR_RETRY(.budget = &b),
                                 WEIR_BREAKER(.failures = 3), WEIR_RATE(.per_sec = 10),
                                 WEIR_BULKHEAD(.limit = 2));
    struct weir_policy_layer to = WEIR_BULKHEAD(.limit = 3);
    size_t before = mallinfo2().uordblks;
    static char text[4096];

    WEIR__MSAN_WRITTEN(&before, sizeof before); /* it does not know mallinfo2 */
    EQ(weir_budget_init(&b, NULL), 0);
    for (int i = 0; i < 10000; i++) {
        struct mallinfo2 now;

        (void)once(p, i % 3 ? 0 : -EIO, T0 + WEIR_MS(i));
        to.u.bulkhead.limit = 1 + (uint32_t)i % 7;
        EQ(weir_policy_reconfigure(p, 4, &to, T0 + WEIR_MS(i)), 0);
        now = mallinfo2();
        WEIR__MSAN_WRITTEN(&now, sizeof now);
        EQ(now.uordblks, before);
    }
    LT(0, weir_policy_explain(p, text, sizeof text));
    LE(0, weir_policy_lint(p));
    weir_policy_free(&p);
}

TEST(P2_without_memory_a_stack_is_a_poisoned_handle)
{
    struct weir_alloc before = weir__alloc_use(&test_alloc);
    weir_policy *p;

    test_alloc_fail_at(1);
    p = WEIR_POLICY(WEIR_RETRY());
    EQ(weir_policy_error(p), -ENOMEM);
    EQ(once(p, 0, T0), -ENOMEM);
    EQ(weir_policy_lint(p), -ENOMEM);
    weir_policy_free(&p);
    test_alloc_fail_at(0);
    weir__alloc_use(&before);
}

/* The first waits that a policy draws in a child process. */
static void in_child(weir_policy *p, int fd, int fresh)
{
    weir_policy *mine = fresh ? WEIR_POLICY(WEIR_RETRY(.base = WEIR_S(1))) : p;
    struct weir_pass c;
    int64_t wait;
    int result;

    weir_pass_begin(&c, mine, T0, WEIR_NEVER, NULL, NULL);
    if (weir_pass_enter(&c, T0) != 0)
        _exit(1);
    wait = end(&c, -EIO, T0, &result);
    if (write(fd, &wait, sizeof wait) != sizeof wait)
        _exit(1);
    _exit(0);
}

static int64_t wait_of_child(weir_policy *p, int fresh)
{
    int64_t wait = 0;
    int ends[2], status;
    pid_t pid;

    EQ(pipe(ends), 0);
    pid = fork();
    if (pid == 0)
        in_child(p, ends[1], fresh);
    EQ(read(ends[0], &wait, sizeof wait), sizeof wait);
    EQ(waitpid(pid, &status, 0), pid);
    EQ(status, 0);
    close(ends[0]);
    close(ends[1]);
    return wait;
}

TEST(P5_children_draw_other_waits_than_their_parent_and_each_other)
{
    for (int fresh = 0; fresh < 2; fresh++) { /* a policy from before the fork, or after it */
        weir_policy *p = WEIR_POLICY(WEIR_RETRY(.base = WEIR_S(1)));
        int64_t a = wait_of_child(p, fresh), b = wait_of_child(p, fresh);

        LT(0, a);
        LT(0, b);
        NE(a, b);               /* of 10^9 */
        weir_policy_seed(p, 7); /* what was asked for is kept */
        a = wait_of_child(p, 0);
        EQ(wait_of_child(p, 0), a);
        weir_policy_free(&p);
    }
}

TEST(P6_a_copy_of_the_state_goes_on_exactly_as_the_original)
{
    for (int i = 0; i < 200; i++) {
        struct weir_breaker_opts o = {.window = 20, .percent = 40, .open = 300, .probes = 2};
        struct weir_breaker_token t[2];
        struct weir_breaker b[2];
        struct weir_budget u[2];
        struct weir_rng rng[2];
        weir_time now = T0;
        int at = (int)(test_random() % 400);

        EQ(weir_breaker_init(&b[0], &o), 0);
        EQ(weir_budget_init(&u[0], NULL), 0);
        weir_rng_init(&rng[0], test_random(), 0);
        for (int k = 0; k < 800; k++) {
            uint64_t what = test_random();
            int copies = k >= at ? 2 : 1;

            now += (weir_span)(what % 50);
            if (k == at) { /* the snapshot */
                memcpy(&b[1], &b[0], sizeof b[0]);
                memcpy(&u[1], &u[0], sizeof u[0]);
                memcpy(&rng[1], &rng[0], sizeof rng[0]);
            }
            for (int c = 0; c < copies; c++) {
                struct weir_budget_token paid;
                if (weir_breaker_take(&b[c], now, &t[c]) == 0)
                    LE(0,
                       weir_breaker_done(&b[c], &t[c], (enum weir_breaker_outcome)(what >> 32) % 2,
                                         now + 3, &rng[c]));
                weir_budget_deposit(&u[c], now);
                (void)!weir_budget_take(&u[c], now, &paid);
            }
        }
        MEMEQ(&b[0], &b[1], sizeof b[0]);
        MEMEQ(&u[0], &u[1], sizeof u[0]);
    }
}

/* --- O3: random lives --------------------------------------------------------------------- */

enum { CALLS = 16, LAYERS = 6 };

static const struct weir_policy_layer pieces[] = {
    WEIR_RETRY(.attempts = 3, .base = 50, .cap = 400),
    WEIR_RETRY(.attempts = 2, .jitter = WEIR_JITTER_DECORRELATED, .base = 5, .cap = 900),
    WEIR_OBSERVED(RETRY(.attempts = 5)),
    WEIR_BREAKER(.failures = 3, .open = 500, .probes = 2, .lease = 300),
    WEIR_BREAKER(.window = 10, .percent = 50, .min_calls = 4, .open = 200),
    WEIR_OBSERVED(BREAKER(.failures = 2, .open = 100)),
    WEIR_RATE(.count = 1, .period = 40, .burst = 3),
    WEIR_RATE(.count = 1, .period = 90, .max_wait = 300),
    WEIR_OBSERVED(RATE(.count = 1, .period = 90)),
    WEIR_BULKHEAD(.limit = 3),
    WEIR_BULKHEAD(.limit = 2, .queue = 4, .max_wait = 200),
    WEIR_BULKHEAD(.limit = 5, .max_wait = WEIR_NOWAIT),
    WEIR_OBSERVED(BULKHEAD(.limit = 1)),
    WEIR_TIMEOUT(.total = 3000, .each = 250),
    WEIR_OBSERVED(TIMEOUT(.total = 100, .each = 20)),
};

enum { PIECES = sizeof pieces / sizeof pieces[0] };

struct life {
    weir_policy *p;
    struct weir_budget budget;
    struct weir__plan_run r[CALLS];
    int active[CALLS];
    uint64_t begun, ended, attempts;
    weir_time now;
};

static struct weir_policy_layer piece(struct life *l, uint32_t kind)
{
    struct weir_policy_layer x;

    do
        x = pieces[test_random() % PIECES];
    while (kind && x.kind != kind);
    if (x.kind == WEIR_LAYER_RETRY && test_random() % 2)
        x.u.retry.budget = &l->budget;
    return x;
}

static void step_one(struct life *l, int i)
{
    static const int results[] = {0, -EIO, -ETIMEDOUT, -EINVAL, -ECANCELED, 3};
    struct weir__plan_run *r = &l->r[i];
    int out;

    if (!l->active[i]) {
        weir__plan_begin(l->p, r, l->now, test_random() % 3 ? WEIR_NEVER : l->now + 2000);
        l->active[i] = 1;
        l->begun++;
    } else if (test_random() % 20 == 0) {
        weir__plan_abandon(l->p, r, l->now);
        l->active[i] = 0;
    } else if (r->phase == WEIR__PLAN_RUNNING) {
        l->active[i] = weir__plan_done(l->p, r, results[test_random() % 6], l->now, &out) > 0;
    } else {
        int64_t w = weir__plan_admit(l->p, r, l->now);
        l->active[i] = w >= 0;
        EQ(r->phase == WEIR__PLAN_FINISHED, w < 0);
        EQ(r->phase == WEIR__PLAN_RUNNING, w == 0);
        l->attempts += w == 0;
    }
    if (l->active[i])
        return;
    EQ(r->phase, WEIR__PLAN_FINISHED);
    l->ended++;
    for (uint32_t k = 0; k < LAYERS; k++)
        EQ(r->slot[k].held, 0);
}

/* Somebody turns the knobs. */
static void step_knobs(struct life *l)
{
    uint32_t i = (uint32_t)(test_random() % l->p->n);
    struct weir_policy_layer to = piece(l, l->p->layer[i].kind);

    if (test_random() % 2)
        EQ(weir_policy_reconfigure(l->p, i, &to, l->now), 0);
    else
        EQ(weir_policy_set_mode(l->p, i, (enum weir_mode)(test_random() % 3)), 0);
}

/* Permits in use are those that calls hold; a breaker has heard of no call twice. */
static void check(const struct life *l)
{
    for (uint32_t i = 0; i < l->p->n; i++) {
        const struct weir__plan_layer *x = &l->p->layer[i];
        uint32_t held = 0, row = 0;

        for (int k = 0; k < CALLS; k++) {
            const struct weir__plan_run *r = &l->r[k];
            int waits = l->active[k] && r->phase == WEIR__PLAN_WAITING && r->pos == i;
            held += l->active[k] && (r->slot[i].held || (waits && r->granted));
            row += waits && !r->granted;
        }
        EQ(x->queued, row);
        if (x->kind == WEIR_LAYER_BULKHEAD)
            EQ(weir_bulkhead_used(&x->u.bulkhead), held);
        if (x->kind == WEIR_LAYER_BREAKER) {
            struct weir_breaker_counts c = weir_breaker_counts(&x->u.breaker);
            LE(c.succeeded + c.failed + c.stale + held, c.admitted);
        }
        LE(x->counts.passed, l->attempts + x->counts.passed);
    }
}

static void live(struct life *l, int steps)
{
    struct weir_policy_layer layers[LAYERS];

    memset(l, 0, sizeof *l);
    EQ(weir_budget_init(&l->budget, &(struct weir_budget_opts){.min_per_sec = 1}), 0);
    for (int i = 0; i < LAYERS; i++)
        layers[i] = piece(l, 0);
    l->p = weir_policy_new(layers, LAYERS);
    EQ(weir_policy_error(l->p), 0);
    l->now = T0;
    for (int s = 0; s < steps; s++) {
        l->now += (weir_span)(test_random() % 30);
        if (test_random() % 50 == 0)
            step_knobs(l);
        step_one(l, (int)(test_random() % CALLS));
        check(l);
    }
    for (int i = 0; i < CALLS; i++) {
        if (l->active[i])
            weir__plan_abandon(l->p, &l->r[i], l->now);
        l->ended += l->active[i] != 0;
        l->active[i] = 0;
    }
    EQ(l->begun, l->ended);
    check(l);
    for (uint32_t i = 0; i < LAYERS; i++)
        OK(weir__list_empty(&l->p->layer[i].row));
    weir_policy_free(&l->p);
}

TEST_WITH(O3_random_stacks_calls_cancels_and_changes_give_everything_back, .timeout = 60)
{
    static struct life l;

    for (int i = 0; i < 150; i++)
        live(&l, 2000);
}

/* Without cancels: one layer of each kind hears of each call, or attempt, exactly once. */
TEST(O3_no_policy_counts_a_call_twice)
{
    for (int i = 0; i < 300; i++) {
        weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.window = 1000, .failures = 1000),
                                     WEIR_RETRY(.attempts = 3, .base = 5),
                                     WEIR_BREAKER(.window = 1000, .failures = 1000),
                                     WEIR_RATE(.per_sec = 1000000), WEIR_BULKHEAD(.limit = 1));
        uint64_t calls = 1 + test_random() % 20, attempts = 0, failed = 0, ended = 0;
        weir_time now = T0;

        for (uint64_t k = 0; k < calls; k++) {
            struct weir_pass c;
            int64_t wait;
            int result = 0;

            weir_pass_begin(&c, p, now, WEIR_NEVER, NULL, NULL);
            do {
                int code = test_random() % 2 ? -EIO : 0;
                while ((wait = weir_pass_enter(&c, now)) > 0)
                    now += wait;
                EQ(wait, 0);
                failed += code < 0;
                wait = end(&c, code, now, &result);
                now += wait;
            } while (wait > 0);
            attempts += weir_pass_attempt(&c);
            ended += result < 0;
        }
        EQ(weir_breaker_counts(&p->layer[0].u.breaker).succeeded, calls - ended);
        EQ(weir_breaker_counts(&p->layer[0].u.breaker).failed, ended);
        EQ(weir_breaker_counts(&p->layer[2].u.breaker).succeeded, attempts - failed);
        EQ(weir_breaker_counts(&p->layer[2].u.breaker).failed, failed);
        EQ(counts(p, 0).passed, calls);
        EQ(counts(p, 1).passed, calls);
        EQ(counts(p, 1).waited, attempts - calls);
        for (uint32_t x = 2; x < 5; x++)
            EQ(counts(p, x).passed, attempts);
        weir_policy_free(&p);
    }
}
