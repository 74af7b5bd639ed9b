/* io/transfer.c -- libcurl's easy interface with everything off that would surprise: redirects, proxies, signals, other protocols. */
#include "io/transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "io/http_internal.h"

enum { KEPT_MAX = 4 * 1024 * 1024, CONNECT_S = 15 };

struct transfer {
    struct arena *arena;
    const struct transfer_spec *spec;
    CURL *easy;
    struct curl_slist *headers;
    char detail[CURL_ERROR_SIZE];
    int64_t sent, skip;
    struct buf kept;
    const char *header;
    struct err err; /* of a callback of ours, which curl reports as its own */
};

static long status_of(const struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* ---- callbacks ---- */

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    const struct transfer_spec *s = t->spec;
    size_t room = size * count;
    if (s->body_fd <= 0) {
        size_t n = MIN_OF(room, s->body.n - (size_t)t->sent);
        memcpy(to, s->body.p + t->sent, n);
        t->sent += (int64_t)n;
        return n;
    }
    size_t wanted = (size_t)MIN_OF((int64_t)room, s->body_size - t->sent);
    ssize_t n;
    do
        n = wanted ? pread(s->body_fd, to, wanted, s->body_at + t->sent) : 0;
    while (n < 0 && errno == EINTR);
    if (n < 0 || (n == 0 && wanted)) {
        if (n < 0)
            err_os(&t->err, errno, "could not read the file that is being sent");
        else
            err_set(&t->err, ERR_IO, "the file that is being sent became shorter");
        return CURL_READFUNC_ABORT;
    }
    t->sent += n;
    return (size_t)n;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t n = size * count, all = n;
    long status = status_of(t);
    if (!t->spec->sink || status < 200 || status > 299) {
        if (buf_add(&t->kept, data, n))
            return all;
        err_set(&t->err, ERR_LIMIT, "the answer is longer than %d bytes", KEPT_MAX);
        return 0;
    }
    if (t->skip && status == 200) { /* it sends all, though only the rest was asked for */
        size_t drop = (size_t)MIN_OF((int64_t)n, t->skip);
        t->skip -= (int64_t)drop;
        data += drop;
        n -= drop;
    }
    return n == 0 || t->spec->sink(t->spec->arg, data, n, &t->err) ? all : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct str line = {data, size * count}, name;
    if (t->spec->want_header && str_next(&line, ':', &name) && line.p && name.n == strlen(t->spec->want_header) &&
        strncasecmp(name.p, t->spec->want_header, name.n) == 0)
        t->header = str_dup(t->arena, str_trim(line));
    return size * count;
}

static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    (void)down_all, (void)down, (void)up_all;
    struct transfer *t = arg;
    if (t->spec->tick && up > 0)
        t->spec->tick(t->spec->tick_arg, up);
    return 0;
}

/* ---- one exchange ---- */

static bool add_header(struct transfer *t, const char *header, struct err *err)
{
    if (!text_is_one_line(header))
        return err_set(err, ERR_USAGE, "a header of the request has control characters");
    t->headers = curl_slist_append(t->headers, header);
    return true;
}

static bool set_headers(struct transfer *t, struct err *err)
{
    for (const char *const *h = t->spec->headers; h && *h; h++)
        if (!add_header(t, *h, err))
            return false;
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    return true;
}

static void set_body(struct transfer *t)
{
    const struct transfer_spec *s = t->spec;
    curl_off_t size = s->body_fd > 0 ? s->body_size : (curl_off_t)s->body.n;
    if (same(s->method, "PUT")) {
        curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, size);
        curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
        curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
    } else if (same(s->method, "POST")) {
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, s->body.n ? s->body.p : "");
    } else {
        curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, s->method);
    }
    if (s->from > 0)
        curl_easy_setopt(t->easy, CURLOPT_RANGE, arena_printf(t->arena, "%lld-", (long long)s->from));
}

