/* config/sample.c -- The commented sample: a whole example configuration, laid over the tables. Each key is explained
   where it stands first; keys that the example does without follow commented out, with their default or an example.
   Elements whose driver this program does not have are left out. */
#include "config/emit.h"
#include "config/load.h"
#include "config/tables.h"
#include "config/walk.h"

static const char example[] =
    "state_dir: /var/lib/bascule\n"
    "language: en\n"
    "channels:\n"
    "  - {name: log, type: log, file: /var/log/bascule/notices.log}\n"
    "  - {name: mail, type: smtp, server: \"smtp://127.0.0.1:25\", from: bascule@akig.com}\n"
    "  - {name: slack, type: slack, url: {file: /etc/bascule/slack.url}}\n"
    "  - {name: sms, type: sms, account: AC00000000000000000000000000000000, token: {file: /etc/bascule/sms.token}, from: \"+33644600000\"}\n"
    "  - {name: pagerduty, type: pagerduty, key: {file: /etc/bascule/pagerduty.key}}\n"
    "contacts:\n"
    "  - name: ops\n"
    "    title: {en: Operations, fr: Exploitation}\n"
    "    tier: 1\n"
    "    language: fr\n"
    "    ways: [{channel: slack}, {channel: mail, address: ops@akig.com}]\n"
    "  - {name: anna, title: {en: \"Anna, DBA\", fr: \"Anna, DBA\"}, tier: 1, ways: [{channel: sms, address: \"+33600000001\"}, {channel: mail, address: anna@akig.com, fallback: true}]}\n"
    "  - {name: bruno, title: {en: \"Bruno, DBA\", fr: \"Bruno, DBA\"}, tier: 1, ways: [{channel: sms, address: \"+33600000002\"}, {channel: mail, address: bruno@akig.com, fallback: true}]}\n"
    "  - {name: chloe, title: {en: \"Chloé, DevOps\", fr: \"Chloé, DevOps\"}, tier: 1, ways: [{channel: pagerduty}, {channel: sms, address: \"+33600000003\", fallback: true}]}\n"
    "  - {name: tech-lead, title: Tech Lead, tier: 1, ways: [{channel: sms, address: \"+33600000004\"}, {channel: mail, address: lead@akig.com}]}\n"
    "  - {name: engineering-manager, title: Engineering Manager, tier: 2, ways: [{channel: sms, address: \"+33600000005\"}, {channel: mail, address: em@akig.com}]}\n"
    "  - {name: vp-operations, title: VP Operations, tier: 2, ways: [{channel: sms, address: \"+33600000006\"}, {channel: mail, address: vp@akig.com}]}\n"
    "  - {name: cto, title: CTO, tier: 2, ways: [{channel: sms, address: \"+33600000007\"}, {channel: mail, address: cto@akig.com}]}\n"
    "  - {name: ceo, title: CEO, tier: 3, ways: [{channel: sms, address: \"+33600000008\"}]}\n"
    "  - {name: coo, title: COO, tier: 3, ways: [{channel: sms, address: \"+33600000009\"}]}\n"
    "  - {name: clients, title: {en: Clients, fr: Clients}, tier: 0, language: fr, ways: [{channel: mail, address: clients@akig.com}]}\n"
    "  - {name: support, title: {en: Support team, fr: Équipe de support}, tier: 0, language: fr, ways: [{channel: mail, address: support@akig.com}]}\n"
    "  - {name: security, title: Security Team, tier: 0, ways: [{channel: mail, address: security@akig.com}]}\n"
    "  - {name: hosting-provider, title: \"Hosting Provider, https://support.provider.com/\", tier: 0}\n"
    "  - {name: dns-provider, title: \"DNS Provider, https://dns.provider.com/support\", tier: 0}\n"
    "rotations:\n"
    "  - {name: dba-on-call, title: {en: DBA on call, fr: DBA d'astreinte}, members: [anna, bruno], every: 7d, at: \"09:00\", from: 2024-01-01, zone: Europe/Paris}\n"
    "groups:\n"
    "  - {name: on-call, members: [dba-on-call, chloe]}\n"
    "  - {name: management, members: [cto, vp-operations, clients]}\n"
    "status_pages:\n"
    "  - folder: /var/www/status\n"
    "    url: https://status.akig.com/\n"
    "    components:\n"
    "      - {name: dashboard, title: {en: User Dashboard, fr: Tableau de bord}}\n"
    "      - {name: api, title: {en: API Endpoints, fr: API}, checks: [public]}\n"
    "      - {name: mobile, title: {en: Mobile App, fr: Application mobile}}\n"
    "services:\n"
    "  - name: akig\n"
    "    title: AKIG Platform\n"
    "    users: 15000\n"
    "    currency: $\n"
    "    affected: {en: \"User Dashboard\\nAPI Endpoints\\nMobile App\", fr: \"Tableau de bord\\nAPI\\nApplication mobile\"}\n"
    "    status_page: https://status.akig.com/\n"
    "    public_url: https://akig.com\n"
    "    sites:\n"
    "      - name: production\n"
    "        role: production\n"
    "        host: {address: production.akig.com, user: ops, identity: /etc/bascule/id_ed25519}\n"
    "        database:\n"
    "          host: production.akig.com\n"
    "          dbname: akig\n"
    "          user: bascule\n"
    "          password: {file: /etc/bascule/pg.password}\n"
    "          data_directory: /var/lib/postgresql/15/main\n"
    "          critical_tables: [users, properties, contracts, payments, invoices]\n"
    "          unit: {name: postgresql@15-main}\n"
    "        application: {url: \"https://production.akig.com\", upstream: \"production.akig.com:8080\", unit: {name: akig-api}}\n"
    "        backup: {folder: /backups/akig, every: 1h}\n"
    "      - name: dr\n"
    "        role: dr\n"
    "        host: local\n"
    "        database:\n"
    "          host: 127.0.0.1\n"
    "          dbname: akig\n"
    "          user: bascule\n"
    "          password: {file: /etc/bascule/pg.password}\n"
    "          data_directory: /var/lib/postgresql/15/main\n"
    "          critical_tables: [users, properties, contracts, payments, invoices]\n"
    "          unit: {name: postgresql@15-main}\n"
    "        application: {url: \"https://dr.akig.com\", upstream: \"dr.akig.com:8080\", unit: {name: akig-api}}\n"
    "        backup: {folder: /backups/akig, follow: 5m}\n"
    "    endpoints:\n"
    "      - {path: /api/health, accept: [200], json: status=ok}\n"
    "      - {path: /api/auth/test, accept: [200]}\n"
    "      - {path: \"/api/contracts?limit=1\", accept: [200]}\n"
    "    checks:\n"
    "      - {id: production.database, type: postgres, site: production, interval: 500ms, timeout: 2s, fall: 2, rise: 2}\n"
    "      - {id: production.tables, type: tables, site: production, interval: 30s}\n"
    "      - {id: production.application, type: http, site: production, path: /api/health, accept: [200], json: status=ok, slow: 5s, interval: 5s}\n"
    "      - {id: production.backup, type: backup, site: production, interval: 1m, warning: 1h, critical: 2h, slow: 1h, too_slow: 90m}\n"
    "      - {id: production.disk, type: disk, site: production, path: /backups/akig, warning: 80, critical: 90, interval: 1m}\n"
    "      - {id: production.unit, type: unit, site: production, unit: database, interval: 10s}\n"
    "      - {id: dr.load, type: command, site: dr, argv: [/usr/lib/nagios/plugins/check_load, -w, \"5\", -c, \"10\"], interval: 1m}\n"
    "      - {id: dr.database, type: postgres, site: dr, interval: 5s}\n"
    "      - {id: dr.application, type: http, site: dr, path: /api/health, accept: [200], interval: 5s}\n"
    "      - {id: dr.restore-test, type: restore_test, site: dr, interval: 5m, warning: 8d}\n"
    "      - {id: public, type: http, url: \"https://akig.com/api/health\", accept: [200], json: status=ok, interval: 1s, errors: 1}\n"
    "    traffic:\n"
    "      driver: nginx\n"
    "      identify: {path: /api/health, json: site}\n"
    "      include: /etc/nginx/conf.d/akig-upstream.conf\n"
    "      upstream: akig\n"
    "      test: [nginx, -t]\n"
    "      reload: [systemctl, reload, nginx]\n"
    "    severities:\n"
    "      - name: P1\n"
    "        rto: 15m\n"
    "        rpo: 1h\n"
    "        impact_per_hour: 50000\n"
    "        users: {en: 100 % of the service is unreachable, fr: 100 % du service inaccessible}\n"
    "        update_every: 5m\n"
    "        public: confirmed\n"
    "        stages:\n"
    "          - {name: alert, after: 5s, notify: [ops]}\n"
    "          - {name: on-call, after: 2m, notify: [on-call]}\n"
    "          - {name: runbook, after: 3m, notify: [on-call]}\n"
    "          - {name: status-page, after: 5m, notify: [ops]}\n"
    "          - {name: management, after: 10m, notify: [management]}\n"
    "      - name: P2\n"
    "        rto: 1h\n"
    "        rpo: 1h\n"
    "        impact_per_hour: 10000\n"
    "        users: {en: some functions are unavailable, fr: certaines fonctions sont indisponibles}\n"
    "        update_every: 30m\n"
    "        stages:\n"
    "          - {name: alert, after: 5s, notify: [ops]}\n"
    "          - {name: support, after: 2m, notify: [support]}\n"
    "          - {name: status-page, after: 15m, notify: [ops]}\n"
    "      - {name: P3, rto: 24h, users: {en: nobody notices, fr: aucun impact direct}, stages: [{name: alert, after: 1m, notify: [ops]}]}\n"
    "    playbooks: [database-down.yaml, failover.yaml, switchover.yaml]\n"
    "    checklists: [p1.yaml, failover.yaml, restore.yaml, post-incident.yaml]\n";

