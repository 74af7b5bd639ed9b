/* io/db.c -- The only file that includes sqlite3.h. */
#include "io/db.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct db {
    sqlite3 *handle;
    char *path, *folder;
    struct arena *arena;
    int64_t application_id, format;
    bool empty;
    bool durable;
    bool relaxed, may_relax; /* how SQLite commits now; how it is to */
};

struct db_stmt {
    struct db *db;
    sqlite3_stmt *handle;
    int bind_failed; /* first failure of a bind, reported by the next step */
};

int64_t db_free_bytes(const char *folder)
{
    struct statvfs fs;
    if (statvfs(folder, &fs) != 0)
        return -1;
    return (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}

bool db_disk_full(const struct err *err)
{
    return err->code == ERR_IO && (err->os == ENOSPC || err->os == EDQUOT || err->os == EFBIG);
}

static bool fail_full(struct db *db, int os, const char *what, struct err *err)
{
    err_set(err, ERR_IO, "%s: no room in \"%s\": %" PRId64 " bytes free", what, db->folder, db_free_bytes(db->folder));
    err_hint(err, "make room in \"%s\" (df -h, du -x), then try again; nothing was written", db->folder);
    if (err) {
        err->os = os;
        err->retryable = true;
    }
    return false;
}

/* SQLite says "I/O error" and forgets errno where a write was refused for a quota or a limit on the size of files. So the question is put
   again, to the file system: ENOSPC, EDQUOT, EFBIG, or 0 when it would take more. */
static int room_error(const char *folder)
{
    static const char probe[64 * 1024];
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        return EFBIG;
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    int os = fd < 0 || write(fd, probe, sizeof(probe)) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return os == ENOSPC || os == EDQUOT ? os : 0;
}

static bool is_write_error(int rc)
{
    return rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_TRUNCATE || rc == SQLITE_IOERR_SHMSIZE ||
           rc == SQLITE_IOERR_SHMOPEN;
}

/* One place that turns a result code of SQLite into an error of ours. */
static bool fail(struct db *db, int rc, const char *what, struct err *err) /* always false */
{
    int os = db->handle ? sqlite3_system_errno(db->handle) : 0;
    const char *why = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    switch (rc & 0xFF) {
    case SQLITE_FULL:
        return fail_full(db, ENOSPC, what, err);
    case SQLITE_IOERR:
        if (is_write_error(rc) && room_error(db->folder))
            return fail_full(db, room_error(db->folder), what, err);
        err_set(err, ERR_IO, "%s: \"%s\": %s%s%s", what, db->path, why, os ? ": " : "", os ? strerror(os) : "");
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        err_set(err, ERR_DATA, "%s: the file \"%s\" is damaged or is no database: %s", what, db->path, why);
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        err_set(err, ERR_TIMEOUT, "%s: another process holds \"%s\"", what, db->path);
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        err_set(err, os == ENOENT ? ERR_NOT_FOUND : ERR_PERMISSION, "%s: \"%s\": %s%s%s", what, db->path, why, os ? ": " : "",
                os ? strerror(os) : "");
        break;
    case SQLITE_CONSTRAINT:
        err_set(err, ERR_REFUSED, "%s: \"%s\": %s", what, db->path, why);
        break;
    default:
        err_set(err, ERR_INTERNAL, "%s: \"%s\": %s", what, db->path, why);
    }
    if (err)
        err->os = os;
    return false;
}

bool db_run(struct db *db, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || fail(db, rc, "could not write", err);
}

bool db_ask_int(struct db *db, const char *sql, int64_t *ret, struct err *err)
{
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    bool row = false;
    if (!db_prepare(db, sql, &stmt, err) || !db_step(stmt, &row, err))
        return false;
    *ret = row ? db_int(stmt, 0) : 0;
    return true;
}

/* SQLite would make the file 0644. A file made by root in somebody's folder goes to that somebody, or the daemon could not open it. */
static bool make_file(struct db *db, struct err *err)
{
    int fd = open(db->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0 && errno == EEXIST)
        return true;
    if (fd < 0 && (errno == ENOSPC || errno == EDQUOT)) /* no inode, no room for a name */
        return fail_full(db, errno, "could not create", err);
    if (fd < 0) {
        int os = errno;
        err_os(err, os, "could not create \"%s\"", db->path);
        if (err)
            err->code = os == EACCES || os == EROFS ? ERR_PERMISSION : os == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        return false;
    }
    struct stat folder;
    bool given = geteuid() != 0 || stat(db->folder, &folder) != 0 || fchown(fd, folder.st_uid, folder.st_gid) == 0;
    close(fd);
    return given || err_os(err, errno, "could not give \"%s\" to the owner of its folder", db->path);
}

static bool check_identity(struct db *db, struct err *err)
{
    int64_t id, format, objects;
    struct stat file;
    /* SQLite takes a file of one byte for an empty one; we never leave one, so something else did. */
    if (stat(db->path, &file) == 0 && file.st_size == 1)
        return err_set(err, ERR_DATA, "the file \"%s\" is damaged or is no database: it has one byte", db->path);
    if (!db_ask_int(db, "PRAGMA application_id", &id, err) || !db_ask_int(db, "PRAGMA user_version", &format, err) ||
        !db_ask_int(db, "SELECT count(*) FROM sqlite_schema", &objects, err))
        return false;
    db->empty = id == 0 && format == 0 && objects == 0;
    if (db->empty)
        return true;
    if (id != db->application_id)
        return err_set(err, ERR_DATA, "\"%s\" is a database of another program: application id %" PRId64 ", expected %" PRId64, db->path,
                       id, db->application_id);
    if (format > db->format) {
        err_set(err, ERR_DATA, "\"%s\" has format %" PRId64 ", written by a newer version; this one knows formats up to %" PRId64,
                db->path, format, db->format);
        return err_hint(err, "use the newer version again, or move the file aside to start a new one");
    }
    return true;
}

static bool configure(struct db *db, const struct db_spec *spec, struct err *err)
{
    sqlite3_busy_timeout(db->handle, spec->busy_ms);
    sqlite3_extended_result_codes(db->handle, 1);
    /* A file that was altered on purpose must not run anything, nor crash us. */
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (!check_identity(db, err)) /* before the journal mode: what is not ours must not be changed */
        return false;
    if (!spec->write)
        return db_run(db, "PRAGMA query_only=1", err);
    return db_run(db, "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=16777216; PRAGMA foreign_keys=1", err) &&
           db_run(db, spec->durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF", err);
}

static struct db *db_new(const struct db_spec *spec)
{
    struct arena *arena = arena_open();
    struct db *db = arena_new(arena, struct db);
    const char *slash = strrchr(spec->path, '/');
    *db = (struct db){.arena = arena, .application_id = spec->application_id, .format = spec->format, .durable = spec->durable};
    db->path = arena_strdup(arena, spec->path);
    db->folder = slash ? arena_strndup(arena, spec->path, slash == spec->path ? 1 : (size_t)(slash - spec->path)) : arena_strdup(arena, ".");
    return db;
}

bool db_open(const struct db_spec *spec, struct db **ret, struct err *err)
{
    SCOPED(db_close) struct db *db = db_new(spec);
    if (spec->create && !make_file(db, err))
        return false;
    if (!spec->create && access(spec->path, F_OK) != 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_PERMISSION, "could not open \"%s\": %s", spec->path, strerror(errno));
    /* Reading in WAL mode writes to the shared-memory file; who may not do that still reads when the file is at rest. */
    bool may_write = spec->write || access(spec->path, W_OK) == 0;
    int rc = sqlite3_open_v2(spec->path, &db->handle, may_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY, NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc, "could not open", err);
    if (!configure(db, spec, err))
        return false;
    *ret = TAKE(db);
    return true;
}

void db_close(struct db **db)
{
    if (!db || !*db)
        return;
    sqlite3_close_v2((*db)->handle);
    struct arena *arena = (*db)->arena;
    arena_close(&arena);
    *db = NULL;
}

bool db_empty(const struct db *db)
{
    return db->empty;
}

bool db_stamp(struct db *db, struct err *err)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "PRAGMA application_id=%" PRId64 "; PRAGMA user_version=%" PRId64, db->application_id, db->format);
    if (!db_run(db, sql, err))
        return false;
    db->empty = false;
    return true;
}

