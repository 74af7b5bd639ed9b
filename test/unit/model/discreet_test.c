/* discreet_test.c -- What is left out of a public text, and what must not be. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/discreet.h"

static struct arena *a;
static struct config config;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    config = (struct config){0};
    struct service *s = vec_add(a, &config.services);
    *s = (struct service){.name = "akig", .public_url = "https://akig.com", .status_page = "https://status.akig.com/"};
    struct site *site = vec_add(a, &s->sites);
    *site = (struct site){.name = "production", .host = {.address = "pgmain7"}};
    site->database.at.host = "db1.prod.akig.com";
    site->database.unit.name = "postgresql@15-main";
    site->application.url = "http://app-three:8080/";
    site->application.upstream = "app-three:8080";
    site->application.unit.name = "akig";
    vec_add(a, &config.status_pages)->url = "https://help.akig.org/status/";
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static void secrets_are_left_out(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"The host 10.0.3.17 failed", "The host […] failed"},
        {"(192.168.1.20:5432) refused", "([…]) refused"},
        {"from 10.0.0.1, then 10.0.0.2.", "from […], then […]."},
        {"address fe80::1%eth0 and [2001:db8::17]:5432", "address […] and [[…]]:5432"},
        {"2001:0db8:0000:0000:0000:0000:0000:0001 is down", "[…] is down"},
        {"addr=10.0.0.9, db:10.0.0.9:5432, ::ffff:10.0.0.9 and ?h=db9.corp", "[…], […], […] and […]"},
        {"PGMAIN7 is back", "[…] is back"},
        {"pgmain7: out of memory", "[…]: out of memory"},
        {"ssh ops@pgmain7", "ssh […]"},
        {"db1.prod.akig.com refused", "[…] refused"},
        {"db1 and DB1:5432 refused, so did db1s", "[…] and […] refused, so did db1s"},
        {"see http://app-three:8080/api", "see […]"},
        {"replica7.internal and web.corp", "[…] and […]"},
        {"unit postgresql@15-main stopped", "unit […] stopped"},
        {"the disk of /var/lib/postgresql is full", "the disk of […] is full"},
        {"\"SELECT * FROM users WHERE id = 1\" was slow", "\"[…]"},
        {"ran INSERT INTO payments VALUES (1); then stopped", "ran […]; then stopped"},
        {"UPDATE contracts SET rent = 0", "[…]"},
        {"insert into users\nfine", "[…]\nfine"},
        {"DROP TABLE users", "[…]"},
        {"ops@db1.prod.akig.com", "[…]"},
        {"file:///etc/passwd", "[…]"},
        {"is it =10.0.0.9, or ;db9.corp?", "is it =[…], or ;[…]?"},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_string_equal(discreet(a, &config, texts[i][0]), texts[i][1]);
        assert_false(is_discreet(a, &config, texts[i][0]));
    }
}

static void plain_words_stay(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "We are investigating: AKIG Platform does not answer. Next update by 15:34:02 UTC.",
        "akig is back. Follow https://status.akig.com/incident/7.html or https://help.akig.org/status/.",
        "Nous rétablissons le service (akig.com), 3.5 min d'arrêt, 99,95 % and/or more…",
        "Please select your region and update your application from the store.",
        "Restored at 15:34, 22 minutes, 1/2 of users; version 15.18.",
        "Thanks.Sorry for the delay",
        "Copy of the invoices can be made again; grant of access comes later.",
        "a/b, http://akig.com:443/, […] stays",
        "The update of the contracts: a set of five.",
        "We insert a coin and delete\nnothing; please select",
        "wait..what and so on...",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_string_equal(discreet(a, &config, texts[i]), texts[i]);
        assert_true(is_discreet(a, &config, texts[i]));
    }
    assert_string_equal(discreet(a, &config, NULL), "");
    assert_string_equal(discreet(a, NULL, "10.1.2.3 and db1.prod.akig.com"), "[…] and […]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(secrets_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(plain_words_stay, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
