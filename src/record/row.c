/* record/row.c -- Columns and hash of a journal row. */
#include "record/row.h"

#define NAME_COLUMN(column, type) ", " #column
const char *const row_columns = &(ROW_COLUMNS(NAME_COLUMN))[2]; /* without the first comma */

static struct str view(const char *text)
{
    return text ? str_of(text) : STR("");
}

void row_of_record(const struct record *record, struct row *ret)
{
    const char *kind = record->is_order ? order_name((enum order_kind)record->kind) : event_name((enum event_kind)record->kind);
    *ret = (struct row){
        .at_ms = record->at_ms,
        .wall_ms = record->wall_ms,
        .class = record->is_order ? STR("order") : STR("event"),
        .kind = str_of(kind),
        .incident = record->incident,
        .number = record->number,
        .ref = record->ref,
        .service = view(record->service),
        .subject = view(record->subject),
        .who = view(record->who),
        .text = view(record->text),
        .stage = view(record->stage),
        .channel = view(record->channel),
        .address = view(record->address),
        .detail = view(record->detail),
    };
}

bool row_record(const struct row *row, struct record *ret)
{
    enum event_kind event = EVENT_MAX;
    enum order_kind order = ORDER_MAX;
    bool is_order = str_is(row->class, "order");
    if (is_order ? !order_of(row->kind.p, &order) : !str_is(row->class, "event") || !event_of(row->kind.p, &event))
        return false;
    *ret = (struct record){
        .seq = row->seq,
        .at_ms = row->at_ms,
        .wall_ms = row->wall_ms,
        .is_order = is_order,
        .kind = is_order ? (int)order : (int)event,
        .incident = row->incident,
        .number = row->number,
        .ref = row->ref,
        .service = row->service.p,
        .subject = row->subject.p,
        .who = row->who.p,
        .text = row->text.p,
        .stage = row->stage.p,
        .channel = row->channel.p,
        .address = row->address.p,
        .detail = row->detail.p,
    };
    return true;
}

#define READ_INTEGER(column) row.column = db_int(stmt, index++);
#define READ_TEXT(column) row.column = db_text(stmt, index++);
#define READ_COLUMN(column, type) READ_##type(column)

struct row row_read(struct db_stmt *stmt)
{
    struct row row;
    int index = 0;
    ROW_COLUMNS(READ_COLUMN)
    return row;
}

#define BIND_INTEGER(column) db_bind_int(stmt, index++, row->column);
#define BIND_TEXT(column) db_bind_text(stmt, index++, row->column);
#define BIND_COLUMN(column, type) BIND_##type(column)

void row_bind(struct db_stmt *stmt, const struct row *row)
{
    int index = 1;
    ROW_COLUMNS(BIND_COLUMN)
}

/* By hand, since a verification formats nine numbers for each of millions of rows. Returns the first character. */
static char *decimal(int64_t value, char *end)
{
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--end = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--end = '-';
    return end;
}

static void encode_text(struct buf *to, struct str text)
{
    char size[24], *end = size + sizeof(size), *p = decimal((int64_t)text.n, end);
    buf_add(to, p, (size_t)(end - p));
    buf_putc(to, ':');
    buf_add(to, text.p, text.n);
    buf_putc(to, ',');
}

static void encode_int(struct buf *to, int64_t value)
{
    char digits[24], *end = digits + sizeof(digits), *p = decimal(value, end);
    encode_text(to, (struct str){.p = p, .n = (size_t)(end - p)});
}

void row_hash(const struct row *row, struct hash *hash, struct buf *scratch, char hex[HASH_HEX_SIZE])
{
    buf_clear(scratch);
    encode_text(scratch, STR(ROW_FORMAT_TAG));
#define ENCODE_INTEGER(column) encode_int(scratch, row->column);
#define ENCODE_TEXT(column) encode_text(scratch, row->column);
#define ENCODE_COLUMN(column, type)                                                                                    \
    if (offsetof(struct row, column) != offsetof(struct row, hash))                                                    \
        ENCODE_##type(column)
    ROW_COLUMNS(ENCODE_COLUMN)
    hash_add(hash, scratch->p, scratch->n);
    hash_end(hash, hex);
}
