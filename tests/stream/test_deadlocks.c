/*
 * test_deadlocks.c -- the shapes that hang elsewhere: each ends in
 * WEIR_EDEADLOCK of its scope, on one loop and across several, and the log shows
 * who waits for whom; and what may still be woken from outside is no deadlock.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <weir/door.h>
#include <weir/io.h>

#include "stream/ints.h"

enum { LOOPS = 3 };

static char told[64 << 10];
static size_t told_len;

static void dead_log(void *ctx, int level, const char *text)
{
    int n = snprintf(told + told_len, sizeof told - told_len, "%d %s\n", level, text);

    (void)ctx;
    told_len += n > 0 && (size_t)n < sizeof told - told_len ? (size_t)n : 0;
}

static void told_has(const char *what)
{
    if (!strstr(told, what))
        FAIL("no \"%s\" in:\n%s", what, told);
}

static int run(uint32_t loops, int (*fn)(void *), void *arg)
{
    struct weir_config c = {.loops = loops, .log = dead_log};

    told[told_len = 0] = '\0';
    return weir_run(&c, fn, arg);
}

/* fn as a member of a scope, on loop 1 if there is one; the scope's close. */
static int closes(int (*fn)(void *), void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "hanging"});
    int r = weir_go_on(s, 1 % weir_loops(), fn, arg, &(struct weir_go_opts){.name = "member"});
    int end = weir_scope_close(&s);

    return r < 0 ? r : end;
}

static int whole(void *arg)
{
    EQ(closes(*(int (**)(void *))arg, NULL), WEIR_EDEADLOCK);
    EQ(weir_yield(), 0); /* and nothing above it */
    return 0;
}

/* One loop, several, and one on virtual time under several seeds. */
static void hangs(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    for (int i = 0; i < WORLD_SEEDS; i++)
        EQ(weir_sim_run(test_seed() + (uint64_t)i, &c, whole, &fn), 0);
    EQ(run(1, whole, &fn), 0);
    EQ(run(LOOPS, whole, &fn), 0);
    told_has("deadlock: nothing can wake");
    told_has("hanging");
}

/* --- tee into zip ---------------------------------------------------------------- */

static int tenth(void *ctx, void *in, void *out)
{
    (void)ctx, (void)out;
    return *(int64_t *)in % 10 == 0;
}

static int left(void *ctx, void *const in[], size_t n, void *out)
{
    (void)ctx, (void)n;
    *(int64_t *)out = *(int64_t *)in[0];
    return 1;
}

static int tee_into_zip(void *arg)
{
    struct weir_outlet_opts o[2] = {{.capacity = 2}, {.capacity = 2}};
    weir_stream *out[2], *s;

    (void)arg;
    EQ(weir_tee(weir_range(0, 100), 2, o, out), 0);
    s = weir_zip(WEIR_STREAMS(out[0], weir_filter(out[1], tenth, NULL)), left, NULL, INT, NULL);
    return weir_drain(&s);
}

TEST(a_tee_into_a_zip)
{
    hangs(tee_into_zip);
    told_has("tee: parked in event_wait");
    told_has("member: parked in recv");
    told_has(", 0 of 2 queued");
}

/* --- a semaphore inside and after a stage -------------------------------------------- */

static struct weir_sem permits;

