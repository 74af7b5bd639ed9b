/* What is read out of the statements that follow the data, and what is left to the server as it stands. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "restore/post.h"
#include "restore/settings.h"

static struct arena *arena;

static struct post read_sql(const char *sql)
{
    return post_read(arena, str_of(sql));
}

static void keys_become_an_index_that_is_attached(void **state)
{
    (void)state;
    struct post p = read_sql("ALTER TABLE ONLY app.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id);");
    assert_int_equal(p.kind, POST_KEY);
    assert_true(p.unique);
    assert_string_equal(p.table, "app.users");
    assert_string_equal(p.name, "users_pkey");
    assert_string_equal(p.build, "CREATE UNIQUE INDEX users_pkey ON app.users (id)");
    assert_string_equal(p.attach, "ALTER TABLE ONLY app.users ADD CONSTRAINT users_pkey PRIMARY KEY USING INDEX users_pkey");
    p = read_sql("ALTER TABLE ONLY \"We;ird\".\"a (b\"\"\"\n    ADD CONSTRAINT \"k \"\" ey\" UNIQUE NULLS NOT DISTINCT (\"a,)\", b) INCLUDE (c) WITH (fillfactor='70')"
                 " DEFERRABLE INITIALLY DEFERRED;");
    assert_int_equal(p.kind, POST_KEY);
    assert_int_equal(p.columns, 2);
    assert_string_equal(p.table, "\"We;ird\".\"a (b\"\"\"");
    assert_string_equal(p.build, "CREATE UNIQUE INDEX \"k \"\" ey\" ON \"We;ird\".\"a (b\"\"\" (\"a,)\", b) INCLUDE (c) NULLS NOT DISTINCT"
                                 " WITH (fillfactor='70')");
    assert_string_equal(p.attach, "ALTER TABLE ONLY \"We;ird\".\"a (b\"\"\" ADD CONSTRAINT \"k \"\" ey\" UNIQUE USING INDEX \"k \"\" ey\""
                                  " DEFERRABLE INITIALLY DEFERRED");
}

static void foreign_keys_are_made_and_then_validated(void **state)
{
    (void)state;
    struct post p = read_sql("ALTER TABLE ONLY app.c\n    ADD CONSTRAINT c_fk FOREIGN KEY (a, b) REFERENCES app.p(a, b) ON DELETE CASCADE DEFERRABLE;");
    assert_int_equal(p.kind, POST_FOREIGN);
    assert_string_equal(p.refers, "app.p");
    assert_int_equal(p.columns, 2);
    assert_string_equal(p.attach, "ALTER TABLE ONLY app.c\n    ADD CONSTRAINT c_fk FOREIGN KEY (a, b) REFERENCES app.p(a, b) ON DELETE CASCADE"
                                  " DEFERRABLE NOT VALID");
    assert_string_equal(p.build, "ALTER TABLE ONLY app.c VALIDATE CONSTRAINT c_fk");
    p = read_sql("ALTER TABLE ONLY app.c\n    ADD CONSTRAINT c_fk FOREIGN KEY (a) REFERENCES app.p(a) NOT VALID;");
    assert_int_equal(p.kind, POST_FOREIGN);
    assert_null(p.build);
    assert_non_null(strstr(p.attach, "NOT VALID;"));
    p = read_sql("ALTER TABLE ONLY app.c\n    ADD CONSTRAINT c_fk FOREIGN KEY (period, period_id) REFERENCES app.p(a, b);");
    assert_int_equal(p.kind, POST_FOREIGN);
}

static void indexes_stay_as_they_are(void **state)
{
    (void)state;
    static const char sql[] = "CREATE UNIQUE INDEX i ON app.t USING btree (lower(a), ((b || ','::text))) WHERE (c > 1);";
    struct post p = read_sql(sql);
    assert_int_equal(p.kind, POST_INDEX);
    assert_true(p.unique);
    assert_int_equal(p.columns, 2);
    assert_string_equal(p.build, sql);
    assert_string_equal(p.table, "app.t");
    p = read_sql("CREATE INDEX i ON app.t USING btree ((a ->> 'x$\\'));");
    assert_int_equal(p.kind, POST_INDEX);
    assert_false(p.unique);
}

static void what_is_not_surely_read_is_left_alone(void **state)
{
    (void)state;
    static const char *const others[] = {
        "", ";", "ALTER", "CREATE INDEX", "CREATE INDEX i ON ONLY app.t USING btree (a);",
        "ALTER TABLE app.t ADD CONSTRAINT k PRIMARY KEY (a);", "ALTER TABLE ONLY app.t ADD CONSTRAINT k PRIMARY KEY (a WITHOUT OVERLAPS);",
        "ALTER TABLE ONLY app.t ADD CONSTRAINT k PRIMARY KEY (a) USING INDEX TABLESPACE x;", "ALTER TABLE ONLY app.t ADD CONSTRAINT k PRIMARY KEY (a",
        "ALTER TABLE ONLY app.t ADD CONSTRAINT k CHECK ((a > 0)) NOT VALID;", "ALTER TABLE ONLY a.b.c ADD CONSTRAINT k UNIQUE (a);",
        "ALTER TABLE ONLY app.t ADD CONSTRAINT k UNIQUE (a), ADD CONSTRAINT l UNIQUE (b);", "ALTER TABLE ONLY \"open ADD CONSTRAINT k UNIQUE (a);",
        "ALTER TABLE ONLY app.t ADD CONSTRAINT k FOREIGN KEY (a, PERIOD b) REFERENCES app.p(a, PERIOD b);",
        "ALTER TABLE ONLY app.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES app.p(a) NOT ENFORCED;",
        "ALTER TABLE ONLY app.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES app.p(a)", "CREATE INDEXES i ON app.t (a);",
        "CREATE TRIGGER t BEFORE INSERT ON app.t EXECUTE FUNCTION f();",
    };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (read_sql(others[i]).kind != POST_OTHER)
            fail_msg("taken for something: %s", others[i]);
    assert_int_equal(read_sql("ALTER TABLE ONLY app.t ADD CONSTRAINT k EXCLUDE USING gist (a WITH &&);").kind, POST_EXCLUDE);
}

/* ---- settings ---- */

