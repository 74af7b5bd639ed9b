/* cli/cmd_checklist.c -- Checklists as people see them: what is done and what proved it, what is late, and what people say of an item. */
#include <inttypes.h>

#include "cli/incident.h"
#include "cli/person.h"
#include "record/checklist.h"
#include "sys/clock.h"

extern const struct command cmd_checklist;

enum { SAID_SIZE = 161 };

struct args {
    const char *by, *owner, *due; /* NULL: not given */
    bool all;
    struct strs words;            /* after the subcommand */
};

static bool take_args(int argc, char **argv, struct arena *a, struct args *ret)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {{"--by", &ret->by}, {"--owner", &ret->owner}, {"--due", &ret->due}};
    for (int i = 2; i < argc; i++) {
        const char **to = NULL;
        for (size_t k = 0; k < COUNT_OF(options); k++)
            if (same(argv[i], options[k].name))
                to = options[k].to;
        if (same(argv[i], "--all"))
            ret->all = true;
        else if (to && i + 1 < argc)
            *to = argv[++i];
        else if (strncmp(argv[i], "--", 2) == 0)
            return false;
        else
            *vec_add(a, &ret->words) = argv[i];
    }
    return true;
}

/* ---- which incident ---- */

struct newest {
    const struct cli *cli;
    int64_t id;
};

static bool note_opening(void *arg, const struct record *record)
{
    struct newest *n = arg;
    if (!n->cli->service || same(n->cli->service, record->service))
        n->id = record->incident;
    return true;
}

/* The first word when it is a number, and then it is used up; else the newest incident. */
static bool find_incident(const struct cli *cli, struct journal *journal, struct strs *words, int64_t *ret, struct err *err)
{
    struct newest n = {.cli = cli};
    if (words->n && incident_number(words->p[0], ret)) {
        words->p++;
        words->n--;
        return true;
    }
    if (!journal_openings(journal, note_opening, &n, err))
        return false;
    *ret = n.id;
    return n.id > 0 || err_set(err, ERR_NOT_FOUND, "%s", _("no incident is on record"));
}

/* ---- show ---- */

struct showing {
    struct cli *cli;
    struct journal *journal;
    struct story story;
    struct checklists lists;
    int64_t now_at_ms;
    struct buf *out;
};

static const char *since_opening(const struct showing *s, int64_t at_ms)
{
    int64_t since = at_ms - s->story.opened_at_ms;
    return arena_printf(s->cli->arena, "T%c%s", since < 0 ? '-' : '+', duration_clock(s->cli->arena, since < 0 ? -since : since));
}

/* As much of a sentence as a person reads; `journal show` has the whole. */
static const char *beginning(struct arena *a, const char *sentence)
{
    char cut[SAID_SIZE];
    return COPY_TO(cut, sentence) ? sentence : arena_printf(a, "%s…", cut);
}

/* What proved it, or who said so. */
static const char *mark_text(const struct showing *s, const struct item_standing *item)
{
    struct arena *a = s->cli->arena;
    struct record row;
    const char *said = story_record(a, s->journal, item->seq, &row) ? story_sentence(a, &row, s->cli->language) : "";
    const char *late = item_was_late(item) ? arena_printf(a, _(", %s late"), cli_duration(s->cli, item->at_ms - item->due_at_ms)) : "";
    return arena_printf(a, "%s%s: %s [#%" PRId64 "]", since_opening(s, item->at_ms), late, beginning(a, said), item->seq);
}

static const char *open_text(const struct showing *s, const struct checklist_standing *list, const struct item_standing *item)
{
    struct arena *a = s->cli->arena;
    const char *owner = item_owner(&s->lists, list, item), *who = owner ? arena_printf(a, " (%s)", owner) : "";
    if (!list->applies || item->due_at_ms == TIME_NEVER)
        return owner && list->applies ? owner : "";
    if (item_is_late(item, s->now_at_ms))
        return arena_printf(a, _("%s late%s; due %s"), cli_duration(s->cli, s->now_at_ms - item->due_at_ms), who, moment_minute(a, item->due_wall_ms));
    return arena_printf(a, _("due in %s%s, %s"), cli_duration(s->cli, item->due_at_ms - s->now_at_ms), who, moment_minute(a, item->due_wall_ms));
}

