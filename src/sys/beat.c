/* sys/beat.c -- "BOOT_ID BOOT_MS WALL_MS": within one boot the boot clock tells the age, after it only the wall can. */
#include "sys/beat.h"

#include <inttypes.h>

#include "sys/clock.h"
#include "sys/file.h"

enum { TEXT_MAX = 256, NAME_MAX_LENGTH = 64 };

static const char *path_of(struct arena *arena, const char *state_dir, const char *name)
{
    bool fits = strlen(name) <= NAME_MAX_LENGTH && str_is_name(str_of(name));
    return fits ? arena_printf(arena, "%s/heartbeats/%s", state_dir, name) : NULL;
}

bool beat_write(const char *state_dir, const char *name, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *path = path_of(arena, state_dir, name);
    char boot_id[64];
    if (!path)
        return err_set(err, ERR_USAGE, "\"%s\" is not a name: letters, digits, - and _", name);
    clock_boot_id(boot_id, sizeof(boot_id));
    const char *text = arena_printf(arena, "%s %" PRId64 " %" PRId64 "\n", *boot_id ? boot_id : "-", clock_boot_ms(), clock_wall_ms());
    return file_mkdirs(file_join(arena, state_dir, "heartbeats"), 0700, err) && file_write(path, text, strlen(text), 0600, err);
}

bool beat_read(const char *state_dir, const char *name, int64_t *ret_ago_ms)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *path = path_of(arena, state_dir, name);
    struct str text, word[3];
    char boot_id[64];
    int64_t boot_ms, wall_ms;
    if (!path || !file_read(arena, path, TEXT_MAX, &text, NULL))
        return false;
    text = str_trim(text);
    if (!str_next(&text, ' ', &word[0]) || !str_next(&text, ' ', &word[1]) || !str_next(&text, ' ', &word[2]) || text.p ||
        !str_int(word[1], &boot_ms) || !str_int(word[2], &wall_ms))
        return false;
    clock_boot_id(boot_id, sizeof(boot_id));
    int64_t ago = str_is(word[0], boot_id) ? clock_boot_ms() - boot_ms : clock_wall_ms() - wall_ms;
    *ret_ago_ms = MAX_OF(ago, 0);
    return true;
}
