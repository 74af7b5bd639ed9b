/* fuzz_parted.c -- Any text as what was counted in a log, and as what pg_waldump complained of: nothing is known of it, or the log ends behind the fork. */
#include "io/parted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *cut = size ? memchr(data, '\n', size) : NULL;
    struct str all = {(const char *)data, size}, out = all, complaint = {0};
    struct err err = {0};
    struct parted p;
    if (cut) {
        out.n = (size_t)(cut - out.p);
        complaint = (struct str){cut + 1, size - out.n - 1};
    }
    if (parted_parse(out, complaint, 0x3000148, &p, &err) != (err.code == 0))
        abort();
    if (!err.code && (p.end < p.fork || p.transactions < 0 || p.probes < 0))
        abort();
    return 0;
}
