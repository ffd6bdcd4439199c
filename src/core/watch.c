/*
 * watch.c -- one value, its version, and a list of watchers.  Those in whose
 * queue somebody stands are on a list of their own, so a set costs what it
 * wakes.  A waiter is given its copy by the one who sets; but for `until`, who
 * brings no room and looks for itself.  The block is its owner's and its
 * watchers': so one that comes too late finds that it has been freed.
 */
#include <weir/watch.h>

#include "core/door.h"
#include "core/item.h"
#include "core/select.h"

struct weir_watch {
    struct weir__block block; /* first */
    int poison;
    bool closed, freed;
    int why;
    uint64_t version;
    struct weir_type type;
    void *value;
    struct weir__list idle, waiting; /* watchers */
};

static weir_watch watch_poisons[] = {{.poison = -EINVAL}, {.poison = -ENOMEM}};

static struct weir__list *watch_link(struct weir_watcher *r)
{
    return (struct weir__list *)(void *)r->link;
}

static struct weir_watcher *watch_entry(struct weir__list *at)
{
    return WEIR__ENTRY(at, struct weir_watcher, link);
}

weir_watch *weir_watch_new(struct weir_type type, const void *initial)
{
    size_t bytes = sizeof(weir_watch) + weir__item_room(&type);
    weir_watch *w;

    if (weir__item_check(&type) < 0 || !weir__item_copies(&type))
        return &watch_poisons[0];
    w = weir__alloc(bytes);
    if (!w)
        return &watch_poisons[1];
    w->block.bytes = bytes;
    w->block.refs = 1;
    w->type = type;
    w->version = 1;
    w->value = weir__item_place(w + 1, &type);
    if (initial)
        memcpy(w->value, initial, type.size);
    weir__list_init(&w->idle);
    weir__list_init(&w->waiting);
    return w;
}

/* --- telling ------------------------------------------------------------- */

/* `why` 1: there is a new value. */
static void watch_tell(weir_watch *w, struct weir_watcher *r, int why)
{
    struct weir__waiter *at;

    while ((at = weir__waiters_take(r->waiters, why))) {
        int copied = why == 1 && at->item ? weir__item_clone(&w->type, at->item, w->value) : 1;

        if (copied == 0)
            r->seen = w->version;
        else if (copied < 0)
            weir__waiter_tell(at, copied);
    }
}

static void watch_tell_all(weir_watch *w, int why)
{
    while (!weir__list_empty(&w->waiting)) {
        struct weir_watcher *r = watch_entry(w->waiting.next);

        weir__list_remove(watch_link(r));
        weir__list_append(&w->idle, watch_link(r));
        watch_tell(w, r, why);
    }
}

static int watch_open(const weir_watch *w)
{
    return !w->closed ? 0 : w->why < 0 ? w->why : WEIR_ECLOSED;
}

static int watch_set_now(weir_watch *w, const void *value, size_t size)
{
    int r = watch_open(w);

    if (r == 0 && size != w->type.size)
        r = WEIR_ETYPE;
    if (r < 0)
        return r;
    weir__item_drop(&w->type, w->value);
    memcpy(w->value, value, size);
    w->version++;
    watch_tell_all(w, 1);
    return 0;
}

int weir_watch_set(weir_watch *w, const void *value, size_t size)
{
    struct weir__loop *g;
    int r;

    if (!w || !value || w->poison)
        return w && value ? w->poison : -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_watch, WEIR__OUT_SEND, w, value, size, 0);
    g = weir__guard(&w->block.lock);
    r = watch_set_now(w, value, size);
    weir__unguard(g, &w->block.lock);
    return r;
}

int weir_watch_edit(weir_watch *w, int (*fn)(void *ctx, void *value), void *ctx)
{
    struct weir__loop *g;
    int r;

    if (!w || !fn || w->poison)
        return w && fn ? w->poison : -EINVAL;
    if (weir__outside())
        return weir__out(&(struct weir__out){
            .make = weir__out_watch, .op = WEIR__OUT_EDIT, .object = w, .edit = fn, .ctx = ctx});
    g = weir__guard(&w->block.lock);
    r = watch_open(w);
    if (r == 0)
        r = fn(ctx, w->value);
    if (r > 0) {
        w->version++;
        watch_tell_all(w, 1);
    }
    weir__unguard(g, &w->block.lock);
    return r;
}

