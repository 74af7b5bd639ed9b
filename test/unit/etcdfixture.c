/* test/unit/etcdfixture.c -- Debian's etcd-server, one process a member. */
#include "etcdfixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ETCD "/usr/bin/etcd"

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "etcdfixture: %s: %s\n", what, detail);
    exit(99);
}

static pid_t spawn(const char *const *argv, const char *log)
{
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        die("fork", strerror(errno));
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashed leaves no server behind */
    if (getppid() != parent)
        _exit(126);
    int null = open("/dev/null", O_RDWR), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(null, 0);
    dup2(out, 1);
    dup2(out, 2);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void print_file(const char *path)
{
    char line[4096];
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        fputs(line, stderr);
    if (f)
        fclose(f);
}

/* ---- addresses ---- */

/* Two ports that are free now, on a random loopback address, which nobody else will guess. */
static void choose_address(struct etcd_fixture *f, int i)
{
    unsigned char r[3];
    int fds[2], ports[2] = {0};
    if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
        die("getrandom", strerror(errno));
    snprintf(f->member[i].address, sizeof(f->member[i].address), "127.%d.%d.%d", 1 + r[0] % 254, r[1], 1 + r[2] % 254);
    for (int k = 0; k < 2; k++) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        socklen_t size = sizeof(a);
        inet_pton(AF_INET, f->member[i].address, &a.sin_addr);
        fds[k] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(fds[k], (struct sockaddr *)&a, size) || getsockname(fds[k], (struct sockaddr *)&a, &size))
            die("bind", strerror(errno));
        ports[k] = ntohs(a.sin_port);
    }
    close(fds[0]);
    close(fds[1]);
    f->member[i].client_port = ports[0];
    f->member[i].peer_port = ports[1];
    snprintf(f->member[i].url, sizeof(f->member[i].url), "%s://%s:%d", f->tls ? "https" : "http", f->member[i].address, ports[0]);
    f->urls[i] = f->member[i].url;
}

/* ---- certificates ---- */

static void openssl(const struct etcd_fixture *f, const char *const *argv)
{
    char log[160];
    int status = 0;
    snprintf(log, sizeof(log), "%s/openssl.log", f->folder);
    pid_t child = spawn(argv, log);
    if (waitpid(child, &status, 0) != child || status) {
        print_file(log);
        die("openssl", "failed");
    }
}

/* An authority when `by` is NULL, else signed by that one. */
static void make_certificate(const struct etcd_fixture *f, const char *name, const char *by, const char *names)
{
    char key[160], pem[160], subject[64], san[256], ca[160], ca_key[160];
    snprintf(key, sizeof(key), "%s/%s.key", f->folder, name);
    snprintf(pem, sizeof(pem), "%s/%s.pem", f->folder, name);
    snprintf(subject, sizeof(subject), "/%s=%s", strcmp(name, "client") ? "CN" : "O", name); /* etcd with users wants no names of clients */
    snprintf(san, sizeof(san), "subjectAltName=%s", names);
    snprintf(ca, sizeof(ca), "%s/%s.pem", f->folder, by ? by : name);
    snprintf(ca_key, sizeof(ca_key), "%s/%s.key", f->folder, by ? by : name);
    const char *const own[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                               "-keyout", key, "-out", pem, "-subj", subject, NULL};
    const char *const leaf[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                                "-keyout", key, "-out", pem, "-subj", subject, "-CA", ca, "-CAkey", ca_key, "-addext", san,
                                "-addext", "basicConstraints=critical,CA:FALSE", NULL};
    openssl(f, by ? leaf : own);
}

static void make_certificates(const struct etcd_fixture *f)
{
    char names[160] = "IP:127.0.0.1";
    for (int i = 0; i < f->members; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), ",IP:%s", f->member[i].address);
    make_certificate(f, "ca", NULL, NULL);
    make_certificate(f, "server", "ca", names);
    make_certificate(f, "client", "ca", "DNS:client");
    make_certificate(f, "named", "ca", "DNS:named");
    make_certificate(f, "other-ca", NULL, NULL);
    make_certificate(f, "stranger", "other-ca", "DNS:stranger");
}

