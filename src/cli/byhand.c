/* cli/byhand.c -- {words} of hand-written texts. A command is given whole, with the ssh that reaches its host, quoted
 * for the shell. */
#include "cli/byhand.h"

#include <unistd.h>

#include "act/host.h"
#include "act/traffic/traffic.h"
#include "act/unit.h"
#include "io/ssh.h"

enum { TEXT_MAX = 256 * 1024, SSH_PORT = 22 };

#define WORD_CHARACTERS "abcdefghijklmnopqrstuvwxyz._"

/* ---- hosts ---- */

/* As a person types it: none of the options by which the program guards itself against questions and delays. With -n,
   since ssh would swallow the lines that were pasted after it. */
static const char *ssh_line(struct arena *arena, const struct host *host, bool reads)
{
    struct strs words = {0};
    *vec_add(arena, &words) = "ssh";
    if (!reads)
        *vec_add(arena, &words) = "-n";
    if (host->identity) {
        *vec_add(arena, &words) = "-i";
        *vec_add(arena, &words) = host->identity;
    }
    if (host->known_hosts) {
        *vec_add(arena, &words) = "-o";
        *vec_add(arena, &words) = arena_printf(arena, "UserKnownHostsFile=%s", host->known_hosts);
    }
    if (host->port > 0 && host->port != SSH_PORT) {
        *vec_add(arena, &words) = "-p";
        *vec_add(arena, &words) = arena_printf(arena, "%d", host->port);
    }
    *vec_add(arena, &words) = host->user ? arena_printf(arena, "%s@%s", host->user, host->address) : host->address;
    return host_words(arena, &words);
}

static const char *login(struct arena *arena, const struct host *host)
{
    char name[256] = "";
    if (!host_is_local(host))
        return ssh_line(arena, host, true);
    if (gethostname(name, sizeof(name) - 1) != 0)
        return "hostname";
    return arena_printf(arena, "hostname # %s",
                        name); /* the document is read elsewhere: "this machine" would say nothing */
}

static const char *shell(struct arena *arena, const struct host *host, bool reads)
{
    return host_is_local(host) ? "sh -c" : ssh_line(arena, host, reads);
}

static const char *on_host(struct arena *arena, const struct host *host, const struct strs *words)
{
    const char *line = host_words(arena, words);
    return host_is_local(host) ? line
                               : arena_printf(arena, "%s %s", ssh_line(arena, host, false), ssh_quote(arena, line));
}

static const char *host_word(struct arena *arena, const struct host *host, const char *word)
{
    if (same(word, "login"))
        return login(arena, host);
    return same(word, "shell") || same(word, "pipe") ? shell(arena, host, same(word, "pipe")) : NULL;
}

/* ---- a site ---- */

static const char *psql(struct arena *arena, const struct pgtarget *at)
{
    const char *before = "";
    if (at->password.source == SECRET_FILE)
        before = arena_printf(arena, "PGPASSWORD=\"$(sudo head -n 1 %s)\" ", ssh_quote(arena, at->password.ref));
    else if (at->password.source == SECRET_ENV)
        before = arena_printf(arena, "PGPASSWORD=\"$%s\" ", at->password.ref);
    if (at->sslmode && !same(at->sslmode, "prefer"))
        before = arena_printf(arena, "%sPGSSLMODE=%s ", before, at->sslmode);
    struct strs words = {0};
    const char *const line[] = {"psql", "-X",    "-h", at->host, "-p", arena_printf(arena, "%d", at->port),
                                "-U",   at->user};
    for (size_t i = 0; i < COUNT_OF(line); i++)
        *vec_add(arena, &words) = line[i];
    return arena_printf(arena, "%s%s", before, host_words(arena, &words));
}

static const char *unit_line(struct arena *arena, const struct site *site, const struct unit *unit, const char *what,
                             const char *verb)
{
    for (enum unit_verb v = 0; v < UNIT_VERB_MAX; v++) {
        if (!same(unit_verb_name(v), verb))
            continue;
        struct strs words = unit_words(arena, &site->host, unit, v);
        return words.n ? on_host(arena, &site->host, &words)
                       : arena_printf(arena, "# %s.%s: %s: ?", site->name, what, verb);
    }
    return NULL;
}

