/* cli/cmd_action.c -- Every action as a command. The actions themselves know their arguments; this knows the options that a
   controller adds when it runs one: the run's id, the incident, the budget. */
#include "act/action.h"
#include "cli/command.h"

extern const struct command cmd_diagnose, cmd_service, cmd_restore, cmd_verify, cmd_traffic, cmd_fence, cmd_promote, cmd_loss, cmd_upkeep;

struct request {
    const char *run;
    int64_t incident, budget_ms, rto_ms, rto_spent_ms;
    bool dry_run;
    struct strs args;
};

static bool number_of(const char *text, int64_t *ret)
{
    return str_int(str_of(text), ret) && *ret >= 0;
}

/* Where the number behind the word goes; NULL: it is none of those. */
static int64_t *numbered(struct request *r, const char *word)
{
    struct { const char *name; int64_t *to; } options[] = {
        {"--incident", &r->incident}, {"--budget-ms", &r->budget_ms}, {"--rto-ms", &r->rto_ms}, {"--rto-spent-ms", &r->rto_spent_ms}};
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (same(word, options[i].name))
            return options[i].to;
    return NULL;
}

/* False: *ret_wrong is the word that is not understood, or lacks its value. */
static bool read_request(struct arena *arena, int argc, char **argv, struct request *ret, const char **ret_wrong)
{
    *ret = (struct request){.run = "manual"};
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        int64_t *number = numbered(ret, word);
        *ret_wrong = word;
        if (options && same(word, "--")) {
            options = false;
        } else if (options && same(word, "--dry-run")) {
            ret->dry_run = true;
        } else if (options && (same(word, "--run") || number)) {
            if (!value || (number && !number_of(value, number)))
                return false;
            if (!number)
                ret->run = value;
            i++;
        } else {
            *vec_add(arena, &ret->args) = word; /* the action says what it makes of it: restore has a --file of its own */
        }
    }
    return true;
}

int cmd_action_run(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    struct request request;
    const struct service *service;
    const char *wrong = NULL;
    const struct action_ops *ops = action_find(argv[0]);
    if (!ops) {
        err_set(&err, ERR_INTERNAL, _("there is no action \"%s\""), argv[0]);
        return cli_fail(&err);
    }
    if (!read_request(cli->arena, argc, argv, &request, &wrong))
        return cli_usage(command_find(argv[0]), _("option \"%s\" wants a value, and a number where it counts something"), wrong);
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    struct action_ctx ctx = cli_action_ctx(cli, service);
    ctx.incident = request.incident;
    ctx.run = request.run;
    ctx.budget_ms = request.budget_ms;
    ctx.rto_ms = request.rto_ms;
    ctx.rto_spent_ms = request.rto_spent_ms;
    ctx.json = cli->json;
    ctx.args = request.args;
    return action_carry_out(ops, &ctx, request.dry_run);
}

