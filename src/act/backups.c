/* act/backups.c -- What backup/ is asked with. */
#include "act/backups.h"

bool site_backups(struct arena *arena, const struct service *service, const struct site *site, const char *folder, struct backup_place *ret,
                  struct err *err)
{
    struct keyring *keys = arena_new(arena, struct keyring);
    if (!folder && !site->backup.folder) {
        err_set(err, ERR_CONFIG, "site \"%s\" has no backup folder", site->name);
        return err_hint(err, "set \"backup: {folder: PATH}\" of the site");
    }
    if (!keyring_read(&site->backup.key, &site->backup.old_key, keys, err))
        return false;
    *ret = (struct backup_place){.service = service->name, .folder = folder ? folder : site->backup.folder, .keys = keys};
    return true;
}

size_t site_stores(struct arena *arena, const struct site *site, struct store **ret)
{
    struct store *stores = arena_array(arena, struct store, site->backup.stores.n);
    for (size_t i = 0; i < site->backup.stores.n; i++) {
        const struct store_conf *c = &site->backup.stores.p[i];
        stores[i] = (struct store){.name = c->name, .ops = store_driver(c->type), .options = c->options};
    }
    *ret = stores;
    return site->backup.stores.n;
}

struct retention site_retention(const struct site *site)
{
    return (struct retention){.keep_ms = site->backup.retention_ms, .newest = site->backup.keep_newest, .daily = site->backup.keep_daily,
                              .weekly = site->backup.keep_weekly, .monthly = site->backup.keep_monthly, .yearly = site->backup.keep_yearly};
}

int64_t service_rpo_ms(const struct service *service)
{
    int64_t strictest = 0;
    for (size_t i = 0; i < service->severities.n; i++) {
        int64_t rpo = service->severities.p[i].rpo_ms;
        if (rpo && (!strictest || rpo < strictest))
            strictest = rpo;
    }
    return strictest;
}
