/*
 * A channel bounded by weight: the bound is exact, the order that of the sends,
 * what is too heavy is told so, and whoever gives up lets the next one in.
 */
#include "core/weighed_world.h"

SIM_TEST(the_bound_is_exact_in_bytes)
{
    weir_chan *ch = chan(100, 10, WEIR_BLOCK);

    EQ(put(ch, 1, 4, 0), 1);
    EQ(put(ch, 2, 7, 0), -EAGAIN);
    EQ(put(ch, 2, 6, 0), 1);
    EQ(stats(ch).weight, 10);
    EQ(put(ch, 3, 1, 0), -EAGAIN);
    EQ(put(ch, 3, 1, weir_after(WEIR_MS(2))), -ETIMEDOUT);
    EQ(put(ch, 4, 0, 0), 1); /* weighs nothing */
    EQ(get(ch, 0), 1);
    EQ(stats(ch).weight, 6);
    EQ(put(ch, 5, 5, 0), -EAGAIN);
    EQ(put(ch, 5, 4, 0), 1);
    EQ(get(ch, 0), 2);
    EQ(get(ch, 0), 4);
    EQ(get(ch, 0), 5);
    EQ(stats(ch).weight, 0);
    EQ(stats(ch).high_weight, 10);
    EQ(stats(ch).high_water, 3);
    EQ(stats(ch).sent, 4);
    weir_chan_free(&ch);
    EQ(dropped, 0);
    return 0;
}

SIM_TEST(items_without_weight_are_bounded_by_number)
{
    weir_chan *ch = chan(3, 1, WEIR_BLOCK);

    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 3; i++)
            EQ(put(ch, i, 0, 0), 1);
        EQ(put(ch, 3, 0, 0), -EAGAIN);
        for (int i = 0; i < 3; i++)
            EQ(get(ch, 0), i);
    }
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(an_item_heavier_than_all_there_is_room_for_is_told_so_at_once)
{
    static const enum weir_overflow all[] = {WEIR_BLOCK, WEIR_DROP_NEWEST, WEIR_DROP_OLDEST,
                                             WEIR_LATEST, WEIR_FAIL};

    for (size_t i = 0; i < 5; i++) {
        weir_chan *ch = chan(4, 10, all[i]);
        struct load l = {9, 11};
        struct weir_select c[] = {WEIR_ON_SEND(ch, &l)};
        size_t done;

        EQ(put(ch, 1, 10, 0), 1);
        EQ(put(ch, 2, 11, WEIR_NEVER), WEIR_ETOOLARGE);
        EQ(put(ch, 2, UINT32_MAX, 0), WEIR_ETOOLARGE);
        EQ(weir_select(c, 1, WEIR_NEVER), 0);
        EQ(c[0].result, WEIR_ETOOLARGE);
        EQ(weir_chan_send_n(ch, &l, sizeof l, 1, &done, WEIR_NEVER), WEIR_ETOOLARGE);
        EQ(done, 0);
        EQ(dropped, 0); /* still ours, and nothing was thrown out for it */
        EQ(get(ch, 0), 1);
        EQ(put(ch, 2, 11, 0), WEIR_ETOOLARGE); /* also when empty */
        weir_chan_free(&ch);
    }
    return 0;
}

static int take_one(void *arg)
{
    return get(arg, WEIR_NEVER) == 7 ? 0 : -EBADMSG;
}

