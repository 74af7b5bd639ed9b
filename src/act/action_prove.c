/* act/action_prove.c -- A backup is restored into a scratch database, every row of it is read back, and what the rows add up to is held
   against what they added up to when the backup was made. Then the database goes again. */
#include "act/backups.h"
#include "act/host.h"
#include "act/proof.h"
#include "act/warmsite.h"
#include "dump/rowhash.h"
#include "io/pg.h"
#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { ADMIN_MS = 60 * 1000, LOCK_MS = 60 * 60 * 1000, COPY_MS = 24 * 60 * 60 * 1000, ZONE_MS = 3000 };

/* ---- arguments ---- */

struct wanted {
    const struct site *site;  /* whose backups */
    const struct site *where; /* whose server: not the one that serves the users, when there is another */
    const char *file;         /* NULL: the newest */
};

static bool find_wanted(const struct action_ctx *ctx, struct wanted *ret, struct err *err)
{
    *ret = (struct wanted){0};
    if (!action_site(ctx, ctx->args.p[0], &ret->site, err))
        return false;
    for (size_t i = 1; i < ctx->args.n; i++) {
        if (!same(ctx->args.p[i], "--file") || i + 1 == ctx->args.n)
            return err_set(err, ERR_USAGE, "\"%s\" is not understood; it is written: prove SITE [--file FILE]", ctx->args.p[i]);
        ret->file = ctx->args.p[++i];
    }
    if (!warmsite_find(ctx, NULL, &ret->where, NULL))
        ret->where = ret->site;
    if (!ret->where->database.at.host || !ret->where->database.at.dbname)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no database server to restore on", ret->where->name);
    return ret->site->backup.folder || err_set(err, ERR_CONFIG, "site \"%s\" has no backup folder", ret->site->name);
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    struct wanted w;
    return find_wanted(ctx, &w, err);
}

static bool find_backup(const struct action_ctx *ctx, const struct wanted *w, struct backup *ret, struct err *err)
{
    struct backup_place place;
    struct backup *list;
    size_t n;
    const char *slash = w->file ? strrchr(w->file, '/') : NULL;
    const char *folder = !slash ? NULL : slash == w->file ? "/" : arena_strndup(ctx->arena, w->file, (size_t)(slash - w->file));
    if (!site_backups(ctx->arena, ctx->service, w->site, folder, &place, err) || !backup_list(ctx->arena, &place, &list, &n, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!w->file || same(list[i].file, file_name_of(w->file))) {
            *ret = list[i];
            return true;
        }
    return err_set(err, ERR_NOT_FOUND, "there is no backup%s%s of \"%s\" in \"%s\"", w->file ? " " : "", w->file ? file_name_of(w->file) : "",
                   ctx->service->name, place.folder);
}

/* ---- the scratch database ---- */

struct scratch {
    const struct action_ctx *ctx;
    const struct site *where;
    struct pgtarget target; /* of the scratch database */
    bool made;
};

static bool drop(const struct scratch *s, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    if (!pg_open(&s->where->database.at, warmsite_admin(s->where), ADMIN_MS, &pg, err))
        return false;
    const char *force = pg_server_version(pg) >= 130000 ? " WITH (FORCE)" : "";
    const char *sql = arena_printf(s->ctx->arena, "DROP DATABASE IF EXISTS %s%s", pg_identifier(pg, s->ctx->arena, s->target.dbname), force);
    return pg_exec(pg, s->ctx->arena, sql, NULL, 0, ADMIN_MS, NULL, err) || err_prefix(err, "dropping \"%s\"", s->target.dbname);
}

static void scratch_done(struct scratch *s)
{
    struct err err = {0};
    if (s->made && !drop(s, &err))
        log_err(LOG_WARNING, &err);
}

static bool restore(struct scratch *s, const struct backup *b, struct restore_result *ret, struct err *err)
{
    const char *tag = arena_printf(s->ctx->arena, "proof-%08llx", (unsigned long long)(clock_wall_ms() / MS_SECOND));
    struct restore_spec spec = restores_spec(s->ctx, s->where, b, tag);
    spec.target = &s->target;
    if (!drop(s, err)) /* one that a killed proof left */
        return false;
    s->made = true;
    return restore_run(s->ctx->arena, &spec, ret, err) || err_prefix(err, "restoring \"%s\" into \"%s\"", b->file, s->target.dbname);
}

/* ---- what its rows add up to ---- */

struct sum {
    uint64_t hash;
    int64_t rows;
};

static bool add_row(void *arg, const char *row, size_t n, struct err *err)
{
    struct sum *sum = arg;
    (void)err;
    sum->hash += row_hash(row, n && row[n - 1] == '\n' ? n - 1 : n);
    sum->rows++;
    return true;
}

static bool read_table(struct pg *pg, const struct scratch *s, const char *table, struct sum *ret, struct err *err)
{
    bool ended = false;
    *ret = (struct sum){0};
    if (!pg_copy_out_begin(pg, arena_printf(s->ctx->arena, "COPY %s TO STDOUT", table), ADMIN_MS, err))
        return err_prefix(err, "reading table %s", table);
    while (!ended)
        if (!pg_copy_out_some(pg, COPY_MS, add_row, ret, &ended, err))
            return err_prefix(err, "reading table %s", table);
    return true;
}

/* Text of a timestamptz depends on the zone of the session; the backup's is that of the server it was taken from. */
static const char *zone_of_source(const struct scratch *s, const struct site *site)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows;
    if (!pg_open(&site->database.at, NULL, action_time(s->ctx, ZONE_MS), &pg, NULL) ||
        !pg_exec(pg, s->ctx->arena, "SHOW TimeZone", NULL, 0, ZONE_MS, &rows, NULL))
        return NULL;
    return arena_strdup(s->ctx->arena, pg_text(rows, 0, 0));
}

