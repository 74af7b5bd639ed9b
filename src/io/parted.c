/* io/parted.c -- Reading begins some way before the fork, so that the record which ends there is seen: a log that cannot be read up to it is told
   from one that ends there. */
#include "io/parted.h"

#include <inttypes.h>

#include "io/standing.h"

#include "base/banned.h"

enum { BLOCK = 1024 * 1024, PAGE = 8192, ALIGN = 8, HEADER = 24, HEADER_MAX = 40, WORDS = 4 }; /* of the log: no segment is smaller than a block; each page begins with a header */

void parted_words(struct arena *arena, int64_t timeline, uint64_t fork, const char *ret[PARTED_WORDS])
{
    ret[0] = arena_printf(arena, "%" PRId64, timeline);
    ret[1] = lsn_print(arena, fork - fork % BLOCK);
    ret[2] = arena_printf(arena, "%" PRIu64, fork >> 32);
    ret[3] = arena_printf(arena, "%" PRIu64, fork & UINT32_MAX);
    ret[4] = arena_printf(arena, "%08" PRIX64, timeline);
}

/* "error in WAL record at A: invalid record length at B: wanted 24, got 0": A is the last good one, B where the next would stand. */
bool parted_end(struct str complaint, uint64_t *ret)
{
    static const char mark[] = "error in WAL record at ", where[] = " at ";
    const char *from = complaint.n ? memmem(complaint.p, complaint.n, mark, strlen(mark)) : NULL;
    uint64_t last = 0, end = 0;
    if (!from)
        return false;
    struct str rest = {from + strlen(mark), complaint.n - (size_t)(from + strlen(mark) - complaint.p)}, word;
    if (!str_next(&rest, ':', &word) || !rest.p || !lsn_parse(str_trim(word), &last))
        return false;
    const char *at = memmem(rest.p, rest.n, where, strlen(where));
    if (!at)
        return false;
    struct str number = {at + strlen(where), rest.n - (size_t)(at + strlen(where) - rest.p)};
    size_t n = 0;
    while (n < number.n && strchr("0123456789ABCDEFabcdef/", number.p[n]) && number.p[n])
        n++;
    if (!lsn_parse((struct str){number.p, n}, &end) || end <= last)
        return false;
    *ret = end;
    return true;
}

static struct str last_line(struct str text)
{
    struct str line, last = {0};
    while (str_next(&text, '\n', &line))
        if (str_trim(line).n)
            last = str_trim(line);
    return last;
}

/* Behind the last good record, where pg_waldump complains of a page: that was to hold the rest of the next one, which was not written to its end.
   False where the header of that page may be a longer one. */
static bool behind(uint64_t at, int64_t size, uint64_t *ret)
{
    uint64_t left = ((uint64_t)size + ALIGN - 1) / ALIGN * ALIGN;
    if (!at || size <= 0 || size > INT32_MAX)
        return false;
    for (;;) {
        uint64_t here = MIN_OF(left, PAGE - at % PAGE);
        at += here;
        left -= here;
        if (!left)
            break;
        if (at % BLOCK == 0)
            return false;
        at += HEADER;
    }
    *ret = at;
    return true;
}

bool parted_parse(struct str out, struct str complaint, uint64_t fork, struct parted *ret, struct err *err)
{
    static const char ended[] = "error in WAL record at ";
    struct str rest = str_trim(out), word[WORDS] = {0}, why = last_line(complaint);
    struct parted p = {.fork = fork};
    uint64_t last;
    int64_t size;
    for (size_t i = 0; i < WORDS; i++)
        if (!str_next(&rest, ' ', &word[i]))
            return err_set(err, ERR_DATA, "its log was not read: %.*s", (int)MIN_OF(why.n, 200), why.n ? why.p : "");
    if (!str_int(word[0], &p.transactions) || !str_int(word[1], &p.probes) || !lsn_parse(word[2], &last) || !str_int(word[3], &size) || p.transactions < 0 || p.probes < 0)
        return err_set(err, ERR_DATA, "what stands in its log was not counted");
    bool known = parted_end(complaint, &p.end) || (complaint.n && memmem(complaint.p, complaint.n, ended, strlen(ended)) && behind(last, size, &p.end));
    if (!known)
        return err_set(err, ERR_DATA, "where its log ends cannot be read: %.*s", (int)MIN_OF(why.n, 200), why.n ? why.p : "");
    if (p.end < fork)
        return err_set(err, ERR_DATA, "its log can be read up to %X/%X only", (unsigned)(p.end >> 32), (unsigned)p.end);
    if (fork % PAGE == 0 && p.end - fork <= HEADER_MAX) /* it ended with a page, and the next record would stand behind the next page's header */
        p.end = fork;
    *ret = p;
    return true;
}
