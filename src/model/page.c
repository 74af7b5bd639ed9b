/* model/page.c -- The figures of a status page. */
#include "model/page.h"

enum { PPM = 1000000 };

int64_t page_known_ms(const struct page_component *component)
{
    int64_t known = 0;
    for (size_t i = 0; i < PAGE_DAYS; i++)
        known += component->days[i].known_ms;
    return known;
}

int64_t page_uptime_ppm(const struct page_component *component)
{
    int64_t known = page_known_ms(component), lost = 0;
    for (size_t i = 0; i < PAGE_DAYS; i++)
        lost += 10 * component->days[i].major_ms + 3 * component->days[i].partial_ms;
    if (known <= 0)
        return -1;
    int64_t ppm = PPM - (lost * (PPM / 10) + known - 1) / known; /* rounded against us */
    return MAX_OF(ppm, 0);
}

enum component_state page_day_state(const struct page_day *day)
{
    if (day->major_ms > 0)
        return COMPONENT_MAJOR;
    if (day->partial_ms > 0)
        return COMPONENT_PARTIAL;
    return day->degraded_ms > 0 ? COMPONENT_DEGRADED : COMPONENT_OPERATIONAL;
}

bool page_incident_over(const struct page_incident *incident)
{
    return incident->phase == PUBLIC_RESOLVED;
}

const struct status_page *page_plain(struct arena *arena)
{
    struct status_page *page = arena_new(arena, struct status_page);
    page->refresh_ms = MS_MINUTE;
    *vec_add(arena, &page->languages) = "en";
    *vec_add(arena, &page->languages) = "fr";
    return page;
}
