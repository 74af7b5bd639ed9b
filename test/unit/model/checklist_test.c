/* Which records tick what, what is late, and what people say about it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/config.h"

static struct arena *a;
static struct service service;
static struct checklists lists;
static int64_t seq;

static void add_item(struct checklist *list, const char *id, int64_t due_ms, const char *proven_by)
{
    struct err err = {0};
    struct checklist_item *item = vec_add(a, &list->items);
    *item = (struct checklist_item){.id = id, .title = {id, id}, .due_ms = due_ms, .proven_by = proven_by};
    if (proven_by && !evidence_parse(a, proven_by, &item->proof, &err))
        fail_msg("%s", err.message);
}

static struct checklist *add_list(const char *name, const char *applies_when)
{
    struct err err = {0};
    struct checklist *list = vec_add(a, &service.checklists);
    *list = (struct checklist){.name = name, .title = {name, name}, .applies_when = applies_when};
    if (!evidence_parse(a, applies_when, &list->applies, &err))
        fail_msg("%s", err.message);
    return list;
}

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    service = (struct service){.name = "akig"};
    seq = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static void feed(int64_t at_ms, struct record r)
{
    const char **texts[] = {&r.subject, &r.who, &r.text, &r.stage, &r.channel, &r.address, &r.detail, &r.service};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = *texts[i] ? *texts[i] : "";
    r.at_ms = at_ms;
    r.wall_ms = 1700000000000 + at_ms;
    r.seq = ++seq;
    checklists_feed(&lists, &r);
}

#define EVENT(at, k, ...) feed(at, (struct record){.kind = k, __VA_ARGS__})
#define ORDER(at, k, ...) feed(at, (struct record){.is_order = true, .kind = k, __VA_ARGS__})

static void open_p1(int64_t at)
{
    ORDER(at, ORDER_OPEN, .subject = "database-down", .number = SEVERITY_P1, .text = "Database unavailable");
}

static struct item_standing *item(size_t list, size_t index)
{
    return &lists.p[list].items[index];
}

/* One proof alone; the records tick it or not. */
static void one(const char *proof)
{
    service = (struct service){.name = "akig"};
    add_item(add_list("l", "incident open"), "i", 0, proof);
    checklists_init(a, &service, &lists);
    open_p1(0);
}

static bool ticked(void)
{
    return item(0, 0)->mark == ITEM_PROVEN;
}

static void each_kind_of_record_proves_what_it_says(void **state)
{
    (void)state;
    one("incident open");
    assert_true(ticked());
    one("severity P1");
    assert_true(ticked());
    one("severity P2");
    assert_false(ticked());
    ORDER(1, ORDER_SEVERITY, .number = SEVERITY_P2);
    assert_true(ticked());
    one("incident monitoring");
    ORDER(1, ORDER_STATE, .number = INCIDENT_MITIGATING);
    assert_false(ticked());
    ORDER(2, ORDER_STATE, .number = INCIDENT_MONITORING);
    assert_true(ticked());
    one("stage alert");
    ORDER(1, ORDER_STAGE, .subject = "on-call");
    assert_false(ticked());
    ORDER(2, ORDER_STAGE, .subject = "alert");
    assert_true(ticked());
    one("delivered alert");
    EVENT(1, EVENT_UNDELIVERED, .subject = "7/alert/ops/mail");
    EVENT(1, EVENT_DELIVERED, .subject = "7/alerting/ops/mail");
    assert_false(ticked());
    EVENT(2, EVENT_DELIVERED, .subject = "7/alert/ops/mail");
    assert_true(ticked());
    one("fact restore.file");
    EVENT(1, EVENT_FACT, .subject = "restore.rows");
    assert_false(ticked());
    EVENT(2, EVENT_FACT, .subject = "restore.file", .text = "x");
    assert_true(ticked());
    one("public told");
    ORDER(1, ORDER_PUBLIC, .subject = "investigating");
    assert_true(ticked());
    one("public resolved");
    ORDER(1, ORDER_PUBLIC, .subject = "investigating");
    assert_false(ticked());
    ORDER(2, ORDER_PUBLIC, .subject = "resolved");
    assert_true(ticked());
    one("person ack");
    EVENT(1, EVENT_NOTE, .who = "ana");
    assert_false(ticked());
    EVENT(2, EVENT_ACK, .who = "ana");
    assert_true(ticked());
    one("written root-cause");
    EVENT(1, EVENT_WRITE, .subject = "summary", .text = "x");
    EVENT(1, EVENT_WRITE, .subject = "root-cause", .text = "");
    assert_false(ticked());
    EVENT(2, EVENT_WRITE, .subject = "root-cause", .text = "a full disk");
    assert_true(ticked());
}

