/* fuzz_agents.c -- Any bytes as an epoch or a lease in etcd, or as what an agent says of itself: a verdict with its reason, and what was
   understood is within its bounds. The first byte chooses which. */
#include "act/agentlink.h"
#include "act/epoch.h"
#include "io/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void said(struct str text)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct agent_answer answer = {.over = true, .ok = true};
    struct agent_said s;
    struct err err = {0};
    if (!json_parse(arena, text, &answer.body, &err))
        return;
    if (!agent_said(&answer, &s, &err))
        must(err.code != ERR_NONE && err.message[0]);
    else
        must(strlen(s.why) < sizeof(s.why) && strlen(s.pg) < sizeof(s.pg));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct str text = {(const char *)data + 1, size - 1};
    struct epoch e;
    struct epoch_lease l;
    struct err err = {0};
    if (data[0] % 3 == 0)
        must(epoch_parse(text, &e, &err) ? e.number > 0 && *e.site && str_is_clean(str_of(e.site)) : err.code != ERR_NONE && err.message[0]);
    else if (data[0] % 3 == 1)
        must(epoch_lease_parse(text, &l, &err) ? strlen(l.armed) < sizeof(l.armed) : err.code != ERR_NONE);
    else
        said(text);
    return 0;
}