static void set_who(struct transfer *t)
{
    const struct transfer_spec *s = t->spec;
    if (s->user)
        curl_easy_setopt(t->easy, CURLOPT_USERNAME, s->user);
    if (s->password)
        curl_easy_setopt(t->easy, CURLOPT_PASSWORD, s->password);
    if (s->aws_region)
        curl_easy_setopt(t->easy, CURLOPT_AWS_SIGV4, arena_printf(t->arena, "aws:amz:%s:s3", s->aws_region));
    else if (s->user)
        curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    if (s->ca_file)
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, s->ca_file);
}

static void set_rest(struct transfer *t)
{
    CURL *e = t->easy;
    curl_easy_setopt(e, CURLOPT_URL, t->spec->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "bascule/" BASCULE_VERSION);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)MAX_OF(t->spec->silence_ms / MS_SECOND, 1));
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 256L * 1024);
}

/* For messages: the host, and nothing that may be a secret. */
static const char *host_of(struct transfer *t, int *ret_port)
{
    char *host = NULL, *port = NULL;
    int64_t number = 0;
    CURLU *u = curl_url();
    const char *found = "?";
    if (u && !curl_url_set(u, CURLUPART_URL, t->spec->url, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0))
        found = arena_strdup(t->arena, host);
    if (u && !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT))
        *ret_port = str_int(str_of(port), &number) ? (int)number : 0;
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return found;
}

static bool judge(struct transfer *t, CURLcode code, struct transfer_answer *ret, struct err *err)
{
    int port = 0;
    if (code == CURLE_OK) {
        *ret = (struct transfer_answer){.status = status_of(t), .header = t->header,
                                        .body = {arena_strndup(t->arena, buf_text(&t->kept), t->kept.n), t->kept.n}};
        return true;
    }
    if (t->err.code) {
        if (err)
            *err = t->err;
        return false;
    }
    const char *host = host_of(t, &port);
    return curl_error(t->easy, (int)code, host, port, t->detail, err);
}

bool transfer_run(struct arena *arena, const struct transfer_spec *spec, struct transfer_answer *ret, struct err *err)
{
    struct transfer t = {.arena = arena, .spec = spec, .skip = spec->from, .kept = {.max = KEPT_MAX}};
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to connections that may be gone */
    curl_global_init(CURL_GLOBAL_DEFAULT);
    t.easy = curl_easy_init();
    if (!t.easy)
        abort();
    set_rest(&t);
    set_body(&t);
    set_who(&t);
    bool ok = set_headers(&t, err) && judge(&t, curl_easy_perform(t.easy), ret, err);
    curl_easy_cleanup(t.easy);
    curl_slist_free_all(t.headers);
    curl_global_cleanup();
    buf_done(&t.kept);
    return ok;
}

bool transfer_ok(const struct transfer_answer *answer, const char *what, struct err *err)
{
    enum { SAID_MAX = 300 };
    long status = answer->status;
    if (status >= 200 && status <= 299)
        return true;
    enum err_code code = status == 404                     ? ERR_NOT_FOUND
                         : status == 401 || status == 403  ? ERR_PERMISSION
                         : status == 429 || status >= 500  ? ERR_UNAVAILABLE
                                                           : ERR_FAILED;
    char said[SAID_MAX];
    size_t n = 0;
    for (size_t i = 0; i < answer->body.n && n + 1 < sizeof(said); i++) {
        unsigned char c = (unsigned char)answer->body.p[i];
        said[n++] = c >= 0x20 && c < 0x7f ? (char)c : ' ';
    }
    said[n] = 0;
    return err_set(err, code, "%s: the server answered %ld%s%s", what, status, n ? ": " : "", said);
}

char *transfer_encode(struct arena *arena, const char *text, bool keep_slash)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *encoded = arena_alloc(arena, strlen(text) * 3 + 1), *to = encoded;
    for (const char *p = text; *p; p++) {
        if (strchr(plain, *p) || (keep_slash && *p == '/'))
            *to++ = *p;
        else
            to += snprintf(to, 4, "%%%02X", (unsigned char)*p);
    }
    *to = 0;
    return encoded;
}
