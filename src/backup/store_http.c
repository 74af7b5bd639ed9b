/* backup/store_http.c -- A web server that takes PUT: WebDAV, nginx, or whatever REMOTE_BACKUP_URL was. Such servers list nothing, so the
   names stand in an object of their own, bascule-list.json, which is written after each change. */
#include "backup/store.h"
#include "base/jsonout.h"
#include "io/json.h"
#include "io/transfer.h"
#include "sys/file.h"
#include "sys/secret.h"

struct http_options {
    const char *url, *user, *ca_file;
    struct secret password;
};

enum { SILENCE_MS = 2 * 60 * 1000, LIST_MAX = 4 * 1024 * 1024 };
static const char list_name[] = "bascule-list.json";

static bool valid(const void *options, struct err *err)
{
    const struct http_options *o = options;
    if (o->url && strpbrk(o->url, "?#"))
        return err_set(err, ERR_CONFIG, "\"url\" must end where names begin: it cannot have ? or #");
    return o->password.source == SECRET_NONE || o->user || err_set(err, ERR_CONFIG, "there is a password, but no user");
}

static const char *url_of(const struct store_ctx *ctx, const struct http_options *o, const char *name)
{
    size_t n = strlen(o->url);
    return arena_printf(ctx->arena, "%s%s%s", o->url, n && o->url[n - 1] == '/' ? "" : "/", transfer_encode(ctx->arena, name, false));
}

static bool exchange(const struct store *store, const struct store_ctx *ctx, struct transfer_spec *spec, const char *name,
                     struct transfer_answer *ret, struct err *err)
{
    const struct http_options *o = store->options;
    char *password = NULL;
    if (!secret_read(ctx->arena, &o->password, &password, err))
        return false;
    spec->url = url_of(ctx, o, name);
    spec->user = o->user;
    spec->password = password;
    spec->ca_file = o->ca_file;
    spec->silence_ms = SILENCE_MS;
    bool ok = transfer_run(ctx->arena, spec, ret, err) && transfer_ok(ret, name, err);
    secret_wipe(password);
    return ok;
}

/* ---- the list ---- */

static bool read_list(const struct store *store, const struct store_ctx *ctx, struct store_object **ret, size_t *ret_count, struct err *err)
{
    struct transfer_spec spec = {.method = "GET"};
    struct transfer_answer answer;
    const struct json *root;
    struct err own = {0};
    VEC(struct store_object) found = {0};
    *ret = NULL;
    *ret_count = 0;
    if (!exchange(store, ctx, &spec, list_name, &answer, &own)) {
        if (own.code == ERR_NOT_FOUND)
            return true;
        if (err)
            *err = own;
        return false;
    }
    if (!json_parse(ctx->arena, answer.body, &root, err))
        return err_prefix(err, "\"%s\"", list_name);
    const struct json *objects = json_get(root, "objects");
    for (size_t i = 0; i < json_count(objects); i++) {
        struct store_object o = {.name = json_string(json_get(json_at(objects, i), "name"))};
        if (o.name && json_integer(json_get(json_at(objects, i), "bytes"), &o.bytes))
            *vec_add(ctx->arena, &found) = o;
    }
    *ret = found.p;
    *ret_count = found.n;
    return true;
}

/* With `name` at `bytes`, or without it when bytes is negative. */
static bool change_list(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t bytes, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = LIST_MAX};
    struct jsonout j = jsonout(&text);
    struct store_object *objects;
    struct transfer_answer answer;
    size_t n;
    if (!read_list(store, ctx, &objects, &n, err))
        return false;
    json_object(&j);
    json_key(&j, "objects");
    json_array(&j);
    for (size_t i = 0; i <= n; i++) {
        bool mine = i == n;
        if (mine ? bytes < 0 : same(objects[i].name, name))
            continue;
        json_object(&j);
        json_put_text(&j, "name", mine ? name : objects[i].name);
        json_put_int(&j, "bytes", mine ? bytes : objects[i].bytes);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    struct transfer_spec spec = {.method = "PUT", .body = buf_str(&text), .headers = (const char *const[]){"Content-Type: application/json", NULL}};
    return text.over ? err_set(err, ERR_LIMIT, "\"%s\" would be too long", list_name) : exchange(store, ctx, &spec, list_name, &answer, err);
}

static bool list(const struct store *store, const struct store_ctx *ctx, const char *prefix, struct store_object **ret, size_t *ret_count,
                 struct err *err)
{
    struct store_object *all;
    size_t n, found = 0;
    if (!read_list(store, ctx, &all, &n, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (str_starts(str_of(all[i].name), prefix))
            all[found++] = all[i];
    *ret = all;
    *ret_count = found;
    return true;
}

/* ---- objects ---- */

struct ticking {
    const struct backup_progress *progress;
    int64_t total;
};

static void tick(void *arg, int64_t sent)
{
    const struct ticking *t = arg;
    if (t->progress && t->progress->fn)
        t->progress->fn(t->progress->arg, sent, t->total, "push");
}

static bool put(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, struct err *err)
{
    struct transfer_answer answer;
    SCOPED(file_close) int fd = -1;
    int64_t size;
    if (!file_open(path, &fd, &size, err))
        return false;
    struct ticking ticking = {ctx->progress, size};
    struct transfer_spec spec = {.method = "PUT", .body_fd = fd, .body_size = size, .tick = tick, .tick_arg = &ticking,
                                 .headers = (const char *const[]){"Content-Type: application/octet-stream", NULL}};
    return exchange(store, ctx, &spec, name, &answer, err) && change_list(store, ctx, name, size, err);
}

static bool get(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t from, store_sink_fn *sink, void *arg,
                struct err *err)
{
    struct transfer_spec spec = {.method = "GET", .from = from, .sink = sink, .arg = arg};
    struct transfer_answer answer;
    return exchange(store, ctx, &spec, name, &answer, err);
}

static bool remove_object(const struct store *store, const struct store_ctx *ctx, const char *name, struct err *err)
{
    struct transfer_spec spec = {.method = "DELETE"};
    struct transfer_answer answer;
    struct err own = {0};
    if (!exchange(store, ctx, &spec, name, &answer, &own) && own.code != ERR_NOT_FOUND) {
        if (err)
            *err = own;
        return false;
    }
    return change_list(store, ctx, name, -1, err);
}

#define AT(member) .offset = offsetof(struct http_options, member)
static const struct option options[] = {
    {"url", OPTION_URL, AT(url), .required = true, .help = "address under which names are put: URL/NAME", .sample = "https://backup.example.org/akig/"},
    {"user", OPTION_STRING, AT(user), .help = "for Basic authentication", .sample = "akig"},
    {"password", OPTION_SECRET, AT(password), .help = "its password", .sample = "{file: /etc/bascule/store.password}"},
    {"ca_file", OPTION_PATH, AT(ca_file), .help = "certificates to trust; else the system's", .sample = "/etc/bascule/ca.pem"},
    OPTION_END,
};

const struct store_ops store_http = {
    .name = "http",
    .summary = "a web server that takes PUT, GET and DELETE",
    .options = options,
    .options_size = sizeof(struct http_options),
    .valid = valid,
    .list = list,
    .put = put,
    .get = get,
    .remove = remove_object,
};
