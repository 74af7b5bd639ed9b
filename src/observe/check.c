/* observe/check.c -- How a run ends, and the question every driver asks of its configuration. */
#include "observe/check.h"

#include "observe/drivers.h"

static void report(struct check *check, enum verdict_state state, int64_t good_wall_ms, const char *fmt, va_list args) PRINTF_LIKE(4, 0);

static void report(struct check *check, enum verdict_state state, int64_t good_wall_ms, const char *fmt, va_list args)
{
    char text[MODEL_TEXT_SIZE * 2], whole[MODEL_TEXT_SIZE];
    vsnprintf(text, sizeof(text), fmt, args);
    COPY_TO(whole, text); /* cut at a character, and what a program printed stays one line */
    for (char *p = whole; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    check->report(check->report_arg, check, state, good_wall_ms, whole);
}

void check_report(struct check *check, enum verdict_state state, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(check, state, 0, fmt, args);
    va_end(args);
}

void check_report_alive(struct check *check, enum verdict_state state, int64_t good_wall_ms, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report(check, state, good_wall_ms, fmt, args);
    va_end(args);
}

bool check_needs_site(const struct check_conf *conf, const struct service *service, const struct site **ret, struct err *err)
{
    if (!conf->site) {
        err_set(err, ERR_CONFIG, "a check of type \"%s\" needs a site", conf->type);
        return err_hint(err, "add \"site: NAME\" to the check");
    }
    const struct site *site = service_site(service, conf->site);
    if (!site)
        return err_set(err, ERR_CONFIG, "service \"%s\" has no site \"%s\"", service->name, conf->site);
    *ret = site;
    return true;
}
