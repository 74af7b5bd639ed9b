/* cli/cmd_switchover.c -- A planned move, and the way back: what people type for the actions `switchover` and `failback`. The first is a
   playbook, so that a controller that runs knows of it and does not take the shutdown for a fault; the second moves nobody. */
#include <poll.h>

#include "act/action.h"
#include "cli/person.h"
#include "cli/sides.h"
#include "daemon/daemon.h"
#include "record/story.h"
#include "sys/log.h"

extern const struct command cmd_switchover, cmd_failback;

#define PLAYBOOK "switchover"

struct wish {
    const char *to;
    bool dry;
};

static bool of_controller(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (same(argv[i], "--run"))
            return true;
    return false;
}

/* A word is the name of a service, or of a site of the service. */
static bool take_word(struct cli *cli, const char *word, struct wish *wish, struct err *err)
{
    if (!cli->service && config_service(cli->config, word)) {
        cli->service = word;
        return true;
    }
    if (wish->to)
        return err_set(err, ERR_USAGE, _("unknown argument \"%s\""), word);
    wish->to = word;
    return true;
}

static bool read_wish(struct cli *cli, int argc, char **argv, struct wish *ret, struct err *err)
{
    *ret = (struct wish){0};
    for (int i = 1; i < argc; i++) {
        if (same(argv[i], "--dry-run"))
            ret->dry = true;
        else if (same(argv[i], "--to") && i + 1 < argc)
            ret->to = argv[++i];
        else if (str_starts(str_of(argv[i]), "-"))
            return err_set(err, ERR_USAGE, _("unknown argument \"%s\""), argv[i]);
        else if (!take_word(cli, argv[i], ret, err))
            return false;
    }
    return true;
}

static struct action_ctx ctx_of(struct cli *cli, const struct service *service)
{
    return (struct action_ctx){
        .arena = cli->arena,
        .config = cli->config,
        .service = service,
        .control_dir = cli_control_dir(cli),
        .state_dir = cli->config->state_dir,
        .self = cli->self,
        .run = "manual",
        .json = cli->json,
    };
}

static int usage_of(const struct command *command, const struct err *err)
{
    return err->code == ERR_USAGE ? cli_usage(command, "%s", err->message) : cli_fail(err);
}

/* ---- switchover ---- */

struct watching {
    struct cli *cli;
    const char *service;
    int64_t seq, incident;
    bool over, done, cancelled;
    bool show;
};

static bool watch_row(void *arg, const struct record *record)
{
    struct watching *w = arg;
    w->seq = record->seq;
    bool opens = record->is_order && (record->kind == ORDER_OPEN || record->kind == ORDER_STEP) && same(record->service, w->service);
    if (opens && !w->incident)
        w->incident = record->incident;
    if (!w->incident || record->incident != w->incident)
        return true;
    if (w->show) {
        printf("%s  %s\n", moment_iso(w->cli->arena, record->wall_ms), story_sentence(w->cli->arena, record, w->cli->language));
        fflush(stdout);
    }
    if (!record->is_order && record->kind == EVENT_FACT && same(record->subject, "switchover.ended")) {
        w->done = same(record->text, "done");
        w->cancelled = same(record->text, "cancelled");
    }
    if (record->is_order && (record->kind == ORDER_BLOCKED || (record->kind == ORDER_STATE && record->number == INCIDENT_RESOLVED)))
        w->over = true;
    return !w->over;
}

static int64_t newest_row(const struct cli *cli)
{
    struct journal *journal;
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, NULL))
        return 0;
    int64_t seq = journal_last(journal);
    journal_close(&journal);
    return seq;
}

static bool ask_controller(struct watching *w, const struct service *service, struct err *err)
{
    struct journal *journal;
    if (!journal_open(w->cli->config->state_dir, JOURNAL_APPEND, true, &journal, err))
        return false;
    struct event event = {.kind = EVENT_OPEN, .number = -1};
    COPY_TO(event.service, service->name);
    COPY_TO(event.subject, PLAYBOOK);
    COPY_TO(event.who, person_name(w->cli->arena));
    COPY_TO(event.text, _("started by hand"));
    bool ok = person_says(journal, &event, NULL, &w->seq, err);
    while (ok && !w->over) {
        ok = journal_read(journal, w->seq, 0, watch_row, w, err);
        poll(NULL, 0, 100); /* the pace at which a person is shown what another process does */
    }
    journal_close(&journal);
    return ok;
}

static bool run_here(struct watching *w, const struct service *service, struct err *err)
{
    struct daemon_spec spec = {.config = w->cli->config, .self = w->cli->self, .only_playbook = PLAYBOOK, .service = service->name,
                               .who = person_name(w->cli->arena), .live = true};
    struct journal *journal;
    (void)daemon_run(&spec); /* what became of it stands in the journal */
    if (!journal_open(w->cli->config->state_dir, JOURNAL_READ, true, &journal, err))
        return false;
    bool ok = journal_read(journal, w->seq, 0, watch_row, w, err);
    journal_close(&journal);
    return ok;
}

