/* Reminders of what is late, tickets of a report's actions, and that decide's lists are those of the records. */
#include "unit/decide/rig.h"

static struct checklist *add_list(struct rig *rig, const char *name, const char *applies_when)
{
    struct err err = {0};
    struct checklist *list = vec_add(rig->arena, &rig->config->services.p[0].checklists);
    *list = (struct checklist){.name = name, .title = {name, name}, .applies_when = applies_when};
    assert_true(evidence_parse(rig->arena, applies_when, &list->applies, &err));
    return list;
}

static void add_item(struct rig *rig, struct checklist *list, const char *id, int64_t due_ms, const char *proven_by)
{
    struct err err = {0};
    struct checklist_item *item = vec_add(rig->arena, &list->items);
    *item = (struct checklist_item){.id = id, .title = {id, id}, .due_ms = due_ms};
    if (proven_by && !evidence_parse(rig->arena, proven_by, &item->proof, &err))
        fail_msg("%s", err.message);
}

static struct rig open_rig(void)
{
    struct rig rig = rig_open();
    struct checklist *p1 = add_list(&rig, "p1", "severity P1");
    add_item(&rig, p1, "down", MS_MINUTE, "check *.database down");
    add_item(&rig, p1, "diagnosed", 2 * MS_MINUTE, "step diagnose success");
    add_item(&rig, p1, "restarting", 5 * MS_MINUTE, "command service restart began");
    struct checklist *after = add_list(&rig, "after", "incident resolved and severity P1");
    after->remind_ms = MS_DAY;
    add_item(&rig, after, "cause", MS_DAY, "written root-cause");
    add_item(&rig, after, "actions", MS_DAY + MS_HOUR, "written action");
    return rig;
}

static const struct item_standing *item(const struct rig *rig, size_t list, size_t index)
{
    return &decide_checklists(rig->decide, rig_incident(rig))->p[list].items[index];
}

static void resolve(struct rig *rig)
{
    rig_down(rig);
    rig_person(rig, EVENT_RESOLVE, "");
    assert_int_equal(rig_incident(rig)->state, INCIDENT_RESOLVED);
}

static void write_event(struct rig *rig, const char *subject, const char *text, int64_t number)
{
    struct event event = {.kind = EVENT_WRITE, .incident = 1, .number = number, .service = "akig", .who = "anna"};
    COPY_TO(event.subject, subject);
    COPY_TO(event.text, text);
    rig_feed(rig, &event);
}

static void what_decide_does_ticks_by_itself(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    rig_down(&rig);
    assert_int_equal(item(&rig, 0, 0)->mark, ITEM_PROVEN); /* the verdict that opened it */
    assert_int_equal(item(&rig, 0, 1)->mark, ITEM_OPEN);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(item(&rig, 0, 1)->mark, ITEM_PROVEN);
    assert_int_equal(item(&rig, 0, 2)->mark, ITEM_PROVEN);
    rig_close(&rig);
}

static void a_list_without_reminders_wakes_nobody(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "odd"});
    rig_run_until(&rig, 10 * MS_MINUTE);
    assert_int_equal(checklists_late_count(decide_checklists(rig.decide, rig_incident(&rig)), rig.now_ms), 3);
    assert_int_equal(rig_inc(&rig)->reminders, 0);
    rig_close(&rig);
}

static void what_is_late_after_the_incident_is_asked_for_every_day(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    resolve(&rig);
    int64_t resolved = rig.now_ms;
    assert_int_equal(decide_next_ms(rig.decide), resolved + MS_DAY);
    rig_tick(&rig, MS_DAY - 1);
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY), 0);
    rig_tick(&rig, 1);
    const struct order *order = rig_order(&rig, ORDER_NOTIFY); /* nobody has taken it: the people of the first stage */
    assert_string_equal(order->stage, "checklist");
    assert_string_equal(order->who, "ops");
    assert_true(str_starts(str_of(order->subject), "1/checklist-1/ops/"));
    assert_int_equal(decide_next_ms(rig.decide), resolved + MS_DAY + MS_HOUR); /* the second item is newly late then */
    rig_tick(&rig, MS_HOUR);
    assert_true(str_starts(str_of(rig_order(&rig, ORDER_NOTIFY)->subject), "1/checklist-2/ops/"));
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms + MS_DAY);
    write_event(&rig, "action.1", "test the disk", 0);
    write_event(&rig, "root-cause", "the disk", 0);
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    rig_close(&rig);
}

