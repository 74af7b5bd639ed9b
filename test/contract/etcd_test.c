/* What etcd itself, as Debian has it, does with what our client says: one member, three of which some die or freeze, TLS and users. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "base/base64.h"
#include "etcdfixture.h"
#include "fakeserver.h"
#include "io/etcd.h"
#include "io/json.h"
#include "sys/clock.h"

enum { READY_MS = 30 * MS_SECOND };

struct scene {
    struct etcd_fixture *fixture;
    struct etcd *etcd;
    struct arena *arena;
};

static struct etcd *open_one(const struct etcd_spec *conf)
{
    struct etcd *etcd = NULL;
    struct err err = {0};
    if (!etcd_open(conf, NULL, &etcd, &err))
        fail_msg("%s", err.message);
    return etcd;
}

static struct etcd_op get_of(const char *key)
{
    return (struct etcd_op){.kind = ETCD_GET, .key = key};
}

static struct etcd_op put_of(const char *key, const char *value)
{
    return (struct etcd_op){.kind = ETCD_PUT, .key = key, .value = str_of(value)};
}

static enum etcd_outcome do_op(struct scene *s, struct etcd_op op, int64_t timeout_ms, struct etcd_answer *a, struct err *err)
{
    *err = (struct err){0};
    return etcd_ask(s->etcd, s->arena, &(struct etcd_request){.ops = &op, .op_count = 1, .repeatable = true, .timeout_ms = timeout_ms}, a, err);
}

static struct etcd_answer must_do(struct scene *s, struct etcd_op op)
{
    struct etcd_answer a = {0};
    struct err err;
    if (do_op(s, op, READY_MS, &a, &err) != ETCD_ANSWERED)
        fail_msg("%s", err.message);
    return a;
}

static struct etcd_answer must_ask(struct scene *s, struct etcd_request r)
{
    struct etcd_answer a = {0};
    struct err err = {0};
    r.timeout_ms = READY_MS;
    if (etcd_ask(s->etcd, s->arena, &r, &a, &err) != ETCD_ANSWERED)
        fail_msg("%s", err.message);
    return a;
}

static const char *text_of(struct scene *s, const char *key)
{
    struct etcd_answer a = must_do(s, get_of(key));
    const struct etcd_value *v = etcd_answer_value(&a, 0);
    return v ? v->value.p : NULL;
}

static struct scene *scene_new(int members, bool tls)
{
    struct scene *s = calloc(1, sizeof(*s));
    s->arena = arena_open();
    s->fixture = etcd_fixture_new(members, tls);
    return s;
}

static int one_member(void **state)
{
    struct scene *s = scene_new(1, false);
    s->etcd = open_one(&(struct etcd_spec){.endpoints = s->fixture->urls, .endpoint_count = 1, .timeout_ms = 700});
    must_do(s, get_of("/ready"));
    *state = s;
    return 0;
}

static int three_members(void **state)
{
    struct scene *s = scene_new(3, false);
    s->etcd = open_one(&(struct etcd_spec){.endpoints = s->fixture->urls, .endpoint_count = 3, .timeout_ms = 700});
    must_do(s, get_of("/ready"));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    etcd_close(&s->etcd);
    etcd_fixture_free(&s->fixture);
    arena_close(&s->arena);
    free(s);
    return 0;
}

/* ---- one member ---- */

static void what_is_put_is_got(void **state)
{
    struct scene *s = *state;
    struct etcd_op binary = {.kind = ETCD_PUT, .key = "/p/\xc3\xa9", .value = {"\0\n\xff\"", 4}};
    struct etcd_answer put = must_do(s, binary), got = must_do(s, get_of(binary.key));
    const struct etcd_value *v = etcd_answer_value(&got, 0);
    assert_non_null(v);
    assert_int_equal(v->value.n, 4);
    assert_memory_equal(v->value.p, "\0\n\xff\"", 5);
    assert_int_equal(v->mod_revision, put.revision);
    assert_int_equal(v->create_revision, put.revision);
    assert_int_equal(v->version, 1);
    put = must_do(s, put_of(binary.key, "again"));
    got = must_do(s, get_of(binary.key));
    v = etcd_answer_value(&got, 0);
    assert_int_equal(v->mod_revision, put.revision);
    assert_true(v->create_revision < v->mod_revision);
    assert_int_equal(v->version, 2);
    got = must_do(s, (struct etcd_op){.kind = ETCD_DELETE, .key = binary.key});
    assert_int_equal(got.results[0].total, 1);
    assert_null(text_of(s, binary.key));
    assert_int_equal(must_do(s, (struct etcd_op){.kind = ETCD_DELETE, .key = binary.key}).results[0].total, 0);
}

