/* backup/store_folder.c -- A folder: another disk, or a mount from elsewhere. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/store.h"
#include "sys/file.h"

enum { PIECE = 1024 * 1024 };

static const char *place(const struct store *store, const struct store_ctx *ctx, const char *name)
{
    return file_join(ctx->arena, ((const struct store_folder_options *)store->options)->folder, name);
}

static bool valid(const void *options, struct err *err)
{
    const struct store_folder_options *o = options;
    return (o->folder && *o->folder == '/') || err_set(err, ERR_CONFIG, "\"folder\" must be an absolute path");
}

static bool list(const struct store *store, const struct store_ctx *ctx, const char *prefix, struct store_object **ret, size_t *ret_count,
                 struct err *err)
{
    const char *folder = ((const struct store_folder_options *)store->options)->folder;
    VEC(struct store_object) found = {0};
    DIR *dir = opendir(folder);
    if (!dir && errno != ENOENT)
        return err_os(err, errno, "could not open folder \"%s\"", folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        if (str_starts(str_of(entry->d_name), prefix) && stat(place(store, ctx, entry->d_name), &st) == 0 && S_ISREG(st.st_mode))
            *vec_add(ctx->arena, &found) = (struct store_object){arena_strdup(ctx->arena, entry->d_name), st.st_size};
    }
    if (dir)
        closedir(dir);
    *ret = found.p;
    *ret_count = found.n;
    return true;
}

static bool write_all(int fd, const char *path, const char *p, size_t n, struct err *err)
{
    while (n) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return err_os(err, errno, "could not write \"%s\"", path);
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static bool copy(const struct store_ctx *ctx, int from, int64_t total, const char *path, int to, const char *to_path, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    char *piece = arena_alloc(own, PIECE);
    int64_t done = 0;
    for (;;) {
        ssize_t n = read(from, piece, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_os(err, errno, "could not read \"%s\"", path);
        if (n == 0)
            return true;
        if (!write_all(to, to_path, piece, (size_t)n, err))
            return false;
        done += n;
        if (ctx->progress && ctx->progress->fn)
            ctx->progress->fn(ctx->progress->arg, done, total, "push");
    }
}

static bool put(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, struct err *err)
{
    const struct store_folder_options *o = store->options;
    const char *partial = arena_printf(ctx->arena, "%s/.%s.part", o->folder, name);
    if (!file_mkdirs(o->folder, 0750, err))
        return false;
    SCOPED(file_close) int from = -1;
    int64_t size;
    if (!file_open(path, &from, &size, err))
        return false;
    SCOPED(file_close) int to = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        return err_os(err, errno, "could not create \"%s\"", partial);
    bool ok = copy(ctx, from, size, path, to, partial, err);
    if (ok && fsync(to) != 0)
        ok = err_os(err, errno, "could not write \"%s\"", partial);
    if (ok)
        (void)posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED); /* what is read back shall come from the disk */
    ok = ok && file_rename_durably(partial, place(store, ctx, name), err);
    if (!ok)
        (void)unlink(partial);
    return ok;
}

static bool get(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t from, store_sink_fn *sink, void *arg,
                struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    const char *path = place(store, ctx, name);
    char *piece = arena_alloc(own, PIECE);
    SCOPED(file_close) int fd = -1;
    if (!file_open(path, &fd, NULL, err))
        return false;
    for (;;) {
        ssize_t n = pread(fd, piece, PIECE, from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_os(err, errno, "could not read \"%s\"", path);
        if (n == 0)
            return true;
        if (!sink(arg, piece, (size_t)n, err))
            return false;
        from += n;
    }
}

static bool remove_object(const struct store *store, const struct store_ctx *ctx, const char *name, struct err *err)
{
    const char *path = place(store, ctx, name);
    return unlink(path) == 0 || errno == ENOENT || err_os(err, errno, "could not remove \"%s\"", path);
}

static const struct option options[] = {
    {"folder", OPTION_PATH, .offset = offsetof(struct store_folder_options, folder), .required = true, .help = "where the copies lie; made when it is missing",
     .sample = "/mnt/offsite/akig"},
    OPTION_END,
};

const struct store_ops store_folder = {
    .name = "folder",
    .summary = "a folder on another disk or mount",
    .options = options,
    .options_size = sizeof(struct store_folder_options),
    .valid = valid,
    .list = list,
    .put = put,
    .get = get,
    .remove = remove_object,
};
