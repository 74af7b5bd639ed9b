/* cli/cmd_incident.c -- Incidents as people see them: list, show, timeline, report. What people say is in incident_say.c. */
#include <inttypes.h>

#include "cli/incident.h"
#include "sys/clock.h"

enum { OUT_MAX = 64 * 1024 * 1024, LISTED = 50, STATE_COLUMNS = 14, TIME_COLUMNS = 22, LABEL_COLUMNS = 14 };

bool incident_number(const char *word, int64_t *ret)
{
    if (strncasecmp(word, "INC-", 4) == 0)
        word += 4;
    return str_int(str_of(word), ret) && *ret > 0;
}

/* ---- list ---- */

struct listing {
    const struct cli *cli;
    VEC(int64_t) ids;
};

static bool list_one(void *arg, const struct record *record)
{
    struct listing *l = arg;
    if (!l->cli->service || same(l->cli->service, record->service))
        *vec_add(l->cli->arena, &l->ids) = record->incident;
    return true;
}

static const char *how_long(const struct cli *cli, const struct story *s)
{
    if (s->outage_ms >= 0)
        return arena_printf(cli->arena, "%s %s", _("outage"), cli_duration(cli, s->outage_ms));
    return arena_printf(cli->arena, "%s %s", _("since"), cli_duration(cli, MAX_OF(0, clock_wall_ms() - s->opened_wall_ms)));
}

static const char *state_text(const struct story *s)
{
    enum incident_state state;
    return incident_state_of(s->state, &state) ? cli_state(state) : s->state;
}

static void put_line(const struct cli *cli, const struct story *s, struct buf *out)
{
    const char *colour = s->resolved_seq ? "" : s->severity == SEVERITY_P1 ? cli_red(cli) : cli_yellow(cli);
    buf_printf(out, "%sINC-%-4" PRId64 "%s %s  ", colour, s->incident, *colour ? cli_plain(cli) : "", severity_name(s->severity));
    cli_pad(out, state_text(s), STATE_COLUMNS);
    buf_printf(out, "  %s  ", moment_minute(cli->arena, s->opened_wall_ms));
    cli_pad(out, how_long(cli, s), TIME_COLUMNS);
    buf_printf(out, "  %s: %s\n", s->service, s->title);
}

static int run_list(struct cli *cli, struct journal *journal, const struct incident_args *args)
{
    struct listing l = {.cli = cli};
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (!journal_openings(journal, list_one, &l, &err))
        return cli_fail(&err);
    size_t first = args->all || l.ids.n <= LISTED ? 0 : l.ids.n - LISTED;
    if (cli->json)
        buf_putc(&out, '[');
    for (size_t i = l.ids.n; i-- > first;) { /* the newest first */
        struct story story;
        if (!story_read(cli->arena, journal, cli->config, l.ids.p[i], &story, &err))
            return cli_fail(&err);
        if (cli->json && i + 1 < l.ids.n)
            buf_putc(&out, ',');
        if (cli->json)
            story_json(&story, &out);
        else
            put_line(cli, &story, &out);
    }
    if (cli->json)
        buf_puts(&out, "]\n");
    else if (!l.ids.n)
        buf_printf(&out, "%s\n", _("no incident is on record"));
    else if (first)
        buf_printf(&out, _("%zu older ones: bascule incident list --all\n"), first);
    return cli_print(&out);
}

/* ---- show ---- */

static void put_pair(struct buf *out, const char *label, const char *value)
{
    if (!value || !*value)
        return;
    buf_puts(out, "  ");
    cli_pad(out, label, LABEL_COLUMNS);
    buf_printf(out, " %s\n", value);
}

static const char *ms_text(const struct cli *cli, int64_t ms)
{
    return ms < 0 ? _("unknown") : cli_duration(cli, ms);
}

static const char *against(const struct cli *cli, int64_t achieved, int64_t target)
{
    return arena_printf(cli->arena, "%s (%s %s)", ms_text(cli, achieved), _("target"), ms_text(cli, target));
}

static void put_waiting(const struct cli *cli, const struct story *s, struct buf *out)
{
    if (!s->waits_for || s->resolved_seq)
        return;
    buf_printf(out, "\n%s%s%s: %s\n", cli_yellow(cli), s->blocked ? _("blocked") : _("waits for approval"), cli_plain(cli), s->waits_text);
    if (s->blocked)
        buf_printf(out, "  bascule incident retry %" PRId64 "\n", s->incident);
    else
        buf_printf(out, "  bascule incident approve %" PRId64 "\n  bascule incident deny %" PRId64 "\n", s->incident, s->incident);
}

