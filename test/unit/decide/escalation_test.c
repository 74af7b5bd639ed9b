/* Pages, tiers, acknowledgements and their end, ways that stand in, rotations, a person who wants more, and the plan. */
#include "unit/decide/rig.h"

/* ---- a world with tiers, fallbacks and a rotation ---- */

static void list_of(struct arena *arena, struct strs *list, const char *first, const char *second)
{
    *list = (struct strs){0};
    *vec_add(arena, list) = first;
    if (second)
        *vec_add(arena, list) = second;
}

static struct contact *add_contact(struct rig *rig, const char *name, int tier, const char *channel, const char *fallback)
{
    struct contact *contact = vec_add(rig->arena, &rig->config->contacts);
    *contact = (struct contact){.name = name, .tier = tier};
    *vec_add(rig->arena, &contact->ways) = (struct contact_way){.channel = channel, .address = name};
    if (fallback)
        *vec_add(rig->arena, &contact->ways) =
            (struct contact_way){.channel = fallback, .address = name, .fallback = true, .fallback_after_ms = 30 * MS_SECOND};
    return contact;
}

static struct severity_conf *p1_of(struct rig *rig)
{
    return &rig->config->services.p[0].severities.p[0];
}

/* Tier 1 is "on-call" (anna or bruno by turns, and devops), tier 2 the cto, tier 3 the ceo. */
static struct rig paging_rig(void)
{
    struct rig rig = rig_open();
    struct severity_conf *p1 = p1_of(&rig);
    add_contact(&rig, "anna", 1, "sms", "mail");
    add_contact(&rig, "bruno", 1, "sms", NULL);
    add_contact(&rig, "cto", 2, "sms", NULL);
    add_contact(&rig, "ceo", 3, "sms", NULL);
    add_contact(&rig, "client", 0, "mail", NULL);
    struct rotation *rotation = vec_add(rig.arena, &rig.config->rotations);
    *rotation = (struct rotation){.name = "dba-on-call", .every_ms = 7 * MS_DAY};
    list_of(rig.arena, &rotation->members, "anna", "bruno");
    list_of(rig.arena, &rig.config->groups.p[0].members, "dba-on-call", "devops");
    list_of(rig.arena, &p1->stages.p[4].notify, "director", "client");
    list_of(rig.arena, &((struct tier *)vec_add(rig.arena, &p1->tiers))->notify, "cto", NULL);
    list_of(rig.arena, &((struct tier *)vec_add(rig.arena, &p1->tiers))->notify, "ceo", NULL);
    p1->update_every_ms = 0;
    p1->answer_within_ms = 5 * MS_MINUTE;
    p1->repeat = 1;
    p1->ack_expires_ms = 15 * MS_MINUTE;
    return rig;
}

/* The clock of the rig counts from a Thursday in 2023; anna has the even weeks since 1970. */
static const char *on_call(const struct rig *rig)
{
    return (rig->now_ms + 1700000000000) / (7 * MS_DAY) % 2 == 0 ? "anna" : "bruno";
}

static void open_p1(struct rig *rig)
{
    rig_feed(rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "odd"});
    assert_int_equal(rig_count(rig, ORDER_OPEN), 1);
}

static void delivered(struct rig *rig, const char *key)
{
    struct event event = {.kind = EVENT_DELIVERED, .incident = 1, .number = 1};
    COPY_TO(event.subject, key);
    rig_feed(rig, &event);
}

static void failed(struct rig *rig, const char *key, int64_t next_ms)
{
    struct event event = {.kind = EVENT_UNDELIVERED, .incident = 1, .number = 1, .ref = next_ms};
    COPY_TO(event.subject, key);
    rig_feed(rig, &event);
}

/* Everything that the last event ordered is handed over. */
static void deliver_all(struct rig *rig)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct orders orders = {.p = arena_dup(a, rig->orders.p, rig->orders.n * sizeof(*rig->orders.p)), .n = rig->orders.n};
    for (size_t i = 0; i < orders.n; i++)
        if (orders.p[i].kind == ORDER_NOTIFY)
            delivered(rig, orders.p[i].subject);
}

