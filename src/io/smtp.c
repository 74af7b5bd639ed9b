/* io/smtp.c -- Handing a message to a mail server. libcurl's SMTP blocks inside the multi interface: it waits for the answer to the
   end of the message and to QUIT, and when a transfer is taken away half-way it even ends the message as if it were whole. So the
   hand-over is curl_easy_perform in a forked child, which can be killed at the deadline without anything being sent. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/http_internal.h"
#include "sys/clock.h"

enum { QUIT_MS = 2000, REPLY_MAX = 512 };

/* What the child writes into its pipe, whole (it is under PIPE_BUF). */
struct verdict_of_child {
    int code;  /* the last SMTP reply; 0: there was none */
    bool handed_over;
    char reply[REPLY_MAX];
    struct err err;
};

struct handover {
    struct http_request base; /* first */
    struct smtp_spec spec;    /* copies in the request's arena */
    pid_t child;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *quit;
};

/* ---- in the child ---- */

struct conversation {
    const struct smtp_spec *spec;
    size_t sent;
    int code;
    bool complete; /* the reply's last line was seen: the next line begins another */
    struct buf reply;
};

static size_t on_message_wanted(char *to, size_t one, size_t room, void *arg)
{
    struct conversation *c = arg;
    size_t n = MIN_OF(room * one, c->spec->message_size - c->sent);
    memcpy(to, c->spec->message + c->sent, n);
    c->sent += n;
    return n;
}

/* "250-first", "250 last": curl shows the server's replies as headers. */
static size_t on_reply(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    struct conversation *c = arg;
    struct str line = str_trim((struct str){data, size});
    int64_t code = 0;
    if (line.n < 3 || !str_int((struct str){line.p, 3}, &code) || code < 200 || code == 221)
        return size; /* 221 answers the QUIT that curl sends after a refusal, which is what we want to know */
    if (c->complete)
        buf_clear(&c->reply);
    c->complete = line.n == 3 || line.p[3] != '-';
    c->code = (int)code;
    if (line.n > 4) {
        buf_puts(&c->reply, c->reply.n ? " " : "");
        buf_add(&c->reply, line.p + 4, line.n - 4);
    }
    return size;
}

static CURL *set_up(const struct handover *h, const char *address, struct conversation *c, char *why)
{
    const struct smtp_spec *spec = &h->spec;
    CURL *e = curl_easy_init();
    if (!e)
        abort();
    curl_easy_setopt(e, CURLOPT_URL, spec->url);
    curl_easy_setopt(e, CURLOPT_CONNECT_TO, curl_slist_append(NULL, connect_to(h->base.arena, address)));
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(e, CURLOPT_USE_SSL, (long)(spec->starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    if (spec->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, spec->ca_file);
    if (spec->user) {
        curl_easy_setopt(e, CURLOPT_USERNAME, spec->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, spec->password ? spec->password : "");
    }
    curl_easy_setopt(e, CURLOPT_MAIL_FROM, spec->from);
    curl_easy_setopt(e, CURLOPT_MAIL_RCPT, curl_slist_append(NULL, spec->to));
    curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)spec->message_size);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_message_wanted);
    curl_easy_setopt(e, CURLOPT_READDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_reply);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(spec->timeout_ms / 1000 + 1));
    return e;
}

static void talk(const struct handover *h, const char *address)
{
    struct conversation c = {.spec = &h->spec, .reply = {.max = REPLY_MAX - 1}};
    struct verdict_of_child v = {0};
    char why[CURL_ERROR_SIZE] = "";
    CURL *easy = set_up(h, address, &c, why);
    CURLcode code = curl_easy_perform(easy);
    v.code = c.code;
    v.handed_over = code == CURLE_OK;
    COPY_TO(v.reply, buf_text(&c.reply));
    if (code != CURLE_OK)
        curl_error(easy, (int)code, h->base.host, h->base.port, why, &v.err);
    ssize_t wrote = write(3, &v, sizeof(v));
    if (wrote == (ssize_t)sizeof(v) && code == CURLE_OK)
        curl_easy_cleanup(easy); /* says QUIT; nobody waits for it longer than QUIT_MS */
}

/* Of the parent's signals and descriptors nothing must be touched: its handlers would write into the pipe of its loop, and a lock
   file that is kept open here would outlive it. */
