/* restore/binary_plan.c -- Which encoder each column of a COPY statement gets, by the target's catalogue. */
#include "dump/lexer.h"
#include "dump/words.h"
#include "restore/binary.h"
#include "restore/binary_types.h"

enum { CATALOGUE_MS = 60 * 1000 };

/* ---- types ---- */

/* Numbers of types that are the same on every server. */
enum {
    TYPE_TEXT = 25,
    TYPE_NUMERIC = 1700,
    TYPE_INTERVAL = 1186,
};

struct type_encoder {
    uint32_t type;
    binary_encode_fn *encode;
    bool as_text;
};

static const struct type_encoder encoders[] = {
    {16, binary_bool, false},        {21, binary_int2, false},       {23, binary_int4, false},
    {20, binary_int8, false},        {26, binary_oid, false},        {700, binary_float4, false},
    {701, binary_float8, false},     {TYPE_NUMERIC, binary_numeric, false},
    {1082, binary_date, false},      {1083, binary_time, false},     {1266, binary_timetz, false},
    {1114, binary_timestamp, false}, {1184, binary_timestamptz, false}, {TYPE_INTERVAL, binary_interval, false},
    {TYPE_TEXT, binary_text, true},         {19, binary_name, true},        {1043, binary_varchar, true},
    {1042, binary_varchar, true},    {114, binary_text, true},       {3802, binary_jsonb, true},
    {17, binary_bytea, true},        {2950, binary_uuid, true},      {869, binary_inet, false},
    {650, binary_cidr, false},       {829, binary_macaddr, true},
};

/* numeric(5,-2) rounds what is before the point; interval day to minute reads numbers without a unit in a way of its own. */
static bool plain_typmod(uint32_t type, int32_t typmod)
{
    if (type == TYPE_NUMERIC)
        return typmod < 4 || !((typmod - 4) & 0x400);
    if (type == TYPE_INTERVAL)
        return typmod < 0 || (typmod >> 16 & 0x7fff) == 0x7fff;
    return true;
}

bool binary_column_for(uint32_t type, int32_t typmod, struct binary_column *ret)
{
    for (size_t i = 0; i < COUNT_OF(encoders); i++) {
        if (encoders[i].type != type)
            continue;
        *ret = (struct binary_column){.encode = encoders[i].encode, .type = type, .typmod = typmod, .as_text = encoders[i].as_text};
        return plain_typmod(type, typmod);
    }
    return false;
}

void binary_enum(struct binary_column *ret, uint32_t type, const struct binary_label *labels, size_t count)
{
    *ret = (struct binary_column){.encode = binary_enum_value, .type = type, .typmod = -1, .as_text = true, .labels = labels, .label_count = count};
}

void binary_array(struct binary_column *ret, uint32_t type, const struct binary_column *element)
{
    *ret = (struct binary_column){.encode = binary_elements, .type = type, .typmod = -1, .nulls = true, .element = element};
}

/* ---- the statement ---- */

/* The names between the brackets. False when the statement is more than COPY table (columns) FROM stdin. */
static bool parse_columns(struct arena *arena, struct str statement, struct strs *ret)
{
    struct str table, word;
    if (!lexer_copy_table(statement, &table))
        return false;
    const char *end = statement.p + statement.n, *at = table.p + table.n;
    struct str rest = {.p = at, .n = (size_t)(end - at)};
    size_t brackets = 0;
    while (words_next(&rest, &word)) {
        for (; at < word.p; at++) {
            if (!strchr(" (,)", *at))
                return false;
            brackets += *at == '(' || *at == ')';
        }
        at = word.p + word.n;
        if (word_is(word, "FROM"))
            break;
        *vec_add(arena, ret) = word_name(arena, word);
    }
    return brackets == 2 && words_next(&rest, &word) && word_is(word, "stdin") && str_is(str_trim(rest), ";");
}

char *binary_statement(struct arena *arena, struct str copy_statement, const char *options)
{
    struct strs columns = {0};
    if (!parse_columns(arena, copy_statement, &columns))
        return NULL;
    struct str head = str_trim(copy_statement);
    return arena_printf(arena, STR_FMT " WITH (%s);", (int)head.n - 1, head.p, options);
}

/* ---- the catalogue ---- */

enum { COLUMN_NAME, COLUMN_TYPE, COLUMN_TYPMOD, COLUMN_KIND, COLUMN_ELEMENT, COLUMN_ELEMENT_KIND };

/* "citext", which is text but for its comparisons; else the typtype. It is known by its extension, not by its name. */
#define KIND_OF(t)                                                                                                                         \
    "CASE WHEN " t ".typname = 'citext' AND EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid" \
    " WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = " t ".oid AND d.deptype = 'e' AND x.extname = 'citext')"     \
    " THEN 'citext' ELSE " t ".typtype::text END"

/* Domains stand for what they are made of: the server checks their constraints in either form. */
static const char columns_sql[] =
    "WITH RECURSIVE base AS (SELECT attname AS name, atttypid AS type, atttypmod AS typmod FROM pg_catalog.pg_attribute"
    " WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped"
    " UNION ALL SELECT b.name, d.typbasetype, d.typtypmod FROM base b JOIN pg_catalog.pg_type d ON d.oid = b.type WHERE d.typtype = 'd')"
    " SELECT b.name, b.type, b.typmod, " KIND_OF("t") ", e.oid, " KIND_OF("e") " FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type"
    " LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid AND e.typdelim = ','"
    " WHERE t.typtype <> 'd'";

