/* etcd's client: what it writes and reads as JSON, and its way from endpoint to endpoint, against servers that play etcd well or badly. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "fakeserver.h"
#include "io/dns.h"
#include "io/etcd.h"
#include "io/etcd_words.h"
#include "sys/clock.h"

#define HEADER "\"header\":{\"cluster_id\":\"14841639068965178418\",\"member_id\":\"10276657743932975437\",\"revision\":\"9\",\"raft_term\":\"2\"}"
#define RANGE(kvs) "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{\"header\":{\"revision\":\"9\"}" kvs "}}]}"
#define VALUE(key) "{\"key\":\"" key "\",\"create_revision\":\"4\",\"mod_revision\":\"7\",\"version\":\"2\",\"value\":\"AAEC\",\"lease\":\"7587848390577349641\"}"
#define ONE RANGE(",\"kvs\":[" VALUE("ay8x") "],\"count\":\"1\"")
#define PUT "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_put\":{\"header\":{\"revision\":\"9\"}}}]}"
#define FAILURE(code, words) "{\"error\":\"" words "\",\"message\":\"" words "\",\"code\":" code "}"
#define NO_LEADER FAILURE("14", "etcdserver: no leader")

static const struct etcd_op get_op = {.kind = ETCD_GET, .key = "k/1"}, all_op = {.kind = ETCD_GET, .key = "k/", .prefix = true};
static const struct etcd_op put_op = {.kind = ETCD_PUT, .key = "k/1", .value = {"v", 1}};
static const struct etcd_compare compare = {.key = "k/1", .what = ETCD_MOD_REVISION, .number = 7};
static const struct etcd_request get = {.ops = &get_op, .op_count = 1}, all = {.ops = &all_op, .op_count = 1};
static const struct etcd_request put = {.ops = &put_op, .op_count = 1}, put_again = {.ops = &put_op, .op_count = 1, .repeatable = true};
static const struct etcd_request txn = {.compares = &compare, .compare_count = 1, .ops = &put_op, .op_count = 1, .otherwise = &get_op, .otherwise_count = 1};
static const struct etcd_request grant = {.kind = ETCD_LEASE_GRANT, .ttl_s = 3};
static const struct etcd_request keepalive = {.kind = ETCD_LEASE_KEEPALIVE, .lease = 42}, revocation = {.kind = ETCD_LEASE_REVOKE, .lease = 42};

/* ---- words ---- */

static enum etcd_said read_as(struct arena *arena, const struct etcd_request *request, long status, const char *body, struct etcd_answer *a, struct err *err)
{
    *err = (struct err){0};
    return etcd_read(arena, request, status, str_of(body), a, err);
}

static void a_value_is_read_with_all_its_numbers(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct etcd_answer a;
    struct err err;
    assert_int_equal(read_as(arena, &get, 200, ONE, &a, &err), ETCD_SAID_ANSWER);
    const struct etcd_value *v = etcd_answer_value(&a, 0);
    assert_non_null(v);
    assert_true(str_is(v->key, "k/1"));
    assert_int_equal(v->value.n, 3);
    assert_memory_equal(v->value.p, "\0\1\2", 4);
    assert_int_equal(v->create_revision, 4);
    assert_int_equal(v->mod_revision, 7);
    assert_int_equal(v->version, 2);
    assert_true(v->lease == 7587848390577349641);
    assert_int_equal(a.revision, 9);
    assert_int_equal(read_as(arena, &get, 200, RANGE(""), &a, &err), ETCD_SAID_ANSWER);
    assert_null(etcd_answer_value(&a, 0));
    assert_null(etcd_answer_value(&a, 1));
    assert_int_equal(read_as(arena, &all, 200, RANGE(",\"kvs\":[" VALUE("ay8x") "," VALUE("ay8y") "],\"more\":true,\"count\":\"5\""), &a, &err), ETCD_SAID_ANSWER);
    assert_int_equal(a.results[0].count, 2);
    assert_int_equal(a.results[0].total, 5);
}

