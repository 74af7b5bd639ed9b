/* fuzz_quorum.c -- Any text as synchronous_standby_names: what is understood names whoever it names, and asks for one at least. */
#include "act/quorum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct quorum q;
    struct err err = {0};
    if (!quorum_parse(arena_strndup(arena, size ? (const char *)data : "", size), &q, &err))
        return 0;
    if (q.acks < 0 || q.n > QUORUM_NAMES_MAX || (q.acks && !q.n && !q.all))
        abort();
    for (size_t i = 0; i < q.n; i++)
        if (!*q.names[i] || !quorum_names(&q, q.names[i]))
            abort();
    for (size_t voters = 0; voters < 20; voters++)
        if (quorum_needed(&q, voters) < 1 || (voters && quorum_needed(&q, voters) > voters))
            abort();
    return 0;
}
