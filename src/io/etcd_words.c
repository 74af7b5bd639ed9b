/* io/etcd_words.c -- Requests as JSON and answers as values. The gateway writes protocol buffers as JSON: bytes in base64, 64-bit
   numbers as texts, and leaves out what is 0, false or empty; so an answer counts as one only when it has the header that all have. */
#include "io/etcd_words.h"

#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/jsonout.h"
#include "io/json.h"

/* ---- requests ---- */

const char *etcd_path(const struct etcd_request *request)
{
    static const char *const paths[] = {"/v3/kv/txn", "/v3/lease/grant", "/v3/lease/keepalive", "/v3/lease/revoke"};
    return paths[request->kind];
}

static bool ops_change(const struct etcd_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].kind != ETCD_GET)
            return true;
    return false;
}

bool etcd_changes(const struct etcd_request *request)
{
    return request->kind != ETCD_TXN || ops_change(request->ops, request->op_count) || ops_change(request->otherwise, request->otherwise_count);
}

static void put_bytes(struct jsonout *j, const char *key, const void *data, size_t size)
{
    SCOPED(buf_done) struct buf text = {.max = ETCD_REQUEST_MAX};
    if (!base64_add(&text, data, size))
        j->to->over = true;
    json_put_text(j, key, buf_text(&text));
}

/* As a text: a reader that makes doubles of numbers keeps it whole. */
static void put_number(struct jsonout *j, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    json_put_text(j, key, text);
}

/* All that begins with `key` ends before the key whose last byte is one more; a byte that cannot be more gives way to the one before. */
static void put_end_of_prefix(struct jsonout *j, const char *key)
{
    SCOPED(buf_done) struct buf end = {.max = ETCD_REQUEST_MAX};
    size_t n = strlen(key);
    while (n && (unsigned char)key[n - 1] == 0xff)
        n--;
    if (!buf_add(&end, key, n))
        j->to->over = true;
    else if (n)
        end.p[n - 1]++;
    if (n)
        put_bytes(j, "range_end", end.p, end.n);
    else
        put_bytes(j, "range_end", "", 1); /* one zero byte: to the end of all keys */
}

static void write_compare(struct jsonout *j, const struct etcd_compare *c)
{
    static const char *const targets[] = {"MOD", "CREATE", "VERSION", "LEASE", "VALUE"};
    static const char *const fields[] = {"mod_revision", "create_revision", "version", "lease", "value"};
    const char *relation = c->relation == '!' ? "NOT_EQUAL" : c->relation == '<' ? "LESS" : c->relation == '>' ? "GREATER" : "EQUAL";
    json_object(j);
    put_bytes(j, "key", c->key, strlen(c->key));
    json_put_text(j, "target", targets[c->what]);
    json_put_text(j, "result", relation);
    if (c->what == ETCD_VALUE)
        put_bytes(j, "value", c->value.p, c->value.n);
    else
        put_number(j, fields[c->what], c->number);
    json_object_end(j);
}

static void write_get(struct jsonout *j, const struct etcd_op *op)
{
    if (op->oldest_first) {
        json_put_text(j, "sort_order", "ASCEND");
        json_put_text(j, "sort_target", "CREATE");
    }
    if (op->limit)
        put_number(j, "limit", op->limit);
    if (op->revision)
        put_number(j, "revision", op->revision);
}

static void write_op(struct jsonout *j, const struct etcd_op *op)
{
    static const char *const names[] = {"request_range", "request_put", "request_delete_range"};
    json_object(j);
    json_key(j, names[op->kind]);
    json_object(j);
    put_bytes(j, "key", op->key, strlen(op->key));
    if (op->prefix)
        put_end_of_prefix(j, op->key);
    if (op->kind == ETCD_GET)
        write_get(j, op);
    if (op->kind == ETCD_PUT) {
        put_bytes(j, "value", op->value.p, op->value.n);
        if (op->lease)
            put_number(j, "lease", op->lease);
    }
    json_object_end(j);
    json_object_end(j);
}

static void write_ops(struct jsonout *j, const char *key, const struct etcd_op *ops, size_t count)
{
    json_key(j, key);
    json_array(j);
    for (size_t i = 0; i < count; i++)
        write_op(j, &ops[i]);
    json_array_end(j);
}

static void write_txn(struct jsonout *j, const struct etcd_request *r)
{
    json_key(j, "compare");
    json_array(j);
    for (size_t i = 0; i < r->compare_count; i++)
        write_compare(j, &r->compares[i]);
    json_array_end(j);
    write_ops(j, "success", r->ops, r->op_count);
    write_ops(j, "failure", r->otherwise, r->otherwise_count);
}

