/*
 * host_epoll.c -- weir as a guest of a bare epoll loop.
 *
 * The program has its own loop and its own descriptors: here a pipe on which
 * numbers come in.  Fibers do the work behind it: a channel takes what the loop
 * read, two fibers share it, and each waits a little over every number.
 *
 *   example_host_epoll
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weir.h>

enum { NUMBERS = 100, WORKERS = 2 };

struct work {
    weir_chan *in;
    int sum;
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

/* The loop's own side: what the pipe has goes to the fibers; 0 at its end. */
static int on_pipe(int fd, struct work *w)
{
    int x;
    ssize_t n = read(fd, &x, sizeof x);

    if (n == sizeof x)
        return weir_send(w->in, &x, 0); /* a try: the loop must not park */
    return n == 0 ? weir_chan_close(w->in, 0) : -EIO;
}

static int watch(int epoll, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

/* Until both the pipe and weir are done. */
static int serve(int epoll, weir_loop *l, int pipe_end, struct work *w)
{
    int weir_lives = 1, pipe_lives = 1, r;

    while (weir_lives || pipe_lives) {
        struct epoll_event e;

        if (epoll_wait(epoll, &e, 1, -1) != 1)
            return -errno;
        if (e.data.fd == pipe_end) {
            r = on_pipe(pipe_end, w);
            if (r == 0)
                pipe_lives = epoll_ctl(epoll, EPOLL_CTL_DEL, pipe_end, NULL);
        } else {
            r = weir_lives = weir_loop_step(l);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int main(void)
{
    struct work w = {weir_chan_new(WEIR_TYPE(int), NUMBERS), 0};
    weir_loop *l = weir_loop_open(NULL, app, &w);
    int ends[2], epoll = epoll_create1(EPOLL_CLOEXEC), r;

    if (weir_error(l) < 0 || epoll < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return 1;
    for (int i = 1; i <= NUMBERS; i++)
        if (write(ends[1], &i, sizeof i) != sizeof i)
            return 1;
    close(ends[1]);
    if (watch(epoll, ends[0]) < 0 || watch(epoll, weir_loop_fd(l)) < 0)
        return 1;
    r = serve(epoll, l, ends[0], &w);
    if (r == 0)
        r = weir_loop_close(&l);
    weir_chan_free(&w.in);
    close(ends[0]);
    close(epoll);
    printf("%d numbers, sum %d: %s\n", NUMBERS, w.sum, weir_strerror(r));
    return r < 0;
}
