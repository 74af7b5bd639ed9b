/* backup/stores.c -- The table of the stores, and what is done with every one of them alike: nothing counts as stored before it was
   read back. */
#include "backup/store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "sys/file.h"
#include "sys/log.h"

const struct store_ops *const store_drivers[] = {
    &store_folder,
    &store_ssh,
    &store_http,
    &store_s3,
    NULL,
};

const struct store_ops *store_driver(const char *name)
{
    for (size_t i = 0; store_drivers[i]; i++)
        if (same(store_drivers[i]->name, name))
            return store_drivers[i];
    return NULL;
}

/* ---- reading back ---- */

static bool into_hash(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    hash_add(arg, data, size);
    return true;
}

static bool hash_there(const struct store *store, const struct store_ctx *ctx, const char *name, char hex[HASH_HEX_SIZE], struct err *err)
{
    if (store->ops->hash)
        return store->ops->hash(store, ctx, name, hex, err);
    SCOPED(hash_close) struct hash *hash = hash_open();
    if (!store->ops->get(store, ctx, name, 0, into_hash, hash, err))
        return false;
    hash_end(hash, hex);
    return true;
}

/* What is there under the name already, whole and right? Asked by size first: hashing costs. */
static bool is_there(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t bytes, const char *sha256)
{
    struct store_object *found;
    size_t n;
    char hex[HASH_HEX_SIZE];
    if (!store->ops->list(store, ctx, name, &found, &n, NULL))
        return false;
    for (size_t i = 0; i < n; i++)
        if (same(found[i].name, name))
            return found[i].bytes == bytes && hash_there(store, ctx, name, hex, NULL) && same(hex, sha256);
    return false;
}

/* An upload that went on where another one was cut off may have gone on with something else: then all of it once more. */
static bool put_and_read_back(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, const char *sha256,
                              struct err *err)
{
    char there[HASH_HEX_SIZE], here[HASH_HEX_SIZE];
    for (int try = 0; try < 2; try++) {
        if (!store->ops->put(store, ctx, path, name, err) || !hash_there(store, ctx, name, there, err))
            return false;
        if (same(there, sha256))
            return true;
        if (!store->ops->remove(store, ctx, name, err))
            return false;
    }
    if (hash_file(path, here, NULL) && !same(here, sha256))
        return err_set(err, ERR_DATA, "\"%s\" is not what its manifest says: its checksum is %.12s...", path, here);
    return err_set(err, ERR_DATA, "\"%s\" reads back other than it was sent", name);
}

/* ---- pushing ---- */

static bool lock(struct arena *arena, const char *folder, const char *what, int *ret_fd, struct err *err)
{
    if (file_lock(arena_printf(arena, "%s/.%s.lock", folder, what), ret_fd, err))
        return true;
    if (err && err->code == ERR_REFUSED)
        err_set(err, ERR_REFUSED, "it is being done by another process (%s/.%s.lock)", folder, what);
    return false;
}

static const char *folder_of(struct arena *arena, const struct backup *backup)
{
    return arena_strndup(arena, backup->path, strlen(backup->path) - strlen(backup->file) - 1);
}

static bool push(const struct store *store, const struct store_ctx *ctx, const struct backup *backup, struct err *err)
{
    SCOPED(file_close) int held = -1, locked = -1;
    char manifest_hash[HASH_HEX_SIZE];
    const char *manifest = manifest_path(ctx->arena, backup->path);
    if (!lock(ctx->arena, folder_of(ctx->arena, backup), arena_printf(ctx->arena, "push-%s", store->name), &locked, err) ||
        !backup_hold(backup, &held, err) || !hash_file(manifest, manifest_hash, err))
        return false;
    return (is_there(store, ctx, backup->file, backup->bytes, backup->sha256) ||
            put_and_read_back(store, ctx, backup->path, backup->file, backup->sha256, err)) &&
           put_and_read_back(store, ctx, manifest, file_name_of(manifest), manifest_hash, err);
}

