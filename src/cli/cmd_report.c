/* cli/cmd_report.c -- The weekly and the monthly report of a service: incidents, objectives, backups, restore tests, availability. */
#include <inttypes.h>

#include "act/backups.h"
#include "backup/past.h"
#include "base/jsonout.h"
#include "cli/incident.h"
#include "record/period.h"
#include "sys/clock.h"

extern const struct command cmd_report;

enum { OUT_MAX = 16 * 1024 * 1024 };

/* The service level that the platform promises: 99.9 % of the time. */
enum { SLA_PPM = 999000, PPM = 1000000 };

struct place { /* of backups: one site's folder */
    const struct site *site;
    struct backup_figures f;
    const char *trouble; /* NULL: it could be read */
};

struct paper {
    struct cli *cli;
    const struct service *service;
    bool monthly;
    struct period p;
    bool journal_known;
    struct { struct place *p; size_t n, cap; } places;
    bool attention, critical;
    struct buf *out;
};

static const char *tr(const struct paper *r, const char *en, const char *fr) __attribute__((format_arg(2), format_arg(3)));

static const char *tr(const struct paper *r, const char *en, const char *fr)
{
    return r->cli->language == LANGUAGE_FR ? fr : en;
}

/* ---- gathering ---- */

/* Every site whose backups can be read from here. */
static void read_place(struct paper *r, const struct site *site)
{
    struct arena *a = r->cli->arena;
    struct backup_place where;
    struct backup *list;
    struct past *past;
    size_t n, past_n;
    struct err err = {0};
    struct place *place = vec_add(a, &r->places);
    *place = (struct place){.site = site};
    if (!site_backups(a, r->service, site, NULL, &where, &err) || !backup_list(a, &where, &list, &n, &err) ||
        !past_read(a, &where, r->p.from_wall_ms, &past, &past_n, &err)) {
        place->trouble = arena_strdup(a, err.message);
        return;
    }
    backup_figures(list, n, past, past_n, r->p.from_wall_ms, r->p.to_wall_ms, service_rpo_ms(r->service), &place->f);
}

static bool gather(struct paper *r, int64_t from, int64_t to, struct err *err)
{
    struct cli *cli = r->cli;
    SCOPED(journal_close) struct journal *journal = NULL;
    struct config spoken = *cli->config;
    spoken.language = (int)cli->language;
    r->p = (struct period){.from_wall_ms = from, .to_wall_ms = to, .mean_ack_ms = -1};
    if (journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err)) {
        if (!period_read(cli->arena, journal, &spoken, r->service, from, to, &r->p, err))
            return false;
        r->journal_known = true;
    } else if (err->code != ERR_NOT_FOUND) {
        return false;
    }
    for (size_t i = 0; i < r->service->sites.n; i++)
        if (r->service->sites.p[i].backup.folder)
            read_place(r, &r->service->sites.p[i]);
    return true;
}

static int64_t sla_budget_ms(const struct paper *r)
{
    return (r->p.to_wall_ms - r->p.from_wall_ms) * (PPM - SLA_PPM) / PPM;
}

/* Critical: something is not as it must be now. Attention: it was not, or somebody has to act. */
static void judge(struct paper *r)
{
    int64_t rpo = service_rpo_ms(r->service);
    const struct period *p = &r->p;
    r->critical = p->open > 0;
    r->attention = !r->journal_known || p->incidents.n || p->unreviewed || p->failed || period_availability_ppm(p) < SLA_PPM;
    for (size_t i = 0; i < r->places.n; i++) {
        const struct place *place = &r->places.p[i];
        bool primary = place->site->role == SITE_PRODUCTION;
        r->attention = r->attention || place->trouble || place->f.failed || place->f.tests_good < place->f.tests;
        r->critical = r->critical || (primary && !place->trouble && (!place->f.newest || (rpo > 0 && place->f.newest_age_ms > 2 * rpo)));
    }
}

/* ---- words ---- */

static const char *known(const struct paper *r, int64_t ms)
{
    return ms < 0 ? tr(r, "unknown", "inconnu") : cli_duration(r->cli, ms);
}

static const char *ppm(const struct paper *r, int64_t value)
{
    if (value < 0)
        return tr(r, "unknown", "inconnu");
    int64_t whole = value / 10000, part = value % 10000;
    int width = 4;
    if (!part)
        return arena_printf(r->cli->arena, "%" PRId64 " %%", whole);
    for (; part % 10 == 0; width--)
        part /= 10;
    return arena_printf(r->cli->arena, "%" PRId64 "%s%0*" PRId64 " %%", whole, tr(r, ".", ","), width, part);
}

