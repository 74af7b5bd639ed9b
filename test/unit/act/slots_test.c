/* What becomes of the slots of an old primary when its standby takes over, told without any server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "act/slots.h"

static struct slot_fate judged(struct slots_asked asked)
{
    struct slot_fate fate[2];
    asked.own = asked.own ? asked.own : "dr";
    assert_int_equal(slots_judge(&asked, fate, COUNT_OF(fate)), 1);
    return fate[0];
}

static void expect(struct slots_asked asked, enum slot_end end, const char *why)
{
    struct slot_fate fate = judged(asked);
    if (fate.end != end || !strstr(fate.why, why))
        fail_msg("\"%s\" with \"%s\": %s, %s", asked.there, asked.here, slot_end_name(fate.end), fate.why);
}

static void a_logical_slot_is_lost_where_nothing_copies_it(void **state)
{
    (void)state;
    expect((struct slots_asked){.there = "feed:logical:0/3000148:", .here = "", .version = 150004}, SLOT_LOST, "no standby of PostgreSQL 15 has logical slots");
    expect((struct slots_asked){.there = "feed:logical:0/3000148:", .here = "feed:physical", .version = 160001}, SLOT_LOST, "before PostgreSQL 17");
    expect((struct slots_asked){.there = "feed:logical:0/3000148:", .here = "", .version = 170001}, SLOT_LOST, "no failover slot");
    expect((struct slots_asked){.there = "feed:logical:0/3000148:f", .here = "", .version = 170001}, SLOT_LOST, "not copied yet");
    expect((struct slots_asked){.there = "feed:logical:0/3000148:fx", .here = "feed:logical:0/3000148:fs", .version = 170001}, SLOT_LOST, "on the old primary");
    expect((struct slots_asked){.there = "feed:logical:0/3000148:f", .here = "feed:logical:0/3000148:fsx", .version = 170001}, SLOT_LOST, "thrown away");
}

static void a_copied_slot_is_as_good_as_its_place(void **state)
{
    (void)state;
    const char *reader = "feed:logical:0/3000100:f";
    expect((struct slots_asked){.there = reader, .here = "feed:logical:0/3000100:fs", .version = 170001, .received = 0x3000100}, SLOT_SAFE, "where its reader does");
    expect((struct slots_asked){.there = reader, .here = "feed:logical:0/3000180:fs", .version = 170001}, SLOT_SAFE, ""); /* copied since it was last seen there */
    expect((struct slots_asked){.there = reader, .here = "feed:logical:0/3000080:fs", .version = 170001}, SLOT_LAGGING, "128 bytes behind its reader");
    expect((struct slots_asked){.there = reader, .here = "feed:logical:0/3000080:fs", .version = 170001, .received = 0x30000C0}, SLOT_LAGGING, "64 bytes that the new primary never received");
    expect((struct slots_asked){.there = reader, .here = "feed:logical:0/3000180:", .version = 160001}, SLOT_LOST, "begins 128 bytes after");
    expect((struct slots_asked){.there = reader, .here = "feed:logical:0/3000080:", .version = 160001}, SLOT_LAGGING, "128 bytes behind");
    expect((struct slots_asked){.there = "feed:logical::f", .here = "feed:logical:0/3000080:fs", .version = 170001}, SLOT_LOST, "not known");
}

static void a_physical_slot_is_there_or_made_or_lost(void **state)
{
    (void)state;
    expect((struct slots_asked){.there = "third:physical", .here = "third:physical", .version = 150004}, SLOT_SAFE, "is there");
    expect((struct slots_asked){.there = "third:physical", .here = "", .version = 150004, .carried = true}, SLOT_SAFE, "is made");
    expect((struct slots_asked){.there = "third:physical", .here = "third_of_all:physical", .version = 150004}, SLOT_LOST, "carry_slots");
}

static void the_own_slot_is_nobodys_any_more(void **state)
{
    (void)state;
    struct slot_fate fate[8];
    struct slots_asked asked = {.there = "dr:physical feed:logical:0/1:  nonsense third:physical", .here = "", .own = "dr", .version = 150004};
    assert_int_equal(slots_judge(&asked, fate, COUNT_OF(fate)), 2);
    assert_string_equal(fate[0].name, "feed");
    assert_true(fate[0].logical);
    assert_string_equal(fate[1].name, "third");
    assert_false(fate[1].logical);
    assert_int_equal(slots_judge(&asked, fate, 1), 1);
    asked.there = "";
    assert_int_equal(slots_judge(&asked, fate, COUNT_OF(fate)), 0);
}

static void a_list_is_said_without_its_places(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_string_equal(slots_say(a, "dr:physical feed:logical:0/1:fs"), "dr:physical, feed:logical");
    assert_string_equal(slots_say(a, ""), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_logical_slot_is_lost_where_nothing_copies_it),
        cmocka_unit_test(a_copied_slot_is_as_good_as_its_place),
        cmocka_unit_test(a_physical_slot_is_there_or_made_or_lost),
        cmocka_unit_test(the_own_slot_is_nobodys_any_more),
        cmocka_unit_test(a_list_is_said_without_its_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
