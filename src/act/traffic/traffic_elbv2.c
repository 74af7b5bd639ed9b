/* act/traffic/traffic_elbv2.c -- A load balancer of AWS sends all requests of a listener, or of a rule, to the target group of one site: its
   weight is 1 and that of the others 0, so that their targets are still looked after and can be switched to. */
#include "act/traffic/cloud.h"
#include "act/traffic/memory.h"
#include "io/transfer.h"
#include "io/xml.h"

#include "base/banned.h"

enum { FORM_MAX = 64 * 1024, ARN_MAX = 512, HEALTH_EVERY_MS = 1 * MS_SECOND, ARRIVES_MS = 60 * MS_SECOND };

struct group {
    struct mark mark;
    const char *site, *arn;
};

struct elbv2_options {
    const char *listener, *rule;
    int64_t health_ms;
    struct aws_conf aws;
    struct { struct group *p; size_t n, cap; } groups;
};

#define AT(member) .offset = offsetof(struct group, member)
static const struct option group_options[] = {
    {.key = "site", .type = OPTION_NAME, AT(site), .required = true, .help = "name of a site", .sample = "production"},
    {.key = "arn", .type = OPTION_STRING, AT(arn), .required = true, .help = "its target group",
     .sample = "arn:aws:elasticloadbalancing:eu-west-3:123456789012:targetgroup/production/73e2d6bc24d8a067"},
    OPTION_END,
};
#undef AT

#define AT(member) .offset = offsetof(struct elbv2_options, member)
static const struct option options[] = {
    {.key = "listener", .type = OPTION_STRING, AT(listener), .help = "ARN of the listener whose default action forwards; or `rule:`",
     .sample = "arn:aws:elasticloadbalancing:eu-west-3:123456789012:listener/app/akig/50dc6c495c0c9188/f2f7dc8efc522ab2"},
    {.key = "rule", .type = OPTION_STRING, AT(rule), .help = "ARN of the listener's rule that forwards"},
    {.key = "groups", .type = OPTION_LIST, AT(groups), .sub = group_options, .size = sizeof(struct group), .help = "the target group of each site"},
    AWS_OPTIONS(offsetof(struct elbv2_options, aws)),
    {.key = "endpoint", .type = OPTION_URL, AT(aws.endpoint), .help = "where its API is; else that of the ARN's region",
     .sample = "https://elasticloadbalancing.eu-west-3.amazonaws.com"},
    {.key = "health", .type = OPTION_DURATION, AT(health_ms), .fallback = "30s", .min = MS_SECOND, .max = 10 * MS_MINUTE,
     .help = "a site none of whose targets is healthy so long after the switch is left again"},
    OPTION_END,
};
#undef AT

static const struct elbv2_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

/* ---- requests ---- */

/* arn:PARTITION:elasticloadbalancing:REGION:ACCOUNT:KIND/... */
static const char *region_of(struct arena *arena, const char *arn)
{
    struct str rest = str_of(arn), part = {0};
    for (int i = 0; i < 4; i++)
        if (!str_next(&rest, ':', &part))
            return NULL;
    return str_dup(arena, part);
}

static bool ask(const struct action_ctx *ctx, const char *action, const char *form, struct str *ret, struct err *err)
{
    const struct elbv2_options *o = options_of(ctx);
    const char *region = region_of(ctx->arena, o->rule ? o->rule : o->listener);
    const struct aws aws = {.conf = &o->aws, .service = "elasticloadbalancing", .region = region};
    const struct cloud cloud =
        aws_cloud(&aws, "Elastic Load Balancing", o->aws.endpoint ? o->aws.endpoint
                                                                  : arena_printf(ctx->arena, "https://elasticloadbalancing.%s.amazonaws.com%s", region,
                                                                                 str_starts(str_of(region), "cn-") ? ".cn" : ""));
    const char *text = arena_printf(ctx->arena, "Action=%s&%s&Version=2015-12-01", action, form);
    const struct cloud_request request = {.method = "POST", .path = "/", .query = "", .body = str_of(text), .content_type = "application/x-www-form-urlencoded; charset=utf-8"};
    struct str body;
    if (!cloud_ask(ctx, &cloud, &request, &body, err))
        return err_prefix(err, "%s", action);
    return xml_next(&body, arena_printf(ctx->arena, "%sResult", action), ret) || err_set(err, ERR_PROTOCOL, "%s: the answer is no <%sResult>", action, action);
}

