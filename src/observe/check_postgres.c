/* observe/check_postgres.c -- Three probes of a database, each under a deadline of its own: a new connection, a read, and a committed
   write to the heartbeat row. Only the write proves that the service can work; its moment is the proof of life that data loss is
   measured from. A server in recovery is not written to. */
#include "io/pgprobe.h"
#include "observe/drivers.h"
#include "observe/pgwords.h"
#include "sys/clock.h"

struct postgres_options {
    int64_t connect_timeout_ms, read_timeout_ms, write_timeout_ms;
    bool write;
};

struct postgres_check {
    struct check check; /* first */
    struct pgprobe *probe;
    struct pgprobe_step steps[2];
    int64_t beat_ms;
    bool creating; /* second attempt of the run: makes the table first */
};

enum { CONNECTION, READ, WRITE };

static void on_probed(void *arg, const struct pgprobe_outcome *outcomes, size_t count);

/* Two who create a table that is not there at the same time: one of them fails, "if not exists" or not. So one waits for the other. */
#define CREATE_BY_ONE "select pg_catalog.pg_advisory_xact_lock(27691695935417445); "

/* In one message, so one round trip. The server ends the statement by itself a little later than we do: a probe that waits for a lock
   or a dead standby must not leave one more waiting session behind each time. */
static char *write_sql(struct postgres_check *self)
{
    const struct postgres_options *o = self->check.conf->options;
    return arena_printf(self->check.arena,
                        "begin; set local statement_timeout = %lld; %s"
                        "insert into public.bascule_heartbeat (id, beat_ms) values (1, %lld) on conflict (id) do update set beat_ms = excluded.beat_ms; "
                        "commit",
                        (long long)o->write_timeout_ms + 250,
                        self->creating ? CREATE_BY_ONE "create table if not exists public.bascule_heartbeat "
                                         "(id smallint primary key check (id = 1), beat_ms bigint not null); "
                                       : "",
                        (long long)self->beat_ms);
}

/* Is this a copy that a restore of ours left waiting? The tag in its mark says so (restore/warm.h). It takes no writes, and a beat of
   ours in it would pass for one of the data that it is a copy of. */
#define IS_WARM                                                                                                        \
    "(select coalesce(pg_catalog.shobj_description(oid, 'pg_database') like '%bascule-restore {%\"tag\":\"warm-%', false) "  \
    "from pg_catalog.pg_database where datname = pg_catalog.current_database())"

/* Reads a row of a table; says first whether to write, then whether the server is in recovery or the database a waiting copy. That the
   heartbeat table is not there yet is asked rather than found out by an error, which would stand in the server's log as if something
   were wrong. */
#define READ_SQL(or_missing)                                                                                           \
    "select case when pg_catalog.pg_is_in_recovery() or " IS_WARM or_missing " then 'skip' else 'write' end "          \
    "from pg_catalog.pg_class where oid = 'pg_catalog.pg_class'::pg_catalog.regclass "                                 \
    "union all select case when pg_catalog.pg_is_in_recovery() then 'recovery' when " IS_WARM " then 'warm' else '' end"

static bool is_state(const struct pgprobe_outcome *o, const char *state)
{
    return o[READ].rows > 1 && same(o[READ].column[1], state);
}

/* Not written to for a reason of its own, rather than for a table that is not there yet. */
static bool only_read(const struct pgprobe_outcome *o)
{
    return is_state(o, "recovery") || is_state(o, "warm");
}

static void begin(struct postgres_check *self)
{
    const struct postgres_options *o = self->check.conf->options;
    self->steps[0] = (struct pgprobe_step){
        .name = "read",
        .sql = self->creating ? READ_SQL("") : READ_SQL(" or pg_catalog.to_regclass('public.bascule_heartbeat') is null"),
        .timeout_ms = o->read_timeout_ms,
    };
    self->steps[1] = (struct pgprobe_step){.name = "write", .timeout_ms = o->write_timeout_ms, .skip_when = "skip"};
    if (o->write)
        self->steps[1].sql = write_sql(self);
    struct pgprobe_spec spec = {
        .target = &self->check.site->database.at,
        .connect_timeout_ms = o->connect_timeout_ms,
        .steps = self->steps,
        .step_count = o->write ? 2 : 1,
    };
    pgprobe_start(self->check.env->loop, self->check.env->dns, &spec, on_probed, self, &self->probe);
}

