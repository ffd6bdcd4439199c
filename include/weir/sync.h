/*
 * sync.h -- semaphore, mutex, event.  All are in the caller's memory, first
 * come, first served, and never allocate.
 */
#ifndef WEIR_SYNC_H
#define WEIR_SYNC_H

#include <weir/base.h>

WEIR_BEGIN

struct weir_sem {
    uint64_t permits, limit;
    void *waiters[2];
    int closed;
    uint32_t lock;
};

/* `permits` at the start and at most.  -EINVAL for 0. */
WEIR_API int weir_sem_init(struct weir_sem *s, uint64_t permits);

/*
 * Takes n at once.  A large take makes later small ones wait: nobody starves.
 * 0; -EINVAL for n = 0 or more than the limit (it would wait for ever);
 * -ETIMEDOUT; -ECANCELED (its place is given up); WEIR_ECLOSED; -EAGAIN with
 * a deadline of 0.
 */
WEIR_API WEIR_MUST_USE int weir_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline);

/* Gives n back.  -EINVAL, and no change, if there would be more than the limit.  Never parks. */
WEIR_API int weir_sem_give(struct weir_sem *s, uint64_t n);

/* Wakes all waiters, now and later, with WEIR_ECLOSED. */
WEIR_API void weir_sem_close(struct weir_sem *s);

struct weir_mutex {
    void *owner;
    void *waiters[2];
    uint32_t lock, reserved;
};

WEIR_API void weir_mutex_init(struct weir_mutex *m);
/* 0; -EDEADLK when this fiber holds it; -ETIMEDOUT; -ECANCELED; -EAGAIN; WEIR_ENOFIBER. */
WEIR_API WEIR_MUST_USE int weir_mutex_lock(struct weir_mutex *m, weir_time deadline);
/* 0; -EPERM when this fiber does not hold it. */
WEIR_API int weir_mutex_unlock(struct weir_mutex *m);

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

WEIR_END
#endif