static bool open_to_read(const struct scratch *s, const struct site *source, struct pg **ret, struct err *err)
{
    static const char as_dumped[] = "SET DateStyle = ISO; SET IntervalStyle = postgres; SET extra_float_digits = 3; SET bytea_output = hex;"
                                    " SET row_security = off; SET statement_timeout = 0; SET default_transaction_read_only = on";
    const char *zone = zone_of_source(s, source);
    if (!pg_open(&s->target, NULL, ADMIN_MS, ret, err) || !pg_script(*ret, as_dumped, ADMIN_MS, err))
        return false;
    return !zone || pg_script(*ret, arena_printf(s->ctx->arena, "SET TimeZone = %s", pg_literal(*ret, s->ctx->arena, zone)), ADMIN_MS, err);
}

static bool compare(const struct scratch *s, const struct site *source, const struct backup *b, size_t *ret_hashed, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    *ret_hashed = 0;
    if (!open_to_read(s, source, &pg, err))
        return false;
    for (size_t i = 0; i < b->table_count; i++) {
        const struct backup_table *t = &b->tables[i];
        struct sum sum;
        report_progress(s->ctx->report, (int64_t)i, (int64_t)b->table_count, "reading %s", t->name);
        if (!read_table(pg, s, t->name, &sum, err))
            return false;
        if (sum.rows != t->rows)
            return err_set(err, ERR_DATA, "table %s has %lld rows after the restore, the backup %lld", t->name, (long long)sum.rows, (long long)t->rows);
        if (t->has_hash && sum.hash != t->hash)
            return err_set(err, ERR_DATA, "the rows of table %s add up to %016llx after the restore, to %016llx in the backup", t->name,
                           (unsigned long long)sum.hash, (unsigned long long)t->hash);
        *ret_hashed += t->has_hash;
    }
    return true;
}

/* ---- the action ---- */

