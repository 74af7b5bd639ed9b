#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/file.h"
#include "world.h"

struct world *w;

const char *sql(const char *dbname, const char *text)
{
    return pg_fixture_sql(w->pg, w->arena, dbname, text);
}

const char *put(const char *name, const void *data, size_t n)
{
    const char *path = file_join(w->arena, w->folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* not to the disk: some tests do this by the thousand */
    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        fail_msg("could not write \"%s\"", path);
    close(fd);
    return path;
}

void world_open(void **state)
{
    w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    w->pg = pg_fixture_new();
    w->target = w->pg->target;
    COPY_TO(w->folder, "/tmp/bascule-restore-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    *state = w;
}

const char *world_backup(const char *source)
{
    struct err err = {0};
    struct backup made;
    struct pgtarget target = w->pg->target;
    target.dbname = "source";
    sql(NULL, "CREATE DATABASE source");
    sql("source", source);
    struct backup_spec spec = {.target = &target, .service = "source", .folder = w->folder, .scratch_dir = w->folder, .jobs = 2};
    if (!backup_make(w->arena, &spec, &made, &err))
        fail_msg("%s", err.message);
    return made.path;
}

int world_close(void **state)
{
    (void)state;
    DIR *dir = opendir(w->folder);
    for (struct dirent *entry; (entry = readdir(dir));)
        unlink(file_join(w->arena, w->folder, entry->d_name));
    closedir(dir);
    int failed = rmdir(w->folder);
    pg_fixture_free(&w->pg);
    arena_close(&w->arena);
    free(w);
    return failed;
}
