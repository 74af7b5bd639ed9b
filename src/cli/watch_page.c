/* cli/watch_page.c -- One screen: what is on fire, how much time is left, what comes next, and what was not delivered. Everything that
   colour says stands there in words too. */
#include <inttypes.h>

#include "base/jsonout.h"
#include "cli/watch.h"

enum { BAR = 16, STEP_BAR = 8, TITLE_COLUMNS = 38, STEPS_SHOWN = 8, FAILED_SHOWN = 3, DEADLINES_MAX = 32 };

/* ---- rows ---- */

static struct watch_row *add_row(struct watch_page *page)
{
    return vec_add(page->arena, &page->rows);
}

static void add(const struct watch_page *page, struct watch_row *row, enum paint paint, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void add(const struct watch_page *page, struct watch_row *row, enum paint paint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    *vec_add(page->arena, &row->runs) = (struct watch_run){paint, arena_vprintf(page->arena, fmt, args)};
    va_end(args);
}

/* "[######....]" */
static const char *bar(struct arena *a, int64_t part, int64_t whole, int width)
{
    int filled = whole > 0 ? (int)MIN_OF(MAX_OF(part, 0) * width / whole, (int64_t)width) : 0;
    char *text = arena_printf(a, "[%*s]", width, "");
    memset(text + 1, '#', (size_t)filled);
    memset(text + 1 + filled, '.', (size_t)(width - filled));
    return text;
}

/* ---- the time of an incident ---- */

static bool is_over(const struct incident *i)
{
    return i->state >= INCIDENT_RESOLVED;
}

static const struct service *service_of(const struct watch *w, const struct incident *i)
{
    return &w->cli->config->services.p[i->service];
}

static const struct severity_conf *severity_of_incident(const struct watch *w, const struct incident *i)
{
    return service_severity(service_of(w, i), i->severity);
}

static int64_t rto_of(const struct watch *w, const struct incident *i)
{
    const struct service *service = service_of(w, i);
    const struct severity_conf *severity = severity_of_incident(w, i);
    int64_t own = i->playbook >= 0 ? service->playbooks.p[i->playbook].rto_ms : 0;
    return own ? own : severity ? severity->rto_ms : 0;
}

/* The users' outage: from the last proof of life to the moment the service was back, or now. */
static int64_t outage_of(const struct watch *w, const struct incident *i)
{
    int64_t before = i->good_wall_ms ? MAX_OF(i->opened_wall_ms - i->good_wall_ms, 0) : 0;
    int64_t end = i->monitoring_at_ms ? i->monitoring_at_ms : i->resolved_at_ms ? i->resolved_at_ms : watch_now(w);
    return before + MAX_OF(end - i->opened_at_ms, 0);
}

/* ---- what comes next ---- */

struct deadline {
    int64_t at_ms;
    const char *what;
};

static const char *names_of(struct arena *a, const struct strs *names)
{
    const char *text = "";
    for (size_t i = 0; i < names->n; i++)
        text = arena_printf(a, "%s%s%s", text, i ? ", " : "", names->p[i]);
    return text;
}

static const char *step_title(const struct watch *w, const struct step *step)
{
    const char *title = text_in(step->title, w->cli->language);
    return *title ? title : step->id;
}

static size_t deadlines_of(const struct watch *w, struct arena *a, const struct incident *i, struct deadline to[DEADLINES_MAX])
{
    const struct severity_conf *severity = severity_of_incident(w, i);
    size_t n = 0;
    for (size_t s = 0; severity && s < MIN_OF(severity->stages.n, (size_t)INCIDENT_STAGES_MAX); s++) {
        const struct stage *stage = &severity->stages.p[s];
        bool waits = s > 0 && i->state == INCIDENT_MONITORING; /* nobody more is told while a recovery is watched */
        if (!waits && !(i->stages_fired >> s & 1))
            to[n++] = (struct deadline){i->opened_at_ms + stage->after_ms,
                                        arena_printf(a, _("stage \"%s\" tells %s"), stage->name, names_of(a, &stage->notify))};
    }
    if (i->next_update_at_ms != TIME_NEVER)
        to[n++] = (struct deadline){i->next_update_at_ms, _("the next update goes out")};
    const struct step *step = decide_step(w->decide, i, NULL);
    const struct frame *frame = i->depth ? &i->frames[i->depth - 1] : NULL;
    if (step && decide_asks_for_pause(w->decide, i))
        to[n++] = (struct deadline){decide_paused(w->decide, i->service), arena_printf(a, _("the pause ends, and \"%s\" goes on"), step_title(w, step))};
    else if (step && frame && frame->phase == STEP_ASKING)
        to[n++] = (struct deadline){frame->phase_at_ms + step->approve_timeout_ms,
                                    arena_printf(a, _("\"%s\" is denied unless somebody approves"), step_title(w, step))};
    else if (step && frame && frame->phase != STEP_BLOCKED && step->budget_ms)
        to[n++] = (struct deadline){frame->entered_at_ms + step->budget_ms, arena_printf(a, _("the budget of \"%s\" ends"), step_title(w, step))};
    return n;
}

static int sooner(const void *a, const void *b)
{
    const struct deadline *x = a, *y = b;
    return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static void draw_deadlines(const struct watch *w, const struct incident *i, struct watch_page *page)
{
    struct deadline due[DEADLINES_MAX];
    size_t n = deadlines_of(w, page->arena, i, due);
    qsort(due, n, sizeof(*due), sooner);
    for (size_t d = 0; d < MIN_OF(n, (size_t)2); d++) {
        int64_t left = due[d].at_ms - watch_now(w);
        struct watch_row *row = add_row(page);
        add(page, row, left < 0 ? PAINT_BAD : PAINT_PLAIN, left < 0 ? _("%s late: ") : _("in %s: "),
            duration_clock(page->arena, left < 0 ? -left : left));
        add(page, row, PAINT_PLAIN, "%s", due[d].what);
    }
}

/* ---- an incident ---- */

const char *watch_command(const struct watch *w, struct arena *a, const struct incident *i)
{
    const struct frame *frame = i->depth ? &i->frames[i->depth - 1] : NULL;
    const char *verb = frame && frame->phase == STEP_ASKING ? "approve" : frame && frame->phase == STEP_BLOCKED ? "retry"
                       : !i->acked_at_ms && !is_over(i) ? "ack" : "show";
    return arena_printf(a, "%s -c %s incident %s %" PRId64, w->cli->self, w->cli->config_path, verb, i->id);
}

static void draw_head(const struct watch *w, const struct incident *i, struct watch_page *page)
{
    const struct service *service = service_of(w, i);
    const char *title = i->playbook >= 0 ? text_in(service->playbooks.p[i->playbook].title, w->cli->language) : "";
    struct watch_row *row = add_row(page);
    add(page, row, is_over(i) ? PAINT_GOOD : i->severity == SEVERITY_P1 ? PAINT_BAD : PAINT_WARN, "INC-%" PRId64 " %s ", i->id, severity_name(i->severity));
    add(page, row, PAINT_STRONG, "%s", *title ? title : i->title);
    add(page, row, PAINT_PLAIN, "  %s", cli_state(i->state));
    if (i->acked_at_ms)
        add(page, row, PAINT_PLAIN, _("  taken by %s"), i->who_acked);
    else if (!is_over(i))
        add(page, row, PAINT_WARN, "%s", _("  taken by NOBODY"));
}

static void draw_clock(const struct watch *w, const struct incident *i, struct watch_page *page)
{
    int64_t outage = outage_of(w, i), rto = rto_of(w, i);
    struct watch_row *row = add_row(page);
    add(page, row, PAINT_STRONG, "T+%s  ", duration_clock(page->arena, MAX_OF(watch_now(w) - i->opened_at_ms, 0)));
    add(page, row, PAINT_PLAIN, i->monitoring_at_ms || is_over(i) ? _("outage was %s") : _("outage %s"), duration_clock(page->arena, outage));
    if (!rto)
        return;
    enum paint paint = outage > rto ? PAINT_BAD : outage > rto / 2 ? PAINT_WARN : PAINT_GOOD;
    add(page, row, PAINT_PLAIN, "  RTO %s ", duration_clock(page->arena, rto));
    add(page, row, paint, "%s ", bar(page->arena, outage, rto, BAR));
    add(page, row, paint, outage > rto ? _("%s OVER") : _("%s left"), duration_clock(page->arena, outage > rto ? outage - rto : rto - outage));
}

static void draw_waiting(const struct watch *w, const struct incident *i, const struct story *story, struct watch_page *page)
{
    if (!story->waits_for || is_over(i))
        return;
    struct watch_row *row = add_row(page);
    add(page, row, PAINT_BAD, "%s: ", story->blocked ? _("BLOCKED") : _("WAITS FOR APPROVAL"));
    add(page, row, PAINT_PLAIN, "%s", story->waits_text);
    add(page, add_row(page), PAINT_STRONG, "  %s", watch_command(w, page->arena, i));
}

static enum paint paint_of(const char *outcome)
{
    enum outcome o;
    if (!outcome || !outcome_of(outcome, &o))
        return PAINT_STRONG;
    return o == OUTCOME_SUCCESS ? PAINT_GOOD : o == OUTCOME_SKIPPED ? PAINT_DIM : PAINT_BAD;
}

/* The first columns of a text, ended by a dot where something is missing. */
static const char *cut(struct arena *a, const char *text, int columns)
{
    const char *p = text, *last = text;
    for (int n = 0; *p; p++) {
        if (((unsigned char)*p & 0xC0) == 0x80) /* the later bytes of a character take no room */
            continue;
        if (n == columns)
            return arena_printf(a, "%.*s.", (int)(last - text), text);
        n++;
        last = p;
    }
    return text;
}

static void draw_step(const struct watch *w, const struct story_step *step, struct watch_page *page)
{
    int64_t took = step->outcome ? step->took_ms : MAX_OF(watch_now(w) - step->started_at_ms, 0);
    struct watch_row *row = add_row(page);
    SCOPED(buf_done) struct buf title = {.max = 1024};
    cli_pad(&title, cut(page->arena, step->title, TITLE_COLUMNS), TITLE_COLUMNS);
    add(page, row, paint_of(step->outcome), "  %-8s ", step->outcome ? step->outcome : _("RUNS"));
    add(page, row, PAINT_PLAIN, "%s ", buf_text(&title));
    if (step->budget_ms > 0)
        add(page, row, took > step->budget_ms ? PAINT_BAD : PAINT_PLAIN, "%s ", bar(page->arena, took, step->budget_ms, STEP_BAR));
    add(page, row, PAINT_PLAIN, "%s", cli_duration(w->cli, took));
    if (step->budget_ms > 0)
        add(page, row, PAINT_PLAIN, _(" of %s"), cli_duration(w->cli, step->budget_ms));
}

static void draw_steps(const struct watch *w, const struct story *story, struct watch_page *page)
{
    size_t first = story->step_count > STEPS_SHOWN ? story->step_count - STEPS_SHOWN : 0;
    if (first)
        add(page, add_row(page), PAINT_DIM, _("  %zu earlier steps"), first);
    for (size_t s = first; s < story->step_count; s++)
        draw_step(w, &story->steps[s], page);
}

static void draw_incident(const struct watch *w, const struct incident *i, struct watch_page *page)
{
    struct story story;
    struct err err = {0};
    draw_head(w, i, page);
    draw_clock(w, i, page);
    if (!is_over(i))
        draw_deadlines(w, i, page);
    if (!story_read(page->arena, w->journal, w->cli->config, i->id, &story, &err)) {
        add(page, add_row(page), PAINT_BAD, "%s", err.message);
        return;
    }
    draw_waiting(w, i, &story, page);
    draw_steps(w, &story, page);
}

/* ---- what was not delivered ---- */

static bool still_matters(const struct watch *w, const struct watch_notice *n)
{
    const struct incident *i = decide_incident(w->decide, n->incident);
    return n->attempts > 0 && i && !is_over(i);
}

static void draw_failed(const struct watch *w, struct watch_page *page)
{
    size_t failed = 0, waiting = 0;
    for (size_t k = w->notices.n; k-- > 0;) {
        const struct watch_notice *n = &w->notices.p[k];
        waiting += n->attempts == 0;
        if (!still_matters(w, n) || ++failed > FAILED_SHOWN)
            continue;
        struct watch_row *row = add_row(page);
        add(page, row, PAINT_BAD, "%s ", _("NOT DELIVERED"));
        add(page, row, PAINT_PLAIN, _("\"%s\" to %s by %s: %s"), n->stage, n->contact, n->channel, n->why);
        if (n->next_try_ms < 0)
            add(page, row, PAINT_BAD, "%s", _("; given up"));
        else
            add(page, row, PAINT_PLAIN, _("; again in %s"), duration_clock(page->arena, MAX_OF(n->next_try_ms - watch_now(w), 0)));
    }
    if (failed > FAILED_SHOWN)
        add(page, add_row(page), PAINT_BAD, _("and %zu more that were not delivered"), failed - FAILED_SHOWN);
    if (waiting)
        add(page, add_row(page), PAINT_DIM, _("messages on their way: %zu"), waiting);
}

/* ---- the services ---- */

static void draw_checks(const struct watch *w, int service, struct watch_page *page, struct watch_row *row)
{
    const struct service *conf = &w->cli->config->services.p[service];
    size_t of[VERDICT_MAX] = {0};
    for (size_t c = 0; c < conf->checks.n; c++)
        of[decide_verdict(w->decide, service, conf->checks.p[c].id)]++;
    add(page, row, PAINT_GOOD, "%zu OK", of[VERDICT_UP]);
    if (of[VERDICT_WARNING])
        add(page, row, PAINT_WARN, _("  %zu WARN"), of[VERDICT_WARNING]);
    if (of[VERDICT_UNKNOWN])
        add(page, row, PAINT_WARN, _("  %zu UNKNOWN"), of[VERDICT_UNKNOWN]);
    if (of[VERDICT_DOWN])
        add(page, row, PAINT_BAD, _("  %zu FAIL:"), of[VERDICT_DOWN]);
    for (size_t c = 0; c < conf->checks.n; c++)
        if (decide_verdict(w->decide, service, conf->checks.p[c].id) == VERDICT_DOWN)
            add(page, row, PAINT_BAD, " %s", conf->checks.p[c].id);
}

static void draw_services(const struct watch *w, struct watch_page *page)
{
    const struct config *config = w->cli->config;
    for (size_t s = 0; s < config->services.n; s++) {
        const struct site *active = decide_active(w->decide, (int)s);
        struct watch_row *row = add_row(page);
        add(page, row, PAINT_STRONG, "%s", config->services.p[s].name);
        add(page, row, active && active->role == SITE_PRODUCTION ? PAINT_PLAIN : PAINT_WARN, _(" served by %s  "), active ? active->name : "?");
        draw_checks(w, (int)s, page, row);
        int64_t paused_ms = decide_paused(w->decide, (int)s) - watch_now(w);
        if (paused_ms > 0)
            add(page, row, PAINT_WARN, _("  PAUSED for another %s"), duration_clock(page->arena, paused_ms));
    }
}

static void draw_top(const struct watch_view *view, struct watch_page *page)
{
    struct watch_row *row = add_row(page);
    add(page, row, PAINT_STRONG, "bascule");
    add(page, row, PAINT_DIM, "  %s  ", moment_iso(page->arena, clock_wall_ms() / MS_SECOND * MS_SECOND));
    if (view->controller)
        add(page, row, PAINT_GOOD, "%s", _("the controller runs"));
    else
        add(page, row, PAINT_BAD, "%s", _("NO CONTROLLER RUNS: nobody decides"));
}

/* ---- all of it ---- */

static void draw_lines(const struct watch *w, size_t room, struct watch_page *page)
{
    size_t n = MIN_OF(MIN_OF(w->count, (size_t)WATCH_LINES), room);
    for (size_t i = w->count - n; i < w->count; i++) {
        const struct watch_line *line = &w->lines[i % WATCH_LINES];
        struct watch_row *row = add_row(page);
        add(page, row, PAINT_DIM, "%.8s ", moment_iso(page->arena, line->wall_ms) + 11);
        add(page, row, PAINT_PLAIN, "%s", line->text);
    }
}

static void draw_others(const struct watch *w, const struct incident *shown, struct watch_page *page)
{
    struct watch_row *row = NULL;
    for (size_t k = 0; k < decide_incidents(w->decide); k++) {
        const struct incident *i = decide_incident_at(w->decide, k);
        if (i == shown || is_over(i))
            continue;
        if (!row)
            add(page, row = add_row(page), PAINT_WARN, "%s", _("also open:"));
        add(page, row, PAINT_WARN, " INC-%" PRId64 " %s", i->id, severity_name(i->severity));
    }
}

void watch_draw(const struct watch *w, const struct watch_view *view, struct watch_page *page)
{
    const struct incident *shown = view->incident ? decide_incident(w->decide, view->incident) : watch_worst(w);
    draw_top(view, page);
    draw_services(w, page);
    draw_failed(w, page);
    add_row(page);
    if (shown)
        draw_incident(w, shown, page);
    else
        add(page, add_row(page), PAINT_GOOD, "%s", _("no incident is open"));
    draw_others(w, shown, page);
    add_row(page);
    size_t room = (size_t)MAX_OF(view->rows - 1, 0);
    if (page->rows.n < room)
        draw_lines(w, room - page->rows.n, page);
    page->rows.n = MIN_OF(page->rows.n, room);
    while (page->rows.n < room)
        add_row(page);
    add(page, add_row(page), view->footer_paint, "%s", view->footer ? view->footer : "");
}

void watch_text(const struct watch_page *page, struct buf *out)
{
    size_t n = page->rows.n;
    while (n && !page->rows.p[n - 1].runs.n)
        n--;
    for (size_t r = 0; r < n; r++) {
        for (size_t k = 0; k < page->rows.p[r].runs.n; k++)
            buf_puts(out, page->rows.p[r].runs.p[k].text);
        buf_putc(out, '\n');
    }
}

/* ---- for programs ---- */

static void json_incident(const struct watch *w, struct arena *a, const struct incident *i, struct jsonout *j)
{
    struct deadline due[DEADLINES_MAX];
    size_t n = is_over(i) ? 0 : deadlines_of(w, a, i, due);
    json_object(j);
    json_put_int(j, "incident", i->id);
    json_put_text(j, "service", service_of(w, i)->name);
    json_put_text(j, "severity", severity_name(i->severity));
    json_put_text(j, "state", incident_state_name(i->state));
    json_put_text(j, "title", i->title);
    json_put_text(j, "acknowledged_by", i->acked_at_ms ? i->who_acked : NULL);
    json_put_int(j, "open_ms", MAX_OF(watch_now(w) - i->opened_at_ms, 0));
    json_put_int(j, "outage_ms", outage_of(w, i));
    json_put_int(j, "rto_ms", rto_of(w, i));
    json_put_text(j, "command", watch_command(w, a, i));
    json_key(j, "deadlines");
    json_array(j);
    qsort(due, n, sizeof(*due), sooner);
    for (size_t d = 0; d < n; d++) {
        json_object(j);
        json_put_int(j, "in_ms", due[d].at_ms - watch_now(w));
        json_put_text(j, "what", due[d].what);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

void watch_json(const struct watch *w, bool controller, struct buf *out)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct jsonout j = jsonout(out);
    const struct config *config = w->cli->config;
    json_object(&j);
    json_put_bool(&j, "controller", controller);
    json_put_int(&j, "seq", w->seq);
    json_key(&j, "services");
    json_array(&j);
    for (size_t s = 0; s < config->services.n; s++) {
        const struct site *active = decide_active(w->decide, (int)s);
        json_object(&j);
        json_put_text(&j, "service", config->services.p[s].name);
        json_put_text(&j, "active", active ? active->name : NULL);
        json_put_int(&j, "paused_ms", MAX_OF(decide_paused(w->decide, (int)s) - watch_now(w), 0));
        json_object_end(&j);
    }
    json_array_end(&j);
    json_key(&j, "incidents");
    json_array(&j);
    for (size_t k = 0; k < decide_incidents(w->decide); k++)
        if (!is_over(decide_incident_at(w->decide, k)))
            json_incident(w, a, decide_incident_at(w->decide, k), &j);
    json_array_end(&j);
    json_key(&j, "undelivered");
    json_array(&j);
    for (size_t k = 0; k < w->notices.n; k++)
        if (still_matters(w, &w->notices.p[k]))
            json_text(&j, w->notices.p[k].key);
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(out, '\n');
}
