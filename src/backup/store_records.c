/* backup/store_records.c -- NAME.stores.json: what of a backup is where. A record that is lost or broken costs an upload, never a backup. */
#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backup/backup_internal.h"
#include "backup/store.h"
#include "base/jsonout.h"
#include "io/json.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { RECORD_MAX = 1024 * 1024 };

char *stores_path(struct arena *arena, const char *backup_path)
{
    return arena_printf(arena, "%s.stores.json", backup_path);
}

void store_records(struct arena *arena, const struct backup *backup, struct store_record **ret, size_t *ret_count)
{
    struct str text;
    const struct json *root;
    VEC(struct store_record) list = {0};
    if (file_read(arena, stores_path(arena, backup->path), RECORD_MAX, &text, NULL) && json_parse(arena, text, &root, NULL)) {
        const struct json *all = json_get(root, "stores");
        for (size_t i = 0; i < json_count(all); i++) {
            const struct json *one = json_at(all, i);
            const char *state = json_string(json_get(one, "state"));
            struct store_record r = {.store = json_string(json_get(one, "store")), .why = json_string(json_get(one, "why"))};
            if (!r.store || !state)
                continue;
            r.state = same(state, "stored") ? STORE_STORED : STORE_PENDING;
            if (json_integer(json_get(one, "at_ms"), &r.at_wall_ms) && json_integer(json_get(one, "tries"), &r.tries))
                *vec_add(arena, &list) = r;
        }
    }
    *ret = list.p;
    *ret_count = list.n;
}

static bool save(struct arena *arena, const struct backup *backup, const struct store_record *list, size_t n, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = RECORD_MAX};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "file", backup->file);
    json_key(&j, "stores");
    json_array(&j);
    for (size_t i = 0; i < n; i++) {
        json_object(&j);
        json_put_text(&j, "store", list[i].store);
        json_put_text(&j, "state", list[i].state == STORE_STORED ? "stored" : "pending");
        json_put_int(&j, "at_ms", list[i].at_wall_ms);
        json_put_int(&j, "tries", list[i].tries);
        json_put_text(&j, "why", list[i].why);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(&text, '\n');
    return file_write(stores_path(arena, backup->path), buf_text(&text), text.n, 0600, err);
}

/* Reading, changing and writing is one step for all processes: held for milliseconds, so it is waited for. */
static int enter(struct arena *arena, const struct backup *backup)
{
    size_t folder = strlen(backup->path) - strlen(backup->file);
    int fd = open(arena_printf(arena, "%.*s.stores.lock", (int)folder, backup->path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    return fd;
}

typedef void change_fn(struct store_record *record, const char *why, bool new);

static bool change(const struct backup *backup, const char *store, change_fn *fn, const char *why, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct store_record *old, *list, *mine = NULL;
    size_t n;
    int locked = enter(arena, backup);
    store_records(arena, backup, &old, &n);
    list = arena_array(arena, struct store_record, n + 1);
    for (size_t i = 0; i < n; i++) {
        list[i] = old[i];
        if (same(list[i].store, store))
            mine = &list[i];
    }
    bool new = !mine;
    if (new) {
        mine = &list[n++];
        *mine = (struct store_record){.store = store};
    }
    fn(mine, why, new);
    bool ok = save(arena, backup, list, n, err);
    if (locked >= 0)
        close(locked);
    return ok;
}

static void to_result(struct store_record *r, const char *why, bool new)
{
    (void)new;
    r->state = why ? STORE_PENDING : STORE_STORED;
    r->at_wall_ms = clock_wall_ms();
    r->tries++;
    r->why = why;
}

bool store_record_put(const struct backup *backup, const char *store, const char *why, struct err *err)
{
    return change(backup, store, to_result, why, err);
}

static void to_pending(struct store_record *r, const char *why, bool new)
{
    (void)why;
    if (new)
        r->state = STORE_PENDING;
}

bool store_mark_pending(const struct backup *backup, const char *store, struct err *err)
{
    return change(backup, store, to_pending, NULL, err);
}