static void a_prefix_gives_its_keys_and_no_others(void **state)
{
    struct scene *s = *state;
    const char *const keys[] = {"/q/c", "/q/a", "/q/b", "/q", "/q0", "/r"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        must_do(s, put_of(keys[i], "x"));
    struct etcd_op op = {.kind = ETCD_GET, .key = "/q/", .prefix = true};
    struct etcd_answer a = must_do(s, op);
    assert_int_equal(a.results[0].count, 3);
    assert_true(str_is(a.results[0].values[0].key, "/q/a"));
    op.oldest_first = true;
    op.limit = 2;
    a = must_do(s, op);
    assert_int_equal(a.results[0].count, 2);
    assert_int_equal(a.results[0].total, 3);
    assert_true(str_is(a.results[0].values[0].key, "/q/c"));
    assert_true(a.results[0].values[0].create_revision < a.results[0].values[1].create_revision);
    op = (struct etcd_op){.kind = ETCD_DELETE, .key = "/q/", .prefix = true};
    assert_int_equal(must_do(s, op).results[0].total, 3);
    assert_string_equal(text_of(s, "/q0"), "x");
}

static void only_one_of_two_takes_the_next_epoch(void **state)
{
    struct scene *s = *state;
    int64_t revision = must_do(s, put_of("/e/epoch", "7")).revision;
    struct etcd_compare same_epoch = {.key = "/e/epoch", .what = ETCD_MOD_REVISION, .number = revision};
    struct etcd_op take[] = {put_of("/e/epoch", "8 by a"), get_of("/e/epoch")}, look = get_of("/e/epoch");
    struct etcd_request r = {.compares = &same_epoch, .compare_count = 1, .ops = take, .op_count = 2, .otherwise = &look, .otherwise_count = 1};
    struct etcd_answer a = must_ask(s, r);
    assert_true(a.succeeded);
    assert_int_equal(a.result_count, 2);
    assert_true(str_is(etcd_answer_value(&a, 1)->value, "8 by a"));
    assert_int_equal(etcd_answer_value(&a, 1)->mod_revision, a.revision);
    take[0].value = str_of("8 by b");
    a = must_ask(s, r);
    assert_false(a.succeeded);
    assert_true(str_is(etcd_answer_value(&a, 0)->value, "8 by a"));
}

static bool holds(struct scene *s, struct etcd_compare c)
{
    struct etcd_op look = get_of(c.key);
    return must_ask(s, (struct etcd_request){.compares = &c, .compare_count = 1, .ops = &look, .op_count = 1}).succeeded;
}

static void every_condition_means_what_it_says(void **state)
{
    struct scene *s = *state;
    int64_t revision = must_do(s, put_of("/c", "v")).revision;
    assert_true(holds(s, (struct etcd_compare){.key = "/c", .what = ETCD_CREATE_REVISION, .number = revision}));
    assert_true(holds(s, (struct etcd_compare){.key = "/c", .what = ETCD_MOD_REVISION, .relation = '<', .number = revision + 1}));
    assert_false(holds(s, (struct etcd_compare){.key = "/c", .what = ETCD_MOD_REVISION, .relation = '>', .number = revision}));
    assert_true(holds(s, (struct etcd_compare){.key = "/c", .what = ETCD_VERSION, .number = 1}));
    assert_true(holds(s, (struct etcd_compare){.key = "/c", .what = ETCD_LEASE, .number = 0}));
    assert_true(holds(s, (struct etcd_compare){.key = "/c", .what = ETCD_VALUE, .value = STR("v")}));
    assert_true(holds(s, (struct etcd_compare){.key = "/c", .what = ETCD_VALUE, .relation = '!', .value = STR("w")}));
    assert_true(holds(s, (struct etcd_compare){.key = "/none", .what = ETCD_CREATE_REVISION, .number = 0}));
}

static void a_key_goes_with_its_lease(void **state)
{
    struct scene *s = *state;
    struct etcd_answer lease = must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_GRANT, .ttl_s = 2});
    assert_true(lease.lease != 0 && lease.ttl_s >= 2);
    struct etcd_op put = put_of("/l/a", "held");
    put.lease = lease.lease;
    must_do(s, put);
    struct etcd_answer got = must_do(s, get_of("/l/a"));
    assert_true(etcd_answer_value(&got, 0)->lease == lease.lease);
    /* kept alive beyond its own length, it stands */
    int64_t until = clock_boot_ms() + 3000, last = lease.sent_ms;
    while (clock_boot_ms() < until) {
        struct etcd_answer kept = must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_KEEPALIVE, .lease = lease.lease});
        assert_int_equal(kept.ttl_s, lease.ttl_s);
        last = kept.sent_ms;
        usleep(300000);
    }
    assert_string_equal(text_of(s, "/l/a"), "held");
    /* and then it ends: not before its time, counted from the last request that kept it, and not long after */
    while (text_of(s, "/l/a"))
        usleep(20000);
    assert_in_range(clock_boot_ms() - last, lease.ttl_s * MS_SECOND, lease.ttl_s * MS_SECOND + 4000);
    assert_int_equal(must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_KEEPALIVE, .lease = lease.lease}).ttl_s, 0);
    struct etcd_answer a;
    struct err err;
    assert_int_equal(do_op(s, put, 2000, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_revoked_lease_takes_its_keys_at_once(void **state)
{
    struct scene *s = *state;
    struct etcd_answer lease = must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_GRANT, .ttl_s = 60});
    struct etcd_op put = put_of("/l/b", "held");
    put.lease = lease.lease;
    must_do(s, put);
    must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_REVOKE, .lease = lease.lease});
    assert_null(text_of(s, "/l/b"));
    must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_REVOKE, .lease = lease.lease}); /* already gone is as good */
}

