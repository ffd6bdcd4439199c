/*
 * select.c -- one of several.  Tries each case, from a random one on; then
 * stands in all lists at once, and leaves all before it returns, so only the
 * case that fired has moved an item.
 */
#include "core/door.h"
#include "core/group.h"
#include "core/select.h"

enum { SELECT_FEW = 4, SELECT_MOST = 64 };

/* Those that are no channel and no scope. */
static const struct weir__select_kind *const select_kinds[] = {
    [WEIR_SELECT_EVENT] = &weir__select_event, [WEIR_SELECT_FUTURE] = &weir__select_future,
    [WEIR_SELECT_WATCH] = &weir__select_watch, [WEIR_SELECT_SUB] = &weir__select_sub,
    [WEIR_SELECT_TOKEN] = &weir__select_token, [WEIR_SELECT_FD] = &weir__select_fd,
};

enum { SELECT_KINDS = sizeof select_kinds / sizeof *select_kinds };

/* One direction of a descriptor has one waiter: two cases for it would be two. */
static bool select_fd_twice(const struct weir_select *cases, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (cases[k].kind == WEIR_SELECT_FD && cases[k].object == cases[i].object &&
            (uintptr_t)cases[k].item & (uintptr_t)cases[i].item)
            return true;
    return false;
}

