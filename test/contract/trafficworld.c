/* trafficworld.c -- What all worlds share. */
#include "trafficworld.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/proc.h"

static void die(const char *what)
{
    fprintf(stderr, "traffic world: %s: %s\n", what, strerror(errno));
    exit(99);
}

/* ---- options, through the driver's own table ---- */

void *world_field(const struct option *table, void *element, const char *key)
{
    for (const struct option *o = table; o->key; o++)
        if (same(o->key, key))
            return (char *)element + o->offset;
    die(key);
    return NULL;
}

void *world_option(struct world *w, const char *key)
{
    return world_field(traffic_driver(w->kind->driver)->options, w->options, key);
}

void *world_list(struct world *w, const char *key, size_t count, const struct option **ret_table, size_t *ret_size)
{
    for (const struct option *o = traffic_driver(w->kind->driver)->options; o->key; o++)
        if (same(o->key, key)) {
            struct strs *list = (struct strs *)((char *)w->options + o->offset); /* every list has the same three members */
            list->p = arena_alloc(w->arena, o->size * count);
            list->n = list->cap = count;
            *ret_table = o->sub;
            *ret_size = o->size;
            return (void *)list->p;
        }
    die(key);
    return NULL;
}

struct strs world_words(struct world *w, const char *first, ...)
{
    struct strs ret = {0};
    va_list args;
    va_start(args, first);
    for (const char *word = first; word; word = va_arg(args, const char *))
        *vec_add(w->arena, &ret) = word;
    va_end(args);
    return ret;
}

/* ---- processes ---- */

static pid_t child_of(struct world *w)
{
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashed leaves nothing behind */
        if (getppid() != parent)
            _exit(126);
    }
    (void)w;
    return child;
}

void world_start(struct world *w)
{
    w->server = child_of(w);
    if (w->server == 0) {
        int log = open(arena_printf(w->arena, "%s/server.log", w->folder), O_WRONLY | O_CREAT | O_APPEND, 0666);
        int null = open("/dev/null", O_RDONLY);
        dup2(null, 0);
        dup2(log, 1);
        dup2(log, 2);
        closefrom(3);
        execvp(w->server_argv[0], (char *const *)(uintptr_t)w->server_argv);
        _exit(127);
    }
    fixture_await_port(w->address, w->server_port, w->server_argv[0]);
}

void world_stop(struct world *w)
{
    kill(w->server, SIGKILL);
    waitpid(w->server, NULL, 0);
    w->server = 0;
}

char *world_output(struct world *w, const char *const *argv)
{
    struct proc_spec spec = {.argv = argv, .inherit_env = true, .timeout_ms = 10 * MS_SECOND};
    struct proc_result result;
    struct err err = {0};
    if (!proc_run(w->arena, &spec, &result, &err))
        fail_msg("%s: %s", argv[0], err.message);
    if (!proc_ok(&result))
        fail_msg("%s: %s: %.*s", argv[0], result.why, (int)result.err.n, result.err.p);
    return str_dup(w->arena, result.out);
}

/* ---- sites ---- */

static void answer(struct world *w, int fd, world_who *who, void *arg)
{
    char request[4096], name[128] = "", body[256];
    size_t n = 0;
    while (n + 1 < sizeof(request)) {
        ssize_t got = read(fd, request + n, sizeof(request) - 1 - n);
        if (got <= 0)
            return;
        n += (size_t)got;
        request[n] = 0;
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    who(w, arg, name, sizeof(name));
    snprintf(body, sizeof(body), "{\"status\":\"%s\",\"site\":\"%s\"}", *name ? "ok" : "down", name);
    dprintf(fd, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Served-By: %s\r\nConnection: close\r\n", *name ? "200 OK" : "503 Down", name);
    if (strncmp(request, "GET /stream", strlen("GET /stream")) == 0) {
        dprintf(fd, "\r\n%s\n", body);
        while (read(fd, request, sizeof(request)) > 0) /* until the other side goes */
            ;
        return;
    }
    dprintf(fd, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

static void enter(const char *netns)
{
    char path[128];
    snprintf(path, sizeof(path), "/run/netns/%s", netns);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET))
        die(path);
    close(fd);
}

static void serve(struct world *w, int listener, world_who *who, void *arg)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        if (child_of(w) == 0) {
            close(listener);
            answer(w, fd, who, arg);
            _exit(0);
        }
        close(fd);
    }
}

void world_serve(struct world *w, const char *address, int port, const char *netns, world_who *who, void *arg)
{
    int ready[2];
    char byte = 0;
    if (pipe(ready))
        die("pipe");
    pid_t child = child_of(w);
    if (child == 0) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        int one = 1;
        inet_pton(AF_INET, address, &a.sin_addr);
        if (netns)
            enter(netns);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 64))
            die(address);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        close(ready[0]);
        close(ready[1]);
        serve(w, fd, who, arg);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        die("a site did not begin");
    close(ready[0]);
    w->children[w->child_count++] = child;
}

static void says_name(struct world *w, void *arg, char *to, size_t size)
{
    const char *name = arg;
    if (!file_exists(arena_printf(w->arena, "%s/%s.down", w->folder, name)))
        str_copy(to, size, name);
}

void world_serve_name(struct world *w, const char *address, int port, const char *netns, const char *name)
{
    world_serve(w, address, port, netns, says_name, (void *)(uintptr_t)name);
}

