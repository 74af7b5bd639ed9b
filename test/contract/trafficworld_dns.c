/* trafficworld_dns.c -- Debian's BIND and Knot as primary servers of a zone, in a network of this program's own whose resolver they are. */
#include "trafficworld.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "io/nsupdate.h"
#include "sys/clock.h"
#include "sys/file.h"

static const char secret[] = "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMhISE=";
static const char other_secret[] = "YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiE=";
#define SERVER "127.0.0.1" /* BIND listens on addresses of interfaces alone */

static void zone_file(struct world *w)
{
    fixture_write(arena_printf(w->arena, "%s/akig.test.zone", w->folder), 0666,
                  "$TTL 3600\n@ IN SOA ns.akig.test. ops.akig.test. 7 3600 600 86400 60\n@ IN NS ns.akig.test.\nns IN A " SERVER "\n"
                  "www 1 IN A 127.0.1.1\nwww 1 IN AAAA ::ffff:127.0.1.1\napi 1 IN A 127.0.1.1\napi 1 IN AAAA ::ffff:127.0.1.1\nalias 1 IN CNAME production.akig.test.\n"
                  "production IN A 127.0.1.1\ndr IN A 127.0.1.2\n");
}

static void dns_service(struct world *w)
{
    const struct option *table;
    size_t size;
    char *records = world_list(w, "records", 2, &table, &size);
    fixture_write(arena_printf(w->arena, "%s/secret", w->folder), 0600, "%s\n", secret);
    for (int i = 0; i < 2; i++) {
        char *r = records + (size_t)i * size;
        *(const char **)world_field(table, r, "site") = w->sites[i].name;
        *(struct strs *)world_field(table, r, "a") = world_words(w, i ? "127.0.1.2" : "127.0.1.1", NULL);
        if (!i)
            *(struct strs *)world_field(table, r, "aaaa") = world_words(w, "0::FFFF:7f00:0101", NULL);
        world_serve_name(w, i ? "127.0.1.2" : "127.0.1.1", 8080, NULL, w->sites[i].name);
    }
    *(const char **)world_option(w, "server") = SERVER ":53";
    *(const char **)world_option(w, "zone") = "akig.test";
    *(struct strs *)world_option(w, "name") = world_words(w, "www.akig.test", "API.akig.test.", NULL);
    *(const char **)world_option(w, "key") = "bascule";
    *(struct secret *)world_option(w, "secret") = (struct secret){SECRET_FILE, arena_printf(w->arena, "%s/secret", w->folder)};
    *(int64_t *)world_option(w, "ttl") = 1000;
    *(struct strs *)world_option(w, "resolvers") = world_words(w, SERVER ":53", NULL);
    w->service.public_url = "http://api.akig.test:8080";
    str_copy(w->address, sizeof(w->address), SERVER);
    w->server_port = 53;
}

static void bind_open(struct world *w)
{
    const char *conf = arena_printf(w->arena, "%s/named.conf", w->folder);
    world_own_network(w, SERVER);
    zone_file(w);
    fixture_write(conf, 0644,
                  "key bascule { algorithm hmac-sha256; secret \"%s\"; };\nkey strong { algorithm hmac-sha512; secret \"%s\"; };\n"
                  "key guest { algorithm hmac-sha256; secret \"%s\"; };\ncontrols { };\n"
                  "options { directory \"%s\"; listen-on port 53 { " SERVER "; }; listen-on-v6 { none; }; recursion no; dnssec-validation no;\n"
                  " pid-file none; session-keyfile none; };\n"
                  "zone \"akig.test\" { type primary; file \"akig.test.zone\"; allow-update { key bascule; key strong; }; };\n",
                  secret, secret, secret, w->folder);
    w->server_argv = arena_dup(w->arena, (const char *[]){"/usr/sbin/named", "-g", "-n", "1", "-c", conf, NULL}, 7 * sizeof(char *));
    dns_service(w);
    world_start(w);
}

