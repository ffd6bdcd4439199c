/*
 * group.h -- several loops, a thread each, that run one program.
 */
#ifndef WEIR__CORE_GROUP_H
#define WEIR__CORE_GROUP_H

#include <pthread.h>
#include <weir/loop.h>

#include "core/core.h"

/*
 *     stir = loops that are not still + letters between loops that nobody has read
 *
 * At 0 nothing can ever happen again: that is a deadlock of the whole.
 */
struct weir__group {
    uint32_t stir; /* atomic */
    uint32_t count;
    uint32_t pens;           /* the lock of all lists of pens */
    struct weir__letter cut; /* to the loop that has to cancel `stuck` */
    struct weir__node *stuck;
    uint32_t tokens;              /* the lock of all cancel tokens */
    struct weir__helper *helpers; /* of the loops but the first */
    pthread_barrier_t quiet;      /* nobody posts any more: inboxes may go */
    struct weir__loop **loops;
};

/* To another loop of the group, from one of it. */
void weir__group_post(struct weir__loop *to, struct weir__letter *letter);
/* A counted letter has been read. */
void weir__group_read(struct weir__loop *l);
/* The loop is not, or no longer, still.  Nothing without a group. */
void weir__group_stir(struct weir__loop *l);
/* It sleeps now, with nothing of its own to wake it; or deals with a deadlock. */
void weir__group_sleep(struct weir__loop *l);

/* weir_run for config->loops > 1. */
int weir__group_run(const struct weir_config *config, struct weir__main *m);

/* The loop of an index or of WEIR_ANY_LOOP; NULL if there is none. */
struct weir__loop *weir__group_pick(struct weir__loop *here, int index);
/* The n-th after this one, counted round, or the one of WEIR_ANY_LOOP; this one if it is alone. */
struct weir__loop *weir__group_beyond(struct weir__loop *here, int n);

int weir__far_start(struct weir__loop *to, weir_scope *s, int (*fn)(void *), void *arg,
                    const struct weir_go_opts *opts, const void *site);
void weir__fars_cancel(weir_scope *s);
void weir__fars_drain(weir_scope *s);
/*
 * The scope itself on its own loop; for a member that runs on another, what stands for it there,
 * and is drained and cancelled when it is; NULL for anybody else.
 */
weir_scope *weir__far_stand_in(weir_scope *s);
/* A fiber of a scope that stands for another has ended. */
void weir__far_ended(struct weir__far *far, const struct weir__fiber *f, int result);
/*
 * Runs fn(arg), which gives 0, on a fiber of the loop of an index, and waits for it; a cancel of
 * this fiber is one of that.  0, or fn has not run or was cancelled: -ENOMEM, -ECANCELED.
 */
int weir__far_ask(uint32_t index, int (*fn)(void *), void *arg);
/*
 * The same on the loop with this number, deaf to cancel; without memory it waits for some.
 * False if there is no such loop, or no fiber here.
 */
bool weir__far_call(uint64_t number, int (*fn)(void *), void *arg);
/* Whether its fiber is parked and nothing shields it; when all loops are still. */
bool weir__far_stuck(const struct weir__list *link);

#endif
