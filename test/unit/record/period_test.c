/* A service's week from the journal, and reports as pages. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "record/period.h"
#include "script.h"

enum { OUT_MAX = 1024 * 1024 };

static const struct config *watched_config(struct arena *a)
{
    struct config *config = arena_dup(a, script_config(a), sizeof(struct config));
    struct service *s = config->services.p;
    *vec_add(a, &s->checks) = (struct check_conf){.id = "production.database", .site = "production"};
    *vec_add(a, &s->checks) = (struct check_conf){.id = "public"};
    return config;
}

static struct period read_period(struct fixture *f, int64_t from_ms, int64_t to_ms)
{
    const struct config *config = watched_config(f->arena);
    struct period p;
    struct err err = {0};
    if (!period_read(f->arena, f->journal, config, &config->services.p[0], SCRIPT_T0 + from_ms, SCRIPT_T0 + to_ms, &p, &err))
        fail_msg("%s", err.message);
    return p;
}

static void started(struct fixture *f, int64_t t_ms)
{
    script_row(f, t_ms, (struct record){.kind = EVENT_STARTED, .service = "", .text = "x"});
}

static void verdict(struct fixture *f, int64_t t_ms, const char *check, enum verdict_state state)
{
    script_row(f, t_ms, (struct record){.kind = EVENT_VERDICT, .subject = check, .number = state, .text = "x"});
}

static void availability_counts_the_users_path_while_somebody_looked(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    started(f, 0);
    verdict(f, 1000, "public", VERDICT_UP);
    verdict(f, 1000, "production.database", VERDICT_DOWN); /* no path of the users */
    verdict(f, 10000, "public", VERDICT_DOWN);
    verdict(f, 12000, "public", VERDICT_WARNING); /* slow is not down */
    script_row(f, 21000, (struct record){.kind = EVENT_STOPPED, .service = "", .text = "x"});
    started(f, 100000);
    verdict(f, 101000, "public", VERDICT_UP);
    struct period p = read_period(f, 0, 111000);
    assert_int_equal(p.known_ms, 20000 + 10000);
    assert_int_equal(p.down_ms, 2000);
    assert_int_equal(period_availability_ppm(&p), 933333); /* 2 of 30 s, rounded against us */
    p = read_period(f, 11000, 20000); /* within */
    assert_int_equal(p.known_ms, 9000);
    assert_int_equal(p.down_ms, 1000);
    p = read_period(f, 30000, 90000);
    assert_int_equal(p.known_ms, 0);
    assert_int_equal(period_availability_ppm(&p), -1);
}

static void a_controller_that_died_vouches_for_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    started(f, 0);
    verdict(f, 0, "public", VERDICT_UP);
    script_row(f, 5000, (struct record){.kind = EVENT_NOTE, .incident = 9, .text = "the last row before it was killed"});
    started(f, 60000);
    verdict(f, 61000, "public", VERDICT_UP);
    struct period p = read_period(f, 0, 70000);
    assert_int_equal(p.known_ms, 5000 + 9000);
    assert_int_equal(period_availability_ppm(&p), 1000000);
}

static void the_least_outage_is_not_rounded_away(void **state)
{
    (void)state;
    struct period p = {.known_ms = 30 * MS_DAY, .down_ms = 1};
    assert_int_equal(period_availability_ppm(&p), 999999);
    p.down_ms = 38 * MS_MINUTE; /* of 30 days: 0.088 % */
    assert_int_equal(period_availability_ppm(&p), 1000000 - 880);
}

static void incidents_of_the_time_and_no_others(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    script_play_others(f);
    script_play(f);
    struct period p = read_period(f, -MS_DAY, MS_DAY);
    assert_int_equal(p.incidents.n, 1);
    assert_int_equal(p.open, 0);
    assert_int_equal(p.unreviewed, 0);
    assert_int_equal(p.rto_held, 1);
    assert_int_equal(p.rpo_known, 1);
    assert_int_equal(p.outage_ms, 125320);
    assert_int_equal(p.mean_ack_ms, 30000);
    assert_int_equal(p.notices, 4);
    assert_int_equal(p.failed, 1);
    p = read_period(f, MS_HOUR, MS_DAY);
    assert_int_equal(p.incidents.n, 0);
    assert_int_equal(p.mean_ack_ms, -1);
    script_row(f, 2 * MS_DAY, (struct record){.kind = EVENT_VERDICT, .subject = "production.database", .number = VERDICT_DOWN, .ref = SCRIPT_T0 + 2 * MS_DAY});
    script_row(f, 2 * MS_DAY, (struct record){.is_order = true, .kind = ORDER_OPEN, .incident = 5, .subject = "", .number = SEVERITY_P1, .text = "again"});
    p = read_period(f, MS_DAY, 3 * MS_DAY);
    assert_int_equal(p.open, 1);
    assert_int_equal(p.outage_ms, MS_DAY); /* it goes on to the end of the time */
}

