/* Growing arrays. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"

static void elements_stay_through_growth(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    VEC(int) v = {0};
    for (int i = 0; i < 1000; i++) {
        int *last = vec_add(a, &v);
        assert_int_equal(*last, 0);
        *last = i;
    }
    assert_int_equal(v.n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v.p[i], i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(elements_stay_through_growth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
