/* act/runner.c -- Starts, follows, stops and finds again the children that carry actions out. The file of a run is the whole truth
   about it: the lock on it says that its child lives, its lines say what the child did. The controller keeps nothing that a
   successor could not read there. */
#include "act/runner.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "act/pids.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/proc.h"

#include "base/banned.h"

enum { LOOK_EVERY_MS = 50, KILL_AFTER_MS = 2000, LAST_WORDS_MAX = 4096, READ_AT_ONCE = 64 * 1024 };

enum stopping { GOES_ON, OVER_BUDGET, CANCELLED };

struct run {
    struct runner *runner; /* NULL: the runner was closed while its own child still ran */
    struct loop_hook hook; /* used from then on, so that the loop's end is this one's too */
    struct arena *arena;
    char name[MODEL_ID_SIZE];
    char *path;
    bool own;              /* started here, so its end comes from the loop; else from the lock */
    bool gone;             /* the child ended */
    char why[256];         /* how the child of our own ended */
    int fd;                /* reads the file */
    struct buf rest;       /* bytes after the last whole line */
    struct pid_name leader;
    bool has_result;
    struct report_line result;
    int64_t budget_ms;
    int64_t deadline_ms;   /* boot time; TIME_NEVER */
    enum stopping stopping;
    bool killed;
    int64_t kill_at_ms;
    struct pids tree;      /* what TERM was sent to */
};

struct runner {
    struct loop *loop;
    struct arena *arena;
    char *dir;
    struct runner_callbacks callbacks;
    struct loop_timer *timer;
    struct run **runs; /* grows in the arena; started runs stand at the end */
    size_t n, cap;
};

static void look(void *arg);

struct runner *runner_open(struct loop *loop, const char *run_dir, const struct runner_callbacks *callbacks)
{
    struct arena *arena = arena_open();
    struct runner *r = arena_new(arena, struct runner);
    r->loop = loop;
    r->arena = arena;
    r->dir = arena_strdup(arena, run_dir);
    r->callbacks = *callbacks;
    r->timer = loop_timer_new(loop, look, r);
    return r;
}

static void run_free(struct run *run)
{
    if (!run->runner)
        loop_hook_remove(&run->hook);
    if (run->fd >= 0)
        close(run->fd);
    buf_done(&run->rest);
    struct arena *arena = run->arena; /* run lives in it */
    arena_close(&arena);
}

static void on_loop_close(struct loop_hook *hook)
{
    struct run *run = CONTAINER_OF(hook, struct run, hook);
    run->hook = (struct loop_hook){.link = &run->hook.next}; /* is out of the list; run_free takes it out once more */
    run_free(run);
}

/* The loop still owes us the end of a child of our own: the run stays, without a runner, until it comes or the loop goes. */
static void leave_to_loop(struct runner *r, struct run *run)
{
    run->runner = NULL;
    run->hook.closing = on_loop_close;
    loop_hook_add(r->loop, &run->hook);
}

void runner_close(struct runner **runner)
{
    struct runner *r = *runner;
    *runner = NULL;
    if (!r)
        return;
    loop_timer_free(&r->timer);
    for (size_t i = 0; i < r->n; i++) {
        if (r->runs[i]->own && !r->runs[i]->gone)
            leave_to_loop(r, r->runs[i]);
        else
            run_free(r->runs[i]);
    }
    struct arena *arena = r->arena; /* r lives in it */
    arena_close(&arena);
}

/* ---- the list ---- */

