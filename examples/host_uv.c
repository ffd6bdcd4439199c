/*
 * host_uv.c -- weir as a guest of libuv.
 *
 * libuv's side is a timer that has numbers to give: each time as many as the
 * channel takes, for libuv must not park.  weir's side are two fibers that
 * share them and wait a little over each.  All that hosts weir is a uv_poll_t on one
 * descriptor, whose callback makes one step.
 *
 *   example_host_uv
 */
#include <errno.h>
#include <stdio.h>
#include <uv.h>
#include <weir.h>

enum { NUMBERS = 100, WORKERS = 2, ROOM = 8 };

struct work {
    weir_chan *in;
    int next, sum;
};

static int worker(void *arg)
{
    struct work *w = arg;
    int x, r;

    while ((r = weir_recv(w->in, &x, WEIR_NEVER)) > 0) {
        r = weir_sleep(weir_after(WEIR_US(100)));
        if (r < 0)
            return r;
        w->sum += x;
    }
    return r;
}

/* weir's side: the first fiber. */
static int app(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;

    for (int i = 0; i < WORKERS && r == 0; i++)
        r = weir_go(s, worker, arg);
    if (r < 0)
        (void)weir_scope_cancel(s, r);
    return weir_scope_close(&s);
}

/* libuv's own side: what finds no room is tried again at the next tick. */
static void on_timer(uv_timer_t *timer)
{
    struct work *w = timer->data;
    int r = 1;

    while (w->next <= NUMBERS && r > 0)
        if ((r = weir_send(w->in, &w->next, 0)) > 0)
            w->next++;
    if (w->next <= NUMBERS && (r > 0 || r == -EAGAIN))
        return;
    (void)weir_chan_close(w->in, w->next > NUMBERS ? 0 : r);
    uv_close((uv_handle_t *)timer, NULL);
}

/* The descriptor is readable when weir has something to do. */
static void on_weir(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0 || weir_loop_step(poll->data) <= 0)
        uv_close((uv_handle_t *)poll, NULL); /* all fibers have ended */
}

static int serve(uv_loop_t *loop, weir_loop *l, struct work *w)
{
    uv_timer_t timer;
    uv_poll_t poll;
    int r = uv_poll_init(loop, &poll, weir_loop_fd(l));

    if (r < 0)
        return r;
    poll.data = l;
    r = uv_poll_start(&poll, UV_READABLE, on_weir);
    if (r == 0)
        r = uv_timer_init(loop, &timer);
    if (r == 0) {
        timer.data = w;
        r = uv_timer_start(&timer, on_timer, 0, 1);
    }
    if (r < 0)
        return r;
    return uv_run(loop, UV_RUN_DEFAULT); /* until both handles are closed */
}

int main(void)
{
    struct work w = {weir_chan_new(WEIR_TYPE(int), ROOM), 1, 0};
    weir_loop *l = weir_loop_open(NULL, app, &w);
    int r = weir_error(l), end;

    if (r == 0)
        r = serve(uv_default_loop(), l, &w);
    end = weir_loop_close(&l);
    weir_chan_free(&w.in);
    r = r < 0 ? r : end < 0 ? end : uv_loop_close(uv_default_loop());
    printf("%d numbers through libuv, sum %d: %s\n", w.next - 1, w.sum, weir_strerror(r));
    return r < 0;
}