static struct str post(struct scene *s, const struct etcd_fixture *f, int member, const char *path, const char *body, const char *token, long *ret_status)
{
    char url[160], ca[128], cert[128], key[128];
    snprintf(url, sizeof(url), "%s%s", f->urls[member], path);
    snprintf(ca, sizeof(ca), "%s/ca.pem", f->folder);
    snprintf(cert, sizeof(cert), "%s/client.pem", f->folder);
    snprintf(key, sizeof(key), "%s/client.key", f->folder);
    const char *const headers[] = {token ? arena_printf(s->arena, "Authorization: %s", token) : NULL, NULL};
    struct http_spec spec = {.method = "POST", .url = url, .headers = headers, .body = body, .body_size = strlen(body), .timeout_ms = READY_MS};
    if (f->tls)
        spec.ca_file = ca, spec.cert_file = cert, spec.key_file = key;
    struct http_response r = {0};
    struct err err = {0};
    *ret_status = http_fetch(s->arena, &spec, &r, &err) ? r.status : 0;
    return r.body;
}

static void what_was_compacted_away_is_refused(void **state)
{
    struct scene *s = *state;
    int64_t old = must_do(s, put_of("/old", "1")).revision, now = must_do(s, put_of("/old", "2")).revision;
    struct etcd_op then = get_of("/old");
    then.revision = old;
    struct etcd_answer a = must_do(s, then);
    assert_true(str_is(etcd_answer_value(&a, 0)->value, "1"));
    long status;
    post(s, s->fixture, 0, "/v3/kv/compaction", arena_printf(s->arena, "{\"revision\":\"%" PRId64 "\",\"physical\":true}", now), NULL, &status);
    assert_int_equal(status, 200);
    struct err err;
    assert_int_equal(do_op(s, then, 5000, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.message, "compacted"));
    assert_string_equal(text_of(s, "/old"), "2"); /* what is kept is not touched */
}

