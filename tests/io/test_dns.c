/*
 * test_dns.c -- lookups on the pool, with a resolver of the test's own; the race
 * of connections.
 */
#include "io/dns.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#include <weir/io.h>

#include "core/core.h"
#include "core/world.h"

static struct weir_addr dns_addr(const char *text)
{
    struct weir_addr a;
    EQ(weir_addr_parse(text, &a), 0);
    return a;
}

static void dns_text_is(const struct weir_addr *a, const char *text)
{
    char buf[WEIR_ADDR_TEXT];
    OK(weir_addr_text(a, buf, sizeof buf) > 0);
    STREQ(buf, text);
}

/* --- resolvers ---------------------------------------------------------------- */

static atomic_int gate_open, gate_entered, gate_left;

/* Stands still until the gate opens. */
static int lookup_gate(struct weir__lookup *l)
{
    atomic_fetch_add(&gate_entered, 1);
    while (!atomic_load(&gate_open))
        sched_yield();
    l->addrs[l->count++] = dns_addr("127.0.0.7:7");
    atomic_fetch_add(&gate_left, 1);
    return 0;
}

static int lookup_mixed(struct weir__lookup *l)
{
    static const char *const texts[] = {"[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1", "1.0.0.2:1"};
    STREQ(l->host, "mixed.example");
    for (size_t i = 0; i < 5; i++)
        l->addrs[l->count++] = dns_addr(texts[i]);
    return 0;
}

static int lookup_none(struct weir__lookup *l)
{
    (void)l;
    return 0;
}

static int lookup_cancelled(struct weir__lookup *l)
{
    (void)l;
    return -ECANCELED;
}

/* --- results -------------------------------------------------------------------- */

SIM_TEST(a_number_is_its_own_address)
{
    struct weir_addr a[2];
    EQ(weir_resolve("127.0.0.1", 80, a, 2, 0), 1);
    dns_text_is(a, "127.0.0.1:80");
    EQ(weir_resolve("::1", 80, a, 2, 0), 1);
    dns_text_is(a, "[::1]:80");
    EQ(weir_resolve("some.name", 80, a, 2, 0), -EAGAIN);
    return 0;
}

SIM_TEST(families_take_turns)
{
    static const char *const want[] = {"[::1]:1", "1.0.0.1:1", "[::2]:1", "1.0.0.2:1", "[::3]:1"};
    struct weir_addr a[9];
    for (size_t max = 1; max < 9; max++) {
        int n = weir__resolve_by(lookup_mixed, "mixed.example", 9, a, max, WEIR_NEVER);
        EQ(n, (int)(max < 5 ? max : 5));
        for (int i = 0; i < n; i++)
            dns_text_is(&a[i], want[i]);
    }
    return 0;
}

SIM_TEST(no_address_is_a_failure)
{
    struct weir_addr a = {.size = 3};
    EQ(weir__resolve_by(lookup_none, "none", 9, &a, 1, WEIR_NEVER), WEIR_EDNS);
    EQ(weir__resolve_by(lookup_cancelled, "none", 9, &a, 1, WEIR_NEVER), -ECANCELED);
    EQ(a.size, 3u);
    return 0;
}

REAL_TEST(the_hosts_file_is_known)
{
    struct weir_addr a[8];
    int n = weir_resolve("localhost", 4711, a, 8, weir_after(WEIR_S(10)));
    if (n == WEIR_EDNS)
        SKIP("no localhost here");
    LT(0, n);
    for (int i = 0; i < n; i++)
        EQ(weir_addr_port(&a[i]), 4711);
    return 0;
}

