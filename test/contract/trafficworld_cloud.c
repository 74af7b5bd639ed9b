/* trafficworld_cloud.c -- The APIs of Cloudflare, Route 53 and Elastic Load Balancing, played by clouds.py beside this file. */
#include "trafficworld.h"

#include <sys/stat.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/secret.h"

#define ARN "arn:aws:elasticloadbalancing:eu-west-3:123456789012:"
#define LISTENER ARN "listener/app/akig/50dc6c495c0c9188/f2f7dc8efc522ab2"
#define RULE ARN "listener-rule/app/akig/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee"
#define PRODUCTION ARN "targetgroup/production/73e2d6bc24d8a067"
#define DR ARN "targetgroup/dr/943f017f100becff"

static char *text_of(struct world *w, const char *name)
{
    struct str text = {0};
    return file_read(w->arena, arena_printf(w->arena, "%s/%s", w->folder, name), 256 * 1024, &text, NULL) ? str_dup(w->arena, text) : arena_strdup(w->arena, "");
}

static char *cloud_state(struct world *w)
{
    return text_of(w, "world");
}

static void says_where(struct world *w, void *arg, char *to, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str text = {0};
    (void)arg;
    if (file_read(arena, arena_printf(arena, "%s/where", w->folder), 100, &text, NULL) &&
        !file_exists(arena_printf(arena, "%s/" STR_FMT ".down", w->folder, STR_ARG(text))))
        str_copy(to, size, str_dup(arena, text));
}

static void secret(struct world *w, const char *key, const char *value)
{
    const char *path = arena_printf(w->arena, "%s/%s", w->folder, key);
    fixture_write(path, 0600, "%s\n", value);
    *(struct secret *)world_option(w, key) = (struct secret){SECRET_FILE, path};
}

static void text(struct world *w, const char *key, const char *value)
{
    *(const char **)world_option(w, key) = value;
}

static void begin(struct world *w, const char *kind, const char *path)
{
    int edge = world_port(w);
    w->server_port = world_port(w);
    const char *const argv[] = {"/usr/bin/python3", CLOUDS, kind, w->folder, w->address, arena_printf(w->arena, "%d", w->server_port), NULL};
    w->server_argv = arena_dup(w->arena, argv, sizeof(argv));
    text(w, "endpoint", arena_printf(w->arena, "http://%s:%d%s", w->address, w->server_port, path));
    world_serve(w, w->address, edge, NULL, says_where, NULL);
    w->service.public_url = arena_printf(w->arena, "http://%s:%d", w->address, edge);
    world_start(w);
}

static void records(struct world *w)
{
    const struct option *table;
    size_t size;
    char *list = world_list(w, "records", 2, &table, &size);
    for (int i = 0; i < 2; i++) {
        *(const char **)world_field(table, list + (size_t)i * size, "site") = w->sites[i].name;
        *(struct strs *)world_field(table, list + (size_t)i * size, "a") = world_words(w, i ? "198.51.100.10" : "192.0.2.10", NULL);
        if (!i)
            *(struct strs *)world_field(table, list + (size_t)i * size, "aaaa") = world_words(w, "2001:DB8:0::10", NULL);
    }
    *(struct strs *)world_option(w, "name") = world_words(w, "WWW.akig.test", NULL);
    *(int64_t *)world_option(w, "ttl") = 60 * MS_SECOND;
}

static void aws(struct world *w)
{
    text(w, "access_key", "AKIDTEST");
    secret(w, "secret_key", "secret/of+the tests");
}

static void cloudflare_open(struct world *w)
{
    text(w, "zone_id", "023e105f4ecef8ad9ca31a8372d0c353");
    secret(w, "token", "token of the tests");
    records(w);
    begin(w, "cloudflare", "/client/v4");
}

static void route53_open(struct world *w)
{
    text(w, "zone_id", "Z1D633PJN98FT9");
    text(w, "region", "us-east-1");
    *(int64_t *)world_option(w, "sync") = 20 * MS_SECOND;
    aws(w);
    records(w);
    begin(w, "route53", "");
}

