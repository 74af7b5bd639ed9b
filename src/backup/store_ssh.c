/* backup/store_ssh.c -- A folder on another host, reached by OpenSSH. The remote shell runs constant scripts; names go as their
   arguments, each quoted, and never become part of one. */
#include <errno.h>
#include <unistd.h>

#include "backup/dumper.h"
#include "backup/store.h"
#include "io/ssh.h"
#include "sys/file.h"

enum { SILENCE_MS = 2 * 60 * 1000, TEXT_MAX = 16 * 1024 * 1024, EXIT_NO_INPUT = 66, EXIT_NO_COMMAND = 127 };

static bool valid(const void *options, struct err *err)
{
    const struct store_ssh_options *o = options;
    if (!o->folder || *o->folder != '/')
        return err_set(err, ERR_CONFIG, "\"folder\" must be an absolute path");
    return !host_is_local(&o->host) || err_set(err, ERR_CONFIG, "\"host\" must be another host; for this machine there is the type folder");
}

/* ---- one command there ---- */

struct call {
    const char *script;
    const char *args[3]; /* $1 is always the folder, these follow */
    int input;
    void (*tick)(void *arg, int64_t read_bytes);
    void *tick_arg;
    int exit;
};

static bool run(const struct store *store, const struct store_ctx *ctx, struct call *call, store_sink_fn *sink, void *arg, struct err *err)
{
    const struct store_ssh_options *o = store->options;
    struct strs words = {0};
    const char *const first[] = {"sh", "-c", call->script, "sh", o->folder};
    for (size_t i = 0; i < COUNT_OF(first); i++)
        *vec_add(ctx->arena, &words) = first[i];
    for (size_t i = 0; i < COUNT_OF(call->args) && call->args[i]; i++)
        *vec_add(ctx->arena, &words) = call->args[i];
    if (ctx->control_dir && !host_is_local(&o->host) && !ssh_prepare(ctx->control_dir, err))
        return false;
    struct dumper_spec spec = {.argv = ssh_argv(ctx->arena, &o->host, ctx->control_dir, &words), .silence_ms = SILENCE_MS, .input = call->input,
                               .tick = call->tick, .tick_arg = call->tick_arg, .ret_exit = &call->exit};
    if (dumper_run(&spec, sink, arg, err))
        return true;
    if (err && ssh_transport_failed(&o->host, call->exit)) {
        err->code = ERR_UNAVAILABLE;
        err->retryable = true;
        return err_prefix(err, "host \"%s\" was not reached", o->host.address);
    }
    return false;
}

static bool into_text(void *arg, const void *data, size_t size, struct err *err)
{
    return buf_add(arg, data, size) || err_set(err, ERR_LIMIT, "the host says more than can be");
}

/* ---- the verbs ---- */

static bool list(const struct store *store, const struct store_ctx *ctx, const char *prefix, struct store_object **ret, size_t *ret_count,
                 struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = TEXT_MAX};
    VEC(struct store_object) found = {0};
    struct call call = {.script = "[ -d \"$1\" ] || exit 0; cd -- \"$1\" || exit 1\n"
                                  "for f in \"$2\"*; do [ ! -f \"$f\" ] || printf '%d %s\\n' \"$(wc -c < \"$f\")\" \"$f\" || exit 1; done",
                        .args = {prefix}};
    if (!run(store, ctx, &call, into_text, &text, err))
        return false;
    struct str rest = buf_str(&text), line, size;
    while (str_next(&rest, '\n', &line)) {
        int64_t bytes;
        if (line.n && str_next(&line, ' ', &size) && str_int(size, &bytes))
            *vec_add(ctx->arena, &found) = (struct store_object){str_dup(ctx->arena, line), bytes};
    }
    *ret = found.p;
    *ret_count = found.n;
    return true;
}

struct ticking {
    const struct backup_progress *progress;
    int64_t total;
};

static void tick(void *arg, int64_t at)
{
    const struct ticking *t = arg;
    if (t->progress && t->progress->fn)
        t->progress->fn(t->progress->arg, at, t->total, "push");
}

/* How much a former try left there; a beginning that is longer than the whole is thrown away. */
static bool left_there(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t total, int64_t *ret, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = 4096};
    struct call call = {.script = "umask 077; mkdir -p -- \"$1\" && cd -- \"$1\" || exit 1\n"
                                  "[ -f \".$2.part\" ] || { echo 0; exit 0; }\n"
                                  "n=$(wc -c < \".$2.part\") || exit 1\n"
                                  "[ \"$n\" -le \"$3\" ] || { rm -f -- \".$2.part\" && n=0; }\n"
                                  "echo \"$n\"",
                        .args = {name, arena_printf(ctx->arena, "%lld", (long long)total)}};
    if (!run(store, ctx, &call, into_text, &text, err))
        return false;
    return str_int(str_trim(buf_str(&text)), ret) || err_set(err, ERR_PROTOCOL, "the host does not say how much it has of \"%s\"", name);
}

