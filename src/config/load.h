/* config/load.h -- YAML to model through option tables. All errors are reported, each with file, line, column, key and
 * the source line. */
#pragma once
#include "base/buf.h"
#include "base/option.h"
#include "model/config.h"

/* What the drivers of other rooms bring: config/ knows none of them by name. */
struct config_driver {
    const char *kind; /* "check", "channel", "store", "fence", "traffic" */
    const char *name;
    const struct option *options;
    size_t options_size;
    const char *summary;
    const void *ops;
};
struct config_hooks {
    const struct config_driver *drivers;
    size_t driver_count;
    bool (*check_valid)(const void *ops, const struct check_conf *conf, const struct service *service, struct err *err);
    bool (*channel_valid)(const void *ops, const struct channel_conf *conf, struct err *err);
    bool (*address_valid)(const void *ops, const char *address, struct err *err);
    bool (*store_valid)(const void *ops, const struct store_conf *conf, struct err *err);
    bool (*fence_valid)(const void *ops, const struct fence_conf *conf, const struct site *site, struct err *err); /* NULL: not asked */
    bool (*traffic_valid)(const void *ops, const struct traffic_conf *conf, const struct service *service,
                          struct err *err);
    bool (*condition_valid)(const char *text, const struct service *service, struct err *err);
    bool (*template_valid)(const struct config *config, const struct message_template *template, struct err *err); /* NULL: not asked */
    /* Adds problems of playbooks to `problems` in the same form; returns how many were fatal. */
    size_t (*lint)(struct arena *arena, const struct service *service, struct buf *problems);
    /* Does this action of a step exist, and are its words right for this service? NULL: not asked here, the lint says
     * it. */
    bool (*action_valid)(const char *action, const struct service *service, struct err *err);
};

/* `problems` receives every error and warning, ready to print ("FILE:LINE:COL: key.path: message", source line, caret).
   False when there was any error; err then counts them. Playbook files are looked up beside the configuration, then in
   the installed share folder. */
MUST_USE bool config_load(struct arena *arena, const char *path, const struct config_hooks *hooks, struct config **ret,
                          struct buf *problems, struct err *err);
/* The same for a text at hand; `path` is its name in messages, and playbook files are looked up beside it. */
MUST_USE bool config_load_text(struct arena *arena, const char *path, struct str text, const struct config_hooks *hooks,
                               struct config **ret, struct buf *problems, struct err *err);
/* A playbook alone, by its own keys: nothing that needs a service is looked at. */
MUST_USE bool config_load_playbook_text(struct arena *arena, const char *path, struct str text, struct playbook *ret,
                                        struct buf *problems, struct err *err);
/* Commented sample with every option, printed from the tables. */
void config_sample(struct buf *out, const struct config_hooks *hooks, enum language language);
/* The loaded configuration as YAML, defaults filled in, secrets as "***". */
void config_show(struct buf *out, const struct config *config, const struct config_hooks *hooks);
/* Chapter of the manual: every option, its type, default and bounds, as Markdown. */
void config_manual(struct buf *out, const struct config_hooks *hooks);