/* NULL: there is no such word. "" stands where the configuration says nothing. */
static const char *site_word(struct arena *arena, const struct site *s, const char *word)
{
    const struct pgtarget *at = &s->database.at;
    const char *port = arena_printf(arena, "%d", at->port);
    const struct {
        const char *word, *value;
    } plain[] = {
        {"address", at->host},
        {"port", port},
        {"dbname", at->dbname},
        {"admin", s->database.admin_dbname},
        {"data", s->database.data_directory ? s->database.data_directory : "/var/lib/postgresql"},
        {"url", s->application.url},
        {"upstream", s->application.upstream},
        {"backups", s->backup.folder},
        {"agent", s->agent.url},
    };
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (same(word, plain[i].word))
            return plain[i].value ? plain[i].value : "";
    if (host_word(arena, &s->host, word))
        return host_word(arena, &s->host, word);
    if (same(word, "psql"))
        return psql(arena, at);
    if (same(word, "tables"))
        return host_words(arena, &s->database.critical_tables);
    if (str_starts(str_of(word), "database."))
        return unit_line(arena, s, &s->database.unit, "database", strchr(word, '.') + 1);
    if (str_starts(str_of(word), "application."))
        return unit_line(arena, s, &s->application.unit, "application", strchr(word, '.') + 1);
    return NULL;
}

/* ---- traffic: any key of its driver that is a text or a command ---- */

static const char *traffic_word(struct arena *arena, const struct traffic_conf *conf, const char *word)
{
    const struct traffic_ops *ops = conf->driver ? traffic_driver(conf->driver) : NULL;
    static const struct host here;
    const struct host *host = &here; /* of a driver that names none */
    if (!ops)
        return "";
    for (const struct option *o = ops->options; o->key; o++)
        if (o->type == OPTION_HOST)
            host = (const struct host *)((const char *)conf->options + o->offset);
    if (host_word(arena, host, word))
        return host_word(arena, host, word);
    for (const struct option *o = ops->options; o->key; o++) {
        const void *field = (const char *)conf->options + o->offset;
        if (!same(o->key, word))
            continue;
        if (o->type == OPTION_ARGV)
            return on_host(arena, host, field);
        if (o->type == OPTION_STRING || o->type == OPTION_NAME || o->type == OPTION_PATH || o->type == OPTION_URL)
            return *(const char *const *)field ? *(const char *const *)field : "";
    }
    return NULL;
}

/* Only this word is looked for in lines that hold values of the configuration: what those contain stays as it is. */
static const char *with_pipe(const struct byhand *b, const char *lines)
{
    static const char word[] = "{traffic.pipe}";
    SCOPED(buf_done) struct buf out = {.max = TEXT_MAX};
    const char *pipe = traffic_word(b->arena, &b->service->traffic, "pipe");
    for (const char *found; (found = strstr(lines, word)) != NULL; lines = found + strlen(word)) {
        buf_add(&out, lines, (size_t)(found - lines));
        buf_puts(&out, pipe ? pipe : "");
    }
    buf_puts(&out, lines);
    return arena_strdup(b->arena, buf_text(&out));
}

/* How a person does what the driver does: text of the driver's, filled like any other. */
static const char *traffic_text(const struct byhand *b, const char *word)
{
    const struct traffic_ops *ops = b->service->traffic.driver ? traffic_driver(b->service->traffic.driver) : NULL;
    SCOPED(buf_done) struct buf lines = {.max = TEXT_MAX};
    bool french = same(word, "byhand.fr");
    if (!french && !same(word, "byhand") && !same(word, "commands"))
        return NULL;
    if (!ops || !b->standby)
        return ops ? "?" : "";
    if (!same(word, "commands"))
        return byhand_fill(b, french ? ops->by_hand.fr : ops->by_hand.en, NULL);
    if (ops->commands)
        ops->commands(b->arena, b->service, b->standby, &lines);
    return with_pipe(b, buf_text(&lines));
}

/* The request whose answer names the site that gave it. */
static const char *identify(struct arena *arena, const struct service *service)
{
    const struct traffic_conf *t = &service->traffic;
    if (!service->public_url || !t->identify_path)
        return "";
    const char *url = ssh_quote(arena, traffic_url(arena, service->public_url, t->identify_path));
    return arena_printf(arena, t->identify_json ? "curl -sS %s" : "curl -sS -o /dev/null -D - %s", url);
}

