/* cli/cmd_help.c -- help and version, printed from the command table; also the man page and the shell completion. */
#include "cli/command.h"

extern const struct command cmd_help, cmd_version;

static int help_all(void)
{
    printf("%s\n\n", _("bascule carries a PostgreSQL-backed service through a disaster: it sees the outage, judges it, recovers the\n"
                       "database, moves the users, tells everyone, and leaves a record that can be trusted."));
    printf(_("usage: bascule %s\n\n"), "[-c FILE] [--service NAME] [--json] [--lang en|fr] COMMAND ...");
    for (size_t i = 0; commands[i]; i++)
        printf("  %-10s %s\n", commands[i]->name, _(commands[i]->summary));
    printf("\n%s\n", _("`bascule help COMMAND` says more. Exit status: 0 done or all well, 1 critical or failed, 2 warnings,\n"
                       "64 and up for usage and configuration (sysexits)."));
    return 0;
}

static int help_one(const struct command *command)
{
    printf(_("usage: bascule %s\n\n"), command->usage);
    printf("%s\n", _(command->summary));
    if (command->details)
        printf("\n%s\n", _(command->details));
    return 0;
}

static int help_man(void)
{
    printf(".TH BASCULE 8 \"\" \"bascule %s\" \"System administration\"\n.SH NAME\nbascule \\- carries a PostgreSQL-backed service through a "
           "disaster\n.SH SYNOPSIS\n.B bascule\n[\\-c FILE] [\\-\\-service NAME] [\\-\\-json] [\\-\\-lang en|fr] COMMAND ...\n.SH COMMANDS\n",
           BASCULE_VERSION);
    for (size_t i = 0; commands[i]; i++) {
        printf(".TP\n.B %s\n%s.\n", commands[i]->usage, commands[i]->summary);
        if (commands[i]->details)
            printf("%s\n", commands[i]->details);
    }
    printf(".SH EXIT STATUS\n0 done or all well; 1 critical or failed; 2 warnings; 64 and up as in sysexits(3).\n"
           ".SH FILES\n/etc/bascule/bascule.yaml\n.SH ENVIRONMENT\nBASCULE_CONFIG, BASCULE_LANG, NO_COLOR\n");
    return 0;
}

static int help_completion(void)
{
    printf("# bash completion for bascule\n_bascule() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n    if [ \"$COMP_CWORD\" = 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; commands[i]; i++)
        printf("%s ", commands[i]->name);
    printf("' -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; commands[i]; i++) { /* the alternatives of a usage line, "list|show|open", are its sub-commands */
        const char *bar = strchr(commands[i]->usage, '|');
        const char *start = strchr(commands[i]->usage, ' ');
        if (!bar || !start || strchr(start + 1, ' ') < bar)
            if (!bar || !start)
                continue;
        size_t n = strcspn(start + 1, " ");
        printf("    %s) COMPREPLY=($(compgen -W '", commands[i]->name);
        for (const char *p = start + 1; p < start + 1 + n; p++)
            putchar(*p == '|' ? ' ' : *p);
        printf("' -- \"$word\")) ;;\n");
    }
    printf("    esac\n}\ncomplete -o default -F _bascule bascule\n");
    return 0;
}

static int run_help(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    if (argc < 2)
        return help_all();
    if (same(argv[1], "--man"))
        return help_man();
    if (same(argv[1], "--completion"))
        return help_completion();
    const struct command *command = command_find(argv[1]);
    if (!command)
        return cli_usage(&cmd_help, _("there is no command \"%s\""), argv[1]);
    return help_one(command);
}

static int run_version(struct cli *cli, int argc, char **argv)
{
    (void)argc, (void)argv;
    if (cli->json)
        printf("{\"version\":\"%s\"}\n", BASCULE_VERSION);
    else
        printf("bascule %s\n", BASCULE_VERSION);
    return 0;
}

const struct command cmd_help = {
    .name = "help",
    .usage = "help [COMMAND|--man|--completion]",
    .summary = N_("what the commands do; the man page and the bash completion"),
    .run = run_help,
};
const struct command cmd_version = {
    .name = "version",
    .usage = "version",
    .summary = N_("which version this is"),
    .run = run_version,
};
