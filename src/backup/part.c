/* backup/part.c -- The lexer says where statements and rows end; the text between goes on as it came. */
#include "backup/part.h"

#include "dump/words.h"

enum { STATE_MAX = 16 * 1024 * 1024, GRANTS_MAX = 96 * 1024 * 1024 };

static const char trailer_text[] = "--\n-- PostgreSQL database dump complete\n--\n";

struct part {
    enum part_section section;
    struct cutter *cutter;
    struct part_memory *memory;
    struct lexer *lexer;
    struct buf raw;        /* came, and was not given on, */
    size_t raw_used;       /* but for so many bytes at its front; */
    int64_t raw_at;        /* what is behind them begins there in the section */
    bool in_head;          /* the settings that only the first part keeps go by */
    bool in_rows;
    int skip_newlines;     /* behind what was left out */
    bool in_grants;        /* the rest of the first part is kept for the last, */
    bool grants_given;     /* which has put it out */
    bool has_item;
    enum item_kind item;   /* that began last */
    int64_t came, given, left_out;
};

const char *part_section_name(enum part_section section)
{
    static const char *const names[PART_SECTION_MAX] = {"pre-data", "data", "post-data"};
    return names[section];
}

void part_memory_init(struct part_memory *memory)
{
    *memory = (struct part_memory){.grants = {.max = GRANTS_MAX}, .trailer = {.max = STATE_MAX}, .settings = {.max = STATE_MAX}, .created = {.max = 16 * (size_t)STATE_MAX}};
}

void part_memory_done(struct part_memory *memory)
{
    buf_done(&memory->trailer);
    buf_done(&memory->settings);
    buf_done(&memory->grants);
    buf_done(&memory->created);
}

/* ---- text that goes on, or not ---- */

/* The raw text up to `at` in the section, without newlines that are to be skipped. */
static struct str take_raw(struct part *p, int64_t at)
{
    struct str text = {.p = buf_text(&p->raw) + p->raw_used, .n = (size_t)(at - p->raw_at)};
    for (; p->skip_newlines && text.n && *text.p == '\n'; p->skip_newlines--) {
        text.p++;
        text.n--;
        p->left_out++;
    }
    if (text.n)
        p->skip_newlines = 0;
    return text;
}

static void drop_raw(struct part *p, int64_t at)
{
    p->raw_used += (size_t)(at - p->raw_at);
    p->raw_at = at;
}

static bool give(struct part *p, struct str text, bool cut, struct err *err)
{
    p->given += (int64_t)text.n;
    return cutter_sql(p->cutter, text.p, text.n, cut, err);
}

static void leave_out(struct part *p, size_t n)
{
    p->left_out += (int64_t)n;
    p->skip_newlines = 2; /* pg_dump puts an empty line behind each of these */
}

/* ---- statements ---- */

static bool is_state(struct str statement)
{
    return words_begin(statement, "set default_tablespace") || words_begin(statement, "set default_table_access_method");
}

static bool remembered(const struct part_memory *m, struct str statement)
{
    struct str rest = buf_str(&m->settings), line;
    while (str_next(&rest, '\n', &line))
        if (line.n == statement.n && memcmp(line.p, statement.p, line.n) == 0)
            return true;
    return false;
}

/* The last value of each counts: that of the same setting before is taken out. */
static void remember(struct part_memory *m, struct str statement)
{
    SCOPED(buf_done) struct buf others = {.max = m->settings.max};
    struct str rest = buf_str(&m->settings), line;
    const char *equals = memchr(statement.p, '=', statement.n);
    size_t name = equals ? (size_t)(equals - statement.p) : statement.n;
    while (str_next(&rest, '\n', &line))
        if (line.n && (line.n < name || memcmp(line.p, statement.p, name) != 0)) {
            buf_add(&others, line.p, line.n);
            buf_putc(&others, '\n');
        }
    buf_add(&others, statement.p, statement.n);
    buf_putc(&others, '\n');
    buf_clear(&m->settings);
    buf_add(&m->settings, others.p, others.n);
}

