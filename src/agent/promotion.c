/* agent/promotion.c -- A standby is told to become a primary, once the rules of the lease allow it: on record first, then through a session
   of its own, again until it is done or the lease is over. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { CONNECT_MS = 1000, ORDER_MS = 2000, AGAIN_MS = 100 };

bool promotion_mark(struct agent *a, int64_t epoch, struct err *err)
{
    char text[32];
    if (a->promoting)
        return true;
    snprintf(text, sizeof(text), "%" PRId64 "\n", epoch);
    if (!file_write(a->promoting_path, text, strlen(text), 0600, err))
        return false;
    a->promoting = true;
    agent_told(a);
    return true;
}

void promotion_unmark(struct agent *a)
{
    if (!a->promoting)
        return;
    if (unlink(a->promoting_path) != 0 && errno != ENOENT)
        log_line(LOG_WARNING, "could not remove a file path=%s", a->promoting_path);
    a->promoting = false;
    *a->promote_why = 0;
    promotion_end(a);
    agent_told(a);
}

void promotion_end(struct agent *a)
{
    if (a->promotion)
        pgprobe_cancel(&a->promotion);
}

static void on_ordered(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    struct agent *a = arg;
    a->promotion = NULL;
    const struct pgprobe_outcome *last = &o[count - 1];
    bool done = count == 2 && last->ok && last->reached;
    /* Told again until it shows, as PostgreSQL may have taken the order and gone to sleep for `wal_retrieve_retry_interval` all the same: then it is the
       signal of the next one that wakes it. "recovery is not in progress": it was told before, and is done. */
    a->promote_again_ms = clock_boot_ms() + AGAIN_MS;
    gauge_soon(a);
    if (done || same(last->sqlstate, "55000"))
        return;
    log_err(LOG_WARNING, &last->err);
    COPY_TO(a->promote_why, last->err.message);
    agent_told(a);
}

/* The receiver goes first: whoever may still send is not listened to any more, and one that is frozen would keep the server waiting. */
void promotion_go(struct agent *a)
{
    static const struct pgprobe_step steps[] = {{.name = "promotion", .sql = "select pg_catalog.pg_promote(false)::text", .timeout_ms = ORDER_MS}};
    if (a->promotion || !postmaster_pid(a->postmaster) || clock_boot_ms() < a->promote_again_ms)
        return;
    freeze_thaw(a, true);
    a->promotion_spec = (struct pgprobe_spec){.target = &a->spec->site->database.at, .connect_timeout_ms = CONNECT_MS, .steps = steps, .step_count = COUNT_OF(steps)};
    agent_is(a, a->state, a->cause, "it is told to become the primary, timeline %" PRId64, a->gauge.timeline);
    pgprobe_start(a->loop, a->dns, &a->promotion_spec, on_ordered, a, &a->promotion);
}

static void on_settled(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    struct agent *a = arg;
    const struct pgprobe_outcome *last = &o[count - 1];
    a->promotion = NULL;
    if (last->ok && !o[count - 2].skipped)
        log_line(LOG_WARNING, "synchronous_standby_names is empty now: nobody is there to answer");
    if (!last->ok && !same(a->promote_why, last->err.message))
        log_err(LOG_WARNING, &last->err);
    COPY_TO(a->promote_why, last->ok ? "" : last->err.message);
}

/* Its first commits wait for a standby that is the old primary, or nobody. Who told it to take over sees to that; where nobody is left who did, we do. */
void promotion_settle(struct agent *a, bool commits)
{
    static const struct pgprobe_step steps[] = {
        {.name = "synchronous standbys", .timeout_ms = ORDER_MS,
         .sql = "select case when pg_catalog.current_setting('synchronous_standby_names') = '' or exists "
                "(select from pg_catalog.pg_stat_replication where sync_state in ('sync', 'quorum')) then 'skip' else 'none' end"},
        {.name = "setting", .sql = "alter system set synchronous_standby_names = ''", .timeout_ms = ORDER_MS, .skip_when = "skip"},
        {.name = "reload", .sql = "select pg_catalog.pg_reload_conf()::text", .timeout_ms = ORDER_MS},
    };
    if (commits && a->hold)
        hold_settled(a->hold);
    if (a->promotion || !a->hold || !hold_is_alone(a->hold))
        return;
    a->promotion_spec = (struct pgprobe_spec){.target = &a->spec->site->database.at, .connect_timeout_ms = CONNECT_MS, .steps = steps, .step_count = COUNT_OF(steps)};
    pgprobe_start(a->loop, a->dns, &a->promotion_spec, on_settled, a, &a->promotion);
}

const char *promotion_phase(const struct agent *a)
{
    int64_t in_ms, epoch = a->hold ? hold_intent(a->hold, &in_ms) : 0;
    if (!epoch)
        return a->promoting ? "promoting" : "none";
    if (a->promoting)
        return "promoting";
    if (hold_wrote(a->hold) == epoch && a->gauge.read_ok && !a->gauge.recovery)
        return "done";
    return in_ms > 0 ? "waiting" : "lease";
}
