/* act/traffic/drivers.c -- All traffic drivers. A new one adds one line here and one above. */
#include "act/traffic/traffic.h"

#include "base/banned.h"

extern const struct traffic_ops traffic_address, traffic_command, traffic_dns, traffic_haproxy, traffic_nginx, traffic_pgbouncer,
    traffic_cloudflare, traffic_route53, traffic_elbv2;

const struct traffic_ops *const traffic_drivers[] = {
    &traffic_nginx,
    &traffic_haproxy,
    &traffic_dns,
    &traffic_cloudflare,
    &traffic_route53,
    &traffic_elbv2,
    &traffic_pgbouncer,
    &traffic_address,
    &traffic_command,
    NULL,
};

const struct traffic_ops *traffic_driver(const char *name)
{
    for (size_t i = 0; traffic_drivers[i]; i++)
        if (same(traffic_drivers[i]->name, name))
            return traffic_drivers[i];
    return NULL;
}
