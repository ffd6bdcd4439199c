/*
 * run.h -- entering weir, and what a fiber can do by itself.
 *
 * A fiber is a function with its own small stack.  It parks instead of
 * blocking the thread, and never changes thread once it has run.  Fibers are
 * started in a scope only (scope.h).
 */
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

#include <weir/base.h>

WEIR_BEGIN

enum weir_log_level { WEIR_LOG_ERROR = 1, WEIR_LOG_WARN, WEIR_LOG_INFO };

struct weir_config {
    uint32_t loops;           /* threads with a loop each, 0 .. 256; 0: one (loop.h); more than
                                 one is -ENOTSUP in a build without `threads` */
    uint32_t stack;           /* bytes a fiber's stack reserves, 16 KiB .. 64 MiB; 0: 64 KiB */
    uint32_t offload_threads; /* 0: 4 */
    uint32_t offload_queue;   /* jobs that may wait for a thread; 0: 1024 */
    weir_span grace;          /* a close that waits longer is reported to `log`; 0: 5 s */
    weir_span watchdog;       /* a fiber that holds the loop longer is reported; 0: never */
    struct weir_alloc alloc;  /* all zero: malloc */
    void (*log)(void *ctx, int level, const char *text); /* NULL: silent; may not call weir */
    void *log_ctx;
    uint32_t catch_overflow; /* 1: SIGSEGV names the fiber whose stack overflowed; one loop only */
    uint32_t stack_use;      /* 1: `log` gets, at the end, how much stack each spawn site used */
    uint32_t reserved[4];    /* must be zero */
};

/*
 * Runs `fn` as the first fiber and returns its result once every fiber has
 * ended.  NULL is the default configuration.  -EBUSY inside a running weir;
 * -EINVAL; -ENOMEM; -ENOTSUP where the process has shadow stacks, with a line
 * in the log.  The library prints nothing and installs no handler unless
 * asked to.  With several loops `alloc` and `log` are called on all their threads.
 */
WEIR_API int weir_run(const struct weir_config *config, int (*fn)(void *), void *arg);

/*
 * The same on a virtual clock: time jumps to the next timer when nothing can
 * run, and `seed` decides the order in which ready fibers run.  A seed replays
 * its run exactly, as far as the program itself does no real I/O.  -ENOTSUP for
 * more than one loop.
 */
WEIR_API int weir_sim_run(uint64_t seed, const struct weir_config *config, int (*fn)(void *),
                          void *arg);

/*
 * Fair: after WEIR_TURN switches the loop looks at timers and descriptors,
 * whoever is ready, and after WEIR_TURN operations that need not park a fiber
 * lets the others run.  So what is due or ready is served while the others do
 * at most 2 * WEIR_TURN switches, of WEIR_TURN operations each; a computation
 * without either calls weir_checkpoint.
 */
enum { WEIR_TURN = 128 };

/* Lets the other ready fibers run.  0, or -ECANCELED. */
WEIR_API int weir_yield(void);

/* For long computations: yields when this fiber's share of the turn is used.  0 or -ECANCELED. */
WEIR_API int weir_checkpoint(void);

/*
 * Parks until `until`.  0 when the time has come; -ECANCELED; -EINVAL for a
 * span taken for an instant; WEIR_ENOFIBER.
 */
WEIR_API int weir_sleep(weir_time until);

/* Names the running fiber for dumps and logs; the text is copied, 15 bytes of it. */
WEIR_API void weir_name(const char *name);

/* Why the running fiber is cancelled: the reason given, e.g. -ETIMEDOUT; 0 while it is not. */
WEIR_API int weir_cancel_why(void);

/* --- limits on a few lines --------------------------------------------- */

/*
 * Everything between init and fini that parks gives -ECANCELED once the
 * deadline has passed; fini turns that into -ETIMEDOUT, for only the owner of
 * a deadline says so.  Limits nest, the least deadline wins; init and fini
 * pair up in LIFO order within one fiber.  The struct is the caller's and
 * must stay where it is until fini.
 */
struct weir_limit {
    void *opaque[16];
};

/* 0, or -EINVAL / WEIR_ENOFIBER (then fini must still be called, and passes `r` through). */
WEIR_API int weir_limit_init(struct weir_limit *l, weir_time deadline);
WEIR_API int weir_limit_fini(struct weir_limit *l, int r);

/* fn(arg) under a limit of `span` from now; its result, or -ETIMEDOUT. */
WEIR_API int weir_within(weir_span span, int (*fn)(void *), void *arg);

/*
 * For cleanup in a cancelled fiber: until the fini, calls park again as if
 * nothing had been cancelled, but for at most `span`.
 */
WEIR_API int weir_shield_init(struct weir_limit *l, weir_span span);

/* --- blocking and heavy work ------------------------------------------- */

/*
 * Runs fn(arg) on a pool of threads and parks until it is done; the result is
 * fn's.  Borrows `arg`: cancelled while queued it is withdrawn (-ECANCELED);
 * cancelled while running it is waited for all the same.  A full queue parks.
 */
WEIR_API int weir_offload(int (*fn)(void *), void *arg);

/*
 * Takes `arg` if the result is -ECANCELED, whyever it is: drop(arg) has been
 * called, or will be once fn has ended; a cancel never waits for fn.  With any
 * other result, fn's or a failure, arg is the caller's as before.  drop runs on
 * the loop, or on the calling thread of a door; NULL: nothing is dropped.
 */
WEIR_API int weir_offload_own(int (*fn)(void *), void *arg, void (*drop)(void *));

/* Calls fn(arg) on the loop's own big stack.  fn cannot park.  Its result; WEIR_ENOFIBER. */
WEIR_API int weir_loop_call(int (*fn)(void *), void *arg);

/* --- seeing it --------------------------------------------------------- */

/*
 * Writes the tree of scopes and fibers to a descriptor, a line each: who waits
 * for what, since when, held by whom, where it was started (for addr2line: a
 * file and an offset in it), and who waits for each other in a ring; of several
 * loops, for the one on which it is called.  0 or a negative errno.  Never parks.
 * When a deadlock is found the first lines of the same, of all loops, go to
 * weir_config.log.
 */
WEIR_API int weir_dump(int fd);

WEIR_END
#endif