static void run_delivering(struct rig *rig, int64_t later_ms)
{
    int64_t end = rig->now_ms + later_ms;
    for (int64_t next; (next = decide_next_ms(rig->decide)) < end;) {
        rig_tick(rig, next - rig->now_ms);
        deliver_all(rig);
    }
    rig_tick(rig, end - rig->now_ms);
}

static void ack(struct rig *rig, const char *who)
{
    struct event event = {.kind = EVENT_ACK, .incident = 1};
    COPY_TO(event.who, who);
    rig_feed(rig, &event);
}

static const char *key_to(struct arena *a, const char *part, const char *who, const char *channel)
{
    return arena_printf(a, "1/%s/%s/%s", part, who, channel);
}

/* ---- the ladder ---- */

static void who_does_not_answer_is_followed_by_the_next_tier(void **state)
{
    (void)state;
    const struct {
        int64_t at_ms;
        const char *tier, *who;
    } pages[] = {
        {2 * MS_MINUTE, "tier-1", NULL},  {7 * MS_MINUTE, "tier-2", "cto"},  {12 * MS_MINUTE, "tier-3", "ceo"},
        {17 * MS_MINUTE, "tier-1", NULL}, {22 * MS_MINUTE, "tier-2", "cto"}, {27 * MS_MINUTE, "tier-3", "ceo"},
    };
    struct rig rig = paging_rig();
    open_p1(&rig);
    int64_t opened = rig.now_ms;
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        run_delivering(&rig, opened + pages[i].at_ms - rig.now_ms);
        assert_int_equal(rig_count(&rig, ORDER_PAGE), 1);
        const struct order *page = rig_order(&rig, ORDER_PAGE);
        assert_string_equal(page->subject, pages[i].tier);
        assert_int_equal(page->number, i + 1);
        assert_string_equal(page->text, i ? page_reasons[PAGE_UNANSWERED] : page_reasons[PAGE_DUE]);
        const char *part = i ? arena_printf(rig.arena, "page-%zu", i + 1) : "on-call";
        const char *who = pages[i].who ? pages[i].who : on_call(&rig);
        const struct order *notice = rig_find(&rig, ORDER_NOTIFY, key_to(rig.arena, part, who, "sms"));
        assert_non_null(notice);
        assert_int_equal(notice->number, i + 1);
        assert_string_equal(notice->stage, i ? "page" : "on-call");
        deliver_all(&rig);
    }
    run_delivering(&rig, 5 * MS_MINUTE); /* it began again once, as configured: that is the end, and people are told so */
    assert_int_equal(rig_count(&rig, ORDER_PAGE), 0);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/unanswered/ceo/sms"));
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/unanswered/client/mail")); /* outside */
    assert_int_equal(rig_incident(&rig)->page_at_ms, TIME_NEVER);
    deliver_all(&rig);
    run_delivering(&rig, MS_DAY);
    assert_int_equal(rig_incident(&rig)->pages, 6);
    rig_close(&rig);
}

static void a_tier_may_have_its_own_patience(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    p1_of(&rig)->tiers.p[0].answer_within_ms = MS_MINUTE;
    open_p1(&rig);
    run_delivering(&rig, 8 * MS_MINUTE - 1);
    assert_int_equal(rig_incident(&rig)->pages, 2);
    run_delivering(&rig, 1);
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->subject, "tier-3");
    rig_close(&rig);
}

static void without_a_time_to_answer_nobody_more_is_paged(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    p1_of(&rig)->answer_within_ms = 0;
    open_p1(&rig);
    run_delivering(&rig, 2 * MS_HOUR);
    assert_int_equal(rig_incident(&rig)->pages, 1);
    rig_close(&rig);
}

