/* io/ical.c -- libical reads and writes calendars; recurrences are stepped through here, on local clocks, so that a shift which begins at
   nine begins at nine all year, and with a bound on everything that a file can ask for. */
#include "io/ical.h"

#include <libical/ical.h>
#include <string.h>

#include "io/zoneinfo.h"

enum { STEPS_MAX = 200 * 1000, EXDATES_MAX = 10000 };

struct reader {
    struct arena *arena;
    icalcomponent *root;
    const struct zone *zone; /* of times that name none */
    int64_t from_ms, to_ms;
    struct ical_events *out;
    VEC(struct zone) zones;
    int steps;
    struct err *err;
};

/* ---- time ---- */

/* The zone that a property names: the system's, where it knows that name. NULL: libical must say, by what the file defines. */
static const struct zone *zone_named(struct reader *r, const char *tzid)
{
    struct zone zone;
    struct err ignored = {0};
    for (size_t i = 0; i < r->zones.n; i++)
        if (same(r->zones.p[i].name, tzid))
            return &r->zones.p[i];
    if (same(tzid, "UTC") || !zoneinfo_read(r->arena, tzid, &zone, &ignored))
        return NULL;
    *vec_add(r->arena, &r->zones) = zone;
    return &r->zones.p[r->zones.n - 1];
}

/* What the clock shows, as if it were UTC: arithmetic that no zone disturbs. */
static int64_t local_ms(icaltimetype t)
{
    t.zone = NULL;
    return (int64_t)icaltime_as_timet(t) * MS_SECOND;
}

static int64_t moment_ms(struct reader *r, icaltimetype t, const char *tzid)
{
    if (icaltime_is_utc(t))
        return local_ms(t);
    const struct zone *zone = tzid && !t.is_date ? zone_named(r, tzid) : r->zone;
    if (zone)
        return zone_moment_ms(zone, local_ms(t));
    icaltimezone *own = icalcomponent_get_timezone(r->root, tzid);
    return own ? (int64_t)icaltime_as_timet_with_zone(t, own) * MS_SECOND : zone_moment_ms(r->zone, local_ms(t));
}

static const char *tzid_of(icalproperty *property)
{
    icalparameter *parameter = property ? icalproperty_get_first_parameter(property, ICAL_TZID_PARAMETER) : NULL;
    return parameter ? icalparameter_get_tzid(parameter) : NULL;
}

/* ---- one event ---- */

struct master {
    icalcomponent *component;
    const char *tzid;
    icaltimetype start;
    int64_t length_ms; /* on local clocks */
    struct ical_event event;
};

static void keep(struct reader *r, const struct master *m, icaltimetype start)
{
    struct ical_event event = m->event;
    /* Both ends by the clock on the wall, so that shifts which meet go on meeting when clocks are moved. */
    icaltimetype end = icaltime_from_timet_with_zone((time_t)((local_ms(start) + m->length_ms) / MS_SECOND), 0, NULL);
    if (icaltime_is_utc(start))
        end.zone = icaltimezone_get_utc_timezone();
    end.is_date = start.is_date;
    event.from_ms = moment_ms(r, start, m->tzid);
    event.to_ms = moment_ms(r, end, m->tzid);
    if (event.to_ms > event.from_ms && event.from_ms < r->to_ms && event.to_ms > r->from_ms)
        *vec_add(r->arena, r->out) = event;
}

static bool too_many(struct reader *r)
{
    if (r->out->n > ICAL_EVENTS_MAX)
        return !err_set(r->err, ERR_LIMIT, "the calendar has more than %d events", ICAL_EVENTS_MAX);
    if (r->steps > STEPS_MAX) {
        err_set(r->err, ERR_LIMIT, "the rules of the calendar give more than %d recurrences", STEPS_MAX);
        return !err_hint(r->err, "begin its repeating events anew, not years ago, or let them repeat less often");
    }
    return false;
}

/* Is this instance taken out by an EXDATE, or replaced by an event with that RECURRENCE-ID? */
static bool is_excluded(struct reader *r, const struct master *m, int64_t start_ms)
{
    for (icalproperty *p = icalcomponent_get_first_property(m->component, ICAL_EXDATE_PROPERTY); p;
         p = icalcomponent_get_next_property(m->component, ICAL_EXDATE_PROPERTY)) {
        icaltimetype t = icalproperty_get_exdate(p);
        int64_t at = moment_ms(r, t, tzid_of(p));
        r->steps++;
        if (t.is_date ? start_ms >= at && start_ms < at + MS_DAY : start_ms == at)
            return true;
    }
    for (icalcompiter i = icalcomponent_begin_component(r->root, ICAL_VEVENT_COMPONENT); icalcompiter_deref(&i); icalcompiter_next(&i)) {
        icalcomponent *other = icalcompiter_deref(&i);
        icalproperty *id = icalcomponent_get_first_property(other, ICAL_RECURRENCEID_PROPERTY);
        r->steps++;
        if (id && other != m->component && same(icalcomponent_get_uid(other), m->event.uid) &&
            moment_ms(r, icalproperty_get_recurrenceid(id), tzid_of(id)) == start_ms)
            return true;
    }
    return false;
}

