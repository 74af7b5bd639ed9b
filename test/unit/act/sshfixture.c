/* test/unit/act/sshfixture.c -- ssh-keygen, sshd -D. */
#include "sshfixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/pids.h"
#include "sys/clock.h"

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "fixture: %s: %s\n", what, detail);
    exit(99);
}

static pid_t spawn(const char *const *argv)
{
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that crashed leaves no server behind */
    if (getppid() != parent)
        _exit(126);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    closefrom(3);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

int fixture_run(const char *const *argv)
{
    int status = 0;
    pid_t child = spawn(argv);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void fixture_write(const char *path, unsigned mode, const char *fmt, ...)
{
    va_list args;
    FILE *f = fopen(path, "we");
    va_start(args, fmt);
    if (!f || vfprintf(f, fmt, args) < 0 || fclose(f) || chmod(path, mode))
        die(path, strerror(errno));
    va_end(args);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void fixture_remove(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fixture_choose_address(char *address, size_t size, int *ret_port)
{
    for (int i = 0; i < 50; i++) {
        unsigned char r[3];
        if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
            continue;
        snprintf(address, size, "127.%d.%d.%d", 1 + r[0] % 254, r[1], 1 + r[2] % 254);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in a = {.sin_family = AF_INET};
        socklen_t n = sizeof(a);
        inet_pton(AF_INET, address, &a.sin_addr);
        bool bound = !bind(fd, (struct sockaddr *)&a, n) && !getsockname(fd, (struct sockaddr *)&a, &n);
        close(fd);
        *ret_port = ntohs(a.sin_port);
        if (bound)
            return;
    }
    die("address", "no free loopback address");
}

void fixture_await_port(const char *address, int port, const char *what)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, address, &a.sin_addr);
    for (int64_t end = clock_boot_ms() + 15000; clock_boot_ms() < end; usleep(20 * 1000)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int status = connect(fd, (struct sockaddr *)&a, sizeof(a));
        close(fd);
        if (status == 0)
            return;
    }
    die(what, "did not come up");
}

void ssh_fixture_start(struct ssh_fixture *f)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/sshd_config", f->folder);
    const char *argv[] = {"/usr/sbin/sshd", "-D", "-f", path, NULL};
    f->pid = spawn(argv);
    fixture_await_port(f->address, f->port, "sshd");
}

static void make_keys(struct ssh_fixture *f)
{
    char host_key[128], cmd[128];
    snprintf(host_key, sizeof(host_key), "%s/host_key", f->folder);
    const char *one[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host_key, NULL};
    const char *two[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f->identity, NULL};
    if (fixture_run(one) != 0 || fixture_run(two) != 0)
        die("ssh-keygen", "failed");
    snprintf(cmd, sizeof(cmd), "%s/host_key.pub", f->folder);
    char type[64], key[512];
    FILE *pub = fopen(cmd, "re");
    if (!pub || fscanf(pub, "%63s %511s", type, key) != 2)
        die(cmd, "cannot be read");
    fclose(pub);
    fixture_write(f->known_hosts, 0600, "[%s]:%d %s %s\n", f->address, f->port, type, key);
}

struct ssh_fixture *ssh_fixture_new(void)
{
    struct ssh_fixture *f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    const struct passwd *me = getpwuid(geteuid());
    snprintf(f->folder, sizeof(f->folder), "/tmp/bascule-ssh.XXXXXX");
    if (!me || !mkdtemp(f->folder))
        die("mkdtemp", strerror(errno));
    COPY_TO(f->user, me->pw_name);
    snprintf(f->control, sizeof(f->control), "%s/c", f->folder);
    snprintf(f->identity, sizeof(f->identity), "%s/key", f->folder);
    snprintf(f->known_hosts, sizeof(f->known_hosts), "%s/known", f->folder);
    fixture_choose_address(f->address, sizeof(f->address), &f->port);
    make_keys(f);
    char path[128];
    snprintf(path, sizeof(path), "%s/sshd_config", f->folder);
    fixture_write(path, 0600,
                  "ListenAddress %s\nPort %d\nHostKey %s/host_key\nAuthorizedKeysFile %s.pub\nPidFile none\nStrictModes no\nUsePAM no\n"
                  "PasswordAuthentication no\nPermitRootLogin yes\nLogLevel QUIET\nMaxStartups 100\n",
                  f->address, f->port, f->folder, f->identity);
    if (geteuid() == 0 && mkdir("/run/sshd", 0755) != 0 && errno != EEXIST)
        die("/run/sshd", strerror(errno));
    f->host = (struct host){.address = f->address, .port = f->port, .user = f->user, .identity = f->identity, .known_hosts = f->known_hosts};
    ssh_fixture_start(f);
    return f;
}

void ssh_fixture_stop(struct ssh_fixture *f)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct pids family = {0};
    if (!f->pid)
        return;
    /* Shared connections are sessions too: their masters end when the server's side is gone. */
    pids_tree(a, f->pid, &family);
    pids_kill(&family, SIGKILL);
    waitpid(f->pid, NULL, 0);
    f->pid = 0;
}

void ssh_fixture_free(struct ssh_fixture **fixture)
{
    if (!*fixture)
        return;
    ssh_fixture_stop(*fixture);
    fixture_remove((*fixture)->folder);
    free(*fixture);
    *fixture = NULL;
}
