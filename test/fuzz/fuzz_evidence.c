/* fuzz_evidence.c -- Any text as a proof of a checklist, and any text as a report: what is taken can be followed through records of every
   kind, and nothing becomes markup that is not ours. */
#include "model/checklist.h"
#include "model/config.h"
#include "record/story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void feed_all(struct checklists *lists, const char *text)
{
    for (int kind = 0; kind < EVENT_MAX + ORDER_MAX; kind++) {
        struct record r = {.seq = kind + 1, .at_ms = kind, .wall_ms = kind, .is_order = kind >= EVENT_MAX, .kind = kind >= EVENT_MAX ? kind - EVENT_MAX : kind,
                           .incident = 7, .number = kind % 5, .service = "akig", .subject = text, .who = text, .text = text, .stage = "", .channel = "",
                           .address = "", .detail = ""};
        checklists_feed(lists, &r);
    }
}

static void as_proof(struct arena *a, const char *text)
{
    struct evidence proof = {0};
    struct err err = {0};
    if (!evidence_parse(a, text, &proof, &err)) {
        check(err.code == ERR_CONFIG && *err.message);
        return;
    }
    check(proof.n > 0 && !proof.p[0].alternative);
    struct service service = {.name = "akig"};
    struct checklist *list = vec_add(a, &service.checklists);
    *list = (struct checklist){.name = "l", .title = {"l", "l"}, .applies_when = text, .applies = proof};
    struct checklist_item *item = vec_add(a, &list->items);
    *item = (struct checklist_item){.id = "i", .title = {"i", "i"}, .due_ms = 1, .proven_by = text, .proof = proof};
    struct checklists lists;
    struct strs late = {0};
    checklists_init(a, &service, &lists);
    feed_all(&lists, text);
    feed_all(&lists, "7/alert/ops/mail");
    feed_all(&lists, "7.restart.3");
    check(lists.p[0].applies == (lists.p[0].items[0].mark == ITEM_PROVEN)); /* the same proof */
    checklists_late(a, &lists, 1000, LANGUAGE_EN, 8, &late);
    check(late.n == checklists_late_count(&lists, 1000));
}

static void as_report(const char *text)
{
    SCOPED(buf_done) struct buf in = {.max = 1024 * 1024}, out = {.max = 16 * 1024 * 1024};
    buf_puts(&in, text);
    story_html(&in, false, LANGUAGE_EN, &out);
    static const char *const ours[] = {"!DOCTYPE", "html", "head", "meta", "title", "style", "body", "main", "nav", "ol", "li", "a ", "a>", "h1", "h2", "h3", "p>",
                                       "ul", "aside", "div", "table", "thead", "tbody", "tr", "th", "td", "code", "strong"};
    for (const char *p = buf_text(&out); (p = strchr(p, '<')); p++) {
        const char *name = p[1] == '/' ? p + 2 : p + 1;
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(ours); i++)
            known = known || strncmp(name, ours[i], strlen(ours[i])) == 0;
        check(known);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    SCOPED(arena_close) struct arena *a = arena_open();
    char *text = arena_strndup(a, (const char *)data, size);
    if (str_is_clean(str_of(text)))
        as_proof(a, text);
    as_report(text);
    return 0;
}