static bool name_is_good(const char *run)
{
    size_t n = strlen(run);
    if (n == 0 || n >= MODEL_ID_SIZE || run[0] == '.')
        return false;
    for (const char *p = run; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-_", *p))
            return false;
    return true;
}

static char *path_of(const struct runner *r, struct arena *arena, const char *run, const char *suffix)
{
    return arena_printf(arena, "%s/%s%s", r->dir, run, suffix);
}

static struct run *run_new(struct runner *r, const char *name, int64_t budget_ms)
{
    struct arena *arena = arena_open();
    struct run *run = arena_new(arena, struct run);
    run->arena = arena;
    run->runner = r;
    COPY_TO(run->name, name);
    run->path = path_of(r, arena, name, ".jsonl");
    run->fd = -1;
    run->rest.max = READ_AT_ONCE + REPORT_LINE_MAX;
    run->budget_ms = budget_ms;
    run->deadline_ms = budget_ms > 0 ? clock_boot_ms() + budget_ms : TIME_NEVER;
    return run;
}

static void add(struct runner *r, struct run *run)
{
    vec_grow_(r->arena, (void **)&r->runs, &r->n, &r->cap, sizeof(struct run *));
    r->runs[r->n - 1] = run;
    loop_timer_set(r->timer, clock_boot_ms() + LOOK_EVERY_MS);
}

static void take_out(struct runner *r, struct run *run)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->runs[i] != run)
            continue;
        memmove(&r->runs[i], &r->runs[i + 1], (r->n - i - 1) * sizeof(struct run *));
        r->n--;
        return;
    }
}

static struct run *find(struct runner *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (same(r->runs[i]->name, name))
            return r->runs[i];
    return NULL;
}

size_t runner_running(const struct runner *runner)
{
    return runner->n;
}

/* ---- reading a run's file ---- */

static void take_line(struct run *run, struct str text)
{
    struct report_line line;
    struct err err = {0};
    if (text.n == 0)
        return;
    if (!report_parse(text, &line, &err)) {
        log_line(LOG_DEBUG, "line of a run left out run=%s reason=%s", run->name, err.message);
        return;
    }
    const struct runner_callbacks *c = &run->runner->callbacks;
    if (line.kind == REPORT_BEGIN && line.pid > 1 && line.pid <= INT32_MAX && !run->leader.start)
        run->leader = (struct pid_name){(int)line.pid, line.start};
    else if (line.kind == REPORT_PROGRESS && c->progress)
        c->progress(c->arg, run->name, &line);
    else if (line.kind == REPORT_FACT && c->fact)
        c->fact(c->arg, run->name, &line);
    else if (line.kind == REPORT_RESULT) {
        run->has_result = true;
        run->result = line;
    }
}

static void take_lines(struct run *run)
{
    for (;;) {
        const char *end = run->rest.n ? memchr(run->rest.p, '\n', run->rest.n) : NULL;
        if (!end)
            break;
        size_t n = (size_t)(end - run->rest.p);
        take_line(run, (struct str){run->rest.p, n});
        buf_consume(&run->rest, n + 1);
    }
    if (run->rest.n > REPORT_LINE_MAX) /* no line of ours is that long */
        buf_clear(&run->rest);
}

static void tail(struct run *run)
{
    char data[READ_AT_ONCE];
    if (run->fd < 0)
        run->fd = open(run->path, O_RDONLY | O_CLOEXEC);
    if (run->fd < 0)
        return;
    for (ssize_t n; (n = read(run->fd, data, sizeof(data))) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        buf_add(&run->rest, data, (size_t)n);
        take_lines(run);
    }
}

/* Does a living child hold the lock? A shared one is asked for, so that two who ask do not see each other. */
static bool is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

/* The last line the child wrote to stderr: where it died without a result, the only thing that says why. */
static void last_words(const struct runner *r, const char *name, char *to, size_t size)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    char text[LAST_WORDS_MAX + 1];
    *to = 0;
    int fd = open(path_of(r, a, name, ".stderr"), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    struct stat st;
    off_t from = fstat(fd, &st) == 0 && st.st_size > LAST_WORDS_MAX ? st.st_size - LAST_WORDS_MAX : 0;
    ssize_t n = pread(fd, text, LAST_WORDS_MAX, from);
    close(fd);
    struct str left = str_trim((struct str){text, n > 0 ? (size_t)n : 0}), line;
    while (str_next(&left, '\n', &line))
        if (str_trim(line).n)
            str_copy(to, size, str_dup(a, str_trim(line)));
}

/* ---- the end of a run ---- */