static bool put(const struct store *store, const struct store_ctx *ctx, const char *path, const char *name, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = TEXT_MAX};
    int64_t from, size;
    SCOPED(file_close) int fd = -1;
    if (!file_open(path, &fd, &size, err) || !left_there(store, ctx, name, size, &from, err))
        return false;
    if (lseek(fd, from, SEEK_SET) != from)
        return err_os(err, errno, "could not read \"%s\"", path);
    struct ticking ticking = {ctx->progress, size};
    /* A connection that is cut looks like an end to `cat`: only the right length gets the name. */
    struct call call = {.script = "umask 077; cd -- \"$1\" && cat >> \".$2.part\" || exit 1\n"
                                  "[ \"$(wc -c < \".$2.part\")\" -eq \"$3\" ] || { echo 'it did not arrive whole' >&2; exit 1; }\n"
                                  "{ sync \".$2.part\" 2>/dev/null || sync; } && mv -f -- \".$2.part\" \"$2\"",
                        .args = {name, arena_printf(ctx->arena, "%lld", (long long)size)},
                        .input = fd,
                        .tick = tick,
                        .tick_arg = &ticking};
    return run(store, ctx, &call, into_text, &text, err);
}

static bool get(const struct store *store, const struct store_ctx *ctx, const char *name, int64_t from, store_sink_fn *sink, void *arg,
                struct err *err)
{
    struct call call = {.script = "cd -- \"$1\" 2>/dev/null && [ -f \"$2\" ] || exit 66; exec tail -c \"+$3\" -- \"$2\"",
                        .args = {name, arena_printf(ctx->arena, "%lld", (long long)from + 1)}};
    if (run(store, ctx, &call, sink, arg, err))
        return true;
    if (call.exit == EXIT_NO_INPUT)
        return err_set(err, ERR_NOT_FOUND, "there is no \"%s\" on the host", name);
    return false;
}

static bool remove_object(const struct store *store, const struct store_ctx *ctx, const char *name, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = TEXT_MAX};
    struct call call = {.script = "[ -d \"$1\" ] || exit 0; cd -- \"$1\" && rm -f -- \"$2\" \".$2.part\"", .args = {name}};
    return run(store, ctx, &call, into_text, &text, err);
}

static bool into_hash(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    hash_add(arg, data, size);
    return true;
}

/* There, where it does not cross the network once more; read back when the host has no program for it. */
static bool hash_object(const struct store *store, const struct store_ctx *ctx, const char *name, char hex[HASH_HEX_SIZE], struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = 4096};
    struct call call = {.script = "cd -- \"$1\" 2>/dev/null && [ -f \"$2\" ] || exit 66; command -v sha256sum > /dev/null || exit 127\n"
                                  "exec sha256sum < \"$2\"",
                        .args = {name}};
    if (run(store, ctx, &call, into_text, &text, err)) {
        if (text.n < HASH_HEX_SIZE - 1)
            return err_set(err, ERR_PROTOCOL, "the host gives no checksum of \"%s\"", name);
        memcpy(hex, text.p, HASH_HEX_SIZE - 1);
        hex[HASH_HEX_SIZE - 1] = 0;
        return true;
    }
    if (call.exit == EXIT_NO_INPUT)
        return err_set(err, ERR_NOT_FOUND, "there is no \"%s\" on the host", name);
    if (call.exit != EXIT_NO_COMMAND)
        return false;
    SCOPED(hash_close) struct hash *hash = hash_open();
    if (!get(store, ctx, name, 0, into_hash, hash, err))
        return false;
    hash_end(hash, hex);
    return true;
}

#define AT(member) .offset = offsetof(struct store_ssh_options, member)
static const struct option options[] = {
    {"host", OPTION_HOST, AT(host), .required = true, .help = "the host, reached by OpenSSH", .sample = "{address: backup.example.org, user: akig, identity: /etc/bascule/id_ed25519}"},
    {"folder", OPTION_PATH, AT(folder), .required = true, .help = "where the copies lie there; made when it is missing", .sample = "/backups/akig"},
    OPTION_END,
};

const struct store_ops store_ssh = {
    .name = "ssh",
    .summary = "a folder on another host, over OpenSSH",
    .options = options,
    .options_size = sizeof(struct store_ssh_options),
    .valid = valid,
    .list = list,
    .put = put,
    .get = get,
    .remove = remove_object,
    .hash = hash_object,
};
