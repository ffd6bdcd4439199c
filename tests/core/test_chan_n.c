/*
 * test_chan_n.c -- n items at a time, of any n, through rings of any size:
 * nothing lost, doubled or out of order, and the single calls mix with it.
 */
#include <errno.h>
#include <weir.h>

#include "harness/test.h"

enum { ITEMS = 2000, MOST = 13 };

struct mix {
    weir_chan *ch;
    int next; /* to be sent */
    int got;  /* to be received */
};

static int send_some(void *arg)
{
    struct mix *m = arg;
    int batch[MOST];

    while (m->next < ITEMS) {
        size_t n = test_random() % MOST + 1, done;

        if (n > (size_t)(ITEMS - m->next))
            n = (size_t)(ITEMS - m->next);
        for (size_t i = 0; i < n; i++)
            batch[i] = m->next + (int)i;
        if (n == 1)
            EQ(weir_send(m->ch, batch, WEIR_NEVER), 1);
        else
            EQ(weir_chan_send_n(m->ch, batch, sizeof *batch, n, &done, WEIR_NEVER), (ssize_t)n);
        m->next += (int)n;
        if (test_random() % 4 == 0)
            weir_yield();
    }
    return 0;
}

static int receive_some(void *arg)
{
    struct mix *m = arg;
    int batch[MOST], r = 1;

    while (r > 0) {
        size_t n = test_random() % MOST + 1, done = 1;

        if (n == 1)
            r = weir_recv(m->ch, batch, WEIR_NEVER);
        else
            r = (int)weir_chan_recv_n(m->ch, batch, sizeof *batch, n, &done, WEIR_NEVER);
        if (r <= 0)
            break;
        LE(done, n);
        for (size_t i = 0; i < done; i++)
            EQ(batch[i], m->got++);
        if (test_random() % 4 == 0)
            weir_yield();
    }
    return r;
}

static int mixes(void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 20; cap++) {
        struct mix m = {.ch = weir_chan_new(WEIR_TYPE(int), cap)};
        weir_scope *s = weir_scope_open(NULL);
        struct weir_chan_stats st;

        EQ(weir_go_with(s, send_some, &m, &(struct weir_go_opts){.feeds = m.ch}), 0);
        EQ(weir_go(s, receive_some, &m), 0);
        EQ(weir_scope_close(&s), 0);
        EQ(m.got, ITEMS);
        EQ(weir_chan_stats(m.ch, &st), 0);
        EQ(st.sent, ITEMS);
        EQ(st.received, ITEMS);
        LE(st.high_water, cap);
        weir_chan_free(&m.ch);
    }
    return 0;
}

TEST(batches_of_any_size_pass_rings_of_any_size_in_order)
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, mixes, NULL), 0);
}

static int hogs(void *arg)
{
    struct mix *m = arg;
    int batch[8] = {0};
    size_t done;

    for (int i = 0; i < 40; i++) { /* 16 operations each, of a share of 128 */
        EQ(weir_chan_send_n(m->ch, batch, sizeof *batch, 8, &done, WEIR_NEVER), 8);
        EQ(weir_chan_recv_n(m->ch, batch, sizeof *batch, 8, &done, WEIR_NEVER), 8);
        if (m->got)
            return 0;
    }
    return -ETIME; /* nobody else ever ran */
}

static int runs_at_last(void *arg)
{
    ((struct mix *)arg)->got = 1;
    return 0;
}

static int fair(void *arg)
{
    struct mix m = {.ch = weir_chan_new(WEIR_TYPE(int), 100)};
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, hogs, &m), 0);
    EQ(weir_go(s, runs_at_last, &m), 0);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&m.ch);
    return 0;
}

TEST(a_loop_of_batches_that_never_park_lets_others_run)
{
    EQ(weir_run(NULL, fair, NULL), 0);
}
