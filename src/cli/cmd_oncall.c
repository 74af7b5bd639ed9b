/* cli/cmd_oncall.c -- Who is on call, now and at any time; who stands in; and calendars of it. */
#include <inttypes.h>

#include "base/jsonout.h"
#include "cli/oncall.h"
#include "cli/person.h"
#include "io/ical.h"
#include "sys/clock.h"

extern const struct command cmd_oncall;

enum { OUT_MAX = 8 * 1024 * 1024, TURNS_MAX = 10000, NAME_COLUMNS = 18, WHO_COLUMNS = 22 };
#define EXPORT_MS (90 * MS_DAY)

struct oncall_args {
    const char *at, *from, *to, *length, *by; /* NULL: not given */
    bool clear;
    struct strs words; /* after the verb */
};

/* ---- turns ---- */

static bool same_people(const struct duty *a, const struct duty *b)
{
    bool equal = a->n == b->n && a->gap == b->gap && a->stands_in == b->stands_in;
    for (size_t i = 0; equal && i < a->n; i++)
        equal = same(a->who[i], b->who[i]);
    return equal;
}

/* The turn that covers `at_ms`, up to the moment at which somebody else is on call; looked for no further than a year. */
static struct duty turn_at(const struct rotation *r, const struct stand_ins *s, int64_t at_ms)
{
    struct duty duty = rotation_duty(r, s->p, s->n, at_ms);
    bool alone = rotation_people(r)->n == 1 && !s->n;
    while (!alone && duty.to_ms != TIME_NEVER && duty.to_ms < at_ms + 366 * MS_DAY) {
        struct duty next = rotation_duty(r, s->p, s->n, duty.to_ms);
        if (!same_people(&duty, &next))
            break;
        duty.to_ms = next.to_ms;
    }
    return duty;
}

