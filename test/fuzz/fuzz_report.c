/* test/fuzz/fuzz_report.c -- Whatever stands in a run's file, the controller reads it without harm, and what it reads it can write. */
#include "act/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size}, line;
    while (rest.p && str_next(&rest, '\n', &line)) {
        struct report_line parsed;
        struct err err = {0};
        if (!report_parse(line, &parsed, &err)) {
            if (!*err.message)
                abort(); /* a refusal always says why */
            continue;
        }
        if (!memchr(parsed.text, 0, sizeof(parsed.text)) || !memchr(parsed.name, 0, sizeof(parsed.name)))
            abort();
        if (parsed.kind == REPORT_RESULT && parsed.outcome >= OUTCOME_MAX)
            abort();
    }
    return 0;
}
