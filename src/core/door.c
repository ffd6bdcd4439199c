/*
 * door.c -- plain threads at a loop.
 *
 * A call is a letter on the thread's stack; the loop starts a fiber for it in
 * the door's pen, and the thread sleeps on a semaphore until the fiber has
 * written the result.
 *
 *     a letter is posted only under the lock, while `loop` is set and `shut` is not
 *     `calls` letters have not been answered, and `gone` may be under way; the
 *     door outlives them
 */
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "core/door.h"
#include "core/inbox.h"
#include "core/pen.h"

__thread weir_door *weir__door_here;

struct weir_door {
    int poison;
    struct weir_alloc alloc; /* it may be freed after the loop has gone */
    struct weir__pen pen;
    struct weir__list link; /* of the loop's doors */
    struct weir__list end_waiters;
    struct weir__letter gone; /* to a closer: the last thread has left */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t empty;
    struct weir__loop *loop; /* NULL once it has ended */
    bool shut, telling;      /* `gone` is under way */
    size_t entered, calls;
};

struct door_call {
    struct weir__letter letter; /* first: the letter is the call */
    weir_door *door;
    int (*fn)(void *);
    void *arg;
    int result;
    sem_t answered;
};

static weir_door door_poisons[] = {{.poison = -ENOMEM},
                                   {.poison = WEIR_ENOFIBER},
                                   {.poison = -EMFILE},
                                   {.poison = -ENFILE},
                                   {.poison = -ENOTSUP}};

static weir_door *door_poison(int code)
{
    for (size_t i = 1; i < sizeof door_poisons / sizeof *door_poisons; i++)
        if (door_poisons[i].poison == code)
            return &door_poisons[i];
    return &door_poisons[0];
}

/* --- opening ----------------------------------------------------------- */

/* A closer looks again. */
static void door_gone(struct weir__letter *letter)
{
    weir_door *d = WEIR__ENTRY(letter, struct weir_door, gone);

    pthread_mutex_lock(&d->lock);
    d->telling = false;
    pthread_mutex_unlock(&d->lock);
    weir__wake_all(&d->end_waiters, 0);
}

weir_door *weir_door_open(void)
{
    struct weir__loop *l = weir__loop_get();
    weir_door *d;
    int r = !WEIR_THREADS ? -ENOTSUP : weir__self() ? weir__inbox_open(l) : WEIR_ENOFIBER;

    if (r < 0)
        return door_poison(r);
    d = weir__alloc(sizeof *d);
    if (!d)
        return door_poison(-ENOMEM);
    d->alloc = l->config.alloc;
    d->loop = l;
    d->gone.fn = door_gone;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->empty, NULL);
    weir__list_init(&d->end_waiters);
    weir__list_append(&l->doors, &d->link);
    (void)weir__pen_init(&d->pen);
    return d;
}

int weir_door_error(const weir_door *d)
{
    return d ? d->poison : -EINVAL;
}

/* --- the threads' side ------------------------------------------------- */

int weir_door_enter(weir_door *d)
{
    int r;

    if (!d)
        return -EINVAL;
    if (d->poison)
        return d->poison;
    if (weir__loop_get() || weir__door_here)
        return -EBUSY;
    pthread_mutex_lock(&d->lock);
    r = d->shut || !d->loop ? -ECANCELED : 0;
    d->entered += r == 0;
    pthread_mutex_unlock(&d->lock);
    if (r == 0)
        weir__door_here = d;
    return r;
}

int weir_door_leave(void)
{
    weir_door *d = weir__door_here;

    if (!d)
        return -EINVAL;
    weir__door_here = NULL;
    pthread_mutex_lock(&d->lock);
    if (--d->entered == 0) {
        pthread_cond_broadcast(&d->empty);
        d->telling = d->shut && d->loop;
        if (d->telling)
            weir__inbox_post(d->loop, &d->gone);
    }
    pthread_mutex_unlock(&d->lock); /* a closer that has the lock may free it: the last word */
    return 0;
}

/* The answer is the last: then the thread goes on, may leave, and the door may be closed. */
static void door_answer(struct door_call *c, int result)
{
    weir_door *d = c->door;

    pthread_mutex_lock(&d->lock);
    d->calls--;
    pthread_mutex_unlock(&d->lock);
    weir__wake_all(&d->end_waiters, 0);
    c->result = result;
    sem_post(&c->answered);
}

static int door_fiber(void *arg)
{
    struct door_call *c = arg;

    door_answer(c, c->fn(c->arg));
    return 0;
}