static void start(struct check *check)
{
    struct postgres_check *self = CONTAINER_OF(check, struct postgres_check, check);
    self->beat_ms = clock_wall_ms();
    self->creating = false;
    begin(self);
}

static void cancel(struct check *check)
{
    pgprobe_cancel(&CONTAINER_OF(check, struct postgres_check, check)->probe);
}

static void report_write_failure(struct postgres_check *self, const struct pgprobe_outcome *o)
{
    struct check *check = &self->check;
    const char *why = pgwords_failure(check->arena, &o[WRITE]);
    if (same(o[WRITE].sqlstate, "42501")) /* the server is well; what is missing is a right of ours */
        check_report(check, VERDICT_WARNING, "connected in %lld ms, read in %lld ms, but we may not write the heartbeat row: %s",
                     (long long)o[CONNECTION].took_ms, (long long)o[READ].took_ms, o[WRITE].err.message);
    else if (same(o[WRITE].sqlstate, "25006"))
        check_report(check, VERDICT_DOWN, "connected in %lld ms, read in %lld ms, but the server is read-only: %s", (long long)o[CONNECTION].took_ms,
                     (long long)o[READ].took_ms, o[WRITE].err.message);
    else
        check_report(check, VERDICT_DOWN, "connected in %lld ms, read in %lld ms, but the write failed: %s", (long long)o[CONNECTION].took_ms,
                     (long long)o[READ].took_ms, why);
}

static void report_well(struct postgres_check *self, const struct pgprobe_outcome *o, size_t count)
{
    struct check *check = &self->check;
    const char *unwritten = is_state(o, "recovery") ? "; in recovery, so not written to"
                            : is_state(o, "warm")   ? "; a warm copy, so not written to"
                                                    : "; not written to, as configured";
    if (count > WRITE && !o[WRITE].skipped)
        check_report_alive(check, VERDICT_UP, self->beat_ms, "connected in %lld ms, read in %lld ms, committed a write in %lld ms",
                           (long long)o[CONNECTION].took_ms, (long long)o[READ].took_ms, (long long)o[WRITE].took_ms);
    else
        check_report_alive(check, VERDICT_UP, self->beat_ms, "connected in %lld ms, read in %lld ms%s", (long long)o[CONNECTION].took_ms,
                           (long long)o[READ].took_ms, unwritten);
}

static void on_probed(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    struct postgres_check *self = arg;
    const struct postgres_options *options = self->check.conf->options;
    self->probe = NULL;
    if (!o[CONNECTION].ok) {
        struct pgwords w = pgwords_connection(&o[CONNECTION], &self->check.site->database.at, options->connect_timeout_ms);
        check_report(&self->check, w.state, "%s", w.text);
    } else if (!o[READ].ok) {
        check_report(&self->check, VERDICT_DOWN, "connected in %lld ms, but the read failed: %s", (long long)o[CONNECTION].took_ms,
                     pgwords_failure(self->check.arena, &o[READ]));
    } else if (count > WRITE && o[WRITE].skipped && !only_read(o) && !self->creating) {
        self->creating = true; /* the table is not there yet */
        begin(self);
    } else if (count > WRITE && !o[WRITE].ok) {
        report_write_failure(self, o);
    } else {
        report_well(self, o, count);
    }
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    if (!site->database.at.host)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no database host", site->name);
    return true;
}

#define AT(member) .offset = offsetof(struct postgres_options, member)
static const struct option options[] = {
    {"connect_timeout", OPTION_DURATION, AT(connect_timeout_ms), .fallback = "1s", .min = 10, .max = MS_MINUTE, .help = "for a new connection, its name and login included"},
    {"read_timeout", OPTION_DURATION, AT(read_timeout_ms), .fallback = "1s", .min = 10, .max = MS_MINUTE, .help = "for the read probe"},
    {"write_timeout", OPTION_DURATION, AT(write_timeout_ms), .fallback = "1s", .min = 10, .max = MS_MINUTE, .help = "for the committed write to the heartbeat row"},
    {"write", OPTION_BOOL, AT(write), .fallback = "true", .help = "write the row of public.bascule_heartbeat; a server in recovery is never written to"},
    OPTION_END,
};

const struct check_ops check_postgres = {
    .name = "postgres",
    .summary = "a new connection, a read and a committed write, each with its own deadline",
    .options = options,
    .options_size = sizeof(struct postgres_options),
    .check_size = sizeof(struct postgres_check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
