/* load_test.c -- What a correct file becomes: every type of value, defaults, drivers' structs, playbooks and where they
 * are found. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "config/load.h"
#include "fakes.h"
#include "sys/file.h"

static struct config *load_sample(struct arena *a)
{
    SCOPED(buf_done) struct buf text = {.max = 1024 * 1024}, problems = {.max = 1024 * 1024};
    struct err err = {0};
    struct config *config = NULL;
    setenv("BASCULE_PLAYBOOKS", PLAYBOOKS, 1);
    setenv("BASCULE_CHECKLISTS", CHECKLISTS, 1);
    config_sample(&text, &fake_hooks, LANGUAGE_EN);
    bool ok = config_load_text(a, "/nowhere/bascule.yaml", str_of(arena_strdup(a, buf_text(&text))), &fake_hooks,
                               &config, &problems, &err);
    if (!ok)
        fail_msg("%s", buf_text(&problems));
    assert_string_equal(buf_text(&problems), "");
    return config;
}

/* A whole small configuration with `extra` keys of the service. */
static const char *small(struct arena *a, const char *top, const char *site, const char *check, const char *extra)
{
    return arena_printf(a,
                        "%s\n"
                        "channels: [{name: log, type: log, file: /l}]\n"
                        "contacts: [{name: ops, ways: [{channel: log}]}]\n"
                        "services:\n"
                        "  - name: akig\n"
                        "    title: T\n"
                        "    sites: [{name: production, role: production, database: {host: h, dbname: d, user: u}%s}]\n"
                        "    checks: [{id: production.database, type: postgres, site: production%s}]\n"
                        "    severities: [{name: P1, rto: 15m, stages: [{name: alert, after: 0, notify: ops}]}]\n"
                        "%s",
                        top, site, check, extra);
}

static bool try_load(struct arena *a, const char *path, const char *text, struct config **ret, char **ret_problems)
{
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024};
    struct err err = {0};
    bool ok = config_load_text(a, path, str_of(text), &fake_hooks, ret, &problems, &err);
    *ret_problems = arena_strdup(a, buf_text(&problems));
    return ok;
}

static const struct config *load_small(struct arena *a, const char *top, const char *site, const char *check,
                                       const char *extra)
{
    struct config *config = NULL;
    char *problems;
    if (!try_load(a, "/nowhere/x.yaml", small(a, top, site, check, extra), &config, &problems))
        fail_msg("%s", problems);
    return config;
}

static void assert_refused(const char *site, const char *check, const char *wanted)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct config *config = NULL;
    char *problems;
    assert_false(try_load(a, "/nowhere/x.yaml", small(a, "", site, check, ""), &config, &problems));
    if (!strstr(problems, wanted))
        fail_msg("\"%s\" is not in: %s", wanted, problems);
}

