/* act/proof.c -- One line a restore, appended whole and synced. */
#include "act/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/backups.h"
#include "backup/past.h"
#include "base/jsonout.h"
#include "io/json.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { LINE_MAX_BYTES = 16 * 1024, FILE_MAX = 4 * 1024 * 1024, READ_MAX = FILE_MAX + 1024 * 1024 };

static char *path_of(struct arena *arena, const char *state_dir)
{
    return file_join(arena, state_dir, "restores.jsonl");
}

static void put(struct buf *line, const struct proof *p)
{
    struct jsonout j = jsonout(line);
    json_object(&j);
    json_put_int(&j, "at_ms", p->at_ms);
    json_put_text(&j, "kind", p->kind);
    json_put_text(&j, "service", p->service);
    json_put_text(&j, "site", p->site);
    json_put_bool(&j, "ok", p->ok);
    json_put_text(&j, "file", p->file);
    json_put_text(&j, "sha256", p->sha256);
    json_put_int(&j, "snapshot_ms", p->snapshot_ms);
    json_put_int(&j, "took_ms", p->took_ms);
    json_put_int(&j, "rows", p->rows);
    json_put_int(&j, "foreign_keys", p->foreign_keys);
    json_put_text(&j, "error", p->error);
    json_object_end(&j);
    buf_putc(line, '\n');
}

/* Under the lock of the file itself, so that a line of somebody else is not lost with the old file. */
static bool shorten(struct arena *arena, const char *path, struct err *err)
{
    struct str text;
    if (!file_read(arena, path, READ_MAX, &text, err))
        return false;
    const char *half = memchr(text.p + text.n / 2, '\n', text.n - text.n / 2);
    if (!half)
        return true;
    return file_write(path, half + 1, text.n - (size_t)(half + 1 - text.p), 0600, err);
}

static bool append(struct arena *arena, const char *path, const struct buf *line, struct err *err)
{
    int lock;
    struct stat st;
    for (int tries = 0; !file_lock(arena_printf(arena, "%s.lock", path), &lock, err); tries++) {
        if (err->code != ERR_REFUSED || tries == 100)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL); /* another process writes its line */
    }
    bool ok = stat(path, &st) != 0 || st.st_size < FILE_MAX || shorten(arena, path, err);
    int fd = ok ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (ok && (fd < 0 || write(fd, line->p, line->n) != (ssize_t)line->n || fsync(fd) != 0))
        ok = err_os(err, errno, "could not write \"%s\"", path);
    if (fd >= 0)
        close(fd);
    close(lock);
    return ok;
}

/* Reports are made of what stands beside the backups. */
static void tell_reports(const struct action_ctx *ctx, const struct proof *p)
{
    struct past past = {.what = PAST_RESTORE_TEST, .at_wall_ms = p->at_ms, .took_ms = p->took_ms, .ok = p->ok, .file = p->file, .why = p->error};
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        const char *folder = ctx->service->sites.p[i].backup.folder;
        struct backup_place place = {.service = ctx->service->name, .folder = folder};
        struct err err = {0};
        bool told = !folder || !file_exists(folder);
        for (size_t k = 0; k < i && !told; k++) /* sites may share a folder */
            told = same(ctx->service->sites.p[k].backup.folder, folder);
        if (!told && !past_add(&place, &past, &err))
            log_err(LOG_WARNING, &err);
    }
}

void proof_add(const struct action_ctx *ctx, const struct proof *proof)
{
    if (same(proof->kind, "follow") || same(proof->kind, "verify"))
        tell_reports(ctx, proof);
    SCOPED(buf_done) struct buf line = {.max = LINE_MAX_BYTES};
    struct err err = {0};
    put(&line, proof);
    if (!append(ctx->arena, path_of(ctx->arena, ctx->state_dir), &line, &err)) {
        err_prefix(&err, "keeping the result of a restore");
        log_err(LOG_WARNING, &err);
    }
}

static int64_t number_of(const struct json *line, const char *key)
{
    int64_t value;
    return json_integer(json_get(line, key), &value) ? value : 0;
}

static bool take_line(struct arena *arena, struct str text, struct proof *ret)
{
    const struct json *line;
    if (!text.n || !json_parse(arena, text, &line, NULL))
        return false;
    *ret = (struct proof){
        .kind = json_string(json_get(line, "kind")),
        .service = json_string(json_get(line, "service")),
        .site = json_string(json_get(line, "site")),
        .file = json_string(json_get(line, "file")),
        .sha256 = json_string(json_get(line, "sha256")),
        .error = json_string(json_get(line, "error")),
        .at_ms = number_of(line, "at_ms"),
        .took_ms = number_of(line, "took_ms"),
        .snapshot_ms = number_of(line, "snapshot_ms"),
        .rows = number_of(line, "rows"),
        .foreign_keys = number_of(line, "foreign_keys"),
    };
    return json_truth(json_get(line, "ok"), &ret->ok) && ret->kind && ret->service && ret->site && ret->file && ret->at_ms > 0;
}

bool proof_list(struct arena *arena, const char *state_dir, const char *service, struct proof **ret, size_t *ret_count, struct err *err)
{
    const char *path = path_of(arena, state_dir);
    VEC(struct proof) list = {0};
    struct str text, line;
    *ret = NULL;
    *ret_count = 0;
    if (!file_exists(path))
        return true;
    if (!file_read(arena, path, READ_MAX, &text, err))
        return false;
    while (str_next(&text, '\n', &line)) {
        struct proof p;
        if (take_line(arena, line, &p) && same(p.service, service))
            *vec_add(arena, &list) = p;
    }
    for (size_t i = 0; i < list.n / 2; i++) {
        struct proof other = list.p[i];
        list.p[i] = list.p[list.n - 1 - i];
        list.p[list.n - 1 - i] = other;
    }
    *ret = list.p;
    *ret_count = list.n;
    return true;
}
