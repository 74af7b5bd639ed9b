/* dump/lexer.c -- A machine that takes one byte at a time, so that no cut of the input can fall in a bad place; only rows of
   COPY, the bulk of a dump, are stepped over by whole pieces. It follows psql's scanner, with two differences: it executes nothing,
   and a function that is merely named "begin" does not open a block. */
#include "dump/lexer.h"

#include <strings.h>

enum { WORD_SIZE = 32, LINE_SIZE = 160, TAG_SIZE = 128, LEAD = 4 };

enum state {
    IN_CODE,
    IN_DASH,            /* one '-' went by: a comment or an operator */
    IN_SLASH,           /* one '/' went by: likewise */
    IN_LINE_COMMENT,
    IN_BLOCK,           /* a comment with depth */
    IN_BLOCK_STAR,
    IN_BLOCK_SLASH,
    IN_QUOTE,
    IN_QUOTE_BACKSLASH,
    IN_QUOTE_END,       /* a quote went by: the end, or the first of a doubled one */
    IN_IDENTIFIER,      /* "..." */
    IN_TAG,             /* $ta */
    IN_DOLLAR,          /* $tag$ ... */
    IN_META,            /* a backslash at the start of a line */
    IN_COPY_START,      /* what stands behind the semicolon of COPY */
    IN_ROWS,
};

/* What the last token was, as far as the next one's meaning depends on it. */
enum last { LAST_OTHER, LAST_FROM, LAST_FROM_STDIN, LAST_BEGIN };

struct lexer {
    lexer_item_fn *each;
    void *arg;
    enum state state;
    int64_t line, item_line;
    bool line_start;       /* the next byte is the first of its line */

    bool in_statement;
    struct buf text;       /* of the statement so far, up to the current piece of input */
    const char *from;      /* first byte of the piece that is not in `text` yet */
    int64_t fed, at;       /* bytes of the pieces before this one; of all, with the one looked at */

    bool standard;         /* standard_conforming_strings of the session that will run this */
    bool escapes;          /* backslashes mean something in the string being read */
    bool may_continue;     /* such a string ended; after a newline, a quote goes on with it */
    bool newline_since;
    int parens, begins, comments; /* depths */
    char tag[TAG_SIZE];
    size_t tag_n, tag_at;

    char word[WORD_SIZE];
    size_t word_n;         /* may exceed what `word` holds */
    char lead[LEAD];       /* initials of the first words, 'x' for those that do not matter */
    size_t words;
    bool is_copy;
    enum last last;

    char note[LINE_SIZE];  /* a meta-command, or a comment outside statements */
    size_t note_n;
    bool restricted;
    char key[64];
    bool complete;
    char held[4];          /* start of a row that may be the end line "\." */
    size_t held_n;
    int64_t copy_line;
};

struct lexer *lexer_open(lexer_item_fn *each, void *arg)
{
    struct lexer *l = calloc(1, sizeof(*l));
    if (!l) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    *l = (struct lexer){.each = each, .arg = arg, .line = 1, .item_line = 1, .line_start = true, .standard = true,
                        .text = {.max = LEXER_STATEMENT_MAX}};
    return l;
}

void lexer_close(struct lexer **lexer)
{
    if (!lexer || !*lexer)
        return;
    buf_done(&(*lexer)->text);
    free(*lexer);
    *lexer = NULL;
}

int64_t lexer_line(const struct lexer *lexer)
{
    return lexer->item_line;
}

int64_t lexer_at(const struct lexer *lexer)
{
    return lexer->at;
}

static bool bad(const struct lexer *l, struct err *err, const char *what)
{
    return err_set(err, ERR_DATA, "line %lld: %s", (long long)l->line, what);
}

static bool give(struct lexer *l, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    if (l->each(l->arg, item, text, rows, err))
        return true;
    return err_prefix(err, "line %lld", (long long)l->item_line);
}

