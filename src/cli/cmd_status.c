/* cli/cmd_status.c -- The runbook's status.sh: every check once, a line each, and an exit status that says it all. */
#include <unistd.h>

#include "base/jsonout.h"
#include "cli/pause.h"
#include "cli/person.h"
#include "cli/proven.h"
#include "observe/observe.h"

extern const struct command cmd_status;

enum { WAYS_NAMED = 4 };

struct survey {
    struct loop *loop;
    struct arena *arena;
    VEC(struct result) results;
};

static void keep_result(void *arg, const struct result *result)
{
    struct survey *survey = arg;
    *vec_add(survey->arena, &survey->results) = *result;
}

static void survey_over(void *arg)
{
    loop_stop(((struct survey *)arg)->loop);
}

/* Failure titles are the ones that the operators' habits know: "[✗] Database connectivity failed". */
static const struct {
    const char *type, *well, *ill;
} titles[] = {
    {"agent", N_("Agent of the database"), N_("Agent: the database is down")},
    {"postgres", N_("Database connectivity"), N_("Database connectivity failed")},
    {"tables", N_("Critical tables present"), N_("Critical tables not confirmed")},
    {"http", N_("Application health"), N_("Application health failed")},
    {"backup", N_("Newest backup"), N_("Newest backup too old or not good")},
    {"restore_test", N_("Last restore test"), N_("Last restore test failed or is old")},
    {"disk", N_("Disk space"), N_("Disk space low")},
    {"unit", N_("Service unit running"), N_("Service unit not running")},
    {"command", N_("External check"), N_("External check failed")},
};

const char *cli_check_title(const struct check_conf *conf, bool well, enum language language)
{
    if (conf->title.en)
        return text_in(conf->title, language);
    for (size_t i = 0; i < COUNT_OF(titles); i++)
        if (same(conf->type, titles[i].type))
            return _(well ? titles[i].well : titles[i].ill);
    return conf->type;
}

/* Critical 1, warning or unknown 2, all well 0: an unknown is never taken for well. */
static int status_of(const struct survey *survey)
{
    bool warning = false;
    for (size_t i = 0; i < survey->results.n; i++) {
        if (survey->results.p[i].state == VERDICT_DOWN)
            return 1;
        warning |= survey->results.p[i].state != VERDICT_UP;
    }
    return warning ? 2 : 0;
}

static void print_line(const struct cli *cli, const struct service *service, const struct result *r, struct buf *out)
{
    static const char *const marks[VERDICT_MAX] = {"[?]", "[✓]", "[!]", "[✗]"};
    const char *colour = r->state == VERDICT_UP ? cli_green(cli) : r->state == VERDICT_DOWN ? cli_red(cli) : cli_yellow(cli);
    const struct check_conf *conf = service_check(service, r->check);
    buf_printf(out, "%s%s%s %s (%s): %s\n", colour, marks[r->state], cli_plain(cli), cli_check_title(conf, r->state != VERDICT_DOWN, cli->language),
               r->check, r->text);
}

/* A way that nobody ever tried is one that may not be there at three in the morning. It is no check of the service, so the exit status
   and the last line, which scripts go by, are left alone. */
static void print_ways(const struct cli *cli, const struct ways *ways, struct buf *out)
{
    size_t ill = 0;
    const char *names = "";
    for (size_t i = 0; i < ways->n; i++) {
        const struct way *way = &ways->p[i];
        if (way->proof == PROOF_GOOD)
            continue;
        if (ill++ < WAYS_NAMED)
            names = arena_printf(cli->arena, "%s%s%s%s", names, *names ? ", " : "", way->subject,
                                 way->proof == PROOF_FAILED ? _(" (its test failed)") : "");
    }
    if (ill)
        buf_printf(out, _("%s[!]%s %zu of %zu ways to reach people are not proven: %s%s; `bascule notify test all` proves them\n"), cli_yellow(cli),
                   cli_plain(cli), ill, ways->n, names, ill > WAYS_NAMED ? ", ..." : "");
}

static void print_pause(const struct cli *cli, const struct service *service, const struct pause *pause, struct buf *out)
{
    if (pause->until_wall_ms)
        buf_printf(out, _("%s[!]%s automatic action is paused until %s by %s: %s; before that: `bascule resume %s`\n"), cli_yellow(cli), cli_plain(cli),
                   moment_minute(cli->arena, pause->until_wall_ms), pause->who, pause->why, service->name);
}

