/* cli/incident_write.c -- What people write into a post-incident report, and whether enough is written for it to be approved. */
#include <inttypes.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "cli/incident.h"
#include "cli/person.h"
#include "record/checklist.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { TEXT_MAX = 64 * 1024, NAME_COLUMNS = 18, SHOWN_COLUMNS = 90 };

/* ---- dates ---- */

bool incident_due(struct arena *arena, const char *text, const char **ret_text, int64_t *ret_wall_ms, struct err *err)
{
    int64_t ms, day, wall;
    if (*text == '+') {
        if (!duration_parse(text + 1, &ms, err))
            return false;
        *ret_wall_ms = clock_wall_ms() + ms;
        *ret_text = moment_minute(arena, *ret_wall_ms);
        return true;
    }
    bool is_day = strlen(text) == 10 && moment_parse_iso(arena_printf(arena, "%sT00:00:00Z", text), &day);
    if (is_day) { /* a day ends with its last second */
        *ret_wall_ms = day + MS_DAY - MS_SECOND;
        *ret_text = arena_strdup(arena, text);
        return true;
    }
    const char *whole = strlen(text) == 17 ? arena_printf(arena, "%.16s:00Z", text) : text; /* 2026-12-01T15:00Z */
    if (moment_parse_iso(whole, &wall)) {
        *ret_wall_ms = wall;
        *ret_text = moment_minute(arena, wall);
        return true;
    }
    err_set(err, ERR_USAGE, _("\"%s\" is no date"), text);
    return err_hint(err, "%s", _("2026-12-01, 2026-12-01T15:00Z, or +24h from now"));
}

/* ---- the words ---- */

static bool read_stdin(struct arena *arena, struct str *ret, struct err *err)
{
    char *text = arena_alloc(arena, TEXT_MAX + 2);
    size_t n = 0;
    for (ssize_t got; (got = read(STDIN_FILENO, text + n, TEXT_MAX + 1 - n)) != 0; n += (size_t)got) {
        if (got < 0)
            return err_set(err, ERR_IO, "%s", _("could not read what is written"));
        if (n + (size_t)got > TEXT_MAX)
            return err_set(err, ERR_LIMIT, _("the text is longer than %d bytes"), TEXT_MAX);
    }
    *ret = (struct str){.p = text, .n = n};
    return true;
}

/* Words of the command line, of a file, or of standard input ("-"); NULL: none were given. */
static bool text_of(struct cli *cli, const struct incident_args *args, const char **ret, struct err *err)
{
    struct str text = {0};
    const char *joined = NULL;
    for (size_t i = 2; i < args->words.n; i++)
        joined = joined ? arena_printf(cli->arena, "%s %s", joined, args->words.p[i]) : args->words.p[i];
    if (joined && args->file)
        return err_set(err, ERR_USAGE, "%s", _("write words or --file, not both"));
    if (same(args->file, "-") && !read_stdin(cli->arena, &text, err))
        return false;
    if (args->file && !same(args->file, "-") && !file_read(cli->arena, args->file, TEXT_MAX, &text, err))
        return false;
    if (args->file)
        joined = str_dup(cli->arena, str_trim(text));
    if (joined && strlen(joined) > TEXT_MAX)
        return err_set(err, ERR_LIMIT, _("the text is longer than %d bytes"), TEXT_MAX);
    if (joined && !str_is_clean(str_of(joined)))
        return err_set(err, ERR_USAGE, "%s", _("the text holds characters that are not text"));
    *ret = joined;
    return true;
}

/* ---- actions ---- */

struct writing {
    struct cli *cli;
    const struct incident_args *args;
    struct story story;
    struct written_all written;
    struct event event;
    const char *detail; /* NULL: the text is all */
};

static const struct written_action *action_there(const struct writing *w, int number)
{
    for (size_t i = 0; i < w->written.actions.n; i++)
        if (w->written.actions.p[i].number == number)
            return &w->written.actions.p[i];
    return NULL;
}

