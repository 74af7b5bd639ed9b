/* What a person types about incidents and the journal, and the rows that come of it. The rest of cli/ is stood in for here. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/incident.h"
#include "cli/person.h"
#include "io/json.h"
#include "model/field.h"
#include "sys/file.h"
#include "../record/script.h"

extern const struct command cmd_journal, cmd_checklist;

/* ---- the rest of cli/ ---- */

static struct buf printed = {.max = 1 << 20};
static struct err failed;

int cli_fail(const struct err *err)
{
    failed = *err;
    return err_exit_status(err->code);
}

int cli_usage(const struct command *command UNUSED, const char *fmt UNUSED, ...)
{
    return err_exit_status(ERR_USAGE);
}

int cli_print(const struct buf *out)
{
    buf_clear(&printed);
    buf_add(&printed, buf_text(out), out->n);
    return 0;
}

const char *cli_green(const struct cli *cli UNUSED)
{
    return "";
}

const char *cli_yellow(const struct cli *cli UNUSED)
{
    return "";
}

const char *cli_red(const struct cli *cli UNUSED)
{
    return "";
}

const char *cli_plain(const struct cli *cli UNUSED)
{
    return "";
}

bool cli_service(const struct cli *cli, const struct service **ret, struct err *err)
{
    *ret = config_service(cli->config, cli->service);
    return *ret || err_set(err, ERR_NOT_FOUND, "no such service");
}

/* ---- help ---- */

static int run_command(struct fixture *f, const struct command *command, bool json, const char *line)
{
    struct strs words = {0};
    struct config config = *script_config(f->arena);
    config.state_dir = f->dir;
    struct site *site = vec_add(f->arena, &config.services.p[0].sites);
    site->name = "production";
    struct cli cli = {.arena = f->arena, .config = &config, .json = json};
    assert_true(str_words(f->arena, line, &words));
    failed = (struct err){0};
    buf_clear(&printed);
    int argc = (int)words.n;
    *vec_add(f->arena, &words) = NULL;
    return command->run(&cli, argc, (char **)(uintptr_t)words.p);
}

static int run(struct fixture *f, const char *line)
{
    return run_command(f, &cmd_incident, false, line);
}

static bool keep_row(void *arg, const struct record *record)
{
    struct fixture *f = arg;
    *vec_add(f->arena, f->script) = record_dup(f->arena, record);
    return true;
}

static struct record newest(struct fixture *f)
{
    struct script rows = {0};
    struct err err = {0};
    SCOPED(journal_close) struct journal *j = NULL;
    if (!journal_open(f->dir, JOURNAL_READ, true, &j, &err))
        fail_msg("%s", err.message);
    f->script = &rows;
    assert_true(journal_read(j, 0, 0, keep_row, f, &err));
    f->script = NULL;
    assert_true(rows.n > 0);
    return rows.p[rows.n - 1];
}

static void add_order(struct fixture *f, enum order_kind kind, int64_t number, const char *subject, const char *text)
{
    fixture_journal(f);
    script_row(f, 1000, (struct record){.is_order = true, .kind = (int)kind, .incident = 1, .number = number, .subject = subject, .text = text});
    fixture_close_journal(f);
}

