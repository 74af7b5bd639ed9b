/* lease_test.c -- The rules of the lease one by one; what they give together is shown by test/sim/leases.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent/lease.h"

static const struct lease_terms terms = {.ttl_ms = 3000, .renew_ms = 500, .stop_budget_ms = 500, .guard_ms = 200, .drift = 1};
enum { WAIT = 3230, START = 1000000 };

/* ---- the side that writes ---- */

static void a_lease_counts_from_the_moment_of_sending(void **state)
{
    (void)state;
    struct lease_holder h;
    lease_hold(&h, &terms, 1, 100, START);
    struct lease_say say = lease_ask(&h, START);
    assert_true(say.renew && !say.may_write && !say.stop);
    int64_t serial = lease_sent(&h, START);
    assert_false(lease_ask(&h, START + 499).renew);
    lease_renewed(&h, START + 499, serial, LEASE_OK);
    say = lease_ask(&h, START + 499);
    assert_true(say.may_write && say.next_ms == START + 500);
    assert_true(lease_ask(&h, START + 2499).may_write);
    say = lease_ask(&h, START + 2500);
    assert_true(say.stop && !say.may_write && !say.renew);
    assert_int_equal(h.end, LEASE_LAPSED);
}

static void an_answer_after_the_end_changes_nothing(void **state)
{
    (void)state;
    struct lease_holder h;
    lease_hold(&h, &terms, 1, 100, START);
    lease_renewed(&h, START + 1, lease_sent(&h, START), LEASE_OK);
    int64_t late = lease_sent(&h, START + 2400);
    lease_renewed(&h, START + 2501, late, LEASE_OK); /* it was frozen over the end, and did not notice */
    assert_true(lease_ask(&h, START + 2501).stop);
    /* The first lease of all may not begin in the past either. */
    lease_hold(&h, &terms, 1, 100, START);
    int64_t first = lease_sent(&h, START);
    lease_renewed(&h, START + 2600, first, LEASE_OK);
    assert_false(lease_ask(&h, START + 2600).may_write);
}

static void answers_out_of_order_and_repeated_never_shorten_or_lengthen(void **state)
{
    (void)state;
    struct lease_holder h;
    lease_hold(&h, &terms, 1, 100, START);
    int64_t one = lease_sent(&h, START), two = lease_sent(&h, START + 500);
    lease_renewed(&h, START + 600, two, LEASE_OK);
    lease_renewed(&h, START + 700, one, LEASE_OK);
    lease_renewed(&h, START + 800, two, LEASE_OK);
    lease_renewed(&h, START + 800, 77, LEASE_OK); /* never sent */
    lease_renewed(&h, START + 800, -1, LEASE_OK);
    assert_int_equal(h.until_ms, START + 500 + 2500);
    lease_renewed(&h, START + 900, two, LEASE_UNKNOWN);
    assert_true(lease_ask(&h, START + 900).may_write);
}

static void a_refusal_ends_it_at_once_and_for_good(void **state)
{
    (void)state;
    struct lease_holder h;
    lease_hold(&h, &terms, 1, 100, START);
    int64_t serial = lease_sent(&h, START);
    lease_renewed(&h, START + 1, serial, LEASE_OK);
    lease_granted(&h, START + 2, serial, 0, LEASE_REFUSED);
    assert_true(lease_ask(&h, START + 2).stop);
    lease_renewed(&h, START + 3, serial, LEASE_OK);
    assert_true(lease_ask(&h, START + 3).stop);
    assert_string_equal(lease_end_say(h.end), "the epoch has moved: another site may write now");
}

static void grants_count_when_all_gave_theirs_in_one_round(void **state)
{
    (void)state;
    struct lease_holder h;
    lease_hold(&h, &terms, 2, 100, START);
    int64_t one = lease_sent(&h, START);
    lease_granted(&h, START + 10, one, 0, LEASE_OK);
    int64_t two = lease_sent(&h, START + 500);
    lease_granted(&h, START + 510, two, 1, LEASE_OK);
    lease_granted(&h, START + 510, two, 1, LEASE_OK);
    lease_granted(&h, START + 510, two, 2, LEASE_OK); /* there is no third */
    assert_false(lease_ask(&h, START + 520).may_write);
    lease_granted(&h, START + 520, one, 1, LEASE_OK);
    assert_true(lease_ask(&h, START + 520).may_write && h.by == LEASE_BY_GRANTS);
    assert_int_equal(h.until_ms, START + 2500);
}

