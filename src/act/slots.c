/* act/slots.c -- A physical slot may be made on a standby; from then on it keeps what its reader will want. A logical one cannot: its place in
   the changes is known on the primary only, until PostgreSQL 17 copies it. */
#include "act/slots.h"

#include <inttypes.h>
#include <stdarg.h>

#include "io/standing.h"

#include "base/banned.h"

enum { QUESTION_MS = 5 * MS_SECOND, COPIES_SINCE = 17, DECODES_SINCE = 16 };

/* ---- carrying ---- */

static bool is_there(const struct action_ctx *ctx, struct pg *pg, const char *name, bool *ret, struct err *err)
{
    const char *params[] = {name};
    struct pg_rows *rows;
    if (!pg_exec(pg, ctx->arena, "select 1 from pg_catalog.pg_replication_slots where slot_name = $1", params, 1, action_time(ctx, QUESTION_MS), &rows, err))
        return false;
    *ret = pg_count(rows) > 0;
    return true;
}

static bool carry_one(const struct action_ctx *ctx, struct pg *pg, const char *name, const char **made, struct err *err)
{
    const char *params[] = {name};
    bool there;
    if (!is_there(ctx, pg, name, &there, err))
        return false;
    if (there)
        return true;
    if (!pg_exec(pg, ctx->arena, "select pg_catalog.pg_create_physical_replication_slot($1, true)", params, 1, action_time(ctx, QUESTION_MS), NULL, err))
        return err_prefix(err, "making slot \"%s\"", name);
    *made = arena_printf(ctx->arena, "%s%s%s", *made, **made ? ", " : "", name);
    return true;
}

/* One entry of a list, cut into its parts. */
struct entry {
    struct str name, type, reader, marks;
};

static bool next_entry(struct str *rest, struct entry *ret)
{
    struct str word;
    while (rest->n && str_next(rest, ' ', &word)) {
        *ret = (struct entry){0};
        if (str_next(&word, ':', &ret->name) && ret->name.n && str_next(&word, ':', &ret->type)) {
            (void)(str_next(&word, ':', &ret->reader) && str_next(&word, ':', &ret->marks));
            return true;
        }
    }
    return false;
}

bool slots_carry(const struct action_ctx *ctx, struct pg *pg, const char *all, const char *own, const char **ret_made, struct err *err)
{
    struct str rest = str_of(all);
    struct entry e;
    *ret_made = "";
    while (ctx->service->replication.carry_slots && next_entry(&rest, &e))
        if (str_is(e.type, "physical") && !str_is(e.name, own) && !carry_one(ctx, pg, str_dup(ctx->arena, e.name), ret_made, err))
            return false;
    return true;
}

bool slots_drop(const struct action_ctx *ctx, struct pg *pg, const char *made, struct err *err)
{
    struct str rest = str_of(made), name;
    while (rest.n && str_next(&rest, ',', &name)) {
        const char *params[] = {str_dup(ctx->arena, str_trim(name))};
        if (!pg_exec(pg, ctx->arena, "select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1 and not active",
                     params, 1, action_time(ctx, QUESTION_MS), NULL, err))
            return err_prefix(err, "dropping slot \"%s\"", params[0]);
    }
    return true;
}

/* ---- judging ---- */

static bool has_mark(const struct entry *e, char mark)
{
    return e->marks.n && memchr(e->marks.p, mark, e->marks.n);
}

static bool find_entry(const char *all, const struct entry *wanted, struct entry *ret)
{
    struct str rest = str_of(all);
    while (next_entry(&rest, ret))
        if (ret->name.n == wanted->name.n && memcmp(ret->name.p, wanted->name.p, wanted->name.n) == 0 && ret->type.n == wanted->type.n)
            return true;
    return false;
}

