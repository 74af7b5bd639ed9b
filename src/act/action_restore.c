/* act/action_restore.c -- The newest good backup, or a named one, becomes the database of a site. */
#include "act/action.h"
#include "act/backups.h"
#include "act/host.h"
#include "act/proof.h"
#include "act/restore_report.h"
#include "act/warmsite.h"
#include "io/hash.h"
#include "io/json.h"
#include "io/pg.h"
#include "io/ssh.h"
#include "restore/base.h"
#include "sys/clock.h"
#include "sys/file.h"


#include "base/banned.h"

enum { SKIPPED_MAX = 4096, TAG_MAX = 16, MARK_MS = 5 * MS_SECOND, LOCK_MS = 60 * MS_MINUTE, API_WAIT_MS = 30 * MS_SECOND };

/* ---- arguments ---- */

struct wanted {
    const struct site *site;
    const char *file; /* NULL: the newest good one */
    bool forced;      /* also over the database that serves the users */
    const char *report; /* folder for the report; NULL: none is written */
    int64_t api_wait_ms; /* of it */
    bool cold;        /* from the file, also where a warm copy waits */
    const char *only; /* this table alone; NULL: all */
    const char *into; /* another name than that of the site's database; NULL: that one */
    const char *scratch; /* folder of a server made for it; NULL: the site's server */
    const char *base; /* folder for a base backup of that server; NULL: none is taken */
    int64_t jobs;     /* 0: as restore/ chooses */
    bool resume;      /* go on with what an interrupted run loaded */
};

#define WRITTEN "restore SITE [--file FILE] [--jobs N] [--into NAME] [--only TABLE] [--scratch FOLDER [--base DIR]] [--resume] [--cold] [--force]" \
                " [--report FOLDER [--api-wait TIME]]"

/* Options that are followed by a word; *ret_known false when it is none of them. */
static bool take_option(const struct action_ctx *ctx, size_t at, struct wanted *w, bool *ret_known, struct err *err)
{
    const char *jobs = NULL;
    struct { const char *name; const char **to; } options[] = {
        {"--file", &w->file}, {"--into", &w->into}, {"--only", &w->only}, {"--scratch", &w->scratch}, {"--base", &w->base},
        {"--jobs", &jobs}};
    *ret_known = false;
    for (size_t i = 0; i < COUNT_OF(options) && at + 1 < ctx->args.n; i++)
        if (same(ctx->args.p[at], options[i].name)) {
            *options[i].to = ctx->args.p[at + 1];
            *ret_known = true;
        }
    if (jobs && (!str_int(str_of(jobs), &w->jobs) || w->jobs < 1 || w->jobs > 64))
        return err_set(err, ERR_USAGE, "--jobs is a number from 1 to 64, not \"%s\"", jobs);
    return true;
}

/* Does it end in the site's own database? Else nobody's writes are lost, and no warm copy can stand for it. */
static bool is_elsewhere(const struct wanted *w)
{
    return w->into || w->scratch;
}

/* The folder of a new server must be empty, and what is kept of a server does not lie in it. */
static bool goes_with(const char *base, const char *scratch)
{
    size_t n = scratch ? strlen(scratch) : 0;
    while (n > 1 && scratch[n - 1] == '/')
        n--;
    return scratch && base[0] == '/' && !(strncmp(base, scratch, n) == 0 && (base[n] == 0 || base[n] == '/'));
}

