/*
 * oneshot.c -- a block with room for one item, held by two ends.  `why` is 0
 * until the sender has spoken: then it is 1 for a value, or the reason.  The
 * end that leaves last frees the block.
 */
#include <weir/oneshot.h>

#include "core/item.h"
#include "core/select.h"

/* Both handles point at the same block, for two ends of it. */
struct oneshot {
    int poison;
    int why;
    bool taken; /* the value has been moved out */
    bool has_promise, has_future, had_future;
    struct weir_type type;
    void *item;
    void *receivers[2], *senders[2];
    size_t bytes; /* of the block */
};

struct weir_promise {
    struct oneshot o;
};

struct weir_future {
    struct oneshot o;
};

static struct oneshot oneshot_poisons[] = {
    {.poison = -EINVAL}, {.poison = -ENOMEM}, {.poison = -EBUSY}};

static struct oneshot *oneshot_poison(int code)
{
    return &oneshot_poisons[code == -ENOMEM ? 1 : code == -EBUSY ? 2 : 0];
}

static struct oneshot *oneshot_new(struct weir_type type)
{
    size_t bytes = sizeof(struct oneshot) + weir__item_room(&type);
    struct oneshot *o;

    if (weir__item_check(&type) < 0)
        return oneshot_poison(-EINVAL);
    o = weir__alloc(bytes);
    if (!o)
        return oneshot_poison(-ENOMEM);
    o->type = type;
    o->bytes = bytes;
    o->item = weir__item_place(o + 1, &type);
    o->has_promise = true;
    return o;
}

weir_promise *weir_promise_new(struct weir_type type)
{
    return (weir_promise *)oneshot_new(type);
}

weir_future *weir_promise_future(weir_promise *p)
{
    struct oneshot *o = (struct oneshot *)p;

    if (!o || o->poison || o->had_future)
        o = oneshot_poison(!o ? -EINVAL : o->poison ? o->poison : -EBUSY);
    else
        o->has_future = o->had_future = true;
    return (weir_future *)o;
}

/* One end has left. */
static void oneshot_leave(struct oneshot *o)
{
    if (o->has_promise || o->has_future)
        return;
    if (o->why == 1 && !o->taken)
        weir__item_drop(&o->type, o->item);
    weir__free(o, o->bytes);
}

/* --- the end that sends -------------------------------------------------- */

static int oneshot_may_speak(const struct oneshot *o)
{
    if (!o || o->poison)
        return o ? o->poison : -EINVAL;
    if (o->why)
        return WEIR_ECLOSED;
    return o->had_future && !o->has_future ? -EPIPE : 0;
}

/* The first who waits gets the value itself, for the future may be freed before it runs. */
static void oneshot_speak(struct oneshot *o, int why)
{
    struct weir__waiter *w;

    o->why = why;
    w = why == 1 ? weir__waiters_first(o->receivers) : NULL;
    if (w) {
        memcpy(w->item, o->item, o->type.size);
        o->taken = true;
        weir__waiters_wake(w, 1);
    }
    weir__waiters_wake_all(o->receivers, why == 1 ? 0 : why);
}

int weir_promise_send(weir_promise *p, const void *item, size_t size)
{
    struct oneshot *o = (struct oneshot *)p;
    int r = item ? oneshot_may_speak(o) : -EINVAL;

    if (r == 0 && size != o->type.size)
        r = WEIR_ETYPE;
    if (r < 0)
        return r;
    memcpy(o->item, item, size);
    oneshot_speak(o, 1);
    return 1;
}

int weir_promise_fail(weir_promise *p, int why)
{
    struct oneshot *o = (struct oneshot *)p;
    int r = why < 0 ? oneshot_may_speak(o) : -EINVAL;

    if (r == 0)
        oneshot_speak(o, why);
    return r;
}

int weir_promise_wait(weir_promise *p, weir_time deadline)
{
    struct oneshot *o = (struct oneshot *)p;

    if (!o || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (o->poison)
        return o->poison;
    weir__waiters_charge();
    if (o->had_future && !o->has_future)
        return 0;
    return weir__waiters_wait(o->senders, NULL, deadline, "promise_wait");
}

void weir_promise_free(weir_promise **p)
{
    struct oneshot *o = p ? (struct oneshot *)*p : NULL;

    if (!o)
        return;
    *p = NULL;
    if (o->poison)
        return;
    weir__waiters_wake_all(o->senders, WEIR_ECLOSED);
    if (!o->why)
        oneshot_speak(o, WEIR_EABANDONED);
    o->has_promise = false;
    oneshot_leave(o);
}

/* --- the end that receives ------------------------------------------------ */

static int oneshot_look(void *object, void *item)
{
    struct oneshot *o = object;

    if (o->poison)
        return o->poison;
    if (o->why != 1)
        return o->why ? o->why : WEIR__CHAN_PARK;
    if (o->taken)
        return 0;
    memcpy(item, o->item, o->type.size);
    o->taken = true;
    return 1;
}

static int oneshot_case(const struct weir_select *c)
{
    const struct oneshot *o = c->object;

    if (!c->item)
        return -EINVAL;
    return o->poison || c->size == o->type.size ? 0 : WEIR_ETYPE;
}

static void **oneshot_queue(void *object)
{
    return ((struct oneshot *)object)->receivers;
}

const struct weir__select_kind weir__select_future = {oneshot_case, oneshot_look, oneshot_queue};

int weir_future_recv(weir_future *f, void *item, size_t size, weir_time deadline)
{
    struct oneshot *o = (struct oneshot *)f;
    int r;

    if (!o || !item || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!o->poison && size != o->type.size)
        return WEIR_ETYPE;
    weir__waiters_charge();
    r = oneshot_look(o, item);
    if (r != WEIR__CHAN_PARK)
        return r;
    return weir__waiters_wait(o->receivers, item, deadline, "await");
}

void weir_future_free(weir_future **f)
{
    struct oneshot *o = f ? (struct oneshot *)*f : NULL;

    if (!o)
        return;
    *f = NULL;
    if (o->poison)
        return;
    weir__waiters_wake_all(o->receivers, WEIR_ECLOSED);
    o->has_future = false;
    weir__waiters_wake_all(o->senders, 0);
    oneshot_leave(o);
}

/* --- asking ----------------------------------------------------------------- */

int weir_promise_error(const weir_promise *p)
{
    return p ? p->o.poison : -EINVAL;
}

int weir_future_error(const weir_future *f)
{
    return f ? f->o.poison : -EINVAL;
}
