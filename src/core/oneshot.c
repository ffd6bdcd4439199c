/*
 * oneshot.c -- a block with room for one item, held by two ends.  `why` is 0
 * until the sender has spoken: then it is 1 for a value, or the reason.  The
 * end that leaves last drops what was not taken.
 */
#include <weir/oneshot.h>

#include "core/door.h"
#include "core/item.h"
#include "core/select.h"

/* Both handles point at the same block, for two ends of it. */
struct oneshot {
    struct weir__block block; /* first */
    int poison;
    int why;
    bool taken; /* the value has been moved out */
    bool has_promise, has_future, had_future;
    struct weir_type type;
    void *item;
    void *receivers[2], *senders[2];
};

struct weir_promise {
    struct oneshot o;
};

struct weir_future {
    struct oneshot o;
};

static struct oneshot oneshot_poisons[] = {
    {.poison = -EINVAL}, {.poison = -ENOMEM}, {.poison = -EBUSY}, {.poison = -ECANCELED}};

static struct oneshot *oneshot_poison(int code)
{
    return &oneshot_poisons[code == -ENOMEM ? 1 : code == -EBUSY ? 2 : code == -ECANCELED ? 3 : 0];
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
    o->block.bytes = bytes;
    o->block.refs = 1;
    o->item = weir__item_place(o + 1, &type);
    o->has_promise = true;
    return o;
}

weir_promise *weir_promise_new(struct weir_type type)
{
    return (weir_promise *)oneshot_new(type);
}

static struct oneshot *oneshot_other(struct oneshot *o)
{
    if (o->had_future)
        return oneshot_poison(-EBUSY);
    o->has_future = o->had_future = true;
    o->block.refs++;
    return o;
}

weir_future *weir_promise_future(weir_promise *p)
{
    struct oneshot *o = (struct oneshot *)p;
    struct weir__loop *g;

    if (!o || o->poison)
        return (weir_future *)oneshot_poison(o ? o->poison : -EINVAL);
    if (weir__outside()) {
        weir_future *f = (weir_future *)oneshot_poison(-ECANCELED);

        (void)weir__out_call(weir__out_oneshot, WEIR__OUT_NEW, p, &f, 0, 0);
        return f;
    }
    g = weir__guard(&o->block.lock);
    o = oneshot_other(o);
    weir__unguard(g, &((struct oneshot *)p)->block.lock);
    return (weir_future *)o;
}

/* One end has left. */
static void oneshot_leave(struct oneshot *o)
{
    if (!o->has_promise && !o->has_future && o->why == 1 && !o->taken)
        weir__item_drop(&o->type, o->item);
    o->block.refs--;
}

/* --- the end that sends -------------------------------------------------- */

static int oneshot_may_speak(const struct oneshot *o)
{
    if (o->why)
        return WEIR_ECLOSED;
    return o->had_future && !o->has_future ? -EPIPE : 0;
}

/* The first who waits gets the value itself, for the future may be freed before it runs. */
static void oneshot_speak(struct oneshot *o, int why)
{
    struct weir__waiter *w;

    o->why = why;
    w = why == 1 ? weir__waiters_take(o->receivers, 1) : NULL;
    if (w) {
        memcpy(w->item, o->item, o->type.size);
        o->taken = true;
    }
    weir__waiters_wake_all(o->receivers, why == 1 ? 0 : why);
}

static int oneshot_send_now(struct oneshot *o, const void *item, size_t size)
{
    int r = oneshot_may_speak(o);

    if (r == 0 && size != o->type.size)
        r = WEIR_ETYPE;
    if (r < 0)
        return r;
    memcpy(o->item, item, size);
    oneshot_speak(o, 1);
    return 1;
}

int weir_promise_send(weir_promise *p, const void *item, size_t size)
{
    struct oneshot *o = (struct oneshot *)p;
    struct weir__loop *g;
    int r;

    if (!o || !item || o->poison)
        return o && item ? o->poison : -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_oneshot, WEIR__OUT_SEND, p, item, size, 0);
    g = weir__guard(&o->block.lock);
    r = oneshot_send_now(o, item, size);
    weir__unguard(g, &o->block.lock);
    return r;
}

