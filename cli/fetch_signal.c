/*
 * fetch_signal.c -- SIGINT and SIGTERM: the first drains, the second aborts.
 * Promises: an item that got its answer keeps it; whoever cannot be waited
 * for (an output that stands still) is left behind two seconds later.
 */
#include "fetch.h"

#include <signal.h>
#include <unistd.h>

#include <weir/io.h>

static const int signal_list[] = {SIGINT, SIGTERM, 0};

int fetch_signal_main(void *arg)
{
    struct fetch_run *run = arg;
    int sig = weir_signal_wait(signal_list, WEIR_NEVER);
    if (sig < 0)
        return 0;
    run->counts.signal = sig;
    uint32_t flying = run->sched.running, left = run->sched.queued + run->sched.waiting;
    fetch_run_stop(run, FETCH_CANCELLED, false);
    fetch_say(run, "weir fetch: draining: %u in flight, %u left%s; once more aborts", flying, left,
              run->input_ended ? "" : ", input not read to its end");
    if (weir_signal_wait(signal_list, WEIR_NEVER) < 0)
        return 0;
    fetch_say(run, "weir fetch: aborting");
    fetch_run_stop(run, FETCH_CANCELLED, true);
    if (weir_sleep(weir_after(WEIR_S(2))) < 0)
        return 0;
    _exit(128 + sig);
}