/* ---- who leads ---- */

enum { LEAD_NOT_KNOWN, LEAD_ELSEWHERE, LEAD_HERE, LEAD_ALONE }; /* the first three as the journal numbers them; alone: there is no etcd, or no controller here */

struct lead {
    const struct cli *cli;
    const struct service *service;
    int64_t standing;
    const char *who;
};

static bool take_row(void *arg, const struct record *record)
{
    struct lead *lead = arg;
    if (!record->is_order && record->kind == EVENT_STARTED)
        lead->standing = LEAD_ALONE;
    if (record->is_order || record->kind != EVENT_LEADER || !same(record->service, lead->service->name))
        return true;
    lead->standing = record->number;
    lead->who = arena_strdup(lead->cli->arena, record->text);
    return true;
}

static bool lead_read(const struct cli *cli, const struct service *service, struct lead *ret, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    *ret = (struct lead){cli, service, LEAD_ALONE, ""};
    if (!controller_runs(cli))
        return true;
    return journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err) ? journal_read(journal, 0, 0, take_row, ret, err) : err->code == ERR_NOT_FOUND;
}

static void print_lead(const struct cli *cli, const struct lead *lead, struct buf *out)
{
    if (lead->standing == LEAD_ELSEWHERE)
        buf_printf(out, _("%s[!]%s another controller leads, %s: the one here watches, and acts when that is gone\n"), cli_yellow(cli), cli_plain(cli), lead->who);
    else if (lead->standing == LEAD_NOT_KNOWN)
        buf_printf(out, _("%s[!]%s it is not known which controller leads, since etcd does not answer: nothing is begun until it does\n"), cli_yellow(cli), cli_plain(cli));
}

static void put_lead(struct jsonout *j, const struct lead *lead)
{
    json_key(j, "leader");
    if (lead->standing == LEAD_ALONE) {
        json_null(j);
        return;
    }
    json_object(j);
    json_put_bool(j, "here", lead->standing == LEAD_HERE);
    json_put_text(j, "who", lead->standing == LEAD_NOT_KNOWN ? "" : lead->who);
    json_object_end(j);
}

/* ---- all of it ---- */

static void print_text(const struct cli *cli, const struct service *service, const struct survey *survey, const struct ways *ways, const struct pause *pause,
                       const struct lead *lead, struct buf *out)
{
    int critical = 0, warnings = 0;
    for (size_t i = 0; i < service->checks.n; i++) /* in the configuration's order, not that of arrival */
        for (size_t k = 0; k < survey->results.n; k++)
            if (same(survey->results.p[k].check, service->checks.p[i].id))
                print_line(cli, service, &survey->results.p[k], out);
    for (size_t i = 0; i < survey->results.n; i++) {
        critical += survey->results.p[i].state == VERDICT_DOWN;
        warnings += survey->results.p[i].state == VERDICT_WARNING || survey->results.p[i].state == VERDICT_UNKNOWN;
    }
    print_ways(cli, ways, out);
    print_pause(cli, service, pause, out);
    print_lead(cli, lead, out);
    if (survey->results.n == 0)
        buf_printf(out, "%s[?]%s %s\n", cli_yellow(cli), cli_plain(cli), _("no check is configured here: nothing is known"));
    else if (critical || warnings)
        buf_printf(out, _("%s✗ %d critical, %d warnings of %zu checks%s\n"), critical ? cli_red(cli) : cli_yellow(cli), critical, warnings,
                   survey->results.n, cli_plain(cli));
    else
        buf_printf(out, "%s✓ All checks passed%s\n", cli_green(cli), cli_plain(cli)); /* not translated: scripts look for it */
}