SIM_TEST(nor_does_it_go_to_a_receiver_that_waits)
{
    weir_chan *ch = chan(4, 10, WEIR_BLOCK);
    weir_scope *s = weir_scope_open(NULL);

    GO(s, take_one, ch);
    world_settle();
    EQ(put(ch, 6, 11, WEIR_NEVER), WEIR_ETOOLARGE);
    EQ(put(ch, 7, 10, WEIR_NEVER), 1);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(each_policy_makes_as_much_room_as_it_takes)
{
    weir_chan *ch = chan(8, 10, WEIR_DROP_OLDEST);

    for (uint32_t i = 1; i <= 5; i++)
        EQ(put(ch, i, 2, 0), 1);
    EQ(put(ch, 6, 5, 0), 1); /* 5 > 0 left: 1, 2 and 3 go */
    EQ(dropped, 3);
    EQ(stats(ch).weight, 9);
    EQ(get(ch, 0), 4);
    weir_chan_free(&ch);

    ch = chan(8, 10, WEIR_DROP_NEWEST);
    EQ(put(ch, 1, 6, 0), 1);
    EQ(put(ch, 2, 5, 0), 1);
    EQ(put(ch, 3, 4, 0), 1);
    EQ(dropped, 1);
    EQ(get(ch, 0), 1);
    EQ(get(ch, 0), 3);
    weir_chan_free(&ch);

    ch = chan(8, 10, WEIR_LATEST);
    EQ(put(ch, 1, 4, 0), 1);
    EQ(put(ch, 2, 4, 0), 1);
    EQ(put(ch, 3, 4, 0), 1);
    EQ(dropped, 2);
    EQ(stats(ch).weight, 4);
    EQ(get(ch, 0), 3);
    weir_chan_free(&ch);

    ch = chan(8, 10, WEIR_FAIL);
    EQ(put(ch, 1, 6, 0), 1);
    EQ(put(ch, 2, 5, 0), WEIR_EFULL);
    EQ(put(ch, 3, 4, 0), 1);
    EQ(dropped, 0);
    weir_chan_free(&ch);
    EQ(dropped, 2);
    return 0;
}

/* --- waiting ----------------------------------------------------------- */

struct sender {
    weir_chan *ch;
    uint32_t id, bytes;
    weir_span patience;
    int result;
};

static int sends(void *arg)
{
    struct sender *s = arg;

    s->result = put(s->ch, s->id, s->bytes, s->patience ? weir_after(s->patience) : WEIR_NEVER);
    return 0;
}

/* One after the other, each parked before the next. */
static void line_up(weir_scope *s, struct sender *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        all[i].result = 99;
        GO(s, sends, &all[i]);
        world_settle();
    }
}

