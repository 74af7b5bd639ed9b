/* agent/rounds.c -- A round of renewal on its way: to etcd, where it holds only while the epoch is unchanged, and to every other agent, each of
   which is asked for a nonce first and then for a grant, signed both ways. */
#include "agent/hold_internal.h"

#include "base/jsonout.h"
#include "io/json.h"
#include "io/signature.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { TEXT_MAX = 4096 };

/* ---- rounds to etcd ---- */

static char *lease_text(struct hold *h, struct arena *arena, int64_t serial)
{
    struct buf out SCOPED(buf_done) = {.max = TEXT_MAX};
    struct jsonout j = jsonout(&out);
    char boot[64];
    clock_boot_id(boot, sizeof(boot));
    json_object(&j);
    json_put_int(&j, "epoch", h->held_epoch);
    json_put_int(&j, "serial", serial);
    json_put_text(&j, "boot", boot);
    json_put_text(&j, "lsn", h->lsn);
    json_put_int(&j, "timeline", h->timeline);
    json_put_text(&j, "armed", hold_armed(h));
    json_put_text(&j, "pg", agent_state_name(h->agent->state));
    json_put_int(&j, "wrote", h->wrote);
    if (h->timeline)
        json_put_text(&j, "sync", h->sync);
    json_object_end(&j);
    return arena_strdup(arena, buf_text(&out));
}

static void on_renewed(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err UNUSED)
{
    struct flight *f = arg;
    struct hold *h = f->hold;
    int64_t serial = f->serial;
    f->call = NULL;
    f->serial = 0;
    if (!h->holding || f->epoch != h->held_epoch)
        return;
    if (outcome == ETCD_ANSWERED && answer->succeeded) {
        h->answered = MAX_OF(h->answered, serial);
        h->confirmed = f->epoch;
        lease_renewed(&h->holder, clock_boot_ms(), serial, LEASE_OK);
        hold_arm(h);
    } else if (outcome == ETCD_ANSWERED && etcd_answer_value(answer, 0)) {
        hold_take_epoch(h, etcd_answer_value(answer, 0)); /* a newer one ends this lease; the same one, written anew, has another revision */
    } /* an etcd without the epoch has lost its data: it says nothing of who may write, and the other agents are asked */
    hold_consider(h);
}

void hold_send_to_etcd(struct hold *h, int64_t serial)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct flight *f = &h->flights[serial % FLIGHTS];
    struct etcd_compare current = {.key = h->epoch_key, .what = ETCD_MOD_REVISION, .number = h->epoch_revision};
    struct etcd_op put = {.kind = ETCD_PUT, .key = h->lease_key, .value = str_of(lease_text(h, arena, serial))};
    struct etcd_op get = {.kind = ETCD_GET, .key = h->epoch_key};
    struct etcd_request request = {.kind = ETCD_TXN, .compares = &current, .compare_count = 1, .ops = &put, .op_count = 1, .otherwise = &get, .otherwise_count = 1};
    struct err err = {0};
    if (h->epoch_revision == 0)
        return; /* it has told us nothing yet */
    if (f->call)
        etcd_cancel(&f->call);
    *f = (struct flight){.hold = h, .serial = serial, .epoch = h->held_epoch};
    if (!etcd_start(h->etcd, &request, on_renewed, f, &f->call, &err))
        f->serial = 0;
}

/* ---- rounds to the other agents ---- */

static void on_member(void *arg, const struct http_response *response, const struct err *err);

static void ask_member(struct member *m, const char *path, const char *signature)
{
    struct err err = {0};
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *headers[] = {"Content-Type: application/json", signature ? arena_printf(arena, SIGNATURE_COMMAND_HEADER ": %s", signature) : NULL, NULL};
    struct http_spec spec = {.method = signature ? "POST" : "GET", .url = arena_printf(arena, "%s%s", m->site->agent.url, path), .headers = headers,
                             .body = signature ? m->body : NULL, .body_size = signature ? strlen(m->body) : 0,
                             .timeout_ms = m->hold->agent->spec->config->etcd.timeout_ms, .max_body = TEXT_MAX};
    m->granting = signature != NULL;
    if (!http_start(m->hold->http, &spec, on_member, m, &m->request, &err))
        m->request = NULL;
}

static void send_grant(struct member *m, const char *nonce)
{
    char signature[SIGNATURE_COMMAND_SIZE];
    SCOPED(buf_done) struct buf out = {.max = TEXT_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_int(&j, "epoch", m->epoch);
    json_put_text(&j, "nonce", nonce);
    json_put_int(&j, "serial", m->serial);
    json_put_int(&j, "ttl_ms", m->hold->terms.ttl_ms);
    json_put_text(&j, "site", m->hold->agent->spec->site->name);
    json_put_text(&j, "armed", hold_armed(m->hold));
    json_object_end(&j);
    free(m->body);
    m->body = strdup(buf_text(&out));
    signature_command(m->token, "POST", "/v1/grant", str_of(m->body), signature);
    ask_member(m, "/v1/grant", signature);
}

/* Its answer is signed, over the very question: nobody on the way can grant for it. */
static enum lease_answer grant_of(const struct member *m, const struct http_response *response, const struct json *body)
{
    char proof[SIGNATURE_COMMAND_SIZE];
    bool granted = false;
    const char *verb = json_truth(json_get(body, "granted"), &granted) && granted ? "GRANTED" : "REFUSED";
    signature_command(m->token, verb, "/v1/grant", str_of(m->body), proof);
    if (response->status != 200 || !signature_same(proof, json_string(json_get(body, "proof"))))
        return LEASE_UNKNOWN;
    return granted ? LEASE_OK : LEASE_REFUSED;
}

static void on_member(void *arg, const struct http_response *response, const struct err *err UNUSED)
{
    struct member *m = arg;
    struct hold *h = m->hold;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err bad = {0};
    const struct json *body;
    m->request = NULL;
    if (!response || !h->holding || m->epoch != h->held_epoch || !json_parse(arena, response->body, &body, &bad))
        return;
    if (!m->granting) {
        const char *nonce = json_string(json_get(body, "nonce"));
        if (nonce)
            send_grant(m, nonce);
        return;
    }
    lease_granted(&h->holder, clock_boot_ms(), m->serial, (int)(m - h->members), grant_of(m, response, body));
    hold_arm(h);
    hold_consider(h);
}

void hold_send_to_members(struct hold *h, int64_t serial)
{
    for (int i = 0; i < h->member_count; i++) {
        struct member *m = &h->members[i];
        if (m->request || !m->token)
            continue; /* the question before is still on its way, and is as good */
        m->serial = serial;
        m->epoch = h->held_epoch;
        ask_member(m, "/v1/nonce", NULL);
    }
}
