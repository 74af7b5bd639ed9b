/* Lookups by name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/config.h"

static struct arena *a;
static struct config config;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    config = (struct config){0};
    struct service *s = vec_add(a, &config.services);
    s->name = "akig";
    *vec_add(a, &s->sites) = (struct site){.name = "production", .role = SITE_PRODUCTION};
    *vec_add(a, &s->sites) = (struct site){.name = "dr", .role = SITE_DR};
    vec_add(a, &s->checks)->id = "production.database";
    *vec_add(a, &s->severities) = (struct severity_conf){.severity = SEVERITY_P2};
    struct playbook *p = vec_add(a, &s->playbooks);
    p->name = "failover";
    vec_add(a, &p->steps)->id = "one";
    vec_add(a, &p->steps)->id = "two";
    vec_add(a, &s->checklists)->name = "first";
    struct checklist *list = vec_add(a, &s->checklists);
    list->name = "post-incident";
    vec_add(a, &list->items)->id = "meeting";
    vec_add(a, &list->items)->id = "audit";
    *vec_add(a, &config.rotations) = (struct rotation){.name = "dba"};
    vec_add(a, &config.contacts)->name = "ops";
    vec_add(a, &config.groups)->name = "on-call";
    vec_add(a, &config.channels)->name = "mail";
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static void what_is_there_is_found(void **state)
{
    (void)state;
    const struct service *s = config_service(&config, "akig");
    assert_ptr_equal(s, &config.services.p[0]);
    assert_ptr_equal(service_site(s, "dr"), &s->sites.p[1]);
    assert_ptr_equal(service_site_of(s, SITE_DR), &s->sites.p[1]);
    assert_ptr_equal(service_playbook(s, "failover"), &s->playbooks.p[0]);
    assert_ptr_equal(service_severity(s, SEVERITY_P2), &s->severities.p[0]);
    assert_ptr_equal(service_check(s, "production.database"), &s->checks.p[0]);
    assert_ptr_equal(playbook_step(&s->playbooks.p[0], "two"), &s->playbooks.p[0].steps.p[1]);
    assert_ptr_equal(service_checklist(s, "post-incident"), &s->checklists.p[1]);
    assert_ptr_equal(checklist_item(&s->checklists.p[1], "audit"), &s->checklists.p[1].items.p[1]);
    assert_ptr_equal(config_rotation(&config, "dba"), &config.rotations.p[0]);
    assert_ptr_equal(config_contact(&config, "ops"), &config.contacts.p[0]);
    assert_ptr_equal(config_group(&config, "on-call"), &config.groups.p[0]);
    assert_ptr_equal(config_channel(&config, "mail"), &config.channels.p[0]);
}

static void what_is_not_there_is_nothing(void **state)
{
    (void)state;
    const struct service *s = config_service(&config, "akig");
    assert_null(config_service(&config, "other"));
    assert_null(service_site(s, "moon"));
    assert_null(service_site_of(s, SITE_ROLE_MAX));
    assert_null(service_playbook(s, "x"));
    assert_null(service_severity(s, SEVERITY_P1));
    assert_null(service_check(s, "x"));
    assert_null(playbook_step(&s->playbooks.p[0], "three"));
    assert_null(config_contact(&config, "x"));
    assert_null(config_group(&config, "x"));
    assert_null(service_checklist(s, "x"));
    assert_null(checklist_item(&s->checklists.p[1], "x"));
    assert_null(config_rotation(&config, "x"));
    assert_null(config_channel(&config, "x"));
}

static void no_name_means_the_only_service(void **state)
{
    (void)state;
    assert_ptr_equal(config_service(&config, NULL), &config.services.p[0]);
    vec_add(a, &config.services)->name = "second";
    assert_null(config_service(&config, NULL));
    config.services.n = 0;
    assert_null(config_service(&config, NULL));
}

static void texts_in_a_language(void **state)
{
    (void)state;
    struct text2 both = {"yes", "oui"}, none = {0};
    assert_string_equal(text_in(both, LANGUAGE_EN), "yes");
    assert_string_equal(text_in(both, LANGUAGE_FR), "oui");
    assert_string_equal(text_in(none, LANGUAGE_FR), "");
}

static void severities_and_stages_have_titles(void **state)
{
    (void)state;
    assert_string_equal(severity_title(SEVERITY_P1).fr, "Critique");
    assert_string_equal(severity_title(SEVERITY_P3).en, "Normal");
    assert_string_equal(severity_title(SEVERITY_MAX).fr, "?");
    assert_string_equal(stage_title("on-call").fr, "astreinte");
    assert_string_equal(stage_title("status-page").en, "status page");
    assert_string_equal(stage_title("my-own").fr, "my-own");
}

static void a_lease_needs_agent_etcd_and_leave(void **state)
{
    (void)state;
    struct service *s = &config.services.p[0];
    struct site *site = &s->sites.p[0];
    site->agent.listen = "10.0.0.1:9346";
    s->failover.automatic = true;
    assert_false(site_lives_by_lease(&config, s, site));
    *vec_add(a, &config.etcd.endpoints) = "https://10.0.0.3:2379";
    assert_true(site_lives_by_lease(&config, s, site));
    assert_false(site_lives_by_lease(&config, s, &s->sites.p[1]));
    s->failover.automatic = false;
    assert_false(site_lives_by_lease(&config, s, site));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(what_is_there_is_found), TEST(what_is_not_there_is_nothing), TEST(no_name_means_the_only_service),
                                       TEST(texts_in_a_language), TEST(severities_and_stages_have_titles), TEST(a_lease_needs_agent_etcd_and_leave)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