static void elbv2_open(struct world *w)
{
    const struct option *table;
    size_t size;
    char *list = world_list(w, "groups", 2, &table, &size);
    for (int i = 0; i < 2; i++) {
        *(const char **)world_field(table, list + (size_t)i * size, "site") = w->sites[i].name;
        *(const char **)world_field(table, list + (size_t)i * size, "arn") = i ? DR : PRODUCTION;
    }
    text(w, "listener", LISTENER);
    *(int64_t *)world_option(w, "health") = 1500;
    aws(w);
    begin(w, "elbv2", "");
}

const struct world_kind world_cloudflare = {"cloudflare", "cloudflare", cloudflare_open, NULL, cloud_state};
const struct world_kind world_route53 = {"route53", "route53", route53_open, NULL, cloud_state};
const struct world_kind world_elbv2 = {"elbv2", "elbv2", elbv2_open, NULL, cloud_state};

/* ---- of all three ---- */

static void faults(struct world *w, const char *lines)
{
    fixture_write(arena_printf(w->arena, "%s/faults", w->folder), 0644, "%s", lines);
}

static size_t requests(struct world *w)
{
    size_t n = 0;
    for (const char *p = text_of(w, "requests"); *p; p++)
        n += *p == '\n';
    return n;
}

static const struct traffic_ops *driver(struct world *w)
{
    return traffic_driver(w->kind->driver);
}

static const char *asks(struct world *w) /* by what method it looks */
{
    return same(w->kind->name, "elbv2") ? "POST" : "GET";
}

static void a_passing_disturbance_is_asked_again(struct world *w)
{
    static const char *const kinds[] = {"429", "503", "cut"};
    const struct site *site;
    struct err err = {0};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        size_t before = requests(w);
        int64_t began = clock_boot_ms();
        faults(w, arena_printf(w->arena, "%s %s 1\n", asks(w), kinds[i]));
        if (!driver(w)->read_back(&w->ctx, &site, &err))
            fail_msg("%s: %s", kinds[i], err.message);
        assert_ptr_equal(site, &w->sites[0]);
        assert_in_range(requests(w) - before, 2, 3); /* the one that failed, and those of a whole look */
        assert_true(!same(kinds[i], "429") || clock_boot_ms() - began >= 1000); /* it was asked to wait a second */
    }
    faults(w, "POST 503 1\n"); /* a change too */
    world_must(w, "switch", "dr");
    world_served_by(w, "dr");
}

static void what_does_not_pass_is_said_in_bounded_time(struct world *w)
{
    const struct {
        const char *kind, *says, *hint;
        enum err_code code;
        size_t tries;
    } cases[] = {
        {"503", "answered 503", "", ERR_UNAVAILABLE, 3}, {"cut", "", "", ERR_UNAVAILABLE, 3},
        {"later", "answered 429", "asks to wait 240 s", ERR_UNAVAILABLE, 1}, /* patience has an end */
        {"junk", "", "", ERR_NONE, 1}, {"lie", "", "", ERR_NONE, 1},
    };
    const char *state = cloud_state(w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct site *site;
        struct err err = {0};
        size_t before = requests(w);
        int64_t began = clock_boot_ms();
        faults(w, arena_printf(w->arena, "%s %s 99\n", asks(w), cases[i].kind));
        assert_false(driver(w)->read_back(&w->ctx, &site, &err));
        if (!*err.message || !strstr(err.message, cases[i].says) || !strstr(err.hint, cases[i].hint) || (cases[i].code != ERR_NONE && err.code != cases[i].code) ||
            err.code == ERR_NOT_FOUND || requests(w) - before != cases[i].tries || clock_boot_ms() - began > 30 * MS_SECOND)
            fail_msg("%s: %d, %s (%s), %zu requests", cases[i].kind, (int)err.code, err.message, err.hint, requests(w) - before);
    }
    /* With a budget, nobody sleeps until it is used up: a second asked for is more than there is. */
    struct err err = {0};
    faults(w, arena_printf(w->arena, "%s 429 99\n", asks(w)));
    size_t before = requests(w);
    w->ctx.budget_ms = 900;
    assert_false(world_act(w, "show", NULL, &err));
    assert_int_equal(requests(w) - before, 1);
    assert_string_equal(cloud_state(w), state);
}

