/* Words of hand-written texts become what a person can type, and nothing else of the shell is touched. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "act/traffic/traffic.h"
#include "cli/byhand.h"

static struct arena *a;
static struct service service;
static struct byhand byhand;

/* The value of a key in the driver's own struct, found as the reader of the configuration finds it. */
static void *traffic_field(const char *key)
{
    for (const struct option *o = traffic_driver("nginx")->options; o->key; o++)
        if (same(o->key, key))
            return (char *)service.traffic.options + o->offset;
    fail_msg("nginx has no key %s", key);
    return NULL;
}

static void words_of(struct strs *list, const char *text)
{
    assert_true(str_words(a, text, list));
}

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    service = (struct service){.name = "akig",
                               .public_url = "https://akig.com",
                               .traffic = {.driver = "nginx",
                                           .options = arena_alloc(a, traffic_driver("nginx")->options_size),
                                           .identify_path = "/api/health",
                                           .identify_json = "site"}};
    *(const char **)traffic_field("include") = "/etc/nginx/akig.conf";
    *(const char **)traffic_field("upstream") = "akig";
    words_of(traffic_field("test"), "nginx -t");
    words_of(traffic_field("reload"), "sh -c 'nginx -s reload'");
    *vec_add(a, &service.sites) = (struct site){
        .name = "production",
        .role = SITE_PRODUCTION,
        .host = {.address = "db1.akig.com", .port = 2222, .user = "root", .identity = "/etc/bascule/id key"},
        .database = {.at = {.host = "db1.akig.com",
                            .port = 5433,
                            .dbname = "akig",
                            .user = "bascule",
                            .sslmode = "require",
                            .password = {SECRET_FILE, "/etc/bascule/pg.password"}},
                     .admin_dbname = "postgres",
                     .unit = {.name = "postgresql@15-main"}},
        .application = {.url = "https://production.akig.com", .upstream = "production.akig.com:8080"},
        .backup = {.folder = "/backups/akig"}};
    *vec_add(a, &service.sites) = (struct site){
        .name = "dr",
        .role = SITE_DR,
        .database = {
            .at = {.host = "127.0.0.1", .port = 5432, .dbname = "akig", .user = "bascule", .sslmode = "prefer"}}};
    words_of(&service.sites.p[1].database.unit.restart, "pg_ctlcluster 15 main 're start'");
    words_of(&service.sites.p[1].database.critical_tables, "users 'odd table'");
    vec_add(a, &service.endpoints)->path = "/api/health";
    vec_add(a, &service.endpoints)->path = "/api/contracts?limit=1";
    byhand =
        (struct byhand){.arena = a, .service = &service, .active = &service.sites.p[0], .standby = &service.sites.p[1]};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static void expect(const char *text, const char *wanted)
{
    const char *unknown = "?";
    assert_string_equal(byhand_fill(&byhand, text, &unknown), wanted);
    assert_null(unknown);
}

static void names_and_values(void **state)
{
    (void)state;
    expect("from {active} to {standby} of {service}", "from production to dr of akig");
    expect("{active.address}:{active.port}/{active.dbname}, {active.admin}", "db1.akig.com:5433/akig, postgres");
    expect("{active.url} {active.upstream} {active.backups}",
           "https://production.akig.com production.akig.com:8080 /backups/akig");
    expect("{active.data}", "/var/lib/postgresql");
    expect("{standby.url}|{public}", "|https://akig.com");
    expect("{standby.tables} {endpoints}", "users 'odd table' /api/health '/api/contracts?limit=1'");
}

static void commands_reach_their_host(void **state)
{
    (void)state;
    expect("{active.database.mask}",
           "ssh -n -i '/etc/bascule/id key' -p 2222 root@db1.akig.com 'systemctl mask postgresql@15-main'");
    expect("{active.pipe} 'cat'", "ssh -i '/etc/bascule/id key' -p 2222 root@db1.akig.com 'cat'");
    expect("{active.shell} 'df -h'", "ssh -n -i '/etc/bascule/id key' -p 2222 root@db1.akig.com 'df -h'");
    expect("{active.login}", "ssh -i '/etc/bascule/id key' -p 2222 root@db1.akig.com");
    service.sites.p[0].host = (struct host){.address = "db1", .port = 22, .user = "ops", .known_hosts = "/etc/known"};
    expect("{active.database.start}",
           "ssh -n -o UserKnownHostsFile=/etc/known ops@db1 'sudo -n systemctl start postgresql@15-main'");
    expect("{standby.database.restart}", "pg_ctlcluster 15 main 're start'");
    expect("{standby.shell} 'df -h'", "sh -c 'df -h'");
    expect("{standby.database.log}", "# dr.database: log: ?"); /* nobody said how: a comment, never half a command */
    char name[256] = "";
    assert_int_equal(gethostname(name, sizeof(name) - 1), 0);
    expect("{standby.login}", arena_printf(a, "hostname # %s", name));
}