/* ---- looking ---- */

struct weighted {
    const char *arn;
    int64_t weight;
};

struct forward {
    struct { struct weighted *p; size_t n, cap; } groups;
};

static bool read_groups(struct arena *arena, struct str action, struct forward *ret, struct err *err)
{
    struct str groups, one, rest;
    struct str sticky;
    if (xml_next(&(struct str){action.p, action.n}, "TargetGroupStickinessConfig", &sticky) && same(xml_text(arena, sticky, "Enabled"), "true")) {
        err_set(err, ERR_REFUSED, "users hold on to their target group (stickiness): they would go on to the old site");
        return err_hint(err, "turn group-level stickiness off; that of the targets within a group does no harm");
    }
    if (!xml_next(&(struct str){action.p, action.n}, "TargetGroups", &groups)) {
        const char *only = xml_text(arena, action, "TargetGroupArn");
        if (!only)
            return err_set(err, ERR_PROTOCOL, "the action forwards to no target group");
        *vec_add(arena, &ret->groups) = (struct weighted){only, 1};
        return true;
    }
    rest = groups;
    while (xml_next(&rest, "member", &one)) {
        const char *arn = xml_text(arena, one, "TargetGroupArn"), *weight = xml_text(arena, one, "Weight");
        int64_t number = 1;
        if (!arn || strlen(arn) > ARN_MAX || (weight && (!str_int(str_of(weight), &number) || number < 0 || number > 999)))
            return err_set(err, ERR_PROTOCOL, "the action forwards in a way that is not understood");
        *vec_add(arena, &ret->groups) = (struct weighted){arn, number};
    }
    return ret->groups.n || err_set(err, ERR_PROTOCOL, "the action forwards to no target group");
}

static bool look(const struct action_ctx *ctx, struct forward *ret, struct err *err)
{
    const struct elbv2_options *o = options_of(ctx);
    const char *what = o->rule ? "rule" : "listener", *arn = o->rule ? o->rule : o->listener;
    struct str answer, actions, type, rest;
    size_t types = 0;
    *ret = (struct forward){0};
    if (!ask(ctx, o->rule ? "DescribeRules" : "DescribeListeners",
             arena_printf(ctx->arena, "%s.member.1=%s", o->rule ? "RuleArns" : "ListenerArns", transfer_encode(ctx->arena, arn, false)), &answer, err))
        return false;
    if (!xml_next(&answer, o->rule ? "Actions" : "DefaultActions", &actions))
        return err_set(err, ERR_PROTOCOL, "the answer says nothing of the actions of %s \"%s\"", what, arn);
    rest = actions;
    while (xml_next(&rest, "Type", &type)) /* one in each action */
        if (!str_is(type, "forward") || ++types > 1)
            return err_set(err, ERR_REFUSED, "%s \"%s\" does more than forward (\"" STR_FMT "\"): only a single forward action is changed", what, arn, STR_ARG(type));
    if (!types)
        return err_set(err, ERR_PROTOCOL, "the answer says nothing of the actions of %s \"%s\"", what, arn);
    return read_groups(ctx->arena, actions, ret, err) || err_prefix(err, "%s \"%s\"", what, arn);
}

static const char *arn_of(const struct elbv2_options *o, const char *site)
{
    for (size_t i = 0; i < o->groups.n; i++)
        if (same(o->groups.p[i].site, site))
            return o->groups.p[i].arn;
    return NULL;
}

