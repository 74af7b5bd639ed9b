/* backup/past.c -- Lines of JSON, each written in one piece. */
#include "backup/past.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "sys/file.h"

enum { PAST_MAX = 8 * 1024 * 1024, LINE_MAX_BYTES = 4096 };

static const char *path_of(struct arena *arena, const struct backup_place *place, const char *end)
{
    return arena_printf(arena, "%s/.%s.past.jsonl%s", place->folder, place->service, end);
}

/* Years later the older half goes aside, and what was aside before is forgotten. */
static void turn_over(struct arena *arena, const struct backup_place *place, int fd)
{
    if (lseek(fd, 0, SEEK_END) > PAST_MAX / 2)
        (void)rename(path_of(arena, place, ""), path_of(arena, place, ".old"));
}

bool past_add(const struct backup_place *place, const struct past *past, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf text = {.max = LINE_MAX_BYTES};
    struct jsonout j = jsonout(&text);
    const char *path = path_of(arena, place, "");
    json_object(&j);
    json_put_text(&j, "what", past->what);
    json_put_int(&j, "at_ms", past->at_wall_ms);
    json_put_int(&j, "took_ms", past->took_ms);
    json_put_bool(&j, "ok", past->ok);
    json_put_text(&j, "file", past->file);
    json_put_text(&j, "why", past->why);
    json_object_end(&j);
    buf_putc(&text, '\n');
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_os(err, errno, "could not open \"%s\"", path);
    ssize_t n = text.over ? 0 : write(fd, text.p, text.n);
    int os = n < 0 ? errno : EIO;
    if (n == (ssize_t)text.n)
        turn_over(arena, place, fd);
    close(fd);
    return n == (ssize_t)text.n || err_os(err, os, "could not write \"%s\"", path);
}

typedef VEC(struct past) pasts;

static void take(struct arena *arena, struct str text, int64_t since_wall_ms, pasts *list)
{
    struct str line;
    while (str_next(&text, '\n', &line)) {
        const struct json *root;
        struct past p = {0};
        if (!line.n || !json_parse(arena, line, &root, NULL))
            continue;
        p.what = json_string(json_get(root, "what"));
        p.file = json_string(json_get(root, "file"));
        p.why = json_string(json_get(root, "why"));
        bool whole = p.what && json_integer(json_get(root, "at_ms"), &p.at_wall_ms) && json_integer(json_get(root, "took_ms"), &p.took_ms) &&
                     json_truth(json_get(root, "ok"), &p.ok);
        if (whole && p.at_wall_ms >= since_wall_ms)
            *vec_add(arena, list) = p;
    }
}

bool past_read(struct arena *arena, const struct backup_place *place, int64_t since_wall_ms, struct past **ret, size_t *ret_count,
               struct err *err)
{
    static const char *const ends[] = {".old", ""};
    pasts list = {0};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        const char *path = path_of(arena, place, ends[i]);
        struct str text;
        if (!file_exists(path))
            continue;
        if (!file_read(arena, path, PAST_MAX, &text, err))
            return false;
        take(arena, text, since_wall_ms, &list);
    }
    *ret = list.p;
    *ret_count = list.n;
    return true;
}

/* ---- figures ---- */

struct mean {
    int64_t sum, most;
    int n;
};

static void mean_add(struct mean *m, int64_t value)
{
    if (value <= 0)
        return;
    m->sum += value;
    m->most = MAX_OF(m->most, value);
    m->n++;
}

static void figure_past(const struct past *past, size_t count, struct backup_figures *f)
{
    struct mean restore = {0};
    for (size_t i = 0; i < count; i++) {
        const struct past *p = &past[i];
        if (p->at_wall_ms < f->from_wall_ms || p->at_wall_ms > f->to_wall_ms)
            continue;
        if (same(p->what, PAST_BACKUP))
            f->failed += !p->ok;
        if (!same(p->what, PAST_RESTORE_TEST))
            continue;
        f->tests++;
        f->tests_good += p->ok;
        if (p->ok) {
            mean_add(&restore, p->took_ms);
            f->last_test_wall_ms = MAX_OF(f->last_test_wall_ms, p->at_wall_ms);
        }
    }
    f->mean_restore_ms = restore.n ? restore.sum / restore.n : -1;
}

/* How long within (from, to] the data of `snapshot` was the newest there was while older than the RPO. */
static int64_t too_old(int64_t snapshot, int64_t from, int64_t to, int64_t rpo_ms)
{
    int64_t late = MAX_OF(from, snapshot + rpo_ms);
    return to > late ? to - late : 0;
}

/* From the moment a backup was whole until the next one was, a loss would have cost the time since its snapshot. */
static void figure_losses(const struct backup *list, size_t count, int64_t rpo_ms, struct backup_figures *f)
{
    int64_t until = f->to_wall_ms, late = 0, known_from = f->to_wall_ms;
    f->worst_loss_ms = -1;
    for (size_t i = 0; i < count && until > f->from_wall_ms; i++) { /* newest first */
        const struct backup *b = &list[i];
        int64_t whole = b->snapshot_wall_ms + b->took_ms;
        if (b->damage || !b->verified_wall_ms || b->snapshot_wall_ms > f->to_wall_ms || whole >= until)
            continue;
        int64_t from = MAX_OF(whole, f->from_wall_ms);
        f->worst_loss_ms = MAX_OF(f->worst_loss_ms, until - b->snapshot_wall_ms);
        late += too_old(b->snapshot_wall_ms, from, until, rpo_ms);
        known_from = from;
        until = whole;
    }
    int64_t time = f->to_wall_ms - known_from;
    f->within_rpo_permille = rpo_ms && time > 0 ? 1000 - (late * 1000 + time - 1) / time : -1;
}

void backup_figures(const struct backup *list, size_t count, const struct past *past, size_t past_count, int64_t from_wall_ms,
                    int64_t to_wall_ms, int64_t rpo_ms, struct backup_figures *ret)
{
    struct mean took = {0};
    struct backup_figures f = {.from_wall_ms = from_wall_ms, .to_wall_ms = to_wall_ms, .count = count, .newest_age_ms = -1};
    for (size_t i = 0; i < count; i++) {
        const struct backup *b = &list[i];
        f.bytes += b->bytes;
        if (!f.newest && !b->damage && b->verified_wall_ms)
            f.newest = b;
        if (b->snapshot_wall_ms >= from_wall_ms && b->snapshot_wall_ms <= to_wall_ms && !b->damage) {
            f.made++;
            mean_add(&took, b->took_ms);
        }
    }
    f.mean_took_ms = took.n ? took.sum / took.n : -1;
    f.longest_took_ms = took.n ? took.most : -1;
    if (f.newest)
        f.newest_age_ms = MAX_OF(to_wall_ms - f.newest->snapshot_wall_ms, 0);
    figure_past(past, past_count, &f);
    figure_losses(list, count, rpo_ms, &f);
    *ret = f;
}