static void a_controller_that_was_away_pages_once_and_not_for_every_miss(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    run_delivering(&rig, 2 * MS_MINUTE);
    deliver_all(&rig);
    rig.now_ms += MS_HOUR;
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    assert_int_equal(rig_count(&rig, ORDER_PAGE), 1);
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->subject, "tier-2");
    assert_int_equal(rig_incident(&rig)->page_at_ms, rig.now_ms + 5 * MS_MINUTE);
    rig_close(&rig);
}

static void a_service_that_is_back_calls_nobody_more(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    rig.config->services.p[0].playbooks.p[0].hold_ms = rig.config->services.p[0].playbooks.p[1].hold_ms = MS_HOUR;
    rig_to_restart(&rig);
    run_delivering(&rig, 80 * MS_SECOND);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_verdict(&rig, "public", VERDICT_UP);
    run_delivering(&rig, 20 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->pages, 0);
    rig_verdict(&rig, "public", VERDICT_DOWN); /* a relapse: what is overdue comes at once */
    assert_int_equal(rig_incident(&rig)->pages, 1);
    rig_close(&rig);
}

/* ---- acknowledging ---- */

static void an_acknowledgement_stops_the_paging_on_every_way(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    rig_run_until(&rig, 2 * MS_MINUTE);
    const char *paged = on_call(&rig), *key = key_to(rig.arena, "on-call", paged, "sms"), *taken = "1/on-call/devops/mail";
    delivered(&rig, taken);
    ack(&rig, "devops");
    const struct order *withdrawn = rig_find(&rig, ORDER_WITHDRAW, key); /* it was still on its way */
    assert_non_null(withdrawn);
    assert_string_equal(withdrawn->who, paged);
    assert_string_equal(withdrawn->channel, "sms");
    assert_null(rig_find(&rig, ORDER_WITHDRAW, taken));               /* it is there already */
    assert_int_equal(rig_count(&rig, ORDER_WITHDRAW), 1);             /* the alert informs: it may arrive */
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/acknowledged/ops/slack"));
    assert_string_equal(rig_find(&rig, ORDER_NOTIFY, "1/acknowledged/devops/mail")->text, "devops: ");
    rig_run_until(&rig, 14 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->pages, 1);
    failed(&rig, key, -1); /* what is learnt of a withdrawn page leads to nothing */
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void an_acknowledgement_does_not_touch_the_recovery(void **state)
{
    (void)state;
    struct rig with = paging_rig(), without = paging_rig();
    struct rig *rigs[] = {&with, &without};
    for (int i = 0; i < 2; i++) {
        rig_to_restart(rigs[i]);
        if (i == 0)
            ack(rigs[i], "anna");
        assert_int_equal(rig_incident(rigs[i])->state, INCIDENT_MITIGATING);
        rig_assert_phase(rigs[i], STEP_RUNNING, "restart");
        rigs[i]->now_ms += 90 * MS_SECOND;
        rig_feed(rigs[i], &(struct event){.kind = EVENT_TICK});
        assert_int_equal(rig_count(rigs[i], ORDER_CANCEL), 1); /* its budget, to the millisecond */
    }
    rig_close(&with);
    rig_close(&without);
}

static void an_acknowledgement_after_which_nothing_happens_ends(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    run_delivering(&rig, 2 * MS_MINUTE);
    deliver_all(&rig);
    ack(&rig, "bruno");
    deliver_all(&rig);
    run_delivering(&rig, 15 * MS_MINUTE - 1);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_ACKNOWLEDGED);
    run_delivering(&rig, 1);
    assert_string_equal(rig_order(&rig, ORDER_UNACK)->who, "bruno");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_OPEN);
    assert_int_equal(rig_incident(&rig)->acked_at_ms, 0);
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->subject, "tier-1");
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->text, page_reasons[PAGE_EXPIRED]);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, key_to(rig.arena, "page-2", on_call(&rig), "sms")));
    ack(&rig, "anna"); /* and may be taken again */
    assert_string_equal(rig_incident(&rig)->who_acked, "anna");
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/acknowledged-2/ops/slack"));
    rig_close(&rig);
}