static void a_large_value_passes_and_one_too_large_is_refused(void **state)
{
    struct scene *s = *state;
    char *big = arena_alloc(s->arena, 2 << 20);
    memset(big, 'x', 2 << 20);
    struct etcd_op put = {.kind = ETCD_PUT, .key = "/big", .value = {big, 1 << 20}};
    must_do(s, put);
    struct etcd_answer a = must_do(s, get_of("/big"));
    assert_int_equal(etcd_answer_value(&a, 0)->value.n, 1 << 20);
    put.value.n = 2 << 20;
    struct err err;
    assert_int_equal(do_op(s, put, 5000, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_REFUSED);
    a = must_do(s, get_of("/big"));
    assert_int_equal(etcd_answer_value(&a, 0)->value.n, 1 << 20);
}

/* ---- an answer on its way is lost ---- */

static const struct etcd_fixture *behind;

/* Hands the request on to the real etcd, waits until it has answered, and closes without handing the answer back. */
static void swallow(struct fake_server *s, int fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)behind->member[0].client_port)};
    char bytes[8192];
    inet_pton(AF_INET, behind->member[0].address, &a.sin_addr);
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t n = 0;
    bool good = connect(to, (struct sockaddr *)&a, sizeof(a)) == 0;
    for (char *end = NULL; good && !end;) { /* the whole request: its body ends the JSON object */
        ssize_t got = recv(fd, bytes + n, sizeof(bytes) - 1 - (size_t)n, 0);
        good = got > 0;
        n += good ? got : 0;
        bytes[n] = 0;
        end = strstr(bytes, "\r\n\r\n") && n > 2 && bytes[n - 1] == '}' ? bytes + n : NULL;
    }
    if (good && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n && recv(to, bytes, sizeof(bytes), 0) > 0)
        atomic_fetch_add(&s->requests, 1);
    close(to);
}

static void a_change_that_was_made_and_not_heard_of_is_unknown(void **state)
{
    struct scene *s = *state;
    char url[64];
    behind = s->fixture;
    struct fake_server *relay = fake_server_new(swallow, NULL);
    snprintf(url, sizeof(url), "http://%s:%d", relay->address, relay->port);
    const char *const endpoints[] = {url, s->fixture->urls[0]};
    struct etcd *through = open_one(&(struct etcd_spec){.endpoints = endpoints, .endpoint_count = 2, .timeout_ms = READY_MS});
    struct etcd_compare absent = {.key = "/once", .what = ETCD_CREATE_REVISION, .number = 0};
    struct etcd_op put = put_of("/once", "made");
    struct etcd_request r = {.compares = &absent, .compare_count = 1, .ops = &put, .op_count = 1};
    struct etcd_answer a;
    struct err err = {0};
    assert_int_equal(etcd_ask(through, s->arena, &r, &a, &err), ETCD_UNKNOWN);
    assert_int_equal(atomic_load(&relay->requests), 1);
    assert_string_equal(text_of(s, "/once"), "made"); /* had it been called failed, two would think they have it */
    etcd_close(&through);
    /* what may be repeated is told as etcd tells it the second time */
    through = open_one(&(struct etcd_spec){.endpoints = endpoints, .endpoint_count = 2, .timeout_ms = READY_MS});
    struct etcd_op again = put_of("/twice", "made");
    assert_int_equal(etcd_ask(through, s->arena, &(struct etcd_request){.ops = &again, .op_count = 1, .repeatable = true}, &a, &err), ETCD_ANSWERED);
    assert_int_equal(atomic_load(&relay->requests), 2);
    a = must_do(s, get_of("/twice"));
    assert_int_equal(etcd_answer_value(&a, 0)->version, 2);
    etcd_close(&through);
    fake_server_free(&relay);
}

/* ---- three members ---- */

/* What a member says of itself and of who leads; "" when it does not know. */
static void ask_member(struct scene *s, int member, const char **ret_self, const char **ret_leader)
{
    long status;
    const struct json *root = NULL;
    struct str body = post(s, s->fixture, member, "/v3/maintenance/status", "{}", NULL, &status);
    bool good = status == 200 && json_parse(s->arena, body, &root, NULL);
    const char *self = json_string(json_path(good ? root : NULL, "header.member_id")), *leader = json_string(json_get(good ? root : NULL, "leader"));
    *ret_self = self ? self : "";
    *ret_leader = leader ? leader : "";
}

/* All three agree upon one of them. */
static int find_leader(struct scene *s)
{
    for (int64_t until = clock_boot_ms() + READY_MS; clock_boot_ms() < until; usleep(50000)) {
        const char *self[3], *leader[3];
        for (int i = 0; i < 3; i++)
            ask_member(s, i, &self[i], &leader[i]);
        for (int i = 0; i < 3; i++)
            if (self[i][0] && same(self[i], leader[0]) && same(leader[0], leader[1]) && same(leader[1], leader[2]))
                return i;
    }
    fail_msg("three members chose no leader");
    return -1;
}