static void a_clock_that_goes_back_ends_it(void **state)
{
    (void)state;
    struct lease_holder h;
    lease_hold(&h, &terms, 1, 100, START);
    lease_renewed(&h, START + 1, lease_sent(&h, START), LEASE_OK);
    assert_true(lease_ask(&h, START - 1).stop);
    assert_int_equal(h.end, LEASE_CLOCK_WENT_BACK);
}

static void who_slept_begins_by_a_new_round_only(void **state)
{
    (void)state;
    struct lease_holder h;
    lease_hold(&h, &terms, 1, 100, START);
    lease_renewed(&h, START + 1, lease_sent(&h, START), LEASE_OK);
    assert_true(lease_ask(&h, START + 201).may_begin);
    struct lease_say say = lease_ask(&h, START + 402);
    assert_true(say.may_write && !say.may_begin && !say.stop);
    lease_renewed(&h, START + 503, lease_sent(&h, START + 502), LEASE_OK);
    assert_true(lease_ask(&h, START + 503).may_begin);
}

static void times_at_the_end_of_time_give_no_lease(void **state)
{
    (void)state;
    struct lease_holder h;
    struct lease_terms endless = terms, none = terms;
    lease_hold(&h, &terms, 1, 100, INT64_MAX - 10);
    lease_renewed(&h, INT64_MAX - 5, lease_sent(&h, INT64_MAX - 10), LEASE_OK);
    assert_false(lease_ask(&h, INT64_MAX - 5).may_write);
    endless.ttl_ms = INT64_MAX;
    struct lease_waiter w;
    lease_wait(&w, &endless, START);
    lease_revoked(&w, START, 5, true);
    for (int i = 1; i < 100; i++)
        lease_tick(&w, START + i * 100);
    assert_true(lease_promote_in_ms(&w) == TIME_NEVER);
    none.stop_budget_ms = none.ttl_ms;
    lease_hold(&h, &none, 1, 100, START);
    lease_renewed(&h, START, lease_sent(&h, START), LEASE_OK);
    assert_false(lease_ask(&h, START).may_write);
}

/* ---- the side that waits ---- */

static int64_t pass(struct lease_waiter *w, int64_t from, int64_t ms)
{
    for (int64_t t = 0; t < ms; t += 100)
        lease_tick(w, from + MIN_OF(t + 100, ms));
    return from + ms;
}

static void it_waits_from_the_first_sight_of_the_newest_renewal(void **state)
{
    (void)state;
    struct lease_waiter w;
    lease_wait(&w, &terms, START);
    int64_t now = pass(&w, START, 5000);
    assert_true(lease_promote_in_ms(&w) == TIME_NEVER); /* nobody has revoked it */
    assert_int_equal(lease_seen_ms(&w), -1);
    lease_saw(&w, now, 10, true);
    now = pass(&w, now, 1000);
    lease_saw(&w, now, 10, true); /* once more, and one that is older */
    lease_saw(&w, now, 9, true);
    assert_int_equal(lease_seen_ms(&w), 1000);
    lease_revoked(&w, now, 10, true);
    assert_int_equal(lease_promote_in_ms(&w), WAIT - 1000);
    now = pass(&w, now, WAIT - 1000 - 1);
    assert_int_equal(lease_promote_in_ms(&w), 1);
    pass(&w, now, 1);
    assert_int_equal(lease_promote_in_ms(&w), 0);
    assert_int_equal(lease_seen_ms(&w), WAIT);
}

