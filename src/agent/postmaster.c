/* agent/postmaster.c -- A postmaster is known by the kernel's own word: a process that is the program postgres and stands in the data
   directory. Its pid file only says where to look first. Ends are learnt from pidfds, which a later process of the same number cannot fake. */
#include "agent/postmaster.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"

#include "base/banned.h"

enum { QUIT_MS = 100, LOOK_EVERY_MS = 2, WORDS_MAX = 32, PROCESSES_MAX = 4096, NAME_SIZE = 512 };

#define GRANDPARENT "PG_GRANDPARENT_PID="

struct postmaster {
    struct arena *arena;
    struct loop *loop;
    struct postmaster_spec spec;
    postmaster_ended_fn *ended;
    void *arg;
    pid_t pid;  /* 0: none is watched */
    int pidfd;
    bool child; /* we started it, and are told how it ended */
    struct loop_fd *watch;
};

/* ---- who is there ---- */

static bool is_program(const char *exe)
{
    const char *name = file_name_of(exe);
    /* After an upgrade the kernel adds " (deleted)". */
    return same(name, "postgres") || same(name, "postmaster") || same(name, "postgres (deleted)") || same(name, "postmaster (deleted)");
}

/* Does this process run the program postgres, in that directory? A zombie does not: it has neither any more. */
static bool stands_in(int pid, const struct stat *data)
{
    char path[64], exe[NAME_SIZE];
    struct stat cwd;
    snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
    if (stat(path, &cwd) != 0 || cwd.st_dev != data->st_dev || cwd.st_ino != data->st_ino)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/exe", pid);
    ssize_t n = readlink(path, exe, sizeof(exe) - 1);
    if (n <= 0)
        return false;
    exe[n] = 0;
    return is_program(exe);
}

