/* record/sentence.c -- Sentences as a table of templates in both languages, and the words that fill them. */
#include "record/sentence.h"

#include <inttypes.h>

#include "record/words.h"

/* "{word}" stands for a word of `words` below, which brings its own blank or colon when it may be empty. */
static const struct text2 event_templates[EVENT_MAX] = {
    [EVENT_STARTED] = {"the controller started{: text}", "le contrôleur a démarré{: text}"},
    [EVENT_STOPPED] = {"the controller stopped{: text}", "le contrôleur s'est arrêté{: text}"},
    [EVENT_VERDICT] = {"{subject} is {verdict}{: text}", "{subject} est {verdict}{: text}"},
    [EVENT_OUTCOME] = {"the command of step \"{step}\" ended: {ending}{ after took}{: text}",
                       "la commande de l'étape « {step} » est terminée : {ending}{ after took}{: text}"},
    [EVENT_TICK] = {"a deadline came{: text}", "une échéance est arrivée{: text}"},
    [EVENT_OPEN] = {"{person} opened an incident{ with playbook}{: text}", "{person} a ouvert un incident{ with playbook}{: text}"},
    [EVENT_ACK] = {"{person} took the incident{: text}", "{person} a pris l'incident en charge{: text}"},
    [EVENT_NOTE] = {"note by {person}{: text}", "note de {person}{: text}"},
    [EVENT_RESOLVE] = {"{person} declared the incident resolved{: text}", "{person} a déclaré l'incident résolu{: text}"},
    [EVENT_REVIEW] = {"{person} reviewed the incident{: text}", "{person} a revu l'incident{: text}"},
    [EVENT_APPROVE] = {"{person} approved the waiting step{ named}{: text}", "{person} a approuvé l'étape en attente{ named}{: text}"},
    [EVENT_DENY] = {"{person} denied the waiting step{ named}{: text}", "{person} a refusé l'étape en attente{ named}{: text}"},
    [EVENT_CERTIFY] = {"{person} certified that site \"{subject}\" accepts no more writes; loss accepted{: text}",
                       "{person} certifie que le site « {subject} » n'accepte plus d'écritures ; perte acceptée{: text}"},
    [EVENT_RETRY] = {"{person} wants the blocked step tried again{: text}", "{person} demande un nouvel essai de l'étape bloquée{: text}"},
    [EVENT_DELIVERED] = {"message \"{stage}\" handed over to {contact} by {channel} after {ref duration}{ at try}",
                         "message « {stage} » remis à {contact} par {channel} après {ref duration}{ at try}"},
    [EVENT_UNDELIVERED] = {"message \"{stage}\" not taken for {contact} by {channel}{ at try}{: text}{ given up}",
                           "message « {stage} » non accepté pour {contact} par {channel}{ at try}{: text}{ given up}"},
    [EVENT_FACT] = {"measured: {subject} = {value}", "mesuré : {subject} = {value}"},
    [EVENT_SAY] = {"{person} said ({subject}){: text}", "{person} a dit ({subject}){: text}"},
    [EVENT_ESCALATE] = {"{person} escalated the incident{: text}", "{person} a fait monter l'incident{: text}"},
    [EVENT_OVERRIDE] = {"{person} changed who is on call for \"{subject}\", {span}{: text}",
                        "{person} a changé l'astreinte de « {subject} », {span}{: text}"},
    [EVENT_TICK_ITEM] = {"{person} {ticked} \"{subject}\"{: text}", "{person} a {ticked} « {subject} »{: text}"},
    [EVENT_WRITE] = {"{person} wrote \"{subject}\" of the report{: text}", "{person} a écrit « {subject} » du rapport{: text}"},
    [EVENT_MAINTENANCE] = {"{person} {announced} maintenance \"{subject}\"{: text}", "{person} a {announced} la maintenance « {subject} »{: text}"},
    [EVENT_ALERT] = {"alert of {person} {alerting}{: text}", "alerte de {person} {alerting}{: text}"},
    [EVENT_PROVEN] = {"test message to {subject}{: text}", "message d'essai à {subject}{: text}"},
    [EVENT_LEADER] = {"{leading}{ serving}{: text}", "{leading}{ serving}{: text}"},
    [EVENT_PAUSE] = {"{person} {pausing}{: text}", "{person} {pausing}{: text}"},
    [EVENT_RUNNING] = {"the command of step \"{step}\" runs as process {number}", "la commande de l'étape « {step} » est le processus {number}"},
};