/* ---- members ---- */

void etcd_fixture_start(struct etcd_fixture *f, int i)
{
    const char *scheme = f->tls ? "https" : "http";
    char data[160], log[160], peer[64], name[8], cluster[320] = "", ca[160], cert[160], key[160];
    snprintf(name, sizeof(name), "m%d", i);
    snprintf(data, sizeof(data), "%s/m%d", f->folder, i);
    snprintf(log, sizeof(log), "%s/m%d.log", f->folder, i);
    snprintf(peer, sizeof(peer), "http://%s:%d", f->member[i].address, f->member[i].peer_port);
    for (int k = 0; k < f->members; k++)
        snprintf(cluster + strlen(cluster), sizeof(cluster) - strlen(cluster), "%sm%d=http://%s:%d", k ? "," : "", k, f->member[k].address, f->member[k].peer_port);
    snprintf(ca, sizeof(ca), "%s/ca.pem", f->folder);
    snprintf(cert, sizeof(cert), "%s/server.pem", f->folder);
    snprintf(key, sizeof(key), "%s/server.key", f->folder);
    const char *argv[40] = {ETCD, "--name", name, "--data-dir", data, "--listen-client-urls", f->member[i].url, "--advertise-client-urls", f->member[i].url,
                            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster, "--initial-cluster-state", "new",
                            "--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap", "--log-level", "error"};
    const char *const tls[] = {"--client-cert-auth", "--trusted-ca-file", ca, "--cert-file", cert, "--key-file", key, NULL};
    size_t n = 0;
    while (argv[n])
        n++;
    for (size_t k = 0; !strcmp(scheme, "https") && tls[k]; k++)
        argv[n++] = tls[k];
    f->member[i].pid = spawn(argv, log);
}

struct etcd_fixture *etcd_fixture_new(int members, bool tls)
{
    struct etcd_fixture *f = calloc(1, sizeof(*f));
    const char *tmp = getenv("TMPDIR");
    if (!f)
        abort();
    if (access(ETCD, X_OK))
        die(ETCD, "is not there: the package is etcd-server");
    f->members = members;
    f->tls = tls;
    snprintf(f->folder, sizeof(f->folder), "%s/bascule-etcd.XXXXXX", tmp && strlen(tmp) < 60 ? tmp : "/tmp");
    if (!mkdtemp(f->folder))
        die("mkdtemp", strerror(errno));
    for (int i = 0; i < members; i++)
        choose_address(f, i);
    if (tls)
        make_certificates(f);
    for (int i = 0; i < members; i++)
        etcd_fixture_start(f, i);
    return f;
}

void etcd_fixture_kill(struct etcd_fixture *f, int i)
{
    if (f->member[i].pid <= 0)
        return;
    kill(f->member[i].pid, SIGKILL);
    int status = 0;
    while (waitpid(f->member[i].pid, &status, 0) < 0 && errno == EINTR)
        ;
    f->member[i].pid = 0;
    if (WIFEXITED(status)) { /* it was not us */
        char log[160];
        snprintf(log, sizeof(log), "%s/m%d.log", f->folder, i);
        print_file(log);
        die("etcd", "ended by itself");
    }
}

void etcd_fixture_freeze(struct etcd_fixture *f, int i)
{
    int status;
    if (kill(f->member[i].pid, SIGSTOP) || waitpid(f->member[i].pid, &status, WUNTRACED) != f->member[i].pid)
        die("freeze", strerror(errno));
}

void etcd_fixture_thaw(struct etcd_fixture *f, int i)
{
    if (kill(f->member[i].pid, SIGCONT))
        die("thaw", strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void etcd_fixture_free(struct etcd_fixture **f)
{
    if (!f || !*f)
        return;
    for (int i = 0; i < (*f)->members; i++)
        etcd_fixture_kill(*f, i);
    nftw((*f)->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(*f);
    *f = NULL;
}