static bool find_wanted(const struct action_ctx *ctx, struct wanted *ret, struct err *err)
{
    *ret = (struct wanted){.api_wait_ms = API_WAIT_MS};
    bool known;
    if (!action_site(ctx, ctx->args.p[0], &ret->site, err))
        return false;
    for (size_t i = 1; i < ctx->args.n; i++) {
        if (!take_option(ctx, i, ret, &known, err))
            return false;
        if (known)
            i++;
        else if (same(ctx->args.p[i], "--force"))
            ret->forced = true;
        else if (same(ctx->args.p[i], "--cold"))
            ret->cold = true;
        else if (same(ctx->args.p[i], "--resume"))
            ret->resume = true;
        else if (same(ctx->args.p[i], "--report") && i + 1 < ctx->args.n)
            ret->report = ctx->args.p[++i];
        else if (same(ctx->args.p[i], "--api-wait") && i + 1 < ctx->args.n && duration_parse(ctx->args.p[i + 1], &ret->api_wait_ms, err))
            i++;
        else
            return err_set(err, ERR_USAGE, "\"%s\" is not understood; it is written: " WRITTEN, ctx->args.p[i]);
    }
    if (ret->into && same(ret->into, ret->site->database.at.dbname))
        ret->into = NULL; /* the site's own after all, with the care that it is due */
    if (ret->report && (ret->only || is_elsewhere(ret)))
        return err_set(err, ERR_USAGE, "--report is about the site's own database, not with --into, --only or --scratch");
    if (ret->base && !goes_with(ret->base, ret->scratch))
        return err_set(err, ERR_USAGE, "--base is the absolute path of a folder outside that of --scratch, and goes with --scratch only");
    if (ret->resume && ret->scratch)
        return err_set(err, ERR_USAGE, "--resume is about a server that is there, not with --scratch: one that is loaded with nothing safe begins anew");
    return warmsite_restorable(ret->site, !ret->file, err);
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    struct wanted w;
    return find_wanted(ctx, &w, err);
}

/* ---- what restore/ is asked ---- */

/* Part of a database's name, so short, and yet as unlike any other run's as the id that it stands for. For a person's restore it is
   new each time, since asking twice means wanting it twice. */
static const char *tag_of(const struct action_ctx *ctx)
{
    if (same(ctx->run, "manual"))
        return arena_printf(ctx->arena, "manual-%lld", (long long)(ctx->started_ms % 100000000));
    if (strlen(ctx->run) <= TAG_MAX)
        return ctx->run;
    char hex[HASH_HEX_SIZE];
    struct hash *hash SCOPED(hash_close) = hash_open();
    hash_add(hash, ctx->run, strlen(ctx->run));
    hash_end(hash, hex);
    return arena_strndup(ctx->arena, hex, TAG_MAX);
}

static void pass_progress(void *arg, int64_t done, int64_t total, const char *what)
{
    const struct action_ctx *ctx = arg;
    report_progress(ctx->report, done, total, "%s", what);
}

struct restore_spec restores_spec(const struct action_ctx *ctx, const struct site *site, const struct backup *backup, const char *tag)
{
    struct restore_count *counts = arena_array(ctx->arena, struct restore_count, backup->table_count);
    for (size_t i = 0; i < backup->table_count; i++)
        counts[i] = (struct restore_count){.table = backup->tables[i].name, .rows = backup->tables[i].rows};
    return (struct restore_spec){
        .target = &site->database.at,
        .admin_dbname = warmsite_admin(site),
        .file = backup->path,
        .keys = backup->opens ? backup->opens->keys : NULL,
        .key_count = backup->opens ? backup->opens->n : 0,
        .critical_tables = site->database.critical_tables.p,
        .critical_count = site->database.critical_tables.n,
        .assertions = site->database.assertions.p,
        .assertion_count = site->database.assertions.n,
        .counts = counts,
        .count_count = backup->table_count,
        .tag = tag,
        .keep_old = true,
        .progress = pass_progress,
        .progress_arg = (void *)(uintptr_t)ctx,
    };
}

/* A named file that has a manifest is as well known as one that was found; without one its name may still tell its moment. */
static bool named_backup(const struct action_ctx *ctx, const struct site *site, const char *path, struct backup *ret, struct err *err)
{
    struct backup_place place;
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? arena_strndup(ctx->arena, path, (size_t)(slash - path)) : ".";
    struct backup *all;
    size_t n;
    if (!file_exists(path))
        return err_set(err, ERR_NOT_FOUND, "there is no file \"%s\"", path);
    if (!site_backups(ctx->arena, ctx->service, site, *folder ? folder : "/", &place, err))
        return false;
    if (backup_list(ctx->arena, &place, &all, &n, NULL))
        for (size_t i = 0; i < n; i++)
            if (same(all[i].file, file_name_of(path))) {
                *ret = all[i];
                return true;
            }
    if (place.keys->n) {
        err_set(err, ERR_REFUSED, "\"%s\" is not named as a backup of \"%s\", so it cannot have a seal", path, ctx->service->name);
        return err_hint(err, "name it %s_backup_full_YYYYMMDD_HHMMSS.sql.gz and run: bascule backup seal FILE", ctx->service->name);
    }
    *ret = (struct backup){.path = path, .file = file_name_of(path)};
    return true;
}

