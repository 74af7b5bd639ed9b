/* fakes.c -- See the header. */
#include "fakes.h"

#include <assert.h>

#include "decide/decide.h"

#define AT(type, member) .offset = offsetof(struct type, member)

struct fake_any {
    const char *path, *unit, *upstream;
    struct secret url;
    struct host host;
    struct strs argv, reload;
    int warning, critical;
    int64_t warning_ms, critical_ms, slow_ms, too_slow_ms;
};

/* clang-format off */
static const struct option none[] = {OPTION_END};

static const struct option http[] = {
    {"url", OPTION_URL, AT(fake_http, url), .help = "whole address; else path on the site's application", .sample = "https://akig.com/api/health"},
    {"path", OPTION_STRING, AT(fake_http, path), .help = "path on the site's application", .sample = "/api/health"},
    {"accept", OPTION_INTS, AT(fake_http, accept), .fallback = "[200]", .min = 100, .max = 599, .help = "status codes that count as up"},
    {"json", OPTION_STRING, AT(fake_http, json), .help = "MEMBER=TEXT that must hold", .sample = "status=ok"},
    {"slow", OPTION_DURATION, AT(fake_http, slow_ms), .max = MS_HOUR, .help = "slower answers are a warning", .sample = "5s"},
    {"errors", OPTION_INT, AT(fake_http, errors), .fallback = "0", .max = 100, .help = "percent of failures that is a warning"},
    OPTION_END,
};
static const struct option backup[] = {
    {"warning", OPTION_DURATION, AT(fake_any, warning_ms), .fallback = "1h", .help = "age that is a warning"},
    {"critical", OPTION_DURATION, AT(fake_any, critical_ms), .fallback = "2h", .help = "age that is critical"},
    {"slow", OPTION_DURATION, AT(fake_any, slow_ms), .help = "time that is a warning", .sample = "1h"},
    {"too_slow", OPTION_DURATION, AT(fake_any, too_slow_ms), .help = "time that is critical", .sample = "90m"},
    OPTION_END,
};
static const struct option disk[] = {
    {"path", OPTION_PATH, AT(fake_any, path), .required = true, .help = "where", .sample = "/backups"},
    {"warning", OPTION_INT, AT(fake_any, warning), .fallback = "80", .min = 1, .max = 100, .help = "per cent used"},
    {"critical", OPTION_INT, AT(fake_any, critical), .fallback = "90", .min = 1, .max = 100, .help = "per cent used"},
    OPTION_END,
};
static const struct option unit[] = {
    {"unit", OPTION_STRING, AT(fake_any, unit), .fallback = "database", .help = "database or application"},
    OPTION_END,
};
static const struct option command[] = {
    {"argv", OPTION_ARGV, AT(fake_any, argv), .required = true, .help = "program and arguments", .sample = "[check_load]"},
    OPTION_END,
};
static const struct option log_channel[] = {
    {"file", OPTION_PATH, AT(fake_any, path), .required = true, .help = "file", .sample = "/var/log/bascule/notices.log"},
    OPTION_END,
};
static const struct option smtp[] = {
    {"server", OPTION_STRING, AT(fake_smtp, server), .required = true, .help = "smtp://HOST:PORT", .sample = "smtp://127.0.0.1:25"},
    {"starttls", OPTION_BOOL, AT(fake_smtp, starttls), .fallback = "false", .help = "refuse to go on in clear"},
    {"user", OPTION_STRING, AT(fake_smtp, user), .help = "login", .sample = "alerts"},
    {"password", OPTION_SECRET, AT(fake_smtp, password), .help = "its password", .sample = "{file: /etc/bascule/smtp.password}"},
    {"from", OPTION_STRING, AT(fake_smtp, from), .required = true, .help = "sender", .sample = "bascule@akig.com"},
    OPTION_END,
};
static const struct option sms[] = {
    {"account", OPTION_STRING, AT(fake_any, path), .required = true, .help = "account", .sample = "AC"},
    {"token", OPTION_SECRET, AT(fake_any, url), .required = true, .help = "token", .sample = "{file: /etc/bascule/sms.token}"},
    {"from", OPTION_STRING, AT(fake_any, unit), .required = true, .help = "sender", .sample = "BASCULE"},
    OPTION_END,
};
static const struct option pagerduty[] = {
    {"key", OPTION_SECRET, AT(fake_any, url), .required = true, .help = "integration key", .sample = "{file: /etc/bascule/pagerduty.key}"},
    OPTION_END,
};
static const struct option slack[] = {
    {"url", OPTION_SECRET, AT(fake_any, url), .required = true, .help = "webhook", .sample = "{file: /etc/bascule/slack.url}"},
    OPTION_END,
};
static const struct option nginx[] = {
    {"host", OPTION_HOST, AT(fake_any, host), .fallback = "local", .help = "where nginx runs"},
    {"include", OPTION_PATH, AT(fake_any, path), .required = true, .help = "file with the upstream", .sample = "/etc/nginx/conf.d/akig.conf"},
    {"upstream", OPTION_NAME, AT(fake_any, upstream), .required = true, .help = "its name", .sample = "akig"},
    {"test", OPTION_ARGV, AT(fake_any, argv), .fallback = "[nginx, -t]", .help = "tests the configuration"},
    {"reload", OPTION_ARGV, AT(fake_any, reload), .fallback = "[systemctl, reload, nginx]", .help = "reloads it"},
    OPTION_END,
};

