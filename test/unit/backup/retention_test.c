/* What is kept, and the figures of a time: pure, so tried with many made-up histories. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "backup/past.h"
#include "backup/retention.h"

enum { MOST = 4000 };

static int64_t moment(const char *iso)
{
    int64_t ms;
    assert_true(moment_parse_iso(iso, &ms));
    return ms;
}

/* `count` good ones, one every `every`, the newest at `newest`. */
static size_t history(struct retention_item *items, size_t count, int64_t newest, int64_t every)
{
    for (size_t i = 0; i < count; i++)
        items[i] = (struct retention_item){newest - (int64_t)i * every, true};
    return count;
}

static size_t kept_as(const enum keep *keep, size_t n, enum keep why)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += keep[i] == why;
    return found;
}

static void the_young_are_kept_and_the_old_go(void **state)
{
    (void)state;
    struct retention_item items[MOST];
    enum keep keep[MOST];
    int64_t now = moment("2025-10-25T15:30:00Z");
    size_t n = history(items, 1000, now - 30 * MS_MINUTE, MS_HOUR);
    retention_decide(&(struct retention){.keep_ms = 30 * MS_DAY, .newest = 3}, items, n, now, keep);
    assert_int_equal(kept_as(keep, n, KEEP_YOUNG), 720);
    assert_int_equal(kept_as(keep, n, KEEP_NOT), 280);
    assert_int_equal(keep[719], KEEP_YOUNG);
    assert_int_equal(keep[720], KEEP_NOT);
}

static void when_backups_stop_the_last_ones_stay(void **state)
{
    (void)state;
    struct retention_item items[MOST];
    enum keep keep[MOST];
    int64_t stopped = moment("2025-10-25T15:30:00Z");
    size_t n = history(items, 1000, stopped, MS_HOUR);
    struct retention rule = {.keep_ms = 30 * MS_DAY, .newest = 3};
    retention_decide(&rule, items, n, stopped + 400 * MS_DAY, keep); /* more than a year later, or a clock gone wrong */
    assert_int_equal(kept_as(keep, n, KEEP_YOUNG), 720);
    items[0].at_wall_ms = stopped + 400 * MS_DAY; /* and one made under the wrong clock */
    retention_decide(&rule, items, n, stopped + 400 * MS_DAY, keep);
    assert_int_equal(kept_as(keep, n, KEEP_YOUNG), 1);
    assert_int_equal(kept_as(keep, n, KEEP_NEWEST), 2);
    retention_decide(&rule, items, n, stopped, keep); /* the clock is right again: it lies in the future, the others are young */
    assert_int_equal(kept_as(keep, n, KEEP_NOT), 1000 - 720);
}

static void damaged_and_unread_ones_count_for_nothing(void **state)
{
    (void)state;
    struct retention_item items[MOST];
    enum keep keep[MOST];
    int64_t now = moment("2025-10-25T15:30:00Z");
    size_t n = history(items, 100, now, MS_DAY);
    for (size_t i = 0; i < 50; i++)
        items[i].good = false; /* fifty days of silent failures */
    retention_decide(&(struct retention){.keep_ms = 30 * MS_DAY, .newest = 3}, items, n, now, keep);
    assert_int_equal(kept_as(keep, 50, KEEP_YOUNG), 50);
    assert_int_equal(kept_as(keep, n, KEEP_YOUNG), 80); /* thirty days back from the newest good one */
    for (size_t i = 50; i < n; i++)
        items[i].good = false;
    retention_decide(&(struct retention){.keep_ms = MS_HOUR, .newest = 1}, items, n, now, keep);
    assert_int_equal(kept_as(keep, n, KEEP_NO_GOOD), n);
    retention_decide(&(struct retention){.keep_ms = MS_HOUR}, items, 0, now, keep); /* none at all */
}

static void one_of_each_period_is_kept(void **state)
{
    (void)state;
    struct retention_item items[MOST];
    enum keep keep[MOST];
    int64_t now = moment("2025-10-25T15:30:00Z"); /* a Saturday */
    size_t n = history(items, 3000, now, 6 * MS_HOUR);
    struct retention rule = {.keep_ms = MS_HOUR, .newest = 1, .daily = 7, .weekly = 5, .monthly = 12, .yearly = 3};
    retention_decide(&rule, items, n, now, keep);
    assert_int_equal(keep[0], KEEP_YOUNG); /* also the newest of its day, week, month and year */
    assert_int_equal(kept_as(keep, n, KEEP_DAILY), 6);
    assert_int_equal(kept_as(keep, n, KEEP_WEEKLY), 4 - 1); /* the week before this one ends within the seven days */
    for (size_t i = 0; i < n; i++) {
        struct tm tm;
        time_t at = (time_t)(items[i].at_wall_ms / 1000);
        gmtime_r(&at, &tm);
        if (keep[i] == KEEP_WEEKLY)
            assert_int_equal(tm.tm_wday, 0); /* weeks end on Sunday */
        if (keep[i] == KEEP_DAILY)
            assert_int_equal(tm.tm_hour, 21);
    }
    assert_true(kept_as(keep, n, KEEP_MONTHLY) >= 10);
    assert_true(kept_as(keep, n, KEEP_YEARLY) >= 1);
}

