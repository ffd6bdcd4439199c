/*
 * weir.h -- all of libweir.
 */
#ifndef WEIR_H
#define WEIR_H

#include <weir/base.h>
#include <weir/run.h>
#include <weir/loop.h>
#include <weir/scope.h>
#include <weir/join.h>
#include <weir/local.h>
#include <weir/chan.h>
#include <weir/sync.h>
#include <weir/oneshot.h>
#include <weir/watch.h>
#include <weir/door.h>
#include <weir/due.h>
#include <weir/topic.h>
#include <weir/token.h>
#include <weir/io.h>
#include <weir/net.h>
#include <weir/dns.h>
#include <weir/file.h>
#include <weir/rand.h>
#include <weir/adaptive.h>
#include <weir/backoff.h>
#include <weir/budget.h>
#include <weir/retry.h>
#include <weir/breaker.h>
#include <weir/rate.h>
#include <weir/keyed.h>
#include <weir/shed.h>
#include <weir/bulkhead.h>
#include <weir/codel.h>
#include <weir/policy.h>
#include <weir/pass.h>
#include <weir/call.h>
#include <weir/singleflight.h>
#include <weir/cache.h>
#include <weir/stream.h>
#include <weir/fan.h>
#include <weir/ops.h>
#include <weir/recover.h>
#include <weir/hedge.h>
#include <weir/pool.h>
#include <weir/process.h>
#include <weir/shape.h>
#include <weir/signal.h>

/* The code of a handle that a failed constructor gave, 0 for a sound one; -EINVAL for NULL. */
#ifndef __cplusplus
#define weir_error(handle)                                                                         \
    _Generic((handle), weir_loop *                                                                 \
             : weir_loop_error, weir_scope *                                                       \
             : weir_scope_error, weir_chan *                                                       \
             : weir_chan_error, weir_promise *                                                     \
             : weir_promise_error, weir_future *                                                   \
             : weir_future_error, weir_watch *                                                     \
             : weir_watch_error, weir_door *                                                       \
             : weir_door_error, weir_due *                                                         \
             : weir_due_error, weir_topic *                                                        \
             : weir_topic_error, weir_sub *                                                        \
             : weir_sub_error, weir_policy *                                                       \
             : weir_policy_error, weir_flights *                                                   \
             : weir_flights_error, weir_cache *                                                    \
             : weir_cache_error, weir_stream *                                                     \
             : weir_stream_error, weir_broadcast *                                                 \
             : weir_broadcast_error, weir_pool *                                                   \
             : weir_pool_error, weir_process *                                                     \
             : weir_process_error)(handle)
#endif

#endif
