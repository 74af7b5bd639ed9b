/* act/action_diagnose.c -- The runbook's first minute, everything at once: unit, connection, log, disks, load. It never fails because
   something is broken, since that is what it is there to say. */
#include <ctype.h>

#include "act/unit.h"
#include "io/dns.h"
#include "io/pgprobe.h"
#include "io/ssh.h"

#include "base/banned.h"

enum { PART_MS = 8 * MS_SECOND, CONNECT_MS = 3 * MS_SECOND, READ_MS = 3 * MS_SECOND, LOG_LINES = 20, DETAIL_MAX = 7 * 1024, FULL_PERCENT = 95 };

/* ---- asking ---- */

enum part { PART_UNIT, PART_LOG, PART_DATA_DISK, PART_BACKUP_DISK, PART_LOAD, PART_MAX };

struct answer {
    struct minute *minute;
    struct strs words;         /* n == 0: not asked */
    struct proc_result result; /* texts in the arena */
    bool over;
};

struct minute {
    const struct action_ctx *ctx;
    const struct site *site;
    struct loop *loop;
    struct answer answers[PART_MAX];
    size_t waiting;
    bool connected, served;    /* a login succeeded; a statement was answered */
    int64_t connect_ms;
    struct err connect_err;
};

static void one_less(struct minute *m)
{
    if (--m->waiting == 0)
        loop_stop(m->loop);
}

static void on_answer(void *arg, const struct proc_result *result)
{
    struct answer *a = arg;
    struct arena *arena = a->minute->ctx->arena;
    a->result = *result;
    a->result.out.p = arena_strndup(arena, result->out.p, result->out.n);
    a->result.err.p = arena_strndup(arena, result->err.p, result->err.n);
    a->over = true;
    one_less(a->minute);
}

static void on_probe(void *arg, const struct pgprobe_outcome *outcomes, size_t count)
{
    struct minute *m = arg;
    m->connected = outcomes[0].ok;
    m->served = count > 1 && outcomes[1].ok;
    m->connect_ms = outcomes[0].took_ms;
    m->connect_err = m->connected ? outcomes[1].err : outcomes[0].err;
    one_less(m);
}

static struct strs df_words(struct arena *arena, const char *path)
{
    const char *words[] = {"df", "-P", "--", path, NULL};
    return path ? host_argv(arena, words) : (struct strs){0};
}

static void plan(struct minute *m)
{
    struct arena *arena = m->ctx->arena;
    const struct site *s = m->site;
    const char *load[] = {"cat", "/proc/loadavg", "/proc/uptime", NULL};
    m->answers[PART_UNIT].words = unit_words(arena, &s->host, &s->database.unit, UNIT_STATUS);
    m->answers[PART_LOG].words = unit_words(arena, &s->host, &s->database.unit, UNIT_LOG);
    m->answers[PART_DATA_DISK].words = df_words(arena, s->database.data_directory);
    m->answers[PART_BACKUP_DISK].words = df_words(arena, s->backup.folder);
    m->answers[PART_LOAD].words = host_argv(arena, load);
}

static bool start_parts(struct minute *m, struct err *err)
{
    for (int i = 0; i < PART_MAX; i++) {
        struct answer *a = &m->answers[i];
        a->minute = m;
        if (!a->words.n)
            continue;
        struct proc_spec spec = {
            .argv = ssh_argv(m->ctx->arena, &m->site->host, m->ctx->control_dir, &a->words),
            .inherit_env = true,
            .timeout_ms = action_time(m->ctx, PART_MS),
        };
        if (!proc_start(m->loop, &spec, on_answer, a, NULL, err))
            return false;
        m->waiting++;
    }
    return true;
}

static bool ask(struct minute *m, struct err *err)
{
    static const struct pgprobe_step read = {.name = "read", .sql = "select 1", .timeout_ms = READ_MS};
    SCOPED(loop_close) struct loop *loop = loop_open();
    SCOPED(dns_close) struct dns *dns = dns_open(loop, action_time(m->ctx, CONNECT_MS));
    struct pgprobe_spec spec = {
        .target = &m->site->database.at,
        .connect_timeout_ms = action_time(m->ctx, CONNECT_MS),
        .steps = &read,
        .step_count = 1,
    };
    struct pgprobe *probe;
    m->loop = loop;
    plan(m);
    m->waiting = 1; /* the probe */
    if (!start_parts(m, err))
        return false;
    pgprobe_start(loop, dns, &spec, on_probe, m, &probe);
    while (m->waiting && loop_once(loop, true))
        ;
    m->loop = NULL;
    return m->waiting == 0 || err_set(err, ERR_INTERNAL, "a diagnosis ended before its parts did");
}

