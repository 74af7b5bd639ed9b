/* backup/make.c -- One backup: a dump of one snapshot under a temporary name, read back from the disk, and only then given its name. */
#include <dirent.h>
#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "backup/dumper.h"
#include "backup/engine.h"
#include "io/pg.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { JOBS_DEFAULT_MOST = 8 }; /* a server has its users to serve besides */

struct making {
    struct arena *arena;
    const struct backup_spec *spec;
    const char *partial;
    int jobs;
    struct outfile *file;
    struct snapshot snapshot;
    struct spool_sum sum;
    char sha256[HASH_HEX_SIZE];
    int64_t bytes;         /* of the file */
};

/* ---- the file ---- */

static const struct seal_key *key_of(const struct making *m)
{
    return m->spec->encrypt ? &m->spec->keys->keys[0] : NULL;
}

static bool dump(struct making *m, const struct pgdump *program, struct err *err)
{
    const struct backup_spec *spec = m->spec;
    const char *const *env;
    char *passfile = NULL;
    if (!file_mkdirs(spec->scratch_dir, 0700, err) || !pg_client_env(m->arena, spec->target, spec->scratch_dir, &env, &passfile, err))
        return false;
    struct engine_spec engine = {
        .target = spec->target,
        .pg_dump = program->path,
        .env = env,
        .snapshot = &m->snapshot,
        .level = spec->level,
        .jobs = m->jobs,
        .max_rate = spec->max_rate,
        .large_min = spec->large_min,
        .piece_bytes = spec->piece_bytes,
        .progress = spec->progress,
        .sink = outfile_add,
        .sink_arg = m->file,
    };
    bool ok = engine_run(m->arena, &engine, &m->sum, err);
    if (passfile)
        unlink(passfile);
    return ok;
}

static bool read_back(struct making *m, struct err *err)
{
    char again[HASH_HEX_SIZE];
    bool ok = key_of(m) ? engine_read_back_encrypted(m->partial, &m->sum, key_of(m), m->spec->progress, again, err)
                        : engine_read_back(m->partial, &m->sum, m->jobs, m->spec->progress, err);
    if (ok && key_of(m) && !same(again, m->sha256))
        ok = err_set(err, ERR_IO, "the file has another checksum than what was written");
    if (ok)
        return true;
    err_prefix(err, "reading the new backup back");
    return err_hint(err, "the disk under \"%s\", the memory or the processor is not sound", m->spec->folder);
}

static bool write_data(struct making *m, const struct pgdump *program, struct err *err)
{
    if (!outfile_open(m->partial, key_of(m), &m->file, err))
        return false;
    bool ok = dump(m, program, err);
    snapshot_close(&m->snapshot); /* the server need not keep old rows for us while we look at our own file */
    ok = ok && outfile_end(m->file, m->sha256, &m->bytes, err);
    if (!ok && err && (err->os == ENOSPC || err->os == EDQUOT))
        err_hint(err, "make room in \"%s\"; the older backups were left as they are", m->spec->folder);
    return ok && read_back(m, err);
}

/* ---- before ---- */

static bool enough_room(const struct making *m, const struct backup *list, size_t count, struct err *err)
{
    struct statvfs fs;
    if (count == 0)
        return true;
    if (statvfs(m->spec->folder, &fs) != 0)
        return err_os(err, errno, "could not ask for the free space of \"%s\"", m->spec->folder);
    int64_t wanted = list[0].bytes + list[0].bytes / 10;
    int64_t free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    if (free_bytes >= wanted)
        return true;
    err_set(err, ERR_REFUSED, "\"%s\" has %lld MiB free, a backup may need %lld MiB", m->spec->folder, (long long)free_bytes >> 20,
            ((long long)wanted >> 20) + 1);
    return err_hint(err, "make room there; nothing was removed");
}

/* What a run that was killed left: its file, or a record that had not got its name (file_write makes those anew when they go). */
static bool is_leftover(struct str name)
{
    static const char partial[] = ".partial", record[] = ".json.XXXXXX";
    size_t n = sizeof(record) - 1;
    return (name.n >= sizeof(partial) && same(name.p + name.n - sizeof(partial) + 1, partial)) ||
           (name.n > n && memcmp(name.p + name.n - n, record, n - 6) == 0);
}

static void remove_leftovers(struct arena *arena, const char *folder, const char *service)
{
    const char *prefix = arena_printf(arena, ".%s_backup_full_", service);
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct str name = str_of(entry->d_name);
        if (str_starts(name, prefix) && is_leftover(name))
            unlink(file_join(arena, folder, name.p));
    }
    closedir(dir);
}

