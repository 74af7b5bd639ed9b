/* observe/check_tables.c -- Are the tables there that the service cannot live without? A database that answers may still be empty. */
#include "io/pgprobe.h"
#include "observe/drivers.h"
#include "observe/pgwords.h"

struct tables_options {
    struct strs tables;
    int64_t connect_timeout_ms, read_timeout_ms;
};

struct tables_check {
    struct check check; /* first */
    struct pgprobe *probe;
};

static const struct strs *wanted(const struct check_conf *conf, const struct site *site)
{
    const struct tables_options *o = conf->options;
    return o && o->tables.n ? &o->tables : &site->database.critical_tables;
}

/* "select name from (values ($1), ($2)) as wanted (name) where to_regclass(name) is null" */
static const char *missing_sql(struct arena *arena, size_t count)
{
    SCOPED(buf_done) struct buf sql = {.max = 64 * 1024};
    buf_puts(&sql, "select name from (values ");
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, "%s($%zu::text)", i ? ", " : "", i + 1);
    buf_puts(&sql, ") as wanted (name) where pg_catalog.to_regclass(name) is null");
    return arena_strdup(arena, buf_text(&sql));
}

static void report_missing(struct check *check, const struct pgprobe_outcome *o, size_t count)
{
    SCOPED(buf_done) struct buf names = {.max = MODEL_TEXT_SIZE};
    for (size_t i = 0; i < o->rows && o->column[i]; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", o->column[i]);
    check_report(check, VERDICT_DOWN, "%zu of %zu critical tables are missing: %s", o->rows, count, buf_text(&names));
}

static void on_probed(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    struct tables_check *self = arg;
    struct check *check = &self->check;
    const struct tables_options *options = check->conf->options;
    size_t tables = wanted(check->conf, check->site)->n;
    (void)count;
    self->probe = NULL;
    if (!o[0].ok) {
        struct pgwords w = pgwords_connection(&o[0], &check->site->database.at, options->connect_timeout_ms);
        check_report(check, w.state, "%s", w.text);
    } else if (!o[1].ok) {
        bool ours = o[1].sqlstate[0] == '4' && o[1].sqlstate[1] == '2'; /* a name that is no name */
        check_report(check, ours ? VERDICT_UNKNOWN : VERDICT_DOWN, "could not look for the critical tables: %s", pgwords_failure(check->arena, &o[1]));
    } else if (o[1].rows) {
        report_missing(check, &o[1], tables);
    } else {
        check_report(check, VERDICT_UP, "all %zu critical tables are present (%lld ms)", tables, (long long)o[0].took_ms + o[1].took_ms);
    }
}

static void start(struct check *check)
{
    struct tables_check *self = CONTAINER_OF(check, struct tables_check, check);
    const struct tables_options *o = check->conf->options;
    const struct strs *tables = wanted(check->conf, check->site);
    struct pgprobe_step step = {
        .name = "read",
        .sql = missing_sql(check->arena, tables->n),
        .params = tables->p,
        .param_count = tables->n,
        .timeout_ms = o->read_timeout_ms,
    };
    struct pgprobe_spec spec = {.target = &check->site->database.at, .connect_timeout_ms = o->connect_timeout_ms, .steps = &step, .step_count = 1};
    pgprobe_start(check->env->loop, check->env->dns, &spec, on_probed, self, &self->probe);
}

static void cancel(struct check *check)
{
    pgprobe_cancel(&CONTAINER_OF(check, struct tables_check, check)->probe);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    if (wanted(conf, site)->n == 0) {
        err_set(err, ERR_CONFIG, "there are no tables to look for");
        return err_hint(err, "set \"critical_tables\" of the database of site \"%s\", or \"tables\" of the check", site->name);
    }
    if (wanted(conf, site)->n > 1000)
        return err_set(err, ERR_CONFIG, "more than 1000 tables to look for");
    return true;
}

#define AT(member) .offset = offsetof(struct tables_options, member)
static const struct option options[] = {
    {"tables", OPTION_STRINGS, AT(tables), .help = "tables that must exist; when empty the critical_tables of the site's database", .sample = "[users, payments]"},
    {"connect_timeout", OPTION_DURATION, AT(connect_timeout_ms), .fallback = "2s", .min = 10, .max = MS_MINUTE, .help = "for a new connection, its name and login included"},
    {"read_timeout", OPTION_DURATION, AT(read_timeout_ms), .fallback = "2s", .min = 10, .max = MS_MINUTE, .help = "for the question itself"},
    OPTION_END,
};

const struct check_ops check_tables = {
    .name = "tables",
    .summary = "the critical tables of the site's database are present",
    .options = options,
    .options_size = sizeof(struct tables_options),
    .check_size = sizeof(struct tables_check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
