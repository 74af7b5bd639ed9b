/* What the client of an agent makes of answers, right and wrong ones, late ones and none; and the epoch as it stands in etcd. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "act/agentlink.h"
#include "act/epoch.h"
#include "fakeserver.h"
#include "io/json.h"
#include "io/signature.h"
#include "sys/clock.h"

#define TOKEN "a secret of the members"

struct world {
    struct agentlink *link;
    struct fake_server *server;
    struct site site;
    char url[80], token[64];
};

static bool read_whole(int fd, char *first, size_t size, char *body, size_t body_size, char *signature)
{
    char line[4096];
    size_t length = 0;
    if (!fake_read_line(fd, first, size))
        return false;
    *signature = 0;
    while (fake_read_line(fd, line, sizeof(line)) && *line) {
        if (strncasecmp(line, "Content-Length: ", 16) == 0)
            length = (size_t)strtoul(line + 16, NULL, 10);
        if (strncasecmp(line, SIGNATURE_COMMAND_HEADER ": ", strlen(SIGNATURE_COMMAND_HEADER) + 2) == 0)
            str_copy(signature, SIGNATURE_COMMAND_SIZE, line + strlen(SIGNATURE_COMMAND_HEADER) + 2);
    }
    for (size_t got = 0; length && got < length && length < body_size;) {
        ssize_t n = read(fd, body + got, length - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    body[length] = 0;
    return true;
}

static void answer(int fd, const char *status, const char *text)
{
    char head[8192];
    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(text), text);
    fake_send(fd, head);
}

/* What it answers to the order itself, after the nonce: the script, with the right proof for epoch 4 where that has an @. */
static void play_agent(struct fake_server *server, int fd)
{
    char first[256], body[4096], given[SIGNATURE_COMMAND_SIZE], wanted[SIGNATURE_COMMAND_SIZE], proof[SIGNATURE_COMMAND_SIZE], text[4096];
    while (read_whole(fd, first, sizeof(first), body, sizeof(body), given)) {
        if (strncmp(first, "GET /v1/nonce", 13) == 0) {
            answer(fd, "200 OK", "{\"nonce\":\"once\",\"epoch\":4}");
            continue;
        }
        if (strncmp(first, "GET ", 4) == 0) {
            answer(fd, "200 OK", server->script);
            continue;
        }
        snprintf(server->last, sizeof(server->last), "%s", body);
        signature_command(TOKEN, "POST", "/v1/stop", str_of(body), wanted);
        signature_command(TOKEN, "STOPPED 4", "/v1/stop", str_of(body), proof);
        if (!signature_same(given, wanted))
            answer(fd, "403 Forbidden", "{\"error\":\"the signature is missing or wrong\"}");
        else if (server->script[0] != '{')
            answer(fd, server->script, "{\"error\":\"it does not want to\"}");
        else if (strchr(server->script, '@')) {
            size_t before = (size_t)(strchr(server->script, '@') - server->script);
            snprintf(text, sizeof(text), "%.*s%s%s", (int)before, server->script, proof, server->script + before + 1);
            answer(fd, "200 OK", text);
        } else {
            answer(fd, "200 OK", server->script);
        }
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->link = agentlink_open();
    w->site = (struct site){.name = "production", .agent = {.listen = w->url, .url = w->url, .token = {SECRET_ENV, "AGENTLINK_TOKEN"}}};
    setenv("AGENTLINK_TOKEN", TOKEN, 1);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    agentlink_close(&w->link);
    if (w->server)
        fake_server_free(&w->server);
    free(w);
    return 0;
}

static void serve(struct world *w, fake_player *player, const char *script)
{
    w->server = fake_server_new(player, script);
    snprintf(w->url, sizeof(w->url), "http://%s:%d", w->server->address, w->server->port);
}

static void a_proven_stop_is_a_certificate(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    char evidence[200];
    int64_t epoch = 0;
    serve(w, play_agent, "{\"stopped\":true,\"evidence\":\"no process\",\"site\":\"production\",\"wrote\":4,\"proof\":\"@\"}");
    struct agent_answer *a = agentlink_stop(w->link, &w->site, 4, "immediate", true, 20 * MS_SECOND);
    assert_true(agentlink_finish(w->link, a, &w->site, &err));
    assert_true(agentlink_stopped(a, &epoch, evidence, sizeof(evidence), &err));
    assert_int_equal(epoch, 4);
    assert_string_equal(evidence, "no process");
    assert_string_equal(w->server->last, "{\"nonce\":\"once\",\"epoch\":4,\"mode\":\"immediate\",\"certificate\":true}");
}

static void a_certificate_that_somebody_else_wrote_is_none(void **state)
{
    struct world *w = *state;
    static const char *const lies[] = {
        "{\"stopped\":true,\"evidence\":\"e\",\"site\":\"production\",\"wrote\":4,\"proof\":\"0000\"}",
        "{\"stopped\":true,\"evidence\":\"e\",\"site\":\"production\",\"wrote\":4}",
        "{\"stopped\":true,\"evidence\":\"e\",\"site\":\"production\",\"wrote\":5,\"proof\":\"@\"}",
        "{\"stopped\":true,\"evidence\":\"e\",\"site\":\"dr\",\"wrote\":4,\"proof\":\"@\"}",
        "{\"stopped\":false,\"evidence\":\"e\",\"site\":\"production\",\"wrote\":4,\"proof\":\"@\"}",
    };
    serve(w, play_agent, "{}");
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct err err = {0};
        char evidence[200];
        int64_t epoch;
        w->server->script = lies[i];
        struct agent_answer *a = agentlink_stop(w->link, &w->site, -1, "immediate", true, 20 * MS_SECOND);
        assert_true(agentlink_finish(w->link, a, &w->site, &err));
        if (agentlink_stopped(a, &epoch, evidence, sizeof(evidence), &err))
            fail_msg("believed: %s", lies[i]);
    }
}