static void progress_keeps_an_acknowledgement(void **state)
{
    (void)state;
    static const enum event_kind kinds[] = {EVENT_NOTE, EVENT_SAY, EVENT_TICK_ITEM};
    struct rig rig = paging_rig();
    open_p1(&rig);
    run_delivering(&rig, 2 * MS_MINUTE);
    deliver_all(&rig);
    ack(&rig, "bruno");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        run_delivering(&rig, 14 * MS_MINUTE);
        rig_feed(&rig, &(struct event){.kind = kinds[i], .incident = 1, .subject = "inside", .text = "looking", .who = "bruno"});
        deliver_all(&rig);
    }
    run_delivering(&rig, 14 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_ACKNOWLEDGED);
    run_delivering(&rig, MS_MINUTE);
    assert_int_equal(rig_count(&rig, ORDER_UNACK), 1);
    rig_close(&rig);
}

static void a_step_that_runs_is_progress_and_one_that_waits_is_not(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    struct step *restore = fixture_step(rig.config, "failover", "restore");
    restore->budget_ms = 40 * MS_MINUTE;
    fixture_step(rig.config, "failover", "application")->approve = APPROVE_PERSON;
    fixture_step(rig.config, "failover", "application")->approve_timeout_ms = MS_HOUR;
    rig_to_step(&rig, "restore");
    ack(&rig, "bruno");
    run_delivering(&rig, 39 * MS_MINUTE);
    assert_int_not_equal(rig_incident(&rig)->acked_at_ms, 0);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_ASKING, "application");
    deliver_all(&rig);
    run_delivering(&rig, 15 * MS_MINUTE);
    assert_int_equal(rig_count(&rig, ORDER_UNACK), 1);
    rig_close(&rig);
}

static void what_is_resolved_calls_nobody(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    rig_run_until(&rig, 2 * MS_MINUTE);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_int_equal(rig_count(&rig, ORDER_WITHDRAW), 2); /* sms of who is on call, mail of devops */
    assert_int_equal(rig_count(&rig, ORDER_PAGE), 0);
    rig.now_ms += MS_HOUR;
    rig_feed(&rig, &(struct event){.kind = EVENT_TICK});
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

/* ---- ways that stand in ---- */

static struct rig alert_to_anna(bool of_bruno_too)
{
    struct rig rig = paging_rig();
    list_of(rig.arena, &p1_of(&rig)->stages.p[0].notify, "anna", of_bruno_too ? "bruno" : NULL);
    open_p1(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/sms"));
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/mail")); /* a fallback waits */
    return rig;
}

static void a_way_that_is_refused_is_replaced_at_once(void **state)
{
    (void)state;
    struct rig rig = alert_to_anna(true);
    failed(&rig, "1/alert/anna/sms", -1);
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY), 1);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/mail"));
    failed(&rig, "1/alert/anna/sms", -1);
    assert_int_equal(rig.orders.n, 0); /* once */
    failed(&rig, "1/alert/bruno/sms", -1);
    assert_int_equal(rig.orders.n, 0); /* he has no other way; he delays nobody */
    rig_close(&rig);
}

static void a_way_that_is_late_is_replaced(void **state)
{
    (void)state;
    struct rig rig = alert_to_anna(false);
    failed(&rig, "1/alert/anna/sms", rig.now_ms + 1000); /* tried again: not yet given up */
    assert_int_equal(rig.orders.n, 0);
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms + 30 * MS_SECOND);
    rig_tick(&rig, 30 * MS_SECOND - 1);
    assert_int_equal(rig.orders.n, 0);
    rig_tick(&rig, 1);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/mail"));
    rig_close(&rig);
}

