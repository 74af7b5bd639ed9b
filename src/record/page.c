/* record/page.c -- A fold over the journal: what the public was told, and when users were not served. */
#include "record/page.h"

#include "io/json.h"
#include "model/discreet.h"
#include "record/page_texts.h"

enum { TOLD_MAX = 50000, FLAWS_MAX = 4096, SPANS_MAX = 20000 };

/* A stretch of wall time, its end not included. While it lasts, `to` is OPEN. */
#define OPEN INT64_MAX
struct span {
    int64_t from, to;
    enum component_state state; /* of outages */
};
struct spans {
    struct span *p;
    size_t n, cap;
};

/* An incident, whether or not the public knows of it. */
struct told {
    struct page_incident page;
    enum severity severity;
    enum incident_state state;
    struct spans outages;
};

/* When a check that a component names was not up. */
struct flaw {
    const char *service, *check;
    struct spans spans;
};

struct fold {
    struct arena *arena;
    const struct config *config;
    const struct status_page *conf;
    struct page *page;
    int64_t now;
    struct { struct strs *p; size_t n, cap; } checks; /* of each component */
    struct { struct told *p; size_t n, cap; } told;
    struct { struct flaw *p; size_t n, cap; } flaws;
    struct spans blind;         /* nobody watched */
    int64_t first_wall, last_wall; /* of rows that a controller wrote */
    bool any;
};

/* ---- spans ---- */

static void span_begin(struct arena *arena, struct spans *spans, int64_t from)
{
    bool open = spans->n && spans->p[spans->n - 1].to == OPEN;
    if (!open && spans->n < SPANS_MAX)
        *vec_add(arena, spans) = (struct span){.from = from, .to = OPEN};
}

static void span_end(struct spans *spans, int64_t to)
{
    if (spans->n && spans->p[spans->n - 1].to == OPEN)
        spans->p[spans->n - 1].to = MAX_OF(to, spans->p[spans->n - 1].from);
}

static bool span_holds(const struct span *span, int64_t moment)
{
    return span->from <= moment && moment < span->to;
}

static struct span span_common(const struct span *a, const struct span *b)
{
    return (struct span){.from = MAX_OF(a->from, b->from), .to = MIN_OF(a->to, b->to), .state = a->state};
}

/* ---- what the page is about ---- */

static bool shows_service(const struct fold *f, const char *service)
{
    for (size_t i = 0; i < f->conf->services.n; i++)
        if (same(f->conf->services.p[i], service))
            return true;
    return f->conf->services.n == 0 && config_service(f->config, service);
}

static void add_component(struct fold *f, const char *id, struct text2 title, const char *service, struct strs checks)
{
    for (size_t i = 0; i < f->page->components.n; i++) /* two titles may differ in what an id leaves out */
        if (same(f->page->components.p[i].id, id))
            id = arena_printf(f->arena, "%s-%zu", id, f->page->components.n + 1);
    struct page_component *c = vec_add(f->arena, &f->page->components);
    c->id = id;
    c->title = title;
    c->service = service;
    *vec_add(f->arena, &f->checks) = checks;
    for (size_t i = 0; i < checks.n && f->flaws.n < FLAWS_MAX; i++)
        *vec_add(f->arena, &f->flaws) = (struct flaw){.service = service, .check = checks.p[i]};
}

/* Each line of `affected`; where the languages have different numbers of lines, the line of the other stands in. */
static void add_affected(struct fold *f, const struct service *service)
{
    struct str en = str_of(service->affected.en), fr = str_of(service->affected.fr), line, other;
    size_t before = f->page->components.n;
    while (str_next(&en, '\n', &line)) {
        bool both = str_next(&fr, '\n', &other) && str_trim(other).n;
        line = str_trim(line);
        if (line.n == 0)
            continue;
        struct text2 title = {str_dup(f->arena, line), str_dup(f->arena, both ? str_trim(other) : line)};
        add_component(f, page_slug(f->arena, service->name, title.en), title, service->name, (struct strs){0});
    }
    if (f->page->components.n == before)
        add_component(f, service->name, service->title, service->name, (struct strs){0});
}