bool db_begin(struct db *db, struct err *err)
{
    int rc = sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return rc == SQLITE_OK || fail(db, rc, "could not begin to write", err);
}

bool db_commit(struct db *db, struct err *err)
{
    int rc = sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return !db->relaxed || db->may_relax || db_sync(db, err);
    fail(db, rc, "could not write", err);
    db_rollback(db);
    return false;
}

void db_relax(struct db *db, bool relaxed)
{
    db->may_relax = relaxed;
    if (db->durable && db->relaxed != relaxed && db_run(db, relaxed ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL", NULL))
        db->relaxed = relaxed; /* else it stays as it was: db_commit looks after that */
}

/* By a descriptor of our own: SQLite holds no locks on its log, so closing it takes none away. */
bool db_sync(struct db *db, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *log = arena_printf(arena, "%s-wal", db->path);
    int fd = db->durable ? open(log, O_RDONLY | O_CLOEXEC) : -1;
    bool ok = !db->durable || (fd >= 0 && fdatasync(fd) == 0) || err_os(err, errno, "could not sync \"%s\"", log);
    if (fd >= 0)
        close(fd);
    return ok;
}

void db_fold_at(struct db *db, int pages)
{
    sqlite3_wal_autocheckpoint(db->handle, pages);
}

void db_fold(struct db *db)
{
    sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL); /* what cannot be folded now is folded later */
}

void db_rollback(struct db *db)
{
    /* After some errors SQLite has rolled back by itself; asking again would only report that. */
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

bool db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct err *err)
{
    struct db_stmt *stmt = calloc(1, sizeof(*stmt));
    if (!stmt)
        abort(); /* out of memory: as an arena would */
    stmt->db = db;
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL);
    if (rc != SQLITE_OK) {
        free(stmt);
        fail(db, rc, "could not read", err);
        return false;
    }
    *ret = stmt;
    return true;
}

