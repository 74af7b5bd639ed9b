/* backup/pgdump.c -- Which pg_dump to run: an older one refuses the server, a newer one may write what the server cannot read. */
#include <glob.h>
#include <unistd.h>

#include "backup/dumper.h"

static bool keep(void *arg, const void *data, size_t size, struct err *err)
{
    return buf_add(arg, data, size) || err_set(err, ERR_LIMIT, "too long an answer");
}

/* "pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)" gives 15; 0 when it cannot be run or says something else. */
static int major_of(const char *path)
{
    SCOPED(buf_done) struct buf said = {.max = 1024};
    struct dumper_spec spec = {.argv = (const char *const[]){path, "--version", NULL}, .silence_ms = 10 * MS_SECOND};
    if (!dumper_run(&spec, keep, &said, NULL))
        return 0;
    const char *number = strstr(buf_text(&said), ") ");
    return number ? (int)strtol(number + 2, NULL, 10) : 0;
}

static const char *in_path(struct arena *arena)
{
    struct str rest = str_of(getenv("PATH")), folder;
    while (str_next(&rest, ':', &folder)) {
        const char *path = arena_printf(arena, STR_FMT "/pg_dump", STR_ARG(folder));
        if (folder.n && access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

static void consider(struct arena *arena, const char *path, int wanted, struct pgdump *best)
{
    int major = major_of(path);
    if (major >= wanted && (!best->path || major < best->major))
        *best = (struct pgdump){.path = arena_strdup(arena, path), .major = major};
}

bool pgdump_find(struct arena *arena, int server_version, struct pgdump *ret, struct err *err)
{
    int wanted = server_version / 10000;
    struct pgdump best = {0};
    const char *path = in_path(arena);
    if (path)
        consider(arena, path, wanted, &best);
    glob_t found = {0};
    if (best.major != wanted && glob("/usr/lib/postgresql/*/bin/pg_dump", 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            consider(arena, found.gl_pathv[i], wanted, &best);
    globfree(&found);
    if (best.path) {
        *ret = best;
        return true;
    }
    err_set(err, ERR_NOT_FOUND, "there is no pg_dump of version %d or newer in PATH or /usr/lib/postgresql", wanted);
    return err_hint(err, "apt-get install postgresql-client-%d", wanted);
}