static const char labels_sql[] = "SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = $1::pg_catalog.oid";

static const char session_sql[] = "SELECT pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('server_encoding'),"
                                  " pg_catalog.current_setting('IntervalStyle'), pg_catalog.current_setting('array_nulls')";

struct planning {
    struct arena *arena;
    struct pg *pg;
    bool utf8, ascii; /* `ascii`: ASCII is itself in the client's encoding */
    bool plain_intervals, array_nulls;
};

static bool ask_session(struct planning *p, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_exec(p->pg, p->arena, session_sql, NULL, 0, CATALOGUE_MS, &rows, err))
        return false;
    /* In these a byte of ASCII may be the second half of a character. */
    static const char *const others[] = {"SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"};
    const char *client = pg_text(rows, 0, 0);
    p->ascii = true;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        p->ascii &= !same(client, others[i]);
    p->utf8 = same(client, "UTF8") && same(pg_text(rows, 0, 1), "UTF8");
    p->plain_intervals = same(pg_text(rows, 0, 2), "postgres");
    p->array_nulls = same(pg_text(rows, 0, 3), "on");
    return true;
}

static bool ask_labels(struct planning *p, const char *type, struct binary_column *ret, struct err *err)
{
    struct pg_rows *rows;
    const char *params[] = {type};
    if (!pg_exec(p->pg, p->arena, labels_sql, params, 1, CATALOGUE_MS, &rows, err))
        return false;
    struct binary_label *labels = arena_array(p->arena, struct binary_label, pg_count(rows));
    for (size_t i = 0; i < pg_count(rows); i++)
        labels[i] = (struct binary_label){pg_text(rows, i, 0), strlen(pg_text(rows, i, 0))};
    binary_enum(ret, (uint32_t)strtoul(type, NULL, 10), labels, pg_count(rows));
    return true;
}

/* *ret_known false: no encoder. */
static bool plan_scalar(struct planning *p, const char *type, int32_t typmod, const char *kind, struct binary_column *ret, bool *ret_known,
                        struct err *err)
{
    *ret_known = true;
    if (same(kind, "e"))
        return ask_labels(p, type, ret, err);
    bool citext = same(kind, "citext");
    *ret_known = (citext || same(kind, "b")) && binary_column_for(citext ? TYPE_TEXT : (uint32_t)strtoul(type, NULL, 10), typmod, ret);
    if (!*ret_known)
        return true;
    ret->type = (uint32_t)strtoul(type, NULL, 10);
    ret->nan_only = pg_server_version(p->pg) < 140000;
    *ret_known = ret->type != TYPE_INTERVAL || p->plain_intervals;
    return true;
}

static bool plan_column(struct planning *p, const struct pg_rows *rows, size_t row, struct binary_column *ret, bool *ret_known, struct err *err)
{
    const char *type = pg_text(rows, row, COLUMN_TYPE), *element = pg_text(rows, row, COLUMN_ELEMENT);
    int32_t typmod = (int32_t)pg_int(rows, row, COLUMN_TYPMOD);
    if (!element)
        return plan_scalar(p, type, typmod, pg_text(rows, row, COLUMN_KIND), ret, ret_known, err);
    struct binary_column *of = arena_new(p->arena, struct binary_column);
    if (!plan_scalar(p, element, typmod, pg_text(rows, row, COLUMN_ELEMENT_KIND), of, ret_known, err))
        return false;
    binary_array(ret, (uint32_t)strtoul(type, NULL, 10), of);
    ret->nulls = p->array_nulls;
    return true;
}

static bool find_column(const struct pg_rows *rows, const char *name, size_t *ret)
{
    for (size_t i = 0; i < pg_count(rows); i++) {
        if (same(pg_text(rows, i, COLUMN_NAME), name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool binary_new(struct arena *arena, struct pg *pg, const char *table, struct str copy_statement, struct binary **ret, struct err *err)
{
    struct planning p = {.arena = arena, .pg = pg};
    struct strs names = {0};
    struct pg_rows *rows;
    *ret = NULL;
    if (!parse_columns(arena, copy_statement, &names) || names.n == 0)
        return true;
    if (!ask_session(&p, err) || !pg_exec(pg, arena, columns_sql, &table, 1, CATALOGUE_MS, &rows, err))
        return err_prefix(err, "asking about the columns of table %s", table);
    if (!p.ascii)
        return true;
    struct binary *b = arena_new(arena, struct binary);
    *b = (struct binary){.columns = arena_array(arena, struct binary_column, names.n), .count = names.n, .utf8 = p.utf8};
    for (size_t i = 0; i < names.n; i++) {
        size_t row;
        bool known;
        if (!find_column(rows, names.p[i], &row))
            return true;
        if (!plan_column(&p, rows, row, &b->columns[i], &known, err))
            return err_prefix(err, "asking about the columns of table %s", table);
        if (!known)
            return true;
    }
    *ret = b;
    return true;
}
