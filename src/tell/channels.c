/* tell/channels.c -- All channels there are. */
#include "tell/channel.h"

extern const struct channel_ops channel_log, channel_slack, channel_smtp;

const struct channel_ops *const channel_drivers[] = {
    &channel_log,
    &channel_smtp,
    &channel_slack,
    NULL,
};

const struct channel_ops *channel_driver(const char *name)
{
    for (const struct channel_ops *const *driver = channel_drivers; *driver; driver++)
        if (same((*driver)->name, name))
            return *driver;
    return NULL;
}
