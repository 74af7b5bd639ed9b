/* agent/agent.c -- The life of one PostgreSQL: found or started, followed, started again when it died and that can help, ended when told. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "io/dns.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { DNS_TIMEOUT_MS = 2000, LOG_MAX = 64 * 1024, MARK_MAX = 4096, FAST_STOP_MS = 60000, RETRY_MS = 250, LOOK_MS = 500, LOCK_MODE = 0700 };

const char *agent_state_name(enum agent_state state)
{
#define X(id, name) [id] = name, /* NOLINT(bugprone-macro-parentheses): a literal */
    static const char *const names[AGENT_STATE_MAX] = {AGENT_STATES(X)};
#undef X
    return names[state];
}

void agent_is(struct agent *a, enum agent_state state, enum agent_cause cause, const char *fmt, ...)
{
    char why[AGENT_WHY_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    bool changed = a->state != state || a->cause != cause;
    if (!changed && same(a->why, why))
        return;
    if (changed) {
        a->since_ms = clock_boot_ms();
        log_line(state == AGENT_CRASHED || state == AGENT_HUNG || state == AGENT_STALLED || state == AGENT_QUARANTINED ? LOG_WARNING : LOG_INFO,
                 "PostgreSQL is %s state=%s cause=%s why=\"%s\"", agent_state_name(state), agent_state_name(state), cause_name(cause), why);
    }
    a->state = state;
    a->cause = cause;
    COPY_TO(a->why, why);
    agent_told(a);
}

/* ---- what the disk says ---- */

/* The first bytes of global/pg_control have been these since long: the system identifier, two versions, and the state at the last end. */
struct control {
    uint64_t system_identifier;
    uint32_t version, catalogue, state;
};
enum { DB_SHUTDOWNED = 1, DB_SHUTDOWNED_IN_RECOVERY = 2 };

static bool read_control(const struct agent *a, struct control *ret)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    int fd SCOPED(file_close) = open(file_join(arena, a->spec->site->database.data_directory, "global/pg_control"), O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
}

static bool was_shut_down(const struct agent *a)
{
    struct control c;
    return read_control(a, &c) && (c.state == DB_SHUTDOWNED || c.state == DB_SHUTDOWNED_IN_RECOVERY);
}

/* How often the kernel has ended a process for want of memory, since boot. */
static int64_t kernel_ooms(void)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct str text, line;
    int64_t n = 0;
    if (!file_read(arena, "/proc/vmstat", LOG_MAX, &text, &err))
        return 0;
    while (str_next(&text, '\n', &line))
        if (str_starts(line, "oom_kill ") && str_int((struct str){line.p + strlen("oom_kill "), line.n - strlen("oom_kill ")}, &n))
            return n;
    return 0;
}

static int64_t log_size(const struct agent *a)
{
    int64_t size = 0;
    int fd = -1;
    struct err err = {0};
    if (file_exists(a->log_path) && file_open(a->log_path, &fd, &size, &err))
        file_close(&fd);
    return size;
}

/* What it wrote since it was started, the end of it. */
static struct str log_tail(const struct agent *a, struct arena *arena)
{
    int fd SCOPED(file_close) = open(a->log_path, O_RDONLY | O_CLOEXEC);
    int64_t size = log_size(a), from = MAX_OF(a->log_from, size - LOG_MAX);
    char *text = arena_alloc(arena, LOG_MAX + 1);
    ssize_t n = fd >= 0 ? pread(fd, text, LOG_MAX, (off_t)from) : 0;
    return (struct str){text, (size_t)MAX_OF(n, 0)};
}

static bool forbidden(const struct agent *a, char why[AGENT_WHY_SIZE])
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct str text;
    if (!file_exists(a->stopped_path))
        return false;
    if (!file_read(arena, a->stopped_path, MARK_MAX, &text, &err))
        text = str_of(err.message);
    snprintf(why, AGENT_WHY_SIZE, "it was stopped for good: " STR_FMT, STR_ARG(str_trim(text)));
    return true;
}

bool agent_allow(struct agent *a, struct err *err)
{
    if (unlink(a->stopped_path) != 0 && errno != ENOENT)
        return err_os(err, errno, "could not remove \"%s\"", a->stopped_path);
    return true;
}

static bool forbid(struct agent *a, const char *why, struct err *err)
{
    return file_write(a->stopped_path, why, strlen(why), 0600, err);
}

static int64_t read_epoch(const struct agent *a)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct str text;
    int64_t epoch = 0;
    if (file_exists(a->epoch_path) && file_read(arena, a->epoch_path, MARK_MAX, &text, &err) && !str_int(str_trim(text), &epoch))
        epoch = 0;
    return epoch;
}

