/* cli/cmd_failover.c -- The failover playbook started by a person: handed to the controller when one runs, else carried out here. */
#include <inttypes.h>
#include <poll.h>

#include "act/action.h"
#include "cli/command.h"
#include "cli/person.h"
#include "daemon/daemon.h"
#include "decide/decide.h"
#include "record/journal.h"
#include "record/story.h"
#include "sys/file.h"

extern const struct command cmd_failover;

/* ---- which site serves now ---- */

struct served {
    const char *service;
    char site[MODEL_ID_SIZE];
};

static bool note_active(void *arg, const struct record *record)
{
    struct served *served = arg;
    if (record->is_order && record->kind == ORDER_ACTIVE && same(record->service, served->service))
        COPY_TO(served->site, record->subject);
    return true;
}

/* The journal's word; without a journal nothing was ever moved. */
static bool find_sites(const struct cli *cli, const struct service *service, const struct site **ret_from, const struct site **ret_to, struct err *err)
{
    struct served served = {.service = service->name};
    char *path = file_join(cli->arena, cli->config->state_dir, "journal.db");
    if (file_exists(path)) {
        struct journal *journal;
        if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err))
            return false;
        bool ok = journal_read(journal, 0, 0, note_active, &served, err);
        journal_close(&journal);
        if (!ok)
            return false;
    }
    const struct site *from = *served.site ? service_site(service, served.site) : service_site_of(service, SITE_PRODUCTION);
    *ret_from = from;
    *ret_to = NULL;
    for (size_t i = 0; i < service->sites.n; i++)
        if (&service->sites.p[i] != from)
            *ret_to = &service->sites.p[i];
    if (from && *ret_to)
        return true;
    err_set(err, ERR_CONFIG, _("service \"%s\" has no second site to fail over to"), service->name);
    return err_hint(err, _("add a site with role dr to the configuration"));
}

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
    struct action_ctx ctx = {
        .arena = cli->arena,
        .config = cli->config,
        .service = service,
        .control_dir = cli_control_dir(cli),
        .state_dir = cli->config->state_dir,
        .self = cli->self,
        .run = "manual",
        .args = {.p = words.p + 1, .n = words.n - 1},
    };
    SCOPED(buf_done) struct buf said = {.max = 256 * 1024};
    if (!action_valid(ops, &ctx, err) || !ops->describe(&ctx, &said, err))
        return false;
    struct str rest = buf_str(&said), line;
    while (str_next(&rest, '\n', &line))
        if (line.n)
            buf_printf(out, "      " STR_FMT "\n", STR_ARG(line));
    return true;
}

static int dry_run(struct cli *cli, const struct service *service, const struct playbook *playbook, const struct site *from, const struct site *to)
{
    SCOPED(buf_done) struct buf out = {.max = 4 * 1024 * 1024};
    int64_t total = 0;
    int problems = 0;
    buf_printf(&out, _("Dry run of \"%s\": from %s to %s. Nothing is changed; what can be checked is checked.\n"), playbook->name, from->name,
               to->name);
    for (size_t i = 0; i < playbook->steps.n; i++) {
        const struct step *s = &playbook->steps.p[i];
        char *action = action_words(cli->arena, s->action, from->name, to->name);
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
    if (!cli_service(cli, &service, &err) || !find_sites(cli, service, &from, &to, &err))
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