static void both_branches_of_a_transaction_are_read(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct etcd_answer a;
    struct err err;
    assert_int_equal(read_as(arena, &txn, 200, PUT, &a, &err), ETCD_SAID_ANSWER);
    assert_true(a.succeeded);
    assert_int_equal(read_as(arena, &txn, 200, "{" HEADER ",\"responses\":[{\"response_range\":{\"header\":{\"revision\":\"9\"}}}]}", &a, &err), ETCD_SAID_ANSWER);
    assert_false(a.succeeded);
    assert_null(etcd_answer_value(&a, 0));
    /* without conditions nothing can have failed, whatever is said */
    assert_int_equal(read_as(arena, &put, 200, "{" HEADER "}", &a, &err), ETCD_SAID_UNSURE);
    assert_int_equal(err.code, ERR_PROTOCOL);
}

static void leases_are_read(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct etcd_answer a;
    struct err err;
    assert_int_equal(read_as(arena, &grant, 200, "{" HEADER ",\"ID\":\"7587848390577349641\",\"TTL\":\"3\"}", &a, &err), ETCD_SAID_ANSWER);
    assert_true(a.lease == 7587848390577349641);
    assert_int_equal(a.ttl_s, 3);
    assert_int_equal(read_as(arena, &keepalive, 200, "{\"result\":{" HEADER ",\"ID\":\"42\",\"TTL\":\"3\"}}\n{\"result\":", &a, &err), ETCD_SAID_ANSWER);
    assert_int_equal(a.ttl_s, 3);
    assert_int_equal(read_as(arena, &keepalive, 200, "{\"result\":{" HEADER ",\"ID\":\"42\"}}\n", &a, &err), ETCD_SAID_ANSWER);
    assert_int_equal(a.ttl_s, 0);
    assert_int_equal(read_as(arena, &keepalive, 200, "{\"result\":{" HEADER ",\"ID\":\"43\",\"TTL\":\"3\"}}\n", &a, &err), ETCD_SAID_UNSURE);
    assert_int_equal(read_as(arena, &revocation, 200, "{" HEADER "}", &a, &err), ETCD_SAID_ANSWER);
    assert_int_equal(read_as(arena, &revocation, 404, FAILURE("5", "etcdserver: requested lease not found"), &a, &err), ETCD_SAID_ANSWER);
    assert_int_equal(read_as(arena, &put, 404, FAILURE("5", "etcdserver: requested lease not found"), &a, &err), ETCD_SAID_REFUSED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void what_is_no_good_answer_is_not_taken_for_one(void **state)
{
    static const char *const bodies[] = {
        "", "{}", "[]", "null", "7", "\"x\"", "{\"header\":{}}", "{\"header\":7,\"succeeded\":true}", "not json", RANGE("") RANGE(""),
        "{" HEADER ",\"succeeded\":true}",                               /* no responses */
        "{" HEADER ",\"succeeded\":\"true\",\"responses\":[]}",          /* a text for a truth */
        "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_put\":{\"header\":{\"revision\":\"9\"}}}]}", /* to another question */
        "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":7}]}",
        "{" HEADER ",\"succeeded\":true,\"responses\":{\"response_range\":{}}}",
        "{\"header\":{\"revision\":\"-9\"},\"succeeded\":true,\"responses\":[{\"response_range\":{\"header\":{}}}]}",
        "{\"header\":{\"revision\":\"99999999999999999999\"},\"succeeded\":true,\"responses\":[{\"response_range\":{\"header\":{}}}]}",
        "{\"header\":{\"revision\":9.5},\"succeeded\":true,\"responses\":[{\"response_range\":{\"header\":{}}}]}",
        RANGE(",\"kvs\":[" VALUE("ay8x") "]"),                           /* one, and a count of none */
        RANGE(",\"count\":\"1\""),                                       /* a count of one, and none */
        RANGE(",\"kvs\":\"\",\"count\":\"0\""),
        RANGE(",\"kvs\":[" VALUE("ay8y") "],\"count\":\"1\""),           /* another key than was asked */
        RANGE(",\"kvs\":[" VALUE("ay8x") "," VALUE("ay8x") "],\"count\":\"2\""),
        RANGE(",\"kvs\":[" VALUE("ay8") "],\"count\":\"1\""),            /* not base64 */
        RANGE(",\"kvs\":[7],\"count\":\"1\""),
        RANGE(",\"kvs\":[{\"key\":\"ay8x\",\"create_revision\":\"4\",\"mod_revision\":\"3\",\"version\":\"1\"}],\"count\":\"1\""),
        RANGE(",\"kvs\":[{\"key\":\"ay8x\"}],\"count\":\"1\""),
        RANGE(",\"kvs\":[{\"key\":\"ay8x\",\"create_revision\":\"4x\",\"mod_revision\":\"7\",\"version\":\"1\"}],\"count\":\"1\""),
        RANGE(",\"kvs\":[{\"key\":\"ay8x\",\"value\":7,\"create_revision\":\"4\",\"mod_revision\":\"7\",\"version\":\"1\"}],\"count\":\"1\""),
    };
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct etcd_answer a;
        struct err err;
        if (read_as(arena, &get, 200, bodies[i], &a, &err) != ETCD_SAID_UNSURE || err.code != ERR_PROTOCOL)
            fail_msg("taken: %s (%s)", bodies[i], err.message);
    }
}