bool agent_note_epoch(struct agent *a, int64_t epoch, struct err *err)
{
    char text[32];
    if (epoch < a->epoch)
        return err_set(err, ERR_REFUSED, "epoch %" PRId64 " is over: this agent has heard of %" PRId64, epoch, a->epoch);
    if (epoch == a->epoch)
        return true;
    snprintf(text, sizeof(text), "%" PRId64 "\n", epoch);
    if (!file_write(a->epoch_path, text, strlen(text), 0600, err))
        return false;
    a->epoch = epoch;
    return true;
}

/* ---- starting ---- */

/* So many within the window, and no more: a server that dies again and again is not mended by another start. */
static bool may_restart(struct agent *a)
{
    const struct agent_conf *c = &a->spec->site->agent;
    int64_t now = clock_boot_ms();
    if (c->restarts == 0)
        return false;
    int64_t *oldest = &a->restarted_ms[a->restarts % c->restarts];
    if (*oldest && now - *oldest < c->restart_window_ms)
        return false;
    *oldest = now;
    a->restarts++;
    return true;
}

bool agent_start_postgres(struct agent *a, struct err *err)
{
    char why[AGENT_WHY_SIZE];
    a->wanted = true;
    if (forbidden(a, why)) {
        a->wanted = false;
        agent_is(a, AGENT_QUARANTINED, CAUSE_GUARD, "%s", why);
        return err_set(err, ERR_REFUSED, "%s", why);
    }
    a->waits = a->hold && !agent_is_standby(a) && !hold_may_begin(a->hold, why, sizeof(why));
    if (a->waits) {
        agent_is(a, AGENT_QUARANTINED, a->held_cause ? a->held_cause : CAUSE_GUARD, "not started: %s", why);
        return err_set(err, ERR_REFUSED, "not started: %s", why);
    }
    a->held_cause = CAUSE_NONE;
    walend_forget(a);
    a->log_from = log_size(a);
    a->ooms = kernel_ooms();
    a->came_up = false;
    a->misses = 0;
    gauge_clear(&a->gauge);
    bool writes = a->hold && !agent_is_standby(a);
    if (writes)
        hold_begins(a->hold);
    if (!postmaster_start(a->postmaster, err)) {
        if (writes && !postmaster_of(a->spec->site->database.data_directory))
            hold_began_not(a->hold);
        agent_is(a, AGENT_CRASHED, CAUSE_CANNOT_START, "%s", err->message);
        return false;
    }
    agent_is(a, AGENT_STARTING, CAUSE_NONE, "postmaster %d was started", postmaster_pid(a->postmaster));
    gauge_soon(a);
    return true;
}

bool agent_is_standby(const struct agent *a)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *data = a->spec->site->database.data_directory;
    return file_exists(file_join(arena, data, "standby.signal")) || file_exists(file_join(arena, data, "recovery.signal"));
}

void agent_still_waits(struct agent *a)
{
    char why[AGENT_WHY_SIZE];
    if (a->waits && !postmaster_pid(a->postmaster) && !hold_may_begin(a->hold, why, sizeof(why)))
        agent_is(a, AGENT_QUARANTINED, a->held_cause ? a->held_cause : CAUSE_GUARD, "not started: %s", why);
}

void agent_may_begin(struct agent *a)
{
    struct err err = {0};
    if (a->waits && a->wanted && !postmaster_pid(a->postmaster) && !agent_start_postgres(a, &err))
        log_err(LOG_ERROR, &err);
}

void agent_resume(struct agent *a)
{
    struct err err = {0};
    a->wanted = true;
    if (!agent_allow(a, &err))
        log_err(LOG_ERROR, &err);
    else if (!postmaster_pid(a->postmaster) && !agent_start_postgres(a, &err) && !a->waits)
        log_err(LOG_ERROR, &err);
}

void agent_hold_back(struct agent *a, enum agent_cause cause, const char *why)
{
    struct err err = {0};
    char evidence[AGENT_WHY_SIZE] = "";
    a->held_back = true;
    a->held_cause = cause;
    COPY_TO(a->held_why, why);
    if (!postmaster_end_now(a->spec->site->database.data_directory, a->spec->service->failover.stop_budget_ms, evidence, sizeof(evidence), &err)) {
        agent_is(a, AGENT_STOPPING, cause, "%s; %s", why, err.message);
        return;
    }
    agent_is(a, AGENT_STOPPING, cause, "%s; %s", why, evidence); /* its pidfd tells in a moment */
}

