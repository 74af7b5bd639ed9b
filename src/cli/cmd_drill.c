/* cli/cmd_drill.c -- The real thing on purpose: a failover or a switchover of a healthy service, and a report of what it took and lost
   against the objectives, kept so that it can be seen whether that grows. */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "act/ways.h"
#include "base/jsonout.h"
#include "cli/person.h"
#include "cli/playrun.h"
#include "cli/sides.h"
#include "decide/decide.h"
#include "io/json.h"
#include "record/story.h"
#include "sys/clock.h"
#include "sys/file.h"

extern const struct command cmd_drill;

enum { REPORT_MAX = 256 * 1024, LISTED_MAX = 500, BAR_COLUMNS = 24, KIND_COLUMNS = 11, WAY_COLUMNS = 11, TIME_COLUMNS = 11 };

struct drill {
    const char *kind;          /* "failover", "switchover": also the name of the playbook */
    const char *from, *to, *way, *who;
    bool ok;                   /* the service was moved */
    int64_t at_ms, incident;
    int64_t rto_ms, outage_ms, rpo_ms, loss_bytes;     /* -1: not known */
    int64_t rto_target_ms, rpo_target_ms;              /* -1: none is set */
};

static const char *const kinds[] = {"failover", "switchover"};

static char *folder_of(const struct cli *cli, const struct service *service)
{
    return arena_printf(cli->arena, "%s/drills/%s", cli->config->state_dir, service->name);
}

/* ---- what the journal proves ---- */

static int64_t number_of(const struct story *story, const char *name)
{
    const struct story_fact *fact = story_fact(story, name);
    int64_t value;
    return fact && str_int(str_of(fact->value), &value) ? value : -1;
}

/* From the step that took the service away until it was seen to be back. */
static int64_t outage_of(const struct story *s)
{
    for (size_t i = 0; i < s->step_count && s->recover_ms >= 0; i++)
        if (s->steps[i].command && str_starts(str_of(s->steps[i].command), "fence "))
            return MAX_OF(s->recover_ms - (s->steps[i].started_at_ms - s->opened_at_ms), 0);
    return number_of(s, "switchover.outage_ms");
}

static void measure(struct drill *d, const struct service *service, const struct story *s)
{
    const struct playbook *playbook = service_playbook(service, d->kind);
    const struct severity_conf *severity = service_severity(service, s->severity);
    const struct story_fact *way = story_fact(s, WAY_BEST_FACT);
    bool promoted = story_fact(s, "promote.timeline") != NULL;
    d->way = same(d->kind, "switchover") ? "switchover" : promoted ? "promote" : way ? way->value : "not known";
    d->rto_ms = s->recover_ms;
    d->outage_ms = outage_of(s);
    d->loss_bytes = !promoted ? -1 : s->lost_bytes >= 0 ? s->lost_bytes : number_of(s, "promote.loss_bytes");
    d->rpo_ms = promoted ? number_of(s, "promote.loss_ms") : s->loss_ms;
    d->rto_target_ms = playbook && playbook->rto_ms ? playbook->rto_ms : s->rto_ms > 0 ? s->rto_ms : -1;
    d->rpo_target_ms = severity && severity->rpo_ms ? severity->rpo_ms : -1;
    d->ok = d->ok && s->active_site && same(s->active_site, d->to);
}

static bool is_met(int64_t value_ms, int64_t target_ms)
{
    return value_ms >= 0 && (target_ms < 0 || value_ms <= target_ms);
}

/* ---- the report ---- */

static void put_number(struct jsonout *j, const char *key, int64_t value)
{
    json_key(j, key);
    if (value < 0)
        json_null(j);
    else
        json_int(j, value);
}

static void put_json(struct arena *arena, const struct drill *d, struct jsonout *j)
{
    json_object(j);
    json_put_text(j, "kind", d->kind);
    json_put_int(j, "at_ms", d->at_ms);
    json_put_text(j, "at", moment_iso(arena, d->at_ms));
    json_put_text(j, "who", d->who);
    json_put_int(j, "incident", d->incident);
    json_put_text(j, "from", d->from);
    json_put_text(j, "to", d->to);
    json_put_bool(j, "ok", d->ok);
    json_put_text(j, "way", d->way);
    put_number(j, "rto_ms", d->rto_ms);
    put_number(j, "rto_target_ms", d->rto_target_ms);
    json_put_bool(j, "rto_met", is_met(d->rto_ms, d->rto_target_ms));
    put_number(j, "outage_ms", d->outage_ms);
    put_number(j, "rpo_ms", d->rpo_ms);
    put_number(j, "rpo_target_ms", d->rpo_target_ms);
    json_put_bool(j, "rpo_met", is_met(d->rpo_ms, d->rpo_target_ms));
    put_number(j, "loss_bytes", d->loss_bytes);
    json_object_end(j);
}

