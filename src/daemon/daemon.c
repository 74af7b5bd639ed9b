/* daemon/daemon.c -- Opens the stages, joins them, and runs until told to stop. */
#include "daemon/daemon_internal.h"

#include <signal.h>
#include <unistd.h>

#include "io/ssh.h"
#include "sys/file.h"
#include "sys/log.h"

enum { JOURNAL_LOOK_MS = 50, QUIET_MS = 200, DNS_TIMEOUT_MS = 1200 };

/* ---- results and verdicts in ---- */

static void feed_verdict(struct daemon *d, const struct verdict *verdict)
{
    struct event event = {.kind = EVENT_VERDICT, .number = verdict->state, .ref = verdict->good_wall_ms};
    COPY_TO(event.service, verdict->service);
    COPY_TO(event.subject, verdict->check);
    COPY_TO(event.text, verdict->text);
    daemon_feed(d, &event, NULL);
}

/* A postcondition wants a look that was taken after its command; so while one is awaited, unchanged verdicts are fed too. */
static bool postcondition_awaited(const struct daemon *d, const char *service)
{
    for (size_t i = decide_incidents(d->decide); i-- > 0;) {
        const struct incident *incident = decide_incident_at(d->decide, i);
        if (incident->state >= INCIDENT_RESOLVED || !incident->depth || !same(d->config->services.p[incident->service].name, service))
            continue;
        if (incident->frames[incident->depth - 1].phase == STEP_CHECKING)
            return true;
    }
    return false;
}

static void on_result(void *arg, const struct result *result)
{
    struct daemon *d = arg;
    struct verdict turned[JUDGE_TURNS];
    size_t count = judge_feed(d->judge, result, turned);
    bool seen = false;
    for (size_t i = 0; i < count; i++) {
        seen |= same(turned[i].check, result->check) && same(turned[i].service, result->service);
        feed_verdict(d, &turned[i]);
    }
    if (!seen && postcondition_awaited(d, result->service)) {
        struct verdict now = judge_now(d->judge, result->service, result->check);
        feed_verdict(d, &now);
    }
    daemon_wake(d);
}

static void on_judge_timer(void *arg)
{
    struct daemon *d = arg;
    struct verdict turned[JUDGE_TURNS];
    size_t count = judge_age(d->judge, daemon_now(d), turned);
    for (size_t i = 0; i < count; i++)
        feed_verdict(d, &turned[i]);
    daemon_wake(d);
}

static void on_decide_timer(void *arg)
{
    struct daemon *d = arg;
    if (decide_next_ms(d->decide) > daemon_now(d)) { /* the timer was set for an earlier wish */
        daemon_wake(d);
        return;
    }
    struct event tick = {.kind = EVENT_TICK};
    daemon_feed(d, &tick, NULL);
}

static void on_upkeep_timer(void *arg)
{
    struct daemon *d = arg;
    upkeep_start_due(d->upkeep);
    daemon_wake(d);
}

static void on_journal_timer(void *arg)
{
    struct daemon *d = arg;
    if (journal_changed(d->journal)) {
        daemon_take_in(d);
        daemon_wake(d);
    }
    journal_tend(d->journal, clock_boot_ms() - d->busy_boot_ms >= QUIET_MS);
    daemon_leave_when_told(d);
    if (!d->stopping)
        loop_timer_set(d->journal_timer, clock_boot_ms() + JOURNAL_LOOK_MS);
}

static void on_signal(void *arg, int signal_number)
{
    struct daemon *d = arg;
    struct event event = {.kind = EVENT_STOPPED, .number = signal_number};
    COPY_TO(event.text, signal_number == SIGINT ? "stopped by SIGINT" : "stopped by SIGTERM");
    daemon_feed(d, &event, NULL);
    loop_stop(d->loop);
}

/* ---- opening ---- */

/* One controller per state folder: two would carry every order out twice. */
static bool lock(struct daemon *d, struct err *err)
{
    char *path = file_join(d->arena, d->config->state_dir, "controller.lock");
    if (file_lock(path, &d->lock_fd, err))
        return true;
    if (err->code == ERR_REFUSED) {
        err_set(err, ERR_REFUSED, "another controller runs on the state folder \"%s\"", d->config->state_dir);
        err_hint(err, "stop it first (systemctl stop bascule), or give this one a state_dir of its own");
    }
    return false;
}

static bool resume_clock(struct daemon *d, struct err *err)
{
    struct journal_clock last = {0};
    char boot_id[64];
    clock_boot_id(boot_id, sizeof(boot_id));
    if (!journal_clock(d->journal, &last, err))
        return false;
    if (last.any)
        d->clock = core_clock_resume(same(last.boot_id, boot_id), last.offset_ms, last.core_ms, last.wall_ms, clock_boot_ms(), clock_wall_ms());
    journal_set_clock(d->journal, boot_id, d->clock.offset_ms);
    return true;
}