static void assert_said(struct fixture *f, const char *line, enum event_kind kind)
{
    int status = run(f, line);
    if (status != 0)
        fail_msg("%s: %d: %s", line, status, failed.message);
    struct record r = newest(f);
    assert_false(r.is_order);
    assert_int_equal(r.kind, kind);
    assert_int_equal(r.incident, kind == EVENT_OPEN ? 0 : 1);
    assert_string_equal(r.service, "akig");
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* ---- tests ---- */

static void opening_records_who_what_and_how_bad(void **state)
{
    struct fixture *f = *state;
    assert_said(f, "incident open users cannot log in --by anna", EVENT_OPEN);
    struct record r = newest(f);
    assert_string_equal(r.who, "anna");
    assert_string_equal(r.text, "users cannot log in");
    assert_int_equal(r.number, -1);
    assert_string_equal(r.subject, "");
    assert_contains(buf_text(&printed), "no controller is running");
    assert_said(f, "incident open --severity P1 --playbook failover -- --by the book", EVENT_OPEN);
    r = newest(f);
    assert_int_equal(r.number, SEVERITY_P1);
    assert_string_equal(r.subject, "failover");
    assert_string_equal(r.text, "--by the book");
    assert_true(*r.who);
}

static void wrong_words_write_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *line;
        int status;
    } wrong[] = {
        {"incident", 64}, {"incident zap", 64}, {"incident open", 64}, {"incident open --severity P7 x", 64}, {"incident open --by", 64},
        {"incident open --colour x", 64}, {"incident open --playbook nope x", 66}, {"incident ack", 64}, {"incident ack seven", 64},
        {"incident ack -1", 64}, {"incident ack 0", 64}, {"incident note 1", 64}, {"incident show", 64}, {"incident show 1 2", 64},
        {"incident list 1", 64}, {"incident certify 1", 64}, {"incident certify 1 production", 64},
        {"incident certify 1 production --accept-loss ''", 64}, {"incident ack 1", 66}, {"incident show 1", 66}, {"incident list", 66},
        {"incident open 'a\x1b[2Jb'", 64},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int status = run(f, wrong[i].line);
        if (status != wrong[i].status)
            fail_msg("%s: %d, expected %d (%s)", wrong[i].line, status, wrong[i].status, failed.message);
        assert_false(file_exists(fixture_path(f, "journal.db")));
    }
    char *line = arena_alloc(f->arena, MODEL_TEXT_SIZE + 100);
    memset(line, 'x', MODEL_TEXT_SIZE + 50);
    memcpy(line, "incident open ", 14);
    assert_int_equal(run(f, line), 65);
    assert_false(file_exists(fixture_path(f, "journal.db")));
}

/* All that a P1 wants, but for its actions. */
static void write_fields(struct fixture *f)
{
    for (const struct report_field *field = report_fields; field->name; field++)
        if (field_required(field, SEVERITY_P1))
            assert_said(f, arena_printf(f->arena, "incident write 1 %s because of %s --by ana", field->name, field->name), EVENT_WRITE);
}

static void a_person_takes_and_closes_an_incident(void **state)
{
    struct fixture *f = *state;
    add_order(f, ORDER_OPEN, SEVERITY_P1, "database-down", "Database unavailable");
    assert_int_equal(run(f, "incident ack 2"), 66);
    assert_said(f, "incident ack INC-1 I am on it --by bob", EVENT_ACK);
    assert_string_equal(newest(f).text, "I am on it");
    assert_int_equal(run(f, "incident ack 1"), 1);
    assert_contains(failed.message, "bob has taken incident 1");
    assert_said(f, "incident note 1 it was the disk", EVENT_NOTE);
    assert_int_equal(run(f, "incident review 1"), 1);
    assert_said(f, "incident resolve 1", EVENT_RESOLVE);
    add_order(f, ORDER_STATE, INCIDENT_RESOLVED, "", "a person resolved it");
    assert_int_equal(run(f, "incident resolve 1"), 1);
    assert_int_equal(run(f, "incident certify 1 production --accept-loss none"), 1);
    assert_int_equal(run(f, "incident review 1"), 1);
    assert_contains(failed.message, "cannot be approved while this is missing: author, summary");
    assert_contains(failed.message, "why-5, root-cause");
    assert_contains(failed.message, ", action");
    write_fields(f);
    assert_int_equal(run(f, "incident review 1"), 1);
    assert_contains(failed.message, "is missing: action");
    assert_said(f, "incident write 1 action test the disks", EVENT_WRITE);
    assert_int_equal(run(f, "incident review 1"), 1);
    assert_contains(failed.message, "is missing: action.1: owner, action.1: due");
    assert_said(f, "incident write 1 action.1 --owner ana", EVENT_WRITE);
    assert_int_equal(run(f, "incident review 1"), 1);
    assert_contains(failed.message, "is missing: action.1: due");
    assert_said(f, "incident write 1 action.1 --due 2099-12-01", EVENT_WRITE);
    assert_said(f, "incident review 1", EVENT_REVIEW);
    add_order(f, ORDER_STATE, INCIDENT_REVIEWED, "", "a person has reviewed it");
    assert_int_equal(run(f, "incident review 1"), 1);
    assert_int_equal(run(f, "incident write 1 summary too late"), 1);
    assert_said(f, "incident note 1 notes are always taken", EVENT_NOTE);
}