static void failures_are_told_apart(void **state)
{
    static const struct {
        long status;
        const char *body;
        enum etcd_said said;
        enum err_code code;
    } cases[] = {
        {503, NO_LEADER, ETCD_SAID_NO_LEADER, ERR_UNAVAILABLE},
        {200, "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\"}}", ETCD_SAID_NO_LEADER, ERR_UNAVAILABLE},
        {503, FAILURE("14", "etcdserver: request timed out"), ETCD_SAID_UNSURE, ERR_UNAVAILABLE},
        {503, FAILURE("14", "etcdserver: leader changed"), ETCD_SAID_UNSURE, ERR_UNAVAILABLE},
        {504, FAILURE("4", "context deadline exceeded"), ETCD_SAID_UNSURE, ERR_UNAVAILABLE},
        {500, FAILURE("2", "raft: stopped"), ETCD_SAID_UNSURE, ERR_PROTOCOL},
        {401, FAILURE("16", "etcdserver: invalid auth token"), ETCD_SAID_TOKEN, ERR_PERMISSION},
        {400, FAILURE("3", "etcdserver: user name is empty"), ETCD_SAID_TOKEN, ERR_PERMISSION},
        {500, FAILURE("2", "auth: revision in header is old"), ETCD_SAID_TOKEN, ERR_PERMISSION},
        {403, "{\"code\":7,\"message\":\"etcdserver: permission denied\",\"details\":[]}", ETCD_SAID_REFUSED, ERR_PERMISSION},
        {400, FAILURE("11", "etcdserver: mvcc: required revision has been compacted"), ETCD_SAID_REFUSED, ERR_REFUSED},
        {429, FAILURE("8", "etcdserver: mvcc: database space exceeded"), ETCD_SAID_REFUSED, ERR_REFUSED},
        {400, "{\"message\":\"without a code\"}", ETCD_SAID_REFUSED, ERR_REFUSED},
        {502, "<html>", ETCD_SAID_UNSURE, ERR_UNAVAILABLE},
        {404, "404 page not found\n", ETCD_SAID_REFUSED, ERR_PROTOCOL},
        {400, "CommonName of client sending a request against gateway will be ignored and not used as expected\n", ETCD_SAID_REFUSED, ERR_PERMISSION},
        {302, "", ETCD_SAID_UNSURE, ERR_PROTOCOL},
        {500, "{\"error\":7}", ETCD_SAID_UNSURE, ERR_PROTOCOL},
    };
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct etcd_answer a;
        struct err err;
        enum etcd_said said = read_as(arena, &txn, cases[i].status, cases[i].body, &a, &err);
        if (said != cases[i].said || err.code != cases[i].code)
            fail_msg("%s: %d, %s", cases[i].body, (int)said, err.message);
    }
}