static void a_dead_leader_is_got_over(void **state)
{
    struct scene *s = *state;
    int leader = find_leader(s);
    must_do(s, put_of("/h/a", "1"));
    etcd_fixture_kill(s->fixture, leader);
    int64_t before = clock_boot_ms();
    must_do(s, put_of("/h/a", "2")); /* asked again and again within its deadline until there is a new one */
    assert_true(clock_boot_ms() - before < 15000);
    assert_string_equal(text_of(s, "/h/a"), "2");
    etcd_fixture_start(s->fixture, leader);
}

static void a_frozen_leader_is_got_over_and_does_not_come_back_as_one(void **state)
{
    struct scene *s = *state;
    int leader = find_leader(s);
    /* the frozen one is who is asked first */
    const char *const urls[] = {s->fixture->urls[leader], s->fixture->urls[(leader + 1) % 3], s->fixture->urls[(leader + 2) % 3]};
    struct etcd *frozen_first = open_one(&(struct etcd_spec){.endpoints = urls, .endpoint_count = 3, .timeout_ms = 700});
    struct etcd_op put = put_of("/h/b", "2");
    struct etcd_request r = {.ops = &put, .op_count = 1, .repeatable = true};
    struct etcd_answer a;
    struct err err = {0};
    must_do(s, put_of("/h/b", "1"));
    etcd_fixture_freeze(s->fixture, leader);
    int64_t begun = clock_boot_ms();
    enum etcd_outcome outcome;
    do { /* each call keeps its deadline, whatever becomes of it */
        int64_t before = clock_boot_ms();
        outcome = etcd_ask(frozen_first, s->arena, &r, &a, &err);
        assert_true(clock_boot_ms() - before < 1500);
        if (outcome != ETCD_ANSWERED)
            assert_int_equal(err.code, ERR_UNAVAILABLE);
    } while (outcome != ETCD_ANSWERED && clock_boot_ms() - begun < READY_MS);
    assert_int_equal(outcome, ETCD_ANSWERED);
    etcd_close(&frozen_first);
    etcd_fixture_thaw(s->fixture, leader);
    /* asked alone, it first hears of the others: what it reads is what they wrote */
    struct scene alone = {.arena = s->arena, .fixture = s->fixture, .etcd = open_one(&(struct etcd_spec){.endpoints = urls, .endpoint_count = 1, .timeout_ms = READY_MS})};
    assert_string_equal(text_of(&alone, "/h/b"), "2");
    etcd_close(&alone.etcd);
}

static void without_a_quorum_it_is_unavailable_within_the_deadline(void **state)
{
    struct scene *s = *state;
    int leader = find_leader(s);
    struct etcd_answer a;
    struct err err;
    must_do(s, put_of("/h/c", "1"));
    etcd_fixture_kill(s->fixture, leader);
    etcd_fixture_freeze(s->fixture, (leader + 1) % 3);
    for (int i = 0; i < 4; i++) {
        int64_t before = clock_boot_ms();
        assert_int_equal(do_op(s, get_of("/h/c"), 700, &a, &err), ETCD_NOT_DONE);
        assert_int_equal(err.code, ERR_UNAVAILABLE);
        assert_true(clock_boot_ms() - before < 1400);
        assert_true(do_op(s, put_of("/h/c", "2"), 700, &a, &err) != ETCD_ANSWERED);
        assert_int_equal(err.code, ERR_UNAVAILABLE);
    }
    assert_non_null(strstr(err.message, "Connection refused")); /* of the dead one; and the others have their say too */
    etcd_fixture_thaw(s->fixture, (leader + 1) % 3);
    etcd_fixture_start(s->fixture, leader);
    must_do(s, put_of("/h/c", "3"));
    assert_string_equal(text_of(s, "/h/c"), "3");
}

/* ---- TLS, users and roles ---- */

struct secured {
    struct scene base; /* first */
    char ca[128], cert[128], key[128], stranger[128], stranger_key[128], password[128];
    struct etcd_spec conf;
};

static const char *b64(struct scene *s, const char *text)
{
    SCOPED(buf_done) struct buf b = {.max = 1024};
    base64_add(&b, text, strlen(text));
    return arena_strdup(s->arena, buf_text(&b));
}

