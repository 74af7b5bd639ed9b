/* config/load.c -- From files to a whole configuration: read, walk, fill what depends on other values, hold against the
 * rules. */
#include "config/load.h"

#include "config/rules.h"
#include "config/tables.h"
#include "config/templates.h"
#include "config/walk.h"

#ifndef BASCULE_SHARE
#define BASCULE_SHARE "/usr/share/bascule"
#endif

/* ---- files ---- */

static void take_yaml_problems(struct walk *w)
{
    for (size_t i = 0; i < w->doc->problems.n; i++) {
        const struct yaml_problem *y = &w->doc->problems.p[i];
        struct place place = {.doc = w->doc, .line = y->line, .column = y->column, .path = ""};
        problem_error(w->problems, place, "%s", y->text)->hint = y->hint;
    }
}

/* The document through its table; nothing when its syntax is wrong. */
static void walk_doc(struct walk *w, const struct yaml_doc *doc, const struct option *table, void *to)
{
    w->doc = doc;
    take_yaml_problems(w);
    if (doc->root)
        walk_map(w, doc->root, "", table, to);
    else if (doc->problems.n == 0)
        problem_error(w->problems, walk_place(w, NULL, ""), "the file is empty")->hint =
            "`bascule config sample` prints a configuration to begin with";
}

/* A kind of file that the configuration names. */
struct side_kind {
    const char *what, *folder, *variable;
};
static const struct side_kind playbook_files = {"playbook", "playbooks", "BASCULE_PLAYBOOKS"};
static const struct side_kind checklist_files = {"checklist", "checklists", "BASCULE_CHECKLISTS"};

/* Folders in which such a file may lie, best first; ended by NULL. */
static const char *const *side_folders(struct arena *arena, const struct side_kind *kind, const char *config_path)
{
    const char **folders = arena_array(arena, const char *, 5), **next = folders;
    const char *slash = strrchr(config_path, '/'), *own = getenv(kind->variable);
    const char *beside = slash ? arena_strndup(arena, config_path, (size_t)(slash - config_path)) : ".";
    *next++ = beside;
    *next++ = arena_printf(arena, "%s/%s", beside, kind->folder);
    if (own && *own)
        *next++ = own; /* running from a source tree */
    *next++ = arena_printf(arena, BASCULE_SHARE "/%s", kind->folder);
    return folders;
}

/* The first of the folders that has the file. False with the reason: none has it, or it is there and cannot be read. */
static bool find_file(struct arena *arena, const struct side_kind *kind, const char *config_path, const char *name,
                      struct yaml_doc **ret, struct err *err)
{
    if (*name == '/')
        return yaml_read(arena, name, ret, err);
    const char *tried = "";
    for (const char *const *folder = side_folders(arena, kind, config_path); *folder; folder++) {
        const char *path = arena_printf(arena, "%s/%s", *folder, name);
        if (yaml_read(arena, path, ret, err))
            return true;
        if (err->code != ERR_NOT_FOUND)
            return false;
        tried = arena_printf(arena, "%s%s%s", tried, *tried ? ", " : "", *folder);
    }
    err_set(err, ERR_NOT_FOUND, "there is no %s file \"%s\"", kind->what, name);
    err_hint(err, "looked in %s", tried);
    return false;
}

/* ---- playbooks ---- */

static void fill_playbook(struct playbook *p)
{
    for (size_t i = 0; i < p->steps.n; i++) {
        struct step *s = &p->steps.p[i];
        if (!s->title.en)
            s->title = (struct text2){.en = s->id, .fr = s->id};
        if (!s->on_expiry)
            s->on_expiry = s->on_failure;
    }
}

/* The struct that a whole file is read into begins with its mark. */
static void load_file(struct walk *w, struct yaml_doc *doc, const struct option *table, struct mark *to)
{
    *to = (struct mark){
        .file = doc->file, .line = doc->root ? doc->root->line : 1, .column = doc->root ? doc->root->column : 1};
    struct place whole = {.doc = doc, .line = to->line, .column = to->column, .path = ""};
    *vec_add(w->arena, &w->origins) = (struct origin){.field = to, .place = whole};
    walk_doc(w, doc, table, to);
}

static void load_playbook(struct walk *w, struct yaml_doc *doc, struct playbook *p)
{
    load_file(w, doc, playbook_options, &p->mark);
    fill_playbook(p);
}

static void load_playbooks(struct walk *w, const char *config_path, struct service *service)
{
    size_t n = service->playbook_files.n;
    const struct yaml_doc *main_doc = w->doc;
    service->playbooks.p = arena_array(w->arena, struct playbook, n);
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        struct yaml_doc *doc = NULL;
        w->doc = main_doc;
        if (find_file(w->arena, &playbook_files, config_path, service->playbook_files.p[i], &doc, &err))
            load_playbook(w, doc, &service->playbooks.p[service->playbooks.n++]);
        else
            rule_failed(w, &service->playbook_files.p[i], service, &err);
    }
    w->doc = main_doc;
}