static bool ops_are_good(const struct etcd_op *ops, size_t count, struct err *err)
{
    if (count > ETCD_OPS_MAX)
        return err_set(err, ERR_LIMIT, "a transaction for etcd has %zu parts, and %d are the most", count, ETCD_OPS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!ops[i].key || !ops[i].key[0] || (ops[i].kind == ETCD_PUT && ops[i].prefix))
            return err_set(err, ERR_INTERNAL, "part %zu of a transaction for etcd has no key", i + 1);
    return true;
}

bool etcd_write(const struct etcd_request *r, struct buf *to, struct err *err)
{
    if (!ops_are_good(r->ops, r->op_count, err) || !ops_are_good(r->otherwise, r->otherwise_count, err))
        return false;
    if (r->compare_count > ETCD_OPS_MAX)
        return err_set(err, ERR_LIMIT, "a transaction for etcd has %zu conditions, and %d are the most", r->compare_count, ETCD_OPS_MAX);
    struct jsonout j = jsonout(to);
    json_object(&j);
    if (r->kind == ETCD_TXN)
        write_txn(&j, r);
    else if (r->kind == ETCD_LEASE_GRANT)
        put_number(&j, "TTL", r->ttl_s);
    else
        put_number(&j, "ID", r->lease);
    json_object_end(&j);
    return !to->over || err_set(err, ERR_LIMIT, "a request to etcd would be larger than %zu bytes", to->max);
}

/* ---- what went wrong ---- */

/* gRPC's codes, which the gateway repeats. */
enum {
    CANCELLED = 1,
    INVALID_ARGUMENT = 3,
    DEADLINE_EXCEEDED = 4,
    NOT_FOUND = 5,
    ALREADY_EXISTS = 6,
    PERMISSION_DENIED = 7,
    RESOURCE_EXHAUSTED = 8,
    FAILED_PRECONDITION = 9,
    OUT_OF_RANGE = 11,
    UNIMPLEMENTED = 12,
    UNAVAILABLE = 14,
    UNAUTHENTICATED = 16,
};

static bool says(const char *message, const char *words)
{
    return strstr(message, words) != NULL;
}

static bool is_about_token(int64_t code, const char *message)
{
    return code == UNAUTHENTICATED || says(message, "invalid auth token") || says(message, "user name is empty") || says(message, "revision in header is old") ||
           says(message, "auth store is old");
}

static enum etcd_said refusal(int64_t code, const char *message, struct err *err)
{
    enum err_code ours = code == NOT_FOUND                                                          ? ERR_NOT_FOUND
                         : code == PERMISSION_DENIED || says(message, "authentication failed") ? ERR_PERMISSION
                                                                                                    : ERR_REFUSED;
    err_set(err, ours, "etcd refused: %s", message);
    if (says(message, "database space exceeded"))
        err_hint(err, "etcd is full: compact and defragment it, then \"etcdctl alarm disarm\"");
    if (ours == ERR_PERMISSION)
        err_hint(err, "etcd.user needs a role that may read and write the keys under etcd.prefix");
    return ETCD_SAID_REFUSED;
}

static enum etcd_said classify(int64_t code, const char *message, struct err *err)
{
    if (says(message, "etcdserver: no leader")) {
        err_set(err, ERR_UNAVAILABLE, "etcd has no leader");
        return ETCD_SAID_NO_LEADER;
    }
    if (is_about_token(code, message)) {
        err_set(err, ERR_PERMISSION, "etcd refused: %s", message);
        err_hint(err, "this etcd has users: see etcd.user and etcd.password");
        return ETCD_SAID_TOKEN;
    }
    switch (code) {
    case INVALID_ARGUMENT:
    case NOT_FOUND:
    case ALREADY_EXISTS:
    case PERMISSION_DENIED:
    case RESOURCE_EXHAUSTED:
    case FAILED_PRECONDITION:
    case OUT_OF_RANGE:
    case UNIMPLEMENTED:
        return refusal(code, message, err);
    case CANCELLED:
    case DEADLINE_EXCEEDED:
    case UNAVAILABLE:
        err_set(err, ERR_UNAVAILABLE, "etcd is not able to: %s", message);
        return ETCD_SAID_UNSURE;
    default:
        err_set(err, ERR_PROTOCOL, "etcd failed: %s", message);
        return ETCD_SAID_UNSURE;
    }
}

static int64_t code_of_status(long status)
{
    switch (status) {
    case 400:
        return INVALID_ARGUMENT;
    case 401:
        return UNAUTHENTICATED;
    case 403:
        return PERMISSION_DENIED;
    case 404:
        return NOT_FOUND;
    case 429:
        return RESOURCE_EXHAUSTED;
    case 503:
        return UNAVAILABLE;
    case 504:
        return DEADLINE_EXCEEDED;
    default:
        return -1;
    }
}

