/*
 * waiters.h -- the queue in which fibers wait for a primitive: two words, zero
 * until first used, and what makes the primitive safe between loops.
 *
 * State changes in sections only: from the first line of a primitive's function
 * to its end, or to the stand, nobody else runs.  With one loop that is so by
 * itself; with many the object's lock guards the section (weir__guard), and the
 * stand gives it.
 *
 * Who hands something to a waiter first wakes it, which only one can, and then
 * books it: the woken fiber runs after the section.  A cancel or a deadline
 * that comes second finds it awake and passes on, so nothing is lost between
 * the hand-over and the run.
 *
 * An object in the caller's memory may be gone once its waiter has been served,
 * for that looks at it no more; one that gave up comes back to the lock.  An
 * object that is ours is a block, and each fiber that stands there holds it.
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

/* --- standing ---------------------------------------------------------- */

/*
 * With one loop: parks the running fiber as the last in the queue; what
 * weir__wait gives, or WEIR_ENOFIBER.  `w` is off the queue when this returns.
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
    r = weir__wait_solo(me, deadline, what, words);
    weir__list_remove(&w->link);
    return r;
}

/*
 * With many: gives the lock and parks.  True in *served: somebody has taken
 * the waiter off the queue, and the object may be gone; else the lock is held
 * again.
 */
int weir__waiters_stand_many(void *words[2], struct weir__waiter *w, weir_time deadline,
                             const char *what, struct weir__loop *g, uint32_t *lock, bool *served);
int weir__waiters_wait_many(void *words[2], void *item, weir_time deadline, const char *what,
                            struct weir__loop *g, uint32_t *lock);

/*
 * Ends a section, which `g` guards unless it is NULL, with a wait; a deadline
 * of 0 does not.  `item` is where the one who wakes it puts what it waits for.
 */
static inline __attribute__((always_inline)) int
weir__waiters_wait(void *words[2], void *item, weir_time deadline, const char *what,
                   struct weir__loop *g, uint32_t *lock)
{
    struct weir__waiter w;

    if (WEIR_THREADS && WEIR__UNLIKELY(g))
        return weir__waiters_wait_many(words, item, deadline, what, g, lock);
    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, NULL, item);
    return weir__waiters_stand(words, &w, deadline, what);
}

/* --- waking, in a section ---------------------------------------------- */

static inline struct weir__waiter *weir__waiters_entry(struct weir__list *at)
{
    return WEIR__ENTRY(at, struct weir__waiter, link);
}

/* The first who still sleeps, left in its place; those before it are off the queue.  Or NULL. */
static inline struct weir__waiter *weir__waiters_first(void *words[2])
{
    struct weir__list *list = weir__list_of(words);

    while (!weir__list_empty(list)) {
        struct weir__waiter *w = weir__waiters_entry(list->next);

        if (weir__sleeps(w->fiber))
            return w;
        weir__list_remove(&w->link);
    }
    return NULL;
}

/* Takes it off the queue.  False: another hand was faster, and nothing is handed to it. */
static inline bool weir__waiters_wake(struct weir__waiter *w, int result)
{
    weir__list_remove(&w->link);
    return weir__wake(w->fiber, result, w);
}

/* Wakes the first that can be: it is off the queue, and runs after the section.  Or NULL. */
static inline struct weir__waiter *weir__waiters_take(void *words[2], int result)
{
    return weir__waiters_any(words) ? weir__wake_first(weir__list_of(words), result) : NULL;
}

/* Another result for one that this section has woken. */
static inline void weir__waiter_tell(struct weir__waiter *w, int result)
{
    w->fiber->wake = result;
}

static inline void weir__waiters_wake_all(void *words[2], int result)
{
    if (weir__waiters_any(words))
        weir__wake_all(weir__list_of(words), result);
}

/* --- blocks ------------------------------------------------------------ */

/* First in an object of ours.  It is freed at the end of the section that leaves no refs. */
struct weir__block {
    uint32_t lock;
    uint32_t refs; /* of handles, and with many loops of those who stand; under the lock */
    size_t bytes;
};

static inline void weir__block_unguard(struct weir__loop *g, struct weir__block *b)
{
    bool last = b->refs == 0;

    weir__unguard(g, &b->lock);
    if (WEIR__UNLIKELY(last))
        weir__free(b, b->bytes);
}

int weir__block_wait_many(struct weir__block *b, void *words[2], void *item, weir_time deadline,
                          const char *what, struct weir__loop *g);

/* As weir__waiters_wait.  With one loop who frees the object takes all off its queues first. */
static inline __attribute__((always_inline)) int
weir__block_wait(struct weir__block *b, void *words[2], void *item, weir_time deadline,
                 const char *what, struct weir__loop *g)
{
    if (WEIR_THREADS && WEIR__UNLIKELY(g))
        return weir__block_wait_many(b, words, item, deadline, what, g);
    return weir__waiters_wait(words, item, deadline, what, NULL, NULL);
}

#endif
