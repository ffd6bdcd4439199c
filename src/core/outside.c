/*
 * outside.c -- the calls that a plain thread makes through a door: each packs
 * its arguments, and a fiber on the loop makes the same call with them.
 */
#include "core/door.h"

struct outside {
    void *object;
    void *item; /* or items, or another out-parameter */
    size_t size, n;
    size_t *done;
    weir_time deadline;
    int code;
    int (*fn)(void *);
    void (*drop)(void *);
    ssize_t result;
};

/* A call that never got to the loop has the door's answer. */
static ssize_t outside_call(int (*fn)(void *), struct outside *o)
{
    int r;

    o->result = 0;
    r = weir_door_call(fn, o);
    return r < 0 ? r : o->result;
}

/* --- channels ---------------------------------------------------------- */

static int outside_do_send(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_send(o->object, o->item, o->size, o->deadline);
    return 0;
}

int weir__outside_send(weir_chan *ch, const void *item, size_t size, weir_time deadline)
{
    struct outside o = {.object = ch, .item = (void *)item, .size = size, .deadline = deadline};

    return (int)outside_call(outside_do_send, &o);
}

static int outside_do_recv(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_recv(o->object, o->item, o->size, o->deadline);
    return 0;
}

int weir__outside_recv(weir_chan *ch, void *item, size_t size, weir_time deadline)
{
    struct outside o = {.object = ch, .item = item, .size = size, .deadline = deadline};

    return (int)outside_call(outside_do_recv, &o);
}

static int outside_do_send_n(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_send_n(o->object, o->item, o->size, o->n, o->done, o->deadline);
    return 0;
}

ssize_t weir__outside_send_n(weir_chan *ch, const void *items, size_t size, size_t n, size_t *done,
                             weir_time deadline)
{
    struct outside o = {.object = ch,
                        .item = (void *)items,
                        .size = size,
                        .n = n,
                        .done = done,
                        .deadline = deadline};

    *done = 0;
    return outside_call(outside_do_send_n, &o);
}

static int outside_do_recv_n(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_recv_n(o->object, o->item, o->size, o->n, o->done, o->deadline);
    return 0;
}

ssize_t weir__outside_recv_n(weir_chan *ch, void *items, size_t size, size_t max, size_t *done,
                             weir_time deadline)
{
    struct outside o = {
        .object = ch, .item = items, .size = size, .n = max, .done = done, .deadline = deadline};

    *done = 0;
    return outside_call(outside_do_recv_n, &o);
}

static int outside_do_close(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_close(o->object, o->code);
    return 0;
}

int weir__outside_close(weir_chan *ch, int why)
{
    struct outside o = {.object = ch, .code = why};

    return (int)outside_call(outside_do_close, &o);
}

static int outside_do_shut(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_shut(o->object);
    return 0;
}

int weir__outside_shut(weir_chan *ch)
{
    struct outside o = {.object = ch};

    return (int)outside_call(outside_do_shut, &o);
}

static int outside_do_free(void *arg)
{
    struct outside *o = arg;
    weir_chan *ch = o->object;

    weir_chan_free(&ch);
    return 0;
}

void weir__outside_free(weir_chan **ch)
{
    struct outside o = {.object = *ch};

    if (outside_call(outside_do_free, &o) == 0)
        *ch = NULL;
}

static int outside_do_producer_add(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_producer_add(o->object);
    return 0;
}

int weir__outside_producer_add(weir_chan *ch)
{
    struct outside o = {.object = ch};

    return (int)outside_call(outside_do_producer_add, &o);
}

static int outside_do_producer_done(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_producer_done(o->object, o->code);
    return 0;
}

int weir__outside_producer_done(weir_chan *ch, int result)
{
    struct outside o = {.object = ch, .code = result};

    return (int)outside_call(outside_do_producer_done, &o);
}