static void a_renewal_that_was_not_seen_counts_from_the_revocation(void **state)
{
    (void)state;
    struct lease_waiter w;
    lease_wait(&w, &terms, START);
    lease_saw(&w, START, 10, true);
    int64_t now = pass(&w, START, 3000);
    lease_revoked(&w, now, 11, true);
    assert_int_equal(lease_promote_in_ms(&w), WAIT);
}

static void what_it_granted_it_waits_for(void **state)
{
    (void)state;
    struct lease_waiter w;
    lease_wait(&w, &terms, START);
    int64_t now = pass(&w, START, 4000);
    assert_true(lease_grant(&w, now, true));
    now = pass(&w, now, 230);
    lease_revoked(&w, now, 0, false);
    assert_int_equal(lease_promote_in_ms(&w), 3000);
    assert_false(lease_grant(&w, now, true)); /* it is to take over now */
    assert_int_equal(lease_promote_in_ms(&w), 3000);
}

static void one_that_was_just_started_may_have_promised(void **state)
{
    (void)state;
    struct lease_waiter w;
    lease_wait(&w, &terms, START);
    lease_revoked(&w, START, 0, false);
    assert_int_equal(lease_promote_in_ms(&w), WAIT);
}

static void an_unarmed_agent_s_lapse_proves_nothing(void **state)
{
    (void)state;
    struct lease_waiter w;
    lease_wait(&w, &terms, START);
    lease_revoked(&w, START, 3, false);
    pass(&w, START, 10000);
    assert_true(lease_promote_in_ms(&w) == TIME_NEVER);
    lease_fenced(&w); /* but this does */
    assert_int_equal(lease_promote_in_ms(&w), 0);
}

/* It lived by grants alone, which the process before had given. */
static void what_was_granted_to_an_unarmed_agent_is_not_forgotten(void **state)
{
    (void)state;
    struct lease_waiter w;
    lease_wait(&w, &terms, START);
    lease_distrust(&w, 3);
    lease_saw(&w, START, 3, true); /* older than the grant */
    lease_revoked(&w, START, 3, true);
    pass(&w, START, 10000);
    assert_true(lease_promote_in_ms(&w) == TIME_NEVER);
    lease_wait(&w, &terms, START);
    lease_distrust(&w, 3);
    lease_saw(&w, START, 4, true);
    lease_revoked(&w, START, 4, true);
    assert_int_equal(lease_promote_in_ms(&w), WAIT);
}

static void a_gap_and_a_jump_count_for_nothing(void **state)
{
    (void)state;
    struct lease_waiter w;
    lease_wait(&w, &terms, START);
    lease_revoked(&w, START, 3, true);
    lease_tick(&w, START + 200);
    assert_int_equal(lease_promote_in_ms(&w), WAIT - 200);
    lease_tick(&w, START + 3600000);
    lease_tick(&w, START);
    lease_tick(&w, INT64_MIN);
    lease_tick(&w, INT64_MAX);
    assert_int_equal(lease_promote_in_ms(&w), WAIT - 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_counts_from_the_moment_of_sending),
        cmocka_unit_test(an_answer_after_the_end_changes_nothing),
        cmocka_unit_test(answers_out_of_order_and_repeated_never_shorten_or_lengthen),
        cmocka_unit_test(a_refusal_ends_it_at_once_and_for_good),
        cmocka_unit_test(grants_count_when_all_gave_theirs_in_one_round),
        cmocka_unit_test(a_clock_that_goes_back_ends_it),
        cmocka_unit_test(who_slept_begins_by_a_new_round_only),
        cmocka_unit_test(times_at_the_end_of_time_give_no_lease),
        cmocka_unit_test(it_waits_from_the_first_sight_of_the_newest_renewal),
        cmocka_unit_test(a_renewal_that_was_not_seen_counts_from_the_revocation),
        cmocka_unit_test(what_it_granted_it_waits_for),
        cmocka_unit_test(one_that_was_just_started_may_have_promised),
        cmocka_unit_test(an_unarmed_agent_s_lapse_proves_nothing),
        cmocka_unit_test(what_was_granted_to_an_unarmed_agent_is_not_forgotten),
        cmocka_unit_test(a_gap_and_a_jump_count_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
