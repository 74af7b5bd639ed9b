/* cli/command.h -- One file per command; help, man page and completion come from the table. */
#pragma once
#include "base/base.h"
#include "config/load.h"
#include "model/config.h"

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
int cli_main(int argc, char **argv);
int cli_fail(const struct err *err);           /* prints message and hint on stderr, gives the exit status */
int cli_usage(const struct command *command, const char *fmt, ...) PRINTF_LIKE(2, 3); /* 64 */
const struct config_hooks *cli_config_hooks(void);
