/*
 * tee.c -- each item to each subscriber: tee, and broadcast, whose subscribers
 * come and go.
 *
 * All get the item as soon as they have room for it; the next is pulled when
 * all have.  So nobody is more than his own capacity and one item behind, and
 * whoever blocks holds up the source.
 */
#include "core/chan.h"
#include "stream/fan.h"

/* What is due to subscribers that are there. */
static size_t tee_owed(const struct weir__split *t)
{
    size_t owed = 0;

    for (size_t i = 0; i < t->n; i++)
        owed += t->outlets[i] && t->outlets[i]->owed;
    return owed;
}

/* The least of those that hold the others up; 0: they may do so for ever. */
static weir_span tee_patience(const struct weir__split *t)
{
    weir_span least = 0;

    for (size_t i = 0; i < t->n; i++) {
        const struct weir__outlet *o = t->outlets[i];

        if (o && o->owed && o->patience && (!least || o->patience < least))
            least = o->patience;
    }
    return least;
}

/* A copy, in the second place of the hand; the last one gets the item itself. */
static int tee_copy(struct weir__split *t, void *item, bool last, void **out)
{
    const struct weir_type *type = &t->pump.type;
    char *copy = t->pump.hand.items + weir__stride(type->size);
    int r = 0;

    *out = last ? item : copy;
    if (!last && type->clone)
        r = type->clone(copy, item);
    else if (!last)
        memcpy(copy, item, type->size);
    return r;
}

/* Gives the item to all that have room.  1: it has gone to the last; 0; negative: no copy. */
static int tee_give(struct weir__split *t, void *item)
{
    size_t owed = tee_owed(t);

    for (size_t i = 0; i < t->n && owed; i++) {
        struct weir__outlet *o = t->outlets[i];
        void *one;
        int r;

        if (!o || !o->owed || !weir__outlet_room(o))
            continue;
        r = tee_copy(t, item, owed == 1, &one);
        if (r < 0)
            return r;
        o->owed = false;
        (void)weir__outlet_try(o, one);
        if (--owed == 0)
            return 1;
    }
    return 0;
}

static int tee_route(struct weir__pump *p, void *item)
{
    struct weir__split *t = (struct weir__split *)p;
    int r = 0;

    p->left += t->open == 0;
    weir__pump_patient(p);
    for (size_t i = 0; i < t->n; i++)
        if (t->outlets[i])
            t->outlets[i]->owed = !t->outlets[i]->deaf;
    while (r == 0 && tee_owed(t)) {
        r = tee_give(t, item);
        if (r == 0 && tee_owed(t))
            r = weir__pump_wait(p, tee_patience(t));
    }
    if (r <= 0)
        weir__item_drop(&p->type, item);
    for (size_t i = 0; i < t->n; i++)
        if (t->outlets[i] && t->outlets[i]->owed) {
            t->outlets[i]->owed = false;
            p->left++;
        }
    return r < 0 ? r : 0;
}

/* A tee whose subscribers have all failed is over. */
static int tee_route_some(struct weir__pump *p, void *item)
{
    int r = tee_route(p, item);

    return r == 0 && weir__split_deaf((struct weir__split *)p) ? WEIR_EFULL : r;
}

static const struct weir__pump_ops tee_ops = {
    "tee", NULL, tee_route_some, weir__split_finish, weir__split_gone, weir__split_free,
};

static int tee_check(const weir_stream *s)
{
    int r = weir__stream_check(s);

    return r < 0 ? r : s->type.drop && !s->type.clone ? -EINVAL : 0;
}

int weir_tee(weir_stream *s, size_t n, const struct weir_outlet_opts *opts, weir_stream **out)
{
    struct weir__split t = {0};
    int r = tee_check(s);

    if (r < 0) {
        weir_stream_close(&s);
        return weir__outlets_refuse(out, n, r);
    }
    return weir__split_make(&t, &tee_ops, s, n, opts, out);
}

/* --- what late subscribers get ----------------------------------------------------- */

static void *past_place(const struct weir__split *t, size_t k)
{
    return t->past.items + k * weir__stride(t->pump.type.size);
}

static int past_copy(const struct weir_type *type, void *to, const void *from)
{
    if (type->clone)
        return type->clone(to, from);
    memcpy(to, from, type->size);
    return 0;
}

/* Keeps a copy of the item in place of the oldest. */
static int past_keep(struct weir__split *t, const void *item)
{
    const struct weir_type *type = &t->pump.type;
    void *extra = past_place(t, t->past_cap), *place;
    int r = past_copy(type, extra, item);

    if (r < 0)
        return r;
    place = past_place(t, (t->past_at + t->past_n) % t->past_cap);
    if (t->past_n == t->past_cap) {
        weir__item_drop(type, place);
        t->past_at = (t->past_at + 1) % t->past_cap;
    } else {
        t->past_n++;
    }
    memcpy(place, extra, type->size);
    return 0;
}

/* Copies of what is kept, oldest first, as many as the new outlet has room for. */
static int past_give(struct weir__split *t, struct weir__outlet *o)
{
    size_t room = o->ch->capacity, n = t->past_n, k = n > room ? n - room : 0;
    void *extra;
    int r = 0;

    if (!t->past_cap)
        return 0;
    extra = past_place(t, t->past_cap);
    for (; r == 0 && k < n; k++) {
        r = past_copy(&t->pump.type, extra, past_place(t, (t->past_at + k) % t->past_cap));
        if (r == 0)
            (void)weir__outlet_try(o, extra);
    }
    return r;
}

