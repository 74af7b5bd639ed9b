/* fuzz_manifest.c -- Any bytes as the records beside a backup: believed only when they are whole and can be true. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/backup_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static char folder[64];

static void remove_folder(void)
{
    rmdir(folder);
}

static void put(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void check_numbers(const struct backup *b)
{
    int64_t rows = 0;
    for (size_t i = 0; i < b->table_count; i++) {
        check(b->tables[i].name && b->tables[i].rows >= 0);
        rows += b->tables[i].rows;
    }
    check(b->rows == rows && b->bytes >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    if (!*folder) {
        COPY_TO(folder, "/dev/shm/bascule-fuzz-XXXXXX");
        check(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
    }
    struct backup b = {.path = arena_printf(arena, "%s/x.sql.gz", folder), .rows = -1};
    struct stat file = {.st_size = 1000, .st_mtim.tv_sec = 1761406442};
    struct err err = {0};
    put(manifest_path(arena, b.path), data, size);
    if (manifest_read(arena, &b, &err)) {
        check(b.has_manifest && b.sha256);
        check_numbers(&b);
    } else {
        check(!b.has_manifest && b.rows == -1 && *err.message);
    }
    struct backup other = {.path = b.path, .rows = -1};
    put(verified_path(arena, b.path), data, size);
    verified_read(arena, &other, &file);
    check(!other.verified_wall_ms || (other.verified_how && !other.damage));
    if (other.rows != -1)
        check_numbers(&other);
    unlink(manifest_path(arena, b.path));
    unlink(verified_path(arena, b.path));
    return 0;
}
