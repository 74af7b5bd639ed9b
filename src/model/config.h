/* model/config.h -- The whole configuration as plain values. Filled by config/, read by everyone, changed by nobody. */
#pragma once
#include "base/base.h"
#include "base/option.h"
#include "base/target.h"
#include "model/checklist.h"
#include "model/names.h"
#include "model/rotation.h"

/* ---- playbooks ---- */

enum approval { APPROVE_AUTO, APPROVE_PERSON };

/* `then` of a step: a step id, or "next", "end" (the playbook succeeded), "fail" (it failed). */
struct step {
    struct mark mark;
    const char *id;
    struct text2 title;
    const char *action;   /* "service restart {active}.database", "playbook failover", "wait", "notify STAGE" */
    int64_t budget_ms;
    const char *until;    /* condition that must hold before the budget ends, after the action succeeded; NULL: none */
    const char *when;     /* condition without which the step is skipped; NULL: always */
    int attempts;         /* tries in this run of the playbook; 1 */
    int64_t pause_ms;     /* between tries */
    int limit;            /* runs of this step within `window_ms`, over all incidents; 0: no limit */
    int64_t window_ms;
    const char *on_success, *on_failure, *on_expiry; /* "next", "fail", on_failure */
    int approve;          /* enum approval */
    int64_t approve_timeout_ms; /* 10m; at its end the step is denied and takes on_failure */
    const char *undo;     /* action that takes the step's effect back, shown in the runbook and run by `traffic undo` and people */
    struct text2 manual;  /* what a person does where the machine stopped: printed by `bascule runbook` */
    struct text2 why;     /* the reason for what it does, its budget or its branches: `playbook show` and the runbook print it */
};

struct playbook {
    struct mark mark;
    const char *name;
    struct text2 title;
    struct text2 symptoms;
    int severity;          /* enum severity */
    int64_t rto_ms;        /* 0: the severity's */
    const char *opens_when;    /* condition; NULL: only a person or another playbook starts it */
    const char *resolved_when; /* condition that must hold for `hold_ms` before the incident is resolved */
    int64_t hold_ms;       /* 30s */
    struct text2 over_rto; /* why its longest path may exceed the RTO; without it such a playbook is refused */
    bool is_public;        /* false: the public hears of its incidents what people say, and nothing else */
    int automatic_limit;   /* automatic runs within `automatic_window_ms`; beyond, a person approves. 0: no limit */
    int64_t automatic_window_ms;
    struct { struct step *p; size_t n, cap; } steps;
};

/* ---- who is told ---- */

struct stage {
    struct mark mark;
    const char *name;      /* alert, on-call, runbook, status-page, management */
    int64_t after_ms;      /* since the incident opened */
    struct strs notify;    /* contacts, groups or rotations */
    bool page;             /* it wakes people: wants an acknowledgement, and is pointless once somebody has taken the incident */
};

/* Who is paged when those before did not answer. */
struct tier {
    struct mark mark;
    struct strs notify;
    int64_t answer_within_ms; /* then the next tier is paged; 0: the severity's */
};

/* When the public first hears of an incident. */
enum public_from {
    PUBLIC_FROM_STAGE,     /* with the stage "status-page" */
    PUBLIC_FROM_CONFIRMED, /* when two vantage points agree, and at the latest with that stage */
    PUBLIC_FROM_PERSON,    /* when a person says something */
};

struct severity_conf {
    struct mark mark;
    int severity;          /* enum severity */
    int64_t rto_ms, rpo_ms;
    int impact_per_hour;   /* in `currency` of the service; 0: none stated */
    struct text2 users;    /* "100 % of the service is unreachable" */
    int64_t update_every_ms; /* 0: no periodic updates */
    int public_from;       /* enum public_from */
    int64_t public_every_ms; /* the public hears at least this often while it lasts; 0: only of changes */
    struct { struct stage *p; size_t n, cap; } stages;
    int64_t answer_within_ms; /* a page that nobody acknowledges goes on to the next tier after it; 0: it goes nowhere */
    struct { struct tier *p; size_t n, cap; } tiers; /* after the people of the stage that pages; as written, else made of the contacts' tiers */
    int repeat;               /* so often the paging begins again after the last tier */
    int64_t ack_expires_ms;   /* an acknowledgement after which nothing happens ends after it; 0: never */
};