static void what_people_write_is_kept(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    add_order(f, ORDER_OPEN, SEVERITY_P1, "database-down", "Database unavailable");
    add_order(f, ORDER_STATE, INCIDENT_RESOLVED, "", "a person resolved it");
    assert_said(f, "incident write INC-1 root-cause the disk lied --by ana", EVENT_WRITE);
    struct record r = newest(f);
    assert_string_equal(r.subject, "root-cause");
    assert_string_equal(r.text, "the disk lied");
    assert_string_equal(r.who, "ana");
    assert_string_equal(r.detail, "");
    const char *path = fixture_path(f, "words"), *words = "one\ntwo\n\n- three\n";
    assert_true(file_write(path, words, strlen(words), 0600, &err));
    assert_said(f, arena_printf(f->arena, "incident write 1 summary --file %s", path), EVENT_WRITE);
    assert_string_equal(newest(f).detail, "one\ntwo\n\n- three");
    assert_said(f, "incident write 1 action test the disks --owner ana --due 2099-12-01 --by bob", EVENT_WRITE);
    r = newest(f);
    assert_string_equal(r.subject, "action.1");
    assert_string_equal(r.text, "test the disks; owner: ana; due: 2099-12-01");
    assert_int_equal(r.number, ACTION_COMPLETE);
    assert_string_equal(r.detail, "{\"text\":\"test the disks\",\"owner\":\"ana\",\"due\":\"2099-12-01\",\"horizon\":\"longer\",\"ticket\":null}");
    assert_said(f, "incident write 1 action buy new ones", EVENT_WRITE);
    assert_string_equal(newest(f).subject, "action.2");
    assert_int_equal(newest(f).number, ACTION_DRAFT);
    assert_said(f, "incident write 1 action.1 test all disks --ticket OPS-12 --horizon week", EVENT_WRITE);
    r = newest(f);
    assert_int_equal(r.number, ACTION_TICKETED);
    assert_string_equal(r.detail, "{\"text\":\"test all disks\",\"owner\":\"ana\",\"due\":\"2099-12-01\",\"horizon\":\"week\",\"ticket\":\"OPS-12\"}");
    assert_said(f, "incident write 1 action.2 --drop", EVENT_WRITE);
    assert_int_equal(newest(f).number, ACTION_DROPPED);
    assert_int_equal(run(f, "incident write 1 action.2 --owner ana"), 66); /* it is gone */
    assert_said(f, "incident write 1 action another", EVENT_WRITE);
    assert_string_equal(newest(f).subject, "action.3"); /* numbers are not used twice */
    assert_int_equal(run(f, "incident write 1"), 0);
    assert_contains(buf_text(&printed), "✓ root-cause");
    assert_contains(buf_text(&printed), "✓ summary            one …");
    assert_contains(buf_text(&printed), "✗ author");
    assert_contains(buf_text(&printed), "✓ action.1           test all disks; owner: ana; due: 2099-12-01 [OPS-12]");
    assert_contains(buf_text(&printed), "✗ action.3           another [no owner] [no date]");
    const struct json *json;
    assert_int_equal(run_command(f, &cmd_incident, true, "incident write 1"), 0);
    assert_true(json_parse(f->arena, buf_str(&printed), &json, &err));
    assert_string_equal(json_string(json_path(json, "fields.root-cause")), "the disk lied");
    assert_string_equal(json_string(json_path(json, "actions.0.ticket")), "OPS-12");
    assert_string_equal(json_string(json_path(json, "missing.0")), "author");
}

