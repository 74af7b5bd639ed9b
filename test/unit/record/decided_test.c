/* Every sentence that decide can write has French. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "decide/decide_internal.h"
#include "record/words.h"

static void needs_french(const char *sentence)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    if (same(word_decided(a, sentence, LANGUAGE_FR), sentence))
        fail_msg("src/record/decided.c has no French for \"%s\"", sentence);
    assert_string_equal(word_decided(a, sentence, LANGUAGE_EN), sentence);
}

static void states_have_french(void **state)
{
    (void)state;
    assert_true(state_row_count > 10);
    for (size_t i = 0; i < state_row_count; i++)
        needs_french(state_rows[i].sentence);
}

static void moves_have_french(void **state)
{
    (void)state;
    assert_true(engine_move_count > 10);
    for (size_t i = 0; i < engine_move_count; i++)
        needs_french(engine_moves[i].sentence);
}

static void pages_have_french(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGE_REASON_MAX; i++)
        needs_french(page_reasons[i]);
}

static void details_and_endings_are_kept(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_string_equal(word_decided(a, "failed: exit code 1; it goes on with \"failover\"", LANGUAGE_FR),
                        "échec : exit code 1 ; il continue avec \"failover\"");
    assert_string_equal(word_decided(a, "failed; it is tried again: x", LANGUAGE_FR), "échec ; elle est essayée de nouveau : x");
    assert_string_equal(word_decided(a, "failed; the playbook has failed", LANGUAGE_FR), "échec ; le scénario a échoué");
    assert_string_equal(word_decided(a, "failedx", LANGUAGE_FR), "failedx");
    assert_string_equal(word_decided(a, "", LANGUAGE_FR), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_have_french),
        cmocka_unit_test(moves_have_french),
        cmocka_unit_test(pages_have_french),
        cmocka_unit_test(details_and_endings_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
