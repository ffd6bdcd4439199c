/*
 * sync.h -- semaphore and its permits, mutex, reader-writer lock, event, latch,
 * once.  All are in the caller's memory, all zero where nothing else is said,
 * first come, first served, and never allocate.  All work between loops.
 */
#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include <weir/base.h>

WEIR_BEGIN

/* --- semaphore --------------------------------------------------------- */

/*
 * Permits that are there, and the most there may be.  Once limited below what
 * is out, `owed` of those that come back are kept away:
 * permits - owed + taken == limit.
 */
struct weir_sem {
    uint64_t permits, limit, owed;
    void *waiters[2];
    int closed;
    uint32_t overtake, lock, reserved;
};

struct weir_sem_opts {
    uint64_t permits;  /* 1 or more */
    uint32_t overtake; /* 1: a take that fits passes larger ones that wait, which may starve */
    uint32_t reserved[3];
};

/*
 * `permits` at the start and at most.  0; -EINVAL for 0 permits, NULL, other values of
 * `overtake`.
 */
WEIR_API int weir_sem_init(struct weir_sem *s, uint64_t permits);
WEIR_API int weir_sem_init_with(struct weir_sem *s, const struct weir_sem_opts *opts);

/*
 * Takes n at once.  Unless `overtake` was asked for, a large take makes later
 * small ones wait: nobody starves.  0; -EINVAL for n = 0 or more than the limit
 * (it would wait for ever), also when the limit falls below n meanwhile;
 * -ETIMEDOUT; -ECANCELED (its place is given up); WEIR_ECLOSED; -EAGAIN with
 * a deadline of 0.
 */
WEIR_API WEIR_MUST_USE int weir_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline);

/* Gives n back.  -EINVAL, and no change, for more than are out.  Never parks. */
WEIR_API int weir_sem_give(struct weir_sem *s, uint64_t n);

/*
 * Another limit, from now on.  When more are out they are not called back: as
 * they return they are kept, until no more than `limit` are left.  Takes that
 * wait for more than `limit` end in -EINVAL.  0; -EINVAL for 0 or NULL.
 */
WEIR_API int weir_sem_resize(struct weir_sem *s, uint64_t limit);

/*
 * n of those that are out will never come back.  They count as what is owed
 * first; by the rest the limit falls.  -EINVAL, and no change, for 0, for more
 * than are out, or if nothing of the limit would be left.
 */
WEIR_API int weir_sem_forget(struct weir_sem *s, uint64_t n);

/* How many are out; 0 for NULL. */
WEIR_API uint64_t weir_sem_taken(const struct weir_sem *s);

/* Wakes all waiters, now and later, with WEIR_ECLOSED.  Permits may still be given back. */
WEIR_API void weir_sem_close(struct weir_sem *s);

/*
 * Permits held by a value, not by a fiber: it may be kept in a struct, be sent
 * through a channel, and be given by whoever has it then.  It is moved, never
 * copied.  All zero is an empty one.  The semaphore has to outlive it.
 */
struct weir_permit {
    struct weir_sem *sem;
    uint64_t n;
};

/* An item type whose drop gives the permits back, so one lost on its way is not lost. */
WEIR_API struct weir_type weir_permit_type(void);

/* As weir_sem_take; *out_permit is written on success only. */
WEIR_API WEIR_MUST_USE int weir_permit_take(struct weir_sem *s, uint64_t n, weir_time deadline,
                                            struct weir_permit *out_permit);

/* Gives them back and empties it.  0; -EINVAL for an empty one: it has been given already. */
WEIR_API int weir_permit_give(struct weir_permit *p);

/* n of them into *out_rest, which is overwritten.  -EINVAL for 0, or n not less than it holds. */
WEIR_API int weir_permit_split(struct weir_permit *p, uint64_t n, struct weir_permit *out_rest);

/*
 * All of `other`, which is empty then, into p.  -EINVAL for another semaphore's, or an
 * empty one.
 */
WEIR_API int weir_permit_merge(struct weir_permit *p, struct weir_permit *other);

/* As weir_sem_forget with all of them; empties it. */
WEIR_API int weir_permit_forget(struct weir_permit *p);

/* --- mutex -------------------------------------------------------------- */

struct weir_mutex {
    void *owner;
    void *waiters[2];
    uint32_t lock, reserved;
};

