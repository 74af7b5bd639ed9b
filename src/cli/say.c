/* cli/say.c -- Columns and durations as people of the chosen language read them. */
#include "cli/command.h"
#include "tell/wording.h"

const char *cli_duration(const struct cli *cli, int64_t ms)
{
    return say_duration(cli->arena, cli->language, ms);
}

void cli_pad(struct buf *out, const char *text, int width)
{
    int columns = 0;
    for (const char *p = text; *p; p++)
        columns += ((unsigned char)*p & 0xC0) != 0x80; /* the later bytes of a character take no room */
    buf_printf(out, "%s%*s", text, columns < width ? width - columns : 0, "");
}

const char *cli_state(enum incident_state state)
{
    static const char *const texts[INCIDENT_MAX] = {
        [INCIDENT_OPEN] = N_("open"),           [INCIDENT_ACKNOWLEDGED] = N_("acknowledged"), [INCIDENT_MITIGATING] = N_("mitigating"),
        [INCIDENT_MONITORING] = N_("monitoring"), [INCIDENT_RESOLVED] = N_("resolved"),         [INCIDENT_REVIEWED] = N_("reviewed"),
    };
    return _(texts[state]);
}