/* ---- understanding ---- */

static const struct answer *answered(const struct minute *m, enum part part)
{
    const struct answer *a = &m->answers[part];
    return a->over && proc_ok(&a->result) ? a : NULL;
}

/* ssh failed for every part that was asked: nothing is known but what the connection to the database says. */
static bool host_is_gone(const struct minute *m, struct err *err)
{
    bool gone = false;
    for (int i = 0; i < PART_MAX; i++) {
        if (!m->answers[i].over)
            continue;
        if (!host_unreachable(m->ctx, &m->site->host, &m->answers[i].result, err))
            return false;
        gone = true;
    }
    return gone;
}

/* "34%" in the last line of df -P; -1: not known. */
static int percent_of(const struct minute *m, enum part part)
{
    const struct answer *a = answered(m, part);
    const char *percent = a && a->result.out.n ? memrchr(a->result.out.p, '%', a->result.out.n) : NULL;
    if (!percent)
        return -1;
    const char *from = percent;
    while (from > a->result.out.p && isdigit((unsigned char)from[-1]))
        from--;
    int64_t value;
    return str_int((struct str){from, (size_t)(percent - from)}, &value) && value <= 100 ? (int)value : -1;
}

/* From the level on: what stands before it is the time, the process and whatever else a site logs. */
static char *from_level(struct arena *arena, struct str line, const char *level)
{
    const char *at = memmem(line.p, line.n, level, strlen(level));
    if (!at)
        return NULL;
    char *text = arena_strndup(arena, at, line.n - (size_t)(at - line.p)), *to = text;
    for (const char *p = text; *p; p++)
        if (*p != ' ' || p[1] != ' ')
            *to++ = *p;
    *to = 0;
    return text;
}

/* Refused logins are echoes of the trouble, not its cause. */
static bool is_echo(const char *line)
{
    return strstr(line, "starting up") || strstr(line, "shutting down") || strstr(line, "terminating connection") ||
           strstr(line, "authentication failed");
}

/* The log line that says most about a server that died: the last PANIC, else FATAL, else ERROR, else just the last line. */
static const char *telling_line(struct arena *arena, struct str log)
{
    static const char *const levels[] = {"PANIC:", "FATAL:", "ERROR:"};
    const char *found = NULL;
    struct str line;
    for (size_t i = 0; i < COUNT_OF(levels) && !found; i++)
        for (struct str rest = log; str_next(&rest, '\n', &line);) {
            char *said = from_level(arena, str_trim(line), levels[i]);
            if (said && !is_echo(said))
                found = said;
        }
    if (found)
        return found;
    char *last = host_last_lines(arena, log, 1);
    return *last ? last : NULL;
}

static struct str log_of(const struct minute *m)
{
    const struct answer *a = &m->answers[PART_LOG];
    if (!a->over)
        return (struct str){0};
    return str_trim(a->result.out).n ? a->result.out : a->result.err;
}

static const char *state_of(const struct minute *m, bool *ret_running)
{
    const struct answer *a = &m->answers[PART_UNIT];
    *ret_running = answered(m, PART_UNIT) != NULL;
    if (!a->words.n)
        return "nothing is configured that could say whether it runs";
    if (!a->over || a->result.end != PROC_EXITED)
        return arena_printf(m->ctx->arena, "whether it runs could not be told (%s)", a->result.why);
    return *ret_running ? "its unit is running" : "it is not running";
}

static void add_numbers(const struct minute *m, struct buf *out)
{
    int data = percent_of(m, PART_DATA_DISK), backup = percent_of(m, PART_BACKUP_DISK);
    if (data >= 0)
        buf_printf(out, "; disk %d %%", data);
    if (backup >= 0)
        buf_printf(out, "%s backup disk %d %%", data >= 0 ? "," : ";", backup);
    const struct answer *load = answered(m, PART_LOAD);
    struct str rest = load ? load->result.out : (struct str){0}, word, line;
    if (str_next(&rest, '\n', &line) && str_next(&line, ' ', &word))
        buf_printf(out, ", load " STR_FMT, STR_ARG(word));
    int64_t up;
    if (str_next(&rest, '\n', &line) && str_next(&line, '.', &word) && str_int(word, &up) && up < 600)
        buf_printf(out, ", the host was started %s ago", duration_say(m->ctx->arena, up * 1000));
}