static const struct text2 order_templates[ORDER_MAX] = {
    [ORDER_OPEN] = {"incident {incident} opened, {severity}{: text}", "incident {incident} ouvert, {severity}{: text}"},
    [ORDER_STATE] = {"the incident is now {state}{: text}", "l'incident est maintenant {state}{: text}"},
    [ORDER_STAGE] = {"escalation stage \"{subject}\"{ late}", "palier d'escalade « {subject} »{ late}"},
    [ORDER_NOTIFY] = {"message \"{stage}\" to {contact} by {channel}{: text}", "message « {stage} » pour {contact} par {channel}{: text}"},
    [ORDER_STEP] = {"step \"{step}\" begins{: text}", "l'étape « {step} » commence{: text}"},
    [ORDER_RUN] = {"runs: bascule {text} (budget {number duration})", "lance : bascule {text} (budget {number duration})"},
    [ORDER_CANCEL] = {"the command of step \"{step}\" is stopped{: text}", "la commande de l'étape « {step} » est arrêtée{: text}"},
    [ORDER_STEP_END] = {"step \"{step}\" {outcome}{ after took}{: text}", "l'étape « {step} » {outcome}{ after took}{: text}"},
    [ORDER_ASK] = {"approval of step \"{step}\" asked for, {number duration} to answer{: text}",
                   "approbation de l'étape « {step} » demandée, réponse sous {number duration}{: text}"},
    [ORDER_BLOCKED] = {"blocked, a person is needed{: text}", "bloqué, une personne est nécessaire{: text}"},
    [ORDER_PLAYBOOK_END] = {"playbook \"{subject}\" ended: {ending}", "scénario « {subject} » terminé : {ending}"},
    [ORDER_ACTIVE] = {"site \"{subject}\" now serves the users", "le site « {subject} » sert maintenant les utilisateurs"},
    [ORDER_PUBLIC] = {"the public was told ({subject}){: text}", "le public a été informé ({subject}){: text}"},
    [ORDER_PAGE] = {"page {number}, {subject}{: text}", "appel {number}, {subject}{: text}"},
    [ORDER_WITHDRAW] = {"message \"{stage}\" to {contact} by {channel} is not tried again{: text}",
                        "message « {stage} » pour {contact} par {channel} : plus aucun essai{: text}"},
    [ORDER_UNACK] = {"the acknowledgement of {person} counts no more{: text}", "la prise en charge de {person} ne compte plus{: text}"},
    [ORDER_SEVERITY] = {"{person} raised the severity to {severity}{: text}", "{person} a relevé la sévérité à {severity}{: text}"},
};

/* What a template is filled from. */
struct filling {
    struct arena *a;
    const struct record *r;
    enum language language;
    int64_t took_ms;
    struct notice_key key;
};

static __attribute__((format_arg(2), format_arg(3))) const char *in(const struct filling *f, const char *en, const char *fr)
{
    return f->language == LANGUAGE_FR ? fr : en;
}

static const char *fill_subject(const struct filling *f)
{
    return f->r->subject;
}

static const char *fill_text(const struct filling *f)
{
    return f->r->text;
}

/* People's own words stay as they wrote them; what decide said is translated. */
static const char *fill_colon_text(const struct filling *f)
{
    const char *text = f->r->is_order ? word_decided(f->a, f->r->text, f->language) : f->r->text;
    return *text ? arena_printf(f->a, "%s %s", in(f, ":", " :"), text) : "";
}