/* Same day, under a week, under a month, longer: as far as the date lies from the end of the incident. */
static enum horizon horizon_by(const struct writing *w, int64_t due_wall_ms)
{
    int64_t after = due_wall_ms - (w->story.resolved_wall_ms ? w->story.resolved_wall_ms : clock_wall_ms());
    return after <= MS_DAY ? HORIZON_DAY : after <= 7 * MS_DAY ? HORIZON_WEEK : after <= 31 * MS_DAY ? HORIZON_MONTH : HORIZON_LONGER;
}

static bool plain(const char *text, const char *what, struct err *err)
{
    if (!str_is_clean(str_of(text)) || strpbrk(text, "\n\t") || !*text)
        return err_set(err, ERR_USAGE, _("%s is no name on one line"), what);
    return strlen(text) < MODEL_TEXT_SIZE / 4 || err_set(err, ERR_LIMIT, _("%s is longer than %d bytes"), what, MODEL_TEXT_SIZE / 4);
}

static bool take_options(const struct writing *w, struct written_action *action, struct err *err)
{
    const struct incident_args *args = w->args;
    int64_t wall;
    if ((args->owner && !plain(args->owner, "--owner", err)) || (args->ticket && !plain(args->ticket, "--ticket", err)) ||
        (args->due && !incident_due(w->cli->arena, args->due, &action->due, &wall, err)))
        return false;
    if (args->due)
        action->horizon = horizon_by(w, wall);
    if (args->horizon && !horizon_of(args->horizon, &action->horizon)) {
        err_set(err, ERR_USAGE, _("\"%s\" is no horizon"), args->horizon);
        return err_hint(err, "same-day, week, month, longer");
    }
    action->owner = args->owner ? args->owner : action->owner;
    action->ticket = args->ticket ? args->ticket : action->ticket;
    return true;
}

static bool write_action(struct writing *w, int number, const char *text, struct err *err)
{
    const struct written_action *old = number ? action_there(w, number) : NULL;
    if (number && !old)
        return err_set(err, ERR_NOT_FOUND, _("incident %" PRId64 " has no action %d"), w->story.incident, number);
    if (!number && (!text || !*text))
        return err_set(err, ERR_USAGE, "%s", _("say what is to be done"));
    if (!number && !w->written.next_action)
        return err_set(err, ERR_LIMIT, _("a report has at most %d actions"), ACTIONS_MAX);
    struct written_action action = old ? *old : (struct written_action){.number = w->written.next_action, .horizon = HORIZON_MAX};
    action.text = text ? text : action.text;
    if (strlen(action.text) >= MODEL_TEXT_SIZE / 2)
        return err_set(err, ERR_LIMIT, _("an action is longer than %d bytes; keep it to a sentence"), MODEL_TEXT_SIZE / 2);
    if (!take_options(w, &action, err))
        return false;
    SCOPED(buf_done) struct buf json = {.max = TEXT_MAX * 2};
    action_json(&action, &json);
    w->detail = arena_strdup(w->cli->arena, buf_text(&json));
    w->event.number = w->args->drop ? ACTION_DROPPED : action.ticket ? ACTION_TICKETED : action_is_complete(&action) ? ACTION_COMPLETE : ACTION_DRAFT;
    COPY_TO(w->event.subject, arena_printf(w->cli->arena, ACTION_PREFIX "%d", action.number));
    COPY_TO(w->event.text, action_line(w->cli->arena, &action, LANGUAGE_EN));
    return true;
}

/* ---- fields ---- */

static bool write_field(struct writing *w, const struct report_field *field, const char *text, struct err *err)
{
    if (w->args->owner || w->args->due || w->args->horizon || w->args->ticket || w->args->drop)
        return err_set(err, ERR_USAGE, "%s", _("only an action has an owner, a date, a horizon or a ticket"));
    if (!text)
        return err_set(err, ERR_USAGE, "%s", _("the text is missing"));
    COPY_TO(w->event.subject, field->name);
    if (!COPY_TO(w->event.text, text) || strchr(text, '\n'))
        w->detail = text;
    return true;
}