const struct command cmd_diagnose = {
    .name = "diagnose",
    .usage = "diagnose SITE [--dry-run] [--json]",
    .summary = N_("looks at a site's database: unit, connection, log, disks and load at once"),
    .details = N_("Asks everything at the same time, each with a deadline of its own, and sums it up in one sentence with the likely\n"
                  "cause. It changes nothing, and a site that cannot be reached is an answer and not a failure."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_service = {
    .name = "service",
    .usage = "service start|stop|restart SITE.database|SITE.application [--dry-run] [--json]",
    .summary = N_("starts, stops or restarts a site's database or application"),
    .details = N_("Runs the configured command, or systemctl, on the site's host, and waits until its status says so twice in a row.\n"
                  "A database that was fenced cannot start until its mask is taken off."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_restore = {
    .name = "restore",
    .usage = "restore SITE [--file FILE] [--jobs N] [--into NAME] [--only TABLE] [--scratch FOLDER [--base DIR]] [--resume] [--cold] [--force]"
             " [--report FOLDER [--api-wait TIME]] [--dry-run] [--json]",
    .summary = N_("restores the newest good backup, or FILE, into the database of a site"),
    .details = N_("The backup is read whole before anything is done, loaded into a new database, counted and checked there, and only then\n"
                  "given the name. The database that had the name is kept under another one. Where the newest good backup waits already as a\n"
                  "warm copy (`bascule dr follow`), that is taken instead, in a second or two; --cold restores from the file all the same.\n"
                  "--report writes pra_restore_report_YYYYMMDD_HHMMSS.txt and .json: tables counted, endpoints of the application asked until they\n"
                  "answer (30s, or --api-wait), times against the objectives; it fails when something in it is not well.\n\n"
                  "--jobs N loads over N sessions. --into NAME gives it another name than the site's database has; --only TABLE loads the rows\n"
                  "and indexes of one table, into such a name. --scratch FOLDER makes a server of its own there, loads it with settings that\n"
                  "no running server may have, writes all to disk, and leaves it running with ordinary ones, on a socket in the folder;\n"
                  "--base DIR then takes its first base backup, verified, since no older one can be rolled forward to this server.\n\n"
                  "--resume goes on with what a restore of the same file had loaded when it, or the server, was killed: with its tables, indexes\n"
                  "and keys, or from the start where there is any doubt, and says which. It loads large tables in pieces, so that it can go on\n"
                  "with them, too. With hourly backups, name the file that was being restored: --file."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_verify = {
    .name = "verify",
    .usage = "verify public|SITE [COUNT] [--dry-run] [--json]",
    .summary = N_("asks the service's endpoints, through the users' path or at a site"),
    .details = N_("Every endpoint must answer with an accepted status and the wanted content in one round, within 30 s or the budget.\n"
                  "With COUNT the first endpoint is asked that often over new connections, all of which must come from the site that\n"
                  "the traffic is sent to."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_traffic = {
    .name = "traffic",
    .usage = "traffic show|switch SITE|undo|prepare [--force] [--dry-run] [--json]",
    .summary = N_("shows or changes which site the users are sent to"),
    .details = N_("A switch counts when five new connections in a row through the public address are answered by the new site; when they\n"
                  "are not within 10 s (with DNS: the time that resolvers may hold its records besides), or the driver reports a failure, the\n"
                  "state before it is put back. `undo` puts the state before the last switch back. `prepare` shortens the time that resolvers\n"
                  "hold records, days before a planned switch. What a person types is refused while the database that the users leave takes\n"
                  "connections: two sites would take writes. --force does it all the same."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_fence = {
    .name = "fence",
    .usage = "fence SITE [--dry-run] [--json]",
    .summary = N_("stops the database of a site for good and proves it"),
    .details = N_("Its start is masked, it is killed, its status asked, a session that was open before must be broken and its port must\n"
                  "refuse: only then may another site take writes. When its host cannot be reached, nothing is changed and the command\n"
                  "that unblocks is printed."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_promote = {
    .name = "promote",
    .usage = "promote SITE [--allow-data-loss WHO] [--fenced-by WHO] [--dry-run] [--json]",
    .summary = N_("makes the standby of a site the primary"),
    .details = N_("Nobody may send to it any more and no other site may answer as a primary: fence that one first. What would be lost is the\n"
                  "distance between what the old primary was last seen to have written (a check of type replication keeps that) and what was\n"
                  "received; more than replication.max_loss, or what is not known, needs --allow-data-loss and the name of who accepts it. Then all\n"
                  "that was received is replayed, and it counts when it commits a write. --fenced-by: you have made sure that a site which does\n"
                  "not answer is off."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_loss = {
    .name = "loss",
    .usage = "loss SITE [TIMELINE POSITION] [--dry-run] [--json]",
    .summary = N_("counts what an old primary had committed and the new one never received"),
    .details = N_("The transactions in its write-ahead log behind the position at which the new primary parted from it: once it has ended, and before it\n"
                  "is rewound. After a failover the controller does so as soon as the old primary answers again, and `bascule incident report` shows\n"
                  "it. The writes by which bascule looks whether a server commits are counted apart. It changes nothing."),
    .wants_config = true,
    .run = cmd_action_run,
};

const struct command cmd_upkeep = {
    .name = "upkeep",
    .usage = "upkeep SITE [--dry-run] [--json]",
    .summary = N_("makes a backup of a site, sends it to the stores and removes what is kept no longer"),
    .details = N_("What the controller does every so often when `every` stands in the backup: of a site; for a timer where no controller runs. A\n"
                  "store that is down or a file that cannot be removed leaves the backup as good as it is and is tried again next time; while\n"
                  "backups fail, nothing is removed."),
    .wants_config = true,
    .run = cmd_action_run,
};
