/* handed.c -- A loop, a channel, an answer. */
#include "handed.h"

#include <dirent.h>
#include <strings.h>
#include <unistd.h>

#include "io/dns.h"
#include "sys/clock.h"
#include "sys/file.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "test: could not %s\n", what);
        abort();
    }
}

static void set_default(struct handed *h, const struct option *o)
{
    void *at = (char *)h->conf.options + o->offset;
    int64_t ms = 0;
    switch (o->type) {
    case OPTION_DURATION:
        must(duration_parse(o->fallback, &ms, NULL), "read a default");
        *(int64_t *)at = ms;
        break;
    case OPTION_INT:
        must(str_int(str_of(o->fallback), &ms), "read a default");
        *(int *)at = (int)ms;
        break;
    case OPTION_BOOL:
        *(bool *)at = same(o->fallback, "true");
        break;
    case OPTION_ENUM:
        while (!same(o->names[ms], o->fallback))
            ms++;
        *(int *)at = (int)ms;
        break;
    default:
        *(const char **)at = o->fallback;
        break;
    }
}

struct handed *handed_open(const char *type)
{
    struct arena *a = arena_open();
    struct handed *h = arena_new(a, struct handed);
    const struct channel_ops *ops = channel_driver(type);
    must(ops != NULL, "find the driver");
    *h = (struct handed){.a = a, .loop = loop_open(), .conf = {.name = type, .type = type, .options = arena_alloc(a, ops->options_size)}};
    h->dns = dns_open(h->loop, 1000);
    h->http = http_open(h->loop, h->dns);
    h->folder = arena_strdup(a, "/tmp/bascule-handed-XXXXXX");
    must(mkdtemp(h->folder) != NULL, "make a folder");
    for (const struct option *o = ops->options; o->key; o++)
        if (o->fallback)
            set_default(h, o);
    return h;
}

void handed_close(struct handed **handed)
{
    struct handed *h = *handed;
    *handed = NULL;
    if (!h)
        return;
    if (h->handle)
        channel_driver(h->conf.type)->cancel(&h->handle);
    http_close(&h->http);
    dns_close(&h->dns);
    loop_close(&h->loop);
    DIR *folder = opendir(h->folder);
    for (struct dirent *e; folder && (e = readdir(folder));)
        unlink(file_join(h->a, h->folder, e->d_name));
    if (folder)
        closedir(folder);
    rmdir(h->folder);
    struct arena *a = h->a;
    arena_close(&a);
}

void handed_set(struct handed *h, const char *key, const void *value, size_t size)
{
    for (const struct option *o = channel_driver(h->conf.type)->options; o->key; o++)
        if (same(o->key, key)) {
            memcpy((char *)h->conf.options + o->offset, value, size);
            return;
        }
    must(false, key);
}

void handed_set_text(struct handed *h, const char *key, const char *value)
{
    value = arena_strdup(h->a, value);
    handed_set(h, key, &value, sizeof(value));
}

void handed_set_int(struct handed *h, const char *key, int value)
{
    handed_set(h, key, &value, sizeof(value));
}

void handed_set_ms(struct handed *h, const char *key, int64_t ms)
{
    handed_set(h, key, &ms, sizeof(ms));
}

void handed_set_secret(struct handed *h, const char *key, const char *value)
{
    char *path = file_join(h->a, h->folder, key);
    must(file_write(path, value, strlen(value), 0600, NULL), "write a secret");
    struct secret secret = {.source = SECRET_FILE, .ref = path};
    handed_set(h, key, &secret, sizeof(secret));
}

void handed_set_words(struct handed *h, const char *key, const char *words)
{
    struct strs list = {0};
    must(str_words(h->a, words, &list), "part the words");
    handed_set(h, key, &list, sizeof(list));
}

struct notice handed_notice(void)
{
    return (struct notice){.key = "7/alert/ops/way", .incident = 7, .service = "akig", .stage = "alert", .contact = "ops", .channel = "way",
                           .subject = "[P1][INC-7] Base indisponible é", .body = "line one\nline <two> & co\n", .brief = "P1 INC-7 base down",
                           .thread = "akig/7/1761406442000", .severity = 0, .ordered_at_ms = 1000, .wall_ms = INT64_C(1761406442120), .attempts = 1};
}

static void on_done(void *arg, enum delivery delivery, int64_t retry_after_ms, const char *text)
{
    struct handed *h = arg;
    h->handle = NULL;
    h->calls++;
    h->delivery = delivery;
    h->retry_after_ms = retry_after_ms;
    h->text = arena_strdup(h->a, text);
}

bool hand_start(struct handed *h, const struct notice *notice)
{
    struct channel_env env = {.loop = h->loop, .http = h->http, .config = &h->config};
    h->calls = 0;
    h->text = NULL;
    h->err = (struct err){0};
    bool ok = channel_driver(h->conf.type)->start(&env, &h->conf, notice, on_done, h, &h->handle, &h->err);
    must(h->calls == 0, "be told later and not from inside");
    return ok;
}

static void too_late(void *arg)
{
    *(bool *)arg = true;
}

void hand_wait(struct handed *h)
{
    bool late = false;
    int64_t began = clock_boot_ms();
    struct loop_timer *limit = loop_timer_new(h->loop, too_late, &late);
    loop_timer_set(limit, began + 10000);
    while (!h->calls && !late)
        loop_once(h->loop, true);
    loop_timer_free(&limit);
    must(h->calls == 1, "get an answer of the channel within ten seconds");
    h->took_ms = clock_boot_ms() - began;
}

enum delivery hand_over(struct handed *h, const struct notice *notice)
{
    if (hand_start(h, notice)) {
        hand_wait(h);
        return h->delivery;
    }
    h->text = h->err.message;
    h->retry_after_ms = -1;
    return h->err.code == ERR_DATA ? DELIVERY_REFUSED : DELIVERY_RETRY;
}

const char *handed_answer(struct handed *h, int status, const char *headers, const char *body)
{
    return arena_printf(h->a, "HTTP/1.1 %d Said\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers ? headers : "", strlen(body), body);
}

const char *handed_body(const struct received *got)
{
    return strstr(got->text, "\r\n\r\n") + 4;
}

const char *handed_header(struct handed *h, const struct received *got, const char *name)
{
    const char *end = strstr(got->text, "\r\n\r\n");
    size_t n = strlen(name);
    for (const char *line = strstr(got->text, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, n) && line[2 + n] == ':')
            return arena_strndup(h->a, line + n + 4, strcspn(line + n + 4, "\r"));
    return NULL;
}
