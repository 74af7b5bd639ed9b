/* cli/backup_away.c -- Backups to stores and back. */
#include <inttypes.h>

#include "backup/past.h"
#include "base/jsonout.h"
#include "cli/backups.h"
#include "sys/clock.h"
#include "sys/file.h"

struct store_ctx backup_store_ctx(const struct backup_job *job, const struct backup_progress *progress)
{
    return (struct store_ctx){.arena = job->cli->arena, .control_dir = cli_control_dir(job->cli), .progress = progress};
}

bool backup_stores(const struct backup_job *job, struct store **ret, size_t *ret_count, int *ret_status)
{
    struct err err = {0};
    size_t n = site_stores(job->cli->arena, job->site, ret);
    *ret_count = n;
    if (!job->store && n)
        return true;
    for (size_t i = 0; job->store && i < n; i++)
        if (same((*ret)[i].name, job->store)) {
            *ret = &(*ret)[i];
            *ret_count = 1;
            return true;
        }
    if (job->store)
        err_set(&err, ERR_NOT_FOUND, _("site \"%s\" has no store \"%s\""), job->site->name, job->store);
    else
        err_set(&err, ERR_CONFIG, _("site \"%s\" has no store"), job->site->name);
    err_hint(&err, _("set \"backup: {stores: [{name: NAME, type: TYPE, ...}]}\" of the site; `bascule config manual` lists the types"));
    *ret_status = cli_fail(&err);
    return false;
}

/* ---- push ---- */

static bool is_pending(const struct backup_job *job, const struct backup *b, const struct store *store, bool newest)
{
    struct store_record *records;
    size_t n;
    store_records(job->cli->arena, b, &records, &n);
    for (size_t i = 0; i < n; i++)
        if (same(records[i].store, store->name))
            return records[i].state == STORE_PENDING;
    return newest || job->all || job->file;
}

struct pushing {
    const struct backup_job *job;
    struct store_ctx ctx;
    struct jsonout *j;
    struct buf *out;
    size_t sent, failed;
};

static void say_push(struct pushing *p, const struct store *store, const struct backup *b, int64_t took_ms, const struct err *err)
{
    const struct cli *cli = p->job->cli;
    if (cli->json) {
        json_object(p->j);
        json_put_text(p->j, "file", b->file);
        json_put_text(p->j, "store", store->name);
        json_put_bool(p->j, "stored", !err);
        json_put_int(p->j, "took_ms", took_ms);
        json_put_text(p->j, "why", err ? err->message : NULL);
        json_object_end(p->j);
    } else if (!err) {
        buf_printf(p->out, _("%s[✓]%s  %s is in store %s, read back and compared, in %s\n"), cli_green(cli), cli_plain(cli), b->file, store->name,
                   cli_duration(cli, took_ms));
    } else {
        (void)cli_fail(err);
    }
}

/* False when the store does not answer: then the others wait for the next time. */
static bool push_one(struct pushing *p, const struct store *store, const struct backup *b)
{
    struct err err = {0}, unwritten = {0};
    int64_t began = clock_boot_ms();
    bool ok = store_push(store, &p->ctx, b, &err);
    int64_t took = clock_boot_ms() - began;
    say_push(p, store, b, took, ok ? NULL : &err);
    p->sent += ok;
    p->failed += !ok;
    if (!past_add(&p->job->place, &(struct past){.what = PAST_PUSH, .at_wall_ms = clock_wall_ms(), .took_ms = took, .ok = ok, .file = b->file,
                                                 .why = ok ? NULL : err.message}, &unwritten))
        (void)cli_fail(&unwritten);
    return ok || (err.code != ERR_UNAVAILABLE && err.code != ERR_TIMEOUT);
}

static void push_to(struct pushing *p, const struct store *store, const struct backup *list, size_t n)
{
    bool newest = true;
    for (size_t i = 0; i < n; i++) {
        bool good = !list[i].damage && list[i].has_manifest;
        if (good && is_pending(p->job, &list[i], store, newest) && !push_one(p, store, &list[i]))
            return;
        newest &= !good;
    }
}

