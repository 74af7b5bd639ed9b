/* Names against a name server of our own that answers, denies, fails and keeps silent. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/dns.h"
#include "sys/clock.h"

enum mood { ANSWER, NO_SUCH_NAME, SERVER_FAILURE, SILENCE };

struct scene {
    struct loop *loop;
    struct dns *dns;
    int fd;
    pthread_t thread;
    _Atomic enum mood mood;
    atomic_int asked;    /* questions of type A */
    atomic_int last_octet;
    char servers[64];
};

/* Question copied, then for type A one record of 10.0.0.LAST_OCTET with a TTL of 1 s; for other types an empty answer. */
static size_t answer(struct scene *s, unsigned char *packet, size_t n)
{
    size_t end = 12;
    while (end < n && packet[end])
        end += packet[end] + 1u;
    end += 5;
    bool is_a = end <= n && packet[end - 4] == 0 && packet[end - 3] == 1;
    enum mood mood = atomic_load(&s->mood);
    atomic_fetch_add(&s->asked, is_a);
    packet[2] = 0x81;
    packet[3] = (unsigned char)(0x80 | (mood == NO_SUCH_NAME ? 3 : mood == SERVER_FAILURE ? 2 : 0));
    memset(packet + 6, 0, 6);
    if (mood != ANSWER || !is_a)
        return end;
    unsigned char record[16] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 0, 0, (unsigned char)atomic_load(&s->last_octet)};
    packet[7] = 1;
    memcpy(packet + end, record, sizeof(record));
    return end + sizeof(record);
}

static void *serve(void *arg)
{
    struct scene *s = arg;
    unsigned char packet[1024];
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    for (ssize_t n; (n = recvfrom(s->fd, packet, 512, 0, (struct sockaddr *)&from, &size)) > 0; size = sizeof(from)) {
        if (n < 17)
            return NULL; /* the test's word to end */
        if (atomic_load(&s->mood) != SILENCE)
            sendto(s->fd, packet, answer(s, packet, (size_t)n), 0, (struct sockaddr *)&from, size);
        else
            atomic_fetch_add(&s->asked, 1);
    }
    return NULL;
}

static struct sockaddr_in own;

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    struct err err = {0};
    unsigned char r[3];
    char address[32];
    socklen_t size = sizeof(own);
    assert_int_equal(getrandom(r, sizeof(r), 0), sizeof(r));
    snprintf(address, sizeof(address), "127.%d.%d.%d", 1 + r[0] % 254, r[1], 1 + r[2] % 254);
    own = (struct sockaddr_in){.sin_family = AF_INET};
    inet_pton(AF_INET, address, &own.sin_addr);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&own, size), 0);
    getsockname(s->fd, (struct sockaddr *)&own, &size);
    atomic_store(&s->last_octet, 7);
    pthread_create(&s->thread, NULL, serve, s);
    snprintf(s->servers, sizeof(s->servers), "%s:%d", address, ntohs(own.sin_port));
    s->loop = loop_open();
    s->dns = dns_open(s->loop, 600);
    assert_true(dns_use_servers(s->dns, s->servers, &err));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    dns_close(&s->dns);
    loop_close(&s->loop);
    sendto(s->fd, "end", 3, 0, (struct sockaddr *)&own, sizeof(own));
    pthread_join(s->thread, NULL);
    close(s->fd);
    free(s);
    return 0;
}

struct reply {
    int calls;
    char address[64];
    struct err err;
    struct scene *then_ask; /* resolves another name from inside the callback */
    struct reply *then;
};

static void on_done(void *arg, const char *address, const struct err *err)
{
    struct reply *r = arg;
    r->calls++;
    if (address)
        COPY_TO(r->address, address);
    else
        r->err = *err;
    if (r->then)
        dns_resolve(r->then_ask->dns, "from-inside.test", on_done, r->then);
}

static struct reply ask(struct scene *s, const char *name)
{
    struct reply r = {0};
    dns_resolve(s->dns, name, on_done, &r);
    while (!r.calls)
        loop_once(s->loop, true);
    return r;
}

static void wait_ms(struct scene *s, int64_t ms)
{
    for (int64_t until = clock_boot_ms() + ms; clock_boot_ms() < until; usleep(5000))
        loop_once(s->loop, false);
}

static void addresses_are_answered_without_asking(void **state)
{
    struct scene *s = *state;
    struct reply r = {0};
    assert_null(dns_resolve(s->dns, "127.9.8.7", on_done, &r));
    assert_string_equal(r.address, "127.9.8.7");
    assert_null(dns_resolve(s->dns, "::1", on_done, &r));
    assert_string_equal(r.address, "::1");
    assert_null(dns_resolve(s->dns, "LocalHost", on_done, &r));
    assert_string_equal(r.address, "127.0.0.1");
    assert_int_equal(r.calls, 3);
    assert_int_equal(atomic_load(&s->asked), 0);
    assert_null(dns_literal("akig.com"));
}

