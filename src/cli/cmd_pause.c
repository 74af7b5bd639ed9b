/* cli/cmd_pause.c -- A person takes the wheel for a while: `pause` with a mandatory end, and `resume` before it. */
#include <inttypes.h>

#include "act/agentlink.h"
#include "cli/pause.h"
#include "cli/person.h"
#include "decide/decide.h"
#include "sys/clock.h"

extern const struct command cmd_pause, cmd_resume;

enum { AGENT_MS = 2 * MS_SECOND, SITES_MAX = 32, NOT_ALL_TOLD = 2 };

struct args {
    const char *service, *until, *lasting, *why, *by;
};

/* ---- what the journal says ---- */

struct search {
    const struct cli *cli;
    const struct service *service;
    struct pause *to;
};

static bool take_row(void *arg, const struct record *record)
{
    struct search *s = arg;
    if (record->is_order || record->kind != EVENT_PAUSE || (*record->service && !same(record->service, s->service->name)))
        return true;
    *s->to = (struct pause){.until_wall_ms = record->number ? record->ref : 0,
                            .who = arena_strdup(s->cli->arena, record->who),
                            .why = arena_strdup(s->cli->arena, record->text)};
    return true;
}

bool pause_read(const struct cli *cli, const struct service *service, struct pause *ret, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct search search = {cli, service, ret};
    *ret = (struct pause){0};
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err))
        return err->code == ERR_NOT_FOUND;
    if (!journal_read(journal, 0, 0, take_row, &search, err))
        return false;
    if (ret->until_wall_ms <= clock_wall_ms())
        *ret = (struct pause){0};
    return true;
}

/* ---- the commands ---- */

static bool take_args(int argc, char **argv, struct args *ret)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {{"--until", &ret->until}, {"--for", &ret->lasting}, {"--why", &ret->why}, {"--by", &ret->by}};
    for (int i = 1; i < argc; i++) {
        const char **to = strncmp(argv[i], "--", 2) == 0 || ret->service ? NULL : &ret->service;
        for (size_t k = 0; k < COUNT_OF(options); k++)
            if (same(argv[i], options[k].name))
                to = ++i < argc ? options[k].to : NULL;
        if (!to)
            return false;
        *to = argv[i];
    }
    return true;
}

static bool fill(struct cli *cli, const struct args *args, struct event *event, const struct service **ret_service, struct err *err)
{
    const char *who = args->by ? args->by : person_name(cli->arena);
    if (args->service)
        cli->service = args->service;
    if (!cli_service(cli, ret_service, err))
        return false;
    COPY_TO(event->service, (*ret_service)->name);
    if (!str_is_clean(str_of(who)) || !COPY_TO(event->who, who))
        return err_set(err, ERR_USAGE, "%s", _("the name of the person is no text, or too long"));
    if (args->why && (!str_is_clean(str_of(args->why)) || !COPY_TO(event->text, args->why)))
        return err_set(err, ERR_USAGE, "%s", _("the reason is no text, or too long"));
    return true;
}

static bool until(const struct args *args, int64_t *ret, struct err *err)
{
    int64_t now = clock_wall_ms(), lasting = 0;
    if ((args->until && !person_moment(args->until, now, ret, err)) || (args->lasting && !duration_parse(args->lasting, &lasting, err)))
        return false;
    if (args->lasting)
        *ret = now + lasting;
    if (*ret <= now)
        return err_set(err, ERR_USAGE, "%s", _("the pause would be over already"));
    if (*ret > now + PAUSE_MOST_MS)
        return err_set(err, ERR_USAGE, _("a pause lasts at most %d days: it is for work that is under way"), (int)(PAUSE_MOST_MS / MS_DAY));
    return true;
}

