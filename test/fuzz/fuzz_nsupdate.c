/* fuzz_nsupdate.c -- Any bytes as the answer of a DNS server: read without harm, and what was read is text of one line. */
#include "io/nsupdate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct ns_message message;
    struct err err = {0};
    if (!ns_parse(arena, data, size, &message, &err)) {
        if (!*err.message)
            abort();
        return 0;
    }
    for (size_t i = 0; i < message.records.n; i++) {
        const struct ns_record *r = &message.records.p[i];
        if (r->type >= NS_TYPE_MAX || !r->name || !r->value || strpbrk(r->name, "\r\n") || strpbrk(r->value, "\r\n"))
            abort();
    }
    return 0;
}