static void add_components(struct fold *f)
{
    const char *only = f->conf->services.n == 1 ? f->conf->services.p[0] : f->config->services.n ? f->config->services.p[0].name : "";
    for (size_t i = 0; i < f->conf->components.n; i++) {
        const struct page_part *part = &f->conf->components.p[i];
        add_component(f, part->name, part->title, part->service ? part->service : only, part->checks);
    }
    for (size_t i = 0; i < f->config->services.n && !f->conf->components.n; i++)
        if (shows_service(f, f->config->services.p[i].name))
            add_affected(f, &f->config->services.p[i]);
}

static struct text2 title_of(const struct fold *f)
{
    if (f->conf->title.en)
        return f->conf->title;
    for (size_t i = 0; i < f->config->services.n; i++)
        if (shows_service(f, f->config->services.p[i].name))
            return f->config->services.p[i].title;
    return (struct text2){"Status", "État des services"};
}

/* ---- rows: who watched ---- */

/* Persons and other programs may write while no controller runs. */
static bool by_controller(const struct record *r)
{
    if (r->is_order)
        return true;
    switch ((enum event_kind)r->kind) {
    case EVENT_STARTED:
    case EVENT_STOPPED:
    case EVENT_LEADER:
    case EVENT_VERDICT:
    case EVENT_OUTCOME:
    case EVENT_TICK:
    case EVENT_DELIVERED:
    case EVENT_UNDELIVERED:
    case EVENT_FACT:
    case EVENT_RUNNING:
        return true;
    default:
        return false;
    }
}

/* A controller that ended without a word watched until its newest row, as far as is known. */
static void fold_watch(struct fold *f, const struct record *r)
{
    bool starts = !r->is_order && r->kind == EVENT_STARTED;
    if (!by_controller(r))
        return;
    if (!f->any)
        f->first_wall = r->wall_ms;
    if (starts && f->any) {
        span_begin(f->arena, &f->blind, f->last_wall);
        span_end(&f->blind, r->wall_ms);
    }
    f->any = true;
    f->last_wall = r->wall_ms;
}

/* ---- rows: incidents ---- */

static struct told *told_of(struct fold *f, int64_t incident)
{
    for (size_t i = f->told.n; i-- > 0;)
        if (f->told.p[i].page.id == incident)
            return &f->told.p[i];
    return NULL;
}

static void set_severity(struct told *t, int64_t severity)
{
    static const struct {
        enum component_state state;
        enum page_impact impact;
    } means[SEVERITY_MAX] = {
        [SEVERITY_P1] = {COMPONENT_MAJOR, IMPACT_CRITICAL},
        [SEVERITY_P2] = {COMPONENT_PARTIAL, IMPACT_MAJOR},
        [SEVERITY_P3] = {COMPONENT_DEGRADED, IMPACT_MINOR},
    };
    if (severity < 0 || severity >= SEVERITY_MAX)
        return;
    t->severity = (enum severity)severity;
    t->page.state = means[severity].state;
    t->page.impact = means[severity].impact;
}

static void fold_open(struct fold *f, const struct record *r)
{
    if (f->told.n >= TOLD_MAX || told_of(f, r->incident))
        return;
    struct told *t = vec_add(f->arena, &f->told);
    int64_t good = r->ref > 0 && r->ref < r->wall_ms ? r->ref : r->wall_ms;
    t->page = (struct page_incident){.id = r->incident, .service = arena_strdup(f->arena, r->service), .began_wall_ms = good};
    set_severity(t, r->number);
    span_begin(f->arena, &t->outages, good);
}

static void fold_state(struct fold *f, struct told *t, const struct record *r)
{
    t->state = (enum incident_state)r->number;
    if (t->state == INCIDENT_MITIGATING)
        span_begin(f->arena, &t->outages, r->wall_ms); /* a relapse; else it goes on already */
    else if (t->state >= INCIDENT_MONITORING)
        span_end(&t->outages, r->wall_ms);
}

