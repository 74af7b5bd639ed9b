/* cli/cmd_options.c -- Which ways there are to bring the service back, measured now: the same answer by which the failover chooses. */
#include "act/slots.h"
#include "act/ways.h"
#include "base/jsonout.h"
#include "cli/command.h"
#include "cli/sides.h"
#include "decide/decide.h"

extern const struct command cmd_options;

enum { NAME_COLUMNS = 10, TIME_COLUMNS = 22 };

struct asked {
    const struct service *service;
    const struct site *from, *to;
    bool moves;
};

/* False after the usage was printed, or with err filled. */
static bool read_arguments(struct cli *cli, int argc, char **argv, struct asked *ret, int *ret_status)
{
    struct err err = {0};
    const char *to = NULL;
    for (int i = 1; i < argc; i++) {
        if (same(argv[i], "--moves")) {
            ret->moves = true;
        } else if (same(argv[i], "--to") && i + 1 < argc) {
            to = argv[++i];
        } else {
            *ret_status = cli_usage(&cmd_options, _("unknown argument \"%s\""), argv[i]);
            return false;
        }
    }
    bool ok = cli_service(cli, &ret->service, &err) && cli_sides(cli, ret->service, &ret->from, &ret->to, &err);
    if (ok && to) {
        const struct site *wanted = service_site(ret->service, to), *other = ret->to;
        if (!wanted)
            ok = err_set(&err, ERR_NOT_FOUND, _("service \"%s\" has no site \"%s\""), ret->service->name, to);
        else if (wanted == ret->from)
            ret->from = other;
        ret->to = wanted;
    }
    if (!ok)
        *ret_status = cli_fail(&err);
    return ok;
}

static void put_time(struct jsonout *j, const char *key, int64_t ms)
{
    json_key(j, key);
    if (ms < 0)
        json_null(j);
    else
        json_int(j, ms);
}

static const char *name_of(enum way_kind kind)
{
    return kind < WAY_MAX ? way_name(kind) : WAY_NONE;
}

static void put_json(const struct asked *asked, const struct ways_facts *f, const struct ways *ways, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_text(&j, "service", asked->service->name);
    json_put_text(&j, "from", asked->from->name);
    json_put_text(&j, "to", asked->to->name);
    if (!asked->moves)
        json_put_text(&j, "best", name_of(ways->best));
    json_put_text(&j, "best_move", name_of(ways->best_move));
    json_key(&j, "ways");
    json_array(&j);
    for (size_t i = 0; i < WAY_MAX; i++) {
        const struct way *w = &ways->p[i];
        if (asked->moves && w->kind == WAY_RESTART)
            continue;
        json_object(&j);
        json_put_text(&j, "way", way_name(w->kind));
        json_put_bool(&j, "possible", w->possible);
        put_time(&j, "rto_ms", w->rto_ms);
        put_time(&j, "rpo_ms", w->rpo_ms);
        json_put_text(&j, "why", w->why);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_put_bool(&j, "slots_known", f->promote.slots_known);
    json_key(&j, "slots");
    json_array(&j);
    for (size_t i = 0; i < f->promote.slot_count; i++) {
        const struct slot_fate *s = &f->promote.slots[i];
        json_object(&j);
        json_put_text(&j, "slot", s->name);
        json_put_text(&j, "type", s->logical ? "logical" : "physical");
        json_put_text(&j, "state", slot_end_name(s->end));
        json_put_text(&j, "why", s->why);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    buf_putc(out, '\n');
}

static const char *time_text(const struct cli *cli, const char *format, const char *unknown, int64_t ms)
{
    return ms < 0 ? unknown : arena_printf(cli->arena, "%s %s", format, cli_duration(cli, ms));
}

static void put_text(const struct cli *cli, const struct asked *asked, const struct ways *ways, struct buf *out)
{
    buf_printf(out, _("Ways to bring \"%s\" back, best first (it is served by %s, the other site is %s):\n"), asked->service->name, asked->from->name,
               asked->to->name);
    for (size_t i = 0; i < WAY_MAX; i++) {
        const struct way *w = &ways->p[i];
        if (asked->moves && w->kind == WAY_RESTART)
            continue;
        buf_printf(out, "  %s%s%s ", w->possible ? cli_green(cli) : cli_red(cli), w->possible ? "✓" : "✗", cli_plain(cli));
        cli_pad(out, way_name(w->kind), NAME_COLUMNS);
        if (w->possible) {
            cli_pad(out, time_text(cli, _("takes"), _("takes: not known"), w->rto_ms), TIME_COLUMNS);
            cli_pad(out, time_text(cli, _("loses"), _("loses: not known"), w->rpo_ms), TIME_COLUMNS);
        }
        buf_printf(out, "%s\n", w->why);
    }
}

static void put_slots(const struct cli *cli, const struct asked *asked, const struct ways_facts *f, struct buf *out)
{
    if (!f->promote.slot_count)
        return;
    buf_printf(out, _("Replication slots of %s, when %s is promoted:\n"), asked->from->name, asked->to->name);
    for (size_t i = 0; i < f->promote.slot_count; i++) {
        const struct slot_fate *s = &f->promote.slots[i];
        bool lost = s->end == SLOT_LOST;
        buf_printf(out, "  %s%s%s ", lost ? cli_red(cli) : cli_green(cli), lost ? "✗" : "✓", cli_plain(cli));
        cli_pad(out, s->name, NAME_COLUMNS);
        buf_putc(out, ' ');
        cli_pad(out, slot_end_name(s->end), NAME_COLUMNS);
        buf_printf(out, "%s: %s\n", s->logical ? _("logical") : _("physical"), s->why);
    }
}

static int run_options(struct cli *cli, int argc, char **argv)
{
    struct asked asked = {0};
    struct ways_facts facts;
    struct ways ways;
    int status = 0;
    if (!read_arguments(cli, argc, argv, &asked, &status))
        return status;
    struct action_ctx ctx = cli_action_ctx(cli, asked.service);
    SCOPED(buf_done) struct buf out = {.max = 256 * 1024};
    ways_measure(&ctx, asked.from, asked.to, !asked.moves, &facts);
    ways_weigh(&facts, &ways);
    if (cli->json)
        put_json(&asked, &facts, &ways, &out);
    else
        put_text(cli, &asked, &ways, &out);
    if (!cli->json)
        put_slots(cli, &asked, &facts, &out);
    int printed = cli_print(&out);
    bool none = (asked.moves ? ways.best_move : ways.best) == WAY_MAX;
    return printed ? printed : none ? 1 : 0;
}

const struct command cmd_options = {
    .name = "options",
    .usage = "options [--to SITE] [--moves] [--json]",
    .summary = N_("the ways to bring the service back, best first, with what each takes and loses"),
    .details = N_("Measured now, and read-only: restart in place, promote the standby, take the warm copy, restore the newest backup. Each says what\n"
                  "it takes (as it took the last time) and loses, or why it is not possible. --moves leaves the restart out: the failover chooses so.\n"
                  "Replication slots of the primary follow, as they were when it was last seen: safe, lagging or lost when its standby is promoted.\n"
                  "Exit status: 0 there is a way, 1 there is none."),
    .wants_config = true,
    .run = run_options,
};
