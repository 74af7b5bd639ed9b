/* page_test.c -- The files of a status page: which there are, what stands in them, and how they come into a folder. What browsers, HTML
   and accessibility checkers say of them is tested by test/system/test_page.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/json.h"
#include "sys/file.h"
#include "tell/page.h"

#define NOW INT64_C(1761493442120) /* 2025-10-26T15:44:02.120Z */

static struct arena *a;
static struct status_page conf;
static struct page page;
static char dir[64];

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    conf = (struct status_page){.url = "https://status.akig.com", .refresh_ms = MS_MINUTE};
    *vec_add(a, &conf.languages) = "en";
    *vec_add(a, &conf.languages) = "fr";
    page = (struct page){.conf = &conf, .title = {"AKIG <Platform>", "Plateforme AKIG"}, .made_wall_ms = NOW, .watched_wall_ms = NOW,
                         .changed_wall_ms = NOW - MS_HOUR, .stale_wall_ms = NOW + 3 * MS_MINUTE};
    for (int i = 0; i < 2; i++) {
        struct page_component *c = vec_add(a, &page.components);
        *c = (struct page_component){.id = i ? "api" : "web", .title = {i ? "API" : "Web", i ? "API" : "Site"}, .service = "akig"};
        for (int d = 0; d < PAGE_DAYS; d++)
            c->days[d] = (struct page_day){.from_wall_ms = NOW - NOW % MS_DAY - (PAGE_DAYS - 1 - d) * MS_DAY, .known_ms = d < 10 ? 0 : MS_DAY};
    }
    COPY_TO(dir, "/tmp/bascule-page-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct page_incident *add_incident(int64_t id, int updates, const char *headline)
{
    struct page_incident *i = vec_add(a, &page.incidents);
    *i = (struct page_incident){.id = id, .service = "akig", .state = COMPONENT_MAJOR, .impact = IMPACT_CRITICAL, .phase = PUBLIC_IDENTIFIED,
                                .began_wall_ms = NOW - MS_HOUR, .told_wall_ms = NOW - MS_HOUR, .updated_wall_ms = NOW - MS_MINUTE,
                                .next_update_wall_ms = NOW + 19 * MS_MINUTE};
    i->affects = arena_array(a, bool, page.components.n);
    i->affects[0] = true;
    for (int u = 0; u < updates; u++)
        *vec_add(a, &i->updates) = (struct page_update){.serial = u + 1, .wall_ms = NOW - (updates - u) * MS_MINUTE,
                                                        .phase = u ? PUBLIC_IDENTIFIED : PUBLIC_INVESTIGATING, .headline = {headline, "Titre"},
                                                        .body = {"One.\n\nTwo & <three>.", "Un."}};
    page.impact = IMPACT_CRITICAL;
    page.components.p[0].state = COMPONENT_MAJOR;
    return i;
}

static struct page_files rendered(void)
{
    struct page_files files = {0};
    page_render(a, &page, &files);
    return files;
}

static const char *text_of(const struct page_files *files, const char *path)
{
    for (size_t i = 0; i < files->n; i++)
        if (same(files->p[i].path, path))
            return files->p[i].text.p;
    fail_msg("no file %s", path);
    return "";
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

#define HOLDS(text, what)                                                                                              \
    do {                                                                                                               \
        if (!strstr(text, what))                                                                                       \
            fail_msg("\"%s\" is not in: %s", what, text);                                                              \
    } while (0)

static const struct json *parsed(const struct page_files *files, const char *path)
{
    const struct json *root = NULL;
    struct err err = {0};
    if (!json_parse(a, str_of(text_of(files, path)), &root, &err))
        fail_msg("%s: %s", path, err.message);
    return root;
}

/* ---- what is rendered ---- */

static void every_file_is_there_and_the_first_page_comes_last(void **state)
{
    (void)state;
    add_incident(7, 2, "Down");
    struct page_files files = rendered();
    static const char *const paths[] = {"fr/incident/7.html", "fr/history.html", "fr/history.atom", "incident/7.html", "history.html", "history.atom",
                                        "api/v2/components.json", "api/v2/incidents.json", "api/v2/incidents/unresolved.json",
                                        "api/v2/scheduled-maintenances.json", "api/v2/scheduled-maintenances/upcoming.json",
                                        "api/v2/scheduled-maintenances/active.json", "api/v2/summary.json", "api/v2/status.json", "fr/index.html", "index.html"};
    assert_int_equal(files.n, COUNT_OF(paths));
    for (size_t i = 0; i < files.n; i++)
        assert_string_equal(files.p[i].path, paths[i]);
}

static void the_first_language_has_the_top_of_the_folder(void **state)
{
    (void)state;
    conf.languages.p[0] = "fr";
    conf.languages.p[1] = "en";
    struct page_files files = rendered();
    HOLDS(text_of(&files, "index.html"), "<html lang=\"fr\">");
    HOLDS(text_of(&files, "en/index.html"), "<html lang=\"en\">");
    conf.languages.n = 1;
    files = (struct page_files){0};
    page_render(a, &page, &files);
    assert_null(strstr(text_of(&files, "index.html"), "<nav"));
}

static void outside_text_is_escaped(void **state)
{
    (void)state;
    add_incident(7, 1, "<script>alert(\"1\")</script> & 'x'");
    struct page_files files = rendered();
    for (size_t i = 0; i < files.n; i++)
        if (!strstr(files.p[i].path, ".json")) /* there it is a string */
            assert_null(strstr(files.p[i].text.p, "<script>alert"));
    HOLDS(text_of(&files, "index.html"), "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;");
    HOLDS(text_of(&files, "index.html"), "<p dir=\"auto\">Two &amp; &lt;three&gt;.</p>");
    HOLDS(text_of(&files, "history.atom"), "&lt;p dir=&quot;auto&quot;&gt;Two &amp;amp; &amp;lt;three&amp;gt;.&lt;/p&gt;");
}

static void the_page_says_when_more_will_come(void **state)
{
    (void)state;
    add_incident(7, 2, "Down");
    struct page_files files = rendered();
    HOLDS(text_of(&files, "index.html"), "Next update by <time class=\"utc\" datetime=\"2025-10-26T16:03:02.120Z\" data-l>16:03 UTC</time>");
    HOLDS(text_of(&files, "fr/index.html"), "Prochaine annonce au plus tard à <time");
    HOLDS(text_of(&files, "index.html"), "data-stale=\"1761493622120\" data-next=\"1761494582120\"");
    HOLDS(text_of(&files, "index.html"), "Checked on 26 October 2025, <time class=\"utc\" id=\"made\" datetime=\"2025-10-26T15:44:02.120Z\">15:44 UTC</time>");
    page.watched_wall_ms = NOW - 2 * MS_DAY;
    files = (struct page_files){0};
    page_render(a, &page, &files);
    HOLDS(text_of(&files, "index.html"), "Last checked on 24 October 2025, 15:44 UTC. Nobody has watched since.");
    page.watched_wall_ms = 0;
    files = (struct page_files){0};
    page_render(a, &page, &files);
    HOLDS(text_of(&files, "fr/index.html"), "Rien n'a encore été vérifié.");
}

static void a_long_incident_keeps_the_first_page_small(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        add_incident(100 - i, 200, "A headline of some length that says what users notice of the incident");
    struct page_files files = rendered();
    assert_true(strlen(text_of(&files, "index.html")) < 50 * 1024);
    assert_int_equal(times(text_of(&files, "incident/7.html"), "<li id=\"u"), 200);
    HOLDS(text_of(&files, "index.html"), "<a href=\"incident/100.html\">All 200 updates</a>");
}

static void bars_say_what_was(void **state)
{
    (void)state;
    page.components.p[0].days[50].major_ms = 38 * MS_MINUTE;
    page.components.p[0].days[51].partial_ms = 1;
    struct page_files files = rendered();
    const char *index = text_of(&files, "index.html");
    HOLDS(index, "<rect class=\"major_outage\" x=\"400\" width=\"6\" height=\"30\"><title>17 September 2025: Unavailable, 38 min</title></rect>");
    HOLDS(index, "aria-label=\"90 days, 2 of them with an outage\"");
    HOLDS(index, "99.967\u00A0% available over the 80 d on record"); /* 38 min of 80 days: 0.03298 %, rounded against us */
    HOLDS(index, "100\u00A0% available");
    HOLDS(text_of(&files, "fr/index.html"), "disponible à 99,967\u00A0% sur les 80 j enregistrés");
    HOLDS(text_of(&files, "history.html"), "<tr><td>17 September 2025</td><td dir=\"auto\">Web</td><td>Unavailable</td><td>38 min</td></tr>");
    assert_int_equal(times(index, "<path class=\"x\""), 2); /* ten unknown days in one stroke, for each component */
}

static void the_feed_has_an_entry_for_each_update(void **state)
{
    (void)state;
    add_incident(7, 3, "Down");
    *vec_add(a, &page.maintenances) = (struct page_maintenance){.name = "pg", .service = "akig", .title = {"Update", "Mise à jour"}, .body = {"", ""},
                                                                .from_wall_ms = NOW + MS_DAY, .to_wall_ms = NOW + 2 * MS_DAY, .told_wall_ms = NOW, .updated_wall_ms = NOW,
                                                                .affects = arena_array(a, bool, 2)};
    struct page_files files = rendered();
    const char *feed = text_of(&files, "history.atom");
    assert_int_equal(times(feed, "<entry>"), 4);
    HOLDS(feed, "<id>https://status.akig.com/incident/7.html#u3</id>\n<title>[Identified] Down</title>\n<updated>2025-10-26T15:43:02.120Z</updated>");
    HOLDS(feed, "<title>[Maintenance] Update, 27 October 2025, 15:44 UTC</title>");
    HOLDS(text_of(&files, "fr/history.atom"), "<id>https://status.akig.com/fr/incident/7.html#u3</id>");
    conf.url = NULL;
    files = (struct page_files){0};
    page_render(a, &page, &files);
    HOLDS(text_of(&files, "history.atom"), "<id>tag:akig,2026:en:incident:7:update:3</id>");
}

static void the_json_is_what_readers_of_status_pages_know(void **state)
{
    (void)state;
    add_incident(7, 2, "Down");
    struct page_files files = rendered();
    const struct json *s = parsed(&files, "api/v2/summary.json");
    assert_string_equal(json_string(json_path(s, "status.indicator")), "critical");
    assert_string_equal(json_string(json_path(s, "status.description")), "Major Service Outage");
    assert_string_equal(json_string(json_path(s, "components.0.status")), "major_outage");
    assert_string_equal(json_string(json_path(s, "incidents.0.id")), "inc-7");
    assert_string_equal(json_string(json_path(s, "incidents.0.incident_updates.0.status")), "identified");
    assert_string_equal(json_string(json_path(s, "incidents.0.incident_updates.1.affected_components.0.old_status")), "operational");
    assert_string_equal(json_string(json_path(s, "incidents.0.incident_updates.1.affected_components.0.new_status")), "major_outage");
    assert_int_equal(json_count(json_path(s, "incidents.0.components")), 1);
    assert_string_equal(json_string(json_path(s, "incidents.0.shortlink")), "https://status.akig.com/incident/7.html");
    page.incidents.p[0].phase = PUBLIC_RESOLVED;
    page.impact = IMPACT_NONE;
    files = (struct page_files){0};
    page_render(a, &page, &files);
    assert_int_equal(json_count(json_get(parsed(&files, "api/v2/incidents/unresolved.json"), "incidents")), 0);
    assert_int_equal(json_count(json_get(parsed(&files, "api/v2/incidents.json"), "incidents")), 1);
    assert_string_equal(json_string(json_path(parsed(&files, "api/v2/status.json"), "status.description")), "All Systems Operational");
}

/* ---- into the folder ---- */

static void only_what_changed_is_written(void **state)
{
    (void)state;
    struct page_files files = rendered();
    struct err err = {0};
    struct stat st;
    size_t written = 0;
    const char *folder = file_join(a, dir, "www/status");
    assert_int_equal(page_compare(a, folder, &files), 0);
    mode_t before = umask(077); /* of a careful administrator; yet a web server must read it */
    assert_true(page_write(folder, &files, &written, &err));
    umask(before);
    assert_int_equal(written, files.n);
    assert_int_equal(stat(file_join(a, folder, "api/v2/status.json"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(stat(file_join(a, folder, "api/v2"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_true(page_write(folder, &files, &written, &err));
    assert_int_equal(written, 0);
    page.made_wall_ms += MS_MINUTE;
    page.watched_wall_ms = page.made_wall_ms;
    files = (struct page_files){0};
    page_render(a, &page, &files);
    assert_int_equal(page_compare(a, folder, &files), files.n);
    assert_true(page_write(folder, &files, &written, &err));
    assert_int_equal(written, 4); /* the first page twice, and the two that tell their age */
}

static void a_folder_that_is_none_is_an_error(void **state)
{
    (void)state;
    struct page_files files = rendered();
    struct err err = {0};
    size_t written = 0;
    const char *folder = file_join(a, dir, "file");
    assert_true(file_write(folder, "x", 1, 0600, &err));
    assert_false(page_write(folder, &files, &written, &err));
    HOLDS(err.message, "status page in");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_file_is_there_and_the_first_page_comes_last),
        TEST(the_first_language_has_the_top_of_the_folder),
        TEST(outside_text_is_escaped),
        TEST(the_page_says_when_more_will_come),
        TEST(a_long_incident_keeps_the_first_page_small),
        TEST(bars_say_what_was),
        TEST(the_feed_has_an_entry_for_each_update),
        TEST(the_json_is_what_readers_of_status_pages_know),
        TEST(only_what_changed_is_written),
        TEST(a_folder_that_is_none_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
