/* backup/catalogue.c -- What lies in a folder, told from names and records without reading a backup. */
#include <dirent.h>
#include <errno.h>

#include "backup/backup_internal.h"
#include "sys/file.h"

const char *backup_moment_in(const char *name, const char *service)
{
    static const char *const endings[] = {".sql.gz", ".sql.gz.enc", ".sql.zst", ".sql"};
    static const char middle[] = "_backup_full_";
    size_t n = strlen(service), m = sizeof(middle) - 1;
    if (strncmp(name, service, n) != 0 || strncmp(name + n, middle, m) != 0)
        return NULL;
    const char *moment = name + n + m;
    int64_t unused;
    if (strlen(moment) < 15 || !moment_parse_file(moment, &unused))
        return NULL;
    const char *rest = moment + 15;
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        if (same(rest, endings[i]))
            return moment;
    return NULL;
}

static int64_t two_digits(const char *p)
{
    return (p[0] - '0') * 10 + (p[1] - '0');
}

/* Shell scripts name files in local time, we in UTC. Age must never be told too young, so the earlier one counts. */
static int64_t moment_of(const char *moment, const struct stat *st)
{
    int64_t utc;
    if (!moment_parse_file(moment, &utc))
        return 0;
    struct tm tm = {.tm_year = (int)(two_digits(moment) * 100 + two_digits(moment + 2)) - 1900,
                    .tm_mon = (int)two_digits(moment + 4) - 1,
                    .tm_mday = (int)two_digits(moment + 6),
                    .tm_hour = (int)two_digits(moment + 9),
                    .tm_min = (int)two_digits(moment + 11),
                    .tm_sec = (int)two_digits(moment + 13),
                    .tm_isdst = -1};
    time_t local = mktime(&tm);
    int64_t earliest = local == (time_t)-1 ? utc : MIN_OF(utc, (int64_t)local * MS_SECOND);
    return MIN_OF(earliest, (int64_t)st->st_mtim.tv_sec * MS_SECOND);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && same(text + n - m, end);
}

static void look_at(struct arena *arena, const struct backup_place *place, const char *name, const char *moment, const struct stat *st,
                    struct backup *b)
{
    struct err err = {0};
    *b = (struct backup){.path = file_join(arena, place->folder, name), .file = arena_strdup(arena, name), .bytes = st->st_size, .rows = -1,
                         .keys = place->keys, .opens = place->keys, .encrypted = ends_with(name, ".enc")};
    b->snapshot_wall_ms = moment_of(moment, st);
    if (!manifest_read(arena, b, &err))
        b->damage = arena_printf(arena, "its manifest cannot be used: %s", err.message);
    else if (keyring_any(b->keys) && !b->has_manifest)
        b->damage = "it has no manifest, hence no seal: nothing proves where it comes from";
    if (st->st_size == 0)
        b->damage = "the file is empty";
    else if (b->has_manifest && b->bytes != st->st_size)
        b->damage = arena_printf(arena, "the file has %lld bytes, its manifest says %lld", (long long)st->st_size, (long long)b->bytes);
    b->bytes = st->st_size;
    verified_read(arena, b, st);
}

static int newer_first(const void *left, const void *right)
{
    const struct backup *a = left, *b = right;
    if (a->snapshot_wall_ms != b->snapshot_wall_ms)
        return a->snapshot_wall_ms < b->snapshot_wall_ms ? 1 : -1;
    return -strcmp(a->file, b->file);
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

bool backup_list(struct arena *arena, const struct backup_place *place, struct backup **ret, size_t *ret_count, struct err *err)
{
    const char *folder = place->folder;
    SCOPED(close_folder) DIR *dir = opendir(folder);
    if (!dir) {
        int os = errno;
        err_os(err, os, "could not open the backup folder \"%s\"", folder);
        if (os == ENOENT && err)
            err->code = ERR_NOT_FOUND;
        return false;
    }
    VEC(struct backup) list = {0};
    for (struct dirent *entry; (errno = 0, entry = readdir(dir));) {
        struct stat st;
        const char *moment = backup_moment_in(entry->d_name, place->service);
        if (moment && stat(file_join(arena, folder, entry->d_name), &st) == 0 && S_ISREG(st.st_mode))
            look_at(arena, place, entry->d_name, moment, &st, vec_add(arena, &list));
    }
    if (errno)
        return err_os(err, errno, "could not read the backup folder \"%s\"", folder);
    if (list.n)
        qsort(list.p, list.n, sizeof(*list.p), newer_first);
    *ret = list.p;
    *ret_count = list.n;
    return true;
}