static const struct config_driver drivers[] = {
    {"check", "postgres", none, 0, "connects, reads and writes", "postgres"},
    {"check", "tables", none, 0, "critical tables are there", "tables"},
    {"check", "http", http, sizeof(struct fake_http), "asks a web server", "http"},
    {"check", "backup", backup, sizeof(struct fake_any), "age of the newest backup", "backup"},
    {"check", "disk", disk, sizeof(struct fake_any), "use of a disk", "disk"},
    {"check", "unit", unit, sizeof(struct fake_any), "state of a unit", "unit"},
    {"check", "command", command, sizeof(struct fake_any), "a monitoring plugin", "command"},
    {"channel", "log", log_channel, sizeof(struct fake_any), "writes to a file", "log"},
    {"channel", "smtp", smtp, sizeof(struct fake_smtp), "sends mail", "smtp"},
    {"channel", "sms", sms, sizeof(struct fake_any), "text messages", "sms"},
    {"channel", "pagerduty", pagerduty, sizeof(struct fake_any), "PagerDuty", "pagerduty"},
    {"channel", "slack", slack, sizeof(struct fake_any), "incoming webhook", "slack"},
    {"traffic", "nginx", nginx, sizeof(struct fake_any), "upstream include file", "nginx"},
};

/* clang-format on */

static bool check_valid(const void *ops, const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct fake_http *options = conf->options;
    assert(!conf->site || service_site(service, conf->site)); /* drivers may rely on it */
    if (same(ops, "http") && !options->url && !options->path)
        return err_set(err, ERR_CONFIG, "an http check needs \"url\" or \"path\"");
    return true;
}

static bool channel_valid(const void *ops, const struct channel_conf *conf, struct err *err)
{
    const struct fake_smtp *options = conf->options;
    if (same(ops, "smtp") && !str_starts(str_of(options->server), "smtp"))
        return err_set(err, ERR_CONFIG, "server \"%s\" must begin with smtp:// or smtps://", options->server);
    return true;
}

static bool address_valid(const void *ops, const char *address, struct err *err)
{
    if (!same(ops, "smtp") || (address && strchr(address, '@')))
        return true;
    err_set(err, ERR_CONFIG, "a mail channel needs a mail address");
    return err_hint(err, "write address: NAME@DOMAIN");
}

static bool traffic_valid(const void *ops, const struct traffic_conf *conf, const struct service *service,
                          struct err *err)
{
    (void)ops, (void)conf;
    for (size_t i = 0; i < service->sites.n; i++)
        if (!service->sites.p[i].application.upstream)
            return err_set(err, ERR_CONFIG, "site \"%s\" has no application.upstream", service->sites.p[i].name);
    return true;
}

static bool action_valid(const char *action, const struct service *service, struct err *err)
{
    static const char *const known[] = {"diagnose", "service", "restore", "verify", "traffic", "promote",
                                        "fence",    "status",  "notify",  "wait",   "playbook", "switchover"};
    (void)service;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strncmp(action, known[i], strlen(known[i])) == 0)
            return true;
    err_set(err, ERR_CONFIG, "there is no action \"%s\"", action);
    return err_hint(err, "`bascule help` lists them");
}

static size_t lint(struct arena *arena, const struct service *service, struct buf *problems)
{
    struct lints found = {0};
    size_t fatal = 0;
    playbook_lint(arena, service, NULL, &found);
    for (size_t i = 0; i < found.n; i++) {
        buf_printf(problems, "%s:%d:%d: %s\n", found.p[i].mark.file, found.p[i].mark.line, found.p[i].mark.column,
                   found.p[i].text);
        fatal += found.p[i].fatal;
    }
    return fatal;
}

const struct config_hooks fake_hooks = {
    .drivers = drivers,
    .driver_count = COUNT_OF(drivers),
    .check_valid = check_valid,
    .channel_valid = channel_valid,
    .address_valid = address_valid,
    .traffic_valid = traffic_valid,
    .condition_valid = condition_valid,
    .lint = lint,
    .action_valid = action_valid,
};
