/* act/report.c -- The writing side lives in the child, the parser in the parent. */
#include "act/report.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "act/pids.h"
#include "base/jsonout.h"
#include "io/json.h"
#include "sys/clock.h"

#include "base/banned.h"

enum {
    PROGRESS_EVERY_MS = 100, /* to a file or a terminal: more often helps nobody */
    FACT_MAX = 8 * 1024, /* six times as much when every character is escaped: still one line */
    BAR_WIDTH = 24,
};

struct report {
    struct arena *arena;
    int fd;           /* of the parent's file; -1: nobody listens */
    bool torn;        /* the last line was cut short, by a full disk: the next begins on a line of its own */
    bool terminal;    /* progress is drawn on stderr */
    bool colour;
    bool drawn;       /* a bar stands on the terminal's last line */
    struct eta eta;
    int64_t rto_ms, since_ms; /* the objective and the moment from which it counts; 0: none */
    int64_t told_ms;  /* the last progress that was passed on */
    char what[MODEL_TEXT_SIZE];
    struct { struct report_fact *p; size_t n, cap; } facts;
    void (*told)(void *arg, const char *name, const char *value);
    void *told_arg;
};

static struct report *new_report(void)
{
    struct arena *arena = arena_open();
    struct report *r = arena_new(arena, struct report);
    r->arena = arena;
    r->fd = -1;
    r->told_ms = INT64_MIN;
    return r;
}

struct report *report_quiet(void)
{
    return new_report();
}

/* ---- lines ---- */

static void write_line(struct report *r, struct buf *line)
{
    buf_putc(line, '\n');
    if (r->fd < 0 || line->over)
        return;
    const char *p = line->p;
    size_t left = line->n;
    if (r->torn && write(r->fd, "\n", 1) == 1)
        r->torn = false;
    while (left) {
        ssize_t n = write(r->fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            r->torn = left != line->n;
            return;
        }
        p += n;
        left -= (size_t)n;
    }
}

static struct jsonout begin(struct buf *line, const char *type)
{
    struct jsonout j = jsonout(line);
    json_object(&j);
    json_put_text(&j, "t", type);
    return j;
}

void report_begin_line(struct buf *out, int64_t pid, int64_t start)
{
    struct jsonout j = begin(out, "begin");
    json_put_int(&j, "pid", pid);
    json_put_int(&j, "start", start);
    json_object_end(&j);
}

