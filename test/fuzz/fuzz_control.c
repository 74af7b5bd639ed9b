/* fuzz_control.c -- Any text as what pg_controldata says, and as a postgresql.auto.conf: read without harm; settings that were written once
   are written the same a second time. */
#include "act/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf once = {.max = 1024 * 1024}, twice = {.max = 1024 * 1024};
    struct str text = {(const char *)data, size};
    struct err err = {0};
    struct control c;
    if (control_parse(text, &c, &err) == (*err.message != 0))
        abort();
    char *word = arena_strndup(arena, size ? (const char *)data : "", MIN_OF(size, (size_t)64));
    struct following f = {.host = word, .user = word, .password = word, .name = "n", .slot = following_slot(arena, word)};
    following_settings(text, &f, &once);
    following_settings(buf_str(&once), &f, &twice);
    if (!once.over && !strchr(word, '\n') && (once.n != twice.n || memcmp(once.p, twice.p, once.n) != 0))
        abort();
    return 0;
}
