/* cli/backup_look.c -- Backups as people see them: one line each, the newest first, and what a loss would cost now. */
#include <inttypes.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "cli/backups.h"
#include "sys/clock.h"
#include "sys/file.h"

/* ---- progress ---- */

static void show_progress(void *arg, int64_t done, int64_t total, const char *what)
{
    struct meter *meter = arg;
    int64_t now = clock_boot_ms();
    if (now - meter->last_ms < 200)
        return;
    meter->last_ms = now;
    meter->shown = true;
    SCOPED(arena_close) struct arena *own = arena_open();
    int64_t left = done <= total ? eta_left(&meter->eta, now, done, total) : -1;
    fprintf(stderr, "\r\033[K%s: ", what);
    if (total > 0 && done <= total)
        fprintf(stderr, "%" PRId64 " %%, ", (int64_t)((double)done * 100 / (double)total));
    fprintf(stderr, "%" PRId64 " MiB", done >> 20);
    if (left >= 0)
        fprintf(stderr, _(", %s left"), duration_clock(own, left));
}

struct backup_progress meter_progress(struct meter *meter)
{
    return (struct backup_progress){.fn = isatty(STDERR_FILENO) ? show_progress : NULL, .arg = meter};
}

void meter_end(const struct meter *meter)
{
    if (meter->shown)
        fputs("\r\033[K", stderr);
}

/* ---- one backup ---- */

static void put_known(struct jsonout *j, const char *key, int64_t value, bool known)
{
    json_key(j, key);
    if (known)
        json_int(j, value);
    else
        json_null(j);
}

void backup_put_json(struct jsonout *j, const struct backup_job *job, const struct backup *b)
{
    struct store_record *records = NULL;
    size_t n = 0;
    if (b->path)
        store_records(job->cli->arena, b, &records, &n);
    json_object(j);
    json_put_text(j, "file", b->file);
    json_put_text(j, "path", b->path);
    json_put_int(j, "snapshot_ms", b->snapshot_wall_ms);
    json_put_int(j, "age_ms", MAX_OF(clock_wall_ms() - b->snapshot_wall_ms, 0));
    json_put_int(j, "bytes", b->bytes);
    put_known(j, "took_ms", b->took_ms, b->took_ms > 0);
    put_known(j, "tables", (int64_t)b->table_count, b->rows >= 0); /* not counted yet */
    put_known(j, "rows", b->rows, b->rows >= 0);
    put_known(j, "verified_ms", b->verified_wall_ms, b->verified_wall_ms > 0);
    json_put_text(j, "verified_how", b->verified_how);
    json_put_text(j, "damage", b->damage);
    json_put_bool(j, "sealed", b->sealed);
    json_put_bool(j, "encrypted", b->encrypted);
    json_key(j, "stores");
    json_array(j);
    for (size_t i = 0; i < n; i++) {
        json_object(j);
        json_put_text(j, "store", records[i].store);
        json_put_bool(j, "stored", records[i].state == STORE_STORED);
        put_known(j, "at_ms", records[i].at_wall_ms, records[i].at_wall_ms > 0);
        json_put_int(j, "tries", records[i].tries);
        json_put_text(j, "why", records[i].why);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

const char *backup_size_text(struct arena *arena, int64_t bytes)
{
    if (bytes < 1024)
        return arena_printf(arena, "%" PRId64 " B", bytes);
    if (bytes < 1024 * 1024)
        return arena_printf(arena, "%.1f KiB", (double)bytes / 1024);
    if (bytes < INT64_C(10) * 1024 * 1024 * 1024)
        return arena_printf(arena, "%.1f MiB", (double)bytes / (1024 * 1024));
    return arena_printf(arena, "%.1f GiB", (double)bytes / (1024 * 1024 * 1024));
}

static void put_stores(const struct backup_job *job, const struct backup *b, struct buf *out)
{
    struct store_record *records;
    size_t n;
    if (!b->path)
        return;
    store_records(job->cli->arena, b, &records, &n);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "  %s%s%s", records[i].state == STORE_STORED ? "" : cli_yellow(job->cli),
                   arena_printf(job->cli->arena, records[i].state == STORE_STORED ? _("in %s") : _("not yet in %s"), records[i].store),
                   records[i].state == STORE_STORED ? "" : cli_plain(job->cli));
}

void backup_put_line(const struct backup_job *job, const struct backup *b, struct buf *out)
{
    const struct cli *cli = job->cli;
    struct arena *a = cli->arena;
    const char *colour = b->damage ? cli_red(cli) : b->verified_wall_ms ? cli_green(cli) : cli_yellow(cli);
    const char *state = b->damage                            ? arena_printf(a, _("damaged: %s"), b->damage)
                        : !b->verified_wall_ms               ? _("not verified")
                        : same(b->verified_how, "restored") ? arena_printf(a, _("restored %s"), moment_minute(a, b->verified_wall_ms))
                                                             : arena_printf(a, _("read %s"), moment_minute(a, b->verified_wall_ms));
    buf_printf(out, "%s%s%s  %s  ", colour, b->damage ? "[✗]" : b->verified_wall_ms ? "[✓]" : "[?]", cli_plain(cli),
               moment_minute(a, b->snapshot_wall_ms));
    cli_pad(out, arena_printf(a, _("%s old"), cli_duration(cli, MAX_OF(clock_wall_ms() - b->snapshot_wall_ms, 0))), 18);
    buf_printf(out, "%10s", backup_size_text(a, b->bytes));
    if (b->rows >= 0)
        buf_printf(out, _("  %zu tables, %" PRId64 " rows"), b->table_count, b->rows);
    buf_printf(out, "  %s  %s", b->file, state);
    put_stores(job, b, out);
    buf_putc(out, '\n');
}

int backup_print(const struct backup_job *job, const struct backup *b)
{
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    struct jsonout j = jsonout(&out);
    if (job->cli->json) {
        backup_put_json(&j, job, b);
        buf_putc(&out, '\n');
    } else {
        backup_put_line(job, b, &out);
    }
    return cli_print(&out);
}

/* ---- list ---- */

static const struct backup *newest_good(const struct backup *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!list[i].damage && list[i].verified_wall_ms)
            return &list[i];
    return NULL;
}