static void a_name_is_asked_for_and_remembered_for_its_ttl(void **state)
{
    struct scene *s = *state;
    assert_string_equal(ask(s, "db.akig.test").address, "10.0.0.7");
    assert_int_equal(atomic_load(&s->asked), 1);
    assert_string_equal(ask(s, "db.akig.test").address, "10.0.0.7");
    assert_int_equal(atomic_load(&s->asked), 1);
    atomic_store(&s->last_octet, 8);
    wait_ms(s, 1050);
    assert_string_equal(ask(s, "db.akig.test").address, "10.0.0.8"); /* a failover by DNS is seen */
}

static void a_denied_name_is_not_found_even_if_it_was_known(void **state)
{
    struct scene *s = *state;
    ask(s, "db.akig.test");
    atomic_store(&s->mood, NO_SUCH_NAME);
    wait_ms(s, 1050);
    struct reply r = ask(s, "db.akig.test");
    assert_string_equal(r.address, "");
    assert_int_equal(r.err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(r.err.message, "db.akig.test"));
    assert_true(r.err.hint[0]);
}

static void a_dead_resolver_gives_the_last_good_answer_in_time(void **state)
{
    struct scene *s = *state;
    const enum mood moods[] = {SILENCE, SERVER_FAILURE};
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&s->mood, ANSWER);
        ask(s, "db.akig.test");
        atomic_store(&s->mood, moods[i]);
        wait_ms(s, 1050);
        int64_t begun = clock_boot_ms();
        assert_string_equal(ask(s, "db.akig.test").address, "10.0.0.7");
        assert_true(clock_boot_ms() - begun < 900);
        begun = clock_boot_ms();
        struct reply r = ask(s, "never-heard-of.test");
        assert_string_equal(r.address, "");
        assert_true(r.err.code == ERR_TIMEOUT || r.err.code == ERR_UNAVAILABLE);
        assert_true(r.err.retryable);
        assert_true(clock_boot_ms() - begun < 900);
    }
    atomic_store(&s->mood, ANSWER); /* and it comes back */
    wait_ms(s, 1050);
    assert_string_equal(ask(s, "never-heard-of.test").address, "10.0.0.7");
}

static void a_cancelled_question_has_no_answer(void **state)
{
    struct scene *s = *state;
    struct reply r = {0}, open = {0};
    struct dns_query *q = dns_resolve(s->dns, "db.akig.test", on_done, &r);
    assert_non_null(q);
    dns_cancel(q);
    dns_cancel(NULL);
    wait_ms(s, 100);
    assert_int_equal(r.calls, 0);
    atomic_store(&s->mood, SILENCE);
    dns_resolve(s->dns, "other.test", on_done, &open); /* open when the resolver is closed */
}

static void a_question_may_be_asked_from_an_answer(void **state)
{
    struct scene *s = *state;
    struct reply second = {0}, first = {.then_ask = s, .then = &second};
    dns_resolve(s->dns, "db.akig.test", on_done, &first);
    while (!second.calls)
        loop_once(s->loop, true);
    assert_int_equal(first.calls, 1);
    assert_string_equal(second.address, "10.0.0.7");
}

static void many_questions_are_open_at_once(void **state)
{
    struct scene *s = *state;
    struct reply r[50] = {0};
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%d.akig.test", i);
        dns_resolve(s->dns, name, on_done, &r[i]);
    }
    for (int i = 0; i < 50; i++) {
        while (!r[i].calls)
            loop_once(s->loop, true);
        assert_string_equal(r[i].address, "10.0.0.7");
    }
}

static void servers_that_are_none_are_refused(void **state)
{
    struct scene *s = *state;
    struct err err = {0};
    struct reply r = {0};
    assert_false(dns_use_servers(s->dns, "not an address", &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_null(dns_resolve(s->dns, "db.akig.test", on_done, &r));
    assert_int_equal(r.err.code, ERR_UNAVAILABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(addresses_are_answered_without_asking),
        TEST(a_name_is_asked_for_and_remembered_for_its_ttl),
        TEST(a_denied_name_is_not_found_even_if_it_was_known),
        TEST(a_dead_resolver_gives_the_last_good_answer_in_time),
        TEST(a_cancelled_question_has_no_answer),
        TEST(a_question_may_be_asked_from_an_answer),
        TEST(many_questions_are_open_at_once),
        TEST(servers_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