static void put_item(const struct showing *s, const struct checklist_standing *list, const struct item_standing *item)
{
    const struct cli *cli = s->cli;
    bool late = list->applies && item_is_late(item, s->now_at_ms), open = item->mark == ITEM_OPEN;
    const char *sign = item->mark == ITEM_WAIVED ? "–" : !open ? "✓" : late ? "✗" : "·";
    const char *colour = late ? cli_red(cli) : open ? "" : item_was_late(item) ? cli_yellow(cli) : cli_green(cli);
    const char *text = open ? open_text(s, list, item) : mark_text(s, item);
    buf_printf(s->out, "  %s%s%s ", colour, sign, *colour ? cli_plain(cli) : "");
    buf_printf(s->out, "%s", text_in(item->item->title, cli->language));
    buf_printf(s->out, "  (%s/%s)\n", list->list->name, item->item->id);
    if (*text)
        buf_printf(s->out, "      %s\n", text);
}

static void put_list(const struct showing *s, const struct checklist_standing *list)
{
    size_t done = 0;
    for (size_t k = 0; k < list->list->items.n; k++)
        done += list->items[k].mark != ITEM_OPEN;
    buf_printf(s->out, "\n%s: ", text_in(list->list->title, s->cli->language));
    if (list->applies)
        buf_printf(s->out, _("%zu of %zu done, since %s\n"), done, list->list->items.n, since_opening(s, list->at_ms));
    else
        buf_printf(s->out, _("does not apply (%s)\n"), list->list->applies_when);
    for (size_t k = 0; k < list->list->items.n && list->applies; k++)
        put_item(s, list, &list->items[k]);
}

static bool open_showing(struct cli *cli, struct strs *words, struct journal **journal, struct showing *ret, struct err *err)
{
    int64_t number;
    *ret = (struct showing){.cli = cli};
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, journal, err) || !find_incident(cli, *journal, words, &number, err) ||
        !story_read(cli->arena, *journal, cli->config, number, &ret->story, err) ||
        !story_checklists(cli->arena, *journal, cli->config, number, &ret->lists, err) || !person_clock(*journal, &ret->now_at_ms, err))
        return false;
    ret->journal = *journal;
    if (ret->lists.n)
        return true;
    err_set(err, ERR_NOT_FOUND, _("service \"%s\" has no checklists"), ret->story.service);
    return err_hint(err, "%s", _("add checklists: [p1.yaml, failover.yaml, restore.yaml, post-incident.yaml] to the service"));
}

static int run_show(struct cli *cli, struct args *args)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    SCOPED(buf_done) struct buf out = {.max = 16 * 1024 * 1024};
    struct showing s;
    struct err err = {0};
    if (!open_showing(cli, &args->words, &journal, &s, &err))
        return cli_fail(&err);
    if (args->words.n)
        return cli_usage(&cmd_checklist, _("unknown argument \"%s\""), args->words.p[0]);
    s.out = &out;
    size_t late = checklists_late_count(&s.lists, s.now_at_ms);
    if (cli->json) {
        checklists_json(cli->arena, journal, &s.lists, s.now_at_ms, clock_wall_ms(), cli->language, &out);
        buf_putc(&out, '\n');
    } else {
        buf_printf(&out, "INC-%" PRId64 " %s %s: %s\n", s.story.incident, severity_name(s.story.severity), s.story.service, s.story.title);
        for (size_t i = 0; i < s.lists.n; i++)
            if (args->all || s.lists.p[i].applies)
                put_list(&s, &s.lists.p[i]);
    }
    int status = cli_print(&out);
    return status ? status : late ? 2 : 0;
}

/* ---- list ---- */

