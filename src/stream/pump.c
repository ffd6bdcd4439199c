/*
 * pump.c -- the fiber of a fan-out, and the streams that its subscribers pull.
 *
 * The pump lives as long as somebody holds one of its streams or handles; the
 * last to leave cancels it, waits for it, and closes the source.  It parks in
 * `room` only, never in a subscriber's channel, so any of them may leave at
 * any time.  Of an outlet
 *
 *     in  =  received + dropped + refused + queued
 */
#include "stream/fan.h"

#include "core/chan.h"

/* --- the fiber ------------------------------------------------------------- */

static ssize_t pump_step(struct weir__pump *p)
{
    ssize_t r = weir__fan_turn(); /* a source that never parks can be cancelled, too */

    if (r == 0 && p->ops->wanted)
        r = p->ops->wanted(p);
    if (r == 0)
        r = weir_pull(p->source, p->hand.items, 1);
    if (r <= 0)
        return r;
    r = p->ops->route(p, p->hand.items);
    return r < 0 ? r : 1;
}

static int pump_main(void *arg)
{
    struct weir__pump *p = arg;
    ssize_t r;

    while ((r = pump_step(p)) > 0)
        ;
    p->end = weir__pen_told(&p->pen, (int)r);
    weir_stream_close(&p->source);
    p->ended = true;
    p->ops->finish(p, p->end);
    return 0;
}

int weir__pump_start(struct weir__pump *p)
{
    int r;

    if (p->started)
        return 0;
    r = weir__pen_go(&p->pen, pump_main, p, p->ops->name);
    p->started = r == 0;
    return r;
}

int weir__pump_wait(struct weir__pump *p, weir_span patience)
{
    weir_time until = WEIR_NEVER;
    int r;

    if (!p->waiting)
        p->starving = 0;
    else if (!p->starving)
        p->starving = weir_now();
    if (p->starving && patience && patience < WEIR_NEVER - p->starving)
        until = p->starving + patience;
    r = weir_event_wait(&p->room, until);
    weir_event_clear(&p->room);
    return r == -ETIMEDOUT ? WEIR_EFULL : r;
}

int weir__pump_init(struct weir__pump *p, const struct weir__pump_ops *ops, weir_stream *s,
                    size_t places)
{
    if (weir__slots_make(&p->hand, places, weir__stride(s->type.size)) < 0)
        return -ENOMEM;
    weir__pen_init(&p->pen);
    weir_event_init(&p->room);
    p->ops = ops;
    p->source = s;
    p->type = s->type;
    p->refs = 1;
    return 0;
}

void weir__pump_unref(struct weir__pump *p)
{
    if (--p->refs)
        return;
    weir__pen_cancel(&p->pen, -ECANCELED);
    weir__pen_join(&p->pen);
    weir_stream_close(&p->source);
    weir__slots_free(&p->hand);
    p->ops->free(p);
}

/* --- outlets ------------------------------------------------------------------ */

static ssize_t outlet_pull(void *self, void *items, size_t max)
{
    struct weir__outlet *o = self;
    struct weir__pump *p = o->pump;
    size_t done;
    ssize_t r = weir__pump_start(p);

    if (r < 0)
        return r;
    p->waiting++;
    if (p->watches)
        weir_event_set(&p->room);
    r = weir_chan_recv_n(o->ch, items, o->ch->size, o->most_one ? 1 : max, &done, WEIR_NEVER);
    p->waiting--;
    if (o->shared)
        o->in += done;
    weir_event_set(&p->room);
    return r;
}

static void outlet_close(void *self, int why)
{
    struct weir__outlet *o = self;
    struct weir__pump *p = o->pump;

    (void)why;
    p->ops->gone(p, o);
    weir_event_set(&p->room);
    if (!o->shared) {
        p->left += o->ch->length;
        weir_chan_free(&o->ch);
    }
    weir__free(o, sizeof *o);
    weir__pump_unref(p);
}

static const struct weir_stream_ops outlet_ops = {sizeof(struct weir_stream_ops),
                                                  WEIR_STREAM_RESUMABLE, outlet_pull, outlet_close};

static void outlet_books(const void *self, struct weir_fan_stats *out)
{
    const struct weir__outlet *o = self;

    out->in = o->in;
    out->left = o->pump->left;
    out->out = o->shared ? o->in : o->ch->stats.received;
    if (o->shared)
        return;
    out->dropped = o->ch->stats.dropped + o->refused;
    out->held = o->ch->length;
}

int weir__outlet_check(const struct weir_outlet_opts *o)
{
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return (unsigned)o->overflow > WEIR_FAIL || o->patience < 0 ? -EINVAL : 0;
}

static int outlet_fill(struct weir__outlet *o, struct weir_type type,
                       const struct weir_outlet_opts *opts, weir_chan *shared)
{
    struct weir_chan_opts c = {.capacity = 64, .name = o->pump->ops->name};
    int r;

    if (opts && opts->capacity)
        c.capacity = opts->capacity;
    if (opts)
        c.overflow = opts->overflow;
    o->shared = shared;
    o->ch = shared ? shared : weir_chan_with(type, &c);
    r = weir_chan_error(o->ch);
    if (r < 0)
        return r;
    o->me = weir_stream_new(&outlet_ops, o, type);
    r = o->me->poison;
    if (r < 0 && !shared)
        weir_chan_free(&o->ch);
    return r;
}

struct weir__outlet *weir__outlet_new(struct weir__pump *p, struct weir_type type,
                                      const struct weir_outlet_opts *opts, weir_chan *shared,
                                      int *why)
{
    struct weir__outlet *o = NULL;

    *why = opts ? weir__outlet_check(opts) : 0;
    if (*why < 0)
        return NULL;
    o = weir__alloc(sizeof *o);
    if (!o) {
        *why = -ENOMEM;
        return NULL;
    }
    weir__list_init(&o->link);
    o->pump = p;
    o->patience = opts ? opts->patience : 0;
    p->watches = p->watches || o->patience;
    *why = outlet_fill(o, type, opts, shared);
    if (*why < 0) {
        weir__free(o, sizeof *o);
        return NULL;
    }
    o->me->books = outlet_books;
    o->me->home = &p->home;
    p->refs++;
    return o;
}

bool weir__outlet_room(const struct weir__outlet *o)
{
    const weir_chan *ch = o->ch;

    return ch->closed || ch->overflow != WEIR_BLOCK || ch->length < ch->capacity ||
           !weir__list_empty(&ch->receivers);
}

bool weir__outlet_try(struct weir__outlet *o, void *item)
{
    weir_chan *ch = o->ch;
    int r;

    if (ch->closed) { /* it has failed, and is not gone yet */
        weir__item_drop(&ch->type, item);
        o->pump->left++;
        return true;
    }
    r = weir__chan_send_now(ch, item);
    if (r == WEIR__CHAN_PARK)
        return false;
    o->in++;
    if (r < 0) {
        weir__item_drop(&ch->type, item);
        o->refused++;
        o->deaf = true;
        (void)weir_chan_close(ch, r);
    }
    return true;
}

int weir__outlet_put(struct weir__pump *p, struct weir__outlet **o, const struct weir_type *type,
                     void *item)
{
    int r = 0;

    weir__pump_patient(p);
    while (r == 0 && *o) {
        if (weir__outlet_try(*o, item))
            return 0;
        r = weir__pump_wait(p, (*o)->patience);
    }
    weir__item_drop(type, item);
    p->left++;
    return r;
}

int weir__outlets_refuse(weir_stream **out, size_t n, int code)
{
    for (size_t i = 0; out && i < n; i++)
        out[i] = weir__stream_poison(code);
    return code;
}