static const char *fill_person(const struct filling *f)
{
    return *f->r->who ? f->r->who : in(f, "a person", "une personne");
}

static const char *fill_contact(const struct filling *f)
{
    return *f->r->who ? f->r->who : f->key.contact;
}

static const char *fill_stage(const struct filling *f)
{
    return *f->r->stage ? f->r->stage : f->key.stage;
}

static const char *fill_channel(const struct filling *f)
{
    return *f->r->channel ? f->r->channel : f->key.channel;
}

static const char *fill_step(const struct filling *f)
{
    return run_step(f->a, f->r->subject);
}

static const char *fill_named(const struct filling *f)
{
    return *f->r->subject ? arena_printf(f->a, in(f, " \"%s\"", " « %s »"), fill_step(f)) : "";
}

static const char *fill_playbook(const struct filling *f)
{
    return *f->r->subject ? arena_printf(f->a, in(f, " with playbook \"%s\"", " avec le scénario « %s »"), f->r->subject) : "";
}

static const char *fill_number(const struct filling *f)
{
    return arena_printf(f->a, "%" PRId64, f->r->number);
}

static const char *fill_incident(const struct filling *f)
{
    return arena_printf(f->a, "INC-%" PRId64, f->r->incident);
}

static const char *fill_value(const struct filling *f)
{
    return *f->r->text ? word_value(f->a, f->r->subject, f->r->text) : fill_number(f);
}

static const char *fill_verdict(const struct filling *f)
{
    return word_verdict(f->r->number, f->language);
}

static const char *fill_outcome(const struct filling *f)
{
    return word_outcome(f->r->number, f->language);
}

static const char *fill_ending(const struct filling *f)
{
    return word_ending(f->r->number, f->language);
}

static const char *fill_state(const struct filling *f)
{
    return word_state(f->r->number, f->language);
}

static const char *fill_severity(const struct filling *f)
{
    return severity_name((enum severity)f->r->number);
}

static const char *fill_ticked(const struct filling *f)
{
    static const struct text2 texts[] = {
        [TICK_DONE] = {"ticked", "coché"}, [TICK_TAKEN_BACK] = {"took back the tick of", "décoché"}, [TICK_WAIVED] = {"waived", "écarté"}, [TICK_ASSIGNED] = {"assigned", "confié"}};
    return f->r->number >= 0 && f->r->number < (int64_t)COUNT_OF(texts) ? text_in(texts[f->r->number], f->language) : "?";
}

static const char *fill_number_duration(const struct filling *f)
{
    return word_duration(f->a, f->r->number, f->language);
}

static const char *fill_ref_duration(const struct filling *f)
{
    return word_duration(f->a, f->r->ref, f->language);
}

static const char *fill_after_took(const struct filling *f)
{
    return f->took_ms < 0 ? "" : arena_printf(f->a, in(f, " after %s", " après %s"), word_duration(f->a, f->took_ms, f->language));
}

static const char *fill_at_try(const struct filling *f)
{
    return f->r->number <= 1 ? "" : arena_printf(f->a, in(f, ", try %" PRId64, ", essai %" PRId64), f->r->number);
}

static const char *fill_announced(const struct filling *f)
{
    bool cancelled = f->r->number == 0 && f->r->ref == 0;
    return cancelled ? in(f, "cancelled", "annulé") : in(f, "announced", "annoncé");
}

static const char *fill_pausing(const struct filling *f)
{
    if (!f->r->number)
        return in(f, "resumed automatic action", "a repris l'action automatique");
    return arena_printf(f->a, in(f, "paused automatic action until %s", "a suspendu l'action automatique jusqu'à %s"), moment_minute(f->a, f->r->ref));
}

