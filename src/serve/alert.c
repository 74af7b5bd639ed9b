/* serve/alert.c -- From labels to severity, service and group, by the rules of the configuration. */
#include "serve/alert.h"

#include <inttypes.h>

#include "io/hash.h"

enum { DETAIL_MAX = 8 * 1024, SUMMARY_MAX = MODEL_TEXT_SIZE - 1, HASH_CHARS = 32, GROUP_HASH_CHARS = 12, GROUP_TEXT_MAX = 4096 };

/* ---- texts of strangers ---- */

/* The length of the UTF-8 character, or 0 when it is one that acts on what is around it: C1 controls, marks of direction. */
static size_t harmless(const unsigned char *p)
{
    if (*p < 0x80)
        return 1;
    size_t n = *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : 2;
    bool c1 = p[0] == 0xC2 && p[1] < 0xA0;
    bool arabic_mark = p[0] == 0xD8 && p[1] == 0x9C;                                       /* U+061C */
    bool marks = n == 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0x8E || p[2] == 0x8F); /* U+200E, U+200F */
    bool lines = n == 3 && p[0] == 0xE2 && p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE;   /* U+2028 to U+202E */
    bool isolates = n == 3 && p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9; /* U+2066 to U+2069 */
    return c1 || arabic_mark || marks || lines || isolates ? 0 : n;
}

static size_t width(const unsigned char *p)
{
    return *p < 0x80 ? 1 : *p >= 0xF0 ? 4 : *p >= 0xE0 ? 3 : 2;
}

const char *alert_plain(struct arena *arena, const char *text, size_t max)
{
    SCOPED(buf_done) struct buf out = {.max = max};
    bool blank = false; /* one is due before the next character */
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t n = harmless(p);
        if (!n || *p <= ' ' || *p == 0x7F) {
            blank = out.n > 0;
            p += width(p);
            continue;
        }
        if (out.n + blank + n > max)
            break;
        if (blank)
            buf_putc(&out, ' ');
        buf_add(&out, p, n);
        blank = false;
        p += n;
    }
    return arena_strndup(arena, buf_text(&out), out.n);
}

const char *alert_key(struct arena *arena, const char *prefix, const char *text)
{
    const char *whole = arena_printf(arena, "%s%s", prefix, text);
    if (strlen(whole) < MODEL_ID_SIZE && same(text, alert_plain(arena, text, MODEL_ID_SIZE)))
        return whole;
    char hex[HASH_HEX_SIZE];
    struct hash *hash = hash_open();
    hash_add(hash, text, strlen(text));
    hash_end(hash, hex);
    hash_close(&hash);
    return arena_printf(arena, "%s#%.*s", prefix, HASH_CHARS, hex);
}

/* ---- labels ---- */

void alert_label(struct intake *in, struct alert_in *alert, const char *name, const char *value)
{
    if (value && *value)
        *vec_add(in->arena, &alert->labels) = (struct label){.name = name, .value = value};
}

const char *alert_labelled(const struct alert_in *alert, const char *name)
{
    for (size_t i = 0; i < alert->labels.n; i++)
        if (same(alert->labels.p[i].name, name))
            return alert->labels.p[i].value;
    return NULL;
}

/* "NAME=VALUE", "NAME=BEGINNING*" */
static bool matches(const struct alert_in *alert, const char *wanted)
{
    const char *equals = strchr(wanted, '=');
    for (size_t i = 0; equals && i < alert->labels.n; i++) {
        const struct label *l = &alert->labels.p[i];
        if (!str_is((struct str){.p = wanted, .n = (size_t)(equals - wanted)}, l->name))
            continue;
        size_t n = strlen(equals + 1);
        bool beginning = n && equals[n] == '*';
        return beginning ? strncmp(l->value, equals + 1, n - 1) == 0 : same(l->value, equals + 1);
    }
    return false;
}

static const struct alert_rule *rule_for(const struct config *config, const struct alert_in *alert)
{
    for (size_t i = 0; i < config->alerts.rules.n; i++) {
        const struct alert_rule *rule = &config->alerts.rules.p[i];
        bool fits = true;
        for (size_t k = 0; k < rule->match.n; k++)
            fits = fits && matches(alert, rule->match.p[k]);
        if (fits)
            return rule;
    }
    return NULL;
}