int weir_watch_close(weir_watch *w, int why)
{
    struct weir__loop *g;
    int r;

    if (!w || why > 0 || w->poison)
        return w && why <= 0 ? w->poison : -EINVAL;
    if (weir__outside())
        return weir__out(&(struct weir__out){
            .make = weir__out_watch, .op = WEIR__OUT_CLOSE, .object = w, .code = why});
    g = weir__guard(&w->block.lock);
    r = w->closed ? WEIR_ECLOSED : 0;
    if (r == 0) {
        w->closed = true;
        w->why = why;
        watch_tell_all(w, why);
    }
    weir__unguard(g, &w->block.lock);
    return r;
}

void weir_watch_free(weir_watch **wp)
{
    weir_watch *w = wp ? *wp : NULL;
    struct weir__loop *g;

    if (!w)
        return;
    if (!w->poison && weir__outside()) {
        (void)weir__out_call(weir__out_watch, WEIR__OUT_FREE, wp, NULL, 0, 0);
        return;
    }
    *wp = NULL;
    if (w->poison)
        return;
    g = weir__guard(&w->block.lock);
    w->freed = true;
    watch_tell_all(w, WEIR_ECLOSED);
    weir__item_drop(&w->type, w->value);
    w->block.refs--;
    weir__block_unguard(g, &w->block);
}

/* --- asking ----------------------------------------------------------------- */

static int watch_copy(const weir_watch *w, void *out)
{
    int r = weir__item_clone(&w->type, out, w->value);

    return r < 0 ? r : 1;
}

int weir_watch_get(const weir_watch *w, void *out_value, size_t size)
{
    weir_watch *mine = (weir_watch *)w;
    struct weir__loop *g;
    int r;

    if (!w || !out_value)
        return -EINVAL;
    if (w->poison || size != w->type.size)
        return w->poison ? w->poison : WEIR_ETYPE;
    if (weir__outside())
        return weir__out_call(weir__out_watch, WEIR__OUT_GET, mine, out_value, size, 0);
    g = weir__guard(&mine->block.lock);
    r = watch_copy(w, out_value);
    weir__unguard(g, &mine->block.lock);
    return r;
}

uint64_t weir_watch_version(const weir_watch *w)
{
    weir_watch *mine = (weir_watch *)w;
    struct weir__loop *g;
    uint64_t version = 0;

    if (!w || w->poison)
        return 0;
    if (weir__outside()) {
        (void)weir__out_call(weir__out_watch, WEIR__OUT_VERSION, mine, &version, 0, 0);
        return version;
    }
    g = weir__guard(&mine->block.lock);
    version = w->version;
    weir__unguard(g, &mine->block.lock);
    return version;
}

int weir_watch_error(const weir_watch *w)
{
    return w ? w->poison : -EINVAL;
}

/* --- watchers ---------------------------------------------------------------- */

static void watcher_enlist(struct weir_watcher *r, weir_watch *w)
{
    struct weir__loop *g = weir__guard(&w->block.lock);

    r->watch = w;
    r->seen = w->version;
    weir__list_append(&w->idle, watch_link(r));
    w->block.refs++;
    weir__unguard(g, &w->block.lock);
}

int weir_watcher_init(struct weir_watcher *r, weir_watch *w)
{
    if (!r)
        return -EINVAL;
    *r = (struct weir_watcher){.why = w ? w->poison : -EINVAL};
    weir__list_init(watch_link(r));
    if (!w || r->why < 0)
        return r->why;
    if (weir__outside())
        return r->why = weir__out_call(weir__out_watch, WEIR__OUT_INIT, r, w, 0, 0);
    watcher_enlist(r, w);
    return 0;
}

static void watcher_delist(struct weir_watcher *r, weir_watch *w)
{
    struct weir__loop *g = weir__guard(&w->block.lock);

    weir__waiters_wake_all(r->waiters, WEIR_ECLOSED);
    weir__list_remove(watch_link(r));
    r->watch = NULL;
    w->block.refs--;
    weir__block_unguard(g, &w->block);
}

void weir_watcher_fini(struct weir_watcher *r)
{
    if (!r)
        return;
    if (r->watch && weir__outside()) {
        (void)weir__out_call(weir__out_watch, WEIR__OUT_FINI, r, NULL, 0, 0);
        return;
    }
    if (r->watch)
        watcher_delist(r, r->watch);
    r->why = WEIR_ECLOSED;
}

