/* act/slots.c -- A slot may be made on a standby; from then on it keeps what its reader will want. */
#include "act/slots.h"

#include "base/banned.h"

enum { QUESTION_MS = 5 * MS_SECOND };

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

bool slots_carry(const struct action_ctx *ctx, struct pg *pg, const char *all, const char *own, const char **ret_made, struct err *err)
{
    struct str rest = str_of(all), word;
    *ret_made = "";
    while (ctx->service->replication.carry_slots && rest.n && str_next(&rest, ' ', &word)) {
        struct str type = word, name = {0};
        if (!str_next(&type, ':', &name) || !str_is(type, "physical") || !name.n || str_is(name, own))
            continue;
        if (!carry_one(ctx, pg, str_dup(ctx->arena, name), ret_made, err))
            return false;
    }
    return true;
}
