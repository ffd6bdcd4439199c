/*
 * door.h -- which calls of plain threads have to go round by the loop.
 */
#ifndef WEIR__CORE_DOOR_H
#define WEIR__CORE_DOOR_H

#include <weir/chan.h>
#include <weir/door.h>
#include <weir/sync.h>

#include "core/core.h"

extern __thread weir_door *weir__door_here; /* the one this thread has entered */

/* A thread without a loop that has entered a door. */
static inline bool weir__outside(void)
{
    return WEIR_THREADS && WEIR__UNLIKELY(!weir__solo_here) && !weir__loop_here && weir__door_here;
}

/* The public calls of the same names, made on the loop. */
int weir__outside_send(weir_chan *ch, const void *item, size_t size, weir_time deadline);
int weir__outside_recv(weir_chan *ch, void *item, size_t size, weir_time deadline);
ssize_t weir__outside_send_n(weir_chan *ch, const void *items, size_t size, size_t n, size_t *done,
                             weir_time deadline);
ssize_t weir__outside_recv_n(weir_chan *ch, void *items, size_t size, size_t max, size_t *done,
                             weir_time deadline);
int weir__outside_close(weir_chan *ch, int why);
int weir__outside_shut(weir_chan *ch);
void weir__outside_free(weir_chan **ch);
int weir__outside_producer_add(weir_chan *ch);
int weir__outside_producer_done(weir_chan *ch, int result);
size_t weir__outside_length(const weir_chan *ch);
int weir__outside_stats(const weir_chan *ch, struct weir_chan_stats *out);
int weir__outside_select(struct weir_select *cases, size_t n, weir_time deadline);
int weir__outside_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline);
int weir__outside_sem_give(struct weir_sem *s, uint64_t n);
void weir__outside_sem_close(struct weir_sem *s);
void weir__outside_event_set(struct weir_event *e);
void weir__outside_event_clear(struct weir_event *e);
int weir__outside_event_wait(struct weir_event *e, weir_time deadline);
/* What weir_offload_own promises: -ECANCELED means that arg has been given away. */
static inline void weir__offload_own_drop(int result, void *arg, void (*drop)(void *))
{
    if (result == -ECANCELED && drop)
        drop(arg);
}

int weir__outside_offload(int (*fn)(void *), void *arg, bool own, void (*drop)(void *));
int weir__outside_scope_cancel(weir_scope *s, int why);

/*
 * A public call of a plain thread, made on the loop by a fiber: which one, with
 * what.  `who` is set to what stands for the thread where a fiber would be.
 */
enum weir__out_op {
    WEIR__OUT_SEM_RESIZE,
    WEIR__OUT_SEM_FORGET,
    WEIR__OUT_SEM_TAKEN,
    WEIR__OUT_LOCK,
    WEIR__OUT_UNLOCK,
    WEIR__OUT_READ,
    WEIR__OUT_WRITE,
    WEIR__OUT_RW_UNLOCK,
    WEIR__OUT_DOWNGRADE,
    WEIR__OUT_LATCH_ADD,
    WEIR__OUT_LATCH_DOWN,
    WEIR__OUT_LATCH_WAIT,
    WEIR__OUT_ONCE,
    WEIR__OUT_NEW, /* the other end, a subscription, a token */
    WEIR__OUT_SEND,
    WEIR__OUT_FAIL,
    WEIR__OUT_WAIT,
    WEIR__OUT_RECV,
    WEIR__OUT_CLOSE,
    WEIR__OUT_FREE,
    WEIR__OUT_FREE_OTHER,
    WEIR__OUT_EDIT,
    WEIR__OUT_GET,
    WEIR__OUT_VERSION,
    WEIR__OUT_INIT,
    WEIR__OUT_FINI,
    WEIR__OUT_REWIND,
    WEIR__OUT_UNTIL,
    WEIR__OUT_STATS,
    WEIR__OUT_GAP,
    WEIR__OUT_RUN,
};

struct weir__out {
    int (*make)(struct weir__out *o);
    enum weir__out_op op;
    int code;
    void *object, *item;
    size_t size;
    weir_time deadline;
    int (*fn)(void *);
    int (*edit)(void *ctx, void *value);
    int (*want)(void *ctx, const void *value);
    void *ctx;
    void *who;
    int result;
};

/* What the call gave, or the door's answer if it was never made. */
int weir__out(struct weir__out *o);
int weir__out_call(int (*make)(struct weir__out *o), enum weir__out_op op, void *object,
                   const void *item, size_t size, weir_time deadline);

int weir__out_sync(struct weir__out *o);
int weir__out_oneshot(struct weir__out *o);
int weir__out_watch(struct weir__out *o);
int weir__out_topic(struct weir__out *o);
int weir__out_token(struct weir__out *o);

/* Locks by whoever `who` stands for: a fiber, or a thread that has entered a door. */
int weir__mutex_lock_as(struct weir_mutex *m, weir_time deadline, void *who);
int weir__mutex_unlock_as(struct weir_mutex *m, void *who);
int weir__rwlock_take_as(struct weir_rwlock *l, bool write, weir_time deadline, void *who);
int weir__rwlock_unlock_as(struct weir_rwlock *l, void *who);
int weir__rwlock_downgrade_as(struct weir_rwlock *l, void *who);

/* Whether a thread may still come in by any door and wake somebody. */
bool weir__doors_open(const struct weir__loop *l);
/* Whether a thread that has entered is busy with something else than a call. */
bool weir__doors_busy(const struct weir__loop *l);
/* The loop ends: from here on no letter comes through a door. */
void weir__doors_shut(struct weir__loop *l);

#endif
