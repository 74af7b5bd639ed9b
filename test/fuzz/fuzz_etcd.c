/* fuzz_etcd.c -- Any bytes as what etcd's gateway answers: a verdict with its reason, and an answer is one to what was asked. The
   first byte chooses the request, the second the status. */
#include "io/etcd_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct etcd_compare compare = {.key = "k/1", .what = ETCD_MOD_REVISION, .number = 7};
static const struct etcd_op get = {.kind = ETCD_GET, .key = "k/1"}, all = {.kind = ETCD_GET, .key = "k/", .prefix = true};
static const struct etcd_op changes[] = {{.kind = ETCD_PUT, .key = "k/1"}, {.kind = ETCD_GET, .key = "k/2"}, {.kind = ETCD_DELETE, .key = "k/3"}};
static const struct etcd_request requests[] = {
    {.kind = ETCD_TXN, .ops = &get, .op_count = 1},
    {.kind = ETCD_TXN, .ops = &all, .op_count = 1},
    {.kind = ETCD_TXN, .compares = &compare, .compare_count = 1, .ops = changes, .op_count = 3, .otherwise = &all, .otherwise_count = 1},
    {.kind = ETCD_LEASE_GRANT, .ttl_s = 3},
    {.kind = ETCD_LEASE_KEEPALIVE, .lease = 42},
    {.kind = ETCD_LEASE_REVOKE, .lease = 42},
};
static const long statuses[] = {200, 400, 401, 403, 404, 412, 429, 500, 503, 504, 302};

static void must(bool good)
{
    if (!good)
        abort();
}

static void check_txn(const struct etcd_request *r, const struct etcd_answer *a)
{
    const struct etcd_op *ops = a->succeeded ? r->ops : r->otherwise;
    must(a->revision > 0 && a->result_count == (a->succeeded ? r->op_count : r->otherwise_count));
    must(a->succeeded || r->compare_count);
    for (size_t i = 0; i < a->result_count; i++) {
        must(a->results[i].total >= (int64_t)a->results[i].count && (ops[i].kind == ETCD_GET || !a->results[i].count));
        for (size_t k = 0; k < a->results[i].count; k++) {
            const struct etcd_value *v = &a->results[i].values[k];
            must(str_starts(v->key, ops[i].key) && v->key.p[v->key.n] == 0 && v->value.p[v->value.n] == 0);
            must(v->create_revision > 0 && v->mod_revision >= v->create_revision && v->version > 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct etcd_request *r = &requests[data[0] % COUNT_OF(requests)];
    long status = statuses[data[1] % COUNT_OF(statuses)];
    struct str body = {(const char *)data + 2, size - 2};
    struct etcd_answer a;
    struct err err = {0};
    const char *token = NULL;
    if (etcd_read(arena, r, status, body, &a, &err) != ETCD_SAID_ANSWER)
        must(err.code != ERR_NONE && err.message[0]);
    else if (r->kind == ETCD_TXN)
        check_txn(r, &a);
    else
        must(a.ttl_s >= 0 && (r->kind != ETCD_LEASE_KEEPALIVE || a.lease == 42) && (r->kind != ETCD_LEASE_GRANT || a.lease));
    err = (struct err){0};
    if (etcd_read_token(arena, status, body, &token, &err) == ETCD_SAID_ANSWER)
        must(token != NULL && strpbrk(token, "\r\n") == NULL);
    else
        must(err.code != ERR_NONE && err.message[0]);
    return 0;
}
