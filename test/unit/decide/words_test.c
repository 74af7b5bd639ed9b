/* The words of actions: sites put in, and what the rules of safety take them for. */
#include "unit/decide/rig.h"

static void sites_are_put_in(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct {
        const char *action, *words;
    } cases[] = {
        {"service restart active.database", "service restart production.database"},
        {"service restart {active}.database", "service restart production.database"},
        {"restore standby", "restore dr"},
        {"traffic switch {standby}", "traffic switch dr"},
        {"copy {active}:{standby}", "copy production:dr"},
        {"verify public 10", "verify public 10"},
        {"copy active.x{standby}", "copy production.xdr"},
        {"playbook active-check", "playbook active-check"}, /* not a whole word */
        {"run deactive.x standbys {activ}", "run deactive.x standbys {activ}"},
        {"", ""},
        {"a  b", "a  b"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(action_words(a, cases[i].action, "production", "dr"), cases[i].words);
    assert_string_equal(action_words(a, "restore standby {standby} active", "production", NULL), "restore standby {standby} production");
}

static void long_words_are_cut_and_not_overrun(void **state)
{
    (void)state;
    char action[2000], words[MODEL_TEXT_SIZE];
    memset(action, 'a', sizeof(action) - 1);
    action[sizeof(action) - 1] = 0;
    words_fill(words, action, "production", "dr");
    assert_true(strlen(words) < sizeof(words));
}

static void deeds_are_told_apart(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    const struct {
        const char *words;
        enum deed_kind kind;
        int site;
        const char *argument;
    } cases[] = {
        {"diagnose production", DEED_LOOK, 0, "production"},
        {"verify public 10", DEED_LOOK, NOTHING, "public"},
        {"status dr", DEED_LOOK, 1, "dr"},
        {"traffic show", DEED_LOOK, NOTHING, "show"},
        {"notify management", DEED_SAY, NOTHING, "management"},
        {"wait", DEED_WAIT, NOTHING, ""},
        {"playbook failover", DEED_CALL, NOTHING, "failover"},
        {"service restart production.database", DEED_START, 0, "restart"},
        {"service start dr.application", DEED_START, 1, "start"},
        {"service start production", DEED_START, 0, "start"},
        {"service stop production.database", DEED_OTHER, NOTHING, "stop"},
        {"restore dr", DEED_RESTORE, 1, "dr"},
        {"restore  dr", DEED_RESTORE, 1, "dr"},
        {"traffic switch dr", DEED_SWITCH, 1, "switch"},
        {"traffic switch", DEED_SWITCH, NOTHING, "switch"},
        {"traffic undo", DEED_UNDO, NOTHING, "undo"},
        {"fence production", DEED_FENCE, 0, "production"},
        {"promote dr", DEED_PROMOTE, 1, "dr"},
        {"switchover dr", DEED_SWITCHOVER, 1, "dr"},
        {"switchover mars", DEED_SWITCHOVER, NOTHING, "mars"},
        {"promote mars", DEED_PROMOTE, NOTHING, "mars"},
        {"restore mars", DEED_RESTORE, NOTHING, "mars"},
        {"", DEED_OTHER, NOTHING, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct deed deed = deed_of(&rig.config->services.p[0], cases[i].words);
        if (deed.kind != cases[i].kind || deed.site != cases[i].site || !same(deed.argument, cases[i].argument))
            fail_msg("\"%s\": kind %d, site %d, argument \"%s\"", cases[i].words, (int)deed.kind, deed.site, deed.argument);
    }
    rig_close(&rig);
}

static void the_standby_is_noticed(void **state)
{
    (void)state;
    assert_true(names_standby("restore standby"));
    assert_true(names_standby("service restart standby.application"));
    assert_true(names_standby("run x{standby}"));
    assert_false(names_standby("restore active"));
    assert_false(names_standby("playbook standby-check"));
    assert_false(names_standby(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_put_in),
        cmocka_unit_test(long_words_are_cut_and_not_overrun),
        cmocka_unit_test(deeds_are_told_apart),
        cmocka_unit_test(the_standby_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
