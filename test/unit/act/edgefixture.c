/* test/unit/act/edgefixture.c -- One nginx with three servers: two sites and the edge. */
#include "edgefixture.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/host.h"
#include "act/pids.h"
#include "act/traffic/traffic.h"
#include "sys/file.h"

static void die(const char *what)
{
    fprintf(stderr, "edgefixture: %s\n", what);
    exit(99);
}

static const char *const names[2] = {"production", "dr"};

void edge_fixture_answer(struct edge_fixture *f, int i, int status, const char *body)
{
    fixture_write(arena_printf(f->arena, "%s/answer-%d.conf", f->folder, i), 0644, "return %d '%s';\n", status, body);
}

void edge_fixture_reload(struct edge_fixture *f)
{
    kill(f->pid, SIGHUP);
}

static void write_conf(struct edge_fixture *f)
{
    fixture_write(f->conf, 0644,
                  "daemon off;\nmaster_process on;\nworker_processes 1;\npid %s/pid;\nerror_log %s/error.log warn;\n"
                  "events { worker_connections 64; }\nhttp {\n access_log off;\n default_type application/json;\n"
                  " client_body_temp_path %s/t1; proxy_temp_path %s/t2; fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n"
                  " include %s;\n",
                  f->folder, f->folder, f->folder, f->folder, f->folder, f->folder, f->folder, f->include);
    FILE *conf = fopen(f->conf, "ae");
    if (!conf)
        die("nginx.conf");
    for (int i = 0; i < 2; i++)
        fprintf(conf,
                " server { listen %s:%d; add_header X-Served-By %s always;\n"
                "  location /api/broken { return 500 'broken'; }\n  location / { include %s/answer-%d.conf; } }\n",
                f->address, f->site_ports[i], names[i], f->folder, i);
    fprintf(conf, " server { listen %s:%d; location / { proxy_pass http://akig; proxy_connect_timeout 2s; } }\n}\n", f->address, f->edge_port);
    fclose(conf);
}

/* Ports on one address: each is free when it is asked for. */
static void choose_ports(struct edge_fixture *f)
{
    char other[32];
    fixture_choose_address(f->address, sizeof(f->address), &f->edge_port);
    for (int i = 0; i < 2; i++)
        do
            fixture_choose_address(other, sizeof(other), &f->site_ports[i]);
        while (f->site_ports[i] == f->edge_port || (i && f->site_ports[1] == f->site_ports[0]));
}

static void start(struct edge_fixture *f)
{
    f->pid = fork();
    if (f->pid == 0) {
        int fd = STDERR_FILENO;
        if (!freopen("/dev/null", "w", stdout) || dup2(STDOUT_FILENO, fd) < 0)
            _exit(126);
        execl("/usr/sbin/nginx", "nginx", "-p", f->folder, "-c", f->conf, "-e", "stderr", (char *)NULL);
        _exit(127);
    }
    fixture_await_port(f->address, f->edge_port, "nginx");
}

static const struct option *option_of(const struct traffic_ops *ops, const char *key)
{
    for (const struct option *o = ops->options; o->key; o++)
        if (same(o->key, key))
            return o;
    die(key);
    return NULL;
}

/* Filled through the driver's own table, as the configuration's reader does. */
static void *member(struct edge_fixture *f, const char *key)
{
    return (char *)f->options + option_of(traffic_driver("nginx"), key)->offset;
}

void edge_fixture_options(struct edge_fixture *f, const struct host *host, const char *const *test, const char *const *reload)
{
    const char *right_test[] = {"/usr/sbin/nginx", "-t", "-q", "-p", f->folder, "-c", f->conf, NULL};
    const char *right_reload[] = {"/usr/sbin/nginx", "-s", "reload", "-p", f->folder, "-c", f->conf, NULL};
    *(struct host *)member(f, "host") = host ? *host : (struct host){0};
    *(struct strs *)member(f, "test") = host_argv(f->arena, test ? test : right_test);
    *(struct strs *)member(f, "reload") = host_argv(f->arena, reload ? reload : right_reload);
}

static void describe_service(struct edge_fixture *f)
{
    struct arena *a = f->arena;
    static const char *const paths[] = {"/api/health", "/api/auth/test", "/api/contracts?limit=1"};
    for (int i = 0; i < 2; i++) {
        f->sites[i].name = names[i];
        f->sites[i].role = i ? SITE_DR : SITE_PRODUCTION;
        f->sites[i].application.upstream = arena_printf(a, "%s:%d", f->address, f->site_ports[i]);
        f->sites[i].application.url = arena_printf(a, "http://%s:%d", f->address, f->site_ports[i]);
    }
    for (int i = 0; i < 3; i++)
        f->endpoints[i] = (struct endpoint){.path = paths[i], .json = i ? NULL : "status=ok", .timeout_ms = 3000};
    const struct traffic_ops *nginx = traffic_driver("nginx");
    f->options = arena_alloc(a, nginx->options_size);
    *(const char **)member(f, "include") = f->include;
    *(const char **)member(f, "upstream") = "akig";
    edge_fixture_options(f, NULL, NULL, NULL);
    f->service = (struct service){
        .name = "akig",
        .public_url = arena_printf(a, "http://%s:%d", f->address, f->edge_port),
        .sites = {f->sites, 2, 2},
        .endpoints = {f->endpoints, 3, 3},
        .traffic = {.driver = "nginx", .options = f->options, .identify_json = "site", .identify_path = "/api/health"},
    };
    f->config = (struct config){.path = arena_printf(a, "%s/bascule.yaml", f->folder), .state_dir = arena_printf(a, "%s/state", f->folder),
                                .services = {&f->service, 1, 1}};
}

struct edge_fixture *edge_fixture_new(void)
{
    struct edge_fixture *f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    f->arena = arena_open();
    snprintf(f->folder, sizeof(f->folder), "/tmp/bascule-edge.XXXXXX");
    if (!mkdtemp(f->folder) || chmod(f->folder, 0755))
        die("mkdtemp");
    snprintf(f->include, sizeof(f->include), "%s/upstream.conf", f->folder);
    snprintf(f->conf, sizeof(f->conf), "%s/nginx.conf", f->folder);
    choose_ports(f);
    describe_service(f);
    for (int i = 0; i < 2; i++)
        edge_fixture_answer(f, i, 200, arena_printf(f->arena, "{\"status\":\"ok\",\"site\":\"%s\"}", names[i]));
    fixture_write(f->include, 0644, "# by hand\nupstream akig { server %s max_fails=0; } # server 9.9.9.9;\n", f->sites[0].application.upstream);
    write_conf(f);
    start(f);
    return f;
}

char *edge_fixture_include(struct edge_fixture *f)
{
    struct str text;
    return file_read(f->arena, f->include, 65536, &text, NULL) ? str_dup(f->arena, text) : arena_strdup(f->arena, "");
}

void edge_fixture_free(struct edge_fixture **fixture)
{
    struct edge_fixture *f = *fixture;
    if (!f)
        return;
    kill(f->pid, SIGTERM); /* a master that is killed would leave its workers */
    waitpid(f->pid, NULL, 0);
    fixture_remove(f->folder);
    arena_close(&f->arena);
    free(f);
    *fixture = NULL;
}
