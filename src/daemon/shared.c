/* daemon/shared.c -- Small objects of JSON. They come from whoever may write to etcd, so each member is looked at. */
#include "daemon/shared.h"

#include "base/jsonout.h"
#include "io/json.h"

#include "base/banned.h"

enum { VALUE_MAX = 4096 };

static struct str text_of(struct arena *arena, struct buf *text, struct jsonout *j)
{
    json_object_end(j);
    return str_of(arena_strdup(arena, buf_text(text)));
}

struct str shared_leader_text(struct arena *arena, const char *by, int64_t wall_ms)
{
    SCOPED(buf_done) struct buf text = {.max = VALUE_MAX};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "by", by);
    json_put_int(&j, "wall_ms", wall_ms);
    return text_of(arena, &text, &j);
}

struct str shared_users_text(struct arena *arena, const struct shared_users *users, const char *by, int64_t wall_ms)
{
    SCOPED(buf_done) struct buf text = {.max = VALUE_MAX};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "site", users->site);
    json_put_text(&j, "by", by);
    json_put_int(&j, "wall_ms", wall_ms);
    if (users->moved_ms)
        json_put_int(&j, "moved_ms", users->moved_ms);
    return text_of(arena, &text, &j);
}

struct str shared_pause_text(struct arena *arena, const struct shared_pause *pause)
{
    SCOPED(buf_done) struct buf text = {.max = VALUE_MAX};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_int(&j, "said_ms", pause->said_ms);
    json_put_int(&j, "until_ms", pause->until_ms);
    json_put_text(&j, "who", pause->who);
    json_put_text(&j, "why", pause->why);
    return text_of(arena, &text, &j);
}

static void read_text(const struct json *root, const char *member, char *to, size_t size)
{
    const char *text = json_string(json_get(root, member));
    str_copy(to, size, text && str_is_clean(str_of(text)) ? text : "");
}

static int64_t read_moment(const struct json *root, const char *member)
{
    int64_t moment;
    return json_integer(json_get(root, member), &moment) && moment > 0 ? moment : 0;
}

void shared_leader_read(struct str text, char *by, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct json *root = NULL;
    str_copy(by, size, "");
    if (json_parse(arena, text, &root, NULL))
        read_text(root, "by", by, size);
}

void shared_users_read(struct str text, struct shared_users *ret)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct json *root = NULL;
    *ret = (struct shared_users){0};
    if (!json_parse(arena, text, &root, NULL))
        return;
    read_text(root, "site", ret->site, sizeof(ret->site));
    ret->moved_ms = read_moment(root, "moved_ms");
}

void shared_pause_read(struct str text, struct shared_pause *ret)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct json *root = NULL;
    *ret = (struct shared_pause){0};
    if (!json_parse(arena, text, &root, NULL))
        return;
    ret->said_ms = read_moment(root, "said_ms");
    ret->until_ms = read_moment(root, "until_ms");
    read_text(root, "who", ret->who, sizeof(ret->who));
    read_text(root, "why", ret->why, sizeof(ret->why));
}

bool shared_users_moved_since(const struct shared_users *users, const struct shared_users *known)
{
    return users->moved_ms - known->moved_ms > MS_SECOND;
}

int64_t shared_pause_said(const struct shared_pause *known, int64_t wall_ms)
{
    return MAX_OF(wall_ms, known->said_ms + 1);
}
