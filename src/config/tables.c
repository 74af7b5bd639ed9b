/* config/tables.c -- Every key of the configuration. Nested mappings that only group keys have offset 0 or that of the
   nested struct; the tables inside count from there. Samples come from sample.c, so `sample` here serves the keys that
   its document leaves out. */
#include "config/tables.h"

#include <limits.h>

#define AT(type, member)        .offset = offsetof(struct type, member)
#define LIST_OF(element, table) .sub = (table), .size = sizeof(struct element)

static const char *const language_names[] = {"en", "fr", NULL};
static const char *const level_names[] = {"default", "fast", "small", NULL}; /* in the order of enum backup_level */
static const char *const public_names[] = {"stage", "confirmed", "person", NULL}; /* in the order of enum public_from */
static const char *const replication_names[] = {"async", "sync", NULL}; /* in the order of enum replication_mode */
static const char *const approval_names[] = {"auto", "person", NULL};
const char *const sslmode_names[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full", NULL};

#define NAME_ONLY(id, name) [id] = name, /* NOLINT(bugprone-macro-parentheses): a literal */
static const char *const role_names[] = {SITE_ROLES(NAME_ONLY)[SITE_ROLE_MAX] = NULL};
static const char *const severity_names[] = {SEVERITIES(NAME_ONLY)[SEVERITY_MAX] = NULL};
static const char *const alert_severity_names[] = {SEVERITIES(NAME_ONLY)[SEVERITY_IGNORED] = "ignore", NULL};

/* One key a line reads better than any wrapping. */
/* clang-format off */

/* ---- hosts and secrets ---- */

const struct option host_options[] = {
    {"address", OPTION_STRING, AT(host, address), .required = true, .help = "name or address of the host", .sample = "db1.example.org"},
    {"port", OPTION_INT, AT(host, port), .fallback = "22", .min = 1, .max = 65535, .help = "port of its SSH server"},
    {"user", OPTION_STRING, AT(host, user), .help = "login name; else OpenSSH's own choice", .sample = "ops"},
    {"identity", OPTION_PATH, AT(host, identity), .help = "private key file; else OpenSSH's own choice", .sample = "/etc/bascule/id_ed25519"},
    {"known_hosts", OPTION_PATH, AT(host, known_hosts), .help = "file of known host keys; else OpenSSH's own", .sample = "/etc/bascule/known_hosts"},
    OPTION_END,
};

const struct option secret_options[] = {
    {"file", OPTION_PATH, .help = "a file that only its owner may read; its first line is the secret", .sample = "/etc/bascule/pg.password"},
    {"env", OPTION_NAME, .help = "an environment variable of bascule", .sample = "PG_PASSWORD"},
    {"credential", OPTION_STRING, .help = "a systemd credential (LoadCredential=)", .sample = "pg.password"},
    OPTION_END,
};

/* ---- sites ---- */

static const struct option unit_options[] = {
    {"name", OPTION_STRING, AT(unit, name), .help = "systemd unit; each command below replaces what systemctl would do", .sample = "postgresql@15-main"},
    {"start", OPTION_ARGV, AT(unit, start), .help = "command that starts it", .sample = "[pg_ctlcluster, \"15\", main, start]"},
    {"stop", OPTION_ARGV, AT(unit, stop), .help = "command that stops it", .sample = "[pg_ctlcluster, \"15\", main, stop]"},
    {"restart", OPTION_ARGV, AT(unit, restart), .help = "command that restarts it", .sample = "[pg_ctlcluster, \"15\", main, restart]"},
    {"status", OPTION_ARGV, AT(unit, status), .help = "command whose exit code 0 means that it runs", .sample = "[pg_ctlcluster, \"15\", main, status]"},
    {"mask", OPTION_ARGV, AT(unit, mask), .help = "command that makes every later start fail", .sample = "[systemctl, mask, postgresql@15-main]"},
    {"unmask", OPTION_ARGV, AT(unit, unmask), .help = "command that allows starting again", .sample = "[systemctl, unmask, postgresql@15-main]"},
    {"kill", OPTION_ARGV, AT(unit, kill), .help = "command that stops it at once, without waiting for clients", .sample = "[pg_ctlcluster, \"15\", main, stop, -m, immediate]"},
    {"log", OPTION_ARGV, AT(unit, log), .help = "command that prints the last lines of its log", .sample = "[tail, -n, \"50\", /var/log/postgresql/postgresql-15-main.log]"},
    OPTION_END,
};

static const struct option database_options[] = {
    {"host", OPTION_STRING, AT(site, database.at.host), .required = true, .help = "name, address, or folder of a Unix socket, as bascule reaches the server", .sample = "127.0.0.1"},
    {"port", OPTION_INT, AT(site, database.at.port), .fallback = "5432", .min = 1, .max = 65535, .help = "port of the server"},
    {"dbname", OPTION_STRING, AT(site, database.at.dbname), .required = true, .help = "database of the service", .sample = "akig"},
    {"user", OPTION_STRING, AT(site, database.at.user), .required = true, .help = "role that bascule logs in as", .sample = "bascule"},
    {"password", OPTION_SECRET, AT(site, database.at.password), .help = "its password; none for peer, trust or certificate logins", .sample = "{file: /etc/bascule/pg.password}"},
    {"sslmode", OPTION_STRING, AT(site, database.at.sslmode), .fallback = "prefer", .names = sslmode_names, .help = "TLS, as libpq's sslmode"},
    {"admin_dbname", OPTION_STRING, AT(site, database.admin_dbname), .fallback = "postgres", .help = "database from which others are created and renamed"},
    {"data_directory", OPTION_PATH, AT(site, database.data_directory), .help = "of the server, on its host; its disk is part of the diagnosis", .sample = "/var/lib/postgresql/15/main"},
    {"critical_tables", OPTION_STRINGS, AT(site, database.critical_tables), .help = "tables that must be there, and are counted after a restore", .sample = "[users, contracts]"},
    {"assertions", OPTION_STRINGS, AT(site, database.assertions), .help = "SQL that must give one row with true in restored data, before it is used", .sample = "[SELECT count(*) > 0 FROM users]"},
    {"unit", OPTION_GROUP, AT(site, database.unit), .sub = unit_options, .help = "how the server is started and stopped"},
    OPTION_END,
};

static const struct option application_options[] = {
    {"url", OPTION_URL, AT(site, application.url), .help = "base address of the application on this site", .sample = "https://production.akig.com"},
    {"upstream", OPTION_STRING, AT(site, application.upstream), .help = "HOST:PORT as the reverse proxy reaches it", .sample = "production.akig.com:8080"},
    {"unit", OPTION_GROUP, AT(site, application.unit), .sub = unit_options, .help = "how the application is started and stopped"},
    OPTION_END,
};

static const struct option store_options[] = {
    {"name", OPTION_NAME, AT(store_conf, name), .required = true, .help = "name of the store", .sample = "offsite"},
    {"type", OPTION_STRING, AT(store_conf, type), .required = true, .help = "which store; its own keys are listed with it", .sample = "ssh"},
    {"prune", OPTION_BOOL, AT(store_conf, prune), .fallback = "true", .help = "the retention is kept there too; false: nothing is ever removed there"},
    OPTION_END,
};

static const struct option keep_options[] = {
    {"newest", OPTION_INT, AT(site, backup.keep_newest), .fallback = "3", .min = 1, .max = 100000, .help = "so many good backups are kept whatever their age"},
    {"daily", OPTION_INT, AT(site, backup.keep_daily), .fallback = "0", .max = 10000, .help = "the newest good one of each of so many days (UTC)"},
    {"weekly", OPTION_INT, AT(site, backup.keep_weekly), .fallback = "0", .max = 10000, .help = "the same for weeks, which begin on Monday"},
    {"monthly", OPTION_INT, AT(site, backup.keep_monthly), .fallback = "0", .max = 10000, .help = "the same for months"},
    {"yearly", OPTION_INT, AT(site, backup.keep_yearly), .fallback = "0", .max = 10000, .help = "the same for years"},
    OPTION_END,
};

static const struct option backup_options[] = {
    {"folder", OPTION_PATH, AT(site, backup.folder), .required = true, .help = "folder of the backups, seen from this site", .sample = "/backups/akig"},
    {"retention", OPTION_DURATION, AT(site, backup.retention_ms), .fallback = "30d", .min = MS_HOUR, .max = 3650 * MS_DAY, .help = "younger backups are kept; `bascule backup prune` removes what neither this nor `keep` holds"},
    {"keep", OPTION_GROUP, .offset = 0, .sub = keep_options, .help = "which older backups are kept as well"},
    {"level", OPTION_ENUM, AT(site, backup.level), .fallback = "default", .names = level_names, .help = "how hard backups are compressed"},
    {"jobs", OPTION_INT, AT(site, backup.jobs), .fallback = "0", .max = 64, .help = "sessions that read large tables at once; 0: one for each processor, and one more"},
    {"max_rate", OPTION_INT, AT(site, backup.max_rate), .fallback = "0", .max = 1000000, .help = "MiB of dump text that are asked of the server in a second, at most; 0: no limit"},
    {"lock_wait", OPTION_DURATION, AT(site, backup.lock_wait_ms), .fallback = "5m", .min = MS_SECOND, .max = 10 * MS_MINUTE, .help = "how long a backup waits for a table that the application has locked against everything, before it gives up"},
    {"key", OPTION_SECRET, AT(site, backup.key), .help = "seals the manifests, so that an altered or foreign backup is refused; `bascule backup key` makes one", .sample = "{file: /etc/bascule/backup.key}"},
    {"old_key", OPTION_SECRET, AT(site, backup.old_key), .help = "the key before this one: what it sealed or encrypted is still good", .sample = "{file: /etc/bascule/backup.key.old}"},
    {"encrypt", OPTION_BOOL, AT(site, backup.encrypt), .fallback = "false", .help = "backups are encrypted with the key, and their names end in .enc"},
    {"stores", OPTION_LIST, AT(site, backup.stores), LIST_OF(store_conf, store_options), .help = "other places that keep a copy of every backup"},
    {"every", OPTION_DURATION, AT(site, backup.every_ms), .min = MS_SECOND, .max = 30 * MS_DAY, .help = "how often `serve` makes a backup while this site serves the users; none: it makes none, and cron or a timer does", .sample = "1h"},
    {"early", OPTION_DURATION, AT(site, backup.early_ms), .fallback = "0s", .max = MS_DAY, .help = "each begins up to this much earlier, by chance, so that several services do not begin at once"},
    {"follow", OPTION_DURATION, AT(site, backup.follow_ms), .min = MS_SECOND, .max = 30 * MS_DAY, .help = "this site keeps the newest good backup restored as a warm copy; `serve` looks this often for a newer one", .sample = "5m"},
    {"copies", OPTION_INT, AT(site, backup.copies), .fallback = "1", .max = 1000, .help = "warm copies kept after a newer one took their place"},
    OPTION_END,
};

static const struct option agent_options[] = {
    {"listen", OPTION_STRING, AT(site, agent.listen), .required = true, .help = "ADDRESS:PORT where the agent of this site listens, on the host of its PostgreSQL", .sample = "10.0.0.1:9346"},
    {"url", OPTION_URL, AT(site, agent.url), .help = "address at which the other members reach it; else made of listen", .sample = "http://10.0.0.1:9346"},
    {"token", OPTION_SECRET, AT(site, agent.token), .help = "shared secret; what the agent is told to do is signed with it", .sample = "{file: /etc/bascule/agent.token}"},
    {"watchdog", OPTION_STRING, AT(site, agent.watchdog), .fallback = "none", .help = "device of a watchdog that resets the machine when agent and sentinel both stop while PostgreSQL writes; or none", .sample = "/dev/watchdog"},
    {"restarts", OPTION_INT, AT(site, agent.restarts), .fallback = "3", .max = 1000, .help = "so often within restart_window it starts a PostgreSQL that died, then it gives up"},
    {"restart_window", OPTION_DURATION, AT(site, agent.restart_window_ms), .fallback = "60s", .min = MS_SECOND, .max = MS_DAY, .help = "sliding window of restarts"},
    {"pg_bindir", OPTION_PATH, AT(site, agent.pg_bindir), .fallback = "/usr/lib/postgresql/15/bin", .help = "folder of the programs of PostgreSQL"},
    {"run_as", OPTION_NAME, AT(site, agent.run_as), .fallback = "postgres", .help = "user that PostgreSQL runs as when the agent is root"},
    OPTION_END,
};

static const struct option fence_options[] = {
    {"type", OPTION_STRING, AT(fence_conf, type), .required = true, .help = "which fence; its own keys are listed with it", .sample = "fence_agent"},
    OPTION_END,
};

static const struct option site_options[] = {
    {"name", OPTION_NAME, AT(site, name), .required = true, .help = "name of the site", .sample = "production"},
    {"role", OPTION_ENUM, AT(site, role), .required = true, .names = role_names, .help = "production serves the users on a normal day, dr takes over", .sample = "production"},
    {"host", OPTION_HOST, AT(site, host), .fallback = "local", .help = "where commands of this site run: local, or a host reached by OpenSSH"},
    {"agent", OPTION_GROUP, .offset = 0, .sub = agent_options, .help = "the agent beside this PostgreSQL; none: nobody there supervises it or holds a lease"},
    {"fences", OPTION_LIST, AT(site, fences), LIST_OF(fence_conf, fence_options), .help = "further ways to make sure that this site writes no more, besides its unit and its agent"},
    {"database", OPTION_GROUP, .offset = 0, .sub = database_options, .required = true, .help = "the PostgreSQL server of this site"},
    {"application", OPTION_GROUP, .offset = 0, .sub = application_options, .help = "the application of this site"},
    {"backup", OPTION_GROUP, .offset = 0, .sub = backup_options, .help = "where this site finds and keeps backups"},
    OPTION_END,
};

/* ---- what is watched ---- */

static const struct option endpoint_options[] = {
    {"path", OPTION_STRING, AT(endpoint, path), .required = true, .help = "path and query, after the base address", .sample = "/api/health"},
    {"accept", OPTION_INTS, AT(endpoint, accept), .fallback = "[200]", .min = 100, .max = 599, .help = "status codes that count as up"},
    {"json", OPTION_STRING, AT(endpoint, json), .help = "MEMBER=TEXT that the JSON answer must hold; dots go deeper", .sample = "status=ok"},
    {"timeout", OPTION_DURATION, AT(endpoint, timeout_ms), .fallback = "5s", .min = 10, .max = 10 * MS_MINUTE, .help = "for the whole exchange"},
    OPTION_END,
};

static const struct option check_options[] = {
    {"id", OPTION_STRING, AT(check_conf, id), .required = true, .help = "NAME, or SITE.NAME so that playbooks can say active.NAME and standby.NAME", .sample = "production.database"},
    {"type", OPTION_STRING, AT(check_conf, type), .required = true, .help = "which check; its own keys are listed with it", .sample = "postgres"},
    {"site", OPTION_STRING, AT(check_conf, site), .help = "site that it looks at; none for the public path", .sample = "production"},
    {"title", OPTION_TEXT2, AT(check_conf, title), .help = "what people read", .sample = "{en: Database, fr: Base de données}"},
    {"interval", OPTION_DURATION, AT(check_conf, interval_ms), .fallback = "10s", .min = 50, .max = 7 * MS_DAY, .help = "from one run to the next"},
    {"timeout", OPTION_DURATION, AT(check_conf, timeout_ms), .fallback = "5s", .min = 10, .max = MS_HOUR, .help = "a run that takes longer has failed"},
    {"fall", OPTION_INT, AT(check_conf, fall), .fallback = "3", .min = 1, .max = 1000, .help = "failures in a row that make it down"},
    {"rise", OPTION_INT, AT(check_conf, rise), .fallback = "2", .min = 1, .max = 1000, .help = "successes in a row that make it up again"},
    {"fresh_for", OPTION_DURATION, AT(check_conf, fresh_ms), .max = 7 * MS_DAY, .help = "a verdict older than this is unknown; else three intervals and the timeout", .sample = "2m"},
    OPTION_END,
};

static const struct option identify_options[] = {
    {"path", OPTION_STRING, AT(traffic_conf, identify_path), .required = true, .help = "path that is asked on the public address", .sample = "/api/health"},
    {"json", OPTION_STRING, AT(traffic_conf, identify_json), .help = "member of the JSON answer that names the site", .sample = "site"},
    {"header", OPTION_STRING, AT(traffic_conf, identify_header), .help = "else the response header that names the site", .sample = "X-Served-By"},
    OPTION_END,
};

static const struct option traffic_options[] = {
    {"driver", OPTION_STRING, AT(traffic_conf, driver), .required = true, .help = "how users are moved; its own keys are listed with it", .sample = "nginx"},
    {"identify", OPTION_GROUP, .offset = 0, .sub = identify_options, .required = true, .help = "how an answer shows which site gave it: a redirection is believed only then"},
    OPTION_END,
};

/* ---- severities ---- */

static const struct option stage_options[] = {
    {"name", OPTION_NAME, AT(stage, name), .required = true, .help = "name of the stage; alert, on-call, runbook, status-page and management have titles in both languages", .sample = "alert"},
    {"after", OPTION_DURATION, AT(stage, after_ms), .required = true, .max = 30 * MS_DAY, .help = "since the incident opened", .sample = "5s"},
    {"notify", OPTION_STRINGS, AT(stage, notify), .required = true, .help = "contacts, groups and rotations that are told", .sample = "[ops]"},
    {"page", OPTION_BOOL, AT(stage, page), .help = "it wakes people: who does not acknowledge is followed by the next tier; else only the stage on-call does", .sample = "true"},
    OPTION_END,
};

static const struct option tier_options[] = {
    {"notify", OPTION_STRINGS, AT(tier, notify), .required = true, .help = "contacts, groups and rotations that are paged", .sample = "[cto]"},
    {"answer_within", OPTION_DURATION, AT(tier, answer_within_ms), .max = 7 * MS_DAY, .help = "for this tier; else as for the severity", .sample = "10m"},
    OPTION_END,
};

static const struct option severity_options[] = {
    {"name", OPTION_ENUM, AT(severity_conf, severity), .required = true, .names = severity_names, .help = "which severity", .sample = "P1"},
    {"rto", OPTION_DURATION, AT(severity_conf, rto_ms), .required = true, .min = MS_SECOND, .max = 365 * MS_DAY, .help = "recovery time objective: until the users are served again", .sample = "15m"},
    {"rpo", OPTION_DURATION, AT(severity_conf, rpo_ms), .max = 365 * MS_DAY, .help = "recovery point objective: the newest data that may be lost", .sample = "1h"},
    {"impact_per_hour", OPTION_INT, AT(severity_conf, impact_per_hour), .max = INT_MAX, .help = "money lost an hour, in the service's currency", .sample = "50000"},
    {"users", OPTION_TEXT2, AT(severity_conf, users), .help = "what users notice, as messages say it", .sample = "{en: some functions are unavailable, fr: certaines fonctions sont indisponibles}"},
    {"update_every", OPTION_DURATION, AT(severity_conf, update_every_ms), .max = 7 * MS_DAY, .help = "periodic updates while the incident is open", .sample = "5m"},
    {"public", OPTION_ENUM, AT(severity_conf, public_from), .fallback = "stage", .names = public_names, .help = "the public first hears with the stage status-page, when it is confirmed (two vantage points agree; at the latest with that stage), or when a person says something"},
    {"public_every", OPTION_DURATION, AT(severity_conf, public_every_ms), .fallback = "20m", .max = 7 * MS_DAY, .help = "the public hears of every change, and at least this often while the incident lasts; 0s: only of changes"},
    {"stages", OPTION_LIST, AT(severity_conf, stages), LIST_OF(stage, stage_options), .required = true, .help = "who is told when, in ascending order"},
    {"answer_within", OPTION_DURATION, AT(severity_conf, answer_within_ms), .fallback = "5m", .max = 7 * MS_DAY, .help = "a page that nobody acknowledges goes on to the next tier after it; 0s: it does not"},
    {"tiers", OPTION_LIST, AT(severity_conf, tiers), LIST_OF(tier, tier_options), .help = "who is paged after the people of the paging stage; else the contacts and rotations of tier 2, then those of tier 3"},
    {"repeat", OPTION_INT, AT(severity_conf, repeat), .fallback = "3", .max = 20, .help = "so often the paging begins again after the last tier"},
    {"ack_expires", OPTION_DURATION, AT(severity_conf, ack_expires_ms), .fallback = "15m", .max = 7 * MS_DAY, .help = "an acknowledgement after which nothing happens for that long counts no more, and people are paged again; 0s: it never ends"},
    OPTION_END,
};

/* ---- failover ---- */

static const struct option etcd_options[] = {
    {"endpoints", OPTION_STRINGS, AT(etcd_conf, endpoints), .required = true, .help = "addresses of its members; the next is asked when one does not answer", .sample = "[\"https://10.0.0.1:2379\", \"https://10.0.0.2:2379\", \"https://10.0.0.3:2379\"]"},
    {"ca_file", OPTION_PATH, AT(etcd_conf, ca_file), .help = "certificates to trust; else the system's", .sample = "/etc/bascule/etcd-ca.pem"},
    {"cert_file", OPTION_PATH, AT(etcd_conf, cert_file), .help = "certificate that is shown to etcd", .sample = "/etc/bascule/etcd.pem"},
    {"key_file", OPTION_PATH, AT(etcd_conf, key_file), .help = "its key", .sample = "/etc/bascule/etcd.key"},
    {"user", OPTION_STRING, AT(etcd_conf, user), .help = "login name, where etcd asks for one", .sample = "bascule"},
    {"password", OPTION_SECRET, AT(etcd_conf, password), .help = "its password", .sample = "{file: /etc/bascule/etcd.password}"},
    {"prefix", OPTION_STRING, AT(etcd_conf, prefix), .fallback = "/bascule", .help = "of every key; the name of the service follows"},
    {"timeout", OPTION_DURATION, AT(etcd_conf, timeout_ms), .fallback = "700ms", .min = 50, .max = 10 * MS_SECOND, .help = "for one answer of etcd, and for a grant of another agent"},
    OPTION_END,
};

static const struct option replication_options[] = {
    {"mode", OPTION_ENUM, AT(replication_conf, mode), .fallback = "async", .names = replication_names, .help = "sync: a commit waits for standbys, and nothing that was acknowledged is ever lost by a failover; counts where the primary did not say for whom it waits"},
    {"user", OPTION_STRING, AT(replication_conf, user), .required = true, .help = "role that the standby replicates as", .sample = "replicator"},
    {"password", OPTION_SECRET, AT(replication_conf, password), .help = "its password", .sample = "{file: /etc/bascule/replication.password}"},
    {"slot", OPTION_STRING, AT(replication_conf, slot), .help = "replication slot of the standby", .sample = "bascule"},
    {"max_loss", OPTION_INT, AT(replication_conf, max_loss_mib), .fallback = "16", .max = 1024 * 1024, .help = "MiB of WAL: a standby that lacks more is promoted only by a person who accepts the loss"},
    {"carry_slots", OPTION_BOOL, AT(replication_conf, carry_slots), .fallback = "false",
     .help = "physical slots of the old primary are made on the new one before it is promoted, for further standbys; one that nobody reads keeps changes until the disk is full"},
    {"archive_has", OPTION_ARGV, AT(replication_conf, archive_has),
     .help = "command that says whether the archive of the log has a file, run where the new primary is, as the owner of its data; \"%f\" in it is the name; exits 0: it has, 1: it has not", .sample = "[test, -f, \"/mnt/archive/%f\"]"},
    {"apply_delay", OPTION_BOOL, AT(replication_conf, apply_delay), .fallback = "false", .help = "a standby that applies late on purpose may be promoted; it replays what it has first"},
    OPTION_END,
};

static const struct option patroni_member_options[] = {
    {"site", OPTION_NAME, AT(patroni_member, site), .required = true, .help = "name of a site", .sample = "production"},
    {"name", OPTION_STRING, AT(patroni_member, name), .required = true, .help = "what Patroni calls its member there", .sample = "pg1"},
    {"url", OPTION_URL, AT(patroni_member, url), .required = true, .help = "its REST API", .sample = "http://10.0.0.1:8008"},
    OPTION_END,
};

static const struct option patroni_options[] = {
    {"user", OPTION_STRING, AT(patroni_conf, user), .help = "for what changes something, where Patroni asks for it", .sample = "patroni"},
    {"password", OPTION_SECRET, AT(patroni_conf, password), .help = "its password", .sample = "{file: /etc/bascule/patroni.password}"},
    {"ca_file", OPTION_PATH, AT(patroni_conf, ca_file), .help = "certificates to trust; else the system's", .sample = "/etc/bascule/ca.pem"},
    {"cert_file", OPTION_PATH, AT(patroni_conf, cert_file), .help = "certificate of ours, where Patroni asks for one", .sample = "/etc/bascule/patroni.pem"},
    {"key_file", OPTION_PATH, AT(patroni_conf, key_file), .help = "its key", .sample = "/etc/bascule/patroni.key"},
    {"members", OPTION_LIST, AT(patroni_conf, members), LIST_OF(patroni_member, patroni_member_options), .help = "the member at each site"},
    OPTION_END,
};

static const struct option failover_options[] = {
    {"automatic", OPTION_BOOL, AT(failover_conf, automatic), .fallback = "true", .help = "false: a person promotes, and an agent never stops PostgreSQL for want of a lease"},
    {"ttl", OPTION_DURATION, AT(failover_conf, ttl_ms), .fallback = "3s", .min = MS_SECOND, .max = 10 * MS_MINUTE, .help = "an isolated primary has stopped so long after its last renewal"},
    {"renew", OPTION_DURATION, AT(failover_conf, renew_ms), .fallback = "500ms", .min = 50, .max = MS_MINUTE, .help = "how often the agent of the writing site renews its lease"},
    {"stop_budget", OPTION_DURATION, AT(failover_conf, stop_budget_ms), .fallback = "500ms", .min = 200, .max = MS_MINUTE, .help = "so long before the end of the lease it begins to stop PostgreSQL, which takes no longer"},
    {"drift", OPTION_INT, AT(failover_conf, drift), .fallback = "1", .min = 1, .max = 50, .help = "percent by which the clocks of two members may differ in speed"},
    {"guard", OPTION_DURATION, AT(failover_conf, guard_ms), .fallback = "200ms", .min = 100, .max = MS_MINUTE, .help = "added to the time after which another site may be promoted"},
    {"stay_up_alone", OPTION_BOOL, AT(failover_conf, stay_up_alone), .fallback = "false", .help = "an isolated primary goes on writing; only with automatic: false"},
    {"cool_down", OPTION_DURATION, AT(failover_conf, cool_down_ms), .fallback = "24h", .max = 365 * MS_DAY, .help = "so long after an automatic failover the next one waits for a person"},
    {"restart_budget", OPTION_DURATION, AT(failover_conf, restart_budget_ms), .fallback = "90s", .max = MS_HOUR, .help = "for restarts in place, before a standby is promoted; taken from the RTO"},
    OPTION_END,
};

/* ---- services ---- */

static const struct option service_options[] = {
    {"name", OPTION_NAME, AT(service, name), .required = true, .help = "name of the service; backups carry it", .sample = "akig"},
    {"title", OPTION_TEXT2, AT(service, title), .required = true, .help = "what people call it", .sample = "AKIG Platform"},
    {"users", OPTION_INT, AT(service, users), .max = INT_MAX, .help = "how many people use it, for messages", .sample = "15000"},
    {"currency", OPTION_STRING, AT(service, currency), .help = "sign before amounts", .sample = "$"},
    {"affected", OPTION_TEXT2, AT(service, affected), .help = "its parts as users know them, one a line", .sample = "{en: \"API\\nMobile App\", fr: \"API\\nApplication mobile\"}"},
    {"status_page", OPTION_URL, AT(service, status_page), .help = "address that messages tell people to follow", .sample = "https://status.akig.com/"},
    {"public_url", OPTION_URL, AT(service, public_url), .help = "address that the users open", .sample = "https://akig.com"},
    {"automatic", OPTION_BOOL, AT(service, enabled_automatic), .fallback = "true", .help = "false: every playbook waits for a person"},
    {"sites", OPTION_LIST, AT(service, sites), LIST_OF(site, site_options), .required = true, .help = "one production site, and its standbys of role dr: one, or up to seven where all live by a lease (docs/failover.md)"},
    {"endpoints", OPTION_LIST, AT(service, endpoints), LIST_OF(endpoint, endpoint_options), .help = "what must answer before a recovery is believed (verify)"},
    {"checks", OPTION_LIST, AT(service, checks), LIST_OF(check_conf, check_options), .required = true, .help = "what is watched"},
    {"traffic", OPTION_GROUP, AT(service, traffic), .sub = traffic_options, .help = "how users are moved from one site to the other"},
    {"replication", OPTION_GROUP, AT(service, replication), .sub = replication_options, .help = "how the other sites follow the one that writes; none: they do not"},
    {"failover", OPTION_GROUP, AT(service, failover), .sub = failover_options, .help = "who may write, for how long, and what it takes to take over (docs/failover.md)"},
    {"patroni", OPTION_GROUP, AT(service, patroni), .sub = patroni_options, .help = "where Patroni manages the PostgreSQL of all sites: it moves the leader, bascule only asks it to (docs/patroni.md)"},
    {"severities", OPTION_LIST, AT(service, severities), LIST_OF(severity_conf, severity_options), .required = true, .help = "objectives and escalation"},
    {"playbooks", OPTION_STRINGS, AT(service, playbook_files), .help = "playbook files: beside this file, in playbooks/ beside it, or in the installed share folder", .sample = "[database-down.yaml, failover.yaml, switchover.yaml]"},
    {"checklists", OPTION_STRINGS, AT(service, checklist_files), .help = "checklist files: beside this file, in checklists/ beside it, or in the installed share folder", .sample = "[p1.yaml, failover.yaml, restore.yaml, post-incident.yaml]"},
    {"tickets", OPTION_STRING, AT(service, tickets), .help = "contact that gets a ticket for each corrective action of a post-incident report, once it has an owner and a date; of a webhook channel", .sample = "tracker"},
    OPTION_END,
};

/* ---- who is told ---- */

static const struct option channel_options[] = {
    {"name", OPTION_NAME, AT(channel_conf, name), .required = true, .help = "name of the channel", .sample = "mail"},
    {"type", OPTION_STRING, AT(channel_conf, type), .required = true, .help = "which channel; its own keys are listed with it", .sample = "smtp"},
    OPTION_END,
};

static const struct option way_options[] = {
    {"channel", OPTION_STRING, AT(contact_way, channel), .required = true, .help = "name of a channel", .sample = "mail"},
    {"address", OPTION_STRING, AT(contact_way, address), .help = "mail address, phone number, ...; none where the channel needs none", .sample = "ops@akig.com"},
    {"fallback", OPTION_BOOL, AT(contact_way, fallback), .fallback = "false", .help = "used only in place of another way that failed or is late"},
    {"fallback_after", OPTION_DURATION, AT(contact_way, fallback_after_ms), .fallback = "30s", .min = MS_SECOND, .max = MS_DAY, .help = "of a fallback: how long it waits for the other way to deliver"},
    OPTION_END,
};

static const struct option contact_options[] = {
    {"name", OPTION_NAME, AT(contact, name), .required = true, .help = "name of the contact", .sample = "ops"},
    {"title", OPTION_TEXT2, AT(contact, title), .help = "what people read", .sample = "{en: Operations, fr: Exploitation}"},
    {"tier", OPTION_INT, AT(contact, tier), .fallback = "1", .max = 3, .help = "1 first responders, 2 escalation, 3 executive, 0 external"},
    {"language", OPTION_ENUM, AT(contact, language), .names = language_names, .help = "of the messages; else that of the configuration", .sample = "fr"},
    {"ways", OPTION_LIST, AT(contact, ways), LIST_OF(contact_way, way_options), .help = "how it is reached: all are used at once, but for the fallbacks"},
    OPTION_END,
};

static const struct option group_options[] = {
    {"name", OPTION_NAME, AT(contact_group, name), .required = true, .help = "name of the group", .sample = "on-call"},
    {"members", OPTION_STRINGS, AT(contact_group, members), .required = true, .help = "contacts and rotations in it", .sample = "[ops]"},
    OPTION_END,
};

static const struct option rotation_options[] = {
    {"name", OPTION_NAME, AT(rotation, name), .required = true, .help = "name of the rotation; it stands wherever a contact may", .sample = "dba-on-call"},
    {"title", OPTION_TEXT2, AT(rotation, title), .help = "what people read", .sample = "{en: DBA on call, fr: DBA d'astreinte}"},
    {"tier", OPTION_INT, AT(rotation, tier), .fallback = "0", .max = 3, .help = "whoever is on call is paged with the contacts of this tier, too; 0: only where the rotation is named"},
    {"members", OPTION_STRINGS, AT(rotation, members), .help = "contacts, in the order of their turns", .sample = "[anna, bruno]"},
    {"every", OPTION_DURATION, AT(rotation, every_ms), .fallback = "7d", .min = MS_HOUR, .max = 365 * MS_DAY, .help = "length of a turn: whole days, or hours of which a day is made"},
    {"at", OPTION_STRING, AT(rotation, at), .fallback = "\"09:00\"", .help = "time of day of the handoff, on the clocks of the zone"},
    {"from", OPTION_STRING, AT(rotation, from), .fallback = "2024-01-01", .help = "a day on which the first member's turn begins; that one is a Monday"},
    {"zone", OPTION_STRING, AT(rotation, zone_name), .fallback = "UTC", .help = "time zone", .sample = "Europe/Paris"},
    {"calendar", OPTION_PATH, AT(rotation, calendar), .help = "iCalendar file instead of members: each event is a shift of the contact that its summary or an attendee names; read when bascule starts", .sample = "/etc/bascule/on-call.ics"},
    OPTION_END,
};

/* ---- what other programs tell ---- */

static const struct option serve_options[] = {
    {"listen", OPTION_STRING, AT(serve_conf, listen), .help = "ADDRESS:PORT where alerts and heartbeats are taken, or the path of a Unix socket; none: nobody is listened to", .sample = "127.0.0.1:9345"},
    {"token", OPTION_SECRET, AT(serve_conf, token), .help = "what senders must show: as bearer token, as password, or as routing_key of PagerDuty events", .sample = "{file: /etc/bascule/serve.token}"},
    OPTION_END,
};

static const struct option alert_rule_options[] = {
    {"match", OPTION_STRINGS, AT(alert_rule, match), .required = true, .help = "LABEL=VALUE, all of which must hold; a VALUE may end in *", .sample = "[alertname=Watchdog]"},
    {"severity", OPTION_ENUM, AT(alert_rule, severity), .required = true, .names = alert_severity_names, .help = "of such alerts; ignore: they open nothing", .sample = "ignore"},
    {"service", OPTION_STRING, AT(alert_rule, service), .help = "the service they are about", .sample = "akig"},
    OPTION_END,
};

static const struct option alerts_options[] = {
    {"service", OPTION_STRING, AT(alerts_conf, service), .help = "service of alerts whose label `service` names none; else the first", .sample = "akig"},
    {"group_by", OPTION_STRINGS, AT(alerts_conf, group_by), .fallback = "[alertname]", .help = "labels; alerts of one source that are alike in all of them share an incident"},
    {"hold", OPTION_DURATION, AT(alerts_conf, hold_ms), .fallback = "2m", .max = MS_DAY, .help = "an incident is resolved when all its alerts have been over for so long"},
    {"expire", OPTION_DURATION, AT(alerts_conf, expire_ms), .fallback = "5m", .min = MS_SECOND, .max = MS_DAY, .help = "an alert whose sender repeats it and names no end is over when it did not come for so long"},
    {"storm_after", OPTION_INT, AT(alerts_conf, storm_after), .fallback = "5", .min = 1, .max = 1000, .help = "incidents of one service and severity within storm_window; further alerts share one"},
    {"storm_window", OPTION_DURATION, AT(alerts_conf, storm_window_ms), .fallback = "10m", .min = MS_SECOND, .max = MS_DAY, .help = "see storm_after"},
    {"rules", OPTION_LIST, AT(alerts_conf, rules), LIST_OF(alert_rule, alert_rule_options), .help = "severity by labels; the first that fits counts. Without one: label severity critical is P1, error P2, warning and info P3, none is ignored, all else P2"},
    OPTION_END,
};

static const struct option heartbeat_options[] = {
    {"url", OPTION_URL, AT(heartbeat_conf, url), .required = true, .help = "address that is told that all is well here, and that misses it when it does not come", .sample = "https://hc.example.org/ping/akig"},
    {"every", OPTION_DURATION, AT(heartbeat_conf, every_ms), .fallback = "10s", .min = MS_SECOND, .max = MS_DAY, .help = "how often"},
    {"secret", OPTION_SECRET, AT(heartbeat_conf, secret), .help = "signs it, after Standard Webhooks; whsec_BASE64 or any text", .sample = "{file: /etc/bascule/heartbeat.secret}"},
    {"ca", OPTION_PATH, AT(heartbeat_conf, ca_file), .help = "certificates to trust; else the system's", .sample = "/etc/bascule/ca.pem"},
    OPTION_END,
};

/* ---- what the public is shown ---- */

static const struct option part_options[] = {
    {"name", OPTION_NAME, AT(page_part, name), .required = true, .help = "name of the component; programs that read the page know it by this", .sample = "api"},
    {"title", OPTION_TEXT2, AT(page_part, title), .required = true, .help = "what people call it", .sample = "{en: API Endpoints, fr: API}"},
    {"service", OPTION_STRING, AT(page_part, service), .help = "service that it belongs to; else the only one of the page", .sample = "akig"},
    {"checks", OPTION_STRINGS, AT(page_part, checks), .help = "an incident affects it while one of these checks is not up; none: every incident of its service does", .sample = "[public]"},
    OPTION_END,
};

static const struct option page_options[] = {
    {"folder", OPTION_PATH, AT(status_page, folder), .required = true, .help = "where its files are written; any web server or CDN can serve them", .sample = "/var/www/status"},
    {"title", OPTION_TEXT2, AT(status_page, title), .help = "what stands above it; else the title of its first service", .sample = "AKIG Platform"},
    {"url", OPTION_URL, AT(status_page, url), .help = "address at which people find it, for feeds and programs", .sample = "https://status.akig.com/"},
    {"services", OPTION_STRINGS, AT(status_page, services), .help = "services that it tells of; none: all", .sample = "[akig]"},
    {"components", OPTION_LIST, AT(status_page, components), LIST_OF(page_part, part_options), .help = "parts that it lists; none: each line of `affected` of its services"},
    {"languages", OPTION_STRINGS, AT(status_page, languages), .fallback = "[en, fr]", .help = "en, fr: the first is at the top of the folder, the other in a folder of its own"},
    {"refresh", OPTION_DURATION, AT(status_page, refresh_ms), .fallback = "1m", .min = 5 * MS_SECOND, .max = MS_HOUR, .help = "written at least this often; readers are warned when it is three times as old"},
    OPTION_END,
};

const struct option config_options[] = {
    {"state_dir", OPTION_PATH, AT(config, state_dir), .fallback = "/var/lib/bascule", .help = "the journal and what else must survive a restart; on a local disk"},
    {"language", OPTION_ENUM, AT(config, language), .fallback = "en", .names = language_names, .help = "of messages to contacts that name none"},
    {"templates", OPTION_PATH, AT(config, templates_dir), .help = "folder of message templates that stand in the place of those that ship: update.fr.mustache, ... (docs/messages.md)", .sample = "/etc/bascule/templates"},
    {"channels", OPTION_LIST, AT(config, channels), LIST_OF(channel_conf, channel_options), .required = true, .help = "ways out of here"},
    {"contacts", OPTION_LIST, AT(config, contacts), LIST_OF(contact, contact_options), .required = true, .help = "who can be told"},
    {"groups", OPTION_LIST, AT(config, groups), LIST_OF(contact_group, group_options), .help = "contacts that are told together"},
    {"rotations", OPTION_LIST, AT(config, rotations), LIST_OF(rotation, rotation_options), .help = "contacts that take turns"},
    {"status_pages", OPTION_LIST, AT(config, status_pages), LIST_OF(status_page, page_options), .help = "pages that tell the public, written as files by `serve`"},
    {"services", OPTION_LIST, AT(config, services), LIST_OF(service, service_options), .required = true, .help = "what is protected"},
    {"etcd", OPTION_GROUP, AT(config, etcd), .sub = etcd_options, .help = "where the members agree on who may write and which controller leads; none: by the agents alone"},
    {"serve", OPTION_GROUP, AT(config, serve), .sub = serve_options, .help = "what other programs tell `bascule serve`: alerts and heartbeats"},
    {"alerts", OPTION_GROUP, AT(config, alerts), .sub = alerts_options, .help = "how alerts of other programs become incidents"},
    {"heartbeat_out", OPTION_GROUP, AT(config, heartbeat_out), .sub = heartbeat_options, .help = "the sign of life that `serve` sends while journal, clocks and messages all make progress"},
    OPTION_END,
};

/* ---- playbooks ---- */

static const struct option then_options[] = {
    {"success", OPTION_STRING, AT(step, on_success), .fallback = "next", .help = "step id, next, end (the playbook succeeded) or fail"},
    {"failure", OPTION_STRING, AT(step, on_failure), .fallback = "fail", .help = "the same, when it failed"},
    {"expiry", OPTION_STRING, AT(step, on_expiry), .help = "the same, when its budget ran out; else as for failure", .sample = "fail"},
    OPTION_END,
};

static const struct option limit_options[] = {
    {"runs", OPTION_INT, AT(step, limit), .required = true, .min = 1, .max = 1000, .help = "runs of this step, over all incidents", .sample = "3"},
    {"within", OPTION_DURATION, AT(step, window_ms), .required = true, .min = MS_SECOND, .max = 365 * MS_DAY, .help = "sliding window", .sample = "1h"},
    OPTION_END,
};

static const struct option automatic_limit_options[] = {
    {"runs", OPTION_INT, AT(playbook, automatic_limit), .required = true, .min = 1, .max = 1000, .help = "automatic runs; beyond them a person approves", .sample = "1"},
    {"within", OPTION_DURATION, AT(playbook, automatic_window_ms), .required = true, .min = MS_SECOND, .max = 365 * MS_DAY, .help = "sliding window", .sample = "24h"},
    OPTION_END,
};

static const struct option step_options[] = {
    {"id", OPTION_NAME, AT(step, id), .required = true, .help = "name of the step", .sample = "restart"},
    {"title", OPTION_TEXT2, AT(step, title), .help = "what people read; else the id", .sample = "{en: Restart, fr: Redémarrage}"},
    {"do", OPTION_STRING, AT(step, action), .required = true, .help = "action and its words; active and standby stand for the sites", .sample = "service restart active.database"},
    {"budget", OPTION_DURATION, AT(step, budget_ms), .min = 100, .max = 7 * MS_DAY, .help = "time for all tries and the postcondition; required, but for `playbook NAME` and `notify STAGE`", .sample = "90s"},
    {"until", OPTION_STRING, AT(step, until), .help = "condition that must hold within the budget, after the action", .sample = "active.database is up"},
    {"when", OPTION_STRING, AT(step, when), .help = "condition without which the step is skipped", .sample = "standby.application is not up"},
    {"attempts", OPTION_INT, AT(step, attempts), .fallback = "1", .min = 1, .max = 100, .help = "tries in one run of the playbook"},
    {"pause", OPTION_DURATION, AT(step, pause_ms), .max = MS_DAY, .help = "between tries", .sample = "5s"},
    {"limit", OPTION_GROUP, .offset = 0, .sub = limit_options, .help = "how often it may run at all"},
    {"then", OPTION_GROUP, .offset = 0, .sub = then_options, .help = "where the playbook goes on"},
    {"approve", OPTION_ENUM, AT(step, approve), .fallback = "auto", .names = approval_names, .help = "person: waits for `bascule incident approve`"},
    {"approve_timeout", OPTION_DURATION, AT(step, approve_timeout_ms), .fallback = "10m", .min = MS_SECOND, .max = 7 * MS_DAY, .help = "at its end the step is denied and goes on as failed"},
    {"undo", OPTION_STRING, AT(step, undo), .help = "action that takes its effect back", .sample = "traffic switch active"},
    {"manual", OPTION_TEXT2, AT(step, manual), .help = "what a person does by hand; {standby.psql} and other words stand for hosts and commands", .sample = "sudo systemctl restart postgresql"},
    {"why", OPTION_TEXT2, AT(step, why), .help = "reason, printed by the runbook and `playbook show`", .sample = "the runbook allows 5 minutes"},
    OPTION_END,
};

const struct option playbook_options[] = {
    {"playbook", OPTION_NAME, AT(playbook, name), .required = true, .help = "name of the playbook", .sample = "database-down"},
    {"title", OPTION_TEXT2, AT(playbook, title), .required = true, .help = "what people read", .sample = "{en: Database unavailable, fr: Base de données indisponible}"},
    {"symptoms", OPTION_TEXT2, AT(playbook, symptoms), .help = "what people notice", .sample = "/api/health answers with an error"},
    {"severity", OPTION_ENUM, AT(playbook, severity), .required = true, .names = severity_names, .help = "severity of the incidents that it opens", .sample = "P1"},
    {"rto", OPTION_DURATION, AT(playbook, rto_ms), .max = 365 * MS_DAY, .help = "recovery time objective; else the severity's", .sample = "15m"},
    {"opens_when", OPTION_STRING, AT(playbook, opens_when), .help = "condition; without one only a person or another playbook starts it", .sample = "active.database is down"},
    {"resolved_when", OPTION_STRING, AT(playbook, resolved_when), .help = "condition that must hold before the incident is resolved", .sample = "public is up"},
    {"hold", OPTION_DURATION, AT(playbook, hold_ms), .fallback = "30s", .max = MS_DAY, .help = "how long it must hold"},
    {"over_rto", OPTION_TEXT2, AT(playbook, over_rto), .help = "why its longest path may take more than the RTO; refused without it", .sample = "a failover alone takes 25 minutes"},
    {"public", OPTION_BOOL, AT(playbook, is_public), .fallback = "true", .help = "false: the public is told nothing of its incidents that no person says, as for an intrusion"},
    {"automatic_limit", OPTION_GROUP, .offset = 0, .sub = automatic_limit_options, .help = "how often it may run without a person"},
    {"steps", OPTION_LIST, AT(playbook, steps), LIST_OF(step, step_options), .required = true, .help = "the steps, in their order"},
    OPTION_END,
};

/* ---- checklists ---- */

static const struct option item_options[] = {
    {"id", OPTION_NAME, AT(checklist_item, id), .required = true, .help = "name of the item", .sample = "diagnosed"},
    {"title", OPTION_TEXT2, AT(checklist_item, title), .required = true, .help = "what people read", .sample = "{en: First diagnosis begun, fr: Diagnostic initial lancé}"},
    {"due", OPTION_DURATION, AT(checklist_item, due_ms), .max = 365 * MS_DAY, .help = "from the moment at which the list began to apply; none: at no certain time", .sample = "2m"},
    {"proven_by", OPTION_STRING, AT(checklist_item, proven_by), .help = "which record of the journal ticks it; none: a person does (docs/checklists.md)", .sample = "step diagnose success"},
    {"owner", OPTION_STRING, AT(checklist_item, owner), .help = "contact, group or rotation that answers for it, or any name; else the list's", .sample = "dba"},
    OPTION_END,
};

const struct option checklist_options[] = {
    {"checklist", OPTION_NAME, AT(checklist, name), .required = true, .help = "name of the checklist", .sample = "p1"},
    {"title", OPTION_TEXT2, AT(checklist, title), .required = true, .help = "what people read", .sample = "{en: Critical incident, fr: Incident critique}"},
    {"applies_when", OPTION_STRING, AT(checklist, applies_when), .required = true, .help = "a proof: the record that completes it is where the list begins to apply, and its clock", .sample = "severity P1"},
    {"owner", OPTION_STRING, AT(checklist, owner), .help = "contact, group or rotation that answers for it, or any name; else whoever has taken the incident", .sample = "ops"},
    {"remind", OPTION_DURATION, AT(checklist, remind_ms), .min = MS_MINUTE, .max = 30 * MS_DAY, .help = "the owner of what is late is told so, and again after so long; none: only updates of the incident say what is late", .sample = "24h"},
    {"items", OPTION_LIST, AT(checklist, items), LIST_OF(checklist_item, item_options), .required = true, .help = "what is to be done, in its order"},
    OPTION_END,
};

/* ---- drivers ---- */

const struct driven driven_tables[] = {
    {check_options, "check", "type", offsetof(struct check_conf, type), offsetof(struct check_conf, options)},
    {channel_options, "channel", "type", offsetof(struct channel_conf, type), offsetof(struct channel_conf, options)},
    {store_options, "store", "type", offsetof(struct store_conf, type), offsetof(struct store_conf, options)},
    {fence_options, "fence", "type", offsetof(struct fence_conf, type), offsetof(struct fence_conf, options)},
    {traffic_options, "traffic", "driver", offsetof(struct traffic_conf, driver), offsetof(struct traffic_conf, options)},
    {0},
};

const struct driven *driven_of(const struct option *table)
{
    for (const struct driven *d = driven_tables; d->table; d++)
        if (d->table == table)
            return d;
    return NULL;
}

/* clang-format on */

/* ---- words ---- */

static const char *one_of(struct arena *arena, const char *const *names)
{
    const char *text = "one of ";
    for (size_t i = 0; names[i]; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", names[i]);
    return text;
}

const char *option_type_words(struct arena *arena, const struct option *option)
{
    static const char *const words[] = {
        [OPTION_STRING] = "text",
        [OPTION_NAME] = "name",
        [OPTION_PATH] = "absolute path",
        [OPTION_URL] = "http:// or https:// address",
        [OPTION_INT] = "number",
        [OPTION_BOOL] = "true or false",
        [OPTION_DURATION] = "duration",
        [OPTION_STRINGS] = "list of texts",
        [OPTION_ARGV] = "command",
        [OPTION_INTS] = "list of numbers",
        [OPTION_SECRET] = "secret",
        [OPTION_HOST] = "host",
        [OPTION_TEXT2] = "text, or {en, fr}",
        [OPTION_GROUP] = "mapping",
        [OPTION_LIST] = "list of mappings",
    };
    return option->names ? one_of(arena, option->names) : words[option->type];
}

const char *option_bounds_words(struct arena *arena, const struct option *option)
{
    bool duration = option->type == OPTION_DURATION;
    if (!duration && option->type != OPTION_INT && option->type != OPTION_INTS)
        return "";
    bool top = option->max && option->max < INT_MAX;
    top = duration ? option->max > 0 : top;
    const char *low =
        duration ? duration_print(arena, option->min) : arena_printf(arena, "%lld", (long long)option->min);
    if (!top)
        return option->min ? arena_printf(arena, "%s or more", low) : "";
    const char *high =
        duration ? duration_print(arena, option->max) : arena_printf(arena, "%lld", (long long)option->max);
    return arena_printf(arena, "from %s to %s", low, high);
}