static void become_child(int report_fd, pid_t parent)
{
    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (report_fd != 3)
        dup2(report_fd, 3);
    close_range(4, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- in the parent ---- */

static void release(struct http_request *r)
{
    struct handover *h = CONTAINER_OF(r, struct handover, base);
    loop_fd_free(&h->watch);
    loop_timer_free(&h->quit);
    if (h->child > 0) {
        kill(h->child, SIGKILL);
        while (waitpid(h->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (h->fd > 0)
        close(h->fd);
    if (h->spec.password)
        explicit_bzero((char *)(uintptr_t)h->spec.password, strlen(h->spec.password));
}

static void on_quit_over(void *arg)
{
    struct handover *h = arg;
    request_free(&h->base);
}

/* The callback comes with the verdict; the request itself lives on until the child has said QUIT. */
static void tell(struct handover *h, const struct verdict_of_child *v)
{
    struct http_response response = {.status = v->code,
                                     .body = str_of(v->reply),
                                     .retry_after_ms = -1,
                                     .took_ms = clock_boot_ms() - h->base.started_ms};
    bool answered = v->handed_over || v->code >= 400;
    http_done_fn *done = TAKE(h->base.done);
    loop_timer_cancel(h->base.deadline);
    loop_timer_set(h->quit, clock_boot_ms() + QUIT_MS);
    if (!done)
        return;
    h->base.in_done = true;
    done(h->base.arg, answered ? &response : NULL, answered ? NULL : &v->err);
    h->base.in_done = false;
}

static void on_report(void *arg, int ready)
{
    (void)ready;
    struct handover *h = arg;
    struct verdict_of_child v;
    ssize_t n = read(h->fd, &v, sizeof(v));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n == (ssize_t)sizeof(v)) {
        tell(h, &v);
    } else if (h->base.done) {
        struct err err = {0};
        err_set(&err, ERR_INTERNAL, "the hand-over to \"%s\" ended without a word", h->base.host);
        request_finish(&h->base, NULL, &err);
    } else {
        request_free(&h->base);
    }
}

static pid_t fork_quietly(int report_fd)
{
    sigset_t all, before;
    sigfillset(&all); /* no handler of ours may run in the child before become_child has taken them away */
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        become_child(report_fd, parent);
        return 0;
    }
    int os = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = os;
    return child;
}

static void begin(struct http_request *r, const char *address)
{
    struct handover *h = CONTAINER_OF(r, struct handover, base);
    struct err err = {0};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        err_os(&err, errno, "could not make a pipe");
        request_fail_later(r, &err);
        return;
    }
    h->child = fork_quietly(ends[1]);
    if (h->child == 0) {
        talk(h, address);
        _exit(0);
    }
    if (h->child < 0)
        err_os(&err, errno, "could not start a process");
    close(ends[1]);
    h->fd = ends[0];
    if (h->child < 0) {
        request_fail_later(r, &err);
        return;
    }
    h->watch = loop_fd_new(http_loop(r->http), h->fd, LOOP_READ, on_report, h);
    h->quit = loop_timer_new(http_loop(r->http), on_quit_over, h);
}

static int port_of(const char *scheme)
{
    return !strcasecmp(scheme, "smtps") ? 465 : 25;
}

static const char *const schemes[] = {"smtp", "smtps", NULL};
static const struct http_kind smtp_kind = {.size = sizeof(struct handover), .schemes = schemes, .port = port_of, .begin = begin, .release = release};

static bool address_is_good(const char *address, struct err *err)
{
    bool good = address && *address && text_is_one_line(address) && !strpbrk(address, "<> \t,;");
    return good || err_set(err, ERR_USAGE, "\"%s\" is not a mail address", address && text_is_one_line(address) ? address : "");
}

static void copy_spec(struct arena *a, const struct smtp_spec *from, struct smtp_spec *to)
{
    *to = (struct smtp_spec){.url = arena_strdup(a, from->url),
                             .starttls = from->starttls,
                             .user = arena_strdup(a, from->user),
                             .password = arena_strdup(a, from->password),
                             .from = arena_strdup(a, from->from),
                             .to = arena_strdup(a, from->to),
                             .message = arena_dup(a, from->message, from->message_size),
                             .message_size = from->message_size,
                             .timeout_ms = from->timeout_ms,
                             .ca_file = arena_strdup(a, from->ca_file)};
}

bool smtp_start(struct http *http, const struct smtp_spec *spec, http_done_fn *done, void *arg, struct http_request **ret, struct err *err)
{
    if (!address_is_good(spec->from, err) || !address_is_good(spec->to, err))
        return false;
    struct http_request *r = request_new(http, &smtp_kind, spec->url, spec->timeout_ms, done, arg, err);
    if (!r)
        return false;
    copy_spec(r->arena, spec, &CONTAINER_OF(r, struct handover, base)->spec);
    if (ret)
        *ret = r;
    request_go(r);
    return true;
}