static void put_steps(const struct cli *cli, const struct story *s, struct buf *out)
{
    if (s->step_count)
        buf_putc(out, '\n');
    for (size_t i = 0; i < s->step_count; i++) {
        const struct story_step *step = &s->steps[i];
        bool good = same(step->outcome, "success") || same(step->outcome, "skipped");
        const char *colour = !step->outcome ? cli_yellow(cli) : good ? cli_green(cli) : cli_red(cli);
        buf_printf(out, "  %s%s%s %-16s ", colour, !step->outcome ? "…" : good ? "✓" : "✗", cli_plain(cli), step->id);
        cli_pad(out, step->outcome ? cli_duration(cli, step->took_ms) : _("under way"), 12);
        buf_printf(out, " %s\n", step->text);
    }
}

static void put_story(const struct cli *cli, const struct story *s, struct buf *out)
{
    put_line(cli, s, out);
    put_pair(out, _("cause"), s->cause);
    put_pair(out, _("detected by"), s->detected_by);
    put_pair(out, _("playbook"), s->playbook);
    put_pair(out, _("taken by"), s->acked_by);
    put_pair(out, _("serves now"), s->active_site);
    put_pair(out, _("outage"), against(cli, s->outage_ms, s->rto_ms));
    if (s->restored)
        put_pair(out, _("data loss"), against(cli, s->loss_ms, s->rpo_ms));
    if (s->lost_transactions >= 0)
        put_pair(out, _("never arrived"), arena_printf(cli->arena, _("%lld transactions, %lld bytes"), (long long)s->lost_transactions, (long long)s->lost_bytes));
    put_pair(out, _("messages"), arena_printf(cli->arena, _("%zu ordered, %zu handed over, %zu given up"), s->notices, s->delivered, s->failed));
    put_waiting(cli, s, out);
    put_steps(cli, s, out);
    buf_printf(out, "\n  bascule incident timeline %" PRId64 "\n  bascule incident report %" PRId64 "\n", s->incident, s->incident);
}

static int run_show(struct cli *cli, struct journal *journal, int64_t number, const struct incident_args *args UNUSED)
{
    struct story story;
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (!story_read(cli->arena, journal, cli->config, number, &story, &err))
        return cli_fail(&err);
    if (cli->json) {
        story_json(&story, &out);
        buf_putc(&out, '\n');
    } else {
        put_story(cli, &story, &out);
    }
    return cli_print(&out);
}

/* ---- timeline, report ---- */

static int run_timeline(struct cli *cli, struct journal *journal, int64_t number, const struct incident_args *args UNUSED)
{
    struct story story;
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (!story_read(cli->arena, journal, cli->config, number, &story, &err))
        return cli_fail(&err);
    if (cli->json) {
        story_timeline_json(journal, number, &out);
        buf_putc(&out, '\n');
    } else if (!story_timeline(journal, cli->config, number, cli->language, &out, &err)) {
        return cli_fail(&err);
    }
    return cli_print(&out);
}

static int run_report(struct cli *cli, struct journal *journal, int64_t number, const struct incident_args *args)
{
    struct err err = {0};
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    SCOPED(buf_done) struct buf page = {.max = OUT_MAX};
    const char *format = args->format ? args->format : "md";
    bool paper = same(format, "pdf-ready");
    if (cli->json)
        return run_show(cli, journal, number, args);
    if (!paper && !same(format, "md") && !same(format, "html"))
        return cli_usage(&cmd_incident, _("\"%s\" is no format; md, html or pdf-ready"), format);
    if (!story_report(journal, cli->config, number, cli->language, &out, &err))
        return cli_fail(&err);
    if (same(format, "md"))
        return cli_print(&out);
    story_html(&out, paper, cli->language, &page);
    if (page.over) {
        err_set(&err, ERR_LIMIT, _("the report is longer than %d bytes"), OUT_MAX);
        return cli_fail(&err);
    }
    return cli_print(&page);
}

/* ---- the command ---- */