WEIR_API void weir_mutex_init(struct weir_mutex *m);
/*
 * 0; -EDEADLK when this fiber (or thread) holds it; -ETIMEDOUT; -ECANCELED; -EAGAIN;
 * WEIR_ENOFIBER.
 */
WEIR_API WEIR_MUST_USE int weir_mutex_lock(struct weir_mutex *m, weir_time deadline);
/* 0; -EPERM when this fiber does not hold it. */
WEIR_API int weir_mutex_unlock(struct weir_mutex *m);

/* --- reader-writer lock ------------------------------------------------- */

/*
 * Many readers or one writer.  One queue for both: a writer that waits holds
 * back later readers, and the readers in front of it go before it, so neither
 * kind starves.
 */
struct weir_rwlock {
    uint64_t readers;
    void *writer;
    void *waiters[2];
    uint32_t lock, reserved;
};

WEIR_API void weir_rwlock_init(struct weir_rwlock *l);

/* 0; -EDEADLK when this fiber writes; -ETIMEDOUT; -ECANCELED; -EAGAIN; WEIR_ENOFIBER. */
WEIR_API WEIR_MUST_USE int weir_rwlock_read(struct weir_rwlock *l, weir_time deadline);
WEIR_API WEIR_MUST_USE int weir_rwlock_write(struct weir_rwlock *l, weir_time deadline);

/* Ends this fiber's writing, or else one reading.  0; -EPERM when it cannot hold it. */
WEIR_API int weir_rwlock_unlock(struct weir_rwlock *l);

/*
 * The writer becomes a reader; nobody writes in between.  0; -EPERM when this fiber does
 * not write.
 */
WEIR_API int weir_rwlock_downgrade(struct weir_rwlock *l);

/* --- event -------------------------------------------------------------- */

/* A level: set stays set until cleared. */
struct weir_event {
    uint32_t set, lock;
    void *waiters[2];
};

WEIR_API void weir_event_init(struct weir_event *e);
WEIR_API void weir_event_set(struct weir_event *e);
WEIR_API void weir_event_clear(struct weir_event *e);
/* 0 once set; -ETIMEDOUT; -ECANCELED; -EAGAIN with a deadline of 0. */
WEIR_API int weir_event_wait(struct weir_event *e, weir_time deadline);

/* A case of weir_select (chan.h): weir_event_wait. */
#define WEIR_ON_EVENT(e)                                                                           \
    {                                                                                              \
        WEIR_SELECT_EVENT, 0, (e), NULL, 0                                                         \
    }

/* --- latch ------------------------------------------------------------------ */

/* Opens once, when what was counted up has been counted down. */
struct weir_latch {
    uint64_t count;
    void *waiters[2];
    uint32_t lock, reserved;
};

/* 0 is open from the start.  -EINVAL for NULL. */
WEIR_API int weir_latch_init(struct weir_latch *l, uint64_t count);

/*
 * n more to wait for.  0; -EINVAL for 0 or an overflow; WEIR_ECLOSED once open: that is
 * for good.
 */
WEIR_API int weir_latch_add(struct weir_latch *l, uint64_t n);

/* n fewer; at none it opens.  0; -EINVAL, and no change, for 0 or more than there are. */
WEIR_API int weir_latch_down(struct weir_latch *l, uint64_t n);

/* 0 once open; -ETIMEDOUT; -ECANCELED; -EAGAIN with a deadline of 0. */
WEIR_API int weir_latch_wait(struct weir_latch *l, weir_time deadline);

/* --- once -------------------------------------------------------------------- */

/* Something done once, by whoever comes first. */
struct weir_once {
    int done, running, result;
    uint32_t lock;
    void *owner;
    void *waiters[2];
};

WEIR_API void weir_once_init(struct weir_once *o);

/*
 * Runs fn(arg) unless that has been done; parks while another fiber does it.
 * What is >= 0 is the result, for all and for good.  A failure, or a cancel,
 * is told to the one who tried, and the next who waits tries with its own fn.
 * -EINVAL; -EDEADLK from within fn; -ECANCELED; WEIR_ENOFIBER if it had to park.
 */
WEIR_API int weir_once_call(struct weir_once *o, int (*fn)(void *), void *arg);

/* 1 once it is done, else 0. */
WEIR_API int weir_once_done(const struct weir_once *o);

WEIR_END
#endif