bool store_push(const struct store *store, const struct store_ctx *ctx, const struct backup *backup, struct err *err)
{
    struct err own = {0};
    struct store_record *records;
    size_t n;
    if (backup->damage)
        return err_set(err, ERR_REFUSED, "\"%s\" is not sent anywhere: %s", backup->file, backup->damage);
    if (!backup->has_manifest) {
        err_set(err, ERR_REFUSED, "\"%s\" has no manifest, so nobody could tell whether it arrived whole", backup->file);
        return err_hint(err, "bascule backup seal FILE reads it and makes one");
    }
    store_records(ctx->arena, backup, &records, &n);
    for (size_t i = 0; i < n; i++)
        if (same(records[i].store, store->name) && records[i].state == STORE_STORED)
            return true;
    if (push(store, ctx, backup, &own))
        return store_record_put(backup, store->name, NULL, err);
    struct err unwritten = {0}; /* the failure itself is what must be told */
    if (own.code != ERR_REFUSED && !store_record_put(backup, store->name, own.message, &unwritten))
        log_err(LOG_WARNING, &unwritten);
    if (err)
        *err = own;
    return err_prefix(err, "sending \"%s\" to store \"%s\"", backup->file, store->name);
}

/* ---- looking ---- */

static int newer_first(const void *left, const void *right)
{
    return -strcmp(((const struct backup *)left)->file, ((const struct backup *)right)->file);
}

static bool has_object(const struct store_object *objects, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (same(objects[i].name, name))
            return true;
    return false;
}

bool store_backups(const struct store *store, const struct store_ctx *ctx, const char *service, struct backup **ret, size_t *ret_count,
                   struct err *err)
{
    struct store_object *objects;
    size_t n;
    VEC(struct backup) list = {0};
    if (!store->ops->list(store, ctx, arena_printf(ctx->arena, "%s_backup_full_", service), &objects, &n, err))
        return err_prefix(err, "looking into store \"%s\"", store->name);
    for (size_t i = 0; i < n; i++) {
        const char *moment = backup_moment_in(objects[i].name, service);
        int64_t ms;
        if (moment && moment_parse_file(moment, &ms) && has_object(objects, n, manifest_path(ctx->arena, objects[i].name)))
            *vec_add(ctx->arena, &list) = (struct backup){.file = objects[i].name, .bytes = objects[i].bytes, .snapshot_wall_ms = ms, .rows = -1};
    }
    if (list.n)
        qsort(list.p, list.n, sizeof(*list.p), newer_first);
    *ret = list.p;
    *ret_count = list.n;
    return true;
}

/* The manifest last: what has one is whole. */
bool store_remove(const struct store *store, const struct store_ctx *ctx, const char *file, struct err *err)
{
    return (store->ops->remove(store, ctx, file, err) && store->ops->remove(store, ctx, manifest_path(ctx->arena, file), err)) ||
           err_prefix(err, "removing \"%s\" from store \"%s\"", file, store->name);
}

/* ---- fetching ---- */

struct fetching {
    const struct store_ctx *ctx;
    struct hash *hash;
    int fd;
    int64_t at, total;
    const char *path;
};

static bool into_buf(void *arg, const void *data, size_t size, struct err *err)
{
    return buf_add(arg, data, size) || err_set(err, ERR_LIMIT, "it is longer than a manifest can be");
}

static bool to_file(void *arg, const void *data, size_t size, struct err *err)
{
    struct fetching *f = arg;
    const char *p = data;
    hash_add(f->hash, data, size);
    if (f->at + (int64_t)size > f->total)
        return err_set(err, ERR_DATA, "it is longer than its manifest says");
    while (size) {
        ssize_t n = write(f->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_os(err, errno, "could not write \"%s\"", f->path);
        p += n;
        size -= (size_t)n;
        f->at += n;
    }
    const struct backup_progress *progress = f->ctx->progress;
    if (progress && progress->fn)
        progress->fn(progress->arg, f->at, f->total, "fetch");
    return true;
}

/* What a former try left is hashed and kept, unless it cannot be the beginning. */
static bool begin(struct fetching *f, bool anew, struct err *err)
{
    enum { PIECE = 256 * 1024 };
    SCOPED(arena_close) struct arena *own = arena_open();
    char *piece = arena_alloc(own, PIECE);
    f->at = 0;
    f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | (anew ? O_TRUNC : 0), 0600);
    if (f->fd < 0)
        return err_os(err, errno, "could not create \"%s\"", f->path);
    for (ssize_t n; (n = read(f->fd, piece, PIECE)) != 0; f->at += n) {
        if (n < 0)
            return err_os(err, errno, "could not read \"%s\"", f->path);
        hash_add(f->hash, piece, (size_t)n);
    }
    if (f->at <= f->total)
        return true;
    file_close(&f->fd);
    char unused[HASH_HEX_SIZE];
    hash_end(f->hash, unused);
    return begin(f, true, err);
}

