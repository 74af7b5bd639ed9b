/* seed_journal.c -- For tests: appends rows to the journal of a state folder, one JSON object a line on stdin. Members are those of
   `bascule journal show --json`; at_ms is wall_ms unless given. What has no controller yet, or needs 90 days, is written this way. */
#include <stdio.h>

#include "io/json.h"
#include "record/journal.h"

static const char *text_of(const struct json *row, const char *key)
{
    const char *text = json_string(json_get(row, key));
    return text ? text : "";
}

static int64_t number_of(const struct json *row, const char *key)
{
    int64_t number = 0;
    return json_integer(json_get(row, key), &number) ? number : 0;
}

static bool kind_of(const struct json *row, bool is_order, int *ret)
{
    enum order_kind order;
    enum event_kind event;
    if (is_order ? !order_of(text_of(row, "kind"), &order) : !event_of(text_of(row, "kind"), &event))
        return false;
    *ret = is_order ? (int)order : (int)event;
    return true;
}

static bool append(struct journal *journal, struct arena *a, const char *line, struct err *err)
{
    const struct json *row;
    int64_t seq;
    if (!json_parse(a, str_of(line), &row, err))
        return false;
    bool is_order = same(text_of(row, "class"), "order");
    struct record r = {.wall_ms = number_of(row, "wall_ms"), .is_order = is_order, .incident = number_of(row, "incident"), .number = number_of(row, "number"),
                       .ref = number_of(row, "ref"), .service = text_of(row, "service"), .subject = text_of(row, "subject"), .who = text_of(row, "who"),
                       .text = text_of(row, "text"), .stage = text_of(row, "stage"), .channel = text_of(row, "channel"), .address = text_of(row, "address"),
                       .detail = text_of(row, "detail")};
    r.at_ms = json_get(row, "at_ms") ? number_of(row, "at_ms") : r.wall_ms;
    if (!kind_of(row, is_order, &r.kind))
        return err_set(err, ERR_DATA, "no kind: %s", line);
    return journal_append(journal, &r, 1, &seq, err);
}

int main(int argc, char **argv)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    char *line = NULL;
    size_t room = 0;
    bool ok = argc == 2 && journal_open(argv[1], JOURNAL_APPEND, false, &journal, &err);
    while (ok && getline(&line, &room, stdin) > 0) {
        SCOPED(arena_close) struct arena *a = arena_open();
        ok = append(journal, a, line, &err);
    }
    free(line);
    if (!ok)
        fprintf(stderr, "%s\n", argc == 2 ? err.message : "usage: seed_journal STATE_DIR <rows.jsonl");
    return ok ? 0 : 1;
}
