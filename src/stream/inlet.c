/*
 * inlet.c -- one source of a fan-in: a fiber that pulls ahead into a few
 * places, in a pen of its own, so that it can be cancelled and awaited alone.
 *
 *     taken from the source  =  handed on + replaced + held
 */
#include "stream/fan.h"

/* --- slots ----------------------------------------------------------------- */

int weir__slots_make(struct weir__slots *s, size_t n, size_t size)
{
    s->bytes = n * size;
    s->items = weir__places_new(s->bytes);
    return s->items ? 0 : -ENOMEM;
}

void weir__slots_free(struct weir__slots *s)
{
    weir__places_free(s->items, s->bytes);
    *s = (struct weir__slots){0};
}

/* --- the fiber ----------------------------------------------------------------- */

void weir__inlet_ready(struct weir__inlet *i)
{
    struct weir__inlets *set = i->set;
    struct weir__list *at = &set->ready;

    if (i->mute)
        return;
    weir_event_set(&set->news);
    if (!weir__list_empty(&i->link))
        return;
    if (set->sorted)
        while (at->next != &set->ready &&
               WEIR__ENTRY(at->next, struct weir__inlet, link)->index < i->index)
            at = at->next;
    else
        at = set->ready.prev;
    weir__list_append(at->next, &i->link);
}

struct weir__inlet *weir__inlet_next(struct weir__inlets *set)
{
    struct weir__inlet *i;

    if (weir__list_empty(&set->ready))
        return NULL;
    i = WEIR__ENTRY(set->ready.next, struct weir__inlet, link);
    weir__list_remove(&i->link);
    return i;
}

static int inlet_wait_room(struct weir__inlet *i)
{
    int r = 0;

    while (r == 0 && i->n && !i->latest && !i->retired) {
        weir_event_clear(&i->room);
        r = weir_event_wait(&i->room, WEIR_NEVER);
    }
    return r;
}

/* The newest item waits in the second place until it is whole, then takes the first. */
static ssize_t inlet_pull_latest(struct weir__inlet *i)
{
    char *fresh = i->slots.items + i->type.size;
    ssize_t r = weir_pull(i->source, fresh, 1);

    if (r <= 0)
        return r;
    if (i->n) {
        weir__item_drop(&i->type, i->slots.items);
        i->replaced += !i->seen;
    }
    memcpy(i->slots.items, fresh, i->type.size);
    i->seen = false;
    return r;
}

static ssize_t inlet_pull(struct weir__inlet *i)
{
    ssize_t r =
        i->latest ? inlet_pull_latest(i) : weir_pull(i->source, i->slots.items, (size_t)i->cap);

    if (r <= 0)
        return r;
    i->at = 0;
    i->n = (uint32_t)r;
    i->taken += (uint64_t)r;
    return r;
}

static void inlet_over(struct weir__inlet *i, int code)
{
    i->ended = true;
    i->end = code;
    weir__inlet_ready(i);
}

static int inlet_main(void *arg)
{
    struct weir__inlet *i = arg;
    ssize_t r;

    while ((r = inlet_wait_room(i)) == 0 && !i->retired && (r = inlet_pull(i)) > 0) {
        weir__inlet_ready(i);
        if ((r = weir__fan_turn()) < 0) /* a source that never parks can be cancelled, too */
            break;
    }
    if (r == 0 && i->retired)
        return 0;
    r = weir__pen_told(&i->pen, (int)r);
    weir_stream_close(
        &i->source); /* before its end is told: whoever hears of it may rely on that */
    inlet_over(i, (int)r);
    return 0;
}

int weir__inlet_start(struct weir__inlet *i)
{
    return weir__pen_go(&i->pen, inlet_main, i, "inlet");
}

void weir__inlet_fail(struct weir__inlet *i, int code)
{
    weir_stream_close(&i->source);
    inlet_over(i, code);
}

int weir__inlet_pull(struct weir__inlet *i)
{
    ssize_t r = inlet_pull(i);

    if (r > 0)
        return 0;
    if (!i->source->ended)
        return (int)r;
    weir_stream_close(&i->source);
    i->ended = true;
    i->end = (int)r;
    return 0;
}

void weir__inlet_retire(struct weir__inlet *i)
{
    i->retired = true;
    weir_event_set(&i->room);
    weir__pen_join(&i->pen);
}

/* --- making and freeing ------------------------------------------------------------ */

int weir__inlet_init(struct weir__inlet *i, struct weir__inlets *set, weir_stream *s,
                     const struct weir__inlet_how *how)
{
    weir__list_init(&i->link);
    weir__list_init(&i->lack);
    weir_event_init(&i->room);
    i->set = set;
    i->source = s;
    i->type = s->type;
    i->latest = how->latest;
    i->direct = how->direct && (s->ops->flags & WEIR_STREAM_RESUMABLE);
    i->cap = how->cap;
    weir__pen_init(&i->pen);
    return weir__slots_make(&i->slots, i->cap + (i->latest ? 1 : 0), i->type.size);
}

