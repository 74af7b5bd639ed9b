/* cli/backup_tend.c -- What is done to backups week by week: removing what no rule keeps, and figures of how it goes. */
#include <inttypes.h>

#include "backup/past.h"
#include "backup/prune.h"
#include "base/jsonout.h"
#include "cli/backups.h"
#include "record/story.h"
#include "sys/clock.h"
#include "sys/file.h"

/* ---- prune ---- */

static void prune_json(struct jsonout *j, const char *where, const struct prune_result *r)
{
    json_object(j);
    json_put_text(j, "where", where);
    json_put_int(j, "removed", (int64_t)r->removed);
    json_put_int(j, "freed_bytes", r->freed_bytes);
    json_put_int(j, "failed", (int64_t)r->failed);
    json_key(j, "backups");
    json_array(j);
    for (size_t i = 0; i < r->count; i++) {
        const struct prune_line *line = &r->lines[i];
        json_object(j);
        json_put_text(j, "file", line->backup.file);
        json_put_int(j, "snapshot_ms", line->backup.snapshot_wall_ms);
        json_put_int(j, "bytes", line->backup.bytes);
        json_put_bool(j, "removed", line->removed);
        json_put_text(j, "kept", line->keep == KEEP_NOT ? NULL : keep_name(line->keep));
        json_put_text(j, "why", line->why);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

static const char *keep_text(enum keep keep)
{
    static const char *const texts[] = {
        [KEEP_YOUNG] = N_("kept: young"),     [KEEP_NEWEST] = N_("kept: one of the newest"), [KEEP_DAILY] = N_("kept: of its day"),
        [KEEP_WEEKLY] = N_("kept: of its week"), [KEEP_MONTHLY] = N_("kept: of its month"),  [KEEP_YEARLY] = N_("kept: of its year"),
        [KEEP_NO_GOOD] = N_("kept: no backup is verified, so nothing is removed"),
    };
    return keep > KEEP_NOT && keep < KEEP_MAX ? _(texts[keep]) : "";
}

static void prune_text(const struct backup_job *job, const char *where, const struct prune_result *r, struct buf *out)
{
    const struct cli *cli = job->cli;
    for (size_t i = 0; i < r->count; i++) {
        const struct prune_line *line = &r->lines[i];
        if (line->keep != KEEP_NOT && !job->dry_run)
            continue;
        const char *what = line->keep != KEEP_NOT ? keep_text(line->keep)
                           : line->why            ? arena_printf(cli->arena, _("stays: %s"), line->why)
                           : job->dry_run         ? _("would be removed")
                                                  : _("removed");
        buf_printf(out, "%s  %s  %10s  %s\n", moment_minute(cli->arena, line->backup.snapshot_wall_ms), line->backup.file,
                   backup_size_text(cli->arena, line->backup.bytes), what);
    }
    buf_printf(out, job->dry_run ? _("%s: %zu of %zu backups would be removed, which frees %s\n") : _("%s: %zu of %zu backups removed, %s freed\n"),
               where, r->removed, r->count, backup_size_text(cli->arena, r->freed_bytes));
}

static void prune_stores(const struct backup_job *job, const struct retention *rule, struct jsonout *j, struct buf *out, size_t *failed)
{
    struct store *stores;
    struct store_ctx ctx = backup_store_ctx(job, NULL);
    size_t n = site_stores(job->cli->arena, job->site, &stores);
    for (size_t i = 0; i < n; i++) {
        struct prune_result r;
        struct err err = {0};
        if (!job->site->backup.stores.p[i].prune)
            continue;
        if (!store_prune(&stores[i], &ctx, job->service->name, rule, clock_wall_ms(), job->dry_run, &r, &err)) {
            (void)cli_fail(&err);
            ++*failed;
            continue;
        }
        *failed += r.failed;
        if (job->cli->json)
            prune_json(j, stores[i].name, &r);
        else
            prune_text(job, stores[i].name, &r, out);
    }
}

int backup_word_prune(const struct backup_job *job)
{
    SCOPED(buf_done) struct buf out = {.max = 64 * 1024 * 1024};
    struct jsonout j = jsonout(&out);
    struct retention rule = site_retention(job->site);
    struct prune_result r;
    struct err err = {0};
    if (!backup_prune(job->cli->arena, &job->place, &rule, clock_wall_ms(), job->dry_run, &r, &err))
        return cli_fail(&err);
    size_t failed = r.failed;
    if (job->cli->json) {
        json_object(&j);
        json_put_bool(&j, "dry_run", job->dry_run);
        json_key(&j, "places");
        json_array(&j);
        prune_json(&j, job->place.folder, &r);
    } else {
        prune_text(job, job->place.folder, &r, &out);
    }
    prune_stores(job, &rule, &j, &out, &failed);
    if (job->cli->json) {
        json_array_end(&j);
        json_object_end(&j);
        buf_putc(&out, '\n');
    }
    int status = cli_print(&out);
    return failed ? 1 : status;
}

/* ---- report ---- */

struct incidents {
    struct arena *arena;
    const char *service;
    int64_t from_ms;
    struct ints numbers;
    size_t all, open, rto_held, rto_known, rpo_held, rpo_known;
    int64_t outage_ms;
    bool known;
};

static bool note_opening(void *arg, const struct record *record)
{
    struct incidents *in = arg;
    if (same(record->service, in->service) && record->wall_ms >= in->from_ms)
        *vec_add(in->arena, &in->numbers) = (int)record->incident;
    return true;
}

/* What the journal proves of the incidents of these days; without one the report does without. */
static void read_incidents(const struct backup_job *job, struct incidents *in)
{
    struct journal *journal SCOPED(journal_close) = NULL;
    if (!journal_open(job->cli->config->state_dir, JOURNAL_READ, true, &journal, NULL) || !journal_openings(journal, note_opening, in, NULL))
        return;
    in->known = true;
    for (size_t i = 0; i < in->numbers.n; i++) {
        struct story s;
        if (!story_read(in->arena, journal, job->cli->config, in->numbers.p[i], &s, NULL))
            continue;
        in->all++;
        in->open += !s.resolved_wall_ms;
        in->outage_ms += MAX_OF(s.outage_ms, 0);
        in->rto_known += s.outage_ms >= 0 && s.rto_ms > 0;
        in->rto_held += s.outage_ms >= 0 && s.rto_ms > 0 && s.outage_ms <= s.rto_ms;
        in->rpo_known += s.loss_ms >= 0 && s.rpo_ms > 0;
        in->rpo_held += s.loss_ms >= 0 && s.rpo_ms > 0 && s.loss_ms <= s.rpo_ms;
    }
}

/* Everything a report says, before it is said in words or in JSON. */
struct week {
    struct backup_figures f;
    struct incidents in;
    int64_t rpo_ms;
    size_t pending; /* copies that a store has not got */
    bool well;
};

static const char *percent(const struct backup_job *job, int64_t permille)
{
    return arena_printf(job->cli->arena, "%" PRId64 ".%" PRId64 " %%", permille / 10, permille % 10);
}

static const char *known_duration(const struct backup_job *job, int64_t ms)
{
    return ms < 0 ? _("unknown") : cli_duration(job->cli, ms);
}

static void head(struct buf *out, const char *title)
{
    buf_puts(out, "  ");
    cli_pad(out, title, 22);
}

static void say_backups(const struct backup_job *job, const struct week *w, struct buf *out)
{
    const struct backup_figures *f = &w->f;
    size_t tried = f->made + f->failed;
    head(out, _("backups"));
    buf_printf(out, _("%zu made, %zu failed (%s)\n"), f->made, f->failed, tried ? percent(job, (int64_t)(f->made * 1000 / tried)) : _("none was tried"));
    head(out, _("time of a backup"));
    buf_printf(out, _("%s on average, %s at most\n"), known_duration(job, f->mean_took_ms), known_duration(job, f->longest_took_ms));
    head(out, _("newest good backup"));
    if (f->newest)
        buf_printf(out, _("%s old: %s\n"), cli_duration(job->cli, f->newest_age_ms), f->newest->file);
    else
        buf_printf(out, _("there is none\n"));
    head(out, w->rpo_ms ? arena_printf(job->cli->arena, "RPO %s", cli_duration(job->cli, w->rpo_ms)) : "RPO");
    buf_printf(out, _("held for %s of the time; a loss would have cost %s at most\n"),
               f->within_rpo_permille < 0 ? _("unknown") : percent(job, f->within_rpo_permille), known_duration(job, f->worst_loss_ms));
    head(out, _("restore tests"));
    buf_printf(out, _("%zu of %zu good, %s on average\n"), f->tests_good, f->tests, known_duration(job, f->mean_restore_ms));
    head(out, _("kept"));
    buf_printf(out, _("%zu backups, %s; %zu copies not yet in their store\n"), f->count, backup_size_text(job->cli->arena, f->bytes), w->pending);
}

static void say_incidents(const struct backup_job *job, const struct week *w, struct buf *out)
{
    const struct incidents *in = &w->in;
    int64_t time = w->f.to_wall_ms - w->f.from_wall_ms;
    head(out, _("incidents on record"));
    if (!in->known) {
        buf_printf(out, _("unknown: there is no journal\n"));
        return;
    }
    buf_printf(out, _("%zu, of which %zu are open; RTO held in %zu of %zu, RPO in %zu of %zu\n"), in->all, in->open, in->rto_held, in->rto_known,
               in->rpo_held, in->rpo_known);
    head(out, _("availability"));
    buf_printf(out, _("%s: %s of outage on record\n"), percent(job, MAX_OF(1000 - (in->outage_ms * 1000 + time - 1) / time, 0)),
               cli_duration(job->cli, in->outage_ms));
}

static void known_int(struct jsonout *j, const char *key, int64_t value)
{
    json_key(j, key);
    if (value >= 0)
        json_int(j, value);
    else
        json_null(j);
}

static void report_json(struct jsonout *j, const struct backup_job *job, const struct week *w)
{
    const struct backup_figures *f = &w->f;
    const struct incidents *in = &w->in;
    json_object(j);
    json_put_text(j, "service", job->service->name);
    json_put_text(j, "site", job->site->name);
    json_put_int(j, "from_ms", f->from_wall_ms);
    json_put_int(j, "to_ms", f->to_wall_ms);
    json_put_bool(j, "well", w->well);
    json_put_int(j, "backups_made", (int64_t)f->made);
    json_put_int(j, "backups_failed", (int64_t)f->failed);
    known_int(j, "mean_took_ms", f->mean_took_ms);
    known_int(j, "longest_took_ms", f->longest_took_ms);
    json_put_text(j, "newest", f->newest ? f->newest->file : NULL);
    known_int(j, "newest_age_ms", f->newest_age_ms);
    known_int(j, "rpo_ms", w->rpo_ms ? w->rpo_ms : -1);
    known_int(j, "within_rpo_permille", f->within_rpo_permille);
    known_int(j, "worst_loss_ms", f->worst_loss_ms);
    json_put_int(j, "restore_tests", (int64_t)f->tests);
    json_put_int(j, "restore_tests_good", (int64_t)f->tests_good);
    known_int(j, "mean_restore_ms", f->mean_restore_ms);
    json_put_int(j, "kept", (int64_t)f->count);
    json_put_int(j, "kept_bytes", f->bytes);
    json_put_int(j, "pending_copies", (int64_t)w->pending);
    known_int(j, "incidents", in->known ? (int64_t)in->all : -1);
    known_int(j, "incidents_open", in->known ? (int64_t)in->open : -1);
    known_int(j, "rto_held", in->known ? (int64_t)in->rto_held : -1);
    known_int(j, "rto_known", in->known ? (int64_t)in->rto_known : -1);
    known_int(j, "outage_ms", in->known ? in->outage_ms : -1);
    json_object_end(j);
    buf_putc(j->to, '\n');
}

static size_t pending_copies(const struct backup_job *job, const struct backup *list, size_t n)
{
    size_t pending = 0;
    for (size_t i = 0; i < n; i++) {
        struct store_record *records;
        size_t count;
        store_records(job->cli->arena, &list[i], &records, &count);
        for (size_t k = 0; k < count; k++)
            pending += records[k].state == STORE_PENDING;
    }
    return pending;
}

/* Well: the newest good backup is young enough now, none failed, every restore test was good. */
static bool gather(const struct backup_job *job, struct week *w, struct err *err)
{
    struct backup *list;
    struct past *past;
    size_t n, past_n;
    int64_t now = clock_wall_ms(), from = now - job->days * MS_DAY;
    *w = (struct week){.rpo_ms = service_rpo_ms(job->service), .in = {.arena = job->cli->arena, .service = job->service->name, .from_ms = from}};
    if (!backup_list(job->cli->arena, &job->place, &list, &n, err) || !past_read(job->cli->arena, &job->place, from, &past, &past_n, err))
        return false;
    backup_figures(list, n, past, past_n, from, now, w->rpo_ms, &w->f);
    w->pending = pending_copies(job, list, n);
    read_incidents(job, &w->in);
    w->well = w->f.newest && (!w->rpo_ms || w->f.newest_age_ms <= w->rpo_ms) && w->f.failed == 0 && w->f.tests == w->f.tests_good && !w->in.open;
    return true;
}

int backup_word_report(const struct backup_job *job)
{
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    struct jsonout j = jsonout(&out);
    const struct cli *cli = job->cli;
    struct week w;
    struct err err = {0};
    if (!gather(job, &w, &err))
        return cli_fail(&err);
    if (cli->json) {
        report_json(&j, job, &w);
        return cli_print(&out);
    }
    buf_printf(&out, _("backups of \"%s\" on site \"%s\", %s to %s\n"), job->service->name, job->site->name,
               moment_minute(cli->arena, w.f.from_wall_ms), moment_minute(cli->arena, w.f.to_wall_ms));
    head(&out, _("overall"));
    buf_printf(&out, "%s%s%s\n", w.well ? cli_green(cli) : cli_red(cli), w.well ? _("well") : _("not well"), cli_plain(cli));
    say_backups(job, &w, &out);
    say_incidents(job, &w, &out);
    return cli_print(&out);
}
