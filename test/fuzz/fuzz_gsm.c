/* Any bytes: what comes out is text of the telephones' alphabet, gives itself again, is counted as it is cut, and never grows beyond what fits. */
#include "tell/gsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *text = gsm_text(arena, arena_strndup(arena, (const char *)data, size));
    check(str_is_clean(str_of(text)));
    check(same(gsm_text(arena, text), text));
    size_t septets = gsm_septets(text);
    int segments = gsm_segments(text);
    check(segments == 0 ? septets == 0 : segments == 1 ? septets <= GSM_ONE : septets <= (size_t)segments * GSM_PART && septets > (size_t)(segments - 1) * (GSM_PART - 1));
    for (int allowed = 1; allowed <= 3; allowed++) {
        const char *cut = gsm_cut(arena, text, allowed);
        check(gsm_segments(cut) <= allowed);
        check(segments <= allowed ? same(cut, text) : str_is_clean(str_of(cut)));
    }
    return 0;
}
