/* backup/verify.c -- A backup is good when it was read to its end: gzip, checksum, SQL, rows. */
#include "backup/backup_internal.h"
#include "dump/open.h"
#include "io/hash.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { PIECE = 256 * 1024 };

static bool hash_tap(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    hash_add(arg, data, size);
    return true;
}

static bool read_through(struct gzip_reader *reader, struct lexer *lexer, char *piece, const struct backup_progress *progress,
                         int64_t *sql_bytes, struct err *err)
{
    for (size_t n;;) {
        if (!gzip_reader_read(reader, piece, PIECE, &n, err))
            return false;
        if (n == 0)
            return lexer_end(lexer, err);
        if (!lexer_feed(lexer, piece, n, err))
            return false;
        *sql_bytes += (int64_t)n;
        if (progress && progress->fn)
            progress->fn(progress->arg, gzip_reader_at(reader), gzip_reader_size(reader), "verify");
    }
}

bool backup_read(struct arena *arena, const char *path, const struct keyring *opens, const struct backup_progress *progress,
                 struct tally *tally, char *sha256, int64_t *ret_sql_bytes, struct err *err)
{
    SCOPED(hash_close) struct hash *hash = hash_open();
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    if (!dump_open(path, opens ? opens->keys : NULL, opens ? opens->n : 0, hash_tap, hash, &reader, err))
        return false;
    *tally = (struct tally){.arena = arena};
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(tally_item, tally);
    SCOPED(arena_close) struct arena *own = arena_open();
    int64_t sql_bytes = 0;
    bool ok = read_through(reader, lexer, arena_alloc(own, PIECE), progress, &sql_bytes, err);
    hash_end(hash, sha256);
    *ret_sql_bytes = sql_bytes;
    return ok;
}

static int64_t rows_of(const struct tally *tally, const char *table)
{
    for (size_t i = 0; i < tally->tables.n; i++)
        if (same(tally->tables.p[i].name, table))
            return tally->tables.p[i].rows;
    return -1;
}

static bool agree(const struct backup *b, const struct tally *tally, const char *sha256, struct err *err)
{
    if (!b->has_manifest)
        return true;
    for (size_t i = 0; i < b->table_count; i++) {
        int64_t rows = rows_of(tally, b->tables[i].name);
        if (rows != b->tables[i].rows)
            return err_set(err, ERR_DATA, "table %s has %lld rows in the file, its manifest says %lld", b->tables[i].name,
                           (long long)MAX_OF(rows, 0), (long long)b->tables[i].rows);
    }
    if (tally->tables.n != b->table_count)
        return err_set(err, ERR_DATA, "the file has %zu tables, its manifest says %zu", tally->tables.n, b->table_count);
    if (!same(sha256, b->sha256))
        return err_set(err, ERR_DATA, "the checksum of the file is %.12s..., its manifest says %.12s...", sha256, b->sha256);
    return true;
}

static bool look_through(struct arena *arena, struct backup *b, const struct backup_progress *progress, struct err *err)
{
    char sha256[HASH_HEX_SIZE];
    struct tally tally;
    int64_t sql_bytes;
    bool broken_manifest = b->damage && !b->has_manifest && (keyring_any(b->keys) || file_exists(manifest_path(arena, b->path)));
    if (broken_manifest || (b->damage && b->bytes == 0))
        return err_set(err, ERR_DATA, "%s", b->damage);
    if (!backup_read(arena, b->path, b->opens, progress, &tally, sha256, &sql_bytes, err) || !agree(b, &tally, sha256, err))
        return false;
    if (!b->has_manifest) {
        b->tables = tally.tables.p;
        b->table_count = tally.tables.n;
        b->rows = tally.rows;
        b->sha256 = arena_strdup(arena, sha256);
    }
    return true;
}

/* The verdict about the file itself; ret_recorded says whether it could also be written down. */
static bool verify(struct arena *arena, struct backup *b, const struct backup_progress *progress, bool *ret_recorded, struct err *record_err,
                   struct err *err)
{
    struct err own = {0};
    *ret_recorded = true;
    if (look_through(arena, b, progress, &own)) {
        b->damage = NULL;
        *ret_recorded = backup_mark_verified(b, "read", record_err);
        if (*ret_recorded) {
            b->verified_wall_ms = clock_wall_ms();
            b->verified_how = "read";
        }
        return true;
    }
    if (own.code == ERR_DATA || own.code == ERR_LIMIT) { /* a disk that could not be read today says nothing about the file */
        b->damage = arena_strdup(arena, own.message);
        b->verified_wall_ms = 0;
        b->verified_how = NULL;
        *ret_recorded = verified_write(b, "read", b->damage, record_err);
    }
    if (err)
        *err = own;
    return err_prefix(err, "backup \"%s\"", b->file);
}

bool backup_verify(struct arena *arena, struct backup *backup, const struct backup_progress *progress, struct err *err)
{
    bool recorded;
    struct err record_err = {0};
    if (!verify(arena, backup, progress, &recorded, &record_err, err))
        return false;
    if (recorded)
        return true;
    if (err)
        *err = record_err;
    return err_prefix(err, "backup \"%s\" is good, but that could not be recorded", backup->file);
}

bool backup_mark_verified(const struct backup *backup, const char *how, struct err *err)
{
    return verified_write(backup, how, NULL, err);
}

bool backup_newest_good(struct arena *arena, const struct backup_place *place, const struct backup_progress *progress, struct buf *skipped,
                        struct backup *ret, struct err *err)
{
    struct backup *list;
    size_t count;
    if (!backup_list(arena, place, &list, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct err why = {0}, unused = {0};
        bool recorded;
        if (list[i].damage)
            buf_printf(skipped, "%s: %s\n", list[i].file, list[i].damage);
        else if (!verify(arena, &list[i], progress, &recorded, &unused, &why))
            buf_printf(skipped, "%s\n", why.message);
        else {
            *ret = list[i];
            return true;
        }
    }
    if (count)
        return err_set(err, ERR_NOT_FOUND, "none of the %zu backups of \"%s\" in \"%s\" is good", count, place->service, place->folder);
    return err_set(err, ERR_NOT_FOUND, "there is no backup of \"%s\" in \"%s\"", place->service, place->folder);
}