void weir__inlet_stop(struct weir__inlet *i)
{
    weir__pen_cancel(&i->pen, -ECANCELED);
    weir__pen_join(&i->pen);
    weir_stream_close(&i->source);
    i->ended = true;
}

void weir__inlet_fini(struct weir__inlet *i)
{
    if (!i->set)
        return;
    i->mute = true;
    weir__inlet_stop(i);
    for (; i->n; i->n--, i->at++)
        weir__item_drop(&i->type, weir__inlet_head(i));
    weir__list_remove(&i->link);
    weir__list_remove(&i->lack);
    weir__slots_free(&i->slots);
    i->set = NULL;
}

static bool inlets_twice(weir_stream *const *sources, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (sources[i] == sources[k])
            return true;
    return false;
}

/* Marks each source it meets, so that a second time is seen. */
static int inlets_mark(weir_stream *const *sources, size_t n, bool same)
{
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        weir_stream *s = sources[i];
        int bad = weir__stream_check(s);

        if (bad == 0 && (s->marked || weir__stream_busy(s)))
            bad = -EINVAL;
        if (bad == 0)
            s->marked = true;
        if (bad == 0 && same && sources[0] && !sources[0]->poison &&
            !weir__type_agrees(&s->type, &sources[0]->type))
            bad = WEIR_ETYPE;
        if (r == 0)
            r = bad;
    }
    for (size_t i = 0; i < n; i++)
        if (sources[i] && !sources[i]->poison)
            sources[i]->marked = false;
    return r;
}

/* Closes what has not been taken yet. */
static int inlets_refuse(weir_stream *const *sources, size_t from, size_t n, int code)
{
    for (size_t i = from; sources && i < n; i++) {
        weir_stream *s = sources[i];

        if (!inlets_twice(sources, i))
            weir_stream_close(&s);
    }
    return code;
}

int weir__streams_refuse(weir_stream *const *sources, size_t n, int code)
{
    return inlets_refuse(sources, 0, n, code);
}

int weir__inlets_make(struct weir__inlets *set, weir_stream *const *sources, size_t n,
                      const struct weir__inlet_how *how)
{
    int r = sources && n ? 0 : -EINVAL;
    size_t k = 0;

    weir__list_init(&set->ready);
    weir_event_init(&set->news);
    set->sorted = how->sorted;
    if (r < 0)
        return r;
    r = n > 1 << 20 ? -EINVAL : inlets_mark(sources, n, how->same);
    if (r == 0 && !(set->all = weir__alloc(n * sizeof *set->all)))
        r = -ENOMEM;
    if (r < 0)
        return inlets_refuse(sources, 0, n, r);
    set->n = n;
    for (; r == 0 && k < n; k++) {
        set->all[k].index = (uint32_t)k;
        r = weir__inlet_init(&set->all[k], set, sources[k], how);
    }
    if (r < 0) {
        weir__inlets_fini(set);
        return inlets_refuse(sources, k, n, r);
    }
    return 0;
}

int weir__inlets_start(struct weir__inlets *set)
{
    if (set->started)
        return set->refused;
    set->started = true;
    for (size_t k = 0; k < set->n; k++) {
        struct weir__inlet *i = &set->all[k];
        int r = i->direct ? 0 : weir__inlet_start(i);

        if (r < 0) {
            weir__inlets_cancel(set);
            return set->refused = r;
        }
    }
    return 0;
}

int weir__inlets_wait(struct weir__inlets *set)
{
    int r = weir_event_wait(&set->news, WEIR_NEVER);

    weir_event_clear(&set->news); /* after: a look may have parked, and missed something */
    return r;
}

void weir__inlets_cancel(struct weir__inlets *set)
{
    for (size_t k = 0; k < set->n; k++)
        weir__pen_cancel(&set->all[k].pen, -ECANCELED);
}

void weir__inlets_stop(struct weir__inlets *set)
{
    weir__inlets_cancel(set);
    for (size_t k = 0; k < set->n; k++)
        weir__inlet_stop(&set->all[k]);
}

void weir__inlets_fini(struct weir__inlets *set)
{
    weir__inlets_cancel(set);
    for (size_t k = 0; k < set->n; k++)
        weir__inlet_fini(&set->all[k]);
    weir__free(set->all, set->n * sizeof *set->all);
    set->all = NULL;
    set->n = 0;
}

void weir__inlets_books(const struct weir__inlets *set, struct weir_fan_stats *out)
{
    for (size_t k = 0; k < set->n; k++) {
        const struct weir__inlet *i = &set->all[k];

        out->in += i->taken;
        out->dropped += i->replaced;
        out->held += i->latest ? i->n && !i->seen : i->n;
    }
}

int weir_fan_stats(const weir_stream *s, struct weir_fan_stats *out)
{
    if (!s || !out || s->poison || !s->books)
        return s && s->poison ? s->poison : -EINVAL;
    *out = (struct weir_fan_stats){0};
    s->books(s->self, out);
    return 0;
}
