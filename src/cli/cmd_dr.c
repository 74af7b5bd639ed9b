/* cli/cmd_dr.c -- The warm copy by hand: follow is an action like the others, status says what waits and what became of the last restores. */
#include <inttypes.h>

#include "act/proof.h"
#include "act/warmsite.h"
#include "base/jsonout.h"
#include "cli/command.h"
#include "sys/clock.h"

extern const struct command cmd_dr;

enum { STATUS_MAX = 256 * 1024 };

struct standing {
    const struct site *site;
    bool serves;
    bool reached; /* the copy could be looked at */
    struct err why;
    struct warm_copy copy;
    const struct proof *last, *last_good, *last_failed; /* of following and taking; NULL: none */
};

static void look_at_proofs(const struct cli *cli, const struct service *service, struct standing *s)
{
    struct proof *list;
    size_t n;
    if (!proof_list(cli->arena, cli->config->state_dir, service->name, &list, &n, NULL))
        return;
    for (size_t i = 0; i < n; i++) {
        const struct proof *p = &list[i];
        if (!same(p->kind, "follow") || !same(p->site, s->site->name))
            continue;
        s->last = s->last ? s->last : p;
        if (p->ok && !s->last_good)
            s->last_good = p;
        else if (!p->ok && !s->last_failed)
            s->last_failed = p;
    }
}

static void put_proof(struct jsonout *j, const char *key, const struct proof *p)
{
    json_key(j, key);
    if (!p) {
        json_null(j);
        return;
    }
    json_object(j);
    json_put_int(j, "at_ms", p->at_ms);
    json_put_bool(j, "ok", p->ok);
    json_put_text(j, "file", p->file);
    json_put_int(j, "took_ms", p->took_ms);
    json_put_int(j, "rows", p->rows);
    json_put_int(j, "foreign_keys", p->foreign_keys);
    json_put_text(j, "error", p->error);
    json_object_end(j);
}

static void put_copy(struct jsonout *j, const struct warm_copy *c)
{
    json_object(j);
    json_put_bool(j, "waits", c->waits);
    json_put_bool(j, "usable", c->waits && !c->touched);
    json_put_text(j, "why_not", c->touched);
    json_put_text(j, "file", c->file);
    json_put_text(j, "sha256", c->sha256);
    json_put_int(j, "restored_ms", c->marked_wall_ms);
    json_put_int(j, "snapshot_ms", c->snapshot_wall_ms);
    json_put_int(j, "rows", c->rows);
    json_put_int(j, "foreign_keys", c->foreign_keys);
    if (c->taken_wall_ms)
        json_put_int(j, "taken_ms", c->taken_wall_ms);
    json_object_end(j);
}

static void put_json(const struct service *service, const struct standing *s, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_text(&j, "service", service->name);
    json_put_text(&j, "site", s->site->name);
    json_put_int(&j, "now_ms", clock_wall_ms());
    json_put_bool(&j, "serves", s->serves);
    json_put_text(&j, "error", s->reached ? NULL : s->why.message);
    json_key(&j, "copy");
    if (s->reached && s->copy.ours)
        put_copy(&j, &s->copy);
    else
        json_null(&j);
    put_proof(&j, "last", s->last);
    put_proof(&j, "last_good", s->last_good);
    put_proof(&j, "last_failed", s->last_failed);
    json_object_end(&j);
    buf_putc(out, '\n');
}

static void put_line(const struct cli *cli, struct buf *out, int good, const char *text)
{
    const char *colour = good > 0 ? cli_green(cli) : good == 0 ? cli_yellow(cli) : cli_red(cli);
    buf_printf(out, "%s[%s]%s %s\n", colour, good > 0 ? "✓" : good == 0 ? "!" : "✗", cli_plain(cli), text);
}