static bool add_rule(struct reader *r, const struct master *m, icalproperty *rule)
{
    struct icalrecurrencetype recurrence = icalproperty_get_rrule(rule);
    icalrecur_iterator *iterator = icalrecur_iterator_new(recurrence, m->start);
    if (!iterator)
        return err_set(r->err, ERR_DATA, "the calendar has a rule that cannot be followed");
    icaltimetype t = icalrecur_iterator_next(iterator);
    bool ok = true;
    for (; !icaltime_is_null_time(t); t = icalrecur_iterator_next(iterator)) {
        int64_t start = moment_ms(r, t, m->tzid);
        r->steps++;
        if (start >= r->to_ms || too_many(r))
            break;
        if (start + m->length_ms + MS_DAY > r->from_ms && !is_excluded(r, m, start))
            keep(r, m, t);
    }
    ok = !too_many(r);
    icalrecur_iterator_free(iterator);
    return ok;
}

static bool add_instances(struct reader *r, const struct master *m)
{
    bool changed = icalcomponent_get_first_property(m->component, ICAL_RECURRENCEID_PROPERTY);
    icalproperty *rule = changed ? NULL : icalcomponent_get_first_property(m->component, ICAL_RRULE_PROPERTY);
    if (!rule && (changed || !is_excluded(r, m, moment_ms(r, m->start, m->tzid))))
        keep(r, m, m->start);
    for (; rule; rule = icalcomponent_get_next_property(m->component, ICAL_RRULE_PROPERTY))
        if (!add_rule(r, m, rule))
            return false;
    for (icalproperty *p = changed ? NULL : icalcomponent_get_first_property(m->component, ICAL_RDATE_PROPERTY); p;
         p = icalcomponent_get_next_property(m->component, ICAL_RDATE_PROPERTY)) {
        struct icaldatetimeperiodtype when = icalproperty_get_rdate(p);
        r->steps++;
        if (!icaltime_is_null_time(when.time) && !is_excluded(r, m, moment_ms(r, when.time, tzid_of(p))))
            keep(r, m, when.time);
    }
    return !too_many(r);
}

static int64_t length_of(const struct master *m, icalproperty *end)
{
    icalproperty *duration = icalcomponent_get_first_property(m->component, ICAL_DURATION_PROPERTY);
    if (end)
        return local_ms(icalproperty_get_dtend(end)) - local_ms(m->start);
    if (duration)
        return (int64_t)icaldurationtype_as_int(icalproperty_get_duration(duration)) * MS_SECOND;
    return m->start.is_date ? MS_DAY : 0;
}

static void read_people(struct reader *r, struct master *m)
{
    const char *summary = icalcomponent_get_summary(m->component), *uid = icalcomponent_get_uid(m->component);
    m->event.summary = arena_strdup(r->arena, summary && str_is_clean(str_of(summary)) ? summary : "");
    m->event.uid = arena_strdup(r->arena, uid ? uid : "");
    for (icalproperty *p = icalcomponent_get_first_property(m->component, ICAL_ATTENDEE_PROPERTY); p;
         p = icalcomponent_get_next_property(m->component, ICAL_ATTENDEE_PROPERTY)) {
        const char *address = icalproperty_get_attendee(p);
        if (address && strncasecmp(address, "mailto:", 7) == 0 && str_is_clean(str_of(address)))
            *vec_add(r->arena, &m->event.attendees) = arena_strdup(r->arena, address + 7);
    }
}