static bool all_backups(const struct action_ctx *ctx, const struct site *site, struct backup **ret, size_t *ret_n, struct err *err)
{
    struct backup_place place;
    return site_backups(ctx->arena, ctx->service, site, NULL, &place, err) && backup_list(ctx->arena, &place, ret, ret_n, err);
}

/* ---- the action ---- */

static bool describe_warm(const struct action_ctx *ctx, const struct wanted *w, const struct backup *newest, struct buf *out)
{
    struct warm_copy copy;
    struct err err = {0};
    if (w->file || w->cold)
        return false;
    if (!warm_look(ctx->arena, &w->site->database.at, warmsite_admin(w->site), &copy, &err)) {
        buf_printf(out, "could not look for a warm copy: %s\n", err.message);
        return false;
    }
    if (!copy.waits)
        return false;
    bool holds = warmsite_holds(&copy, newest) && !copy.touched;
    if (holds)
        buf_printf(out, "takes the warm copy of \"%s\" (%s) as database \"%s\" on \"%s\"; nothing needs to be loaded\n$ %s\n", copy.file,
                   warmsite_age(ctx->arena, &copy), w->site->database.at.dbname, w->site->database.at.host,
                   action_command(ctx, "restore %s", w->site->name));
    else
        buf_printf(out, "the warm copy of \"%s\" (%s) is not used: %s\n", copy.file, warmsite_age(ctx->arena, &copy),
                   copy.touched ? copy.touched : "there is a newer backup");
    return holds;
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct wanted w;
    struct backup *all = NULL, named;
    size_t n = 0;
    if (!find_wanted(ctx, &w, err))
        return false;
    if (w.file) {
        if (!named_backup(ctx, w.site, w.file, &named, err))
            return false;
        all = &named;
        n = 1;
    } else if (!all_backups(ctx, w.site, &all, &n, err)) {
        return false;
    }
    while (n && all->damage) {
        buf_printf(out, "passes over \"%s\": %s\n", all->file, all->damage);
        all++;
        n--;
    }
    if (!n)
        return err_set(err, ERR_NOT_FOUND, "there is no good backup of \"%s\" in \"%s\"", ctx->service->name, w.site->backup.folder);
    const struct pgtarget *at = &w.site->database.at;
    if (!w.only && !is_elsewhere(&w) && describe_warm(ctx, &w, all, out))
        return true;
    if (w.scratch) {
        buf_printf(out, "makes a server in \"%s\" and restores \"%s\" into it, as database \"%s\"\n", w.scratch, all->path, w.into ? w.into : at->dbname);
        if (w.base)
            buf_printf(out, "takes a base backup of that server, \"%s/%s_base_YYYYMMDD_HHMMSS\", and verifies it\n", w.base, ctx->service->name);
        return true;
    }
    if (w.resume)
        buf_puts(out, "goes on with what an interrupted restore of this file has loaded, if there is such a one\n");
    if (w.into || w.only) {
        buf_printf(out, "restores %s%s\"%s\" into a database \"%s\" on \"%s\", which must not be there yet\n", w.only ? w.only : "", w.only ? " of " : "",
                   all->path, w.into ? w.into : at->dbname, at->host);
        return true;
    }
    buf_printf(out, "restores \"%s\"%s into database \"%s\" on \"%s\"; the database of that name is kept under another one\n", all->path,
               all->snapshot_wall_ms ? arena_printf(ctx->arena, " (as of %s)", moment_iso(ctx->arena, all->snapshot_wall_ms)) : "", at->dbname,
               at->host);
    buf_printf(out, "$ %s\n", action_command(ctx, "restore %s --file %s", w.site->name, all->path));
    return true;
}

