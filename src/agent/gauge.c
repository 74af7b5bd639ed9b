/* agent/gauge.c -- Three probes of the PostgreSQL beside us, each with its deadline: a new connection, a read, and a committed write. The
   write is a message in the WAL, which needs no table and waits for disk and standby as every commit does. */
#include "agent/agent_internal.h"

#include "sys/clock.h"

#include "base/banned.h"

enum { EVERY_MS = 1000, EVERY_STARTING_MS = 50, DEADLINE_MS = 1000, MISSES = 2, CONNECTION = 0, READ, WRITE, STEPS = 2 };
enum { ROW_WHAT, ROW_LSN, ROW_RECEIVED, ROW_REPLAYED, ROW_LAG_BYTES, ROW_LAG_MS, ROW_RECEIVING, ROW_TIMELINE, ROW_SYNC, ROWS };

/* One column, so one row for each value. A primary has no received position, a standby none of its own. */
#define READ_SQL                                                                                                                              \
    "select case when pg_catalog.pg_is_in_recovery() then 'skip' else 'write' end "                                                           \
    "union all select case when pg_catalog.pg_is_in_recovery() then coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, '') "                 \
    "else pg_catalog.pg_current_wal_lsn()::text end "                                                                                         \
    "union all select coalesce(pg_catalog.pg_last_wal_receive_lsn()::text, '') "                                                              \
    "union all select coalesce(pg_catalog.pg_last_wal_replay_lsn()::text, '') "                                                               \
    "union all select coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())::bigint::text, '-1') "  \
    "union all select case when not pg_catalog.pg_is_in_recovery() or pg_catalog.pg_last_xact_replay_timestamp() is null then '-1' "           \
    "when pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() then '0' "                                               \
    "else greatest(0, extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) * 1000)::bigint::text end " \
    "union all select (exists (select from pg_catalog.pg_stat_wal_receiver where status = 'streaming'))::text "                               \
    "union all select case when pg_catalog.pg_is_in_recovery() then (select timeline_id from pg_catalog.pg_control_checkpoint())::text "       \
    "else ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::bigint::text end "           \
    "union all select pg_catalog.current_setting('synchronous_standby_names')"

#define WRITE_SQL                                                                                                                             \
    "begin; set local statement_timeout = 1250; select pg_catalog.pg_logical_emit_message(true, 'bascule', ''); commit"

void gauge_clear(struct gauge *g)
{
    *g = (struct gauge){.connect_ms = -1, .read_ms = -1, .write_ms = -1, .lag_bytes = -1, .lag_ms = -1};
}

static int64_t number(const char *text)
{
    int64_t n;
    return text && str_int(str_of(text), &n) ? n : -1;
}

static void take_values(struct gauge *g, const struct pgprobe_outcome *read)
{
    if (read->rows != ROWS)
        return;
    const char *const *v = read->column;
    g->recovery = same(v[ROW_WHAT], "skip");
    COPY_TO(g->lsn, v[ROW_LSN]);
    COPY_TO(g->received, v[ROW_RECEIVED]);
    COPY_TO(g->replayed, v[ROW_REPLAYED]);
    g->lag_bytes = g->recovery ? number(v[ROW_LAG_BYTES]) : -1;
    g->lag_ms = number(v[ROW_LAG_MS]);
    g->receiving = same(v[ROW_RECEIVING], "true");
    g->timeline = MAX_OF(number(v[ROW_TIMELINE]), 0);
    if (!COPY_TO(g->sync, v[ROW_SYNC]))
        COPY_TO(g->sync, "("); /* half a list would be taken for another one */
}

/* It answers that it is not ready yet, or not any more. */
static bool is_starting(const struct pgprobe_outcome *connection)
{
    return same(connection->sqlstate, "57P03");
}

void gauge_say(struct agent *a)
{
    const struct gauge *g = &a->gauge;
    agent_is(a, g->recovery ? AGENT_STANDBY : AGENT_PRIMARY, CAUSE_NONE, "%s, timeline %lld%s", g->recovery ? "it follows" : "it takes writes", (long long)g->timeline,
             a->stopped_say);
}

