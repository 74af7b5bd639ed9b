/* fuzz_hosttext.c -- Whatever a host prints when it is asked for its disk and its log: read without harm, and no usage from nothing. */
#include "act/action_diagnose.c"

#define valid disk_valid /* both files are drivers and name their functions alike */
#define start disk_start
#include "observe/check_disk.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    char *own = arena_strndup(arena, (const char *)data, size);
    struct str text = {own, size};
    struct usage usage;
    if (read_usage(text, &usage) && (usage.percent < 0 || usage.percent > 100 || usage.used < 0))
        abort();
    const char *line = telling_line(arena, text);
    if (line && strchr(line, '\n'))
        abort();
    first_line(arena, text);
    return 0;
}
