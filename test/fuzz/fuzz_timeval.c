/* Any text as a duration or a moment: what is accepted prints to something that reads back to the same. */
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *text = arena_strndup(arena, (const char *)data, size);
    struct err err = {0};
    int64_t ms, again;
    if (duration_parse(text, &ms, &err)) {
        check(ms >= 0);
        check(duration_parse(duration_print(arena, ms), &again, &err) && again == ms);
        check(*duration_say(arena, ms) && *duration_clock(arena, ms));
    } else {
        check(err.code == ERR_CONFIG);
    }
    if (moment_parse_iso(text, &ms))
        check(moment_parse_iso(moment_iso(arena, ms), &again) && again == ms);
    if (moment_parse_file(text, &ms)) {
        check(moment_parse_file(moment_file(arena, ms), &again) && again == ms);
        check(strncmp(moment_file(arena, ms), text, 15) == 0);
    }
    if (size >= sizeof(ms)) { /* any number prints */
        memcpy(&ms, data, sizeof(ms));
        check(*duration_say(arena, ms) && *duration_clock(arena, ms));
    }
    return 0;
}
