/* backup/prune.c -- The file goes first and its records after it: a kill between leaves records without a backup, which are swept, and
   never a backup that has lost its manifest. */
#include "backup/prune.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "sys/file.h"

static bool decide(struct arena *arena, struct backup *list, size_t n, bool whole_is_good, const struct retention *rule, int64_t now_wall_ms,
                   struct prune_result *ret)
{
    struct retention_item *items = arena_array(arena, struct retention_item, n);
    enum keep *keep = arena_array(arena, enum keep, n);
    *ret = (struct prune_result){.lines = arena_array(arena, struct prune_line, n), .count = n};
    for (size_t i = 0; i < n; i++)
        items[i] = (struct retention_item){list[i].snapshot_wall_ms, !list[i].damage && (whole_is_good || list[i].verified_wall_ms > 0)};
    retention_decide(rule, items, n, now_wall_ms, keep);
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        ret->lines[i] = (struct prune_line){.backup = list[i], .keep = keep[i]};
        any |= keep[i] == KEEP_NOT;
    }
    return any;
}

/* ---- a folder ---- */

/* Whoever reads it holds it shared; only one that nobody holds goes. */
static bool remove_backup(struct arena *arena, struct prune_line *line, struct err *err)
{
    const char *path = line->backup.path;
    SCOPED(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        line->why = "in use";
        return true;
    }
    if (unlink(path) != 0)
        return err_os(err, errno, "could not remove \"%s\"", path);
    line->removed = true;
    (void)unlink(verified_path(arena, path));
    (void)unlink(stores_path(arena, path));
    (void)unlink(manifest_path(arena, path));
    return true;
}

static void sync_folder(const char *folder)
{
    SCOPED(file_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd);
}

static void count(struct prune_result *ret, struct prune_line *line, bool ok, const char *why)
{
    if (!ok) {
        line->why = why;
        ret->failed++;
    } else if (line->removed) {
        ret->removed++;
        ret->freed_bytes += line->backup.bytes;
    } else {
        ret->kept_in_use++;
    }
}

/* Is it a piece of something that is not there any more, or never came to be? */
static bool is_leftover(struct arena *arena, const struct backup_place *place, const char *name)
{
    static const char *const records[] = {".manifest.json", ".verified.json", ".stores.json"};
    static const char *const pieces[] = {".fetched", ".manifest.json", ".part"};
    bool hidden = *name == '.';
    size_t n = strlen(name);
    for (size_t i = 0; i < 3; i++) {
        const char *end = hidden ? pieces[i] : records[i];
        size_t m = strlen(end);
        if (n <= m || !same(name + n - m, end))
            continue;
        const char *base = arena_strndup(arena, name + hidden, n - m - hidden);
        return backup_moment_in(base, place->service) && (hidden || !file_exists(file_join(arena, place->folder, base)));
    }
    return false;
}

static void sweep(struct arena *arena, const struct backup_place *place, int64_t now_wall_ms)
{
    DIR *dir = opendir(place->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        const char *path = file_join(arena, place->folder, entry->d_name);
        if (is_leftover(arena, place, entry->d_name) && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
            (int64_t)st.st_ctim.tv_sec * MS_SECOND < now_wall_ms - MS_DAY)
            (void)unlink(path);
    }
    if (dir)
        closedir(dir);
}

bool backup_prune(struct arena *arena, const struct backup_place *place, const struct retention *rule, int64_t now_wall_ms, bool dry_run,
                  struct prune_result *ret, struct err *err)
{
    struct backup *list;
    size_t n;
    SCOPED(file_close) int locked = -1;
    if (!dry_run && !file_lock(arena_printf(arena, "%s/.%s.prune.lock", place->folder, place->service), &locked, err)) {
        if (err && err->code == ERR_REFUSED)
            err_set(err, ERR_REFUSED, "the backups of \"%s\" in \"%s\" are being pruned already", place->service, place->folder);
        return false;
    }
    if (!backup_list(arena, place, &list, &n, err))
        return false;
    bool any = decide(arena, list, n, false, rule, now_wall_ms, ret);
    for (size_t i = n; any && i-- > 0;) { /* oldest first */
        struct prune_line *line = &ret->lines[i];
        struct err why = {0};
        if (line->keep != KEEP_NOT)
            continue;
        line->removed = dry_run;
        bool ok = dry_run || remove_backup(arena, line, &why);
        count(ret, line, ok, ok ? NULL : arena_strdup(arena, why.message));
    }
    if (!dry_run) {
        sweep(arena, place, now_wall_ms);
        sync_folder(place->folder);
    }
    return true;
}

/* ---- a store ---- */

bool store_prune(const struct store *store, const struct store_ctx *ctx, const char *service, const struct retention *rule,
                 int64_t now_wall_ms, bool dry_run, struct prune_result *ret, struct err *err)
{
    struct backup *list;
    size_t n;
    if (!store_backups(store, ctx, service, &list, &n, err))
        return false;
    bool any = decide(ctx->arena, list, n, true, rule, now_wall_ms, ret);
    for (size_t i = n; any && i-- > 0;) {
        struct prune_line *line = &ret->lines[i];
        struct err why = {0};
        if (line->keep != KEEP_NOT)
            continue;
        bool ok = dry_run || store_remove(store, ctx, line->backup.file, &why);
        line->removed = ok;
        count(ret, line, ok, ok ? NULL : arena_strdup(ctx->arena, why.message));
    }
    return true;
}