static const char *const title_en =
    "bascule configuration: a sample with every key. Printed by `bascule config sample`; check yours with\n"
    "# `bascule -c FILE config check`. Lines that begin with # and a key show what may be added.";
static const char *const title_fr =
    "Configuration de bascule : un exemple avec toutes les clés. Imprimé par `bascule config sample` ; vérifiez la\n"
    "# vôtre avec `bascule -c FICHIER config check`. Les lignes qui commencent par # et une clé montrent ce qui peut être ajouté.";

struct sample {
    struct emit e;
    struct arena *arena;
    const struct config_hooks *hooks;
    struct {
        const struct option **p;
        size_t n, cap;
    } explained; /* tables whose keys were explained already */
};

static bool explain(struct sample *s, const struct option *table)
{
    for (size_t i = 0; i < s->explained.n; i++)
        if (s->explained.p[i] == table)
            return false;
    *vec_add(s->arena, &s->explained) = table; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    return true;
}

static const struct config_driver *driver_of(const struct sample *s, const struct driven *driven,
                                             const struct yaml_node *node)
{
    const struct yaml_node *name = yaml_get(node, driven->key);
    return name ? walk_driver(s->hooks, driven->kind, name->text) : NULL;
}

static void sample_table(struct sample *s, const struct option *table, const struct yaml_node *node);

