/* model/evidence.c -- Proofs of checklists: their words, and the records that make them true. */
#include "model/evidence.h"

#include "model/config.h"

#define KIND_WORD(id, name) [id] = name, /* NOLINT(bugprone-macro-parentheses): a literal */
static const char *const kind_words[EVIDENCE_MAX] = {EVIDENCE_KINDS(KIND_WORD)};

/* ---- reading ---- */

enum { WORDS_MAX = 64 };

static bool is_joint(const char *word)
{
    return same(word, "and") || same(word, "or");
}

static bool kind_of(const char *word, enum evidence_kind *ret, struct err *err)
{
    for (int i = 0; i < EVIDENCE_MAX; i++)
        if (same(word, kind_words[i])) {
            *ret = (enum evidence_kind)i;
            return true;
        }
    err_set(err, ERR_CONFIG, "\"%s\" proves nothing", word);
    const char *near = str_nearest(word, kind_words, EVIDENCE_MAX);
    return near ? err_hint(err, "did you mean \"%s\"?", near)
                : err_hint(err, "a proof begins with incident, severity, stage, delivered, step, playbook, command, check, fact, public, written, "
                                "person or tickets");
}

/* "began", or the name of an outcome. */
static bool ending_of(const char *word, int *ret, struct err *err)
{
    enum outcome outcome;
    *ret = EVIDENCE_ANY;
    if (same(word, "began"))
        return true;
    if (!outcome_of(word, &outcome))
        return err_set(err, ERR_CONFIG, "\"%s\" is no end of a step", word) || err_hint(err, "began, success, failure, expiry, blocked or skipped");
    *ret = (int)outcome;
    return true;
}

static bool person_of(const char *word, int *ret, struct err *err)
{
    static const enum event_kind kinds[] = {EVENT_ACK, EVENT_NOTE, EVENT_SAY, EVENT_APPROVE, EVENT_CERTIFY, EVENT_ESCALATE};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (same(word, strchr(event_name(kinds[i]), '.') + 1)) {
            *ret = (int)kinds[i];
            return true;
        }
    err_set(err, ERR_CONFIG, "\"person %s\" proves nothing", word);
    return err_hint(err, "person ack, note, say, approve, certify or escalate");
}

static bool number_of(const char *word, const char *what, const char *list, bool found, struct err *err)
{
    if (found)
        return true;
    err_set(err, ERR_CONFIG, "\"%s\" is no %s", word, what);
    return err_hint(err, "%s", list);
}

/* One word after the kind. */
static bool read_word(struct arena *a, struct evidence_term *t, const char *word, struct err *err)
{
    enum incident_state state = INCIDENT_OPEN;
    enum severity severity = SEVERITY_P1;
    enum public_phase phase = PUBLIC_INVESTIGATING;
    bool found;
    t->number = EVIDENCE_ANY;
    switch (t->kind) {
    case EVIDENCE_INCIDENT:
        found = incident_state_of(word, &state);
        t->number = (int)state;
        return number_of(word, "state of an incident", "open, acknowledged, mitigating, monitoring, resolved or reviewed", found, err);
    case EVIDENCE_SEVERITY:
        found = severity_of(word, &severity);
        t->number = (int)severity;
        return number_of(word, "severity", "P1, P2 or P3", found, err);
    case EVIDENCE_PUBLIC:
        found = same(word, "told") || public_phase_of(word, &phase);
        t->number = same(word, "told") ? EVIDENCE_ANY : (int)phase;
        return number_of(word, "phase of what the public is told", "told, investigating, identified, monitoring or resolved", found, err);
    case EVIDENCE_PERSON:
        return person_of(word, &t->number, err);
    case EVIDENCE_TICKETS:
        return number_of(word, "word of `tickets`", "tickets all", same(word, "all"), err);
    default:
        t->name = arena_strdup(a, word);
        return true;
    }
}

/* A name and a last word: how it ended, or how it was judged. */
static bool read_two(struct arena *a, struct evidence_term *t, const char *name, const char *word, struct err *err)
{
    enum verdict_state state = VERDICT_UP;
    t->name = arena_strdup(a, name);
    if (t->kind == EVIDENCE_PLAYBOOK && same(word, "began"))
        return err_set(err, ERR_CONFIG, "the beginning of a playbook is that of its first step") || err_hint(err, "step ID began");
    if (t->kind != EVIDENCE_CHECK)
        return ending_of(word, &t->number, err);
    bool found = verdict_of(word, &state);
    t->number = (int)state;
    return number_of(word, "judgement of a check", "up, warning, down or unknown", found, err);
}

