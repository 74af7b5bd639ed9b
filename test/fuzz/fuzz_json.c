/* Any text: json_parse says yes or no without fault, and what it read survives being written and read once more. */
#include "base/jsonout.h"
#include "io/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The value as JSON, as far as the reader's interface tells. */
static void write_value(struct arena *arena, struct jsonout *j, const struct json *value)
{
    int64_t number;
    bool truth;
    if (json_key_at(value, 0)) {
        json_object(j);
        for (size_t i = 0; i < json_count(value); i++) {
            json_key(j, json_key_at(value, i));
            write_value(arena, j, json_get(value, json_key_at(value, i)));
        }
        json_object_end(j);
    } else if (json_count(value)) {
        json_array(j);
        for (size_t i = 0; i < json_count(value); i++)
            write_value(arena, j, json_at(value, i));
        json_array_end(j);
    } else if (json_integer(value, &number)) {
        json_int(j, number);
    } else if (json_truth(value, &truth)) {
        json_bool(j, truth);
    } else if (json_string(value)) {
        json_text(j, json_string(value));
    } else {
        json_null(j); /* null, a real number, or an empty container */
    }
}

static void write_all(struct arena *arena, const struct json *root, struct buf *to)
{
    struct jsonout j = jsonout(to);
    json_array(&j); /* a scalar may stand alone, and the writer counts depth from here */
    write_value(arena, &j, root);
    json_array_end(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    const struct json *root = NULL, *again = NULL;
    if (!json_parse(arena, (struct str){(const char *)data, size}, &root, &err)) {
        if (root || err.code == ERR_NONE || !err.message[0])
            abort();
        return 0;
    }
    json_scalar(arena, root);
    json_path(root, "a.0.b");
    struct buf first SCOPED(buf_done) = {.max = 1 << 22}, second SCOPED(buf_done) = {.max = 1 << 22};
    write_all(arena, root, &first);
    if (first.over)
        return 0;
    if (!json_parse(arena, buf_str(&first), &again, &err))
        return err.code == ERR_LIMIT ? 0 : (abort(), 0); /* one level deeper than what was read */
    write_all(arena, json_at(again, 0), &second);
    if (!same(buf_text(&first), buf_text(&second)))
        abort();
    return 0;
}
