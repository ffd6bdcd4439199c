/*
 * select.c -- one of several.  Tries each case, from a random one on; then
 * stands in all lists at once, and leaves all before it returns, so only the
 * case that fired has moved an item.
 */
#include "core/select.h"

enum { SELECT_FEW = 4, SELECT_MOST = 64 };

/* Those that are no channel and no scope. */
static const struct weir__select_kind *const select_kinds[] = {
    [WEIR_SELECT_EVENT] = &weir__select_event, [WEIR_SELECT_FUTURE] = &weir__select_future,
    [WEIR_SELECT_WATCH] = &weir__select_watch, [WEIR_SELECT_SUB] = &weir__select_sub,
    [WEIR_SELECT_TOKEN] = &weir__select_token,
};

enum { SELECT_KINDS = sizeof select_kinds / sizeof *select_kinds };

static int select_check(const struct weir_select *cases, size_t n, weir_time deadline)
{
    if (!cases || n == 0 || n > SELECT_MOST)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        const weir_chan *ch = cases[i].object;

        if (!ch || cases[i].kind < WEIR_SELECT_RECV || cases[i].kind >= SELECT_KINDS)
            return -EINVAL;
        if (select_kinds[cases[i].kind]) {
            int r = select_kinds[cases[i].kind]->check(&cases[i]);

            if (r < 0)
                return r;
            continue;
        }
        if (cases[i].kind != WEIR_SELECT_STOP && !ch->poison &&
            (!cases[i].item || cases[i].size != ch->size))
            return cases[i].item ? WEIR_ETYPE : -EINVAL;
    }
    return weir__deadline_check(deadline);
}

/* True if the case could go on, and did. */
static bool select_try(struct weir_select *c)
{
    weir_chan *ch = c->object;

    if (select_kinds[c->kind]) {
        c->result = select_kinds[c->kind]->look(c->object, c->item);
        return c->result != WEIR__CHAN_PARK;
    }
    if (c->kind == WEIR_SELECT_STOP) {
        weir_scope *s = c->object;

        c->result = s->poison ? s->poison : s->draining || s->node.why;
        return c->result != 0;
    }
    if (ch->poison)
        c->result = ch->poison;
    else
        c->result = c->kind == WEIR_SELECT_RECV ? weir__chan_recv_now(ch, c->item)
                                                : weir__chan_send_now(ch, c->item);
    return c->result != WEIR__CHAN_PARK;
}

static struct weir__list *select_list(struct weir_select *c)
{
    weir_chan *ch = c->object;

    if (select_kinds[c->kind])
        return weir__list_of(select_kinds[c->kind]->queue(c->object));
    if (c->kind == WEIR_SELECT_STOP)
        return &((weir_scope *)c->object)->stop_waiters;
    return c->kind == WEIR_SELECT_RECV ? &ch->receivers : &ch->senders;
}

static int select_wait(struct weir_select *cases, size_t n, weir_time deadline,
                       struct weir__fiber *me, struct weir__waiter *w)
{
    int r;

    for (size_t i = 0; i < n; i++) {
        weir__waiter_init(&w[i], me, cases[i].item);
        w[i].index = (uint32_t)i;
        weir__list_append(select_list(&cases[i]), &w[i].link);
    }
    r = weir__wait(me, deadline, "select", cases[0].object);
    for (size_t i = 0; i < n; i++)
        weir__list_remove(&w[i].link);
    if (me->hit && me->hit >= w && me->hit < w + n) {
        cases[me->hit->index].result = r;
        return (int)me->hit->index;
    }
    return r;
}

static int select_wait_few(struct weir_select *cases, size_t n, weir_time deadline,
                           struct weir__fiber *me)
{
    struct weir__waiter w[SELECT_FEW];

    return select_wait(cases, n, deadline, me, w);
}

/* A frame of its own: only a wide select pays for a wide array on its stack. */
static __attribute__((noinline)) int select_wait_many(struct weir_select *cases, size_t n,
                                                      weir_time deadline, struct weir__fiber *me)
{
    struct weir__waiter w[SELECT_MOST];

    return select_wait(cases, n, deadline, me, w);
}

int weir_select(struct weir_select *cases, size_t n, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    int r = select_check(cases, n, deadline);
    size_t start;

    if (r < 0)
        return r;
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    me->loop->rng = me->loop->rng * 6364136223846793005u + 1442695040888963407u;
    start = (size_t)(me->loop->rng >> 33) % n;
    for (size_t i = 0; i < n; i++) {
        size_t k = (start + i) % n;

        if (select_try(&cases[k]))
            return (int)k;
    }
    return n <= SELECT_FEW ? select_wait_few(cases, n, deadline, me)
                           : select_wait_many(cases, n, deadline, me);
}
