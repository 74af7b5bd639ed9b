/* How much COPY text a second of CPU turns into the binary form, on rows like those of the lab's generator. Prints one line of JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/jsonout.h"
#include "restore/binary.h"
#include "restore/binary_types.h"

enum { CHUNK = 1 << 20, FOR_MS = 500, MAX_COLUMNS = 8 };
enum { BOOL = 16, INT8 = 20, TEXT = 25, FLOAT8 = 701, INET = 869, DATE = 1082, TIMESTAMPTZ = 1184, NUMERIC = 1700, UUID = 2950, JSONB = 3802 };

static void moment(int64_t i, struct buf *row)
{
    buf_printf(row, "20%02d-%02d-%02d %02d:%02d:00+00", (int)(i % 30), (int)(1 + i % 12), (int)(1 + i % 28), (int)(i % 24), (int)(i % 60));
}

static void user(int64_t i, struct buf *row)
{
    buf_printf(row, "%" PRId64 "\tuser%" PRId64 "@example.com\tPr\xc3\xa9nom c4ca4238a0b923820dcc509a6f75849b\ttenant\t", i, i);
    moment(i, row);
}

static void payment(int64_t i, struct buf *row)
{
    buf_printf(row, "%" PRId64 "\t%" PRId64 "\t%d.%02d\tSEED-%010" PRId64 "\t", i, i * 15485863 % 1000000, (int)(300 + i % 2700), (int)(i % 100), i);
    moment(i, row);
}

static void invoice(int64_t i, struct buf *row)
{
    buf_printf(row, "%" PRId64 "\t%" PRId64 "\t%s\tF-%09" PRId64 "\t%d.%02d\t2023-%02d-%02d\t%s", i, i * 7919 % 1000000, i % 5 ? "123456" : "\\N", i,
               (int)(300 + i % 2700), (int)(i % 100), (int)(1 + i % 12), (int)(1 + i % 28), i % 50 ? "\\N" : "r\xc3\xa9gl\xc3\xa9" "e en deux fois;\\n\\tvoir C:\\\\dossiers");
}

static void audit(int64_t i, struct buf *row)
{
    buf_printf(row, "%" PRId64 "\ta0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\t10.1.%d.%d\t%s\t%d.%d\t{\"action\": \"update\", \"table\": \"contracts\", \"id\": %" PRId64
               ", \"before\": {\"status\": \"draft\"}, \"note\": \"il a dit \\\\\"oui\\\\\"\"}\t", i, (int)(i % 256), (int)(i / 256 % 256), i % 2 ? "t" : "f",
               (int)(i % 1000), (int)(i % 10), i);
    moment(i, row);
}

static const struct {
    const char *name;
    uint32_t types[MAX_COLUMNS];
    void (*row)(int64_t i, struct buf *row);
} tables[] = {
    {"users", {INT8, TEXT, TEXT, TEXT, TIMESTAMPTZ}, user},
    {"payments", {INT8, INT8, NUMERIC, TEXT, TIMESTAMPTZ}, payment},
    {"invoices", {INT8, INT8, INT8, TEXT, NUMERIC, DATE, TEXT}, invoice},
    {"audit", {INT8, UUID, INET, BOOL, FLOAT8, JSONB, TIMESTAMPTZ}, audit},
};

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* MB of text a second; 0 when a row was not turned. */
static double measure(size_t table, struct buf *text, struct buf *out)
{
    struct binary_column columns[MAX_COLUMNS];
    struct binary b = {.columns = columns, .utf8 = true};
    for (; b.count < MAX_COLUMNS && tables[table].types[b.count]; b.count++)
        if (!binary_column_for(tables[table].types[b.count], -1, &columns[b.count]))
            return 0;
    buf_clear(text);
    for (int64_t i = 1; text->n < CHUNK; i++) {
        tables[table].row(i * 1234567 % 100000007, text);
        buf_putc(text, '\n');
    }
    double begin = cpu_ms(), took = 0;
    size_t bytes = 0;
    while (took < FOR_MS) {
        int64_t rows;
        buf_clear(out);
        if (binary_rows(&b, buf_str(text), out, &rows) != BINARY_OK)
            return 0;
        bytes += text->n;
        took = cpu_ms() - begin;
    }
    return (double)bytes / 1e3 / took;
}

int main(void)
{
    SCOPED(buf_done) struct buf line = {.max = 4096}, text = {.max = 2 * CHUNK}, out = {.max = 16 * CHUNK};
    struct jsonout j = jsonout(&line);
    json_object(&j);
    json_put_text(&j, "bench", "binary");
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        double speed = measure(i, &text, &out);
        if (speed == 0)
            return 1;
        json_put_int(&j, tables[i].name, (int64_t)speed);
    }
    json_object_end(&j);
    puts(buf_text(&line));
    return 0;
}
