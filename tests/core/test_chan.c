/*
 * test_chan.c -- capacity, order, overflow, select, and that no item is lost or
 * dropped twice.
 */
#include <stdlib.h>
#include <weir.h>

#include "core/world.h"

static void run(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, fn, NULL), 0);
}

static int exact(void *arg)
{
    for (size_t cap = 1; cap <= 5; cap++) {
        weir_chan *ch = weir_chan_new(WEIR_TYPE(int), cap);
        int x = 0, y;

        for (size_t i = 0; i < cap; i++, x++)
            EQ(weir_send(ch, &x, 0), 1);
        EQ(weir_send(ch, &x, 0), -EAGAIN);
        EQ(weir_chan_length(ch), cap);
        EQ(weir_recv(ch, &y, 0), 1);
        EQ(y, 0);
        EQ(weir_send(ch, &x, 0), 1);
        EQ(weir_send(ch, &x, weir_after(WEIR_MS(3))), -ETIMEDOUT);
        weir_chan_free(&ch);
    }
    (void)arg;
    return 0;
}

TEST(capacity_is_exact)
{
    run(exact);
}

enum { PRODUCERS = 4, CONSUMERS = 3, EACH = 200 };

struct flow {
    weir_chan *ch;
    int got, ids;
};

struct flow_item {
    int from, n;
};

static int produce(void *arg)
{
    struct flow *f = arg;
    struct flow_item it = {f->ids++, 0};

    for (; it.n < EACH; it.n++) {
        int r = weir_send(f->ch, &it, WEIR_NEVER);

        if (r < 0)
            return r;
    }
    return 0;
}

static int consume(void *arg)
{
    struct flow *f = arg;
    struct flow_item it;
    int r, next[PRODUCERS] = {0};

    while ((r = weir_recv(f->ch, &it, WEIR_NEVER)) > 0) {
        LE(next[it.from], it.n); /* in the order of its producer */
        next[it.from] = it.n + 1;
        f->got++;
        if (it.n % 7 == 0)
            weir_yield();
    }
    return r;
}

static int flows(void *arg)
{
    static const size_t caps[] = {0, 1, 2, 7, 1000};

    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        struct flow f = {.ch = weir_chan_new(WEIR_TYPE(struct flow_item), caps[i])};
        weir_scope *s = weir_scope_open(NULL);
        struct weir_chan_stats st;

        for (int k = 0; k < CONSUMERS; k++)
            EQ(weir_go_with(s, consume, &f, &(struct weir_go_opts){.drains = f.ch}), 0);
        for (int k = 0; k < PRODUCERS; k++)
            EQ(weir_go_with(s, produce, &f, &(struct weir_go_opts){.feeds = f.ch}), 0);
        EQ(weir_scope_close(&s), 0);
        EQ(f.got, PRODUCERS * EACH);
        EQ(weir_chan_stats(f.ch, &st), 0);
        EQ(st.sent, st.received);
        EQ(st.received, PRODUCERS * EACH);
        LE(st.high_water, caps[i]);
        weir_chan_free(&f.ch);
    }
    (void)arg;
    return 0;
}

TEST(everything_arrives_once_and_in_order_at_any_capacity)
{
    run(flows);
}

static int dies(void *arg)
{
    int x = 1;

    EQ(weir_send(*(weir_chan **)arg, &x, WEIR_NEVER), 1);
    return -EIO;
}

static int ends(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 4);
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    int x;

    (void)arg;
    EQ(weir_go_with(s, dies, &ch, &(struct weir_go_opts){.feeds = ch}), 0);
    EQ(weir_scope_close(&s), -EIO);
    EQ(weir_recv(ch, &x, 0), 1); /* what was queued comes first */
    EQ(weir_recv(ch, &x, 0), -EIO);
    EQ(weir_send(ch, &x, 0), -EIO);
    EQ(weir_chan_close(ch, 0), WEIR_ECLOSED);
    weir_chan_free(&ch);
    ch = weir_chan_new(WEIR_TYPE(int), 4);
    EQ(weir_send(ch, &x, 0), 1);
    EQ(weir_chan_shut(ch), 0);
    EQ(weir_send(ch, &x, 0), -EPIPE);
    weir_chan_free(&ch);
    return 0;
}

TEST(a_producer_that_dies_is_no_clean_end)
{
    run(ends);
}

static int drops;

static void count_drop(void *p)
{
    drops += *(int *)p != 0;
}