static int takes_one(void *ctx, void *in, void *out)
{
    int r = weir_sem_take(&permits, 1, WEIR_NEVER);

    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

static int inside_and_after(void *arg)
{
    weir_stream *s;
    int64_t x;
    int r;

    (void)arg;
    EQ(weir_sem_init(&permits, 2), 0);
    s = weir_stage(weir_then(weir_range(0, 9), takes_one, NULL, INT),
                   &(struct weir_stage_opts){.capacity = 4, .loop = 1});
    r = weir_next(s, &x); /* both permits are in the stage now, or on their way */
    if (r == 1)
        r = weir_sem_take(&permits, 2, WEIR_NEVER);
    weir_stream_close(&s);
    return r;
}

TEST(a_semaphore_inside_and_after_a_stage)
{
    hangs(inside_and_after);
    told_has("stage: parked in sem_take");
    told_has("member: parked in sem_take");
    told_has("of 2 free");
}

/* --- two mutexes ------------------------------------------------------------------------ */

struct table {
    struct weir_mutex m[2];
    struct weir_event both;
    int seated;
};

struct guest {
    struct table *t;
    int first;
};

static int dines(void *arg)
{
    struct guest *g = arg;
    struct weir_mutex *a = &g->t->m[g->first], *b = &g->t->m[!g->first];
    int r;

    EQ(weir_mutex_lock(a, WEIR_NEVER), 0);
    if (__atomic_add_fetch(&g->t->seated, 1, __ATOMIC_RELAXED) == 2)
        weir_event_set(&g->t->both);
    r = weir_event_wait(&g->t->both, WEIR_NEVER);
    if (r == 0)
        r = weir_mutex_lock(b, WEIR_NEVER);
    if (r == 0)
        EQ(weir_mutex_unlock(b), 0);
    EQ(weir_mutex_unlock(a), 0);
    return r;
}

static int two_mutexes(void *arg)
{
    struct table t = {.seated = 0};
    struct guest g[2] = {{&t, 0}, {&t, 1}};
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "hanging table"});

    (void)arg;
    weir_mutex_init(&t.m[0]);
    weir_mutex_init(&t.m[1]);
    weir_event_init(&t.both);
    for (int i = 0; i < 2; i++)
        EQ(weir_go_on(s, i % weir_loops(), dines, &g[i],
                      &(struct weir_go_opts){.name = i ? "kant" : "hume"}),
           0);
    return weir_scope_close(&s);
}

static void told_two_guests(void)
{
    told_has("hume: parked in mutex_lock");
    told_has("kant: parked in mutex_lock");
    told_has(", held by 0x");
    told_has("ring of 2: ");
    told_has(" -> (mutex_lock) 0x");
}

TEST(two_mutexes_and_the_log_shows_the_ring)
{
    hangs(two_mutexes);
    told_two_guests();
    told_has("loop 2 of 3");
    EQ(run(1, whole, &(int (*)(void *)){two_mutexes}), 0);
    told_two_guests();
}

/* --- channels that wait for each other ---------------------------------------------------- */

static int passes_on(void *arg)
{
    weir_chan **ch = arg;
    int64_t x;
    int r;

    while ((r = weir_recv(ch[0], &x, WEIR_NEVER)) > 0)
        if ((r = weir_send(ch[1], &x, WEIR_NEVER)) < 0)
            break;
    return r;
}

static int channel_ring(void *arg)
{
    weir_chan *ch[4] = {weir_chan_new(INT, 1), weir_chan_new(INT, 1), weir_chan_new(INT, 1)};
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "hanging ring"});
    int r;

    (void)arg;
    ch[3] = ch[0];
    for (int i = 0; i < 3; i++)
        EQ(weir_go_on(s, i % weir_loops(), passes_on, &ch[i],
                      &(struct weir_go_opts){.name = "relay", .feeds = ch[i + 1], .drains = ch[i]}),
           0);
    r = weir_scope_close(&s);
    for (int i = 0; i < 3; i++)
        weir_chan_free(&ch[i]);
    return r;
}

TEST(a_ring_of_channels_and_who_feeds_them)
{
    hangs(channel_ring);
    told_has("relay: parked in recv");
    told_has(", 0 of 1 queued, fed by 0x");
    told_has(", drained by 0x");
    told_has("ring of 3: ");
}

/* --- more groups than workers ---------------------------------------------------------------- */

static int by_five(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = (uint64_t)(*(const int64_t *)item % 5);
    return 1;
}

static int one_worker(void *arg)
{
    weir_stream *s =
        weir_group_by(weir_range(0, 100), by_five, NULL,
                      &(struct weir_group_opts){.capacity = 2, .patience = WEIR_NEVER});
    struct weir_group g;
    int r, end = 0;

    (void)arg;
    while ((r = weir_next(s, &g)) == 1 && end == 0)
        end = weir_drain(&g.items);
    if (r == 1)
        weir_stream_close(&g.items);
    weir_stream_close(&s);
    return end ? end : r;
}

TEST(more_groups_than_workers)
{
    hangs(one_worker);
    told_has("group_by: parked in event_wait");
}

/* --- a dump while others run ----------------------------------------------------------------- */

struct kept {
    struct weir_mutex m;
    struct weir_event held, dumped;
};

/* Has the mutex from before the dump until after it. */
static int keeps(void *arg)
{
    struct kept *k = arg;
    int r = weir_mutex_lock(&k->m, WEIR_NEVER);

    weir_event_set(&k->held);
    if (r == 0)
        r = weir_event_wait(&k->dumped, WEIR_NEVER);
    EQ(weir_mutex_unlock(&k->m), 0);
    return r;
}