static int64_t observe_clock(void *arg)
{
    return daemon_now(arg);
}

/* No bind mount or symlink of another user's making is followed: all our folders are ours alone. */
static bool prepare_folders(struct daemon *d, const char **ret_control, const char **ret_runs, struct err *err)
{
    const char *state = d->config->state_dir;
    *ret_runs = file_join(d->arena, state, "run");
    *ret_control = strlen(state) < 40 ? file_join(d->arena, state, "ssh") : arena_printf(d->arena, "/tmp/bascule-ssh-%u", (unsigned)getuid());
    return file_mkdirs(state, 0700, err) && file_mkdirs(*ret_runs, 0700, err) && ssh_prepare(*ret_control, err);
}

static bool open_stages(struct daemon *d, struct err *err)
{
    const char *control, *runs;
    if (!prepare_folders(d, &control, &runs, err) || !lock(d, err) ||
        !journal_open(d->config->state_dir, JOURNAL_APPEND, true, &d->journal, err) || !resume_clock(d, err))
        return false;
    d->loop = loop_open();
    d->dns = dns_open(d->loop, DNS_TIMEOUT_MS);
    d->http = http_open(d->loop, d->dns);
    d->judge = judge_open(d->arena, d->config);
    d->decide = decide_open(d->arena, d->config);
    struct runner_callbacks on_run = daemon_runner_callbacks;
    struct outbox_callbacks on_mail = daemon_outbox_callbacks;
    on_run.arg = on_mail.arg = d;
    d->runner = runner_open(d->loop, runs, &on_run);
    d->outbox = outbox_open(d->loop, d->http, d->config, &on_mail);
    d->observe = observe_open(d->loop, d->config, control, on_result, d);
    observe_set_clock(d->observe, observe_clock, d);
    d->decide_timer = loop_timer_new(d->loop, on_decide_timer, d);
    d->judge_timer = loop_timer_new(d->loop, on_judge_timer, d);
    d->upkeep = upkeep_open(d);
    d->alerts = alerts_open(d);
    d->pulse = pulse_open(d);
    d->pages = pages_open(d);
    if (!daemon_lead_begin(d, err))
        return false;
    d->upkeep_timer = loop_timer_new(d->loop, on_upkeep_timer, d);
    d->journal_timer = loop_timer_new(d->loop, on_journal_timer, d);
    d->on_term = loop_signal_new(d->loop, SIGTERM, on_signal, d);
    d->on_int = loop_signal_new(d->loop, SIGINT, on_signal, d);
    return true;
}

static void close_stages(struct daemon *d)
{
    daemon_lead_end(d);
    alerts_close(d->alerts);
    pulse_close(d->pulse);
    observe_close(&d->observe);
    outbox_close(&d->outbox);
    runner_close(&d->runner);
    pages_close(&d->pages);
    loop_timer_free(&d->decide_timer);
    loop_timer_free(&d->judge_timer);
    loop_timer_free(&d->journal_timer);
    loop_timer_free(&d->upkeep_timer);
    loop_signal_free(&d->on_term);
    loop_signal_free(&d->on_int);
    http_close(&d->http);
    dns_close(&d->dns);
    loop_close(&d->loop);
    journal_close(&d->journal);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    arena_close(&d->arena);
}

/* ---- running ---- */

static void begin(struct daemon *d)
{
    if (d->spec->only_playbook) {
        struct event open = {.kind = EVENT_OPEN, .number = -1, .ref = d->spec->to};
        COPY_TO(open.service, d->spec->service);
        COPY_TO(open.subject, d->spec->only_playbook);
        COPY_TO(open.who, d->spec->who);
        COPY_TO(open.text, d->spec->why ? d->spec->why : "started by hand");
        daemon_feed(d, &open, NULL);
    }
    observe_begin(d->observe);
    alerts_begin(d->alerts);
    pulse_begin(d->pulse);
    pages_begin(d->pages);
    on_journal_timer(d);
    daemon_wake(d);
    log_line(LOG_INFO, "watching %zu checks; state in \"%s\"", observe_count(d->observe), d->config->state_dir);
}

int daemon_run(const struct daemon_spec *spec)
{
    struct daemon d = {.spec = spec, .config = spec->config, .arena = arena_open(), .lock_fd = -1};
    d.orders.arena = d.arena;
    struct err err = {0};
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error of the write that meets it */
    if (!open_stages(&d, &err) || !daemon_replay(&d, &err)) {
        log_err(LOG_ERROR, &err);
        d.exit_status = err_exit_status(err.code);
    } else {
        begin(&d);
        if (!d.stopping)
            loop_run(d.loop);
    }
    int status = d.exit_status;
    close_stages(&d);
    return status;
}
