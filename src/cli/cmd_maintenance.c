/* cli/cmd_maintenance.c -- Planned maintenance: the public is told of it beforehand, and of its being cancelled. */
#include <inttypes.h>

#include "base/jsonout.h"
#include "cli/command.h"
#include "cli/person.h"
#include "model/discreet.h"
#include "record/page.h"
#include "sys/clock.h"

extern const struct command cmd_maintenance;

enum { OUT_MAX = 256 * 1024, BODY_MAX = 4096 };

struct args {
    const char *from, *to, *lasting, *french, *text, *french_text, *by;
    struct strs components, words; /* words: after the subcommand */
};

/* ---- words into values ---- */

static bool window(const struct args *args, int64_t *ret_from, int64_t *ret_to, struct err *err)
{
    int64_t now = clock_wall_ms(), lasting = 0, from, to = 0;
    if (!person_moment(args->from, now, &from, err) || (args->to && !person_moment(args->to, now, &to, err)) ||
        (args->lasting && !duration_parse(args->lasting, &lasting, err)))
        return false;
    if (args->lasting)
        to = from + lasting;
    if (to <= from)
        return err_set(err, ERR_USAGE, "%s", _("the maintenance would end before it begins"));
    if (to <= now)
        return err_set(err, ERR_USAGE, "%s", _("the maintenance would be over already"));
    if (from > now + PAGE_LOOK_BACK_DAYS / 2 * MS_DAY)
        return err_set(err, ERR_USAGE, _("maintenance is announced at most %d days ahead"), PAGE_LOOK_BACK_DAYS / 2);
    *ret_from = from;
    *ret_to = to;
    return true;
}

static bool is_public(const struct cli *cli, const char *text, size_t max, struct err *err)
{
    if (!text)
        return true;
    if (!str_is_clean(str_of(text)))
        return err_set(err, ERR_USAGE, "%s", _("the text holds characters that are not text"));
    if (strlen(text) > max)
        return err_set(err, ERR_LIMIT, _("the text is longer than %zu bytes"), max);
    if (is_discreet(cli->arena, cli->config, text))
        return true;
    err_set(err, ERR_REFUSED, "%s", _("the public would read a host name, an address, a path or SQL"));
    return err_hint(err, _("without it: %.300s"), discreet(cli->arena, cli->config, text));
}

/* The components of all pages, by name; the same word on two pages means both. */
static bool components_known(const struct cli *cli, const struct args *args, struct err *err)
{
    struct strs known = {0};
    for (size_t i = 0; i < MAX_OF(cli->config->status_pages.n, (size_t)1) && args->components.n; i++) {
        const struct status_page *conf = cli->config->status_pages.n ? &cli->config->status_pages.p[i] : page_plain(cli->arena);
        struct page page;
        page_parts(cli->arena, cli->config, conf, &page);
        for (size_t k = 0; k < page.components.n; k++)
            *vec_add(cli->arena, &known) = page.components.p[k].id;
    }
    for (size_t i = 0; i < args->components.n; i++) {
        bool found = false;
        for (size_t k = 0; k < known.n; k++)
            found |= same(known.p[k], args->components.p[i]);
        if (found)
            continue;
        const char *near = str_nearest(args->components.p[i], known.p, known.n);
        err_set(err, ERR_NOT_FOUND, _("no status page has a component \"%s\""), args->components.p[i]);
        return near ? err_hint(err, _("did you mean \"%s\"?"), near) : false;
    }
    return true;
}

/* ---- announce, cancel ---- */

static void put_language(struct jsonout *j, const char *key, const char *title, const char *body)
{
    json_key(j, key);
    json_object(j);
    json_put_text(j, "title", title);
    if (body)
        json_put_text(j, "body", body);
    json_object_end(j);
}

