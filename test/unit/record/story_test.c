/* What people read: sentences of every kind, the timeline, the figures, and the report against its golden files.
   BASCULE_UPDATE_GOLDEN=1 writes the golden files anew; the difference is then for a person to read. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "record/story.h"
#include "record/words.h"
#include "script.h"
#include "sys/file.h"

enum { OUT_MAX = 1024 * 1024 };

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static struct story read_story(struct fixture *f, int64_t incident)
{
    struct story story;
    struct err err = {0};
    if (!story_read(f->arena, f->journal, script_config(f->arena), incident, &story, &err))
        fail_msg("%s", err.message);
    return story;
}

static void played(struct fixture *f)
{
    fixture_journal(f);
    script_play_others(f);
    script_play(f);
    script_row(f, 200000, (struct record){.kind = EVENT_VERDICT, .subject = "public", .number = VERDICT_DOWN, .text = "after the end"});
}

static void compare(const char *name, const struct buf *out)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *path = arena_printf(a, "%s/test/unit/record/golden/%s", SOURCE_ROOT, name);
    struct err err = {0};
    struct str golden;
    if (getenv("BASCULE_UPDATE_GOLDEN"))
        assert_true(file_write(path, buf_text(out), out->n, 0644, &err));
    assert_true(file_read(a, path, OUT_MAX, &golden, &err));
    struct str mine = buf_str(out), a_line, b_line;
    for (int line = 1; mine.p || golden.p; line++) {
        bool more_a = str_next(&mine, '\n', &a_line), more_b = str_next(&golden, '\n', &b_line);
        if (more_a != more_b || !str_is(a_line, str_dup(a, b_line)))
            fail_msg("%s:%d\n  is     " STR_FMT "\n  golden " STR_FMT, name, line, STR_ARG(a_line), STR_ARG(b_line));
    }
}

static void every_kind_has_a_sentence_in_both_languages(void **state)
{
    struct fixture *f = *state;
    for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++)
        for (int kind = 0; kind < EVENT_MAX + ORDER_MAX; kind++) {
            struct record r = {.is_order = kind >= EVENT_MAX, .kind = kind >= EVENT_MAX ? kind - EVENT_MAX : kind, .incident = 7, .number = 1, .ref = 42,
                               .service = "akig", .subject = "7.restart.1", .who = "ana", .text = "SOMETHING", .stage = "", .channel = "", .address = "", .detail = ""};
            const char *sentence = story_sentence(f->arena, &r, (enum language)language);
            const char *name = r.is_order ? order_name((enum order_kind)r.kind) : event_name((enum event_kind)r.kind);
            if (strlen(sentence) < 10 || strpbrk(sentence, "{}?"))
                fail_msg("%s: \"%s\"", name, sentence);
            bool silent = !r.is_order ? r.kind == EVENT_DELIVERED || r.kind == EVENT_RUNNING : r.kind == ORDER_STAGE || r.kind == ORDER_PLAYBOOK_END || r.kind == ORDER_ACTIVE;
            if (!silent && !strstr(sentence, "SOMETHING"))
                fail_msg("%s does not say its text: \"%s\"", name, sentence);
        }
    struct record odd = {.kind = 999, .subject = "", .who = "", .text = "", .stage = "", .channel = ""};
    assert_string_equal(story_sentence(f->arena, &odd, LANGUAGE_EN), "?");
}

static void the_two_languages_differ(void **state)
{
    struct fixture *f = *state;
    struct record r = {.is_order = true, .kind = ORDER_STATE, .number = INCIDENT_RESOLVED, .subject = "", .who = "", .text = "", .stage = "", .channel = ""};
    assert_string_equal(story_sentence(f->arena, &r, LANGUAGE_EN), "the incident is now resolved");
    assert_string_equal(story_sentence(f->arena, &r, LANGUAGE_FR), "l'incident est maintenant résolu");
    r.kind = ORDER_STAGE;
    r.subject = "on-call";
    r.number = 2500;
    assert_string_equal(story_sentence(f->arena, &r, LANGUAGE_FR), "palier d'escalade « on-call », en retard de 2,5 s");
    assert_string_equal(word_duration(f->arena, 3 * MS_DAY, LANGUAGE_FR), "3 j 0 h");
    assert_string_equal(word_duration(f->arena, -1, LANGUAGE_FR), "inconnu");
}

static void outside_text_cannot_steer_a_terminal_or_markdown(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(one_line(f->arena, "a\x1b[31mb\nc\xff\xc3\xa9\t\x07"), "a [31mb c \xc3\xa9  ");
    assert_string_equal(markdown(f->arena, "a|b `c` <script> [x](y) *z* \\ pg_x _y_"), "a\\|b \\`c\\` \\<script\\> \\[x](y) \\*z\\* \\\\ pg_x \\_y\\_");
    assert_string_equal(word_value(f->arena, "restore.snapshot_ms", "1761404400000"), "1761404400000 (2025-10-25T15:00:00.000Z)");
    assert_string_equal(word_value(f->arena, "took_ms", "1200"), "1200");
    struct notice_key key = notice_key(f->arena, "7/alert/ops/mail.0a1b");
    assert_string_equal(key.channel, "mail.0a1b");
    key = notice_key(f->arena, "7.restart.1");
    assert_string_equal(key.contact, "");
    assert_string_equal(run_step(f->arena, "7.check-dr.12"), "check-dr");
    assert_string_equal(run_step(f->arena, "odd"), "odd");
    assert_true(belongs_to("7.restart.1", '.', 7));
    assert_false(belongs_to("71.restart.1", '.', 7));
    assert_false(belongs_to("7", '.', 7));
}

static void the_figures_are_those_of_the_rows(void **state)
{
    struct fixture *f = *state;
    played(f);
    struct story s = read_story(f, 1);
    assert_string_equal(s.service, "akig");
    assert_string_equal(s.state, "reviewed");
    assert_string_equal(s.cause, "connection refused by 127.1.1.1 port 5432");
    assert_string_equal(s.detected_by, "production.database");
    assert_int_equal(s.last_good_wall_ms, SCRIPT_T0 - 1320);
    assert_int_equal(s.detect_ms, 1319);
    assert_int_equal(s.open_ms, 1);
    assert_int_equal(s.alert_ms, 5043);
    assert_int_equal(s.ack_ms, 30000);
    assert_string_equal(s.acked_by, "ana");
    assert_int_equal(s.recover_ms, 124000);
    assert_int_equal(s.outage_ms, 1320 + 124000);
    assert_int_equal(s.rto_ms, 900000);
    assert_int_equal(s.rpo_ms, 3600000);
    assert_true(s.restored);
    assert_int_equal(s.recovery_point_wall_ms, 1761404399800);
    assert_int_equal(s.loss_ms, SCRIPT_T0 - 1320 - 1761404399800);
    assert_int_equal(s.loss_rows, -1);
    assert_string_equal(s.active_site, "dr");
    assert_int_equal(s.notices, 4);
    assert_int_equal(s.delivered, 3);
    assert_int_equal(s.failed, 1);
    assert_null(s.waits_for);
}

static void steps_know_their_playbooks_and_times(void **state)
{
    struct fixture *f = *state;
    played(f);
    struct story s = read_story(f, 1);
    static const struct {
        const char *id, *playbook, *outcome;
        int64_t took_ms, budget_ms;
    } expected[] = {
        {"diagnose", "database-down", "success", 800, 60000}, {"restart", "database-down", "failure", 4200, 90000},
        {"failover", "database-down", "success", 68029, -1},  {"fence", "failover", "success", 2000, 60000},
        {"restore", "failover", "success", 65000, 60000},     {"redirect", "failover", "success", 1000, 300000},
    };
    assert_int_equal(s.step_count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_string_equal(s.steps[i].id, expected[i].id);
        assert_string_equal(s.steps[i].playbook, expected[i].playbook);
        assert_string_equal(s.steps[i].outcome, expected[i].outcome);
        assert_int_equal(s.steps[i].took_ms, expected[i].took_ms);
        assert_int_equal(s.steps[i].budget_ms, expected[i].budget_ms);
    }
    assert_string_equal(s.steps[4].command, "restore dr");
    assert_null(s.steps[2].command);
}

#define EVENT(t, k, ...) script_row(f, t, (struct record){.kind = k, .incident = 3, __VA_ARGS__})
#define ORDER(t, k, ...) script_row(f, t, (struct record){.is_order = true, .kind = k, .incident = 3, __VA_ARGS__})

static void an_incident_that_goes_on_has_no_end(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    script_row(f, 0, (struct record){.kind = EVENT_OPEN, .who = "bob", .number = SEVERITY_P2, .text = "users complain"});
    ORDER(10, ORDER_OPEN, .subject = "", .who = "bob", .number = SEVERITY_P2, .text = "users complain");
    struct story s = read_story(f, 3);
    assert_true(s.by_person);
    assert_string_equal(s.detected_by, "bob");
    assert_string_equal(s.state, "open");
    assert_int_equal(s.outage_ms, -1);
    assert_int_equal(s.detect_ms, -1);
    assert_int_equal(s.open_ms, 10);
    assert_int_equal(s.loss_ms, -1);
    assert_int_equal(s.rto_ms, -1); /* the configuration has no P2 */
    assert_false(s.restored);
    ORDER(20, ORDER_ASK, .subject = "3.x.1", .text = "traffic switch dr");
    s = read_story(f, 3);
    assert_string_equal(s.waits_for, "3.x.1");
    assert_false(s.blocked);
    EVENT(30, EVENT_APPROVE, .who = "bob", .subject = "3.x.1");
    assert_null(read_story(f, 3).waits_for);
    ORDER(40, ORDER_BLOCKED, .subject = "", .text = "needs a person");
    s = read_story(f, 3);
    assert_true(s.blocked);
    ORDER(50, ORDER_STATE, .number = INCIDENT_RESOLVED, .text = "a person resolved it");
    s = read_story(f, 3);
    assert_null(s.waits_for);
    assert_int_equal(s.recover_ms, 40); /* a person's word is the only end there is */
    assert_int_equal(s.outage_ms, 50);
    assert_true(s.declared);
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    assert_true(story_report(f->journal, script_config(f->arena), 3, LANGUAGE_EN, &out, &err));
    assert_contains(buf_text(&out), "(declared by a person, not verified)");
}