struct contact_way {
    struct mark mark;
    const char *channel;   /* name of a channel */
    const char *address;   /* what that channel calls one: a mail address, a phone number; NULL where it needs none */
    bool fallback;         /* only used in place of a way that failed, or did not deliver in time */
    int64_t fallback_after_ms; /* of a fallback: so long it waits for the way it stands in for */
};
enum { CONTACT_WAYS_MAX = 16 };

struct contact {
    struct mark mark;
    const char *name;
    struct text2 title;
    int tier;              /* 1 to 3; 0: external */
    int language;          /* enum language */
    struct { struct contact_way *p; size_t n, cap; } ways; /* all but the fallbacks are used, at once */
};

struct contact_group {
    struct mark mark;
    const char *name;
    struct strs members;   /* contacts or rotations */
};

enum language { LANGUAGE_EN, LANGUAGE_FR };

struct channel_conf {
    struct mark mark;
    const char *name;
    const char *type;      /* a driver of tell/ */
    void *options;         /* the driver's own struct, read through its option table */
};

/* ---- what is watched ---- */

struct endpoint {
    struct mark mark;
    const char *path;      /* "/api/contracts?limit=1" */
    struct ints accept;    /* [200] */
    const char *json;      /* "status=ok": member (dots go deeper) equals text; NULL: body not looked at */
    int64_t timeout_ms;
};

struct check_conf {
    struct mark mark;
    const char *id;        /* "production.database", "public" */
    const char *type;      /* a driver of observe/ */
    const char *site;      /* NULL: none (the public path) */
    int64_t interval_ms, timeout_ms;
    int fall, rise;        /* results in a row that turn the verdict */
    int64_t fresh_ms;      /* a verdict older than this is unknown; 0: 3 intervals + timeout */
    struct text2 title;
    void *options;
};

struct store_conf {
    struct mark mark;
    const char *name;
    const char *type;      /* a driver of backup/ */
    bool prune;            /* retention is kept there too */
    void *options;         /* the driver's own struct, read through its option table */
};

/* The members' agreement on who may write is kept in an etcd, where there is one. */
struct etcd_conf {
    struct mark mark;
    struct strs endpoints; /* none: there is no etcd */
    const char *ca_file, *cert_file, *key_file; /* NULL: the system's authorities; no certificate of ours */
    const char *user;      /* NULL: no login */
    struct secret password;
    const char *prefix;    /* of every key: PREFIX/SERVICE/... */
    int64_t timeout_ms;    /* for one answer, and for that of another agent */
};

/* What runs beside the PostgreSQL of a site. */
struct agent_conf {
    const char *listen;    /* ADDRESS:PORT on its host; NULL: there is no agent */
    const char *url;       /* as the others reach it; made of `listen` when it was not written */
    struct secret token;   /* signs what it is told to do */
    const char *watchdog;  /* NULL: none */
    int restarts;          /* so many within the window, then it gives up */
    int64_t restart_window_ms;
    const char *pg_bindir;
    const char *run_as;    /* user that PostgreSQL runs as when the agent is root */
};

/* How the other site follows the one that writes. */
enum replication_mode { REPLICATION_ASYNC, REPLICATION_SYNC };
struct replication_conf {
    struct mark mark;
    int mode;              /* enum replication_mode */
    const char *user;      /* NULL: nothing is replicated by bascule's doing */
    struct secret password;
    const char *slot;      /* name of the slot of the standby; NULL: none */
    int max_loss_mib;      /* a standby that is farther behind is promoted by a person only */
    bool carry_slots;      /* physical slots of an old primary are made on the one that takes over */
    struct strs archive_has; /* asks whether the archive has a segment of the log; empty: nobody knows */
    bool apply_delay;      /* a standby that applies late on purpose may be promoted */
};

/* Where Patroni keeps the PostgreSQL of a service, it alone decides which of its members leads. */
struct patroni_member {
    struct mark mark;
    const char *site, *name, *url; /* the member's name in Patroni, and where its REST API is */
};
struct patroni_conf {
    struct mark mark;
    const char *user;      /* NULL: the API asks for no login */
    struct secret password;
    const char *ca_file, *cert_file, *key_file;
    struct { struct patroni_member *p; size_t n, cap; } members; /* none: there is no Patroni */
};

/* Who may write, for how long, and what it takes to take over. All members count by CLOCK_BOOTTIME. */
struct failover_conf {
    struct mark mark;
    bool automatic;        /* false: a person promotes */
    int64_t ttl_ms, renew_ms, stop_budget_ms, guard_ms;
    int drift;             /* percent by which the clocks of two members may differ in speed */
    bool stay_up_alone;    /* an isolated primary goes on writing; never together with `automatic` */
    int64_t cool_down_ms;  /* after an automatic failover the next one waits for a person */
    int64_t restart_budget_ms; /* for restarts in place, before a standby is promoted */
};

