/* act/fetch.c -- A list and a stream from the other host, by OpenSSH or from a local folder. What comes is written under a name that
   no reader takes for a backup, its size and its checksum are compared with what the other side says, and then it gets its name. */
#include "act/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/backups.h"
#include "act/host.h"
#include "backup/dumper.h"
#include "io/hash.h"
#include "io/json.h"
#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "base/banned.h"

enum { LIST_MS = 30 * 1000, SILENCE_MS = 60 * 1000, MOMENT = 15, MANIFEST_MAX = 16 * 1024 * 1024 };

/* ---- what lies there ---- */

struct remote {
    const char *name;
    int64_t bytes, changed;
};

static const char *moment_in(const char *name, const char *service)
{
    const char *prefix_end = name + strlen(service) + strlen("_backup_full_");
    return strlen(name) > strlen(service) + strlen("_backup_full_") + MOMENT ? prefix_end : NULL;
}

/* The same names as backup_list takes, and no others: what comes from over there may have any. */
static bool is_backup(const char *name, const char *service)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    int64_t unused;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != strlen(name))
        return false;
    if (!str_starts(str_of(name), arena_printf(a, "%s_backup_full_", service)))
        return false;
    const char *moment = moment_in(name, service);
    if (!moment || !moment_parse_file(moment, &unused))
        return false;
    const char *rest = moment + MOMENT;
    return same(rest, ".sql.gz") || same(rest, ".sql") || same(rest, ".sql.gz.enc");
}

/* "SIZE SECONDS NAME" a line. */
static bool read_line(struct arena *arena, struct str line, const char *service, struct remote *ret)
{
    struct str size, changed;
    if (!str_next(&line, ' ', &size) || !str_next(&line, ' ', &changed) || !line.p)
        return false;
    *ret = (struct remote){.name = str_dup(arena, line)};
    return str_int(size, &ret->bytes) && str_int(changed, &ret->changed) && ret->bytes > 0 && is_backup(ret->name, service);
}

/* The newest by the moment in its name. */
static bool list_newest(const struct action_ctx *ctx, const struct site *from, struct remote *ret, struct err *err)
{
    static const char script[] = "cd -- \"$1\" || exit 44; for f in \"$2\"_backup_full_*; do [ -f \"$f\" ] && stat -c '%s %Y %n' -- \"$f\"; done; :";
    const char *words[] = {"sh", "-c", script, "sh", from->backup.folder, ctx->service->name, NULL};
    struct strs argv = host_argv(ctx->arena, words);
    struct proc_result result;
    if (!host_run(ctx, &from->host, &argv, NULL, action_time(ctx, LIST_MS), &result, err))
        return false;
    if (!proc_ok(&result))
        return err_set(err, ERR_UNAVAILABLE, "could not list \"%s\" on %s: %s", from->backup.folder, host_say(&from->host),
                       host_complaint(ctx->arena, &result));
    if (result.out_cut)
        return err_set(err, ERR_LIMIT, "there are too many files in \"%s\" on %s", from->backup.folder, host_say(&from->host));
    struct str rest = result.out, line;
    *ret = (struct remote){0};
    while (str_next(&rest, '\n', &line)) {
        struct remote r;
        if (!read_line(ctx->arena, line, ctx->service->name, &r))
            continue;
        if (!ret->name || strcmp(moment_in(r.name, ctx->service->name), moment_in(ret->name, ctx->service->name)) > 0)
            *ret = r;
    }
    return true;
}

/* ---- bringing it ---- */

struct stream {
    const struct action_ctx *ctx;
    const struct remote *remote;
    const char *path;
    int fd;
    struct hash *hash;
    int64_t bytes;
};

static void stream_done(struct stream *s)
{
    hash_close(&s->hash);
    if (s->fd >= 0) {
        close(s->fd);
        unlink(s->path); /* what has its own name by now is not found under this one */
    }
}

