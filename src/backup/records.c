/* backup/records.c -- The JSON files beside a backup. The manifest says what was taken and never changes; the verification says
   what was found when somebody looked, and is bound to size and time of the file it was found in. */
#include <errno.h>
#include <limits.h>

#include "backup/backup_internal.h"
#include "base/jsonout.h"
#include "io/json.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { RECORD_MAX = JSON_TEXT_MAX };

char *manifest_path(struct arena *arena, const char *backup_path)
{
    return arena_printf(arena, "%s.manifest.json", backup_path);
}

char *verified_path(struct arena *arena, const char *backup_path)
{
    return arena_printf(arena, "%s.verified.json", backup_path);
}

static void put_tables(struct jsonout *j, const struct backup *b)
{
    json_key(j, "tables");
    json_array(j);
    for (size_t i = 0; i < b->table_count; i++) {
        json_object(j);
        json_put_text(j, "name", b->tables[i].name);
        json_put_int(j, "rows", b->tables[i].rows);
        if (b->tables[i].has_hash) {
            char hash[17];
            snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)b->tables[i].hash);
            json_put_text(j, "hash", hash); /* as text: numbers in JSON are exact up to 2^53 only */
        }
        json_object_end(j);
    }
    json_array_end(j);
}

static bool save(const char *path, const struct keyring *keys, struct buf *text, struct err *err)
{
    seal_record(keys, text);
    buf_putc(text, '\n');
    if (text->over)
        return err_set(err, ERR_LIMIT, "\"%s\" would be too large", path);
    return file_write(path, text->p, text->n, 0600, err);
}

bool manifest_write(const struct backup *backup, const struct manifest *more, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf text = {.max = RECORD_MAX};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_int(&j, "format", 1);
    json_put_text(&j, "service", more->service);
    json_put_text(&j, "file", backup->file);
    json_put_text(&j, "database", more->database);
    json_put_text(&j, "server_version", backup->server_version);
    json_put_text(&j, "system_identifier", backup->system_identifier);
    json_put_int(&j, "snapshot_ms", backup->snapshot_wall_ms);
    json_put_text(&j, "snapshot", moment_iso(arena, backup->snapshot_wall_ms));
    json_put_text(&j, "snapshot_lsn", backup->snapshot_lsn);
    json_put_int(&j, "bytes", backup->bytes);
    json_put_int(&j, "sql_bytes", backup->sql_bytes);
    json_put_int(&j, "rows", backup->rows);
    json_put_text(&j, "sha256", backup->sha256);
    json_put_int(&j, "took_ms", backup->took_ms);
    json_put_text(&j, "level", backup->level);
    json_put_int(&j, "jobs", backup->jobs);
    json_put_text(&j, "tool", more->tool);
    json_put_text(&j, "pg_dump", more->pg_dump);
    put_tables(&j, backup);
    json_object_end(&j);
    return save(manifest_path(arena, backup->path), backup->keys, &text, err);
}

static bool read_json(struct arena *arena, const char *path, const struct keyring *keys, const struct json **ret, struct err *err)
{
    struct str text;
    if (!file_read(arena, path, RECORD_MAX, &text, err))
        return false;
    if (!record_is_sealed(keys, text, err))
        return err_prefix(err, "\"%s\"", path);
    return json_parse(arena, text, ret, err) || err_prefix(err, "\"%s\"", path);
}

/* Sixteen hexadecimal digits, or the hash is not known. */
static void take_hash(const char *text, struct backup_table *table)
{
    char *end;
    if (!text || strlen(text) != 16)
        return;
    errno = 0;
    table->hash = strtoull(text, &end, 16);
    table->has_hash = *end == 0 && errno == 0;
}

static bool take_tables(struct arena *arena, const struct json *root, struct backup *b)
{
    const struct json *list = json_get(root, "tables");
    size_t n = json_count(list);
    struct backup_table *tables = arena_array(arena, struct backup_table, n);
    int64_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        tables[i].name = json_string(json_get(json_at(list, i), "name"));
        if (!tables[i].name || !json_integer(json_get(json_at(list, i), "rows"), &tables[i].rows))
            return false;
        take_hash(json_string(json_get(json_at(list, i), "hash")), &tables[i]);
        if (tables[i].rows < 0 || __builtin_add_overflow(rows, tables[i].rows, &rows))
            return false;
    }
    b->tables = tables;
    b->table_count = n;
    b->rows = rows;
    return true;
}