int weir_promise_fail(weir_promise *p, int why)
{
    struct oneshot *o = (struct oneshot *)p;
    struct weir__loop *g;
    int r;

    if (!o || why >= 0 || o->poison)
        return o && why < 0 ? o->poison : -EINVAL;
    if (weir__outside())
        return weir__out(&(struct weir__out){
            .make = weir__out_oneshot, .op = WEIR__OUT_FAIL, .object = p, .code = why});
    g = weir__guard(&o->block.lock);
    r = oneshot_may_speak(o);
    if (r == 0)
        oneshot_speak(o, why);
    weir__unguard(g, &o->block.lock);
    return r;
}

int weir_promise_wait(weir_promise *p, weir_time deadline)
{
    struct oneshot *o = (struct oneshot *)p;
    struct weir__loop *g;

    if (!o || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (o->poison)
        return o->poison;
    if (weir__outside())
        return weir__out_call(weir__out_oneshot, WEIR__OUT_WAIT, p, NULL, 0, deadline);
    weir__waiters_charge();
    g = weir__guard(&o->block.lock);
    if (!o->had_future || o->has_future)
        return weir__block_wait(&o->block, o->senders, NULL, deadline, "promise_wait", g);
    weir__unguard(g, &o->block.lock);
    return 0;
}

void weir_promise_free(weir_promise **p)
{
    struct oneshot *o = p ? (struct oneshot *)*p : NULL;
    struct weir__loop *g;

    if (!o)
        return;
    if (!o->poison && weir__outside()) {
        (void)weir__out_call(weir__out_oneshot, WEIR__OUT_FREE, p, NULL, 0, 0);
        return;
    }
    *p = NULL;
    if (o->poison)
        return;
    g = weir__guard(&o->block.lock);
    weir__waiters_wake_all(o->senders, WEIR_ECLOSED);
    if (!o->why)
        oneshot_speak(o, WEIR_EABANDONED);
    o->has_promise = false;
    oneshot_leave(o);
    weir__block_unguard(g, &o->block);
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

static bool oneshot_ready(const void *object)
{
    return ((const struct oneshot *)object)->why;
}

static void **oneshot_queue(void *object)
{
    return ((struct oneshot *)object)->receivers;
}

static uint32_t *oneshot_lock(void *object)
{
    struct oneshot *o = object;

    return o->poison ? NULL : &o->block.lock;
}

const struct weir__select_kind weir__select_future = {oneshot_case,  oneshot_look, oneshot_ready,
                                                      oneshot_queue, oneshot_lock, true};

int weir_future_recv(weir_future *f, void *item, size_t size, weir_time deadline)
{
    struct oneshot *o = (struct oneshot *)f;
    struct weir__loop *g;
    int r;

    if (!o || !item || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (o->poison || size != o->type.size)
        return o->poison ? o->poison : WEIR_ETYPE;
    if (weir__outside())
        return weir__out_call(weir__out_oneshot, WEIR__OUT_RECV, f, item, size, deadline);
    weir__waiters_charge();
    g = weir__guard(&o->block.lock);
    r = oneshot_look(o, item);
    if (r == WEIR__CHAN_PARK)
        return weir__block_wait(&o->block, o->receivers, item, deadline, "await", g);
    weir__unguard(g, &o->block.lock);
    return r;
}

void weir_future_free(weir_future **f)
{
    struct oneshot *o = f ? (struct oneshot *)*f : NULL;
    struct weir__loop *g;

    if (!o)
        return;
    if (!o->poison && weir__outside()) {
        (void)weir__out_call(weir__out_oneshot, WEIR__OUT_FREE_OTHER, f, NULL, 0, 0);
        return;
    }
    *f = NULL;
    if (o->poison)
        return;
    g = weir__guard(&o->block.lock);
    weir__waiters_wake_all(o->receivers, WEIR_ECLOSED);
    o->has_future = false;
    weir__waiters_wake_all(o->senders, 0);
    oneshot_leave(o);
    weir__block_unguard(g, &o->block);
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