static const char *time_of(const struct cli *cli, int64_t ms)
{
    return ms < 0 ? _("not known") : cli_duration(cli, ms);
}

static const char *verdict_on(int64_t value_ms, int64_t target_ms)
{
    return target_ms < 0 ? _("no objective is set") : is_met(value_ms, target_ms) ? _("met") : _("NOT MET");
}

static void put_objective(const struct cli *cli, const char *name, int64_t value_ms, int64_t target_ms, struct buf *out)
{
    buf_printf(out, "| %s | %s | %s | %s |\n", name, time_of(cli, value_ms), target_ms < 0 ? "" : cli_duration(cli, target_ms), verdict_on(value_ms, target_ms));
}

static void put_markdown(const struct cli *cli, const struct service *service, const struct drill *d, const struct story *s, struct buf *out)
{
    buf_printf(out, _("# Drill: %s of %s\n\n"), d->kind, service->name);
    buf_printf(out, _("%s, by %s: from site %s to site %s, by way of `%s`; %s. Incident INC-%lld.\n\n"), moment_minute(cli->arena, d->at_ms), d->who, d->from, d->to, d->way,
               d->ok ? _("the service was moved") : _("the service was NOT moved"), (long long)d->incident);
    buf_puts(out, _("| measured | achieved | objective | |\n"));
    buf_puts(out, "| --- | --- | --- | --- |\n");
    put_objective(cli, _("RTO: from the beginning until the service was verified"), d->rto_ms, d->rto_target_ms, out);
    put_objective(cli, _("RPO: what was lost, in time"), d->rpo_ms, d->rpo_target_ms, out);
    buf_printf(out, "| %s | %s | | |\n", _("without service"), time_of(cli, d->outage_ms));
    if (d->loss_bytes >= 0)
        buf_printf(out, "| %s | %lld | | |\n", _("bytes of changes lost, by what the old primary was last seen to have written"), (long long)d->loss_bytes);
    buf_puts(out, _("\n| step | outcome | took |\n"));
    buf_puts(out, "| --- | --- | --- |\n");
    for (size_t i = 0; i < s->step_count; i++)
        buf_printf(out, "| %s | %s | %s |\n", s->steps[i].id, s->steps[i].outcome ? s->steps[i].outcome : "", s->steps[i].took_ms < 0 ? "" : cli_duration(cli, s->steps[i].took_ms));
    if (d->ok && !same(d->kind, "switchover"))
        buf_printf(out, _("\nThe old primary is fenced. It follows again with `bascule failback %s`; then `bascule switchover --to %s` brings the service home.\n"), d->from, d->from);
    else if (d->ok)
        buf_printf(out, _("\n`bascule switchover --to %s` brings the service home.\n"), d->from);
}

static bool keep_file(const struct cli *cli, const struct service *service, int64_t at_ms, const char *suffix, const struct buf *text, const char **ret_path, struct err *err)
{
    const char *folder = folder_of(cli, service);
    *ret_path = arena_printf(cli->arena, "%s/%s.%s", folder, moment_file(cli->arena, at_ms), suffix);
    if (text->over)
        return err_set(err, ERR_LIMIT, _("the report is too long"));
    return file_mkdirs(folder, 0700, err) && file_write(*ret_path, text->p, text->n, 0600, err);
}

/* Into the journal too, so that the incident's report knows that it was none. */
static bool keep_fact(const struct cli *cli, struct journal *journal, const struct service *service, int64_t incident, const char *name, const char *value, struct err *err)
{
    struct event event = {.kind = EVENT_FACT, .incident = incident};
    int64_t seq;
    if (!str_int(str_of(value), &event.number))
        event.number = 0;
    COPY_TO(event.service, service->name);
    COPY_TO(event.subject, name);
    COPY_TO(event.who, person_name(cli->arena));
    COPY_TO(event.text, value);
    return person_says(journal, &event, NULL, &seq, err);
}

static bool keep(struct cli *cli, const struct service *service, struct drill *d, struct buf *markdown, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    SCOPED(buf_done) struct buf json = {.max = REPORT_MAX};
    struct jsonout j = jsonout(&json);
    struct story story;
    const char *path, *other;
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, err) || !story_read(cli->arena, journal, cli->config, d->incident, &story, err))
        return false;
    measure(d, service, &story);
    put_json(cli->arena, d, &j);
    buf_putc(&json, '\n');
    put_markdown(cli, service, d, &story, markdown);
    return keep_file(cli, service, d->at_ms, "md", markdown, &path, err) && keep_file(cli, service, d->at_ms, "json", &json, &other, err) &&
           keep_fact(cli, journal, service, d->incident, "drill.rto_ms", arena_printf(cli->arena, "%lld", (long long)d->rto_ms), err) &&
           keep_fact(cli, journal, service, d->incident, "drill.rpo_ms", arena_printf(cli->arena, "%lld", (long long)d->rpo_ms), err) &&
           keep_fact(cli, journal, service, d->incident, "drill.report", path, err);
}