static bool take_args(int argc, char **argv, struct arena *a, struct incident_args *ret)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {{"--by", &ret->by}, {"--playbook", &ret->playbook}, {"--severity", &ret->severity}, {"--accept-loss", &ret->accept_loss},
                 {"--file", &ret->file}, {"--owner", &ret->owner}, {"--due", &ret->due}, {"--horizon", &ret->horizon}, {"--ticket", &ret->ticket},
                 {"--format", &ret->format},
                 {"--public", &ret->say_public}, {"--fr", &ret->fr}, {"--inside", &ret->inside}, {"--phase", &ret->phase}};
    const struct {
        const char *name;
        bool *to;
    } switches[] = {{"--all", &ret->all}, {"--drop", &ret->drop}, {"--yes", &ret->yes}, {"--hold", &ret->hold}, {"--resume", &ret->resume}};
    bool plain = false; /* after "--" everything is a word */
    for (int i = 2; i < argc; i++) {
        const char **to = NULL;
        for (size_t k = 0; k < COUNT_OF(options) && !plain; k++)
            if (same(argv[i], options[k].name))
                to = options[k].to;
        bool *on = NULL;
        for (size_t k = 0; k < COUNT_OF(switches) && !plain; k++)
            if (same(argv[i], switches[k].name))
                on = switches[k].to;
        if (!plain && same(argv[i], "--"))
            plain = true;
        else if (on)
            *on = true;
        else if (to && i + 1 < argc)
            *to = argv[++i];
        else if (!plain && strncmp(argv[i], "--", 2) == 0)
            return false;
        else
            *vec_add(a, &ret->words) = argv[i];
    }
    return true;
}

static int run_reading(struct cli *cli, const char *verb, const struct incident_args *args)
{
    static const struct {
        const char *name;
        int (*run)(struct cli *cli, struct journal *journal, int64_t number, const struct incident_args *args);
    } readers[] = {{"show", run_show}, {"timeline", run_timeline}, {"report", run_report}};
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    int64_t number = 0;
    bool list = same(verb, "list");
    int (*run)(struct cli *, struct journal *, int64_t, const struct incident_args *) = NULL;
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        if (same(verb, readers[i].name))
            run = readers[i].run;
    if (!list && !run)
        return cli_usage(&cmd_incident, _("\"%s\" is no subcommand"), verb);
    if (run && (args->words.n != 1 || !incident_number(args->words.p[0], &number)))
        return cli_usage(&cmd_incident, "%s", _("the number of the incident is missing"));
    if (list && args->words.n)
        return cli_usage(&cmd_incident, _("unknown argument \"%s\""), args->words.p[0]);
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, &err))
        return cli_fail(&err);
    return list ? run_list(cli, journal, args) : run(cli, journal, number, args);
}

static int run_incident(struct cli *cli, int argc, char **argv)
{
    struct incident_args args = {0};
    if (argc < 2)
        return cli_usage(&cmd_incident, "%s", _("a subcommand is missing"));
    if (!take_args(argc, argv, cli->arena, &args))
        return cli_usage(&cmd_incident, "%s", _("an option is unknown or wants a value"));
    if (same(argv[1], "open"))
        return incident_open(cli, &args);
    if (same(argv[1], "write"))
        return incident_write(cli, &args);
    if (same(argv[1], "say"))
        return incident_say(cli, &args);
    int status = incident_speak(cli, argv[1], &args);
    return status >= 0 ? status : run_reading(cli, argv[1], &args);
}

const struct command cmd_incident = {
    .name = "incident",
    .usage = "incident list [--all] | show N | timeline N | report N [--format md|html|pdf-ready]\n"
             "       bascule incident open [--playbook P] [--severity P2] TEXT | ack N | note N TEXT | resolve N | review N\n"
             "       bascule incident write N [FIELD TEXT | FIELD --file FILE | action TEXT --owner NAME --due DATE | action.K ... | action.K --drop]\n"
             "       bascule incident say N [--public TEXT [--fr TEXT] [--phase PHASE]] [--inside TEXT] [--hold | --resume] [--yes]\n"
             "       bascule incident escalate N [--severity P1] [TEXT]\n"
             "       bascule incident approve N | deny N | retry N | certify N SITE --accept-loss TEXT      (all: [--by NAME])",
    .summary = N_("shows incidents, and tells the controller what a person decides about them"),
    .details = N_("list, show, timeline and report read the journal, so they work when the controller is dead. report prints the\n"
                  "post-incident report; `--lang fr` prints it in French, `--format html` as a page, pdf-ready as one to be printed.\n"
                  "write puts what only people know into the report; without FIELD it shows what is there and what is missing. A corrective\n"
                  "action has an owner and a date (2026-12-01, +7d), may have --horizon same-day, week, month or longer, and --ticket.\n"
                  "review approves the report; it is refused while something is missing.\n"
                  "escalate calls the next tier at once, and raises the severity when one is named.\n"
                  "ack takes the incident; approve and deny answer the step that asks; retry tries a blocked step again; certify says\n"
                  "that a site accepts no more writes, for which the person answers, with the loss of data they accept.\n"
                  "say shows what the public (--public, --fr) or the people inside (--inside) will read, asks, and says it; --hold keeps the\n"
                  "machine from telling the public anything of the incident by itself, --resume lets it speak again.\n"
                  "What a person says is written to the journal first, and the controller acts on it, at once or when it starts."),
    .wants_config = true,
    .run = run_incident,
};
