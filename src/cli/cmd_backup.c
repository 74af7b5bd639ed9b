/* cli/cmd_backup.c -- Backups by hand and by cron: make one, list them, read one to its end. */
#include <inttypes.h>
#include <unistd.h>

#include "act/backups.h"
#include "backup/backup.h"
#include "base/jsonout.h"
#include "cli/command.h"
#include "sys/clock.h"
#include "sys/file.h"

extern const struct command cmd_backup;

struct job {
    struct cli *cli;
    const struct service *service;
    const struct site *site;
    const char *what;     /* "make", "list", "verify" */
    const char *file;     /* verify: NULL is the newest */
    struct backup_place place;
};

/* ---- progress, for people only ---- */

struct meter {
    int64_t last_ms;
    bool shown;
};

static void show_progress(void *arg, int64_t done, int64_t total, const char *what)
{
    struct meter *meter = arg;
    int64_t now = clock_boot_ms();
    if (now - meter->last_ms < 200)
        return;
    meter->last_ms = now;
    meter->shown = true;
    if (total > 0 && done <= total)
        fprintf(stderr, "\r%s: %" PRId64 " %%, %" PRId64 " MiB   ", what, done * 100 / total, done >> 20);
    else
        fprintf(stderr, "\r%s: %" PRId64 " MiB   ", what, done >> 20);
}

static struct backup_progress progress_for(struct meter *meter)
{
    return (struct backup_progress){.fn = isatty(STDERR_FILENO) ? show_progress : NULL, .arg = meter};
}

static void end_progress(const struct meter *meter)
{
    if (meter->shown)
        fputs("\r\033[K", stderr);
}

/* ---- printing ---- */

static void put_json(struct jsonout *j, const struct backup *b)
{
    json_object(j);
    json_put_text(j, "file", b->file);
    json_put_text(j, "path", b->path);
    json_put_int(j, "snapshot_ms", b->snapshot_wall_ms);
    json_put_int(j, "bytes", b->bytes);
    json_key(j, "tables");
    if (b->rows >= 0)
        json_int(j, (int64_t)b->table_count);
    else
        json_null(j); /* not counted yet */
    json_key(j, "rows");
    if (b->rows >= 0)
        json_int(j, b->rows);
    else
        json_null(j);
    json_key(j, "verified_ms");
    if (b->verified_wall_ms)
        json_int(j, b->verified_wall_ms);
    else
        json_null(j);
    json_put_text(j, "verified_how", b->verified_how);
    json_put_text(j, "damage", b->damage);
    json_object_end(j);
}

static const char *size_text(struct arena *arena, int64_t bytes)
{
    if (bytes < 1024)
        return arena_printf(arena, "%" PRId64 " B", bytes);
    if (bytes < 1024 * 1024)
        return arena_printf(arena, "%.1f KiB", (double)bytes / 1024);
    if (bytes < INT64_C(10) * 1024 * 1024 * 1024)
        return arena_printf(arena, "%.1f MiB", (double)bytes / (1024 * 1024));
    return arena_printf(arena, "%.1f GiB", (double)bytes / (1024 * 1024 * 1024));
}

static void put_line(const struct job *job, const struct backup *b, struct buf *out)
{
    const struct cli *cli = job->cli;
    struct arena *a = cli->arena;
    const char *colour = b->damage ? cli_red(cli) : b->verified_wall_ms ? cli_green(cli) : cli_yellow(cli);
    const char *state = b->damage                            ? arena_printf(a, _("damaged: %s"), b->damage)
                        : !b->verified_wall_ms               ? _("not verified")
                        : same(b->verified_how, "restored") ? arena_printf(a, _("restored %s"), moment_minute(a, b->verified_wall_ms))
                                                             : arena_printf(a, _("read %s"), moment_minute(a, b->verified_wall_ms));
    buf_printf(out, "%s%s%s  %s  %10s", colour, b->damage ? "[✗]" : b->verified_wall_ms ? "[✓]" : "[?]", cli_plain(cli),
               moment_minute(a, b->snapshot_wall_ms), size_text(a, b->bytes));
    if (b->rows >= 0)
        buf_printf(out, _("  %zu tables, %" PRId64 " rows"), b->table_count, b->rows);
    buf_printf(out, "  %s  %s\n", b->file, state);
}

static int print_one(const struct job *job, const struct backup *b)
{
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    struct jsonout j = jsonout(&out);
    if (job->cli->json) {
        put_json(&j, b);
        buf_putc(&out, '\n');
    } else {
        put_line(job, b, &out);
    }
    return cli_print(&out);
}

static int print_list(const struct job *job, const struct backup *list, size_t count)
{
    SCOPED(buf_done) struct buf out = {.max = 64 * 1024 * 1024};
    struct jsonout j = jsonout(&out);
    if (job->cli->json) {
        json_object(&j);
        json_key(&j, "backups");
        json_array(&j);
        for (size_t i = 0; i < count; i++)
            put_json(&j, &list[i]);
        json_array_end(&j);
        json_object_end(&j);
        buf_putc(&out, '\n');
        return cli_print(&out);
    }
    for (size_t i = 0; i < count; i++)
        put_line(job, &list[i], &out);
    if (count == 0)
        buf_printf(&out, _("there is no backup of \"%s\" in \"%s\"\n"), job->service->name, job->site->backup.folder);
    return cli_print(&out);
}

