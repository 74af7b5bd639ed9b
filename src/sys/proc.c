/* sys/proc.c -- Children by posix_spawn (a vfork inside, so a large heap costs nothing), their ends learnt from a pidfd on the loop. */
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"

extern char **environ;

enum {
    OUTPUT_MAX_DEFAULT = 64 * 1024,
    KILL_AFTER_MS = 2000,    /* from TERM to KILL */
    HOPELESS_AFTER_MS = 5000, /* from KILL to giving up on a process that the kernel does not let die */
    DRAIN_MS = 100,          /* for output that grandchildren may still hold open */
    SAFE_FD = 10,            /* descriptors for the child are moved up here, so that none is overwritten while 0 to 3 are set up */
    READS_PER_ROUND = 16,    /* a child that writes without end must not lock out the rest of the loop */
};

/* One captured stream. */
struct stream {
    struct proc *proc;
    int fd; /* -1: closed */
    struct loop_fd *watch;
    struct buf text;
};

enum phase { PHASE_RUNNING, PHASE_TERM_SENT, PHASE_KILL_SENT, PHASE_DRAINING, PHASE_REPORTED };

struct proc {
    struct loop *loop;
    struct loop_hook hook;
    struct arena *arena;
    proc_done_fn *done; /* NULL once told, or abandoned */
    void *arg;
    pid_t pid;
    int pidfd;
    struct loop_fd *end_watch;
    struct loop_timer *timer;
    struct stream out, err;
    enum phase phase;
    bool reaped, detached;
    bool unknown; /* it ended, and somebody else took its status */
    int64_t started_ms, timeout_ms;
    struct proc_result result;
};

static void stream_close(struct stream *s)
{
    loop_fd_free(&s->watch);
    file_close(&s->fd);
}

static void proc_free(struct proc *p)
{
    loop_hook_remove(&p->hook);
    loop_timer_free(&p->timer);
    loop_fd_free(&p->end_watch);
    file_close(&p->pidfd);
    stream_close(&p->out);
    stream_close(&p->err);
    buf_done(&p->out.text);
    buf_done(&p->err.text);
    struct arena *arena = p->arena; /* p lives in it */
    arena_close(&arena);
}

/* ---- the end ---- */

static void describe(struct proc *p)
{
    struct proc_result *r = &p->result;
    if (r->end == PROC_EXITED)
        snprintf(r->why, sizeof(r->why), "exit code %d", r->exit_code);
    else if (p->unknown)
        snprintf(r->why, sizeof(r->why), "ended, but how it ended was taken by somebody else");
    else if (r->end == PROC_SIGNALLED)
        snprintf(r->why, sizeof(r->why), "signal %d (%s)", r->signal, sigdescr_np(r->signal) ? sigdescr_np(r->signal) : "unknown");
    else if (r->end == PROC_TIMED_OUT)
        snprintf(r->why, sizeof(r->why), "no answer within %.1f s%s", (double)p->timeout_ms / 1000,
                 p->reaped ? "" : ", and it cannot be killed");
    else if (r->end == PROC_CANCELLED)
        snprintf(r->why, sizeof(r->why), "stopped");
}

static void report(struct proc *p)
{
    proc_done_fn *done = p->done;
    p->done = NULL;
    p->phase = PHASE_REPORTED;
    p->result.took_ms = clock_boot_ms() - p->started_ms;
    describe(p);
    p->result.out = buf_str(&p->out.text);
    p->result.err = buf_str(&p->err.text);
    stream_close(&p->out);
    stream_close(&p->err);
    loop_timer_cancel(p->timer);
    if (done)
        done(p->arg, &p->result);
    if (p->reaped)
        proc_free(p);
}

