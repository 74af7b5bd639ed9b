/* act/action_dr.c -- The warm copy: each new good backup is brought to the standby site, restored there beside the copy of before,
   verified, and takes its place. That is the restore test, too: what could not be restored is known long before it is needed. */
#include <time.h>

#include "act/backups.h"
#include "act/fetch.h"
#include "act/host.h"
#include "act/proof.h"
#include "act/warmsite.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { SKIPPED_MAX = 4096, PAUSE_MS = 60 * 1000, TRY_AGAIN_MS = 60 * 60 * 1000 };

/* ---- arguments ---- */

struct wanted {
    const struct site *site, *from;
    bool once, forced;
};

static bool find_wanted(const struct action_ctx *ctx, struct wanted *ret, struct err *err)
{
    const char *name = NULL;
    *ret = (struct wanted){0};
    for (size_t i = 1; i < ctx->args.n; i++) {
        if (same(ctx->args.p[i], "--once"))
            ret->once = true;
        else if (same(ctx->args.p[i], "--force"))
            ret->forced = true;
        else if (same(ctx->args.p[i], "--site") && i + 1 < ctx->args.n)
            name = ctx->args.p[++i];
        else
            return err_set(err, ERR_USAGE, "\"%s\" is not understood; it is written: dr follow [--once] [--site NAME] [--force]", ctx->args.p[i]);
    }
    if (!warmsite_find(ctx, name, &ret->site, err))
        return false;
    ret->from = warmsite_source(ctx, ret->site);
    if (ret->from == ret->site || ret->site->role == SITE_PRODUCTION)
        return err_set(err, ERR_CONFIG, "site \"%s\" cannot follow itself", ret->site->name);
    return warmsite_restorable(ret->site, true, err);
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    struct wanted w;
    return find_wanted(ctx, &w, err);
}

/* ---- one pass ---- */

struct pass {
    const struct action_ctx *ctx;
    const struct wanted *w;
    struct warm_copy copy;
    struct backup backup;  /* the newest good one */
    bool up_to_date;
    struct buf skipped;
    int lock;
};

static void pass_done(struct pass *p)
{
    buf_done(&p->skipped);
    file_close(&p->lock);
}

static void pass_progress(void *arg, int64_t done, int64_t total, const char *what)
{
    const struct action_ctx *ctx = arg;
    report_progress(ctx->report, done, total, "%s", what);
}

/* What failed an hour ago fails again, and costs the site a whole restore each time; so it is left for a while. */
static const char *failed_lately(const struct pass *p, const struct backup *b)
{
    struct proof *list;
    size_t n;
    if (!proof_list(p->ctx->arena, p->ctx->state_dir, p->ctx->service->name, &list, &n, NULL))
        return NULL;
    for (size_t i = 0; i < n && list[i].at_ms > clock_wall_ms() - TRY_AGAIN_MS; i++) {
        if (!same(list[i].kind, "follow") || !same(list[i].file, b->file))
            continue;
        return list[i].ok || (list[i].sha256 && b->sha256 && !same(list[i].sha256, b->sha256)) ? NULL : list[i].error ? list[i].error : "";
    }
    return NULL;
}

/* Good by its record, else read to its end now. */
static bool is_good(struct pass *p, struct backup *b)
{
    struct backup_progress progress = {.fn = pass_progress, .arg = (void *)(uintptr_t)p->ctx};
    struct err why = {0};
    const char *failed = b->damage ? NULL : failed_lately(p, b);
    if (b->damage)
        buf_printf(&p->skipped, "%s: %s\n", b->file, b->damage);
    else if (failed && !p->w->forced)
        buf_printf(&p->skipped, "%s: its restore failed less than %s ago: %s\n", b->file, duration_say(p->ctx->arena, TRY_AGAIN_MS), failed);
    else if (!b->verified_wall_ms && !backup_verify(p->ctx->arena, b, &progress, &why))
        buf_printf(&p->skipped, "%s\n", why.message);
    else
        return true;
    return false;
}

/* The newest good backup; one older than what waits here is no progress. */
static bool choose(struct pass *p, struct err *err)
{
    struct backup *list;
    size_t n;
    const struct site *site = p->w->site;
    struct backup_place place;
    if (!site_backups(p->ctx->arena, p->ctx->service, site, NULL, &place, err) || !backup_list(p->ctx->arena, &place, &list, &n, err))
        return false;
    bool usable = p->copy.waits && p->copy.sealed && !p->copy.touched;
    for (size_t i = 0; i < n; i++) {
        bool here = warmsite_holds(&p->copy, &list[i]);
        bool older = usable && list[i].snapshot_wall_ms <= p->copy.snapshot_wall_ms;
        if (!here && !older && !is_good(p, &list[i]))
            continue;
        p->backup = list[i];
        p->up_to_date = usable && (here || older);
        return true;
    }
    if (usable) {
        p->up_to_date = true;
        return true;
    }
    return err_set(err, ERR_NOT_FOUND, n ? "none of the backups of \"%s\" in \"%s\" is good" : "there is no backup of \"%s\" in \"%s\"",
                   p->ctx->service->name, site->backup.folder);
}

