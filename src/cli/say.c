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