/* The words that senders use for how grave it is. Of what says nothing, or says what is not known here, the worse is thought. */
static int severity_meant(const struct alert_in *alert)
{
    static const struct {
        const char *word;
        int severity;
    } words[] = {{"critical", SEVERITY_P1}, {"page", SEVERITY_P1},    {"p1", SEVERITY_P1},     {"P1", SEVERITY_P1},   {"error", SEVERITY_P2}, {"p2", SEVERITY_P2},
                 {"P2", SEVERITY_P2},       {"warning", SEVERITY_P3}, {"ticket", SEVERITY_P3}, {"info", SEVERITY_P3}, {"p3", SEVERITY_P3},    {"P3", SEVERITY_P3},
                 {"none", SEVERITY_IGNORED}};
    const char *said = alert_labelled(alert, "severity");
    for (size_t i = 0; said && i < COUNT_OF(words); i++)
        if (same(said, words[i].word))
            return words[i].severity;
    return SEVERITY_P2;
}

/* A severity that the service does not have would tell nobody: the next graver one that it has, else the next lighter. */
static int severity_there(const struct service *service, int severity)
{
    for (int s = severity; s >= 0; s--)
        if (service_severity(service, (enum severity)s))
            return s;
    for (int s = severity; s < SEVERITY_MAX; s++)
        if (service_severity(service, (enum severity)s))
            return s;
    return severity;
}

static const struct service *service_of(const struct config *config, const struct alert_in *alert, const struct alert_rule *rule)
{
    const char *named[] = {rule ? rule->service : NULL, alert_labelled(alert, "service"), config->alerts.service};
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        const struct service *service = named[i] ? config_service(config, named[i]) : NULL;
        if (service)
            return service;
    }
    return &config->services.p[0];
}

/* "SOURCE/VALUE/VALUE" of the labels by which alerts are gathered. */
static const char *group_of(struct intake *in, const struct alert_in *alert)
{
    const struct strs *by = &in->config->alerts.group_by;
    const char *values = "";
    for (size_t i = 0; i < by->n; i++) {
        const char *value = alert_labelled(alert, by->p[i]);
        values = arena_printf(in->arena, "%s/%s", values, value ? value : "");
    }
    const char *whole = arena_printf(in->arena, "%s%s", alert->source, alert_plain(in->arena, values, GROUP_TEXT_MAX));
    if (strlen(whole) < MODEL_ID_SIZE)
        return whole;
    const char *hash = alert_key(in->arena, "", values); /* too long, so a hash */
    return arena_printf(in->arena, "%s~%.*s", alert_plain(in->arena, whole, MODEL_ID_SIZE - 2 - GROUP_HASH_CHARS), GROUP_HASH_CHARS, hash + 1);
}

static const char *detail_of(struct intake *in, const struct alert_in *alert)
{
    SCOPED(buf_done) struct buf out = {.max = DETAIL_MAX};
    json_print(alert->as_it_came, &out);
    if (!out.over)
        return arena_strndup(in->arena, buf_text(&out), out.n);
    buf_clear(&out);
    const struct json *labels = json_get(alert->as_it_came, "labels");
    if (labels)
        json_print(labels, &out);
    return labels && !out.over ? arena_printf(in->arena, "{\"cut\":true,\"labels\":%s}", buf_text(&out)) : "{\"cut\":true}";
}

void alert_row(struct intake *in, const struct alert_in *alert)
{
    const struct alert_rule *rule = rule_for(in->config, alert);
    int severity = rule ? rule->severity : severity_meant(alert);
    if (severity == SEVERITY_IGNORED)
        return;
    const struct service *service = service_of(in->config, alert, rule);
    struct intake_row *row = vec_add(in->arena, &in->rows);
    row->repeat_within_ms = alert->ended ? 0 : alert->repeat_within_ms;
    row->record = (struct record){
        .kind = EVENT_ALERT,
        .number = alert->ended ? -1 : severity_there(service, severity),
        .ref = MAX_OF(alert->started_ms, 0),
        .service = service->name,
        .subject = alert->key,
        .who = group_of(in, alert),
        .text = alert_plain(in->arena, alert->summary, SUMMARY_MAX),
        .stage = "",
        .channel = "",
        .address = "",
        .detail = detail_of(in, alert),
    };
}

bool intake_repeats(const char *key)
{
    return str_starts(str_of(key), ALERT_REPEATED);
}
