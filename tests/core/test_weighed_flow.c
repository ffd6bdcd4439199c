/*
 * test_weighed_flow.c -- many who send to and receive from one weighed channel, on
 * one loop and on three: it never weighs too much, and what goes in comes out.
 */
#include "core/weighed_world.h"

/* --- everything at once ------------------------------------------------ */

enum { ACTORS = 6, EACH = 60, MOST = 12 };

struct flow {
    weir_chan *ch;
    int actor;
    uint64_t sent, kept, got, sum_sent, sum_got;
};

static int flow_sends(void *arg)
{
    struct flow *f = arg;

    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t bytes = (uint32_t)(test_random() % (MOST + 2));
        weir_time until = test_random() % 3 ? WEIR_NEVER : weir_after(WEIR_US(test_random() % 400));
        int r = put(f->ch, i, bytes, until);

        if (bytes > MOST)
            EQ(r, WEIR_ETOOLARGE);
        f->sent += r > 0;
        f->sum_sent += r > 0 ? bytes : 0;
        f->kept += r < 0;
    }
    return 0;
}

static int flow_receives(void *arg)
{
    struct flow *f = arg;
    struct load l;
    int r;

    while ((r = weir_recv(f->ch, &l, WEIR_NEVER)) > 0) {
        f->got++;
        f->sum_got += l.bytes;
        LE(stats(f->ch).weight, MOST);
        if (test_random() % 2)
            EQ(weir_sleep(weir_after(WEIR_US(test_random() % 300))), 0);
    }
    return r;
}

static void flow_books(struct flow *all, size_t n)
{
    struct flow sum = {0};

    for (size_t i = 0; i < n; i++) {
        sum.sent += all[i].sent;
        sum.sum_sent += all[i].sum_sent;
        sum.got += all[i].got;
        sum.sum_got += all[i].sum_got;
        sum.kept += all[i].kept;
    }
    EQ(sum.sent + sum.kept, ACTORS / 2 * EACH);
    EQ(sum.got, sum.sent);
    EQ(sum.sum_got, sum.sum_sent);
}

SIM_TEST(what_goes_in_comes_out_and_never_weighs_too_much)
{
    weir_chan *ch = chan(5, MOST, WEIR_BLOCK);
    struct flow all[ACTORS] = {{0}};
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < ACTORS; i++) {
        all[i].ch = ch;
        EQ(weir_go_with(s, i % 2 ? flow_sends : flow_receives, &all[i],
                        &(struct weir_go_opts){.feeds = i % 2 ? ch : NULL}),
           0);
    }
    EQ(weir_scope_close(&s), 0);
    flow_books(all, ACTORS);
    LE(stats(ch).high_weight, MOST);
    LE(stats(ch).high_water, 5);
    weir_chan_free(&ch);
    return 0;
}

/* --- many loops -------------------------------------------------------- */

static uint64_t load_weight_anywhere(void *ctx, const void *item)
{
    (void)ctx;
    return ((const struct load *)item)->bytes;
}

static int crowd_sends(void *arg)
{
    struct flow *f = arg;

    for (uint32_t i = 0; i < 400; i++) {
        uint32_t bytes = (i * 7 + (uint32_t)f->actor) % (MOST + 1);
        struct load l = {i, bytes};
        struct weir_select c[] = {WEIR_ON_SEND(f->ch, &l)};
        weir_time until = i % 5 ? WEIR_NEVER : weir_after(WEIR_US(20));
        int r = i % 2 ? weir_send(f->ch, &l, until) : weir_select(c, 1, until);

        if (i % 2 == 0 && r == 0)
            r = c[0].result;
        f->sent += r > 0;
        f->kept += r <= 0;
        f->sum_sent += r > 0 ? bytes : 0;
        if (r <= 0)
            EQ(r, -ETIMEDOUT);
    }
    return 0;
}

static int crowd_receives(void *arg)
{
    struct flow *f = arg;
    struct load l;
    int r;

    while ((r = weir_recv(f->ch, &l, WEIR_NEVER)) > 0) {
        f->got++;
        f->sum_got += l.bytes;
    }
    return r;
}

static int crowd(void *arg)
{
    weir_chan *ch = weir_chan_with(
        WEIR_TYPE(struct load),
        &(struct weir_chan_opts){.capacity = 8, .weight = MOST, .weigh = load_weight_anywhere});
    struct flow all[6] = {{0}}, sum = {0};
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_chan_producer_add(ch), 0); /* or the first may be done, and the last, before the next */
    for (int i = 0; i < 6; i++) {
        all[i].ch = ch;
        all[i].actor = i;
        EQ(weir_go_on(s, i % 3, i % 2 ? crowd_sends : crowd_receives, &all[i],
                      &(struct weir_go_opts){.feeds = i % 2 ? ch : NULL}),
           0);
    }
    EQ(weir_chan_producer_done(ch, 0), 0);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 6; i++) {
        sum.sent += all[i].sent;
        sum.got += all[i].got;
        sum.kept += all[i].kept;
        sum.sum_sent += all[i].sum_sent;
        sum.sum_got += all[i].sum_got;
    }
    EQ(sum.sent + sum.kept, 1200);
    EQ(sum.got, sum.sent);
    EQ(sum.sum_got, sum.sum_sent);
    LE(stats(ch).high_weight, MOST);
    EQ(stats(ch).weight, 0);
    weir_chan_free(&ch);
    return 0;
}

TEST(loops_that_share_a_channel_keep_to_its_bound)
{
    NEEDS_THREADS();
    struct weir_config c = {.loops = 3};

    EQ(weir_run(&c, crowd, NULL), 0);
}