static int run_list(struct cli *cli, const struct args *args)
{
    SCOPED(buf_done) struct buf out = {.max = 1024 * 1024};
    const struct service *service;
    struct err err = {0};
    if (args->words.n)
        return cli_usage(&cmd_checklist, _("unknown argument \"%s\""), args->words.p[0]);
    if (!cli_service(cli, &service, &err))
        return cli_fail(&err);
    for (size_t i = 0; i < service->checklists.n; i++) {
        const struct checklist *list = &service->checklists.p[i];
        buf_printf(&out, "%s: %s\n  %s %s\n", list->name, text_in(list->title, cli->language), _("applies when:"), list->applies_when);
        for (size_t k = 0; k < list->items.n; k++) {
            const struct checklist_item *item = &list->items.p[k];
            buf_printf(&out, "  - %s: %s", item->id, text_in(item->title, cli->language));
            if (item->due_ms)
                buf_printf(&out, " (%s)", cli_duration(cli, item->due_ms));
            buf_printf(&out, "\n      %s\n", item->proven_by ? item->proven_by : _("a person ticks it"));
        }
    }
    if (!service->checklists.n)
        buf_printf(&out, _("service \"%s\" has no checklists\n"), service->name);
    return cli_print(&out);
}

/* ---- what people say ---- */

static const struct verb {
    const char *name;
    enum tick tick;
    bool text_wanted;
} verbs[] = {
    {"tick", TICK_DONE, false},
    {"untick", TICK_TAKEN_BACK, false},
    {"waive", TICK_WAIVED, true},
    {"assign", TICK_ASSIGNED, false},
};

static const struct item_standing *item_named(const struct checklists *lists, const char *word, const struct checklist_standing **ret_list)
{
    for (size_t i = 0; i < lists->n; i++)
        for (size_t k = 0; k < lists->p[i].list->items.n; k++) {
            const char *list = lists->p[i].list->name, *id = lists->p[i].items[k].item->id;
            size_t n = strlen(list);
            if (strncmp(word, list, n) == 0 && word[n] == '/' && same(word + n + 1, id)) {
                *ret_list = &lists->p[i];
                return &lists->p[i].items[k];
            }
        }
    return NULL;
}

static bool no_item(struct arena *arena, const struct checklists *lists, const char *word, struct err *err)
{
    struct strs names = {0};
    for (size_t i = 0; i < lists->n; i++)
        for (size_t k = 0; k < lists->p[i].list->items.n; k++)
            *vec_add(arena, &names) = arena_printf(arena, "%s/%s", lists->p[i].list->name, lists->p[i].items[k].item->id);
    const char *near = str_nearest(word, names.p, names.n);
    err_set(err, ERR_NOT_FOUND, _("no checklist has an item \"%s\""), word);
    return near ? err_hint(err, _("did you mean \"%s\"?"), near) : err_hint(err, "%s", _("`bascule checklist show --all` names them"));
}

static bool fit(char *to, size_t size, const char *text, const char *what, struct err *err)
{
    if (!str_is_clean(str_of(text)))
        return err_set(err, ERR_USAGE, _("%s holds characters that are not text"), what);
    return str_copy(to, size, text) || err_set(err, ERR_LIMIT, _("%s is longer than %zu bytes"), what, size - 1);
}