static bool read_term(struct arena *a, const char *const *words, size_t n, struct evidence_term *t, struct err *err)
{
    static const size_t wanted[EVIDENCE_MAX] = {[EVIDENCE_STEP] = 3, [EVIDENCE_PLAYBOOK] = 3, [EVIDENCE_CHECK] = 3};
    if (n == 0)
        return err_set(err, ERR_CONFIG, "something is expected before and after \"and\" and \"or\"");
    if (!kind_of(words[0], &t->kind, err))
        return false;
    if (t->kind == EVIDENCE_COMMAND && n >= 3) {
        for (size_t i = 1; i + 1 < n; i++)
            *vec_add(a, &t->words) = arena_strdup(a, words[i]);
        return ending_of(words[n - 1], &t->number, err);
    }
    size_t need = t->kind == EVIDENCE_COMMAND ? 3 : wanted[t->kind] ? wanted[t->kind] : 2;
    if (n != need)
        return err_set(err, ERR_CONFIG, "\"%s\" takes %zu word%s", words[0], need - 1, need == 2 ? "" : "s") ||
               err_hint(err, t->kind == EVIDENCE_CHECK ? "check ID down" : need == 3 ? "%s NAME success" : "%s NAME", words[0]);
    return need == 3 ? read_two(a, t, words[1], words[2], err) : read_word(a, t, words[1], err);
}

bool evidence_parse(struct arena *arena, const char *text, struct evidence *ret, struct err *err)
{
    struct strs words = {0};
    struct evidence proof = {0};
    if (!str_words(arena, text, &words))
        return err_set(err, ERR_CONFIG, "a quote is open in \"%s\"", text);
    if (!words.n)
        return err_set(err, ERR_CONFIG, "a proof is empty");
    if (words.n > WORDS_MAX)
        return err_set(err, ERR_CONFIG, "a proof has at most %d words", WORDS_MAX);
    bool alternative = false;
    for (size_t from = 0; from <= words.n;) {
        size_t to = from;
        while (to < words.n && !is_joint(words.p[to]))
            to++;
        struct evidence_term *t = vec_add(arena, &proof);
        *t = (struct evidence_term){.number = EVIDENCE_ANY, .alternative = alternative};
        if (!read_term(arena, words.p + from, to - from, t, err))
            return err_prefix(err, "proof \"%s\"", text);
        alternative = to < words.n && same(words.p[to], "or");
        from = to + 1;
    }
    *ret = proof;
    return true;
}

/* ---- records ---- */

int64_t run_serial(const char *run)
{
    const char *dot = strrchr(run, '.');
    int64_t serial;
    return dot && strchr(run, '.') != dot && str_int(str_of(dot + 1), &serial) && serial > 0 ? serial : 0;
}

/* "diagnose" of "7.diagnose.1" */
static struct str run_step_id(const char *run)
{
    const char *first = strchr(run, '.'), *last = strrchr(run, '.');
    return first && last > first ? (struct str){.p = first + 1, .n = (size_t)(last - first) - 1} : str_of(run);
}

/* "*" is any word, "*.database" that of any site. */
static bool fits_word(const char *pattern, struct str word)
{
    if (strncmp(pattern, "*.", 2) != 0)
        return same(pattern, "*") || str_is(word, pattern);
    const char *dot = memchr(word.p, '.', word.n);
    return dot && str_is((struct str){.p = dot + 1, .n = word.n - (size_t)(dot - word.p) - 1}, pattern + 2);
}

static bool fits_command(const struct strs *words, const char *text)
{
    struct str rest = str_of(text), word;
    for (size_t i = 0; i < words->n; i++) {
        if (!str_next(&rest, ' ', &word) || !word.n)
            return false;
        if (!fits_word(words->p[i], word))
            return false;
    }
    return true;
}

/* The stage in "7/alert/ops/mail"; p NULL: it is no notice's key. */
static struct str stage_in(const char *key)
{
    struct str rest = str_of(key), incident, stage;
    if (!str_next(&rest, '/', &incident) || !str_next(&rest, '/', &stage))
        return (struct str){0};
    return stage;
}

static bool fits_ending(const struct evidence_term *t, const struct record *r, int begin, int end)
{
    return t->number == EVIDENCE_ANY ? r->kind == begin : r->kind == end && r->number == t->number;
}