/* The name of a created table, as written: CREATE TABLE public.contracts ( */
static void note_created(struct part_memory *m, struct str statement)
{
    struct str word, rest = statement;
    while (words_next(&rest, &word) && !word_is(word, "table"))
        ;
    const char *from = word.p + word.n, *end = statement.p + statement.n, *to;
    while (from < end && *from == ' ')
        from++;
    bool quoted = false;
    for (to = from; to < end && (quoted || (*to != ' ' && *to != '(' && *to != '\n' && *to != ';')); to++)
        quoted ^= *to == '"';
    buf_add(&m->created, from, (size_t)(to - from));
    buf_add(&m->created, "", 1);
}

static bool creates_table(struct str statement)
{
    return words_begin(statement, "create table") || words_begin(statement, "create unlogged table");
}

/* ---- grants ---- */

/* pg_dump writes a dump in three passes: objects, then who may use them, then what must come after that; a section has all three. In one
   dump all grants stand behind all objects, since a grant may take from the owner what he needs to load his data. */
static bool is_grant(struct str statement)
{
    return words_begin(statement, "grant") || words_begin(statement, "revoke") || words_begin(statement, "alter default privileges");
}

static bool is_after_grants(struct str statement)
{
    return words_begin(statement, "create event trigger") || words_begin(statement, "alter event trigger") ||
           words_begin(statement, "comment on event trigger") || words_begin(statement, "security label") ||
           words_begin(statement, "refresh materialized view");
}

/* Newlines in front belong to the item before. */
static size_t newlines(struct str text)
{
    size_t n = 0;
    while (n < text.n && text.p[n] == '\n')
        n++;
    return n;
}

static bool keep_grants(struct part *p, struct str text, struct err *err)
{
    p->left_out += (int64_t)text.n;
    return buf_add(&p->memory->grants, text.p, text.n) || err_set(err, ERR_LIMIT, "more than %d MiB of grants", GRANTS_MAX >> 20);
}

static bool give_kept_grants(struct part *p, struct err *err)
{
    p->grants_given = true;
    return cutter_sql(p->cutter, buf_text(&p->memory->grants), p->memory->grants.n, false, err);
}

/* The end of the item before goes on; what follows is kept, or comes after what was kept. */
static bool turn_to_grants(struct part *p, struct str *text, struct err *err)
{
    size_t n = newlines(*text);
    struct str before = {text->p, n};
    *text = (struct str){text->p + n, text->n - n};
    if (!give(p, before, false, err))
        return false;
    p->in_grants = p->section == PART_PRE_DATA;
    return p->in_grants || give_kept_grants(p, err);
}

static void begin_item(struct part *p, enum item_kind kind, struct str name, size_t ahead)
{
    if (p->has_item && kind == p->item && kind != ITEM_TABLE)
        return;
    p->has_item = true;
    p->item = kind;
    cutter_item(p->cutter, kind, name, ahead);
}

static enum item_kind kind_of(const struct part *p)
{
    return p->section == PART_PRE_DATA ? ITEM_PRE_DATA : p->section == PART_DATA ? ITEM_OTHER_DATA : ITEM_POST_DATA;
}

static bool take_statement(struct part *p, struct str statement, struct err *err)
{
    int64_t at = lexer_at(p->lexer);
    struct str text = take_raw(p, at);
    bool ok = true;
    if (text.n < statement.n)
        return err_set(err, ERR_INTERNAL, "a statement of %zu bytes in %zu", statement.n, text.n);
    bool turns = (p->section == PART_PRE_DATA && !p->in_grants && is_grant(statement)) ||
                 (p->section == PART_POST_DATA && !p->in_head && !p->grants_given && (is_grant(statement) || is_after_grants(statement)));
    if (turns && !turn_to_grants(p, &text, err))
        return false;
    size_t lead = text.n - statement.n;
    if (p->in_grants) {
        ok = keep_grants(p, text, err);
    } else if (p->in_head) { /* the first part said all this */
        p->in_head = !words_begin(statement, "set row_security");
        leave_out(p, text.n);
    } else if (p->section == PART_POST_DATA && is_state(statement) && remembered(p->memory, statement)) {
        ok = give(p, (struct str){text.p, lead}, false, err);
        leave_out(p, statement.n);
    } else {
        if (p->section == PART_PRE_DATA && is_state(statement))
            remember(p->memory, statement);
        if (p->section == PART_PRE_DATA && creates_table(statement))
            note_created(p->memory, statement);
        begin_item(p, kind_of(p), (struct str){0}, p->section == PART_PRE_DATA ? 0 : lead);
        ok = give(p, text, true, err);
    }
    drop_raw(p, at);
    return ok;
}