/* ---- pages ---- */

static const char *page_of(struct fixture *f, const char *markdown_text)
{
    SCOPED(buf_done) struct buf in = {.max = OUT_MAX}, out = {.max = OUT_MAX};
    buf_puts(&in, markdown_text);
    story_html(&in, false, LANGUAGE_EN, &out);
    assert_false(out.over);
    return arena_strdup(f->arena, buf_text(&out));
}

static void assert_in(const char *page, const char *part)
{
    if (!strstr(page, part))
        fail_msg("no \"%s\" in\n%s", part, page);
}

static void marks_become_markup(void **state)
{
    struct fixture *f = *state;
    const char *page = page_of(f, "# A title: \\<x\\>\n\n| a | b |\n| --- | --- |\n| **bold** and `code | no` | \\| [#12] |\n\n## One\n\n- item\n- two\n\n> **To write:** x\n\ntext\n\n[#12]: #record-12\n");
    assert_in(page, "<title>A title: &lt;x&gt;</title>");
    assert_in(page, "<h1>A title: &lt;x&gt;</h1>\n<nav");
    assert_in(page, "<li><a href=\"#chapter-1\">One</a></li>");
    assert_in(page, "<h2 id=\"chapter-1\">One</h2>");
    assert_in(page, "<th scope=\"col\">a</th>");
    assert_in(page, "<td>| <a class=\"cite\" href=\"#record-12\">#12</a></td>");
    assert_in(page, "<ul>\n<li>item</li>\n<li>two</li>\n</ul>");
    assert_in(page, "<div class=\"note\" role=\"note\">\n<p><strong>To write:</strong> x</p>\n</div>");
    assert_in(page, "<p>text</p>");
    assert_null(strstr(page, "]: #record"));
    page = page_of(f, "# t\n\n| | x |\n| --- | --- |\n| a | - |\n"); /* a head may have empty cells, and a dash is no rule */
    assert_in(page, "<tr><th scope=\"col\"></th><th scope=\"col\">x</th></tr></thead><tbody>\n<tr><td>a</td><td>-</td></tr>");
}

static void nothing_that_was_written_becomes_markup(void **state)
{
    struct fixture *f = *state;
    static const char *const hostile[] = {
        "<script>alert(1)</script>", "<img src=x onerror=y>", "<a id=\"record-1\" onclick=x></a>", "[x](javascript:alert(1))", "[#12](javascript:x)",
        "`<script>`", "**<b>**", "| <script> | \" onload=\"x |", "> <script>", "## <script>", "- <script>", "\\<script>", "[#\"><script>]", "**open", "`open", "\\",
        "<a id=\"record-<script>\"></a>",
    };
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        const char *page = page_of(f, arena_printf(f->arena, "# t\n\n%s\n", hostile[i])), *main_part = strstr(page, "<main>");
        if (strstr(main_part, "<script") || strstr(main_part, "<img") || strstr(main_part, "\" on") || strstr(main_part, "href=\"javascript") || strstr(main_part, "<b>"))
            fail_msg("%s:\n%s", hostile[i], main_part);
    }
}

/* Every link of the whole report leads to a place that is there, once. */
static void each_statement_links_to_its_record(void **state)
{
    struct fixture *f = *state;
    SCOPED(buf_done) struct buf md = {.max = OUT_MAX}, page = {.max = OUT_MAX};
    struct err err = {0};
    size_t links = 0;
    fixture_journal(f);
    script_play(f);
    assert_true(story_report(f->journal, script_config(f->arena), 1, LANGUAGE_FR, &md, &err));
    story_html(&md, true, LANGUAGE_FR, &page);
    static const char link[] = "href=\"#";
    for (const char *p = buf_text(&page); (p = strstr(p, link)); links++) {
        p += strlen(link);
        const char *id = arena_strndup(f->arena, p, strcspn(p, "\"")), *there = arena_printf(f->arena, "id=\"%s\"", id);
        const char *first = strstr(buf_text(&page), there);
        if (!first)
            fail_msg("#%s is nowhere", id);
        if (strstr(first + 1, there))
            fail_msg("#%s is there twice", id);
    }
    assert_true(links > 60);
    assert_in(buf_text(&page), "<html lang=\"fr\">");
    assert_in(buf_text(&page), "<td>Ana Diallo</td>");
    assert_in(buf_text(&page), "&lt;b&gt;for two minutes&lt;/b&gt;");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(availability_counts_the_users_path_while_somebody_looked),
        TEST(a_controller_that_died_vouches_for_nothing),
        TEST(the_least_outage_is_not_rounded_away),
        TEST(incidents_of_the_time_and_no_others),
        TEST(marks_become_markup),
        TEST(nothing_that_was_written_becomes_markup),
        TEST(each_statement_links_to_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