static void a_relapse_takes_the_end_back(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    ORDER(0, ORDER_OPEN, .subject = "database-down", .ref = SCRIPT_T0 - 500);
    ORDER(1000, ORDER_STATE, .number = INCIDENT_MONITORING);
    assert_int_equal(read_story(f, 3).outage_ms, 1500);
    ORDER(2000, ORDER_STATE, .number = INCIDENT_MITIGATING);
    assert_int_equal(read_story(f, 3).outage_ms, -1);
    assert_int_equal(read_story(f, 3).mitigated_wall_ms, 0);
    ORDER(9000, ORDER_STATE, .number = INCIDENT_MONITORING);
    assert_int_equal(read_story(f, 3).outage_ms, 9500);
}

/* The wall clock is set back an hour while the incident goes on: durations do not notice. */
static void a_jump_of_the_wall_clock_changes_no_duration(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t seq;
    fixture_journal(f);
    ORDER(0, ORDER_OPEN, .subject = "database-down", .ref = SCRIPT_T0 - 500);
    struct record back = {.is_order = true, .kind = ORDER_STATE, .incident = 3, .number = INCIDENT_MONITORING, .at_ms = 5000000 + 60000,
                          .wall_ms = SCRIPT_T0 + 60000 - MS_HOUR, .service = "akig"};
    assert_true(journal_append(f->journal, &back, 1, &seq, &err));
    assert_int_equal(read_story(f, 3).outage_ms, 60500);
}

