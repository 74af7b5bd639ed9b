/* cli/cmd_switchover.c -- A planned move, and the way back: what people type for the actions `switchover` and `failback`. The first is a
   playbook, so that a controller that runs knows of it and does not take the shutdown for a fault; the second moves nobody. */
#include "act/action.h"
#include "cli/person.h"
#include "cli/playrun.h"
#include "cli/sides.h"
#include "sys/log.h"

extern const struct command cmd_switchover, cmd_failback;

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

static int usage_of(const struct command *command, const struct err *err)
{
    return err->code == ERR_USAGE ? cli_usage(command, "%s", err->message) : cli_fail(err);
}

/* ---- switchover ---- */

struct ending {
    bool done;
};

static void look_for_end(void *arg, const struct record *record)
{
    struct ending *ending = arg;
    if (!record->is_order && record->kind == EVENT_FACT && same(record->subject, "switchover.ended"))
        ending->done = same(record->text, "done");
}

static int run_switchover(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    struct wish wish;
    const struct service *service;
    const struct site *from, *other, *to;
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
    struct action_ctx ctx = cli_action_ctx(cli, service);
    struct ending ending = {0};
    struct playrun run;
    ctx.json = cli->json;
    *vec_add(cli->arena, &ctx.args) = to->name;
    if (wish.dry)
        return action_carry_out(action_find("switchover"), &ctx, true);
    if (to == from) {
        printf(_("site \"%s\" serves the users already\n"), to->name);
        return 0;
    }
    return !playrun_carry_out(cli, service, "switchover", to, _("started by hand"), look_for_end, &ending, &run, &err) ? cli_fail(&err) : ending.done ? 0 : 1;
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

/* Rows of a person's action outside an incident: each fact, synced, when it is told. What was lost belongs to the incident whose promotion lost it. */
struct diary {
    struct cli *cli;
    const struct service *service;
    struct journal *journal;
    int64_t incident; /* whose loss nobody has counted yet; 0: none */
};

static bool find_uncounted(void *arg, const struct record *record)
{
    struct diary *d = arg;
    bool fact = !record->is_order && record->kind == EVENT_FACT && same(record->service, d->service->name);
    if (fact && same(record->subject, "promote.parted"))
        d->incident = record->incident;
    else if (fact && same(record->subject, "loss.bytes") && record->incident == d->incident)
        d->incident = 0;
    return true;
}

static void keep_fact(void *arg, const char *name, const char *value)
{
    struct diary *d = arg;
    struct event event = {.kind = EVENT_FACT, .incident = str_starts(str_of(name), "loss.") ? d->incident : 0};
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
    struct action_ctx ctx = cli_action_ctx(cli, diary.service);
    ctx.json = cli->json;
    *vec_add(cli->arena, &ctx.args) = wish.to;
    if (!wish.dry) {
        if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &diary.journal, &err) || !journal_read(diary.journal, 0, 0, find_uncounted, &diary, &err))
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