static void an_answer_that_is_lost_is_found_out_by_looking(struct world *w)
{
    struct err err = {0};
    char *before = cloud_state(w);
    /* The listener is looked at by POST as well: there the first looks are let pass by having no fault yet. */
    if (same(asks(w), "POST"))
        return;
    faults(w, "POST lost 1\n");
    if (!driver(w)->point(&w->ctx, &w->sites[1], &err)) /* what was asked for stands there */
        fail_msg("%s", err.message);
    world_served_by(w, "dr");
    assert_true(driver(w)->put_back(&w->ctx, &err));
    assert_string_equal(cloud_state(w), before);
}

static void wrong_keys_are_said_and_never_shown(struct world *w)
{
    const char *key = same(w->kind->name, "cloudflare") ? "token" : "secret_key";
    const char *says = same(w->kind->name, "cloudflare") ? "answered 403: 10000: Authentication error" : "answered 403: SignatureDoesNotMatch";
    char *before = cloud_state(w);
    struct err err = {0};
    secret(w, key, "hunter2");
    assert_false(world_act(w, "switch", "dr", &err));
    if (err.code != ERR_PERMISSION || !strstr(err.message, says) || strstr(err.message, "hunter2"))
        fail_msg("%d: %s", (int)err.code, err.message);
    assert_int_equal(chmod(arena_printf(w->arena, "%s/%s", w->folder, key), 0644), 0);
    assert_false(world_act(w, "switch", "dr", &err)); /* a file that others may read is no secret */
    secret(w, key, "bad\nheader: x");
    assert_false(world_act(w, "switch", "dr", &err));
    assert_string_equal(cloud_state(w), before);
}

/* ---- records ---- */

static void what_is_not_moved_stays_as_it_was(struct world *w)
{
    world_must(w, "switch", "dr");
    if (same(w->kind->name, "cloudflare")) /* and the record keeps its number, and what a person wrote beside it */
        assert_non_null(strstr(text_of(w, "world.json"), "{\"id\": \"11111111111111111111111111111111\", \"name\": \"www.akig.test\", \"type\": \"A\", "
                                                         "\"content\": \"198.51.100.10\", \"ttl\": 60, \"proxied\": false, \"comment\": \"of a person\"}"));
    else
        assert_string_equal(cloud_state(w), "\\052.akig.test. A 60 192.0.2.10\nwww.akig.test. A 60 198.51.100.10\nwww.akig.test. TXT 60 \"v=spf1 -all\"\n");
    assert_null(strstr(cloud_state(w), "AAAA"));
    assert_non_null(strstr(cloud_state(w), "TXT"));
}

static void a_shorter_ttl_is_written_beforehand(struct world *w)
{
    SCOPED(buf_done) struct buf out = {.max = 65536};
    struct err err = {0};
    assert_true(driver(w)->describe(&w->ctx, &w->sites[1], &out, &err));
    assert_non_null(strstr(buf_text(&out), "users may go on to the old site for 300 s")); /* at Cloudflare "automatic" */
    world_must(w, "prepare", NULL);
    buf_clear(&out);
    assert_true(driver(w)->describe(&w->ctx, &w->sites[1], &out, &err));
    assert_null(strstr(buf_text(&out), "users may go on"));
    world_served_by(w, "production");
    assert_non_null(strstr(cloud_state(w), same(w->kind->name, "cloudflare") ? "AAAA 2001:db8::10 60" : "AAAA 60 2001:db8::10"));
}