static const char *fill_alerting(const struct filling *f)
{
    return f->r->number < 0 ? in(f, "ended", "terminée") : arena_printf(f->a, in(f, "came in, %s", "reçue, %s"), severity_name((enum severity)f->r->number));
}

static const char *fill_leading(const struct filling *f)
{
    return f->r->number == 2   ? in(f, "this controller leads", "ce contrôleur dirige")
           : f->r->number == 1 ? in(f, "another controller leads", "un autre contrôleur dirige")
                               : in(f, "it is not known which controller leads", "on ne sait pas quel contrôleur dirige");
}

static const char *fill_serving(const struct filling *f)
{
    return *f->r->subject ? arena_printf(f->a, in(f, "; site \"%s\" serves the users", " ; le site « %s » sert les utilisateurs"), f->r->subject) : "";
}

static const char *fill_given_up(const struct filling *f)
{
    return f->r->ref < 0 ? in(f, "; given up", " ; abandonné") : in(f, "; tried again later", " ; nouvel essai plus tard");
}

static const char *fill_late(const struct filling *f)
{
    return f->r->number <= 0 ? "" : arena_printf(f->a, in(f, ", %s late", ", en retard de %s"), word_duration(f->a, f->r->number, f->language));
}

static const char *fill_span(const struct filling *f)
{
    return arena_printf(f->a, in(f, "%s to %s", "%s à %s"), moment_minute(f->a, f->r->number), moment_minute(f->a, f->r->ref));
}

static const struct {
    const char *name;
    const char *(*fill)(const struct filling *f);
} words[] = {
    {"subject", fill_subject},
    {"text", fill_text},
    {": text", fill_colon_text},
    {"person", fill_person},
    {"contact", fill_contact},
    {"stage", fill_stage},
    {"channel", fill_channel},
    {"step", fill_step},
    {" named", fill_named},
    {" with playbook", fill_playbook},
    {"number", fill_number},
    {"incident", fill_incident},
    {"value", fill_value},
    {"verdict", fill_verdict},
    {"outcome", fill_outcome},
    {"ending", fill_ending},
    {"state", fill_state},
    {"severity", fill_severity},
    {"ticked", fill_ticked},
    {"number duration", fill_number_duration},
    {"ref duration", fill_ref_duration},
    {" after took", fill_after_took},
    {" at try", fill_at_try},
    {"announced", fill_announced},
    {"pausing", fill_pausing},
    {"alerting", fill_alerting},
    {"leading", fill_leading},
    {" serving", fill_serving},
    {" given up", fill_given_up},
    {" late", fill_late},
    {"span", fill_span},
};

static const char *filled(const struct filling *f, struct str name)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_is(name, words[i].name))
            return words[i].fill(f);
    return "?"; /* a test expands every template, so this is never seen */
}

static const char *expand(const struct filling *f, const char *template)
{
    SCOPED(buf_done) struct buf out = {.max = 64 * 1024};
    struct str rest = str_of(template), before, name;
    while (str_next(&rest, '{', &before)) {
        buf_add(&out, before.p, before.n);
        if (rest.p && str_next(&rest, '}', &name))
            buf_puts(&out, filled(f, name));
    }
    return one_line(f->a, buf_text(&out));
}

const char *sentence_with(struct arena *a, const struct record *record, enum language language, int64_t took_ms)
{
    struct filling f = {.a = a, .r = record, .language = language, .took_ms = took_ms, .key = notice_key(a, record->subject)};
    bool known = record->kind >= 0 && record->kind < (record->is_order ? (int)ORDER_MAX : (int)EVENT_MAX);
    if (!known)
        return "?";
    return expand(&f, text_in(record->is_order ? order_templates[record->kind] : event_templates[record->kind], language));
}

const char *story_sentence(struct arena *arena, const struct record *record, enum language language)
{
    return sentence_with(arena, record, language, -1);
}

const char *story_decided(struct arena *arena, const char *sentence, enum language language)
{
    return word_decided(arena, sentence, language);
}
