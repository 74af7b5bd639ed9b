/* What S3, Route 53 or a load balancer of AWS answers with, which is whatever a stranger in its place sends. */
#include "io/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str rest = {(const char *)data, size}, one;
    size_t before = rest.n;
    while (xml_next(&rest, "Contents", &one)) {
        const char *key = xml_text(arena, one, "Key");
        if (rest.n >= before || one.p < (const char *)data || one.p + one.n > (const char *)data + size || (key && strlen(key) > one.n))
            abort();
        before = rest.n;
        (void)xml_text(arena, one, "Size");
    }
    return 0;
}