static void fold_public(struct fold *f, struct told *t, const struct record *r)
{
    enum public_phase phase;
    if (!public_phase_of(r->subject, &phase))
        return;
    struct page_incident *i = &t->page;
    if (i->updates.n >= PAGE_UPDATES_MAX) /* the oldest gives way */
        memmove(i->updates.p, i->updates.p + 1, --i->updates.n * sizeof(*i->updates.p));
    *vec_add(f->arena, &i->updates) = page_update_of(f->arena, f->config, r, phase);
    i->phase = phase;
    i->told_wall_ms = i->told_wall_ms ? i->told_wall_ms : r->wall_ms;
    i->updated_wall_ms = r->wall_ms;
    if (phase < PUBLIC_MONITORING)
        i->monitoring_wall_ms = 0;
    else if (!i->monitoring_wall_ms)
        i->monitoring_wall_ms = r->wall_ms;
    i->resolved_wall_ms = phase == PUBLIC_RESOLVED ? r->wall_ms : 0;
    i->next_update_wall_ms = phase == PUBLIC_RESOLVED ? 0 : MAX_OF(r->ref, 0);
    f->page->changed_wall_ms = r->wall_ms;
}

static void fold_order(struct fold *f, const struct record *r)
{
    if (r->kind == ORDER_OPEN && shows_service(f, r->service))
        fold_open(f, r);
    struct told *t = r->incident ? told_of(f, r->incident) : NULL;
    if (!t)
        return;
    if (r->kind == ORDER_STATE)
        fold_state(f, t, r);
    else if (r->kind == ORDER_SEVERITY)
        set_severity(t, r->number);
    else if (r->kind == ORDER_PUBLIC)
        fold_public(f, t, r);
}

/* ---- rows: checks and maintenance ---- */

static void fold_verdict(struct fold *f, const struct record *r)
{
    for (size_t i = 0; i < f->flaws.n; i++) {
        struct flaw *flaw = &f->flaws.p[i];
        if (!same(flaw->check, r->subject) || !same(flaw->service, r->service))
            continue;
        if (r->number == VERDICT_UP)
            span_end(&flaw->spans, r->wall_ms);
        else if (r->number != VERDICT_UNKNOWN) /* an unknown proves nothing, either way */
            span_begin(f->arena, &flaw->spans, r->ref > 0 && r->ref < r->wall_ms ? r->ref : r->wall_ms);
    }
}

/* The newest of that name; one that is over is history, and its name may be used again. */
static struct page_maintenance *maintenance_of(struct fold *f, const struct record *r)
{
    for (size_t i = f->page->maintenances.n; i-- > 0;) {
        struct page_maintenance *m = &f->page->maintenances.p[i];
        if (same(m->name, r->subject))
            return m->phase == MAINTENANCE_CANCELLED || m->to_wall_ms <= r->wall_ms ? NULL : m;
    }
    return NULL;
}

static bool named_in(const struct json *list, const char *id)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (same(json_string(json_at(list, i)), id))
            return true;
    return json_count(list) == 0;
}

static void announce(struct fold *f, struct page_maintenance *m, const struct record *r)
{
    const struct json *detail = page_detail(f->arena, r);
    m->service = arena_strdup(f->arena, r->service);
    m->title = page_text_of(f->arena, f->config, detail, "title", r->text, false);
    m->body = page_text_of(f->arena, f->config, detail, "body", "", true);
    m->from_wall_ms = r->number;
    m->to_wall_ms = r->ref;
    m->affects = arena_array(f->arena, bool, f->page->components.n);
    for (size_t i = 0; i < f->page->components.n; i++) {
        const struct page_component *c = &f->page->components.p[i];
        m->affects[i] = (!*m->service || same(c->service, m->service)) && named_in(json_get(detail, "components"), c->id);
    }
}