void weir_watcher_rewind(struct weir_watcher *r)
{
    weir_watch *w = r ? r->watch : NULL;
    struct weir__loop *g;

    if (!w)
        return;
    if (weir__outside()) {
        (void)weir__out_call(weir__out_watch, WEIR__OUT_REWIND, r, NULL, 0, 0);
        return;
    }
    g = weir__guard(&w->block.lock);
    r->seen = w->version - 1;
    weir__unguard(g, &w->block.lock);
}

static int watcher_look(void *object, void *item)
{
    struct weir_watcher *r = object;
    weir_watch *w = r->watch;
    int got;

    if (!w)
        return r->why;
    if (w->freed)
        return WEIR_ECLOSED;
    if (r->seen == w->version)
        return w->closed ? w->why : WEIR__CHAN_PARK;
    got = watch_copy(w, item);
    if (got > 0)
        r->seen = w->version;
    return got;
}

static bool watcher_ready(const void *object)
{
    const struct weir_watcher *r = object;

    return !r->watch || r->watch->freed || r->watch->closed || r->seen != r->watch->version;
}

static int watcher_case(const struct weir_select *c)
{
    const struct weir_watcher *r = c->object;

    if (!c->item)
        return -EINVAL;
    return !r->watch || c->size == r->watch->type.size ? 0 : WEIR_ETYPE;
}

/* Only for one that watches something, and is about to stand there. */
static void **watcher_queue(void *object)
{
    struct weir_watcher *r = object;

    weir__list_remove(watch_link(r));
    weir__list_append(&r->watch->waiting, watch_link(r));
    return r->waiters;
}

static uint32_t *watcher_lock(void *object)
{
    struct weir_watcher *r = object;

    return r->watch ? &r->watch->block.lock : NULL;
}

const struct weir__select_kind weir__select_watch = {watcher_case,  watcher_look, watcher_ready,
                                                     watcher_queue, watcher_lock, true};

static int watcher_args(const struct weir_watcher *r, const void *out, size_t size,
                        weir_time deadline)
{
    if (!r || !out || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!r->watch)
        return r->why;
    return size == r->watch->type.size ? 0 : WEIR_ETYPE;
}

int weir_watcher_recv(struct weir_watcher *r, void *out_value, size_t size, weir_time deadline)
{
    int got = watcher_args(r, out_value, size, deadline);
    struct weir__loop *g;
    weir_watch *w;

    if (got < 0)
        return got;
    if (weir__outside())
        return weir__out_call(weir__out_watch, WEIR__OUT_RECV, r, out_value, size, deadline);
    weir__waiters_charge();
    w = r->watch;
    g = weir__guard(&w->block.lock);
    got = watcher_look(r, out_value);
    if (got == WEIR__CHAN_PARK)
        return weir__block_wait(&w->block, watcher_queue(r), out_value, deadline, "watch", g);
    weir__unguard(g, &w->block.lock);
    return got;
}

/* One look, in a section: WEIR__CHAN_PARK if it is not what is wanted and there may be others. */
static int watcher_look_for(struct weir_watcher *r, int (*want)(void *ctx, const void *value),
                            void *ctx, void *out_value)
{
    weir_watch *w = r->watch;
    int got;

    if (w->freed)
        return WEIR_ECLOSED;
    if (!want(ctx, w->value)) {
        r->seen = w->version;
        return w->closed ? w->why : WEIR__CHAN_PARK;
    }
    got = watch_copy(w, out_value);
    r->seen = got > 0 ? w->version : r->seen;
    return got;
}

int weir_watcher_until(struct weir_watcher *r, int (*want)(void *ctx, const void *value), void *ctx,
                       void *out_value, size_t size, weir_time deadline)
{
    int got = want ? watcher_args(r, out_value, size, deadline) : -EINVAL;

    if (got < 0)
        return got;
    if (weir__outside())
        return weir__out(&(struct weir__out){.make = weir__out_watch,
                                             .op = WEIR__OUT_UNTIL,
                                             .object = r,
                                             .ctx = ctx,
                                             .want = want,
                                             .item = out_value,
                                             .size = size,
                                             .deadline = deadline});
    weir__waiters_charge();
    for (;;) {
        weir_watch *w = r->watch;
        struct weir__loop *g;

        if (!w)
            return r->why;
        g = weir__guard(&w->block.lock);
        got = watcher_look_for(r, want, ctx, out_value);
        if (got != WEIR__CHAN_PARK) {
            weir__unguard(g, &w->block.lock);
            return got;
        }
        got = weir__block_wait(&w->block, watcher_queue(r), NULL, deadline, "watch", g);
        if (got < 0)
            return got;
    }
}