/* ---- statements ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word(char c)
{
    return is_word_start(c) || (c >= '0' && c <= '9');
}

static void begin_statement(struct lexer *l, const char *p)
{
    if (l->in_statement)
        return;
    l->in_statement = true;
    l->from = p;
    l->item_line = l->line;
    l->complete = false; /* something follows the trailer: a second dump, which needs a trailer of its own */
    buf_clear(&l->text);
    memset(l->lead, 0, sizeof(l->lead));
    l->words = l->word_n = 0;
    l->is_copy = false;
    l->last = LAST_OTHER;
    l->parens = l->begins = 0;
    l->may_continue = false;
}

/* Moves the statement's bytes before `end` out of the piece of input, which goes away. */
static bool keep(struct lexer *l, const char *end, struct err *err)
{
    if (!l->in_statement || l->from == end)
        return true;
    if (!buf_add(&l->text, l->from, (size_t)(end - l->from)))
        return err_set(err, ERR_LIMIT, "line %lld: a statement is longer than %d MiB", (long long)l->item_line, LEXER_STATEMENT_MAX >> 20);
    l->from = end;
    return true;
}

static void token(struct lexer *l)
{
    l->last = LAST_OTHER;
    l->may_continue = false;
}

static bool word_is(const struct lexer *l, const char *keyword)
{
    return l->word_n < WORD_SIZE && strlen(keyword) == l->word_n && strncasecmp(l->word, keyword, l->word_n) == 0;
}

/* CREATE [OR REPLACE] FUNCTION|PROCEDURE: only there BEGIN ATOMIC opens a block with semicolons in it. */
static bool is_routine(const struct lexer *l)
{
    const char *w = l->lead;
    if (w[0] != 'c')
        return false;
    return w[1] == 'f' || w[1] == 'p' || (w[1] == 'o' && w[2] == 'r' && (w[3] == 'f' || w[3] == 'p'));
}

static void lead_word(struct lexer *l)
{
    static const char *const known[] = {"create", "or", "replace", "function", "procedure"};
    char initial = 'x';
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (word_is(l, known[i]))
            initial = known[i][0];
    if (l->words < LEAD)
        l->lead[l->words] = initial;
    if (l->words == 0)
        l->is_copy = word_is(l, "copy");
    l->words++;
}

static void block_word(struct lexer *l, enum last before)
{
    if (before == LAST_BEGIN && l->begins == 0 && word_is(l, "atomic"))
        l->begins = 1;
    else if (l->begins && word_is(l, "case")) /* ends with END, like the block */
        l->begins++;
    else if (l->begins && word_is(l, "end"))
        l->begins--;
}

static void end_word(struct lexer *l)
{
    if (l->word_n == 0)
        return;
    enum last before = l->last;
    token(l);
    lead_word(l);
    if (word_is(l, "from"))
        l->last = LAST_FROM;
    else if (before == LAST_FROM && word_is(l, "stdin"))
        l->last = LAST_FROM_STDIN;
    else if (word_is(l, "begin"))
        l->last = LAST_BEGIN;
    if (l->parens == 0 && is_routine(l))
        block_word(l, before);
    l->word_n = 0;
}

/* The value of "SET NAME = value;" without its quotes, or an empty view when the statement is another one. */
static struct str setting(struct str text, const char *name)
{
    size_t n = strlen(name);
    if (text.n < n + 6 || strncasecmp(text.p, "set ", 4) != 0 || strncasecmp(text.p + 4, name, n) != 0)
        return (struct str){0};
    struct str value = str_trim((struct str){text.p + 4 + n, text.n - 4 - n});
    if (str_starts(value, "="))
        value = (struct str){value.p + 1, value.n - 1};
    else if (value.n > 3 && strncasecmp(value.p, "to ", 3) == 0)
        value = (struct str){value.p + 3, value.n - 3};
    else
        return (struct str){0};
    if (value.n && value.p[value.n - 1] == ';')
        value.n--;
    value = str_trim(value);
    if (value.n >= 2 && value.p[0] == '\'' && value.p[value.n - 1] == '\'')
        value = (struct str){value.p + 1, value.n - 2};
    return value;
}

