/* cli/cmd_failover.c -- The failover playbook started by a person: handed to the controller when one runs, else carried out here. */
#include <inttypes.h>
#include <poll.h>

#include "act/action.h"
#include "act/ways.h"
#include "cli/command.h"
#include "cli/person.h"
#include "cli/sides.h"
#include "daemon/daemon.h"
#include "decide/decide.h"
#include "record/journal.h"
#include "record/story.h"

extern const struct command cmd_failover;

/* ---- dry run ---- */

static bool describe_step(struct cli *cli, const struct service *service, const char *action, struct buf *out, struct err *err)
{
    struct strs words = {0};
    if (!str_words(cli->arena, action, &words) || words.n == 0)
        return err_set(err, ERR_CONFIG, _("action \"%s\" cannot be read"), action);
    const struct action_ops *ops = action_find(words.p[0]);
    if (!ops) { /* notify, wait: carried out by the controller itself */
        buf_printf(out, _("      done by the controller: %s\n"), action);
        return true;
    }
    buf_printf(out, "      $ bascule %s\n", action);
    struct action_ctx ctx = cli_action_ctx(cli, service);
    ctx.args.p = words.p + 1;
    ctx.args.n = words.n - 1;
    SCOPED(buf_done) struct buf said = {.max = 256 * 1024};
    if (!action_valid(ops, &ctx, err) || !ops->describe(&ctx, &said, err))
        return false;
    struct str rest = buf_str(&said), line;
    while (str_next(&rest, '\n', &line))
        if (line.n)
            buf_printf(out, "      " STR_FMT "\n", STR_ARG(line));
    return true;
}

/* ---- which steps would be taken ---- */

static enum verdict_state nobody_looked(void *arg, const char *check)
{
    (void)arg, (void)check;
    return VERDICT_UNKNOWN;
}

/* The best way as it would be measured now; asked only of a playbook whose conditions want it. */
static enum way_kind best_now(struct cli *cli, const struct service *service, const struct site *from, const struct site *to)
{
    struct ways_facts facts;
    struct ways ways;
    struct action_ctx ctx = cli_action_ctx(cli, service);
    ways_measure(&ctx, from, to, false, &facts);
    ways_weigh(&facts, &ways);
    return ways.best_move;
}

struct choice {
    struct cli *cli;
    const struct service *service;
    const struct playbook *playbook;
    const struct site *from, *to;
    bool weighed;
    enum way_kind best;
    const char *until; /* a step further on, before which all are passed over; NULL: none */
};

/* Would the step be left out as things stand? Of verdicts nothing is known here, so that conditions about them count as met. */
static bool is_left_out(struct choice *c, const struct step *step)
{
    if (c->until && !same(step->id, c->until))
        return true;
    c->until = NULL;
    if (!step->when)
        return false;
    if (!c->weighed)
        c->best = best_now(c->cli, c->service, c->from, c->to);
    c->weighed = true;
    struct condition_world world = {.verdict = nobody_looked, .active = c->from->name, .standby = c->to->name, .best = &c->best};
    if (condition_truth(step->when, &world) == TRUTH_NO)
        return true;
    if (condition_truth(step->when, &world) == TRUTH_YES && step->on_success && playbook_step(c->playbook, step->on_success) > step)
        c->until = step->on_success; /* what lies between is for when this one is left out */
    return false;
}

static int dry_run(struct cli *cli, const struct service *service, const struct playbook *playbook, const struct site *from, const struct site *to)
{
    SCOPED(buf_done) struct buf out = {.max = 4 * 1024 * 1024};
    int64_t total = 0;
    int problems = 0;
    struct choice choice = {.cli = cli, .service = service, .playbook = playbook, .from = from, .to = to};
    buf_printf(&out, _("Dry run of \"%s\": from %s to %s. Nothing is changed; what can be checked is checked.\n"), playbook->name, from->name,
               to->name);
    for (size_t i = 0; i < playbook->steps.n; i++) {
        const struct step *s = &playbook->steps.p[i];
        char *action = action_words(cli->arena, s->action, from->name, to->name);
        if (is_left_out(&choice, s)) {
            buf_printf(&out, _("\n%zu. %s: left out as things stand\n"), i + 1, s->title.en ? text_in(s->title, cli->language) : s->id);
            continue;
        }
        total += s->budget_ms;
        buf_printf(&out, "\n%zu. %s", i + 1, s->title.en ? text_in(s->title, cli->language) : s->id);
        if (s->budget_ms)
            buf_printf(&out, "  (%s %s)", _("at most"), cli_duration(cli, s->budget_ms));
        buf_putc(&out, '\n');
        struct err err = {0};
        if (describe_step(cli, service, action, &out, &err))
            continue;
        problems++;
        buf_printf(&out, _("      %swould fail now: %s%s\n"), cli_red(cli), err.message, cli_plain(cli));
        if (*err.hint)
            buf_printf(&out, _("      hint: %s\n"), err.hint);
    }
    const struct severity_conf *severity = service_severity(service, (enum severity)playbook->severity);
    int64_t rto = playbook->rto_ms ? playbook->rto_ms : severity ? severity->rto_ms : 0;
    buf_printf(&out, _("\nAll budgets together: %s"), cli_duration(cli, total));
    if (rto)
        buf_printf(&out, _("; the target (RTO) is %s"), cli_duration(cli, rto));
    buf_puts(&out, ".\n");
    if (problems)
        buf_printf(&out, _("Steps that would fail as things stand: %d of %zu\n"), problems, playbook->steps.n);
    int printed = cli_print(&out);
    return printed ? printed : problems ? 1 : 0;
}