static void an_alias_is_moved_as_well(struct world *w)
{
    const struct option *table;
    size_t size;
    struct err err = {0};
    world_must(w, "switch", "dr");
    assert_true(driver(w)->forget(&w->ctx, &err));
    char *list = world_list(w, "records", 2, &table, &size);
    for (int i = 0; i < 2; i++) {
        *(const char **)world_field(table, list + (size_t)i * size, "site") = w->sites[i].name;
        *(const char **)world_field(table, list + (size_t)i * size, "cname") = i ? "dr.akig.test" : "production.akig.test";
    }
    char *before = cloud_state(w);
    assert_false(driver(w)->point(&w->ctx, &w->sites[0], &err)); /* its addresses stand there, which are none of ours now */
    assert_non_null(strstr(err.message, same(w->kind->name, "cloudflare") ? "81053: An A, AAAA, or CNAME" : "InvalidChangeBatch"));
    assert_non_null(strstr(err.message, "the state before it is back"));
    assert_string_equal(cloud_state(w), before);
    *(struct strs *)world_option(w, "name") = world_words(w, "alias.akig.test", NULL);
    err = (struct err){0};
    if (!driver(w)->point(&w->ctx, &w->sites[1], &err))
        fail_msg("%s", err.message);
    assert_non_null(strstr(cloud_state(w), same(w->kind->name, "cloudflare") ? "alias.akig.test CNAME dr.akig.test 60" : "alias.akig.test. CNAME 60 dr.akig.test."));
}

static void unusable_records_are_refused(struct world *w)
{
    struct err err = {0};
    const char *const keys[] = {"zone_id", "endpoint", same(w->kind->name, "cloudflare") ? "endpoint" : "access_key"};
    const char *const bad[] = {"", "https://user:password@host", same(w->kind->name, "cloudflare") ? "https://" : "a/b"};
    assert_true(driver(w)->valid(&w->service.traffic, &w->service, &err));
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char **at = world_option(w, keys[i]), *kept = *at;
        *at = bad[i];
        if (driver(w)->valid(&w->service.traffic, &w->service, &err) || err.code != ERR_CONFIG)
            fail_msg("%s: %s", keys[i], err.message);
        *at = kept;
    }
    *(struct secret *)world_option(w, same(w->kind->name, "cloudflare") ? "token" : "secret_key") = (struct secret){0};
    assert_false(driver(w)->valid(&w->service.traffic, &w->service, &err));
}

/* ---- each alone ---- */

static void what_is_proxied_follows_at_once(struct world *w)
{
    SCOPED(buf_done) struct buf out = {.max = 65536};
    struct err err = {0};
    char *before = cloud_state(w);
    *(bool *)world_option(w, "proxied") = true;
    world_must(w, "switch", "dr");
    assert_non_null(strstr(cloud_state(w), "www.akig.test A 198.51.100.10 1 True"));
    assert_true(driver(w)->describe(&w->ctx, &w->sites[0], &out, &err));
    assert_non_null(strstr(buf_text(&out), "are proxied"));
    assert_null(strstr(buf_text(&out), "users may go on"));
    world_must(w, "undo", NULL);
    assert_string_equal(cloud_state(w), before);
}

/* An answer of 200 that does not say "success" is none. What it may have done is looked for. */
static void a_change_that_is_denied_is_not_believed(struct world *w)
{
    struct err err = {0};
    char *before = cloud_state(w);
    *(int64_t *)world_option(w, "ttl") = 30 * MS_SECOND; /* too short for this zone's plan */
    assert_false(driver(w)->point(&w->ctx, &w->sites[1], &err));
    assert_non_null(strstr(err.message, "9021: Invalid TTL"));
    assert_non_null(strstr(err.message, "the state before it is back"));
    assert_string_equal(cloud_state(w), before);
}