static void door_arrive(struct weir__letter *letter)
{
    struct door_call *c = (struct door_call *)letter;
    int r = c->door->shut ? -ECANCELED : weir__pen_go(&c->door->pen, door_fiber, c, "door");

    if (r < 0)
        door_answer(c, r);
}

int weir_door_call(int (*fn)(void *), void *arg)
{
    weir_door *d = weir__door_here;
    struct door_call c = {.letter.fn = door_arrive, .door = d, .fn = fn, .arg = arg};
    bool posted;

    if (!fn)
        return -EINVAL;
    if (!d)
        return WEIR_ENOFIBER;
    sem_init(&c.answered, 0, 0);
    pthread_mutex_lock(&d->lock);
    posted = d->loop && !d->shut;
    if (posted) {
        d->calls++;
        weir__inbox_post(d->loop, &c.letter);
    }
    pthread_mutex_unlock(&d->lock);
    while (posted && sem_wait(&c.answered) < 0) /* a signal is not an answer */
        ;
    sem_destroy(&c.answered);
    return posted ? c.result : -ECANCELED;
}

/* --- closing ----------------------------------------------------------- */

static bool door_quiet(weir_door *d)
{
    bool quiet;

    pthread_mutex_lock(&d->lock);
    quiet = !d->entered && !d->calls && !d->telling;
    pthread_mutex_unlock(&d->lock);
    return quiet;
}

/* On its loop: parks until the last has left. */
static void door_close_here(weir_door *d, struct weir__fiber *me)
{
    struct weir__waiter w;

    pthread_mutex_lock(&d->lock);
    d->shut = true;
    pthread_mutex_unlock(&d->lock);
    weir__pen_cancel(&d->pen, -ECANCELED);
    while (!door_quiet(d)) {
        weir__waiter_init(&w, me, NULL);
        weir__list_append(&d->end_waiters, &w.link);
        weir__wait_shielded(me, "door", d);
        weir__list_remove(&w.link);
    }
    weir__pen_join(&d->pen);
    weir__list_remove(&d->link);
}

static void door_close_after(weir_door *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->entered)
        pthread_cond_wait(&d->empty, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

static bool door_loop_is(weir_door *d, const struct weir__loop *l)
{
    bool same;

    pthread_mutex_lock(&d->lock);
    same = d->loop == l;
    pthread_mutex_unlock(&d->lock);
    return same;
}

static void door_free(weir_door *d)
{
    struct weir_alloc before = weir__alloc_use(&d->alloc);

    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->empty);
    weir__free(d, sizeof *d);
    weir__alloc_use(&before);
}

int weir_door_close(weir_door **dp)
{
    struct weir__fiber *me = weir__self();
    weir_door *d = dp ? *dp : NULL;

    if (!d)
        return -EINVAL;
    if (d->poison) {
        *dp = NULL;
        return d->poison;
    }
    if (door_loop_is(d, NULL))
        door_close_after(d);
    else if (me && door_loop_is(d, me->loop))
        door_close_here(d, me);
    else
        return WEIR_ENOFIBER;
    *dp = NULL;
    door_free(d);
    return 0;
}

/* --- the loop's side --------------------------------------------------- */

bool weir__doors_open(const struct weir__loop *l)
{
    for (struct weir__list *i = l->doors.next; i != &l->doors; i = i->next) {
        const weir_door *d = WEIR__ENTRY(i, struct weir_door, link);

        if (!d->pen.dead || !weir__list_empty(&d->end_waiters))
            return true;
    }
    return false;
}

bool weir__doors_busy(const struct weir__loop *l)
{
    bool busy = false;

    for (struct weir__list *i = l->doors.next; i != &l->doors; i = i->next) {
        weir_door *d = WEIR__ENTRY(i, struct weir_door, link);

        pthread_mutex_lock(&d->lock);
        busy |= d->entered > d->calls;
        pthread_mutex_unlock(&d->lock);
    }
    return busy;
}

void weir__doors_shut(struct weir__loop *l)
{
    if (weir__list_empty(&l->doors))
        return;
    while (!weir__list_empty(&l->doors)) {
        weir_door *d = WEIR__ENTRY(l->doors.next, struct weir_door, link);

        weir__list_remove(&d->link);
        pthread_mutex_lock(&d->lock);
        d->shut = true;
        d->loop = NULL; /* now any thread may free it, once nobody is in it */
        pthread_mutex_unlock(&d->lock);
    }
    weir__inbox_serve(l); /* those who wait for an answer are still in theirs, and get it */
}