/* Settings that change how the rest is read. */
static bool obey_setting(struct lexer *l, struct str text, struct err *err)
{
    struct str strings = setting(text, "standard_conforming_strings");
    if (strings.n)
        l->standard = strings.n == 2 && strncasecmp(strings.p, "on", 2) == 0;
    struct str encoding = setting(text, "client_encoding");
    static const char *const shifting[] = {"sjis", "shift_jis_2004", "big5", "gbk", "uhc", "gb18030", "johab"};
    for (size_t i = 0; i < COUNT_OF(shifting); i++)
        if (encoding.n == strlen(shifting[i]) && strncasecmp(encoding.p, shifting[i], encoding.n) == 0) {
            bad(l, err, "the dump is in an encoding whose characters may hold a backslash or a quote");
            return err_hint(err, "make the dump with pg_dump --encoding=UTF8");
        }
    return true;
}

static bool end_statement(struct lexer *l, const char *end, struct err *err)
{
    if (!keep(l, end, err))
        return false;
    l->in_statement = false;
    struct str text = buf_str(&l->text);
    if (!l->is_copy)
        return obey_setting(l, text, err) && give(l, LEXER_STATEMENT, text, 0, err);
    if (l->last != LAST_FROM_STDIN) {
        err_set(err, ERR_DATA, "line %lld: a COPY that is not just \"FROM stdin\"", (long long)l->item_line);
        return err_hint(err, "pg_dump writes none, and such a statement could read files or run programs on the server");
    }
    l->state = IN_COPY_START;
    l->copy_line = l->item_line;
    return give(l, LEXER_COPY, text, 0, err);
}

/* ---- lines of psql ---- */

static void note(struct lexer *l, char c)
{
    if (l->note_n < LINE_SIZE - 1)
        l->note[l->note_n] = c;
    l->note_n++;
}

static struct str noted(const struct lexer *l)
{
    return str_trim((struct str){l->note, MIN_OF(l->note_n, LINE_SIZE - 1)});
}

static bool key_is_plain(struct str key)
{
    for (size_t i = 0; i < key.n; i++)
        if (!is_word(key.p[i]) || key.p[i] == '_' || (unsigned char)key.p[i] >= 0x80)
            return false;
    return key.n > 0 && key.n < 64;
}

/* \restrict KEY and \unrestrict KEY are pg_dump's own frame; anything else behind a backslash is refused, and nothing is ever run. */
static bool end_meta(struct lexer *l, struct err *err)
{
    struct str rest = noted(l), name, key;
    bool has_name = str_next(&rest, ' ', &name);
    key = str_trim(rest);
    l->state = IN_CODE;
    if (has_name && l->note_n < LINE_SIZE && key_is_plain(key)) {
        if (str_is(name, "\\restrict") && !l->restricted) {
            memcpy(l->key, key.p, key.n);
            l->key[key.n] = 0;
            l->restricted = true;
            return true;
        }
        if (str_is(name, "\\unrestrict") && l->restricted && str_is(key, l->key)) {
            l->restricted = false;
            return true;
        }
    }
    for (size_t i = 0; has_name && i < name.n; i++)
        if (!is_word(name.p[i]) && i > 0)
            name.n = i;
    err_set(err, ERR_DATA, "line %lld: the psql command \"" STR_FMT "\" has no place in a backup; it was not executed", (long long)l->line,
            STR_ARG(name));
    if (str_starts(name, "\\c"))
        return err_hint(err, "dump one database without --create: pg_dump --format=plain NAME");
    return false;
}

static void end_note(struct lexer *l)
{
    if (l->note_n < LINE_SIZE && str_is(noted(l), "-- PostgreSQL database dump complete"))
        l->complete = true;
}

/* ---- one byte ---- */

static bool in_code(struct lexer *l, const char *p, bool first, struct err *err);