static void a_change_by_another_is_not_overwritten(struct world *w)
{
    struct err err = {0};
    world_stop(w);
    fixture_write(arena_printf(w->arena, "%s/world.json", w->folder), 0644,
                  "{\"changes\": {}, \"sets\": [[\"www.akig.test.\", \"A\", null, [], {\"SetIdentifier\": \"eu\", \"Weight\": \"1\"}]]}");
    world_start(w);
    assert_false(driver(w)->point(&w->ctx, &w->sites[1], &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_non_null(strstr(err.message, "has SetIdentifier at Route 53: only plain records are moved"));
    world_stop(w);
    fixture_write(arena_printf(w->arena, "%s/world.json", w->folder), 0644,
                  "{\"changes\": {}, \"sets\": [[\"www.akig.test.\", \"A\", 60, [\"203.0.113.7\", \"192.0.2.10\"]]]}");
    world_start(w);
    char *others = cloud_state(w);
    const struct site *site;
    err = (struct err){0};
    assert_false(driver(w)->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    world_must(w, "switch", "dr"); /* from there a switch goes on, and undo leads back to it */
    assert_true(driver(w)->put_back(&w->ctx, &err));
    assert_string_equal(cloud_state(w), others);
}

static void a_change_that_never_arrives_is_taken_back(struct world *w)
{
    struct err err = {0};
    char *before = cloud_state(w);
    *(int64_t *)world_option(w, "sync") = 1 * MS_SECOND;
    faults(w, "SYNC:C0000000000001 pending 99\n");
    assert_false(driver(w)->point(&w->ctx, &w->sites[1], &err));
    if (!strstr(err.message, "has not reached all name servers") || !strstr(err.message, "the state before it is back"))
        fail_msg("%s", err.message);
    assert_string_equal(cloud_state(w), before);
}

static void throttling_is_no_refusal(struct world *w)
{
    faults(w, same(w->kind->name, "elbv2") ? "POST throttled 2\n" : "GET throttled 2\nPOST throttled 1\n");
    world_must(w, "switch", "dr");
    world_served_by(w, "dr");
}

static void temporary_keys_are_signed_with_their_token(struct world *w)
{
    struct err err = {0};
    const struct site *site;
    text(w, "access_key", "ASIATEST");
    secret(w, "secret_key", "temporary");
    assert_false(driver(w)->read_back(&w->ctx, &site, &err));
    assert_non_null(strstr(err.message, "InvalidClientTokenId"));
    secret(w, "session_token", "session/token==");
    assert_true(driver(w)->read_back(&w->ctx, &site, &err));
    text(w, "access_key", "AKIDNOBODY");
    err = (struct err){0};
    assert_false(driver(w)->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
}

static void a_rule_is_moved_as_well(struct world *w)
{
    struct err err = {0};
    const struct site *site;
    text(w, "listener", NULL);
    text(w, "rule", RULE);
    assert_true(driver(w)->valid(&w->service.traffic, &w->service, &err));
    char *before = cloud_state(w);
    if (!driver(w)->point(&w->ctx, &w->sites[1], &err))
        fail_msg("%s", err.message);
    assert_string_equal(cloud_state(w), "[[[\"" PRODUCTION "\", 1]], [[\"" PRODUCTION "\", 0], [\"" DR "\", 1], [\"" ARN "targetgroup/canary/1\", 0]]]");
    assert_true(driver(w)->read_back(&w->ctx, &site, &err));
    assert_ptr_equal(site, &w->sites[1]);
    assert_true(driver(w)->put_back(&w->ctx, &err));
    assert_string_equal(cloud_state(w), before); /* its weights of 100 and 0 too */
}

static void ill_targets_are_not_switched_to(struct world *w)
{
    struct err err = {0};
    char *before = cloud_state(w);
    const char *health = arena_printf(w->arena, "%s/dr.health", w->folder);
    fixture_write(health, 0644, "unhealthy unhealthy\n");
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "none of the 2 targets of site \"dr\" is healthy: unhealthy: Request timed out"));
    assert_false(world_done(w, "switch", "dr"));
    fixture_write(health, 0644, "\n"); /* no target at all */
    err = (struct err){0};
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "none of the 0 targets"));
    fixture_write(health, 0644, "unused\n"); /* nobody has asked it yet; afterwards it does not become healthy */
    err = (struct err){0};
    assert_false(world_act(w, "switch", "dr", &err));
    if (!strstr(err.message, "none of the 1 targets") || !strstr(err.message, "the state before it is back"))
        fail_msg("%s", err.message);
    assert_string_equal(cloud_state(w), before);
}