static const char *part(const struct paper *r, size_t part, size_t whole)
{
    return whole ? arena_printf(r->cli->arena, tr(r, "%zu of %zu", "%zu sur %zu"), part, whole) : "–";
}

/* Outside text in a cell: what Markdown or HTML would act on is escaped, and it stays on its line. */
static const char *cell(const struct paper *r, const char *text)
{
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    for (const char *p = text ? text : ""; *p; p++) {
        if (strchr("\\`*_<>[|", *p))
            buf_putc(&out, '\\');
        buf_putc(&out, *p == '\n' || *p == '\t' ? ' ' : *p);
    }
    return arena_strdup(r->cli->arena, buf_text(&out));
}

static void row(const struct paper *r, const char *en, const char *fr, const char *value)
{
    buf_printf(r->out, "| %s | %s |\n", tr(r, en, fr), value);
}

static const char *verdict(const struct paper *r, int64_t achieved, int64_t target)
{
    if (achieved < 0 || target <= 0)
        return known(r, achieved);
    return arena_printf(r->cli->arena, "%s (%s)", cli_duration(r->cli, achieved), achieved <= target ? tr(r, "met", "tenu") : tr(r, "**missed**", "**manqué**"));
}

static const char *status(const struct paper *r)
{
    return r->critical ? tr(r, "**critical**", "**critique**") : r->attention ? tr(r, "**attention**", "**attention**") : tr(r, "well", "bon");
}

/* ---- chapters ---- */

static void put_summary(const struct paper *r)
{
    const struct period *p = &r->p;
    struct arena *a = r->cli->arena;
    buf_printf(r->out, "%s\n| --- | --- |\n", tr(r, "| figure | value |", "| chiffre | valeur |"));
    row(r, "overall status", "état général", status(r));
    row(r, "incidents", "incidents",
        r->journal_known ? arena_printf(a, tr(r, "%zu, of which %zu are open", "%zu, dont %zu ouverts"), p->incidents.n, p->open)
                         : tr(r, "unknown: there is no journal", "inconnu : il n'y a pas de journal"));
    row(r, "RTO held", "RTO tenu", part(r, p->rto_held, p->rto_known));
    row(r, "RPO held", "RPO tenu", part(r, p->rpo_held, p->rpo_known));
    row(r, "time until somebody took it, on average", "délai moyen de prise en charge", known(r, p->mean_ack_ms));
    row(r, "availability of the users' path", "disponibilité du chemin des utilisateurs",
        arena_printf(a, tr(r, "%s (observed for %s)", "%s (observé pendant %s)"), ppm(r, period_availability_ppm(p)), cli_duration(r->cli, p->known_ms)));
    int64_t budget = sla_budget_ms(r);
    row(r, "SLA budget (99.9 %)", "budget SLA (99,9 %)",
        arena_printf(a, tr(r, "%s of outage on record, of %s", "%s de panne au journal, sur %s"), cli_duration(r->cli, p->outage_ms), cli_duration(r->cli, budget)));
    row(r, "messages", "messages",
        arena_printf(a, tr(r, "%zu ordered, %zu given up", "%zu ordonnés, %zu abandonnés"), p->notices, p->failed));
    row(r, "reports still to be approved", "rapports à approuver", arena_printf(a, "%zu", p->unreviewed));
}

static void put_incidents(const struct paper *r)
{
    buf_printf(r->out, "\n## %s\n\n", tr(r, "Incidents", "Incidents"));
    if (!r->p.incidents.n) {
        buf_printf(r->out, "%s\n", tr(r, "None.", "Aucun."));
        return;
    }
    buf_printf(r->out, "%s\n| --- | --- | --- | --- | --- | --- | --- |\n",
               tr(r, "| incident | opened | severity | title | outage | data loss | state |", "| incident | ouvert | gravité | titre | panne | perte de données | état |"));
    for (size_t i = 0; i < r->p.incidents.n; i++) {
        const struct story *s = &r->p.incidents.p[i];
        buf_printf(r->out, "| INC-%" PRId64 " | %s | %s | %s | %s | %s | %s |\n", s->incident, moment_minute(r->cli->arena, s->opened_wall_ms),
                   severity_name(s->severity), cell(r, s->title), verdict(r, s->outage_ms, s->rto_ms), s->restored ? verdict(r, s->loss_ms, s->rpo_ms) : "–",
                   cell(r, s->state));
    }
}

