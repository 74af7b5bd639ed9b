/* What other programs send, read strictly: whole or not at all. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "serve/alert.h"

#define NOW_MS INT64_C(1761406442000) /* 2025-10-25T15:34:02Z */

static struct arena *a;
static struct config config;
static struct service services[2];
static struct severity_conf severities[3];
static struct intake in;
static struct err err;

static void rule(const char *match, int severity, const char *service)
{
    struct alert_rule *r = vec_add(a, &config.alerts.rules);
    *r = (struct alert_rule){.severity = severity, .service = service};
    *vec_add(a, &r->match) = match;
}

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    for (int i = 0; i < 3; i++)
        severities[i] = (struct severity_conf){.severity = i};
    services[0] = (struct service){.name = "akig", .severities = {.p = severities, .n = 3}};
    services[1] = (struct service){.name = "shop", .severities = {.p = severities, .n = 2}}; /* no P3 */
    config = (struct config){.services = {.p = services, .n = 2}, .alerts = {.expire_ms = 5 * MS_MINUTE}};
    *vec_add(a, &config.alerts.group_by) = "alertname";
    in = (struct intake){.arena = a, .config = &config, .wall_ms = NOW_MS};
    err = (struct err){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static const struct record *row(size_t i)
{
    assert_true(i < in.rows.n);
    return &in.rows.p[i].record;
}

static void webhook(const char *alerts)
{
    if (!intake_alertmanager(&in, str_of(arena_printf(a, "{\"version\":\"4\",\"status\":\"firing\",\"alerts\":[%s]}", alerts)), &err))
        fail_msg("%s", err.message);
}

static void alertmanagers_webhook_is_read(void **state)
{
    (void)state;
    webhook("{\"status\":\"firing\",\"labels\":{\"alertname\":\"DiskFull\",\"instance\":\"db1\",\"severity\":\"critical\"},"
            "\"annotations\":{\"summary\":\"disk is full\"},\"startsAt\":\"2025-10-25T17:34:02.5+02:00\",\"endsAt\":\"0001-01-01T00:00:00Z\"},"
            "{\"status\":\"resolved\",\"labels\":{\"alertname\":\"Slow\",\"severity\":\"warning\"},\"startsAt\":\"2025-10-25T15:00:00Z\","
            "\"endsAt\":\"2099-01-01T00:00:00Z\"}");
    assert_int_equal(in.rows.n, 2);
    const struct record *r = row(0);
    assert_int_equal(r->kind, EVENT_ALERT);
    assert_false(r->is_order);
    assert_int_equal(r->number, SEVERITY_P1);
    assert_true(r->ref == NOW_MS + 500);
    assert_string_equal(r->service, "akig");
    assert_string_equal(r->who, "alertmanager/DiskFull");
    assert_string_equal(r->text, "DiskFull: disk is full");
    assert_int_equal(strncmp(r->subject, "am/", 3), 0);
    assert_non_null(strstr(r->detail, "\"instance\":\"db1\""));
    assert_int_equal(in.rows.p[0].repeat_within_ms, 0); /* it stands until its end is told */
    assert_int_equal(row(1)->number, -1); /* the word counts, not what our clock thinks of it */
    assert_string_equal(row(1)->text, "Slow");
}

static void one_alert_has_one_key_whatever_the_order_of_its_labels(void **state)
{
    (void)state;
    webhook("{\"status\":\"firing\",\"labels\":{\"alertname\":\"a\",\"b\":\"c\",\"empty\":\"\"}},{\"status\":\"resolved\",\"labels\":{\"b\":\"c\",\"alertname\":\"a\"}},"
            "{\"status\":\"firing\",\"labels\":{\"alertname\":\"a\",\"b\":\"d\"}}");
    assert_string_equal(row(0)->subject, row(1)->subject);
    assert_string_not_equal(row(0)->subject, row(2)->subject);
}

static void prometheus_must_say_it_again(void **state)
{
    (void)state;
    struct str body = STR("[{\"labels\":{\"alertname\":\"A\"},\"startsAt\":\"2025-10-25T15:30:00Z\",\"endsAt\":\"2025-10-25T15:38:02Z\"},"
                          "{\"labels\":{\"alertname\":\"B\"},\"endsAt\":\"2025-10-25T15:34:01Z\"},{\"labels\":{\"alertname\":\"C\"}}]");
    assert_true(intake_prometheus(&in, body, &err));
    assert_int_equal(in.rows.n, 3);
    assert_int_equal(in.rows.p[0].repeat_within_ms, 4 * MS_MINUTE);
    assert_true(intake_repeats(row(0)->subject));
    assert_string_equal(row(0)->who, "prometheus/A");
    assert_int_equal(row(1)->number, -1);
    assert_int_equal(in.rows.p[1].repeat_within_ms, 0);
    assert_int_equal(in.rows.p[2].repeat_within_ms, 5 * MS_MINUTE);
    assert_int_equal(row(2)->number, SEVERITY_P2); /* it does not say how grave it is: the worse is thought */
    assert_true(intake_prometheus(&in, STR("[]"), &err));
    assert_int_equal(in.rows.n, 3);
}

static void rules_come_before_words(void **state)
{
    (void)state;
    rule("alertname=Watchdog", SEVERITY_IGNORED, NULL);
    rule("team=pay*", SEVERITY_P1, "shop");
    webhook("{\"status\":\"firing\",\"labels\":{\"alertname\":\"Watchdog\",\"severity\":\"critical\"}},"
            "{\"status\":\"firing\",\"labels\":{\"alertname\":\"A\",\"team\":\"payments\",\"severity\":\"info\"}},"
            "{\"status\":\"firing\",\"labels\":{\"alertname\":\"B\",\"team\":\"pa\",\"severity\":\"error\"}},"
            "{\"status\":\"firing\",\"labels\":{\"alertname\":\"C\",\"severity\":\"none\"}},"
            "{\"status\":\"firing\",\"labels\":{\"alertname\":\"D\",\"service\":\"shop\",\"severity\":\"info\"}},"
            "{\"status\":\"firing\",\"labels\":{\"alertname\":\"E\",\"service\":\"not one of ours\",\"severity\":\"info\"}}");
    assert_int_equal(in.rows.n, 4);
    assert_int_equal(row(0)->number, SEVERITY_P1);
    assert_string_equal(row(0)->service, "shop");
    assert_int_equal(row(1)->number, SEVERITY_P2);
    assert_string_equal(row(1)->service, "akig");
    assert_string_equal(row(2)->service, "shop");
    assert_int_equal(row(2)->number, SEVERITY_P2); /* it has no P3, and a severity without people would tell nobody */
    assert_int_equal(row(3)->number, SEVERITY_P3);
    assert_string_equal(row(3)->service, "akig");
}

static void what_is_wrong_is_refused_whole(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "{", "[]", "{}", "{\"version\":\"3\",\"alerts\":[]}", "{\"version\":4,\"alerts\":[]}",
        "{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"ok\"}},{\"status\":\"firing\"}]}",
        "{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"ok\"}},{\"status\":\"burning\",\"labels\":{\"a\":\"b\"}}]}",
        "{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":1}}]}", "{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"\"}}]}",
        "{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"startsAt\":\"yesterday\"}]}", "{\"version\":\"4\",\"alerts\":[null]}",
        "{\"version\":\"4\",\"version\":\"4\",\"alerts\":[]}",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        err = (struct err){0};
        if (intake_alertmanager(&in, str_of(wrong[i]), &err))
            fail_msg("%s was read", wrong[i]);
        assert_int_equal(err.code, ERR_DATA);
        assert_int_equal(in.rows.n, 0);
    }
    assert_false(intake_prometheus(&in, STR("{\"labels\":{\"a\":\"b\"}}"), &err));
    assert_false(intake_prometheus(&in, STR("\"text\""), &err));
    assert_false(intake_prometheus(&in, STR("[[]]"), &err));
    assert_int_equal(in.rows.n, 0);
}

