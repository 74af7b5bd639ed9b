/* Whom a standby follows, as it stands in PostgreSQL's configuration: values with every character that two parsers could trip over. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent/agent_internal.h"

static const char *written(struct buf *out, const char *user, const char *password)
{
    struct site site = {.name = "production", .database = {.at = {.host = "10.0.0.1", .port = 5433, .sslmode = "verify-full"}}};
    struct replication_conf replication = {.user = user};
    struct err err = {0};
    buf_clear(out);
    return follow_conninfo(&site, &replication, "dr", password, out, &err) ? buf_text(out) : NULL;
}

static void values_are_quoted_twice(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = {.max = 4096};
    assert_string_equal(written(&out, "rep", NULL), "host=''10.0.0.1'' port=''5433'' user=''rep'' application_name=''dr'' sslmode=''verify-full'' ");
    assert_non_null(strstr(written(&out, "rep", "it's"), "password=''it\\\\''s'' "));
    assert_non_null(strstr(written(&out, "a\\b", NULL), "user=''a\\\\\\\\b'' "));
    assert_non_null(strstr(written(&out, "rep", " host=evil "), "password='' host=evil '' "));
}

static void what_would_begin_a_line_is_refused(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf out = {.max = 4096}, small = {.max = 20};
    assert_null(written(&out, "rep", "a\nrestore_command = 'x'"));
    assert_null(written(&out, "r\001p", NULL));
    assert_null(written(&small, "rep", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_quoted_twice),
        cmocka_unit_test(what_would_begin_a_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