static const char *detail_of(const struct cli *cli, const struct args *args, const char *title)
{
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    put_language(&j, "en", title, args->text);
    put_language(&j, "fr", args->french ? args->french : title, args->french_text ? args->french_text : args->text);
    json_key(&j, "components");
    json_array(&j);
    for (size_t i = 0; i < args->components.n; i++)
        json_text(&j, args->components.p[i]);
    json_array_end(&j);
    json_object_end(&j);
    return arena_strdup(cli->arena, buf_text(&out));
}

static bool fill(const struct cli *cli, const struct args *args, struct event *event, struct err *err)
{
    const struct service *service = NULL;
    const char *name = args->words.p[0], *who = args->by ? args->by : person_name(cli->arena);
    if (!str_is_name(str_of(name)) || !COPY_TO(event->subject, name))
        return err_set(err, ERR_USAGE, _("\"%s\" is no name: letters, digits, - and _"), name);
    if (!str_is_clean(str_of(who)) || !COPY_TO(event->who, who))
        return err_set(err, ERR_USAGE, "%s", _("the name of the person is no text, or too long"));
    /* Without --service it is everybody's, unless there is only one. */
    if (cli->service && !cli_service(cli, &service, err))
        return false;
    if (!service && cli->config->services.n == 1)
        service = &cli->config->services.p[0];
    COPY_TO(event->service, service ? service->name : "");
    return true;
}

static int say(const struct cli *cli, struct event *event, const char *detail)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    int64_t seq;
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, &err) || !person_says(journal, event, detail, &seq, &err))
        return cli_fail(&err);
    return person_was_heard(cli, seq);
}

static int run_announce(const struct cli *cli, const struct args *args)
{
    struct event event = {.kind = EVENT_MAINTENANCE};
    struct err err = {0};
    const char *title = "";
    if (args->words.n < 2 || !args->from || !args->to == !args->lasting)
        return cli_usage(&cmd_maintenance, "%s", _("wanted are NAME, --from, --to or --for, and the title"));
    for (size_t i = 1; i < args->words.n; i++)
        title = arena_printf(cli->arena, "%s%s%s", title, *title ? " " : "", args->words.p[i]);
    if (!fill(cli, args, &event, &err) || !window(args, &event.number, &event.ref, &err) || !is_public(cli, title, 255, &err) ||
        !is_public(cli, args->french, 255, &err) || !is_public(cli, args->text, BODY_MAX, &err) || !is_public(cli, args->french_text, BODY_MAX, &err) ||
        !components_known(cli, args, &err))
        return cli_fail(&err);
    COPY_TO(event.text, title);
    return say(cli, &event, detail_of(cli, args, title));
}

static bool read_maintenances(const struct cli *cli, struct page *ret, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    return journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err) &&
           page_read(cli->arena, journal, cli->config, page_plain(cli->arena), clock_wall_ms(), controller_runs(cli), ret, err);
}

static int run_cancel(const struct cli *cli, const struct args *args)
{
    struct event event = {.kind = EVENT_MAINTENANCE};
    struct err err = {0};
    struct page page;
    bool found = false;
    if (args->words.n < 1)
        return cli_usage(&cmd_maintenance, "%s", _("the name of the maintenance is missing"));
    if (!fill(cli, args, &event, &err) || !read_maintenances(cli, &page, &err))
        return cli_fail(&err);
    for (size_t i = 0; i < page.maintenances.n; i++) {
        const struct page_maintenance *m = &page.maintenances.p[i];
        if (!same(m->name, args->words.p[0]) || m->phase == MAINTENANCE_CANCELLED || m->phase == MAINTENANCE_COMPLETED)
            continue;
        found = true;
        COPY_TO(event.service, m->service);
        COPY_TO(event.text, m->title.en);
    }
    if (!found) {
        err_set(&err, ERR_NOT_FOUND, _("no maintenance \"%s\" is ahead or in progress"), args->words.p[0]);
        err_hint(&err, "%s", _("`bascule maintenance list` names them"));
        return cli_fail(&err);
    }
    return say(cli, &event, NULL);
}

/* ---- list ---- */

