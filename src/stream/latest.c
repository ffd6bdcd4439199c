/*
 * latest.c -- switch_map: only the stream of the latest item.
 *
 * A feeder fiber pulls the source all the time.  For each item it cancels the
 * runner, the fiber of the stream before, waits for it, drops what it left in
 * the one slot towards the puller, and starts the next: so nothing of an old
 * stream is there once a new one has begun.  The runner has a pen of its own,
 * within the feeder's.
 */
#include <string.h>
#include <weir/ops.h>
#include <weir/sync.h>

#include "stream/items.h"

struct latest {
    struct weir__pen pen, runner;
    weir_stream *source, *inner, *me;
    weir_make_of *fn;
    void *ctx;
    struct weir_type in, out;
    char *next, *item, *slot; /* being pulled; of the runner's stream; of the puller */
    bool full, filled;        /* there is an item; a slot to take */
    bool started, running, fed;
    int failed;
    struct weir_event news, taken;
};

static void latest_fail(struct latest *l, ssize_t code)
{
    if (!l->failed)
        l->failed = (int)code;
    weir__pen_cancel(&l->pen, (int)code);
    weir_event_set(&l->news);
}

static void latest_drop_slot(struct latest *l)
{
    weir__item_drop(&l->out, l->slot);
    l->me->dropped++;
    l->filled = false;
}

/* --- the runner ------------------------------------------------------------------ */

/* Once it is cancelled it gives nothing more, also if its stream never parks. */
static ssize_t latest_pass(struct latest *l)
{
    ssize_t r;

    while ((r = weir_pull(l->inner, l->slot, 1)) > 0) {
        if (weir_cancel_why()) {
            latest_drop_slot(l);
            return -ECANCELED;
        }
        l->filled = true;
        weir_event_set(&l->news);
        weir_event_clear(&l->taken);
        r = weir_event_wait(&l->taken, WEIR_NEVER);
        if (r < 0)
            break;
    }
    return r;
}

static int latest_run(void *arg)
{
    struct latest *l = arg;
    ssize_t r = latest_pass(l);
    bool cut = weir_cancel_why() != 0; /* then nobody cares how it ended */

    if (!cut)
        weir_stream_close(&l->inner); /* else the feeder does */
    l->running = false;
    if (r < 0 && !cut)
        latest_fail(l, r);
    weir_event_set(&l->news);
    return 0;
}

/* --- the feeder -------------------------------------------------------------------- */

/* Nothing of the stream before is left when this returns, and nothing of it is given meanwhile. */
static void latest_stop(struct latest *l)
{
    if (l->filled)
        latest_drop_slot(l);
    weir__pen_cancel(&l->runner, -ECANCELED);
    weir__pen_join(&l->runner);
    weir_stream_close(&l->inner);
    if (l->full)
        weir__item_drop(&l->in, l->item);
    l->full = l->running = false;
}

static int latest_switch(struct latest *l)
{
    int r;

    latest_stop(l);
    memcpy(l->item, l->next, l->in.size);
    l->full = true;
    l->inner = l->fn(l->ctx, l->item);
    if (!l->inner)
        return 0;
    r = weir__built_check(&l->inner, &l->out, &l->pen);
    if (r < 0)
        return r;
    weir__pen_init(&l->runner);
    l->running = true;
    r = weir__pen_go(&l->runner, latest_run, l, "switch_map");
    if (r < 0)
        l->running = false;
    return r;
}

static int latest_feed(void *arg)
{
    struct latest *l = arg;
    ssize_t r;

    while ((r = weir_pull(l->source, l->next, 1)) > 0 && (r = latest_switch(l)) == 0)
        ;
    if (r < 0)
        latest_fail(l, r);
    l->fed = true;
    weir_event_set(&l->news);
    return 0;
}

/* --- the puller ------------------------------------------------------------------------ */

static int latest_start(struct latest *l)
{
    int r = l->started ? 0 : weir__pen_go(&l->pen, latest_feed, l, "switch_feed");

    l->started = r == 0;
    return r;
}

static ssize_t latest_pull(void *self, void *items, size_t max)
{
    struct latest *l = self;
    int r = latest_start(l);

    (void)max;
    while (r == 0) {
        if (l->filled) {
            memcpy(items, l->slot, l->out.size);
            l->filled = false;
            weir_event_set(&l->taken);
            return 1;
        }
        if (l->failed)
            return l->failed;
        if (l->fed && !l->running)
            return 0;
        weir_event_clear(&l->news);
        r = weir_event_wait(&l->news, WEIR_NEVER);
    }
    return r;
}

static void latest_close(void *self, int why)
{
    struct latest *l = self;

    (void)why;
    weir__pen_cancel(&l->pen, -ECANCELED); /* and with it the runner's, which lies within */
    weir__pen_join(&l->pen);
    latest_stop(l);
    weir_stream_close(&l->source);
    weir__items_free(&l->in, l->next, 1);
    weir__items_free(&l->in, l->item, 1);
    weir__items_free(&l->out, l->slot, 1);
    weir__free(l, sizeof *l);
}

static const struct weir_stream_ops latest_ops = {sizeof(struct weir_stream_ops),
                                                  WEIR_STREAM_RESUMABLE, latest_pull, latest_close};

weir_stream *weir_switch_map(weir_stream *s, weir_make_of *fn, void *ctx, struct weir_type out)
{
    struct latest init = {.source = s, .fn = fn, .ctx = ctx, .out = out}, *l;
    int r = weir__stage_check(s, fn);

    if (r == 0)
        r = weir__type_check(&out);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    l = weir__self_new(&init, sizeof init);
    if (!l)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    l->in = s->type;
    weir_event_init(&l->news);
    weir_event_init(&l->taken);
    weir__pen_init(&l->pen);
    weir__list_init(&l->runner.link);
    l->next = weir__items_alloc(&l->in, 1);
    l->item = weir__items_alloc(&l->in, 1);
    l->slot = weir__items_alloc(&out, 1);
    return weir__self_stream(&latest_ops, l, out, l->next && l->item && l->slot, &l->me);
}
