/*
 * waiters.c -- the stand of waiters.h with many loops: the claim is opened and
 * the waiter shown while the lock is held, and the lock given before the park.
 */
#include "core/waiters.h"

/* The fiber stands, and the lock is given. */
static void waiters_show(struct weir__fiber *me, void *words[2], struct weir__waiter *w,
                         struct weir__loop *g, uint32_t *lock)
{
    w->fiber = me;
    weir__claim_open(me);
    weir__list_append(weir__list_of(words), &w->link);
    weir__unguard(g, lock);
}

int weir__waiters_stand_many(void *words[2], struct weir__waiter *w, weir_time deadline,
                             const char *what, struct weir__loop *g, uint32_t *lock, bool *served)
{
    struct weir__fiber *me = weir__self();
    int r;

    *served = false;
    if (!me)
        return WEIR_ENOFIBER;
    waiters_show(me, words, w, g, lock);
    r = weir__wait_many(me, deadline, what, words);
    *served = me->hit == w;
    if (*served)
        return r;
    weir__guard_take(g, lock);
    weir__list_remove(&w->link);
    return r;
}

int weir__waiters_wait_many(void *words[2], void *item, weir_time deadline, const char *what,
                            struct weir__loop *g, uint32_t *lock)
{
    struct weir__waiter w;
    bool served = false;
    int r = -EAGAIN;

    weir__waiter_init(&w, NULL, item);
    if (deadline != 0)
        r = weir__waiters_stand_many(words, &w, deadline, what, g, lock, &served);
    if (!served)
        weir__unguard(g, lock);
    return r;
}

int weir__block_wait_many(struct weir__block *b, void *words[2], void *item, weir_time deadline,
                          const char *what, struct weir__loop *g)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int r = me ? -EAGAIN : WEIR_ENOFIBER;

    if (deadline != 0 && me) {
        weir__waiter_init(&w, me, item);
        b->refs++;
        waiters_show(me, words, &w, g, &b->lock);
        r = weir__wait_many(me, deadline, what, words);
        weir__guard_take(g, &b->lock);
        weir__list_remove(&w.link);
        b->refs--;
    } else if (deadline == 0) {
        r = -EAGAIN;
    }
    weir__block_unguard(g, b);
    return r;
}