static bool take_piece(void *arg, const void *data, size_t size, struct err *err)
{
    struct stream *s = arg;
    const char *p = data;
    hash_add(s->hash, data, size);
    s->bytes += (int64_t)size;
    if (s->bytes > s->remote->bytes)
        return err_set(err, ERR_DATA, "\"%s\" grows while it is fetched", s->remote->name);
    while (size) {
        ssize_t n = write(s->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_os(err, errno, "could not write \"%s\"", s->path);
        p += n;
        size -= (size_t)n;
    }
    report_progress(s->ctx->report, s->bytes, s->remote->bytes, "fetching %s", s->remote->name);
    return true;
}

static const char *const *cat_argv(const struct action_ctx *ctx, const struct site *from, const char *name)
{
    const char *words[] = {"cat", "--", file_join(ctx->arena, from->backup.folder, name), NULL};
    struct strs argv = host_argv(ctx->arena, words);
    return ssh_argv(ctx->arena, &from->host, ctx->control_dir, &argv);
}

static bool take_text(void *arg, const void *data, size_t size, struct err *err)
{
    return buf_add(arg, data, size) || err_set(err, ERR_LIMIT, "the manifest has more than %d bytes", MANIFEST_MAX);
}

/* Empty when there is none. It names every table, so it may be longer than what host_read takes. */
static bool read_manifest(const struct action_ctx *ctx, const struct site *from, const char *path, struct str *ret, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = MANIFEST_MAX};
    const char *words[] = {"sh", "-c", "test -e \"$1\" || exit 0; exec cat -- \"$1\"", "sh", path, NULL};
    struct strs argv = host_argv(ctx->arena, words);
    struct dumper_spec spec = {.argv = ssh_argv(ctx->arena, &from->host, ctx->control_dir, &argv), .silence_ms = SILENCE_MS};
    if (!dumper_run(&spec, take_text, &text, err))
        return err_prefix(err, "reading \"%s\" on %s", path, host_say(&from->host));
    *ret = (struct str){.p = arena_dup(ctx->arena, buf_text(&text), text.n + 1), .n = text.n};
    return true;
}

/* The SHA-256 of a manifest, or NULL when it does not say. */
static const char *sha256_in(struct arena *arena, struct str manifest)
{
    const struct json *root;
    return manifest.n && json_parse(arena, manifest, &root, NULL) ? json_string(json_get(root, "sha256")) : NULL;
}

static bool end_of_stream(struct stream *s, const char *sha256, struct err *err)
{
    char got[HASH_HEX_SIZE];
    hash_end(s->hash, got);
    if (s->bytes != s->remote->bytes)
        return err_set(err, ERR_DATA, "\"%s\" came with %lld bytes of %lld", s->remote->name, (long long)s->bytes, (long long)s->remote->bytes);
    if (sha256 && !same(sha256, got))
        return err_set(err, ERR_DATA, "the checksum of \"%s\" is %.12s..., its manifest says %.12s...", s->remote->name, got, sha256);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = s->remote->changed}}; /* its age must not seem younger here */
    if (futimens(s->fd, times) != 0 || fsync(s->fd) != 0)
        return err_os(err, errno, "could not write \"%s\"", s->path);
    return true;
}

static bool bring(const struct action_ctx *ctx, const struct site *from, const struct site *to, const struct remote *remote, struct err *err)
{
    struct arena *a = ctx->arena;
    const char *manifest_name = arena_printf(a, "%s.manifest.json", remote->name);
    struct str manifest = {0};
    if (!read_manifest(ctx, from, file_join(a, from->backup.folder, manifest_name), &manifest, err))
        return false;
    SCOPED(stream_done) struct stream s = {.ctx = ctx, .remote = remote, .fd = -1, .hash = hash_open()};
    s.path = file_join(a, to->backup.folder, arena_printf(a, ".%s.fetching", remote->name));
    s.fd = open(s.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s.fd < 0)
        return err_os(err, errno, "could not make \"%s\"", s.path);
    struct dumper_spec spec = {.argv = cat_argv(ctx, from, remote->name), .silence_ms = SILENCE_MS};
    if (!dumper_run(&spec, take_piece, &s, err) || !end_of_stream(&s, sha256_in(a, manifest), err))
        return false;
    /* The manifest first: a backup without one would be taken for somebody else's. */
    if (manifest.n && !file_write(file_join(a, to->backup.folder, manifest_name), manifest.p, manifest.n, 0600, err))
        return false;
    return file_rename_durably(s.path, file_join(a, to->backup.folder, remote->name), err);
}

/* ---- is it wanted? ---- */