static void fold_maintenance(struct fold *f, const struct record *r)
{
    struct page_maintenance *m = maintenance_of(f, r);
    bool cancels = r->number == 0 && r->ref == 0;
    if ((*r->service && !shows_service(f, r->service)) || (cancels ? !m : r->ref <= r->number))
        return;
    if (!m) {
        if (f->page->maintenances.n >= PAGE_MAINTENANCES_MAX)
            memmove(f->page->maintenances.p, f->page->maintenances.p + 1, --f->page->maintenances.n * sizeof(*m));
        m = vec_add(f->arena, &f->page->maintenances);
        *m = (struct page_maintenance){.name = arena_strdup(f->arena, r->subject), .told_wall_ms = r->wall_ms};
    }
    if (cancels)
        m->phase = MAINTENANCE_CANCELLED;
    else
        announce(f, m, r);
    m->updated_wall_ms = r->wall_ms;
    f->page->changed_wall_ms = r->wall_ms;
}

static bool fold_row(void *arg, const struct record *r)
{
    struct fold *f = arg;
    fold_watch(f, r);
    if (r->is_order)
        fold_order(f, r);
    else if (r->kind == EVENT_VERDICT)
        fold_verdict(f, r);
    else if (r->kind == EVENT_MAINTENANCE)
        fold_maintenance(f, r);
    return true;
}

/* ---- from rows to figures ---- */

static bool in_maintenance(const struct fold *f, int64_t moment)
{
    for (size_t i = 0; i < f->page->maintenances.n; i++) {
        const struct page_maintenance *m = &f->page->maintenances.p[i];
        if (m->phase != MAINTENANCE_CANCELLED && m->from_wall_ms <= moment && moment < m->to_wall_ms)
            return true;
    }
    return false;
}

/* What the public was not told of is not shown while it goes on. Once over, it is history: an outage that users saw counts, whether or
   not anybody spoke of it, unless it had been announced. */
static bool counts(const struct fold *f, const struct told *t)
{
    if (t->page.updates.n)
        return true;
    return t->severity == SEVERITY_P1 && t->state >= INCIDENT_RESOLVED && !in_maintenance(f, t->page.began_wall_ms);
}

/* The times at which this incident affected this component. */
static void outages_of(struct fold *f, const struct told *t, size_t component, struct spans *to)
{
    const struct strs *checks = &f->checks.p[component];
    const char *service = f->page->components.p[component].service;
    for (size_t i = 0; i < t->outages.n && same(service, t->page.service); i++) {
        struct span outage = t->outages.p[i];
        outage.state = t->page.state;
        if (checks->n == 0 && to->n < SPANS_MAX)
            *vec_add(f->arena, to) = outage;
        for (size_t k = 0; k < f->flaws.n; k++) {
            const struct flaw *flaw = &f->flaws.p[k];
            bool ours = false;
            for (size_t c = 0; c < checks->n; c++)
                ours |= same(checks->p[c], flaw->check) && same(service, flaw->service);
            for (size_t s = 0; ours && s < flaw->spans.n && to->n < SPANS_MAX; s++) {
                struct span both = span_common(&outage, &flaw->spans.p[s]);
                if (both.from < both.to)
                    *vec_add(f->arena, to) = both;
            }
        }
    }
}

