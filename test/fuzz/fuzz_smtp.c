/* fuzz_smtp.c -- Any lines as the replies of a mail server: the text that is kept of them stays within its limit. */
#include "io/smtp.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conversation c = {.reply = {.max = 512}};
    struct str rest = {(const char *)data, size}, line;
    while (rest.p && str_next(&rest, '\n', &line)) {
        char *own = malloc(line.n + 1); /* so that reading beyond the line is seen */
        memcpy(own, line.p, line.n);
        if (on_reply(own, 1, line.n, &c) != line.n || c.reply.n > 512 || c.code < 0 || c.code > 999)
            abort();
        free(own);
    }
    buf_done(&c.reply);
    return 0;
}
