/* Messages byte for byte, and read back by another program. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sys/proc.h"
#include "tell/mail.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static struct notice notice(void)
{
    return (struct notice){.key = "7/alert/ops/mail", .incident = 7, .service = "akig", .stage = "alert", .contact = "ops", .channel = "mail",
                           .address = "ops@akig.com", .subject = "[P1][INC-7] Database unavailable", .body = "Hello\nworld\n", .thread = "akig/7/1761406442000",
                           .wall_ms = INT64_C(1761406442120)};
}

static const char *build(const struct notice *n)
{
    struct str message;
    struct err err = {0};
    if (!mail_build(a, "bascule@akig.com", n, &message, &err))
        fail_msg("%s", err.message);
    assert_int_equal(strlen(message.p), message.n);
    for (const char *line = message.p; *line; line = strstr(line, "\r\n") + 2) {
        assert_non_null(strstr(line, "\r\n"));
        size_t length = (size_t)(strstr(line, "\r\n") - line);
        assert_true(length <= 78);
        assert_null(memchr(line, '\n', length));
        assert_null(memchr(line, '\r', length));
    }
    return message.p;
}

static const char *header(const char *message, const char *name)
{
    const char *at = strstr(message, arena_printf(a, "\r\n%s: ", name));
    assert_non_null(at);
    at += strlen(name) + 4;
    const char *end = strstr(at, "\r\n");
    while (end[2] == ' ')
        end = strstr(end + 2, "\r\n");
    return arena_strndup(a, at, (size_t)(end - at));
}

static void a_plain_message_is_what_it_should_be(void **state)
{
    (void)state;
    struct notice n = notice();
    const char *message = build(&n);
    assert_int_equal(strncmp(message, "Date: Sat, 25 Oct 2025 15:34:02 +0000\r\n", 39), 0);
    assert_string_equal(header(message, "From"), "bascule <bascule@akig.com>");
    assert_string_equal(header(message, "To"), "<ops@akig.com>");
    assert_string_equal(header(message, "Subject"), "[P1][INC-7] Database unavailable");
    assert_string_equal(header(message, "Auto-Submitted"), "auto-generated");
    assert_string_equal(header(message, "X-Bascule-Key"), "7/alert/ops/mail");
    const char *type = header(message, "Content-Type"), *start = strstr(type, "boundary=\"");
    assert_int_equal(strncmp(type, "multipart/alternative;", 22), 0);
    assert_non_null(start);
    const char *boundary = arena_strndup(a, start + 10, strcspn(start + 10, "\""));
    assert_string_equal(strstr(message, "\r\n\r\n"), arena_printf(a, "\r\n\r\n--%s\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nHello\r\nworld\r\n\r\n--%s\r\nContent-Type: text/html; charset=UTF-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n<!DOCTYPE html>\r\n<html><head><meta charset=3D\"utf-8\"></head><body>\r\n"
        "<div style=3D\"white-space: pre-wrap; font-family: sans-serif\">Hello\r\nworld\r\n</div>\r\n</body></html>\r\n\r\n--%s--\r\n",
        boundary, boundary, boundary));
}

static void the_same_notice_is_the_same_message(void **state)
{
    (void)state;
    struct notice n = notice();
    const char *message = build(&n);
    assert_string_equal(message, build(&n));
    n.key = "7/on-call/ops/mail";
    assert_string_not_equal(header(message, "Message-ID"), header(build(&n), "Message-ID"));
    n = notice();
    n.wall_ms += 1; /* a journal begun anew */
    assert_string_not_equal(header(message, "Message-ID"), header(build(&n), "Message-ID"));
    n = notice();
    n.service = "other";
    assert_string_not_equal(header(message, "Message-ID"), header(build(&n), "Message-ID"));
    const char *id = header(message, "Message-ID");
    assert_string_equal(id + 33, ".bascule@akig.com>");
}

static void all_messages_of_an_incident_hang_together(void **state)
{
    (void)state;
    struct notice n = notice();
    const char *root = header(build(&n), "References");
    assert_string_equal(root, header(build(&n), "In-Reply-To"));
    assert_string_not_equal(root, header(build(&n), "Message-ID"));
    n.key = "7/resolved/ops/mail";
    n.stage = "resolved";
    n.wall_ms += 100000;
    assert_string_equal(root, header(build(&n), "References"));
    n.contact = "boss";
    assert_string_not_equal(root, header(build(&n), "References"));
    n.contact = "ops";
    n.address = "other@akig.com";
    assert_string_not_equal(root, header(build(&n), "References"));
    n = notice();
    n.thread = "akig/8/1761406442000";
    assert_string_not_equal(root, header(build(&n), "References"));
    n.thread = "akig/7/1761406442001"; /* a journal begun anew */
    assert_string_not_equal(root, header(build(&n), "References"));
    n.thread = NULL;
    build(&n);
}

static void the_first_message_is_the_root(void **state)
{
    (void)state;
    struct notice n = notice();
    const char *root = header(build(&n), "References");
    n.first = true;
    const char *message = build(&n);
    assert_string_equal(header(message, "Message-ID"), root);
    assert_null(strstr(message, "\r\nReferences:"));
    assert_null(strstr(message, "\r\nIn-Reply-To:"));
    assert_string_equal(message, build(&n)); /* and the same when it is sent again */
}

