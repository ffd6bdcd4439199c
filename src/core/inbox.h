/*
 * inbox.h -- the one door through which other threads reach a loop.
 */
#ifndef WEIR__INBOX_H
#define WEIR__INBOX_H

#include "core/core.h"

/* Makes the inbox and its eventfd; 0 or a negative errno.  On the loop's thread. */
int weir__inbox_open(struct weir__loop *l);

/* From any thread; the letter belongs to the loop until `fn` runs. */
void weir__inbox_post(struct weir__loop *l, struct weir__letter *letter);

/* The loop looks round soon although no letter has come. */
void weir__inbox_ring(struct weir__loop *l);

/* Runs the letters that have come, when the bell has rung. */
void weir__inbox_serve(struct weir__loop *l);
/* The same without a look at the bell: of a loop that is one of many. */
void weir__inbox_look(struct weir__loop *l);
/* Lingers a moment before a sleep.  True if letters have come, and been run. */
bool weir__inbox_wait(struct weir__loop *l);
/* Polls until something comes, a letter too. */
void weir__inbox_sleep(struct weir__loop *l, weir_time until);
void weir__inbox_free(struct weir__loop *l);

int weir__poller_inbox(struct weir__loop *l, int eventfd);

#endif