static void put_ways(struct jsonout *j, const struct ways *ways)
{
    static const char *const words[] = {[PROOF_NEVER] = "never", [PROOF_FAILED] = "failed", [PROOF_GOOD] = "proven"};
    json_key(j, "contacts");
    json_array(j);
    for (size_t i = 0; i < ways->n; i++) {
        json_object(j);
        json_put_text(j, "contact", ways->p[i].contact);
        json_put_text(j, "channel", ways->p[i].channel->name);
        json_put_text(j, "proof", words[ways->p[i].proof]);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_pause(const struct cli *cli, struct jsonout *j, const struct pause *pause)
{
    json_key(j, "paused");
    if (!pause->until_wall_ms) {
        json_null(j);
        return;
    }
    json_object(j);
    json_put_text(j, "until", moment_iso(cli->arena, pause->until_wall_ms));
    json_put_text(j, "who", pause->who);
    json_put_text(j, "why", pause->why);
    json_object_end(j);
}

static void print_json(const struct cli *cli, const struct service *service, const struct survey *survey, const struct ways *ways, const struct pause *pause,
                       const struct lead *lead, struct buf *out)
{
    static const char *const words[] = {"ok", "critical", "warning"};
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_text(&j, "service", service->name);
    json_put_text(&j, "status", survey->results.n ? words[status_of(survey)] : "unknown");
    json_key(&j, "checks");
    json_array(&j);
    for (size_t i = 0; i < survey->results.n; i++) {
        const struct result *r = &survey->results.p[i];
        json_object(&j);
        json_put_text(&j, "check", r->check);
        json_put_text(&j, "state", verdict_name(r->state));
        json_put_text(&j, "text", r->text);
        json_put_int(&j, "took_ms", r->took_ms);
        json_put_int(&j, "at_ms", r->wall_ms);
        json_object_end(&j);
    }
    json_array_end(&j);
    put_ways(&j, ways);
    put_pause(cli, &j, pause);
    put_lead(&j, lead);
    json_object_end(&j);
    buf_putc(out, '\n');
}

static int look_once(struct cli *cli, const struct service *service, const char *site, bool clear)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf out = {.max = 4 * 1024 * 1024};
    SCOPED(loop_close) struct loop *loop = loop_open();
    struct survey survey = {.loop = loop, .arena = arena};
    struct observe *observe = observe_open(loop, cli->config, cli_control_dir(cli), keep_result, &survey);
    observe_once(observe, service->name, site, survey_over, &survey);
    loop_run(loop);
    observe_close(&observe);
    struct ways ways = {0};
    struct err err = {0};
    if (!site && (!ways_of(cli, NULL, NULL, &ways, &err) || !ways_look_up(cli, &ways, &err)))
        fprintf(stderr, "bascule: %s\n", err.message); /* the checks count all the same */
    struct pause pause = {0};
    if (!site && !pause_read(cli, service, &pause, &err))
        fprintf(stderr, "bascule: %s\n", err.message);
    struct lead lead = {.standing = LEAD_ALONE};
    if (!site && !lead_read(cli, service, &lead, &err))
        fprintf(stderr, "bascule: %s\n", err.message);
    if (clear)
        buf_puts(&out, "\033[H\033[J");
    if (cli->json)
        print_json(cli, service, &survey, &ways, &pause, &lead, &out);
    else
        print_text(cli, service, &survey, &ways, &pause, &lead, &out);
    int printed = cli_print(&out);
    if (printed)
        return printed;
    return survey.results.n ? status_of(&survey) : 2;
}

static int run_status(struct cli *cli, int argc, char **argv)
{
    const char *site = NULL;
    bool watch = false;
    for (int i = 1; i < argc; i++)
        if (same(argv[i], "--run")) /* as a step of a playbook: the same look, reported to the controller */
            return cmd_action_run(cli, argc, argv);
    for (int i = 1; i < argc; i++) {
        if (same(argv[i], "--watch"))
            watch = true;
        else if (same(argv[i], "--site") && i + 1 < argc)
            site = argv[++i];
        else if (!site && argv[i][0] != '-')
            site = argv[i];
        else
            return cli_usage(&cmd_status, _("unknown argument \"%s\""), argv[i]);
    }
    struct err err = {0};
    const struct service *service;
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    if (site && !service_site(service, site)) {
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no site \"%s\""), service->name, site);
        return cli_fail(&err);
    }
    for (;;) {
        int status = look_once(cli, service, site, watch && cli->colour);
        if (!watch)
            return status;
        sleep(2); /* a display's pace for a person, ended by Ctrl-C */
    }
}

const struct command cmd_status = {
    .name = "status",
    .usage = "status [SITE] [--watch] [--json]",
    .summary = N_("runs every check once and says what is well and what is not"),
    .details = N_("One line a check: [✓] well, [!] warning, [✗] critical, [?] could not be told. Exit status 0 when all is well, 1 when\n"
                  "something is critical, 2 when there are only warnings or unknowns. Ways to reach people that no test message has proven\n"
                  "are named; they change neither. --watch looks again every 2 s."),
    .wants_config = true,
    .run = run_status,
};
