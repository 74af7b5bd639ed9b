/* observe/drivers.h -- The checks there are, one per file check_NAME.c; checks.c lists them. */
#pragma once
#include "observe/check.h"

extern const struct check_ops check_postgres, check_tables, check_http, check_backup, check_restore_test, check_disk, check_unit, check_command, check_heartbeat, check_replication,
    check_agent;

/* What checks say about a site they need. Always false with the reason, or true. */
MUST_USE bool check_needs_site(const struct check_conf *conf, const struct service *service, const struct site **ret, struct err *err);
