/* backup/dumper.c -- posix_spawn, two pipes and poll. */
#include "backup/dumper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"

enum { PIECE = 256 * 1024, COMPLAINT_MAX = 16 * 1024, MOST_ENV = 32, STOP_MS = 200 };

struct child {
    pid_t pid; /* 0: none, or reaped */
    int out, err;
};

/* Nothing of ours that is still running survives a failure. */
static void child_done(struct child *child)
{
    file_close(&child->out);
    file_close(&child->err);
    if (child->pid <= 0)
        return;
    kill(-child->pid, SIGKILL);
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    child->pid = 0;
}

/* A clean environment: what the operator's shell exports must not turn a backup into another one. */
static void fill_env(char **env, char text[][512], const char *const *more)
{
    static const char *const kept[] = {"PATH", "HOME", "USER", "TZ"};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        const char *value = getenv(kept[i]);
        if (value && snprintf(text[i], 512, "%s=%s", kept[i], value) < 512)
            env[n++] = text[i];
    }
    env[n++] = (char *)"LC_ALL=C.UTF-8"; /* messages are read by us */
    for (; more && *more && n < MOST_ENV - 1; more++)
        env[n++] = (char *)*more;
    env[n] = NULL;
}

static int spawn(const struct dumper_spec *spec, int out, int err_fd, pid_t *ret)
{
    char *env[MOST_ENV], text[4][512];
    fill_env(env, text, spec->env);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    if (spec->input > 0)
        posix_spawn_file_actions_adddup2(&actions, spec->input, 0);
    else
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err_fd, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    int status = posix_spawnp(ret, spec->argv[0], &actions, &attr, (char *const *)spec->argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static bool start(const struct dumper_spec *spec, struct child *child, struct err *err)
{
    int out[2] = {-1, -1}, complaint[2] = {-1, -1};
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(complaint, O_CLOEXEC) != 0) {
        int os = errno;
        file_close(&out[0]);
        file_close(&out[1]);
        return err_os(err, os, "could not make a pipe");
    }
    (void)fcntl(out[0], F_SETPIPE_SZ, 1 << 20); /* fewer switches; any size works */
    int status = spawn(spec, out[1], complaint[1], &child->pid);
    close(out[1]);
    close(complaint[1]);
    child->out = out[0];
    child->err = complaint[0];
    if (status == 0)
        return true;
    child->pid = 0;
    return err_os(err, status, "could not run \"%s\"", spec->argv[0]);
}

/* One read of a pipe. At its end the descriptor is closed. */
static bool take(int *fd, char *piece, dumper_sink_fn *sink, void *arg, struct err *err)
{
    ssize_t n = read(*fd, piece, PIECE);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN || err_os(err, errno, "could not read from the child process");
    if (n > 0)
        return sink(arg, piece, (size_t)n, err);
    file_close(fd);
    return true;
}

static bool keep_complaint(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    struct buf *complaint = arg;
    (void)buf_add(complaint, data, MIN_OF(size, complaint->max - complaint->n)); /* the first words name the cause */
    return true;
}

static bool silent(const struct dumper_spec *spec, struct err *err)
{
    return err_set(err, ERR_TIMEOUT, "\"%s\" said nothing for %lld s and was stopped", spec->argv[0], (long long)(spec->silence_ms / MS_SECOND));
}

struct life {
    int64_t at;      /* of the child in its input */
    int64_t last_ms; /* it said something, or read on */
};

/* Nothing was said for a while: does it still read? The descriptor's position is shared with the child. */
static bool lives(const struct dumper_spec *spec, struct life *life)
{
    int64_t at = spec->input > 0 ? lseek(spec->input, 0, SEEK_CUR) : 0, now = clock_boot_ms();
    if (at != life->at)
        life->last_ms = now;
    life->at = at;
    if (spec->tick)
        spec->tick(spec->tick_arg, at);
    return now - life->last_ms < spec->silence_ms;
}

static bool pump(const struct dumper_spec *spec, struct child *child, struct buf *complaint, dumper_sink_fn *sink, void *arg, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    char *piece = arena_alloc(arena, PIECE);
    struct life life = {.last_ms = clock_boot_ms()};
    while (child->out >= 0 || child->err >= 0) {
        struct pollfd fds[2] = {{.fd = child->out, .events = POLLIN}, {.fd = child->err, .events = POLLIN}};
        int n = poll(fds, 2, (int)MIN_OF(spec->silence_ms, spec->stop ? (int64_t)STOP_MS : spec->input > 0 ? MS_SECOND : spec->silence_ms));
        if (n < 0 && errno != EINTR)
            return err_os(err, errno, "could not wait for the child process");
        if (n == 0 && spec->stop && spec->stop(spec->stop_arg))
            return err_set(err, ERR_CANCELLED, "\"%s\" was stopped", spec->argv[0]);
        if (n == 0 && !lives(spec, &life))
            return silent(spec, err);
        if (n > 0 && fds[1].revents && !take(&child->err, piece, keep_complaint, complaint, err))
            return false;
        if (n > 0 && fds[0].revents && !take(&child->out, piece, sink, arg, err))
            return false;
        if (n > 0)
            life.last_ms = clock_boot_ms(); /* the sink may have kept it waiting */
    }
    return true;
}

/* It closed its pipes; that it also ends is waited for, but not for ever. */
static bool reap(const struct dumper_spec *spec, struct child *child, int *ret_status, struct err *err)
{
    int64_t until = clock_boot_ms() + spec->silence_ms;
    int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    int n = 1;
    do {
        int64_t left = until - clock_boot_ms();
        n = pidfd < 0 ? 1 : poll(&fd, 1, left > 0 ? (int)left : 0);
    } while (n < 0 && errno == EINTR);
    file_close(&pidfd);
    if (n == 0)
        return silent(spec, err);
    while (waitpid(child->pid, ret_status, 0) < 0)
        if (errno != EINTR)
            return err_os(err, errno, "could not wait for \"%s\"", spec->argv[0]);
    child->pid = 0;
    return true;
}

/* From the first "error:" on, newlines as blanks: pg_dump warns first and fails later. */
static void describe(const struct buf *complaint, char *to, size_t size)
{
    const char *text = buf_text(complaint), *error = strstr(text, "error:");
    str_copy(to, size, error ? error : text);
    for (char *p = to; *p; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
    size_t n = strlen(to);
    while (n && to[n - 1] == ' ')
        to[--n] = 0;
}

static bool judge_end(const struct dumper_spec *spec, int status, const struct buf *complaint, struct err *err)
{
    if (spec->ret_exit)
        *spec->ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    char said[500];
    describe(complaint, said, sizeof(said));
    if (WIFSIGNALED(status))
        return err_set(err, ERR_FAILED, "\"%s\" was ended by signal %d (%s)%s%s", spec->argv[0], WTERMSIG(status),
                       strsignal(WTERMSIG(status)), *said ? ": " : "", said);
    return err_set(err, ERR_FAILED, "\"%s\" ended with exit code %d%s%s", spec->argv[0], WEXITSTATUS(status), *said ? ": " : "", said);
}

bool dumper_run(const struct dumper_spec *spec, dumper_sink_fn *sink, void *arg, struct err *err)
{
    SCOPED(child_done) struct child child = {.out = -1, .err = -1};
    SCOPED(buf_done) struct buf complaint = {.max = COMPLAINT_MAX};
    int status = 0;
    if (spec->ret_exit)
        *spec->ret_exit = -1;
    return start(spec, &child, err) && pump(spec, &child, &complaint, sink, arg, err) && reap(spec, &child, &status, err) &&
           judge_end(spec, status, &complaint, err);
}