static void a_line_with_quotes_survives_two_shells(void **state)
{
    (void)state;
    *(struct host *)traffic_field("host") = (struct host){.address = "edge"};
    expect("{traffic.reload}", "ssh -n edge 'sh -c '\\''nginx -s reload'\\'''");
    expect("{traffic.login} {traffic.shell} {traffic.pipe}", "ssh edge ssh -n edge ssh edge");
}

static void psql_logs_in(void **state)
{
    (void)state;
    expect("{active.psql} -d {active.dbname}",
           "PGPASSWORD=\"$(sudo head -n 1 '/etc/bascule/pg.password')\" PGSSLMODE=require psql -X -h db1.akig.com "
           "-p 5433 -U bascule -d akig");
    expect("{standby.psql}", "psql -X -h 127.0.0.1 -p 5432 -U bascule");
    service.sites.p[1].database.at.password = (struct secret){SECRET_ENV, "PG_PASSWORD"};
    expect("{standby.psql}", "PGPASSWORD=\"$PG_PASSWORD\" psql -X -h 127.0.0.1 -p 5432 -U bascule");
}

static void traffic_is_the_drivers(void **state)
{
    (void)state;
    expect("{traffic.test} && {traffic.reload}", "nginx -t && sh -c 'nginx -s reload'");
    expect("upstream {traffic.upstream} { server {standby.upstream}; } > {traffic.include}",
           "upstream akig { server ; } > /etc/nginx/akig.conf");
    expect("{identify}", "curl -sS 'https://akig.com/api/health'");
    service.traffic.identify_json = NULL;
    expect("{identify}", "curl -sS -o /dev/null -D - 'https://akig.com/api/health'");
    service.traffic = (struct traffic_conf){0};
    expect("{traffic.test}{identify}", "");
}

static void braces_of_others_stay(void **state)
{
    (void)state;
    static const char *const texts[] = {"%{http_code}", "${file}",  "{1..10}",      "{ server x; }", "{}", "{",
                                        "{active",      "{Active}", "{text: $text}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        expect(texts[i], texts[i]);
}

static void a_word_that_is_none_is_named(void **state)
{
    (void)state;
    static const char *const words[] = {"active.pqsl", "standby.database.reboot", "traffic.nothing", "traffic"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const char *unknown = NULL, *text = arena_printf(a, "{standby} {%s}", words[i]);
        assert_string_equal(byhand_fill(&byhand, text, &unknown), arena_printf(a, "dr {%s}", words[i]));
        assert_string_equal(unknown, words[i]);
    }
}

static void without_a_second_site_nothing_of_the_first_stands_for_it(void **state)
{
    (void)state;
    byhand.standby = NULL;
    expect("{standby} {standby.psql} {standby.database.kill}", "? ? ?");
    const char *unknown = NULL;
    byhand_fill(&byhand, "{standby.pqsl}", &unknown);
    assert_string_equal(unknown, "standby.pqsl");
}

static void the_lint_names_the_place(void **state)
{
    (void)state;
    struct buf problems = {.max = 4096};
    struct playbook *playbook = vec_add(a, &service.playbooks);
    playbook->mark = (struct mark){"failover.yaml", 3, 1};
    playbook->symptoms = (struct text2){"{active.prot}", "{active.port}"};
    struct step *step = vec_add(a, &playbook->steps);
    *step =
        (struct step){.mark = {"failover.yaml", 7, 5}, .id = "restore", .manual = {"{standby.psql}", "{standby.pqsl}"}};
    vec_add(a, &playbook->steps)->id = "silent";
    assert_int_equal(byhand_lint(a, &service, &problems), 2);
    assert_string_equal(buf_text(&problems),
                        "failover.yaml:3:1: the text of the symptoms has an unknown word {active.prot}\n"
                        "failover.yaml:7:5: the text of step \"restore\" has an unknown word {standby.pqsl}\n");
    buf_done(&problems);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(names_and_values),
                                       TEST(commands_reach_their_host),
                                       TEST(a_line_with_quotes_survives_two_shells),
                                       TEST(psql_logs_in),
                                       TEST(traffic_is_the_drivers),
                                       TEST(braces_of_others_stay),
                                       TEST(a_word_that_is_none_is_named),
                                       TEST(without_a_second_site_nothing_of_the_first_stands_for_it),
                                       TEST(the_lint_names_the_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