static void knot_open(struct world *w)
{
    const char *conf = arena_printf(w->arena, "%s/knot.conf", w->folder);
    world_own_network(w, SERVER);
    zone_file(w);
    fixture_write(conf, 0644,
                  "server:\n  rundir: %s\n  listen: " SERVER "@53\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
                  "database:\n  storage: %s\n"
                  "key:\n  - id: bascule\n    algorithm: hmac-sha256\n    secret: %s\n  - id: strong\n    algorithm: hmac-sha512\n    secret: %s\n"
                  "  - id: guest\n    algorithm: hmac-sha256\n    secret: %s\n"
                  "acl:\n  - id: update\n    key: [bascule, strong]\n    action: update\n"
                  "zone:\n  - domain: akig.test\n    storage: %s\n    file: akig.test.zone\n    acl: update\n    serial-policy: increment\n"
                  "log:\n  - target: stderr\n    any: warning\n",
                  w->folder, w->folder, secret, secret, secret, w->folder);
    w->server_argv = arena_dup(w->arena, (const char *[]){"/usr/sbin/knotd", "-c", conf, NULL}, 4 * sizeof(char *));
    dns_service(w);
    world_start(w);
}

static bool ask(struct world *w, const char *name, enum ns_type type, struct ns_records *ret, struct err *err)
{
    return ns_ask(w->arena, SERVER ":53", name, type, true, 3000, ret, err);
}

static char *dns_state(struct world *w)
{
    static const char *const names[] = {"www.akig.test.", "api.akig.test.", "alias.akig.test."};
    char *state = arena_strdup(w->arena, "");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (int type = NS_A; type <= NS_CNAME; type++) {
            struct ns_records r;
            struct err err = {0};
            /* a server that has just been started binds its port before it has read its zone */
            for (int64_t end = clock_boot_ms() + 5000; !ask(w, names[i], (enum ns_type)type, &r, &err);)
                if (clock_boot_ms() > end)
                    fail_msg("%s: %s", names[i], err.message);
            for (size_t k = 0; k < r.n; k++)
                state = arena_printf(w->arena, "%s%s %s %u %s\n", state, r.p[k].name, ns_type_name(r.p[k].type), r.p[k].ttl, r.p[k].value);
        }
    return state;
}

const struct world_kind world_bind = {"dns-bind", "dns", bind_open, NULL, dns_state};
const struct world_kind world_knot = {"dns-knot", "dns", knot_open, NULL, dns_state};

static uint32_t serial(struct world *w)
{
    struct ns_records soa;
    struct err err = {0};
    int64_t number = -1;
    if (!ask(w, "akig.test.", NS_SOA, &soa, &err) || soa.n != 1 || !str_int(str_of(soa.p[0].value), &number))
        fail_msg("SOA: %s", err.message);
    return (uint32_t)number;
}

static void every_record_moves_in_one_change(struct world *w)
{
    char *before = dns_state(w);
    uint32_t first = serial(w);
    world_must(w, "switch", "dr");
    assert_string_equal(dns_state(w), "www.akig.test. A 1 127.0.1.2\napi.akig.test. A 1 127.0.1.2\nalias.akig.test. CNAME 1 production.akig.test.\n");
    assert_int_equal(serial(w), first + 1); /* one message, whole or not at all */
    world_must(w, "undo", NULL);
    assert_string_equal(dns_state(w), before);
}

static void an_alias_moves_as_well(struct world *w)
{
    const struct option *table;
    size_t size;
    char *records = world_list(w, "records", 2, &table, &size);
    for (int i = 0; i < 2; i++) {
        *(const char **)world_field(table, records + (size_t)i * size, "site") = w->sites[i].name;
        *(const char **)world_field(table, records + (size_t)i * size, "cname") = i ? "dr.akig.test" : "Production.akig.test.";
    }
    *(struct strs *)world_option(w, "name") = world_words(w, "alias.akig.test", NULL);
    w->service.public_url = "http://alias.akig.test:8080";
    struct err err = {0};
    assert_true(traffic_driver("dns")->valid(&w->service.traffic, &w->service, &err));
    world_must(w, "show", NULL);
    world_must(w, "switch", "dr");
    world_served_by(w, "dr");
    assert_non_null(strstr(dns_state(w), "alias.akig.test. CNAME 1 dr.akig.test."));
    world_must(w, "undo", NULL);
    world_served_by(w, "production");
}

static void sha512_signs_as_well(struct world *w)
{
    *(const char **)world_option(w, "key") = "strong";
    *(int *)world_option(w, "algorithm") = 1;
    world_must(w, "switch", "dr");
    world_served_by(w, "dr");
}

