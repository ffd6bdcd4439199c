/*
 * process_run.c -- what goes in and what comes out, all at once, so that no pipe
 * that is full holds up another.
 */
#include "io/io.h"
#include "io/process.h"
#include "stream/stream.h"

/* --- from a stream ------------------------------------------------------ */

static int feed_all(int fd, weir_stream *s)
{
    struct weir_chunk c;
    size_t size = weir_stream_type(s).size;
    ssize_t r;

    if (weir_stream_error(s) == 0 && size != sizeof c)
        return WEIR_ETYPE;
    while ((r = weir_pull(s, &c, 1)) > 0) {
        r = weir_write_all(fd, c.items, c.n, NULL, WEIR_NEVER);
        if (r < 0)
            break;
    }
    return (int)r;
}

int weir_process_feed(weir_process *p, weir_stream **s)
{
    int fd = weir_process_fd(p, 0), r = s ? 0 : -EINVAL;

    if (r == 0)
        r = fd < 0 ? fd : feed_all(fd, *s);
    weir_stream_close(s);
    return r < 0 ? r : weir_process_shut(p, 0);
}

/* --- in one call -------------------------------------------------------- */

struct process_talk {
    weir_process *p;
    struct weir_process_io *io;
};

/* One that does not read all is no failure: many look at the beginning only. */
static int process_talk_in(void *arg)
{
    struct process_talk *t = arg;
    ssize_t r = 0;

    if (t->io->in_size)
        r = weir_write_all(weir_process_fd(t->p, 0), t->io->in, t->io->in_size, NULL, WEIR_NEVER);
    if (r == -ECANCELED)
        return (int)r;
    (void)weir_process_shut(t->p, 0);
    return r < 0 && r != -EPIPE ? (int)r : 0;
}

static int process_talk_read(int fd, char *to, size_t size, size_t *len)
{
    char more;
    ssize_t n;

    while ((n = weir_read(fd, *len < size ? to + *len : &more, *len < size ? size - *len : 1,
                          WEIR_NEVER)) > 0) {
        if (*len == size)
            return WEIR_ETOOLARGE;
        *len += (size_t)n;
    }
    return (int)n;
}

static int process_talk_out(void *arg)
{
    struct process_talk *t = arg;

    return process_talk_read(weir_process_fd(t->p, 1), t->io->out, t->io->out_size,
                             &t->io->out_len);
}

static int process_talk_err(void *arg)
{
    struct process_talk *t = arg;

    return process_talk_read(weir_process_fd(t->p, 2), t->io->err, t->io->err_size,
                             &t->io->err_len);
}

/* Until all pipes have ended. */
static int process_talk(struct process_talk *t)
{
    static int (*const talks[])(void *) = {process_talk_in, process_talk_out, process_talk_err};
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "process"});
    int r = weir_scope_error(s);

    for (int i = 0; i < 3 && r == 0; i++)
        if (weir_process_fd(t->p, i) >= 0)
            r = weir_go(s, talks[i], t);
    if (r < 0 && weir_scope_error(s) == 0)
        (void)weir_scope_cancel(s, r);
    r = weir_scope_close(&s);
    return r;
}

static int process_io_check(const struct weir_process_io *io)
{
    return !io || (!io->in && io->in_size) || (!io->out && io->out_size) ||
                   (!io->err && io->err_size)
               ? -EINVAL
               : 0;
}

int weir_process_run(const char *const *argv, const struct weir_process_opts *opts,
                     struct weir_process_io *io)
{
    struct weir_process_opts o = opts ? *opts : (struct weir_process_opts){0};
    struct process_talk t = {.io = io};
    int r = process_io_check(io);

    if (r < 0)
        return r;
    io->out_len = io->err_len = 0;
    io->exit = (struct weir_exit){0};
    if (io->in)
        o.in.from = WEIR_FROM_PIPE;
    if (io->out)
        o.out.from = WEIR_FROM_PIPE;
    if (io->err)
        o.err.from = WEIR_FROM_PIPE;
    t.p = weir_process_open(argv, &o);
    r = weir_process_error(t.p);
    if (r == 0)
        r = process_talk(&t);
    if (r == 0)
        r = weir_process_wait(t.p, &io->exit, WEIR_NEVER);
    (void)weir_process_close(&t.p);
    return r;
}