/* Under the lock nobody else takes a name; a second backup within a second is told apart by the next one. */
static const char *free_name(struct making *m, int64_t at_ms)
{
    struct arena *arena = m->arena;
    for (;; at_ms += MS_SECOND) {
        const char *path = arena_printf(arena, "%s/%s_backup_full_%s.sql.gz%s", m->spec->folder, m->spec->service, moment_file(arena, at_ms),
                                        m->spec->encrypt ? ".enc" : "");
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

/* One more than processors: while one session waits for its server, another packs. */
static int jobs_of(const struct backup_spec *spec)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return spec->jobs > 0 ? spec->jobs : (int)MIN_OF(MAX_OF(processors, 1L) + 1, (long)JOBS_DEFAULT_MOST);
}

/* The manifest first: a backup that can be seen always has one. */
static bool publish(struct making *m, const struct backup *b, const struct manifest *more, struct err *err)
{
    if (!manifest_write(b, more, err))
        return false;
    if (!file_rename_durably(m->partial, b->path, err)) {
        unlink(b->path); /* it may have got the name, and the folder could not be synced */
        unlink(manifest_path(m->arena, b->path));
        return false;
    }
    return true;
}

static void take_tables(struct making *m, struct backup *b)
{
    const struct index *index = &m->sum.index;
    b->tables = arena_array(m->arena, struct backup_table, index->item_count);
    b->rows = 0;
    for (size_t i = 0; i < index->item_count; i++) {
        const struct index_item *item = &index->items[i];
        if (item->kind != ITEM_TABLE)
            continue;
        b->tables[b->table_count++] = (struct backup_table){.name = item->name, .rows = item->rows, .hash = item->hash, .has_hash = true};
        b->rows += item->rows;
    }
}

static void describe(struct making *m, struct backup *b)
{
    b->snapshot_wall_ms = m->snapshot.wall_ms;
    b->snapshot_lsn = m->snapshot.lsn;
    b->server_version = m->snapshot.version_text;
    b->system_identifier = m->snapshot.system_identifier;
    b->sha256 = arena_strdup(m->arena, m->sha256);
    b->bytes = m->bytes;
    b->sql_bytes = m->sum.sql_bytes;
    b->level = backup_level_name(m->spec->level);
    b->jobs = m->jobs;
    take_tables(m, b);
}

static bool make(struct making *m, struct backup *ret, struct err *err)
{
    const struct backup_spec *spec = m->spec;
    struct backup *list;
    size_t count;
    struct pgdump program;
    int64_t began = clock_boot_ms();
    if (!backup_list(m->arena, &(struct backup_place){spec->service, spec->folder, spec->keys}, &list, &count, err) || !enough_room(m, list, count, err) ||
        !snapshot_open(m->arena, spec->target, &m->snapshot, err) ||
        !pgdump_find(m->arena, m->snapshot.server_version, &program, err))
        return false;
    if (spec->lock_wait_ms)
        m->snapshot.lock_wait_ms = spec->lock_wait_ms;
    struct backup b = {.path = free_name(m, m->snapshot.wall_ms), .has_manifest = true,
                       .keys = spec->keys, .opens = spec->keys, .sealed = keyring_any(spec->keys), .encrypted = spec->encrypt};
    b.file = file_name_of(b.path);
    m->partial = arena_printf(m->arena, "%s/.%s.partial", spec->folder, b.file);
    if (!write_data(m, &program, err))
        return false;
    describe(m, &b);
    b.took_ms = clock_boot_ms() - began;
    struct manifest more = {.service = spec->service, .database = spec->target->dbname, .tool = "bascule " BASCULE_VERSION,
                            .pg_dump = program.path};
    if (!publish(m, &b, &more, err))
        return false;
    b.verified_how = "read";
    b.verified_wall_ms = clock_wall_ms();
    *ret = b;
    return backup_mark_verified(&b, "read", err) || err_prefix(err, "backup \"%s\" is good, but that could not be recorded", b.file);
}

bool backup_make(struct arena *arena, const struct backup_spec *spec, struct backup *ret, struct err *err)
{
    SCOPED(file_close) int lock = -1;
    if (spec->encrypt && !keyring_any(spec->keys))
        return err_set(err, ERR_CONFIG, "a backup cannot be encrypted without a key");
    if (!file_mkdirs(spec->folder, 0750, err))
        return false;
    if (!file_lock(arena_printf(arena, "%s/.%s.backup.lock", spec->folder, spec->service), &lock, err)) {
        if (err && err->code == ERR_REFUSED)
            err_set(err, ERR_REFUSED, "another backup of \"%s\" is being made in \"%s\"", spec->service, spec->folder);
        return false;
    }
    remove_leftovers(arena, spec->folder, spec->service);
    struct making m = {.arena = arena, .spec = spec, .jobs = jobs_of(spec)};
    bool ok = make(&m, ret, err);
    snapshot_close(&m.snapshot);
    outfile_close(&m.file);
    if (!ok && m.partial)
        unlink(m.partial); /* gone already when only the record of the verification failed */
    return ok || err_prefix(err, "backing up \"%s\"", spec->service);
}
