/* agent/freeze.c -- For a comparison of standbys that nothing moves under: the process that receives changes is stopped as it stands, for a
   bounded time. It is let go when that is over, when this site is promoted, and when the agent ends; a later agent finds its file. */
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
    int pid;                       /* that is stopped; 0: none */
    struct pgprobe_spec spec;
};

static const char *data_of(const struct freeze *f)
{
    return f->agent->spec->site->database.data_directory;
}

static void let_go(struct freeze *f, bool for_good)
{
    struct err err = {0};
    int pid = f->pid;
    loop_timer_cancel(f->timer);
    if (!pid)
        return;
    f->pid = 0;
    if (for_good && !postmaster_signal_child(data_of(f), pid, SIGTERM, &err) && err.code != ERR_NOT_FOUND)
        log_err(LOG_WARNING, &err);
    if (!postmaster_signal_child(data_of(f), pid, SIGCONT, &err) && err.code != ERR_NOT_FOUND)
        log_err(LOG_ERROR, &err);
    if (unlink(f->agent->frozen_path) != 0 && errno != ENOENT)
        log_line(LOG_WARNING, "could not remove a file path=%s", f->agent->frozen_path);
    agent_told(f->agent);
}

void freeze_thaw(struct agent *a, bool for_good)
{
    let_go(a->freeze, for_good);
}

int freeze_pid(const struct agent *a)
{
    return a->freeze->pid;
}

static void on_timer(void *arg)
{
    struct freeze *f = arg;
    if (f->pid)
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
    if (!standing_parse(o[1].value, &s, &err)) {
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

/* Whoever receives is stopped before it is asked where it stands. On record first: a killed agent must not leave it stopped for ever. */
static bool stop_receiver(struct freeze *f, int64_t pid, struct err *err)
{
    char text[MARK_MAX];
    snprintf(text, sizeof(text), "%" PRId64 "\n", pid);
    if (!file_write(f->agent->frozen_path, text, strlen(text), 0600, err))
        return false;
    f->pid = (int)pid;
    if (!postmaster_signal_child(data_of(f), f->pid, SIGSTOP, err) && err->code != ERR_NOT_FOUND)
        return false;
    loop_timer_set(f->timer, clock_boot_ms() + f->ms);
    agent_told(f->agent);
    return true;
}

static void on_receiver(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    static const struct pgprobe_step step = {.name = "read", .sql = standing_sql, .timeout_ms = QUESTION_MS};
    struct freeze *f = arg;
    struct err err = {0};
    int64_t pid;
    f->probe = NULL;
    if (count < 2 || !o[1].ok)
        refuse(f, ERR_UNAVAILABLE, o[count - 1].err.message);
    else if (o[1].rows && o[1].value && str_int(str_of(o[1].value), &pid) && pid > 1 && !stop_receiver(f, pid, &err))
        refuse(f, err.code, err.message);
    else
        ask(f, &step, on_stands);
}

bool freeze_postgres(struct agent *a, struct httpd_request *request, int64_t ms, struct err *err)
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
    struct str text;
    int64_t pid;
    if (!file_exists(a->frozen_path) || !file_read(a->arena, a->frozen_path, MARK_MAX, &text, &err) || !str_int(str_trim(text), &pid) || pid < 2 || pid > INT32_MAX)
        return;
    log_line(LOG_WARNING, "an earlier agent left what receives changes stopped: it goes on pid=%" PRId64, pid);
    f->pid = (int)pid;
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