static void what_cannot_be_written_is_refused(void **state)
{
    struct fixture *f = *state;
    add_order(f, ORDER_OPEN, SEVERITY_P1, "database-down", "Database unavailable");
    static const struct {
        const char *line, *message;
        int status;
    } wrong[] = {
        {"incident write", "", 64},
        {"incident write 2 summary x", "there is no incident 2", 66},
        {"incident write 1 sumary x", "no field \"sumary\"", 64},
        {"incident write 1 summary", "the text is missing", 64},
        {"incident write 1 summary x --owner ana", "only an action", 64},
        {"incident write 1 summary 'a\x01b'", "", 64},
        {"incident write 1 summary x --file /dev/null", "not both", 64},
        {"incident write 1 summary --file /nowhere/at/all", "", 66},
        {"incident write 1 action --owner ana", "say what is to be done", 64},
        {"incident write 1 action.7 x", "has no action 7", 66},
        {"incident write 1 action x --due tomorrow", "is no date", 64},
        {"incident write 1 action x --due 2026-13-01", "is no date", 64},
        {"incident write 1 action x --horizon soon", "is no horizon", 64},
        {"incident report 1 --format pdf", "", 64},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const char *line = arena_strdup(f->arena, wrong[i].line);
        char *control = strstr((char *)(uintptr_t)line, "\\x01");
        if (control)
            memmove(control + 1, control + 4, strlen(control + 4) + 1), *control = 1;
        int status = run(f, line);
        if (status != wrong[i].status || (*wrong[i].message && !strstr(failed.message, wrong[i].message)))
            fail_msg("%s: %d: %s", wrong[i].line, status, failed.message);
    }
}

static void checklists_are_shown_and_ticked(void **state)
{
    struct fixture *f = *state;
    const struct json *json;
    struct err err = {0};
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist show"), 66); /* nothing yet */
    fixture_journal(f);
    script_play(f);
    fixture_close_journal(f);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist show"), 2); /* one is late by years */
    assert_contains(buf_text(&printed), "P1 critical incident: 2 of 3 done, since T+00:00");
    assert_contains(buf_text(&printed), "✓ Alert received  (p1/alerted)\n      T+00:05, 43 ms late: message \"alert\" handed over to ops by slack after 42 ms [#");
    assert_contains(buf_text(&printed), "✗ People told  (p1/told)");
    assert_contains(buf_text(&printed), "late (ana); due 2025-10-25 15:49 UTC");
    assert_null(strstr(buf_text(&printed), "Other")); /* does not apply */
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist show 1 --all"), 2);
    assert_contains(buf_text(&printed), "Other: does not apply (severity P2)");
    assert_int_equal(run_command(f, &cmd_checklist, true, "checklist show 1"), 2);
    assert_true(json_parse(f->arena, buf_str(&printed), &json, &err));
    assert_string_equal(json_string(json_path(json, "0.items.1.mark")), "proven");
    assert_contains(json_string(json_path(json, "0.items.1.said")), "diagnose.summary");
    assert_string_equal(json_string(json_path(json, "0.items.2.mark")), "open");
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist tick 1 p1/told I rang them --by ana"), 0);
    struct record r = newest(f);
    assert_int_equal(r.kind, EVENT_TICK_ITEM);
    assert_int_equal(r.incident, 1);
    assert_string_equal(r.subject, "p1/told");
    assert_string_equal(r.text, "I rang them");
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist show"), 0);
    assert_contains(buf_text(&printed), "ana ticked \"p1/told\": I rang them");
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist tick p1/told"), 1);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist untick p1/told"), 0);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist show"), 2);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist untick p1/told"), 1);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist assign p1/told --owner carla --due 2099-01-01"), 0);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist show"), 0);
    assert_contains(buf_text(&printed), "(carla), 2099-01-01 23:59 UTC");
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist waive p1/told"), 64);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist waive p1/told nobody to tell"), 0);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist show"), 0);
    assert_contains(buf_text(&printed), "– People told");
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist tick p1/tolt"), 66);
    assert_contains(failed.hint, "did you mean \"p1/told\"?");
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist tick told"), 64);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist assign p1/told"), 64);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist sing"), 64);
    assert_int_equal(run_command(f, &cmd_checklist, false, "checklist list"), 0);
    assert_contains(buf_text(&printed), "  - cause: Cause identified (5 min)\n      fact diagnose.summary");
}

