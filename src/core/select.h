/*
 * select.h -- what a thing has to offer to be a case of weir_select.
 */
#ifndef WEIR__CORE_SELECT_H
#define WEIR__CORE_SELECT_H

#include "core/chan.h"
#include "core/waiters.h"

/*
 * `check` judges a case's fields: 0 or the failure of the whole select.  `look`
 * never parks: the case's result, done, or WEIR__CHAN_PARK.  `queue` is where
 * to stand; who wakes a waiter there moves the item into w->item, and gives
 * the result.  So the object may be gone when the one who waited runs.
 *
 * With many loops `look`, `ready` and `queue` are called under `lock` (NULL: not
 * needed); `ready` is whether `look` would do something.  `block`: the lock is
 * the first word of a weir__block, which is held by who stands there.
 */
struct weir__select_kind {
    int (*check)(const struct weir_select *c);
    int (*look)(void *object, void *item);
    bool (*ready)(const void *object);
    void **(*queue)(void *object);
    uint32_t *(*lock)(void *object);
    bool block;
};

extern const struct weir__select_kind weir__select_event, weir__select_future, weir__select_watch,
    weir__select_sub, weir__select_token, weir__select_fd;

/* A descriptor has no queue: so one stands there and leaves by these, and looks again when hit. */
void weir__fd_stand(struct weir_select *c, struct weir__waiter *w);
void weir__fd_leave(struct weir_select *c, struct weir__waiter *w);

#endif