REAL_TEST(bad_input_is_refused)
{
    struct weir_addr a = dns_addr("127.0.0.1:9");
    struct weir_dial_opts odd = {.reserved = {0, 1}}, back = {.stagger = -1};
    char name[300];
    memset(name, 'a', sizeof name);
    name[254] = '\0';
    EQ(weir_resolve(name, 1, &a, 1, WEIR_NEVER), -EINVAL);
    EQ(weir_resolve("", 1, &a, 1, WEIR_NEVER), -EINVAL);
    EQ(weir_resolve(NULL, 1, &a, 1, WEIR_NEVER), -EINVAL);
    EQ(weir_resolve("x", 1, NULL, 1, WEIR_NEVER), -EINVAL);
    EQ(weir_resolve("x", 1, &a, 0, WEIR_NEVER), -EINVAL);
    EQ(weir_resolve("x", 1, &a, 1, WEIR_S(1)), -EINVAL);
    EQ(weir_connect_any(NULL, 1, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_connect_any(&a, 0, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_connect_any(&a, 65, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_connect_any(&a, 1, &odd, WEIR_NEVER), -EINVAL);
    EQ(weir_connect_any(&a, 1, &back, WEIR_NEVER), -EINVAL);
    EQ(weir_connect_any((struct weir_addr[]){a, a}, 2, NULL, WEIR_S(1)), -EINVAL);
    EQ(weir_connect_any((struct weir_addr[]){a, {0}}, 2, NULL, weir_after(WEIR_S(5))), -EINVAL);
    EQ(weir_dial("127.0.0.1", 9, &odd, WEIR_NEVER), -EINVAL);
    EQ(weir_dial(NULL, 9, NULL, WEIR_NEVER), -EINVAL);
    return 0;
}

TEST(off_a_fiber_only_numbers_resolve)
{
    struct weir_addr a;
    EQ(weir_resolve("127.0.0.1", 80, &a, 1, WEIR_NEVER), 1);
    EQ(weir_resolve("name", 80, &a, 1, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_connect_any((struct weir_addr[]){a, a}, 2, NULL, WEIR_NEVER), WEIR_ENOFIBER);
}

/* --- cancelling ----------------------------------------------------------------- */

struct gate_wait {
    weir_time deadline;
    int result;
};

static int gate_resolve(void *arg)
{
    struct gate_wait *w = arg;
    struct weir_addr a = {.size = 5};
    w->result = weir__resolve_by(lookup_gate, "slow", 1, &a, 1, w->deadline);
    EQ(a.size, w->result == 1 ? 16u : 5u);
    return 0;
}

static int cancel_main(void *arg)
{
    struct gate_wait w[4] = {{WEIR_NEVER, 9}, {WEIR_NEVER, 9}, {WEIR_NEVER, 9}, {WEIR_NEVER, 9}};
    weir_scope *s = weir_scope_open(NULL);
    uint64_t before = test_alloc_live();
    (void)arg;
    GO(s, gate_resolve, &w[0]); /* runs */
    while (!atomic_load(&gate_entered))
        (void)weir_yield();
    for (int i = 1; i < 4; i++)
        GO(s, gate_resolve, &w[i]); /* one is queued, the others wait for room */
    world_settle();
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM); /* returns while the gate is shut */
    for (int i = 0; i < 4; i++)
        EQ(w[i].result, -ECANCELED);
    EQ(atomic_load(&gate_entered), 1);
    EQ(atomic_load(&gate_left), 0);
    LE(before + sizeof(struct weir__lookup), test_alloc_live()); /* still the worker's */
    w[0] = (struct gate_wait){weir_after(WEIR_MS(5)), 9};
    EQ(gate_resolve(&w[0]), 0);
    EQ(w[0].result, -ETIMEDOUT);
    atomic_store(&gate_open, 1);
    w[0] = (struct gate_wait){weir_after(WEIR_S(60)), 9};
    EQ(gate_resolve(&w[0]), 0);
    EQ(w[0].result, 1);
    return 0;
}

TEST(a_cancel_or_a_deadline_returns_at_once_and_loses_no_memory)
{
    struct weir_config one = {.alloc = test_alloc, .offload_threads = 1, .offload_queue = 1};
    EQ(weir_run(&one, cancel_main, NULL), 0);
    EQ(test_alloc_live(), 0u);
}

/* The cancel comes while a worker has just taken the job, again and again. */
static int race_main(void *arg)
{
    (void)arg;
    atomic_store(&gate_open, 1);
    for (int i = 0; i < 300; i++) {
        struct gate_wait w = {WEIR_NEVER, 9};
        weir_scope *s = weir_scope_open(NULL);
        GO(s, gate_resolve, &w);
        EQ(weir_yield(), 0);
        for (uint64_t k = test_random() % 200; k; k--)
            sched_yield();
        EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_scope_close(&s), -EPERM);
        OK(w.result == 1 || w.result == -ECANCELED);
    }
    return 0;
}

TEST(a_cancel_at_any_moment_frees_the_job_once)
{
    struct weir_config one = {.alloc = test_alloc, .offload_threads = 2, .offload_queue = 4};
    EQ(weir_run(&one, race_main, NULL), 0);
    EQ(test_alloc_live(), 0u);
}

/* --- the race -------------------------------------------------------------------- */

static int race_listen(struct weir_addr *at, uint32_t backlog)
{
    int fd;
    *at = dns_addr("127.0.0.1:0");
    fd = weir_listen(at, &(struct weir_sock_opts){.backlog = backlog});
    OK(fd >= 0);
    EQ(weir_addr_local(fd, at), 0);
    return fd;
}

/* An address that refuses. */
static struct weir_addr race_refuser(void)
{
    struct weir_addr at;
    EQ(weir_close(race_listen(&at, 1)), 0);
    return at;
}

struct race_full {
    int listener, fillers[16], n;
};

/* An address that never answers: a listener whose queue is full, so the kernel drops what comes. */
static struct weir_addr race_silent(struct race_full *f)
{
    struct weir_addr at;
    int fd;
    *f = (struct race_full){.listener = race_listen(&at, 1)};
    while ((fd = weir_connect(&at, NULL, weir_after(WEIR_MS(20)))) >= 0) {
        if (f->n == 16)
            SKIP("no silent address to be had");
        f->fillers[f->n++] = fd;
    }
    EQ(fd, -ETIMEDOUT);
    return at;
}

static void race_silent_close(struct race_full *f)
{
    while (f->n)
        EQ(weir_close(f->fillers[--f->n]), 0);
    EQ(weir_close(f->listener), 0);
}

static uint16_t race_peer(int fd)
{
    struct weir_addr who;
    EQ(weir_addr_peer(fd, &who), 0);
    return weir_addr_port(&who);
}

REAL_TEST(one_that_refuses_is_passed_over_at_once)
{
    struct weir_addr at[3] = {race_refuser(), race_refuser()};
    int listener = race_listen(&at[2], 8);
    struct weir_dial_opts slow = {.stagger = WEIR_MIN(60)};
    int fd = weir_connect_any(at, 3, &slow, weir_after(WEIR_S(10)));
    OK(fd >= 0);
    EQ(race_peer(fd), weir_addr_port(&at[2]));
    EQ(weir_close(fd), 0);
    EQ(weir_connect_any(at, 2, &slow, weir_after(WEIR_S(10))), -ECONNREFUSED);
    EQ(weir_connect_any(at, 1, &slow, weir_after(WEIR_S(10))), -ECONNREFUSED);
    return weir_close(listener);
}

REAL_TEST(one_that_is_silent_is_tried_beside_the_next)
{
    struct race_full full;
    struct weir_addr at[2] = {race_silent(&full)};
    int listener = race_listen(&at[1], 8);
    struct weir_dial_opts quick = {.stagger = WEIR_MS(2)};
    weir_time begin = weir_now();
    int fd = weir_connect_any(at, 2, &quick, weir_after(WEIR_S(10)));
    OK(fd >= 0);
    EQ(race_peer(fd), weir_addr_port(&at[1]));
    OK(weir_now() - begin >= WEIR_MS(2));
    EQ(weir_close(fd), 0);
    struct weir_addr both[2] = {at[0], at[0]};
    EQ(weir_connect_any(both, 2, &quick, weir_after(WEIR_MS(10))), -ETIMEDOUT);
    struct weir_addr first[2] = {at[1], at[0]};
    fd = weir_connect_any(first, 2, &quick, weir_after(WEIR_S(10)));
    OK(fd >= 0); /* the order is kept: the second was never needed */
    EQ(race_peer(fd), weir_addr_port(&at[1]));
    EQ(weir_close(fd), 0);
    race_silent_close(&full);
    return weir_close(listener);
}

static int race_drain(void *arg)
{
    int fd;
    EQ(weir_sleep(WEIR_EPOCH + WEIR_US(2500)), 0);
    while ((fd = weir_accept(*(int *)arg, NULL, 0)) >= 0)
        EQ(weir_close(fd), 0);
    return 0;
}

/*
 * A full UNIX queue is asked again after 1, 2, 4 ms: the first try at 1 and 3 ms, the
 * second, which starts at 2 ms, at 3 ms too.  Both connect in one turn: one is kept.
 */
SIM_TEST(of_two_that_connect_at_once_one_is_kept)
{
    char name[64];
    struct weir_dial_opts two = {.stagger = WEIR_MS(2)};
    int fill[2], fd;
    snprintf(name, sizeof name, "@weir-race-%d", (int)getpid());
    int listener = weir_unix_listen(name, 1);
    for (int i = 0; i < 2; i++)
        OK((fill[i] = weir_unix_connect(name, 0)) >= 0);
    EQ(weir_unix_connect(name, 0), -EAGAIN);
    weir_scope *s = weir_scope_open(NULL);
    GO(s, race_drain, &listener);
    struct weir_addr at[2] = {dns_addr(name), dns_addr(name)};
    fd = weir_connect_any(at, 2, &two, WEIR_EPOCH + WEIR_S(1));
    OK(fd >= 0);
    EQ(world_age(), WEIR_MS(3));
    EQ(weir_scope_close(&s), 0);
    EQ(weir_close(fd), 0);
    for (int i = 0; i < 2; i++)
        EQ(weir_close(fill[i]), 0);
    return weir_close(listener);
}

/* --- every point --------------------------------------------------------------------- */

static int point_dial(const struct weir_addr *at)
{
    struct weir_addr got[5];
    int r = weir__resolve_by(lookup_mixed, "mixed.example", 9, got, 5, WEIR_NEVER);
    if (r == 5)
        r = weir_connect_any(at, 2, NULL, weir_after(WEIR_S(5)));
    if (r >= 0)
        EQ(weir_close(r), 0);
    return r < 0 ? r : 0;
}

static int point_main(void *arg)
{
    struct weir_addr any = dns_addr("127.0.0.1:0"), at[2];
    int fd[2], r = 0;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        fd[i] = weir_listen(&any, NULL);
        if (fd[i] >= 0)
            EQ(weir_addr_local(fd[i], &at[i]), 0);
        else
            r = fd[i];
    }
    if (fd[0] >= 0)
        EQ(weir_close(fd[0]), 0); /* the first refuses */
    if (r == 0)
        r = point_dial(at);
    if (fd[1] >= 0)
        EQ(weir_close(fd[1]), 0);
    return r;
}

static void point_run(void *arg)
{
    int r = world_real(point_main, arg);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST_WITH(a_dial_holds_whatever_fails, .timeout = 60)
{
    EVERY_POINT(point_run, NULL);
}