/* ---- doing it ---- */

/* A drill that could not succeed is an outage and nothing else. */
static bool can_succeed(struct cli *cli, const struct service *service, const struct drill *d, struct err *err)
{
    struct action_ctx ctx = cli_action_ctx(cli, service);
    struct ways_facts facts;
    struct ways ways;
    if (same(d->kind, "switchover")) /* it takes itself back */
        return true;
    ways_measure(&ctx, service_site(service, d->from), service_site(service, d->to), false, &facts);
    ways_weigh(&facts, &ways);
    if (ways.best_move != WAY_MAX)
        return true;
    err_set(err, ERR_REFUSED, _("there is no way to bring the service up at site \"%s\", so that this would be an outage and no drill"), d->to);
    return err_hint(err, _("`bascule options` says why"));
}

static bool is_meant(const struct drill *d, const struct service *service, bool yes, struct err *err)
{
    char answer[128] = "";
    if (yes)
        return true;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return err_set(err, ERR_REFUSED, _("this is the real thing: add --yes"));
    fprintf(stderr, _("This takes site \"%s\" out of service and moves the users to site \"%s\". Type the name of the service to go on: "), d->from, d->to);
    fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin))
        answer[strcspn(answer, "\n")] = 0;
    return same(answer, service->name) || err_set(err, ERR_CANCELLED, _("that is not its name; nothing was done"));
}

static int run_drill(struct cli *cli, const struct service *service, const char *kind, bool yes)
{
    struct err err = {0};
    const struct site *from, *to;
    struct playrun run;
    SCOPED(buf_done) struct buf markdown = {.max = REPORT_MAX};
    struct drill d = {.kind = kind, .who = person_name(cli->arena), .at_ms = clock_wall_ms()};
    if (!cli_sides(cli, service, &from, &to, &err))
        return cli_fail(&err);
    d.from = from->name;
    d.to = to->name;
    if (!can_succeed(cli, service, &d, &err) || !is_meant(&d, service, yes, &err) ||
        !playrun_carry_out(cli, service, kind, to, _("a drill"), NULL, NULL, &run, &err))
        return cli_fail(&err);
    d.incident = run.incident;
    d.ok = run.resolved;
    if (!run.incident) {
        err_set(&err, ERR_FAILED, _("the playbook \"%s\" was not begun"), kind);
        return cli_fail(&err);
    }
    if (!keep(cli, service, &d, &markdown, &err))
        return cli_fail(&err);
    if (cli->json) {
        buf_clear(&markdown);
        struct jsonout j = jsonout(&markdown);
        put_json(cli->arena, &d, &j);
    }
    buf_putc(&markdown, '\n');
    int printed = cli_print(&markdown);
    return printed ? printed : d.ok && is_met(d.rto_ms, d.rto_target_ms) && is_met(d.rpo_ms, d.rpo_target_ms) ? 0 : 1;
}

/* ---- those there were ---- */

struct drills {
    struct drill *p;
    size_t n, cap;
};

static int64_t integer_of(const struct json *root, const char *key)
{
    int64_t value;
    return json_integer(json_get(root, key), &value) ? value : -1;
}