static int overflow(void *arg)
{
    static const struct {
        enum weir_overflow how;
        int drops, first, length, result;
    } rows[] = {{WEIR_DROP_NEWEST, 3, 1, 2, 1},
                {WEIR_DROP_OLDEST, 3, 4, 2, 1},
                {WEIR_LATEST, 4, 5, 1, 1},
                {WEIR_FAIL, 0, 1, 2, WEIR_EFULL}};
    struct weir_type t = WEIR_TYPE(int);

    (void)arg;
    t.drop = count_drop;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_chan_opts o = {.capacity = 2, .overflow = rows[i].how};
        weir_chan *ch = weir_chan_with(t, &o);
        struct weir_chan_stats st;
        int r = 0, y;

        drops = 0;
        for (int x = 1; x <= 5; x++)
            r = weir_send(ch, &x, 0);
        EQ(r, rows[i].result);
        EQ(drops, rows[i].drops);
        EQ(weir_chan_length(ch), (size_t)rows[i].length);
        EQ(weir_recv(ch, &y, 0), 1);
        EQ(y, rows[i].first);
        EQ(weir_chan_stats(ch, &st), 0);
        EQ(st.sent, st.received + st.dropped + st.length);
        weir_chan_free(&ch);
        EQ(drops, rows[i].drops + rows[i].length - 1);
    }
    return 0;
}

TEST(overflow_drops_what_it_says_and_counts_it)
{
    run(overflow);
}

/* Receivers that keep giving up, senders that keep giving up: sums must agree. */
struct churn {
    weir_chan *ch;
    long sent, got;
    int senders;
};

static int churn_send(void *arg)
{
    struct churn *c = arg;

    for (int i = 1; i <= 300; i++) {
        int r = weir_send(c->ch, &i, weir_after(WEIR_US(i % 5)));

        if (r == 1)
            c->sent += i;
        else
            EQ(r, -ETIMEDOUT);
        weir_sleep(weir_after(WEIR_US(i % 3)));
    }
    return 0;
}

static int churn_recv(void *arg)
{
    struct churn *c = arg;
    int x, r;

    while ((r = weir_recv(c->ch, &x, weir_after(WEIR_US(2)))) != 0) {
        if (r == 1)
            c->got += x;
        else
            EQ(r, -ETIMEDOUT);
    }
    return 0;
}

static int churns(void *arg)
{
    for (size_t cap = 0; cap < 3; cap++) {
        struct churn c = {.ch = weir_chan_new(WEIR_TYPE(int), cap)};
        weir_scope *s = weir_scope_open(NULL);

        for (int k = 0; k < 3; k++) {
            EQ(weir_go_with(s, churn_send, &c, &(struct weir_go_opts){.feeds = c.ch}), 0);
            EQ(weir_go(s, churn_recv, &c), 0);
        }
        EQ(weir_scope_close(&s), 0);
        EQ(c.sent, c.got);
        LT(0, c.got);
        weir_chan_free(&c.ch);
    }
    (void)arg;
    return 0;
}

TEST(a_timeout_on_either_side_loses_nothing)
{
    run(churns);
}

static int selects(void *arg)
{
    weir_chan *a = weir_chan_new(WEIR_TYPE(int), 100), *b = weir_chan_new(WEIR_TYPE(int), 100);
    int hits[2] = {0, 0}, x, y;
    struct weir_select both[] = {WEIR_ON_RECV(a, &x), WEIR_ON_RECV(b, &y)};

    (void)arg;
    for (int i = 0; i < 100; i++) {
        EQ(weir_send(a, &i, 0), 1);
        EQ(weir_send(b, &i, 0), 1);
    }
    for (int i = 0; i < 60; i++)
        hits[weir_select(both, 2, WEIR_NEVER)]++;
    OK(hits[0] > 10 && hits[1] > 10); /* fair */
    while (weir_select(both, 2, 0) >= 0)
        ;
    EQ(weir_select(both, 2, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(weir_chan_close(b, -EIO), 0);
    EQ(weir_select(both, 2, WEIR_NEVER), 1); /* reported, not disabled */
    EQ(both[1].result, -EIO);
    EQ(weir_select(both, 0, WEIR_NEVER), -EINVAL);
    weir_chan_free(&a);
    weir_chan_free(&b);
    return 0;
}

TEST(select_is_fair_and_reports_a_closed_channel)
{
    run(selects);
}

static int hangs(void *arg)
{
    int x;

    return weir_recv(*(weir_chan **)arg, &x, WEIR_NEVER);
}

static int deadlock(void *arg)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *outer = weir_scope_open(NULL), *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, hangs, &ch), 0);
    EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
    EQ(weir_scope_close(&outer), 0);
    weir_chan_free(&ch);
    return 0;
}