/* Not the gateway's words: a proxy's, those of another program, or the one thing that etcd says before the gateway hears of it. */
static enum etcd_said stranger(long status, struct str body, struct err *err)
{
    if (status == 400 && str_starts(body, "CommonName of client")) {
        err_set(err, ERR_PERMISSION, "etcd refused: it has users, and our certificate has a common name, which could be taken for one");
        err_hint(err, "make a certificate without a CN for etcd.cert_file: openssl req -subj /O=bascule ...");
        return ETCD_SAID_REFUSED;
    }
    bool nobody = status == 404 || status == 405;
    err_set(err, status >= 502 && status <= 504 ? ERR_UNAVAILABLE : ERR_PROTOCOL, "HTTP status %ld and no answer of etcd's", status);
    if (nobody)
        err_hint(err, "is this the client port of an etcd of 3.4 or newer, whose gateway was not switched off (--enable-grpc-gateway)?");
    return nobody ? ETCD_SAID_REFUSED : ETCD_SAID_UNSURE;
}

/* {"error": "...", "message": "...", "code": 14}; in a stream {"error": {"grpc_code": 14, "message": "..."}}; newer ones leave out "error". */
static enum etcd_said read_failure(struct arena *arena, const struct json *root, long status, struct err *err)
{
    const struct json *error = json_get(root, "error");
    const char *words = json_string(json_get(root, "message"));
    if (!words)
        words = json_string(error);
    if (!words)
        words = json_string(json_get(error, "message"));
    if (!words)
        return stranger(status, (struct str){0}, err);
    int64_t code;
    if (!json_integer(json_get(root, "code"), &code) && !json_integer(json_get(error, "grpc_code"), &code) && !json_integer(json_get(error, "code"), &code))
        code = code_of_status(status);
    return classify(code, arena_strndup(arena, words, MIN_OF(strlen(words), 300)), err);
}

/* ---- answers ---- */

static bool bad(struct err *err, const char *what)
{
    return err_set(err, ERR_PROTOCOL, "etcd's answer has no good %s", what);
}

/* Absent is 0. */
static bool number(const struct json *object, const char *key, int64_t *ret, struct err *err)
{
    const struct json *value = json_get(object, key);
    const char *text = json_string(value);
    *ret = 0;
    return !value || json_integer(value, ret) || (text && str_int(str_of(text), ret)) || bad(err, key);
}

/* What counts: revisions, versions, seconds. */
static bool count_of(const struct json *object, const char *key, int64_t *ret, struct err *err)
{
    return number(object, key, ret, err) && (*ret >= 0 || bad(err, key));
}

static bool bytes(struct arena *arena, const struct json *object, const char *key, struct str *ret, struct err *err)
{
    const struct json *value = json_get(object, key);
    const char *text = json_string(value);
    SCOPED(buf_done) struct buf out = {.max = ETCD_ANSWER_MAX};
    if (value && (!text || !base64_decode(&out, str_of(text))))
        return bad(err, key);
    char *copy = arena_alloc(arena, out.n + 1); /* zeroed */
    memcpy(copy, buf_text(&out), out.n);
    *ret = (struct str){copy, out.n};
    return true;
}

static bool read_value(struct arena *arena, const struct json *from, struct etcd_value *to, struct err *err)
{
    return bytes(arena, from, "key", &to->key, err) && (to->key.n || bad(err, "key")) && bytes(arena, from, "value", &to->value, err) &&
           count_of(from, "create_revision", &to->create_revision, err) && count_of(from, "mod_revision", &to->mod_revision, err) &&
           count_of(from, "version", &to->version, err) && number(from, "lease", &to->lease, err) &&
           ((to->create_revision > 0 && to->create_revision <= to->mod_revision && to->version > 0) || bad(err, "mod_revision"));
}

static bool read_get(struct arena *arena, const struct json *from, const struct etcd_op *op, struct etcd_result *to, struct err *err)
{
    const struct json *kvs = json_get(from, "kvs");
    size_t count = json_count(kvs);
    if (!count_of(from, "count", &to->total, err) || (kvs && !json_at(kvs, 0)) || to->total < (int64_t)count || (to->total && !count))
        return bad(err, "kvs");
    struct etcd_value *values = arena_array(arena, struct etcd_value, count);
    for (size_t i = 0; i < count; i++) {
        if (!read_value(arena, json_at(kvs, i), &values[i], err))
            return false;
        bool asked = op->prefix ? values[i].key.n >= strlen(op->key) && !memcmp(values[i].key.p, op->key, strlen(op->key)) : str_is(values[i].key, op->key);
        if (!asked || (!op->prefix && count > 1))
            return bad(err, "key");
    }
    to->values = values;
    to->count = count;
    return true;
}