static bool fetch_data(const struct store *store, const struct store_ctx *ctx, const struct backup *b, const char *path, bool anew,
                       bool *ret_resumed, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    SCOPED(hash_close) struct hash *hash = hash_open();
    struct fetching f = {.ctx = ctx, .hash = hash, .fd = -1, .total = b->bytes, .path = path};
    bool ok = begin(&f, anew, err);
    *ret_resumed = f.at > 0;
    ok = ok && (f.at == f.total || store->ops->get(store, ctx, b->file, f.at, to_file, &f, err));
    if (ok && fsync(f.fd) != 0)
        ok = err_os(err, errno, "could not write \"%s\"", path);
    file_close(&f.fd);
    if (!ok)
        return false;
    hash_end(hash, hex);
    if (f.at == f.total && same(hex, b->sha256))
        return true;
    (void)unlink(path);
    return err_set(err, ERR_DATA, "what arrived is not what the manifest says (%lld of %lld bytes, checksum %.12s...)", (long long)f.at,
                   (long long)f.total, hex);
}

static bool fetch_manifest(const struct store *store, const struct store_ctx *ctx, struct backup *b, struct err *err)
{
    enum { MOST = 16 * 1024 * 1024 };
    SCOPED(buf_done) struct buf text = {.max = MOST};
    if (!store->ops->get(store, ctx, manifest_path(ctx->arena, b->file), 0, into_buf, &text, err) ||
        !file_write(manifest_path(ctx->arena, b->path), buf_text(&text), text.n, 0600, err))
        return false;
    return manifest_read(ctx->arena, b, err) &&
           (b->has_manifest || err_set(err, ERR_INTERNAL, "the manifest of \"%s\" is gone again", b->file));
}

static bool fetch(const struct store *store, const struct store_ctx *ctx, const struct backup_place *place, const char *file, struct err *err)
{
    struct arena *arena = ctx->arena;
    const char *final = file_join(arena, place->folder, file), *hidden = arena_printf(arena, "%s/.%s", place->folder, file);
    const char *data = arena_printf(arena, "%s.fetched", hidden);
    struct backup b = {.path = hidden, .file = file, .rows = -1, .keys = place->keys, .opens = place->keys};
    bool resumed = false;
    if (!fetch_manifest(store, ctx, &b, err))
        return false;
    struct err first = {0};
    bool ok = fetch_data(store, ctx, &b, data, false, &resumed, &first);
    if (!ok && first.code == ERR_DATA && resumed)
        ok = fetch_data(store, ctx, &b, data, true, &resumed, err);
    else if (!ok && err)
        *err = first;
    return ok && file_rename_durably(manifest_path(arena, hidden), manifest_path(arena, final), err) && file_rename_durably(data, final, err);
}

static bool find(struct arena *arena, const struct backup_place *place, const char *file, struct backup *ret, bool *ret_found, struct err *err)
{
    struct backup *all;
    size_t n;
    *ret_found = false;
    if (!backup_list(arena, place, &all, &n, err))
        return false;
    for (size_t i = 0; i < n && !*ret_found; i++)
        if (same(all[i].file, file)) {
            *ret = all[i];
            *ret_found = true;
        }
    return true;
}

bool store_fetch(const struct store *store, const struct store_ctx *ctx, const struct backup_place *place, const char *file,
                 struct backup *ret, struct err *err)
{
    SCOPED(file_close) int locked = -1;
    bool found;
    if (!backup_moment_in(file, place->service))
        return err_set(err, ERR_USAGE, "\"%s\" is not the name of a backup of \"%s\"", file, place->service);
    if (!file_mkdirs(place->folder, 0750, err) || !lock(ctx->arena, place->folder, "fetch", &locked, err) ||
        !find(ctx->arena, place, file, ret, &found, err))
        return false;
    if (found && !ret->damage)
        return true;
    if (!fetch(store, ctx, place, file, err))
        return err_prefix(err, "fetching \"%s\" from store \"%s\"", file, store->name);
    return find(ctx->arena, place, file, ret, &found, err) && (found || err_set(err, ERR_INTERNAL, "\"%s\" is gone again", file));
}