TEST(a_deadlock_is_told_not_suffered)
{
    run(deadlock);
}

TEST(what_is_wrong_with_a_channel_is_said)
{
    weir_chan *ch = weir_chan_new((struct weir_type){0}, 1), *none = NULL;
    long wide = 0;
    int x = 0;

    EQ(weir_error(ch), -EINVAL);
    EQ(weir_send(ch, &x, 0), -EINVAL);
    weir_chan_free(&ch);
    EQ(weir_send(none, &x, 0), -EINVAL);
    ch = weir_chan_with(WEIR_TYPE(int), &(struct weir_chan_opts){.overflow = WEIR_LATEST});
    EQ(weir_error(ch), -EINVAL); /* nothing to keep the latest in */
    ch = weir_chan_new(WEIR_TYPE(int), 1);
    EQ(weir_send(ch, &wide, 0), WEIR_ETYPE);
    EQ(weir_send(ch, &x, WEIR_S(1)), -EINVAL);
    EQ(weir_send(ch, &x, WEIR_NEVER), 1);
    EQ(weir_send(ch, &x, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_send(ch, &x, 0), -EAGAIN);
    weir_chan_free(&ch);
    weir_chan_free(&ch);
}

/* --- overflow and drops ------------------------------------------------- */

struct owned {
    _Alignas(64) char *text;
};

static int owned_drops;

static void owned_drop(void *item)
{
    struct owned *o = item;
    EQ((uintptr_t)o % 64, 0u);
    if (o->text)
        owned_drops++;
    o->text = NULL;
}

/* Memory that is aligned as malloc's is, and no better. */
static void *skew_realloc(void *ctx, void *p, size_t old, size_t size)
{
    char *base = p ? (char *)p - 16 : NULL;
    (void)ctx;
    (void)old;
    if (!size) {
        free(base);
        return NULL;
    }
    char *fresh = aligned_alloc(64, (size + 16 + 63) & ~(size_t)63);
    OK(fresh);
    if (base) {
        memcpy(fresh + 16, p, old < size ? old : size);
        free(base);
    }
    return fresh + 16;
}

static int owned_run(void *arg)
{
    struct weir_type t = WEIR_TYPE(struct owned);
    static const enum weir_overflow how[] = {WEIR_DROP_NEWEST, WEIR_DROP_OLDEST, WEIR_LATEST};
    (void)arg;
    t.drop = owned_drop;
    for (int i = 0; i < 3; i++) {
        struct weir_chan_opts o = {.capacity = 3, .overflow = how[i]};
        weir_chan *ch = weir_chan_with(t, &o);
        struct weir_chan_stats st;
        owned_drops = 0;
        for (int k = 0; k < 10; k++) {
            struct owned v = {.text = (char *)"x"};
            EQ(weir_send(ch, &v, WEIR_NEVER), 1); /* never parks */
        }
        EQ(weir_chan_stats(ch, &st), 0);
        EQ(st.dropped, (uint64_t)owned_drops);
        EQ(st.dropped + st.length, 10u);
        EQ(st.sent, 10u);
        EQ(weir_chan_shut(ch), 0); /* the rest is dropped, once */
        EQ(owned_drops, 10);
        weir_chan_free(&ch);
        EQ(owned_drops, 10);
    }
    return 0;
}

TEST(drop_sees_each_item_once_and_aligned)
{
    struct weir_config c = {.alloc = {skew_realloc, NULL}};
    EQ(weir_sim_run(test_seed(), &c, owned_run, NULL), 0);
}

static int drop_counted;

static void drop_megabyte(void *item)
{
    drop_counted += *(char *)item;
}

SIM_TEST(an_item_of_a_megabyte_fits_no_stack_and_needs_none)
{
    struct weir_type t = {1 << 20, 1, drop_megabyte, NULL, "megabyte"};
    weir_chan *ch =
        weir_chan_with(t, &(struct weir_chan_opts){.capacity = 1, .overflow = WEIR_DROP_NEWEST});
    static char big[1 << 20];
    drop_counted = 0;
    big[0] = 1;
    EQ(weir_send(ch, &big, 0), 1);
    EQ(weir_send(ch, &big, 0), 1);
    EQ(drop_counted, 1);
    weir_chan_free(&ch);
    EQ(drop_counted, 2);
    return 0;
}