static void answers_name_the_run_that_asks(void **state)
{
    struct fixture *f = *state;
    add_order(f, ORDER_OPEN, SEVERITY_P1, "database-down", "Database unavailable");
    assert_int_equal(run(f, "incident approve 1"), 1);
    assert_int_equal(run(f, "incident deny 1"), 1);
    assert_int_equal(run(f, "incident retry 1"), 1);
    add_order(f, ORDER_STEP, 0, "1.redirect.3", "Redirect");
    add_order(f, ORDER_ASK, 600000, "1.redirect.3", "traffic switch dr");
    assert_int_equal(run(f, "incident show 1"), 0);
    assert_contains(buf_text(&printed), "bascule incident approve 1");
    assert_int_equal(run(f, "incident retry 1"), 1);
    assert_said(f, "incident approve 1", EVENT_APPROVE);
    assert_string_equal(newest(f).subject, "1.redirect.3");
    assert_int_equal(run(f, "incident approve 1"), 1); /* answered */
    add_order(f, ORDER_BLOCKED, 0, "1.redirect.3", "needs a person");
    assert_int_equal(run(f, "incident show 1"), 0);
    assert_contains(buf_text(&printed), "bascule incident retry 1");
    assert_int_equal(run(f, "incident deny 1"), 1);
    assert_said(f, "incident certify 1 production --accept-loss 'two minutes'", EVENT_CERTIFY);
    assert_string_equal(newest(f).subject, "production");
    assert_string_equal(newest(f).text, "two minutes");
    assert_int_equal(run(f, "incident certify 1 moon --accept-loss x"), 66);
    assert_said(f, "incident retry 1", EVENT_RETRY);
}

static void words_for_the_public_are_shown_and_recorded(void **state)
{
    struct fixture *f = *state;
    add_order(f, ORDER_OPEN, SEVERITY_P1, "database-down", "Database unavailable");
    assert_said(f, "incident say 1 --public 'A cable is broken.' --fr 'Un câble est rompu.' --phase identified --by anna --yes", EVENT_SAY);
    struct record r = newest(f);
    assert_string_equal(r.subject, "public");
    assert_string_equal(r.text, "A cable is broken.");
    assert_string_equal(r.detail, "{\"en\":\"A cable is broken.\",\"fr\":\"Un câble est rompu.\"}");
    assert_string_equal(r.who, "anna");
    assert_int_equal(r.number, PUBLIC_IDENTIFIED);
    assert_int_equal(run(f, "incident say 1 --public 'A cable is broken.' --fr 'Un câble est rompu.' --yes"), 1);
    assert_contains(failed.message, "read exactly this already");
    assert_said(f, "incident say 1 --public 'A cable is broken!' --yes", EVENT_SAY);
    assert_int_equal(newest(f).number, -1);
    assert_said(f, "incident say 1 --inside 'rack 4, host 10.1.2.3' --yes", EVENT_SAY); /* inside people may read names */
    assert_string_equal(newest(f).subject, "inside");
    assert_string_equal(newest(f).text, "rack 4, host 10.1.2.3");
    assert_said(f, "incident say 1 --hold --yes", EVENT_SAY);
    assert_string_equal(newest(f).subject, "hold");
    assert_said(f, "incident say 1 --resume --yes", EVENT_SAY);
    assert_string_equal(newest(f).subject, "resume");
}

static void what_the_public_must_not_read_is_refused(void **state)
{
    struct fixture *f = *state;
    add_order(f, ORDER_OPEN, SEVERITY_P1, "database-down", "Database unavailable");
    static const char *const refused[] = {"Host 10.1.2.3 is down.", "We ran SELECT 1 FROM users.", "See /var/lib/postgresql/15.", "db1.intern.example is down."};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(run(f, arena_printf(f->arena, "incident say 1 --public '%s' --yes", refused[i])), 1);
        assert_contains(failed.message, "names what the public must not read");
        assert_contains(failed.hint, "[…]");
        assert_int_equal(run(f, arena_printf(f->arena, "incident say 1 --public x --fr '%s' --yes", refused[i])), 1);
        assert_true(newest(f).is_order); /* nothing was written */
    }
}