int world_port(struct world *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof(a);
    inet_pton(AF_INET, w->address, &a.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, n) || getsockname(fd, (struct sockaddr *)&a, &n))
        die("no free port");
    close(fd);
    return ntohs(a.sin_port);
}

/* ---- a network of one's own ---- */

void world_own_network(struct world *w, const char *resolver)
{
    static bool done; /* one for the whole program: there is no way back out */
    char *conf = arena_printf(w->arena, "%s/resolv.conf", w->folder);
    const char *const up[] = {"ip", "link", "set", "lo", "up", NULL};
    if (!done) {
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
            die("a network of its own needs root");
        world_output(w, up);
        if (mount("none", "/run", "tmpfs", 0, NULL) || mkdir("/run/netns", 0755))
            die("/run");
    }
    done = true;
    if (!resolver)
        return;
    fixture_write(conf, 0644, "nameserver %s\noptions timeout:1 attempts:2\n", resolver);
    if (mount(conf, "/etc/resolv.conf", NULL, MS_BIND, NULL))
        die("/etc/resolv.conf");
}

/* ---- birth and death ---- */

struct world *world_new(const struct world_kind *kind)
{
    struct world *w = calloc(1, sizeof(*w));
    int port;
    if (!w)
        abort();
    w->kind = kind;
    w->arena = arena_open();
    snprintf(w->folder, sizeof(w->folder), "/tmp/bascule-traffic.XXXXXX");
    if (!mkdtemp(w->folder) || chmod(w->folder, 0755))
        die("mkdtemp");
    fixture_choose_address(w->address, sizeof(w->address), &port);
    w->options = arena_alloc(w->arena, traffic_driver(kind->driver)->options_size);
    w->sites[0] = (struct site){.name = "production", .role = SITE_PRODUCTION};
    w->sites[1] = (struct site){.name = "dr", .role = SITE_DR};
    w->service = (struct service){
        .name = "akig",
        .sites = {w->sites, 2, 2},
        .traffic = {.driver = kind->driver, .options = w->options, .identify_json = "site", .identify_path = "/api/health"},
    };
    w->config = (struct config){.path = arena_printf(w->arena, "%s/bascule.yaml", w->folder),
                                .state_dir = arena_printf(w->arena, "%s/state", w->folder), .services = {&w->service, 1, 1}};
    w->ctx = (struct action_ctx){
        .arena = w->arena,
        .config = &w->config,
        .service = &w->service,
        .state_dir = w->config.state_dir,
        .control_dir = "/tmp/bascule-no-ssh",
        .report = report_quiet(),
        .run = "manual",
    };
    w->traffic = action_find("traffic");
    kind->open(w);
    struct err err = {0};
    if (!traffic_driver(kind->driver)->valid(&w->service.traffic, &w->service, &err)) {
        fprintf(stderr, "traffic world %s: %s (%s)\n", kind->name, err.message, err.hint);
        exit(99);
    }
    return w;
}

void world_free(struct world **world)
{
    struct world *w = *world;
    if (w->kind->close)
        w->kind->close(w);
    if (w->server)
        world_stop(w);
    for (size_t i = 0; i < w->child_count; i++) {
        kill(w->children[i], SIGKILL);
        waitpid(w->children[i], NULL, 0);
    }
    umount2("/etc/resolv.conf", MNT_DETACH); /* where it was laid over: else this says so and does nothing */
    report_close(&w->ctx.report);
    fixture_remove(w->folder);
    arena_close(&w->arena);
    free(w);
    *world = NULL;
}

/* ---- acting ---- */

static void set_args(struct world *w, const char *verb, const char *site)
{
    w->ctx.args = world_words(w, verb, site, NULL);
    w->ctx.started_ms = clock_boot_ms();
}

bool world_act(struct world *w, const char *verb, const char *site, struct err *err)
{
    enum outcome outcome = OUTCOME_FAILURE;
    char text[MODEL_TEXT_SIZE] = "";
    set_args(w, verb, site);
    *err = (struct err){0};
    if (!action_valid(w->traffic, &w->ctx, err) || !w->traffic->run(&w->ctx, &outcome, text, err))
        return false;
    assert_int_equal(outcome, OUTCOME_SUCCESS);
    assert_true(*text);
    return true;
}

void world_must(struct world *w, const char *verb, const char *site)
{
    struct err err;
    if (!world_act(w, verb, site, &err))
        fail_msg("%s: traffic %s %s: %s (%s)", w->kind->name, verb, site ? site : "", err.message, err.hint);
}

bool world_done(struct world *w, const char *verb, const char *site)
{
    char why[MODEL_TEXT_SIZE] = "";
    struct err err = {0};
    bool done;
    set_args(w, verb, site);
    if (!w->traffic->done_already(&w->ctx, &done, why, sizeof(why), &err))
        fail_msg("%s: %s", w->kind->name, err.message);
    return done;
}

void world_served_by(struct world *w, const char *site)
{
    int64_t deadline = clock_boot_ms() + 10 * MS_SECOND;
    const char *name = "";
    for (int in_a_row = 0; in_a_row < 3;) {
        struct err err = {0};
        if (!traffic_ask(&w->ctx, w->service.public_url, &name, &err))
            name = arena_printf(w->arena, "nobody: %s", err.message);
        in_a_row = same(name, site) ? in_a_row + 1 : 0;
        if (clock_boot_ms() > deadline)
            fail_msg("%s: served by \"%s\" instead of \"%s\"", w->kind->name, name, site);
    }
}