static bool same_folder(const struct site *from, const struct site *to)
{
    struct stat a, b;
    return host_is_local(&from->host) && stat(from->backup.folder, &a) == 0 && stat(to->backup.folder, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Is it here whole, or something newer? One that was let go here on purpose is not brought back. */
static bool have_it(const struct action_ctx *ctx, const struct site *to, const struct remote *remote, bool *ret, struct err *err)
{
    struct backup_place place;
    struct backup *list;
    size_t n;
    const char *service = ctx->service->name;
    *ret = false;
    if (!site_backups(ctx->arena, ctx->service, to, NULL, &place, err) || !backup_list(ctx->arena, &place, &list, &n, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *here = moment_in(list[i].file, service), *there = moment_in(remote->name, service);
        *ret |= (here && there && strcmp(here, there) > 0) || (same(list[i].file, remote->name) && list[i].bytes == remote->bytes);
    }
    return true;
}

/* ---- the two ways ---- */

static bool from_folder(const struct action_ctx *ctx, const struct site *from, const struct site *to, struct fetched *ret, struct err *err)
{
    struct remote remote;
    bool have;
    int64_t began = clock_boot_ms();
    if (!from->backup.folder || same_folder(from, to))
        return true;
    if (!list_newest(ctx, from, &remote, err))
        return false;
    if (!remote.name)
        return true;
    if (!have_it(ctx, to, &remote, &have, err) || (!have && !bring(ctx, from, to, &remote, err)))
        return false;
    if (!have)
        *ret = (struct fetched){.count = ret->count + 1, .file = remote.name, .where = host_say(&from->host), .bytes = remote.bytes,
                                .took_ms = clock_boot_ms() - began, .trouble = ret->trouble};
    return true;
}

static void pass_progress(void *arg, int64_t done, int64_t total, const char *what)
{
    const struct action_ctx *ctx = arg;
    report_progress(ctx->report, done, total, "%s", what);
}

static bool from_store(const struct action_ctx *ctx, const struct store *store, const struct site *to, struct fetched *ret, struct err *err)
{
    struct backup_progress progress = {.fn = pass_progress, .arg = (void *)(uintptr_t)ctx};
    struct store_ctx with = {.arena = ctx->arena, .control_dir = ctx->control_dir, .progress = &progress};
    struct backup_place place;
    struct backup *list, got;
    size_t n;
    bool have;
    int64_t began = clock_boot_ms();
    if (!site_backups(ctx->arena, ctx->service, to, NULL, &place, err) || !store_backups(store, &with, ctx->service->name, &list, &n, err))
        return false;
    if (!n)
        return true;
    struct remote remote = {.name = list[0].file, .bytes = list[0].bytes};
    if (!is_backup(remote.name, ctx->service->name))
        return err_set(err, ERR_DATA, "\"%s\" is no name of a backup", remote.name);
    if (!have_it(ctx, to, &remote, &have, err) || (!have && !store_fetch(store, &with, &place, remote.name, &got, err)))
        return false;
    if (!have)
        *ret = (struct fetched){.count = ret->count + 1, .file = remote.name, .where = store->name, .bytes = remote.bytes,
                                .took_ms = clock_boot_ms() - began, .trouble = ret->trouble};
    return true;
}

static void say_trouble(const struct action_ctx *ctx, struct fetched *f, const struct err *why)
{
    f->trouble = f->trouble ? arena_printf(ctx->arena, "%s; %s", f->trouble, why->message) : arena_strdup(ctx->arena, why->message);
}

bool fetch_newest(const struct action_ctx *ctx, const struct site *from, const struct site *to, struct fetched *ret, struct err *err)
{
    struct store *stores;
    *ret = (struct fetched){0};
    if (!file_mkdirs(to->backup.folder, 0700, err))
        return false;
    if (from == to)
        return true;
    struct err why = {0};
    if (!from_folder(ctx, from, to, ret, &why))
        say_trouble(ctx, ret, &why);
    size_t n = site_stores(ctx->arena, from, &stores);
    for (size_t i = 0; i < n; i++) {
        why = (struct err){0};
        if (!from_store(ctx, &stores[i], to, ret, &why)) {
            err_prefix(&why, "store \"%s\"", stores[i].name);
            say_trouble(ctx, ret, &why);
        }
    }
    return true;
}
