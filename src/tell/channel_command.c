/* tell/channel_command.c -- Any program as a channel: it gets the notice as JSON on its standard input and says by its exit status what
   became of it. */
#include "sys/proc.h"
#include "tell/channel.h"
#include "tell/handover.h"
#include "tell/notice_json.h"

extern const struct channel_ops channel_command;

struct command_options {
    struct strs command;
    int64_t timeout_ms;
};

static const struct option options[] = {
    {.key = "command", .type = OPTION_ARGV, .offset = offsetof(struct command_options, command), .required = true,
     .help = "program and its arguments; no shell. Exit status 0: it went out; 65, 67, 68, 76, 77, 78: it never will; any other: try again",
     .sample = "[/usr/local/bin/tell-it]"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = offsetof(struct command_options, timeout_ms), .fallback = "20s", .min = 1000,
     .max = 5 * MS_MINUTE, .help = "then it is stopped"},
    OPTION_END,
};

enum { BODY_MAX = 64 * 1024, HTML_MAX = 80 * 1024, INPUT_MAX = 1024 * 1024, OUTPUT_MAX = 4096, SAID_MAX = 200, ADDRESS_MAX = 254 };

struct handle {
    struct arena *arena; /* it lives in it */
    struct proc *proc;
    channel_done_fn *done;
    void *arg;
};

static bool valid(const struct channel_conf *conf, struct err *err)
{
    const struct command_options *o = conf->options;
    if (o->command.n == 0)
        return err_set(err, ERR_CONFIG, "a channel of type \"command\" needs \"command\"");
    if (o->command.p[0][0] == '/')
        return true;
    err_set(err, ERR_CONFIG, "\"%s\" is not an absolute path", o->command.p[0]);
    return err_hint(err, "what PATH is when something is on fire is not the moment to find out");
}

/* It travels within JSON; what programs take for more than a name is kept out all the same. */
static bool address_valid(const char *address, struct err *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@.+_-#:/=,~%";
    if (!address)
        return true;
    size_t n = strlen(address);
    if (n > 0 && n <= ADDRESS_MAX && address[0] != '-' && strspn(address, plain) == n)
        return true;
    return err_set(err, ERR_CONFIG, "an address for a command is made of letters, digits and @.+_-#:/=,~%%, and does not begin with -");
}

static void free_handle(struct handle *h)
{
    struct arena *arena = h->arena;
    arena_close(&arena);
}

static void cancel(void **handle)
{
    struct handle *h = TAKE(*handle);
    if (!h)
        return;
    proc_abandon(&h->proc);
    free_handle(h);
}

/* As in sysexits(3): wrong data, user or host unknown, protocol, permission, configuration. */
static enum delivery judge(const struct proc_result *result)
{
    static const int never[] = {65, 67, 68, 76, 77, 78};
    if (proc_ok(result))
        return DELIVERY_SENT;
    for (size_t i = 0; i < COUNT_OF(never); i++)
        if (result->end == PROC_EXITED && result->exit_code == never[i])
            return DELIVERY_REFUSED;
    return DELIVERY_RETRY;
}

/* The first line of what it said: of its output when it went well, else of its complaints. */
static const char *first_line(struct arena *arena, const struct proc_result *result)
{
    struct str text = str_trim(proc_ok(result) || !str_trim(result->err).n ? result->out : result->err), line = {0};
    char room[SAID_MAX + 1];
    if (!str_next(&text, '\n', &line) || !line.n)
        return "";
    (void)str_copy(room, sizeof(room), str_dup(arena, line));
    for (char *p = room; *p; p++)
        *p = (unsigned char)*p < 0x20 || *p == 0x7F ? ' ' : *p;
    return arena_strdup(arena, str_is_clean(str_of(room)) ? room : "(not text)");
}

static void on_ended(void *arg, const struct proc_result *result)
{
    struct handle *h = arg;
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *line = first_line(a, result);
    const char *text = arena_printf(a, "the command %s%s%s", proc_ok(result) ? "took it" : "ended: ", proc_ok(result) ? "" : result->why,
                                    *line ? arena_printf(a, ": %s", line) : "");
    enum delivery delivery = judge(result);
    channel_done_fn *done = h->done;
    void *done_arg = h->arg;
    free_handle(h);
    done(done_arg, delivery, -1, text);
}

static const char *input(struct arena *arena, const struct notice *notice)
{
    struct buf SCOPED(buf_done) out = {.max = INPUT_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_text(&j, "type", notice_type(arena, notice));
    notice_put_json(&j, notice, BODY_MAX);
    json_put_text(&j, "html", notice->html && strlen(notice->html) <= HTML_MAX ? notice->html : NULL);
    json_object_end(&j);
    buf_putc(&out, '\n');
    return arena_strdup(arena, buf_text(&out));
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    const struct command_options *o = conf->options;
    struct arena *arena = arena_open();
    struct handle *h = arena_new(arena, struct handle);
    *h = (struct handle){.arena = arena, .done = done, .arg = arg};
    const char **argv = arena_array(arena, const char *, o->command.n + 1);
    for (size_t i = 0; i < o->command.n; i++)
        argv[i] = o->command.p[i];
    struct proc_spec spec = {.argv = argv, .input = input(arena, notice), .timeout_ms = o->timeout_ms, .output_max = OUTPUT_MAX, .pass_fd = -1};
    if (!proc_start(env->loop, &spec, on_ended, h, &h->proc, err)) {
        free_handle(h);
        return false;
    }
    *ret_handle = h;
    return true;
}

const struct channel_ops channel_command = {
    .name = "command",
    .summary = "any program: it gets the notice as JSON on its standard input",
    .options = options,
    .options_size = sizeof(struct command_options),
    .valid = valid,
    .address_valid = address_valid,
    .start = start,
    .cancel = cancel,
};
