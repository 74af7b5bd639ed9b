/* tell/channels.c -- All channels there are. */
#include "tell/channel.h"

extern const struct channel_ops channel_command, channel_log, channel_pagerduty, channel_slack, channel_sms, channel_smtp, channel_statuspage, channel_webhook;

const struct channel_ops *const channel_drivers[] = {
    &channel_log,
    &channel_smtp,
    &channel_slack,
    &channel_sms,
    &channel_pagerduty,
    &channel_webhook,
    &channel_command,
    &channel_statuspage,
    NULL,
};

const struct channel_ops *channel_driver(const char *name)
{
    for (const struct channel_ops *const *driver = channel_drivers; *driver; driver++)
        if (same((*driver)->name, name))
            return *driver;
    return NULL;
}
