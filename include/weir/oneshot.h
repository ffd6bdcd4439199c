/*
 * oneshot.h -- one value, from one fiber to another, on any loop: a promise is
 * the end that sends, a future the end that receives.
 *
 * Each end is freed by its own owner, in any order, and tells the other side: a
 * promise freed without a word is WEIR_EABANDONED there, never a clean end; a
 * value for a future that is gone is still the sender's.
 */
#ifndef WEIR_ONESHOT_H
#define WEIR_ONESHOT_H

#include <weir/base.h>
#include <weir/chan.h>

WEIR_BEGIN

typedef struct weir_promise weir_promise;
typedef struct weir_future weir_future;

/* Never NULL; a poisoned one answers with its code: -EINVAL for the type, -ENOMEM. */
WEIR_API weir_promise *weir_promise_new(struct weir_type type);

/* Its only future, also after the value was sent.  Never NULL; the second one is -EBUSY. */
WEIR_API weir_future *weir_promise_future(weir_promise *p);

/*
 * Moves *item in.  1 when done.  Otherwise it is still the caller's: -EPIPE
 * when the future is gone, WEIR_ECLOSED after another send or fail,
 * WEIR_ETYPE, -EINVAL.  Never parks.
 */
#define weir_fulfil(p, item) weir_promise_send(p, item, sizeof *(item))
WEIR_API int weir_promise_send(weir_promise *p, const void *item, size_t size);

/* There will be no value, for this reason.  0; as send, and -EINVAL unless `why` is negative. */
WEIR_API int weir_promise_fail(weir_promise *p, int why);

/* Parks until nobody wants the value: the future is gone.  0; -ETIMEDOUT; -ECANCELED; -EAGAIN. */
WEIR_API int weir_promise_wait(weir_promise *p, weir_time deadline);

/* Without a send or fail before it, the future ends in WEIR_EABANDONED.  Sets *p to NULL. */
WEIR_API void weir_promise_free(weir_promise **p);

/*
 * Moves the value out; parks until it is there.  1; the reason of a fail;
 * WEIR_EABANDONED; 0 once the value has been taken; -ETIMEDOUT; -ECANCELED;
 * -EAGAIN with a deadline of 0; WEIR_ETYPE.
 */
#define weir_await(f, item, deadline) weir_future_recv(f, item, sizeof *(item), deadline)
WEIR_API int weir_future_recv(weir_future *f, void *item, size_t size, weir_time deadline);

/* Drops a value that was not taken; who waits for it gets WEIR_ECLOSED.  Sets *f to NULL. */
WEIR_API void weir_future_free(weir_future **f);

WEIR_API int weir_promise_error(const weir_promise *p); /* of a poisoned handle, else 0 */
WEIR_API int weir_future_error(const weir_future *f);

/* A case of weir_select: weir_await. */
#define WEIR_ON_FUTURE(f, p)                                                                       \
    {                                                                                              \
        WEIR_SELECT_FUTURE, sizeof *(p), (f), (p), 0                                               \
    }

WEIR_END
#endif
