/* Any text: what comes out has nothing left to take out, is no longer than a mark for each byte, and keeps the line ends of what stays. */
#include "model/discreet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct config config = {0};
    struct service *s = vec_add(arena, &config.services);
    *s = (struct service){.name = "akig", .public_url = "https://akig.com"};
    vec_add(arena, &s->sites)->host.address = "db1";
    const char *text = arena_strndup(arena, (const char *)data, size), *out = discreet(arena, &config, text);
    if (!same(discreet(arena, &config, out), out) || strlen(out) > strlen(text) * sizeof(DISCREET_MARK))
        abort();
    return 0;
}