static void on_start_timer(void *arg)
{
    struct agent *a = arg;
    struct err err = {0};
    if (!a->wanted || postmaster_pid(a->postmaster) || pause_leaves(a, AGENT_CRASHED, a->cause, "it could not be started before"))
        return;
    if (!agent_start_postgres(a, &err))
        log_err(LOG_ERROR, &err);
}

/* ---- ending ---- */

static void start_again(struct agent *a, enum agent_cause cause, const char *why)
{
    struct err err = {0};
    if (!cause_mends(cause)) {
        agent_is(a, AGENT_CRASHED, cause, "not started again, since that cannot help: %s", why);
    } else if (pause_leaves(a, AGENT_CRASHED, cause, why)) {
        return;
    } else if (!may_restart(a)) {
        agent_is(a, AGENT_CRASHED, CAUSE_CRASH_LOOP, "not started again after %d starts within %" PRId64 " s: %s", a->spec->site->agent.restarts,
                 a->spec->site->agent.restart_window_ms / MS_SECOND, why);
    } else if (cause == CAUSE_CANNOT_START) {
        agent_is(a, AGENT_STARTING, cause, "to be started again in %d ms: %s", RETRY_MS, why);
        loop_timer_set(a->start_timer, clock_boot_ms() + RETRY_MS);
    } else {
        agent_is(a, AGENT_STARTING, cause, "started again at once: %s", why);
        if (!agent_start_postgres(a, &err) && !a->waits)
            log_err(LOG_ERROR, &err);
    }
}

static void on_ended(void *arg, const struct postmaster_end *end)
{
    struct agent *a = arg;
    SCOPED(arena_close) struct arena *arena = arena_open();
    char why[AGENT_WHY_SIZE] = "", evidence[AGENT_WHY_SIZE] = "";
    struct err err = {0};
    gauge_end(a);
    gauge_clear(&a->gauge);
    loop_timer_cancel(a->stop_timer);
    freeze_thaw(a, false);
    /* Children that it left behind would keep the next one from starting, and may still write. */
    if (!postmaster_end_now(a->spec->site->database.data_directory, a->spec->service->failover.stop_budget_ms, evidence, sizeof(evidence), &err)) {
        a->wanted = false;
        agent_is(a, AGENT_HUNG, CAUSE_NONE, "the postmaster has ended, but not all its processes: %s", err.message);
        return;
    }
    promotion_unmark(a); /* what it is when it starts again, its files say */
    walend_read(a);
    if (a->hold)
        hold_ended(a->hold);
    if (a->held_back) {
        a->held_back = false;
        a->waits = a->wanted;
        agent_is(a, AGENT_QUARANTINED, a->held_cause, "%s; %s", a->held_why, evidence);
        return;
    }
    if (!a->wanted) {
        agent_is(a, AGENT_STOPPED, CAUSE_NONE, "it was stopped as told; %s", evidence);
        answer_stopped(a, evidence);
        return;
    }
    if ((!end->known || end->exit_code == 0) && was_shut_down(a)) { /* by somebody else, in order: they know why, and will start it again */
        a->wanted = false;
        agent_is(a, AGENT_STOPPED, CAUSE_NONE, "somebody else shut it down");
        return;
    }
    enum agent_cause cause = cause_of(end, log_tail(a, arena), kernel_ooms() > a->ooms, a->came_up, why, sizeof(why));
    start_again(a, cause, why);
}

bool agent_stop_now(struct agent *a, const char *why, char *evidence, size_t size, struct err *err)
{
    if (!forbid(a, why, err)) /* before the stop: whatever happens to us now, it does not start again */
        return false;
    a->wanted = false;
    loop_timer_cancel(a->start_timer);
    if (!postmaster_end_now(a->spec->site->database.data_directory, a->spec->service->failover.stop_budget_ms, evidence, size, err)) {
        agent_is(a, AGENT_STOPPING, CAUSE_NONE, "%s", err->message);
        return false;
    }
    if (!postmaster_pid(a->postmaster)) /* else its pidfd tells in a moment */
        agent_is(a, AGENT_STOPPED, CAUSE_NONE, "%s", evidence);
    return true;
}

static void on_stop_timer(void *arg)
{
    struct agent *a = arg;
    struct err err = {0};
    char evidence[AGENT_WHY_SIZE];
    log_line(LOG_WARNING, "PostgreSQL did not shut down in time, so it is ended at once after_ms=%d", FAST_STOP_MS);
    if (!postmaster_end_now(a->spec->site->database.data_directory, a->spec->service->failover.stop_budget_ms, evidence, sizeof(evidence), &err))
        log_err(LOG_ERROR, &err);
}

