/* The same questions to every channel of the list, and the log, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/dns.h"
#include "io/json.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tell/channel.h"

static struct arena *a;
static char *folder;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    folder = arena_strdup(a, "/tmp/bascule-channels-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(file_join(a, folder, "log"));
    int status = rmdir(folder);
    arena_close(&a);
    return status;
}

static void every_driver_is_whole(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct channel_ops *const *d = channel_drivers; *d; d++, count++) {
        const struct channel_ops *ops = *d;
        assert_true(str_is_name(str_of(ops->name)));
        assert_true(ops->summary && *ops->summary);
        assert_true(ops->options && ops->options_size > 0);
        assert_true(ops->valid && ops->address_valid && ops->start && ops->cancel);
        assert_ptr_equal(channel_driver(ops->name), ops);
        for (const struct option *o = ops->options; o->key; o++) {
            assert_true(str_is_name(str_of(o->key)));
            assert_true(o->help && *o->help && o->help[strlen(o->help) - 1] != '.');
            assert_true(o->offset < ops->options_size);
            assert_true(!o->required || o->sample); /* the sample must load */
            int64_t ms;
            if (o->type == OPTION_DURATION && o->fallback)
                assert_true(duration_parse(o->fallback, &ms, NULL) && ms >= o->min && ms <= o->max);
        }
        void *nothing = NULL;
        ops->cancel(&nothing);
    }
    assert_int_equal(count, 8);
    assert_null(channel_driver("carrier-pigeon"));
    assert_null(channel_driver(NULL));
}

/* No driver accepts an address that would break out of its line, and none crashes over one. */
static void no_driver_takes_a_hostile_address(void **state)
{
    (void)state;
    static const char *const hostile[] = {"a@b\r\nRCPT TO:<c@d>", "a@b\n", "a@b c", "\x01", "<a@b>"};
    for (const struct channel_ops *const *d = channel_drivers; *d; d++)
        for (size_t i = 0; i < COUNT_OF(hostile); i++) {
            struct err err = {0};
            assert_false((*d)->address_valid(hostile[i], &err));
            assert_int_equal(err.code, ERR_CONFIG);
            assert_false((*d)->address_valid(hostile[i], NULL));
        }
    assert_true(channel_driver("log")->address_valid(NULL, NULL));
    assert_true(channel_driver("slack")->address_valid(NULL, NULL));
    assert_false(channel_driver("slack")->address_valid("#ops", NULL));
    assert_false(channel_driver("smtp")->address_valid(NULL, NULL));
    assert_true(channel_driver("smtp")->address_valid("ops@akig.com", NULL));
}

static void set_option(const struct channel_conf *conf, const char *key, const void *value, size_t size)
{
    for (const struct option *o = channel_driver(conf->type)->options; o->key; o++)
        if (same(o->key, key))
            memcpy((char *)conf->options + o->offset, value, size);
}

static struct channel_conf conf_of(const char *type)
{
    return (struct channel_conf){.name = type, .type = type, .options = arena_alloc(a, channel_driver(type)->options_size)};
}

static void set_text(const struct channel_conf *conf, const char *key, const char *value)
{
    set_option(conf, key, &value, sizeof(value));
}

static bool smtp_valid(const char *server, const char *from, bool starttls, const char *user, enum secret_source password, struct err *err)
{
    struct channel_conf conf = conf_of("smtp");
    struct secret secret = {.source = password, .ref = "X"};
    set_text(&conf, "server", server);
    set_text(&conf, "from", from);
    set_text(&conf, "user", user);
    set_option(&conf, "starttls", &starttls, sizeof(starttls));
    set_option(&conf, "password", &secret, sizeof(secret));
    return channel_driver("smtp")->valid(&conf, err);
}

