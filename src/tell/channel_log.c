/* tell/channel_log.c -- Notices as lines of JSON in a file: the channel that needs nobody else to be well. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tell/channel.h"

extern const struct channel_ops channel_log;

struct log_options {
    const char *file;
};

static const struct option options[] = {
    {.key = "file", .type = OPTION_PATH, .offset = offsetof(struct log_options, file), .required = true,
     .help = "file that gets one line of JSON for each notice", .sample = "/var/log/bascule/notices.log"},
    OPTION_END,
};

enum {
    LINE_BYTES_MAX = 256 * 1024,
    TAIL_BYTES = 256 * 1024, /* searched for the key, so that a notice is not written twice when we were killed after writing */
};

/* The answer of a write that is over, told in the next round of the loop. */
struct handle {
    struct loop_timer *timer;
    channel_done_fn *done;
    void *arg;
};

static bool valid(const struct channel_conf *conf, struct err *err)
{
    (void)conf;
    (void)err;
    return true;
}

static bool address_valid(const char *address, struct err *err)
{
    return !address || err_set(err, ERR_CONFIG, "a channel of type \"log\" takes no address");
}

static void write_json(struct buf *line, const struct notice *notice)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct jsonout j = jsonout(line);
    json_object(&j);
    json_put_text(&j, "key", notice->key);
    json_put_text(&j, "time", moment_iso(a, notice->wall_ms));
    json_put_int(&j, "incident", notice->incident);
    json_put_text(&j, "service", notice->service);
    json_put_text(&j, "stage", notice->stage);
    json_put_text(&j, "contact", notice->contact);
    json_put_text(&j, "subject", notice->subject);
    json_put_text(&j, "body", notice->body);
    json_object_end(&j);
    buf_putc(line, '\n');
}

/* Reads the end of the file. *ret_known: the notice stands there. *ret_torn: the last line was never finished. */
static bool look_at_tail(int fd, off_t size, const char *start, bool *ret_known, bool *ret_torn, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    size_t want = (size_t)MIN_OF(size, (off_t)TAIL_BYTES);
    char *tail = arena_alloc(a, want + 1);
    ssize_t got = pread(fd, tail, want, size - (off_t)want);
    if (got < 0)
        return err_os(err, errno, "could not read it");
    *ret_known = memmem(tail, (size_t)got, start, strlen(start)) != NULL;
    *ret_torn = got > 0 && tail[got - 1] != '\n';
    return true;
}

/* Key and time: the key alone comes back when a journal is begun anew and incidents are counted from 1 again. */
static char *line_start(struct arena *arena, const struct buf *line)
{
    const char *end = strstr(buf_text(line), ",\"incident\":");
    return arena_strndup(arena, buf_text(line), (size_t)(end - buf_text(line)));
}

static bool append(int fd, const struct buf *line, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct stat st;
    bool known, torn;
    if (fstat(fd, &st) != 0)
        return err_os(err, errno, "could not look at it");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "it is not a regular file");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &st) != 0)
        return err_os(err, errno, "could not lock it"); /* when somebody else writes, the next attempt comes in a second */
    if (!look_at_tail(fd, st.st_size, line_start(a, line), &known, &torn, err))
        return false;
    if (known)
        return true;
    struct buf whole SCOPED(buf_done) = {.max = LINE_BYTES_MAX + 1};
    if (torn)
        buf_putc(&whole, '\n');
    buf_add(&whole, line->p, line->n);
    ssize_t put = write(fd, whole.p, whole.n);
    if (put == (ssize_t)whole.n && fsync(fd) == 0)
        return true;
    err_os(err, put >= 0 && put < (ssize_t)whole.n ? ENOSPC : errno, "could not write to it");
    if (ftruncate(fd, st.st_size) != 0)
        err_prefix(err, "half a line was left");
    return false;
}

static bool append_to(const char *path, const struct notice *notice, struct err *err)
{
    struct buf line SCOPED(buf_done) = {.max = LINE_BYTES_MAX};
    write_json(&line, notice);
    if (line.over)
        return err_set(err, ERR_DATA, "the notice is larger than %d bytes", LINE_BYTES_MAX);
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0)
        return err_os(err, errno, "could not open \"%s\"", path);
    bool ok = append(fd, &line, err) || err_prefix(err, "file \"%s\"", path);
    close(fd);
    return ok;
}

static void cancel(void **handle)
{
    struct handle *h = TAKE(*handle);
    if (!h)
        return;
    loop_timer_free(&h->timer);
    free(h);
}

static void tell(void *arg)
{
    struct handle *h = arg;
    channel_done_fn *done = h->done;
    void *done_arg = h->arg;
    cancel((void **)&h);
    done(done_arg, DELIVERY_SENT, -1, "written");
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    const struct log_options *o = conf->options;
    if (!append_to(o->file, notice, err))
        return false;
    struct handle *h = calloc(1, sizeof(*h));
    if (!h)
        abort();
    *h = (struct handle){.done = done, .arg = arg};
    h->timer = loop_timer_new(env->loop, tell, h);
    loop_timer_set(h->timer, clock_boot_ms());
    *ret_handle = h;
    return true;
}

const struct channel_ops channel_log = {
    .name = "log",
    .summary = "appends each notice to a file, as a line of JSON",
    .options = options,
    .options_size = sizeof(struct log_options),
    .valid = valid,
    .address_valid = address_valid,
    .start = start,
    .cancel = cancel,
};
