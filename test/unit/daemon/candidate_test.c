/* Who may lead: who holds the key, and only while its lease surely lasts. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "daemon/candidate.h"

static void who_holds_the_key_leads_while_its_lease_lasts(void **state)
{
    (void)state;
    struct candidate c = {0};
    assert_int_equal(candidate_standing(&c, 0), STANDING_UNKNOWN);
    candidate_lease(&c, 7, 1000, 10);
    assert_int_equal(candidate_standing(&c, 1000), STANDING_UNKNOWN); /* nothing was seen yet */
    candidate_saw(&c, 7);
    assert_int_equal(candidate_standing(&c, 1000), STANDING_LEADS);
    assert_int_equal(candidate_standing(&c, 9999), STANDING_LEADS);
    assert_int_equal(candidate_standing(&c, 10000), STANDING_UNKNOWN); /* a tenth of it is the margin */
    candidate_lease(&c, 7, 6000, 10);
    assert_int_equal(candidate_standing(&c, 14999), STANDING_LEADS);
    assert_int_equal(candidate_standing(&c, 15000), STANDING_UNKNOWN);
    candidate_lease(&c, 7, 2000, 10); /* an answer that comes late takes nothing back */
    assert_int_equal(candidate_standing(&c, 14999), STANDING_LEADS);
}

static void who_does_not_hold_it_is_behind(void **state)
{
    (void)state;
    struct candidate c = {0};
    candidate_lease(&c, 7, 1000, 10);
    candidate_saw(&c, 5);
    assert_int_equal(candidate_standing(&c, 1000), STANDING_BEHIND);
    assert_int_equal(candidate_standing(&c, 99000), STANDING_BEHIND);
    candidate_saw(&c, 7);
    assert_int_equal(candidate_standing(&c, 1000), STANDING_LEADS);
    candidate_saw(&c, 0); /* the key is gone: nobody leads, and nor do we */
    assert_int_equal(candidate_standing(&c, 1000), STANDING_UNKNOWN);
}

static void a_lease_that_is_over_ends_the_lead_at_once(void **state)
{
    (void)state;
    struct candidate c = {0};
    candidate_lease(&c, 7, 1000, 10);
    candidate_saw(&c, 7);
    candidate_lease(&c, 7, 2000, 0);
    assert_int_equal(candidate_standing(&c, 2000), STANDING_UNKNOWN);
    assert_int_equal(c.lease, 0);
    candidate_lease(&c, 9, 3000, 10); /* a new one begins anew */
    assert_int_equal(candidate_standing(&c, 3000), STANDING_UNKNOWN);
    candidate_lease(&c, 11, 3000, 10);
    candidate_saw(&c, 11);
    candidate_lease(&c, 12, 3000, 10); /* another lease is another key */
    assert_int_equal(candidate_standing(&c, 3000), STANDING_UNKNOWN);
}

/* Two candidates, each believing only what it has seen itself, with requests and answers delayed at random: never do both lead. */
static void never_do_two_lead(void **state)
{
    (void)state;
    unsigned seed = 1;
    int leads = 0, changes = 0;
    for (int round = 0; round < 2000; round++) {
        struct candidate c[2] = {{0}};
        int64_t away[2] = {0}, ends[2] = {0}, lease[2] = {0}, next_lease = 1, holder = 0; /* the last four in etcd */
        for (int64_t now = 0; now < 60000; now += 100) {
            for (int i = 0; i < 2; i++) {
                if (lease[i] && now >= ends[i]) { /* etcd ends it, and the key goes */
                    changes += holder == lease[i];
                    holder = holder == lease[i] ? 0 : holder;
                    lease[i] = 0;
                }
                seed = seed * 1103515245u + 12345u;
                unsigned luck = seed >> 16;
                int64_t sent = now - (int64_t)(luck % 1500); /* the request was so long on its way */
                if (luck % 101 == 0)
                    away[i] = now + (int64_t)(luck % 25000); /* frozen, or cut off */
                if (luck % 5 < 3 || sent < 0 || now < away[i])
                    continue; /* lost */
                bool kept = c[i].lease && c[i].lease == lease[i];
                if (kept)
                    ends[i] = now + 10000;
                if (!kept && c[i].lease) {
                    candidate_lease(&c[i], c[i].lease, sent, 0);
                } else if (!kept) {
                    lease[i] = next_lease++;
                    ends[i] = now + 10000;
                }
                if (lease[i]) {
                    if (luck % 7) /* else the answer is lost */
                        candidate_lease(&c[i], lease[i], sent, 10);
                    holder = holder ? holder : lease[i];
                    if (luck % 3)
                        candidate_saw(&c[i], holder);
                }
            }
            bool a = candidate_standing(&c[0], now) == STANDING_LEADS, b = candidate_standing(&c[1], now) == STANDING_LEADS;
            if (a && b)
                fail_msg("round %d: both lead at %lld", round, (long long)now);
            leads += a || b;
        }
    }
    assert_true(leads > 2000 * 100 && changes > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_holds_the_key_leads_while_its_lease_lasts),
        cmocka_unit_test(who_does_not_hold_it_is_behind),
        cmocka_unit_test(a_lease_that_is_over_ends_the_lead_at_once),
        cmocka_unit_test(never_do_two_lead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
