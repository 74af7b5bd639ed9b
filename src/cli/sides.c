/* cli/sides.c -- From where to where a service would move now. */
#include "cli/sides.h"

#include "record/journal.h"
#include "sys/file.h"

struct served {
    const char *service;
    char site[MODEL_ID_SIZE];
};

static bool note_active(void *arg, const struct record *record)
{
    struct served *served = arg;
    if (record->is_order && record->kind == ORDER_ACTIVE && same(record->service, served->service))
        COPY_TO(served->site, record->subject);
    return true;
}

/* The journal's word; without a journal nothing was ever moved. */
bool cli_sides(const struct cli *cli, const struct service *service, const struct site **ret_from, const struct site **ret_to, struct err *err)
{
    struct served served = {.service = service->name};
    char *path = file_join(cli->arena, cli->config->state_dir, "journal.db");
    if (file_exists(path)) {
        struct journal *journal;
        if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err))
            return false;
        bool ok = journal_read(journal, 0, 0, note_active, &served, err);
        journal_close(&journal);
        if (!ok)
            return false;
    }
    const struct site *from = *served.site ? service_site(service, served.site) : service_site_of(service, SITE_PRODUCTION);
    *ret_from = from;
    *ret_to = NULL;
    for (size_t i = service->sites.n; i-- > 0;) { /* with several the first that is no failback */
        const struct site *site = &service->sites.p[i];
        if (site != from && (!*ret_to || site->role == SITE_DR || (*ret_to)->role != SITE_DR))
            *ret_to = site;
    }
    if (from && *ret_to)
        return true;
    err_set(err, ERR_CONFIG, _("service \"%s\" has no second site to fail over to"), service->name);
    return err_hint(err, _("add a site with role dr to the configuration"));
}
