/*
 * outside_sync.c -- the calls of plain threads on what is not a channel: each is
 * made by a fiber on the door's loop, with the thread as the holder of a lock.
 */
#include <weir/oneshot.h>
#include <weir/token.h>
#include <weir/topic.h>
#include <weir/watch.h>

#include "core/door.h"

static int outside_make(void *arg)
{
    struct weir__out *o = arg;

    o->result = o->make(o);
    return 0;
}

int weir__out(struct weir__out *o)
{
    int r;

    o->who = &weir__door_here; /* an address that no other thread and no fiber has */
    r = weir_door_call(outside_make, o);
    return r < 0 ? r : o->result;
}

int weir__out_call(int (*make)(struct weir__out *o), enum weir__out_op op, void *object,
                   const void *item, size_t size, weir_time deadline)
{
    return weir__out(&(struct weir__out){.make = make,
                                         .op = op,
                                         .object = object,
                                         .item = (void *)item,
                                         .size = size,
                                         .deadline = deadline});
}

/* --- sync.h ------------------------------------------------------------ */

static int outside_lock(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_LOCK:
        return weir__mutex_lock_as(o->object, o->deadline, o->who);
    case WEIR__OUT_UNLOCK:
        return weir__mutex_unlock_as(o->object, o->who);
    case WEIR__OUT_READ:
        return weir__rwlock_take_as(o->object, false, o->deadline, o->who);
    case WEIR__OUT_WRITE:
        return weir__rwlock_take_as(o->object, true, o->deadline, o->who);
    case WEIR__OUT_RW_UNLOCK:
        return weir__rwlock_unlock_as(o->object, o->who);
    default:
        return weir__rwlock_downgrade_as(o->object, o->who);
    }
}

int weir__out_sync(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_SEM_RESIZE:
        return weir_sem_resize(o->object, o->size);
    case WEIR__OUT_SEM_FORGET:
        return weir_sem_forget(o->object, o->size);
    case WEIR__OUT_SEM_TAKEN:
        *(uint64_t *)o->item = weir_sem_taken(o->object);
        return 0;
    case WEIR__OUT_LATCH_ADD:
        return weir_latch_add(o->object, o->size);
    case WEIR__OUT_LATCH_DOWN:
        return weir_latch_down(o->object, o->size);
    case WEIR__OUT_LATCH_WAIT:
        return weir_latch_wait(o->object, o->deadline);
    case WEIR__OUT_ONCE:
        return weir_once_call(o->object, o->fn, o->item);
    default:
        return outside_lock(o);
    }
}

/* --- oneshot.h --------------------------------------------------------- */

int weir__out_oneshot(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_NEW:
        *(weir_future **)o->item = weir_promise_future(o->object);
        return 0;
    case WEIR__OUT_SEND:
        return weir_promise_send(o->object, o->item, o->size);
    case WEIR__OUT_FAIL:
        return weir_promise_fail(o->object, o->code);
    case WEIR__OUT_WAIT:
        return weir_promise_wait(o->object, o->deadline);
    case WEIR__OUT_RECV:
        return weir_future_recv(o->object, o->item, o->size, o->deadline);
    case WEIR__OUT_FREE:
        weir_promise_free(o->object);
        return 0;
    default:
        weir_future_free(o->object);
        return 0;
    }
}

/* --- watch.h ----------------------------------------------------------- */

static int outside_watcher(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_INIT:
        return weir_watcher_init(o->object, o->item);
    case WEIR__OUT_RECV:
        return weir_watcher_recv(o->object, o->item, o->size, o->deadline);
    case WEIR__OUT_UNTIL:
        return weir_watcher_until(o->object, o->want, o->ctx, o->item, o->size, o->deadline);
    case WEIR__OUT_REWIND:
        weir_watcher_rewind(o->object);
        return 0;
    default:
        weir_watcher_fini(o->object);
        return 0;
    }
}

int weir__out_watch(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_SEND:
        return weir_watch_set(o->object, o->item, o->size);
    case WEIR__OUT_EDIT:
        return weir_watch_edit(o->object, o->edit, o->ctx);
    case WEIR__OUT_GET:
        return weir_watch_get(o->object, o->item, o->size);
    case WEIR__OUT_VERSION:
        *(uint64_t *)o->item = weir_watch_version(o->object);
        return 0;
    case WEIR__OUT_CLOSE:
        return weir_watch_close(o->object, o->code);
    case WEIR__OUT_FREE:
        weir_watch_free(o->object);
        return 0;
    default:
        return outside_watcher(o);
    }
}

/* --- topic.h ----------------------------------------------------------- */

static int outside_sub(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_RECV:
        return weir_sub_recv(o->object, o->item, o->size, o->deadline);
    case WEIR__OUT_GET:
        return weir_sub_stats(o->object, o->item);
    case WEIR__OUT_GAP:
        *(uint64_t *)o->item = weir_sub_gap(o->object);
        return 0;
    default:
        weir_sub_free(o->object);
        return 0;
    }
}

int weir__out_topic(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_NEW:
        *(weir_sub **)o->item = weir_topic_subscribe(o->object, o->ctx);
        return 0;
    case WEIR__OUT_SEND:
        return weir_topic_send(o->object, o->item, o->size, o->deadline);
    case WEIR__OUT_CLOSE:
        return weir_topic_close(o->object, o->code);
    case WEIR__OUT_STATS:
        return weir_topic_stats(o->object, o->item);
    case WEIR__OUT_FREE:
        weir_topic_free(o->object);
        return 0;
    default:
        return outside_sub(o);
    }
}

/* --- token.h ----------------------------------------------------------- */

int weir__out_token(struct weir__out *o)
{
    switch (o->op) {
    case WEIR__OUT_INIT:
        return weir_token_init(o->object, o->item, o->deadline);
    case WEIR__OUT_FINI:
        return weir_token_fini(o->object);
    case WEIR__OUT_CLOSE:
        return weir_token_cancel(o->object, o->code);
    case WEIR__OUT_WAIT:
        return weir_token_wait(o->object, o->deadline);
    default:
        return weir_token_run(o->object, o->fn, o->item);
    }
}