static void the_sample_fills_the_whole_model(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct config *config = load_sample(a);
    const struct service *s = config_service(config, NULL);
    assert_non_null(s);
    assert_string_equal(config->path, "/nowhere/bascule.yaml");
    assert_string_equal(config->state_dir, "/var/lib/bascule");
    assert_string_equal(s->title.fr, "AKIG Platform");
    assert_int_equal(s->users, 15000);
    assert_string_equal(s->affected.fr, "Tableau de bord\nAPI\nApplication mobile");
    assert_true(s->enabled_automatic);
    assert_int_equal(s->sites.n, 2);
    const struct site *p = service_site_of(s, SITE_PRODUCTION), *dr = service_site_of(s, SITE_DR);
    assert_string_equal(p->host.address, "production.akig.com");
    assert_string_equal(p->host.user, "ops");
    assert_int_equal(p->host.port, 22);
    assert_string_equal(dr->host.address, "local");
    assert_int_equal(p->database.at.port, 5432);
    assert_string_equal(p->database.at.sslmode, "prefer");
    assert_int_equal(p->database.at.password.source, SECRET_FILE);
    assert_string_equal(p->database.at.password.ref, "/etc/bascule/pg.password");
    assert_string_equal(p->database.admin_dbname, "postgres");
    assert_int_equal(p->database.critical_tables.n, 5);
    assert_string_equal(p->database.unit.name, "postgresql@15-main");
    assert_string_equal(p->application.upstream, "production.akig.com:8080");
    assert_string_equal(p->application.unit.name, "akig-api");
    assert_true(p->backup.retention_ms == 30 * MS_DAY);
    assert_int_equal(s->endpoints.n, 3);
    assert_int_equal(s->endpoints.p[1].accept.p[0], 200);
    assert_true(s->endpoints.p[0].timeout_ms == 5 * MS_SECOND);
    const struct check_conf *c = service_check(s, "public");
    assert_null(c->site);
    assert_true(c->interval_ms == MS_SECOND);
    assert_string_equal(((const struct fake_http *)c->options)->url, "https://akig.com/api/health");
    assert_true(((const struct fake_http *)service_check(s, "production.application")->options)->slow_ms ==
                5 * MS_SECOND);
    assert_string_equal(s->traffic.driver, "nginx");
    assert_string_equal(s->traffic.identify_json, "site");
    assert_null(s->traffic.identify_header);
    assert_non_null(s->traffic.options);
    assert_true(s->traffic.mark.line > 0);
    const struct severity_conf *p1 = service_severity(s, SEVERITY_P1);
    assert_int_equal(p1->stages.n, 5);
    assert_true(p1->stages.p[4].after_ms == 10 * MS_MINUTE);
    assert_true(p1->rto_ms == 15 * MS_MINUTE && p1->rpo_ms == MS_HOUR && p1->update_every_ms == 5 * MS_MINUTE);
    assert_int_equal(config_contact(config, "ops")->language, LANGUAGE_FR);
    assert_int_equal(config_contact(config, "anna")->language, LANGUAGE_EN);
    assert_int_equal(config_contact(config, "ops")->ways.n, 2);
    assert_int_equal(config_group(config, "on-call")->members.n, 2);
    assert_true(p1->stages.p[1].page && !p1->stages.p[0].page); /* on-call, though the file does not say so */
    assert_int_equal(p1->tiers.n, 2);                           /* made of the contacts' tiers */
    assert_int_equal(p1->tiers.p[0].notify.n, 3);
    assert_string_equal(p1->tiers.p[1].notify.p[0], "ceo");
    assert_true(p1->answer_within_ms == 5 * MS_MINUTE && p1->ack_expires_ms == 15 * MS_MINUTE && p1->repeat == 3);
    assert_int_equal(service_severity(s, SEVERITY_P2)->tiers.n, 0); /* it wakes nobody */
    assert_true(config_contact(config, "anna")->ways.p[1].fallback);
    const struct rotation *r = config_rotation(config, "dba-on-call");
    int64_t handoff;
    assert_true(zone_parse_moment(&r->zone, "2026-03-30 09:00", &handoff)); /* clocks went forward the night before */
    assert_string_equal(rotation_duty(r, NULL, 0, handoff).who[0], "bruno");
    assert_string_equal(rotation_duty(r, NULL, 0, handoff - 1).who[0], "anna");
}

static void defaults_are_the_documented_ones(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct config *config = load_small(a, "", "", "", "");
    const struct service *s = config_service(config, "akig");
    const struct check_conf *c = service_check(s, "production.database");
    assert_string_equal(config->state_dir, "/var/lib/bascule");
    assert_int_equal(config->language, LANGUAGE_EN);
    assert_true(c->interval_ms == 10 * MS_SECOND && c->timeout_ms == 5 * MS_SECOND);
    assert_int_equal(c->fall, 3);
    assert_int_equal(c->rise, 2);
    assert_true(c->fresh_ms == 0);
    assert_string_equal(s->sites.p[0].host.address, "local");
    assert_true(s->sites.p[0].backup.retention_ms == 30 * MS_DAY); /* of a group that is not there */
    assert_null(s->sites.p[0].backup.folder);
    assert_null(s->traffic.driver);
    assert_int_equal(config_contact(config, "ops")->tier, 1);
    assert_string_equal(service_severity(s, SEVERITY_P1)->stages.p[0].notify.p[0],
                        "ops"); /* one text stands for a list of one */
    assert_int_equal(c->mark.line, 8);
    assert_int_equal(c->mark.column, 14);
    assert_string_equal(c->mark.file, "/nowhere/x.yaml");
}