static void a_refusal_keeps_its_reason_and_its_kind(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    serve(w, play_agent, "409 Conflict");
    assert_false(agentlink_finish(w->link, agentlink_stop(w->link, &w->site, 4, "fast", false, 20 * MS_SECOND), &w->site, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_string_equal(err.message, "the agent of site \"production\": it does not want to");
    setenv("AGENTLINK_TOKEN", "another", 1);
    assert_false(agentlink_finish(w->link, agentlink_stop(w->link, &w->site, 4, "fast", false, 20 * MS_SECOND), &w->site, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
}

static void one_that_is_silent_keeps_nobody_else_waiting(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct agent_said said;
    struct fake_server *silent = fake_server_new(fake_silence, "");
    char url[80];
    struct site other = {.name = "dr", .agent = {.url = url}}, none = {.name = "none"};
    snprintf(url, sizeof(url), "http://%s:%d", silent->address, silent->port);
    serve(w, play_agent, "{\"site\":\"production\",\"pg\":\"primary\",\"lsn\":\"1/2\",\"probes\":{\"write\":3},\"follows\":false,\"takeover\":{\"epoch\":2,\"phase\":\"waiting\",\"in_ms\":-1}}");
    struct agent_answer *slow = agentlink_ask(w->link, &other, "/v1/state", 300), *quick = agentlink_ask(w->link, &w->site, "/v1/state", 20 * MS_SECOND);
    struct agent_answer *nobody = agentlink_ask(w->link, &none, "/v1/state", 300);
    assert_true(nobody->over && !nobody->ok && nobody->err.code == ERR_CONFIG);
    assert_true(agentlink_finish(w->link, quick, &w->site, &err));
    assert_true(agent_said(quick, &said, &err));
    assert_string_equal(said.pg, "primary");
    assert_true(said.writable && said.lsn == (UINT64_C(1) << 32 | 2) && said.takeover_epoch == 2 && said.takeover_in_ms == -1 && said.lag_bytes == -1);
    assert_false(agentlink_finish(w->link, slow, &other, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_false(agentlink_turn(w->link, 10)); /* nothing is under way */
    assert_false(agent_said(slow, &said, &err));
    fake_server_free(&silent);
}

static void a_state_that_lacks_what_counts_is_refused(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    static const char *const bad[] = {"{}", "[]", "{\"pg\":\"primary\"}", "{\"site\":\"dr\"}", "{\"site\":7,\"pg\":\"primary\"}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct agent_answer a = {.over = true, .ok = true};
        struct agent_said said;
        struct err err = {0};
        assert_true(json_parse(arena, str_of(bad[i]), &a.body, &err));
        if (agent_said(&a, &said, &err))
            fail_msg("understood: %s", bad[i]);
    }
}

/* ---- the epoch ---- */

static void an_epoch_is_read_or_refused(void **state)
{
    (void)state;
    struct epoch e;
    struct err err = {0};
    static const char *const bad[] = {"", "7", "{}", "{\"epoch\":0,\"site\":\"dr\"}", "{\"epoch\":-1,\"site\":\"dr\"}", "{\"epoch\":1,\"site\":\"\"}",
                                      "{\"epoch\":1}", "{\"epoch\":\"1\",\"site\":\"dr\"}", "{\"epoch\":9223372036854775807,\"site\":\"dr\"}", "{\"epoch\":1,\"site\":\"d\\nr\\u0001\"}"};
    assert_true(epoch_parse(STR("{\"epoch\":7,\"site\":\"dr\",\"from\":\"production\",\"by\":\"ana\",\"wall_ms\":5}"), &e, &err));
    assert_true(e.number == 7 && same(e.site, "dr") && same(e.from, "production") && same(e.by, "ana") && e.wall_ms == 5);
    assert_true(epoch_parse(STR("{\"epoch\":1,\"site\":\"production\"}"), &e, &err));
    assert_true(!*e.from && !*e.by && !e.told);
    assert_true(epoch_parse(STR("{\"epoch\":2,\"site\":\"dr\",\"told\":\"1/A0\"}"), &e, &err) && e.told && e.told_lsn == 0x1000000A0);
    assert_true(epoch_parse(STR("{\"epoch\":2,\"site\":\"dr\",\"told\":true}"), &e, &err) && !e.told); /* what is not understood tells nobody */
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (epoch_parse(str_of(bad[i]), &e, &err))
            fail_msg("read: %s", bad[i]);
}

static void a_lease_without_a_word_outlives_nothing(void **state)
{
    (void)state;
    struct epoch_lease l;
    struct err err = {0};
    assert_true(epoch_lease_parse(STR("{\"epoch\":3,\"lsn\":\"0/A0\",\"timeline\":2,\"armed\":\"both\",\"wrote\":3}"), &l, &err));
    assert_true(l.epoch == 3 && l.wrote == 3 && l.timeline == 2 && l.lsn == 0xA0 && same(l.armed, "both"));
    assert_true(epoch_lease_parse(STR("{\"epoch\":3}"), &l, &err));
    assert_true(same(l.armed, "none") && l.wrote == 0 && l.lsn == 0 && !l.sync_known);
    assert_true(epoch_lease_parse(STR("{\"epoch\":3,\"sync\":\"\"}"), &l, &err) && l.sync_known && !*l.sync);
    assert_true(epoch_lease_parse(STR("{\"epoch\":3,\"sync\":\"ANY 1 (a, b)\"}"), &l, &err) && same(l.sync, "ANY 1 (a, b)"));
    assert_true(epoch_lease_parse(STR("{\"epoch\":3,\"sync\":7}"), &l, &err) && l.sync_known && same(l.sync, "("));
    assert_false(epoch_lease_parse(STR("{\"armed\":\"both\"}"), &l, &err));
}

/* A fence that cuts the power does not know whether the site had begun to write. */
static void only_who_had_begun_can_be_certified_from_outside(void **state)
{
    (void)state;
    struct site sites[3] = {0};
    struct service two = {.sites = {sites, 2, 2}}, three = {.sites = {sites, 3, 3}};
    struct epoch first = {.number = 1, .site = "a"}, waiting = {.number = 4, .site = "b", .leases = {{.site = "b", .epoch = 4, .wrote = 2}}, .lease_count = 1};
    assert_true(epoch_certifies(&first, 1, "a", &three));
    assert_true(epoch_certifies(&waiting, 4, "b", &two));
    assert_false(epoch_certifies(&waiting, 4, "b", &three));
    waiting.leases[0].wrote = 4;
    assert_true(epoch_certifies(&waiting, 4, "b", &three));
    assert_false(epoch_certifies(&waiting, 4, "c", &three));
    waiting.lease_count = 0;
    assert_false(epoch_certifies(&waiting, 4, "b", &three));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_proven_stop_is_a_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(a_certificate_that_somebody_else_wrote_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_keeps_its_reason_and_its_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_silent_keeps_nobody_else_waiting, setup, teardown),
        cmocka_unit_test(a_state_that_lacks_what_counts_is_refused),
        cmocka_unit_test(an_epoch_is_read_or_refused),
        cmocka_unit_test(a_lease_without_a_word_outlives_nothing),
        cmocka_unit_test(only_who_had_begun_can_be_certified_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
