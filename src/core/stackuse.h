/*
 * stackuse.h -- how much of their stacks fibers use, by the site they were
 * started at; for a loop whose configuration asks for it.
 */
#ifndef WEIR__CORE_STACKUSE_H
#define WEIR__CORE_STACKUSE_H

#include "core/core.h"

int weir__stackuse_open(struct weir__loop *l);
/* Tells the log, and ends it. */
void weir__stackuse_close(struct weir__loop *l);

/* Before a fiber has run; and on its own stack, after. */
void weir__stackuse_clean(struct weir__fiber *f);
void weir__stackuse_note(struct weir__loop *l, const struct weir__fiber *f);

/* The report, the greediest site first; nothing where it was not asked for. */
void weir__stackuse_lines(struct weir__loop *l, void (*line)(void *ctx, const char *text),
                          void *ctx);

#endif