static void requests_are_what_the_gateway_reads(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf b = {.max = ETCD_REQUEST_MAX};
    struct err err = {0};
    assert_true(etcd_write(&txn, &b, &err));
    assert_string_equal(buf_text(&b), "{\"compare\":[{\"key\":\"ay8x\",\"target\":\"MOD\",\"result\":\"EQUAL\",\"mod_revision\":\"7\"}],"
                                      "\"success\":[{\"request_put\":{\"key\":\"ay8x\",\"value\":\"dg==\"}}],"
                                      "\"failure\":[{\"request_range\":{\"key\":\"ay8x\"}}]}");
    buf_clear(&b);
    assert_true(etcd_write(&all, &b, &err)); /* from "k/" to "k0" */
    assert_string_equal(buf_text(&b), "{\"compare\":[],\"success\":[{\"request_range\":{\"key\":\"ay8=\",\"range_end\":\"azA=\"}}],\"failure\":[]}");
    buf_clear(&b);
    struct etcd_op odd = {.kind = ETCD_DELETE, .key = "a\xff\xff", .prefix = true};
    assert_true(etcd_write(&(struct etcd_request){.ops = &odd, .op_count = 1}, &b, &err));
    assert_non_null(strstr(buf_text(&b), "\"range_end\":\"Yg==\"")); /* "b" */
    buf_clear(&b);
    odd.key = "\xff";
    assert_true(etcd_write(&(struct etcd_request){.ops = &odd, .op_count = 1}, &b, &err));
    assert_non_null(strstr(buf_text(&b), "\"range_end\":\"AA==\"")); /* to the end of all */
    buf_clear(&b);
    odd.key = "";
    assert_false(etcd_write(&(struct etcd_request){.ops = &odd, .op_count = 1}, &b, &err));
    buf_clear(&b);
    b.max = 64;
    assert_false(etcd_write(&txn, &b, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* ---- the way to an answer ---- */

/* Gives the lines of the script in turn, the last one for ever: "200 BODY", "cut" (closes without an answer), "hang". */
static const char *line_number(const char *script, int n, size_t *size)
{
    const char *next;
    while (n-- > 0 && (next = strchr(script, '\n')) != NULL)
        script = next + 1;
    *size = strcspn(script, "\n");
    return script;
}

static bool hear(struct fake_server *s, int fd)
{
    char line[2048], body[4096] = "";
    size_t want = 0, used = 0;
    for (bool first = true; fake_read_line(fd, line, sizeof(line)); first = false) {
        if (first)
            used = strlen(s->last);
        if (first || !strncasecmp(line, "Authorization:", 14))
            used += (size_t)snprintf(s->last + used, sizeof(s->last) - used, "%s\n", line);
        if (!strncasecmp(line, "Content-Length:", 15))
            want = (size_t)strtoul(line + 15, NULL, 10);
        if (line[0])
            continue;
        for (size_t n = 0; n < want; n++)
            if (n + 1 >= sizeof(body) || read(fd, body + n, 1) != 1)
                return false;
        snprintf(s->last + used, sizeof(s->last) - used, "%s\n", body);
        return true;
    }
    return false;
}

static void gateway(struct fake_server *s, int fd)
{
    while (hear(s, fd)) {
        size_t size;
        const char *line = line_number(s->script, atomic_fetch_add(&s->requests, 1), &size);
        char answer[4096];
        if (!strncmp(line, "cut", 3))
            return;
        if (!strncmp(line, "hang", 4)) {
            fake_silence(s, fd);
            return;
        }
        snprintf(answer, sizeof(answer), "HTTP/1.1 %.3s Said\r\nContent-Length: %zu\r\n\r\n%.*s", line, size - 4, (int)size - 4, line + 4);
        fake_send(fd, answer);
    }
}

struct scene {
    struct arena *arena;
    struct etcd *etcd;
    struct fake_server *servers[3];
    char urls[3][64], secret[64];
    const char *endpoints[3];
};

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    s->arena = arena_open();
    COPY_TO(s->secret, "/tmp/bascule-etcd-XXXXXX");
    int fd = mkstemp(s->secret);
    if (fd < 0 || write(fd, "hunter2\n", 8) != 8 || close(fd))
        return -1;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    etcd_close(&s->etcd);
    for (size_t i = 0; i < COUNT_OF(s->servers); i++)
        fake_server_free(&s->servers[i]);
    unlink(s->secret);
    arena_close(&s->arena);
    free(s);
    return 0;
}

/* A script NULL: nothing listens there any more. */
static struct etcd_spec conf_of(struct scene *s, const char *a, const char *b, const char *c)
{
    const char *const scripts[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        s->servers[i] = fake_server_new(scripts[i] ? gateway : NULL, scripts[i]);
        snprintf(s->urls[i], sizeof(s->urls[i]), "http://%s:%d%s", s->servers[i]->address, s->servers[i]->port, i == 1 ? "/" : "");
        s->endpoints[i] = s->urls[i];
        if (!scripts[i])
            fake_server_free(&s->servers[i]);
    }
    return (struct etcd_spec){.endpoints = s->endpoints, .endpoint_count = 3, .timeout_ms = 900};
}

static void open_on(struct scene *s, const struct etcd_spec *conf)
{
    struct err err = {0};
    if (!etcd_open(conf, NULL, &s->etcd, &err))
        fail_msg("%s", err.message);
}

static void open_three(struct scene *s, const char *a, const char *b, const char *c)
{
    struct etcd_spec conf = conf_of(s, a, b, c);
    open_on(s, &conf);
}

static int asked(const struct scene *s, size_t server)
{
    return s->servers[server] ? atomic_load(&s->servers[server]->requests) : 0;
}

static void the_next_endpoint_is_asked_and_remembered(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    open_three(s, NULL, "503 " NO_LEADER, "200 " ONE);
    int64_t before = clock_boot_ms();
    assert_int_equal(etcd_ask(s->etcd, s->arena, &get, &a, &err), ETCD_ANSWERED);
    assert_string_equal(a.endpoint, s->urls[2]);
    assert_in_range(a.sent_ms, before, clock_boot_ms());
    assert_int_equal(etcd_answer_value(&a, 0)->mod_revision, 7);
    for (int i = 0; i < 5; i++)
        assert_int_equal(etcd_ask(s->etcd, s->arena, &get, &a, &err), ETCD_ANSWERED);
    assert_int_equal(asked(s, 1), 1);
    assert_int_equal(asked(s, 2), 6);
    assert_int_equal(atomic_load(&s->servers[2]->connections), 1);
}

static void a_frozen_member_leaves_time_for_the_others(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    open_three(s, "hang", "hang", "200 " PUT);
    int64_t before = clock_boot_ms();
    assert_int_equal(etcd_ask(s->etcd, s->arena, &put_again, &a, &err), ETCD_ANSWERED);
    assert_in_range(clock_boot_ms() - before, 600, 890);
    before = clock_boot_ms();
    assert_int_equal(etcd_ask(s->etcd, s->arena, &put_again, &a, &err), ETCD_ANSWERED);
    assert_true(clock_boot_ms() - before < 300);
    assert_true(a.sent_ms >= before);
}

static void while_nobody_leads_it_is_asked_again_until_the_deadline(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    open_three(s, "503 " NO_LEADER "\n503 " NO_LEADER "\n200 " PUT, "503 " NO_LEADER, "503 " NO_LEADER);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_ANSWERED); /* not repeatable, and surely not done before */
    assert_int_equal(asked(s, 0), 3);
    etcd_close(&s->etcd);
    for (size_t i = 0; i < 3; i++)
        fake_server_free(&s->servers[i]);
    open_three(s, "503 " NO_LEADER, NULL, "503 " NO_LEADER);
    int64_t before = clock_boot_ms();
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_NOT_DONE);
    assert_in_range(clock_boot_ms() - before, 700, 1200);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_true(err.retryable);
    assert_non_null(strstr(err.message, "no answer of etcd within 0.9 s"));
    assert_non_null(strstr(err.message, "etcd has no leader"));
    assert_non_null(strstr(err.message, "Connection refused"));
}