static void put_place(const struct paper *r, const struct place *place)
{
    const struct backup_figures *f = &place->f;
    struct arena *a = r->cli->arena;
    size_t tried = f->made + f->failed;
    int64_t rpo = service_rpo_ms(r->service);
    buf_printf(r->out, "\n### %s\n\n", cell(r, place->site->name));
    if (place->trouble) {
        buf_printf(r->out, tr(r, "Not known: %s\n", "Inconnu : %s\n"), cell(r, place->trouble));
        return;
    }
    buf_printf(r->out, "%s\n| --- | --- |\n", tr(r, "| figure | value |", "| chiffre | valeur |"));
    row(r, "backups made", "sauvegardes faites", arena_printf(a, "%zu", f->made));
    row(r, "success rate", "taux de réussite", tried ? ppm(r, (int64_t)f->made * PPM / (int64_t)tried) : "–");
    row(r, "time of a backup, on average", "durée moyenne d'une sauvegarde", known(r, f->mean_took_ms));
    row(r, "longest", "la plus longue", known(r, f->longest_took_ms));
    row(r, "age of the newest good one", "âge de la plus récente bonne",
        f->newest ? arena_printf(a, "%s (`%s`)", cli_duration(r->cli, f->newest_age_ms), f->newest->file) : tr(r, "**there is none**", "**il n'y en a pas**"));
    row(r, "RPO held", "RPO tenu",
        f->within_rpo_permille < 0 ? tr(r, "unknown", "inconnu")
                                   : arena_printf(a, tr(r, "%s of the time (%s)", "%s du temps (%s)"), ppm(r, f->within_rpo_permille * 1000), known(r, rpo > 0 ? rpo : -1)));
    row(r, "a loss would have cost at most", "une perte aurait coûté au plus", known(r, f->worst_loss_ms));
    row(r, "restore tests that succeeded", "tests de restauration réussis", part(r, f->tests_good, f->tests));
    row(r, "time of a restore, on average", "durée moyenne d'une restauration", known(r, f->mean_restore_ms));
    row(r, "last good restore test", "dernier bon test de restauration", f->last_test_wall_ms ? moment_minute(a, f->last_test_wall_ms) : tr(r, "never", "jamais"));
}

static void put_all(const struct paper *r)
{
    struct arena *a = r->cli->arena;
    const char *title = cell(r, text_in(r->service->title, r->cli->language));
    buf_printf(r->out, "# %s: %s\n\n", r->monthly ? tr(r, "Monthly report", "Rapport mensuel") : tr(r, "Weekly report", "Rapport hebdomadaire"), title);
    buf_printf(r->out, tr(r, "From %s to %s, made from the journal and the backups.\n\n", "Du %s au %s, établi depuis le journal et les sauvegardes.\n\n"),
               moment_minute(a, r->p.from_wall_ms), moment_minute(a, r->p.to_wall_ms));
    put_summary(r);
    put_incidents(r);
    buf_printf(r->out, "\n## %s\n", tr(r, "Backups and restore tests", "Sauvegardes et tests de restauration"));
    if (!r->places.n)
        buf_printf(r->out, "\n%s\n", tr(r, "No site has backups.", "Aucun site n'a de sauvegardes."));
    for (size_t i = 0; i < r->places.n; i++)
        put_place(r, &r->places.p[i]);
}

/* ---- JSON ---- */

static void known_int(struct jsonout *j, const char *key, int64_t value)
{
    json_key(j, key);
    if (value < 0)
        json_null(j);
    else
        json_int(j, value);
}

static void json_place(struct jsonout *j, const struct place *place)
{
    const struct backup_figures *f = &place->f;
    json_object(j);
    json_put_text(j, "site", place->site->name);
    json_put_text(j, "trouble", place->trouble);
    if (!place->trouble) {
        json_put_int(j, "backups_made", (int64_t)f->made);
        json_put_int(j, "backups_failed", (int64_t)f->failed);
        known_int(j, "mean_took_ms", f->mean_took_ms);
        known_int(j, "newest_age_ms", f->newest ? f->newest_age_ms : -1);
        known_int(j, "within_rpo_permille", f->within_rpo_permille);
        json_put_int(j, "restore_tests", (int64_t)f->tests);
        json_put_int(j, "restore_tests_good", (int64_t)f->tests_good);
        known_int(j, "mean_restore_ms", f->mean_restore_ms);
    }
    json_object_end(j);
}

