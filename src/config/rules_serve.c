/* config/rules_serve.c -- Rules of what other programs tell: where they are listened to, and what their alerts mean. */
#include "config/rules.h"
#include "io/httpd.h"

static void check_listen(struct walk *w, const struct serve_conf *s)
{
    struct err err = {0};
    bool local = false;
    if (!s->listen || walk_wrong(w, &s->listen))
        return;
    if (!httpd_address(s->listen, &local, &err))
        rule_failed(w, &s->listen, s, &err);
    else if (!local && s->token.source == SECRET_NONE)
        rule_error(w, &s->listen, s, "whoever reaches \"%s\" could open incidents: there is no token", s->listen)->hint =
            "add token: {file: PATH}, or listen on 127.0.0.1 or a Unix socket";
}

static void check_service(struct walk *w, const struct config *config, const char *const *name, const void *within)
{
    struct strs names =
        rule_names(w->arena, config->services.p, config->services.n, sizeof(struct service), offsetof(struct service, name));
    if (*name && names.n == config->services.n && !config_service(config, *name))
        rule_error(w, name, within, "there is no service \"%s\"", *name)->hint = hint_nearest(w->arena, *name, &names);
}

void rules_serve(struct walk *w, const struct config *config)
{
    check_listen(w, &config->serve);
    check_service(w, config, &config->alerts.service, &config->alerts);
    for (size_t i = 0; i < config->alerts.rules.n; i++) {
        const struct alert_rule *rule = &config->alerts.rules.p[i];
        check_service(w, config, &rule->service, rule);
        for (size_t k = 0; k < rule->match.n; k++) {
            const char *equals = strchr(rule->match.p[k], '=');
            if (!equals || equals == rule->match.p[k])
                rule_error(w, &rule->match.p[k], rule, "\"%s\" must be LABEL=VALUE", rule->match.p[k])->hint = "for example alertname=Watchdog";
        }
    }
}