/* The site to whose group all requests go; NULL: none, or several. */
static const struct site *site_in(const struct action_ctx *ctx, const struct forward *f)
{
    const struct site *found = NULL;
    const char *only = NULL;
    for (size_t i = 0; i < f->groups.n; i++) {
        if (!f->groups.p[i].weight)
            continue;
        if (only)
            return NULL;
        only = f->groups.p[i].arn;
    }
    for (size_t i = 0; only && i < ctx->service->sites.n; i++)
        if (same(arn_of(options_of(ctx), ctx->service->sites.p[i].name), only))
            found = &ctx->service->sites.p[i];
    return found;
}

static char *print_forward(struct arena *arena, const struct forward *f)
{
    char *text = arena_strdup(arena, "");
    for (size_t i = 0; i < f->groups.n; i++)
        text = arena_printf(arena, "%s%lld %s\n", text, (long long)f->groups.p[i].weight, f->groups.p[i].arn);
    return text;
}

static bool read_forward(struct arena *arena, struct str text, struct forward *ret, struct err *err)
{
    struct str line;
    *ret = (struct forward){0};
    while (str_next(&text, '\n', &line)) {
        struct str words = line, number;
        int64_t weight = -1;
        if (!line.n)
            continue;
        if (!str_next(&words, ' ', &number) || !str_int(number, &weight) || weight < 0 || weight > 999 || !words.n || words.n > ARN_MAX)
            return err_set(err, ERR_DATA, "the state that was kept cannot be read: \"%.*s\"", (int)MIN_OF(line.n, 80u), line.p);
        *vec_add(arena, &ret->groups) = (struct weighted){str_dup(arena, words), weight};
    }
    return ret->groups.n || err_set(err, ERR_DATA, "the state that was kept cannot be read");
}

static bool read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    struct forward now;
    if (!look(ctx, &now, err))
        return false;
    *ret = site_in(ctx, &now);
    return *ret || err_set(err, ERR_NOT_FOUND, "the requests go to no single site: %s", print_forward(ctx->arena, &now));
}

/* ---- health ---- */

struct health {
    size_t all, healthy, waiting; /* waiting: newly there, or of a group that no listener used */
    const char *why;              /* of one that is not healthy */
};

static bool look_at_health(const struct action_ctx *ctx, const struct site *site, struct health *ret, struct err *err)
{
    struct str answer, list, one;
    const char *arn = arn_of(options_of(ctx), site->name);
    *ret = (struct health){0};
    if (!ask(ctx, "DescribeTargetHealth", arena_printf(ctx->arena, "TargetGroupArn=%s", transfer_encode(ctx->arena, arn, false)), &answer, err))
        return false;
    if (!xml_next(&answer, "TargetHealthDescriptions", &list))
        return true; /* none, written as <TargetHealthDescriptions/> */
    while (xml_next(&list, "TargetHealth", &one)) {
        const char *state = xml_text(ctx->arena, one, "State"), *why = xml_text(ctx->arena, one, "Description");
        ret->all++;
        ret->healthy += same(state, "healthy");
        ret->waiting += same(state, "initial") || same(state, "unused") || same(state, "unavailable");
        if (!same(state, "healthy"))
            ret->why = arena_printf(ctx->arena, "%s%s%s", state ? state : "?", why ? ": " : "", why ? why : "");
    }
    return true;
}

static bool no_health(const struct site *site, const struct health *h, struct err *err)
{
    return err_set(err, ERR_FAILED, "none of the %zu targets of site \"%s\" is healthy%s%s", h->all, site->name, h->why ? ": " : "", h->why ? h->why : "");
}

/* Targets that are known to be ill are not switched to. Those of a group that was not in use are looked after from the switch on. */
static bool may_serve(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    struct health h;
    return look_at_health(ctx, site, &h, err) && (h.healthy || h.waiting || no_health(site, &h, err));
}

struct serving {
    const struct action_ctx *ctx;
    const struct site *site;
};

static bool serves(void *arg, struct err *err)
{
    const struct serving *s = arg;
    struct health h;
    return look_at_health(s->ctx, s->site, &h, err) && (h.healthy || no_health(s->site, &h, err));
}

/* ---- changing ---- */

