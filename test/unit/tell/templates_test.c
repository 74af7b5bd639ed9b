/* What ships is right, what people write in its place is used or refused with its place, and texts become pages. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tell/markup.h"
#include "tell/message.h"
#include "tell/templates.h"

static struct arena *a;
static struct config config;
static struct incident incident;
static struct message_facts facts;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    config = (struct config){.path = "/etc/bascule/bascule.yaml"};
    struct service *akig = vec_add(a, &config.services);
    *akig = (struct service){.name = "akig", .title = {"AKIG Platform", "Plateforme AKIG"}, .status_page = "https://status.akig.com/"};
    struct severity_conf *p1 = vec_add(a, &akig->severities);
    *p1 = (struct severity_conf){.severity = SEVERITY_P1, .rto_ms = 15 * MS_MINUTE, .update_every_ms = 5 * MS_MINUTE};
    vec_add(a, &p1->stages)->name = "alert";
    vec_add(a, &p1->stages)->name = "lawyers";
    incident = (struct incident){.id = 7, .playbook = -1, .severity = SEVERITY_P1, .opened_at_ms = 1000, .opened_wall_ms = INT64_C(1761406442120)};
    COPY_TO(incident.title, "Database unavailable");
    facts = (struct message_facts){.now_ms = 2000, .now_wall_ms = INT64_C(1761406443120), .eta_ms = -1, .eta_most_ms = -1, .loss_ms = -1,
                                   .loss_rows = -1, .next_update_ms = -1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static void put_own(const char *name, const char *text)
{
    *vec_add(a, &config.templates) = (struct message_template){
        .mark = {.file = arena_printf(a, "/etc/t/%s.mustache", name)}, .name = name, .text = text};
}

static struct message render(enum language language, const char *stage)
{
    return message_render(a, language, &config, &config.services.p[0], &incident, stage, "", &facts);
}

static void everything_that_ships_is_right(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct template_text *t = templates_shipped; t->name; t++, count++) {
        struct message_template as_own = {.name = t->name, .text = t->text};
        struct err err = {0};
        if (!template_valid(&config, &as_own, &err))
            fail_msg("%s: %s", t->name, err.message);
        size_t n = strlen(t->name);
        if (same(t->name, "mail.html"))
            continue;
        assert_true(n > 3 && (same(t->name + n - 3, ".en") || same(t->name + n - 3, ".fr")));
        const char *twin = arena_printf(a, "%.*s.%s", (int)n - 3, t->name, t->name[n - 2] == 'e' ? "fr" : "en");
        if (!template_text(&config, twin))
            fail_msg("there is no \"%s\"", twin);
    }
    assert_true(count > 50);
}

static void an_own_text_stands_in_the_place_of_what_ships(void **state)
{
    (void)state;
    put_own("update.fr", "Objet {{incident}}\n\n\n\nBonjour, {{title}}.\n{{> head}}\n");
    struct message m = render(LANGUAGE_FR, "update");
    assert_string_equal(m.subject, "Objet INC-7");
    assert_true(str_starts(str_of(m.body), "Bonjour, Database unavailable.\nService : Plateforme AKIG\n"));
    assert_string_equal(render(LANGUAGE_EN, "update").subject, "[P1][INC-7] Update: Database unavailable");
    put_own("head.fr", "EN-TÊTE {{service}}\n");
    m = render(LANGUAGE_FR, "update");
    assert_string_equal(m.body, "Bonjour, Database unavailable.\nEN-TÊTE Plateforme AKIG\n");
    assert_non_null(strstr(render(LANGUAGE_FR, "alert").body, "EN-TÊTE Plateforme AKIG\n")); /* a part is replaced wherever it stands */
}

static void a_stage_may_have_a_text_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(render(LANGUAGE_EN, "lawyers").subject, "[P1][INC-7] Database unavailable");
    assert_non_null(strstr(render(LANGUAGE_EN, "lawyers").body, "- Escalation: lawyers\n"));
    put_own("lawyers.en", "For counsel\n\n{{service}} is down.\n");
    struct err err = {0};
    assert_true(template_valid(&config, &config.templates.p[0], &err));
    assert_string_equal(render(LANGUAGE_EN, "lawyers").subject, "For counsel");
    assert_string_equal(render(LANGUAGE_EN, "lawyers").body, "AKIG Platform is down.\n");
}

static void an_own_text_that_says_nothing_is_passed_over(void **state)
{
    (void)state;
    put_own("update.en", "\n\n{{#cause}}{{cause}}{{/cause}}\n");
    assert_non_null(strstr(render(LANGUAGE_EN, "update").body, "Service: AKIG Platform"));
    put_own("short.en", "  \n");
    assert_string_equal(render(LANGUAGE_EN, "update").brief, render(LANGUAGE_EN, "update").subject);
}