static int by_moment(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct moments {
    int64_t *p;
    size_t n, cap;
};

/* Between two neighbouring moments nothing changes. */
static void add_moments(const struct fold *f, struct moments *to, const struct spans *spans, int64_t from)
{
    for (size_t i = 0; i < spans->n; i++) {
        *vec_add(f->arena, to) = MIN_OF(MAX_OF(spans->p[i].from, from), f->now);
        *vec_add(f->arena, to) = MIN_OF(MAX_OF(spans->p[i].to, from), f->now);
    }
}

static enum component_state state_at(const struct spans *outages, int64_t moment)
{
    enum component_state state = COMPONENT_OPERATIONAL;
    for (size_t i = 0; i < outages->n; i++)
        if (span_holds(&outages->p[i], moment))
            state = MAX_OF(state, outages->p[i].state);
    return state;
}

static void add_stretch(const struct fold *f, struct page_component *c, const struct spans *outages, int64_t from, int64_t to)
{
    struct page_day *day = &c->days[(from - c->days[0].from_wall_ms) / MS_DAY];
    enum component_state state = state_at(outages, from);
    bool blind = f->any ? from < f->first_wall : true;
    for (size_t i = 0; i < f->blind.n; i++)
        blind |= span_holds(&f->blind.p[i], from);
    if (state == COMPONENT_MAJOR)
        day->major_ms += to - from;
    else if (state == COMPONENT_PARTIAL)
        day->partial_ms += to - from;
    else if (state == COMPONENT_DEGRADED)
        day->degraded_ms += to - from;
    if (!blind || state != COMPONENT_OPERATIONAL)
        day->known_ms += to - from;
}

static void fill_days(struct fold *f, struct page_component *c, const struct spans *outages)
{
    int64_t today = f->now - (f->now % MS_DAY), first = today - (PAGE_DAYS - 1) * MS_DAY;
    struct moments moments = {0};
    for (size_t i = 0; i < PAGE_DAYS; i++) {
        c->days[i].from_wall_ms = first + (int64_t)i * MS_DAY;
        *vec_add(f->arena, &moments) = c->days[i].from_wall_ms;
    }
    *vec_add(f->arena, &moments) = f->now;
    *vec_add(f->arena, &moments) = MIN_OF(MAX_OF(f->first_wall, first), f->now);
    add_moments(f, &moments, outages, first);
    add_moments(f, &moments, &f->blind, first);
    qsort(moments.p, moments.n, sizeof(*moments.p), by_moment);
    for (size_t i = 1; i < moments.n; i++)
        if (moments.p[i - 1] < moments.p[i])
            add_stretch(f, c, outages, moments.p[i - 1], moments.p[i]);
}

static void fill_state(const struct fold *f, struct page_component *c, size_t index, const struct spans *shown)
{
    c->state = state_at(shown, f->now - 1);
    for (size_t i = 0; i < f->page->maintenances.n; i++) {
        const struct page_maintenance *m = &f->page->maintenances.p[i];
        if (m->phase == MAINTENANCE_IN_PROGRESS && m->affects[index]) {
            c->state = MAX_OF(c->state, COMPONENT_MAINTENANCE);
            c->since_wall_ms = MAX_OF(c->since_wall_ms, m->from_wall_ms);
        } else if (m->phase == MAINTENANCE_COMPLETED && m->affects[index]) {
            c->since_wall_ms = MAX_OF(c->since_wall_ms, m->to_wall_ms);
        }
    }
    for (size_t i = 0; i < shown->n; i++) {
        int64_t turned = shown->p[i].to <= f->now ? shown->p[i].to : shown->p[i].from;
        c->since_wall_ms = MAX_OF(c->since_wall_ms, turned);
    }
}

/* Public words and public colours go together: what is only told later turns nothing red now, and what the public was told is over is
   not red any more. */
static bool is_shown(const struct told *t)
{
    return t->page.updates.n && t->page.phase < PUBLIC_MONITORING;
}

static void fill_component(struct fold *f, size_t index)
{
    struct page_component *c = &f->page->components.p[index];
    struct spans counted = {0}, shown = {0};
    for (size_t i = 0; i < f->told.n; i++) {
        struct told *t = &f->told.p[i];
        size_t before = counted.n;
        if (counts(f, t))
            outages_of(f, t, index, &counted);
        if (t->page.updates.n)
            t->page.affects[index] = counted.n > before;
        for (size_t k = before; k < counted.n; k++)
            if (is_shown(t) || counted.p[k].to != OPEN)
                *vec_add(f->arena, &shown) = counted.p[k];
    }
    fill_days(f, c, &counted);
    fill_state(f, c, index, &shown);
}

static void fill_maintenances(struct fold *f)
{
    for (size_t i = 0; i < f->page->maintenances.n; i++) {
        struct page_maintenance *m = &f->page->maintenances.p[i];
        if (m->phase != MAINTENANCE_CANCELLED)
            m->phase = f->now < m->from_wall_ms ? MAINTENANCE_SCHEDULED : f->now < m->to_wall_ms ? MAINTENANCE_IN_PROGRESS : MAINTENANCE_COMPLETED;
        for (size_t k = i; k > 0 && f->page->maintenances.p[k].from_wall_ms < f->page->maintenances.p[k - 1].from_wall_ms; k--) {
            struct page_maintenance later = f->page->maintenances.p[k - 1];
            f->page->maintenances.p[k - 1] = f->page->maintenances.p[k];
            f->page->maintenances.p[k] = later;
        }
    }
}

static void fill_incidents(struct fold *f)
{
    for (size_t i = f->told.n; i-- > 0 && f->page->incidents.n < PAGE_INCIDENTS_MAX;) {
        const struct told *t = &f->told.p[i];
        if (t->page.updates.n)
            *vec_add(f->arena, &f->page->incidents) = t->page;
    }
}

static enum page_impact impact_of(const struct page *page)
{
    enum page_impact impact = IMPACT_NONE;
    for (size_t i = 0; i < page->maintenances.n; i++)
        if (page->maintenances.p[i].phase == MAINTENANCE_IN_PROGRESS)
            impact = IMPACT_MAINTENANCE;
    for (size_t i = 0; i < page->incidents.n; i++) {
        const struct page_incident *incident = &page->incidents.p[i];
        if (incident->phase < PUBLIC_MONITORING)
            impact = MAX_OF(impact, incident->impact);
        else if (!page_incident_over(incident))
            impact = MAX_OF(impact, IMPACT_MINOR); /* back, and watched closely */
    }
    return impact;
}

/* ---- reading ---- */

void page_parts(struct arena *arena, const struct config *config, const struct status_page *conf, struct page *ret)
{
    *ret = (struct page){.conf = conf};
    struct fold f = {.arena = arena, .config = config, .conf = conf, .page = ret};
    ret->title = title_of(&f);
    add_components(&f);
}

static bool first_wall(void *arg, const struct record *r)
{
    *(int64_t *)arg = r->wall_ms;
    return false;
}

/* The rows before it are older than `wall_ms`, as far as the wall went forward; its neighbours are few. */
static bool seq_before(struct journal *journal, int64_t wall_ms, int64_t *ret, struct err *err)
{
    int64_t low = 0, high = journal_last(journal);
    while (low < high) {
        int64_t middle = low + (high - low) / 2, wall = INT64_MAX;
        if (!journal_read(journal, middle, 0, first_wall, &wall, err))
            return false;
        if (wall < wall_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *ret = low;
    return true;
}

bool page_read(struct arena *arena, struct journal *journal, const struct config *config, const struct status_page *conf, int64_t now_wall_ms,
               bool watched, struct page *ret, struct err *err)
{
    struct page page = {.conf = conf, .made_wall_ms = now_wall_ms};
    struct fold f = {.arena = arena, .config = config, .conf = conf, .page = &page, .now = now_wall_ms};
    int64_t after;
    page.title = title_of(&f);
    add_components(&f);
    if (!seq_before(journal, now_wall_ms - PAGE_LOOK_BACK_DAYS * MS_DAY, &after, err))
        return false;
    if (after) { /* whoever wrote what is not read here is taken to have watched until its next word */
        f.any = true;
        f.first_wall = f.last_wall = now_wall_ms - PAGE_LOOK_BACK_DAYS * MS_DAY;
    }
    if (!journal_read(journal, after, 0, fold_row, &f, err))
        return false;
    page.watched_wall_ms = watched ? now_wall_ms : f.last_wall;
    page.stale_wall_ms = page.watched_wall_ms + 3 * conf->refresh_ms;
    if (f.any && !watched)
        span_begin(arena, &f.blind, f.last_wall);
    for (size_t i = 0; i < f.told.n; i++)
        f.told.p[i].page.affects = arena_array(arena, bool, page.components.n);
    fill_maintenances(&f);
    for (size_t i = 0; i < page.components.n; i++)
        fill_component(&f, i);
    fill_incidents(&f);
    page.impact = impact_of(&page);
    *ret = page;
    return true;
}
