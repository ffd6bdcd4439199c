/*
 * host_glib.c -- weir as a guest of GLib's main loop.
 *
 * GLib's side is a timeout that has numbers to give: each time as many as the
 * channel takes, for GLib must not park.  weir's side are two fibers that
 * share them and wait a little over each.  All that hosts weir is a source for one
 * descriptor, whose callback makes one step; the last ends the main loop.
 *
 *   example_host_glib
 */
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <weir.h>

enum { NUMBERS = 100, WORKERS = 2, ROOM = 8 };

struct work {
    weir_chan *in;
    int next, sum;
};

struct host {
    GMainLoop *main;
    weir_loop *weir;
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

/* GLib's own side: what finds no room is tried again at the next tick. */
static gboolean on_tick(gpointer arg)
{
    struct work *w = arg;
    int r = 1;

    while (w->next <= NUMBERS && r > 0)
        if ((r = weir_send(w->in, &w->next, 0)) > 0)
            w->next++;
    if (w->next <= NUMBERS && (r > 0 || r == -EAGAIN))
        return G_SOURCE_CONTINUE;
    (void)weir_chan_close(w->in, w->next > NUMBERS ? 0 : r);
    return G_SOURCE_REMOVE;
}

/* The descriptor is readable when weir has something to do. */
static gboolean on_weir(gint fd, GIOCondition condition, gpointer arg)
{
    struct host *h = arg;

    (void)fd, (void)condition;
    if (weir_loop_step(h->weir) > 0)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(h->main); /* all fibers have ended */
    return G_SOURCE_REMOVE;
}

int main(void)
{
    struct work w = {weir_chan_new(WEIR_TYPE(int), ROOM), 1, 0};
    struct host h = {g_main_loop_new(NULL, FALSE), weir_loop_open(NULL, app, &w)};
    int r = weir_error(h.weir), end;

    if (r == 0) {
        g_unix_fd_add(weir_loop_fd(h.weir), G_IO_IN, on_weir, &h);
        g_timeout_add(1, on_tick, &w);
        g_main_loop_run(h.main);
    }
    end = weir_loop_close(&h.weir);
    weir_chan_free(&w.in);
    g_main_loop_unref(h.main);
    r = r < 0 ? r : end;
    printf("%d numbers through GLib, sum %d: %s\n", w.next - 1, w.sum, weir_strerror(r));
    return r < 0;
}
