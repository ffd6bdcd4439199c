/*
 * owned.h -- a job on the offload pool whose memory has one owner at any time.
 *
 * The pool is handed a number in place of the memory.  So whoever is cancelled can
 * tell whether a worker has the job or ever will, which weir_offload_own's
 * result does not say.
 */
#ifndef WEIR__OWNED_H
#define WEIR__OWNED_H

#include <stdbool.h>
#include <stdint.h>

/* Embedded first in a job; `run` and `free` are set by its maker. */
struct weir__owned {
    int (*run)(struct weir__owned *o);   /* on a worker */
    void (*free)(struct weir__owned *o); /* on the loop's thread */
    struct weir__owned *next;
    uintptr_t id;
    bool running;
    int result;
};

/*
 * Parks until it has run: run's result, and it is the caller's as before.  Cancelled,
 * -ECANCELED at once: *o is NULL if a worker has it, and is freed when that is done.
 */
int weir__owned_run(struct weir__owned **o);

#endif
