/*
 * pen.h -- a scope that an object owns, not a fiber's stack: a child of the
 * scope in which the object was built.  When that scope closes, the pen's
 * fibers are cancelled and joined, and the pen answers -ECANCELED.
 */
#ifndef WEIR__PEN_H
#define WEIR__PEN_H

#include "core/core.h"

struct weir__pen {
    weir_scope *scope;   /* NULL until first used */
    weir_scope *builder; /* NULL when built off a fiber, or once it has closed */
    struct weir__list link;
    bool dead; /* atomic: the builder may be on another loop */
};

int weir__pen_init(struct weir__pen *p);
int weir__pen_go(struct weir__pen *p, int (*fn)(void *), void *arg, const char *name);
int weir__pen_go_with(struct weir__pen *p, int (*fn)(void *), void *arg,
                      const struct weir_go_opts *opts);
/* The same on the loop `to`, one of this run. */
int weir__pen_go_on(struct weir__pen *p, struct weir__loop *to, int (*fn)(void *), void *arg,
                    const struct weir_go_opts *opts);
/* It belongs to the builder of the other one from now on. */
void weir__pen_beside(struct weir__pen *p, const struct weir__pen *other);
/* Around what looks into the list of pens of a scope; nothing with one loop. */
struct weir__loop *weir__pens_guard(void);
void weir__pens_unguard(struct weir__loop *guard);
void weir__pen_cancel(struct weir__pen *p, int why);
/* Cancels nothing; waits until all its fibers have ended and frees the scope.  Deaf to cancel. */
void weir__pen_join(struct weir__pen *p);
int weir__pen_why(const struct weir__pen *p);
/* The result of one of its fibers: -ECANCELED by the deadlock detector is told as what it is. */
int weir__pen_told(const struct weir__pen *p, int r);

/*
 * What a callback builds while its caller is being pulled belongs where that
 * caller was built, not to the scope of whoever happens to pull: between enter
 * and leave, pens made in the present scope take the builder of `pen`.
 */
struct weir__nest {
    const struct weir__pen *pen;
    weir_scope *scope;
    void *outer;
};

void weir__nest_enter(struct weir__nest *n, struct weir__pen *pen);
void weir__nest_leave(struct weir__nest *n);

#endif