static void too_many_in_one_request_are_refused_whole(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf body = {.max = 1 << 20};
    buf_puts(&body, "[{\"labels\":{\"a\":\"b\"}}");
    for (int i = 0; i < INTAKE_ROWS_MAX; i++)
        buf_puts(&body, ",{\"labels\":{\"a\":\"b\"}}");
    buf_puts(&body, "]");
    assert_false(intake_prometheus(&in, buf_str(&body), &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(in.rows.n, 0);
}

static void pagerduty(const char *body, struct pagerduty_said *said)
{
    if (!intake_pagerduty(&in, str_of(body), said, &err))
        fail_msg("%s", err.message);
}

static void pagerdutys_events_are_read(void **state)
{
    (void)state;
    struct pagerduty_said said;
    pagerduty("{\"routing_key\":\"R\",\"event_action\":\"trigger\",\"dedup_key\":\"K 1\",\"client\":\"probe\",\"payload\":{\"summary\":\"it burns\","
              "\"source\":\"db1\",\"severity\":\"critical\",\"component\":\"postgres\",\"custom_details\":{\"service\":\"shop\",\"n\":5,\"severity\":\"info\"}}}", &said);
    assert_string_equal(said.routing_key, "R");
    assert_string_equal(said.dedup_key, "K 1");
    assert_string_equal(row(0)->subject, "pd/K 1");
    assert_string_equal(row(0)->who, "pagerduty/postgres");
    assert_string_equal(row(0)->text, "it burns");
    assert_string_equal(row(0)->service, "shop");
    assert_int_equal(row(0)->number, SEVERITY_P1);
    pagerduty("{\"routing_key\":\"R\",\"event_action\":\"acknowledge\",\"dedup_key\":\"K 1\"}", &said);
    assert_int_equal(row(1)->kind, EVENT_ACK);
    assert_string_equal(row(1)->subject, "pd/K 1");
    assert_string_equal(row(1)->who, "pagerduty");
    pagerduty("{\"routing_key\":\"R\",\"event_action\":\"resolve\",\"dedup_key\":\"K 1\"}", &said);
    assert_int_equal(row(2)->number, -1);
    assert_string_equal(row(2)->subject, "pd/K 1");
}

static void a_key_is_made_up_where_there_is_none_and_is_the_same_again(void **state)
{
    (void)state;
    static const char body[] = "{\"event_action\":\"trigger\",\"payload\":{\"summary\":\"s\",\"source\":\"h\",\"severity\":\"info\"}}";
    struct pagerduty_said first, second;
    pagerduty(body, &first);
    pagerduty(body, &second);
    assert_string_equal(first.routing_key, "");
    assert_int_equal(strlen(first.dedup_key), 32);
    assert_string_equal(first.dedup_key, second.dedup_key);
    assert_string_equal(row(0)->subject, row(1)->subject);
}

static void long_and_strange_keys_become_hashes(void **state)
{
    (void)state;
    char key[256];
    struct pagerduty_said said;
    memset(key, 'k', 255);
    key[255] = 0;
    pagerduty(arena_printf(a, "{\"event_action\":\"resolve\",\"dedup_key\":\"%s\"}", key), &said);
    assert_string_equal(said.dedup_key, key);
    assert_true(strlen(row(0)->subject) < MODEL_ID_SIZE);
    key[254] = 'l';
    pagerduty(arena_printf(a, "{\"event_action\":\"resolve\",\"dedup_key\":\"%s\"}", key), &said);
    assert_string_not_equal(row(0)->subject, row(1)->subject);
    pagerduty("{\"event_action\":\"resolve\",\"dedup_key\":\"a\\u001b[2Jb\"}", &said);
    assert_null(strchr(row(2)->subject, 0x1b));
    assert_false(intake_pagerduty(&in, str_of(arena_printf(a, "{\"event_action\":\"resolve\",\"dedup_key\":\"%sx\"}", key)), &said, &err));
}

static void wrong_events_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *body, *why;
    } wrong[] = {
        {"{}", "event_action"},
        {"[]", "event_action"},
        {"nonsense", "JSON"},
        {"{\"event_action\":\"explode\"}", "event_action"},
        {"{\"event_action\":\"resolve\"}", "dedup_key"},
        {"{\"event_action\":\"acknowledge\",\"dedup_key\":\"\"}", "dedup_key"},
        {"{\"event_action\":\"trigger\"}", "payload.summary"},
        {"{\"event_action\":\"trigger\",\"payload\":{\"summary\":\"s\"}}", "payload.source"},
        {"{\"event_action\":\"trigger\",\"payload\":{\"summary\":\"s\",\"source\":\"h\",\"severity\":\"bad\"}}", "payload.severity"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct pagerduty_said said;
        assert_false(intake_pagerduty(&in, str_of(wrong[i].body), &said, &err));
        assert_non_null(strstr(err.message, wrong[i].why));
        assert_int_equal(in.rows.n, 0);
    }
}

static void texts_of_strangers_become_harmless(void **state)
{
    (void)state;
    assert_string_equal(alert_plain(a, "a\r\nBcc: x\tb\x1b[2J\x7f c  d \n", 600), "a Bcc: x b [2J c d");
    assert_string_equal(alert_plain(a, "evil\xe2\x80\xae" "txt\xe2\x81\xa6.exe\xc2\x9b" "31m \xe2\x80\xa8x\xd8\x9cy", 600), "evil txt .exe 31m x y");
    assert_string_equal(alert_plain(a, "d\xc3\xa9j\xc3\xa0 \xe2\x82\xac \xf0\x9f\x94\xa5 \xd7\xa9\xd7\x9c", 600), "d\xc3\xa9j\xc3\xa0 \xe2\x82\xac \xf0\x9f\x94\xa5 \xd7\xa9\xd7\x9c");
    assert_string_equal(alert_plain(a, "\xc3\xa9\xc3\xa9", 3), "\xc3\xa9"); /* cut between characters */
    assert_string_equal(alert_plain(a, "", 600), "");
    webhook("{\"status\":\"firing\",\"labels\":{\"alertname\":\"a\\r\\nb\"},\"annotations\":{\"summary\":\"x\\u202ey\\nz\"}}");
    assert_string_equal(row(0)->who, "alertmanager/a b");
    assert_string_equal(row(0)->text, "a b: x y z");
}

static void groups_that_are_too_long_stay_apart(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'n', sizeof(name));
    name[199] = 0;
    webhook(arena_printf(a, "{\"status\":\"firing\",\"labels\":{\"alertname\":\"%s\"}},{\"status\":\"firing\",\"labels\":{\"alertname\":\"%sx\"}}", name, name));
    assert_true(strlen(row(0)->who) < MODEL_ID_SIZE);
    assert_string_not_equal(row(0)->who, row(1)->who);
}