static void reminders_have_an_end(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    size_t reminders = 0;
    resolve(&rig);
    for (int64_t next; (next = decide_next_ms(rig.decide)) != TIME_NEVER;) {
        rig_tick(&rig, next - rig.now_ms);
        reminders += rig_find(&rig, ORDER_NOTIFY, rig_order(&rig, ORDER_NOTIFY)->subject) != NULL;
        assert_true(reminders <= 10);
    }
    assert_int_equal(reminders, 10);
    rig_close(&rig);
}

static void a_reviewed_incident_asks_no_more(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    resolve(&rig);
    struct event review = {.kind = EVENT_REVIEW, .incident = 1, .service = "akig", .who = "anna"};
    rig_feed(&rig, &review);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_REVIEWED);
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    rig_close(&rig);
}

static void whoever_answers_for_it_is_reminded(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    resolve(&rig);
    struct event tick = {.kind = EVENT_TICK_ITEM, .incident = 1, .number = TICK_ASSIGNED, .service = "akig", .who = "anna", .subject = "after/cause", .text = "director"};
    rig_feed(&rig, &tick);
    assert_int_equal(rig.orders.n, 0);
    rig_tick(&rig, MS_DAY);
    assert_string_equal(rig_order(&rig, ORDER_NOTIFY)->who, "director");
    rig_close(&rig);
}

static void an_action_gets_one_ticket(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    rig.config->services.p[0].tickets = "devops";
    resolve(&rig);
    write_event(&rig, "action.1", "no owner yet", 0);
    assert_int_equal(rig.orders.n, 0);
    write_event(&rig, "action.1", "test the disk; owner: anna; due: 2026-12-01", 1);
    const struct order *order = rig_order(&rig, ORDER_NOTIFY);
    assert_string_equal(order->stage, "ticket");
    assert_string_equal(order->who, "devops");
    assert_string_equal(order->text, "test the disk; owner: anna; due: 2026-12-01");
    assert_true(str_starts(str_of(order->subject), "1/ticket-1/devops/"));
    write_event(&rig, "action.1", "test both disks; owner: anna; due: 2026-12-01", 1);
    assert_int_equal(rig.orders.n, 0);
    write_event(&rig, "action.2", "has its own ticket", 2);
    write_event(&rig, "action.2", "changed", 1);
    assert_int_equal(rig.orders.n, 0);
    write_event(&rig, "summary", "no action", 1);
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void a_replay_comes_to_the_same_lists(void **state)
{
    (void)state;
    struct rig one = open_rig(), two = open_rig();
    resolve(&one);
    resolve(&two);
    for (int i = 0; i < 3; i++) { /* nothing but ticks that gave no orders was left out */
        rig_tick(&one, MS_HOUR);
        two.now_ms += MS_HOUR;
    }
    rig_tick(&one, MS_DAY);
    rig_tick(&two, MS_DAY);
    assert_int_equal(one.orders.n, two.orders.n);
    assert_int_not_equal(one.orders.n, 0);
    for (size_t i = 0; i < one.orders.n; i++)
        assert_string_equal(one.orders.p[i].subject, two.orders.p[i].subject);
    rig_close(&one);
    rig_close(&two);
}

static void forgotten_incidents_leave_no_trace_on_new_ones(void **state)
{
    (void)state;
    struct rig rig = open_rig();
    rig_begin(&rig);
    for (int i = 0; i < 3 * RESOLVED_KEPT; i++) {
        rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "odd"});
        const struct checklists *lists = decide_checklists(rig.decide, rig_incident(&rig));
        assert_true(lists->p[0].applies);
        assert_false(lists->p[1].applies);
        rig_person(&rig, EVENT_RESOLVE, "");
        assert_true(lists->p[1].applies);
    }
    assert_int_equal(rig_inc(&rig)->reminders, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_decide_does_ticks_by_itself),
        cmocka_unit_test(a_list_without_reminders_wakes_nobody),
        cmocka_unit_test(what_is_late_after_the_incident_is_asked_for_every_day),
        cmocka_unit_test(reminders_have_an_end),
        cmocka_unit_test(a_reviewed_incident_asks_no_more),
        cmocka_unit_test(whoever_answers_for_it_is_reminded),
        cmocka_unit_test(an_action_gets_one_ticket),
        cmocka_unit_test(a_replay_comes_to_the_same_lists),
        cmocka_unit_test(forgotten_incidents_leave_no_trace_on_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
