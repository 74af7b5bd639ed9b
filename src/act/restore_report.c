/* act/restore_report.c -- What was restored, how long it took, what the tables hold now, and what the application answers. */
#include "act/restore_report.h"

#include "act/endpoint.h"
#include "base/jsonout.h"
#include "io/pg.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "base/banned.h"

enum { REPORT_MAX = 4 * 1024 * 1024, QUESTION_MS = 10 * 60 * 1000, CONNECT_MS = 10 * 1000, AGAIN_MS = 1000 };

struct counted {
    const char *table;
    int64_t rows;      /* -1: could not be counted */
    const char *why;
};

struct asked {
    const char *path;
    bool ok;
    long status;       /* 0: no answer */
    int64_t took_ms;
    int tries;
    const char *why;   /* of the last try that failed */
};

struct measured {
    struct arena *arena;
    const struct action_ctx *ctx;
    const struct restored *done;
    struct counted *tables;
    size_t table_count;
    struct asked *endpoints;
    size_t endpoint_count;
    int64_t database_bytes;      /* -1: not known */
    int64_t unproven_keys;       /* foreign keys that are not validated; -1: not known */
    int64_t rto_ms, rpo_ms;      /* 0: none is set */
    int64_t recovery_point_ms;   /* 0: not known */
    bool well;
};

/* ---- the database ---- */

static void count_table(struct measured *m, struct pg *pg, struct counted *c)
{
    struct pg_rows *rows;
    struct err err = {0};
    const char *params[] = {c->table};
    const char *name = NULL;
    c->rows = -1;
    if (pg_exec(pg, m->arena, "SELECT to_regclass($1)::text", params, 1, QUESTION_MS, &rows, &err))
        name = pg_text(rows, 0, 0);
    if (!name)
        c->why = *err.message ? arena_strdup(m->arena, err.message) : "there is no such table";
    else if (pg_exec(pg, m->arena, arena_printf(m->arena, "SELECT count(*) FROM %s", name), NULL, 0, QUESTION_MS, &rows, &err))
        c->rows = pg_int(rows, 0, 0);
    else
        c->why = arena_strdup(m->arena, err.message);
    m->well &= c->rows >= 0;
}

static void look_at_database(struct measured *m)
{
    const struct site *site = m->done->site;
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows = NULL;
    struct err err = {0};
    m->table_count = site->database.critical_tables.n;
    m->tables = arena_array(m->arena, struct counted, m->table_count);
    for (size_t i = 0; i < m->table_count; i++)
        m->tables[i] = (struct counted){.table = site->database.critical_tables.p[i], .rows = -1, .why = "not looked at"};
    m->database_bytes = m->unproven_keys = -1;
    if (m->done->error)
        return;
    if (!pg_open(&site->database.at, NULL, CONNECT_MS, &pg, &err)) {
        for (size_t i = 0; i < m->table_count; i++)
            m->tables[i].why = arena_strdup(m->arena, err.message);
        m->well = false;
        return;
    }
    for (size_t i = 0; i < m->table_count; i++)
        count_table(m, pg, &m->tables[i]);
    if (pg_exec(pg, m->arena, "SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated)",
                NULL, 0, QUESTION_MS, &rows, NULL)) {
        m->database_bytes = pg_int(rows, 0, 0);
        m->unproven_keys = pg_int(rows, 0, 1);
    }
}

/* ---- the application ---- */

struct asking {
    struct measured *m;
    const struct endpoint *endpoint;
    struct asked *asked;
};

static bool answers(void *arg, struct err *err)
{
    const struct asking *a = arg;
    struct http_response response = {0};
    SCOPED(arena_close) struct arena *arena = arena_open(); /* the answers of many tries are not kept */
    struct action_ctx once = *a->m->ctx;
    once.arena = arena;
    once.budget_ms = 0; /* the restore used it; this has a limit of its own */
    a->asked->tries++;
    a->asked->ok = endpoint_fetch(&once, a->m->done->site->application.url, a->endpoint, &response, err);
    a->asked->status = response.status;
    a->asked->took_ms = response.took_ms;
    a->asked->why = a->asked->ok ? NULL : arena_strdup(a->m->arena, err->message);
    return a->asked->ok;
}

