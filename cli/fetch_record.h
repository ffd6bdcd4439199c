/*
 * fetch_record.h -- one item as one line of JSON.
 *
 * docs/fetch.md lists the fields.  A body is in the record only if the item
 * is `ok`: as "body" if it is UTF-8, else as "body_b64".
 */
#ifndef WEIR_CLI_FETCH_RECORD_H
#define WEIR_CLI_FETCH_RECORD_H

#include "fetch_buf.h"
#include "fetch_job.h"

/* What is put in place of a body. */
enum fetch_body { FETCH_BODY_INLINE = 0, FETCH_BODY_FILE, FETCH_BODY_NONE };

/* `unix_epoch` is what to add to a weir_time for nanoseconds since 1970. */
void fetch_record_put(struct fetch_buf *b, const struct fetch_job *job, enum fetch_body body,
                      int64_t unix_epoch);

/* The line of --dry-run. */
void fetch_record_plan(struct fetch_buf *b, const struct fetch_job *job);

#endif
