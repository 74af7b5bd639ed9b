/* act/warmsite.c -- Which site keeps the copy, who may touch it now, and what is in it. */
#include "act/warmsite.h"

#include "act/traffic/traffic.h"
#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "base/banned.h"

enum { LOOK_EVERY_MS = 100 };

bool warmsite_find(const struct action_ctx *ctx, const char *name, const struct site **ret, struct err *err)
{
    const struct service *service = ctx->service;
    if (name)
        return action_site(ctx, name, ret, err);
    for (size_t i = 0; i < service->sites.n; i++)
        if (service->sites.p[i].backup.follow_ms) {
            *ret = &service->sites.p[i];
            return true;
        }
    *ret = service_site_of(service, SITE_DR);
    if (*ret)
        return true;
    err_set(err, ERR_CONFIG, "service \"%s\" has no second site that could keep a warm copy", service->name);
    return err_hint(err, "add a site with role dr to the configuration");
}

bool warmsite_restorable(const struct site *site, bool wants_folder, struct err *err)
{
    if (!site->database.at.host || !site->database.at.dbname)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no database to restore into", site->name);
    if (wants_folder && !site->backup.folder)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no backup folder", site->name);
    if (!host_is_local(&site->host)) {
        err_set(err, ERR_REFUSED, "the backups of site \"%s\" lie on host \"%s\", and a restore reads them where they lie", site->name,
                site->host.address);
        return err_hint(err, "run this command on that host");
    }
    return true;
}

const struct site *warmsite_source(const struct action_ctx *ctx, const struct site *site)
{
    const struct site *production = service_site_of(ctx->service, SITE_PRODUCTION);
    if (production && production != site)
        return production;
    for (size_t i = 0; i < ctx->service->sites.n; i++)
        if (&ctx->service->sites.p[i] != site)
            return &ctx->service->sites.p[i];
    return site;
}

const char *warmsite_admin(const struct site *site)
{
    return site->database.admin_dbname ? site->database.admin_dbname : "postgres";
}

bool warmsite_serves(const struct action_ctx *ctx, const struct site *site)
{
    const struct traffic_ops *traffic;
    const struct site *now;
    return ctx->service->traffic.driver && traffic_of(ctx, &traffic, NULL) && traffic->read_back(ctx, &now, NULL) && now == site;
}

/* ---- the lock ---- */

struct waiting {
    const struct action_ctx *ctx;
    const char *path;
    int fd;
    bool said;
    struct err broken; /* it cannot be locked at all, so waiting does not help */
};

static bool is_free(void *arg, struct err *err)
{
    struct waiting *w = arg;
    if (file_lock(w->path, &w->fd, err))
        return true;
    if (err->code == ERR_REFUSED) {
        if (!w->said)
            report_progress(w->ctx->report, 0, 0, "waiting for the restore that is under way");
        w->said = true;
        return err_set(err, ERR_REFUSED, "another restore of service \"%s\" is under way on this machine", w->ctx->service->name);
    }
    w->broken = *err;
    return err_set(err, ERR_CANCELLED, "%s", w->broken.message); /* the one reason for which action_wait stops at once */
}

bool warmsite_lock(const struct action_ctx *ctx, int64_t wait_ms, int *ret_fd, struct err *err)
{
    struct waiting w = {.ctx = ctx, .fd = -1};
    struct err why = {0};
    if (!file_mkdirs(ctx->state_dir, 0700, err))
        return false;
    w.path = file_join(ctx->arena, ctx->state_dir, arena_printf(ctx->arena, "restore-%s.lock", ctx->service->name));
    bool ok = wait_ms > 0 ? action_wait(ctx, wait_ms, LOOK_EVERY_MS, is_free, &w, &why) : is_free(&w, &why);
    if (!ok && err)
        *err = w.broken.code ? w.broken : why;
    if (ok)
        *ret_fd = w.fd;
    return ok;
}

/* ---- the copy ---- */

bool warmsite_holds(const struct warm_copy *copy, const struct backup *backup)
{
    if (!copy->waits)
        return false;
    if (backup->sha256)
        return same(copy->sha256, backup->sha256);
    return same(copy->file, backup->file) && copy->bytes == backup->bytes;
}

char *warmsite_age(struct arena *arena, const struct warm_copy *copy)
{
    const char *ago = duration_say(arena, MAX_OF(clock_wall_ms() - copy->marked_wall_ms, 0));
    if (!copy->snapshot_wall_ms)
        return arena_printf(arena, "restored %s ago", ago);
    return arena_printf(arena, "restored %s ago, data as of %s", ago, moment_minute(arena, copy->snapshot_wall_ms));
}