static bool alike(const struct forward *a, const struct forward *b)
{
    for (size_t i = 0; i < a->groups.n; i++) {
        bool found = false;
        for (size_t k = 0; k < b->groups.n; k++)
            found |= same(a->groups.p[i].arn, b->groups.p[k].arn) && a->groups.p[i].weight == b->groups.p[k].weight;
        if (!found)
            return false;
    }
    return a->groups.n == b->groups.n;
}

/* Groups of nobody's site that are there stay, with weight 0: somebody has put them there. */
static struct forward wanted_at(const struct action_ctx *ctx, const struct forward *now, const struct site *site)
{
    const struct elbv2_options *o = options_of(ctx);
    struct forward ret = {0};
    for (size_t i = 0; i < o->groups.n; i++)
        *vec_add(ctx->arena, &ret.groups) = (struct weighted){o->groups.p[i].arn, same(o->groups.p[i].site, site->name)};
    for (size_t i = 0; i < now->groups.n; i++) {
        bool ours = false;
        for (size_t k = 0; k < o->groups.n; k++)
            ours |= same(o->groups.p[k].arn, now->groups.p[i].arn);
        if (!ours)
            *vec_add(ctx->arena, &ret.groups) = (struct weighted){now->groups.p[i].arn, 0};
    }
    return ret;
}

static bool change(const struct action_ctx *ctx, const struct forward *will, struct err *err)
{
    const struct elbv2_options *o = options_of(ctx);
    const char *list = o->rule ? "Actions" : "DefaultActions", *arn = o->rule ? o->rule : o->listener;
    SCOPED(buf_done) struct buf form = {.max = FORM_MAX};
    struct forward now;
    struct str answer;
    struct err unread = {0};
    for (size_t i = 0; i < will->groups.n; i++)
        buf_printf(&form, "%s.member.1.ForwardConfig.TargetGroups.member.%zu.TargetGroupArn=%s&%s.member.1.ForwardConfig.TargetGroups.member.%zu.Weight=%lld&", list,
                   i + 1, transfer_encode(ctx->arena, will->groups.p[i].arn, false), list, i + 1, (long long)will->groups.p[i].weight);
    buf_printf(&form, "%s.member.1.Type=forward&%s=%s", list, o->rule ? "RuleArn" : "ListenerArn", transfer_encode(ctx->arena, arn, false));
    if (form.over)
        return err_set(err, ERR_LIMIT, "too many target groups");
    bool taken = ask(ctx, o->rule ? "ModifyRule" : "ModifyListener", buf_text(&form), &answer, err);
    if (!look(ctx, &now, taken ? err : &unread)) /* an answer may be lost: what stands there decides */
        return false;
    if (alike(&now, will))
        return true;
    return taken ? err_set(err, ERR_FAILED, "the change was taken, yet it reads: %s", print_forward(ctx->arena, &now)) : false;
}

static bool go(const struct action_ctx *ctx, const struct forward *will, const struct site *site, struct err *err)
{
    struct serving s = {ctx, site};
    return change(ctx, will, err) && action_wait(ctx, options_of(ctx)->health_ms, HEALTH_EVERY_MS, serves, &s, err);
}

static bool point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    struct forward now, then;
    struct err second = {0};
    if (!look(ctx, &now, err) || !may_serve(ctx, site, err) || !memory_keep(ctx, site, print_forward(ctx->arena, &now), err))
        return false;
    struct forward wanted = wanted_at(ctx, &now, site);
    if (go(ctx, &wanted, site, err))
        return true;
    struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
    unhurried.budget_ms = 0;
    bool is_back = look(&unhurried, &then, &second) && (alike(&then, &now) || change(&unhurried, &now, &second));
    return memory_back(ctx->arena, is_back, &second, err);
}