static void what_looks_like_html_is_text(void **state)
{
    (void)state;
    struct notice n = notice();
    n.body = "\n<script>\"1\"</script> & co";
    const char *message = build(&n);
    assert_non_null(strstr(message, "\r\n&lt;script&gt;&quot;1&quot;&lt;/script&gt; &amp; co"));
    n.html = "<!DOCTYPE html><p>as C made it</p>";
    assert_non_null(strstr(build(&n), "<!DOCTYPE html><p>as C made it</p>"));
    assert_null(strstr(build(&n), "pre-wrap"));
}

static void subjects_are_encoded_when_they_must_be(void **state)
{
    (void)state;
    struct notice n = notice();
    n.subject = "é";
    assert_string_equal(header(build(&n), "Subject"), "=?UTF-8?B?w6k=?=");
    n.subject = "=?UTF-8?B?w6k=?=";
    assert_int_equal(strncmp(header(build(&n), "Subject"), "=?UTF-8?B?PT9", 13), 0);
    n.subject = "";
    assert_string_equal(header(build(&n), "Subject"), "");
    n.subject = "\x80\x80\x80"; /* no character begins here; what comes out is still a header */
    build(&n);
}

/* Python's own parser says what a mail program will show. */
static void another_program_reads_what_was_meant(void **state)
{
    (void)state;
    struct notice n = notice();
    n.subject = "[P1][INC-7] Base éé de données indisponible : reprise bloquée, une personne est nécessaire 🚨🚨🚨 et la suite est longue";
    n.body = "🚨 ALERTE\r\n.\nFrom here\n..dots\rtrailing \t\nwith = sign\n\n"
             "a very long line that goes on and on and on, é è à ç ù, until it has to be broken softly somewhere in the middle of it all, and more\nend";
    static const char script[] =
        "import email, email.policy, sys\n"
        "m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)\n"
        "assert not m.defects, m.defects\n"
        "sys.stdout.write(m['Subject'] + '\\n' + m['To'].addresses[0].addr_spec + '\\n' + m['Date'].datetime.isoformat() + '\\n' + "
        "m.get_body(('plain',)).get_content())\n"
        "assert [p.get_content_type() for p in m.iter_parts()] == ['text/plain', 'text/html']\n"
        "import html, re\n"
        "shown = html.unescape(re.search('pre-wrap[^>]*>(.*)</div>', m.get_body(('html',)).get_content(), re.S)[1])\n"
        "assert shown == m.get_body(('plain',)).get_content()[:-1], shown\n";
    const char *const argv[] = {"python3", "-X", "utf8", "-c", script, NULL};
    struct proc_result result;
    struct err err = {0};
    assert_true(proc_run(a, &(struct proc_spec){.argv = argv, .input = build(&n)}, &result, &err));
    assert_string_equal(result.err.p, "");
    assert_string_equal(result.out.p, arena_printf(a, "%s\nops@akig.com\n2025-10-25T15:34:02+00:00\n%s", n.subject,
        "🚨 ALERTE\n.\nFrom here\n..dots\ntrailing \t\nwith = sign\n\n"
        "a very long line that goes on and on and on, é è à ç ù, until it has to be broken softly somewhere in the middle of it all, and more\nend\n"));
}

static void what_would_break_a_header_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *key, *address;
    } bad[] = {
        {"x\nBcc: y@z", "k", "a@b"}, {"x\r", "k", "a@b"}, {"x\x7f", "k", "a@b"}, {"x", "k\n", "a@b"}, {"x", "k", "a@b\n"},
        {"x", "k", NULL}, {"x", "k", ""}, {"x", "k", "a b@c"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct notice n = notice();
        struct str message = {0};
        struct err err = {0};
        n.subject = bad[i].subject;
        n.key = bad[i].key;
        n.address = bad[i].address;
        assert_false(mail_build(a, "bascule@akig.com", &n, &message, &err));
        assert_int_equal(err.code, ERR_DATA);
        assert_null(message.p);
    }
    struct notice n = notice();
    struct str message;
    struct err err = {0};
    assert_false(mail_build(a, "nobody", &n, &message, &err));
    char *large = arena_alloc(a, 1100001);
    memset(large, 'x', 1000);
    n.subject = large;
    assert_false(mail_build(a, "bascule@akig.com", &n, &message, &err));
    assert_non_null(strstr(err.message, "subject"));
    n = notice();
    memset(large, 'x', 1100000);
    n.body = large;
    assert_false(mail_build(a, "bascule@akig.com", &n, &message, &err));
    assert_non_null(strstr(err.message, "larger"));
}

static void addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"a@b", "ops+p1@akig.com", "o'neil@x-y.example", "a@localhost"};
    static const char *const bad[] = {"", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\n", "<a@b>", "a@b,c@d", "\"a\"@b", "é@b", "-oX@b", "a;b@c", "a@b\t"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(mail_address_valid(good[i], NULL));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(mail_address_valid(bad[i], NULL));
    char *name = arena_alloc(a, 300);
    memset(name, 'x', 260);
    assert_false(mail_address_valid(arena_printf(a, "%s@b", name), NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_plain_message_is_what_it_should_be),
        TEST(the_same_notice_is_the_same_message),
        TEST(all_messages_of_an_incident_hang_together),
        TEST(the_first_message_is_the_root),
        TEST(what_looks_like_html_is_text),
        TEST(subjects_are_encoded_when_they_must_be),
        TEST(another_program_reads_what_was_meant),
        TEST(what_would_break_a_header_is_refused),
        TEST(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
