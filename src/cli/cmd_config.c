/* cli/cmd_config.c -- The configuration: checked, shown as it is in force, and printed as a sample or a manual from its
 * tables. */
#include "base/jsonout.h"
#include "cli/command.h"

extern const struct command cmd_config;

enum { PRINTED_MAX = 4 * 1024 * 1024 };

struct counts {
    size_t services, checks, playbooks, contacts;
};

static struct counts counts_of(const struct config *config)
{
    struct counts n = {.services = config->services.n, .contacts = config->contacts.n};
    for (size_t i = 0; i < config->services.n; i++) {
        n.checks += config->services.p[i].checks.n;
        n.playbooks += config->services.p[i].playbooks.n;
    }
    return n;
}

/* Does anything of this service live by a lease? */
static bool has_lease(const struct config *config, const struct service *service)
{
    for (size_t i = 0; i < service->sites.n; i++)
        if (site_lives_by_lease(config, service, &service->sites.p[i]))
            return true;
    return false;
}

/* What the watchdogs of its sites count; 0: none has one that is fed. */
static int watchdog_s(const struct config *config, const struct service *service)
{
    for (size_t i = 0; i < service->sites.n; i++)
        if (service->sites.p[i].agent.watchdog && site_lives_by_lease(config, service, &service->sites.p[i]))
            return failover_watchdog_s(&service->failover, config->etcd.timeout_ms);
    return 0;
}

static void put_lease(struct jsonout *j, const struct config *config, const struct service *service)
{
    json_object(j);
    json_put_text(j, "service", service->name);
    json_put_int(j, "stops_within_ms", failover_stops_within_ms(&service->failover));
    json_put_int(j, "promoted_no_earlier_ms", failover_waits_ms(&service->failover));
    if (watchdog_s(config, service))
        json_put_int(j, "watchdog_s", watchdog_s(config, service));
    json_object_end(j);
}

static void put_leases(struct jsonout *j, const struct config *config)
{
    json_key(j, "leases");
    json_array(j);
    for (size_t i = 0; i < config->services.n; i++)
        if (has_lease(config, &config->services.p[i]))
            put_lease(j, config, &config->services.p[i]);
    json_array_end(j);
}

static void say_leases(struct buf *out, const struct config *config)
{
    for (size_t i = 0; i < config->services.n; i++) {
        const struct service *s = &config->services.p[i];
        if (has_lease(config, s))
            buf_printf(out, _("%s: an isolated primary stops within %lld ms; another is promoted no earlier than %lld ms after its last renewal\n"),
                       s->name, (long long)failover_stops_within_ms(&s->failover), (long long)failover_waits_ms(&s->failover));
        if (has_lease(config, s) && watchdog_s(config, s))
            buf_printf(out, _("%s: its watchdog counts %d s, and resets a machine within %lld ms after its last renewal\n"), s->name, watchdog_s(config, s),
                       (long long)failover_stops_within_ms(&s->failover));
    }
}

static void put_json(struct buf *out, const char *path, const struct config *config, const char *problems,
                     const struct err *err)
{
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_text(&j, "file", path);
    json_put_bool(&j, "ok", config != NULL);
    if (config) {
        struct counts n = counts_of(config);
        json_put_int(&j, "services", (int64_t)n.services);
        json_put_int(&j, "checks", (int64_t)n.checks);
        json_put_int(&j, "playbooks", (int64_t)n.playbooks);
        json_put_int(&j, "contacts", (int64_t)n.contacts);
        put_leases(&j, config);
    } else {
        json_put_text(&j, "error", err->message);
    }
    json_put_text(&j, "problems", problems);
    json_object_end(&j);
    buf_putc(out, '\n');
}

/* Problems are what this command is asked for, so they go to stdout with --json and to stderr otherwise, as everywhere.
 */
static int check(const struct cli *cli, const char *path)
{
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024}, out = {.max = PRINTED_MAX};
    struct config *config = NULL;
    struct err err = {0};
    bool ok = config_load(cli->arena, path, cli_config_hooks(), &config, &problems, &err);
    if (cli->json) {
        put_json(&out, path, ok ? config : NULL, buf_text(&problems), &err);
    } else {
        fputs(buf_text(&problems), stderr);
        if (!ok)
            return cli_fail(&err);
        struct counts n = counts_of(config);
        buf_printf(&out, _("%s%s is right%s: services %zu, checks %zu, playbooks %zu, contacts %zu\n"), cli_green(cli),
                   path, cli_plain(cli), n.services, n.checks, n.playbooks, n.contacts);
        say_leases(&out, config);
    }
    int printed = cli_print(&out);
    return ok ? printed : err_exit_status(err.code);
}

static int show(struct cli *cli)
{
    struct err err = {0};
    if (!cli_load(cli, &err))
        return cli_fail(&err);
    SCOPED(buf_done) struct buf out = {.max = PRINTED_MAX};
    config_show(&out, cli->config, cli_config_hooks());
    return cli_print(&out);
}

static int run_config(struct cli *cli, int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "check";
    bool checking = same(verb, "check");
    if (argc > (checking ? 3 : 2))
        return cli_usage(&cmd_config, _("unknown argument \"%s\""), argv[argc - 1]);
    if (cli->json && !checking)
        return cli_usage(&cmd_config, _("only check prints JSON; %s has a form of its own"), verb);
    if (checking)
        return check(cli, argc > 2 ? argv[2] : cli->config_path);
    if (same(verb, "show"))
        return show(cli);
    SCOPED(buf_done) struct buf out = {.max = PRINTED_MAX};
    if (same(verb, "sample"))
        config_sample(&out, cli_config_hooks(), cli->language);
    else if (same(verb, "manual"))
        config_manual(&out, cli_config_hooks());
    else
        return cli_usage(&cmd_config, _("unknown argument \"%s\""), verb);
    return cli_print(&out);
}

const struct command cmd_config = {
    .name = "config",
    .usage = "config check [FILE] | show | sample | manual [--json]",
    .summary = N_("the configuration: checks it, shows it with defaults, prints a sample"),
    .details = N_(
        "check   reads FILE (else that of -c) and its playbooks, names everything that is wrong; exit status 0 or 78\n"
        "show    the configuration in force, defaults filled in, secrets as ***\n"
        "sample  a whole configuration with comments, to begin with\n"
        "manual  every key with its type, default and bounds, as Markdown"),
    .wants_config = false,
    .run = run_config,
};