struct fence_conf {
    struct mark mark;
    const char *type;      /* a driver of act/fence */
    void *options;         /* the driver's own struct, read through its option table */
};

struct site {
    struct mark mark;
    const char *name;
    int role;              /* enum site_role */
    struct host host;
    struct agent_conf agent;
    struct { struct fence_conf *p; size_t n, cap; } fences; /* besides its unit */
    struct {
        struct pgtarget at;
        const char *admin_dbname;    /* where CREATE DATABASE and RENAME are run: "postgres" */
        struct strs critical_tables;
        struct strs assertions; /* SQL */
        struct unit unit;
        const char *data_directory;  /* NULL: not known; its disk is diagnosed when known */
    } database;
    struct {
        const char *url;             /* base address of the application on this site */
        const char *upstream;        /* "host:port" as the reverse proxy reaches it */
        struct unit unit;
    } application;
    struct {
        const char *folder;
        int64_t retention_ms;        /* younger ones are kept */
        int keep_newest;             /* so many good ones are kept whatever their age */
        int keep_daily, keep_weekly, keep_monthly, keep_yearly; /* the newest of each of so many days, ... */
        int level;                   /* in the order of backup_level_name() */
        int jobs;                    /* 0: one for each processor, and one more */
        int max_rate;                /* MiB of dump text a second; 0: no limit */
        int64_t lock_wait_ms;        /* for a table that the application has locked against everything */
        struct secret key, old_key;  /* seal the manifests; SECRET_NONE: none */
        bool encrypt;
        struct { struct store_conf *p; size_t n, cap; } stores;
        int64_t every_ms;   /* the controller makes one this often, while the site serves the users; 0: it makes none */
        int64_t early_ms;   /* each begins up to this much earlier, so that several services do not begin at once */
        int64_t follow_ms;  /* this site keeps a warm copy and looks this often for a newer backup; 0: it keeps none */
        int copies;         /* warm copies kept after a newer one took their place */
    } backup;
};

struct traffic_conf {
    struct mark mark;
    const char *driver;    /* a driver of act/traffic */
    void *options;
    const char *identify_header; /* response header that names the site that answered, or NULL */
    const char *identify_json;   /* else member of the JSON body of identify_path */
    const char *identify_path;
};

enum { SERVICE_SITES_MAX = 8 };
struct service {
    struct mark mark;
    const char *name;
    struct text2 title;
    int users;
    const char *currency;
    struct text2 affected;     /* one component a line */
    const char *status_page;   /* address people may follow; NULL: none */
    const char *public_url;
    bool enabled_automatic;    /* false: every playbook waits for a person */
    struct { struct site *p; size_t n, cap; } sites;
    struct { struct endpoint *p; size_t n, cap; } endpoints;
    struct { struct check_conf *p; size_t n, cap; } checks;
    struct traffic_conf traffic;
    struct replication_conf replication;
    struct failover_conf failover;
    struct patroni_conf patroni;
    struct { struct severity_conf *p; size_t n, cap; } severities;
    struct strs playbook_files; /* as written; loaded into playbooks */
    struct { struct playbook *p; size_t n, cap; } playbooks;
    struct strs checklist_files; /* as written; loaded into checklists */
    struct { struct checklist *p; size_t n, cap; } checklists;
    const char *tickets;       /* contact that gets a ticket for each action of a post-incident report; NULL: none */
};

/* ---- what other programs tell ---- */

enum { SEVERITY_IGNORED = SEVERITY_MAX }; /* of a rule: such alerts open nothing */

struct alert_rule {
    struct mark mark;
    struct strs match;     /* "LABEL=VALUE", all of which must hold; a VALUE that ends in * is a beginning */
    int severity;          /* enum severity, or SEVERITY_IGNORED */
    const char *service;   /* NULL: as without the rule */
};

struct alerts_conf {
    const char *service;   /* NULL: the first one */
    struct strs group_by;  /* labels; alerts alike in all of them share an incident */
    int64_t hold_ms;       /* an incident is resolved when none of its alerts came back for so long */
    int64_t expire_ms;     /* an alert that its sender must repeat, and does not, has ended */
    int storm_after;       /* so many incidents of one service and severity within the window; what follows shares one */
    int64_t storm_window_ms;
    struct { struct alert_rule *p; size_t n, cap; } rules; /* the first that fits counts */
};

