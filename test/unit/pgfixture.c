/* test/unit/pgfixture.c -- initdb, start, kill and freeze a PostgreSQL by its process ids. */
#include "pgfixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIN "/usr/lib/postgresql/15/bin/"
enum { PROCESSES_MAX = 128 };

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "pgfixture: %s: %s\n", what, detail);
    exit(99);
}

static struct passwd *server_user(void)
{
    struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (geteuid() == 0 && !user)
        die("user", "there is no user \"postgres\"");
    return user;
}

/* Runs as the server's user; output into `output` (a file, appended) or ours when NULL; `pipe_fd` as stdout when not -1. */
static pid_t spawn(const char *const *argv, const char *output, int pipe_fd)
{
    struct passwd *user = server_user();
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        die("fork", strerror(errno));
    if (child > 0)
        return child;
    if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid)))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT); /* a test that crashed leaves no server behind */
    if (getppid() != parent)
        _exit(126);
    int null = open("/dev/null", O_RDWR), out = output ? open(output, O_WRONLY | O_CREAT | O_APPEND, 0600) : pipe_fd;
    dup2(null, 0);
    if (out >= 0)
        dup2(out, 1);
    if (output && out >= 0)
        dup2(out, 2);
    setenv("LC_ALL", "C", 1);
    if (chdir("/"))
        _exit(126);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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

/* A free port on a random loopback address: bound once and released, which nobody else will guess. */
static void choose_address(struct pg_fixture *f)
{
    for (int i = 0; i < 50; i++) {
        unsigned char r[3];
        if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
            continue;
        snprintf(f->address, sizeof(f->address), "127.%d.%d.%d", 1 + r[0] % 254, r[1], 1 + r[2] % 254);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in a = {.sin_family = AF_INET};
        socklen_t size = sizeof(a);
        inet_pton(AF_INET, f->address, &a.sin_addr);
        bool bound = !bind(fd, (struct sockaddr *)&a, size) && !getsockname(fd, (struct sockaddr *)&a, &size);
        close(fd);
        f->port = ntohs(a.sin_port);
        if (bound)
            return;
    }
    die("address", "no free loopback address");
}

static void make_cluster(struct pg_fixture *f)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(f->folder, sizeof(f->folder), "%s/bascule-pg.XXXXXX", tmp && strlen(tmp) < 90 ? tmp : "/tmp");
    if (!mkdtemp(f->folder))
        die("mkdtemp", strerror(errno));
    snprintf(f->data, sizeof(f->data), "%s/data", f->folder);
    snprintf(f->socket_dir, sizeof(f->socket_dir), "%s", f->folder);
    struct passwd *user = server_user();
    if (user && chown(f->folder, user->pw_uid, user->pw_gid))
        die("chown", strerror(errno));
    char log[192];
    snprintf(log, sizeof(log), "%s/initdb.log", f->folder);
    const char *const argv[] = {BIN "initdb", "-D", f->data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
                                "--locale=C", "--no-sync", "--no-instructions", NULL};
    if (wait_for(spawn(argv, log, -1)) != 0) {
        print_file(log);
        die("initdb", "failed");
    }
    char line[512];
    snprintf(line, sizeof(line), "listen_addresses = '%s'\nport = %d\nunix_socket_directories = '%s'", f->address, f->port, f->socket_dir);
    pg_fixture_configure(f, line);
    pg_fixture_configure(f, "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nshared_buffers = 16MB\nmax_connections = 20");
    pg_fixture_configure(f, "autovacuum = off\nmax_wal_size = 128MB\nlog_min_messages = warning\nmax_worker_processes = 0");
}

void pg_fixture_configure(struct pg_fixture *f, const char *line)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/postgresql.conf", f->data);
    FILE *conf = fopen(path, "ae");
    if (!conf || fprintf(conf, "%s\n", line) < 0 || fclose(conf))
        die("postgresql.conf", strerror(errno));
}

struct pg_fixture *pg_fixture_new(void)
{
    struct pg_fixture *f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    choose_address(f);
    make_cluster(f);
    f->target = (struct pgtarget){.host = f->address, .port = f->port, .dbname = "postgres", .user = "postgres", .sslmode = "prefer"};
    pg_fixture_start(f);
    return f;
}

void pg_fixture_launch(struct pg_fixture *f)
{
    char log[192];
    snprintf(log, sizeof(log), "%s/server.log", f->folder);
    const char *const argv[] = {BIN "postgres", "-D", f->data, NULL};
    f->pid = spawn(argv, log, -1);
}