static void a_lost_answer_to_a_change_is_unknown_never_failed(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    static const char *const losses[] = {"cut", "hang", "503 " FAILURE("14", "etcdserver: request timed out"), "200 {}", "502 <html>"};
    for (size_t i = 0; i < COUNT_OF(losses); i++) {
        open_three(s, losses[i], "200 " PUT, "200 " PUT);
        if (etcd_ask(s->etcd, s->arena, &txn, &a, &err) != ETCD_UNKNOWN)
            fail_msg("%s: %s", losses[i], err.message);
        assert_non_null(strstr(err.message, "not known whether"));
        assert_int_equal(asked(s, 0), 1); /* and it was not sent again, not even by libcurl */
        assert_int_equal(asked(s, 1), 0);
        etcd_close(&s->etcd);
        for (size_t k = 0; k < 3; k++)
            fake_server_free(&s->servers[k]);
    }
}

static void a_kept_connection_that_died_does_not_send_a_change_twice(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    open_three(s, "200 " PUT "\ncut\n200 " PUT, "200 " PUT, "200 " PUT);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &put_again, &a, &err), ETCD_ANSWERED);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_UNKNOWN);
    assert_int_equal(asked(s, 0), 2);
}

static void what_may_be_repeated_is_sent_to_the_next(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    open_three(s, "cut", "200 " PUT, "200 " PUT);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &put_again, &a, &err), ETCD_ANSWERED);
    assert_string_equal(a.endpoint, s->servers[1] ? a.endpoint : "");
    assert_int_equal(asked(s, 1), 1);
    etcd_close(&s->etcd);
    for (size_t k = 0; k < 3; k++)
        fake_server_free(&s->servers[k]);
    /* refused by the second, but the first may have done it */
    open_three(s, "cut", "403 " FAILURE("7", "etcdserver: permission denied"), "200 " PUT);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &put_again, &a, &err), ETCD_UNKNOWN);
    assert_int_equal(err.code, ERR_PERMISSION);
}

