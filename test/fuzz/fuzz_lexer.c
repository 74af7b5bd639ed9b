/* fuzz_lexer.c -- Any bytes as a dump: no crash, no hang, no failure without a reason; and however the bytes are cut into pieces, the
   same statements, the same rows and the same verdict come out. The first byte chooses the cuts. */
#include <assert.h>

#include "dump/lexer.h"
#include "dump/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct buf text;
    int64_t rows;
    bool in_copy, complete;
};

static bool see(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    (void)err;
    struct seen *s = arg;
    assert(!s->complete);
    assert((item == LEXER_DATA || item == LEXER_COPY_END) == s->in_copy);
    if (item == LEXER_STATEMENT || item == LEXER_COPY) {
        assert(text.n > 0 && text.p[text.n - 1] == ';' && text.p[text.n] == 0 && !memchr(text.p, 0, text.n));
        struct str rest = text, word;
        while (words_next(&rest, &word))
            assert(word.n > 0 && word.p >= text.p && word.p + word.n <= text.p + text.n);
    }
    if (item == LEXER_COPY) {
        struct str table;
        if (lexer_copy_table(text, &table))
            assert(table.n > 0);
        s->in_copy = true;
    } else if (item == LEXER_COPY_END) {
        s->in_copy = false;
    }
    s->complete = item == LEXER_COMPLETE;
    s->rows += rows;
    if (item == LEXER_DATA)
        assert(buf_add(&s->text, text.p, text.n));
    else
        assert(buf_printf(&s->text, "\n%d:", (int)item) && buf_add(&s->text, text.p, text.n));
    return true;
}

static bool lex(const char *p, size_t n, size_t step, struct seen *seen)
{
    SCOPED(lexer_close) struct lexer *lexer = lexer_open(see, seen);
    struct err err = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < n; i += step)
        ok = lexer_feed(lexer, p + i, MIN_OF(step, n - i), &err);
    ok = ok && lexer_end(lexer, &err);
    assert(ok || (err.code != ERR_NONE && err.message[0]));
    assert(ok == seen->complete);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *p = (const char *)data + 1;
    struct seen whole = {.text = {.max = 1 << 22}}, cut = {.text = {.max = 1 << 22}};
    bool one = lex(p, size - 1, size, &whole), two = lex(p, size - 1, 1 + data[0] % 17, &cut);
    assert(one == two);
    if (one) { /* a refused dump may have given more or fewer rows before its error */
        assert(whole.rows == cut.rows && whole.text.n == cut.text.n);
        assert(whole.text.n == 0 || memcmp(whole.text.p, cut.text.p, whole.text.n) == 0);
    }
    buf_done(&whole.text);
    buf_done(&cut.text);
    return 0;
}