static const struct settings *set(const struct settings *old, const char *sql)
{
    const char *name;
    assert_true(settings_is(arena, str_of(sql), &name));
    return settings_with(arena, old, name, str_of(sql));
}

static const char *change(const struct settings *from, const struct settings *to)
{
    SCOPED(buf_done) struct buf out = {.max = 4096};
    settings_change(from, to, &out);
    return arena_strdup(arena, buf_text(&out));
}

static void sessions_are_led_from_one_state_to_another(void **state)
{
    (void)state;
    const struct settings *a = set(NULL, "SET client_encoding = 'UTF8';");
    const struct settings *b = set(a, "SELECT pg_catalog.set_config('search_path', '', false);");
    const struct settings *c = set(b, "SET CLIENT_ENCODING = 'LATIN1';");
    const struct settings *d = set(c, "SET SESSION AUTHORIZATION 'x';");
    assert_ptr_equal(set(a, "SET client_encoding = 'UTF8';"), a);
    assert_string_equal(change(NULL, b), "SET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', false);\n");
    assert_string_equal(change(b, c), "SET CLIENT_ENCODING = 'LATIN1';\n");
    assert_string_equal(change(d, b), "RESET session authorization;SET client_encoding = 'UTF8';\n");
    assert_string_equal(change(d, d), "");
    const char *name;
    assert_false(settings_is(arena, str_of("SELECT pg_catalog.setval('a', 1);"), &name));
    assert_false(settings_is(arena, str_of("SELECT set_config"), &name));
    assert_true(settings_is(arena, str_of("RESET SESSION AUTHORIZATION;"), &name));
    assert_string_equal(name, "session authorization");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_become_an_index_that_is_attached), cmocka_unit_test(foreign_keys_are_made_and_then_validated),
        cmocka_unit_test(indexes_stay_as_they_are),              cmocka_unit_test(what_is_not_surely_read_is_left_alone),
        cmocka_unit_test(sessions_are_led_from_one_state_to_another),
    };
    arena = arena_open();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_close(&arena);
    return failed;
}
