/* cli/cmd_page.c -- The status pages, written from the journal: by the controller all the time, and by a person at any time. */
#include "base/jsonout.h"
#include "cli/command.h"
#include "cli/person.h"
#include "record/page.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tell/page.h"

extern const struct command cmd_page;

enum { OUT_MAX = 1024 * 1024 };

/* The pages of the configuration; the plain one when it names none and a folder is given, or none is needed. */
struct pages {
    const struct status_page **p;
    size_t n, cap;
};

static struct pages pages_of(const struct cli *cli, bool plain)
{
    struct pages pages = {0};
    for (size_t i = 0; i < cli->config->status_pages.n; i++)
        *vec_add(cli->arena, &pages) = &cli->config->status_pages.p[i]; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    if (!pages.n && plain)
        *vec_add(cli->arena, &pages) = page_plain(cli->arena); /* NOLINT(bugprone-sizeof-expression) */
    return pages;
}

static bool read_page(const struct cli *cli, const struct status_page *conf, struct page *ret, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    return journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err) &&
           page_read(cli->arena, journal, cli->config, conf, clock_wall_ms(), controller_runs(cli), ret, err);
}

/* ---- write ---- */

static bool write_one(const struct cli *cli, const struct status_page *conf, const char *folder, struct jsonout *j, struct buf *out, struct err *err)
{
    struct page page;
    struct page_files files = {0};
    size_t written;
    if (!read_page(cli, conf, &page, err))
        return false;
    page_render(cli->arena, &page, &files);
    if (!page_write(folder, &files, &written, err))
        return false;
    if (cli->json) {
        json_object(j);
        json_put_text(j, "folder", folder);
        json_put_int(j, "files", (int64_t)files.n);
        json_put_int(j, "written", (int64_t)written);
        json_object_end(j);
    } else {
        buf_printf(out, _("%s: files %zu, of which written anew %zu\n"), folder, files.n, written);
    }
    return true;
}

static int run_write(const struct cli *cli, const char *folder)
{
    struct pages pages = pages_of(cli, folder != NULL);
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    struct jsonout j = jsonout(&out);
    struct err err = {0};
    int status = 0;
    if (!pages.n) {
        err_set(&err, ERR_CONFIG, "%s", _("the configuration names no status page"));
        err_hint(&err, "%s", _("add status_pages: [{folder: /var/www/status}], or name a folder here"));
        return cli_fail(&err);
    }
    if (cli->json)
        json_array(&j);
    for (size_t i = 0; i < pages.n; i++) { /* one folder that cannot be written leaves no other page old */
        const char *to = pages.p[i]->folder;
        if (folder)
            to = pages.n == 1 ? folder : file_join(cli->arena, folder, file_name_of(to));
        if (!write_one(cli, pages.p[i], to, &j, &out, &err))
            status = cli_fail(&err);
    }
    if (cli->json) {
        json_array_end(&j);
        buf_putc(&out, '\n');
    }
    int printed = cli_print(&out);
    return status ? status : printed;
}

/* ---- show ---- */

static const char *percent_of(const struct cli *cli, const struct page_component *c)
{
    int64_t ppm = page_uptime_ppm(c);
    return ppm < 0 ? _("unknown") : arena_printf(cli->arena, "%d.%03d %%", (int)(ppm / 10000), (int)(ppm % 10000 / 10));
}

static void put_text(const struct cli *cli, const struct page *page, const struct page_files *files, struct buf *out)
{
    const char *folder = page->conf->folder;
    buf_printf(out, "%s: %s\n", text_in(page->title, cli->language), page_impact_name(page->impact));
    for (size_t i = 0; i < page->components.n; i++) {
        const struct page_component *c = &page->components.p[i];
        buf_puts(out, "  ");
        cli_pad(out, text_in(c->title, cli->language), 28);
        buf_puts(out, " ");
        cli_pad(out, component_state_name(c->state), 22);
        buf_printf(out, " %s\n", percent_of(cli, c));
    }
    for (size_t i = 0; i < page->incidents.n; i++) {
        const struct page_incident *n = &page->incidents.p[i];
        if (page_incident_over(n))
            continue;
        buf_printf(out, "  INC-%d %s: %s\n", (int)n->id, public_phase_name(n->phase), text_in(n->updates.p[n->updates.n - 1].headline, cli->language));
        buf_printf(out, _("    told %zu times, next update by %s\n"), n->updates.n, moment_minute(cli->arena, n->next_update_wall_ms));
    }
    for (size_t i = 0; i < page->maintenances.n; i++) {
        const struct page_maintenance *m = &page->maintenances.p[i];
        if (m->phase == MAINTENANCE_SCHEDULED || m->phase == MAINTENANCE_IN_PROGRESS)
            buf_printf(out, "  %s %s: %s\n", maintenance_phase_name(m->phase), moment_minute(cli->arena, m->from_wall_ms), text_in(m->title, cli->language));
    }
    if (!folder)
        return;
    size_t alike = page_compare(cli->arena, folder, files);
    if (alike == files->n)
        buf_printf(out, _("  %s says so: files %zu\n"), folder, files->n);
    else
        buf_printf(out, _("  %s says something else: files that are missing or differ %zu of %zu; `bascule page write`\n"), folder, files->n - alike, files->n);
}

static int run_show(const struct cli *cli)
{
    struct pages pages = pages_of(cli, true);
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    struct err err = {0};
    int status = 0;
    for (size_t i = 0; i < pages.n; i++) {
        struct page page;
        struct page_files files = {0};
        if (!read_page(cli, pages.p[i], &page, &err))
            return cli_fail(&err);
        page_render(cli->arena, &page, &files);
        if (pages.p[i]->folder && page_compare(cli->arena, pages.p[i]->folder, &files) < files.n)
            status = 1;
        for (size_t k = 0; cli->json && k < files.n; k++) /* what the page itself says, one line a page */
            if (same(files.p[k].path, "api/v2/summary.json"))
                buf_add(&out, files.p[k].text.p, files.p[k].text.n);
        if (!cli->json)
            put_text(cli, &page, &files, &out);
    }
    int printed = cli_print(&out);
    return printed ? printed : status;
}

static int run_page(struct cli *cli, int argc, char **argv)
{
    if (argc == 2 && same(argv[1], "show"))
        return run_show(cli);
    if (argc >= 2 && argc <= 3 && same(argv[1], "write"))
        return run_write(cli, argc == 3 ? argv[2] : NULL);
    return cli_usage(&cmd_page, "%s", argc < 2 ? _("a subcommand is missing") : _("write and show are the subcommands"));
}

const struct command cmd_page = {
    .name = "page",
    .usage = "page write [DIR] | show",
    .summary = N_("the status page: writes its files, or says what stands on it"),
    .details = N_("write makes the files of every status page of the configuration anew from the journal, or in DIR: HTML in each language, the JSON\n"
                  "that readers of status pages know (api/v2), and an Atom feed. A file is whole or the one before it; what has not changed is not\n"
                  "touched. `serve` does this by itself, on every change and at least as often as `refresh` says.\n"
                  "show prints what the page says now, and whether the files in its folder say the same: exit status 1 when they do not."),
    .wants_config = true,
    .run = run_page,
};