static bool read_event(struct reader *r, icalcomponent *component)
{
    struct master m = {.component = component};
    icalproperty *start = icalcomponent_get_first_property(component, ICAL_DTSTART_PROPERTY);
    icalproperty *end = icalcomponent_get_first_property(component, ICAL_DTEND_PROPERTY);
    if (icalcomponent_get_status(component) == ICAL_STATUS_CANCELLED)
        return true;
    if (!start)
        return err_set(r->err, ERR_DATA, "the calendar has an event without a beginning (DTSTART)");
    m.start = icalproperty_get_dtstart(start);
    if (icaltime_is_null_time(m.start) || !icaltime_is_valid_time(m.start))
        return err_set(r->err, ERR_DATA, "the calendar has an event whose beginning is no time");
    m.tzid = tzid_of(start);
    m.length_ms = length_of(&m, end);
    read_people(r, &m);
    if (end && tzid_of(end) && !same(tzid_of(end), m.tzid)) /* it ends on other clocks than it begins */
        m.length_ms = moment_ms(r, icalproperty_get_dtend(end), tzid_of(end)) - moment_ms(r, m.start, m.tzid);
    return m.length_ms <= 0 || add_instances(r, &m);
}

/* ---- the calendar ---- */

static int by_beginning(const void *a, const void *b)
{
    const struct ical_event *x = a, *y = b;
    if (x->from_ms != y->from_ms)
        return x->from_ms < y->from_ms ? -1 : 1;
    return strcmp(x->uid, y->uid);
}

static bool read_root(struct reader *r)
{
    int errors = icalcomponent_count_errors(r->root);
    if (icalcomponent_isa(r->root) != ICAL_VCALENDAR_COMPONENT)
        return err_set(r->err, ERR_DATA, "it is no calendar (BEGIN:VCALENDAR)");
    if (errors)
        return err_set(r->err, ERR_DATA, "the calendar has %d %s that %s no iCalendar", errors, errors == 1 ? "line" : "lines", errors == 1 ? "is" : "are");
    if (icalcomponent_count_components(r->root, ICAL_VEVENT_COMPONENT) > ICAL_EVENTS_MAX)
        return err_set(r->err, ERR_LIMIT, "the calendar has more than %d events", ICAL_EVENTS_MAX);
    for (icalcompiter i = icalcomponent_begin_component(r->root, ICAL_VEVENT_COMPONENT); icalcompiter_deref(&i); icalcompiter_next(&i))
        if (!read_event(r, icalcompiter_deref(&i)))
            return false;
    return true;
}

bool ical_read(struct arena *arena, struct str text, const struct zone *zone, int64_t from_ms, int64_t to_ms, struct ical_events *ret, struct err *err)
{
    struct ical_events events = {0};
    struct reader r = {.arena = arena, .zone = zone, .from_ms = from_ms, .to_ms = to_ms, .out = &events, .err = err};
    if (text.n > ICAL_FILE_MAX)
        return err_set(err, ERR_LIMIT, "the calendar is larger than %d bytes", ICAL_FILE_MAX);
    icalerror_set_errors_are_fatal(0);
    r.root = icalparser_parse_string(str_dup(arena, text));
    if (!r.root)
        return err_set(err, ERR_DATA, "it is no calendar (BEGIN:VCALENDAR)");
    bool ok = read_root(&r);
    icalcomponent_free(r.root);
    if (!ok)
        return false;
    if (events.n)
        qsort(events.p, events.n, sizeof(*events.p), by_beginning);
    *ret = events;
    return true;
}

/* ---- writing ---- */

static icaltimetype utc_time(int64_t wall_ms)
{
    return icaltime_from_timet_with_zone((time_t)(wall_ms / MS_SECOND), 0, icaltimezone_get_utc_timezone());
}

void ical_write(struct buf *out, const char *name, const struct ical_events *events, int64_t stamp_ms)
{
    icalcomponent *root = icalcomponent_new_vcalendar();
    icalproperty *title = icalproperty_new_x(name);
    icalproperty_set_x_name(title, "X-WR-CALNAME");
    icalcomponent_add_property(root, icalproperty_new_version("2.0"));
    icalcomponent_add_property(root, icalproperty_new_prodid("-//bascule//on-call//EN"));
    icalcomponent_add_property(root, title);
    for (size_t i = 0; i < events->n; i++) {
        const struct ical_event *e = &events->p[i];
        icalcomponent *event = icalcomponent_new_vevent();
        icalcomponent_add_property(event, icalproperty_new_uid(e->uid));
        icalcomponent_add_property(event, icalproperty_new_dtstamp(utc_time(stamp_ms)));
        icalcomponent_add_property(event, icalproperty_new_dtstart(utc_time(e->from_ms)));
        icalcomponent_add_property(event, icalproperty_new_dtend(utc_time(e->to_ms)));
        icalcomponent_add_property(event, icalproperty_new_summary(e->summary));
        icalcomponent_add_component(root, event);
    }
    char *text = icalcomponent_as_ical_string_r(root);
    buf_puts(out, text ? text : "");
    icalmemory_free_buffer(text);
    icalcomponent_free(root);
}
