/* cli/cli.c -- The way from argv to a command: options that hold for all commands, language, configuration. */
#include <locale.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "io/ssh.h"
#include "sys/file.h"
#include "sys/log.h"

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (same(commands[i]->name, name))
            return commands[i];
    return NULL;
}

int cli_fail(const struct err *err)
{
    fprintf(stderr, "bascule: %s\n", err->message);
    if (*err->hint)
        fprintf(stderr, _("hint: %s\n"), err->hint);
    return err_exit_status(err->code);
}

int cli_usage(const struct command *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "bascule %s: ", command->name);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, _("\nusage: bascule %s\n"), command->usage);
    return err_exit_status(ERR_USAGE);
}

int cli_print(const struct buf *out)
{
    if (fwrite(buf_text(out), 1, out->n, stdout) == out->n && fflush(stdout) == 0)
        return 0;
    return err_exit_status(ERR_IO);
}

const char *cli_green(const struct cli *cli)
{
    return cli->colour ? "\033[32m" : "";
}

const char *cli_yellow(const struct cli *cli)
{
    return cli->colour ? "\033[33m" : "";
}

const char *cli_red(const struct cli *cli)
{
    return cli->colour ? "\033[31m" : "";
}

const char *cli_plain(const struct cli *cli)
{
    return cli->colour ? "\033[0m" : "";
}

bool cli_service(const struct cli *cli, const struct service **ret, struct err *err)
{
    *ret = config_service(cli->config, cli->service);
    if (*ret)
        return true;
    const char *names = "";
    for (size_t i = 0; i < cli->config->services.n; i++)
        names = arena_printf(cli->arena, "%s%s\"%s\"", names, i ? ", " : "", cli->config->services.p[i].name);
    if (cli->service)
        err_set(err, ERR_NOT_FOUND, _("there is no service \"%s\""), cli->service);
    else
        err_set(err, ERR_USAGE, _("the configuration has several services"));
    return err_hint(err, _("choose one with --service: %s"), names);
}

/* A Unix socket's path has 108 bytes at most, and ssh appends a hash and a suffix of some 60 to ours. */
const char *cli_control_dir(const struct cli *cli)
{
    const char *state = cli->config->state_dir;
    const char *dir = strlen(state) < 40 ? file_join(cli->arena, state, "ssh")
                                         : arena_printf(cli->arena, "/tmp/bascule-ssh-%u", (unsigned)getuid());
    struct err err = {0};
    if (!ssh_prepare(dir, &err))
        log_err(LOG_WARNING, &err); /* commands on this machine need it not; the first ssh says what is wrong */
    return dir;
}

struct action_ctx cli_action_ctx(struct cli *cli, const struct service *service)
{
    return (struct action_ctx){
        .arena = cli->arena,
        .config = cli->config,
        .service = service,
        .control_dir = cli_control_dir(cli),
        .state_dir = cli->config->state_dir,
        .self = cli->self,
        .run = "manual",
    };
}

bool cli_load(struct cli *cli, struct err *err)
{
    if (cli->config)
        return true;
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024};
    struct config *config;
    bool ok = config_load(cli->arena, cli->config_path, cli_config_hooks(), &config, &problems, err);
    if (problems.n)
        fputs(buf_text(&problems), stderr);
    if (ok)
        cli->config = config;
    return ok;
}

static enum language language_of(const char *name)
{
    return name && strncmp(name, "fr", 2) == 0 ? LANGUAGE_FR : LANGUAGE_EN;
}

static enum language language_of_locale(void)
{
    static const char *const variables[] = {"BASCULE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        const char *value = getenv(variables[i]);
        if (value && *value)
            return language_of(value);
    }
    return LANGUAGE_EN;
}

/* gettext picks its catalogue from $LANGUAGE when the locale is not "C"; C.UTF-8 exists on every Debian, fr_FR.UTF-8 does not. */
static void speak(const struct cli *cli)
{
    if (cli->language == LANGUAGE_EN)
        return;
    setenv("LANGUAGE", "fr", 1);
    if (!setlocale(LC_MESSAGES, "fr_FR.UTF-8"))
        setlocale(LC_MESSAGES, "C.UTF-8");
    const char *slash = strrchr(cli->self, '/');
    char *beside = slash ? arena_printf(cli->arena, "%.*s/../../po", (int)(slash - cli->self), cli->self) : NULL;
    bindtextdomain("bascule", beside && file_exists(beside) ? beside : BASCULE_LOCALES);
    bind_textdomain_codeset("bascule", "UTF-8");
    textdomain("bascule");
}

/* Options of every command, wherever they stand before "--"; what is left moves together. False: a value is missing. */
static bool take_options(struct cli *cli, int *argc, char **argv)
{
    static const struct {
        const char *name;
        char kind;
    } known[] = {{"-c", 'c'}, {"--config", 'c'}, {"--service", 's'}, {"--lang", 'l'}, {"--json", 'j'}};
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        char kind = 0;
        for (size_t k = 0; k < COUNT_OF(known); k++)
            if (same(argv[i], known[k].name))
                kind = known[k].kind;
        if (same(argv[i], "--")) {
            while (i < *argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (!kind)
            argv[kept++] = argv[i];
        else if (kind == 'j')
            cli->json = true;
        else if (i + 1 == *argc)
            return false;
        else if (++i, kind == 'c')
            cli->config_path = argv[i];
        else if (kind == 's')
            cli->service = argv[i];
        else
            cli->language = language_of(argv[i]);
    }
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

static int unknown_command(const char *name)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct strs names = {0};
    for (size_t i = 0; commands[i]; i++)
        *vec_add(a, &names) = commands[i]->name;
    const char *near = str_nearest(name, names.p, names.n);
    fprintf(stderr, _("bascule: unknown command \"%s\"\n"), name);
    if (near)
        fprintf(stderr, _("hint: did you mean \"%s\"?\n"), near);
    else
        fprintf(stderr, "%s\n", _("hint: `bascule help` lists the commands"));
    return err_exit_status(ERR_USAGE);
}

static int run_command(struct cli *cli, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (same(name, "--help") || same(name, "-h"))
        name = "help";
    if (same(name, "--version") || same(name, "-V"))
        name = "version";
    const struct command *command = command_find(name);
    if (!command)
        return unknown_command(name);
    if (argc > 2 && (same(argv[2], "--help") || same(argv[2], "-h"))) {
        char *words[] = {(char *)(uintptr_t) "help", argv[1], NULL};
        return cmd_help.run(cli, 2, words);
    }
    struct err err = {0};
    if (command->wants_config && !cli_load(cli, &err))
        return cli_fail(&err);
    return argc > 1 ? command->run(cli, argc - 1, argv + 1) : command->run(cli, 0, argv);
}

int cli_main(int argc, char **argv)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *path = getenv("BASCULE_CONFIG"), *no_colour = getenv("NO_COLOR");
    struct cli cli = {
        .arena = arena,
        .self = file_self(arena),
        .config_path = path && *path ? path : "/etc/bascule/bascule.yaml",
        .colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour),
        .language = language_of_locale(),
    };
    char **words = arena_array(arena, char *, argc + 1); /* argv itself is the kernel's and is left as it is */
    memcpy(words, argv, sizeof(char *) * (size_t)argc);
    bool whole = take_options(&cli, &argc, words);
    speak(&cli);
    if (!whole) {
        fprintf(stderr, _("bascule: option \"%s\" wants a value\n"), words[argc - 1]);
        return err_exit_status(ERR_USAGE);
    }
    return run_command(&cli, argc, words);
}
