/* act/traffic/aws.c -- What the services of AWS have in common: how requests are signed, and how their complaints look. */
#include "act/traffic/cloud.h"
#include "io/sigv4.h"
#include "io/xml.h"
#include "sys/clock.h"

#include "base/banned.h"

static bool sign(struct arena *arena, const struct cloud *cloud, const struct cloud_request *request, const char *const **ret, struct err *err)
{
    const struct aws *aws = cloud->who;
    char *secret = NULL, *token = NULL;
    if (!secret_read(arena, &aws->conf->secret_key, &secret, err) || !secret_read(arena, &aws->conf->session_token, &token, err)) {
        secret_wipe(secret);
        return false;
    }
    const struct sigv4 who = {.access_key = aws->conf->access_key, .secret_key = secret, .session_token = token, .region = aws->region,
                              .service = aws->service, .wall_s = clock_wall_ms() / MS_SECOND};
    const struct sigv4_request r = {.method = request->method, .host = strstr(cloud->endpoint, "://") + 3, .path = request->path, .query = request->query,
                                    .content_type = request->content_type, .body = request->body};
    bool ok = sigv4_headers(arena, &who, &r, ret, err);
    secret_wipe(secret);
    secret_wipe(token);
    return ok;
}

static void complain(struct arena *arena, struct str body, struct cloud_complaint *ret)
{
    static const char *const slow[] = {"Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "PriorRequestNotComplete"};
    const char *code = xml_text(arena, body, "Code"), *message = xml_text(arena, body, "Message");
    if (code || message)
        ret->text = arena_printf(arena, "%s%s%s", code ? code : "", code && message ? ": " : "", message ? message : "");
    for (size_t i = 0; code && i < COUNT_OF(slow); i++)
        ret->slow_down |= same(code, slow[i]);
}

struct cloud aws_cloud(const struct aws *who, const char *name, const char *endpoint)
{
    return (struct cloud){.name = name, .endpoint = endpoint, .ca_file = who->conf->ca_file, .who = who, .sign = sign, .complain = complain};
}

static bool is_one_word(const char *text)
{
    for (const char *p = text; p && *p; p++)
        if (*p <= ' ' || *p == '/' || *p == ',' || *p > '~')
            return false;
    return text && *text;
}

bool aws_valid(const struct aws_conf *conf, struct err *err)
{
    if (!is_one_word(conf->access_key))
        return err_set(err, ERR_CONFIG, "\"%s\" is no access key", conf->access_key ? conf->access_key : "");
    if (conf->secret_key.source == SECRET_NONE)
        return err_set(err, ERR_CONFIG, "there is an access key, but no `secret_key:`");
    return !conf->endpoint || cloud_endpoint_valid(conf->endpoint, false, err);
}
