/* cli/cmd_help.c -- help and version, printed from the command table; also the man page and the shell completion. */
#include "cli/command.h"

extern const struct command cmd_version;

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

static const char of_every_action[] =
    N_("--dry-run performs the read-only checks and prints what would be done. --budget-ms N ends it after N milliseconds.\n"
       "--run ID and --incident N are given by the controller. Exit status: 0 done, 1 failed, 2 blocked until a person decides.");

static int help_one(const struct command *command)
{
    printf(_("usage: bascule %s\n\n"), command->usage);
    printf("%s\n", _(command->summary));
    if (command->details)
        printf("\n%s\n", _(command->details));
    if (command->run == cmd_action_run)
        printf("\n%s\n", _(of_every_action));
    return 0;
}

/* ---- the man page ---- */

/* The code point at *at, which moves behind it. The texts are our own and well-formed. */
static unsigned take_character(const char **at)
{
    unsigned char first = (unsigned char)*(*at)++;
    int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    unsigned code = more ? first & (0x3Fu >> more) : first;
    for (; more && **at; more--)
        code = code << 6 | ((unsigned char)*(*at)++ & 0x3F);
    return code;
}

/* roff reads a line that begins with a dot or an apostrophe as a request, and only ASCII for sure. */
static void man_line(struct str line)
{
    if (line.n && strchr(".'", line.p[0]))
        printf("\\&");
    for (const char *p = line.p; p < line.p + line.n;) {
        unsigned code = take_character(&p);
        if (code > 0x7F)
            printf("\\[u%04X]", code);
        else if (code == '\\' || code == '-')
            printf(code == '-' ? "\\-" : "\\e");
        else
            putchar((int)code);
    }
    putchar('\n');
}

static void man_usage(const char *usage)
{
    struct str rest = str_of(usage), line;
    for (bool first = true; str_next(&rest, '\n', &line); first = false) {
        line = str_trim(line);
        if (!first && str_starts(line, "bascule ")) {
            line.p += strlen("bascule ");
            line.n -= strlen("bascule ");
        }
        printf(first ? ".TP\n.B " : ".TQ\n.B ");
        man_line(line);
    }
}

/* "check   reads FILE ..." and "list: newest ..." are the lines of a list, and stay lines. */
static bool begins_item(struct str line)
{
    const char *blank = memchr(line.p, ' ', line.n);
    return blank && ((blank + 1 < line.p + line.n && blank[1] == ' ') || (blank > line.p && blank[-1] == ':'));
}

static void man_details(const char *details)
{
    struct str rest = str_of(details), line;
    while (str_next(&rest, '\n', &line)) {
        if (line.n == 0) {
            printf(".IP\n");
            continue;
        }
        if (begins_item(line))
            printf(".br\n");
        man_line(line);
    }
}

static int help_man(void)
{
    printf(".TH BASCULE 8 \"\" \"bascule %s\" \"System administration\"\n.SH NAME\nbascule \\- carries a PostgreSQL\\-backed service through a "
           "disaster\n.SH SYNOPSIS\n.B bascule\n[\\-c FILE] [\\-\\-service NAME] [\\-\\-json] [\\-\\-lang en|fr] COMMAND ...\n.SH COMMANDS\n",
           BASCULE_VERSION);
    for (size_t i = 0; commands[i]; i++) {
        man_usage(commands[i]->usage);
        man_line(str_of(commands[i]->summary));
        if (commands[i]->details) {
            printf(".IP\n");
            man_details(commands[i]->details);
        }
        if (commands[i]->run == cmd_action_run) {
            printf(".IP\n");
            man_details(of_every_action);
        }
    }
    printf(".SH EXIT STATUS\n0 done or all well; 1 critical or failed; 2 warnings; 64 and up as in sysexits(3).\n"
           ".SH FILES\n/etc/bascule/bascule.yaml\n.SH ENVIRONMENT\n"
           ".TP\n.B BASCULE_CONFIG\nthe configuration, unless \\-c names one\n"
           ".TP\n.B BASCULE_LANG\nlanguage of what is printed, before LC_ALL, LC_MESSAGES and LANG: en or fr\n"
           ".TP\n.B BASCULE_PLAYBOOKS\na folder in which playbooks are looked for, before the installed one\n"
           ".TP\n.B BASCULE_CHECKLISTS\nthe same for checklists\n"
           ".TP\n.B NO_COLOR\nwhen set, no colours\n");
    return 0;
}

/* ---- completion ---- */

/* "backup [list | verify [FILE|newest]] [--site NAME]" gives "list verify --site": what stands first or after a bar, deeper brackets
   aside, and every option. Words in capitals stand for something else. */
static void put_words(const char *usage)
{
    struct str rest = str_of(usage), line;
    while (str_next(&rest, '\n', &line)) {
        bool more = line.p != usage; /* "       bascule incident open ..." */
        const char *end = line.p + line.n, *p = memchr(str_trim(line).p, ' ', str_trim(line).n);
        if (p && more)
            p = memchr(p + 1, ' ', (size_t)(end - p - 1));
        bool may_begin = true;
        for (int depth = 0; p && p < end; p++) {
            size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz-");
            depth += (*p == '[') - (*p == ']');
            if (n && (strncmp(p, "--", 2) == 0 || (may_begin && depth < 2)))
                printf("%.*s ", (int)n, p);
            may_begin = *p == '|' || (may_begin && strchr(" [", *p));
            p += n ? n - 1 : 0;
        }
    }
}

static int help_completion(void)
{
    printf("# bash completion for bascule\n_bascule() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n    if [ \"$COMP_CWORD\" = 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; commands[i]; i++)
        printf("%s ", commands[i]->name);
    printf("' -- \"$word\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; commands[i]; i++) {
        if (!strchr(commands[i]->usage, ' '))
            continue;
        printf("    %s) COMPREPLY=($(compgen -W '", commands[i]->name);
        put_words(commands[i]->usage);
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