static void a_way_that_delivers_needs_no_other(void **state)
{
    (void)state;
    struct rig rig = alert_to_anna(false);
    delivered(&rig, "1/alert/anna/sms");
    rig_tick(&rig, MS_MINUTE);
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/mail"));
    failed(&rig, "1/alert/anna/sms", -1); /* too late to matter */
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void after_a_restart_ways_get_their_time_anew(void **state)
{
    (void)state;
    struct rig rig = alert_to_anna(false);
    rig.now_ms += MS_MINUTE; /* nobody was there to hand it over */
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/mail"));
    rig_tick(&rig, 30 * MS_SECOND);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/mail"));
    rig_close(&rig);
}

static void updates_are_not_sent_another_way(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    p1_of(&rig)->update_every_ms = MS_MINUTE;
    list_of(rig.arena, &p1_of(&rig)->stages.p[0].notify, "anna", NULL);
    open_p1(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    delivered(&rig, "1/alert/anna/sms");
    rig_tick(&rig, 55 * MS_SECOND);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/update-1/anna/sms"));
    failed(&rig, "1/update-1/anna/sms", -1);
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void who_has_only_fallbacks_is_told_all_the_same(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    struct contact *anna = &rig.config->contacts.p[config_contact(rig.config, "anna") - rig.config->contacts.p];
    anna->ways.p[0].fallback = true;
    anna->ways.p[0].fallback_after_ms = MS_SECOND;
    list_of(rig.arena, &p1_of(&rig)->stages.p[0].notify, "anna", NULL);
    open_p1(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/sms"));
    failed(&rig, "1/alert/anna/sms", -1);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/anna/mail"));
    rig_close(&rig);
}

static void what_is_followed_has_a_bound(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    list_of(rig.arena, &p1_of(&rig)->stages.p[0].notify, "anna", NULL);
    open_p1(&rig);
    for (int i = 0; i < 3 * LETTERS_MAX; i++)
        rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1, .who = "anna"});
    assert_true(rig_inc(&rig)->letters.n <= LETTERS_MAX);
    rig_close(&rig);
}

/* ---- rotations ---- */

static void override(struct rig *rig, const char *who, int64_t from_ms, int64_t to_ms)
{
    struct event event = {.kind = EVENT_OVERRIDE, .subject = "dba-on-call", .number = from_ms, .ref = to_ms};
    COPY_TO(event.text, who);
    rig_feed(rig, &event);
}

static void a_stand_in_is_paged_instead(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    int64_t now = rig.now_ms + 1700000000000;
    override(&rig, "devops", now - 1, now + MS_HOUR);
    override(&rig, "nobody", now - 1, now + MS_HOUR); /* no contact: not heard */
    override(&rig, "ceo", now + MS_HOUR, now);        /* ends before it begins */
    open_p1(&rig);
    rig_run_until(&rig, 2 * MS_MINUTE);
    assert_null(rig_find(&rig, ORDER_NOTIFY, key_to(rig.arena, "on-call", on_call(&rig), "sms")));
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY), 1); /* devops, who is in the group as well: once */
    override(&rig, "", now, now + MS_HOUR);             /* back to the plan */
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1});
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1});
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1});
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, key_to(rig.arena, "page-4", on_call(&rig), "sms")));
    rig_close(&rig);
}

static void a_thousand_stand_ins_are_enough(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    int64_t now = rig.now_ms + 1700000000000;
    for (int i = 0; i < 2 * STAND_INS_MAX; i++)
        override(&rig, "ceo", now + i, now + i + MS_HOUR);
    assert_true(rig.decide->stand_ins.n <= STAND_INS_MAX);
    rig.now_ms += 40 * MS_DAY;
    override(&rig, "ceo", now + 40 * MS_DAY, now + 41 * MS_DAY);
    assert_int_equal(rig.decide->stand_ins.n, 1); /* what is over long since is forgotten */
    rig_close(&rig);
}