static void half_a_sentence_is_refused(void **state)
{
    struct fixture *f = *state;
    add_order(f, ORDER_OPEN, SEVERITY_P1, "database-down", "Database unavailable");
    char large[4200];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    const struct {
        const char *line;
        int status;
    } wrong[] = {
        {"incident say --public x --yes", 64},
        {"incident say 1 --yes", 64},
        {"incident say 1 words --public x --yes", 64},
        {"incident say 1 --hold --resume --yes", 64},
        {"incident say 1 --phase identified --inside x --yes", 64},
        {"incident say 1 --phase resolved --public x --yes", 64},
        {"incident say 1 --phase nonsense --public x --yes", 64},
        {"incident say 1 --public", 64},
        {"incident say 1 --public '' --yes", 64},
        {"incident say 1 --public '  ' --yes", 64},
        {"incident say 1 --inside ' ' --yes", 64},
        {"incident say 2 --public x --yes", 66},
        {arena_printf(f->arena, "incident say 1 --public %s --yes", large), err_exit_status(ERR_LIMIT)},
        {arena_printf(f->arena, "incident say 1 --inside %s --yes", large), 64},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        int status = run(f, wrong[i].line);
        if (status != wrong[i].status)
            fail_msg("%.100s: %d: %s", wrong[i].line, status, failed.message);
        assert_true(newest(f).is_order);
    }
    /* Without a terminal nobody can say yes. */
    int saved = dup(STDIN_FILENO), null = open("/dev/null", O_RDONLY);
    assert_true(dup2(null, STDIN_FILENO) == STDIN_FILENO);
    assert_int_equal(run(f, "incident say 1 --public x"), 1);
    assert_contains(failed.message, "--yes");
    assert_true(newest(f).is_order);
    assert_true(dup2(saved, STDIN_FILENO) == STDIN_FILENO);
    close(saved);
    close(null);
}

/* The newest row may come from another boot, or from a clock ahead of ours: core time never goes back. */
static void time_never_goes_back(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    journal_set_clock(f->journal, "another boot", 0);
    script_row(f, INT64_C(4000000000000), (struct record){.is_order = true, .kind = ORDER_OPEN, .incident = 1});
    fixture_close_journal(f);
    int64_t before = newest(f).at_ms;
    assert_said(f, "incident ack 1", EVENT_ACK);
    int64_t after = newest(f).at_ms;
    assert_true(after >= before);
    assert_said(f, "incident note 1 x", EVENT_NOTE);
    assert_true(newest(f).at_ms >= after);
}