/* Those that this program did not write are passed over. */
static void take_file(struct cli *cli, const char *path, struct drills *ret)
{
    const struct json *root;
    struct str text;
    struct err why = {0};
    if (!file_read(cli->arena, path, REPORT_MAX, &text, &why) || !json_parse(cli->arena, text, &root, &why))
        return;
    struct drill d = {
        .kind = json_string(json_get(root, "kind")),
        .from = json_string(json_get(root, "from")),
        .to = json_string(json_get(root, "to")),
        .way = json_string(json_get(root, "way")),
        .who = json_string(json_get(root, "who")),
        .at_ms = integer_of(root, "at_ms"),
        .incident = integer_of(root, "incident"),
        .rto_ms = integer_of(root, "rto_ms"),
        .outage_ms = integer_of(root, "outage_ms"),
        .rpo_ms = integer_of(root, "rpo_ms"),
        .loss_bytes = integer_of(root, "loss_bytes"),
        .rto_target_ms = integer_of(root, "rto_target_ms"),
        .rpo_target_ms = integer_of(root, "rpo_target_ms"),
    };
    if (d.kind && d.from && d.to && d.way && d.who && d.at_ms > 0 && json_truth(json_get(root, "ok"), &d.ok))
        *vec_add(cli->arena, ret) = d;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void close_folder(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* Oldest first: the names are moments. */
static bool read_all(struct cli *cli, const struct service *service, struct drills *ret, struct err *err)
{
    const char *folder = folder_of(cli, service);
    SCOPED(close_folder) DIR *dir = opendir(folder);
    struct strs names = {0};
    if (!dir)
        return errno == ENOENT || err_os(err, errno, _("could not read \"%s\""), folder);
    for (struct dirent *e; (e = readdir(dir));) {
        size_t n = strlen(e->d_name);
        if (n > strlen(".json") && same(e->d_name + n - strlen(".json"), ".json"))
            *vec_add(cli->arena, &names) = arena_strdup(cli->arena, e->d_name);
    }
    if (names.n)
        qsort(names.p, names.n, sizeof(*names.p), by_name);
    for (size_t i = names.n > LISTED_MAX ? names.n - LISTED_MAX : 0; i < names.n; i++)
        take_file(cli, file_join(cli->arena, folder, names.p[i]), ret);
    return true;
}

static int64_t longest(const struct drills *list)
{
    int64_t ms = 1;
    for (size_t i = 0; i < list->n; i++)
        ms = MAX_OF(ms, list->p[i].rto_ms);
    return ms;
}

static void put_bar(const struct cli *cli, const struct drill *d, int64_t whole_ms, struct buf *out)
{
    int64_t filled = d->rto_ms < 0 ? 0 : MAX_OF(1, d->rto_ms * BAR_COLUMNS / whole_ms);
    buf_puts(out, d->ok && is_met(d->rto_ms, d->rto_target_ms) ? cli_green(cli) : cli_red(cli));
    for (int64_t i = 0; i < BAR_COLUMNS; i++)
        buf_puts(out, i < filled ? "█" : " ");
    buf_puts(out, cli_plain(cli));
}

static void put_list(const struct cli *cli, const struct drills *list, struct buf *out)
{
    int64_t whole_ms = longest(list);
    for (size_t i = 0; i < list->n; i++) {
        const struct drill *d = &list->p[i];
        buf_printf(out, "%s  ", moment_minute(cli->arena, d->at_ms));
        cli_pad(out, d->kind, KIND_COLUMNS);
        cli_pad(out, d->way, WAY_COLUMNS);
        put_bar(cli, d, whole_ms, out);
        buf_puts(out, "  RTO ");
        cli_pad(out, time_of(cli, d->rto_ms), TIME_COLUMNS);
        buf_puts(out, "RPO ");
        cli_pad(out, time_of(cli, d->rpo_ms), TIME_COLUMNS);
        buf_printf(out, "%s -> %s  %s\n", d->from, d->to,
                   !d->ok ? _("NOT MOVED") : is_met(d->rto_ms, d->rto_target_ms) && is_met(d->rpo_ms, d->rpo_target_ms) ? _("met") : _("NOT MET"));
    }
    if (!list->n)
        buf_printf(out, "%s\n", _("no drill is on record"));
}

static int run_list(struct cli *cli, const struct service *service)
{
    struct err err = {0};
    struct drills list = {0};
    SCOPED(buf_done) struct buf out = {.max = 4 * 1024 * 1024};
    if (!read_all(cli, service, &list, &err))
        return cli_fail(&err);
    if (!cli->json) {
        put_list(cli, &list, &out);
        return cli_print(&out);
    }
    struct jsonout j = jsonout(&out);
    json_array(&j);
    for (size_t i = 0; i < list.n; i++)
        put_json(cli->arena, &list.p[i], &j);
    json_array_end(&j);
    buf_putc(&out, '\n');
    return cli_print(&out);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct err err = {0};
    const struct service *service;
    const char *what = argc > 1 ? argv[1] : "";
    bool yes = false, known = same(what, "list");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        known = known || same(what, kinds[i]);
    for (int i = 2; i < argc && known; i++) {
        if (same(argv[i], "--yes"))
            yes = true;
        else if (!cli->service && argv[i][0] != '-')
            cli->service = argv[i];
        else
            return cli_usage(&cmd_drill, _("unknown argument \"%s\""), argv[i]);
    }
    if (!known)
        return cli_usage(&cmd_drill, _("unknown argument \"%s\""), what);
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    return same(what, "list") ? run_list(cli, service) : run_drill(cli, service, what, yes);
}

const struct command cmd_drill = {
    .name = "drill",
    .usage = "drill failover|switchover|list [SERVICE] [--yes] [--json]",
    .summary = N_("rehearses a failover or a switchover for real, and reports RTO and RPO achieved"),
    .details = N_("The playbook of that name is carried out on the service as it is configured: users are moved, and a failover fences the site that\n"
                  "serves them. It is refused when `bascule options` finds no way to the other site, and without a terminal it wants --yes. The report\n"
                  "(Markdown and JSON, in drills/ of the state folder) holds what was achieved and the objectives; `list` shows all of them as bars.\n"
                  "Exit status: 0 moved, and both objectives met; 1 not."),
    .wants_config = true,
    .run = run,
};