void db_finish(struct db_stmt **stmt)
{
    if (!stmt || !*stmt)
        return;
    sqlite3_finalize((*stmt)->handle);
    free(*stmt);
    *stmt = NULL;
}

static void note_bind(struct db_stmt *stmt, int rc)
{
    if (rc != SQLITE_OK && stmt->bind_failed == SQLITE_OK)
        stmt->bind_failed = rc;
}

void db_bind_int(struct db_stmt *stmt, int index, int64_t value)
{
    note_bind(stmt, sqlite3_bind_int64(stmt->handle, index, value));
}

void db_bind_text(struct db_stmt *stmt, int index, struct str text)
{
    note_bind(stmt, sqlite3_bind_text64(stmt->handle, index, text.p ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8));
}

bool db_step(struct db_stmt *stmt, bool *ret_row, struct err *err)
{
    if (stmt->bind_failed != SQLITE_OK)
        return fail(stmt->db, stmt->bind_failed, "could not pass a value", err);
    int rc = sqlite3_step(stmt->handle);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        fail(stmt->db, rc, sqlite3_stmt_readonly(stmt->handle) ? "could not read" : "could not write", err);
        sqlite3_reset(stmt->handle);
        return false;
    }
    *ret_row = rc == SQLITE_ROW;
    return true;
}

void db_reset(struct db_stmt *stmt)
{
    sqlite3_reset(stmt->handle);
    sqlite3_clear_bindings(stmt->handle);
    stmt->bind_failed = SQLITE_OK;
}

int64_t db_int(struct db_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

struct str db_text(struct db_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt->handle, column);
    return (struct str){.p = text ? text : "", .n = text ? (size_t)sqlite3_column_bytes(stmt->handle, column) : 0};
}
