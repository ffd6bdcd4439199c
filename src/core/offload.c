/*
 * offload.c -- a bounded pool of threads for work that blocks.
 *
 * A job stands in the queue, then runs, then comes back through the inbox as
 * a letter.  Only the loop's thread and one worker ever hold it: the queue is
 * the only thing under the lock.  Threads start when there is work for them.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "core/core.h"
#include "core/door.h"
#include "core/inbox.h"

struct weir__job {
    struct weir__letter letter; /* first: the letter is the job */
    struct weir__list link;     /* in the queue; to itself once taken */
    struct weir__loop *loop;
    int (*fn)(void *);
    void *arg;
    void (*drop)(void *);
    int result;
    bool owned;     /* lives on the heap, and outlives a cancelled caller */
    bool abandoned; /* the caller has gone */
    bool ended;     /* loop's thread only */
    struct weir__fiber *fiber;
};

struct weir__offload {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct weir__list queue;
    uint32_t queued, threads, idle;
    bool stopping, wanted, told; /* room: somebody waits for it; a letter about it is under way */
    struct weir__letter room;
    size_t pending; /* jobs that have not come back; loop's thread only */
    struct weir__list room_waiters;
    uint32_t thread_limit, queue_limit;
    pthread_t ids[];
};

static size_t offload_bytes(uint32_t threads)
{
    return sizeof(struct weir__offload) + threads * sizeof(pthread_t);
}

/* --- the workers ------------------------------------------------------- */

static struct weir__job *offload_take(struct weir__offload *o)
{
    struct weir__job *j = NULL;
    bool tell = false;

    pthread_mutex_lock(&o->lock);
    o->idle++;
    while (weir__list_empty(&o->queue) && !o->stopping)
        pthread_cond_wait(&o->work, &o->lock);
    o->idle--;
    if (!weir__list_empty(&o->queue)) {
        j = WEIR__ENTRY(o->queue.next, struct weir__job, link);
        weir__list_remove(&j->link);
        o->queued--;
        tell = o->wanted && !o->told;
        o->told |= tell;
    }
    pthread_mutex_unlock(&o->lock);
    if (tell)
        weir__inbox_post(j->loop, &o->room);
    return j;
}

static void *offload_work(void *arg)
{
    struct weir__offload *o = arg;
    struct weir__job *j;

    while ((j = offload_take(o))) {
        j->result = j->fn(j->arg);
        weir__inbox_post(j->loop, &j->letter);
    }
    return NULL;
}

static int offload_thread_add(struct weir__offload *o)
{
    sigset_t all, before;
    char name[16];
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's own threads */
    r = pthread_create(&o->ids[o->threads], NULL, offload_work, o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return o->threads ? 0 : -ENOMEM; /* fewer threads than wished still do the work */
    snprintf(name, sizeof name, "weir-off/%u", o->threads);
    pthread_setname_np(o->ids[o->threads++], name);
    return 0;
}

/* --- the loop's side --------------------------------------------------- */

/* A worker has taken a job: there is room, though none has ended. */
static void offload_room(struct weir__letter *letter)
{
    struct weir__offload *o = WEIR__ENTRY(letter, struct weir__offload, room);
    uint32_t n;

    pthread_mutex_lock(&o->lock);
    o->told = false;
    n = o->queue_limit - o->queued;
    while (n && weir__wake_first(&o->room_waiters, 0))
        n--;
    o->wanted = !weir__list_empty(&o->room_waiters);
    pthread_mutex_unlock(&o->lock);
}

static int offload_open(struct weir__loop *l)
{
    struct weir__offload *o = l->offload;
    int r = weir__inbox_open(l);

    if (r < 0 || o)
        return r;
    o = weir__alloc(offload_bytes(l->config.offload_threads));
    if (!o)
        return -ENOMEM;
    o->thread_limit = l->config.offload_threads;
    o->queue_limit = l->config.offload_queue;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->work, NULL);
    weir__list_init(&o->queue);
    weir__list_init(&o->room_waiters);
    o->room.fn = offload_room;
    l->offload = o;
    return 0;
}

static void offload_come_back(struct weir__letter *letter)
{
    struct weir__job *j = (struct weir__job *)letter;

    j->loop->offload->pending--;
    weir__wake_first(&j->loop->offload->room_waiters, 0);
    j->ended = true;
    if (!j->abandoned) {
        weir__wake(j->fiber, 0, NULL);
        return;
    }
    if (j->drop)
        j->drop(j->arg);
    weir__free(j, sizeof *j);
}

/* 0 queued, -EAGAIN full. */
static int offload_put(struct weir__offload *o, struct weir__job *j)
{
    int r = 0;

    pthread_mutex_lock(&o->lock);
    if (o->idle <= o->queued && o->threads < o->thread_limit) /* the idle have work already */
        r = offload_thread_add(o);
    if (r == 0 && o->queued >= o->queue_limit)
        r = -EAGAIN;
    o->wanted |= r == -EAGAIN;
    if (r == 0) {
        weir__list_append(&o->queue, &j->link);
        o->queued++;
        pthread_cond_signal(&o->work);
    }
    pthread_mutex_unlock(&o->lock);
    return r;
}