static void well(struct agent *a)
{
    a->misses = 0;
    a->came_up = true;
    if (a->state != AGENT_STOPPING)
        gauge_say(a);
}

/* One miss is no verdict; a server that was just started has its own time. */
static void missed(struct agent *a, enum agent_state state, const char *what, const struct err *err)
{
    a->misses++;
    if (!a->came_up || a->state == AGENT_STOPPING || a->misses < MISSES)
        return;
    agent_is(a, state, CAUSE_NONE, "the process is there, but %s: %s%s", what, err->message, a->stopped_say);
}

static void next_probe(struct agent *a)
{
    loop_timer_set(a->probe_timer, clock_boot_ms() + (a->came_up && !a->promoting ? EVERY_MS : EVERY_STARTING_MS));
}

static void on_probed(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    struct agent *a = arg;
    struct gauge *g = &a->gauge;
    a->probe = NULL;
    g->connect_ok = o[CONNECTION].ok;
    g->read_ok = count > READ && o[READ].ok && o[READ].reached;
    g->write_ok = count > WRITE && o[WRITE].ok && o[WRITE].reached;
    g->connect_ms = g->connect_ok ? o[CONNECTION].took_ms : g->connect_ms;
    g->read_ms = g->read_ok ? o[READ].took_ms : g->read_ms;
    g->write_ms = g->write_ok ? o[WRITE].took_ms : g->write_ms;
    if (g->read_ok)
        take_values(g, &o[READ]);
    if (g->read_ok && a->hold)
        hold_position(a->hold);
    if (g->read_ok)
        a->wal_known = 0;
    if (g->read_ok && !g->recovery && !agent_is_standby(a)) /* the file went before the first write */
        promotion_unmark(a);
    if (o[CONNECTION].unresolved || o[CONNECTION].local_fault || o[CONNECTION].err.code == ERR_PERMISSION)
        missed(a, a->state, "it could not be asked", &o[CONNECTION].err); /* our own fault, or a login's: no verdict about the server */
    else if (is_starting(&o[CONNECTION]))
        agent_is(a, a->state == AGENT_STOPPING ? AGENT_STOPPING : AGENT_STARTING, CAUSE_NONE, "%s", o[CONNECTION].err.message);
    else if (!g->connect_ok)
        missed(a, AGENT_HUNG, "takes no new connection", &o[CONNECTION].err);
    else if (!g->read_ok)
        missed(a, AGENT_HUNG, "answers no read", &o[READ].err);
    else if (!g->recovery && count > WRITE && !o[WRITE].ok)
        missed(a, AGENT_STALLED, "commits nothing", &o[WRITE].err);
    else
        well(a);
    if (g->read_ok && !g->recovery && count > WRITE)
        promotion_settle(a, g->write_ok);
    next_probe(a);
}

static void on_probe_timer(void *arg)
{
    static const struct pgprobe_step steps[STEPS] = {
        {.name = "read", .sql = READ_SQL, .timeout_ms = DEADLINE_MS},
        {.name = "write", .sql = WRITE_SQL, .timeout_ms = DEADLINE_MS, .skip_when = "skip"},
    };
    struct agent *a = arg;
    if (a->probe || !postmaster_pid(a->postmaster))
        return;
    arena_close(&a->probe_arena);
    a->probe_arena = arena_open();
    struct pgprobe_spec *spec = arena_new(a->probe_arena, struct pgprobe_spec);
    *spec = (struct pgprobe_spec){.target = &a->spec->site->database.at, .connect_timeout_ms = DEADLINE_MS, .steps = steps,
                                   .step_count = a->promoting ? READ : STEPS}; /* its first commits may wait for standbys that are not there */
    pgprobe_start(a->loop, a->dns, spec, on_probed, a, &a->probe);
}

void gauge_begin(struct agent *a)
{
    gauge_clear(&a->gauge);
    a->probe_timer = loop_timer_new(a->loop, on_probe_timer, a);
}

void gauge_soon(struct agent *a)
{
    loop_timer_set(a->probe_timer, clock_boot_ms());
}

void gauge_end(struct agent *a)
{
    if (a->probe_timer)
        loop_timer_cancel(a->probe_timer);
    if (a->probe)
        pgprobe_cancel(&a->probe);
}
