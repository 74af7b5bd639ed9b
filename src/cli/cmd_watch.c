/* cli/cmd_watch.c -- The console: one screen that keeps itself up to date, and keys that run the very commands a person would type. */
#include <inttypes.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "cli/person.h"
#include "cli/watch.h"
#include "sys/proc.h"

extern const struct command cmd_watch;

enum { OUT_MAX = 1024 * 1024, TYPED_MAX = 400, COMMAND_MS = 20000, TICK_MS = 250 };

/* What the keys want: a command with the incident's number, after a question where it cannot be taken back. */
struct key {
    int key;
    const char *verb;
    const char *question; /* a text is asked for; NULL: none */
    bool confirm;         /* the number of the incident must be typed */
};

static const struct key keys[] = {
    {'a', "ack", NULL, false},
    {'n', "note", N_("note: "), false},
    {'e', "escalate", NULL, false},
    {'y', "approve", NULL, true},
    {'d', "deny", NULL, true},
    {'t', "retry", NULL, true},
    {'p', "say", N_("to the public: "), false},
};

struct console {
    struct cli *cli;
    struct watch *watch;
    struct screen *screen;
    struct arena *arena;      /* of one picture */
    int64_t incident;         /* chosen by a person; 0: the worst */
    const struct key *asking; /* a line is being typed for it */
    char typed[TYPED_MAX], answer[TYPED_MAX];
    bool failed;              /* the answer is bad news */
};

static const struct incident *shown(const struct console *c)
{
    return c->incident ? decide_incident(c->watch->decide, c->incident) : watch_worst(c->watch);
}

/* ---- the picture ---- */

static const char *footer(const struct console *c)
{
    const struct incident *i = shown(c);
    if (c->asking && c->asking->question)
        return arena_printf(c->arena, "%s%s", _(c->asking->question), c->typed);
    if (c->asking && i)
        return arena_printf(c->arena, _("incident %s %" PRId64 ": type %" PRId64 " and Enter to do it, Escape to leave it: %s"), c->asking->verb, i->id,
                            i->id, c->typed);
    return *c->answer ? c->answer : _("a ack  n note  e escalate  y approve  d deny  t retry  p public  c copy  q quit");
}

static void draw(struct console *c)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct watch_page page = {.arena = arena};
    struct watch_view view = {.incident = c->incident, .controller = controller_runs(c->cli), .footer_paint = c->failed ? PAINT_BAD : PAINT_STRONG};
    c->arena = arena;
    screen_size(c->screen, &view.columns, &view.rows);
    view.footer = footer(c);
    watch_draw(c->watch, &view, &page);
    screen_clear(c->screen);
    int column = 0;
    for (size_t r = 0; r < page.rows.n; r++) {
        column = 0;
        for (size_t k = 0; k < page.rows.p[r].runs.n; k++)
            column = screen_put(c->screen, (int)r, column, page.rows.p[r].runs.p[k].paint, page.rows.p[r].runs.p[k].text);
    }
    screen_show(c->screen, c->asking ? view.rows - 1 : -1, column);
}

/* ---- the keys ---- */

static void answer(struct console *c, bool failed, const char *text)
{
    SCOPED(buf_done) struct buf line = {.max = sizeof(c->answer)};
    for (const char *p = text; *p && *p != '\n'; p++)
        buf_putc(&line, *p);
    COPY_TO(c->answer, buf_text(&line));
    c->failed = failed;
}

/* The same command as typed by hand, so that there is one way to do it and one place where it is refused. */
static void run_command(struct console *c, const struct key *key, const char *text)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *number = arena_printf(arena, "%" PRId64, shown(c)->id);
    const char *const argv[] = {c->cli->self, "-c", c->cli->config_path, "--lang", c->cli->language == LANGUAGE_FR ? "fr" : "en", "incident",
                                key->verb, number, same(key->verb, "say") ? "--yes" : text, same(key->verb, "say") ? "--public" : NULL, text, NULL};
    struct proc_spec spec = {.argv = argv, .inherit_env = true, .timeout_ms = COMMAND_MS};
    struct proc_result result;
    struct err err = {0};
    if (!proc_run(arena, &spec, &result, &err))
        answer(c, true, err.message);
    else
        answer(c, !proc_ok(&result), str_dup(arena, proc_ok(&result) ? result.out : result.err.n ? result.err : str_of(result.why)));
}

static void typed_whole(struct console *c)
{
    const struct key *key = TAKE(c->asking);
    int64_t number;
    if (!shown(c))
        return;
    if (!key->confirm && *c->typed)
        run_command(c, key, c->typed);
    else if (key->confirm && str_int(str_of(c->typed), &number) && number == shown(c)->id)
        run_command(c, key, NULL);
    else
        answer(c, false, _("nothing was done"));
}

static void type(struct console *c, int key)
{
    size_t n = strlen(c->typed);
    if (key == SCREEN_ESCAPE) {
        c->asking = NULL;
        answer(c, false, _("nothing was done"));
    } else if (key == SCREEN_ENTER) {
        typed_whole(c);
    } else if (key == SCREEN_ERASE) {
        while (n && ((unsigned char)c->typed[--n] & 0xC0) == 0x80) {}
        c->typed[n] = 0;
    } else if (key >= ' ' && n + 4 < sizeof(c->typed)) {
        unsigned u = (unsigned)key; /* UTF-8, RFC 3629 */
        if (u < 0x80)
            snprintf(c->typed + n, 5, "%c", (char)u);
        else if (u < 0x800)
            snprintf(c->typed + n, 5, "%c%c", (char)(0xC0 | u >> 6), (char)(0x80 | (u & 63)));
        else if (u < 0x10000)
            snprintf(c->typed + n, 5, "%c%c%c", (char)(0xE0 | u >> 12), (char)(0x80 | (u >> 6 & 63)), (char)(0x80 | (u & 63)));
        else
            snprintf(c->typed + n, 5, "%c%c%c%c", (char)(0xF0 | u >> 18), (char)(0x80 | (u >> 12 & 63)), (char)(0x80 | (u >> 6 & 63)), (char)(0x80 | (u & 63)));
    }
}

