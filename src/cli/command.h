/* cli/command.h -- One file per command; help, man page and completion come from the table. */
#pragma once
#include <libintl.h>

#include "act/action.h"
#include "base/base.h"
#include "config/load.h"
#include "model/config.h"

#define _(text) gettext(text)
#define N_(text) text /* marks a table's text for translation; _() is applied where it is printed */

struct cli {
    struct arena *arena;
    const char *self;
    const char *config_path;   /* -c, else $BASCULE_CONFIG, else /etc/bascule/bascule.yaml */
    const char *service;       /* --service */
    bool json;
    bool colour;               /* a terminal, and NO_COLOR is not set */
    enum language language;    /* --lang, else the locale */
    const struct config *config; /* loaded for commands that want it, else NULL */
};

struct command {
    const char *name;
    const char *usage;         /* "incident list|show|open|ack|note|resolve [N] ..." */
    const char *summary;
    const char *details;       /* paragraphs for help and the man page; may be NULL */
    bool wants_config;
    int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the command's name; exit status */
};

extern const struct command *const commands[]; /* ended by NULL */
extern const struct command cmd_help;
const struct command *command_find(const char *name);
int cli_main(int argc, char **argv);
int cli_fail(const struct err *err);           /* prints message and hint on stderr, gives the exit status */
int cli_usage(const struct command *command, const char *fmt, ...) PRINTF_LIKE(2, 3); /* 64 */
const struct config_hooks *cli_config_hooks(void);

int cmd_action_run(struct cli *cli, int argc, char **argv); /* argv[0] is the name of an action */

/* The service that --service names, or the only one; false with a list of the names when that is not clear. */
MUST_USE bool cli_service(const struct cli *cli, const struct service **ret, struct err *err);
/* Folder for the shared ssh connections, made when it is not there: under the state folder, or in /tmp when that path is too long. */
const char *cli_control_dir(const struct cli *cli);
/* What an action gets that a person runs by hand. */
struct action_ctx cli_action_ctx(struct cli *cli, const struct service *service);
/* Loads the configuration into cli->config unless it is there; problems are printed. */
MUST_USE bool cli_load(struct cli *cli, struct err *err);
/* "15 min", "4.2 s"; "4,2 s" in French. */
const char *cli_duration(const struct cli *cli, int64_t ms);
/* Adds the text and blanks up to `width` columns, which printf counts in bytes. */
void cli_pad(struct buf *out, const char *text, int width);
const char *cli_state(enum incident_state state); /* of an incident, in the language asked for */
/* What people call a check: its own title, else that of its type, which says whether it is well. */
const char *cli_check_title(const struct check_conf *conf, bool well, enum language language);
/* Escape sequences when cli->colour, else "". */
const char *cli_green(const struct cli *cli);
const char *cli_yellow(const struct cli *cli);
const char *cli_red(const struct cli *cli);
const char *cli_plain(const struct cli *cli);
/* Writes a buf to stdout whole; the exit status: 0, or 74 when it could not be written. */
int cli_print(const struct buf *out);