static bool fill(const struct showing *s, const struct verb *verb, const char *name, const struct args *args, struct event *event, struct err *err)
{
    struct arena *a = s->cli->arena;
    const struct checklist_standing *list = NULL;
    const struct item_standing *item = item_named(&s->lists, name, &list);
    const char *text = verb->tick == TICK_ASSIGNED ? args->owner : "", *when;
    *event = (struct event){.kind = EVENT_TICK_ITEM, .incident = s->story.incident, .number = verb->tick};
    COPY_TO(event->service, s->story.service);
    if (!item)
        return no_item(a, &s->lists, name, err);
    if (!list->applies)
        return err_set(err, ERR_REFUSED, _("checklist \"%s\" does not apply to incident %" PRId64), list->list->name, s->story.incident);
    if (verb->tick == TICK_TAKEN_BACK && item->mark == ITEM_OPEN)
        return err_set(err, ERR_REFUSED, _("%s is not ticked"), name);
    if (verb->tick == TICK_DONE && item->mark != ITEM_OPEN)
        return err_set(err, ERR_REFUSED, _("%s is ticked already"), name);
    for (size_t i = 1; i < args->words.n; i++)
        text = arena_printf(a, "%s%s%s", text, *text ? " " : "", args->words.p[i]);
    if (args->due && !incident_due(a, args->due, &when, &event->ref, err))
        return false;
    return fit(event->subject, sizeof(event->subject), name, _("the item"), err) &&
           fit(event->who, sizeof(event->who), args->by ? args->by : person_name(a), _("the name"), err) &&
           fit(event->text, verb->tick == TICK_ASSIGNED ? MODEL_ID_SIZE : sizeof(event->text), text, _("the text"), err);
}

static const char *wrong_words(const struct verb *verb, const char *name, const struct args *args)
{
    if (!args->words.n || !strchr(name, '/'))
        return _("name the item as CHECKLIST/ITEM");
    if (verb->text_wanted && args->words.n < 2)
        return _("say why it does not apply");
    if (verb->tick == TICK_ASSIGNED && !args->owner)
        return _("say with --owner NAME who answers for it");
    if (verb->tick == TICK_ASSIGNED && args->words.n > 1)
        return _("an assignment takes no further words");
    if (verb->tick != TICK_ASSIGNED && (args->owner || args->due))
        return _("--owner and --due belong to assign");
    return NULL;
}

static int speak(struct cli *cli, const struct verb *verb, struct args *args)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct showing s;
    struct event event;
    struct err err = {0};
    int64_t seq;
    if (!open_showing(cli, &args->words, &journal, &s, &err))
        return cli_fail(&err);
    const char *name = args->words.p ? args->words.p[0] : "", *wrong = wrong_words(verb, name, args);
    if (wrong)
        return cli_usage(&cmd_checklist, "%s", wrong);
    if (!fill(&s, verb, name, args, &event, &err))
        return cli_fail(&err);
    journal_close(&journal);
    if (!journal_open(cli->config->state_dir, JOURNAL_APPEND, true, &journal, &err) || !person_says(journal, &event, NULL, &seq, &err))
        return cli_fail(&err);
    return person_was_heard(cli, seq);
}

/* ---- the command ---- */

static int run_checklist(struct cli *cli, int argc, char **argv)
{
    struct args args = {0};
    if (argc < 2)
        return cli_usage(&cmd_checklist, "%s", _("a subcommand is missing"));
    if (!take_args(argc, argv, cli->arena, &args))
        return cli_usage(&cmd_checklist, "%s", _("an option is unknown or wants a value"));
    if (same(argv[1], "show"))
        return run_show(cli, &args);
    if (same(argv[1], "list"))
        return run_list(cli, &args);
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (same(argv[1], verbs[i].name))
            return speak(cli, &verbs[i], &args);
    return cli_usage(&cmd_checklist, _("\"%s\" is no subcommand"), argv[1]);
}

const struct command cmd_checklist = {
    .name = "checklist",
    .usage = "checklist show [INCIDENT] [--all] | list\n"
             "       bascule checklist tick [INCIDENT] LIST/ITEM [TEXT] | untick [INCIDENT] LIST/ITEM [TEXT] | waive [INCIDENT] LIST/ITEM WHY\n"
             "       bascule checklist assign [INCIDENT] LIST/ITEM --owner NAME [--due DATE]      (all: [--by NAME])",
    .summary = N_("shows the checklists of an incident: what is done and which record proves it, what is late"),
    .details = N_("An item is ticked by the record of the journal that proves it, else by a person: tick. untick takes a mark back, waive says\n"
                  "that an item does not apply this time, assign names who answers for it, and until when (2026-12-01, +24h).\n"
                  "INCIDENT is a number; without one the newest incident is meant. The exit status of show is 2 while something is late."),
    .wants_config = true,
    .run = run_checklist,
};