bool agent_stop_fast(struct agent *a, struct httpd_request *request, struct err *err)
{
    if (a->stopping)
        return err_set(err, ERR_REFUSED, "a stop is under way already");
    if (!forbid(a, "told to by a signed command", err))
        return false;
    a->wanted = false;
    loop_timer_cancel(a->start_timer);
    a->stopping = request;
    if (!postmaster_pid(a->postmaster)) {
        char evidence[AGENT_WHY_SIZE];
        if (!postmaster_end_now(a->spec->site->database.data_directory, a->spec->service->failover.stop_budget_ms, evidence, sizeof(evidence), err)) {
            a->stopping = NULL;
            return false;
        }
        agent_is(a, AGENT_STOPPED, CAUSE_NONE, "%s", evidence);
        answer_stopped(a, evidence);
        return true;
    }
    if (!postmaster_signal(a->postmaster, SIGINT, err)) {
        a->stopping = NULL;
        return false;
    }
    freeze_thaw(a, false); /* what is frozen does not end */
    agent_is(a, AGENT_STOPPING, CAUSE_NONE, "it shuts down, as told");
    loop_timer_set(a->stop_timer, clock_boot_ms() + FAST_STOP_MS);
    return true;
}

/* ---- the program ---- */

static void on_signal(void *arg, int number UNUSED)
{
    loop_stop(((struct agent *)arg)->loop);
}

static void on_turn(void *arg UNUSED)
{
}

static bool prepare(struct agent *a, struct err *err)
{
    const char *folder = file_join(a->arena, a->spec->config->state_dir, "agent");
    const char *stem = a->stem = arena_printf(a->arena, "%s/%s.%s", folder, a->spec->service->name, a->spec->site->name);
    struct control control;
    a->log_path = arena_printf(a->arena, "%s.log", stem);
    a->stopped_path = arena_printf(a->arena, "%s.stopped", stem);
    a->epoch_path = arena_printf(a->arena, "%s.epoch", stem);
    a->promoting_path = arena_printf(a->arena, "%s.promoting", stem);
    a->frozen_path = arena_printf(a->arena, "%s.frozen", stem);
    a->promoting = file_exists(a->promoting_path);
    a->paused_path = arena_printf(a->arena, "%s.paused", stem);
    a->restarted_ms = arena_array(a->arena, int64_t, MAX_OF(a->spec->site->agent.restarts, 1));
    if (!file_mkdirs(folder, LOCK_MODE, err) || !secret_read(a->arena, &a->spec->site->agent.token, &a->token, err))
        return false;
    a->epoch = read_epoch(a);
    if (read_control(a, &control))
        a->system_identifier = control.system_identifier;
    return true;
}

/* Somebody else may have started it. */
static void on_look_timer(void *arg)
{
    struct agent *a = arg;
    struct err err = {0};
    char why[AGENT_WHY_SIZE], evidence[AGENT_WHY_SIZE] = "";
    loop_timer_set(a->look_timer, clock_boot_ms() + LOOK_MS);
    if (postmaster_pid(a->postmaster) || !postmaster_find(a->postmaster, &err))
        return;
    a->came_up = false;
    if (forbidden(a, why)) {
        log_line(LOG_WARNING, "PostgreSQL was started by somebody else, and is ended at once why=\"%s\"", why);
        if (!postmaster_end_now(a->spec->site->database.data_directory, a->spec->service->failover.stop_budget_ms, evidence, sizeof(evidence), &err))
            log_err(LOG_ERROR, &err);
        return;
    }
    a->wanted = true;
    a->log_from = log_size(a);
    a->ooms = kernel_ooms();
    agent_is(a, AGENT_STARTING, CAUSE_NONE, "postmaster %d was started by somebody else", postmaster_pid(a->postmaster));
    gauge_soon(a);
}

static bool open_all(struct agent *a, struct err *err)
{
    /* A postmaster that starts its own server anew after a crash does so for ever, on a full disk too, and looks as if it were starting. A standby whose
       primary was restarted in place asks again only after this interval, 5 s by PostgreSQL's own default, and so long do synchronous commits wait. */
    static const char *const options[] = {"-c", "restart_after_crash=off", "-c", "wal_retrieve_retry_interval=500ms", NULL};
    const struct site *site = a->spec->site;
    struct postmaster_spec pm = {.data = site->database.data_directory, .bindir = site->agent.pg_bindir, .run_as = site->agent.run_as, .options = options, .log = a->log_path};
    struct httpd_spec http = {.listen = site->agent.listen, .request = answer_request, .turn = on_turn, .arg = a};
    a->loop = loop_open();
    a->dns = dns_open(a->loop, DNS_TIMEOUT_MS);
    a->postmaster = postmaster_open(a->loop, &pm, on_ended, a);
    a->start_timer = loop_timer_new(a->loop, on_start_timer, a);
    a->stop_timer = loop_timer_new(a->loop, on_stop_timer, a);
    a->look_timer = loop_timer_new(a->loop, on_look_timer, a);
    gauge_begin(a);
    freeze_begin(a);
    pause_begin(a);
    still_begin(a);
    if (a->spec->service->failover.automatic && a->spec->config->etcd.endpoints.n && !hold_open(a, &a->hold, err))
        return false;
    return httpd_open(a->loop, &http, &a->httpd, err);
}