static const char *names_of(struct arena *arena, const struct duty *duty)
{
    const char *text = "";
    for (size_t i = 0; i < duty->n; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", duty->who[i]);
    return text;
}

static const char *remark(const struct cli *cli, const struct duty *duty)
{
    if (duty->gap)
        return arena_printf(cli->arena, " (%s)", _("a gap: all are called"));
    return duty->stands_in ? arena_printf(cli->arena, " (%s)", _("stands in")) : "";
}

static const char *until(const struct cli *cli, const struct rotation *r, const struct duty *duty)
{
    return duty->to_ms == TIME_NEVER ? _("for ever") : zone_print(cli->arena, &r->zone, duty->to_ms);
}

/* ---- show ---- */

static void put_duty_json(struct jsonout *j, const struct cli *cli, const struct rotation *r, const struct duty *duty, int64_t from_ms)
{
    json_object(j);
    json_put_text(j, "rotation", r->name);
    json_key(j, "who");
    json_array(j);
    for (size_t i = 0; i < duty->n; i++)
        json_text(j, duty->who[i]);
    json_array_end(j);
    json_put_text(j, "from", from_ms == INT64_MIN ? NULL : moment_iso(cli->arena, from_ms));
    json_put_text(j, "to", duty->to_ms == TIME_NEVER ? NULL : moment_iso(cli->arena, duty->to_ms));
    json_put_bool(j, "stands_in", duty->stands_in);
    json_put_bool(j, "gap", duty->gap);
    json_object_end(j);
}

static void put_now(const struct cli *cli, const struct rotation *r, const struct stand_ins *s, int64_t at_ms, struct buf *out)
{
    struct duty duty = turn_at(r, s, at_ms);
    const char *who = arena_printf(cli->arena, "%s%s", names_of(cli->arena, &duty), remark(cli, &duty));
    cli_pad(out, r->name, NAME_COLUMNS);
    buf_putc(out, ' ');
    cli_pad(out, who, WHO_COLUMNS);
    if (duty.to_ms == TIME_NEVER) {
        buf_printf(out, " %s\n", _("for ever"));
        return;
    }
    struct duty next = rotation_duty(r, s->p, s->n, duty.to_ms);
    buf_printf(out, _(" until %s, then %s%s\n"), until(cli, r, &duty), names_of(cli->arena, &next), remark(cli, &next));
}

static void put_turns(const struct cli *cli, const struct rotation *r, const struct stand_ins *s, int64_t from_ms, int64_t to_ms, struct buf *out)
{
    buf_printf(out, "%s%s%s\n", r->name, r->title.en ? ": " : "", text_in(r->title, cli->language));
    int64_t at = from_ms;
    for (int i = 0; at < to_ms && i < TURNS_MAX; i++) {
        struct duty duty = turn_at(r, s, at);
        buf_printf(out, "  %s  %s  %s%s\n", zone_print(cli->arena, &r->zone, i ? at : MAX_OF(duty.from_ms, from_ms - 366 * MS_DAY)),
                   until(cli, r, &duty), names_of(cli->arena, &duty), remark(cli, &duty));
        at = duty.to_ms;
    }
}

static void put_json(const struct cli *cli, struct jsonout *j, const struct rotation *r, const struct stand_ins *s, int64_t from_ms, int64_t to_ms)
{
    int64_t at = from_ms;
    for (int i = 0; i < TURNS_MAX && (i == 0 || at < to_ms); i++) {
        struct duty duty = turn_at(r, s, at);
        put_duty_json(j, cli, r, &duty, i ? at : duty.from_ms);
        at = duty.to_ms;
    }
}

static bool is_meant(const struct oncall_args *args, const struct rotation *r)
{
    return args->words.n == 0 || same(args->words.p[0], r->name);
}

/* What is known of a calendar ends somewhere: beyond it nobody seems to be on call. */
static void warn_of_end(const struct cli *cli, const struct rotation *r, int64_t now_ms, struct buf *out)
{
    int64_t last = r->shifts.n ? r->shifts.p[r->shifts.n - 1].to_ms : now_ms;
    for (size_t i = 0; i < r->shifts.n; i++)
        last = MAX_OF(last, r->shifts.p[i].to_ms);
    if (r->calendar && last < now_ms + 14 * MS_DAY)
        buf_printf(out, _("%swarning%s: the calendar of %s ends %s\n"), cli_yellow(cli), cli_plain(cli), r->name, zone_print(cli->arena, &r->zone, last));
}

static int run_show(struct cli *cli, const struct oncall_args *args, const struct stand_ins *s)
{
    struct err err = {0};
    int64_t now = clock_wall_ms(), length = 0;
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    struct jsonout j = jsonout(&out);
    if (args->length && !duration_parse(args->length, &length, &err))
        return cli_fail(&err);
    if (cli->json)
        json_array(&j);
    for (size_t i = 0; i < cli->config->rotations.n; i++) {
        const struct rotation *r = &cli->config->rotations.p[i];
        int64_t at = now;
        if (!is_meant(args, r))
            continue;
        if (args->at && !moment_word(args->at, &r->zone, now, &at, &err))
            return cli_fail(&err);
        if (cli->json)
            put_json(cli, &j, r, s, at, at + length);
        else if (length)
            put_turns(cli, r, s, at, at + length, &out);
        else
            put_now(cli, r, s, at, &out);
        if (!cli->json)
            warn_of_end(cli, r, now, &out);
    }
    if (cli->json) {
        json_array_end(&j);
        buf_putc(&out, '\n');
    }
    return cli_print(&out);
}

/* ---- export ---- */

static int run_export(struct cli *cli, const struct oncall_args *args, const struct stand_ins *s)
{
    struct err err = {0};
    struct ical_events events = {0};
    int64_t now = clock_wall_ms(), length = EXPORT_MS;
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (args->length && !duration_parse(args->length, &length, &err))
        return cli_fail(&err);
    for (size_t i = 0; i < cli->config->rotations.n; i++) {
        const struct rotation *r = &cli->config->rotations.p[i];
        int64_t at = now;
        if (!is_meant(args, r))
            continue;
        if (args->from && !moment_word(args->from, &r->zone, now, &at, &err))
            return cli_fail(&err);
        int64_t end = at + length;
        for (int k = 0; at < end && k < TURNS_MAX; k++) {
            struct duty duty = turn_at(r, s, at);
            int64_t to = MIN_OF(duty.to_ms, end), from = k || duty.from_ms < at - 366 * MS_DAY ? at : duty.from_ms;
            for (size_t w = 0; w < duty.n; w++)
                *vec_add(cli->arena, &events) = (struct ical_event){
                    .uid = arena_printf(cli->arena, "%s-%" PRId64 "-%s@bascule", r->name, from, duty.who[w]), .summary = duty.who[w], .from_ms = from, .to_ms = to};
            at = to;
        }
    }
    ical_write(&out, args->words.n ? args->words.p[0] : "on call", &events, now);
    return cli_print(&out);
}

/* ---- override ---- */

static bool fill_span(const struct oncall_args *args, const struct rotation *r, struct event *event, struct err *err)
{
    int64_t now = clock_wall_ms(), length;
    event->number = now;
    if (args->from && !moment_word(args->from, &r->zone, now, &event->number, err))
        return false;
    if (!args->to == !args->length)
        return err_set(err, ERR_USAGE, "%s", _("say until when: --to MOMENT or --for 8h"));
    if (args->to && !moment_word(args->to, &r->zone, event->number, &event->ref, err))
        return false;
    if (args->length && !duration_parse(args->length, &length, err))
        return false;
    if (args->length)
        event->ref = event->number + length;
    return event->ref > event->number || err_set(err, ERR_USAGE, "%s", _("it ends before it begins"));
}

static bool fill_people(struct cli *cli, const struct oncall_args *args, struct event *event, struct err *err)
{
    const struct contact *contact = args->clear ? NULL : config_contact(cli->config, args->words.p[1]);
    if (!args->clear && (!contact || !contact->ways.n)) {
        err_set(err, ERR_NOT_FOUND, contact ? _("contact \"%s\" has no ways, so it cannot be told") : _("there is no contact \"%s\""), args->words.p[1]);
        return false;
    }
    const char *by = args->by ? args->by : person_name(cli->arena);
    bool fits = COPY_TO(event->text, contact ? contact->name : "") && str_is_clean(str_of(by)) && COPY_TO(event->who, by);
    return fits || err_set(err, ERR_LIMIT, "%s", _("the name is too long, or no text"));
}

static int run_override(struct cli *cli, const struct oncall_args *args)
{
    struct err err = {0};
    struct event event = {.kind = EVENT_OVERRIDE};
    int64_t seq;
    SCOPED(journal_close) struct journal *journal = NULL;
    if (args->words.n != (args->clear ? 1u : 2u))
        return cli_usage(&cmd_oncall, "%s", _("name the rotation, and the contact who stands in"));
    const struct rotation *r = config_rotation(cli->config, args->words.p[0]);
    if (!r) {
        err_set(&err, ERR_NOT_FOUND, _("there is no rotation \"%s\""), args->words.p[0]);
        return cli_fail(&err);
    }
    COPY_TO(event.subject, r->name);
    if (!fill_span(args, r, &event, &err) || !fill_people(cli, args, &event, &err) ||
        !journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, &err) || !person_says(journal, &event, NULL, &seq, &err))
        return cli_fail(&err);
    return person_was_heard(cli, seq);
}

