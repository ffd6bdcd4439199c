/*
 * Once warm nothing is allocated: for fibers, channels, timers, locks, queues
 * and streams, asserted by the counting allocator of the run.  And each run has
 * an allocator of its own, which gets its context and each size back.
 */
#include <pthread.h>
#include <stdlib.h>
#include <weir.h>

#include "core/world.h"

enum { WARM = 300, ROUNDS = 2000 };

/* What body() allocates in ROUNDS calls, after WARM. */
static uint64_t allocated(int (*body)(void *), void *arg)
{
    uint64_t before = 0;

    for (int i = 0; i < WARM + ROUNDS; i++) {
        if (i == WARM)
            before = test_alloc_calls();
        EQ(body(arg), 0);
    }
    return test_alloc_calls() - before;
}

/* --- fibers and timers -------------------------------------------------- */

static int joins_eight(void *arg)
{
    weir_scope *s = arg;

    for (int i = 0; i < 8; i++)
        GO(s, fiber_nothing, NULL);
    while (weir_scope_running(s))
        (void)weir_yield();
    return 0;
}

REAL_TEST(fibers_are_made_of_stacks_that_are_there)
{
    weir_scope *s = weir_scope_open(NULL);

    EQ(allocated(joins_eight, s), 0);
    return weir_scope_close(&s);
}

static int sleeps_a_little(void *arg)
{
    return weir_sleep(weir_now() + (intptr_t)arg);
}

static int timers(void *arg)
{
    for (int i = 0; i < 16; i++)
        GO(arg, sleeps_a_little, (void *)(intptr_t)(1 + i % 5));
    while (weir_scope_running(arg))
        EQ(weir_sleep(weir_now() + 1), 0);
    return 0;
}

SIM_TEST(timers_are_armed_in_a_heap_that_is_there)
{
    weir_scope *s = weir_scope_open(NULL);

    EQ(allocated(timers, s), 0);
    return weir_scope_close(&s);
}

static int under_a_limit(void *arg)
{
    struct weir_limit l;

    (void)arg;
    EQ(weir_limit_init(&l, weir_now() + 2), 0);
    return weir_limit_fini(&l, weir_sleep(weir_now() + 9)) == -ETIMEDOUT ? 0 : -EBADMSG;
}

SIM_TEST(limits_lie_in_the_callers_memory)
{
    EQ(allocated(under_a_limit, NULL), 0);
    return 0;
}

/* --- channels ----------------------------------------------------------- */

struct pair {
    weir_chan *there, *back;
};

static int echoes(void *arg)
{
    struct pair *p = arg;
    int x, r;

    while ((r = weir_recv(p->there, &x, WEIR_NEVER)) > 0)
        if ((r = weir_send(p->back, &x, WEIR_NEVER)) < 0)
            return r;
    return r;
}

static int round_trip(void *arg)
{
    struct pair *p = arg;
    int x = 1;

    EQ(weir_send(p->there, &x, WEIR_NEVER), 1);
    EQ(weir_recv(p->back, &x, weir_after(WEIR_S(1))), 1);
    return 0;
}

static int selects(void *arg)
{
    struct pair *p = arg;
    int x = 1, y;
    struct weir_select c[] = {WEIR_ON_RECV(p->back, &y), WEIR_ON_SEND(p->there, &x)};

    EQ(weir_select(c, 2, WEIR_NEVER), 1);
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    return 0;
}

SIM_TEST(channels_and_select_allocate_nothing)
{
    for (size_t capacity = 0; capacity <= 4; capacity += 2) {
        struct pair p = {weir_chan_new(WEIR_TYPE(int), capacity),
                         weir_chan_new(WEIR_TYPE(int), capacity)};
        weir_scope *s = weir_scope_open(NULL);

        GO(s, echoes, &p);
        EQ(allocated(round_trip, &p), 0);
        EQ(allocated(selects, &p), 0);
        EQ(weir_chan_close(p.there, 0), 0);
        EQ(weir_scope_close(&s), 0);
        weir_chan_free(&p.there);
        weir_chan_free(&p.back);
    }
    return 0;
}

static int adds_and_gets(void *arg)
{
    uint64_t key;
    int x = 1;

    EQ(weir_due_add(arg, &x, sizeof x, weir_now() + 3, &key), 0);
    EQ(weir_due_reset(arg, key, weir_now() + 2), 0);
    EQ(weir_due_recv(arg, &x, sizeof x, WEIR_NEVER), 1);
    return 0;
}

