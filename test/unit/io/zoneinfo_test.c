/* Zones of the system against what the C library makes of them, and files that are cut or altered. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "io/zoneinfo.h"
#include "sys/file.h"

/* Clocks that are moved by an hour or half of one, in summer or in winter, in the north and in the south, every year, once, or never. */
static const char *const zones[] = {"Europe/Paris",      "Europe/Dublin",   "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca",
                                    "Asia/Kolkata",      "Pacific/Apia",    "America/Caracas",  "Asia/Pyongyang",    "Antarctica/Troll",    "Pacific/Chatham",
                                    "Europe/Volgograd",  "Etc/GMT+12",      "America/Nuuk"};

static void offsets_are_those_of_the_c_library(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(zones); i++) {
        SCOPED(arena_close) struct arena *arena = arena_open();
        struct zone zone;
        struct err err = {0};
        if (!zoneinfo_read(arena, zones[i], &zone, &err))
            fail_msg("%s", err.message);
        assert_string_equal(zone.name, zones[i]);
        setenv("TZ", zones[i], 1);
        tzset();
        for (time_t t = 0; t < (time_t)(2099 - 1970) * 31556952; t += 5 * 3600 + 1) {
            struct tm tm;
            localtime_r(&t, &tm);
            int64_t offset = zone_offset_ms(&zone, (int64_t)t * MS_SECOND);
            if (offset != (int64_t)tm.tm_gmtoff * MS_SECOND)
                fail_msg("%s at %lld: %lld ms, the C library says %lld s", zones[i], (long long)t, (long long)offset, (long long)tm.tm_gmtoff);
        }
    }
    unsetenv("TZ");
    tzset();
}

static void utc_needs_no_file_and_other_names_one(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    static const char *const bad[] = {"Europe/Nowhere", "", "../../etc/passwd", "/etc/passwd", "Europe/Paris\n", "Europe", ".", "posixrules/../UTC"};
    struct zone zone;
    struct err err = {0};
    assert_true(zoneinfo_read(arena, "UTC", &zone, &err));
    assert_int_equal(zone_offset_ms(&zone, 0), 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (zoneinfo_read(arena, bad[i], &zone, &err))
            fail_msg("\"%s\" was read", bad[i]);
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_non_null(strstr(err.hint, "tzdata"));
    }
}

static void a_cut_file_is_refused(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str data;
    struct zone zone;
    struct err err = {0};
    assert_true(file_read(arena, ZONEINFO_FOLDER "/Europe/Paris", 1 << 20, &data, &err));
    assert_true(zoneinfo_parse(arena, data, &zone, &err));
    for (size_t n = 0; n < data.n; n++) {
        SCOPED(arena_close) struct arena *own = arena_open();
        char *exact = malloc(n ? n : 1); /* so that a byte too many is seen */
        memcpy(exact, data.p, n);
        if (zoneinfo_parse(own, (struct str){exact, n}, &zone, &err))
            fail_msg("%zu of %zu bytes were taken for a whole file", n, data.n);
        free(exact);
        assert_int_equal(err.code, ERR_DATA);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_those_of_the_c_library),
        cmocka_unit_test(utc_needs_no_file_and_other_names_one),
        cmocka_unit_test(a_cut_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