static bool unknown_field(const struct writing *w, const char *name, struct err *err)
{
    struct strs names = {0};
    *vec_add(w->cli->arena, &names) = "action";
    for (const struct report_field *f = report_fields; f->name; f++)
        *vec_add(w->cli->arena, &names) = f->name;
    const char *near = str_nearest(name, names.p, names.n);
    err_set(err, ERR_USAGE, _("a report has no field \"%s\""), name);
    return near ? err_hint(err, _("did you mean \"%s\"?"), near) : err_hint(err, _("`bascule incident write %" PRId64 "` names them"), w->story.incident);
}

static bool fill(struct writing *w, struct err *err)
{
    const char *name = w->args->words.p[1], *text = NULL, *who = w->args->by ? w->args->by : person_name(w->cli->arena);
    const struct report_field *field = report_field(name);
    int number = action_number(name);
    w->event = (struct event){.kind = EVENT_WRITE, .incident = w->story.incident};
    COPY_TO(w->event.service, w->story.service);
    if (!plain(who, _("the name"), err) || !text_of(w->cli, w->args, &text, err))
        return false;
    COPY_TO(w->event.who, who);
    if (number || same(name, "action"))
        return write_action(w, number, text, err);
    return field ? write_field(w, field, text, err) : unknown_field(w, name, err);
}

/* ---- what is there ---- */

static const char *shortened(struct arena *arena, const char *text)
{
    char cut[SHOWN_COLUMNS];
    const char *line = arena_strndup(arena, text, strcspn(text, "\n"));
    bool whole = COPY_TO(cut, line) && !text[strlen(line)];
    return arena_printf(arena, "%s%s", cut, whole ? "" : " …");
}

static void put_fields(const struct writing *w, struct buf *out)
{
    const struct cli *cli = w->cli;
    for (const struct report_field *f = report_fields; f->name; f++) {
        const struct written *text = written_field(&w->written, f->name);
        bool wanted = field_required(f, w->story.severity);
        buf_printf(out, "  %s%s%s ", text ? cli_green(cli) : wanted ? cli_red(cli) : "", text ? "✓" : wanted ? "✗" : "·", cli_plain(cli));
        cli_pad(out, f->name, NAME_COLUMNS);
        buf_printf(out, " %s\n", text ? shortened(cli->arena, text->text) : text_in(f->question, cli->language));
    }
}

static void put_actions(const struct writing *w, struct buf *out)
{
    const struct cli *cli = w->cli;
    if (!w->written.actions.n)
        buf_printf(out, "  %s%s%s %-*s %s\n", cli_red(cli), w->story.severity <= SEVERITY_P2 ? "✗" : "·", cli_plain(cli), NAME_COLUMNS, "action",
                   _("what is done so that it does not happen again, by whom, until when"));
    for (size_t i = 0; i < w->written.actions.n; i++) {
        const struct written_action *a = &w->written.actions.p[i];
        bool complete = action_is_complete(a);
        buf_printf(out, "  %s%s%s ", complete ? cli_green(cli) : cli_red(cli), complete ? "✓" : "✗", cli_plain(cli));
        cli_pad(out, arena_printf(cli->arena, ACTION_PREFIX "%d", a->number), NAME_COLUMNS);
        buf_printf(out, " %s%s%s%s\n", action_line(cli->arena, a, cli->language), a->owner ? "" : _(" [no owner]"), a->due ? "" : _(" [no date]"),
                   a->ticket ? arena_printf(cli->arena, " [%s]", a->ticket) : a->told_seq ? _(" [ticket sent]") : "");
    }
}