static bool prove(const struct action_ctx *ctx, const struct wanted *w, struct backup *b, struct restore_result *r, size_t *ret_hashed, struct err *err)
{
    SCOPED(scratch_done) struct scratch s = {.ctx = ctx, .where = w->where, .target = w->where->database.at};
    struct backup_progress progress = {0};
    SCOPED(file_close) int held = -1;
    s.target.dbname = arena_printf(ctx->arena, "%s_proof", w->where->database.at.dbname);
    if (!backup_hold(b, &held, err))
        return false;
    if (!b->verified_wall_ms && !backup_verify(ctx->arena, b, &progress, err))
        return false;
    return restore(&s, b, r, err) && compare(&s, w->site, b, ret_hashed, err);
}

static void keep_proof(const struct action_ctx *ctx, const struct wanted *w, const struct backup *b, const struct restore_result *r,
                       int64_t took_ms, const struct err *err)
{
    struct proof proof = {
        .kind = "verify",
        .service = ctx->service->name,
        .site = w->where->name,
        .file = b->file,
        .sha256 = b->sha256,
        .ok = !err,
        .error = err ? err->message : NULL,
        .at_ms = clock_wall_ms(),
        .took_ms = took_ms,
        .snapshot_ms = b->snapshot_wall_ms,
        .rows = r->rows,
        .foreign_keys = r->foreign_keys,
    };
    proof_add(ctx, &proof);
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct wanted w;
    struct backup b = {0};
    struct restore_result r = {0};
    SCOPED(file_close) int lock = -1;
    size_t hashed = 0;
    if (!find_wanted(ctx, &w, err) || !find_backup(ctx, &w, &b, err))
        return false;
    if (!warmsite_lock(ctx, ctx->budget_ms ? ctx->budget_ms : LOCK_MS, &lock, err))
        return false;
    int64_t began = clock_boot_ms();
    bool ok = prove(ctx, &w, &b, &r, &hashed, err);
    int64_t took_ms = clock_boot_ms() - began;
    keep_proof(ctx, &w, &b, &r, took_ms, ok ? NULL : err);
    if (!ok)
        return err_prefix(err, "backup \"%s\"", b.file);
    struct err why = {0};
    if (!backup_mark_verified(&b, "restored", &why))
        log_err(LOG_WARNING, &why);
    report_fact(ctx->report, "prove.file", "%s", b.file);
    report_fact(ctx->report, "prove.tables", "%zu", b.table_count);
    report_fact(ctx->report, "prove.hashed", "%zu", hashed);
    report_fact(ctx->report, "prove.rows", "%lld", (long long)r.rows);
    report_fact(ctx->report, "prove.foreign_keys", "%lld", (long long)r.foreign_keys);
    report_fact(ctx->report, "prove.took_ms", "%lld", (long long)took_ms);
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "\"%s\" was restored on site \"%s\": %lld rows of %zu tables are as in the backup, by their hash in %zu of them; "
               "%lld foreign keys hold; in %s", b.file, w.where->name, (long long)r.rows, b.table_count, hashed, (long long)r.foreign_keys,
               duration_say(ctx->arena, took_ms));
    return true;
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct wanted w;
    struct backup b;
    if (!find_wanted(ctx, &w, err) || !find_backup(ctx, &w, &b, err))
        return false;
    buf_printf(out, "restores \"%s\" into database \"%s_proof\" on \"%s\", compares every row, and drops it again\n", b.path,
               w.where->database.at.dbname, w.where->database.at.host);
    buf_printf(out, "$ %s\n", action_command(ctx, "backup verify --deep %s --site %s", b.path, w.site->name));
    return true;
}

/* What was proved once may be damaged by now. */
static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    (void)ctx, (void)why, (void)why_size, (void)err;
    *ret = false;
    return true;
}

extern const struct action_ops action_prove;
const struct action_ops action_prove = {
    .name = "prove",
    .usage = "prove SITE [--file FILE]",
    .summary = "restores a backup into a scratch database and compares every row",
    .changes = true,
    .args_min = 1,
    .args_max = 2, /* SITE, and the FILE of --file */
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