static bool takes_template(const struct config *config, const struct message_template *template, struct err *err)
{
    assert_non_null(config);
    return strcmp(template->text, "wrong\n") != 0 || err_set(err, ERR_CONFIG, "%s:1:1: there is no value \"x\"", template->mark.file);
}

static void put_file(struct arena *a, const char *folder, const char *name, const char *text, size_t size)
{
    struct err err = {0};
    if (!file_write(file_join(a, folder, name), text, size, 0600, &err))
        fail_msg("%s", err.message);
}

static void templates_of_a_folder_are_read(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    char folder[] = "/tmp/templates-XXXXXX";
    struct config_hooks hooks = fake_hooks;
    hooks.template_valid = takes_template;
    assert_non_null(mkdtemp(folder));
    put_file(a, folder, "update.fr.mustache", "un\n", 3);
    put_file(a, folder, "alert.en.mustache", "{{title}}\n", 10);
    put_file(a, folder, "README", "not a template", 14);
    put_file(a, folder, ".alert.en.mustache", "hidden", 6);
    put_file(a, folder, ".mustache", "no name", 7);
    struct config *config = NULL;
    struct err err = {0};
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024};
    const char *text = small(a, arena_printf(a, "templates: %s", folder), "", "", "");
    if (!config_load_text(a, "/nowhere/x.yaml", str_of(text), &hooks, &config, &problems, &err))
        fail_msg("%s", buf_text(&problems));
    assert_int_equal(config->templates.n, 2);
    assert_string_equal(config->templates.p[0].name, "alert.en");
    assert_string_equal(config->templates.p[0].text, "{{title}}\n");
    assert_string_equal(config->templates.p[1].name, "update.fr");
    assert_string_equal(config->templates.p[1].mark.file, file_join(a, folder, "update.fr.mustache"));
    /* All that is wrong is said at once. */
    static const struct {
        const char *name, *text;
        size_t size;
        const char *problem;
    } wrong[] = {{"one.en.mustache", "wrong\n", 6, "one.en.mustache:1:1: there is no value"},
                 {"two.en.mustache", "a\x01", 2, "two.en.mustache\" holds characters that are not text"},
                 {"three.en.mustache", NULL, 64 * 1024 + 1, "three.en.mustache"}};
    char *large = arena_alloc(a, 64 * 1024 + 2);
    memset(large, 'x', 64 * 1024 + 1);
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        put_file(a, folder, wrong[i].name, wrong[i].text ? wrong[i].text : large, wrong[i].size);
    assert_false(config_load_text(a, "/nowhere/x.yaml", str_of(text), &hooks, &config, &problems, &err));
    assert_string_equal(err.message, "3 errors in \"/nowhere/x.yaml\"");
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (!strstr(buf_text(&problems), wrong[i].problem))
            fail_msg("no \"%s\" in %s", wrong[i].problem, buf_text(&problems));
    assert_non_null(strstr(buf_text(&problems), "/nowhere/x.yaml:1:12: templates: ")); /* each at the key */
    static const char *const names[] = {"update.fr.mustache", "alert.en.mustache", "README", ".alert.en.mustache", ".mustache",
                                        "one.en.mustache", "two.en.mustache", "three.en.mustache"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(unlink(file_join(a, folder, names[i])), 0);
    assert_int_equal(rmdir(folder), 0);
    buf_clear(&problems);
    assert_false(config_load_text(a, "/nowhere/x.yaml", str_of(text), &hooks, &config, &problems, &err)); /* the folder is gone */
    assert_non_null(strstr(buf_text(&problems), "could not open folder"));
}

static void the_public_hears_as_configured(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct severity_conf *p1 = load_small(a, "", "", "", "")->services.p[0].severities.p;
    assert_int_equal(p1->public_from, PUBLIC_FROM_STAGE);
    assert_true(p1->public_every_ms == 20 * MS_MINUTE);
    assert_null(load_small(a, "", "", "", "")->templates_dir);
    const struct config *sample = load_sample(a);
    assert_int_equal(sample->services.p[0].severities.p[0].public_from, PUBLIC_FROM_CONFIRMED);
    assert_true(sample->services.p[0].playbooks.p[0].is_public);
}

