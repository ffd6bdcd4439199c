/*
 * fibers.c -- for tests/outside/gdb.sh: fibers that wait at known depths, and
 * one that stops where a debugger can look.
 */
#include <weir.h>

static volatile int sink;

__attribute__((noinline)) static void stop_here(void)
{
    sink++;
}

__attribute__((noinline)) static int inner(weir_chan *ch)
{
    int x = 0, r = weir_recv(ch, &x, WEIR_NEVER);

    sink += x;
    return r;
}

__attribute__((noinline)) static int outer(weir_chan *ch, int depth)
{
    int r = depth ? outer(ch, depth - 1) : inner(ch);

    sink++;
    return r;
}

static int receives(void *arg)
{
    int r = outer(arg, 3);

    sink++;
    return r < 0 ? r : 0;
}

static int sleeps(void *arg)
{
    int r = weir_sleep(weir_after(WEIR_MS(1)));

    (void)arg;
    sink++;
    return r;
}

static int looks(void *arg)
{
    (void)weir_yield();
    stop_here();
    return weir_chan_close(arg, 0);
}

static int app(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "work"});
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    int r = weir_go_with(s, receives, ch, &(struct weir_go_opts){.name = "parser"});

    (void)arg;
    if (r == 0)
        r = weir_go_with(s, sleeps, NULL, &(struct weir_go_opts){.name = "ticker"});
    if (r == 0)
        r = weir_go_with(s, looks, ch, &(struct weir_go_opts){.name = "looker"});
    if (r < 0)
        (void)weir_scope_cancel(s, r);
    r = weir_scope_close(&s);
    weir_chan_free(&ch);
    return r;
}

int main(void)
{
    return weir_run(NULL, app, NULL) == 0 ? 0 : 1;
}