static bool fits_order(const struct evidence_term *t, const struct record *r)
{
    switch (t->kind) {
    case EVIDENCE_INCIDENT:
        return t->number == INCIDENT_OPEN ? r->kind == ORDER_OPEN : r->kind == ORDER_STATE && r->number == t->number;
    case EVIDENCE_SEVERITY:
        return (r->kind == ORDER_OPEN || r->kind == ORDER_SEVERITY) && r->number == t->number;
    case EVIDENCE_STAGE:
        return r->kind == ORDER_STAGE && same(r->subject, t->name);
    case EVIDENCE_STEP:
        return fits_ending(t, r, ORDER_STEP, ORDER_STEP_END) && str_is(run_step_id(r->subject), t->name);
    case EVIDENCE_PLAYBOOK:
        return t->number != EVIDENCE_ANY && r->kind == ORDER_PLAYBOOK_END && r->number == t->number && same(r->subject, t->name);
    case EVIDENCE_PUBLIC:
        return r->kind == ORDER_PUBLIC && (t->number == EVIDENCE_ANY || same(r->subject, public_phase_name((enum public_phase)t->number)));
    case EVIDENCE_COMMAND:
        return t->number == EVIDENCE_ANY && r->kind == ORDER_RUN && fits_command(&t->words, r->text);
    default:
        return false;
    }
}

static bool fits_event(const struct evidence_term *t, const struct evidence_state *s, const struct record *r)
{
    switch (t->kind) {
    case EVIDENCE_DELIVERED:
        return r->kind == EVENT_DELIVERED && str_is(stage_in(r->subject), t->name);
    case EVIDENCE_CHECK:
        return r->kind == EVENT_VERDICT && r->number == t->number && fits_word(t->name, str_of(r->subject));
    case EVIDENCE_FACT:
        return r->kind == EVENT_FACT && same(r->subject, t->name);
    case EVIDENCE_WRITTEN:
        return r->kind == EVENT_WRITE && r->number >= 0 && *r->text && (same(r->subject, t->name) || (same(t->name, "action") && strncmp(r->subject, "action.", 7) == 0));
    case EVIDENCE_PERSON:
        return r->kind == t->number;
    case EVIDENCE_COMMAND:
        return r->kind == EVENT_OUTCOME && t->number == r->number && s->serial && s->serial == run_serial(r->subject);
    default:
        return false;
    }
}

/* "action.3" and "7/ticket-3/..." are about bit 3. */
static uint64_t action_bit(struct str number)
{
    int64_t k;
    return str_int(number, &k) && k >= 1 && k <= EVIDENCE_ACTIONS_MAX ? UINT64_C(1) << k : 0;
}

static void feed_tickets(struct evidence_state *s, const struct record *r)
{
    static const char action[] = "action.", ticket[] = "ticket-";
    if (r->is_order)
        return;
    if (r->kind == EVENT_WRITE && strncmp(r->subject, action, strlen(action)) == 0) {
        uint64_t bit = action_bit(str_of(r->subject + strlen(action)));
        s->actions = r->number < 0 ? s->actions & ~bit : s->actions | bit;
        s->ticketed |= r->number == 2 ? bit : 0;
    }
    struct str stage = stage_in(r->subject);
    if (r->kind == EVENT_DELIVERED && str_starts(stage, ticket))
        s->ticketed |= action_bit((struct str){.p = stage.p + strlen(ticket), .n = stage.n - strlen(ticket)});
}

static void begin_to_hold(struct evidence_state *s, const struct record *r)
{
    if (s->holds)
        return;
    s->holds = true;
    s->since = (struct moment_of){.seq = r->seq, .at_ms = r->at_ms, .wall_ms = r->wall_ms};
}

void evidence_feed(const struct evidence *proof, struct evidence_state *states, const struct record *r)
{
    for (size_t i = 0; i < proof->n; i++) {
        const struct evidence_term *t = &proof->p[i];
        struct evidence_state *s = &states[i];
        if (t->kind == EVIDENCE_TICKETS) {
            feed_tickets(s, r);
            bool all = s->actions && !(s->actions & ~s->ticketed);
            if (all)
                begin_to_hold(s, r);
            s->holds = all;
            continue;
        }
        if (t->kind == EVIDENCE_COMMAND && r->is_order && r->kind == ORDER_RUN && fits_command(&t->words, r->text))
            s->serial = run_serial(r->subject);
        if (r->is_order ? fits_order(t, r) : fits_event(t, s, r))
            begin_to_hold(s, r);
    }
}

/* A group of terms joined by `and` holds since the last of them does; of groups joined by `or` the first counts. */
bool evidence_holds(const struct evidence *proof, const struct evidence_state *states, struct moment_of *ret)
{
    bool any = false;
    for (size_t i = 0; i < proof->n;) {
        struct moment_of since = states[i].since;
        bool all = true;
        size_t k = i;
        do {
            all = all && states[k].holds;
            if (states[k].since.at_ms > since.at_ms || (states[k].since.at_ms == since.at_ms && states[k].since.seq > since.seq))
                since = states[k].since;
        } while (++k < proof->n && !proof->p[k].alternative);
        if (all && (!any || since.at_ms < ret->at_ms))
            *ret = since;
        any = any || all;
        i = k;
    }
    return any;
}
