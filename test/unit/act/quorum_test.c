/* synchronous_standby_names as people write it, and how many standbys must be compared for it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "act/quorum.h"

static struct quorum read_well(const char *text)
{
    struct quorum q;
    struct err err = {0};
    if (!quorum_parse(text, &q, &err))
        fail_msg("%s", err.message);
    return q;
}

static void it_is_read_as_postgresql_does(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int acks;
        size_t n;
        bool all;
    } cases[] = {
        {"", 0, 0, false},
        {"  ", 0, 0, false},
        {"*", 1, 0, true},
        {"dr", 1, 1, false},
        {"dr, third", 1, 2, false},
        {"2 (dr, third, fourth)", 2, 3, false},
        {"FIRST 1 (dr,third)", 1, 2, false},
        {"any 1(dr, third)", 1, 2, false},
        {"ANY 2 (*)", 2, 0, true},
        {"1, 2", 1, 2, false},
        {"\"any\", \"a \"\"b\"", 1, 2, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct quorum q = read_well(cases[i].text);
        if (q.acks != cases[i].acks || q.n != cases[i].n || q.all != cases[i].all)
            fail_msg("\"%s\": %d of %zu, all %d", cases[i].text, q.acks, q.n, q.all);
    }
}

static void names_are_compared_as_postgresql_does(void **state)
{
    (void)state;
    struct quorum q = read_well("ANY 1 (DR, \"a \"\"b\")"), all = read_well("ANY 1 (*)");
    assert_true(quorum_names(&q, "dr") && quorum_names(&q, "a \"b") && !quorum_names(&q, "third"));
    assert_true(quorum_names(&all, "third"));
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "any", "any 1", "any (dr)", "any 0 (dr)", "any 1 (dr", "any 1 (dr) x", "any 1 ()", "dr,", ",", "dr third", "\"dr", "\"\"", "a-b", "2 (dr,, third)", "99999 (dr)",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct quorum q;
        struct err err = {0};
        if (quorum_parse(wrong[i], &q, &err))
            fail_msg("\"%s\" was taken for %d of %zu", wrong[i], q.acks, q.n);
        assert_int_equal(err.code, ERR_DATA);
    }
}

/* Every choice of so many voters meets every choice of those that acknowledge, and with one less there is one that does not. */
static void readers_and_writers_always_meet(void **state)
{
    (void)state;
    for (unsigned voters = 1; voters <= 8; voters++)
        for (int acks = 1; acks <= (int)voters; acks++) {
            struct quorum q = {.acks = acks};
            size_t needed = quorum_needed(&q, voters);
            bool fewer_miss = false;
            for (unsigned wrote = 0; wrote < 1U << voters; wrote++)
                for (unsigned asked = 0; asked < 1U << voters; asked++) {
                    if (__builtin_popcount(wrote) != acks)
                        continue;
                    if ((size_t)__builtin_popcount(asked) == needed)
                        assert_true(wrote & asked);
                    fewer_miss = fewer_miss || ((size_t)__builtin_popcount(asked) == needed - 1 && !(wrote & asked));
                }
            assert_true(fewer_miss);
        }
    struct quorum more = {.acks = 3};
    assert_int_equal(quorum_needed(&more, 2), 1);
    assert_int_equal(quorum_needed(&more, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_as_postgresql_does),
        cmocka_unit_test(names_are_compared_as_postgresql_does),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(readers_and_writers_always_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