/* The next or the one before among those that are not resolved. */
static void step_to(struct console *c, int by)
{
    const struct decide *decide = c->watch->decide;
    const struct incident *now = shown(c), *before = NULL, *first = NULL, *after = NULL, *last = NULL;
    for (size_t k = 0; k < decide_incidents(decide); k++) {
        const struct incident *i = decide_incident_at(decide, k);
        if (i->state >= INCIDENT_RESOLVED)
            continue;
        first = first ? first : i;
        last = i;
        if (now && i->id < now->id)
            before = i;
        if (now && i->id > now->id && !after)
            after = i;
    }
    const struct incident *to = by > 0 ? (after ? after : first) : before ? before : last;
    c->incident = to ? to->id : 0;
}

static void copy(struct console *c)
{
    const struct incident *i = shown(c);
    if (!i)
        return;
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *command = watch_command(c->watch, arena, i);
    screen_copy(c->screen, command);
    answer(c, false, command);
}

static void press(struct console *c, int key)
{
    *c->answer = 0;
    c->failed = false;
    if (key == 'j' || key == SCREEN_DOWN)
        step_to(c, 1);
    else if (key == 'k' || key == SCREEN_UP)
        step_to(c, -1);
    else if (key == 'c')
        copy(c);
    for (size_t k = 0; k < COUNT_OF(keys); k++) {
        if (keys[k].key != key)
            continue;
        *c->typed = 0;
        if (!shown(c))
            answer(c, false, _("no incident is open"));
        else if (keys[k].question || keys[k].confirm)
            c->asking = &keys[k];
        else
            run_command(c, &keys[k], NULL);
    }
}

static bool console(struct console *c, struct err *err)
{
    for (;;) {
        if (watch_changed(c->watch) && !watch_follow(c->watch, err))
            return false;
        draw(c);
        int key = screen_key(c->screen, TICK_MS);
        if (key == SCREEN_NOTHING || key == SCREEN_RESIZED)
            continue;
        if (c->asking)
            type(c, key);
        else if (key == 'q' || key == SCREEN_ESCAPE)
            return true;
        else
            press(c, key);
    }
}

/* ---- without a terminal ---- */

static int print_once(const struct cli *cli, const struct watch *watch)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    struct watch_page page = {.arena = arena};
    struct watch_view view = {.columns = 80, .rows = 24, .controller = controller_runs(cli)};
    if (cli->json) {
        watch_json(watch, view.controller, &out);
    } else {
        watch_draw(watch, &view, &page);
        watch_text(&page, &out);
    }
    int status = cli_print(&out);
    return status ? status : watch_worst(watch) ? 1 : 0;
}

static void print_row(void *arg, const struct record *record)
{
    const struct cli *cli = arg;
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf out = {.max = OUT_MAX};
    if (cli->json) {
        struct jsonout j = jsonout(&out);
        story_record_json(&j, record);
    } else {
        buf_printf(&out, "%s  %s", moment_iso(arena, record->wall_ms), story_sentence(arena, record, cli->language));
    }
    buf_putc(&out, '\n');
    (void)cli_print(&out);
}

/* Lines as they come, for a log or a terminal that knows nothing but lines; ended by a signal, or by who reads them. */
static int print_lines(struct cli *cli, struct watch *watch, struct err *err)
{
    (void)print_once(cli, watch);
    watch->said = print_row;
    watch->arg = cli;
    for (;;) {
        if (watch_changed(watch) && !watch_follow(watch, err))
            return cli_fail(err);
        if (ferror(stdout))
            return err_exit_status(ERR_IO);
        usleep(TICK_MS * 1000); /* a reader's pace */
    }
}

static int run_watch(struct cli *cli, int argc, char **argv)
{
    bool once = false, lines = cli->json;
    for (int i = 1; i < argc; i++) {
        if (same(argv[i], "--once"))
            once = true;
        else if (same(argv[i], "--lines"))
            lines = true;
        else
            return cli_usage(&cmd_watch, _("unknown argument \"%s\""), argv[i]);
    }
    struct err err = {0};
    SCOPED(watch_close) struct watch *watch = NULL;
    if (!watch_open(cli, &watch, &err))
        return cli_fail(&err);
    if (once)
        return print_once(cli, watch);
    struct console c = {.cli = cli, .watch = watch};
    struct err none = {0};
    if (lines || !screen_open(cli->colour, &c.screen, &none))
        return print_lines(cli, watch, &err);
    bool ok = console(&c, &err);
    screen_close(&c.screen);
    return ok ? 0 : cli_fail(&err);
}

const struct command cmd_watch = {
    .name = "watch",
    .usage = "watch [--once] [--lines] [--json]",
    .summary = N_("the console: services, the open incident against its RTO, what comes next, and keys to act"),
    .details = N_("One screen of at least 80 columns and 24 rows that follows the journal. What was not delivered stands first. Keys: a takes the\n"
                  "incident, n adds a note, e escalates, y approves and d denies what waits (after its number was typed), t tries a blocked step\n"
                  "again, p tells the public something, c copies the command that is needed next, j and k go to other incidents, q leaves.\n"
                  "Each key runs the command that a person would type. Without a terminal, or with --lines, it prints a line for each record\n"
                  "as it comes; --once prints the screen once and ends with exit status 1 when an incident is open, else 0."),
    .wants_config = true,
    .run = run_watch,
};