/* A '-' or '/' that turned out to be an operator. No statement begins with one. */
static bool operator_then(struct lexer *l, const char *p, struct err *err)
{
    if (!l->in_statement)
        return bad(l, err, "this is not SQL");
    token(l);
    l->state = IN_CODE;
    return in_code(l, p, false, err);
}

static bool backslash(struct lexer *l, bool first, struct err *err)
{
    if (l->in_statement)
        return bad(l, err, "a backslash outside quotes, inside a statement");
    if (!first)
        return bad(l, err, "a psql command in the middle of a line");
    l->state = IN_META;
    l->note_n = 0;
    note(l, '\\');
    return true;
}

static void open_quote(struct lexer *l, const char *p)
{
    bool e = l->word_n == 1 && (l->word[0] == 'E' || l->word[0] == 'e');
    bool continues = l->may_continue && l->newline_since;
    end_word(l);
    begin_statement(l, p);
    token(l);
    l->escapes = e || continues || !l->standard;
    l->state = IN_QUOTE;
}

static bool punctuation(struct lexer *l, const char *p, bool first, struct err *err)
{
    switch (*p) {
    case '-':
        l->state = IN_DASH;
        l->note_n = first ? 0 : LINE_SIZE; /* the trailer stands at the start of its line */
        return true;
    case '/':
        l->state = IN_SLASH;
        return true;
    case '\\':
        return backslash(l, first, err);
    case ';':
        if (!l->in_statement)
            return true;
        if (l->parens == 0 && l->begins == 0)
            return end_statement(l, p + 1, err);
        break;
    case '"':
        begin_statement(l, p);
        l->state = IN_IDENTIFIER;
        break;
    case '$':
        begin_statement(l, p);
        l->state = IN_TAG;
        l->tag_n = 0;
        break;
    case '(':
        begin_statement(l, p);
        l->parens++;
        break;
    case ')':
        l->parens -= l->parens > 0;
        /* fall through */
    default:
        begin_statement(l, p);
    }
    token(l);
    return true;
}

static bool in_code(struct lexer *l, const char *p, bool first, struct err *err)
{
    char c = *p;
    if (is_word(c) || (c == '$' && l->word_n)) {
        begin_statement(l, p);
        if (l->word_n < WORD_SIZE)
            l->word[l->word_n] = c;
        l->word_n++;
        return true;
    }
    if (c == '\'') {
        open_quote(l, p);
        return true;
    }
    end_word(l);
    if (!is_blank(c))
        return punctuation(l, p, first, err);
    l->newline_since |= c == '\n';
    return true;
}

static bool in_comment(struct lexer *l, char c)
{
    switch (l->state) {
    case IN_LINE_COMMENT:
        if (c != '\n') {
            note(l, c);
            return true;
        }
        if (!l->in_statement)
            end_note(l);
        l->newline_since = true;
        l->state = IN_CODE;
        return true;
    case IN_BLOCK_STAR:
        if (c == '/' && --l->comments == 0) {
            l->state = IN_CODE;
            return true;
        }
        l->state = c == '*' ? IN_BLOCK_STAR : IN_BLOCK;
        return true;
    case IN_BLOCK_SLASH:
        if (c == '*') {
            l->comments++;
            l->state = IN_BLOCK;
            return true;
        }
        /* fall through */
    default:
        l->state = c == '*' ? IN_BLOCK_STAR : c == '/' ? IN_BLOCK_SLASH : IN_BLOCK;
        return true;
    }
}

static bool in_tag(struct lexer *l, const char *p, struct err *err)
{
    char c = *p;
    if (c == '$') {
        l->state = IN_DOLLAR;
        l->tag_at = 0;
        return true;
    }
    if (is_word_start(c) || (l->tag_n && is_word(c))) {
        if (l->tag_n == TAG_SIZE)
            return bad(l, err, "the tag of a dollar quote is too long");
        l->tag[l->tag_n++] = c;
        return true;
    }
    l->state = IN_CODE; /* a parameter, $1 */
    return in_code(l, p, false, err);
}

