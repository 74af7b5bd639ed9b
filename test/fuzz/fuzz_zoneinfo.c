/* A time zone file: whatever its bytes say, the table is ascending, bounded, and can be asked. */
#include "io/zoneinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct zone zone;
    struct err err = {0};
    if (!zoneinfo_parse(arena, (struct str){(const char *)data, size}, &zone, &err))
        return 0;
    for (size_t i = 1; i < zone.spans.n; i++)
        if (zone.spans.p[i].from_ms <= zone.spans.p[i - 1].from_ms)
            abort();
    (void)zone_offset_ms(&zone, 1790000000000);
    (void)zone_moment_ms(&zone, 1790000000000);
    return 0;
}
