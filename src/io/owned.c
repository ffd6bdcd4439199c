/*
 * owned.c -- the table of jobs that are under way, by number.  Who takes a job out of
 * it owns it: the caller, if no worker has begun; else the pool's drop.
 */
#include "io/owned.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <weir/run.h>

static struct {
    pthread_mutex_t lock;
    struct weir__owned *first;
    uintptr_t last_id;
} owned_table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void owned_put(struct weir__owned *o)
{
    pthread_mutex_lock(&owned_table.lock);
    o->id = ++owned_table.last_id;
    o->next = owned_table.first;
    owned_table.first = o;
    pthread_mutex_unlock(&owned_table.lock);
}

/* Under the lock.  What points to the job, or to the NULL at the end. */
static struct weir__owned **owned_find(uintptr_t id)
{
    struct weir__owned **link = &owned_table.first;

    while (*link && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

/* Takes it out, unless a worker has begun and `idle` is asked for.  NULL: not to be had. */
static struct weir__owned *owned_take(uintptr_t id, bool idle)
{
    struct weir__owned **link, *o;

    pthread_mutex_lock(&owned_table.lock);
    link = owned_find(id);
    o = *link;
    if (o && idle && o->running)
        o = NULL;
    if (o)
        *link = o->next;
    pthread_mutex_unlock(&owned_table.lock);
    return o;
}

static int owned_work(void *arg)
{
    struct weir__owned *o;

    pthread_mutex_lock(&owned_table.lock);
    o = *owned_find((uintptr_t)arg);
    if (o)
        o->running = true;
    pthread_mutex_unlock(&owned_table.lock);
    if (o) /* else its caller took it back just before */
        o->result = o->run(o);
    return 0;
}

static void owned_drop(void *arg)
{
    struct weir__owned *o = owned_take((uintptr_t)arg, false);

    if (o)
        o->free(o);
}

int weir__owned_run(struct weir__owned **op)
{
    struct weir__owned *o = *op;
    uintptr_t id;
    int r;

    o->running = false;
    owned_put(o);
    id = o->id;
    r = weir_offload_own(owned_work, (void *)id, owned_drop);
    *op = owned_take(id, r < 0); /* 0: it has come back; o may be gone else */
    return r < 0 ? r : o->result;
}