static void a_wrong_key_is_said_in_clear_words(struct world *w)
{
    const char *path = arena_printf(w->arena, "%s/other", w->folder), *before = dns_state(w);
    struct secret *kept = world_option(w, "secret"), right = *kept;
    const char **key = world_option(w, "key");
    struct err err;
    fixture_write(path, 0600, "%s\n", other_secret);
    *kept = (struct secret){SECRET_FILE, path};
    assert_false(world_act(w, "switch", "dr", &err));
    if (!strstr(err.message, "BADSIG") || err.code != ERR_PERMISSION)
        fail_msg("%s", err.message);
    *kept = right;
    *key = "nobody";
    assert_false(world_act(w, "switch", "dr", &err));
    if (!strstr(err.message, "does not know key \"nobody\"") || err.code != ERR_PERMISSION)
        fail_msg("%s", err.message);
    *key = "guest";
    assert_false(world_act(w, "switch", "dr", &err)); /* known, and not allowed to: BIND says REFUSED, Knot BADKEY */
    if (!strstr(err.message, "REFUSED") && !strstr(err.message, "BADKEY"))
        fail_msg("%s", err.message);
    fixture_write(path, 0600, "not base64!\n");
    *key = "bascule";
    *kept = (struct secret){SECRET_FILE, path};
    assert_false(world_act(w, "switch", "dr", &err));
    assert_null(strstr(err.message, "not base64!")); /* the secret is never said */
    *kept = (struct secret){SECRET_FILE, "/nonexistent/secret"};
    assert_false(world_act(w, "switch", "dr", &err));
    assert_string_equal(dns_state(w), before);
    *kept = right;
    world_must(w, "switch", "dr");
}

static void a_zone_that_is_not_there_is_said(struct world *w)
{
    struct err err;
    *(const char **)world_option(w, "zone") = "other.test";
    *(struct strs *)world_option(w, "name") = world_words(w, "www.other.test", NULL);
    assert_false(world_act(w, "switch", "dr", &err));
    if (!strstr(err.message, "other.test"))
        fail_msg("%s", err.message);
    struct ns_key key = {"bascule", "hmac-sha256", secret};
    struct ns_set set = {"www.other.test.", NS_A};
    struct ns_records none = {0}, one = {0};
    *vec_add(w->arena, &one) = (struct ns_record){"www.other.test.", NS_A, 1, "127.0.1.2"};
    struct ns_change change = {"other.test.", &set, 1, &none, &one};
    assert_false(ns_update(w->arena, SERVER ":53", &key, &change, 3000, &err));
    assert_non_null(strstr(err.message, "NOTAUTH"));
    set.name = "www.elsewhere.test.";
    one.p[0].name = "www.elsewhere.test.";
    change.zone = "akig.test.";
    assert_false(ns_update(w->arena, SERVER ":53", &key, &change, 3000, &err));
    assert_non_null(strstr(err.message, "NOTZONE"));
}

static void what_somebody_else_changed_is_not_overwritten(struct world *w)
{
    struct ns_key key = {"bascule", "hmac-sha256", secret};
    struct ns_set set = {"api.akig.test.", NS_A};
    struct ns_records was, will = {0};
    struct err err = {0};
    assert_true(ask(w, "api.akig.test.", NS_A, &was, &err));
    *vec_add(w->arena, &will) = (struct ns_record){"api.akig.test.", NS_A, 1, "127.0.9.9"};
    struct ns_change change = {"akig.test.", &set, 1, &was, &will};
    assert_true(ns_update(w->arena, SERVER ":53", &key, &change, 3000, &err));
    const char *then = dns_state(w);
    assert_false(ns_update(w->arena, SERVER ":53", &key, &change, 3000, &err)); /* what was read before the other's change */
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.message, "somebody else"));
    assert_string_equal(dns_state(w), then);
    const struct site *site;
    assert_false(traffic_driver("dns")->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    world_must(w, "switch", "dr"); /* and from there a switch goes on, and undo leads back to it */
    world_served_by(w, "dr");
    assert_true(traffic_driver("dns")->put_back(&w->ctx, &err));
    assert_string_equal(dns_state(w), then);
}