static void read_stream(struct stream *s, int rounds)
{
    char chunk[16384];
    while (s->fd >= 0 && rounds-- > 0) {
        ssize_t got = read(s->fd, chunk, sizeof(chunk));
        if (got > 0) {
            size_t room = s->text.max - s->text.n, keep = MIN_OF((size_t)got, room);
            buf_add(&s->text, chunk, keep);
            bool *cut = s == &s->proc->out ? &s->proc->result.out_cut : &s->proc->result.err_cut;
            *cut |= keep < (size_t)got;
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            stream_close(s);
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static bool all_read(const struct proc *p)
{
    return p->out.fd < 0 && p->err.fd < 0;
}

static void on_output(void *arg, int ready)
{
    (void)ready;
    struct stream *s = arg;
    struct proc *p = s->proc;
    read_stream(s, READS_PER_ROUND);
    if (p->phase == PHASE_DRAINING && all_read(p))
        report(p);
}

/* False when it has not ended yet. */
static bool reap(struct proc *p)
{
    int status;
    pid_t got;
    do
        got = waitpid(p->pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    p->reaped = true;
    if (p->result.end == PROC_TIMED_OUT || p->result.end == PROC_CANCELLED)
        return true;
    if (got == p->pid && WIFEXITED(status)) {
        p->result.end = PROC_EXITED;
        p->result.exit_code = WEXITSTATUS(status);
    } else {
        p->result.end = PROC_SIGNALLED;
        p->unknown = got != p->pid; /* ECHILD: somebody else reaped it. Never taken for success */
        p->result.signal = p->unknown ? SIGKILL : WTERMSIG(status);
    }
    return true;
}

static void on_end(void *arg, int ready)
{
    (void)ready;
    struct proc *p = arg;
    if (!reap(p))
        return;
    loop_fd_free(&p->end_watch);
    if (p->result.end == PROC_TIMED_OUT || p->result.end == PROC_CANCELLED)
        kill(-p->pid, SIGKILL); /* what is left of the group when its leader has obeyed */
    if (!p->done) {
        proc_free(p);
        return;
    }
    p->phase = PHASE_DRAINING;
    read_stream(&p->out, READS_PER_ROUND);
    read_stream(&p->err, READS_PER_ROUND);
    if (all_read(p))
        report(p);
    else
        loop_timer_set(p->timer, clock_boot_ms() + DRAIN_MS);
}

static void stop(struct proc *p, enum proc_end why, int64_t grace_ms)
{
    p->result.end = why;
    p->phase = PHASE_TERM_SENT;
    kill(-p->pid, SIGTERM);
    loop_timer_set(p->timer, clock_boot_ms() + grace_ms);
}

static void on_timer(void *arg)
{
    struct proc *p = arg;
    switch (p->phase) {
    case PHASE_RUNNING:
        if (p->pid == 0)
            report(p); /* was never executed */
        else
            stop(p, PROC_TIMED_OUT, KILL_AFTER_MS);
        break;
    case PHASE_TERM_SENT:
        p->phase = PHASE_KILL_SENT;
        kill(-p->pid, SIGKILL);
        loop_timer_set(p->timer, clock_boot_ms() + HOPELESS_AFTER_MS);
        break;
    case PHASE_KILL_SENT: /* stuck in the kernel (a dead NFS server, a failing disk): nobody must wait for it */
    case PHASE_DRAINING:
        report(p);
        break;
    case PHASE_REPORTED:
        break;
    }
}

/* ---- the start ---- */

/* What the child gets as descriptors 0 to 3; -1: none. All are ours to close, and all lie above the numbers they will be copied to. */
struct child_fds {
    int in, out, err, pass;
};

static void child_fds_close(struct child_fds *fds)
{
    file_close(&fds->in);
    file_close(&fds->out);
    file_close(&fds->err);
    file_close(&fds->pass);
}

static bool move_up(int *fd, struct err *err)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, SAFE_FD);
    if (moved < 0)
        return err_os(err, errno, "could not copy descriptor %d", *fd);
    file_close(fd);
    *fd = moved;
    return true;
}

/* A memory file instead of a pipe: it cannot fill up, cannot raise SIGPIPE, and needs nobody to write into it. */
static bool open_input(const char *input, int *ret, struct err *err)
{
    int fd = input ? memfd_create("input", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_os(err, errno, "could not open the input of a program");
    *ret = fd;
    for (size_t n = input ? strlen(input) : 0; n;) {
        ssize_t put = write(fd, input, n);
        if (put < 0 && errno != EINTR)
            return err_os(err, errno, "could not keep the input of a program");
        input += MAX_OF(put, 0);
        n -= (size_t)MAX_OF(put, 0);
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_os(err, errno, "could not rewind the input of a program");
    return move_up(ret, err);
}

static bool open_capture(struct stream *s, int *ret_child, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_os(err, errno, "could not make a pipe");
    s->fd = ends[0];
    *ret_child = ends[1];
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    return move_up(ret_child, err);
}

static bool open_file(const char *path, int *ret, struct err *err)
{
    *ret = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (*ret < 0)
        return err_os(err, errno, "could not open \"%s\"", path);
    return move_up(ret, err);
}

static bool open_fds(struct proc *p, const struct proc_spec *spec, struct child_fds *fds, struct err *err)
{
    if (!open_input(spec->input, &fds->in, err))
        return false;
    if (!(spec->detached ? open_file("/dev/null", &fds->out, err) : open_capture(&p->out, &fds->out, err)))
        return false;
    if (spec->stderr_path || spec->detached) {
        if (!open_file(spec->stderr_path ? spec->stderr_path : "/dev/null", &fds->err, err))
            return false;
    } else if (!open_capture(&p->err, &fds->err, err)) {
        return false;
    }
    if (spec->pass_fd > 0) {
        fds->pass = fcntl(spec->pass_fd, F_DUPFD_CLOEXEC, SAFE_FD);
        if (fds->pass < 0)
            return err_os(err, errno, "could not copy descriptor %d", spec->pass_fd);
    }
    return true;
}

static bool is_set_by(const char *entry, const char *const *additions)
{
    size_t name = strcspn(entry, "=");
    for (size_t i = 0; additions && additions[i]; i++)
        if (strncmp(additions[i], entry, name) == 0 && additions[i][name] == '=')
            return true;
    return false;
}

static bool is_kept(const char *entry)
{
    static const char *const kept[] = {"PATH", "HOME", "LANG", "TZ", "USER"};
    struct str name = {.p = entry, .n = strcspn(entry, "=")};
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (str_is(name, kept[i]))
            return true;
    return false;
}

static char **environment(struct arena *arena, const struct proc_spec *spec)
{
    struct strs env = {0};
    for (char **e = environ; e && *e; e++)
        if ((spec->inherit_env || is_kept(*e)) && !is_set_by(*e, spec->env))
            *vec_add(arena, &env) = *e;
    for (const char *const *e = spec->env; e && *e; e++)
        *vec_add(arena, &env) = *e;
    *vec_add(arena, &env) = NULL;
    return (char **)env.p;
}

/* errno of the failure, 0 when it runs. */
static int spawn(struct proc *p, const struct proc_spec *spec, const struct child_fds *fds)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fds->in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, fds->out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, fds->err, STDERR_FILENO);
    if (fds->pass >= 0)
        posix_spawn_file_actions_adddup2(&files, fds->pass, 3);
    /* Whatever a library opened without CLOEXEC stays here. */
    posix_spawn_file_actions_addclosefrom_np(&files, fds->pass >= 0 ? 4 : 3);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                            (spec->detached ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
    pid_t pid = 0;
    int os = posix_spawnp(&pid, spec->argv[0], &files, &attr, (char *const *)(uintptr_t)spec->argv, environment(p->arena, spec));
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    p->pid = os ? 0 : pid;
    return os;
}

static void watch_stream(struct proc *p, struct stream *s)
{
    if (s->fd >= 0)
        s->watch = loop_fd_new(p->loop, s->fd, LOOP_READ, on_output, s);
}

static void not_started(struct proc *p, const char *program, int os)
{
    p->result.end = PROC_NOT_STARTED;
    snprintf(p->result.why, sizeof(p->result.why), "cannot execute \"%s\": %s", program, strerror(os));
    stream_close(&p->out);
    stream_close(&p->err);
    p->reaped = true;
    loop_timer_set(p->timer, clock_boot_ms()); /* told later, as every other end */
}

static bool watch_child(struct proc *p, const struct proc_spec *spec, struct err *err)
{
    p->pidfd = pidfd_open(p->pid, 0);
    int os = p->pidfd < 0 ? errno : 0;
    if (os && !(os == ESRCH && reap(p))) {
        kill(-p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
        return err_os(err, os, "could not watch the process of \"%s\"", spec->argv[0]);
    }
    watch_stream(p, &p->out);
    watch_stream(p, &p->err);
    if (p->reaped) { /* ended and gone before it could be watched; told later, as every other end */
        p->phase = PHASE_DRAINING;
        loop_timer_set(p->timer, clock_boot_ms() + (all_read(p) ? 0 : DRAIN_MS));
        return true;
    }
    p->end_watch = loop_fd_new(p->loop, p->pidfd, LOOP_READ, on_end, p);
    if (spec->timeout_ms > 0)
        loop_timer_set(p->timer, p->started_ms + spec->timeout_ms);
    return true;
}

static void on_loop_close(struct loop_hook *hook)
{
    struct proc *p = CONTAINER_OF(hook, struct proc, hook);
    p->hook = (struct loop_hook){.link = &p->hook.next}; /* is out of the list; proc_free takes it out once more */
    if (!p->detached && !p->reaped) {
        kill(-p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    proc_free(p);
}

/* Whoever started us may have left SIGCHLD ignored; then the kernel reaps our children itself, and with them how they ended. */
static void keep_children(void)
{
    struct sigaction now, by_default = {.sa_handler = SIG_DFL};
    if (sigaction(SIGCHLD, NULL, &now) == 0 && (now.sa_handler == SIG_IGN || (now.sa_flags & SA_NOCLDWAIT)))
        sigaction(SIGCHLD, &by_default, NULL);
}

static struct proc *proc_new(struct loop *loop, const struct proc_spec *spec, proc_done_fn *done, void *arg)
{
    struct arena *arena = arena_open();
    struct proc *p = arena_new(arena, struct proc);
    size_t max = spec->output_max ? spec->output_max : OUTPUT_MAX_DEFAULT;
    *p = (struct proc){.loop = loop, .arena = arena, .done = done, .arg = arg, .pidfd = -1, .detached = spec->detached,
                       .out = {.proc = p, .fd = -1, .text.max = max}, .err = {.proc = p, .fd = -1, .text.max = max},
                       .started_ms = clock_boot_ms(), .timeout_ms = spec->timeout_ms, .hook.closing = on_loop_close};
    loop_hook_add(loop, &p->hook);
    p->timer = loop_timer_new(loop, on_timer, p);
    return p;
}

bool proc_start(struct loop *loop, const struct proc_spec *spec, proc_done_fn *done, void *arg, struct proc **ret, struct err *err)
{
    struct proc *p = proc_new(loop, spec, done, arg);
    struct child_fds fds SCOPED(child_fds_close) = {-1, -1, -1, -1};
    keep_children();
    if (!open_fds(p, spec, &fds, err)) {
        proc_free(p);
        return false;
    }
    int os = spawn(p, spec, &fds);
    if (os == EAGAIN || os == ENOMEM) {
        proc_free(p);
        return err_os(err, os, "could not start \"%s\"", spec->argv[0]);
    }
    if (os) {
        not_started(p, spec->argv[0], os);
    } else if (!watch_child(p, spec, err)) {
        proc_free(p);
        return false;
    }
    if (ret)
        *ret = p;
    return true;
}

/* ---- handling one that runs ---- */

void proc_cancel(struct proc *p)
{
    if (p->phase == PHASE_RUNNING && p->pid)
        stop(p, PROC_CANCELLED, KILL_AFTER_MS);
}

void proc_abandon(struct proc **proc)
{
    if (!proc || !*proc)
        return;
    struct proc *p = TAKE(*proc);
    p->done = NULL;
    if (!p->reaped) {
        kill(-p->pid, SIGKILL);
        stream_close(&p->out);
        stream_close(&p->err);
        loop_timer_cancel(p->timer);
        p->phase = PHASE_REPORTED; /* on_end frees it */
    } else if (p->phase != PHASE_REPORTED) {
        proc_free(p);
    }
}

int proc_pid(const struct proc *proc)
{
    return proc->pid;
}

bool proc_ok(const struct proc_result *result)
{
    return result->end == PROC_EXITED && result->exit_code == 0;
}

/* ---- blocking ---- */

struct batch {
    struct arena *arena;
    struct batch_item {
        struct batch *batch;
        struct proc *proc; /* NULL once ended */
        struct proc_result *result;
    } *items;
    size_t count;
    int signal; /* that stopped the batch; 0: none */
};

static void on_item_done(void *arg, const struct proc_result *result)
{
    struct batch_item *item = arg;
    item->proc = NULL;
    *item->result = *result;
    item->result->out.p = arena_strndup(item->batch->arena, result->out.p, result->out.n);
    item->result->err.p = arena_strndup(item->batch->arena, result->err.p, result->err.n);
}

static void batch_stop(struct batch *b)
{
    /* Shorter than what whoever stops us grants us, so that nobody below us is left over when we are killed. */
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].proc && b->items[i].proc->pid && b->items[i].proc->phase == PHASE_RUNNING)
            stop(b->items[i].proc, PROC_CANCELLED, KILL_AFTER_MS / 2);
}

static void on_stop_signal(void *arg, int number)
{
    struct batch *b = arg;
    b->signal = number;
    batch_stop(b);
}

enum { STOP_SIGNALS = 3 };
static const int stop_signals[STOP_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

struct signal_watch {
    struct sigaction before[STOP_SIGNALS];
    struct loop_signal *watch[STOP_SIGNALS];
};

/* A signal that is ignored (nohup) stays ignored. */
static void signals_watch(struct signal_watch *s, struct loop *loop, struct batch *b)
{
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        sigaction(stop_signals[i], NULL, &s->before[i]);
        if (s->before[i].sa_handler != SIG_IGN)
            s->watch[i] = loop_signal_new(loop, stop_signals[i], on_stop_signal, b);
    }
}

static void signals_restore(struct signal_watch *s)
{
    for (size_t i = 0; i < STOP_SIGNALS; i++)
        if (s->watch[i]) {
            loop_signal_free(&s->watch[i]);
            sigaction(stop_signals[i], &s->before[i], NULL);
        }
}

static bool batch_start(struct batch *b, struct loop *loop, const struct proc_spec *specs, struct proc_result *results, struct err *err)
{
    for (size_t i = 0; i < b->count; i++) {
        b->items[i] = (struct batch_item){.batch = b, .result = &results[i]};
        results[i] = (struct proc_result){.end = PROC_NOT_STARTED, .why = "not started"};
        results[i].out = results[i].err = STR("");
    }
    for (size_t i = 0; i < b->count; i++)
        if (!proc_start(loop, &specs[i], on_item_done, &b->items[i], &b->items[i].proc, err))
            return false;
    return true;
}

bool proc_run_all(struct arena *arena, const struct proc_spec *specs, size_t count, struct proc_result *results, struct err *err)
{
    struct loop *loop SCOPED(loop_close) = loop_open();
    struct batch b = {.arena = arena, .items = arena_array(arena, struct batch_item, count), .count = count};
    struct signal_watch signals = {0};
    signals_watch(&signals, loop, &b);
    bool ok = batch_start(&b, loop, specs, results, err);
    if (!ok)
        batch_stop(&b);
    loop_run(loop);
    signals_restore(&signals);
    if (ok && b.signal)
        return err_set(err, ERR_CANCELLED, "stopped by signal %d (%s)", b.signal, sigdescr_np(b.signal));
    return ok;
}

bool proc_run(struct arena *arena, const struct proc_spec *spec, struct proc_result *ret, struct err *err)
{
    return proc_run_all(arena, spec, 1, ret, err);
}