/* ---- the command ---- */

static bool take_args(int argc, char **argv, struct arena *a, struct oncall_args *ret)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {{"--at", &ret->at}, {"--from", &ret->from}, {"--to", &ret->to}, {"--for", &ret->length}, {"--by", &ret->by}};
    for (int i = 2; i < argc; i++) {
        const char **to = NULL;
        for (size_t k = 0; k < COUNT_OF(options); k++)
            if (same(argv[i], options[k].name))
                to = options[k].to;
        if (same(argv[i], "--clear"))
            ret->clear = true;
        else if (to && i + 1 < argc)
            *to = argv[++i];
        else if (to || strncmp(argv[i], "--", 2) == 0)
            return false;
        else
            *vec_add(a, &ret->words) = argv[i];
    }
    return true;
}

static int run_oncall(struct cli *cli, int argc, char **argv)
{
    struct oncall_args args = {0};
    struct stand_ins stand_ins;
    struct err err = {0};
    const char *verb = argc > 1 ? argv[1] : "show";
    bool show = same(verb, "show"), export = same(verb, "export");
    if (!take_args(argc, argv, cli->arena, &args))
        return cli_usage(&cmd_oncall, "%s", _("an option is unknown or wants a value"));
    if (same(verb, "override"))
        return run_override(cli, &args);
    if (!show && !export)
        return cli_usage(&cmd_oncall, _("\"%s\" is no subcommand"), verb);
    if (!cli->config->rotations.n)
        err_set(&err, ERR_NOT_FOUND, "%s", _("the configuration has no rotations"));
    else if (args.words.n && !config_rotation(cli->config, args.words.p[0]))
        err_set(&err, ERR_NOT_FOUND, _("there is no rotation \"%s\""), args.words.p[0]);
    if (err.code || !stand_ins_read(cli, &stand_ins, &err))
        return cli_fail(&err);
    return show ? run_show(cli, &args, &stand_ins) : run_export(cli, &args, &stand_ins);
}

const struct command cmd_oncall = {
    .name = "oncall",
    .usage = "oncall show [ROTATION] [--at MOMENT] [--for 14d] | export [ROTATION] [--from MOMENT] [--for 90d]\n"
             "       bascule oncall override ROTATION CONTACT [--from MOMENT] --to MOMENT|--for 8h [--by NAME]\n"
             "       bascule oncall override ROTATION --clear [--from MOMENT] --to MOMENT|--for 8h [--by NAME]",
    .summary = N_("who is on call, now and at any time; who stands in; calendars of it"),
    .details = N_("A MOMENT is \"2026-11-23 09:00\" on the clocks of the rotation's zone, 2026-11-23T08:00Z, now, or +2h.\n"
                  "override puts a contact on call in a rotation for a time; of several that overlap the last one counts, and --clear goes back\n"
                  "to the plan. It is written to the journal, and the controller pages by it at once. export prints an iCalendar file."),
    .wants_config = true,
    .run = run_oncall,
};
