/*
 * watch.c -- one value, its version, and a list of watchers.  Those in whose
 * queue somebody stands are on a list of their own, so a set costs what it
 * wakes.  A waiter is given its copy by the one who sets; but for `until`, who
 * brings no room and looks for itself.
 */
#include <weir/watch.h>

#include "core/item.h"
#include "core/select.h"

struct weir_watch {
    int poison;
    bool closed;
    int why;
    uint64_t version;
    struct weir_type type;
    void *value;
    struct weir__list idle, waiting; /* watchers */
    size_t bytes;
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
    w->bytes = bytes;
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

    while ((at = weir__waiters_first(r->waiters))) {
        int result = why;

        if (why == 1 && at->item) {
            result = weir__item_clone(&w->type, at->item, w->value);
            if (result == 0) {
                r->seen = w->version;
                result = 1;
            }
        }
        weir__waiters_wake(at, result);
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
    if (!w || w->poison)
        return w ? w->poison : -EINVAL;
    return !w->closed ? 0 : w->why < 0 ? w->why : WEIR_ECLOSED;
}

int weir_watch_set(weir_watch *w, const void *value, size_t size)
{
    int r = value ? watch_open(w) : -EINVAL;

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

int weir_watch_edit(weir_watch *w, int (*fn)(void *ctx, void *value), void *ctx)
{
    int r = fn ? watch_open(w) : -EINVAL;

    if (r == 0)
        r = fn(ctx, w->value);
    if (r > 0) {
        w->version++;
        watch_tell_all(w, 1);
    }
    return r;
}

int weir_watch_close(weir_watch *w, int why)
{
    if (!w || why > 0)
        return -EINVAL;
    if (w->poison || w->closed)
        return w->poison ? w->poison : WEIR_ECLOSED;
    w->closed = true;
    w->why = why;
    watch_tell_all(w, why);
    return 0;
}

static void watch_orphan(struct weir__list *list)
{
    while (!weir__list_empty(list)) {
        struct weir_watcher *r = watch_entry(list->next);

        weir__list_remove(watch_link(r));
        r->watch = NULL;
        r->why = WEIR_ECLOSED;
    }
}

void weir_watch_free(weir_watch **wp)
{
    weir_watch *w = wp ? *wp : NULL;

    if (!w)
        return;
    *wp = NULL;
    if (w->poison)
        return;
    watch_tell_all(w, WEIR_ECLOSED);
    watch_orphan(&w->idle);
    weir__item_drop(&w->type, w->value);
    weir__free(w, w->bytes);
}

/* --- asking ----------------------------------------------------------------- */

static int watch_copy(const weir_watch *w, void *out)
{
    int r = weir__item_clone(&w->type, out, w->value);

    return r < 0 ? r : 1;
}

int weir_watch_get(const weir_watch *w, void *out_value, size_t size)
{
    if (!w || !out_value)
        return -EINVAL;
    if (w->poison)
        return w->poison;
    return size == w->type.size ? watch_copy(w, out_value) : WEIR_ETYPE;
}

uint64_t weir_watch_version(const weir_watch *w)
{
    return w ? w->version : 0;
}

int weir_watch_error(const weir_watch *w)
{
    return w ? w->poison : -EINVAL;
}

/* --- watchers ---------------------------------------------------------------- */

int weir_watcher_init(struct weir_watcher *r, weir_watch *w)
{
    if (!r)
        return -EINVAL;
    *r = (struct weir_watcher){.why = w ? w->poison : -EINVAL};
    weir__list_init(watch_link(r));
    if (!w || r->why < 0)
        return r->why;
    r->watch = w;
    r->seen = w->version;
    weir__list_append(&w->idle, watch_link(r));
    return 0;
}

void weir_watcher_fini(struct weir_watcher *r)
{
    if (!r)
        return;
    weir__waiters_wake_all(r->waiters, WEIR_ECLOSED);
    if (r->watch)
        weir__list_remove(watch_link(r));
    r->watch = NULL;
    r->why = WEIR_ECLOSED;
}

void weir_watcher_rewind(struct weir_watcher *r)
{
    if (r && r->watch)
        r->seen = r->watch->version - 1;
}

static int watcher_look(void *object, void *item)
{
    struct weir_watcher *r = object;
    weir_watch *w = r->watch;
    int got;

    if (!w)
        return r->why;
    if (r->seen == w->version)
        return w->closed ? w->why : WEIR__CHAN_PARK;
    got = watch_copy(w, item);
    if (got > 0)
        r->seen = w->version;
    return got;
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

const struct weir__select_kind weir__select_watch = {watcher_case, watcher_look, watcher_queue};

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

    if (got < 0)
        return got;
    weir__waiters_charge();
    got = watcher_look(r, out_value);
    if (got != WEIR__CHAN_PARK)
        return got;
    return weir__waiters_wait(watcher_queue(r), out_value, deadline, "watch");
}

int weir_watcher_until(struct weir_watcher *r, int (*want)(void *ctx, const void *value), void *ctx,
                       void *out_value, size_t size, weir_time deadline)
{
    int got = want ? watcher_args(r, out_value, size, deadline) : -EINVAL;

    weir__waiters_charge();
    while (got >= 0) {
        weir_watch *w = r->watch;

        if (!w)
            return r->why;
        if (want(ctx, w->value)) {
            got = watch_copy(w, out_value);
            r->seen = got > 0 ? w->version : r->seen;
            return got;
        }
        r->seen = w->version;
        if (w->closed)
            return w->why;
        got = weir__waiters_wait(watcher_queue(r), NULL, deadline, "watch");
    }
    return got;
}