static void steps_checks_and_commands(void **state)
{
    (void)state;
    one("step restart success");
    ORDER(1, ORDER_STEP, .subject = "7.restart.1");
    ORDER(2, ORDER_STEP_END, .subject = "7.restart.1", .number = OUTCOME_FAILURE);
    ORDER(2, ORDER_STEP_END, .subject = "7.restarted.2", .number = OUTCOME_SUCCESS);
    assert_false(ticked());
    ORDER(3, ORDER_STEP_END, .subject = "7.restart.3", .number = OUTCOME_SUCCESS);
    assert_true(ticked());
    one("step restart began");
    ORDER(1, ORDER_STEP, .subject = "7.restart.1");
    assert_true(ticked());
    one("playbook failover success");
    ORDER(1, ORDER_PLAYBOOK_END, .subject = "failover", .number = OUTCOME_EXPIRY);
    assert_false(ticked());
    ORDER(1, ORDER_PLAYBOOK_END, .subject = "failover", .number = OUTCOME_SUCCESS);
    assert_true(ticked());
    one("check *.database down");
    EVENT(1, EVENT_VERDICT, .subject = "production.database", .number = VERDICT_UP);
    EVENT(1, EVENT_VERDICT, .subject = "database", .number = VERDICT_DOWN);
    assert_false(ticked());
    EVENT(2, EVENT_VERDICT, .subject = "production.database", .number = VERDICT_DOWN);
    assert_true(ticked());
    one("command service restart *.application success");
    ORDER(1, ORDER_RUN, .subject = "7.a.1", .text = "service restart dr.database");
    EVENT(2, EVENT_OUTCOME, .subject = "7.a.1", .number = OUTCOME_SUCCESS);
    ORDER(3, ORDER_RUN, .subject = "7.b.2", .text = "service restart dr.application");
    EVENT(4, EVENT_OUTCOME, .subject = "7.a.1", .number = OUTCOME_SUCCESS);
    EVENT(4, EVENT_OUTCOME, .subject = "7.b.2", .number = OUTCOME_FAILURE);
    assert_false(ticked());
    EVENT(5, EVENT_OUTCOME, .subject = "7.b.2", .number = OUTCOME_SUCCESS);
    assert_true(ticked());
    one("command service restart * success");
    ORDER(1, ORDER_RUN, .subject = "7.a.1", .text = "service restart");
    EVENT(2, EVENT_OUTCOME, .subject = "7.a.1", .number = OUTCOME_SUCCESS);
    assert_false(ticked());
    one("command restore began");
    ORDER(1, ORDER_RUN, .subject = "7.a.1", .text = "restored dr");
    assert_false(ticked());
    ORDER(2, ORDER_RUN, .subject = "7.a.2", .text = "restore dr");
    assert_true(ticked());
}

static void and_binds_tighter_and_the_first_way_counts(void **state)
{
    (void)state;
    one("person ack and stage alert or person note");
    EVENT(10, EVENT_ACK, .who = "ana");
    assert_false(ticked());
    EVENT(20, EVENT_NOTE, .who = "ana");
    assert_true(ticked());
    assert_int_equal(item(0, 0)->at_ms, 20);
    assert_int_equal(item(0, 0)->seq, 3);
    one("person ack and stage alert or person note");
    ORDER(10, ORDER_STAGE, .subject = "alert");
    EVENT(20, EVENT_ACK, .who = "ana");
    assert_true(ticked());
    assert_int_equal(item(0, 0)->at_ms, 20); /* the later of the two completes it */
}

