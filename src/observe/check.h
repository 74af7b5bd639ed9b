/* observe/check.h -- What every check is: a driver with its own options, started on the loop, reporting exactly one result a run. */
#pragma once
#include "base/option.h"
#include "io/dns.h"
#include "io/http.h"
#include "model/config.h"
#include "model/record.h"
#include "sys/loop.h"

/* What a check may use. Lives as long as the checks. */
struct check_env {
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    const struct config *config;
    const struct service *service;
    const char *control_dir;   /* shared ssh connections */
    const char *self;          /* path of this program, for checks that run a command of ours */
};

struct check;

/* `state` UP, WARNING, DOWN, or UNKNOWN when the check could not be carried out for a reason of its own (a wrong command).
   A driver calls check_report exactly once for each start, unless it was cancelled first. */
struct check_ops {
    const char *name;
    const char *summary;                  /* one line for help */
    const struct option *options;         /* mandatory, may be just OPTION_END */
    size_t options_size;                  /* bytes of the options struct */
    size_t check_size;                    /* bytes of the driver's struct, which starts with struct check */
    /* Mandatory. Is this combination of options and site usable? Called when the configuration is loaded. */
    bool (*valid)(const struct check_conf *conf, const struct service *service, struct err *err);
    void (*start)(struct check *check);   /* mandatory; must not block */
    void (*cancel)(struct check *check);  /* mandatory; no report afterwards; safe when idle */
    /* Optional. May a run that passed its deadline be the fault of the way to the target, rather than of the target? Then it is
       reported UNKNOWN instead of DOWN: unreachable is not dead. NULL: never. */
    bool (*way_may_be_lost)(const struct check *check);
    /* Optional. So long the run that begins may wait for news before it has anything to say; its deadline is that much later. */
    int64_t (*waits_ms)(const struct check *check);
};

struct check {
    const struct check_ops *ops;
    const struct check_env *env;
    const struct check_conf *conf;
    const struct site *site;              /* NULL for checks of the public path */
    struct arena *arena;                  /* emptied before every run */
    int64_t started_boot_ms;
    bool running;
    bool certain;                         /* set before a report: it was seen happening, so it needs no second look */
    bool again;                           /* likewise: the next run begins at once, and waits for news */
    void (*report)(void *arg, struct check *check, enum verdict_state state, int64_t good_wall_ms, const char *text);
    void *report_arg;
};

/* For drivers: ends the run. */
void check_report(struct check *check, enum verdict_state state, const char *fmt, ...) PRINTF_LIKE(3, 4);
void check_report_alive(struct check *check, enum verdict_state state, int64_t good_wall_ms, const char *fmt, ...) PRINTF_LIKE(4, 5);

extern const struct check_ops *const check_drivers[]; /* ended by NULL; one line each in checks.c */
const struct check_ops *check_driver(const char *name);
const char *check_heartbeat_name(const struct check_conf *conf); /* of the heartbeat that it awaits; NULL: it is another check */