static const char *endpoints(struct arena *arena, const struct service *service)
{
    struct strs paths = {0};
    for (size_t i = 0; i < service->endpoints.n; i++)
        *vec_add(arena, &paths) = service->endpoints.p[i].path;
    return host_words(arena, &paths);
}

/* ---- the text ---- */

/* NULL: `word` is none of ours. *ret_ours: it begins like one. */
static const char *value_of(const struct byhand *b, const char *word, bool *ret_ours)
{
    const struct {
        const char *name;
        const struct site *site;
    } sites[] = {{"active", b->active}, {"standby", b->standby}};
    size_t n = strcspn(word, ".");
    const char *rest = word[n] ? word + n + 1 : NULL;
    struct str first = {.p = word, .n = n};
    *ret_ours = true;
    for (size_t i = 0; i < COUNT_OF(sites); i++)
        if (str_is(first, sites[i].name)) {
            if (!rest)
                return sites[i].site ? sites[i].site->name : "?";
            const char *value = site_word(b->arena, sites[i].site ? sites[i].site : b->active, rest);
            return sites[i].site || !value ? value : "?"; /* no such site: never the other one's command */
        }
    if (str_is(first, "traffic") && rest && traffic_text(b, rest))
        return traffic_text(b, rest);
    if (str_is(first, "traffic"))
        return rest ? traffic_word(b->arena, &b->service->traffic, rest) : NULL;
    if (same(word, "service"))
        return b->service->name;
    if (same(word, "public"))
        return b->service->public_url ? b->service->public_url : "";
    if (same(word, "endpoints"))
        return endpoints(b->arena, b->service);
    if (same(word, "identify"))
        return identify(b->arena, b->service);
    *ret_ours = false;
    return NULL;
}

char *byhand_fill(const struct byhand *byhand, const char *text, const char **ret_unknown)
{
    SCOPED(buf_done) struct buf out = {.max = TEXT_MAX};
    const char *unknown = NULL;
    while (*text) {
        size_t n = *text == '{' ? strspn(text + 1, WORD_CHARACTERS) : 0;
        bool ours = false;
        const char *word = n && text[n + 1] == '}' ? arena_strndup(byhand->arena, text + 1, n) : NULL;
        const char *value = word ? value_of(byhand, word, &ours) : NULL;
        if (value) {
            buf_puts(&out, value);
            text += n + 2;
            continue;
        }
        if (ours && !unknown)
            unknown = word;
        buf_putc(&out, *text++);
    }
    if (ret_unknown)
        *ret_unknown = unknown;
    return arena_strdup(byhand->arena, buf_text(&out));
}

static size_t lint_text(const struct byhand *byhand, const struct mark *mark, const char *what, struct text2 text,
                        struct buf *problems)
{
    const char *unknown = NULL;
    for (enum language language = LANGUAGE_EN; language <= LANGUAGE_FR && !unknown; language++)
        byhand_fill(byhand, text_in(text, language), &unknown);
    if (unknown)
        buf_printf(problems, "%s:%d:%d: the text of %s has an unknown word {%s}\n", mark->file ? mark->file : "?",
                   mark->line, mark->column, what, unknown);
    return unknown != NULL;
}

size_t byhand_lint(struct arena *arena, const struct service *service, struct buf *problems)
{
    struct byhand byhand = {.arena = arena,
                            .service = service,
                            .active = service_site_of(service, SITE_PRODUCTION),
                            .standby = service_site_of(service, SITE_DR)};
    size_t found = 0;
    for (size_t i = 0; byhand.active && i < service->playbooks.n; i++) {
        const struct playbook *playbook = &service->playbooks.p[i];
        found += lint_text(&byhand, &playbook->mark, "the symptoms", playbook->symptoms, problems);
        for (size_t k = 0; k < playbook->steps.n; k++) {
            const struct step *step = &playbook->steps.p[k];
            found +=
                lint_text(&byhand, &step->mark, arena_printf(arena, "step \"%s\"", step->id), step->manual, problems);
        }
    }
    return found;
}