static void prepare_lowers_the_time_that_resolvers_hold_it(struct world *w)
{
    SCOPED(buf_done) struct buf out = {.max = 65536};
    struct err err = {0};
    *(int64_t *)world_option(w, "ttl") = 900 * MS_SECOND;
    world_must(w, "switch", "dr");
    world_must(w, "undo", NULL);
    *(int64_t *)world_option(w, "ttl") = 900 * MS_SECOND;
    world_must(w, "switch", "dr");
    assert_non_null(strstr(dns_state(w), "api.akig.test. A 900 127.0.1.2"));
    *(int64_t *)world_option(w, "ttl") = 30 * MS_SECOND;
    assert_true(traffic_driver("dns")->describe(&w->ctx, &w->sites[0], &out, &err));
    assert_non_null(strstr(buf_text(&out), "users may go on to the old site for 900 s"));
    assert_non_null(strstr(buf_text(&out), "traffic prepare"));
    assert_false(world_done(w, "prepare", NULL));
    world_must(w, "prepare", NULL);
    assert_string_equal(dns_state(w), "www.akig.test. A 30 127.0.1.2\napi.akig.test. A 30 127.0.1.2\nalias.akig.test. CNAME 1 production.akig.test.\n");
    world_must(w, "prepare", NULL);
    world_served_by(w, "dr");
}

static void a_large_change_goes_over_tcp(struct world *w)
{
    struct strs *names = world_option(w, "name");
    *names = world_words(w, "www.akig.test", "api.akig.test", NULL);
    for (int i = 0; i < 40; i++)
        *vec_add(w->arena, names) = arena_printf(w->arena, "customer-%d.akig.test", i);
    struct err err = {0};
    assert_true(traffic_driver("dns")->point(&w->ctx, &w->sites[1], &err));
    const struct site *site;
    assert_true(traffic_driver("dns")->read_back(&w->ctx, &site, &err));
    assert_ptr_equal(site, &w->sites[1]);
    assert_true(traffic_driver("dns")->put_back(&w->ctx, &err));
    struct ns_records none;
    assert_true(ask(w, "customer-7.akig.test.", NS_A, &none, &err));
    assert_int_equal(none.n, 0);
}

/* A server of the test's own on another port: what it says to any question. */
static pid_t liar(struct world *w, int port, const unsigned char *reply, size_t size, bool echo_id)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, SERVER, &a.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    pid_t child = fork();
    *(const char **)world_option(w, "server") = arena_printf(w->arena, SERVER ":%d", port);
    if (child) {
        close(fd);
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        unsigned char question[1500], answer[1500];
        struct sockaddr_in from;
        socklen_t n = sizeof(from);
        if (recvfrom(fd, question, sizeof(question), 0, (struct sockaddr *)&from, &n) < 12)
            continue;
        memcpy(answer, reply, size);
        if (echo_id)
            memcpy(answer, question, 2);
        sendto(fd, answer, size, 0, (struct sockaddr *)&from, n);
    }
}

static void answers_that_are_none_are_not_believed(struct world *w)
{
    static const unsigned char junk[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    static const unsigned char yes[] = {0, 0, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0};      /* authoritative, no error, no records */
    static const unsigned char refused[] = {0, 0, 0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0};
    const struct {
        const unsigned char *reply;
        size_t size;
        bool echo;
        const char *says;
    } cases[] = {
        {junk, sizeof(junk), true, "no DNS message"},
        {yes, sizeof(yes), false, "DNS server"}, /* another's number: never taken, and nobody listens by TCP */
        {refused, sizeof(refused), true, "REFUSED"},
        {yes, sizeof(yes), true, "has no zone"},
    };
    struct err err;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pid_t child = liar(w, 5353, cases[i].reply, cases[i].size, cases[i].echo);
        bool ok = world_act(w, "switch", "dr", &err);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (ok || !strstr(err.message, cases[i].says))
            fail_msg("case %zu: %s", i, err.message);
    }
}

/* Stands between: questions pass; an update is carried out, but its answer is lost, and after it all or nothing else passes. */
static pid_t lossy(struct world *w, int port, bool all_after)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}, real = {.sin_family = AF_INET, .sin_port = htons(53)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, SERVER, &a.sin_addr);
    inet_pton(AF_INET, SERVER, &real.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)) | connect(out, (struct sockaddr *)&real, sizeof(real)), 0);
    pid_t child = fork();
    *(const char **)world_option(w, "server") = arena_printf(w->arena, SERVER ":%d", port);
    if (child) {
        close(fd);
        close(out);
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (bool lost = false;;) {
        unsigned char message[4096];
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from, &size);
        bool update = n > 12 && (message[2] >> 3 & 15) == 5;
        if (n < 12 || (lost && !all_after) || send(out, message, (size_t)n, 0) != n || (n = recv(out, message, sizeof(message), 0)) < 12)
            continue;
        lost |= update;
        if (!update)
            sendto(fd, message, (size_t)n, 0, (struct sockaddr *)&from, size);
    }
}

