/* cli/hooks.c -- Makes the drivers of the other rooms known to config/, which may not know them by name. */
#include "act/action.h"
#include "act/fence/fence.h"
#include "act/traffic/traffic.h"
#include "backup/store.h"
#include "cli/byhand.h"
#include "cli/command.h"
#include "decide/decide.h"
#include "observe/check.h"
#include "tell/channel.h"
#include "tell/templates.h"

static bool check_is_valid(const void *ops, const struct check_conf *conf, const struct service *service, struct err *err)
{
    return ((const struct check_ops *)ops)->valid(conf, service, err);
}

static bool channel_is_valid(const void *ops, const struct channel_conf *conf, struct err *err)
{
    return ((const struct channel_ops *)ops)->valid(conf, err);
}

static bool address_is_valid(const void *ops, const char *address, struct err *err)
{
    return ((const struct channel_ops *)ops)->address_valid(address, err);
}

static bool store_is_valid(const void *ops, const struct store_conf *conf, struct err *err)
{
    return ((const struct store_ops *)ops)->valid(conf->options, err);
}

static bool fence_is_valid(const void *ops, const struct fence_conf *conf, const struct site *site, struct err *err)
{
    return ((const struct fence_ops *)ops)->valid(conf, site, err);
}

static bool traffic_is_valid(const void *ops, const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    return ((const struct traffic_ops *)ops)->valid(conf, service, err);
}

static size_t lint(struct arena *arena, const struct service *service, struct buf *problems)
{
    struct lints found = {0};
    size_t fatal = 0;
    playbook_lint(arena, service, action_known, &found);
    for (size_t i = 0; i < found.n; i++) {
        const struct lint *l = &found.p[i];
        buf_printf(problems, "%s:%d:%d: %s%s\n", l->mark.file ? l->mark.file : "?", l->mark.line, l->mark.column, l->fatal ? "" : "warning: ",
                   l->text);
        fatal += l->fatal;
    }
    return fatal + byhand_lint(arena, service, problems);
}

enum { DRIVERS_MAX = 64 };

const struct config_hooks *cli_config_hooks(void)
{
    static struct config_driver drivers[DRIVERS_MAX];
    static struct config_hooks hooks = {
        .drivers = drivers,
        .check_valid = check_is_valid,
        .channel_valid = channel_is_valid,
        .address_valid = address_is_valid,
        .store_valid = store_is_valid,
        .fence_valid = fence_is_valid,
        .traffic_valid = traffic_is_valid,
        .condition_valid = condition_valid,
        .template_valid = template_valid,
        .lint = lint,
    };
    if (hooks.driver_count)
        return &hooks;
    size_t n = 0;
    for (size_t i = 0; check_drivers[i]; i++)
        drivers[n++] = (struct config_driver){"check", check_drivers[i]->name, check_drivers[i]->options, check_drivers[i]->options_size,
                                              check_drivers[i]->summary, check_drivers[i]};
    for (size_t i = 0; channel_drivers[i]; i++)
        drivers[n++] = (struct config_driver){"channel", channel_drivers[i]->name, channel_drivers[i]->options, channel_drivers[i]->options_size,
                                              channel_drivers[i]->summary, channel_drivers[i]};
    for (size_t i = 0; store_drivers[i]; i++)
        drivers[n++] = (struct config_driver){"store", store_drivers[i]->name, store_drivers[i]->options, store_drivers[i]->options_size,
                                              store_drivers[i]->summary, store_drivers[i]};
    for (size_t i = 0; fence_list[i]; i++)
        if (fence_list[i]->options)
            drivers[n++] = (struct config_driver){"fence", fence_list[i]->name, fence_list[i]->options, fence_list[i]->options_size,
                                                  fence_list[i]->summary, fence_list[i]};
    for (size_t i = 0; traffic_drivers[i]; i++)
        drivers[n++] = (struct config_driver){"traffic", traffic_drivers[i]->name, traffic_drivers[i]->options, traffic_drivers[i]->options_size,
                                              traffic_drivers[i]->summary, traffic_drivers[i]};
    hooks.driver_count = n;
    return &hooks;
}