/* What its pid file says, true or not; 0: nothing. */
static int number_in_file(const char *data)
{
    char path[NAME_SIZE], text[32];
    int64_t pid = 0;
    if ((size_t)snprintf(path, sizeof(path), "%s/postmaster.pid", data) >= sizeof(path))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    file_close(&fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    return str_int(str_of(text), &pid) && pid > 1 && pid < INT32_MAX ? (int)pid : 0;
}

int postmaster_of(const char *data)
{
    struct stat at;
    int pid = number_in_file(data);
    return pid && stat(data, &at) == 0 && stands_in(pid, &at) ? pid : 0;
}

/* The process that an old pid file names, where the kernel says that it is no server of this directory: a zombie that nobody reaps, or
   another program that has the number by now. PostgreSQL asks only whether there is such a process. 0: none, or it cannot be told. */
static int mistaken_for_postmaster(const char *data)
{
    struct stat at, cwd;
    char path[64];
    int pid = number_in_file(data);
    snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
    bool told = pid && stat(data, &at) == 0 && (stat(path, &cwd) == 0 || errno == ENOENT);
    return told && !stands_in(pid, &at) ? pid : 0;
}

static int processes_in(const struct stat *at, int *pids, int max)
{
    int n = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return -1;
    for (struct dirent *e; n < max && (e = readdir(proc));) {
        int64_t pid;
        if (isdigit((unsigned char)e->d_name[0]) && str_int(str_of(e->d_name), &pid) && stands_in((int)pid, at))
            pids[n++] = (int)pid;
    }
    closedir(proc);
    return n;
}

int postmaster_processes(const char *data, int *pids, int max)
{
    struct stat at;
    return stat(data, &at) == 0 ? processes_in(&at, pids, max) : -1;
}

/* ---- the end ---- */

static void wait_pidfd(int pidfd, int64_t ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int64_t until = clock_boot_ms() + ms;
    while (ms > 0 && poll(&p, 1, (int)ms) < 0 && errno == EINTR)
        ms = until - clock_boot_ms();
}

static bool has_ended(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* -1: it is not there any more. */
static int open_pidfd(int pid, const struct stat *at)
{
    int fd = pidfd_open(pid, 0);
    if (fd >= 0 && !stands_in(pid, at)) /* looked at after it was opened, so it is the same one */
        file_close(&fd);
    return fd;
}

bool postmaster_signal_child(const char *data, int pid, int signal_number, struct err *err)
{
    struct stat at;
    int fd SCOPED(file_close) = stat(data, &at) == 0 && pid > 1 ? open_pidfd(pid, &at) : -1;
    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "no process %d of PostgreSQL stands in \"%s\"", pid, data);
    if (pidfd_send_signal(fd, signal_number, NULL, 0) != 0)
        return err_os(err, errno, "could not send signal %d to process %d", signal_number, pid);
    return true;
}

static void kill_process(int pid, const struct stat *at)
{
    int fd = open_pidfd(pid, at);
    if (fd >= 0)
        (void)pidfd_send_signal(fd, SIGKILL, NULL, 0); /* gone already: as wanted */
    file_close(&fd);
}

/* The postmaster goes first, so that no process is made while the others are ended. */
static const char *end_postmaster(int pid, const struct stat *at, int64_t until_ms)
{
    const char *how = "SIGQUIT";
    int fd = open_pidfd(pid, at);
    if (fd < 0)
        return "nothing";
    (void)pidfd_send_signal(fd, SIGQUIT, NULL, 0);
    wait_pidfd(fd, MIN_OF(QUIT_MS, until_ms - clock_boot_ms()));
    if (!has_ended(fd)) { /* frozen, or waiting for children that are */
        how = "SIGKILL";
        (void)pidfd_send_signal(fd, SIGKILL, NULL, 0);
        wait_pidfd(fd, until_ms - clock_boot_ms());
    }
    file_close(&fd);
    return how;
}

/* How many are left; -1 when that cannot be told. */
static int end_others(const struct stat *at, int64_t until_ms)
{
    int *pids = calloc(PROCESSES_MAX, sizeof(*pids));
    if (!pids)
        abort();
    int n;
    while ((n = processes_in(at, pids, PROCESSES_MAX)) > 0) {
        for (int i = 0; i < n; i++)
            kill_process(pids[i], at);
        if (clock_boot_ms() >= until_ms)
            break;
        int fd = open_pidfd(pids[0], at);
        if (fd >= 0)
            wait_pidfd(fd, LOOK_EVERY_MS);
        file_close(&fd);
    }
    free(pids);
    return n;
}

bool postmaster_end_now(const char *data, int64_t budget_ms, char *evidence, size_t size, struct err *err)
{
    struct stat at;
    int64_t began = clock_boot_ms(), until = began + budget_ms;
    if (stat(data, &at) != 0)
        return err_os(err, errno, "could not look at data directory \"%s\"", data);
    int pid = postmaster_of(data);
    const char *how = pid ? end_postmaster(pid, &at, until) : "nothing";
    int left = end_others(&at, until);
    if (left < 0)
        return err_set(err, ERR_OS, "could not list the processes of this machine, so that PostgreSQL has ended is not proven");
    if (left > 0)
        return err_set(err, ERR_FAILED, "%d processes of PostgreSQL in \"%s\" do not end within %lld ms, though they were killed", left, data, (long long)budget_ms);
    if (pid)
        snprintf(evidence, size, "postmaster %d was ended by %s in %lld ms, and no process of PostgreSQL stands in %s", pid, how, (long long)(clock_boot_ms() - began), data);
    else
        snprintf(evidence, size, "no process of PostgreSQL stands in %s", data);
    return true;
}

/* ---- one that is watched ---- */

static void forget(struct postmaster *p)
{
    loop_fd_free(&p->watch);
    file_close(&p->pidfd);
    p->pid = 0;
}

static struct postmaster_end reap(const struct postmaster *p)
{
    struct postmaster_end end = {.exit_code = -1};
    int status;
    pid_t got = 0;
    if (p->child)
        do
            got = waitpid(p->pid, &status, WNOHANG);
        while (got < 0 && errno == EINTR);
    if (got != p->pid || got == 0)
        return end;
    end.known = true;
    if (WIFEXITED(status))
        end.exit_code = WEXITSTATUS(status);
    else
        end.signal = WTERMSIG(status);
    return end;
}

static void on_end(void *arg, int ready UNUSED)
{
    struct postmaster *p = arg;
    struct postmaster_end end = reap(p);
    forget(p);
    p->ended(p->arg, &end);
}

static bool watch(struct postmaster *p, pid_t pid, bool child, struct err *err)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0)
        return err_os(err, errno, "could not watch postmaster %d", (int)pid);
    p->pid = pid;
    p->pidfd = fd;
    p->child = child;
    p->watch = loop_fd_new(p->loop, fd, LOOP_READ, on_end, p);
    return true;
}

struct postmaster *postmaster_open(struct loop *loop, const struct postmaster_spec *spec, postmaster_ended_fn *ended, void *arg)
{
    struct arena *a = arena_open();
    struct postmaster *p = arena_new(a, struct postmaster);
    struct strs options = {0};
    for (const char *const *o = spec->options; o && *o; o++)
        *vec_add(a, &options) = arena_strdup(a, *o);
    *vec_add(a, &options) = NULL;
    *p = (struct postmaster){.arena = a, .loop = loop, .ended = ended, .arg = arg, .pidfd = -1};
    p->spec = (struct postmaster_spec){.data = arena_strdup(a, spec->data), .bindir = arena_strdup(a, spec->bindir), .run_as = arena_strdup(a, spec->run_as),
                                       .log = arena_strdup(a, spec->log), .options = options.p};
    return p;
}

void postmaster_close(struct postmaster **postmaster)
{
    if (!postmaster || !*postmaster)
        return;
    struct postmaster *p = TAKE(*postmaster);
    forget(p);
    struct arena *a = p->arena; /* p lives in it */
    arena_close(&a);
}

int postmaster_pid(const struct postmaster *p)
{
    return p->pid;
}

bool postmaster_find(struct postmaster *p, struct err *err)
{
    if (p->pid)
        return true;
    int pid = postmaster_of(p->spec.data);
    if (!pid)
        return err_set(err, ERR_NOT_FOUND, "no PostgreSQL runs in \"%s\"", p->spec.data);
    if (!watch(p, pid, false, err))
        return false;
    if (postmaster_of(p->spec.data) == pid)
        return true;
    forget(p); /* it ended, and its number may be another's by now */
    return err_set(err, ERR_NOT_FOUND, "the PostgreSQL in \"%s\" has just ended", p->spec.data);
}