static void look_at_application(struct measured *m, int64_t wait_ms)
{
    const struct service *service = m->ctx->service;
    int64_t end = clock_boot_ms() + wait_ms;
    struct action_ctx free_of_budget = *m->ctx;
    free_of_budget.budget_ms = 0;
    if (m->done->error || !m->done->site->application.url)
        return;
    m->endpoint_count = service->endpoints.n;
    m->endpoints = arena_array(m->arena, struct asked, m->endpoint_count);
    for (size_t i = 0; i < m->endpoint_count; i++) {
        struct err err = {0};
        struct asking a = {.m = m, .endpoint = &service->endpoints.p[i], .asked = &m->endpoints[i]};
        a.asked->path = service->endpoints.p[i].path;
        m->well &= action_wait(&free_of_budget, MAX_OF(end - clock_boot_ms(), 1), AGAIN_MS, answers, &a, &err);
    }
}

/* ---- what is said ---- */

static const char *mb(struct arena *a, int64_t bytes)
{
    return bytes < 0 ? "not known" : arena_printf(a, "%.1f MB (%lld bytes)", (double)bytes / 1e6, (long long)bytes);
}

static void put_objective(struct buf *out, struct arena *a, const char *name, int64_t target_ms, int64_t got_ms)
{
    if (got_ms < 0)
        buf_printf(out, "%-22s not known\n", name);
    else if (!target_ms)
        buf_printf(out, "%-22s %s (no objective is set)\n", name, duration_say(a, got_ms));
    else
        buf_printf(out, "%-22s %s, objective %s: %s\n", name, duration_say(a, got_ms), duration_say(a, target_ms), got_ms <= target_ms ? "met" : "MISSED");
}

/* How old the data was when the restore began: what a loss at that moment cost. */
static int64_t loss_ms(const struct measured *m)
{
    return m->recovery_point_ms ? MAX_OF(m->done->began_wall_ms - m->recovery_point_ms, 0) : -1;
}

static void put_data(const struct measured *m, struct buf *out)
{
    const struct restored *d = m->done;
    buf_puts(out, "\nData\n");
    if (d->error) {
        buf_puts(out, "  not restored; what was there before is unchanged\n");
        return;
    }
    buf_printf(out, "  rows restored        %lld\n  foreign keys checked %lld", (long long)d->result.rows, (long long)d->result.foreign_keys);
    if (m->unproven_keys > 0)
        buf_printf(out, ", and %lld are NOT VALID as in the source", (long long)m->unproven_keys);
    buf_printf(out, "\n  database size        %s\n", mb(m->arena, m->database_bytes));
    for (size_t i = 0; i < m->table_count; i++) {
        if (m->tables[i].rows >= 0)
            buf_printf(out, "  [✓] %-16s %lld rows, counted now\n", m->tables[i].table, (long long)m->tables[i].rows);
        else
            buf_printf(out, "  [✗] %-16s %s\n", m->tables[i].table, m->tables[i].why);
    }
    if (d->result.old_name)
        buf_printf(out, "  before it            kept as \"%s\"\n", d->result.old_name);
    for (size_t i = 0; i < d->result.note_count; i++)
        buf_printf(out, "  note: %s\n", d->result.notes[i]);
}

static void put_application(const struct measured *m, struct buf *out)
{
    buf_puts(out, "\nApplication\n");
    if (!m->endpoint_count) {
        buf_printf(out, "  not looked at: %s\n", m->done->error ? "the data was not restored" : "no address or no endpoint is configured");
        return;
    }
    for (size_t i = 0; i < m->endpoint_count; i++) {
        const struct asked *e = &m->endpoints[i];
        if (e->ok)
            buf_printf(out, "  [✓] %-22s status %ld in %lld ms, at try %d\n", e->path, e->status, (long long)e->took_ms, e->tries);
        else
            buf_printf(out, "  [✗] %-22s %s, after %d tries\n", e->path, e->why, e->tries);
    }
}

static void put_text(const struct measured *m, struct buf *out)
{
    const struct restored *d = m->done;
    const struct pgtarget *at = &d->site->database.at;
    struct arena *a = m->arena;
    buf_printf(out, "PRA RESTORE REPORT\n%-22s %s\n", "result", d->error ? arena_printf(a, "FAILED: %s", d->error) : m->well ? "PASSED" : "RESTORED, BUT NOT WELL");
    buf_printf(out, "%-22s %s\n%-22s %s, database \"%s\" on \"%s\" port %d\n", "service", m->ctx->service->name, "site", d->site->name, at->dbname,
               at->host, at->port ? at->port : 5432);
    buf_printf(out, "%-22s %s\n", "began", moment_iso(a, d->began_wall_ms));
    buf_printf(out, "%-22s %s\n", "ended", moment_iso(a, d->began_wall_ms + d->took_ms));
    put_objective(out, a, "restore time (RTO)", m->rto_ms, d->took_ms);
    put_objective(out, a, "age of the data (RPO)", m->rpo_ms, loss_ms(m));
    buf_puts(out, "\nBackup\n");
    if (!d->backup.file) {
        buf_puts(out, "  none was chosen\n");
    } else {
        buf_printf(out, "  file                 %s\n  size                 %s\n", d->backup.path ? d->backup.path : d->backup.file,
                   mb(a, d->backup.bytes ? d->backup.bytes : -1));
        buf_printf(out, "  SHA-256              %s\n", d->result.sha256 ? d->result.sha256 : d->backup.sha256 ? d->backup.sha256 : "not known");
        buf_printf(out, "  data as of           %s\n", d->backup.snapshot_wall_ms ? moment_iso(a, d->backup.snapshot_wall_ms) : "not known");
        buf_printf(out, "  way                  %s\n", d->warm ? "a warm copy of it was taken" : "loaded from the file");
    }
    put_data(m, out);
    put_application(m, out);
}

