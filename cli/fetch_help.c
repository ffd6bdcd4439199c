/*
 * fetch_help.c -- what `weir fetch --help` prints.
 * Promises: every flag of fetch_opts.c, each with its default.
 */
#include "fetch.h"

#include <stdio.h>

static const char help_input[] =
    "Usage: weir fetch [FLAGS] [URL | @FILE ...]\n"
    "\n"
    "Fetches every URL given, in @FILE (a line each), or on stdin, and writes one JSON\n"
    "record per input to stdout.  Progress and summary go to stderr.\n"
    "\n"
    "How much at once\n"
    "  -j, --jobs N             attempts in flight (50)\n"
    "      --per-host N         of them to one host (8)\n"
    "      --rate N/s[:BURST]   attempts a second in all (no limit); also 600/m, 5/10s\n"
    "      --per-host-rate R    the same for each host (no limit)\n"
    "      --window N           inputs held: queued, running, waiting (20 x jobs)\n"
    "      --keep-order         records in input order; a full window stops the input\n"
    "\n"
    "Retries\n"
    "      --retry N            N retries, so at most N+1 attempts (5)\n"
    "      --retry-on LIST      " FETCH_RETRY_ON_DEFAULT "\n"
    "      --retry-post         also for POST and other methods that are not safe to repeat\n"
    "      --backoff MIN..MAX   the window before a retry, doubling (500ms..30s)\n"
    "      --jitter LAW         full, equal, decorrelated, none (full)\n"
    "      --retry-after HOW    honour, cap:DUR, ignore (honour)\n"
    "      --retry-after-scope S  auto, url, host (auto: the host after 3 without a success)\n"
    "\n";

static const char help_time[] =
    "Time\n"
    "  -m, --max-time DUR       for one attempt (30s)\n"
    "      --connect-timeout DUR, --ttfb-timeout DUR   parts of it (as -m)\n"
    "      --timeout auto       10 x p99 of the host, between 300ms and -m (off)\n"
    "      --deadline DUR       for the whole job (none)\n"
    "\n"
    "Breaker, per host\n"
    "      --breaker N/DUR:P%   opens when P% of at least N calls in DUR failed\n"
    "                           (20/10s:80%); off\n"
    "      --breaker-open DUR   for how long (30s)\n"
    "      --breaker-action A   defer the work, or fail it (defer)\n"
    "\n"
    "Output\n"
    "  -o, --output FILE        records to FILE (stdout)\n"
    "  -O, --body-dir DIR       bodies to files in DIR; --body file\n"
    "      --body WHAT          inline, file, none (inline)\n"
    "      --max-body SIZE      a larger body is a failure (64M)\n"
    "      --halt WHEN          never, or [now,|soon,]fail=N[%], success=N[%], done=N (never)\n"
    "      --quiet              no progress and no summary\n"
    "      --bar                a bar in the progress line\n"
    "      --dry-run            checks the input, prints the plan, sends nothing\n"
    "      --seed N             of the jitter (random)\n"
    "\n";

static const char help_request[] =
    "Request, as in curl\n"
    "  -X, --request METHOD     (GET, or POST with -d)\n"
    "  -H, --header 'N: V'      may be repeated\n"
    "  -d, --data TEXT|@FILE    the body to send\n"
    "  -A, --user-agent TEXT    -x, --proxy URL\n"
    "  -L, --location           follow redirects\n"
    "  -k, --insecure           do not verify TLS certificates\n"
    "      --cacert FILE        trust these certificates (PEM), not the system's\n"
    "      --compressed         ask for compressed answers\n"
    "      --dns-servers LIST   ask these for names: ADDRESS[:PORT],... (the system's)\n"
    "      --help, --version\n"
    "\n"
    "Exit status, the first that holds: 2 usage, 3 input, 4 output, 130 or 143 signal,\n"
    "5 stopped by --halt or --deadline, 1 some failed, 0 all ok.\n"
    "A first Ctrl-C lets what is in flight finish, a second one aborts.\n";

void fetch_help(void)
{
    fputs(help_input, stdout);
    fputs(help_time, stdout);
    fputs(help_request, stdout);
}