static void admin(struct scene *s, const char *path, const char *body)
{
    long status = 0;
    struct str said = post(s, s->fixture, 0, path, body, NULL, &status);
    if (status != 200)
        fail_msg("%s: %ld " STR_FMT, path, status, STR_ARG(said));
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_true(f && fputs(text, f) >= 0 && fchmod(fileno(f), 0600) == 0 && fclose(f) == 0);
}

static int secured_member(void **state)
{
    struct secured *x = calloc(1, sizeof(*x));
    struct scene *s = &x->base;
    s->arena = arena_open();
    s->fixture = etcd_fixture_new(1, true);
    const char *folder = s->fixture->folder;
    snprintf(x->ca, sizeof(x->ca), "%s/ca.pem", folder);
    snprintf(x->cert, sizeof(x->cert), "%s/client.pem", folder);
    snprintf(x->key, sizeof(x->key), "%s/client.key", folder);
    snprintf(x->stranger, sizeof(x->stranger), "%s/stranger.pem", folder);
    snprintf(x->stranger_key, sizeof(x->stranger_key), "%s/stranger.key", folder);
    snprintf(x->password, sizeof(x->password), "%s/password", folder);
    write_file(x->password, "hunter2\n");
    x->conf = (struct etcd_spec){.endpoints = s->fixture->urls, .endpoint_count = 1, .timeout_ms = 2000, .ca_file = x->ca, .cert_file = x->cert, .key_file = x->key,
                                 .user = "bascule", .password = {SECRET_FILE, x->password}};
    s->etcd = open_one(&x->conf);
    must_do(s, get_of("/ready")); /* it has no users yet: no token is needed */
    admin(s, "/v3/auth/user/add", "{\"name\":\"root\",\"password\":\"r00t\"}");
    admin(s, "/v3/auth/role/add", "{\"name\":\"root\"}");
    admin(s, "/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
    admin(s, "/v3/auth/role/add", "{\"name\":\"service\"}");
    admin(s, "/v3/auth/role/grant", arena_printf(s->arena, "{\"name\":\"service\",\"perm\":{\"permType\":\"READWRITE\",\"key\":\"%s\",\"range_end\":\"%s\"}}",
                                                 b64(s, "/bascule/"), b64(s, "/bascule0")));
    admin(s, "/v3/auth/user/add", "{\"name\":\"bascule\",\"password\":\"hunter2\"}");
    admin(s, "/v3/auth/user/grant", "{\"user\":\"bascule\",\"role\":\"service\"}");
    admin(s, "/v3/auth/enable", "{}");
    *state = x;
    return 0;
}

static void a_role_opens_its_keys_and_no_others(void **state)
{
    struct secured *x = *state;
    struct scene *s = &x->base;
    struct etcd_answer a;
    struct err err;
    must_do(s, put_of("/bascule/a/epoch", "1")); /* the token that was not needed before is asked for in passing */
    assert_string_equal(text_of(s, "/bascule/a/epoch"), "1");
    assert_int_equal(do_op(s, put_of("/other", "1"), 2000, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_PERMISSION);
    assert_int_equal(do_op(s, get_of("/other"), 2000, &a, &err), ETCD_NOT_DONE);
    assert_int_equal(err.code, ERR_PERMISSION);
    struct etcd_answer lease = must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_GRANT, .ttl_s = 5});
    struct etcd_op put = put_of("/bascule/a/lease", "x");
    put.lease = lease.lease;
    must_do(s, put);
    assert_int_equal(must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_KEEPALIVE, .lease = lease.lease}).ttl_s, lease.ttl_s);
    must_ask(s, (struct etcd_request){.kind = ETCD_LEASE_REVOKE, .lease = lease.lease});
}

static void a_token_that_a_restart_forgot_is_asked_for_again(void **state)
{
    struct secured *x = *state;
    struct scene *s = &x->base;
    must_do(s, put_of("/bascule/b", "1"));
    etcd_fixture_kill(s->fixture, 0);
    etcd_fixture_start(s->fixture, 0);
    must_do(s, put_of("/bascule/b", "2"));
    assert_string_equal(text_of(s, "/bascule/b"), "2");
}