static void end_as(struct slot_fate *fate, enum slot_end end, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void end_as(struct slot_fate *fate, enum slot_end end, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fate->end = end;
    (void)vsnprintf(fate->why, sizeof(fate->why), fmt, args);
    va_end(args);
}

static void judge_missing(const struct slots_asked *q, const struct entry *there, struct slot_fate *fate)
{
    int major = (int)(q->version / 10000);
    if (major && major < DECODES_SINCE)
        end_as(fate, SLOT_LOST, "no standby of PostgreSQL %d has logical slots: its reader needs a new one, and a new copy of its data", major);
    else if (major && major < COPIES_SINCE)
        end_as(fate, SLOT_LOST, "nothing copies logical slots to a standby before PostgreSQL 17: its reader needs a new one, and a new copy of its data");
    else if (!has_mark(there, 'f'))
        end_as(fate, SLOT_LOST, "it is no failover slot, so that it was not copied: its reader needs a new one, and a new copy of its data");
    else
        end_as(fate, SLOT_LOST, "it is a failover slot and was not copied yet; see sync_replication_slots and hot_standby_feedback of the standby");
}

/* A copy stands where it was copied, so a little before its reader; a slot of the same name that is no copy stands anywhere. */
static void judge_copy(const struct slots_asked *q, const struct entry *there, const struct entry *here, struct slot_fate *fate)
{
    uint64_t reader, copy;
    if (has_mark(here, 'x'))
        end_as(fate, SLOT_LOST, "its copy is of no use any more: PostgreSQL has thrown away what it would need");
    else if (!lsn_parse(there->reader, &reader) || !lsn_parse(here->reader, &copy))
        end_as(fate, SLOT_LOST, "where it stands is not known");
    else if (copy > reader && !has_mark(here, 's'))
        end_as(fate, SLOT_LOST, "one of that name is there and is no copy: it begins %" PRIu64 " bytes after what its reader had, which misses those", copy - reader);
    else if (q->received && reader > q->received)
        end_as(fate, SLOT_LAGGING, "its reader has %" PRIu64 " bytes that the new primary never received", reader - q->received);
    else if (copy < reader)
        end_as(fate, SLOT_LAGGING, "its copy is %" PRIu64 " bytes behind its reader, who is sent those again", reader - copy);
    else
        end_as(fate, SLOT_SAFE, "its copy stands where its reader does");
}

static void judge_one(const struct slots_asked *q, const struct entry *there, struct slot_fate *fate)
{
    struct entry here;
    bool found = find_entry(q->here, there, &here);
    fate->logical = str_is(there->type, "logical");
    (void)str_copy(fate->name, MIN_OF(sizeof(fate->name), there->name.n + 1), there->name.p);
    if (fate->logical && has_mark(there, 'x'))
        end_as(fate, SLOT_LOST, "it was of no use any more on the old primary");
    else if (fate->logical && found)
        judge_copy(q, there, &here, fate);
    else if (fate->logical)
        judge_missing(q, there, fate);
    else if (found)
        end_as(fate, SLOT_SAFE, "it is there, and keeps changes");
    else if (q->carried)
        end_as(fate, SLOT_SAFE, "it is made before the promotion");
    else
        end_as(fate, SLOT_LOST, "it is not there; replication.carry_slots makes it before a promotion");
}

size_t slots_judge(const struct slots_asked *asked, struct slot_fate *ret, size_t max)
{
    struct str rest = str_of(asked->there);
    struct entry e;
    size_t n = 0;
    while (n < max && next_entry(&rest, &e)) {
        if (str_is(e.name, asked->own) && str_is(e.type, "physical"))
            continue;
        ret[n] = (struct slot_fate){0};
        judge_one(asked, &e, &ret[n++]);
    }
    return n;
}

const char *slot_end_name(enum slot_end end)
{
    static const char *const names[] = {[SLOT_SAFE] = "safe", [SLOT_LAGGING] = "lagging", [SLOT_LOST] = "lost"};
    return names[end];
}

char *slots_say(struct arena *arena, const char *all)
{
    struct str rest = str_of(all);
    struct entry e;
    char *list = arena_strdup(arena, "");
    while (next_entry(&rest, &e))
        list = arena_printf(arena, "%s%s" STR_FMT ":" STR_FMT, list, *list ? ", " : "", STR_ARG(e.name), STR_ARG(e.type));
    return *list ? list : arena_strdup(arena, "none");
}