/* ---- checklists ---- */

static void load_checklists(struct walk *w, const char *config_path, struct service *service)
{
    size_t n = service->checklist_files.n;
    const struct yaml_doc *main_doc = w->doc;
    service->checklists.p = arena_array(w->arena, struct checklist, n);
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        struct yaml_doc *doc = NULL;
        w->doc = main_doc;
        if (find_file(w->arena, &checklist_files, config_path, service->checklist_files.p[i], &doc, &err))
            load_file(w, doc, checklist_options, &service->checklists.p[service->checklists.n++].mark);
        else
            rule_failed(w, &service->checklist_files.p[i], service, &err);
    }
    w->doc = main_doc;
}

/* ---- the whole ---- */

/* Defaults that are other values. */
static void fill_config(const struct walk *w, struct config *config)
{
    for (size_t i = 0; i < config->contacts.n; i++)
        if (!walk_written(w, &config->contacts.p[i].language))
            config->contacts.p[i].language = config->language;
    for (size_t i = 0; i < config->services.n; i++) {
        struct service *service = &config->services.p[i];
        const struct yaml_doc *doc = w->doc;
        struct place place = walk_origin(w, &service->traffic, service);
        service->traffic.mark = (struct mark){.file = doc->file, .line = place.line, .column = place.column};
    }
}

static size_t lint(const struct config *config, const struct config_hooks *hooks, struct arena *arena,
                   struct buf *problems)
{
    size_t fatal = 0;
    for (size_t i = 0; hooks->lint && i < config->services.n; i++)
        fatal += hooks->lint(arena, &config->services.p[i], problems);
    return fatal;
}

static bool verdict(size_t errors, const char *path, struct err *err)
{
    if (errors == 0)
        return true;
    err_set(err, ERR_CONFIG, "%zu error%s in \"%s\"", errors, errors == 1 ? "" : "s", path);
    return err_hint(err, "`bascule config check` prints them again; docs/options.md lists every key");
}

static bool load_doc(struct arena *arena, const char *path, struct yaml_doc *doc, const struct config_hooks *hooks,
                     struct config **ret, struct buf *out, struct err *err)
{
    struct problems problems = {.arena = arena};
    struct walk w = {.arena = arena, .hooks = hooks, .problems = &problems};
    struct config *config = arena_new(arena, struct config);
    config->path = arena_strdup(arena, path);
    walk_doc(&w, doc, config_options, config);
    if (doc->root) {
        fill_config(&w, config);
        people_make(&w, config);
        for (size_t i = 0; i < config->services.n; i++) {
            load_playbooks(&w, path, &config->services.p[i]);
            load_checklists(&w, path, &config->services.p[i]);
        }
        templates_load(&w, config);
        bool values_right = problems.errors == 0;
        templates_check(&w, config);
        rules_config(&w, config, values_right);
        rules_failover(&w, config, values_right);
        for (size_t i = 0; i < config->services.n; i++) {
            rules_playbooks(&w, &config->services.p[i], values_right);
            rules_checklists(&w, &config->services.p[i]);
        }
    }
    problems_print(&problems, out);
    if (problems.errors == 0)
        problems.errors = lint(config, hooks, arena, out);
    if (!verdict(problems.errors, path, err))
        return false;
    *ret = config;
    return true;
}

bool config_load(struct arena *arena, const char *path, const struct config_hooks *hooks, struct config **ret,
                 struct buf *problems, struct err *err)
{
    struct yaml_doc *doc;
    if (!yaml_read(arena, path, &doc, err)) {
        if (err && err->code == ERR_NOT_FOUND)
            err_hint(
                err,
                "name the configuration with -c FILE or $BASCULE_CONFIG; `bascule config sample` prints one to begin with");
        return err_prefix(err, "configuration");
    }
    return load_doc(arena, path, doc, hooks, ret, problems, err);
}

bool config_load_text(struct arena *arena, const char *path, struct str text, const struct config_hooks *hooks,
                      struct config **ret, struct buf *problems, struct err *err)
{
    return load_doc(arena, path, yaml_parse(arena, path, text), hooks, ret, problems, err);
}

bool config_load_playbook_text(struct arena *arena, const char *path, struct str text, struct playbook *ret,
                               struct buf *out, struct err *err)
{
    static const struct config_hooks none = {0};
    struct problems problems = {.arena = arena};
    struct walk w = {.arena = arena, .hooks = &none, .problems = &problems};
    struct playbook *playbook = arena_new(arena, struct playbook);
    load_playbook(&w, yaml_parse(arena, path, text), playbook);
    problems_print(&problems, out);
    if (!verdict(problems.errors, path, err))
        return false;
    *ret = *playbook;
    return true;
}
