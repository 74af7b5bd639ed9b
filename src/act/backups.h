/* act/backups.h -- The backups of a site as backup/ wants to be asked about them, made of the configuration. */
#pragma once
#include "backup/retention.h"
#include "backup/store.h"
#include "model/config.h"

/* The folder and the keys, which are read from their secrets. ERR_CONFIG when the site has no backup folder. `folder` NULL: the site's. */
MUST_USE bool site_backups(struct arena *arena, const struct service *service, const struct site *site, const char *folder,
                           struct backup_place *ret, struct err *err);
/* The stores of a site in the order of the configuration. */
size_t site_stores(struct arena *arena, const struct site *site, struct store **ret);
/* What its configuration keeps. */
struct retention site_retention(const struct site *site);
/* The strictest RPO of the service's severities; 0: none is set. */
int64_t service_rpo_ms(const struct service *service);