static bool look(struct pass *p, struct err *err)
{
    struct fetched fetched;
    const struct site *site = p->w->site;
    if (!fetch_newest(p->ctx, p->w->from, site, &fetched, err))
        return false;
    if (fetched.trouble)
        report_fact(p->ctx->report, "dr.trouble", "%s", fetched.trouble);
    if (fetched.count)
        report_fact(p->ctx->report, "dr.fetched", "%s, %lld bytes from %s in %s", fetched.file, (long long)fetched.bytes,
                    fetched.where, duration_say(p->ctx->arena, fetched.took_ms));
    return warm_look(p->ctx->arena, &site->database.at, warmsite_admin(site), &p->copy, err);
}

/* ---- the restore ---- */

static void keep_proof(const struct pass *p, const struct restore_result *r, int64_t took_ms, const struct err *err)
{
    struct proof proof = {
        .kind = "follow",
        .service = p->ctx->service->name,
        .site = p->w->site->name,
        .file = p->backup.file,
        .sha256 = p->backup.sha256,
        .ok = !err,
        .error = err ? err->message : NULL,
        .at_ms = clock_wall_ms(),
        .took_ms = took_ms,
        .snapshot_ms = p->backup.snapshot_wall_ms,
        .rows = r->rows,
        .foreign_keys = r->foreign_keys,
    };
    proof_add(p->ctx, &proof);
}

static void tell_facts(const struct pass *p, const struct restore_result *r)
{
    struct report *report = p->ctx->report;
    report_fact(report, "dr.file", "%s", p->backup.file);
    report_fact(report, "dr.snapshot_ms", "%lld", (long long)p->backup.snapshot_wall_ms);
    report_fact(report, "dr.rows", "%lld", (long long)r->rows);
    report_fact(report, "dr.foreign_keys", "%lld", (long long)r->foreign_keys);
    report_fact(report, "dr.took_ms", "%lld", (long long)r->took_ms);
    if (r->old_name)
        report_fact(report, "dr.old_database", "%s", r->old_name);
}

static bool seal(const struct pass *p, const struct restore_result *r, struct err *err)
{
    const struct site *site = p->w->site;
    struct warm_copy copy = {
        .bytes = p->backup.bytes,
        .snapshot_wall_ms = p->backup.snapshot_wall_ms,
        .heartbeat_wall_ms = r->heartbeat_wall_ms,
        .took_ms = r->took_ms,
        .rows = r->rows,
        .foreign_keys = r->foreign_keys,
    };
    return warm_seal(p->ctx->arena, &site->database.at, warmsite_admin(site), &copy, err);
}

/* Old copies that could not be dropped, or a record that could not be written, make the new copy no worse. */
static void tidy(const struct pass *p)
{
    const struct site *site = p->w->site;
    struct strs dropped = {0};
    struct err err = {0};
    if (!backup_mark_verified(&p->backup, "restored", &err))
        log_err(LOG_WARNING, &err);
    if (!warm_prune(p->ctx->arena, &site->database.at, warmsite_admin(site), site->backup.copies, &dropped, &err))
        log_err(LOG_WARNING, &err);
    for (size_t i = 0; i < dropped.n; i++)
        report_fact(p->ctx->report, "dr.dropped", "%s", dropped.p[i]);
}

static bool restore_it(struct pass *p, struct restore_result *r, struct err *err)
{
    const struct site *site = p->w->site;
    const char *tag = arena_printf(p->ctx->arena, WARM_TAG "%08llx", (unsigned long long)(clock_wall_ms() / MS_SECOND));
    struct restore_spec spec = restores_spec(p->ctx, site, &p->backup, tag);
    int64_t began = clock_boot_ms();
    SCOPED(file_close) int held = -1; /* nothing removes the file while it is read */
    spec.read_only = true;
    if (!backup_hold(&p->backup, &held, err))
        return false;
    if (!restore_run(p->ctx->arena, &spec, r, err)) {
        err_prefix(err, "restoring \"%s\" into site \"%s\"", p->backup.file, site->name);
        if (err->code != ERR_REFUSED && err->code != ERR_CANCELLED) { /* else nothing was tried */
            keep_proof(p, r, clock_boot_ms() - began, err);
            report_fact(p->ctx->report, "dr.failed", "%s: %s", p->backup.file, err->message);
        }
        return false;
    }
    keep_proof(p, r, r->took_ms, NULL);
    tell_facts(p, r);
    tidy(p);
    return seal(p, r, err) || err_prefix(err, "sealing the warm copy, which is restored and verified");
}

/* ---- the action ---- */