static void tickets_for_every_action(void **state)
{
    (void)state;
    one("tickets all");
    EVENT(1, EVENT_WRITE, .subject = "action.1", .text = "x", .number = 1);
    EVENT(2, EVENT_WRITE, .subject = "action.2", .text = "y", .number = 1);
    EVENT(3, EVENT_DELIVERED, .subject = "7/ticket-1/tracker/hook");
    assert_false(ticked());
    EVENT(4, EVENT_WRITE, .subject = "action.2", .text = "y", .number = -1); /* dropped: one is left, and has its ticket */
    assert_true(ticked());
    EVENT(5, EVENT_WRITE, .subject = "action.3", .text = "z", .number = 0);
    assert_false(ticked()); /* not any more */
    EVENT(6, EVENT_WRITE, .subject = "action.3", .text = "z", .number = 2);
    assert_true(ticked());
}

static void a_list_begins_with_the_record_that_makes_it_apply(void **state)
{
    (void)state;
    add_item(add_list("p1", "severity P1"), "alerted", MS_MINUTE, "delivered alert");
    struct checklist *after = add_list("after", "incident resolved and severity P1");
    add_item(after, "cause", MS_DAY, "written root-cause");
    add_item(after, "free", 0, NULL);
    checklists_init(a, &service, &lists);
    open_p1(5000);
    assert_true(lists.p[0].applies);
    assert_false(lists.p[1].applies);
    assert_int_equal(item(0, 0)->due_at_ms, 65000);
    assert_int_equal(item(0, 0)->due_wall_ms, 1700000065000);
    assert_int_equal(item(1, 0)->due_at_ms, TIME_NEVER);
    assert_false(item_is_late(item(0, 0), 64999));
    assert_true(item_is_late(item(0, 0), 65000));
    EVENT(70000, EVENT_DELIVERED, .subject = "7/alert/ops/mail");
    assert_false(item_is_late(item(0, 0), 80000));
    assert_true(item_was_late(item(0, 0)));
    ORDER(100000, ORDER_STATE, .number = INCIDENT_RESOLVED);
    assert_true(lists.p[1].applies);
    assert_int_equal(item(1, 0)->due_at_ms, 100000 + MS_DAY);
    assert_int_equal(item(1, 1)->due_at_ms, TIME_NEVER);
    assert_int_equal(checklists_late_count(&lists, 99999 + MS_DAY), 0);
    assert_int_equal(checklists_late_count(&lists, 100000 + MS_DAY), 1);
}

static void people_tick_take_back_waive_and_assign(void **state)
{
    (void)state;
    struct checklist *list = add_list("p1", "severity P1");
    add_item(list, "told", MS_MINUTE, "delivered alert");
    add_item(list, "by-hand", MS_MINUTE, NULL);
    checklists_init(a, &service, &lists);
    open_p1(0);
    assert_null(item_owner(&lists, &lists.p[0], item(0, 0)));
    EVENT(1, EVENT_ACK, .who = "ana");
    assert_string_equal(item_owner(&lists, &lists.p[0], item(0, 0)), "ana");
    EVENT(2, EVENT_TICK_ITEM, .subject = "p1/by-hand", .who = "bob", .number = TICK_DONE);
    assert_int_equal(item(0, 1)->mark, ITEM_TICKED);
    EVENT(3, EVENT_TICK_ITEM, .subject = "p1/by-hand", .who = "bob", .number = TICK_TAKEN_BACK);
    assert_int_equal(item(0, 1)->mark, ITEM_OPEN);
    EVENT(4, EVENT_DELIVERED, .subject = "7/alert/ops/mail");
    assert_int_equal(item(0, 0)->mark, ITEM_PROVEN);
    EVENT(5, EVENT_TICK_ITEM, .subject = "p1/told", .who = "bob", .number = TICK_TAKEN_BACK);
    EVENT(6, EVENT_NOTE, .who = "bob");
    assert_int_equal(item(0, 0)->mark, ITEM_OPEN); /* what was known then proves it no more */
    EVENT(7, EVENT_TICK_ITEM, .subject = "p1/told", .who = "bob", .number = TICK_WAIVED, .text = "no mail here");
    assert_int_equal(item(0, 0)->mark, ITEM_WAIVED);
    assert_int_equal(checklists_late_count(&lists, MS_HOUR), 1);
    EVENT(8, EVENT_TICK_ITEM, .subject = "p1/by-hand", .who = "bob", .number = TICK_ASSIGNED, .text = "carla", .ref = 1700000000000 + 2 * MS_HOUR);
    assert_string_equal(item_owner(&lists, &lists.p[0], item(0, 1)), "carla");
    assert_int_equal(item(0, 1)->due_at_ms, 2 * MS_HOUR);
    assert_int_equal(checklists_late_count(&lists, MS_HOUR), 0);
    EVENT(9, EVENT_TICK_ITEM, .subject = "p1/nothing", .who = "bob"); /* what is not there is nothing */
    EVENT(9, EVENT_TICK_ITEM, .subject = "p1", .who = "bob");
    EVENT(9, EVENT_TICK_ITEM, .subject = "", .who = "bob");
}