static void unknown_incidents_are_said_to_be_unknown(void **state)
{
    struct fixture *f = *state;
    struct story s;
    struct err err = {.code = ERR_IO};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    played(f);
    static const int64_t none[] = {0, -1, 2, 99};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        assert_false(story_read(f->arena, f->journal, NULL, none[i], &s, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(story_timeline(f->journal, NULL, none[i], LANGUAGE_EN, &out, &err));
        assert_false(story_report(f->journal, NULL, none[i], LANGUAGE_EN, &out, &err));
    }
    story_timeline_json(f->journal, 99, &out);
    assert_string_equal(buf_text(&out), "[]");
    assert_true(story_read(f->arena, f->journal, NULL, 1, &s, &err)); /* a service that is configured no more still has its story */
    assert_int_equal(s.rto_ms, -1);
    assert_int_equal(s.outage_ms, 125320);
    assert_true(story_report(f->journal, NULL, 1, LANGUAGE_FR, &out, &err));
}

static void the_timeline_is_as_agreed(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    played(f);
    for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
        SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
        assert_true(story_timeline(f->journal, script_config(f->arena), 1, (enum language)language, &out, &err));
        compare(language == LANGUAGE_FR ? "timeline.fr.txt" : "timeline.en.txt", &out);
        assert_null(strstr(buf_text(&out), "after the end"));
        assert_null(strstr(buf_text(&out), "\x1b"));
    }
    SCOPED(buf_done) struct buf small = {.max = 100};
    assert_false(story_timeline(f->journal, NULL, 1, LANGUAGE_EN, &small, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void the_report_is_as_agreed(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    played(f);
    for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
        SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
        assert_true(story_report(f->journal, script_config(f->arena), 1, (enum language)language, &out, &err));
        compare(language == LANGUAGE_FR ? "report.fr.md" : "report.en.md", &out);
    }
}

static void a_report_of_an_open_incident_says_unknown(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    fixture_journal(f);
    ORDER(0, ORDER_OPEN, .subject = "", .number = SEVERITY_P1, .text = "something");
    assert_true(story_report(f->journal, script_config(f->arena), 3, LANGUAGE_EN, &out, &err));
    assert_contains(buf_text(&out), "| start (last proof of life) | unknown |");
    assert_contains(buf_text(&out), "| end (service back) | not yet |");
    assert_contains(buf_text(&out), "| RTO | 15 min 00 s | unknown | unknown |");
    assert_contains(buf_text(&out), "| revenue (estimate) | unknown |");
    assert_contains(buf_text(&out), "| SLA budget used | unknown |");
    assert_contains(buf_text(&out), "No backup was restored");
}

/* Every [#N] of a report must name a row of the journal that belongs to it. */
static void every_citation_leads_to_a_row(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    played(f);
    assert_true(story_report(f->journal, script_config(f->arena), 1, LANGUAGE_EN, &out, &err));
    size_t cited = 0;
    for (const char *p = buf_text(&out); (p = strstr(p, "[#")); p++, cited++) {
        int64_t seq;
        size_t digits = strcspn(p + 2, "]");
        if (same(p + 2, "N]") || p[2] == 'N')
            continue;
        assert_true(str_int((struct str){p + 2, digits}, &seq));
        assert_true(seq >= 4 && seq <= journal_last(f->journal) - 1);
    }
    assert_true(cited > 100);
}

static void the_budget_of_the_month_counts_other_incidents(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    fixture_journal(f);
    script_row(f, -31 * MS_DAY, (struct record){.is_order = true, .kind = ORDER_OPEN, .incident = 7, .ref = SCRIPT_T0 - 31 * MS_DAY});
    script_row(f, -31 * MS_DAY + MS_HOUR, (struct record){.is_order = true, .kind = ORDER_STATE, .incident = 7, .number = INCIDENT_MONITORING});
    script_row(f, -2 * MS_DAY, (struct record){.is_order = true, .kind = ORDER_OPEN, .incident = 8, .ref = SCRIPT_T0 - 2 * MS_DAY});
    script_row(f, -2 * MS_DAY + 432000, (struct record){.is_order = true, .kind = ORDER_STATE, .incident = 8, .number = INCIDENT_MONITORING});
    script_row(f, -MS_DAY, (struct record){.is_order = true, .kind = ORDER_OPEN, .incident = 9, .service = "other", .ref = SCRIPT_T0 - MS_DAY});
    ORDER(0, ORDER_OPEN, .subject = "database-down", .ref = SCRIPT_T0);
    ORDER(259200, ORDER_STATE, .number = INCIDENT_MONITORING);
    assert_true(story_report(f->journal, script_config(f->arena), 3, LANGUAGE_EN, &out, &err));
    assert_contains(buf_text(&out), "by this incident | 10.0 % of 43.2 min");
    assert_contains(buf_text(&out), "30 days to its end | 26.6 %, by 2 incident(s) lasting 11 min 31 s in all");
}

/* An estimate until it is counted, also after the end of the incident; and what cannot be counted is not nothing. */
static void what_a_promotion_lost_is_told_as_it_is_known(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *value, *en, *fr;
        int64_t transactions;
    } steps[] = {
        {"promote.parted", "production 1 0/3000148", "an estimate of the promotion, until its log is read: 0 bytes are lost", "estimation faite à la promotion", -1},
        {"loss.unknown", "its log was not read", "is **unknown**, and cannot be counted any more: its log was not read", "est **inconnu**", -1},
        {"loss.transactions", "43", "is **unknown**", "est **inconnu**", 43},
        {"loss.bytes", "8192", "counted in its own log: **43 transactions**, 8192 bytes", "**43 transactions**, 8192 octets", 43},
    };
    played(f);
    script_row(f, 9 * MS_HOUR, (struct record){.kind = EVENT_FACT, .incident = 1, .subject = "promote.loss", .who = "1.promote.4", .text = "0 bytes are lost of what was known"});
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct err err = {0};
        SCOPED(buf_done) struct buf en = {.max = OUT_MAX}, fr = {.max = OUT_MAX};
        script_row(f, 9 * MS_HOUR, (struct record){.kind = EVENT_FACT, .incident = 1, .subject = steps[i].name, .who = "upkeep.loss-akig.1", .text = steps[i].value});
        assert_true(story_report(f->journal, script_config(f->arena), 1, LANGUAGE_EN, &en, &err));
        assert_true(story_report(f->journal, script_config(f->arena), 1, LANGUAGE_FR, &fr, &err));
        assert_contains(buf_text(&en), steps[i].en);
        assert_contains(buf_text(&fr), steps[i].fr);
        assert_int_equal(read_story(f, 1).lost_transactions, steps[i].transactions);
    }
}

