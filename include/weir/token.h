/*
 * token.h -- a cancel that is passed by hand: to work that is not all in one
 * scope, or that may be told to stop by somebody who does not own its scope.
 *
 * Tokens form a tree: a cancel, or a deadline that passes, reaches all below
 * with its reason.  The first reason stays.  Relatives, and what runs under a
 * token, may be on any loop.
 */
#ifndef WEIR_TOKEN_H
#define WEIR_TOKEN_H

#include <weir/base.h>
#include <weir/chan.h>

WEIR_BEGIN

/* In the caller's memory; must stay where it is until fini. */
struct weir_token {
    int why;
    uint32_t home;
    struct weir_token *parent;
    void *timer[3];
    void *link[2], *children[2], *waiters[2], *runs[2];
};

/*
 * `parent` may be NULL.  Under a parent that is cancelled, or past the deadline
 * (0 included), it is cancelled from the start.  0; -EINVAL; WEIR_ENOFIBER for
 * a deadline off a loop; -ENOMEM: then it may still be used, and has neither.
 */
WEIR_API int weir_token_init(struct weir_token *t, struct weir_token *parent, weir_time deadline);

/*
 * Cancels nothing: its children go to its parent.  Who waits gets WEIR_ECLOSED.
 * 0; -EXDEV, and no change, for one that had a deadline, on another loop than
 * where it was initialised.  NULL is accepted.
 */
WEIR_API int weir_token_fini(struct weir_token *t);

/* `why` is negative, else -EINVAL.  0, also when it has been cancelled before.  Never parks. */
WEIR_API int weir_token_cancel(struct weir_token *t, int why);

/* The reason (-ETIMEDOUT for a deadline), or 0. */
WEIR_API int weir_token_why(const struct weir_token *t);

/* Parks until it is cancelled: 0 then.  -ETIMEDOUT; -ECANCELED of this fiber's scope; -EAGAIN. */
WEIR_API int weir_token_wait(struct weir_token *t, weir_time deadline);

/*
 * fn(arg), in which every call that parks gives -ECANCELED once the token is
 * cancelled.  The result of fn; but the token's reason if that is why it was
 * -ECANCELED, or if the token was cancelled before: then fn is not called.
 */
WEIR_API int weir_token_run(struct weir_token *t, int (*fn)(void *), void *arg);

/* A case of weir_select; its result is the reason. */
#define WEIR_ON_TOKEN(t)                                                                           \
    {                                                                                              \
        WEIR_SELECT_TOKEN, 0, (t), NULL, 0                                                         \
    }

WEIR_END
#endif