static void put_json(const struct paper *r)
{
    struct jsonout j = jsonout(r->out);
    const struct period *p = &r->p;
    json_object(&j);
    json_put_text(&j, "service", r->service->name);
    json_put_text(&j, "from", moment_iso(r->cli->arena, p->from_wall_ms));
    json_put_text(&j, "to", moment_iso(r->cli->arena, p->to_wall_ms));
    json_put_text(&j, "status", r->critical ? "critical" : r->attention ? "attention" : "well");
    json_put_bool(&j, "journal", r->journal_known);
    json_put_int(&j, "open", (int64_t)p->open);
    json_put_int(&j, "unreviewed", (int64_t)p->unreviewed);
    json_put_int(&j, "rto_held", (int64_t)p->rto_held);
    json_put_int(&j, "rto_known", (int64_t)p->rto_known);
    json_put_int(&j, "rpo_held", (int64_t)p->rpo_held);
    json_put_int(&j, "rpo_known", (int64_t)p->rpo_known);
    json_put_int(&j, "outage_ms", p->outage_ms);
    json_put_int(&j, "sla_budget_ms", sla_budget_ms(r));
    known_int(&j, "availability_ppm", period_availability_ppm(p));
    json_put_int(&j, "observed_ms", p->known_ms);
    known_int(&j, "mean_ack_ms", p->mean_ack_ms);
    json_put_int(&j, "messages", (int64_t)p->notices);
    json_put_int(&j, "messages_failed", (int64_t)p->failed);
    json_key(&j, "incidents");
    json_array(&j);
    for (size_t i = 0; i < p->incidents.n; i++)
        json_int(&j, p->incidents.p[i].incident);
    json_array_end(&j);
    json_key(&j, "sites");
    json_array(&j);
    for (size_t i = 0; i < r->places.n; i++)
        json_place(&j, &r->places.p[i]);
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(r->out, '\n');
}

/* ---- the command ---- */

static int print(struct paper *r, const char *format)
{
    SCOPED(buf_done) struct buf page = {.max = OUT_MAX};
    if (r->cli->json) {
        put_json(r);
        return cli_print(r->out);
    }
    put_all(r);
    if (same(format, "md"))
        return cli_print(r->out);
    story_html(r->out, same(format, "pdf-ready"), r->cli->language, &page);
    return cli_print(&page);
}

static int run_report(struct cli *cli, int argc, char **argv)
{
    enum { WEEK_DAYS = 7, MONTH_DAYS = 30 };
    const char *format = "md", *until = NULL, *unused;
    struct err err = {0};
    struct paper r = {.cli = cli};
    int64_t to = clock_wall_ms();
    for (int i = 2; i < argc; i++) {
        const char **value = same(argv[i], "--format") ? &format : same(argv[i], "--until") ? &until : NULL;
        if (!value || i + 1 >= argc)
            return cli_usage(&cmd_report, _("unknown argument \"%s\""), argv[i]);
        *value = argv[++i];
    }
    if (argc < 2 || (!same(argv[1], "weekly") && !same(argv[1], "monthly")))
        return cli_usage(&cmd_report, "%s", _("say weekly or monthly"));
    if (!same(format, "md") && !same(format, "html") && !same(format, "pdf-ready"))
        return cli_usage(&cmd_report, _("\"%s\" is no format; md, html or pdf-ready"), format);
    if ((until && !incident_due(cli->arena, until, &unused, &to, &err)) || !cli_service(cli, &r.service, &err))
        return cli_fail(&err);
    r.monthly = same(argv[1], "monthly");
    if (!gather(&r, to - (r.monthly ? MONTH_DAYS : WEEK_DAYS) * MS_DAY, to, &err))
        return cli_fail(&err);
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    r.out = &out;
    judge(&r);
    int status = print(&r, format);
    return status ? status : r.critical ? 1 : r.attention ? 2 : 0;
}

const struct command cmd_report = {
    .name = "report",
    .usage = "report weekly|monthly [--until DATE] [--format md|html|pdf-ready]",
    .summary = N_("prints the report of a service's last 7 or 30 days: incidents, objectives, backups, restore tests, availability"),
    .details = N_("Made from the journal and from the backup folders that can be read from here; what cannot be known is printed as unknown.\n"
                  "Availability is that of the checks on the users' own path, over the time in which somebody looked. The exit status is 0\n"
                  "when all is well, 2 when somebody has something to do, 1 when an incident is open or the newest backup is too old."),
    .wants_config = true,
    .run = run_report,
};
