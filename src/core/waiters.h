/*
 * waiters.h -- the queue in which fibers wait for a primitive that lives in the
 * caller's memory: two words, zero until first used.
 *
 * A primitive's function runs from its first line to weir__waiters_stand, or
 * to its end, without letting anybody else run: that stretch is the section a
 * lock would have to guard, and the stand is the one place in which it would
 * be let go.  State changes in such sections only.
 *
 * What is handed to a waiter is booked by the one who wakes it.  A cancel or a
 * deadline that comes second finds the fiber awake and passes on, so nothing is
 * lost between the hand-over and the run.
 */
#ifndef WEIR__CORE_WAITERS_H
#define WEIR__CORE_WAITERS_H

#include "core/core.h"

/* Operations that do not park are charged too, or a loop of them would starve the others. */
static inline void weir__waiters_charge(void)
{
    struct weir__fiber *me = weir__self();

    if (me)
        weir__charge(me->loop);
}

static inline bool weir__waiters_any(void *const words[2])
{
    return words[0] && words[0] != (const void *)words;
}

/*
 * Parks the running fiber as the last in the queue; what weir__wait gives, or
 * WEIR_ENOFIBER.  `w` is off the queue when this returns.
 */
static inline __attribute__((always_inline)) int
weir__waiters_stand(void *words[2], struct weir__waiter *w, weir_time deadline, const char *what)
{
    struct weir__fiber *me = weir__self();
    int r;

    if (!me)
        return WEIR_ENOFIBER;
    w->fiber = me;
    weir__list_append(weir__list_of(words), &w->link);
    r = weir__wait(me, deadline, what, words);
    weir__list_remove(&w->link);
    return r;
}

/* The same, after a deadline of 0; `item` is where the one who wakes it puts what it waits for. */
static inline int weir__waiters_wait(void *words[2], void *item, weir_time deadline,
                                     const char *what)
{
    struct weir__waiter w;

    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, NULL, item);
    return weir__waiters_stand(words, &w, deadline, what);
}

static inline struct weir__waiter *weir__waiters_entry(struct weir__list *at)
{
    return WEIR__ENTRY(at, struct weir__waiter, link);
}

/* One that is not has been woken by another hand, and will leave by itself. */
static inline bool weir__waiter_sleeps(const struct weir__waiter *w)
{
    return weir__sleeps(w->fiber);
}

/* The first who still sleeps, left in its place; those before it are off the queue.  Or NULL. */
static inline struct weir__waiter *weir__waiters_first(void *words[2])
{
    struct weir__list *list = weir__list_of(words);

    while (!weir__list_empty(list)) {
        struct weir__waiter *w = weir__waiters_entry(list->next);

        if (weir__waiter_sleeps(w))
            return w;
        weir__list_remove(&w->link);
    }
    return NULL;
}

/* Wakes one that weir__waiters_first has found. */
static inline void weir__waiters_wake(struct weir__waiter *w, int result)
{
    weir__list_remove(&w->link);
    (void)weir__wake(w->fiber, result, w);
}

static inline void weir__waiters_wake_all(void *words[2], int result)
{
    if (weir__waiters_any(words))
        weir__wake_all(weir__list_of(words), result);
}

#endif