static void a_refusal_is_final(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    open_three(s, "403 " FAILURE("7", "etcdserver: permission denied"), "200 " PUT, "200 " PUT);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_PERMISSION);
    assert_int_equal(asked(s, 1), 0);
}

static void a_bad_answer_is_not_called_unavailable(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    open_three(s, "200 {}", NULL, "200 nonsense");
    assert_int_equal(etcd_ask(s->etcd, s->arena, &get, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_PROTOCOL);
}

#define TOKEN(text) "200 {" HEADER ",\"token\":\"" text "\"}\n"

static void an_old_token_is_renewed_once_in_passing(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    struct etcd_spec conf = conf_of(s, TOKEN("first.1") "200 " PUT "\n401 " FAILURE("16", "etcdserver: invalid auth token") "\n" TOKEN("second.2") "200 " PUT, NULL, NULL);
    conf.user = "bascule";
    conf.password = (struct secret){SECRET_FILE, s->secret};
    open_on(s, &conf);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_ANSWERED);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_ANSWERED);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_ANSWERED);
    assert_int_equal(asked(s, 0), 6);
    assert_non_null(strstr(s->servers[0]->last, "POST /v3/auth/authenticate HTTP/1.1\n{\"name\":\"bascule\",\"password\":\"hunter2\"}\n"));
    assert_non_null(strstr(s->servers[0]->last, "Authorization: first.1\n"));
    assert_non_null(strstr(s->servers[0]->last, "Authorization: second.2\n"));
}

static void a_wrong_password_is_said_without_it(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    struct etcd_spec conf = conf_of(s, "400 " FAILURE("3", "etcdserver: authentication failed, invalid user ID or password"), NULL, NULL);
    conf.user = "bascule";
    conf.password = (struct secret){SECRET_FILE, s->secret};
    open_on(s, &conf);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_PERMISSION);
    assert_non_null(strstr(err.message, "\"bascule\""));
    assert_null(strstr(err.message, "hunter2"));
    chmod(s->secret, 0644);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_NOT_DONE);
    assert_non_null(strstr(err.message, "others can read it"));
}

static void an_etcd_without_users_needs_no_token(void **state)
{
    struct scene *s = *state;
    struct etcd_answer a;
    struct err err = {0};
    struct etcd_spec conf = conf_of(s, "400 " FAILURE("9", "etcdserver: authentication is not enabled") "\n200 " PUT, NULL, NULL);
    conf.user = "bascule";
    conf.password = (struct secret){SECRET_FILE, s->secret};
    open_on(s, &conf);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &txn, &a, &err), ETCD_ANSWERED);
    assert_null(strstr(s->servers[0]->last, "Authorization"));
}