bool manifest_read(struct arena *arena, struct backup *backup, struct err *err)
{
    const char *path = manifest_path(arena, backup->path);
    const struct json *root;
    if (!file_exists(path))
        return true;
    if (!read_json(arena, path, backup->keys, &root, err))
        return false;
    const char *file = json_string(json_get(root, "file"));
    if (keyring_any(backup->keys) && !same(file, backup->file))
        return err_set(err, ERR_DATA, "\"%s\" is sealed for another file, \"%s\"", path, file ? file : "");
    struct backup b = *backup;
    b.has_manifest = true;
    b.sealed = keyring_any(backup->keys);
    b.sha256 = json_string(json_get(root, "sha256"));
    b.server_version = json_string(json_get(root, "server_version"));
    b.system_identifier = json_string(json_get(root, "system_identifier"));
    b.snapshot_lsn = json_string(json_get(root, "snapshot_lsn"));
    b.level = json_string(json_get(root, "level"));
    int64_t jobs = 0;
    if (json_integer(json_get(root, "jobs"), &jobs) && jobs > 0 && jobs <= INT_MAX)
        b.jobs = (int)jobs;
    if (!json_integer(json_get(root, "sql_bytes"), &b.sql_bytes) || b.sql_bytes < 0)
        b.sql_bytes = 0;
    bool whole = json_integer(json_get(root, "snapshot_ms"), &b.snapshot_wall_ms) && json_integer(json_get(root, "bytes"), &b.bytes) &&
                 json_integer(json_get(root, "took_ms"), &b.took_ms) && b.bytes >= 0 && b.sha256 && take_tables(arena, root, &b);
    if (!whole)
        return err_set(err, ERR_DATA, "\"%s\" lacks what a manifest must say", path);
    *backup = b;
    return true;
}

static int64_t mtime_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * MS_SECOND + st->st_mtim.tv_nsec / 1000000;
}

bool verified_write(const struct backup *backup, const char *how, const char *damage, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf text = {.max = RECORD_MAX};
    struct stat st;
    if (stat(backup->path, &st) != 0)
        return err_os(err, errno, "could not look at \"%s\"", backup->path);
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "file", backup->file);
    json_put_int(&j, "bytes", st.st_size);
    json_put_int(&j, "mtime_ms", mtime_ms(&st));
    json_put_int(&j, "verified_ms", clock_wall_ms());
    json_put_text(&j, "how", how);
    json_put_text(&j, "damage", damage);
    json_put_text(&j, "sha256", backup->sha256);
    if (!damage)
        put_tables(&j, backup);
    json_object_end(&j);
    return save(verified_path(arena, backup->path), backup->keys, &text, err);
}

void verified_read(struct arena *arena, struct backup *backup, const struct stat *file)
{
    const struct json *root;
    int64_t bytes, changed, when;
    if (!read_json(arena, verified_path(arena, backup->path), backup->keys, &root, NULL))
        return;
    const char *sha256 = json_string(json_get(root, "sha256"));
    if (keyring_any(backup->keys) && (!same(json_string(json_get(root, "file")), backup->file) || !same(sha256, backup->sha256)))
        return;
    if (!json_integer(json_get(root, "bytes"), &bytes) || !json_integer(json_get(root, "mtime_ms"), &changed) ||
        !json_integer(json_get(root, "verified_ms"), &when))
        return;
    /* Copies keep whole seconds, or even every second one. */
    if (bytes != file->st_size || changed < mtime_ms(file) - 2 * MS_SECOND || changed > mtime_ms(file) + 2 * MS_SECOND)
        return;
    const char *damage = json_string(json_get(root, "damage")), *how = json_string(json_get(root, "how"));
    if (damage) {
        backup->damage = backup->damage ? backup->damage : damage;
        return;
    }
    if (!backup->has_manifest && !take_tables(arena, root, backup))
        return;
    backup->verified_wall_ms = when;
    backup->verified_how = same(how, "restored") ? "restored" : "read";
}