/* An agent starts PostgreSQL again by itself, so it is told too; one that is not told is named. All at once, each with its deadline. */
static bool tell_agents(const struct cli *cli, const struct service *service, int64_t for_ms)
{
    struct agentlink *link SCOPED(agentlink_close) = agentlink_open();
    struct agent_answer *answers[SITES_MAX] = {0};
    bool all = true;
    const char *members = arena_printf(cli->arena, "\"for_ms\":%" PRId64, for_ms);
    for (size_t i = 0; i < MIN_OF(service->sites.n, (size_t)SITES_MAX); i++)
        if (service->sites.p[i].agent.listen)
            answers[i] = agentlink_order(link, &service->sites.p[i], "/v1/pause", -1, members, AGENT_MS);
    for (size_t i = 0; i < MIN_OF(service->sites.n, (size_t)SITES_MAX); i++) {
        struct err err = {0};
        if (!answers[i] || agentlink_finish(link, answers[i], &service->sites.p[i], &err))
            continue;
        all = false;
        fprintf(stderr, for_ms ? _("bascule: not told, so PostgreSQL is started there when it dies: %s\n") : _("bascule: not told, so it waits for the end of the pause: %s\n"),
                err.message);
    }
    return all;
}

static int say(const struct cli *cli, const struct service *service, struct event *event)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    int64_t seq;
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, &err) || !person_says(journal, event, NULL, &seq, &err))
        return cli_fail(&err);
    bool all = tell_agents(cli, service, event->number ? MAX_OF(event->ref - clock_wall_ms(), 1) : 0);
    int status = person_was_heard(cli, seq);
    return status || all ? status : NOT_ALL_TOLD;
}

static int run_pause(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    struct event event = {.kind = EVENT_PAUSE, .number = 1};
    const struct service *service;
    struct err err = {0};
    if (!take_args(argc, argv, &args))
        return cli_usage(&cmd_pause, "%s", _("an option is unknown or wants a value"));
    if (!args.until == !args.lasting)
        return cli_usage(&cmd_pause, "%s", _("a pause has an end: --until TIME or --for 30m"));
    if (!args.why || !*args.why)
        return cli_usage(&cmd_pause, "%s", _("say why, for those who find it paused: --why TEXT"));
    if (!fill(cli, &args, &event, &service, &err) || !until(&args, &event.ref, &err))
        return cli_fail(&err);
    return say(cli, service, &event);
}

static int run_resume(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    struct event event = {.kind = EVENT_PAUSE};
    const struct service *service;
    struct pause now = {0};
    struct err err = {0};
    if (!take_args(argc, argv, &args) || args.until || args.lasting)
        return cli_usage(&cmd_resume, "%s", _("an option is unknown or wants a value"));
    if (!fill(cli, &args, &event, &service, &err) || !pause_read(cli, service, &now, &err))
        return cli_fail(&err);
    if (!now.until_wall_ms) {
        err_set(&err, ERR_NOT_FOUND, _("service \"%s\" is not paused"), service->name);
        return cli_fail(&err);
    }
    return say(cli, service, &event);
}

const struct command cmd_pause = {
    .name = "pause",
    .usage = "pause [SERVICE] --until TIME|--for 30m --why TEXT [--by NAME]",
    .summary = N_("for planned work: no automatic failover or restart until a given time"),
    .details = N_("Until then the controller changes nothing by itself: a step that would asks a person (`bascule incident approve`), and goes on when\n"
                  "the pause is over. Checks go on, incidents open and people are told. A failover that has fenced already is not left half done, and a\n"
                  "primary that loses its lease is ended all the same. It ends by itself, or by `bascule resume`. TIME is UTC (2026-12-01T22:00Z), or\n"
                  "+2h; 7 days at most. Agents are told, and start nothing by themselves meanwhile. Exit status: 0, or 2 when an agent was not told."),
    .wants_config = true,
    .run = run_pause,
};

const struct command cmd_resume = {
    .name = "resume",
    .usage = "resume [SERVICE] [--why TEXT] [--by NAME]",
    .summary = N_("ends a pause before its time"),
    .details = N_("What waited for the end of the pause goes on at once."),
    .wants_config = true,
    .run = run_resume,
};