static void what_cannot_be_written_back_is_not_changed(struct world *w)
{
    const struct {
        const char *state, *says;
    } cases[] = {
        {"{\"listener\": [[\"" PRODUCTION "\", 1]], \"rule\": [], \"more\": \"authenticate-oidc\", \"sticky\": false}", "does more than forward (\"authenticate-oidc\")"},
        {"{\"listener\": [[\"" PRODUCTION "\", 1]], \"rule\": [], \"more\": \"\", \"sticky\": true}", "users hold on to their target group"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        world_stop(w);
        fixture_write(arena_printf(w->arena, "%s/world.json", w->folder), 0644, "%s", cases[i].state);
        world_start(w);
        assert_false(driver(w)->point(&w->ctx, &w->sites[1], &err));
        assert_int_equal(err.code, ERR_REFUSED);
        if (!strstr(err.message, cases[i].says))
            fail_msg("%s", err.message);
    }
}

static void unusable_groups_are_refused(struct world *w)
{
    struct err err = {0};
    const struct {
        const char *key, *value, *says;
    } cases[] = {
        {"listener", NULL, "one of `listener:` and `rule:`"}, {"listener", RULE, "no ARN of a listener"}, {"listener", "arn:aws:x:evil/host:1:listener/a", "no ARN"},
        {"rule", RULE, "one of"}, {"endpoint", "https://host/path", "only http:// or https:// and a host"}, {"access_key", "a b", "no access key"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char **at = world_option(w, cases[i].key), *kept = *at;
        *at = cases[i].value;
        if (driver(w)->valid(&w->service.traffic, &w->service, &err) || !strstr(err.message, cases[i].says) || err.code != ERR_CONFIG)
            fail_msg("%s: %s", cases[i].key, err.message);
        *at = kept;
    }
    const struct option *table;
    size_t size;
    char *list = world_list(w, "groups", 2, &table, &size);
    for (int i = 0; i < 2; i++) {
        *(const char **)world_field(table, list + (size_t)i * size, "site") = w->sites[i].name;
        *(const char **)world_field(table, list + (size_t)i * size, "arn") = DR;
    }
    assert_false(driver(w)->valid(&w->service.traffic, &w->service, &err));
    assert_non_null(strstr(err.message, "have the same target group"));
}

#define T(name) {#name, name}
#define SHARED T(a_passing_disturbance_is_asked_again), T(what_does_not_pass_is_said_in_bounded_time), T(an_answer_that_is_lost_is_found_out_by_looking), \
               T(wrong_keys_are_said_and_never_shown)
#define RECORDS T(what_is_not_moved_stays_as_it_was), T(a_shorter_ttl_is_written_beforehand), T(an_alias_is_moved_as_well), T(unusable_records_are_refused)

const struct world_test cloudflare_tests[] = {SHARED, RECORDS, T(what_is_proxied_follows_at_once), T(a_change_that_is_denied_is_not_believed), {NULL, NULL}};
const struct world_test route53_tests[] = {SHARED, RECORDS, T(a_change_by_another_is_not_overwritten), T(a_change_that_never_arrives_is_taken_back),
                                           T(throttling_is_no_refusal), T(temporary_keys_are_signed_with_their_token), {NULL, NULL}};
const struct world_test elbv2_tests[] = {SHARED, T(a_rule_is_moved_as_well), T(ill_targets_are_not_switched_to), T(what_cannot_be_written_back_is_not_changed),
                                         T(throttling_is_no_refusal), T(temporary_keys_are_signed_with_their_token), T(unusable_groups_are_refused), {NULL, NULL}};
