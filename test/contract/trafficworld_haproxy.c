/* trafficworld_haproxy.c -- Debian's HAProxy with two servers, asked through its own socket and through one that misbehaves. */
#include "trafficworld.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/sock.h"
#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"

static char *admin_of(struct world *w)
{
    return arena_printf(w->arena, "%s/admin.sock", w->folder);
}

static char *raw(struct world *w, const char *command)
{
    SCOPED(buf_done) struct buf out = {.max = 65536};
    struct err err = {0};
    /* one that has just been started takes users a moment before it takes orders */
    for (int64_t end = clock_boot_ms() + 3000; !sock_ask(admin_of(w), arena_printf(w->arena, "%s\n", command), 3000, &out, &err);)
        if (clock_boot_ms() > end)
            fail_msg("%s: %s", command, err.message);
    return arena_strdup(w->arena, buf_text(&out));
}

static void haproxy_open(struct world *w)
{
    const char *conf = arena_printf(w->arena, "%s/haproxy.cfg", w->folder);
    int ports[2];
    w->server_port = world_port(w);
    for (int i = 0; i < 2; i++) {
        ports[i] = world_port(w);
        world_serve_name(w, w->address, ports[i], NULL, w->sites[i].name);
    }
    fixture_write(conf, 0644,
                  "global\n stats socket %s mode 600 level admin\n server-state-file %s/state.haproxy\n maxconn 200\n"
                  "defaults\n mode tcp\n timeout connect 2s\n timeout client 60s\n timeout server 60s\n load-server-state-from-file global\n"
                  "frontend public\n bind %s:%d\n default_backend akig\n"
                  "backend akig\n server production %s:%d check inter 300ms\n server dr %s:%d check inter 300ms disabled\n"
                  "backend other\n server unused 127.0.0.1:9 disabled\n",
                  admin_of(w), w->folder, w->address, w->server_port, w->address, ports[0], w->address, ports[1]);
    w->server_argv = arena_dup(w->arena, (const char *[]){"/usr/sbin/haproxy", "-db", "-f", conf, NULL}, 5 * sizeof(char *));
    world_start(w);
    raw(w, "show info");
    w->service.public_url = arena_printf(w->arena, "http://%s:%d", w->address, w->server_port);
    *(struct strs *)world_option(w, "address") = world_words(w, admin_of(w), NULL);
    *(struct strs *)world_option(w, "backend") = world_words(w, "akig", NULL);
    *(struct strs *)world_option(w, "client") = world_words(w, "socat", "-t", "5", "-", NULL);
}

/* "production=0 dr=1": who is in maintenance, by name and administrative state. */
static char *haproxy_state(struct world *w)
{
    struct str rest = str_of(raw(w, "show servers state akig")), line;
    char *state = arena_strdup(w->arena, "");
    while (str_next(&rest, '\n', &line)) {
        char name[64];
        int op, admin;
        if (sscanf(str_dup(w->arena, line), "%*d akig %*d %63s %*s %d %d", name, &op, &admin) == 3)
            state = arena_printf(w->arena, "%s%s=%d ", state, name, admin & 1);
    }
    return state;
}

const struct world_kind world_haproxy = {"haproxy", "haproxy", haproxy_open, NULL, haproxy_state};

/* A session that stays: the site that answered is read, then nothing comes. */
static int long_session(struct world *w, const char *site)
{
    static const char request[] = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
    SCOPED(buf_done) struct buf got = {.max = 65536};
    struct err err = {0};
    bool ended = false;
    int fd;
    int64_t deadline = clock_boot_ms() + 5000;
    if (!sock_open(arena_printf(w->arena, "%s:%d", w->address, w->server_port), false, deadline, &fd, &err) ||
        !sock_send(fd, request, strlen(request), deadline, &err))
        fail_msg("%s", err.message);
    while (!strstr(buf_text(&got), "}\n"))
        if (!sock_receive(fd, &got, deadline, &ended, &err) || ended)
            fail_msg("long session: %s", err.message);
    assert_non_null(strstr(buf_text(&got), arena_printf(w->arena, "\"%s\"", site)));
    return fd;
}

