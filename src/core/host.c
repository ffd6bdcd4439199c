/*
 * host.c -- a loop that is stepped by another.
 *
 * The descriptor is the poller's own: descriptors, the inbox and an alarm for
 * the first timer all show in it.  What a turn leaves undone, and what the
 * host wakes between two steps, rings the inbox.
 */
#include <weir/loop.h>

#include "core/core.h"
#include "core/inbox.h"

struct weir_loop {
    int poison;
    int fd;
    struct weir__loop loop;
    struct weir__main main;
};

static weir_loop host_poisons[] = {{.poison = -ENOMEM},  {.poison = -EINVAL}, {.poison = -EBUSY},
                                   {.poison = -ENOTSUP}, {.poison = -EMFILE}, {.poison = -ENFILE}};

static weir_loop *host_poison(int code)
{
    for (size_t i = 1; i < sizeof host_poisons / sizeof *host_poisons; i++)
        if (host_poisons[i].poison == code)
            return &host_poisons[i];
    return &host_poisons[0];
}

/* The block outlives the loop's allocator: it is the thread's own that makes and frees it. */
static void host_free(weir_loop *h)
{
    weir__loop_down(&h->loop);
    weir__free(h, sizeof *h);
}

static int host_start(weir_loop *h)
{
    int r = weir__loop_up(&h->loop, false, 0);

    if (r < 0) {
        weir__free(h, sizeof *h);
        return r;
    }
    h->loop.parked = WEIR__AWAITED;
    r = weir__inbox_open(&h->loop);
    if (r == 0)
        r = h->fd = weir__poller_host(&h->loop);
    if (r >= 0)
        r = weir__loop_main(&h->loop, &h->main);
    if (r < 0)
        host_free(h);
    return r;
}

/* From here to the next step the thread is the host's. */
static void host_rest(weir_loop *h)
{
    weir__loop_idles(&h->loop, true);
    h->loop.resting = true;
    if (h->loop.ready_head)
        weir__inbox_ring(&h->loop);
    weir__poller_alarm(&h->loop);
}

static void host_resume(weir_loop *h)
{
    h->loop.resting = false;
    weir__loop_idles(&h->loop, false);
}

weir_loop *weir_loop_open(const struct weir_config *config, int (*fn)(void *), void *arg)
{
    struct weir_config c;
    weir_loop *h;
    int r = fn ? weir__loop_configure(&c, config) : -EINVAL;

    if (r == 0 && c.loops > 1)
        r = -ENOTSUP;
    if (r == 0 && weir__loop_get())
        r = -EBUSY;
    if (r < 0)
        return host_poison(r);
    h = weir__alloc(sizeof *h);
    if (!h)
        return host_poison(-ENOMEM);
    h->loop.config = c;
    h->main = (struct weir__main){fn, arg, -ECANCELED};
    r = host_start(h);
    if (r < 0)
        return host_poison(r);
    host_rest(h);
    return h;
}

static int host_check(const weir_loop *h)
{
    if (!h)
        return -EINVAL;
    if (h->poison)
        return h->poison;
    if (weir__loop_get() != &h->loop)
        return -EXDEV;
    return h->loop.resting ? 0 : -EBUSY;
}

int weir_loop_fd(const weir_loop *h)
{
    return !h ? -EINVAL : h->poison ? h->poison : h->fd;
}

int weir_loop_step(weir_loop *h)
{
    int r = host_check(h);

    if (r < 0)
        return r;
    host_resume(h);
    weir__loop_pass(&h->loop);
    r = h->loop.live > 0;
    host_rest(h);
    return r;
}

int weir_loop_close(weir_loop **hp)
{
    weir_loop *h = hp ? *hp : NULL;
    int r = host_check(h);

    if (h && h->poison)
        *hp = NULL;
    if (r < 0)
        return r;
    host_resume(h);
    if (h->loop.live)
        weir__node_cancel(&h->loop.top->node, -ECANCELED);
    weir__loop_drive(&h->loop);
    r = weir__loop_result(&h->loop, &h->main);
    host_free(h);
    *hp = NULL;
    return r;
}

int weir_loop_error(const weir_loop *h)
{
    return h ? h->poison : -EINVAL;
}