/* 1 well, 0 worth a look, -1 bad */
static int put_standing(const struct cli *cli, const struct standing *s, struct buf *out)
{
    struct arena *a = cli->arena;
    const struct warm_copy *c = &s->copy;
    const char *site = s->site->name;
    int good = 1;
    const char *text;
    if (!s->reached) {
        good = -1;
        text = arena_printf(a, _("site \"%s\": its database cannot be looked at: %s"), site, s->why.message);
    } else if (s->serves) {
        text = arena_printf(a, _("site \"%s\" serves the users: no copy waits there"), site);
    } else if (!c->ours) {
        good = 0;
        text = arena_printf(a, _("site \"%s\": no warm copy; make one with: bascule dr follow --once"), site);
    } else if (!c->waits) {
        good = 0;
        text = arena_printf(a, _("site \"%s\": \"%s\" was restored on %s to be used, so no copy waits"), site, c->file, moment_minute(a, c->marked_wall_ms));
    } else if (c->touched) {
        good = 0;
        text = arena_printf(a, _("site \"%s\": the warm copy of \"%s\" cannot be used: %s"), site, c->file, c->touched);
    } else {
        text = arena_printf(a, _("site \"%s\": warm copy of \"%s\", data as of %s (%s old), restored on %s, %" PRId64 " rows, untouched"), site, c->file,
                            moment_minute(a, c->snapshot_wall_ms), cli_duration(cli, MAX_OF(clock_wall_ms() - c->snapshot_wall_ms, 0)),
                            moment_minute(a, c->marked_wall_ms), c->rows);
    }
    put_line(cli, out, good, text);
    if (!s->last)
        return good;
    if (s->last->ok)
        put_line(cli, out, 1, arena_printf(a, _("last restore test: %s, \"%s\", %" PRId64 " rows, %" PRId64 " foreign keys, in %s"),
                                           moment_minute(a, s->last->at_ms), s->last->file, s->last->rows, s->last->foreign_keys,
                                           cli_duration(cli, s->last->took_ms)));
    else
        put_line(cli, out, -1, arena_printf(a, _("last restore test FAILED: %s, \"%s\": %s"), moment_minute(a, s->last->at_ms), s->last->file,
                                            s->last->error ? s->last->error : ""));
    return s->last->ok ? good : -1;
}

static int status(struct cli *cli, int argc, char **argv)
{
    const char *name = NULL;
    const struct service *service;
    struct standing s = {0};
    struct err err = {0};
    for (int i = 2; i < argc; i++) {
        if (!same(argv[i], "--site") || i + 1 == argc)
            return cli_usage(&cmd_dr, _("unknown argument \"%s\""), argv[i]);
        name = argv[++i];
    }
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    struct action_ctx ctx = cli_action_ctx(cli, service);
    if (!warmsite_find(&ctx, name, &s.site, &err))
        return cli_fail(&err);
    s.serves = warmsite_serves(&ctx, s.site);
    s.reached = warm_look(cli->arena, &s.site->database.at, warmsite_admin(s.site), &s.copy, &s.why);
    look_at_proofs(cli, service, &s);
    SCOPED(buf_done) struct buf out = {.max = STATUS_MAX};
    SCOPED(buf_done) struct buf text = {.max = STATUS_MAX};
    int good = put_standing(cli, &s, &text);
    if (cli->json)
        put_json(service, &s, &out);
    int printed = cli_print(cli->json ? &out : &text);
    return printed ? printed : good > 0 ? 0 : good == 0 ? 2 : 1;
}

static int run_dr(struct cli *cli, int argc, char **argv)
{
    if (argc > 1 && same(argv[1], "status"))
        return status(cli, argc, argv);
    if (argc < 2)
        return cli_usage(&cmd_dr, _("say what to do: follow or status"));
    return cmd_action_run(cli, argc, argv);
}

const struct command cmd_dr = {
    .name = "dr",
    .usage = "dr follow [--once] [--site NAME] [--force] [--dry-run] | status [--site NAME] [--json]",
    .summary = N_("keeps the newest good backup restored at the DR site, or says what waits there"),
    .details = N_("follow: each new good backup of the production site's folder is brought over, restored beside the copy of before, counted and\n"
                  "checked, and takes its place. The copy takes no writes until a failover takes it, which then needs seconds; its restore is the\n"
                  "restore test of the backup. --once looks once, for cron or a timer; without it the command follows until it is stopped.\n"
                  "Nothing is restored while the users are served there, nor over a database that was restored to be used: --force does the\n"
                  "latter, and that database is kept under another name.\n"
                  "status: what waits, how old it is, whether it was written to, and the last restore test. Exit status: 0 a copy can be used\n"
                  "and the last restore went well, 1 the last restore failed or the database does not answer, 2 no copy waits or it was written to."),
    .wants_config = true,
    .run = run_dr,
};