struct serve_conf {
    const char *listen;    /* ADDRESS:PORT, or an absolute path of a Unix socket; NULL: nobody is listened to */
    struct secret token;   /* what requests must show; SECRET_NONE: nothing */
};

struct heartbeat_conf {
    const char *url;       /* NULL: none is sent */
    int64_t every_ms;
    struct secret secret;  /* signs it; SECRET_NONE: it is not signed */
    const char *ca_file;   /* NULL: the system's */
};

/* ---- what the public is shown ---- */

/* A part of the service as users know it. */
struct page_part {
    struct mark mark;
    const char *name;
    struct text2 title;
    const char *service;       /* NULL: the only one of the page */
    struct strs checks;        /* an incident affects it while one of these is not up; none: every incident of its service does */
};

struct status_page {
    struct mark mark;
    const char *folder;        /* any web server or CDN serves what lies there */
    struct text2 title;        /* .en NULL: that of its first service */
    const char *url;           /* where people find it; NULL: not known, and feeds and JSON have relative addresses */
    struct strs services;      /* none: all */
    struct { struct page_part *p; size_t n, cap; } components; /* none: each line of `affected` of its services */
    struct strs languages;     /* "en", "fr"; the first is at the top of the folder, the other in a folder of its own */
    int64_t refresh_ms;        /* written at least this often, so that its age shows whether somebody still watches */
};

/* A text that people wrote in the place of one that ships: "update.fr". */
struct message_template {
    struct mark mark;
    const char *name, *text;
};

struct config {
    const char *path;          /* the file it was read from */
    const char *templates_dir; /* NULL: the texts that ship */
    struct { struct message_template *p; size_t n, cap; } templates;
    const char *state_dir;
    int language;              /* enum language */
    struct { struct service *p; size_t n, cap; } services;
    struct { struct channel_conf *p; size_t n, cap; } channels;
    struct { struct contact *p; size_t n, cap; } contacts;
    struct { struct contact_group *p; size_t n, cap; } groups;
    struct { struct rotation *p; size_t n, cap; } rotations;
    struct etcd_conf etcd;
    struct serve_conf serve;
    struct alerts_conf alerts;
    struct heartbeat_conf heartbeat_out;
    struct { struct status_page *p; size_t n, cap; } status_pages;
};

/* Lookups by name; NULL when there is none. Indices are stable for the life of the configuration. */
const struct service *config_service(const struct config *config, const char *name); /* NULL name: the only service */
const struct site *service_site(const struct service *service, const char *name);
const struct site *service_site_of(const struct service *service, enum site_role role);
const struct playbook *service_playbook(const struct service *service, const char *name);
const struct severity_conf *service_severity(const struct service *service, enum severity severity);
const struct check_conf *service_check(const struct service *service, const char *id);
const struct checklist *service_checklist(const struct service *service, const char *name);
const struct checklist_item *checklist_item(const struct checklist *list, const char *id);
const struct step *playbook_step(const struct playbook *playbook, const char *id);
const struct contact *config_contact(const struct config *config, const char *name);
const struct contact_group *config_group(const struct config *config, const char *name);
const struct rotation *config_rotation(const struct config *config, const char *name);
const struct channel_conf *config_channel(const struct config *config, const char *name);
const struct patroni_member *service_patroni(const struct service *service, const char *site); /* NULL: it is no member */
/* By its own clock an isolated primary has stopped so long after it sent its last renewal, at the latest. */
/* Does its agent end a PostgreSQL there that may not write by the epoch in etcd? */
bool site_lives_by_lease(const struct config *config, const struct service *service, const struct site *site);
int64_t failover_stops_within_ms(const struct failover_conf *failover);
/* By the clock of whoever waits: so long after it first saw the last renewal, another site may be promoted. */
int64_t failover_waits_ms(const struct failover_conf *failover);
/* Renewals are missing, and not one of them late: so long without a newer one. */
int64_t failover_missed_ms(const struct failover_conf *failover);
/* What a watchdog counts, in the whole seconds that it knows: so many that it may still be fed when an answer came as late as may be, and
   bites within ttl of the last renewal. 0: ttl is too short for one. */
int failover_watchdog_s(const struct failover_conf *failover, int64_t answer_ms);
const char *text_in(struct text2 text, enum language language); /* "" when it has none */
/* What people call them. A stage that is not one of the usual five is called by its own name. */
struct text2 severity_title(enum severity severity);
struct text2 stage_title(const char *stage);