static void end_run(struct run *run)
{
    struct runner *r = run->runner;
    char text[MODEL_TEXT_SIZE], words[256];
    SCOPED(arena_close) struct arena *a = arena_open();
    enum outcome outcome = OUTCOME_FAILURE;
    tail(run);
    if (run->has_result && (run->stopping == GOES_ON || run->result.outcome != OUTCOME_FAILURE)) {
        outcome = run->result.outcome;
        COPY_TO(text, run->result.text);
    } else if (run->stopping == OVER_BUDGET) {
        outcome = OUTCOME_EXPIRY;
        snprintf(text, sizeof(text), "stopped: its budget of %s ran out", duration_say(a, run->budget_ms));
    } else if (run->stopping == CANCELLED) {
        snprintf(text, sizeof(text), "stopped by request");
    } else {
        last_words(r, run->name, words, sizeof(words));
        snprintf(text, sizeof(text), "it died without a result%s%s%s%s", *run->why ? ": " : "", run->why, *words ? "; its last words: " : "",
                 words);
    }
    take_out(r, run);
    char name[MODEL_ID_SIZE];
    COPY_TO(name, run->name);
    run_free(run);
    if (r->callbacks.ended)
        r->callbacks.ended(r->callbacks.arg, name, outcome, text);
}

static void begin_stop(struct run *run, enum stopping why)
{
    run->stopping = why;
    run->kill_at_ms = clock_boot_ms() + KILL_AFTER_MS;
    /* Its start time was read when it began; a process that has the number but not that time is somebody else's. */
    if (!run->leader.start || pids_start(run->leader.pid) != run->leader.start)
        return;
    pids_tree(run->arena, run->leader.pid, &run->tree);
    pids_kill(&run->tree, SIGTERM);
}

static void kill_now(struct run *run)
{
    if (run->leader.start && pids_start(run->leader.pid) == run->leader.start)
        pids_tree(run->arena, run->leader.pid, &run->tree); /* what it started since; those named twice are killed once */
    pids_kill(&run->tree, SIGKILL);
    run->killed = true;
}

static void step(struct run *run)
{
    int64_t now = clock_boot_ms();
    if (!run->own && !run->gone)
        run->gone = !is_locked(run->path); /* before tail: what was written before the end is read after it */
    tail(run);
    if (run->stopping == GOES_ON && !run->gone && now >= run->deadline_ms)
        begin_stop(run, OVER_BUDGET);
    if (run->stopping != GOES_ON && !run->killed && now >= run->kill_at_ms)
        kill_now(run);
    /* After a stop the rest of its family gets the same grace as the child itself. */
    if (run->gone && (run->stopping == GOES_ON || run->killed || !pids_alive(&run->tree)))
        end_run(run);
}

static void look(void *arg)
{
    struct runner *r = arg;
    for (size_t i = 0; i < r->n;) {
        struct run *run = r->runs[i];
        step(run); /* may end it, and the callback of its end may start others */
        if (i < r->n && r->runs[i] == run)
            i++;
    }
    if (r->n)
        loop_timer_set(r->timer, clock_boot_ms() + LOOK_EVERY_MS);
}

static void child_ended(void *arg, const struct proc_result *result)
{
    struct run *run = arg;
    if (!run->runner) {
        run_free(run);
        return;
    }
    run->gone = true;
    COPY_TO(run->why, result->why);
    step(run);
}

/* ---- starting ---- */

/* Made, never opened: a run happens once. The lock stands before the child exists, so there is no moment at which a living child
   could be taken for a dead one. */
