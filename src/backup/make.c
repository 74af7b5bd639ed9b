/* backup/make.c -- One backup: pg_dump's stream is compressed, hashed and read by the lexer in one pass, read back from the disk, and
   only then gets its name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "backup/dumper.h"
#include "io/gzip.h"
#include "io/hash.h"
#include "io/pg.h"
#include "sys/clock.h"
#include "sys/file.h"

enum {
    CONNECT_MS = 10 * 1000,
    QUERY_MS = 30 * 1000,
    SILENCE_MS = 15 * 60 * 1000, /* longer than pg_dump waits for a lock; a COPY never pauses so long */
    LEVEL = 1,                   /* three times the speed of gzip's default for a tenth more bytes: pg_dump must not wait for us */
};

struct making {
    struct arena *arena;
    const char *folder, *partial;
    const struct backup_progress *progress;
    int fd;
    int64_t bytes, sql_bytes, expected_bytes;
    struct hash *hash;
    struct gzip_writer *gzip;
    struct lexer *lexer;
    struct tally tally;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- the stream ---- */

static bool no_room(struct making *m, int os, struct err *err)
{
    err_os(err, os, "could not write the backup after %lld bytes", (long long)m->bytes);
    if (os == ENOSPC || os == EDQUOT)
        err_hint(err, "make room in \"%s\"; the older backups were left as they are", m->folder);
    if (err)
        err->code = ERR_IO;
    return false;
}

static bool to_disk(void *arg, const void *data, size_t size, struct err *err)
{
    struct making *m = arg;
    const char *p = data;
    hash_add(m->hash, data, size);
    while (size) {
        ssize_t n = write(m->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return no_room(m, errno, err);
        p += n;
        size -= (size_t)n;
        m->bytes += n;
    }
    return true;
}

static bool from_pg_dump(void *arg, const void *data, size_t size, struct err *err)
{
    struct making *m = arg;
    if (!lexer_feed(m->lexer, data, size, err) || !gzip_writer_add(m->gzip, data, size, err))
        return false;
    m->sql_bytes += (int64_t)size;
    if (m->progress && m->progress->fn)
        m->progress->fn(m->progress->arg, m->bytes, m->expected_bytes, "dump");
    return true;
}

static bool stream(struct making *m, const struct dumper_spec *spec, struct err *err)
{
    SCOPED(gzip_writer_close) struct gzip_writer *gzip = gzip_writer_open(LEVEL, to_disk, m);
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(tally_item, &m->tally);
    m->tally = (struct tally){.arena = m->arena};
    m->gzip = gzip;
    m->lexer = lexer;
    bool ok = dumper_run(spec, from_pg_dump, m, err) && lexer_end(lexer, err) && gzip_writer_end(gzip, err);
    m->gzip = NULL;
    m->lexer = NULL;
    return ok;
}

/* fsync, and out of the page cache, so that what is read back comes from the disk where the system obliges. */
static bool settle(struct making *m, struct err *err)
{
    if (fsync(m->fd) != 0)
        return no_room(m, errno, err);
    (void)posix_fadvise(m->fd, 0, 0, POSIX_FADV_DONTNEED);
    int fd = m->fd;
    m->fd = -1;
    return close(fd) == 0 || no_room(m, errno, err);
}

static bool read_back(struct making *m, const char *sha256, struct err *err)
{
    char again[HASH_HEX_SIZE];
    struct tally tally;
    int64_t sql_bytes;
    if (!backup_read(m->arena, m->partial, m->progress, &tally, again, &sql_bytes, err))
        return err_prefix(err, "reading the new backup back");
    if (!same(sha256, again) || sql_bytes != m->sql_bytes || tally.rows != m->tally.rows)
        return err_set(err, ERR_IO, "the new backup reads back other than it was written: the disk under \"%s\" is not sound", m->folder);
    return true;
}

/* ---- before ---- */

struct source {
    int server_version; /* 150020 */
    const char *version_text, *system_identifier;
    int64_t snapshot_ms;
};

/* The moment is taken before pg_dump starts, hence before its snapshot: never too young. On a standby the data is as old as the
   last transaction replayed. */
static bool ask_source(struct arena *arena, const struct pgtarget *target, struct source *ret, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows;
    if (!pg_open(target, NULL, CONNECT_MS, &pg, err))
        return false;
    if (!pg_exec(pg, arena,
                 "SELECT current_setting('server_version'), floor(extract(epoch FROM CASE WHEN pg_is_in_recovery()"
                 " THEN least(coalesce(pg_last_xact_replay_timestamp(), clock_timestamp()), clock_timestamp())"
                 " ELSE clock_timestamp() END) * 1000)::bigint",
                 NULL, 0, QUERY_MS, &rows, err))
        return false;
    ret->server_version = pg_server_version(pg);
    ret->version_text = arena_strdup(arena, pg_text(rows, 0, 0));
    ret->snapshot_ms = pg_int(rows, 0, 1);
    /* Some providers forbid it; then the backup does not say which cluster it is from. */
    if (pg_exec(pg, arena, "SELECT system_identifier::text FROM pg_control_system()", NULL, 0, QUERY_MS, &rows, NULL))
        ret->system_identifier = arena_strdup(arena, pg_text(rows, 0, 0));
    return true;
}

static bool enough_room(const struct making *m, const struct backup *list, size_t count, struct err *err)
{
    struct statvfs fs;
    if (count == 0)
        return true;
    if (statvfs(m->folder, &fs) != 0)
        return err_os(err, errno, "could not ask for the free space of \"%s\"", m->folder);
    int64_t wanted = list[0].bytes + list[0].bytes / 10;
    int64_t free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    if (free_bytes >= wanted)
        return true;
    err_set(err, ERR_REFUSED, "\"%s\" has %lld MiB free, a backup may need %lld MiB", m->folder, (long long)free_bytes >> 20,
            ((long long)wanted >> 20) + 1);
    return err_hint(err, "make room there; nothing was removed");
}

static void remove_leftovers(struct arena *arena, const char *folder, const char *service)
{
    const char *prefix = arena_printf(arena, ".%s_backup_full_", service);
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct str name = str_of(entry->d_name);
        if (str_starts(name, prefix) && name.n > 8 && same(name.p + name.n - 8, ".partial"))
            unlink(file_join(arena, folder, name.p));
    }
    closedir(dir);
}

/* Under the lock nobody else takes a name; a second backup within a second is told apart by the next one. */
static const char *free_name(struct arena *arena, const char *folder, const char *service, int64_t at_ms)
{
    for (;; at_ms += MS_SECOND) {
        const char *path = arena_printf(arena, "%s/%s_backup_full_%s.sql.gz", folder, service, moment_file(arena, at_ms));
        if (!file_exists(path) && !file_exists(manifest_path(arena, path)))
            return path;
    }
}

/* ---- the levels ---- */

static const char *const levels[BACKUP_LEVEL_MAX] = {[BACKUP_DEFAULT] = "default", [BACKUP_FAST] = "fast", [BACKUP_SMALL] = "small"};

const char *backup_level_name(enum backup_level level)
{
    return levels[level];
}

bool backup_level_parse(const char *name, enum backup_level *ret)
{
    for (int i = 0; i < BACKUP_LEVEL_MAX; i++)
        if (same(name, levels[i])) {
            *ret = (enum backup_level)i;
            return true;
        }
    return false;
}

/* ---- the whole ---- */

static bool run_pg_dump(struct making *m, const struct pgtarget *target, const struct pgdump *program, const char *scratch_dir,
                        struct err *err)
{
    const char *const *env;
    char *passfile = NULL;
    if (!file_mkdirs(scratch_dir, 0700, err) || !pg_client_env(m->arena, target, scratch_dir, &env, &passfile, err))
        return false;
    struct dumper_spec spec = {
        .argv = (const char *const[]){program->path, "--format=plain", "--no-password", "--lock-wait-timeout=300000", NULL},
        .env = env,
        .silence_ms = SILENCE_MS,
    };
    bool ok = stream(m, &spec, err);
    if (passfile)
        unlink(passfile);
    return ok;
}

static bool write_data(struct making *m, const struct pgtarget *target, const struct pgdump *program, const char *scratch_dir,
                       char *sha256, struct err *err)
{
    m->fd = open(m->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (m->fd < 0)
        return err_os(err, errno, "could not create \"%s\"", m->partial);
    if (!run_pg_dump(m, target, program, scratch_dir, err))
        return false;
    hash_end(m->hash, sha256);
    return settle(m, err) && read_back(m, sha256, err);
}

/* The manifest first: a backup that can be seen always has one. */
static bool publish(struct making *m, const struct backup *b, const struct manifest *more, struct err *err)
{
    if (!manifest_write(b, more, err))
        return false;
    if (!file_rename_durably(m->partial, b->path, err)) {
        unlink(manifest_path(m->arena, b->path));
        return false;
    }
    return true;
}

static bool make(struct making *m, const struct backup_spec *spec, struct backup *ret, struct err *err)
{
    const struct pgtarget *target = spec->target;
    const char *service = spec->service;
    struct backup *list;
    size_t count;
    struct source source = {0};
    struct pgdump program;
    char sha256[HASH_HEX_SIZE];
    int64_t began = clock_boot_ms();
    if (!backup_list(m->arena, &(struct backup_place){.service = service, .folder = m->folder}, &list, &count, err) || !enough_room(m, list, count, err) ||
        !ask_source(m->arena, target, &source, err) || !pgdump_find(m->arena, source.server_version, &program, err))
        return false;
    m->expected_bytes = count ? list[0].bytes : 0;
    struct backup b = {.path = free_name(m->arena, m->folder, service, source.snapshot_ms), .has_manifest = true};
    b.file = file_name_of(b.path);
    m->partial = arena_printf(m->arena, "%s/.%s.partial", m->folder, b.file);
    if (!write_data(m, target, &program, spec->scratch_dir, sha256, err))
        return false;
    b.snapshot_wall_ms = source.snapshot_ms;
    b.server_version = source.version_text;
    b.system_identifier = source.system_identifier;
    b.sha256 = arena_strdup(m->arena, sha256);
    b.bytes = m->bytes;
    b.rows = m->tally.rows;
    b.tables = m->tally.tables.p;
    b.table_count = m->tally.tables.n;
    b.took_ms = clock_boot_ms() - began;
    struct manifest more = {.service = service, .database = target->dbname, .tool = "bascule " BASCULE_VERSION, .pg_dump = program.path,
                            .sql_bytes = m->sql_bytes};
    if (!publish(m, &b, &more, err))
        return false;
    b.verified_how = "read";
    b.verified_wall_ms = clock_wall_ms();
    *ret = b;
    return backup_mark_verified(&b, "read", err) || err_prefix(err, "backup \"%s\" is good, but that could not be recorded", b.file);
}

bool backup_make(struct arena *arena, const struct backup_spec *spec, struct backup *ret, struct err *err)
{
    const char *service = spec->service, *folder = spec->folder;
    SCOPED(close_fd) int lock = -1;
    if (!file_mkdirs(folder, 0750, err))
        return false;
    if (!file_lock(arena_printf(arena, "%s/.%s.backup.lock", folder, service), &lock, err)) {
        if (err && err->code == ERR_REFUSED)
            err_set(err, ERR_REFUSED, "another backup of \"%s\" is being made in \"%s\"", service, folder);
        return false;
    }
    remove_leftovers(arena, folder, service);
    SCOPED(hash_close) struct hash *hash = hash_open();
    struct making m = {.arena = arena, .folder = folder, .progress = spec->progress, .fd = -1, .hash = hash};
    bool ok = make(&m, spec, ret, err);
    close_fd(&m.fd);
    if (!ok && m.partial)
        unlink(m.partial); /* gone already when only the record of the verification failed */
    return ok || err_prefix(err, "backing up \"%s\"", service);
}
