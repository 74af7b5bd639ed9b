/* What the public reads in each phase, word for word; and that nothing from behind the service ever gets there. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/json.h"
#include "tell/public.h"

enum { CORE = 5000000 };
#define WALL INT64_C(1761406442120) /* 2025-10-25 15:34:02 UTC */

static struct arena *a;
static struct config config;
static struct service *akig;
static struct incident incident;
static struct message_facts facts;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    config = (struct config){.path = "/etc/bascule/bascule.yaml", .language = LANGUAGE_FR};
    akig = vec_add(a, &config.services);
    *akig = (struct service){.name = "akig", .title = {"AKIG Platform", "Plateforme AKIG"}, .users = 15000, .currency = "$",
                             .affected = {"User Dashboard\nAPI Endpoints", "Tableau de bord\nAPI"}, .status_page = "https://status.akig.com/"};
    struct site *site = vec_add(a, &akig->sites);
    *site = (struct site){.name = "production"};
    site->host.address = "db-prod-07.intern.akig.com";
    site->database.at.host = "10.20.30.40";
    site->database.unit.name = "postgresql@15-main";
    *vec_add(a, &akig->severities) = (struct severity_conf){.severity = SEVERITY_P1, .rto_ms = 15 * MS_MINUTE, .impact_per_hour = 50000,
                                                            .public_every_ms = 20 * MS_MINUTE};
    incident = (struct incident){.id = 7, .playbook = -1, .severity = SEVERITY_P1, .opened_at_ms = CORE, .opened_wall_ms = WALL,
                                 .public_serial = 1, .public_at_ms = CORE + 5000, .public_wall_ms = WALL + 5000,
                                 .public_due_ms = CORE + 5000 + 20 * MS_MINUTE};
    facts = (struct message_facts){.now_ms = CORE + 5000, .now_wall_ms = WALL + 5000, .eta_ms = 3 * MS_MINUTE, .eta_most_ms = -1, .loss_ms = -1,
                                   .loss_rows = -1, .next_update_ms = -1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static struct public_text text(enum language language, const char *reason, const char *words)
{
    return public_text(a, &config, language, akig, &incident, reason, words, &facts);
}

static void later(int64_t ms)
{
    incident.public_serial++;
    incident.public_at_ms = CORE + ms;
    incident.public_wall_ms = WALL + ms;
    incident.public_due_ms = CORE + ms + 20 * MS_MINUTE;
    facts.now_ms = CORE + ms;
}

static void each_phase_in_both_languages(void **state)
{
    (void)state;
    struct public_text t = text(LANGUAGE_EN, "confirmed", NULL);
    assert_string_equal(t.headline, "AKIG Platform: service unavailable");
    assert_string_equal(t.body, "We have seen a disruption of AKIG Platform since 15:34 UTC and are looking for its cause.\n"
                                "Affected: User Dashboard, API Endpoints.\nNext update by 15:54 UTC.\n");
    t = text(LANGUAGE_FR, "confirmed", NULL);
    assert_string_equal(t.headline, "Plateforme AKIG : service indisponible");
    assert_string_equal(t.body, "Nous constatons depuis 15:34 UTC une perturbation de Plateforme AKIG et en cherchons la cause.\n"
                                "Composants touchés : Tableau de bord, API.\nProchaine information au plus tard à 15:54 UTC.\n");
    later(20 * MS_MINUTE);
    assert_string_equal(text(LANGUAGE_EN, "floor", NULL).body,
                        "The disruption of AKIG Platform has lasted for 20 min, since 15:34 UTC. We are still looking for its cause.\n"
                        "Affected: User Dashboard, API Endpoints.\nNext update by 16:14 UTC.\n");
    incident.public_phase = PUBLIC_IDENTIFIED;
    assert_string_equal(text(LANGUAGE_EN, "change", NULL).body,
                        "We are working on the recovery of AKIG Platform, which has been disrupted since 15:34 UTC.\n"
                        "Affected: User Dashboard, API Endpoints.\nNext update by 16:14 UTC.\n");
    assert_string_equal(text(LANGUAGE_FR, "floor", NULL).body,
                        "La perturbation de Plateforme AKIG dure depuis 20 min, depuis 15:34 UTC. Le rétablissement se poursuit.\n"
                        "Composants touchés : Tableau de bord, API.\nProchaine information au plus tard à 16:14 UTC.\n");
    incident.public_phase = PUBLIC_MONITORING;
    incident.monitoring_at_ms = CORE + 19 * MS_MINUTE;
    assert_string_equal(text(LANGUAGE_EN, "change", NULL).body,
                        "AKIG Platform is available again after 19 min. We are watching it before we call this over.\nNext update by 16:14 UTC.\n");
    incident.public_phase = PUBLIC_RESOLVED;
    incident.public_due_ms = TIME_NEVER;
    facts.loss_ms = 0;
    assert_string_equal(text(LANGUAGE_EN, "change", NULL).body, "AKIG Platform is fully restored; the disruption lasted 19 min.\nNo data was lost.\n");
    facts.loss_ms = 4 * MS_MINUTE;
    assert_string_equal(text(LANGUAGE_FR, "change", NULL).body,
                        "Plateforme AKIG est entièrement rétabli ; la perturbation a duré 19 min.\n"
                        "Ce qui a été saisi au cours des 4 min précédant la perturbation peut manquer.\n");
    facts.loss_ms = -1;
    assert_string_equal(text(LANGUAGE_EN, "change", NULL).body, "AKIG Platform is fully restored; the disruption lasted 19 min.\n");
    facts.moved = true;
    assert_string_equal(text(LANGUAGE_EN, "change", NULL).body,
                        "AKIG Platform is fully restored; the disruption lasted 19 min.\nWhether data was lost is being examined.\n");
}

static void a_relapse_and_lateness_are_said(void **state)
{
    (void)state;
    incident.public_phase = PUBLIC_IDENTIFIED;
    incident.public_relapse = true;
    incident.public_late_ms = 46 * MS_MINUTE;
    later(80 * MS_MINUTE);
    assert_string_equal(text(LANGUAGE_EN, "change", NULL).body,
                        "AKIG Platform, which was back, is disrupted again. We are working on its recovery.\n"
                        "Affected: User Dashboard, API Endpoints.\nThis message comes 46 min later than we had promised.\nNext update by 17:14 UTC.\n");
    assert_non_null(strstr(text(LANGUAGE_FR, "change", NULL).body, "Ce message arrive 46 min plus tard que promis.\n"));
}

static void another_day_is_named(void **state)
{
    (void)state;
    later(9 * MS_HOUR);
    const char *body = text(LANGUAGE_EN, "floor", NULL).body;
    assert_non_null(strstr(body, "since 2025-10-25 15:34 UTC"));
    assert_non_null(strstr(body, "Next update by 00:54 UTC."));
}

static void no_end_is_ever_promised(void **state)
{
    (void)state;
    for (int phase = 0; phase < PUBLIC_MAX; phase++) {
        incident.public_phase = (enum public_phase)phase;
        assert_null(strstr(text(LANGUAGE_EN, "change", NULL).body, "3 min")); /* the ETA is for the people inside */
        assert_null(strstr(text(LANGUAGE_EN, "change", NULL).body, "50"));    /* and so is the money */
    }
}

static void lesser_severities_have_their_own_names(void **state)
{
    (void)state;
    incident.severity = SEVERITY_P2;
    assert_string_equal(text(LANGUAGE_EN, "stage", NULL).headline, "AKIG Platform: some functions are disrupted");
    incident.severity = SEVERITY_P3;
    assert_string_equal(text(LANGUAGE_FR, "stage", NULL).headline, "Plateforme AKIG : dégradation mineure");
}

static void consecutive_messages_are_never_the_same(void **state)
{
    (void)state;
    const char *before = "";
    for (int i = 0; i < 30; i++) {
        later((i + 1) * 20 * MS_MINUTE);
        const char *body = text(LANGUAGE_EN, "floor", NULL).body;
        assert_string_not_equal(before, body);
        before = body;
    }
}

/* ---- secrets ---- */

static void assert_clean(const char *where, const char *body)
{
    static const char *const secrets[] = {"db-prod-07", "10.20.30.40", "postgresql@15", "SELECT", "5432", "anna", "/var/lib", "rack", "ECONNREFUSED", "Restore DR"};
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        if (strcasestr(body, secrets[i]))
            fail_msg("\"%s\" in %s: %s", secrets[i], where, body);
}

/* Secrets planted in everything a message could be made of. */
static void nothing_from_behind_the_service_gets_out(void **state)
{
    (void)state;
    COPY_TO(incident.title, "ECONNREFUSED 5432 on db-prod-07.intern.akig.com");
    COPY_TO(incident.cause, "production.database: SELECT 1 failed on 10.20.30.40:5432 in /var/lib/postgresql");
    COPY_TO(incident.who_acked, "anna");
    incident.acked_at_ms = CORE;
    facts.step = "Restore DR from db-prod-07";
    facts.active_site = "db-prod-07";
    struct message_failure failure = {"anna", "10.20.30.40", "ECONNREFUSED"};
    facts.failures = &failure;
    facts.failure_count = 1;
    *vec_add(a, &facts.late) = "anna: rack 4";
    akig->affected = (struct text2){"API on db-prod-07.intern.akig.com\nSELECT count(*) FROM users", "API 10.20.30.40"};
    akig->title.en = "AKIG Platform at 10.20.30.40";
    for (int phase = 0; phase < PUBLIC_MAX; phase++)
        for (int language = LANGUAGE_EN; language <= LANGUAGE_FR; language++) {
            incident.public_phase = (enum public_phase)phase;
            struct public_text t = text((enum language)language, "floor", NULL);
            assert_clean("headline", t.headline);
            assert_clean("body", t.body);
        }
    struct public_message whole = public_render(a, &config, akig, &incident, "person", "x", "{\"en\": \"postgresql@15-main on 10.20.30.40\"}", &facts);
    assert_clean("words", whole.detail);
}

/* ---- people's words ---- */

static void words_replace_the_state_and_keep_the_promise(void **state)
{
    (void)state;
    const char *words = "{\"en\": \"A cable is broken.\\nWe replace it.\", \"fr\": \"Un câble est rompu.\"}";
    struct public_text t = text(LANGUAGE_EN, "person", words);
    assert_string_equal(t.headline, "AKIG Platform: service unavailable");
    assert_string_equal(t.body, "A cable is broken.\nWe replace it.\nNext update by 15:54 UTC.\n");
    assert_string_equal(text(LANGUAGE_FR, "person", words).body, "Un câble est rompu.\nProchaine information au plus tard à 15:54 UTC.\n");
    assert_string_equal(text(LANGUAGE_FR, "person", "{\"en\": \"only this\"}").body, "only this\nProchaine information au plus tard à 15:54 UTC.\n");
    assert_string_equal(text(LANGUAGE_EN, "person", "{\"fr\": \"ceci\"}").body, "ceci\nNext update by 15:54 UTC.\n");
}

static void words_cannot_steer_the_page(void **state)
{
    (void)state;
    const char *words = "{\"en\": \"a\\u202Eb\\u0007c {{cause}} <script>\"}";
    assert_string_equal(text(LANGUAGE_EN, "person", words).body, "ab c {{cause}} <script>\nNext update by 15:54 UTC.\n"); /* whoever makes HTML of it escapes it */
}

static void the_detail_holds_both_languages(void **state)
{
    (void)state;
    struct public_message m = public_render(a, &config, akig, &incident, "person", "anna", "{\"en\": \"a \\\"cable\\\"\"}", &facts);
    const struct json *root = NULL;
    struct err err = {0};
    assert_string_equal(m.headline, "Plateforme AKIG : service indisponible"); /* the configuration's language */
    assert_true(json_parse(a, str_of(m.detail), &root, &err));
    assert_string_equal(json_string(json_path(root, "by")), "anna");
    assert_string_equal(json_string(json_path(root, "en.headline")), "AKIG Platform: service unavailable");
    assert_true(str_starts(str_of(json_string(json_path(root, "en.body"))), "a \"cable\"\n"));
    assert_string_equal(json_string(json_path(root, "fr.headline")), m.headline);
    m = public_render(a, &config, akig, &incident, "stage", "", NULL, &facts);
    assert_true(json_parse(a, str_of(m.detail), &root, &err));
    assert_string_equal(json_string(json_path(root, "by")), "machine");
}

static void words_of_an_event_are_found_in_any_form(void **state)
{
    (void)state;
    assert_string_equal(public_words(a, "plain \"x\"", NULL), "{\"en\":\"plain \\\"x\\\"\"}");
    assert_string_equal(public_words(a, "plain", "not json"), "{\"en\":\"plain\"}");
    assert_string_equal(public_words(a, "plain", "{\"de\": \"x\"}"), "{\"en\":\"plain\"}");
    assert_string_equal(public_words(a, "plain", "{\"fr\": \"x\"}"), "{\"fr\": \"x\"}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_phase_in_both_languages),
        TEST(a_relapse_and_lateness_are_said),
        TEST(another_day_is_named),
        TEST(no_end_is_ever_promised),
        TEST(lesser_severities_have_their_own_names),
        TEST(consecutive_messages_are_never_the_same),
        TEST(nothing_from_behind_the_service_gets_out),
        TEST(words_replace_the_state_and_keep_the_promise),
        TEST(words_cannot_steer_the_page),
        TEST(the_detail_holds_both_languages),
        TEST(words_of_an_event_are_found_in_any_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
