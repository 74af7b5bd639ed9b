/* Any word: quoted for a shell and taken apart by the shell's rules, it is the same word again, and one word only. */
#include "io/ssh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a POSIX shell makes of single quotes and backslashes; aborts when anything else would be live. */
static char *as_shell(struct arena *arena, const char *line)
{
    char *word = arena_alloc(arena, strlen(line) + 1), *to = word;
    bool quoted = false;
    for (const char *p = line; *p; p++) {
        if (*p == '\'')
            quoted = !quoted;
        else if (!quoted && *p == '\\' && p[1])
            *to++ = *++p;
        else if (!quoted)
            abort(); /* outside of quotes a blank splits and a $ expands */
        else
            *to++ = *p;
    }
    if (quoted)
        abort();
    return word;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    char *word = arena_strndup(arena, (const char *)data, size);
    const char *quoted = ssh_quote(arena, word);
    if (!same(as_shell(arena, quoted), word))
        abort();
    /* And through the whole command line: the last word is the remote one. */
    struct host host = {.address = word, .user = word, .port = 22, .identity = word, .known_hosts = word};
    struct strs words = {0};
    *vec_add(arena, &words) = word;
    const char *const *argv = ssh_argv(arena, &host, word, &words);
    if (host_is_local(&host))
        return 0;
    while (argv[1])
        argv++;
    if (!same(*argv, quoted) || !same(argv[-2], "--"))
        abort();
    return 0;
}