static void who_was_told_hears_the_end_after_the_handoff_too(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    int64_t week = 7 * MS_DAY, wall = rig.now_ms + 1700000000000;
    rig.now_ms += week - wall % week - 3 * MS_MINUTE; /* three minutes before the handoff */
    const char *before = on_call(&rig);
    open_p1(&rig);
    run_delivering(&rig, 2 * MS_MINUTE);
    deliver_all(&rig);
    ack(&rig, before);
    run_delivering(&rig, 2 * MS_MINUTE);
    const char *after = on_call(&rig);
    assert_string_not_equal(before, after);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, key_to(rig.arena, "resolved", before, "sms")));
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, key_to(rig.arena, "resolved", after, "sms")));
    rig_close(&rig);
}

/* ---- a person wants more ---- */

static void a_person_calls_the_next_tier_at_once(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1, .who = "anna", .text = "all is on fire"});
    assert_string_equal(rig_order(&rig, ORDER_STAGE)->subject, "on-call"); /* before its time */
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->subject, "tier-1");
    assert_string_equal(rig_find(&rig, ORDER_NOTIFY, "1/escalated/ops/slack")->text, "anna: all is on fire");
    ack(&rig, "bruno");
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1, .who = "bruno", .text = "I need help"});
    assert_string_equal(rig_order(&rig, ORDER_UNACK)->who, "bruno"); /* the new page wants an answer of its own */
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->subject, "tier-2");
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->text, "escalated: bruno: I need help");
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/page-2/cto/sms"));
    rig_close(&rig);
}

static void a_spared_page_is_the_first_when_help_is_wanted(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    ack(&rig, "bruno");
    rig_run_until(&rig, 3 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->pages, 0);
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1, .who = "bruno"});
    assert_string_equal(rig_order(&rig, ORDER_PAGE)->subject, "tier-1");
    rig_close(&rig);
}

/* What a silent tick marked must come out of a replay that does not have it. */
static void a_silent_tick_changes_nothing_for_who_wants_help(void **state)
{
    (void)state;
    struct rig with = paging_rig(), without = paging_rig();
    struct rig *rigs[] = {&with, &without};
    for (int i = 0; i < 2; i++) {
        open_p1(rigs[i]);
        ack(rigs[i], "bruno");
        rig_tick(rigs[i], 5 * MS_SECOND);
        rigs[i]->now_ms += 2 * MS_MINUTE - 5 * MS_SECOND;
        if (i == 0)
            rig_tick(rigs[i], 0); /* the stage that pages is spared: no order */
        rig_feed(rigs[i], &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1, .who = "bruno"});
    }
    assert_int_equal(with.orders.n, without.orders.n);
    for (size_t i = 0; i < with.orders.n; i++)
        assert_memory_equal(&with.orders.p[i], &without.orders.p[i], sizeof(*with.orders.p));
    rig_close(&with);
    rig_close(&without);
}

static void a_raised_severity_has_the_stages_of_the_new_one(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    struct service *service = &rig.config->services.p[0];
    list_of(rig.arena, &service->severities.p[0].stages.p[0].notify, "ops", "director"); /* P1's alert tells one more than P2's */
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P2, .service = "akig", .who = "anna", .text = "odd"});
    rig_run_until(&rig, 3 * MS_MINUTE + MS_SECOND);
    assert_int_equal(rig_incident(&rig)->stages_fired, 1);
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = SEVERITY_P1, .who = "anna"});
    assert_int_equal(rig_order(&rig, ORDER_SEVERITY)->number, SEVERITY_P1);
    assert_int_equal(rig_order(&rig, ORDER_SEVERITY)->ref, SEVERITY_P2);
    assert_int_equal(rig_incident(&rig)->severity, SEVERITY_P1);
    assert_null(rig_find(&rig, ORDER_STAGE, "alert"));                       /* it was under the old one */
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/ops/slack"));
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/alert/director/mail")); /* whom that one did not name */
    assert_non_null(rig_find(&rig, ORDER_STAGE, "on-call"));
    assert_non_null(rig_find(&rig, ORDER_STAGE, "runbook"));                 /* due by the clock of the opening */
    assert_int_equal(rig_find(&rig, ORDER_STAGE, "runbook")->number, 0);     /* and not late: nobody could have known */
    assert_null(rig_find(&rig, ORDER_STAGE, "status-page"));
    deliver_all(&rig);
    assert_int_equal(decide_next_ms(rig.decide), rig_incident(&rig)->opened_at_ms + 5 * MS_MINUTE);
    rig_close(&rig);
}