static void past_free(struct weir__split *t)
{
    for (size_t k = 0; k < t->past_n; k++)
        weir__item_drop(&t->pump.type, past_place(t, (t->past_at + k) % t->past_cap));
    weir__slots_free(&t->past);
}

/* --- broadcast ------------------------------------------------------------------ */

enum { BROADCAST_PAST = 1 << 16 };

struct weir_broadcast {
    struct weir__split *split;
    int poison;
};

static struct weir_broadcast broadcast_poisons[] = {{NULL, -EINVAL}, {NULL, -ENOMEM}};

static int broadcast_wanted(struct weir__pump *p)
{
    struct weir__split *t = (struct weir__split *)p;
    int r = 0;

    while (r == 0 && weir__split_deaf(t))
        r = weir__pump_wait(p, 0);
    return r;
}

static int broadcast_route(struct weir__pump *p, void *item)
{
    struct weir__split *t = (struct weir__split *)p;
    int r = t->past_cap ? past_keep(t, item) : 0;

    if (r == 0)
        return tee_route(p, item);
    weir__item_drop(&p->type, item);
    p->left++;
    return r;
}

static void broadcast_free(struct weir__pump *p)
{
    past_free((struct weir__split *)p);
    weir__split_free(p);
}

static const struct weir__pump_ops broadcast_ops = {
    "broadcast",        broadcast_wanted, broadcast_route,
    weir__split_finish, weir__split_gone, broadcast_free,
};

/* A source's own poison is kept in a handle that is freed like a sound one. */
static weir_broadcast *broadcast_refuse(weir_broadcast *b, weir_stream *s, int code)
{
    weir_stream_close(&s);
    if (!b)
        return &broadcast_poisons[1];
    b->poison = code;
    return b;
}

static weir_broadcast *broadcast_make(weir_stream *s, size_t past)
{
    struct weir__split t = {.past_cap = past};
    weir_broadcast *b;
    int r = tee_check(s);

    if (r == -EINVAL) {
        weir_stream_close(&s);
        return &broadcast_poisons[0];
    }
    b = weir__alloc(sizeof *b);
    if (r == 0 && b && past)
        r = weir__slots_make(&t.past, past + 1, weir__stride(s->type.size));
    if (r == 0 && b)
        b->split = weir__split_new(&t, &broadcast_ops, s, 4, &r);
    if (b && r == 0)
        return b;
    weir__slots_free(&t.past);
    return broadcast_refuse(b, s, r < 0 ? r : -ENOMEM);
}

weir_broadcast *weir_broadcast_new(weir_stream *s)
{
    return broadcast_make(s, 0);
}

weir_broadcast *weir_broadcast_replay(weir_stream *s, size_t n)
{
    if (n > 0 && n <= BROADCAST_PAST)
        return broadcast_make(s, n);
    weir_stream_close(&s);
    return &broadcast_poisons[0];
}

/* A free place, made if there is none; or negative. */
static ssize_t broadcast_place(struct weir__split *t)
{
    struct weir__outlet **more;

    for (size_t i = 0; i < t->n; i++)
        if (!t->outlets[i])
            return (ssize_t)i;
    if (t->n < t->cap)
        return (ssize_t)t->n++;
    more = weir__realloc(t->outlets, t->cap * sizeof *more, 2 * t->cap * sizeof *more);
    if (!more)
        return -ENOMEM;
    memset(more + t->cap, 0, t->cap * sizeof *more);
    t->outlets = more;
    t->cap *= 2;
    return (ssize_t)t->n++;
}

weir_stream *weir_broadcast_subscribe(weir_broadcast *b, const struct weir_outlet_opts *opts)
{
    struct weir__split *t = b ? b->split : NULL;
    struct weir__outlet *o;
    ssize_t at;
    int r = weir_broadcast_error(b);

    if (r == 0 && !weir__home_here(&t->pump.home))
        r = -EXDEV;
    if (r < 0)
        return weir__stream_poison(r);
    at = broadcast_place(t);
    o = at < 0 ? NULL : weir__outlet_new(&t->pump, t->pump.type, opts, NULL, &r);
    if (!o)
        return weir__stream_poison(at < 0 ? (int)at : r);
    o->index = (size_t)at;
    t->outlets[at] = o;
    t->open++;
    r = past_give(t, o);
    if (r < 0) {
        weir_stream *s = o->me;

        weir_stream_close(&s);
        return weir__stream_poison(r);
    }
    if (t->pump.ended)
        (void)weir_chan_close(o->ch, t->pump.end);
    weir_event_set(&t->pump.room);
    return o->me;
}

void weir_broadcast_close(weir_broadcast **bp)
{
    weir_broadcast *b = bp ? *bp : NULL;

    if (!b)
        return;
    *bp = NULL;
    if (b == &broadcast_poisons[0] || b == &broadcast_poisons[1])
        return;
    if (b->split)
        weir__pump_unref(&b->split->pump);
    weir__free(b, sizeof *b);
}

int weir_broadcast_error(const weir_broadcast *b)
{
    return b ? b->poison : -EINVAL;
}
