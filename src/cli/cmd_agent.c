/* cli/cmd_agent.c -- Starts the agent beside a PostgreSQL, or asks its start guard. */
#include "agent/agent.h"
#include "cli/command.h"

extern const struct command cmd_agent;

/* The site that is named, or the only one with an agent. */
static const struct site *site_of(const struct service *service, const char *name, struct err *err)
{
    const struct site *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *s = &service->sites.p[i];
        if (s->agent.listen && (!name || same(s->name, name))) {
            found = s;
            n++;
        }
    }
    if (n == 1)
        return found;
    if (name && service_site(service, name))
        err_set(err, ERR_CONFIG, "site \"%s\" has no agent in the configuration", name);
    else if (name)
        err_set(err, ERR_NOT_FOUND, "there is no site \"%s\"", name);
    else
        err_set(err, ERR_USAGE, n ? "several sites have an agent" : "no site has an agent in the configuration");
    err_hint(err, n ? "name the site whose PostgreSQL this is" : "add agent: {listen: ADDRESS:PORT} to the site");
    return NULL;
}

static int run_agent(struct cli *cli, int argc, char **argv)
{
    bool guard = argc > 1 && same(argv[1], "guard");
    const char *name = argc > 1 + guard ? argv[1 + guard] : NULL;
    struct agent_spec spec = {.config = cli->config};
    struct err err = {0};
    if (argc > 2 + guard || (name && *name == '-'))
        return cli_usage(&cmd_agent, _("unknown argument \"%s\""), argv[argc - 1]);
    if (!cli_service(cli, &spec.service, &err))
        return cli_fail(&err);
    spec.site = site_of(spec.service, name, &err);
    if (!spec.site || !(guard ? agent_guard(&spec, &err) : agent_run(&spec, &err)))
        return cli_fail(&err);
    return 0;
}

const struct command cmd_agent = {
    .name = "agent",
    .usage = "agent [guard] [SITE]",
    .summary = N_("beside a PostgreSQL: keeps it running, says what it is, ends it with proof"),
    .details = N_("Runs in the foreground, on the host of the site's PostgreSQL. It takes over a server that runs and starts one that does not, starts\n"
                  "it again when it died and that can help, and answers load balancers and members over HTTP. Where failover is automatic it holds the\n"
                  "lease, and PostgreSQL ends with that, so also soon after the agent; else PostgreSQL goes on without it.\n"
                  "guard only says whether PostgreSQL may be started here, by its exit status: for ExecStartPre= of a unit."),
    .wants_config = true,
    .run = run_agent,
};