/* "help; duration, from 50ms to 7d, default 10s" */
static void note_option(struct sample *s, const struct option *o)
{
    const char *bounds = option_bounds_words(s->arena, o);
    bool mapping = o->type == OPTION_GROUP || o->type == OPTION_LIST;
    emit_note(&s->e, "%s%s%s%s%s%s%s%s", o->help ? o->help : "", mapping ? "" : " (",
              mapping ? "" : option_type_words(s->arena, o), *bounds ? ", " : "", bounds,
              o->required && !mapping ? "; required" : "",
              o->fallback && !mapping ? arena_printf(s->arena, "; default %s", o->fallback) : "", mapping ? "" : ")");
}

static void sample_list(struct sample *s, const struct option *o, const struct yaml_node *list)
{
    enum { WIDEST = 150 };
    const struct driven *driven = driven_of(o->sub);
    buf_putc(s->e.out, '\n');
    s->e.indent += 4;
    for (size_t i = 0; i < list->n; i++) {
        const struct config_driver *driver = driven ? driver_of(s, driven, list->items[i]) : NULL;
        if (driven && !driver)
            continue;
        SCOPED(buf_done) struct buf flow = {.max = 4096};
        yaml_put_flow(&flow, list->items[i]);
        bool known = false, driver_known = !driver;
        for (size_t k = 0; k < s->explained.n; k++) {
            known |= s->explained.p[k] == o->sub;
            driver_known |= driver && s->explained.p[k] == driver->options;
        }
        s->e.dash = true;
        if (known && driver_known && flow.n <= WIDEST) {
            emit_begin(&s->e);
            buf_printf(s->e.out, "%s\n", buf_text(&flow));
        } else {
            sample_table(s, o->sub, list->items[i]);
        }
    }
    s->e.dash = false;
    s->e.indent -= 4;
}