static void a_large_alert_keeps_its_labels_in_the_record(void **state)
{
    (void)state;
    char *text = arena_alloc(a, 100001);
    memset(text, 'x', 100000);
    webhook(arena_printf(a, "{\"status\":\"firing\",\"labels\":{\"alertname\":\"A\"},\"annotations\":{\"description\":\"%s\"}}", text));
    assert_string_equal(row(0)->detail, "{\"cut\":true,\"labels\":{\"alertname\":\"A\"}}");
    assert_true(strlen(row(0)->text) < MODEL_TEXT_SIZE);
    webhook(arena_printf(a, "{\"status\":\"firing\",\"labels\":{\"alertname\":\"%s\"}}", text));
    assert_string_equal(row(1)->detail, "{\"cut\":true}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(alertmanagers_webhook_is_read),
        TEST(one_alert_has_one_key_whatever_the_order_of_its_labels),
        TEST(prometheus_must_say_it_again),
        TEST(rules_come_before_words),
        TEST(what_is_wrong_is_refused_whole),
        TEST(too_many_in_one_request_are_refused_whole),
        TEST(pagerdutys_events_are_read),
        TEST(a_key_is_made_up_where_there_is_none_and_is_the_same_again),
        TEST(long_and_strange_keys_become_hashes),
        TEST(wrong_events_are_refused_with_the_reason),
        TEST(texts_of_strangers_become_harmless),
        TEST(groups_that_are_too_long_stay_apart),
        TEST(a_large_alert_keeps_its_labels_in_the_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