/* The file that the mark on the database names, when the mark is of this run; NULL: it is not. Read by itself, since asking restore/
   costs a hash of the whole file, and on a first run, which is nearly every one, there is nothing to ask about. */
static bool marked_file(const struct action_ctx *ctx, const struct wanted *w, const char **ret, struct err *err)
{
    static const char sql[] = "select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = $1";
    const struct pgtarget *at = &w->site->database.at;
    const char *admin = w->site->database.admin_dbname;
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows;
    const struct json *root;
    *ret = NULL;
    if (!pg_open(at, admin ? admin : "postgres", action_time(ctx, MARK_MS), &pg, err) ||
        !pg_exec(pg, ctx->arena, sql, (const char *const[]){at->dbname}, 1, action_time(ctx, MARK_MS), &rows, err))
        return false;
    const char *mark = pg_count(rows) == 1 ? strstr(pg_text(rows, 0, 0), "{\"state\"") : NULL; /* it may follow a comment of somebody else's */
    if (mark && json_parse(ctx->arena, str_of(mark), &root, NULL) && same(json_string(json_get(root, "tag")), tag_of(ctx)))
        *ret = json_string(json_get(root, "file"));
    return true;
}

static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    struct wanted w;
    struct backup *all, named;
    const char *file;
    size_t n = 1;
    *ret = false;
    if (!find_wanted(ctx, &w, err))
        return false;
    if (same(ctx->run, "manual"))
        return true;
    if (!marked_file(ctx, &w, &file, err) || !file)
        return err->code == ERR_NONE;
    all = &named;
    if (w.file ? !named_backup(ctx, w.site, w.file, &named, err) : !all_backups(ctx, w.site, &all, &n, err))
        return false;
    for (size_t i = 0; i < n && !*ret; i++) {
        if (!same(all[i].file, file))
            continue;
        struct restore_spec spec = restores_spec(ctx, w.site, &all[i], tag_of(ctx));
        if (!restore_done_already(ctx->arena, &spec, ret, err))
            return false;
        action_say(why, why_size, "\"%s\" was restored into database \"%s\" on site \"%s\" by this run", all[i].file, w.site->database.at.dbname,
                   w.site->name);
    }
    return true;
}