static int select_check(const struct weir_select *cases, size_t n, weir_time deadline)
{
    if (WEIR_ARG(cases && n > 0 && n <= SELECT_MOST) < 0)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        const weir_chan *ch = cases[i].object;

        if (ch && cases[i].kind == WEIR_SELECT_STOP && !weir__far_stand_in(cases[i].object))
            return -EXDEV;
        if (cases[i].kind == WEIR_SELECT_FD) {
            if (select_fd_twice(cases, i) || weir__select_fd.check(&cases[i]) < 0)
                return -EINVAL;
            continue;
        }
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

static __attribute__((noinline)) int select_look_many(const struct weir__select_kind *kind,
                                                      struct weir_select *c)
{
    uint32_t *lock = kind->lock(c->object);
    struct weir__loop *g = lock ? weir__guard(lock) : NULL;
    int r = kind->look(c->object, c->item);

    if (g)
        weir__unguard(g, lock);
    return r;
}

/* True if the case could go on, and did. */
static bool select_try(struct weir_select *c)
{
    const struct weir__select_kind *kind = select_kinds[c->kind];
    weir_chan *ch = c->object;

    if (kind) {
        c->result = !WEIR_THREADS || WEIR__LIKELY(weir__solo_here) ? kind->look(c->object, c->item)
                                                                   : select_look_many(kind, c);
        return c->result != WEIR__CHAN_PARK;
    }
    if (c->kind == WEIR_SELECT_STOP) {
        const weir_scope *s = weir__far_stand_in(c->object);

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
        return &weir__far_stand_in(c->object)->stop_waiters;
    return c->kind == WEIR_SELECT_RECV ? &ch->receivers : &ch->senders;
}

static void select_join(struct weir_select *c, struct weir__waiter *w)
{
    if (c->kind == WEIR_SELECT_FD)
        weir__fd_stand(c, w);
    else
        weir__list_append(select_list(c), &w->link);
}

/* Whoever stood behind us in a channel that weighs may be lighter. */
static void select_part(struct weir_select *c, struct weir__waiter *w)
{
    weir_chan *ch = c->object;

    if (c->kind == WEIR_SELECT_FD) {
        weir__fd_leave(c, w);
        return;
    }
    if (weir__list_empty(&w->link)) /* the object may be gone */
        return;
    weir__list_remove(&w->link);
    if (c->kind == WEIR_SELECT_SEND && ch->weigh)
        (void)weir__weighed_admit(ch);
}

enum { SELECT_AGAIN = INT_MIN, SELECT_STOOD = INT_MIN + 1 };

/* The case that was hit, or SELECT_AGAIN if that was a false alarm. */
static int select_hit(struct weir_select *cases, const struct weir__waiter *hit, int r)
{
    struct weir_select *c = &cases[hit->index];

    c->result = r;
    if (c->kind == WEIR_SELECT_FD && r > 0 && !select_try(c))
        return SELECT_AGAIN;
    return (int)hit->index;
}

static int select_wait(struct weir_select *cases, size_t n, weir_time deadline,
                       struct weir__fiber *me, struct weir__waiter *w)
{
    int r;

    for (size_t i = 0; i < n; i++) {
        weir__waiter_init(&w[i], me, cases[i].item);
        w[i].index = (uint32_t)i;
        select_join(&cases[i], &w[i]);
    }
    r = weir__wait_solo(me, deadline, "select", cases[0].object);
    for (size_t i = 0; i < n; i++)
        select_part(&cases[i], &w[i]);
    return me->hit && me->hit >= w && me->hit < w + n ? select_hit(cases, me->hit, r) : r;
}

/* --- many loops -------------------------------------------------------- */

static bool select_ready(const struct weir_select *c, const struct weir__fiber *me)
{
    const weir_chan *ch = c->object;

    if (select_kinds[c->kind])
        return select_kinds[c->kind]->ready(c->object);
    weir__check(c->object); /* as select_check saw to */
    if (c->kind == WEIR_SELECT_STOP) {
        const weir_scope *s = weir__far_stand_in(c->object);

        return s->poison || s->draining || s->node.why;
    }
    return ch->poison || weir__chan_ready(c->object, c->kind == WEIR_SELECT_RECV, c->item, me);
}

/* The lock of what a case waits for; NULL where there is none. */
static uint32_t *select_lock(struct weir_select *c)
{
    if (select_kinds[c->kind])
        return select_kinds[c->kind]->lock(c->object);
    return c->kind == WEIR_SELECT_STOP ? NULL : &((weir_chan *)c->object)->lock;
}

static void select_join_many(struct weir_select *c, struct weir__waiter *w, uint32_t *lock)
{
    const struct weir__select_kind *kind = select_kinds[c->kind];

    if (c->kind != WEIR_SELECT_STOP && !kind) {
        weir__chan_stand(c->object, select_list(c), w);
        return;
    }
    select_join(c, w);
    w->lock = lock;
    if (kind && kind->block) {
        weir__check(lock);
        ((struct weir__block *)(void *)lock)->refs++;
    }
}

/*
 * Stands at one case.  SELECT_STOOD; or, if the case can go on by now, 0 with
 * our own claim taken, so that nobody serves another one meanwhile; SELECT_AGAIN
 * if somebody has already.
 */
static int select_stand(struct weir_select *c, struct weir__fiber *me, struct weir__waiter *w)
{
    uint32_t *lock = select_lock(c);
    struct weir__loop *g = lock ? weir__guard(lock) : NULL;
    int r = SELECT_STOOD;

    if (select_ready(c, me))
        r = weir__claim_take(me) ? 0 : SELECT_AGAIN;
    else
        select_join_many(c, w, lock);
    if (g)
        weir__unguard(g, lock);
    return r;
}

/* No longer at a case that is no channel.  `served`: it may be gone, unless it is a block. */
static void select_drop(struct weir_select *c, struct weir__waiter *w, bool served)
{
    const struct weir__select_kind *kind = select_kinds[c->kind];
    bool block = kind && kind->block;
    struct weir__loop *g;

    if (c->kind == WEIR_SELECT_FD) {
        weir__fd_leave(c, w);
        return;
    }
    if ((served && !block) || !w->lock) {
        weir__list_remove(&w->link);
        return;
    }
    g = weir__guard(w->lock);
    weir__list_remove(&w->link);
    if (block) {
        ((struct weir__block *)(void *)w->lock)->refs--;
        weir__block_unguard(g, (struct weir__block *)(void *)w->lock);
    } else {
        weir__unguard(g, w->lock);
    }
}

static void select_leave(struct weir_select *cases, size_t n, struct weir__fiber *me,
                         struct weir__waiter *w)
{
    for (size_t i = 0; i < n; i++) {
        bool served = me->hit == &w[i];

        if (cases[i].kind == WEIR_SELECT_STOP || select_kinds[cases[i].kind])
            select_drop(&cases[i], &w[i], served);
        else if (!served) /* else the channel may be gone */
            weir__chan_leave(cases[i].object, &w[i]);
    }
}

/* As select_wait, but a case may become ready while we stand up: then SELECT_AGAIN. */
static int select_wait_many(struct weir_select *cases, size_t n, weir_time deadline,
                            struct weir__fiber *me, struct weir__waiter *w)
{
    int r = SELECT_STOOD;
    size_t stood = 0;

    weir__claim_open(me);
    while (stood < n && r == SELECT_STOOD) {
        weir__waiter_init(&w[stood], me, cases[stood].item);
        w[stood].index = (uint32_t)stood;
        r = select_stand(&cases[stood], me, &w[stood]);
        stood += r == SELECT_STOOD;
    }
    if (r == 0) { /* nobody has served us, and nobody will */
        me->awaiting = false;
        select_leave(cases, stood, me, w);
        return SELECT_AGAIN;
    }
    r = weir__wait(me, deadline, "select", cases[0].object);
    select_leave(cases, stood, me, w);
    return me->hit ? select_hit(cases, me->hit, r) : r;
}

/* --- the wait ---------------------------------------------------------- */

static int select_wait_few(struct weir_select *cases, size_t n, weir_time deadline,
                           struct weir__fiber *me)
{
    struct weir__waiter w[SELECT_FEW];

    if (WEIR__UNLIKELY(weir__many(me->loop)))
        return select_wait_many(cases, n, deadline, me, w);
    return select_wait(cases, n, deadline, me, w);
}

/* A frame of its own: only a wide select pays for a wide array on its stack. */
static __attribute__((noinline)) int select_wait_wide(struct weir_select *cases, size_t n,
                                                      weir_time deadline, struct weir__fiber *me)
{
    struct weir__waiter w[SELECT_MOST];

    if (WEIR__UNLIKELY(weir__many(me->loop)))
        return select_wait_many(cases, n, deadline, me, w);
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
        return weir__outside() ? weir__outside_select(cases, n, deadline) : WEIR_ENOFIBER;
    weir__charge(me->loop);
    me->loop->rng = me->loop->rng * 6364136223846793005u + 1442695040888963407u;
    start = (size_t)(me->loop->rng >> 33) % n;
    do {
        for (size_t i = 0; i < n; i++) {
            size_t k = (start + i) % n;

            if (select_try(&cases[k]))
                return (int)k;
        }
        r = n <= SELECT_FEW ? select_wait_few(cases, n, deadline, me)
                            : select_wait_wide(cases, n, deadline, me);
    } while (r == SELECT_AGAIN);
    return r;
}