void pg_fixture_start(struct pg_fixture *f)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", f->port);
    pg_fixture_launch(f);
    const char *const argv[] = {BIN "pg_isready", "-q", "-h", f->socket_dir, "-p", port, "-t", "1", NULL};
    for (int i = 0; i < 1500; i++) {
        if (wait_for(spawn(argv, NULL, -1)) == 0)
            return;
        if (waitpid(f->pid, NULL, WNOHANG) == f->pid)
            break;
        usleep(20 * 1000); /* there is nothing to wait on: readiness can only be asked for */
    }
    char log[192];
    snprintf(log, sizeof(log), "%s/server.log", f->folder);
    print_file(log);
    die("start", "the server did not come up");
}

/* The parent of a process, from /proc; 0 when it is gone. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    const char *after = strrchr(text, ')'); /* the name may hold blanks and brackets */
    int parent = 0;
    return after && sscanf(after + 1, " %*c %d", &parent) == 1 ? (pid_t)parent : 0;
}

/* The postmaster and its children. */
static size_t family(pid_t postmaster, pid_t pids[PROCESSES_MAX])
{
    size_t n = 0;
    pids[n++] = postmaster;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && n < PROCESSES_MAX && (e = readdir(proc));) {
        int64_t pid;
        if (str_int(str_of(e->d_name), &pid) && parent_of((pid_t)pid) == postmaster)
            pids[n++] = (pid_t)pid;
    }
    if (proc)
        closedir(proc);
    return n;
}

/* Postmaster first, so that it makes no more children meanwhile; twice, for those it made just before. */
static void signal_family(struct pg_fixture *f, int signal_number)
{
    pid_t pids[PROCESSES_MAX];
    if (!f->pid)
        return;
    kill(f->pid, signal_number);
    for (int round = 0; round < 2; round++) {
        size_t n = family(f->pid, pids);
        for (size_t i = 1; i < n; i++)
            kill(pids[i], signal_number);
    }
}

void pg_fixture_sigstop(struct pg_fixture *f)
{
    signal_family(f, SIGSTOP);
}

void pg_fixture_sigcont(struct pg_fixture *f)
{
    signal_family(f, SIGCONT);
}

void pg_fixture_stop(struct pg_fixture *f)
{
    if (!f->pid)
        return;
    kill(f->pid, SIGINT);
    wait_for(f->pid);
    f->pid = 0;
}

void pg_fixture_kill(struct pg_fixture *f)
{
    pid_t pids[PROCESSES_MAX];
    if (!f->pid)
        return;
    kill(f->pid, SIGSTOP); /* while it is frozen its children stay its children */
    size_t n = family(f->pid, pids);
    for (size_t i = 0; i < n; i++)
        kill(pids[i], SIGKILL);
    wait_for(f->pid);
    f->pid = 0;
}

void pg_fixture_free(struct pg_fixture **fixture)
{
    if (!fixture || !*fixture)
        return;
    pg_fixture_kill(*fixture);
    const char *const argv[] = {"/bin/rm", "-rf", (*fixture)->folder, NULL};
    wait_for(spawn(argv, NULL, -1));
    rmdir((*fixture)->folder); /* in a sticky /tmp its owner may have emptied it only */
    free(*fixture);
    *fixture = NULL;
}

char *pg_fixture_sql(struct pg_fixture *f, struct arena *arena, const char *dbname, const char *sql)
{
    char port[16];
    int ends[2];
    snprintf(port, sizeof(port), "%d", f->port);
    if (pipe2(ends, O_CLOEXEC))
        die("pipe", strerror(errno));
    const char *const argv[] = {BIN "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", f->socket_dir, "-p", port,
                                "-U", "postgres", "-d", dbname ? dbname : "postgres", "-c", sql, NULL};
    pid_t child = spawn(argv, NULL, ends[1]);
    close(ends[1]);
    SCOPED(buf_done) struct buf out = {.max = 16 << 20};
    char piece[4096];
    for (ssize_t n; (n = read(ends[0], piece, sizeof(piece))) > 0;)
        buf_add(&out, piece, (size_t)n);
    close(ends[0]);
    if (wait_for(child) != 0)
        die("psql failed", sql);
    while (out.n && out.p[out.n - 1] == '\n')
        out.p[--out.n] = 0;
    return arena_strdup(arena, buf_text(&out));
}