static enum err_code refused_as(struct secured *x, const struct etcd_spec *conf, struct err *err)
{
    struct etcd *etcd = open_one(conf);
    struct etcd_op op = put_of("/bascule/c", "x");
    struct etcd_answer a;
    *err = (struct err){0};
    enum etcd_outcome outcome = etcd_ask(etcd, x->base.arena, &(struct etcd_request){.ops = &op, .op_count = 1}, &a, err);
    etcd_close(&etcd);
    assert_int_equal(outcome, ETCD_NOT_DONE);
    return err->code;
}

/* In TLS 1.3 a server looks at a client's certificate when the client thinks itself connected and has begun to send: of the alert and the
   reset that follow, the reset may come first. */
static void cut_or_told_why(enum err_code code)
{
    assert_true(code == ERR_PROTOCOL || code == ERR_UNAVAILABLE);
}

static void who_is_not_known_is_turned_away(void **state)
{
    struct secured *x = *state;
    struct err err;
    char wrong[160], empty[160], named[160], named_key[160];
    struct etcd_spec conf = x->conf;
    snprintf(wrong, sizeof(wrong), "%s.wrong", x->password);
    write_file(wrong, "hunter3\n");
    conf.password.ref = wrong;
    assert_int_equal(refused_as(x, &conf, &err), ERR_PERMISSION);
    assert_null(strstr(err.message, "hunter"));
    conf = x->conf;
    conf.user = NULL; /* a certificate alone is no user */
    assert_int_equal(refused_as(x, &conf, &err), ERR_PERMISSION);
    conf = x->conf;
    conf.cert_file = conf.key_file = NULL;
    cut_or_told_why(refused_as(x, &conf, &err));
    conf = x->conf;
    conf.cert_file = x->stranger;
    conf.key_file = x->stranger_key;
    cut_or_told_why(refused_as(x, &conf, &err));
    conf = x->conf;
    snprintf(named, sizeof(named), "%s/named.pem", x->base.fixture->folder);
    snprintf(named_key, sizeof(named_key), "%s/named.key", x->base.fixture->folder);
    conf.cert_file = named;
    conf.key_file = named_key;
    assert_int_equal(refused_as(x, &conf, &err), ERR_PERMISSION);
    assert_non_null(strstr(err.hint, "without a CN"));
    conf = x->conf;
    conf.ca_file = x->stranger; /* and we turn away whom we do not know */
    assert_int_equal(refused_as(x, &conf, &err), ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "certificate"));
    conf = x->conf;
    snprintf(empty, sizeof(empty), "%s.none", x->password);
    conf.cert_file = conf.key_file = empty;
    assert_int_equal(refused_as(x, &conf, &err), ERR_PROTOCOL);
}

static int run(const char *name, CMFixtureFunction set_up, const struct CMUnitTest *tests, size_t count)
{
    return _cmocka_run_group_tests(name, tests, count, set_up, tear_down);
}

int main(void)
{
    const struct CMUnitTest one[] = {
        cmocka_unit_test(what_is_put_is_got),
        cmocka_unit_test(a_prefix_gives_its_keys_and_no_others),
        cmocka_unit_test(only_one_of_two_takes_the_next_epoch),
        cmocka_unit_test(every_condition_means_what_it_says),
        cmocka_unit_test(a_key_goes_with_its_lease),
        cmocka_unit_test(a_revoked_lease_takes_its_keys_at_once),
        cmocka_unit_test(what_was_compacted_away_is_refused),
        cmocka_unit_test(a_large_value_passes_and_one_too_large_is_refused),
        cmocka_unit_test(a_change_that_was_made_and_not_heard_of_is_unknown),
    };
    const struct CMUnitTest three[] = {
        cmocka_unit_test(a_dead_leader_is_got_over),
        cmocka_unit_test(a_frozen_leader_is_got_over_and_does_not_come_back_as_one),
        cmocka_unit_test(without_a_quorum_it_is_unavailable_within_the_deadline),
    };
    const struct CMUnitTest tls[] = {
        cmocka_unit_test(a_role_opens_its_keys_and_no_others),
        cmocka_unit_test(a_token_that_a_restart_forgot_is_asked_for_again),
        cmocka_unit_test(who_is_not_known_is_turned_away),
    };
    return run("one member", one_member, one, COUNT_OF(one)) + run("three members", three_members, three, COUNT_OF(three)) +
           run("TLS and users", secured_member, tls, COUNT_OF(tls));
}