static void sample_present(struct sample *s, const struct option *o, const struct yaml_node *value)
{
    emit_key(&s->e, o->key);
    if (o->type == OPTION_LIST && value->kind == YAML_LIST) {
        sample_list(s, o, value);
    } else if (o->type == OPTION_GROUP && value->kind == YAML_MAP) {
        buf_putc(s->e.out, '\n');
        s->e.indent += 2;
        sample_table(s, o->sub, value);
        s->e.indent -= 2;
    } else {
        buf_putc(s->e.out, ' ');
        yaml_put_flow(s->e.out, value);
        buf_putc(s->e.out, '\n');
    }
}

/* A key that the example does without, commented out. */
static void sample_absent(struct sample *s, const struct option *o)
{
    bool outer = s->e.comment;
    s->e.comment = true;
    if (o->type == OPTION_GROUP || o->type == OPTION_LIST) {
        emit_key(&s->e, o->key);
        buf_putc(s->e.out, '\n');
        s->e.indent += o->type == OPTION_LIST ? 4 : 2;
        s->e.dash = o->type == OPTION_LIST;
        for (const struct option *sub = o->sub; sub->key; sub++)
            sample_absent(s, sub);
        s->e.indent -= o->type == OPTION_LIST ? 4 : 2;
    } else {
        const char *value = o->sample ? o->sample : o->fallback ? o->fallback : "...";
        emit_key(&s->e, o->key);
        buf_printf(s->e.out, " %s\n", value);
    }
    s->e.comment = outer;
}

/* A section whose driver this program does not have counts as absent. */
static const struct yaml_node *value_of(const struct sample *s, const struct option *o, const struct yaml_node *node)
{
    const struct yaml_node *value = yaml_get(node, o->key);
    const struct driven *driven = o->type == OPTION_GROUP ? driven_of(o->sub) : NULL;
    return driven && !driver_of(s, driven, value) ? NULL : value;
}

/* The keys of one table. The first line of a list's element must be a key that is there, so notes wait until it was
 * written. */
static void sample_options(struct sample *s, const struct option *table, const struct yaml_node *node)
{
    bool explaining = explain(s, table);
    for (const struct option *o = table; o->key; o++) {
        const struct yaml_node *value = value_of(s, o, node);
        if (!value && !explaining)
            continue;
        if (explaining)
            note_option(s, o);
        if (value)
            sample_present(s, o, value);
        else
            sample_absent(s, o);
    }
}

static void sample_table(struct sample *s, const struct option *table, const struct yaml_node *node)
{
    const struct driven *driven = driven_of(table);
    const struct config_driver *driver = driven ? driver_of(s, driven, node) : NULL;
    sample_options(s, table, node);
    if (driver && driver->options->key) {
        if (!driver->summary)
            emit_note(&s->e, "of %s %s:", driven->kind, driver->name);
        else
            emit_note(&s->e, "of %s %s (%s):", driven->kind, driver->name, driver->summary);
        sample_options(s, driver->options, node);
    }
}

void config_sample(struct buf *out, const struct config_hooks *hooks, enum language language)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct sample s = {.e = {.out = out}, .arena = arena, .hooks = hooks};
    struct yaml_doc *doc = yaml_parse(arena, "sample", str_of(example));
    if (!doc->root)
        abort(); /* the text above is a constant; a test loads it */
    emit_note(&s.e, "%s", language == LANGUAGE_FR ? title_fr : title_en);
    sample_table(&s, config_options, doc->root);
}