static int outside_do_stats(void *arg)
{
    struct outside *o = arg;

    o->result = weir_chan_stats(o->object, o->item);
    return 0;
}

int weir__outside_stats(const weir_chan *ch, struct weir_chan_stats *out)
{
    struct outside o = {.object = (void *)ch, .item = out};

    return (int)outside_call(outside_do_stats, &o);
}

size_t weir__outside_length(const weir_chan *ch)
{
    struct weir_chan_stats stats = {0};

    return weir__outside_stats(ch, &stats) == 0 ? stats.length : 0;
}

static int outside_do_select(void *arg)
{
    struct outside *o = arg;

    o->result = weir_select(o->object, o->n, o->deadline);
    return 0;
}

int weir__outside_select(struct weir_select *cases, size_t n, weir_time deadline)
{
    struct outside o = {.object = cases, .n = n, .deadline = deadline};

    return (int)outside_call(outside_do_select, &o);
}

/* --- semaphores and events --------------------------------------------- */

static int outside_do_sem_take(void *arg)
{
    struct outside *o = arg;

    o->result = weir_sem_take(o->object, o->n, o->deadline);
    return 0;
}

int weir__outside_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline)
{
    struct outside o = {.object = s, .n = n, .deadline = deadline};

    return (int)outside_call(outside_do_sem_take, &o);
}

static int outside_do_sem_give(void *arg)
{
    struct outside *o = arg;

    o->result = weir_sem_give(o->object, o->n);
    return 0;
}

int weir__outside_sem_give(struct weir_sem *s, uint64_t n)
{
    struct outside o = {.object = s, .n = n};

    return (int)outside_call(outside_do_sem_give, &o);
}

static int outside_do_sem_close(void *arg)
{
    weir_sem_close(((struct outside *)arg)->object);
    return 0;
}

void weir__outside_sem_close(struct weir_sem *s)
{
    struct outside o = {.object = s};

    (void)outside_call(outside_do_sem_close, &o);
}

static int outside_do_event_set(void *arg)
{
    weir_event_set(((struct outside *)arg)->object);
    return 0;
}

void weir__outside_event_set(struct weir_event *e)
{
    struct outside o = {.object = e};

    (void)outside_call(outside_do_event_set, &o);
}

static int outside_do_event_clear(void *arg)
{
    weir_event_clear(((struct outside *)arg)->object);
    return 0;
}

void weir__outside_event_clear(struct weir_event *e)
{
    struct outside o = {.object = e};

    (void)outside_call(outside_do_event_clear, &o);
}

static int outside_do_event_wait(void *arg)
{
    struct outside *o = arg;

    o->result = weir_event_wait(o->object, o->deadline);
    return 0;
}

int weir__outside_event_wait(struct weir_event *e, weir_time deadline)
{
    struct outside o = {.object = e, .deadline = deadline};

    return (int)outside_call(outside_do_event_wait, &o);
}

/* --- the rest ---------------------------------------------------------- */

static int outside_do_offload(void *arg)
{
    struct outside *o = arg;

    o->result = o->code ? weir_offload_own(o->fn, o->item, o->drop) : weir_offload(o->fn, o->item);
    return 0;
}

int weir__outside_offload(int (*fn)(void *), void *arg, bool own, void (*drop)(void *))
{
    struct outside o = {.item = arg, .code = own, .fn = fn, .drop = drop};
    int r = weir_door_call(outside_do_offload, &o);

    if (r == 0)
        return (int)o.result;
    if (own) /* it never got to the loop */
        weir__offload_own_drop(r, arg, drop);
    return r;
}

static int outside_do_scope_cancel(void *arg)
{
    struct outside *o = arg;

    o->result = weir_scope_cancel(o->object, o->code);
    return 0;
}

int weir__outside_scope_cancel(weir_scope *s, int why)
{
    struct outside o = {.object = s, .code = why};

    return (int)outside_call(outside_do_scope_cancel, &o);
}