static void a_running_controller_is_noticed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, "incident open x"), 0);
    assert_contains(buf_text(&printed), "no controller is running");
    assert_false(file_exists(fixture_path(f, "controller.lock")));
    int fd = open(fixture_path(f, "controller.lock"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(run(f, "incident open x"), 0);
    assert_contains(buf_text(&printed), "the controller acts on it");
    assert_null(strstr(buf_text(&printed), "no controller"));
    close(fd);
    assert_int_equal(run_command(f, &cmd_incident, true, "incident open x"), 0);
    assert_string_equal(buf_text(&printed), "{\"seq\":3,\"controller\":false}\n");
}

static void reading_prints_what_is_on_record(void **state)
{
    struct fixture *f = *state;
    const struct json *json;
    struct err err = {0};
    fixture_journal(f);
    script_play(f);
    fixture_close_journal(f);
    assert_int_equal(run(f, "incident list"), 0);
    assert_contains(buf_text(&printed), "INC-1    P1  reviewed        2025-10-25 15:34 UTC  outage 2 min 05 s");
    assert_int_equal(run(f, "incident show 1"), 0);
    assert_contains(buf_text(&printed), "✗ restart          4.2 s        failed: exit code 1");
    assert_contains(buf_text(&printed), "34 min 01 s (target 1 h)");
    assert_int_equal(run(f, "incident timeline 1"), 0);
    assert_contains(buf_text(&printed), "step \"restart\" failed after 4.2 s");
    assert_int_equal(run(f, "incident report 1"), 0);
    assert_contains(buf_text(&printed), "# Post-incident report INC-1");
    assert_int_equal(run(f, "incident report 1 --format html"), 0);
    assert_contains(buf_text(&printed), "<!DOCTYPE html>");
    assert_contains(buf_text(&printed), "prefers-color-scheme:dark");
    assert_int_equal(run(f, "incident report 1 --format pdf-ready"), 0);
    assert_contains(buf_text(&printed), "@page{size:A4");
    static const char *const as_json[] = {"incident list", "incident show 1", "incident timeline 1", "incident report 1"};
    for (size_t i = 0; i < COUNT_OF(as_json); i++) {
        assert_int_equal(run_command(f, &cmd_incident, true, as_json[i]), 0);
        assert_true(json_parse(f->arena, buf_str(&printed), &json, &err));
    }
}

static void the_list_is_short_unless_asked(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    for (int i = 1; i <= 60; i++)
        script_row(f, i, (struct record){.is_order = true, .kind = ORDER_OPEN, .incident = i, .text = "x"});
    fixture_close_journal(f);
    assert_int_equal(run(f, "incident list"), 0);
    assert_contains(buf_text(&printed), "INC-60");
    assert_contains(buf_text(&printed), "INC-11");
    assert_null(strstr(buf_text(&printed), "INC-10"));
    assert_contains(buf_text(&printed), "10 older ones");
    assert_int_equal(run(f, "incident list --all"), 0);
    assert_contains(buf_text(&printed), "INC-1 ");
}

static void the_journal_is_verified(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_command(f, &cmd_journal, false, "journal verify"), 66);
    fixture_journal(f);
    fixture_append(f, 5);
    fixture_close_journal(f);
    assert_int_equal(run_command(f, &cmd_journal, false, "journal verify"), 0);
    assert_int_equal(run_command(f, &cmd_journal, true, "journal verify"), 0);
    assert_contains(buf_text(&printed), "{\"whole\":true,\"records\":5,");
    assert_int_equal(run_command(f, &cmd_journal, false, "journal show --after 3 --incident 1"), 0);
    assert_int_equal(run_command(f, &cmd_journal, false, "journal show --after x"), 64);
    assert_int_equal(run_command(f, &cmd_journal, false, "journal show --after"), 64);
    assert_int_equal(run_command(f, &cmd_journal, false, "journal verify now"), 64);
    fixture_sql(f, "DROP TRIGGER journal_no_update; UPDATE journal SET who = 'eve' WHERE seq = 4");
    assert_int_equal(run_command(f, &cmd_journal, false, "journal verify"), 65);
    assert_contains(failed.message, "record 4 in");
    assert_int_equal(run_command(f, &cmd_journal, true, "journal verify"), 65);
    assert_contains(buf_text(&printed), "{\"whole\":false,\"records\":3,");
    assert_int_equal(run_command(f, &cmd_journal, false, "journal show"), 65);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(opening_records_who_what_and_how_bad),
        TEST(wrong_words_write_nothing),
        TEST(a_person_takes_and_closes_an_incident),
        TEST(what_people_write_is_kept),
        TEST(what_cannot_be_written_is_refused),
        TEST(checklists_are_shown_and_ticked),
        TEST(answers_name_the_run_that_asks),
        TEST(words_for_the_public_are_shown_and_recorded),
        TEST(what_the_public_must_not_read_is_refused),
        TEST(half_a_sentence_is_refused),
        TEST(time_never_goes_back),
        TEST(a_running_controller_is_noticed),
        TEST(reading_prints_what_is_on_record),
        TEST(the_list_is_short_unless_asked),
        TEST(the_journal_is_verified),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&printed);
    return status;
}