static void put_json(const struct cli *cli, const struct page *page, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_array(&j);
    for (size_t i = 0; i < page->maintenances.n; i++) {
        const struct page_maintenance *m = &page->maintenances.p[i];
        json_object(&j);
        json_put_text(&j, "name", m->name);
        json_put_text(&j, "service", m->service);
        json_put_text(&j, "phase", maintenance_phase_name(m->phase));
        json_put_text(&j, "title", m->title.en);
        json_put_text(&j, "from", moment_iso(cli->arena, m->from_wall_ms));
        json_put_text(&j, "to", moment_iso(cli->arena, m->to_wall_ms));
        json_object_end(&j);
    }
    json_array_end(&j);
    buf_putc(out, '\n');
}

static int run_list(const struct cli *cli)
{
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    struct page page;
    struct err err = {0};
    if (!read_maintenances(cli, &page, &err))
        return cli_fail(&err);
    if (cli->json) {
        put_json(cli, &page, &out);
        return cli_print(&out);
    }
    for (size_t i = 0; i < page.maintenances.n; i++) {
        const struct page_maintenance *m = &page.maintenances.p[i];
        cli_pad(&out, m->name, 20);
        buf_puts(&out, " ");
        cli_pad(&out, maintenance_phase_name(m->phase), 12);
        buf_printf(&out, " %s – %s  %s\n", moment_minute(cli->arena, m->from_wall_ms), moment_minute(cli->arena, m->to_wall_ms), text_in(m->title, cli->language));
    }
    if (!page.maintenances.n)
        buf_printf(&out, "%s\n", _("none is on record"));
    return cli_print(&out);
}

/* ---- the command ---- */

static bool take_args(const struct cli *cli, int argc, char **argv, struct args *ret)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {{"--from", &ret->from}, {"--to", &ret->to},     {"--for", &ret->lasting},       {"--fr", &ret->french},
                   {"--text", &ret->text}, {"--by", &ret->by}, {"--text-fr", &ret->french_text}};
    for (int i = 2; i < argc; i++) {
        const char **to = NULL;
        for (size_t k = 0; k < COUNT_OF(options); k++)
            if (same(argv[i], options[k].name))
                to = options[k].to;
        bool component = same(argv[i], "--component");
        if ((to || component) && i + 1 >= argc)
            return false;
        if (to)
            *to = argv[++i];
        else if (component)
            *vec_add(cli->arena, &ret->components) = argv[++i];
        else if (strncmp(argv[i], "--", 2) == 0)
            return false;
        else
            *vec_add(cli->arena, &ret->words) = argv[i];
    }
    return true;
}

static int run_maintenance(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    if (argc < 2)
        return cli_usage(&cmd_maintenance, "%s", _("a subcommand is missing"));
    if (!take_args(cli, argc, argv, &args))
        return cli_usage(&cmd_maintenance, "%s", _("an option is unknown or wants a value"));
    if (same(argv[1], "announce"))
        return run_announce(cli, &args);
    if (same(argv[1], "cancel"))
        return run_cancel(cli, &args);
    if (same(argv[1], "list"))
        return run_list(cli);
    return cli_usage(&cmd_maintenance, _("\"%s\" is no subcommand"), argv[1]);
}

const struct command cmd_maintenance = {
    .name = "maintenance",
    .usage = "maintenance announce NAME --from T (--to T | --for 2h) [--fr TITLE] [--text TEXT] [--text-fr TEXT] [--component C]... TITLE\n"
             "       bascule maintenance list | cancel NAME      (all: [--by NAME])",
    .summary = N_("tells the public of planned work: announces, lists and cancels it"),
    .details = N_("It stands on the status page and in its feed from the moment it is announced; while it lasts, the components named (without any: all of\n"
                  "the service) are shown as under maintenance. Times are UTC (2026-12-01T22:00Z), or +2h from now. Announcing NAME again moves it.\n"
                  "It silences nothing: checks go on, and an outage within it still opens an incident."),
    .wants_config = true,
    .run = run_maintenance,
};