/* Why nothing may be put there now; NULL: it may. */
static const char *hindrance(const struct pass *p)
{
    const struct action_ctx *ctx = p->ctx;
    const struct warm_copy *c = &p->copy;
    const char *site = p->w->site->name;
    if (c->ours && !c->waits && !p->w->forced)
        return arena_printf(ctx->arena, "database \"%s\" of site \"%s\" was restored from \"%s\" to be used, and may hold what users wrote since; when "
                            "they work elsewhere again: %s (it is kept under another name)", c->name, site, c->file,
                            action_command(ctx, "dr follow --once --force"));
    return NULL;
}

static bool one_pass(const struct action_ctx *ctx, const struct wanted *w, enum outcome *ret_outcome, char *text, struct err *err)
{
    SCOPED(pass_done) struct pass p = {.ctx = ctx, .w = w, .lock = -1, .skipped = {.max = SKIPPED_MAX}};
    struct restore_result result = {0};
    if (warmsite_serves(ctx, w->site)) {
        *ret_outcome = OUTCOME_BLOCKED;
        action_say(text, MODEL_TEXT_SIZE, "the users are served by site \"%s\": nothing is restored there", w->site->name);
        return true;
    }
    if (!warmsite_lock(ctx, 0, &p.lock, err) || !look(&p, err))
        return false;
    if (hindrance(&p)) {
        *ret_outcome = OUTCOME_BLOCKED;
        action_say(text, MODEL_TEXT_SIZE, "%s", hindrance(&p));
        return true;
    }
    bool chosen = choose(&p, err);
    if (p.skipped.n)
        report_fact(ctx->report, "dr.skipped", STR_FMT, STR_ARG(str_trim(buf_str(&p.skipped))));
    if (!chosen)
        return false;
    *ret_outcome = OUTCOME_SUCCESS;
    if (p.up_to_date) {
        action_say(text, MODEL_TEXT_SIZE, "the warm copy of site \"%s\" is the newest good backup: \"%s\", %s", w->site->name, p.copy.file,
                   warmsite_age(ctx->arena, &p.copy));
        return true;
    }
    if (!restore_it(&p, &result, err))
        return false;
    action_say(text, MODEL_TEXT_SIZE, "the warm copy of site \"%s\" is now \"%s\", data as of %s: %lld rows, %lld foreign keys checked, in %s",
               w->site->name, p.backup.file, moment_minute(ctx->arena, p.backup.snapshot_wall_ms), (long long)result.rows,
               (long long)result.foreign_keys, duration_say(ctx->arena, result.took_ms));
    return true;
}

static void pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

/* For a service of its own, where no controller runs: until a signal ends it. */
static _Noreturn void follow_for_ever(const struct action_ctx *ctx, const struct wanted *w)
{
    for (;; pause_ms(w->site->backup.follow_ms ? w->site->backup.follow_ms : PAUSE_MS)) {
        SCOPED(arena_close) struct arena *arena = arena_open();
        struct action_ctx once = *ctx;
        enum outcome outcome = OUTCOME_FAILURE;
        char text[MODEL_TEXT_SIZE] = "";
        struct err err = {0};
        once.arena = arena;
        once.report = report_quiet(); /* what it keeps must not grow with the years */
        if (!one_pass(&once, w, &outcome, text, &err))
            log_err(LOG_ERROR, &err);
        else
            log_line(outcome == OUTCOME_SUCCESS ? LOG_INFO : LOG_WARNING, "%s", text);
        report_close(&once.report);
    }
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct wanted w;
    if (!find_wanted(ctx, &w, err))
        return false;
    if (!w.once && same(ctx->run, "manual"))
        follow_for_ever(ctx, &w);
    return one_pass(ctx, &w, ret_outcome, ret_text, err);
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct wanted w;
    struct warm_copy copy;
    if (!find_wanted(ctx, &w, err) || !warm_look(ctx->arena, &w.site->database.at, warmsite_admin(w.site), &copy, err))
        return false;
    if (copy.waits)
        buf_printf(out, "the warm copy of site \"%s\" is \"%s\", %s%s%s\n", w.site->name, copy.file, warmsite_age(ctx->arena, &copy),
                   copy.touched ? "; it cannot be used: " : "", copy.touched ? copy.touched : "");
    buf_printf(out, "brings the newest backup from \"%s\" on %s into \"%s\", and restores it into database \"%s\" on \"%s\" unless it is there already\n",
               w.from->backup.folder ? w.from->backup.folder : "", host_say(&w.from->host), w.site->backup.folder, w.site->database.at.dbname,
               w.site->database.at.host);
    buf_printf(out, "$ %s\n", action_command(ctx, "dr follow --once --site %s", w.site->name));
    return true;
}

/* A pass looks itself whether there is anything to do. */
static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    (void)ctx, (void)why, (void)why_size, (void)err;
    *ret = false;
    return true;
}

static const char *const verbs[] = {"follow", NULL};

extern const struct action_ops action_dr;
const struct action_ops action_dr = {
    .name = "dr",
    .usage = "dr follow [--once] [--site NAME] [--force]",
    .summary = "keeps the newest good backup restored on the standby site as a warm copy",
    .changes = true,
    .verbs = verbs,
    .args_min = 1,
    .args_max = 2, /* follow, and the NAME of --site */
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