static void what_cannot_be_filled_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        {"update.en", "a\n\n  {{nmae}}", "/etc/t/update.en.mustache:3:3: there is no value \"nmae\""},
        {"update.en", "{{> haed}}", "/etc/t/update.en.mustache:1:1: there is no partial \"haed\""},
        {"update.en", "{{#title}}", "/etc/t/update.en.mustache:1:1: never closed: section \"title\""},
        {"public-identified.fr", "x\n{{cause}}", "/etc/t/public-identified.fr.mustache:2:1: there is no value \"cause\""},
        {"public-identified.fr", "x\n{{title}}", "/etc/t/public-identified.fr.mustache:2:1: there is no value \"title\""},
        {"public-identified.fr", "x\n{{step}}", "/etc/t/public-identified.fr.mustache:2:1: there is no value \"step\""},
        {"public-identified.fr", "{{> head}}", "/etc/t/public-identified.fr.mustache:1:1: there is no partial \"head\""},
        {"mail.html", "{{cause}}", "/etc/t/mail.html.mustache:1:1: there is no value \"cause\""},
        {"updaet.en", "x", "/etc/t/updaet.en.mustache: no message is called \"updaet.en\""},
        {"update", "x", "/etc/t/update.mustache: no message is called \"update\""},
        {"update.de", "x", "/etc/t/update.de.mustache: no message is called \"update.de\""},
        {"nurses.en", "x", "/etc/t/nurses.en.mustache: no message is called \"nurses.en\""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct message_template own = {.mark = {.file = arena_printf(a, "/etc/t/%s.mustache", cases[i].name)}, .name = cases[i].name, .text = cases[i].text};
        struct err err = {0};
        assert_false(template_valid(&config, &own, &err));
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.code, ERR_CONFIG);
    }
    struct message_template own = {.mark = {.file = "f"}, .name = "updaet.en", .text = "x"};
    struct err err = {0};
    assert_false(template_valid(&config, &own, &err));
    assert_string_equal(err.hint, "did you mean \"update.en\"?");
}

/* ---- the telephone ---- */

/* Letters of GSM 03.38 as French and English use them; others are written as their plain letter before they are sent. */
static int letters(const char *text)
{
    int n = 0;
    for (const char *p = text; *p; p++)
        n += ((unsigned char)*p & 0xC0) != 0x80;
    return n;
}

static void a_telephone_gets_one_line_of_160_letters(void **state)
{
    (void)state;
    static const char *const stages[] = {"alert", "lawyers", "update", "monitoring", "resolved", "blocked", "approval", "relapse", "reminder", "checklist", "ticket"};
    facts.eta_ms = 12 * MS_MINUTE + 5 * MS_SECOND;
    incident.monitoring_at_ms = 1000 + 14 * MS_MINUTE;
    incident.id = 1234;
    COPY_TO(incident.title, "Base de données indisponible");
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
            const char *brief = render((enum language)language, stages[i]).brief;
            if (letters(brief) > 160 || strchr(brief, '\n'))
                fail_msg("%d letters: %s", letters(brief), brief);
            assert_true(str_starts(str_of(brief), "P1 INC-1234 "));
        }
    assert_string_equal(render(LANGUAGE_EN, "alert").brief,
                        "P1 INC-1234 AKIG Platform: Base de données indisponible. 1.0 s of 15 min, ETA 12 min 05 s. bascule incident ack 1234");
    assert_string_equal(render(LANGUAGE_FR, "resolved").brief,
                        "P1 INC-1234 Plateforme AKIG : RÉSOLU. Base de données indisponible. Panne 14 min, RTO 15 min tenu.");
    assert_non_null(strstr(render(LANGUAGE_EN, "approval").brief, "bascule incident approve 1234"));
    incident.acked_at_ms = 1;
    assert_null(strstr(render(LANGUAGE_EN, "update").brief, "ack"));
}

/* ---- pages ---- */

static void a_page_says_what_the_text_says(void **state)
{
    (void)state;
    const char *html = markup_render(a, &config, LANGUAGE_FR, MARKUP_GOOD, "Sujet <1>",
                                     "✅ TITRE & co\n\nService : A <b>\nSuivre : https://status.akig.com/\n\nÉtat :\n- un\n- deux : 2 <i>\n\n"
                                     "Une phrase assez longue pour ne pas être une clé : vraiment.\n");
    assert_non_null(html);
    static const char *const there[] = {
        "<html lang=\"fr\">", "<title>Sujet &lt;1&gt;</title>", "✅ TITRE &amp; co</h1>", "#1b7f3b", "<th scope=\"row\"", ">Service</th>",
        ">A &lt;b&gt;</td>", "<a href=\"https://status.akig.com/\">https://status.akig.com/</a>", ">État</h2>", "<li>un</li>",
        "<li>deux : 2 &lt;i&gt;</li>", ">Une phrase assez longue pour ne pas être une clé : vraiment.</p>"};
    for (size_t i = 0; i < COUNT_OF(there); i++)
        if (!strstr(html, there[i]))
            fail_msg("no %s in %s", there[i], html);
    assert_null(strstr(html, "<b>"));
    assert_null(strstr(html, "<i>"));
}

static void no_address_but_the_webs_becomes_a_link(void **state)
{
    (void)state;
    const char *html = markup_render(a, &config, LANGUAGE_EN, MARKUP_BAD, "s", "head\n\nFollow: javascript:alert(1)\nOther: https://x/\" onclick=\"y\n");
    assert_null(strstr(html, "<a "));
    assert_null(strstr(html, "onclick=\"y"));
    assert_non_null(strstr(html, "#b00020"));
}

static void an_empty_text_is_a_page_too(void **state)
{
    (void)state;
    assert_non_null(markup_render(a, &config, LANGUAGE_EN, MARKUP_CALM, "", ""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(everything_that_ships_is_right),
        TEST(an_own_text_stands_in_the_place_of_what_ships),
        TEST(a_stage_may_have_a_text_of_its_own),
        TEST(an_own_text_that_says_nothing_is_passed_over),
        TEST(what_cannot_be_filled_is_refused_with_its_place),
        TEST(a_telephone_gets_one_line_of_160_letters),
        TEST(a_page_says_what_the_text_says),
        TEST(no_address_but_the_webs_becomes_a_link),
        TEST(an_empty_text_is_a_page_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