/* ---- the three jobs ---- */

static int make(const struct job *job)
{
    struct cli *cli = job->cli;
    struct meter meter = {0};
    struct backup_progress progress = progress_for(&meter);
    struct backup b;
    struct err err = {0};
    struct backup_spec spec = {
        .target = &job->site->database.at,
        .service = job->service->name,
        .folder = job->site->backup.folder,
        .scratch_dir = file_join(cli->arena, cli->config->state_dir, "scratch"),
        .progress = &progress,
    };
    bool made = backup_make(cli->arena, &spec, &b, &err);
    end_progress(&meter);
    return made ? print_one(job, &b) : cli_fail(&err);
}

static int list(const struct job *job)
{
    struct backup *all;
    size_t count;
    struct err err = {0};
    if (!backup_list(job->cli->arena, &job->place, &all, &count, &err))
        return cli_fail(&err);
    return print_list(job, all, count);
}

/* By name in the site's folder, or by path. */
static bool find_backup(const struct job *job, struct backup *ret, struct err *err)
{
    struct arena *a = job->cli->arena;
    const char *slash = job->file ? strrchr(job->file, '/') : NULL;
    const char *folder = !slash ? job->site->backup.folder : slash == job->file ? "/" : arena_strndup(a, job->file, (size_t)(slash - job->file));
    struct backup *all;
    size_t count;
    struct backup_place place = {job->service->name, folder, job->place.keys};
    if (!backup_list(a, &place, &all, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!job->file || same(all[i].file, file_name_of(job->file))) {
            *ret = all[i];
            return true;
        }
    if (!job->file)
        return err_set(err, ERR_NOT_FOUND, _("there is no backup of \"%s\" in \"%s\""), job->service->name, folder);
    err_set(err, ERR_NOT_FOUND, _("there is no backup \"%s\" of \"%s\" in \"%s\""), file_name_of(job->file), job->service->name, folder);
    return err_hint(err, _("backups are named %s_backup_full_YYYYMMDD_HHMMSS.sql.gz; `bascule backup list` shows them"), job->service->name);
}

static int verify(const struct job *job)
{
    struct meter meter = {0};
    struct backup_progress progress = progress_for(&meter);
    struct backup b;
    struct err err = {0};
    if (!find_backup(job, &b, &err))
        return cli_fail(&err);
    bool good = backup_verify(job->cli->arena, &b, &progress, &err);
    end_progress(&meter);
    if (good)
        return print_one(job, &b);
    if (job->cli->json && b.damage)
        (void)print_one(job, &b); /* the exit status is that of the damage */
    (void)cli_fail(&err);
    return 1;
}

/* ---- words ---- */

static bool parse(struct job *job, int argc, char **argv, int *ret_status)
{
    const char *site = NULL;
    struct strs words = {0};
    for (int i = 1; i < argc; i++) {
        if (same(argv[i], "--site") && i + 1 < argc)
            site = argv[++i];
        else if (argv[i][0] == '-')
            return *ret_status = cli_usage(&cmd_backup, _("unknown argument \"%s\""), argv[i]), false;
        else
            *vec_add(job->cli->arena, &words) = argv[i];
    }
    job->what = words.n ? words.p[0] : "make";
    if (words.n && !same(job->what, "list") && !same(job->what, "verify"))
        return *ret_status = cli_usage(&cmd_backup, _("unknown word \"%s\""), job->what), false;
    if (words.n > (same(job->what, "verify") ? 2u : 1u))
        return *ret_status = cli_usage(&cmd_backup, _("too many arguments")), false;
    job->file = words.n == 2 && !same(words.p[1], "newest") ? words.p[1] : NULL;

    struct err err = {0};
    if (!cli_service(job->cli, &job->service, &err))
        return *ret_status = cli_fail(&err), false;
    job->site = site ? service_site(job->service, site) : service_site_of(job->service, SITE_PRODUCTION);
    if (!job->site)
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no site \"%s\""), job->service->name, site ? site : "production");
    else if (site_backups(job->cli->arena, job->service, job->site, NULL, &job->place, &err))
        return true;
    return *ret_status = cli_fail(&err), false;
}

static int run_backup(struct cli *cli, int argc, char **argv)
{
    struct job job = {.cli = cli};
    int status = 0;
    if (!parse(&job, argc, argv, &status))
        return status;
    if (same(job.what, "list"))
        return list(&job);
    return same(job.what, "verify") ? verify(&job) : make(&job);
}

const struct command cmd_backup = {
    .name = "backup",
    .usage = "backup [list | verify [FILE|newest]] [--site NAME] [--json]",
    .summary = N_("takes a backup, lists backups, or reads one to its end"),
    .details = N_("Without a word: one backup of the site's database (production unless --site names another) into its backup folder. It gets\n"
                  "its name only after it was read back whole; a failing pg_dump leaves nothing. For cron: 0 * * * * bascule backup\n"
                  "list: newest snapshot first, told from names and records. verify: gzip, checksum, SQL to its last line, and the rows\n"
                  "of every table against the manifest; exit status 1 when the backup is not good."),
    .wants_config = true,
    .run = run_backup,
};