/* Newest first: the first that is the copy which waits, or that verifies. A copy that waits was verified by being restored. */
static bool newest_good(const struct action_ctx *ctx, const struct wanted *w, const struct warm_copy *copy, struct buf *skipped, struct backup *ret,
                        struct err *err)
{
    struct backup_progress progress = {.fn = pass_progress, .arg = (void *)(uintptr_t)ctx};
    struct backup_place place;
    struct backup *list;
    size_t n;
    if (!site_backups(ctx->arena, ctx->service, w->site, NULL, &place, err))
        return false;
    if (!copy->waits)
        return backup_newest_good(ctx->arena, &place, &progress, skipped, ret, err);
    if (!backup_list(ctx->arena, &place, &list, &n, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct err why = {0};
        if (list[i].damage)
            buf_printf(skipped, "%s: %s\n", list[i].file, list[i].damage);
        else if (warmsite_holds(copy, &list[i]) || backup_verify(ctx->arena, &list[i], &progress, &why)) {
            *ret = list[i];
            return true;
        } else {
            buf_printf(skipped, "%s\n", why.message);
        }
    }
    return err_set(err, ERR_NOT_FOUND, "none of the %zu backups of \"%s\" in \"%s\" is good", n, ctx->service->name, w->site->backup.folder);
}

static bool choose(const struct action_ctx *ctx, const struct wanted *w, const struct warm_copy *copy, struct backup *ret, struct err *err)
{
    SCOPED(buf_done) struct buf skipped = {.max = SKIPPED_MAX};
    struct backup_progress progress = {.fn = pass_progress, .arg = (void *)(uintptr_t)ctx};
    if (w->file)
        return named_backup(ctx, w->site, w->file, ret, err) && backup_verify(ctx->arena, ret, &progress, err);
    bool ok = newest_good(ctx, w, copy, &skipped, ret, err);
    if (skipped.n)
        report_fact(ctx->report, "restore.skipped", STR_FMT, STR_ARG(str_trim(buf_str(&skipped))));
    return ok;
}

static void tell_facts(const struct action_ctx *ctx, const struct backup *backup, const struct restore_result *r)
{
    int64_t point = r->heartbeat_wall_ms ? r->heartbeat_wall_ms : backup->snapshot_wall_ms;
    report_fact(ctx->report, "restore.file", "%s", backup->file);
    if (backup->snapshot_wall_ms)
        report_fact(ctx->report, "restore.snapshot_ms", "%lld", (long long)backup->snapshot_wall_ms);
    if (point)
        report_fact(ctx->report, "restore.recovery_point_ms", "%lld", (long long)point);
    report_fact(ctx->report, "restore.rows", "%lld", (long long)r->rows);
    report_fact(ctx->report, "restore.foreign_keys", "%lld", (long long)r->foreign_keys);
    if (r->resumed)
        report_fact(ctx->report, "restore.resumed_rows", "%lld", (long long)r->resumed_rows);
    if (r->old_name)
        report_fact(ctx->report, "restore.old_database", "%s", r->old_name);
    const char *notes = "";
    for (size_t i = 0; i < r->note_count; i++)
        notes = arena_printf(ctx->arena, "%s%s%s", notes, i ? "; " : "", r->notes[i]);
    if (*notes)
        report_fact(ctx->report, "restore.notes", "%s", notes);
}

static void keep_proof(const struct action_ctx *ctx, const struct wanted *w, const char *kind, const struct backup *backup,
                       const struct restore_result *r, int64_t took_ms, const char *error)
{
    struct proof proof = {
        .kind = kind,
        .service = ctx->service->name,
        .site = w->site->name,
        .file = backup->file,
        .sha256 = backup->sha256,
        .ok = !error,
        .error = error,
        .at_ms = clock_wall_ms(),
        .took_ms = took_ms,
        .snapshot_ms = backup->snapshot_wall_ms,
        .rows = r->rows,
        .foreign_keys = r->foreign_keys,
    };
    proof_add(ctx, &proof);
}

/* ---- the warm copy ---- */

/* What waits at the site and may be used. Whatever hinders that is said as a fact, and the restore goes on without it. */
static void look_for_warm(const struct action_ctx *ctx, const struct wanted *w, struct warm_copy *ret)
{
    struct err err = {0};
    *ret = (struct warm_copy){0};
    if (w->file || w->cold || w->only || is_elsewhere(w))
        return;
    if (!warm_look(ctx->arena, &w->site->database.at, warmsite_admin(w->site), ret, &err))
        report_fact(ctx->report, "restore.warm_unusable", "%s", err.message);
    else if (ret->waits && ret->touched)
        report_fact(ctx->report, "restore.warm_unusable", "%s", ret->touched);
    else
        return;
    ret->waits = false;
}

/* False: it is not taken, and a restore from the file is what is left to do. */
static bool take_warm(const struct action_ctx *ctx, const struct wanted *w, struct restored *ret, char *text)
{
    struct warm_copy copy;
    struct err err = {0};
    struct warm_take take = {.target = &w->site->database.at, .admin_dbname = warmsite_admin(w->site), .tag = tag_of(ctx),
                             .critical_tables = w->site->database.critical_tables.p, .critical_count = w->site->database.critical_tables.n};
    const struct backup *backup = &ret->backup;
    int64_t began = clock_boot_ms();
    if (!warm_look(ctx->arena, take.target, take.admin_dbname, &copy, &err) || !copy.waits)
        return false;
    take.sha256 = copy.sha256; /* warmsite_holds said that it is the backup's */
    if (!warm_take(ctx->arena, &take, &copy, &err)) {
        report_fact(ctx->report, "restore.warm_unusable", "%s", err.message);
        return false;
    }
    int64_t took_ms = clock_boot_ms() - began;
    ret->warm = true;
    ret->result = (struct restore_result){.rows = copy.rows, .foreign_keys = copy.foreign_keys, .heartbeat_wall_ms = copy.heartbeat_wall_ms,
                                          .sha256 = copy.sha256};
    tell_facts(ctx, backup, &ret->result);
    report_fact(ctx->report, "restore.warm", "%s", warmsite_age(ctx->arena, &copy));
    keep_proof(ctx, w, "take", backup, &ret->result, took_ms, NULL);
    action_say(text, MODEL_TEXT_SIZE, "the warm copy of \"%s\" was taken as database \"%s\" of site \"%s\": %s, untouched since; %lld rows; in %s",
               backup->file, take.target->dbname, w->site->name, warmsite_age(ctx->arena, &copy), (long long)copy.rows,
               duration_say(ctx->arena, took_ms));
    return true;
}

/* Into a server of its own, which then runs beside that of the site. */
static bool restore_aside(const struct action_ctx *ctx, const struct wanted *w, const struct backup *backup, const struct restore_spec *spec,
                          char *ret_text, struct err *err)
{
    struct scratch_spec scratch = {.folder = w->scratch};
    struct scratch_result made;
    SCOPED(base_close) struct base_place place = {.lock = -1};
    const char *base = NULL;
    if (w->base && !base_open(ctx->arena, w->base, ctx->service->name, &place, err))
        return false;
    if (!restore_scratch(ctx->arena, spec, &scratch, &made, err))
        return false;
    tell_facts(ctx, backup, &made.restored);
    report_fact(ctx->report, "restore.scratch", "%s", made.data);
    if (w->base) {
        report_progress(ctx->report, 0, 0, "taking a base backup");
        if (!base_take(ctx->arena, &place, &made, &base, err))
            return err_prefix(err, "database \"%s\" is restored, its server runs, its data is \"%s\", but it has no base backup", spec->target->dbname,
                              made.data);
        report_fact(ctx->report, "restore.base", "%s", base);
    }
    action_say(ret_text, MODEL_TEXT_SIZE, "database \"%s\" was restored from \"%s\" into a server of its own: %lld rows, in %s; it runs on the socket in"
               " \"%s\", port %d, its data is \"%s\"; %s", spec->target->dbname, backup->file, (long long)made.restored.rows,
               duration_say(ctx->arena, made.restored.took_ms), made.socket, made.port, made.data,
               base ? arena_printf(ctx->arena, "its base backup, verified, is \"%s\"", base) : "it has no base backup yet (--base DIR)");
    return true;
}

/* That of the incident, from when it was opened; else that of the gravest severity, from when the command began. What ends elsewhere brings
   nobody back. */
static void set_objective(const struct action_ctx *ctx, const struct wanted *w)
{
    const struct severity_conf *severity = service_severity(ctx->service, SEVERITY_P1);
    int64_t spent_ms = clock_boot_ms() - ctx->started_ms;
    if (w->only || w->into)
        return;
    if (ctx->rto_ms)
        report_objective(ctx->report, ctx->rto_ms, ctx->rto_spent_ms + spent_ms);
    else if (severity)
        report_objective(ctx->report, severity->rto_ms, spent_ms);
}

static bool restore_or_take(const struct action_ctx *ctx, const struct wanted *w, struct restored *ret, char *ret_text, struct err *err)
{
    struct restore_result *result = &ret->result;
    struct backup *backup = &ret->backup;
    struct warm_copy copy;
    SCOPED(file_close) int held = -1; /* nothing removes the file while it is read */
    look_for_warm(ctx, w, &copy);
    if (!choose(ctx, w, &copy, backup, err) || !backup_hold(backup, &held, err))
        return err_prefix(err, "choosing a backup for site \"%s\"", w->site->name);
    if (warmsite_holds(&copy, backup) && take_warm(ctx, w, ret, ret_text))
        return true;
    struct restore_spec spec = restores_spec(ctx, w->site, backup, tag_of(ctx));
    struct pgtarget target = *spec.target;
    if (w->into)
        target.dbname = w->into;
    spec.target = &target;
    spec.new_name = w->into && !w->forced;
    spec.jobs = (int)w->jobs;
    spec.only = w->only;
    spec.resume = w->resume;
    set_objective(ctx, w);
    if (w->scratch)
        return restore_aside(ctx, w, backup, &spec, ret_text, err);
    int64_t began = clock_boot_ms();
    if (!restore_run(ctx->arena, &spec, result, err)) {
        err_prefix(err, "restoring \"%s\" into site \"%s\"", backup->file, w->site->name);
        if (!w->only)
            keep_proof(ctx, w, "restore", backup, result, clock_boot_ms() - began, err->message);
        return false;
    }
    if (!w->only) /* of one table, it proves nothing about the others */
        keep_proof(ctx, w, "restore", backup, result, result->took_ms, NULL);
    tell_facts(ctx, backup, result);
    const char *taken_over = "";
    if (result->resumed)
        taken_over = arena_printf(ctx->arena, " (%lld of them loaded before, by a run that was interrupted)", (long long)result->resumed_rows);
    action_say(ret_text, MODEL_TEXT_SIZE, "database \"%s\" of site \"%s\" was restored from \"%s\": %lld rows%s, %lld foreign keys checked, in %s",
               target.dbname, w->site->name, backup->file, (long long)result->rows, taken_over, (long long)result->foreign_keys,
               duration_say(ctx->arena, result->took_ms));
    return true;
}

/* *ret_well: whatever the report looked at is well, or none was wanted. */
static bool report_too(const struct action_ctx *ctx, const struct wanted *w, const struct restored *done, bool *ret_well, struct err *err)
{
    char *path;
    *ret_well = true;
    if (!w->report)
        return true;
    if (!restore_report(ctx, done, w->report, w->api_wait_ms, ret_well, &path, err))
        return err_prefix(err, "writing the report");
    report_fact(ctx->report, "restore.report", "%s", path);
    return true;
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct wanted w;
    int lock SCOPED(file_close) = -1;
    if (!find_wanted(ctx, &w, err))
        return false;
    if (!w.forced && !is_elsewhere(&w) && warmsite_serves(ctx, w.site)) {
        *ret_outcome = OUTCOME_BLOCKED;
        action_say(ret_text, MODEL_TEXT_SIZE, "the users are served by site \"%s\": a restore there would take from them what they wrote since the "
                   "backup; if that is what is wanted: %s", w.site->name, action_command(ctx, "restore %s --force", w.site->name));
        return true;
    }
    /* A follower that is at it loads what would be loaded here: its copy is there sooner than one that begins now. */
    if (!warmsite_lock(ctx, ctx->budget_ms ? ctx->budget_ms : LOCK_MS, &lock, err))
        return false;
    struct restored done = {.site = w.site, .began_wall_ms = clock_wall_ms()};
    struct err unwritten = {0};
    int64_t began = clock_boot_ms();
    bool well, ok = restore_or_take(ctx, &w, &done, ret_text, err);
    done.took_ms = clock_boot_ms() - began;
    done.error = ok ? NULL : err->message;
    if (!report_too(ctx, &w, &done, &well, &unwritten) && ok) {
        *err = unwritten;
        return false;
    }
    if (ok && !well)
        return err_set(err, ERR_FAILED, "the data is restored, but not all is well; see \"%s\"", report_fact_value(ctx->report, "restore.report"));
    *ret_outcome = OUTCOME_SUCCESS;
    return ok;
}

extern const struct action_ops action_restore;
const struct action_ops action_restore = {
    .name = "restore",
    .usage = WRITTEN,
    .summary = "restores the newest good backup, or FILE, into the database of a site",
    .changes = true,
    .args_min = 1,
    .args_max = 16, /* SITE, and every option that goes with others, each with its word */
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