/* The end mark holds '$' only at its two ends, so after a mismatch the search goes on with at most one byte matched. */
static void in_dollar(struct lexer *l, char c)
{
    size_t n = l->tag_n + 2;
    char wanted = l->tag_at == 0 || l->tag_at == n - 1 ? '$' : l->tag[l->tag_at - 1];
    l->tag_at = c == wanted ? l->tag_at + 1 : c == '$' ? 1 : 0;
    if (l->tag_at == n)
        l->state = IN_CODE;
}

static bool in_quote(struct lexer *l, const char *p, struct err *err)
{
    char c = *p;
    if (l->state == IN_QUOTE_BACKSLASH) {
        l->state = IN_QUOTE;
    } else if (l->state == IN_QUOTE) {
        if (c == '\'')
            l->state = IN_QUOTE_END;
        else if (c == '\\' && l->escapes)
            l->state = IN_QUOTE_BACKSLASH;
    } else if (c == '\'') {
        l->state = IN_QUOTE;
    } else {
        l->state = IN_CODE;
        l->may_continue = l->escapes;
        l->newline_since = false;
        return in_code(l, p, false, err);
    }
    return true;
}

static bool begin_line_comment(struct lexer *l)
{
    l->state = IN_LINE_COMMENT;
    note(l, '-');
    note(l, '-');
    return true;
}

static bool begin_block(struct lexer *l)
{
    l->state = IN_BLOCK;
    l->comments = 1;
    return true;
}

static bool one_byte(struct lexer *l, const char *p, bool first, struct err *err)
{
    char c = *p;
    switch (l->state) {
    case IN_CODE:
        return in_code(l, p, first, err);
    case IN_DASH:
        return c == '-' ? begin_line_comment(l) : operator_then(l, p, err);
    case IN_SLASH:
        return c == '*' ? begin_block(l) : operator_then(l, p, err);
    case IN_QUOTE:
    case IN_QUOTE_BACKSLASH:
    case IN_QUOTE_END:
        return in_quote(l, p, err);
    case IN_IDENTIFIER:
        if (c == '"')
            l->state = IN_CODE;
        return true;
    case IN_TAG:
        return in_tag(l, p, err);
    case IN_DOLLAR:
        in_dollar(l, c);
        return true;
    case IN_META:
        if (c == '\n')
            return end_meta(l, err);
        note(l, c);
        return true;
    case IN_COPY_START:
        if (c == '\n')
            l->state = IN_ROWS;
        return is_blank(c) || bad(l, err, "something follows COPY ... FROM stdin on its line");
    default:
        return in_comment(l, c);
    }
}

/* ---- rows ---- */

static bool give_rows(struct lexer *l, const char *p, size_t n, int64_t rows, struct err *err)
{
    if (n == 0)
        return true;
    l->item_line = l->line;
    if (memchr(p, 0, n))
        return bad(l, err, "a zero byte in the data, which no text holds: this part of the file was overwritten");
    bool ok = give(l, LEXER_DATA, (struct str){p, n}, rows, err);
    l->line += rows;
    return ok;
}

/* A row that began like the end line: "\." and a newline, with or without a carriage return. */
static bool hold(struct lexer *l, char c, bool *ret_used, struct err *err)
{
    *ret_used = true;
    size_t at = l->held_n;
    if (c == '\n' && at >= 2) {
        l->state = IN_CODE;
        l->held_n = 0;
        l->line++;
        l->line_start = true;
        l->item_line = l->copy_line;
        return give(l, LEXER_COPY_END, (struct str){0}, 0, err);
    }
    if ((at == 0 && c == '\\') || (at == 1 && c == '.') || (at == 2 && c == '\r')) {
        l->held[l->held_n++] = c;
        return true;
    }
    *ret_used = false; /* an ordinary row after all */
    l->held_n = 0;
    l->line_start = false;
    return give_rows(l, l->held, at, 0, err);
}