static void a_severity_is_never_lowered(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = SEVERITY_P3, .who = "anna"});
    assert_int_equal(rig_count(&rig, ORDER_SEVERITY), 0);
    assert_int_equal(rig_incident(&rig)->severity, SEVERITY_P1);
    rig_close(&rig);
}

static void without_anybody_to_page_people_are_told_at_least(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P3, .service = "akig", .who = "anna", .text = "odd"});
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1, .who = "anna"});
    assert_int_equal(rig_count(&rig, ORDER_PAGE), 0);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/escalated/ops/slack"));
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_feed(&rig, &(struct event){.kind = EVENT_ESCALATE, .incident = 1, .number = -1, .who = "anna"});
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

/* ---- the plan ---- */

static void the_plan_is_what_happens(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    SCOPED(arena_close) struct arena *a = arena_open();
    int64_t wall = 1700000000000 + rig.now_ms;
    struct stand_in one = {.rotation = "dba-on-call", .contact = "ceo", .from_ms = wall, .to_ms = wall + 10 * MS_MINUTE};
    struct plan_ask ask = {.service = "akig", .severity = SEVERITY_P1, .wall_ms = wall, .stand_ins = &one, .stand_in_count = 1};
    struct plan plan = decide_plan(a, rig.config, &ask);
    override(&rig, "ceo", wall, wall + 10 * MS_MINUTE);
    open_p1(&rig);
    int64_t opened = rig.now_ms;
    size_t row = 0;
    for (int64_t next; (next = decide_next_ms(rig.decide)) != TIME_NEVER;) {
        rig_tick(&rig, next - rig.now_ms);
        for (size_t i = 0; i < rig.orders.n; i++) {
            const struct order *order = &rig.orders.p[i];
            if (order->kind != ORDER_NOTIFY)
                continue;
            while (row < plan.rows.n && plan.rows.p[row].fallback_after_ms)
                row++;
            assert_true(row < plan.rows.n);
            assert_int_equal(plan.rows.p[row].after_ms, rig.now_ms - opened);
            assert_string_equal(plan.rows.p[row].who, order->who);
            assert_string_equal(plan.rows.p[row].channel, order->channel);
            assert_int_equal(plan.rows.p[row].page, order->number);
            row++;
        }
        deliver_all(&rig);
    }
    while (row < plan.rows.n && plan.rows.p[row].fallback_after_ms)
        row++;
    assert_int_equal(row, plan.rows.n);
    bool stood_in = false, fallback = false;
    for (size_t i = 0; i < plan.rows.n; i++) {
        stood_in = stood_in || (same(plan.rows.p[i].stage, "on-call") && same(plan.rows.p[i].who, "ceo") && same(plan.rows.p[i].rotation, "dba-on-call"));
        fallback = fallback || (same(plan.rows.p[i].who, "anna") && same(plan.rows.p[i].channel, "mail") && plan.rows.p[i].fallback_after_ms == 30 * MS_SECOND);
    }
    assert_true(stood_in);
    assert_true(fallback || !same(on_call(&rig), "anna"));
    rig_close(&rig);
}

static void a_plan_of_what_is_not_configured_is_empty(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    struct plan plan = decide_plan(rig.arena, rig.config, &(struct plan_ask){.service = "mars", .severity = SEVERITY_P1});
    assert_int_equal(plan.rows.n, 0);
    rig.config->services.p[0].severities.n = 1;
    plan = decide_plan(rig.arena, rig.config, &(struct plan_ask){.service = "akig", .severity = SEVERITY_P3});
    assert_int_equal(plan.rows.n, 0);
    rig_close(&rig);
}