static void put_json(const struct writing *w, const struct strs *missing, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_int(&j, "incident", w->story.incident);
    json_key(&j, "fields");
    json_object(&j);
    for (const struct report_field *f = report_fields; f->name; f++) {
        const struct written *text = written_field(&w->written, f->name);
        json_put_text(&j, f->name, text ? text->text : NULL);
    }
    json_object_end(&j);
    json_key(&j, "actions");
    json_array(&j);
    for (size_t i = 0; i < w->written.actions.n; i++) {
        const struct written_action *a = &w->written.actions.p[i];
        json_object(&j);
        json_put_int(&j, "number", a->number);
        json_put_text(&j, "text", a->text);
        json_put_text(&j, "owner", a->owner);
        json_put_text(&j, "due", a->due);
        json_put_text(&j, "horizon", a->horizon == HORIZON_MAX ? NULL : horizon_name(a->horizon));
        json_put_text(&j, "ticket", a->ticket);
        json_put_bool(&j, "ticket_sent", a->told_seq != 0);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_key(&j, "missing");
    json_array(&j);
    for (size_t i = 0; i < missing->n; i++)
        json_text(&j, missing->p[i]);
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(out, '\n');
}

static int show(const struct writing *w)
{
    SCOPED(buf_done) struct buf out = {.max = 16 * 1024 * 1024};
    struct strs missing = {0};
    written_missing(w->cli->arena, &w->written, w->story.severity, &missing);
    if (w->cli->json) {
        put_json(w, &missing, &out);
        return cli_print(&out);
    }
    buf_printf(&out, "INC-%" PRId64 " %s: %s\n", w->story.incident, severity_name(w->story.severity), w->story.title);
    put_fields(w, &out);
    put_actions(w, &out);
    if (missing.n)
        buf_printf(&out, _("\n%zu missing before it can be approved\n"), missing.n);
    else
        buf_printf(&out, _("\nnothing is missing: bascule incident review %" PRId64 "\n"), w->story.incident);
    return cli_print(&out);
}

/* ---- the approval ---- */

bool incident_reviewable(struct cli *cli, struct journal *journal, const struct story *story, struct err *err)
{
    struct written_all written;
    struct strs missing = {0};
    if (!story_written(cli->arena, journal, story->incident, &written, err))
        return false;
    written_missing(cli->arena, &written, story->severity, &missing);
    if (!missing.n)
        return true;
    const char *list = "";
    for (size_t i = 0; i < missing.n; i++)
        list = arena_printf(cli->arena, "%s%s%s", list, i ? ", " : "", missing.p[i]);
    err_set(err, ERR_REFUSED, _("the report of incident %" PRId64 " cannot be approved while this is missing: %s"), story->incident, list);
    return err_hint(err, _("`bascule incident write %" PRId64 "` asks for it"), story->incident);
}

/* ---- the command ---- */

int incident_write(struct cli *cli, const struct incident_args *args)
{
    struct writing w = {.cli = cli, .args = args};
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    int64_t number, seq;
    if (!args->words.n || !incident_number(args->words.p[0], &number))
        return cli_usage(&cmd_incident, "%s", _("the number of the incident is missing"));
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, &err) ||
        !story_read(cli->arena, journal, cli->config, number, &w.story, &err) || !story_written(cli->arena, journal, number, &w.written, &err))
        return cli_fail(&err);
    if (args->words.n == 1 && !args->file)
        return show(&w);
    if (args->words.n == 1)
        return cli_usage(&cmd_incident, "%s", _("the field is missing"));
    if (same(w.story.state, incident_state_name(INCIDENT_REVIEWED))) {
        err_set(&err, ERR_REFUSED, _("the report of incident %" PRId64 " is approved; it is not written in any more"), number);
        return cli_fail(&err);
    }
    if (!fill(&w, &err))
        return cli_fail(&err);
    journal_close(&journal);
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, &err) || !person_says(journal, &w.event, w.detail, &seq, &err))
        return cli_fail(&err);
    return person_was_heard(cli, seq);
}