/* ---- through the controller ---- */

struct follow {
    struct cli *cli;
    const char *service;
    int64_t seq, incident;
    int status; /* -1: goes on */
};

static bool follow_row(void *arg, const struct record *record)
{
    struct follow *f = arg;
    f->seq = record->seq;
    /* A new incident with a playbook, or the one that was under way and is taken over: there is only one at a time. */
    bool works = record->is_order && ((record->kind == ORDER_OPEN && *record->subject) || record->kind == ORDER_STEP || record->kind == ORDER_CANCEL);
    if (works && !f->incident && same(record->service, f->service))
        f->incident = record->incident;
    if (!f->incident || record->incident != f->incident)
        return true;
    printf("%s  %s\n", moment_iso(f->cli->arena, record->wall_ms), story_sentence(f->cli->arena, record, f->cli->language));
    fflush(stdout);
    if (record->is_order && record->kind == ORDER_BLOCKED)
        f->status = 1;
    if (record->is_order && record->kind == ORDER_STATE && record->number == INCIDENT_RESOLVED)
        f->status = 0;
    return f->status < 0;
}

static bool ask_controller(struct cli *cli, const struct service *service, const char *playbook, int *ret_status, struct err *err)
{
    struct journal *journal;
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, err))
        return false;
    struct event event = {.kind = EVENT_OPEN, .number = -1};
    COPY_TO(event.service, service->name);
    COPY_TO(event.subject, playbook);
    COPY_TO(event.who, person_name(cli->arena));
    COPY_TO(event.text, _("started by hand"));
    struct follow follow = {.cli = cli, .service = service->name, .status = -1};
    bool ok = person_says(journal, &event, NULL, &follow.seq, err);
    while (ok && follow.status < 0) {
        ok = journal_read(journal, follow.seq, 0, follow_row, &follow, err);
        poll(NULL, 0, 100); /* the pace at which a person is shown what another process does */
    }
    journal_close(&journal);
    *ret_status = follow.status;
    return ok;
}

static int run_failover(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    const struct service *service;
    const struct site *from, *to;
    const char *name = "failover";
    bool dry = false;
    for (int i = 1; i < argc; i++) {
        if (same(argv[i], "--dry-run"))
            dry = true;
        else if (same(argv[i], "--playbook") && i + 1 < argc)
            name = argv[++i];
        else
            return cli_usage(&cmd_failover, _("unknown argument \"%s\""), argv[i]);
    }
    if (!cli_service(cli, &service, &err) || !cli_sides(cli, service, &from, &to, &err))
        return cli_fail(&err);
    const struct playbook *playbook = service_playbook(service, name);
    if (!playbook) {
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no playbook \"%s\""), service->name, name);
        err_hint(&err, _("name its file under `playbooks:` of the service"));
        return cli_fail(&err);
    }
    if (dry)
        return dry_run(cli, service, playbook, from, to);
    int status = 0;
    if (controller_runs(cli))
        return ask_controller(cli, service, name, &status, &err) ? status : cli_fail(&err);
    struct daemon_spec spec = {
        .config = cli->config, .self = cli->self, .only_playbook = name, .service = service->name, .who = person_name(cli->arena), .live = true};
    return daemon_run(&spec);
}

const struct command cmd_failover = {
    .name = "failover",
    .usage = "failover [--dry-run] [--playbook NAME]",
    .summary = N_("moves the service to its other site, step by step, as the playbook says"),
    .details = N_("--dry-run performs the read-only checks of every step and prints what would be done, with the commands and the time\n"
                  "each may take. Without it the playbook is carried out: by the controller when one runs, else by this very command.\n"
                  "The rules of safety hold for a person too: users are moved only when the old site is proven to be fenced."),
    .wants_config = true,
    .run = run_failover,
};