static void close_all(struct agent *a)
{
    httpd_close(&a->httpd);
    hold_close(&a->hold);
    gauge_end(a);
    promotion_end(a);
    walend_forget(a);
    lost_end(a);
    freeze_end(a);
    pause_end(a);
    still_end(a);
    loop_timer_free(&a->probe_timer);
    loop_timer_free(&a->poll_timer);
    loop_timer_free(&a->start_timer);
    loop_timer_free(&a->stop_timer);
    loop_timer_free(&a->look_timer);
    postmaster_close(&a->postmaster);
    dns_close(&a->dns);
    loop_close(&a->loop);
    arena_close(&a->probe_arena);
    secret_wipe(a->token);
}

/* One that runs is taken over as it is; one that does not is started, unless it was stopped for good. */
static void take_over(struct agent *a)
{
    struct err err = {0};
    char why[AGENT_WHY_SIZE];
    freeze_after_restart(a);
    if (!postmaster_find(a->postmaster, &err))
        promotion_unmark(a);
    if (postmaster_pid(a->postmaster)) {
        a->wanted = a->came_up = true;
        a->log_from = log_size(a);
        a->ooms = kernel_ooms();
        agent_is(a, AGENT_STARTING, CAUSE_NONE, "postmaster %d runs already", postmaster_pid(a->postmaster));
        gauge_soon(a);
        if (forbidden(a, why))
            log_line(LOG_WARNING, "PostgreSQL runs although it was stopped for good why=\"%s\"", why);
    } else if (!pause_leaves(a, AGENT_STOPPED, CAUSE_NONE, "it did not run when the agent came") && !agent_start_postgres(a, &err) && !a->waits) {
        log_err(LOG_ERROR, &err);
    }
}

bool agent_run(const struct agent_spec *spec, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct agent *a = arena_new(arena, struct agent);
    int lock SCOPED(file_close) = -1;
    *a = (struct agent){.spec = spec, .arena = arena, .serial = 1, .since_ms = clock_boot_ms(), .probe_arena = arena_open()};
    COPY_TO(a->why, "not looked at yet");
    if (!prepare(a, err) || !file_lock(arena_printf(arena, "%s.lock", a->log_path), &lock, err)) {
        arena_close(&a->probe_arena);
        return err_prefix(err, "agent of site \"%s\"", spec->site->name);
    }
    bool ok = open_all(a, err);
    if (ok) {
        struct loop_signal *term = loop_signal_new(a->loop, SIGTERM, on_signal, a), *interrupt = loop_signal_new(a->loop, SIGINT, on_signal, a);
        log_line(LOG_INFO, "agent of site \"%s\" listens address=%s", spec->site->name, spec->site->agent.listen);
        take_over(a);
        loop_timer_set(a->look_timer, clock_boot_ms() + LOOK_MS);
        loop_run(a->loop);
        loop_signal_free(&term);
        loop_signal_free(&interrupt);
    }
    close_all(a);
    return ok;
}

bool agent_guard(const struct agent_spec *spec, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct agent *a = arena_new(arena, struct agent);
    char why[AGENT_WHY_SIZE];
    *a = (struct agent){.spec = spec, .arena = arena};
    if (!prepare(a, err))
        return false;
    if (!forbidden(a, why)) {
        if (!spec->service->failover.automatic || !spec->config->etcd.endpoints.n || agent_is_standby(a))
            return true;
        err_set(err, ERR_REFUSED, "PostgreSQL of site \"%s\" lives by a lease, so only its agent starts it", spec->site->name);
        return err_hint(err, "start the agent: it starts PostgreSQL as soon as this site may write");
    }
    err_set(err, ERR_REFUSED, "PostgreSQL of site \"%s\" may not start: %s", spec->site->name, why);
    return err_hint(err, "POST /v1/start to its agent allows it, once it is certain that no other site writes");
}
