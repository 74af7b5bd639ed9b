/* tell/handover.c -- Requests in a row, one deadline, one end. */
#include "tell/handover.h"

#include <inttypes.h>

#include "io/hash.h"
#include "sys/clock.h"

enum { ANSWER_MAX = 1024 * 1024, SAID_MAX = 200, TOKEN_MIN = 8 };

struct handover *handover_new(const struct channel_env *env, const struct notice *notice, const char *name, int64_t timeout_ms,
                              channel_done_fn *done, void *arg)
{
    struct arena *arena = arena_open();
    struct handover *h = arena_new(arena, struct handover);
    *h = (struct handover){.arena = arena, .env = *env, .notice = notice, .name = name, .deadline_boot_ms = clock_boot_ms() + timeout_ms,
                           .done = done, .arg = arg};
    return h;
}

void handover_free(struct handover **handover)
{
    struct handover *h = TAKE(*handover);
    if (!h)
        return;
    http_cancel(&h->request);
    loop_timer_free(&h->pause);
    for (size_t i = 0; i < h->secrets.n; i++)
        secret_wipe((char *)(uintptr_t)h->secrets.p[i]);
    struct arena *arena = h->arena;
    arena_close(&arena);
}

void handover_cancel(void **handle)
{
    struct handover *h = TAKE(*handle);
    handover_free(&h);
}

/* ---- secrets ---- */

void handover_hide(struct handover *h, char *value)
{
    *vec_add(h->arena, &h->secrets) = value;
}

bool handover_secret(struct handover *h, const struct secret *secret, char **ret, struct err *err)
{
    if (!secret_read(h->arena, secret, ret, err))
        return false;
    if (*ret)
        handover_hide(h, *ret);
    return true;
}

bool handover_url(struct handover *h, const struct secret *secret, const char **ret, struct err *err)
{
    char *url;
    if (!handover_secret(h, secret, &url, err))
        return false;
    if (!url)
        return err_set(err, ERR_CONFIG, "there is no address");
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    struct str rest = str_of(path ? path : ""), part;
    if (path && path[1])
        handover_hide(h, arena_strdup(h->arena, path));
    while (str_next(&rest, '/', &part)) /* a part of it may be quoted alone */
        if (part.n >= TOKEN_MIN)
            handover_hide(h, str_dup(h->arena, part));
    *ret = url;
    return true;
}

/* Replaces every `secret` in `text`. */
static char *without(struct arena *arena, const char *text, const char *secret)
{
    char *clean = arena_strdup(arena, "");
    size_t n = strlen(secret);
    for (const char *hit; n && (hit = strstr(text, secret)); text = hit + n)
        clean = arena_printf(arena, "%s%.*s***", clean, (int)(hit - text), text);
    return arena_printf(arena, "%s%s", clean, text);
}

static const char *scrub(const struct handover *h, struct arena *arena, const char *text)
{
    for (size_t i = 0; i < h->secrets.n; i++)
        text = without(arena, text, h->secrets.p[i]);
    return text;
}

/* ---- the end ---- */

void handover_end(struct handover *h, enum delivery delivery, int64_t retry_after_ms, const char *fmt, ...)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    va_list args;
    va_start(args, fmt);
    const char *text = scrub(h, arena, arena_vprintf(arena, fmt, args));
    va_end(args);
    channel_done_fn *done = h->done;
    void *arg = h->arg;
    handover_free(&h);
    done(arg, delivery, retry_after_ms, text);
}

enum delivery handover_judge(long status)
{
    if (status >= 200 && status < 300)
        return DELIVERY_SENT;
    bool passing = status == 408 || status == 425 || status == 429;
    return status >= 400 && status < 500 && !passing ? DELIVERY_REFUSED : DELIVERY_RETRY; /* 3xx: something in between answered */
}