static void summarise(const struct minute *m, struct buf *out)
{
    struct err gone = {0};
    bool running;
    const struct pgtarget *at = &m->site->database.at;
    const char *state = state_of(m, &running), *line = telling_line(m->ctx->arena, log_of(m));
    int data = percent_of(m, PART_DATA_DISK);
    if (host_is_gone(m, &gone)) {
        buf_printf(out, "%s; PostgreSQL at \"%s\" port %d %s", gone.message, at->host, at->port ? at->port : 5432,
                   m->served ? "answers" : m->connect_err.message);
        return;
    }
    if (m->served)
        buf_printf(out, "PostgreSQL of site \"%s\" answers within %lld ms and %s", m->site->name, (long long)m->connect_ms, state);
    else if (running)
        buf_printf(out, "PostgreSQL of site \"%s\" runs but does not serve: %s", m->site->name, m->connect_err.message);
    else
        buf_printf(out, "PostgreSQL of site \"%s\" does not answer: %s", m->site->name, state);
    if (!m->served && data >= FULL_PERCENT)
        buf_printf(out, ", and its disk is full");
    if (!m->served && line)
        buf_printf(out, "; its log ends with: %.240s", line);
    add_numbers(m, out);
}

static void detail(const struct minute *m, struct buf *out)
{
    static const char *const titles[PART_MAX] = {"unit", "log", "data disk", "backup disk", "load"};
    buf_printf(out, "connection: %s\n", m->served ? "answers" : m->connect_err.message);
    for (int i = 0; i < PART_MAX; i++) {
        const struct answer *a = &m->answers[i];
        if (!a->words.n)
            continue;
        buf_printf(out, "%s: $ %s: %s\n", titles[i], host_words(m->ctx->arena, &a->words), a->result.why);
        struct str text = str_trim(i == PART_LOG ? log_of(m) : a->result.out.n ? a->result.out : a->result.err), line;
        size_t lines = 0, seen = 0;
        for (struct str rest = text; text.n && str_next(&rest, '\n', &line);)
            lines++;
        for (struct str rest = text; text.n && str_next(&rest, '\n', &line);)
            if (++seen + LOG_LINES > lines)
                buf_printf(out, "  %.*s\n", (int)MIN_OF(line.n, 400u), line.p);
    }
}

/* ---- the action ---- */

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    const struct site *site;
    if (!action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    return site->database.at.host || err_set(err, ERR_CONFIG, "site \"%s\" has no database to diagnose", site->name);
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct minute m = {.ctx = ctx};
    if (!action_site(ctx, ctx->args.p[0], &m.site, err))
        return false;
    plan(&m);
    buf_printf(out, "looks on %s, all at once, and changes nothing\n", host_say(&m.site->host));
    for (int i = 0; i < PART_MAX; i++)
        if (m.answers[i].words.n)
            buf_printf(out, "$ %s\n", host_words(ctx->arena, &m.answers[i].words));
    return true;
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    SCOPED(buf_done) struct buf summary = {.max = 2048}, whole = {.max = DETAIL_MAX};
    struct minute m = {.ctx = ctx};
    if (!action_site(ctx, ctx->args.p[0], &m.site, err))
        return false;
    report_progress(ctx->report, 0, 0, "looking at %s", m.site->name);
    if (!ask(&m, err))
        return false;
    summarise(&m, &summary);
    detail(&m, &whole);
    report_fact(ctx->report, "diagnose.detail", "%s", buf_text(&whole));
    report_fact(ctx->report, "diagnose.summary", "%s", buf_text(&summary));
    *ret_outcome = OUTCOME_SUCCESS;
    str_copy(ret_text, MODEL_TEXT_SIZE, buf_text(&summary));
    return true;
}

extern const struct action_ops action_diagnose;
const struct action_ops action_diagnose = {
    .name = "diagnose",
    .usage = "diagnose SITE",
    .summary = "looks at the unit, the connection, the log, the disks and the load of a site's database, all at once",
    .args_min = 1,
    .args_max = 1,
    .valid = valid,
    .describe = describe,
    .run = run,
};
