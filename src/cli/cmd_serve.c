/* cli/cmd_serve.c -- Starts the controller. */
#include "cli/command.h"
#include "daemon/daemon.h"

extern const struct command cmd_serve;

static int run_serve(struct cli *cli, int argc, char **argv)
{
    struct daemon_spec spec = {.config = cli->config, .self = cli->self};
    for (int i = 1; i < argc; i++) {
        if (same(argv[i], "--live"))
            spec.live = true;
        else
            return cli_usage(&cmd_serve, _("unknown argument \"%s\""), argv[i]);
    }
    return daemon_run(&spec);
}

const struct command cmd_serve = {
    .name = "serve",
    .usage = "serve [--live]",
    .summary = N_("the controller: watches, decides, acts, tells and records until it is stopped"),
    .details = N_("Runs in the foreground, as systemd wants it. Ended by SIGTERM; killed at any moment, it goes on where its journal\n"
                  "ends when it is started again. --live prints the timeline as it happens."),
    .wants_config = true,
    .run = run_serve,
};
