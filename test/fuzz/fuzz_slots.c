/* fuzz_slots.c -- Any text as a list of slots, the name of a segment, a history of timelines, and what was said of an archive: read without harm,
   and every segment that is named is whole and before the fork. */
#include "act/archive.h"
#include "act/slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_slots(struct arena *arena, const char *text)
{
    struct slot_fate fates[4];
    struct slots_asked asked = {.there = text, .here = text, .own = "dr", .version = 170000, .received = 0x3000000};
    size_t n = slots_judge(&asked, fates, COUNT_OF(fates));
    for (size_t i = 0; i < n; i++)
        if (!*fates[i].why || !slot_end_name(fates[i].end))
            abort();
    asked.here = "feed:logical:0/3000148:fs third:physical";
    (void)slots_judge(&asked, fates, COUNT_OF(fates));
    if (!*slots_say(arena, text))
        abort();
}

static void look_at_segments(struct arena *arena, const char *text, uint64_t fork)
{
    struct segments s, again;
    if (!segments_after(text, 2, fork, 16 << 20, &s))
        return;
    if (s.to < s.from)
        abort();
    if (s.to == s.from)
        return;
    const char *last = segment_name(arena, &s, s.to - 1);
    if (s.to * s.bytes > fork || !segments_after(last, 2, fork, 16 << 20, &again) || again.from != s.to)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *text = arena_strndup(arena, size ? (const char *)data : "", size);
    struct archive_answer answer;
    uint64_t fork = 0;
    look_at_slots(arena, text);
    (void)history_fork((struct str){(const char *)data, size}, 1, &fork);
    look_at_segments(arena, text, fork ? fork : 0x7000148);
    if (archive_answer(arena, (struct str){(const char *)data, size}, &answer) && answer.handed.n && strlen(answer.handed.p[0]) != 24)
        abort();
    return 0;
}