/* The descriptor the parent named, made invisible to our own children at once: the lock on it says that *this* process lives. */
static int parents_fd(void)
{
    const char *name = getenv("BASCULE_REPORT_FD");
    int64_t fd;
    if (!name || !str_int(str_of(name), &fd) || fd < 3 || fd > 1023)
        return -1;
    unsetenv("BASCULE_REPORT_FD");
    int flags = fcntl((int)fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return -1;
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    fcntl((int)fd, F_SETFL, flags | O_APPEND);
    return (int)fd;
}

struct report *report_open(void)
{
    struct report *r = new_report();
    r->fd = parents_fd();
    if (r->fd >= 0) {
        SCOPED(buf_done) struct buf line = {.max = REPORT_LINE_MAX};
        report_begin_line(&line, getpid(), pids_start(getpid()));
        write_line(r, &line);
        return r;
    }
    const char *no_colour = getenv("NO_COLOR");
    r->terminal = isatty(STDERR_FILENO);
    r->colour = r->terminal && !(no_colour && *no_colour);
    return r;
}

/* ---- the terminal ---- */

static void wipe_bar(struct report *r)
{
    if (r->drawn)
        fputs("\r\033[K", stderr);
    r->drawn = false;
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw_bar(struct report *r, int64_t done, int64_t total, int64_t now_ms)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf out = {.max = 4096};
    if (total > 0) {
        int64_t shown = done < 0 ? 0 : MIN_OF(done, total);
        int filled = (int)((double)shown / (double)total * BAR_WIDTH);
        buf_puts(&out, r->colour ? "\033[32m" : "");
        for (int i = 0; i < BAR_WIDTH; i++)
            buf_putc(&out, i < filled ? '#' : '.');
        buf_puts(&out, r->colour ? "\033[0m" : "");
        buf_printf(&out, " %3d %%", (int)((double)shown / (double)total * 100));
        const char *said = eta_say(a, eta_left(&r->eta, now_ms, shown, total), now_ms - r->since_ms, r->rto_ms);
        buf_printf(&out, "%s%s  ", *said ? "  " : "", said);
    } else if (done > 0) {
        buf_printf(&out, "%lld  ", (long long)done);
    }
    char text[MODEL_TEXT_SIZE];
    int room = columns() - (int)out.n - 1 + (r->colour && total > 0 ? 9 : 0);
    str_copy(text, MIN_OF(sizeof(text), (size_t)MAX_OF(room, 1)), r->what);
    fprintf(stderr, "\r\033[K%s%s", buf_text(&out), text);
    fflush(stderr);
    r->drawn = true;
}

/* ---- telling ---- */

void report_progress(struct report *r, int64_t done, int64_t total, const char *fmt, ...)
{
    char what[MODEL_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    if (r->fd < 0 && !r->terminal)
        return;
    int64_t now = clock_boot_ms();
    if (!same(what, r->what))
        COPY_TO(r->what, what);
    else if (now - r->told_ms < PROGRESS_EVERY_MS && !(total > 0 && done >= total))
        return;
    r->told_ms = now;
    if (r->terminal) {
        draw_bar(r, done, total, now);
        return;
    }
    SCOPED(buf_done) struct buf line = {.max = REPORT_LINE_MAX};
    struct jsonout j = begin(&line, "progress");
    json_put_int(&j, "done", done);
    json_put_int(&j, "total", total);
    int64_t left = eta_left(&r->eta, now, done, total);
    if (left >= 0)
        json_put_int(&j, "eta_ms", left);
    if (r->rto_ms > 0) {
        json_put_int(&j, "spent_ms", now - r->since_ms);
        json_put_int(&j, "rto_ms", r->rto_ms);
    }
    json_put_text(&j, "text", what);
    json_object_end(&j);
    write_line(r, &line);
}

void report_objective(struct report *r, int64_t rto_ms, int64_t spent_ms)
{
    r->rto_ms = rto_ms;
    r->since_ms = clock_boot_ms() - spent_ms;
    r->eta = (struct eta){0};
}

static void keep_fact(struct report *r, const char *name, const char *value)
{
    struct report_fact *fact = NULL;
    for (size_t i = 0; i < r->facts.n; i++)
        if (same(r->facts.p[i].name, name))
            fact = &r->facts.p[i];
    if (!fact)
        fact = vec_add(r->arena, &r->facts);
    *fact = (struct report_fact){arena_strdup(r->arena, name), value};
}

void report_fact(struct report *r, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *whole = arena_vprintf(r->arena, fmt, args);
    va_end(args);
    char *value = arena_alloc(r->arena, FACT_MAX);
    str_copy(value, FACT_MAX, whole);
    keep_fact(r, name, value);
    wipe_bar(r);
    SCOPED(buf_done) struct buf line = {.max = REPORT_LINE_MAX};
    struct jsonout j = begin(&line, "fact");
    json_put_text(&j, "name", name);
    json_put_text(&j, "value", value);
    json_object_end(&j);
    write_line(r, &line);
    if (r->told)
        r->told(r->told_arg, name, value);
}

void report_tell(struct report *r, void (*told)(void *arg, const char *name, const char *value), void *arg)
{
    r->told = told;
    r->told_arg = arg;
}

void report_result(struct report *r, enum outcome outcome, const char *fmt, ...)
{
    char text[MODEL_TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    wipe_bar(r);
    SCOPED(buf_done) struct buf line = {.max = REPORT_LINE_MAX};
    struct jsonout j = begin(&line, "result");
    json_put_text(&j, "outcome", outcome_name(outcome));
    json_put_text(&j, "text", text);
    json_object_end(&j);
    write_line(r, &line);
    if (r->fd >= 0)
        fsync(r->fd);
}

size_t report_facts(const struct report *r, const struct report_fact **ret)
{
    *ret = r->facts.p;
    return r->facts.n;
}

const char *report_fact_value(const struct report *r, const char *name)
{
    for (size_t i = r->facts.n; i-- > 0;)
        if (same(r->facts.p[i].name, name))
            return r->facts.p[i].value;
    return NULL;
}

void report_close(struct report **report)
{
    struct report *r = *report;
    *report = NULL;
    if (!r)
        return;
    wipe_bar(r);
    if (r->fd >= 0)
        close(r->fd);
    struct arena *arena = r->arena; /* r lives in it */
    arena_close(&arena);
}

/* ---- reading ---- */

static bool text_of(const struct json *line, const char *key, char *to, size_t size, struct err *err)
{
    const char *text = json_string(json_get(line, key));
    if (!text)
        return err_set(err, ERR_DATA, "\"%s\" is missing or not a string", key);
    str_copy(to, size, text);
    return true;
}

static bool number_of(const struct json *line, const char *key, int64_t *ret, struct err *err)
{
    if (!json_integer(json_get(line, key), ret))
        return err_set(err, ERR_DATA, "\"%s\" is missing or not a whole number", key);
    return true;
}

static bool parse_members(const struct json *line, const char *type, struct report_line *ret, struct err *err)
{
    if (same(type, "progress")) {
        ret->kind = REPORT_PROGRESS;
        if (!json_integer(json_get(line, "eta_ms"), &ret->eta_ms))
            ret->eta_ms = -1;
        if (!json_integer(json_get(line, "rto_ms"), &ret->rto_ms) || !json_integer(json_get(line, "spent_ms"), &ret->spent_ms))
            ret->rto_ms = ret->spent_ms = 0;
        return number_of(line, "done", &ret->done, err) && number_of(line, "total", &ret->total, err) &&
               text_of(line, "text", ret->text, sizeof(ret->text), err);
    }
    if (same(type, "fact")) {
        ret->kind = REPORT_FACT;
        return text_of(line, "name", ret->name, sizeof(ret->name), err) && text_of(line, "value", ret->text, sizeof(ret->text), err);
    }
    if (same(type, "begin")) {
        ret->kind = REPORT_BEGIN;
        return number_of(line, "pid", &ret->pid, err) && number_of(line, "start", &ret->start, err);
    }
    if (same(type, "result")) {
        ret->kind = REPORT_RESULT;
        const char *outcome = json_string(json_get(line, "outcome"));
        if (!outcome || !outcome_of(outcome, &ret->outcome))
            return err_set(err, ERR_DATA, "unknown outcome \"%s\"", outcome ? outcome : "");
        return text_of(line, "text", ret->text, sizeof(ret->text), err);
    }
    return err_set(err, ERR_DATA, "unknown type \"%s\"", type);
}

bool report_parse(struct str line, struct report_line *ret, struct err *err)
{
    if (line.n > REPORT_LINE_MAX)
        return err_set(err, ERR_LIMIT, "line of %zu bytes, at most %d are allowed", line.n, REPORT_LINE_MAX);
    SCOPED(arena_close) struct arena *a = arena_open();
    const struct json *root;
    if (!json_parse(a, line, &root, err))
        return err_prefix(err, "line of a report");
    const char *type = json_string(json_get(root, "t"));
    struct report_line parsed = {0};
    if (!type)
        return err_set(err, ERR_DATA, "line of a report: \"t\" is missing");
    if (!parse_members(root, type, &parsed, err))
        return err_prefix(err, "line of a report");
    *ret = parsed;
    return true;
}
