/* backup/store_s3.c -- S3 and what speaks like it. Large files go in parts; what of them a cut-off upload left there is used. */
#include <errno.h>
#include <unistd.h>

#include "backup/store.h"
#include "io/xml.h"
#include "io/transfer.h"
#include "sys/file.h"
#include "sys/secret.h"

struct s3_options {
    const char *endpoint, *region, *bucket, *prefix, *access_key, *ca_file;
    struct secret secret_key;
    int part_mib;
    bool path_style;
};

enum { SILENCE_MS = 2 * 60 * 1000, MIB = 1024 * 1024, PARTS_MAX = 10000, XML_MAX = 4 * MIB };

static bool valid(const void *options, struct err *err)
{
    const struct s3_options *o = options;
    if (o->endpoint && strpbrk(o->endpoint, "?#@"))
        return err_set(err, ERR_CONFIG, "\"endpoint\" is only http:// or https:// and a host");
    if (o->prefix && *o->prefix == '/')
        return err_set(err, ERR_CONFIG, "\"prefix\" must not begin with /");
    return o->secret_key.source != SECRET_NONE || err_set(err, ERR_CONFIG, "there is an access key, but no secret key");
}

/* ---- one request ---- */

static const char *base_url(const struct store_ctx *ctx, const struct s3_options *o)
{
    size_t n = strlen(o->endpoint);
    while (n && o->endpoint[n - 1] == '/')
        n--;
    const char *host = strstr(o->endpoint, "://");
    if (o->path_style || !host)
        return arena_printf(ctx->arena, "%.*s/%s/", (int)n, o->endpoint, transfer_encode(ctx->arena, o->bucket, false));
    host += 3;
    return arena_printf(ctx->arena, "%.*s%s.%.*s/", (int)(host - o->endpoint), o->endpoint, o->bucket, (int)(n - (size_t)(host - o->endpoint)), host);
}

static const char *key_of(const struct store_ctx *ctx, const struct s3_options *o, const char *name)
{
    return arena_printf(ctx->arena, "%s%s", o->prefix ? o->prefix : "", name);
}

static bool hash_body(const struct transfer_spec *spec, char hex[HASH_HEX_SIZE], struct err *err)
{
    enum { PIECE = 256 * 1024 };
    SCOPED(hash_close) struct hash *hash = hash_open();
    SCOPED(arena_close) struct arena *own = arena_open();
    char *piece = arena_alloc(own, PIECE);
    if (spec->body.n)
        hash_add(hash, spec->body.p, spec->body.n);
    for (int64_t at = 0; spec->body_fd > 0 && at < spec->body_size;) {
        ssize_t n = pread(spec->body_fd, piece, (size_t)MIN_OF((int64_t)PIECE, spec->body_size - at), spec->body_at + at);
        if (n <= 0 && errno != EINTR)
            return err_os(err, n ? errno : EIO, "could not read the file that is being sent");
        hash_add(hash, piece, (size_t)MAX_OF(n, 0));
        at += MAX_OF(n, 0);
    }
    hash_end(hash, hex);
    return true;
}

/* The body's own hash is part of what is signed: a part that is altered on the way is refused there. */
static bool request(const struct store *store, const struct store_ctx *ctx, struct transfer_spec *spec, const char *key, const char *query,
                    struct transfer_answer *ret, struct err *err)
{
    const struct s3_options *o = store->options;
    char hex[HASH_HEX_SIZE], *secret = NULL;
    if (!hash_body(spec, hex, err) || !secret_read(ctx->arena, &o->secret_key, &secret, err))
        return false;
    spec->headers = (const char *const[]){arena_printf(ctx->arena, "x-amz-content-sha256: %s", hex), NULL};
    spec->url = arena_printf(ctx->arena, "%s%s%s%s", base_url(ctx, o), transfer_encode(ctx->arena, key, true), *query ? "?" : "", query);
    spec->user = o->access_key;
    spec->password = secret;
    spec->aws_region = o->region;
    spec->ca_file = o->ca_file;
    spec->silence_ms = SILENCE_MS;
    bool ok = transfer_run(ctx->arena, spec, ret, err);
    secret_wipe(secret);
    spec->headers = NULL;
    spec->password = NULL;
    if (!ok || ret->status < 300 || !ret->body.n)
        return ok && transfer_ok(ret, *key ? key : o->bucket, err);
    const char *code = xml_text(ctx->arena, ret->body, "Code"), *message = xml_text(ctx->arena, ret->body, "Message");
    if (code) {
        const char *said = arena_printf(ctx->arena, "%s%s%s", code, message ? ": " : "", message ? message : "");
        ret->body = str_of(said);
    }
    return transfer_ok(ret, *key ? key : o->bucket, err);
}

