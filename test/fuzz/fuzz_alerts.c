/* test/fuzz/fuzz_alerts.c -- Whatever other programs send as alerts: the rows that come of it fit the journal and harm no terminal. */
#include "serve/alert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const group_by[] = {"alertname", "cluster"};
static struct severity_conf severities[] = {{.severity = SEVERITY_P1}, {.severity = SEVERITY_P3}};
static struct service service = {.name = "akig", .severities = {.p = severities, .n = 2}};
static struct alert_rule rule = {.severity = SEVERITY_IGNORED};
static const char *matched[] = {"alertname=Watch*"};

static void check_text(const char *text, size_t size)
{
    if (!text || strlen(text) >= size || !str_is_clean(str_of(text)) || strpbrk(text, "\n\t"))
        abort();
}

static void check_row(const struct intake_row *row)
{
    const struct record *r = &row->record;
    check_text(r->subject, MODEL_ID_SIZE);
    check_text(r->who, MODEL_ID_SIZE);
    check_text(r->text, MODEL_TEXT_SIZE);
    if (!*r->subject || r->ref < 0 || row->repeat_within_ms < 0 || strlen(r->detail) > 8 * 1024)
        abort();
    if (r->kind == EVENT_ALERT && r->number != -1 && r->number != SEVERITY_P1 && r->number != SEVERITY_P3)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    rule.match = (struct strs){.p = matched, .n = 1, .cap = 1};
    struct config config = {.services = {.p = &service, .n = 1}, .alerts = {.expire_ms = 1000, .rules = {.p = &rule, .n = 1}}};
    config.alerts.group_by = (struct strs){.p = (const char **)(uintptr_t)group_by, .n = 2};
    struct intake in = {.arena = arena, .config = &config, .wall_ms = INT64_C(1761406442000)};
    struct pagerduty_said said;
    struct err err = {0};
    struct str body = {.p = (const char *)data + 1, .n = size ? size - 1 : 0};
    if (!size)
        return 0;
    bool ok = data[0] % 3 == 0   ? intake_alertmanager(&in, body, &err)
              : data[0] % 3 == 1 ? intake_prometheus(&in, body, &err)
                                 : intake_pagerduty(&in, body, &said, &err);
    if (ok == (*err.message != 0) || (!ok && in.rows.n))
        abort();
    for (size_t i = 0; i < in.rows.n; i++)
        check_row(&in.rows.p[i]);
    return 0;
}