static bool carry_out(struct cli *cli, const struct service *service, int *ret_status, struct err *err)
{
    struct watching w = {.cli = cli, .service = service->name, .seq = newest_row(cli)};
    if (!service_playbook(service, PLAYBOOK)) {
        err_set(err, ERR_NOT_FOUND, _("service \"%s\" has no playbook \"%s\""), service->name, PLAYBOOK);
        return err_hint(err, _("name its file under `playbooks:` of the service"));
    }
    w.show = controller_runs(cli);
    if (!(w.show ? ask_controller(&w, service, err) : run_here(&w, service, err)))
        return false;
    *ret_status = w.done ? 0 : 1;
    return true;
}

static int run_switchover(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    struct wish wish;
    const struct service *service;
    const struct site *from, *other, *to;
    int status = 0;
    if (of_controller(argc, argv))
        return cmd_action_run(cli, argc, argv);
    if (!read_wish(cli, argc, argv, &wish, &err))
        return usage_of(&cmd_switchover, &err);
    if (!cli_service(cli, &service, &err) || !cli_sides(cli, service, &from, &other, &err))
        return cli_fail(&err);
    to = wish.to ? service_site(service, wish.to) : other;
    if (!to) {
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no site \"%s\""), service->name, wish.to);
        return cli_fail(&err);
    }
    struct action_ctx ctx = ctx_of(cli, service);
    *vec_add(cli->arena, &ctx.args) = to->name;
    if (wish.dry)
        return action_carry_out(action_find("switchover"), &ctx, true);
    if (to == from) {
        printf(_("site \"%s\" serves the users already\n"), to->name);
        return 0;
    }
    if (to != other) {
        err_set(&err, ERR_USAGE, _("from site \"%s\" the playbooks lead to site \"%s\""), from->name, other->name);
        return cli_fail(&err);
    }
    return carry_out(cli, service, &status, &err) ? status : cli_fail(&err);
}

const struct command cmd_switchover = {
    .name = "switchover",
    .usage = "switchover [SERVICE] [--to SITE] [--dry-run]",
    .summary = N_("moves a healthy service to its standby without losing anything"),
    .details = N_("The primary is shut down in order, the standby is promoted when it has the record of that shutdown, the users are sent there, and\n"
                  "the old primary follows the new one. When the record does not arrive, the old primary is started again and all is as before.\n"
                  "Nobody writes for about a second. Killed half-way it is gone on with, or taken back, when it is typed again. It is the playbook\n"
                  "`switchover`: carried out by the controller when one runs, else by this very command. Exit status: 0 moved, 1 not."),
    .wants_config = true,
    .run = run_switchover,
};

/* ---- failback ---- */

/* Rows of a person's action outside an incident: each fact, synced, when it is told. */
struct diary {
    struct cli *cli;
    const struct service *service;
    struct journal *journal;
};

static void keep_fact(void *arg, const char *name, const char *value)
{
    struct diary *d = arg;
    struct event event = {.kind = EVENT_FACT};
    struct err err = {0};
    int64_t seq;
    if (!str_int(str_of(value), &event.number))
        event.number = 0;
    COPY_TO(event.service, d->service->name);
    COPY_TO(event.subject, name);
    COPY_TO(event.who, person_name(d->cli->arena));
    COPY_TO(event.text, value);
    if (!person_says(d->journal, &event, NULL, &seq, &err))
        log_err(LOG_WARNING, &err);
}

static int run_failback(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    struct wish wish;
    struct diary diary = {.cli = cli};
    if (of_controller(argc, argv))
        return cmd_action_run(cli, argc, argv);
    if (!read_wish(cli, argc, argv, &wish, &err) || (!wish.to && !err_set(&err, ERR_USAGE, _("which site is to follow again?"))))
        return usage_of(&cmd_failback, &err);
    if (!cli_service(cli, &diary.service, &err))
        return cli_fail(&err);
    struct action_ctx ctx = ctx_of(cli, diary.service);
    *vec_add(cli->arena, &ctx.args) = wish.to;
    if (!wish.dry) {
        if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &diary.journal, &err))
            return cli_fail(&err);
        ctx.told = keep_fact;
        ctx.told_arg = &diary;
    }
    int status = action_carry_out(action_find("failback"), &ctx, wish.dry);
    journal_close(&diary.journal);
    return status;
}

const struct command cmd_failback = {
    .name = "failback",
    .usage = "failback [SERVICE] SITE [--dry-run] [--json]",
    .summary = N_("makes an old primary follow the new one again"),
    .details = N_("By pg_rewind, which takes back what the old primary wrote after they parted, where wal_log_hints or data checksums are on; else by a\n"
                  "new copy beside its old data, verified before it takes its place; the old data is kept under another name. It counts when the site\n"
                  "streams and has caught up. The users stay where they are: `bascule switchover --to SITE` moves them, when a person wants it.\n"
                  "A site that takes writes is refused: fence the wrong one of two first."),
    .wants_config = true,
    .run = run_failback,
};