/* ---- list ---- */

static bool list(const struct store *store, const struct store_ctx *ctx, const char *prefix, struct store_object **ret, size_t *ret_count,
                 struct err *err)
{
    const struct s3_options *o = store->options;
    const char *wanted = key_of(ctx, o, prefix), *token = NULL;
    size_t cut = o->prefix ? strlen(o->prefix) : 0;
    VEC(struct store_object) found = {0};
    do { /* the words of a query stand in the order in which they are signed */
        struct transfer_spec spec = {.method = "GET"};
        struct transfer_answer answer;
        const char *query = arena_printf(ctx->arena, "%s%s%slist-type=2&prefix=%s", token ? "continuation-token=" : "",
                                         token ? transfer_encode(ctx->arena, token, false) : "", token ? "&" : "",
                                         transfer_encode(ctx->arena, wanted, false));
        if (!request(store, ctx, &spec, "", query, &answer, err))
            return false;
        struct str rest = answer.body, one;
        while (xml_next(&rest, "Contents", &one)) {
            const char *key = xml_text(ctx->arena, one, "Key"), *size = xml_text(ctx->arena, one, "Size");
            int64_t bytes;
            if (key && size && strlen(key) > cut && str_int(str_of(size), &bytes) && !strchr(key + cut, '/'))
                *vec_add(ctx->arena, &found) = (struct store_object){key + cut, bytes};
        }
        const char *more = xml_text(ctx->arena, answer.body, "IsTruncated");
        token = same(more, "true") ? xml_text(ctx->arena, answer.body, "NextContinuationToken") : NULL;
    } while (token);
    *ret = found.p;
    *ret_count = found.n;
    return true;
}

/* ---- put ---- */

struct upload {
    const struct store *store;
    const struct store_ctx *ctx;
    const char *key, *id;
    int fd;
    int64_t size, part_size;
    struct strs etags; /* of the parts, in their order; NULL: not there yet */
    int64_t done;      /* in earlier parts, for the progress */
};

static void tick(void *arg, int64_t sent)
{
    const struct upload *u = arg;
    const struct backup_progress *progress = u->ctx->progress;
    if (progress && progress->fn)
        progress->fn(progress->arg, u->done + sent, u->size, "push");
}

static int64_t bytes_of_part(const struct upload *u, size_t index)
{
    return MIN_OF(u->part_size, u->size - (int64_t)index * u->part_size);
}

static bool put_whole(struct upload *u, struct err *err)
{
    struct transfer_spec spec = {.method = "PUT", .body_fd = u->fd, .body_size = u->size, .tick = tick, .tick_arg = u};
    struct transfer_answer answer;
    return request(u->store, u->ctx, &spec, u->key, "", &answer, err);
}

/* The newest upload of this key that was begun and neither ended nor given up. */
static bool find_upload(struct upload *u, struct err *err)
{
    struct transfer_spec spec = {.method = "GET"};
    struct transfer_answer answer;
    const char *newest = "";
    if (!request(u->store, u->ctx, &spec, "", arena_printf(u->ctx->arena, "prefix=%s&uploads=", transfer_encode(u->ctx->arena, u->key, false)),
                 &answer, err))
        return false;
    struct str rest = answer.body, one;
    while (xml_next(&rest, "Upload", &one)) {
        const char *key = xml_text(u->ctx->arena, one, "Key"), *id = xml_text(u->ctx->arena, one, "UploadId");
        const char *when = xml_text(u->ctx->arena, one, "Initiated");
        if (same(key, u->key) && id && strcmp(when ? when : "", newest) >= 0) {
            u->id = id;
            newest = when ? when : "";
        }
    }
    return true;
}