static bool is_cut(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;
    return poll(&p, 1, wait_ms) > 0 && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static void sessions_of_the_old_server_are_cut(struct world *w)
{
    int old = long_session(w, "production");
    assert_false(is_cut(old, 200));
    world_must(w, "switch", "dr");
    assert_true(is_cut(old, 1000));
    int new = long_session(w, "dr");
    world_must(w, "undo", NULL);
    assert_true(is_cut(new, 1000));
    close(old);
    close(new);
}

static void a_state_file_keeps_it_over_a_restart(struct world *w)
{
    *(const char **)world_option(w, "state_file") = arena_printf(w->arena, "%s/state.haproxy", w->folder);
    world_must(w, "switch", "dr");
    world_stop(w);
    world_start(w);
    assert_string_equal(haproxy_state(w), "production=1 dr=0 ");
    world_served_by(w, "dr");
    world_must(w, "undo", NULL);
    world_stop(w);
    world_start(w);
    world_served_by(w, "production");
    *(const char **)world_option(w, "state_file") = arena_printf(w->arena, "%s/no/such/folder", w->folder);
    struct err err;
    assert_false(world_act(w, "switch", "dr", &err)); /* what a reload would forget did not succeed */
    assert_non_null(strstr(err.message, "for a reload"));
    assert_string_equal(haproxy_state(w), "production=0 dr=1 ");
}

static void without_a_state_file_a_dry_run_says_so(struct world *w)
{
    SCOPED(buf_done) struct buf out = {.max = 65536};
    struct err err = {0};
    assert_true(traffic_driver("haproxy")->describe(&w->ctx, &w->sites[1], &out, &err));
    const char *first = strstr(buf_text(&out), "set server akig/production state maint"), *second = strstr(buf_text(&out), "set server akig/dr state ready");
    assert_true(first && second && first < second); /* the old one goes out first */
    assert_non_null(strstr(buf_text(&out), "a reload of HAProxy forgets it"));
}

/* ---- sockets that misbehave ---- */

enum manner { JUNK, SILENT, CLOSES, DENIES, RELAYS };

static void relay(struct world *w, int client, const char *line)
{
    SCOPED(buf_done) struct buf answer = {.max = 65536};
    if (sock_ask(admin_of(w), line, 3000, &answer, NULL) && write(client, buf_text(&answer), answer.n) < 0)
        return;
}

/* Listens at fake.sock; the first `good` commands reach HAProxy, the rest meet the manner. */
static pid_t misbehave(struct world *w, enum manner manner, int good)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    COPY_TO(a.sun_path, arena_printf(w->arena, "%s/fake.sock", w->folder));
    unlink(a.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 16), 0);
    pid_t child = fork();
    if (child) {
        close(fd);
        *(struct strs *)world_option(w, "address") = world_words(w, arena_strdup(w->arena, a.sun_path), NULL);
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0;; i++) {
        char line[1024];
        int client = accept(fd, NULL, NULL);
        ssize_t n = read(client, line, sizeof(line) - 1);
        if (n <= 0)
            continue;
        line[n] = 0;
        if (i < good)
            relay(w, client, line);
        else if (manner == SILENT)
            continue; /* left open */
        else if (manner == JUNK)
            (void)!write(client, "220 mail.akig.com ESMTP\r\n\x01\xff", 28);
        else if (manner == DENIES)
            (void)!write(client, "Permission denied\n\n", 19);
        close(client);
    }
}

static void behave(struct world *w, pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    *(struct strs *)world_option(w, "address") = world_words(w, admin_of(w), NULL);
}