static void the_language_of_contacts_follows_the_configuration(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct config *config = load_small(a, "language: fr", "", "", "");
    assert_int_equal(config_contact(config, "ops")->language, LANGUAGE_FR);
}

static void every_type_of_value_is_read(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct config *config = load_small(
        a, "",
        ", host: {address: db1, user: ops, port: 2222, identity: /id, known_hosts: /kh}, application: {unit: {start: \"run 'a b' c\", stop: [stop, \"\"]}}",
        ", title: {fr: Base}, fresh_for: 1h30m, interval: 500ms, rise: 7", "    automatic: no\n    affected: both\n");
    const struct service *s = config_service(config, NULL);
    const struct site *site = &s->sites.p[0];
    assert_string_equal(site->host.address, "db1");
    assert_int_equal(site->host.port, 2222);
    assert_string_equal(site->host.identity, "/id");
    assert_string_equal(site->host.known_hosts, "/kh");
    assert_int_equal(site->application.unit.start.n, 3);
    assert_string_equal(site->application.unit.start.p[1], "a b");
    assert_int_equal(site->application.unit.stop.n, 2);
    const struct check_conf *c = &s->checks.p[0];
    assert_string_equal(c->title.en, "Base"); /* one language stands for both */
    assert_string_equal(c->title.fr, "Base");
    assert_true(c->fresh_ms == 90 * MS_MINUTE && c->interval_ms == 500);
    assert_int_equal(c->rise, 7);
    assert_false(s->enabled_automatic);
    assert_string_equal(s->affected.en, "both");
}