static bool make_file(const struct run *run, int *ret_fd, struct err *err)
{
    int fd = open(run->path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, ERR_REFUSED, "run \"%s\" exists already: \"%s\"", run->name, run->path);
    if (fd < 0)
        return err_os(err, errno, "could not make \"%s\"", run->path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err_os(err, errno, "could not lock \"%s\"", run->path);
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

/* The child says the same of itself as soon as it runs our code; this line is there when it never gets so far. */
static void write_begin(struct run *run, int fd)
{
    SCOPED(buf_done) struct buf line = {.max = 256};
    report_begin_line(&line, run->leader.pid, run->leader.start);
    buf_putc(&line, '\n');
    if (write(fd, line.p, line.n) != (ssize_t)line.n)
        log_line(LOG_WARNING, "could not write the first line of a run path=%s", run->path);
}

static bool spawn(struct runner *r, struct run *run, const char *const *argv, int fd, struct err *err)
{
    static const char *const env[] = {"BASCULE_REPORT_FD=3", NULL};
    struct proc_spec spec = {
        .argv = argv,
        .env = env,
        .inherit_env = true, /* secrets may stand in it; the child is this very program */
        .pass_fd = fd,
        .stderr_path = path_of(r, run->arena, run->name, ".stderr"),
        .detached = true,
    };
    struct proc *proc;
    if (!proc_start(r->loop, &spec, child_ended, run, &proc, err))
        return false;
    int pid = proc_pid(proc);
    run->leader = (struct pid_name){pid, pids_start(pid)};
    if (run->leader.start)
        write_begin(run, fd);
    return true;
}

bool runner_start(struct runner *r, const struct runner_spec *spec, int *ret_pid, struct err *err)
{
    if (!name_is_good(spec->run))
        return err_set(err, ERR_USAGE, "run id \"%s\" may hold letters, digits, '.', '-' and '_' only", spec->run);
    if (!file_mkdirs(r->dir, 0700, err))
        return false;
    struct run *run = run_new(r, spec->run, spec->budget_ms);
    int fd;
    run->own = true;
    if (!make_file(run, &fd, err)) {
        run_free(run);
        return false;
    }
    bool ok = spawn(r, run, spec->argv, fd, err);
    close(fd); /* the child's copy keeps the lock */
    if (!ok) {
        unlink(run->path);
        run_free(run);
        return err_prefix(err, "starting run \"%s\"", spec->run);
    }
    add(r, run);
    *ret_pid = run->leader.pid;
    return true;
}

/* ---- finding again ---- */

enum runner_found runner_adopt(struct runner *r, const char *name, int64_t budget_left_ms, struct report_line *ret_line)
{
    struct run *run = find(r, name);
    if (run)
        return RUNNER_RUNNING;
    if (!name_is_good(name))
        return RUNNER_NEVER_STARTED;
    run = run_new(r, name, MAX_OF(budget_left_ms, 1));
    if (!file_exists(run->path)) {
        run_free(run);
        return RUNNER_NEVER_STARTED;
    }
    if (is_locked(run->path)) {
        add(r, run);
        return RUNNER_RUNNING;
    }
    tail(run);
    bool ended = run->has_result;
    if (ended)
        *ret_line = run->result;
    run_free(run);
    return ended ? RUNNER_ENDED : RUNNER_DIED;
}

bool runner_put_aside(struct runner *r, const char *name, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    if (!name_is_good(name))
        return err_set(err, ERR_USAGE, "\"%s\" is no run id", name);
    char *path = path_of(r, a, name, ".jsonl");
    if (is_locked(path))
        return err_set(err, ERR_REFUSED, "run \"%s\" still runs", name);
    int n = 1;
    while (file_exists(arena_printf(a, "%s.died.%d", path, n)))
        n++;
    char *words = path_of(r, a, name, ".stderr");
    if (file_exists(words) && !file_rename_durably(words, arena_printf(a, "%s.died.%d", words, n), err))
        return err_prefix(err, "putting run \"%s\" aside", name);
    if (!file_rename_durably(path, arena_printf(a, "%s.died.%d", path, n), err))
        return err_prefix(err, "putting run \"%s\" aside", name);
    return true;
}

void runner_cancel(struct runner *r, const char *name)
{
    struct run *run = find(r, name);
    if (run && run->stopping == GOES_ON)
        begin_stop(run, CANCELLED);
}

void runner_remove(struct runner *r, const char *name)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    if (!name_is_good(name) || find(r, name) || is_locked(path_of(r, a, name, ".jsonl")))
        return;
    unlink(path_of(r, a, name, ".stderr"));
    unlink(path_of(r, a, name, ".jsonl"));
}