static void a_socket_that_answers_wrongly_is_said_in_clear_words(struct world *w)
{
    static const struct {
        enum manner manner;
        const char *says;
        enum err_code code;
    } cases[] = {
        {JUNK, "does not speak like HAProxy's runtime API: \"220 mail.akig.com", ERR_PROTOCOL},
        {SILENT, "no answer in time", ERR_TIMEOUT},
        {CLOSES, "does not speak like HAProxy's runtime API", ERR_PROTOCOL},
        {DENIES, "Permission denied", ERR_PERMISSION},
    };
    struct err err;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pid_t fake = misbehave(w, cases[i].manner, 0);
        int64_t began = clock_boot_ms();
        assert_false(world_act(w, "switch", "dr", &err));
        assert_true(clock_boot_ms() - began < 8000);
        if (err.code != cases[i].code || !strstr(err.message, cases[i].says))
            fail_msg("case %zu: %s: %s", i, err_code_name(err.code), err.message);
        behave(w, fake);
        assert_string_equal(haproxy_state(w), "production=0 dr=1 ");
    }
    *(struct strs *)world_option(w, "address") = world_words(w, "/nonexistent/admin.sock", NULL);
    assert_false(world_act(w, "switch", "dr", &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void a_socket_that_goes_in_between_leaves_no_two_sites(struct world *w)
{
    for (int good = 0; good < 12; good++)
        for (int manner = JUNK; manner <= CLOSES; manner += CLOSES - JUNK) { /* junk after an order, or nothing */
            struct err err;
            pid_t fake = misbehave(w, (enum manner)manner, good);
            bool ok = world_act(w, "switch", "dr", &err);
            behave(w, fake);
            const char *now = haproxy_state(w);
            if (same(now, "production=0 dr=0 "))
                fail_msg("after %d commands both sites take users", good);
            if (ok && !same(now, "production=1 dr=0 "))
                fail_msg("after %d commands: a switch that was no switch: %s", good, now);
            world_must(w, "switch", "dr");
            world_must(w, "undo", NULL);
            assert_string_equal(haproxy_state(w), "production=0 dr=1 ");
        }
}

static void an_operator_without_the_right_is_told_what_to_write(struct world *w)
{
    struct err err;
    pid_t fake = misbehave(w, DENIES, 1); /* looking is allowed */
    assert_false(world_act(w, "switch", "dr", &err));
    behave(w, fake);
    if (!strstr(err.message, "Permission denied"))
        fail_msg("%s", err.message);
}

static void it_works_over_ssh_too(struct world *w)
{
    struct ssh_fixture *ssh = ssh_fixture_new();
    w->ctx.control_dir = ssh->control;
    assert_true(ssh_prepare(ssh->control, NULL));
    *(struct host *)world_option(w, "host") = ssh->host;
    *(const char **)world_option(w, "state_file") = arena_printf(w->arena, "%s/state.haproxy", w->folder);
    world_must(w, "switch", "dr");
    world_served_by(w, "dr");
    world_must(w, "undo", NULL);
    world_served_by(w, "production");
    ssh_fixture_stop(ssh);
    struct err err;
    assert_false(world_act(w, "switch", "dr", &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    ssh_fixture_free(&ssh);
}

static void both_sites_at_once_is_no_site(struct world *w)
{
    const struct site *site;
    struct err err = {0};
    raw(w, "set server akig/dr state ready");
    assert_false(traffic_driver("haproxy")->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    raw(w, "set server akig/dr state maint");
    raw(w, "set server akig/production state maint");
    err = (struct err){0};
    assert_false(traffic_driver("haproxy")->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    *(struct strs *)world_option(w, "backend") = world_words(w, "akig", "other", NULL);
    err = (struct err){0};
    assert_false(traffic_driver("haproxy")->read_back(&w->ctx, &site, &err));
    assert_non_null(strstr(err.message, "backend \"other\""));
    *(struct strs *)world_option(w, "backend") = world_words(w, "atlantis", NULL);
    assert_false(traffic_driver("haproxy")->read_back(&w->ctx, &site, &err));
    assert_non_null(strstr(err.message, "has no backend \"atlantis\""));
}

static void unusable_configurations_are_refused(struct world *w)
{
    const struct traffic_ops *d = traffic_driver("haproxy");
    static const char *const addresses[] = {"", "admin.sock", "haproxy.akig.com:9999", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000"};
    static const char *const backends[] = {"", "a b", "a;shutdown", "a\nb", "a/b"};
    struct err err = {0};
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        *(struct strs *)world_option(w, "address") = world_words(w, addresses[i], NULL);
        assert_false(d->valid(&w->service.traffic, &w->service, &err));
    }
    *(struct strs *)world_option(w, "address") = world_words(w, "[::1]:9999", NULL);
    assert_true(d->valid(&w->service.traffic, &w->service, &err));
    for (size_t i = 0; i < COUNT_OF(backends); i++) {
        *(struct strs *)world_option(w, "backend") = world_words(w, backends[i], NULL);
        assert_false(d->valid(&w->service.traffic, &w->service, &err));
        assert_int_equal(err.code, ERR_CONFIG);
    }
}

const struct world_test haproxy_tests[] = {
#define T(name) {#name, name}
    T(sessions_of_the_old_server_are_cut),
    T(a_state_file_keeps_it_over_a_restart),
    T(without_a_state_file_a_dry_run_says_so),
    T(a_socket_that_answers_wrongly_is_said_in_clear_words),
    T(a_socket_that_goes_in_between_leaves_no_two_sites),
    T(an_operator_without_the_right_is_told_what_to_write),
    T(it_works_over_ssh_too),
    T(both_sites_at_once_is_no_site),
    T(unusable_configurations_are_refused),
#undef T
    {NULL, NULL},
};