const char *handover_said(struct handover *h, struct str body)
{
    struct buf SCOPED(buf_done) out = {.max = SAID_MAX};
    body = str_trim(body);
    for (size_t i = 0; i < body.n && !out.over; i++) {
        char c = (unsigned char)body.p[i] < 0x20 || body.p[i] == 0x7F ? ' ' : body.p[i];
        if (c != ' ' || (out.n && out.p[out.n - 1] != ' '))
            buf_putc(&out, c);
    }
    char room[SAID_MAX + 1];
    (void)str_copy(room, sizeof(room) - 3, buf_text(&out)); /* never half a character at the end */
    for (char *p = room; *p && !str_is_clean(str_of(room)); p++)
        *p = (unsigned char)*p > 0x7F ? '?' : *p;
    return arena_strdup(h->arena, room);
}

void handover_end_by_status(struct handover *h, const struct http_response *response, const char *said)
{
    handover_end(h, handover_judge(response->status), response->retry_after_ms, "%s answered %ld%s%s", h->name, response->status,
                 said && *said ? ": " : "", said ? said : "");
}

/* ---- requests ---- */

static void on_answer(void *arg, const struct http_response *response, const struct err *err)
{
    struct handover *h = arg;
    h->request = NULL;
    if (response)
        h->on_answer(h, response);
    else if (h->on_silence)
        h->on_silence(h, err->message);
    else
        handover_end(h, DELIVERY_RETRY, -1, "%s", err->message);
}

bool handover_send(struct handover *h, const struct http_spec *spec, answer_fn *answered, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct http_spec own = *spec;
    struct err why = {0};
    own.timeout_ms = MAX_OF(h->deadline_boot_ms - clock_boot_ms(), 1);
    own.ca_file = h->ca_file;
    own.max_body = ANSWER_MAX;
    own.fresh_connection = true; /* on a kept connection curl would send again by itself, unseen by the outbox */
    h->on_answer = answered;
    if (http_start(h->env.http, &own, on_answer, h, &h->request, &why))
        return true;
    return err_set(err, why.code, "%s", scrub(h, arena, why.message));
}

void handover_go_on(struct handover *h, const struct http_spec *spec, answer_fn *answered)
{
    struct err err = {0};
    if (!handover_send(h, spec, answered, &err))
        handover_end(h, DELIVERY_REFUSED, -1, "%s", err.message);
}

static void on_pause_over(void *arg)
{
    struct handover *h = arg;
    h->after_pause(h);
}

void handover_pause(struct handover *h, int64_t ms, handover_fn *then)
{
    if (!h->pause)
        h->pause = loop_timer_new(h->env.loop, on_pause_over, h);
    h->after_pause = then;
    loop_timer_set(h->pause, clock_boot_ms() + ms);
}

const char *const *handover_headers(struct handover *h, const char *type, const char *first, const char *second, const char *third)
{
    const char *const all[] = {arena_printf(h->arena, "Content-Type: %s", type), first, second, third};
    const char **headers = arena_array(h->arena, const char *, COUNT_OF(all) + 1);
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i])
            headers[n++] = all[i];
    return headers;
}

/* ---- texts ---- */

bool handover_line_is_clean(const char *what, const char *text, struct err *err)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return err_set(err, ERR_DATA, "%s holds a line break or another control character", what);
    return true;
}

char *text_cut(struct arena *arena, const char *text, size_t max)
{
    size_t characters = 0;
    const char *end = text, *kept = text;
    for (; *end; end++) {
        if (((unsigned char)*end & 0xC0) == 0x80)
            continue;
        if (characters + 3 == max)
            kept = end;
        if (++characters > max)
            return arena_printf(arena, "%.*s...", (int)(kept - text), text);
    }
    return arena_strdup(arena, text);
}

char *notice_identity(struct arena *arena, const struct notice *notice)
{
    char hex[HASH_HEX_SIZE];
    struct hash *hash SCOPED(hash_close) = hash_open();
    const char *text = arena_printf(arena, "%s\n%s\n%" PRId64, notice->service, notice->key, notice->wall_ms);
    hash_add(hash, text, strlen(text));
    hash_end(hash, hex);
    return arena_strndup(arena, hex, 32);
}
