/*
 * local.h -- a value that goes with a fiber, and with those it starts.
 *
 * For what many layers need and none between wants to pass on: the id of a
 * request, whose work it is.  A fiber inherits the values that were set in
 * the one that starts it, at that moment; what either sets later the other does
 * not see.  A get costs two loads, whatever there is.
 *
 * The fibers of a stream have those of its first puller, each job of
 * weir_par_map anew, and it holds them until it is closed: what is borrowed has
 * to last as long.  What may outlive who asked for it has none: a load of a
 * cache or of weir_flights, what a pool makes ahead.
 */
#ifndef WEIR_LOCAL_H
#define WEIR_LOCAL_H

#include <weir/base.h>

WEIR_BEGIN

enum { WEIR_LOCALS_MOST = 64 };

/* A key; static, and the same for all fibers, loops and runs. */
struct weir_local {
    const char *name;
    void (*drop)(void *value); /* NULL: values are only borrowed.  Never parks */
    uint32_t number;           /* of no concern; starts as 0 */
    uint32_t reserved;
};

/* static struct weir_local request = WEIR_LOCAL("request", free); */
#define WEIR_LOCAL(name, drop)                                                                     \
    {                                                                                              \
        name, drop, 0, 0                                                                           \
    }

/* The running fiber's value, lent while it is set; NULL for none, and off a fiber.  Never parks. */
WEIR_API void *weir_local_get(const struct weir_local *key);

/*
 * Takes `value` for the rest of this fiber, and for the fibers that it starts
 * from now on; NULL for none.  It is dropped when the last fiber that has it
 * has ended or set another: after its function has returned, and before the
 * scope counts it as ended.  With many loops that may be on another one.
 *
 * 0; -EINVAL for no key; WEIR_ENOFIBER; -ENOMEM; WEIR_EFULL for the key after
 * WEIR_LOCALS_MOST: then nothing has changed and `value` is still the caller's.
 */
WEIR_API int weir_local_set(struct weir_local *key, void *value);

/* Sets it for fn(arg), and then all that was set before.  What fn returned, or as set. */
WEIR_API int weir_local_with(struct weir_local *key, void *value, int (*fn)(void *), void *arg);

WEIR_END
#endif