/* Steps over rows; gives how much of the piece was used, all of it unless the end line came. */
static bool step_rows(struct lexer *l, const char *p, size_t n, size_t *ret_used, struct err *err)
{
    size_t i = 0, from = 0;
    int64_t count = 0, at = l->at;
    while (i < n && l->state == IN_ROWS) {
        bool ordinary = p[i] != '\\' || (i + 1 < n && p[i + 1] != '.');
        if (l->held_n || (l->line_start && !ordinary)) {
            bool used;
            l->at = at + (int64_t)i + 1;
            if (!give_rows(l, p + from, i - from, count, err) || !hold(l, p[i], &used, err))
                return false;
            i += used;
            from = i;
            count = 0;
            continue;
        }
        const char *newline = memchr(p + i, '\n', n - i);
        l->line_start = newline != NULL;
        i = newline ? (size_t)(newline - p) + 1 : n;
        count += newline != NULL;
    }
    *ret_used = i;
    return give_rows(l, p + from, i - from, count, err);
}

/* ---- the whole ---- */

static bool feed_byte(struct lexer *l, const char *p, struct err *err)
{
    if (*p == 0)
        return bad(l, err, "a zero byte, which no text holds: this part of the file was overwritten");
    bool first = l->line_start;
    l->line_start = *p == '\n';
    if (!one_byte(l, p, first, err))
        return false;
    l->line += *p == '\n';
    return true;
}

bool lexer_feed(struct lexer *lexer, const void *data, size_t size, struct err *err)
{
    const char *p = data, *end = p + size;
    lexer->from = p; /* what was before is in `text` */
    lexer->at = lexer->fed;
    while (p < end) {
        if (lexer->state == IN_ROWS) {
            size_t used;
            if (!step_rows(lexer, p, (size_t)(end - p), &used, err))
                return false;
            p += used;
            lexer->at = lexer->fed + (p - (const char *)data);
            continue;
        }
        lexer->at++;
        if (!feed_byte(lexer, p, err))
            return false;
        p++;
    }
    lexer->fed += (int64_t)size;
    return keep(lexer, end, err);
}

bool lexer_skip_rows(struct lexer *lexer, int64_t rows, struct err *err)
{
    if (lexer->state != IN_ROWS || !lexer->line_start || lexer->held_n)
        return bad(lexer, err, "rows where no COPY asks for them");
    lexer->line += rows;
    return true;
}

bool lexer_end(struct lexer *lexer, struct err *err)
{
    struct lexer *l = lexer;
    if (l->state == IN_META && !end_meta(l, err))
        return false;
    if (l->state == IN_ROWS || l->state == IN_COPY_START)
        return err_set(err, ERR_DATA, "line %lld: the dump is cut off inside the rows of the COPY on line %lld", (long long)l->line,
                       (long long)l->copy_line);
    if (l->in_statement)
        return err_set(err, ERR_DATA, "line %lld: the dump is cut off inside the statement that begins on line %lld", (long long)l->line,
                       (long long)l->item_line);
    if (!l->complete || l->state != IN_CODE || l->restricted) {
        bad(l, err, "the dump is cut off: its last line \"-- PostgreSQL database dump complete\" is missing or not the last");
        return err_hint(err, "use an older backup; this one lacks at least the objects that come last, such as foreign keys");
    }
    l->item_line = l->line;
    return give(l, LEXER_COMPLETE, (struct str){0}, 0, err);
}

bool lexer_copy_table(struct str statement, struct str *ret)
{
    if (statement.n < 6 || strncasecmp(statement.p, "copy", 4) != 0 || !is_blank(statement.p[4]))
        return false;
    size_t from = 4, i;
    while (from < statement.n && is_blank(statement.p[from]))
        from++;
    bool quoted = false;
    for (i = from; i < statement.n; i++) {
        char c = statement.p[i];
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && (is_blank(c) || c == '(' || c == ';'))
            break;
    }
    if (quoted || i == from)
        return false;
    *ret = (struct str){statement.p + from, i - from};
    return true;
}
