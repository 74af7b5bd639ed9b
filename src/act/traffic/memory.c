/* act/traffic/memory.c -- One small file for each service: "DRIVER SITE" in its first line, then what the driver wants to know again. */
#include "act/traffic/memory.h"

#include <errno.h>
#include <unistd.h>

#include "sys/file.h"

#include "base/banned.h"

enum { MEMORY_MAX = 256 * 1024 };

static char *path_of(const struct action_ctx *ctx)
{
    return arena_printf(ctx->arena, "%s/traffic.%s.before", ctx->state_dir, ctx->service->name);
}

/* What another driver kept says nothing to this one. */
static bool recall(const struct action_ctx *ctx, struct str *ret_site, struct str *ret_text, struct err *err)
{
    struct str text, head, driver;
    if (!file_read(ctx->arena, path_of(ctx), MEMORY_MAX, &text, err))
        return false;
    if (!str_next(&text, '\n', &head) || !str_next(&head, ' ', &driver) || !str_is(driver, ctx->service->traffic.driver))
        return err_set(err, ERR_NOT_FOUND, "there is no state before a switch by driver \"%s\"", ctx->service->traffic.driver);
    *ret_site = head;
    *ret_text = text;
    return true;
}

bool memory_keep(const struct action_ctx *ctx, const struct site *to, const char *text, struct err *err)
{
    struct str site, kept;
    struct err unread = {0};
    if (recall(ctx, &site, &kept, &unread) && str_is(site, to->name))
        return true;
    if (unread.code != ERR_NONE && unread.code != ERR_NOT_FOUND) {
        *err = unread;
        return false;
    }
    const char *all = arena_printf(ctx->arena, "%s %s\n%s", ctx->service->traffic.driver, to->name, text);
    return (file_mkdirs(ctx->state_dir, 0700, err) && file_write(path_of(ctx), all, strlen(all), 0600, err)) ||
           err_prefix(err, "keeping the state before the switch");
}

bool memory_text(const struct action_ctx *ctx, struct str *ret, struct err *err)
{
    struct str site;
    return recall(ctx, &site, ret, err) || err_prefix(err, "the state before the last switch");
}

bool memory_known(const struct action_ctx *ctx, bool *ret, struct err *err)
{
    struct str site, text;
    struct err own = {0};
    *ret = recall(ctx, &site, &text, &own);
    if (*ret || own.code == ERR_NOT_FOUND)
        return true;
    *err = own;
    return false;
}

bool memory_forget(const struct action_ctx *ctx, struct err *err)
{
    return unlink(path_of(ctx)) == 0 || errno == ENOENT || err_os(err, errno, "could not remove \"%s\"", path_of(ctx));
}

bool memory_back(struct arena *arena, bool is_back, const struct err *second, struct err *err)
{
    char *first = arena_strdup(arena, err->message);
    enum err_code code = err->code;
    if (is_back)
        return err_set(err, code, "%s; the state before it is back", first);
    err_set(err, code, "%s; and the state before it could not be put back: %s", first, second->message);
    return *second->hint ? err_hint(err, "%s", second->hint) : false;
}