static bool begin_upload(struct upload *u, struct err *err)
{
    struct transfer_spec spec = {.method = "POST"};
    struct transfer_answer answer;
    if (!request(u->store, u->ctx, &spec, u->key, "uploads=", &answer, err))
        return false;
    u->id = xml_text(u->ctx->arena, answer.body, "UploadId");
    return u->id || err_set(err, ERR_PROTOCOL, "the store began an upload without naming it");
}

/* Parts of the right size count as sent. Whether they hold the right bytes shows when the whole is read back. */
static bool find_parts(struct upload *u, struct err *err)
{
    const char *marker = NULL;
    do {
        struct transfer_spec spec = {.method = "GET"};
        struct transfer_answer answer;
        const char *query = arena_printf(u->ctx->arena, "%s%s%suploadId=%s", marker ? "part-number-marker=" : "", marker ? marker : "",
                                         marker ? "&" : "", transfer_encode(u->ctx->arena, u->id, false));
        if (!request(u->store, u->ctx, &spec, u->key, query, &answer, err))
            return false;
        struct str rest = answer.body, one;
        while (xml_next(&rest, "Part", &one)) {
            const char *number = xml_text(u->ctx->arena, one, "PartNumber"), *size = xml_text(u->ctx->arena, one, "Size");
            int64_t n, bytes;
            if (number && size && str_int(str_of(number), &n) && str_int(str_of(size), &bytes) && n >= 1 && (size_t)n <= u->etags.n &&
                bytes == bytes_of_part(u, (size_t)n - 1))
                u->etags.p[n - 1] = xml_text(u->ctx->arena, one, "ETag");
        }
        marker = same(xml_text(u->ctx->arena, answer.body, "IsTruncated"), "true") ? xml_text(u->ctx->arena, answer.body, "NextPartNumberMarker") : NULL;
        int64_t unused;
        if (marker && !str_int(str_of(marker), &unused))
            return err_set(err, ERR_PROTOCOL, "the store's list of parts cannot be understood");
    } while (marker);
    return true;
}

static bool put_part(struct upload *u, size_t index, struct err *err)
{
    struct transfer_spec spec = {.method = "PUT", .body_fd = u->fd, .body_at = (int64_t)index * u->part_size, .body_size = bytes_of_part(u, index),
                                 .tick = tick, .tick_arg = u, .want_header = "ETag"};
    struct transfer_answer answer;
    const char *query = arena_printf(u->ctx->arena, "partNumber=%zu&uploadId=%s", index + 1, transfer_encode(u->ctx->arena, u->id, false));
    if (!request(u->store, u->ctx, &spec, u->key, query, &answer, err))
        return false;
    u->etags.p[index] = answer.header;
    return answer.header || err_set(err, ERR_PROTOCOL, "the store took part %zu without naming it", index + 1);
}

static bool end_upload(struct upload *u, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = XML_MAX};
    struct transfer_answer answer;
    buf_puts(&text, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < u->etags.n; i++) {
        buf_printf(&text, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        for (const char *p = u->etags.p[i]; *p; p++) {
            if (*p == '"')
                buf_puts(&text, "&quot;");
            else if (!strchr("<>&", *p))
                buf_putc(&text, *p);
        }
        buf_puts(&text, "</ETag></Part>");
    }
    buf_puts(&text, "</CompleteMultipartUpload>");
    struct transfer_spec spec = {.method = "POST", .body = buf_str(&text)};
    if (!request(u->store, u->ctx, &spec, u->key, arena_printf(u->ctx->arena, "uploadId=%s", transfer_encode(u->ctx->arena, u->id, false)), &answer, err))
        return false;
    const char *code = xml_text(u->ctx->arena, answer.body, "Code"); /* it may say 200 first and fail later */
    return !code || err_set(err, ERR_FAILED, "the store could not put the parts together: %s", code);
}