static void an_answer_that_is_lost_is_found_out_by_looking(struct world *w)
{
    struct err err = {0};
    char *before = dns_state(w);
    pid_t child = lossy(w, 5355, true);
    bool ok = traffic_driver("dns")->point(&w->ctx, &w->sites[1], &err);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (!ok) /* what was asked for stands there */
        fail_msg("%s", err.message);
    *(const char **)world_option(w, "server") = SERVER ":53";
    assert_true(traffic_driver("dns")->put_back(&w->ctx, &err));
    assert_string_equal(dns_state(w), before);
    child = lossy(w, 5356, false);
    ok = traffic_driver("dns")->point(&w->ctx, &w->sites[1], &err);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_false(ok); /* nothing can be known, and that is said */
    assert_non_null(strstr(err.message, "could not be put back"));
    assert_non_null(strstr(err.hint, "may still carry out"));
    *(const char **)world_option(w, "server") = SERVER ":53";
    world_must(w, "switch", "dr"); /* and the same switch finishes it */
    assert_true(traffic_driver("dns")->put_back(&w->ctx, &err));
    assert_string_equal(dns_state(w), before);
}

static void an_update_is_believed_only_when_it_is_signed(struct world *w)
{
    static const unsigned char done[] = {0, 0, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0}; /* an update, carried out, says anybody */
    struct ns_key key = {"bascule", "hmac-sha256", secret};
    struct ns_set set = {"api.akig.test.", NS_A};
    struct ns_records none = {0};
    struct ns_change change = {"akig.test.", &set, 1, &none, &none};
    struct err err = {0};
    pid_t child = liar(w, 5354, done, sizeof(done), true);
    assert_false(ns_update(w->arena, SERVER ":5354", &key, &change, 2000, &err));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_non_null(strstr(err.message, "is not signed"));
}

static void unusable_configurations_are_refused(struct world *w)
{
    const struct traffic_ops *d = traffic_driver("dns");
    struct err err = {0};
    const struct {
        const char *key, *value, *says;
    } cases[] = {
        {"server", "ns.akig.test:53", "no ADDRESS:PORT"}, {"server", "/run/named.sock", "no ADDRESS:PORT"}, {"zone", "other.test", "no name of zone"},
        {"zone", "ig.test", "no name of zone"}, {"zone", "a..b", "no name of a zone"}, {"key", "a b", "no name of a key"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char **at = world_option(w, cases[i].key), *kept = *at;
        *at = cases[i].value;
        if (d->valid(&w->service.traffic, &w->service, &err) || !strstr(err.message, cases[i].says) || err.code != ERR_CONFIG)
            fail_msg("%s: %s: %s", cases[i].key, cases[i].value, err.message);
        *at = kept;
    }
    const struct option *table;
    size_t size;
    char *records = world_list(w, "records", 2, &table, &size);
    for (int i = 0; i < 2; i++) {
        *(const char **)world_field(table, records + (size_t)i * size, "site") = w->sites[i].name;
        *(struct strs *)world_field(table, records + (size_t)i * size, "a") = world_words(w, "127.0.1.1", NULL);
    }
    assert_false(d->valid(&w->service.traffic, &w->service, &err));
    assert_non_null(strstr(err.message, "have the same records"));
    *(struct strs *)world_field(table, records, "a") = world_words(w, "127.0.1.999", NULL);
    assert_false(d->valid(&w->service.traffic, &w->service, &err));
    assert_non_null(strstr(err.message, "no value of type A"));
    *(struct strs *)world_field(table, records, "a") = (struct strs){0};
    *(const char **)world_field(table, records, "cname") = "production.akig.test";
    assert_false(d->valid(&w->service.traffic, &w->service, &err));
    assert_non_null(strstr(err.message, "same kind of records"));
}

const struct world_test dns_tests[] = {
#define T(name) {#name, name}
    T(every_record_moves_in_one_change),
    T(an_alias_moves_as_well),
    T(sha512_signs_as_well),
    T(a_wrong_key_is_said_in_clear_words),
    T(a_zone_that_is_not_there_is_said),
    T(what_somebody_else_changed_is_not_overwritten),
    T(prepare_lowers_the_time_that_resolvers_hold_it),
    T(a_large_change_goes_over_tcp),
    T(answers_that_are_none_are_not_believed),
    T(an_answer_that_is_lost_is_found_out_by_looking),
    T(an_update_is_believed_only_when_it_is_signed),
    T(unusable_configurations_are_refused),
#undef T
    {NULL, NULL},
};