static void impossible_settings_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    assert_true(smtp_valid("smtp://127.0.0.1:25", "b@akig.com", true, "u", SECRET_ENV, &err));
    assert_true(smtp_valid("smtps://mail", "b@akig.com", false, NULL, SECRET_NONE, &err));
    assert_false(smtp_valid("http://mail", "b@akig.com", false, NULL, SECRET_NONE, &err));
    assert_false(smtp_valid("smtp://u:p@mail", "b@akig.com", false, NULL, SECRET_NONE, &err));
    assert_false(smtp_valid("smtps://mail", "b@akig.com", true, NULL, SECRET_NONE, &err));
    assert_false(smtp_valid("smtp://mail", "b@akig.com", false, "u", SECRET_NONE, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_false(smtp_valid("smtp://mail", "bascule", false, NULL, SECRET_NONE, &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_non_null(strstr(err.message, "\"from\""));
    assert_false(smtp_valid("smtp://mail", "bascule", false, NULL, SECRET_NONE, NULL));
    struct channel_conf slack = conf_of("slack"), log = conf_of("log");
    assert_false(channel_driver("slack")->valid(&slack, &err));
    struct secret url = {.source = SECRET_FILE, .ref = "/x"};
    set_option(&slack, "url", &url, sizeof(url));
    assert_true(channel_driver("slack")->valid(&slack, &err));
    assert_true(channel_driver("log")->valid(&log, &err));
}

/* ---- the log ---- */

static struct {
    struct loop *loop;
    int calls;
    enum delivery delivery;
} told;

static void on_done(void *arg, enum delivery delivery, int64_t retry_after_ms, const char *text)
{
    (void)arg;
    assert_int_equal(retry_after_ms, -1);
    assert_string_equal(text, "written");
    told.calls++;
    told.delivery = delivery;
}

static bool log_to(const char *path, const char *key, const char *body, int64_t wall_ms, struct err *err)
{
    struct channel_conf conf = conf_of("log");
    set_text(&conf, "file", path);
    struct notice n = {.key = key, .incident = 7, .service = "akig", .stage = "alert", .contact = "ops", .channel = "log",
                       .subject = "sub\"ject", .body = body, .wall_ms = wall_ms};
    void *handle = NULL;
    told.calls = 0;
    told.loop = loop_open();
    struct channel_env env = {.loop = told.loop};
    bool ok = channel_driver("log")->start(&env, &conf, &n, on_done, NULL, &handle, err);
    assert_int_equal(told.calls, 0); /* never from inside */
    loop_run(told.loop);
    loop_close(&told.loop);
    assert_int_equal(told.calls, ok);
    return ok;
}

#define LINE(key) "{\"key\":\"" key "\",\"time\":\"2025-10-25T15:34:02.120Z\",\"incident\":7,\"service\":\"akig\",\"stage\":\"alert\","                   "\"contact\":\"ops\",\"subject\":\"sub\\\"ject\",\"body\":\"a\\nb\"}\n"
enum { MOMENT_S = 1761406442 };
#define MOMENT (INT64_C(1000) * MOMENT_S + 120)

static const char *content(const char *path)
{
    struct str text;
    assert_true(file_read(a, path, 10 << 20, &text, NULL));
    return text.p;
}

static void the_log_gets_a_line_for_each_notice_once(void **state)
{
    (void)state;
    struct err err = {0};
    char *path = file_join(a, folder, "log");
    assert_true(log_to(path, "1", "a\nb", MOMENT, &err));
    assert_true(log_to(path, "2", "a\nb", MOMENT, &err));
    assert_true(log_to(path, "1", "a\nb", MOMENT, &err)); /* killed after writing, before the journal heard of it */
    assert_string_equal(content(path), LINE("1") LINE("2"));
    assert_true(log_to(path, "1", "a\nb", MOMENT + 1, &err)); /* the same key in a journal begun anew */
    assert_int_equal(strlen(content(path)), strlen(LINE("1") LINE("2") LINE("1")));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0007, 0);
}

static void a_torn_line_is_closed_off(void **state)
{
    (void)state;
    struct err err = {0};
    char *path = file_join(a, folder, "log");
    assert_true(file_write(path, "{\"key\":\"0", 9, 0600, &err));
    assert_true(log_to(path, "1", "a\nb", MOMENT, &err));
    assert_string_equal(content(path), "{\"key\":\"0\n" LINE("1"));
}

static void a_log_that_cannot_be_written_is_said(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(log_to(file_join(a, folder, "no/log"), "1", "b", MOMENT, &err));
    assert_int_equal(err.code, ERR_OS); /* to be tried again */
    assert_false(log_to("/dev/full", "1", "b", MOMENT, &err));
    assert_non_null(strstr(err.message, "file \"/dev/full\""));
    char *path = file_join(a, folder, "log");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(log_to(path, "1", "b", MOMENT, &err)); /* and does not hang */
    unlink(path);
    int fd;
    assert_true(file_lock(path, &fd, &err));
    assert_false(log_to(path, "1", "b", MOMENT, &err));
    close(fd);
    char *large = arena_alloc(a, 300001);
    memset(large, 'x', 300000);
    assert_false(log_to(path, "1", large, MOMENT, &err));
    assert_int_equal(err.code, ERR_DATA); /* never */
    assert_string_equal(content(path), "");
}

static void a_full_disk_leaves_no_half_line(void **state)
{
    (void)state;
    struct err err = {0};
    struct rlimit before;
    char *path = file_join(a, folder, "log");
    assert_true(log_to(path, "1", "a\nb", MOMENT, &err));
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit tight = {.rlim_cur = sizeof(LINE("1")) + 20, .rlim_max = before.rlim_max}; /* stands for the full disk */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    bool ok = log_to(path, "2", "a\nb", MOMENT, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(ok);
    assert_non_null(strstr(err.message, "could not write to it"));
    assert_string_equal(content(path), LINE("1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_driver_is_whole),
        TEST(no_driver_takes_a_hostile_address),
        TEST(impossible_settings_are_refused),
        TEST(the_log_gets_a_line_for_each_notice_once),
        TEST(a_torn_line_is_closed_off),
        TEST(a_log_that_cannot_be_written_is_said),
        TEST(a_full_disk_leaves_no_half_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