static int end_push(struct pushing *p)
{
    const struct backup_job *job = p->job;
    if (job->cli->json) {
        json_array_end(p->j);
        json_object_end(p->j);
        buf_putc(p->out, '\n');
    } else if (!p->sent && !p->failed) {
        buf_printf(p->out, _("nothing waits to be sent\n"));
    }
    int status = cli_print(p->out);
    return p->failed ? 1 : status;
}

int backup_word_push(const struct backup_job *job)
{
    SCOPED(buf_done) struct buf out = {.max = 16 * 1024 * 1024};
    struct jsonout j = jsonout(&out);
    struct meter meter = {0};
    struct backup_progress progress = meter_progress(&meter);
    struct pushing p = {.job = job, .ctx = backup_store_ctx(job, &progress), .j = &j, .out = &out};
    struct store *stores;
    struct backup *list, one;
    size_t n, count = 1;
    int status = 0;
    struct err err = {0};
    if (!backup_stores(job, &stores, &n, &status))
        return status;
    if (job->file ? !backup_find(job, &one, &err) : !backup_list(job->cli->arena, &job->place, &list, &count, &err))
        return cli_fail(&err);
    if (job->file)
        list = &one;
    if (job->cli->json) {
        json_object(&j);
        json_key(&j, "pushed");
        json_array(&j);
    }
    for (size_t i = 0; i < n; i++)
        push_to(&p, &stores[i], list, count);
    meter_end(&meter);
    return end_push(&p);
}

/* ---- fetch ---- */

/* The newest of all stores that answer; those that do not are said. */
static bool newest_anywhere(const struct backup_job *job, const struct store_ctx *ctx, const struct store *stores, size_t n,
                            const struct store **ret_store, const char **ret_file)
{
    *ret_file = NULL;
    for (size_t i = 0; i < n; i++) {
        struct backup *list;
        size_t count;
        struct err err = {0};
        if (!store_backups(&stores[i], ctx, job->service->name, &list, &count, &err)) {
            (void)cli_fail(&err);
        } else if (count && (!*ret_file || strcmp(list[0].file, *ret_file) > 0)) {
            *ret_file = list[0].file;
            *ret_store = &stores[i];
        }
    }
    return *ret_file != NULL;
}

static bool fetch_from_any(const struct backup_job *job, const struct store_ctx *ctx, const struct store *stores, size_t n, struct backup *ret,
                           struct err *err)
{
    struct backup_place place = job->place;
    const struct store *store;
    const char *file = job->file ? file_name_of(job->file) : NULL;
    if (job->into)
        place.folder = job->into;
    if (!file) {
        if (newest_anywhere(job, ctx, stores, n, &store, &file))
            return store_fetch(store, ctx, &place, file, ret, err);
        return err_set(err, ERR_NOT_FOUND, _("no store has a backup of \"%s\""), job->service->name);
    }
    for (size_t i = 0; i < n; i++) {
        struct err own = {0};
        if (store_fetch(&stores[i], ctx, &place, file, ret, &own))
            return true;
        if (i + 1 < n)
            (void)cli_fail(&own);
        else
            *err = own;
    }
    return false;
}

int backup_word_fetch(const struct backup_job *job)
{
    struct meter meter = {0};
    struct backup_progress progress = meter_progress(&meter);
    struct store_ctx ctx = backup_store_ctx(job, &progress);
    struct store *stores;
    struct backup b;
    size_t n;
    int status = 0;
    struct err err = {0};
    if (!backup_stores(job, &stores, &n, &status))
        return status;
    bool ok = fetch_from_any(job, &ctx, stores, n, &b, &err);
    meter_end(&meter);
    return ok ? backup_print(job, &b) : cli_fail(&err);
}
