/* observe/checks.c -- The list of all checks: one line each. */
#include "observe/check.h"
#include "observe/drivers.h"

const struct check_ops *const check_drivers[] = {
    &check_postgres, &check_tables, &check_http, &check_backup, &check_restore_test, &check_disk, &check_unit, &check_command,
    &check_heartbeat, &check_replication, &check_agent, NULL,
};

const struct check_ops *check_driver(const char *name)
{
    for (size_t i = 0; check_drivers[i]; i++)
        if (same(check_drivers[i]->name, name))
            return check_drivers[i];
    return NULL;
}
