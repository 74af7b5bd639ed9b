/* config/rules_page.c -- Rules of the status pages: what they name must be there, and no two may write to one folder. */
#include "config/rules.h"

static struct strs service_names(struct walk *w, const struct config *config)
{
    return rule_names(w->arena, config->services.p, config->services.n, sizeof(struct service), offsetof(struct service, name));
}

static void check_services(struct walk *w, const struct config *config, const struct status_page *page)
{
    struct strs names = service_names(w, config);
    for (size_t i = 0; i < page->services.n && names.n == config->services.n; i++)
        if (!config_service(config, page->services.p[i]))
            rule_error(w, &page->services.p[i], page, "there is no service \"%s\"", page->services.p[i])->hint =
                hint_nearest(w->arena, page->services.p[i], &names);
}

static void check_languages(struct walk *w, const struct status_page *page)
{
    for (size_t i = 0; i < page->languages.n; i++) {
        const char *name = page->languages.p[i];
        if (!same(name, "en") && !same(name, "fr"))
            rule_error(w, &page->languages.p[i], page, "\"%s\" is no language of a status page; en and fr are", name);
        for (size_t k = 0; k < i; k++)
            if (same(name, page->languages.p[k]))
                rule_error(w, &page->languages.p[i], page, "language \"%s\" stands twice", name);
    }
}

static bool shows(const struct status_page *page, const char *service)
{
    for (size_t i = 0; i < page->services.n; i++)
        if (same(page->services.p[i], service))
            return true;
    return page->services.n == 0;
}

/* The service of a part; NULL when it is not clear, which is complained of. */
static const struct service *service_of(struct walk *w, const struct config *config, const struct status_page *page, const struct page_part *part)
{
    if (part->service) {
        const struct service *service = config_service(config, part->service);
        struct strs names = service_names(w, config);
        if (names.n != config->services.n)
            return service;
        if (!service)
            rule_error(w, &part->service, part, "there is no service \"%s\"", part->service)->hint = hint_nearest(w->arena, part->service, &names);
        else if (!shows(page, part->service))
            rule_error(w, &part->service, part, "service \"%s\" is not among the services of this page", part->service);
        return service;
    }
    if (page->services.n == 1)
        return config_service(config, page->services.p[0]);
    if (page->services.n == 0 && config->services.n == 1)
        return &config->services.p[0];
    rule_error(w, &part->service, part, "the page shows several services, so this component must say which one it belongs to");
    return NULL;
}

static void check_parts(struct walk *w, const struct config *config, const struct status_page *page)
{
    rule_unique(w, "component", page->components.p, page->components.n, sizeof(struct page_part), offsetof(struct page_part, name));
    for (size_t i = 0; i < page->components.n; i++) {
        const struct page_part *part = &page->components.p[i];
        const struct service *service = service_of(w, config, page, part);
        struct strs ids = {0};
        if (service)
            ids = rule_names(w->arena, service->checks.p, service->checks.n, sizeof(struct check_conf), offsetof(struct check_conf, id));
        for (size_t k = 0; service && k < part->checks.n && ids.n == service->checks.n; k++)
            if (!service_check(service, part->checks.p[k]))
                rule_error(w, &part->checks.p[k], part, "service \"%s\" has no check \"%s\"", service->name, part->checks.p[k])->hint =
                    hint_nearest(w->arena, part->checks.p[k], &ids);
    }
}

void rules_pages(struct walk *w, const struct config *config)
{
    rule_unique(w, "status page in folder", config->status_pages.p, config->status_pages.n, sizeof(struct status_page),
                offsetof(struct status_page, folder));
    for (size_t i = 0; i < config->status_pages.n; i++) {
        const struct status_page *page = &config->status_pages.p[i];
        check_services(w, config, page);
        check_languages(w, page);
        check_parts(w, config, page);
    }
}
