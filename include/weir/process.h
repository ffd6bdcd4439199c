/*
 * process.h -- child processes that fibers start, talk to and wait for.
 *
 * A child belongs to the scope in which it was opened: when that scope is
 * cancelled or closes, or the handle is closed, the child is asked to end
 * (SIGTERM), and after `grace` made to (SIGKILL).  It is reaped the moment it
 * ends, whether or not anybody waits, so none is ever left a zombie; nobody's
 * SIGCHLD is touched.  Its descriptors beyond 0, 1 and 2 are those that the
 * program itself leaves open over an exec; its signal mask is empty.
 *
 * All calls are made on the loop that opened it: elsewhere they are -EXDEV.
 */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include <weir/base.h>
#include <weir/stream.h>

WEIR_BEGIN

typedef struct weir_process weir_process;

enum weir_process_from {
    WEIR_FROM_PARENT = 0, /* what the program has; /dev/null if that is closed or close-on-exec */
    WEIR_FROM_NULL,       /* /dev/null */
    WEIR_FROM_PIPE,       /* a pipe, the other end of which is weir_process_fd */
    WEIR_FROM_FD,         /* `fd`, any number; it stays the caller's */
    WEIR_FROM_OUT         /* `err` only: where `out` goes */
};

struct weir_process_end {
    enum weir_process_from from;
    int fd;
};

enum weir_process_flags {
    WEIR_PROCESS_GROUP = 1, /* leads a group of its own; signals and the end go to all of it */
    WEIR_PROCESS_KILL = 2   /* it is ended with SIGKILL at once, without grace */
};

struct weir_process_opts {
    const char *file;       /* what to execute; NULL: argv[0] */
    const char *const *env; /* "NAME=value", NULL at the end; NULL: the program's own */
    const char *cwd;        /* where it starts; NULL: where the program is */
    struct weir_process_end in, out, err;
    uint32_t flags;
    weir_span grace;      /* between SIGTERM and SIGKILL; 0: 2 s */
    uint32_t reserved[4]; /* must be zero */
};

/*
 * Starts a program.  A file without a slash is looked for in the program's own
 * PATH, one that is relative from `cwd` on.  `opts` NULL is all defaults.  Never
 * NULL: a poisoned handle says why not: what exec or chdir said (-ENOENT,
 * -EACCES, -ENOEXEC ...), -EBADF for a bad descriptor, -EINVAL, -EMFILE, -ENOMEM,
 * -ECANCELED in a cancelled fiber, WEIR_ENOFIBER.
 */
WEIR_API weir_process *weir_process_open(const char *const *argv,
                                         const struct weir_process_opts *opts);

struct weir_exit {
    int code;   /* 0 .. 255; 0 if a signal ended it */
    int signal; /* the signal that ended it; 0 if it exited */
};

/*
 * Parks until it has ended: 0 with *out set (if not NULL), also when asked again.
 * -ETIMEDOUT, -ECANCELED, -EAGAIN with a deadline of 0: it lives on.  -ECHILD: it has
 * ended, but another's wait(2) or an ignored SIGCHLD has swallowed how.
 */
WEIR_API int weir_process_wait(weir_process *p, struct weir_exit *out, weir_time deadline);

/* Sends a signal, or tries with 0.  0; -ESRCH once it has ended; -EINVAL.  Never parks. */
WEIR_API int weir_process_signal(weir_process *p, int signal);

/* Ends it, as close does, and waits: as weir_process_wait. */
WEIR_API int weir_process_stop(weir_process *p, struct weir_exit *out);

/* Its number, also once it has ended; or negative. */
WEIR_API int weir_process_pid(const weir_process *p);

/*
 * Our end of a pipe: of its input (which = 0, to be written), output (1) or error
 * output (2).  It is lent until close; weir_lines and weir_bytes make a stream of
 * it.  -EBADF without such a pipe; the code of a poisoned handle.
 */
WEIR_API int weir_process_fd(const weir_process *p, int which);

/* The same, but it is the caller's from here on, to be closed with weir_close. */
WEIR_API int weir_process_take(weir_process *p, int which);

/* Closes our end: for its input that is the end of it.  0, -EBADF. */
WEIR_API int weir_process_shut(weir_process *p, int which);

/*
 * Writes a stream of struct weir_chunk (weir_bytes, weir_chunks of a type without
 * drop) to its input, then ends the input.  Takes the stream.  0; -EPIPE when it reads no
 * more; the stream's failure, -ECANCELED: then the input stays open, for it is no clean end.
 */
WEIR_API int weir_process_feed(weir_process *p, weir_stream **s);

/*
 * Closes the pipes, ends what still runs (SIGTERM, after `grace` SIGKILL; with
 * WEIR_PROCESS_GROUP the whole group), waits for it, deaf to cancel, frees, and sets *p
 * to NULL.  How many signals that took: 0 (it had ended, or did for want of its pipes),
 * 1 or 2; -EXDEV and no change on another loop.
 */
WEIR_API int weir_process_close(weir_process **p);

/* The code of a poisoned handle, else 0. */
WEIR_API int weir_process_error(const weir_process *p);

/* --- in one call -------------------------------------------------------- */

struct weir_process_io {
    const void *in; /* all that it may read; NULL with in_size 0: as `opts.in` says */
    size_t in_size;
    void *out; /* room for what it writes; NULL with out_size 0: as `opts.out` says */
    size_t out_size, out_len;
    void *err; /* likewise */
    size_t err_size, err_len;
    struct weir_exit exit;
};

/*
 * Runs a program to its end, writing and reading all at once.  0 when it has
 * ended, however, and its outputs too; out_len, err_len are always set.
 * WEIR_ETOOLARGE when it writes more than there is room for, -ECANCELED: it is ended
 * as by close.  Else as weir_process_open.
 */
WEIR_API int weir_process_run(const char *const *argv, const struct weir_process_opts *opts,
                              struct weir_process_io *io);

WEIR_END
#endif
