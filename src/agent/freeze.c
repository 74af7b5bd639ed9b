/* agent/freeze.c -- For a comparison of standbys that nothing moves under: the process that receives changes is stopped as it stands, for a
   bounded time; where there is none, the one that would ask for it, which replays. They are let go when that is over, when this site is promoted
   or follows another, and when the agent ends; a later agent finds its file. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "io/standing.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { CONNECT_MS = 1000, QUESTION_MS = 1000, MARK_MAX = 64, ANSWER_MAX = 8192 };

struct freeze {
    struct agent *agent;
    struct loop_timer *timer;
    struct pgprobe *probe;
    struct httpd_request *request; /* who waits for the answer; NULL: nobody */
    int64_t ms;
    bool none_new;                 /* nor may another receiver begin */
    int receiver, startup;         /* that are stopped; 0: is not */
    struct pgprobe_spec spec;
};

static const char *data_of(const struct freeze *f)
{
    return f->agent->spec->site->database.data_directory;
}

static void send(const struct freeze *f, int pid, int signal_number)
{
    struct err err = {0};
    if (pid && !postmaster_signal_child(data_of(f), pid, signal_number, &err) && err.code != ERR_NOT_FOUND)
        log_err(LOG_ERROR, &err);
}

/* For good: whoever receives ends, and whoever would ask for another one reads first whom it follows by now. */
static void let_go(struct freeze *f, bool for_good)
{
    int receiver = f->receiver, startup = f->startup;
    loop_timer_cancel(f->timer);
    if (!receiver && !startup)
        return;
    f->receiver = f->startup = 0;
    if (for_good) {
        send(f, startup, SIGHUP);
        send(f, receiver, SIGTERM);
    }
    send(f, startup, SIGCONT);
    send(f, receiver, SIGCONT);
    if (unlink(f->agent->frozen_path) != 0 && errno != ENOENT)
        log_line(LOG_WARNING, "could not remove a file path=%s", f->agent->frozen_path);
    agent_told(f->agent);
}

void freeze_thaw(struct agent *a, bool for_good)
{
    let_go(a->freeze, for_good);
}

bool freeze_holds(const struct agent *a, int pid)
{
    return pid && (pid == a->freeze->receiver || pid == a->freeze->startup);
}

static void on_timer(void *arg)
{
    struct freeze *f = arg;
    if (f->receiver || f->startup)
        log_line(LOG_INFO, "no promotion followed: changes are received again");
    let_go(f, false);
}

static void refuse(struct freeze *f, enum err_code code, const char *why)
{
    struct httpd_request *r = TAKE(f->request);
    let_go(f, false);
    if (r)
        answer_error(r, (unsigned)err_http_status(code), why);
}

/* On record first: a killed agent must not leave it stopped for ever. */
static bool stop_process(struct freeze *f, int *which, int pid, struct err *err)
{
    char text[MARK_MAX];
    *which = pid;
    snprintf(text, sizeof(text), "%d %d\n", f->receiver, f->startup);
    if (!file_write(f->agent->frozen_path, text, strlen(text), 0600, err))
        return false;
    if (!postmaster_signal_child(data_of(f), pid, SIGSTOP, err) && err->code != ERR_NOT_FOUND)
        return false;
    loop_timer_set(f->timer, clock_boot_ms() + f->ms);
    agent_told(f->agent);
    return true;
}

/* The connection of the question was made by the postmaster, after all that it had been asked to begin before. */
static bool stop_begun(struct freeze *f, struct err *err)
{
    int begun = f->startup && !f->receiver ? still_find(f->agent, "walreceiver") : 0;
    return !begun || stop_process(f, &f->receiver, begun, err);
}

static void on_stands(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    struct freeze *f = arg;
    struct standing s;
    struct err err = {0};
    f->probe = NULL;
    if (count < 2 || !o[1].ok) {
        refuse(f, ERR_UNAVAILABLE, o[count - 1].err.message);
        return;
    }
    if (!standing_parse(o[1].value, &s, &err) || !stop_begun(f, &err)) {
        refuse(f, err.code, err.message);
        return;
    }
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_bool(&j, "frozen", true);
    json_put_int(&j, "for_ms", f->ms);
    json_put_bool(&j, "recovery", s.recovery);
    json_put_text(&j, "received", lsn_print(arena, s.lsn));
    json_put_text(&j, "replayed", lsn_print(arena, s.replayed));
    json_put_int(&j, "timeline", s.timeline);
    json_put_text(&j, "system_identifier", s.cluster);
    json_put_int(&j, "commit_ms", s.commit_ms);
    json_object_end(&j);
    struct httpd_request *r = TAKE(f->request);
    if (r)
        answer_json(r, buf_str(&out));
}

