/* agent/walend.c -- pg_waldump reads from where PostgreSQL was last seen, a second before at the most, until there is no valid record. */
#include <inttypes.h>

#include "agent/agent_internal.h"
#include "io/parted.h"
#include "io/standing.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/proc.h"

#include "base/banned.h"

enum { READ_MS = 5000, SAID_MAX = 4096 };

static void on_read(void *arg, const struct proc_result *result)
{
    struct agent *a = arg;
    a->wal_reader = NULL;
    if (postmaster_pid(a->postmaster) || !a->hold)
        return; /* it writes again */
    /* It had ended there before, and was not up since: nothing stands behind. */
    bool same_end = a->wal_known && memmem(result->err.p, result->err.n, "could not find a valid record after", strlen("could not find a valid record after"));
    if (same_end)
        a->wal_end = a->wal_known;
    else if (!parted_end(result->err, &a->wal_end)) {
        log_line(LOG_INFO, "how far PostgreSQL had come is not known said=\"%.*s\"", (int)MIN_OF(result->err.n, 200), result->err.p);
        return;
    }
    a->wal_known = a->wal_end;
    log_line(LOG_INFO, "its write-ahead log ends at %X/%X", (unsigned)(a->wal_end >> 32), (unsigned)a->wal_end);
    hold_came_to(a->hold, a->wal_end);
    agent_told(a);
}

void walend_read(struct agent *a)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *lsn, *data = a->spec->site->database.data_directory;
    int64_t timeline;
    struct err err = {0};
    a->wal_end = 0;
    if (!a->hold || agent_is_standby(a) || !hold_last(a->hold, &lsn, &timeline))
        return;
    const char *argv[] = {file_join(arena, a->spec->site->agent.pg_bindir, "pg_waldump"), "-q", "-p", file_join(arena, data, "pg_wal"), "-t",
                          arena_printf(arena, "%" PRId64, timeline), "-s", lsn, NULL};
    struct proc_spec spec = {.argv = argv, .timeout_ms = READ_MS, .output_max = SAID_MAX};
    proc_abandon(&a->wal_reader);
    if (!proc_start(a->loop, &spec, on_read, a, &a->wal_reader, &err)) {
        a->wal_reader = NULL;
        log_err(LOG_WARNING, &err);
    }
}

void walend_forget(struct agent *a)
{
    proc_abandon(&a->wal_reader);
    a->wal_end = 0;
}