static void a_configuration_that_cannot_work_is_refused(void **state)
{
    static const char *const bad_urls[] = {"", "ftp://h:1", "https://", "https://user:hunter2@h:2379", "https://h:2379/v3", "https://h:2379?x", "h:2379", "http:// h"};
    (void)state;
    struct etcd *e = NULL;
    struct err err = {0};
    for (size_t i = 0; i < COUNT_OF(bad_urls); i++) {
        assert_false(etcd_open(&(struct etcd_spec){.endpoints = &bad_urls[i], .endpoint_count = 1, .timeout_ms = 500}, NULL, &e, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_null(strstr(err.message, "hunter2"));
    }
    const char *good = "https://h:2379";
    assert_false(etcd_open(&(struct etcd_spec){.endpoints = &good, .endpoint_count = 0, .timeout_ms = 500}, NULL, &e, &err));
    assert_false(etcd_open(&(struct etcd_spec){.endpoints = &good, .endpoint_count = 1}, NULL, &e, &err));
    assert_false(etcd_open(&(struct etcd_spec){.endpoints = &good, .endpoint_count = 1, .timeout_ms = 500, .cert_file = "/x"}, NULL, &e, &err));
}

/* ---- on a loop that others use too ---- */

struct heard {
    int calls;
    enum etcd_outcome outcome;
    int64_t mod_revision;
    struct etcd_call **cancel_me;
};

static void on_heard(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err)
{
    struct heard *h = arg;
    h->calls++;
    h->outcome = outcome;
    assert_true((answer != NULL) == (outcome == ETCD_ANSWERED) && (err != NULL) == (outcome != ETCD_ANSWERED));
    h->mod_revision = answer && etcd_answer_value(answer, 0) ? etcd_answer_value(answer, 0)->mod_revision : 0;
    if (h->cancel_me)
        etcd_cancel(h->cancel_me); /* its own: must be harmless */
}

static void calls_run_side_by_side_and_can_be_cancelled(void **state)
{
    struct scene *s = *state;
    struct etcd_spec conf = conf_of(s, "hang", "200 " ONE, "200 " ONE);
    SCOPED(loop_close) struct loop *loop = loop_open();
    SCOPED(dns_close) struct dns *dns = dns_open(loop, 500);
    SCOPED(http_close) struct http *http = http_open(loop, dns);
    struct etcd_call *calls[3];
    struct heard heard[3] = {{.cancel_me = &calls[0]}};
    struct err err = {0};
    struct etcd_answer a;
    assert_true(etcd_open(&conf, http, &s->etcd, &err));
    for (size_t i = 0; i < 3; i++)
        assert_true(etcd_start(s->etcd, &get, on_heard, &heard[i], &calls[i], &err));
    assert_int_equal(heard[0].calls, 0);
    etcd_cancel(&calls[1]);
    assert_null(calls[1]);
    while (!heard[0].calls || !heard[2].calls)
        loop_once(loop, true);
    assert_int_equal(heard[0].outcome, ETCD_ANSWERED);
    assert_int_equal(heard[2].mod_revision, 7);
    assert_int_equal(heard[1].calls, 0);
    assert_int_equal(etcd_ask(s->etcd, s->arena, &get, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_true(etcd_start(s->etcd, &get, on_heard, &heard[1], NULL, &err));
    etcd_close(&s->etcd); /* with a call that is open */
    assert_int_equal(heard[1].calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_read_with_all_its_numbers),
        cmocka_unit_test(both_branches_of_a_transaction_are_read),
        cmocka_unit_test(leases_are_read),
        cmocka_unit_test(what_is_no_good_answer_is_not_taken_for_one),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(requests_are_what_the_gateway_reads),
        cmocka_unit_test(a_configuration_that_cannot_work_is_refused),
        cmocka_unit_test_setup_teardown(the_next_endpoint_is_asked_and_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_frozen_member_leaves_time_for_the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(while_nobody_leads_it_is_asked_again_until_the_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_answer_to_a_change_is_unknown_never_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kept_connection_that_died_does_not_send_a_change_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_may_be_repeated_is_sent_to_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_is_final, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_answer_is_not_called_unavailable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_token_is_renewed_once_in_passing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_password_is_said_without_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_etcd_without_users_needs_no_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_run_side_by_side_and_can_be_cancelled, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