static void put_json(const struct measured *m, struct buf *out)
{
    const struct restored *d = m->done;
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_text(&j, "result", d->error ? "failed" : m->well ? "passed" : "not-well");
    json_put_text(&j, "error", d->error);
    json_put_text(&j, "service", m->ctx->service->name);
    json_put_text(&j, "site", d->site->name);
    json_put_text(&j, "database", d->site->database.at.dbname);
    json_put_text(&j, "host", d->site->database.at.host);
    json_put_int(&j, "began_ms", d->began_wall_ms);
    json_put_int(&j, "took_ms", d->took_ms);
    json_put_int(&j, "rto_ms", m->rto_ms);
    json_put_int(&j, "rpo_ms", m->rpo_ms);
    json_put_int(&j, "data_age_ms", loss_ms(m));
    json_put_text(&j, "file", d->backup.file);
    json_put_text(&j, "sha256", d->result.sha256 ? d->result.sha256 : d->backup.sha256);
    json_put_int(&j, "snapshot_ms", d->backup.snapshot_wall_ms);
    json_put_bool(&j, "warm", d->warm);
    json_put_int(&j, "rows", d->result.rows);
    json_put_int(&j, "foreign_keys", d->result.foreign_keys);
    json_put_int(&j, "database_bytes", m->database_bytes);
    json_put_text(&j, "old_database", d->result.old_name);
    json_key(&j, "tables");
    json_array(&j);
    for (size_t i = 0; i < m->table_count; i++) {
        json_object(&j);
        json_put_text(&j, "name", m->tables[i].table);
        json_put_int(&j, "rows", m->tables[i].rows);
        json_put_text(&j, "error", m->tables[i].why && m->tables[i].rows < 0 ? m->tables[i].why : NULL);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_key(&j, "endpoints");
    json_array(&j);
    for (size_t i = 0; i < m->endpoint_count; i++) {
        json_object(&j);
        json_put_text(&j, "path", m->endpoints[i].path);
        json_put_bool(&j, "ok", m->endpoints[i].ok);
        json_put_int(&j, "status", m->endpoints[i].status);
        json_put_int(&j, "took_ms", m->endpoints[i].took_ms);
        json_put_int(&j, "tries", m->endpoints[i].tries);
        json_put_text(&j, "error", m->endpoints[i].why);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(out, '\n');
}

bool restore_report(const struct action_ctx *ctx, const struct restored *done, const char *folder, int64_t api_wait_ms, bool *ret_well,
                    char **ret_path, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = REPORT_MAX};
    SCOPED(buf_done) struct buf json = {.max = REPORT_MAX};
    const struct severity_conf *severity = service_severity(ctx->service, SEVERITY_P1);
    struct measured m = {.arena = ctx->arena, .ctx = ctx, .done = done, .well = !done->error, .rto_ms = severity ? severity->rto_ms : 0,
                         .rpo_ms = severity ? severity->rpo_ms : 0};
    m.recovery_point_ms = done->result.heartbeat_wall_ms ? done->result.heartbeat_wall_ms : done->backup.snapshot_wall_ms;
    look_at_database(&m);
    look_at_application(&m, api_wait_ms);
    put_text(&m, &text);
    put_json(&m, &json);
    const char *base = arena_printf(ctx->arena, "%s/pra_restore_report_%s", folder, moment_file(ctx->arena, done->began_wall_ms));
    *ret_path = arena_printf(ctx->arena, "%s.txt", base);
    *ret_well = m.well;
    if (text.over || json.over)
        return err_set(err, ERR_LIMIT, "the report would be too large");
    return file_mkdirs(folder, 0700, err) && file_write(*ret_path, text.p, text.n, 0600, err) &&
           file_write(arena_printf(ctx->arena, "%s.json", base), json.p, json.n, 0600, err);
}