/* "a loss now would cost the last 35 min (RPO 1 h: held)" */
static void put_glance(const struct backup_job *job, const struct backup *list, size_t count, struct buf *out)
{
    const struct cli *cli = job->cli;
    const struct backup *good = newest_good(list, count);
    int64_t rpo = service_rpo_ms(job->service), bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += list[i].bytes;
    buf_printf(out, _("%zu backups, %s; "), count, backup_size_text(cli->arena, bytes));
    if (!good) {
        buf_printf(out, _("%sno verified backup: a loss now would cost everything%s\n"), cli_red(cli), cli_plain(cli));
        return;
    }
    int64_t age = MAX_OF(clock_wall_ms() - good->snapshot_wall_ms, 0);
    buf_printf(out, _("a loss now would cost the last %s"), cli_duration(cli, age));
    if (rpo)
        buf_printf(out, " (%s%s%s)", age > rpo ? cli_red(cli) : cli_green(cli),
                   arena_printf(cli->arena, age > rpo ? _("RPO %s: missed") : _("RPO %s: held"), cli_duration(cli, rpo)), cli_plain(cli));
    buf_putc(out, '\n');
}

static int print_list(const struct backup_job *job, const struct backup *list, size_t count, const char *where)
{
    SCOPED(buf_done) struct buf out = {.max = 64 * 1024 * 1024};
    struct jsonout j = jsonout(&out);
    if (job->cli->json) {
        const struct backup *good = newest_good(list, count);
        int64_t rpo = service_rpo_ms(job->service);
        json_object(&j);
        json_key(&j, "backups");
        json_array(&j);
        for (size_t i = 0; i < count; i++)
            backup_put_json(&j, job, &list[i]);
        json_array_end(&j);
        put_known(&j, "newest_good_age_ms", good ? MAX_OF(clock_wall_ms() - good->snapshot_wall_ms, 0) : 0, good != NULL);
        put_known(&j, "rpo_ms", rpo, rpo > 0);
        json_object_end(&j);
        buf_putc(&out, '\n');
        return cli_print(&out);
    }
    for (size_t i = 0; i < count; i++)
        backup_put_line(job, &list[i], &out);
    if (count == 0)
        buf_printf(&out, _("there is no backup of \"%s\" in \"%s\"\n"), job->service->name, where);
    else if (!job->store)
        put_glance(job, list, count, &out);
    return cli_print(&out);
}

int backup_word_list(const struct backup_job *job)
{
    struct backup *all;
    size_t count;
    struct err err = {0};
    if (job->store) {
        struct store *store;
        struct store_ctx ctx = backup_store_ctx(job, NULL);
        int status = 0;
        if (!backup_stores(job, &store, &count, &status))
            return status;
        if (!store_backups(store, &ctx, job->service->name, &all, &count, &err))
            return cli_fail(&err);
        return print_list(job, all, count, job->store);
    }
    if (!backup_list(job->cli->arena, &job->place, &all, &count, &err))
        return cli_fail(&err);
    return print_list(job, all, count, job->place.folder);
}

/* ---- one of them ---- */

bool backup_find(const struct backup_job *job, struct backup *ret, struct err *err)
{
    struct arena *a = job->cli->arena;
    const char *slash = job->file ? strrchr(job->file, '/') : NULL;
    const char *folder = !slash ? job->place.folder : slash == job->file ? "/" : arena_strndup(a, job->file, (size_t)(slash - job->file));
    struct backup_place place = {job->service->name, folder, job->place.keys};
    struct backup *all;
    size_t count;
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

typedef bool reading_fn(struct arena *arena, struct backup *backup, const struct backup_progress *progress, struct err *err);

static int read_one(const struct backup_job *job, reading_fn *reading)
{
    struct meter meter = {0};
    struct backup_progress progress = meter_progress(&meter);
    struct backup b;
    struct err err = {0};
    int held;
    if (!backup_find(job, &b, &err) || !backup_hold(&b, &held, &err))
        return cli_fail(&err);
    bool good = reading(job->cli->arena, &b, &progress, &err);
    close(held);
    meter_end(&meter);
    if (good)
        return backup_print(job, &b);
    if (job->cli->json && b.damage)
        (void)backup_print(job, &b); /* the exit status is that of the damage */
    (void)cli_fail(&err);
    return 1;
}

int backup_word_verify(const struct backup_job *job)
{
    return read_one(job, backup_verify);
}

int backup_word_seal(const struct backup_job *job)
{
    return read_one(job, backup_seal);
}