static bool put_parts(struct upload *u, struct err *err)
{
    if (!find_upload(u, err) || (u->id ? !find_parts(u, err) : !begin_upload(u, err)))
        return false;
    for (size_t i = 0; i < u->etags.n; i++) {
        if (!u->etags.p[i] && !put_part(u, i, err))
            return false;
        u->done += bytes_of_part(u, i);
    }
    return end_upload(u, err);
}

static bool put(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, struct err *err)
{
    const struct s3_options *o = store->options;
    SCOPED(file_close) int fd = -1;
    int64_t size;
    if (!file_open(path, &fd, &size, err))
        return false;
    struct upload u = {.store = store, .ctx = ctx, .key = key_of(ctx, o, name), .fd = fd, .size = size, .part_size = (int64_t)o->part_mib * MIB};
    while (u.size / u.part_size >= PARTS_MAX)
        u.part_size *= 2;
    for (int64_t at = 0; at < u.size; at += u.part_size)
        *vec_add(ctx->arena, &u.etags) = NULL; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    return u.etags.n > 1 ? put_parts(&u, err) : put_whole(&u, err);
}

/* ---- get and remove ---- */

static bool get(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t from, store_sink_fn *sink, void *arg,
                struct err *err)
{
    struct transfer_spec spec = {.method = "GET", .from = from, .sink = sink, .arg = arg};
    struct transfer_answer answer;
    return request(store, ctx, &spec, key_of(ctx, store->options, name), "", &answer, err);
}

static bool remove_object(const struct store *store, const struct store_ctx *ctx, const char *name, struct err *err)
{
    struct transfer_spec spec = {.method = "DELETE"};
    struct transfer_answer answer;
    struct err own = {0};
    if (request(store, ctx, &spec, key_of(ctx, store->options, name), "", &answer, &own) || own.code == ERR_NOT_FOUND)
        return true;
    if (err)
        *err = own;
    return false;
}

#define AT(member) .offset = offsetof(struct s3_options, member)
static const struct option options[] = {
    {"endpoint", OPTION_URL, AT(endpoint), .required = true, .help = "address of the service, without the bucket", .sample = "https://s3.eu-west-3.amazonaws.com"},
    {"region", OPTION_NAME, AT(region), .fallback = "us-east-1", .help = "region that requests are signed for", .sample = "eu-west-3"},
    {"bucket", OPTION_STRING, AT(bucket), .required = true, .help = "the bucket, which must be there", .sample = "akig-backups"},
    {"prefix", OPTION_STRING, AT(prefix), .help = "begins every name in the bucket", .sample = "production/"},
    {"access_key", OPTION_STRING, AT(access_key), .required = true, .help = "the key's public half", .sample = "AKIAIOSFODNN7EXAMPLE"},
    {"secret_key", OPTION_SECRET, AT(secret_key), .required = true, .help = "its secret half", .sample = "{file: /etc/bascule/s3.secret}"},
    {"part_size", OPTION_INT, AT(part_mib), .fallback = "16", .min = 5, .max = 1024, .help = "MiB of a part: larger files go in parts, and a cut-off upload loses one at most"},
    {"path_style", OPTION_BOOL, AT(path_style), .fallback = "true", .help = "the bucket stands in the path; false: before the host's name"},
    {"ca_file", OPTION_PATH, AT(ca_file), .help = "certificates to trust; else the system's", .sample = "/etc/bascule/ca.pem"},
    OPTION_END,
};

const struct store_ops store_s3 = {
    .name = "s3",
    .summary = "S3, or a service that speaks like it",
    .options = options,
    .options_size = sizeof(struct s3_options),
    .valid = valid,
    .list = list,
    .put = put,
    .get = get,
    .remove = remove_object,
};