static bool put_back(const struct action_ctx *ctx, struct err *err)
{
    struct str text;
    struct forward before;
    return memory_text(ctx, &text, err) && read_forward(ctx->arena, text, &before, err) && change(ctx, &before, err);
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    struct forward now;
    struct health h;
    if (!look(ctx, &now, err) || !look_at_health(ctx, site, &h, err))
        return err_prefix(err, "before any change");
    if (!h.healthy && !h.waiting)
        return no_health(site, &h, err);
    struct forward wanted = wanted_at(ctx, &now, site);
    for (size_t i = 0; i < wanted.groups.n; i++)
        buf_printf(out, "weight %lld for %s\n", (long long)wanted.groups.p[i].weight, wanted.groups.p[i].arn);
    return buf_printf(out, "%zu of %zu targets of site \"%s\" are healthy\n", h.healthy, h.all, site->name);
}

/* A load balancer has many parts, which learn of it one after the other. */
static int64_t arrives_within(const struct action_ctx *ctx)
{
    (void)ctx;
    return ARRIVES_MS;
}

/* ---- the driver ---- */

static bool is_arn(const char *arn, const char *kind)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *region = arn ? region_of(arena, arn) : NULL, *last = arn ? strrchr(arn, ':') : NULL;
    if (!region || !*region || strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region) || strlen(arn) > ARN_MAX)
        return false;
    return str_starts(str_of(arn), "arn:") && str_starts(str_of(last + 1), kind) && strspn(last + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/") == strlen(last + 1);
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct elbv2_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err))
        return false;
    if (!o->listener == !o->rule)
        return err_set(err, ERR_CONFIG, "one of `listener:` and `rule:` is needed");
    if (!is_arn(o->rule ? o->rule : o->listener, o->rule ? "listener-rule/" : "listener/"))
        return err_set(err, ERR_CONFIG, "\"%s\" is no ARN of a %s", o->rule ? o->rule : o->listener, o->rule ? "rule" : "listener");
    for (size_t i = 0; i < service->sites.n; i++) {
        const char *arn = arn_of(o, service->sites.p[i].name);
        if (!arn)
            return err_set(err, ERR_CONFIG, "`groups:` says nothing of site \"%s\"", service->sites.p[i].name);
        if (!is_arn(arn, "targetgroup/"))
            return err_set(err, ERR_CONFIG, "\"%s\" is no ARN of a target group", arn);
        for (size_t k = 0; k < i; k++)
            if (same(arn, arn_of(o, service->sites.p[k].name)))
                return err_set(err, ERR_CONFIG, "sites \"%s\" and \"%s\" have the same target group", service->sites.p[k].name, service->sites.p[i].name);
    }
    return o->groups.n == service->sites.n ? aws_valid(&o->aws, err) : err_set(err, ERR_CONFIG, "`groups:` has one row for each site, and no others");
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct elbv2_options *o = service->traffic.options;
    (void)arena;
    buf_printf(out, "aws elbv2 describe-target-health --target-group-arn %s\n", arn_of(o, to->name));
    buf_printf(out, "aws elbv2 modify-%s --%s-arn %s --%s '[{\"Type\":\"forward\",\"ForwardConfig\":{\"TargetGroups\":[", o->rule ? "rule" : "listener",
               o->rule ? "rule" : "listener", o->rule ? o->rule : o->listener, o->rule ? "actions" : "default-actions");
    for (size_t i = 0; i < o->groups.n; i++)
        buf_printf(out, "%s\n {\"TargetGroupArn\":\"%s\",\"Weight\":%d}", i ? "," : "", o->groups.p[i].arn, same(o->groups.p[i].site, to->name));
    buf_puts(out, "]}}]'\n");
}

extern const struct traffic_ops traffic_elbv2;
const struct traffic_ops traffic_elbv2 = {
    .name = "elbv2",
    .by_hand = {.en = "# the targets of the first answer must be healthy\n{traffic.commands}", .fr = "# les cibles de la première réponse doivent être saines (healthy)\n{traffic.commands}"},
    .commands = commands,
    .summary = "a load balancer of AWS (application, network): a listener or rule forwards to the target group of one site",
    .options = options,
    .options_size = sizeof(struct elbv2_options),
    .valid = valid,
    .read_back = read_back,
    .describe = describe,
    .point = point,
    .can_put_back = memory_known,
    .put_back = put_back,
    .forget = memory_forget,
    .arrives_within = arrives_within,
};