static void ask(struct freeze *f, const struct pgprobe_step *step, pgprobe_done_fn *done)
{
    f->spec = (struct pgprobe_spec){.target = &f->agent->spec->site->database.at, .connect_timeout_ms = CONNECT_MS, .steps = step, .step_count = 1};
    pgprobe_start(f->agent->loop, f->agent->dns, &f->spec, done, f, &f->probe);
}

/* What moves is stopped before it is asked where it stands. */
static bool stop_what_moves(struct freeze *f, int64_t receiver, struct err *err)
{
    if (receiver > 1)
        return stop_process(f, &f->receiver, (int)receiver, err);
    if (!f->none_new)
        return true;
    int startup = still_find(f->agent, "startup");
    if (!startup)
        return err_set(err, ERR_UNAVAILABLE, "the process that replays is not found, and it may begin to receive");
    return stop_process(f, &f->startup, startup, err) && stop_begun(f, err);
}

static void on_receiver(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    static const struct pgprobe_step step = {.name = "read", .sql = standing_sql, .timeout_ms = QUESTION_MS};
    struct freeze *f = arg;
    struct err err = {0};
    int64_t pid = 0;
    f->probe = NULL;
    if (count < 2 || !o[1].ok)
        refuse(f, ERR_UNAVAILABLE, o[count - 1].err.message);
    else if ((o[1].rows && o[1].value && !str_int(str_of(o[1].value), &pid)) || !stop_what_moves(f, pid, &err))
        refuse(f, err.code, err.message);
    else
        ask(f, &step, on_stands);
}

bool freeze_postgres(struct agent *a, struct httpd_request *request, int64_t ms, bool none_new, struct err *err)
{
    static const struct pgprobe_step step = {.name = "read", .sql = "select pid::text from pg_catalog.pg_stat_wal_receiver", .timeout_ms = QUESTION_MS};
    struct freeze *f = a->freeze;
    if (f->probe)
        return err_set(err, ERR_REFUSED, "somebody else is freezing it");
    if (!postmaster_pid(a->postmaster) || !agent_is_standby(a) || a->promoting)
        return err_set(err, ERR_REFUSED, "there is no standby here that runs");
    let_go(f, false);
    f->request = request;
    f->ms = ms;
    f->none_new = none_new;
    ask(f, &step, on_receiver);
    return true;
}

void freeze_begin(struct agent *a)
{
    struct freeze *f = a->freeze = arena_new(a->arena, struct freeze);
    *f = (struct freeze){.agent = a};
    f->timer = loop_timer_new(a->loop, on_timer, f);
}

void freeze_after_restart(struct agent *a)
{
    struct freeze *f = a->freeze;
    struct err err = {0};
    struct str text, first;
    int64_t receiver, startup;
    if (!file_exists(a->frozen_path) || !file_read(a->arena, a->frozen_path, MARK_MAX, &text, &err) || !str_next(&text, ' ', &first) || !str_int(first, &receiver) ||
        !str_int(str_trim(text), &startup) || receiver < 0 || receiver > INT32_MAX || startup < 0 || startup > INT32_MAX)
        return;
    log_line(LOG_WARNING, "an earlier agent left what receives changes stopped: it goes on receiver=%" PRId64 " startup=%" PRId64, receiver, startup);
    f->receiver = (int)receiver;
    f->startup = (int)startup;
    let_go(f, false);
}

void freeze_end(struct agent *a)
{
    struct freeze *f = a->freeze;
    if (!f)
        return;
    if (f->probe)
        pgprobe_cancel(&f->probe);
    f->request = NULL; /* the server of requests has answered it by now */
    let_go(f, false);
    loop_timer_free(&f->timer);
}