static bool take_copy(struct part *p, struct str statement, struct err *err)
{
    int64_t at = lexer_at(p->lexer);
    struct str text = take_raw(p, at), table;
    if (!lexer_copy_table(statement, &table))
        return err_set(err, ERR_DATA, "a COPY without a table");
    if (p->in_head || text.n < statement.n)
        return err_set(err, ERR_DATA, "rows before the settings of the dump");
    begin_item(p, ITEM_TABLE, table, text.n - statement.n);
    bool ok = give(p, text, false, err) && give(p, STR("\n"), false, err);
    drop_raw(p, at);
    p->in_rows = true;
    return ok;
}

static bool take_rows(struct part *p, struct str text, struct err *err)
{
    p->given += (int64_t)text.n;
    return cutter_rows(p->cutter, text.p, text.n, err);
}

static bool take_rows_end(struct part *p, struct err *err)
{
    p->in_rows = false;
    drop_raw(p, lexer_at(p->lexer));
    return cutter_rows_end(p->cutter, err) && give(p, STR("\\.\n"), true, err);
}

static bool take_item(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    struct part *p = arg;
    (void)rows;
    switch (item) {
    case LEXER_STATEMENT:
        return take_statement(p, text, err);
    case LEXER_COPY:
        return take_copy(p, text, err);
    case LEXER_DATA:
        return take_rows(p, text, err);
    case LEXER_COPY_END:
        return take_rows_end(p, err);
    case LEXER_COMPLETE:
        break;
    }
    return true;
}

/* ---- the whole ---- */

struct part *part_open(enum part_section section, struct cutter *cutter, struct part_memory *memory)
{
    struct part *p = calloc(1, sizeof(*p));
    if (!p) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    *p = (struct part){.section = section, .cutter = cutter, .memory = memory, .in_head = section != PART_PRE_DATA,
                       .raw = {.max = 2 * (size_t)LEXER_STATEMENT_MAX}};
    p->lexer = lexer_open(take_item, p);
    return p;
}

void part_close(struct part **part)
{
    if (!part || !*part)
        return;
    lexer_close(&(*part)->lexer);
    buf_done(&(*part)->raw);
    free(*part);
    *part = NULL;
}

bool part_feed(void *part, const void *data, size_t size, struct err *err)
{
    struct part *p = part;
    p->came += (int64_t)size;
    buf_consume(&p->raw, p->raw_used);
    p->raw_used = 0;
    if (!buf_add(&p->raw, data, size))
        return err_set(err, ERR_LIMIT, "a comment of more than %d MiB in the dump", LEXER_STATEMENT_MAX >> 20);
    if (!lexer_feed(p->lexer, data, size, err))
        return false;
    if (p->in_rows) /* they went on as they were lexed */
        drop_raw(p, p->came);
    return true;
}

bool part_end(struct part *part, struct err *err)
{
    struct part *p = part;
    if (!lexer_end(p->lexer, err))
        return err_prefix(err, "the %s section of the dump", part_section_name(p->section));
    struct str text = take_raw(p, p->came);
    const char *trailer = text.n ? memmem(text.p, text.n, trailer_text, sizeof(trailer_text) - 1) : NULL;
    if (!trailer || p->in_head)
        return err_set(err, ERR_DATA, "the %s section of the dump has no proper beginning or end", part_section_name(p->section));
    size_t before = (size_t)(trailer - text.p);
    struct str rest = {text.p, before};
    if (p->in_grants ? !keep_grants(p, rest, err) : !give(p, rest, true, err))
        return false;
    if (p->section == PART_POST_DATA && !p->grants_given && !give_kept_grants(p, err))
        return false;
    p->left_out += (int64_t)(text.n - before);
    if (p->section == PART_PRE_DATA)
        buf_add(&p->memory->trailer, trailer, text.n - before);
    if (p->given + p->left_out != p->came)
        return err_set(err, ERR_INTERNAL, "of %lld bytes of the %s section %lld were used", (long long)p->came,
                       part_section_name(p->section), (long long)(p->given + p->left_out));
    return p->section != PART_POST_DATA || cutter_sql(p->cutter, p->memory->trailer.p, p->memory->trailer.n, true, err);
}