static bool read_result(struct arena *arena, const struct json *from, const struct etcd_op *op, struct etcd_result *to, struct err *err)
{
    static const char *const names[] = {"response_range", "response_put", "response_delete_range"};
    const struct json *response = json_get(from, names[op->kind]);
    *to = (struct etcd_result){0};
    if (!json_key_at(response, 0)) /* at least its header */
        return bad(err, names[op->kind]);
    if (op->kind == ETCD_GET)
        return read_get(arena, response, op, to, err);
    return op->kind == ETCD_PUT || count_of(response, "deleted", &to->total, err);
}

static bool read_txn(struct arena *arena, const struct json *root, const struct etcd_request *request, struct etcd_answer *to, struct err *err)
{
    const struct json *succeeded = json_get(root, "succeeded"), *responses = json_get(root, "responses");
    if (succeeded && !json_truth(succeeded, &to->succeeded))
        return bad(err, "succeeded");
    if (!request->compare_count && !to->succeeded)
        return bad(err, "succeeded"); /* nothing was asked that could have failed */
    const struct etcd_op *ops = to->succeeded ? request->ops : request->otherwise;
    size_t count = to->succeeded ? request->op_count : request->otherwise_count;
    if (json_count(responses) != count || json_key_at(responses, 0))
        return bad(err, "responses");
    struct etcd_result *results = arena_array(arena, struct etcd_result, count);
    for (size_t i = 0; i < count; i++)
        if (!read_result(arena, json_at(responses, i), &ops[i], &results[i], err))
            return false;
    to->results = results;
    to->result_count = count;
    return true;
}

static bool read_lease(const struct json *root, const struct etcd_request *request, struct etcd_answer *to, struct err *err)
{
    if (request->kind == ETCD_LEASE_REVOKE)
        return true;
    bool granted = request->kind == ETCD_LEASE_GRANT;
    return number(root, "ID", &to->lease, err) && count_of(root, "TTL", &to->ttl_s, err) && (to->lease != 0 || bad(err, "ID")) &&
           (granted ? to->ttl_s > 0 || bad(err, "TTL") : to->lease == request->lease || bad(err, "ID"));
}

static bool read_answer(struct arena *arena, const struct json *root, const struct etcd_request *request, struct etcd_answer *to, struct err *err)
{
    *to = (struct etcd_answer){0};
    if (!count_of(json_get(root, "header"), "revision", &to->revision, err) || (!to->revision && !bad(err, "header")))
        return false;
    return request->kind == ETCD_TXN ? read_txn(arena, root, request, to, err) : read_lease(root, request, to, err);
}

/* The root of what was said; NULL, and `ret` the verdict, when it was not a good answer. */
static const struct json *read_root(struct arena *arena, long status, struct str body, enum etcd_said *ret, struct err *err)
{
    const struct json *root = NULL;
    struct err why = {0};
    if (!json_parse(arena, body, &root, &why)) {
        if (status == 200)
            err_set(err, ERR_PROTOCOL, "etcd's answer: %s", why.message);
        *ret = status == 200 ? ETCD_SAID_UNSURE : stranger(status, body, err);
        return NULL;
    }
    if (status == 200 && !json_get(root, "error"))
        return root;
    *ret = read_failure(arena, root, status, err);
    return NULL;
}

enum etcd_said etcd_read(struct arena *arena, const struct etcd_request *request, long status, struct str body, struct etcd_answer *ret, struct err *err)
{
    enum etcd_said said = ETCD_SAID_UNSURE;
    struct etcd_answer answer = {0};
    struct str line = body;
    if (request->kind == ETCD_LEASE_KEEPALIVE && body.n) /* a stream: one object a line, of which the first answers */
        str_next(&body, '\n', &line);
    const struct json *root = read_root(arena, status, line, &said, err);
    bool gone = !root && request->kind == ETCD_LEASE_REVOKE && err->code == ERR_NOT_FOUND; /* as was wished */
    if (!root && !gone)
        return said;
    if (root && request->kind == ETCD_LEASE_KEEPALIVE)
        root = json_get(root, "result");
    if (!gone && !read_answer(arena, root, request, &answer, err))
        return ETCD_SAID_UNSURE;
    *ret = answer;
    return ETCD_SAID_ANSWER;
}

enum etcd_said etcd_read_token(struct arena *arena, long status, struct str body, const char **ret, struct err *err)
{
    enum etcd_said said = ETCD_SAID_UNSURE;
    const struct json *root = read_root(arena, status, body, &said, err);
    const char *token = json_string(json_get(root, "token"));
    if (token && token[0] && str_is_clean(str_of(token)) && !strchr(token, '\n')) {
        *ret = arena_strdup(arena, token);
        return ETCD_SAID_ANSWER;
    }
    if (root)
        bad(err, "token");
    else if (said == ETCD_SAID_REFUSED && says(err->message, "authentication is not enabled")) {
        *ret = "";
        return ETCD_SAID_ANSWER;
    }
    return said;
}