bool postmaster_signal(const struct postmaster *p, int signal_number, struct err *err)
{
    if (!p->pid)
        return err_set(err, ERR_NOT_FOUND, "no PostgreSQL runs in \"%s\"", p->spec.data);
    if (pidfd_send_signal(p->pidfd, signal_number, NULL, 0) != 0)
        return err_os(err, errno, "could not send signal %d to postmaster %d", signal_number, (int)p->pid);
    return true;
}

/* ---- the start ---- */

struct start {
    const struct passwd *user; /* NULL: as we are */
    const char **argv, **envp;
    int log;
};

/* In the child: only what is safe after fork. The number of what failed goes through the pipe, which a successful exec closes. */
static void become(const struct postmaster *p, const struct start *s, int tell)
{
    sigset_t none;
    struct sigaction by_default = {.sa_handler = SIG_DFL}, ignored = {.sa_handler = SIG_IGN};
    for (int i = 1; i < NSIG; i++)
        (void)sigaction(i, &by_default, NULL); /* those that cannot be changed refuse */
    sigaction(SIGHUP, &ignored, NULL); /* a reload before it has a handler must not end it; it reads its files after that */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); /* libraries open sockets without: what we close must not live on in PostgreSQL */
    bool ok = setsid() >= 0 && null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(s->log >= 0 ? s->log : null, STDOUT_FILENO) >= 0 &&
              dup2(s->log >= 0 ? s->log : null, STDERR_FILENO) >= 0;
    if (ok && s->user)
        ok = setgroups(0, NULL) == 0 && initgroups(s->user->pw_name, s->user->pw_gid) == 0 && setgid(s->user->pw_gid) == 0 && setuid(s->user->pw_uid) == 0;
    if (ok && chdir(p->spec.data) == 0)
        execve(s->argv[0], (char *const *)(uintptr_t)s->argv, (char *const *)(uintptr_t)s->envp);
    int os = errno;
    (void)!write(tell, &os, sizeof(os));
    _exit(127);
}

static bool find_user(const struct postmaster *p, const struct passwd **ret, struct err *err)
{
    *ret = geteuid() == 0 && p->spec.run_as ? getpwnam(p->spec.run_as) : NULL;
    if (geteuid() == 0 && !*ret)
        return err_set(err, ERR_CONFIG, "PostgreSQL does not run as root, and there is no user \"%s\"", p->spec.run_as ? p->spec.run_as : "");
    return true;
}

/* Ours, and what PostgreSQL's own pg_ctl has for it: the number of a process that is not the one that its pid file means. It still looks
   for shared memory in use. */
static const char **environment_of(struct arena *a, const char *data)
{
    struct strs all = {0};
    int mistaken = mistaken_for_postmaster(data);
    for (char **e = environ; *e; e++)
        if (strncmp(*e, GRANDPARENT, strlen(GRANDPARENT)) != 0)
            *vec_add(a, &all) = *e;
    if (mistaken)
        *vec_add(a, &all) = arena_printf(a, GRANDPARENT "%d", mistaken);
    *vec_add(a, &all) = NULL;
    return all.p;
}

static bool fork_it(struct postmaster *p, const struct start *s, struct err *err)
{
    int tell[2], os = 0;
    if (pipe2(tell, O_CLOEXEC) != 0)
        return err_os(err, errno, "could not make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        become(p, s, tell[1]);
    close(tell[1]);
    ssize_t n = pid > 0 ? read(tell[0], &os, sizeof(os)) : -1;
    close(tell[0]);
    if (pid < 0)
        return err_os(err, errno, "could not start \"%s\"", s->argv[0]);
    if (n == (ssize_t)sizeof(os)) {
        waitpid(pid, NULL, 0);
        return err_os(err, os, "could not execute \"%s\"", s->argv[0]);
    }
    return watch(p, pid, true, err);
}

bool postmaster_start(struct postmaster *p, struct err *err)
{
    const char *argv[WORDS_MAX] = {NULL};
    struct start start = {.argv = argv};
    size_t n = 0;
    if (p->pid || postmaster_of(p->spec.data))
        return err_set(err, ERR_REFUSED, "a PostgreSQL runs in \"%s\" already", p->spec.data);
    if (!find_user(p, &start.user, err))
        return false;
    SCOPED(arena_close) struct arena *a = arena_open();
    argv[n++] = file_join(a, p->spec.bindir, "postgres");
    argv[n++] = "-D";
    argv[n++] = p->spec.data;
    for (const char *const *o = p->spec.options; *o && n < WORDS_MAX - 1; o++)
        argv[n++] = *o;
    int log SCOPED(file_close) = p->spec.log ? open(p->spec.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (p->spec.log && log < 0)
        return err_os(err, errno, "could not open \"%s\"", p->spec.log);
    start.log = log;
    start.envp = environment_of(a, p->spec.data);
    return fork_it(p, &start, err);
}