SIM_TEST(a_light_item_does_not_overtake_a_heavy_one)
{
    weir_chan *ch = chan(8, 10, WEIR_BLOCK);
    struct sender w[] = {{ch, 2, 8, 0, 0}, {ch, 3, 1, 0, 0}};
    weir_scope *s = weir_scope_open(NULL);

    EQ(put(ch, 1, 6, 0), 1);
    line_up(s, w, 2);
    EQ(w[1].result, 99); /* there is room for it, and somebody before it */
    EQ(put(ch, 4, 1, 0), -EAGAIN);
    EQ(get(ch, 0), 1);
    world_settle();
    EQ(w[0].result, 1);
    EQ(w[1].result, 1);
    EQ(stats(ch).weight, 9);
    EQ(get(ch, 0), 2);
    EQ(get(ch, 0), 3);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(one_receive_lets_in_as_many_as_there_is_room_for)
{
    weir_chan *ch = chan(8, 10, WEIR_BLOCK);
    struct sender w[] = {{ch, 2, 3, 0, 0}, {ch, 3, 3, 0, 0}, {ch, 4, 3, 0, 0}, {ch, 5, 3, 0, 0}};
    weir_scope *s = weir_scope_open(NULL);

    EQ(put(ch, 1, 10, 0), 1);
    line_up(s, w, 4);
    EQ(get(ch, 0), 1);
    world_settle();
    EQ(w[2].result, 1);
    EQ(w[3].result, 99);
    EQ(stats(ch).weight, 9);
    for (int i = 2; i <= 5; i++)
        EQ(get(ch, WEIR_NEVER), i);
    EQ(weir_scope_close(&s), 0);
    EQ(stats(ch).high_weight, 10);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(who_gives_up_lets_the_lighter_one_behind_it_in)
{
    weir_chan *ch = chan(8, 10, WEIR_BLOCK);
    struct sender w[] = {{ch, 2, 8, WEIR_MS(5), 0}, {ch, 3, 1, 0, 0}, {ch, 4, 2, 0, 0}};
    weir_scope *s = weir_scope_open(NULL);
    weir_time began;

    EQ(put(ch, 1, 6, 0), 1);
    line_up(s, w, 3);
    began = weir_now();
    EQ(weir_scope_close(&s), 0); /* nobody receives */
    EQ(w[0].result, -ETIMEDOUT);
    EQ(w[1].result, 1);
    EQ(w[2].result, 1);
    EQ(weir_now() - began, WEIR_MS(5));
    EQ(stats(ch).weight, 9);
    EQ(get(ch, 0), 1);
    EQ(get(ch, 0), 3);
    EQ(get(ch, 0), 4);
    weir_chan_free(&ch);
    return 0;
}

static int selects(void *arg)
{
    struct sender *s = arg;
    struct load l = {s->id, s->bytes};
    struct weir_select c[] = {WEIR_ON_SEND(s->ch, &l), WEIR_ON_SEND(s->ch, &l)};

    s->result = weir_select(c, 2, weir_after(s->patience));
    return 0;
}

SIM_TEST(a_select_that_leaves_does_so_too)
{
    weir_chan *ch = chan(8, 10, WEIR_BLOCK);
    struct sender first = {ch, 2, 8, WEIR_MS(5), 99}, then = {ch, 3, 4, 0, 0};
    weir_scope *s = weir_scope_open(NULL);

    EQ(put(ch, 1, 6, 0), 1);
    GO(s, selects, &first);
    world_settle();
    line_up(s, &then, 1);
    EQ(then.result, 99);
    EQ(weir_scope_close(&s), 0);
    EQ(first.result, -ETIMEDOUT);
    EQ(then.result, 1);
    EQ(get(ch, 0), 1);
    EQ(get(ch, 0), 3);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(a_select_sends_once_there_is_room)
{
    weir_chan *ch = chan(8, 10, WEIR_BLOCK);
    struct sender first = {ch, 2, 8, WEIR_S(5), 99};
    weir_scope *s = weir_scope_open(NULL);

    EQ(put(ch, 1, 6, 0), 1);
    GO(s, selects, &first);
    world_settle();
    EQ(get(ch, 0), 1);
    EQ(weir_scope_close(&s), 0);
    LE(0, first.result);
    EQ(stats(ch).weight, 8);
    EQ(get(ch, 0), 2);
    EQ(get(ch, 0), -EAGAIN); /* by one of its cases */
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(a_cancel_and_a_close_leave_the_item_with_its_sender)
{
    weir_chan *ch = chan(8, 10, WEIR_BLOCK);
    struct sender w[] = {{ch, 2, 8, 0, 0}, {ch, 3, 9, 0, 0}};
    weir_scope *s = weir_scope_open(NULL), *t = weir_scope_open(NULL);

    EQ(put(ch, 1, 10, 0), 1);
    line_up(s, w, 1);
    line_up(t, w + 1, 1);
    EQ(weir_scope_cancel(t, -ECANCELED), 0);
    EQ(weir_scope_close(&t), -ECANCELED);
    EQ(w[1].result, -ECANCELED);
    EQ(w[0].result, 99);
    EQ(weir_chan_close(ch, 0), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w[0].result, WEIR_ECLOSED);
    EQ(put(ch, 4, 11, 0), WEIR_ECLOSED);
    EQ(get(ch, 0), 1);
    EQ(get(ch, 0), WEIR_ECLOSED);
    EQ(dropped, 0);
    weir_chan_free(&ch);

    ch = chan(8, 10, WEIR_BLOCK);
    EQ(put(ch, 1, 3, 0), 1);
    EQ(weir_chan_shut(ch), 0);
    EQ(dropped, 1);
    EQ(stats(ch).weight, 0);
    EQ(put(ch, 1, 3, 0), -EPIPE);
    weir_chan_free(&ch);
    return 0;
}

static uint64_t load_weight_by_moment(void *ctx, const void *item)
{
    (void)item;
    return *(uint64_t *)ctx;
}

SIM_TEST(an_item_that_grows_while_it_waits_is_told_when_it_can_fit_no_more)
{
    uint64_t weight = 10;
    weir_chan *ch = weir_chan_with(
        load_type(),
        &(struct weir_chan_opts){
            .capacity = 4, .weight = 10, .weigh = load_weight_by_moment, .ctx = &weight});
    struct sender w = {ch, 2, 1, 0, 0};
    weir_scope *s = weir_scope_open(NULL);

    EQ(put(ch, 1, 1, 0), 1);
    line_up(s, &w, 1);
    weight = 11;
    EQ(get(ch, 0), 1);
    EQ(weir_scope_close(&s), 0);
    EQ(w.result, WEIR_ETOOLARGE);
    EQ(stats(ch).weight, 0);
    weir_chan_free(&ch);
    return 0;
}

/* --- options and n at a time ------------------------------------------- */

static int error_of(struct weir_chan_opts o)
{
    weir_chan *ch = weir_chan_with(load_type(), &o);
    int r = weir_chan_error(ch);

    weir_chan_free(&ch);
    return r;
}

#define ERROR_OF(...) error_of((struct weir_chan_opts){__VA_ARGS__})

SIM_TEST(both_bounds_are_given_or_none)
{
    EQ(ERROR_OF(.capacity = 1, .weigh = load_weight), -EINVAL);
    EQ(ERROR_OF(.capacity = 1, .weight = 1), -EINVAL);
    EQ(ERROR_OF(.weight = 1, .weigh = load_weight), -EINVAL);
    EQ(ERROR_OF(.capacity = SIZE_MAX / 8, .weight = 1, .weigh = load_weight), -EINVAL);
    EQ(ERROR_OF(.capacity = 1, .weight = 1, .weigh = load_weight), 0);
    EQ(ERROR_OF(.capacity = 1, .weight = UINT64_MAX, .weigh = load_weight), 0);
    return 0;
}

static uint64_t load_huge(void *ctx, const void *item)
{
    (void)ctx;
    return ((const struct load *)item)->bytes ? UINT64_MAX - 1 : 2;
}

SIM_TEST(the_sum_of_weights_does_not_run_over)
{
    weir_chan *ch = weir_chan_with(
        load_type(),
        &(struct weir_chan_opts){.capacity = 4, .weight = UINT64_MAX, .weigh = load_huge});

    for (int i = 0; i < 3; i++) { /* the total has run over by the second */
        EQ(put(ch, 1, 1, 0), 1);
        EQ(put(ch, 2, 0, 0), -EAGAIN);
        EQ(stats(ch).weight, UINT64_MAX - 1);
        EQ(get(ch, 0), 1);
        EQ(put(ch, 2, 0, 0), 1);
        EQ(put(ch, 1, 1, 0), -EAGAIN);
        EQ(get(ch, 0), 2);
    }
    weir_chan_free(&ch);
    return 0;
}

static int sends_many(void *arg)
{
    struct load l[20];
    size_t done;

    for (uint32_t i = 0; i < 20; i++)
        l[i] = (struct load){i, i % 4};
    EQ(weir_chan_send_n(arg, l, sizeof *l, 20, &done, WEIR_NEVER), 20);
    return 0;
}

SIM_TEST(many_at_a_time_keep_to_the_bound)
{
    weir_chan *ch = chan(6, 7, WEIR_BLOCK);
    weir_scope *s = weir_scope_open(NULL);
    struct load l[8];
    uint32_t next = 0;
    size_t n;

    GO(s, sends_many, ch);
    while (next < 20) {
        LT(0, weir_chan_recv_n(ch, l, sizeof *l, 1 + test_random() % 8, &n, WEIR_NEVER));
        for (size_t i = 0; i < n; i++)
            EQ(l[i].id, next++);
        LE(stats(ch).weight, 7);
    }
    EQ(weir_scope_close(&s), 0);
    LE(stats(ch).high_weight, 7);
    weir_chan_free(&ch);
    return 0;
}

static int chan_life(void *arg)
{
    weir_chan *ch = weir_chan_with(
        load_type(), &(struct weir_chan_opts){
                         .capacity = 4, .weight = 6, .weigh = load_weight, .ctx = &weighed});
    struct sender w = {ch, 2, 5, 0, 0};
    weir_scope *s = weir_scope_open(NULL);
    int sent = 0;

    (void)arg;
    dropped = 0;
    if (weir_chan_error(ch) == 0) {
        sent += put(ch, 1, 4, WEIR_NEVER) > 0;
        if (weir_go(s, sends, &w) == 0)
            (void)weir_yield();
        (void)weir_yield();
        sent -= get(ch, 0) == 1;
    } else {
        EQ(weir_chan_error(ch), -ENOMEM);
    }
    (void)weir_scope_close(&s);
    sent += w.result > 0;
    weir_chan_free(&ch);
    EQ(dropped, sent);
    return 0;
}

static void chan_life_run(void *arg)
{
    (void)world_run(chan_life, arg);
}

TEST(whatever_fails_no_item_is_lost)
{
    EVERY_POINT(chan_life_run, NULL);
}