static int offload_submit(struct weir__loop *l, struct weir__job *j)
{
    struct weir__waiter w;
    int r;

    if (j->fiber->node->why)
        return -ECANCELED;
    while ((r = offload_put(l->offload, j)) == -EAGAIN) {
        weir__waiter_init(&w, j->fiber, NULL);
        weir__list_append(&l->offload->room_waiters, &w.link);
        r = weir__wait(j->fiber, WEIR_NEVER, "offload room", NULL);
        weir__list_remove(&w.link);
        if (r < 0)
            return r;
    }
    if (r == 0)
        l->offload->pending++;
    return r;
}

/* True if no worker had taken it: it will never run. */
static bool offload_withdraw(struct weir__offload *o, struct weir__job *j)
{
    bool queued;

    pthread_mutex_lock(&o->lock);
    queued = !weir__list_empty(&j->link);
    if (queued) {
        weir__list_remove(&j->link);
        o->queued--;
    }
    pthread_mutex_unlock(&o->lock);
    if (queued) {
        o->pending--;
        weir__wake_first(&o->room_waiters, 0);
    }
    return queued;
}

enum offload_end { OFFLOAD_ENDED, OFFLOAD_WITHDRAWN, OFFLOAD_LEFT };

/* Parks until the job is back, or a cancel: then it is withdrawn, left behind or waited for. */
static enum offload_end offload_await(struct weir__offload *o, struct weir__job *j)
{
    (void)weir__wait(j->fiber, WEIR_NEVER, "offload", NULL);
    if (j->ended)
        return OFFLOAD_ENDED;
    if (offload_withdraw(o, j))
        return OFFLOAD_WITHDRAWN;
    if (j->owned) {
        j->abandoned = true;
        return OFFLOAD_LEFT;
    }
    while (!j->ended) /* borrowed: the worker still uses the caller's memory */
        weir__wait_shielded(j->fiber, "offload end", NULL);
    return OFFLOAD_ENDED;
}

static void offload_job_init(struct weir__job *j, struct weir__loop *l, int (*fn)(void *),
                             void *arg)
{
    *j = (struct weir__job){.letter.fn = offload_come_back, .loop = l, .fn = fn, .arg = arg};
    j->fiber = weir__self();
    weir__list_init(&j->link);
}

int weir_offload(int (*fn)(void *), void *arg)
{
    struct weir__loop *l = weir__loop_get();
    struct weir__job j;
    int r;

    if (!fn)
        return -EINVAL;
    if (!weir__self())
        return weir__outside() ? weir__outside_offload(fn, arg, false, NULL) : WEIR_ENOFIBER;
    r = offload_open(l);
    if (r < 0)
        return r;
    offload_job_init(&j, l, fn, arg);
    r = offload_submit(l, &j);
    if (r < 0)
        return r;
    return offload_await(l->offload, &j) == OFFLOAD_ENDED ? j.result : -ECANCELED;
}

/* Only a job that no worker has any more is looked at. */
static int offload_own_end(struct weir__job *j, enum offload_end end)
{
    int r;

    if (end == OFFLOAD_LEFT) /* come_back drops and frees it */
        return -ECANCELED;
    r = end == OFFLOAD_ENDED ? j->result : -ECANCELED;
    weir__offload_own_drop(r, j->arg, j->drop);
    weir__free(j, sizeof *j);
    return r;
}

/* Has a job made and run; arg is dropped if that gives -ECANCELED. */
static int offload_own_run(struct weir__loop *l, int (*fn)(void *), void *arg, void (*drop)(void *))
{
    struct weir__job *j;
    int r = offload_open(l);

    if (r < 0)
        return r;
    j = weir__alloc(sizeof *j);
    if (!j)
        return -ENOMEM;
    offload_job_init(j, l, fn, arg);
    j->owned = true;
    j->drop = drop;
    r = offload_submit(l, j);
    if (r == 0)
        return offload_own_end(j, offload_await(l->offload, j));
    weir__free(j, sizeof *j);
    weir__offload_own_drop(r, arg, drop);
    return r;
}

int weir_offload_own(int (*fn)(void *), void *arg, void (*drop)(void *))
{
    if (!fn)
        return -EINVAL;
    if (!weir__self())
        return weir__outside() ? weir__outside_offload(fn, arg, true, drop) : WEIR_ENOFIBER;
    return offload_own_run(weir__loop_get(), fn, arg, drop);
}

size_t weir__offload_pending(const struct weir__loop *l)
{
    return l->offload ? l->offload->pending : 0;
}

/* Jobs whose callers have gone are let finish: their memory is theirs until then. */
void weir__offload_free(struct weir__loop *l)
{
    struct weir__offload *o = l->offload;

    if (!o) {
        weir__inbox_free(l);
        return;
    }
    while (o->pending)
        weir__inbox_sleep(l, WEIR_NEVER);
    pthread_mutex_lock(&o->lock);
    o->stopping = true;
    pthread_cond_broadcast(&o->work);
    pthread_mutex_unlock(&o->lock);
    for (uint32_t i = 0; i < o->threads; i++)
        pthread_join(o->ids[i], NULL);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->work);
    weir__inbox_free(l);
    weir__free(o, offload_bytes(o->thread_limit));
    l->offload = NULL;
}