static void what_is_late_is_said(void **state)
{
    (void)state;
    struct checklist *list = add_list("p1", "severity P1");
    list->title = (struct text2){"P1", "P1 critique"};
    add_item(list, "one", MS_MINUTE, NULL);
    add_item(list, "two", MS_MINUTE, NULL);
    add_item(list, "three", MS_MINUTE, NULL);
    checklists_init(a, &service, &lists);
    open_p1(0);
    EVENT(1, EVENT_ACK, .who = "ana");
    struct strs late = {0};
    checklists_late(a, &lists, 3 * MS_MINUTE, LANGUAGE_EN, 2, &late);
    assert_int_equal(late.n, 3);
    assert_string_equal(late.p[0], "P1: one, 2 min 00 s late (ana)");
    assert_string_equal(late.p[2], "and 1 more");
    late = (struct strs){0};
    checklists_late(a, &lists, 3 * MS_MINUTE, LANGUAGE_FR, 9, &late);
    assert_string_equal(late.p[0], "P1 critique : one, en retard de 2 min 00 s (ana)");
    late = (struct strs){0};
    checklists_late(a, &lists, MS_MINUTE - 1, LANGUAGE_EN, 9, &late);
    assert_int_equal(late.n, 0);
}

static void cleared_is_as_new(void **state)
{
    (void)state;
    one("person ack");
    EVENT(1, EVENT_ACK, .who = "ana");
    EVENT(1, EVENT_TICK_ITEM, .subject = "l/i", .number = TICK_ASSIGNED, .text = "bob", .who = "ana");
    checklists_clear(&lists);
    assert_false(lists.p[0].applies);
    assert_int_equal(item(0, 0)->mark, ITEM_OPEN);
    assert_string_equal(item(0, 0)->owner, "");
    EVENT(2, EVENT_NOTE, .who = "ana");
    assert_int_equal(item(0, 0)->mark, ITEM_OPEN);
    assert_null(item_owner(&lists, &lists.p[0], item(0, 0)));
}

static void proofs_that_are_refused(void **state)
{
    (void)state;
    static const char many[] = "stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a or "
                               "stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a or stage a";
    static const char *const wrong[] = {
        "", "and", "or", "stage", "stage a b", "stage alert and", "or stage alert", "stage alert stage b", "step a", "step a done", "command restore",
        "command success", "check a sick", "severity P9", "incident closed", "public gone", "person reads", "tickets some", "playbook a began",
        "sing a song", "stage 'alert",
        many, /* more than 64 words */
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct evidence e = {0};
        struct err err = {0};
        if (evidence_parse(a, wrong[i], &e, &err))
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_int_equal(err.code, ERR_CONFIG);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_kind_of_record_proves_what_it_says),
        TEST(steps_checks_and_commands),
        TEST(and_binds_tighter_and_the_first_way_counts),
        TEST(tickets_for_every_action),
        TEST(a_list_begins_with_the_record_that_makes_it_apply),
        TEST(people_tick_take_back_waive_and_assign),
        TEST(what_is_late_is_said),
        TEST(cleared_is_as_new),
        TEST(proofs_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