SIM_TEST(a_queue_of_what_falls_due_allocates_for_more_than_ever_only)
{
    weir_due *d = weir_due_new(WEIR_TYPE(int), 8);

    EQ(allocated(adds_and_gets, d), 0);
    weir_due_free(&d);
    return 0;
}

/* --- streams ------------------------------------------------------------ */

static int adds_one(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in + 1;
    return 1;
}

static int is_even(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return *(int64_t *)in % 2 == 0;
}

static int job(void *ctx, void *in, void *out)
{
    int r = weir_sleep(weir_now() + 1 + *(int64_t *)in % 3);

    return r < 0 ? r : adds_one(ctx, in, out);
}

static int pulls_one(void *arg)
{
    int64_t x;

    return weir_next((weir_stream *)arg, &x) > 0 ? 0 : -EBADMSG;
}

static void steady(weir_stream *s)
{
    EQ(weir_stream_error(s), 0);
    EQ(allocated(pulls_one, s), 0);
    weir_stream_close(&s);
}

static weir_stream *numbers(void)
{
    return weir_range(0, INT64_MAX);
}

SIM_TEST(streams_allocate_when_they_are_built_and_first_pulled)
{
    struct weir_type t = WEIR_TYPE(int64_t);

    steady(weir_filter(weir_map(numbers(), adds_one, NULL, t), is_even, NULL));
    steady(weir_then(weir_skip(numbers(), 3), adds_one, NULL, t));
    steady(weir_stage(numbers(), &(struct weir_stage_opts){.capacity = 16}));
    steady(
        weir_par_map(numbers(), job, NULL, t, &(struct weir_par_opts){.limit = 4, .ordered = 1}));
    steady(weir_par_map(numbers(), job, NULL, t, &(struct weir_par_opts){.limit = 4}));
    return 0;
}

static int pulls_chunk(void *arg)
{
    struct weir_chunk c;

    return weir_next((weir_stream *)arg, &c) > 0 ? 0 : -EBADMSG;
}

SIM_TEST(a_chunk_is_lent_from_memory_that_is_there)
{
    weir_stream *s = weir_chunks(numbers(), 7);

    EQ(allocated(pulls_chunk, s), 0);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(merged_streams_allocate_nothing_an_item)
{
    weir_stream *two[] = {numbers(), weir_map(numbers(), job, NULL, WEIR_TYPE(int64_t))};

    steady(weir_merge(two, 2, NULL));
    return 0;
}

/* --- an allocator a run ------------------------------------------------- */

struct books {
    uint64_t live, calls, wrong;
    pthread_t thread;
};

/* Each block remembers whose it is and how large. */
struct block {
    const struct books *whose;
    size_t size;
};

static void *books_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
    struct books *b = ctx;
    struct block *at = p ? (struct block *)p - 1 : NULL;

    b->wrong += at ? at->whose != b || at->size != old_size : old_size != 0;
    b->live += size - old_size;
    b->calls++;
    if (!size) {
        free(at);
        return NULL;
    }
    at = realloc(at, sizeof *at + size);
    if (!at)
        return NULL;
    *at = (struct block){b, size};
    return at + 1;
}

static int some_of_everything(void *arg)
{
    weir_stream *s = weir_par_map(weir_range(0, 50), job, NULL, WEIR_TYPE(int64_t),
                                  &(struct weir_par_opts){.limit = 4});
    weir_due *d = weir_due_new(WEIR_TYPE(int), 100);
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 8);
    uint64_t n;

    (void)arg;
    for (int i = 0; i < 100; i++)
        EQ(weir_due_add(d, &i, sizeof i, 0, NULL), 0);
    EQ(weir_count(&s, &n), 0);
    EQ(n, 50);
    weir_due_free(&d);
    weir_chan_free(&ch);
    return 0;
}

static void *runs(void *arg)
{
    struct books *b = arg;
    struct weir_config c = {.alloc = {.realloc = books_realloc, .ctx = b}};

    EQ(weir_sim_run(1, &c, some_of_everything, NULL), 0);
    return NULL;
}

TEST(each_run_has_its_own_allocator_with_its_context_and_the_sizes)
{
    struct books b[3] = {{0}};

    for (int i = 0; i < 3; i++)
        EQ(pthread_create(&b[i].thread, NULL, runs, &b[i]), 0);
    for (int i = 0; i < 3; i++)
        EQ(pthread_join(b[i].thread, NULL), 0);
    for (int i = 0; i < 3; i++) {
        EQ(b[i].wrong, 0);
        EQ(b[i].live, 0);
        LT(20, b[i].calls);
    }
}