/* Whatever the rule and the history: a good one stays when there was one, and what is younger than the rule's age stays. */
static void no_rule_takes_the_last_good_one(void **state)
{
    (void)state;
    unsigned seed = 20251025;
    struct retention_item items[MOST];
    enum keep keep[MOST];
    for (int round = 0; round < 20000; round++) {
        size_t n = (size_t)(rand_r(&seed) % 40);
        int64_t at = (int64_t)rand_r(&seed) * 1000, now = at + (int64_t)(rand_r(&seed) % 1000 - 300) * MS_HOUR;
        size_t good = 0, stays = 0;
        for (size_t i = 0; i < n; i++) {
            at -= (int64_t)(rand_r(&seed) % 100000) * 1000;
            items[i] = (struct retention_item){at, rand_r(&seed) % 3 != 0};
            good += items[i].good;
        }
        struct retention rule = {.keep_ms = (int64_t)(rand_r(&seed) % 200) * MS_HOUR, .newest = rand_r(&seed) % 4, .daily = rand_r(&seed) % 3,
                                 .weekly = rand_r(&seed) % 3, .monthly = rand_r(&seed) % 3, .yearly = rand_r(&seed) % 3};
        retention_decide(&rule, items, n, now, keep);
        for (size_t i = 0; i < n; i++) {
            stays += items[i].good && keep[i] != KEEP_NOT;
            assert_true(keep[i] != KEEP_NOT || items[i].at_wall_ms <= now - rule.keep_ms);
        }
        assert_true(stays >= MIN_OF(good, (size_t)MAX_OF(rule.newest, 1)));
    }
}

/* ---- figures ---- */

static struct backup good_at(int64_t snapshot, int64_t took)
{
    return (struct backup){.file = "f", .snapshot_wall_ms = snapshot, .took_ms = took, .verified_wall_ms = 1, .bytes = 10};
}

static void the_worst_loss_counts_from_the_snapshot(void **state)
{
    (void)state;
    int64_t t = moment("2025-10-25T00:00:00Z");
    /* Hourly, each taking 45 minutes: right before one is whole, a loss costs an hour and three quarters. */
    struct backup list[24];
    for (int i = 0; i < 24; i++)
        list[i] = good_at(t + (23 - i) * MS_HOUR, 45 * MS_MINUTE);
    struct backup_figures f;
    backup_figures(list, 24, NULL, 0, t + 2 * MS_HOUR, t + 23 * MS_HOUR + 50 * MS_MINUTE, MS_HOUR, &f);
    assert_int_equal(f.worst_loss_ms, 105 * MS_MINUTE);
    assert_int_equal(f.newest_age_ms, 50 * MS_MINUTE);
    assert_int_equal(f.made, 22);
    assert_int_equal(f.mean_took_ms, 45 * MS_MINUTE);
    assert_true(f.within_rpo_permille >= 240 && f.within_rpo_permille <= 270); /* a quarter of each hour */
    list[0].damage = "cut";
    backup_figures(list, 24, NULL, 0, t, t + 24 * MS_HOUR, 2 * MS_HOUR, &f);
    assert_int_equal(f.newest_age_ms, 2 * MS_HOUR);
    backup_figures(list, 0, NULL, 0, t, t + 24 * MS_HOUR, MS_HOUR, &f);
    assert_null(f.newest);
    assert_int_equal(f.worst_loss_ms, -1);
    assert_int_equal(f.within_rpo_permille, -1);
}

static void failures_and_tests_are_counted(void **state)
{
    (void)state;
    const struct past past[] = {
        {.what = PAST_BACKUP, .at_wall_ms = 5, .ok = true},         {.what = PAST_BACKUP, .at_wall_ms = 6, .ok = false},
        {.what = PAST_BACKUP, .at_wall_ms = 600, .ok = false},      {.what = PAST_RESTORE_TEST, .at_wall_ms = 7, .took_ms = 100, .ok = true},
        {.what = PAST_RESTORE_TEST, .at_wall_ms = 8, .took_ms = 300, .ok = true}, {.what = PAST_RESTORE_TEST, .at_wall_ms = 9, .took_ms = 1, .ok = false},
    };
    struct backup_figures f;
    backup_figures(NULL, 0, past, COUNT_OF(past), 0, 100, 0, &f);
    assert_int_equal(f.failed, 1);
    assert_int_equal(f.tests, 3);
    assert_int_equal(f.tests_good, 2);
    assert_int_equal(f.mean_restore_ms, 200);
    assert_int_equal(f.last_test_wall_ms, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_young_are_kept_and_the_old_go),
        cmocka_unit_test(when_backups_stop_the_last_ones_stay),
        cmocka_unit_test(damaged_and_unread_ones_count_for_nothing),
        cmocka_unit_test(one_of_each_period_is_kept),
        cmocka_unit_test(no_rule_takes_the_last_good_one),
        cmocka_unit_test(the_worst_loss_counts_from_the_snapshot),
        cmocka_unit_test(failures_and_tests_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