static void the_json_is_json(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    const struct json *json;
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    played(f);
    struct story s = read_story(f, 1);
    story_json(&s, &out);
    assert_true(json_parse(f->arena, buf_str(&out), &json, &err));
    int64_t outage, rows;
    assert_true(json_integer(json_get(json, "outage_ms"), &outage));
    assert_int_equal(outage, 125320);
    assert_false(json_integer(json_get(json, "loss_rows"), &rows));
    assert_string_equal(json_string(json_get(json, "opened")), "2025-10-25T15:34:02.120Z");
    assert_string_equal(json_string(json_path(json, "steps.1.outcome")), "failure");
    buf_clear(&out);
    story_timeline_json(f->journal, 1, &out);
    assert_true(json_parse(f->arena, buf_str(&out), &json, &err));
    assert_string_equal(json_string(json_path(json, "1.kind")), "incident.opened");
    assert_true(json_count(json) > 40);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(every_kind_has_a_sentence_in_both_languages),
        TEST(the_two_languages_differ),
        TEST(outside_text_cannot_steer_a_terminal_or_markdown),
        TEST(the_figures_are_those_of_the_rows),
        TEST(steps_know_their_playbooks_and_times),
        TEST(an_incident_that_goes_on_has_no_end),
        TEST(a_relapse_takes_the_end_back),
        TEST(a_jump_of_the_wall_clock_changes_no_duration),
        TEST(unknown_incidents_are_said_to_be_unknown),
        TEST(the_timeline_is_as_agreed),
        TEST(the_report_is_as_agreed),
        TEST(a_report_of_an_open_incident_says_unknown),
        TEST(every_citation_leads_to_a_row),
        TEST(the_budget_of_the_month_counts_other_incidents),
        TEST(what_a_promotion_lost_is_told_as_it_is_known),
        TEST(the_json_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