static int wants(void *arg)
{
    struct kept *k = arg;
    int r = weir_mutex_lock(&k->m, WEIR_NEVER);

    return r < 0 ? r : weir_mutex_unlock(&k->m);
}

static int dumps(void *arg)
{
    struct kept k;
    weir_scope *s = weir_scope_open(NULL);
    int fds[2];
    ssize_t n;

    (void)arg;
    weir_mutex_init(&k.m);
    weir_event_init(&k.held);
    weir_event_init(&k.dumped);
    EQ(pipe2(fds, O_CLOEXEC), 0);
    EQ(weir_go_on(s, 1, keeps, &k, NULL), 0);
    EQ(weir_event_wait(&k.held, WEIR_NEVER), 0);
    EQ(weir_go_with(s, wants, &k, &(struct weir_go_opts){.name = "wanter"}), 0);
    EQ(weir_yield(), 0);
    EQ(weir_dump(fds[1]), 0);
    weir_event_set(&k.dumped);
    close(fds[1]);
    n = read(fds[0], told, sizeof told - 1);
    close(fds[0]);
    OK(n > 0);
    told[n] = '\0';
    told_has("loop 0 of 3");
    told_has("2 running, 1 on other loops");
    EQ(weir_scope_close(&s), 0);
    return 0;
}

TEST(a_dump_of_one_of_several_loops_leaves_the_others_alone)
{
    EQ(run(LOOPS, dumps, NULL), 0);
}

/* --- no false alarm -------------------------------------------------------------------------- */

struct outside {
    weir_chan *ch;
    weir_door *door;
    int fd[2];
};

static int offloaded(void *arg)
{
    (void)arg;
    usleep(20000);
    return 7;
}

static int sends_after_offload(void *arg)
{
    struct outside *o = arg;
    int64_t x = weir_offload(offloaded, NULL);

    return weir_send(o->ch, &x, WEIR_NEVER) == 1 ? 0 : -EIO;
}

static int sends_after_read(void *arg)
{
    struct outside *o = arg;
    char c;
    int64_t x = weir_read(o->fd[0], &c, 1, WEIR_NEVER);

    weir_fd_forget(o->fd[0]);
    return weir_send(o->ch, &x, WEIR_NEVER) == 1 ? 0 : -EIO;
}

static void *writes_later(void *arg)
{
    struct outside *o = arg;

    usleep(20000);
    EQ(write(o->fd[1], "x", 1), 1);
    return NULL;
}

static void *sends_by_door(void *arg)
{
    struct outside *o = arg;
    int64_t x = 5;

    EQ(weir_door_enter(o->door), 0);
    usleep(20000);
    EQ(weir_send(o->ch, &x, WEIR_NEVER), 1);
    EQ(weir_door_leave(), 0);
    return NULL;
}

static int waits_for_outside(void *arg)
{
    struct outside o = {.ch = weir_chan_new(INT, 1)};
    weir_scope *s = weir_scope_open(NULL);
    int far = 1 % weir_loops();
    pthread_t t;
    int64_t x;

    (void)arg;
    EQ(weir_go_on(s, far, sends_after_offload, &o, NULL), 0);
    EQ(weir_recv(o.ch, &x, WEIR_NEVER), 1);
    EQ(x, 7);
    EQ(pipe2(o.fd, O_NONBLOCK | O_CLOEXEC), 0);
    EQ(pthread_create(&t, NULL, writes_later, &o), 0);
    EQ(weir_go_on(s, far, sends_after_read, &o, NULL), 0);
    EQ(weir_recv(o.ch, &x, WEIR_NEVER), 1);
    EQ(x, 1);
    pthread_join(t, NULL);
    close(o.fd[0]);
    close(o.fd[1]);
    o.door = weir_door_open();
    EQ(pthread_create(&t, NULL, sends_by_door, &o), 0);
    EQ(weir_recv(o.ch, &x, WEIR_NEVER), 1);
    EQ(x, 5);
    weir_door_close(&o.door);
    pthread_join(t, NULL);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&o.ch);
    return 0;
}

TEST(what_may_be_woken_from_outside_on_any_loop_is_no_deadlock)
{
    EQ(run(1, waits_for_outside, NULL), 0);
    EQ(told_len, 0);
    EQ(run(LOOPS, waits_for_outside, NULL), 0);
    EQ(told_len, 0);
}
