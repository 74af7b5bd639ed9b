/* What many hands put into one file, whoever was first. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "backup/spool.h"

static bool take(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_add(arg, data, size);
}

static void put(struct spool *spool, size_t lane, enum member_kind kind, char letter)
{
    struct err err = {0};
    char bytes[INDEX_HEADER_SIZE + 4] = {0};
    memset(bytes + INDEX_HEADER_SIZE, letter, 4);
    assert_true(spool_put(spool, lane, &(struct index_member){.kind = kind, .packed = sizeof(bytes), .unpacked = 4, .item = UINT32_MAX}, bytes, &err));
}

/* The second piece of a table may be read to its end before the thread with the first has written down that the table begins. */
static void rows_may_come_before_their_item(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf file = {.max = 1 << 20};
    SCOPED(spool_close) struct spool *spool = spool_open(take, &file, 2, 1 << 20, 0);
    struct spool_sum sum;
    struct err err = {0};
    put(spool, 1, MEMBER_ROWS, 'b');
    spool_rows(spool, 0, 5, 70, 1);
    spool_lane_end(spool, 1);
    assert_int_equal(spool_item(spool, 0, &(struct index_item){.kind = ITEM_TABLE, .name = "public.t"}), 0);
    put(spool, 0, MEMBER_SQL, 'a');
    spool_rows(spool, 0, 3, 8, 2);
    spool_lane_end(spool, 0);
    if (!spool_end(spool, arena, &sum, &err))
        fail_msg("%s", err.message);
    assert_int_equal(sum.index.item_count, 1);
    assert_int_equal(sum.index.items[0].rows, 8);
    assert_int_equal(sum.index.items[0].hash, 78);
    assert_int_equal(sum.index.items[0].rows_members, 3);
    assert_string_equal(sum.index.items[0].name, "public.t");
    assert_int_equal(sum.index.member_count, 2);
    assert_memory_equal(file.p + INDEX_HEADER_SIZE, "aaaa", 4); /* lane by lane, whoever was first */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_may_come_before_their_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
