/* fuzz_words.c -- Any text cut into words, into fixed arrays, and made harmless for terminals and Markdown. */
#include "record/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Each word in single quotes, as a person could write it, reads back as the same words. */
static void as_words(struct arena *arena, const char *text)
{
    struct strs words, again;
    if (!str_words(arena, text, &words))
        return;
    SCOPED(buf_done) struct buf line = {.max = 1 << 22};
    for (size_t i = 0; i < words.n; i++) {
        buf_putc(&line, '\'');
        for (const char *p = words.p[i]; *p; p++)
            *p == '\'' ? buf_puts(&line, "'\"'\"'") : buf_putc(&line, *p);
        buf_puts(&line, "' ");
    }
    check(str_words(arena, buf_text(&line), &again) && again.n == words.n);
    for (size_t i = 0; i < words.n; i++)
        check(same(words.p[i], again.p[i]));
}

static void as_array(const char *text)
{
    char small[11];
    bool whole = COPY_TO(small, text);
    check(whole == (strlen(text) < sizeof(small)) && strncmp(small, text, strlen(small)) == 0);
    if (str_is_clean(str_of(text)))
        check(str_is_clean(str_of(small))); /* never half a character */
}

static void as_output(struct arena *arena, const char *text)
{
    const char *line = one_line(arena, text), *escaped = markdown(arena, text);
    check(str_is_clean(str_of(line)) && !strpbrk(line, "\n\t"));
    check(str_is_clean(str_of(escaped)) && !strpbrk(escaped, "\n\t"));
    for (const char *p = escaped; *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else
            check(!strchr("`*<>[|", *p)); /* an underscore inside a word does nothing */
    }
    if (str_is_clean(str_of(text)) && !strpbrk(text, "\n\t"))
        check(same(line, text));
    for (enum language language = LANGUAGE_EN; language <= LANGUAGE_FR; language++)
        check(word_decided(arena, text, language) != NULL);
    run_step(arena, text);
    belongs_to(text, '/', 7);
    notice_key(arena, text);
    word_value(arena, "restore.snapshot_ms", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *text = arena_strndup(arena, (const char *)data, size);
    as_words(arena, text);
    as_array(text);
    as_output(arena, text);
    static const char *const near[] = {"restore", "backup", "status"};
    str_nearest(text, near, COUNT_OF(near));
    return 0;
}