static void secrets_have_three_sources(void **state)
{
    static const struct {
        const char *text;
        enum secret_source source;
        const char *ref;
    } cases[] = {{"{file: /etc/pw}", SECRET_FILE, "/etc/pw"},
                 {"{env: PG_PASSWORD}", SECRET_ENV, "PG_PASSWORD"},
                 {"{credential: pg.password}", SECRET_CREDENTIAL, "pg.password"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        SCOPED(arena_close) struct arena *a = arena_open();
        struct config *config = NULL;
        const char *people = strstr(small(a, "", "", "", ""), "contacts:"), *way = strstr(people, "{channel: log}");
        const char *text = arena_printf(
            a,
            "channels:\n  - {name: m, type: smtp, server: \"smtp://h\", from: f@d, password: %s}\n%.*s{channel: m, address: a@b}%s",
            cases[i].text, (int)(way - people), people, way + strlen("{channel: log}"));
        char *problems;
        if (!try_load(a, "x.yaml", text, &config, &problems))
            fail_msg("%s", problems);
        const struct fake_smtp *options = config->channels.p[0].options;
        assert_int_equal(options->password.source, cases[i].source);
        assert_string_equal(options->password.ref, cases[i].ref);
        assert_false(options->starttls);
    }
}

static void values_of_the_wrong_kind_are_refused(void **state)
{
    (void)state;
    assert_refused("", ", rise: 1.5", "must be a whole number");
    assert_refused("", ", rise: []", "must be a single value");
    assert_refused("", ", rise: 99999999999999999999", "must be a whole number");
    assert_refused("", ", interval: -5s", "is not a duration");
    assert_refused("", ", interval: \"\"", "is not a duration");
    assert_refused("", ", title: [a]", "must be a text");
    assert_refused("", ", title: {de: x}", "unknown key");
    assert_refused("", ", title: \"\", fresh_for: ~", "has no value");
    assert_refused(", application: {upstream: \"\"}", "", "is empty");
    assert_refused(", host: {address: \"-oProxyCommand=x\"}", "", "must be the name or address of a host");
    assert_refused(", host: [a]", "", "must be local or a mapping");
    assert_refused(", host: {user: x}", "", "key \"address\" is missing");
    assert_refused(", application: {unit: {start: \"run 'a\"}}", "", "never closed");
    assert_refused(", application: {unit: {start: {a: b}}}", "", "must be a list");
    assert_refused(", application: {url: \"http://\"}", "", "names a host");
    assert_refused(", application: {url: \"http://a b\"}", "", "names a host");
    assert_refused(", application: {url: \"ftp://a\"}", "", "begins with http");
    assert_refused(", backup: {folder: \"/a\\nb\"}", "", "absolute path");
    assert_refused(", backup: {retention: 1d}", "", "key \"folder\" is missing");
    assert_refused("", ", id2: x", "unknown key");
}

static void a_name_has_a_limit(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct config *config = NULL;
    char *problems, *text = arena_strdup(a, small(a, "", "", "", ""));
    const char *at = strstr(text, "name: akig");
    text = arena_printf(a, "%.*sname: a23456789012345678901234567890123456789012%s", (int)(at - text), text,
                        at + strlen("name: akig"));
    assert_false(try_load(a, "x.yaml", text, &config, &problems));
    assert_non_null(strstr(problems, "at most 40 characters"));
}

static void a_missing_or_unreadable_file_is_told_as_such(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf problems = {.max = 1024};
    struct config *config = NULL;
    struct err err = {0};
    assert_false(config_load(a, "/nowhere/at/all.yaml", &fake_hooks, &config, &problems, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/at/all.yaml"));
    assert_non_null(strstr(err.hint, "config sample"));
    assert_int_equal(problems.n, 0);
    assert_false(config_load(a, "/tmp", &fake_hooks, &config, &problems, &err));
    assert_null(config);
}

static void write_text(const char *path, const char *text)
{
    struct err err = {0};
    assert_true(file_write(path, text, strlen(text), 0644, &err));
}

static const char *playbook_of(struct arena *a, const char *folder, const char *name)
{
    struct config *config = NULL;
    char *problems;
    if (!try_load(a, arena_printf(a, "%s/x.yaml", folder),
                  small(a, "", "", "", arena_printf(a, "    playbooks: [%s]\n", name)), &config, &problems))
        fail_msg("%s", problems);
    return config->services.p[0].playbooks.p[0].name;
}

static void playbooks_are_found_in_the_order_of_folders(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    char folder[] = "/tmp/bascule-playbooks-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const char *inner = arena_printf(a, "%s/playbooks", folder), *own = arena_printf(a, "%s/own", folder);
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_equal(mkdir(own, 0755), 0);
    const char *paths[] = {arena_printf(a, "%s/p.yaml", own), arena_printf(a, "%s/p.yaml", inner),
                           arena_printf(a, "%s/p.yaml", folder)};
    static const char *const names[] = {"own", "inner", "beside"};
    setenv("BASCULE_PLAYBOOKS", own, 1);
    for (size_t i = 0; i < COUNT_OF(paths); i++) { /* each is better than the one before it */
        write_text(
            paths[i],
            arena_printf(a, "playbook: %s\ntitle: T\nseverity: P1\nsteps: [{id: a, do: diagnose active, budget: 1m}]\n",
                         names[i]));
        assert_string_equal(playbook_of(a, folder, "p.yaml"), names[i]);
    }
    assert_string_equal(playbook_of(a, "/nowhere", paths[1]), "inner"); /* absolute */
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        unlink(paths[i]);
    rmdir(inner);
    rmdir(own);
    rmdir(folder);
}

static void a_playbook_file_can_be_read_alone(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf problems = {.max = 65536};
    struct err err = {0};
    struct playbook p = {0};
    static const char text[] =
        "playbook: p\ntitle: {en: E, fr: F}\nseverity: P2\nautomatic_limit: {runs: 2, within: 1d}\n"
        "steps:\n  - {id: a, do: wait, budget: 10s, then: {failure: b}, limit: {runs: 3, within: 1h}, approve: person}\n"
        "  - {id: b, title: T, do: notify alert}\n";
    assert_true(config_load_playbook_text(a, "p.yaml", str_of(text), &p, &problems, &err));
    assert_string_equal(p.name, "p");
    assert_int_equal(p.severity, SEVERITY_P2);
    assert_true(p.hold_ms == 30 * MS_SECOND && p.automatic_window_ms == MS_DAY);
    assert_int_equal(p.automatic_limit, 2);
    const struct step *s = &p.steps.p[0];
    assert_string_equal(s->title.fr, "a"); /* the id stands in */
    assert_string_equal(s->on_success, "next");
    assert_string_equal(s->on_failure, "b");
    assert_string_equal(s->on_expiry, "b"); /* as for failure */
    assert_int_equal(s->limit, 3);
    assert_true(s->window_ms == MS_HOUR && s->approve_timeout_ms == 10 * MS_MINUTE);
    assert_int_equal(s->attempts, 1);
    assert_int_equal(s->approve, APPROVE_PERSON);
    assert_string_equal(p.steps.p[1].on_failure, "fail");
    assert_false(config_load_playbook_text(a, "p.yaml", str_of("playbook: p\n"), &p, &problems, &err));
    assert_non_null(strstr(buf_text(&problems), "key \"steps\" is missing"));
}

static void a_thousand_mistakes_are_counted_and_a_hundred_told(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf text = {.max = 65536}, problems = {.max = 1024 * 1024};
    struct config *config = NULL;
    struct err err = {0};
    for (int i = 0; i < 500; i++)
        buf_printf(&text, "zz%d: 1\n", i);
    assert_false(config_load_text(a, "x.yaml", buf_str(&text), &fake_hooks, &config, &problems, &err));
    assert_string_equal(err.message, "503 errors in \"x.yaml\"");
    assert_non_null(strstr(buf_text(&problems), "... and 403 more"));
}

static void the_playbooks_that_ship_do_the_runbook(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct service *s = config_service(load_sample(a), NULL);
    const struct playbook *down = service_playbook(s, "database-down"), *over = service_playbook(s, "failover");
    assert_non_null(down->over_rto.fr);
    assert_true(down->rto_ms == 15 * MS_MINUTE && over->rto_ms == 25 * MS_MINUTE);
    static const struct {
        const char *id;
        int64_t budget;
    } budgets[] = {{"check-dr", 2}, {"restore", 10}, {"test-apis", 3}, {"redirect", 5}};
    for (size_t i = 0; i < COUNT_OF(budgets); i++)
        assert_true(playbook_step(over, budgets[i].id)->budget_ms == budgets[i].budget * MS_MINUTE);
    int64_t promoted = 0, restored = 0; /* one of the two ways is taken */
    for (size_t i = 0; i < over->steps.n; i++) {
        const struct step *step = &over->steps.p[i];
        promoted += same(step->id, "restore") ? 0 : step->budget_ms;
        restored += same(step->id, "promote") ? 0 : step->budget_ms;
    }
    assert_true(promoted <= over->rto_ms && restored <= over->rto_ms); /* without an excuse */
    assert_null(over->over_rto.en);
    assert_string_equal(playbook_step(over, "verify-traffic")->action, "verify public 10");
    assert_int_equal(playbook_step(down, "restart")->limit, 3);
    for (size_t k = 0; k < s->playbooks.n; k++)
        for (size_t i = 0; i < s->playbooks.p[k].steps.n; i++) {
            const struct step *step = &s->playbooks.p[k].steps.p[i];
            assert_true(step->manual.fr || str_starts(str_of(step->action), "playbook ")); /* there the other procedure stands */
            assert_true(!step->why.en || !same(step->why.en, step->why.fr));
            assert_string_not_equal(step->title.en, step->title.fr);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_fills_the_whole_model),
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(templates_of_a_folder_are_read),
        cmocka_unit_test(the_public_hears_as_configured),
        cmocka_unit_test(the_language_of_contacts_follows_the_configuration),
        cmocka_unit_test(every_type_of_value_is_read),
        cmocka_unit_test(secrets_have_three_sources),
        cmocka_unit_test(values_of_the_wrong_kind_are_refused),
        cmocka_unit_test(a_name_has_a_limit),
        cmocka_unit_test(a_missing_or_unreadable_file_is_told_as_such),
        cmocka_unit_test(playbooks_are_found_in_the_order_of_folders),
        cmocka_unit_test(a_playbook_file_can_be_read_alone),
        cmocka_unit_test(a_thousand_mistakes_are_counted_and_a_hundred_told),
        cmocka_unit_test(the_playbooks_that_ship_do_the_runbook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
