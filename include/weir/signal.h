/*
 * signal.h -- signals of the process, as a stream.
 *
 * No handler is installed: the signals are blocked while a stream of them is
 * open, and read from a signalfd(2).  Each stream gets each signal, and none is
 * lost between two pulls; but signals of one number that nobody has pulled yet
 * are one item, as they are for the system.
 */
#ifndef WEIR_SIGNAL_H
#define WEIR_SIGNAL_H

#include <weir/base.h>
#include <weir/stream.h>

WEIR_BEGIN

struct weir_signal {
    int number;
    uint32_t count; /* how many have come since the last item of this number; the system may
                       have merged more: only from SIGRTMIN on does it count them all */
    int code;       /* of the last: SI_USER, SI_QUEUE ..., as in sigaction(2) */
    int pid;        /* who sent the last, if somebody did */
    uint32_t uid;
};

/*
 * An endless stream of struct weir_signal, for a 0-terminated array of
 * numbers, in the order in which the first of each number came.  The signals are blocked
 * from here on in this thread - with several loops, in that of the first - and are
 * what they were before when the last stream of them is closed; what came in
 * between is then gone.  Never NULL: poisoned with -EINVAL for no signals and for those
 * that cannot be waited for (SIGKILL, SIGSTOP, and SIGSEGV, SIGBUS, SIGFPE, SIGILL),
 * -ENOMEM, -EMFILE, -ENFILE.  Built off a loop it is opened by its first pull.
 */
WEIR_API weir_stream *weir_signals(const int *signals);

WEIR_END
#endif