/* The whole P1 of the runbook, as a table: what the documentation and `escalation plan` promise. */
static void the_runbook_s_p1_as_a_table(void **state)
{
    (void)state;
    struct rig rig = paging_rig();
    open_p1(&rig);
    int64_t opened = rig.now_ms;
    print_message("  due       came      late ms  what\n");
    static const struct {
        const char *stage;
        int64_t due_ms;
    } table[] = {{"alert", 5 * MS_SECOND}, {"on-call", 2 * MS_MINUTE}, {"runbook", 3 * MS_MINUTE}, {"status-page", 5 * MS_MINUTE}, {"management", 10 * MS_MINUTE}};
    size_t row = 0;
    while (row < COUNT_OF(table)) {
        rig_tick(&rig, decide_next_ms(rig.decide) - rig.now_ms);
        for (size_t i = 0; i < rig.orders.n; i++) {
            const struct order *order = &rig.orders.p[i];
            if (order->kind != ORDER_STAGE && order->kind != ORDER_PAGE)
                continue;
            int64_t due = order->kind == ORDER_STAGE ? table[row].due_ms : rig.now_ms - opened;
            print_message("  %-9s %-9s %-8lld %s %s\n", duration_clock(rig.arena, due), duration_clock(rig.arena, rig.now_ms - opened),
                          (long long)(order->kind == ORDER_STAGE ? order->number : 0), order_name(order->kind), order->subject);
            if (order->kind != ORDER_STAGE)
                continue;
            assert_string_equal(order->subject, table[row].stage);
            assert_int_equal(rig.now_ms - opened, table[row++].due_ms);
            assert_int_equal(order->number, 0);
        }
        deliver_all(&rig);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_answer_is_followed_by_the_next_tier),
        cmocka_unit_test(a_tier_may_have_its_own_patience),
        cmocka_unit_test(without_a_time_to_answer_nobody_more_is_paged),
        cmocka_unit_test(a_controller_that_was_away_pages_once_and_not_for_every_miss),
        cmocka_unit_test(a_service_that_is_back_calls_nobody_more),
        cmocka_unit_test(an_acknowledgement_stops_the_paging_on_every_way),
        cmocka_unit_test(an_acknowledgement_does_not_touch_the_recovery),
        cmocka_unit_test(an_acknowledgement_after_which_nothing_happens_ends),
        cmocka_unit_test(progress_keeps_an_acknowledgement),
        cmocka_unit_test(a_step_that_runs_is_progress_and_one_that_waits_is_not),
        cmocka_unit_test(what_is_resolved_calls_nobody),
        cmocka_unit_test(a_way_that_is_refused_is_replaced_at_once),
        cmocka_unit_test(a_way_that_is_late_is_replaced),
        cmocka_unit_test(a_way_that_delivers_needs_no_other),
        cmocka_unit_test(after_a_restart_ways_get_their_time_anew),
        cmocka_unit_test(updates_are_not_sent_another_way),
        cmocka_unit_test(who_has_only_fallbacks_is_told_all_the_same),
        cmocka_unit_test(what_is_followed_has_a_bound),
        cmocka_unit_test(a_stand_in_is_paged_instead),
        cmocka_unit_test(a_thousand_stand_ins_are_enough),
        cmocka_unit_test(who_was_told_hears_the_end_after_the_handoff_too),
        cmocka_unit_test(a_person_calls_the_next_tier_at_once),
        cmocka_unit_test(a_spared_page_is_the_first_when_help_is_wanted),
        cmocka_unit_test(a_silent_tick_changes_nothing_for_who_wants_help),
        cmocka_unit_test(a_raised_severity_has_the_stages_of_the_new_one),
        cmocka_unit_test(a_severity_is_never_lowered),
        cmocka_unit_test(without_anybody_to_page_people_are_told_at_least),
        cmocka_unit_test(the_plan_is_what_happens),
        cmocka_unit_test(a_plan_of_what_is_not_configured_is_empty),
        cmocka_unit_test(the_runbook_s_p1_as_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
