/* record/decided.c -- French for the sentences that decide writes into the journal in English. A test holds them against its tables. */
#include "record/story.h"
#include "record/words.h"

static const struct text2 sentences[] = {
    /* states of an incident */
    {"a person has taken it", "une personne l'a pris en charge"},
    {"the recovery begins", "le rétablissement commence"},
    {"the playbook succeeded; the service is watched", "le scénario a réussi ; le service est surveillé"},
    {"the service came back by itself; it is watched", "le service est revenu de lui-même ; il est surveillé"},
    {"the service is well again; it is watched", "le service va de nouveau bien ; il est surveillé"},
    {"a person has taken it while the recovery goes on", "une personne l'a pris en charge pendant le rétablissement"},
    {"a person has taken it while the service is watched", "une personne l'a pris en charge pendant la surveillance"},
    {"another recovery begins", "un autre rétablissement commence"},
    {"the service stayed well for as long as was asked", "le service est resté bien aussi longtemps que demandé"},
    {"its alerts have ended and did not come back", "ses alertes ont pris fin et ne sont pas revenues"},
    {"the service is not well", "le service ne va pas bien"},
    {"a person resolved it", "une personne l'a résolu"},
    {"it ends here: another controller leads", "il se termine ici : un autre contrôleur dirige"},
    {"nobody has it in hand any more", "personne ne l'a plus en main"},
    {"a person has reviewed it", "une personne l'a revu"},
    {"still open", "toujours ouvert"},
    {"still in the hands of a person", "toujours entre les mains d'une personne"},
    {"the recovery goes on", "le rétablissement continue"},
    {"the service is watched", "le service est surveillé"},
    /* who is paged, and why */
    {"the stage is due", "le palier est échu"},
    {"nobody answered in time", "personne n'a répondu à temps"},
    {"nothing has happened since it was taken", "rien ne s'est passé depuis sa prise en charge"},
    {"escalated", "renfort demandé"},
    {"the incident is resolved", "l'incident est résolu"},
    {"nobody has taken it, and nobody more is paged", "personne ne l'a pris en charge, et plus personne n'est appelé"},
    /* what happens to a step */
    {"its condition does not hold", "sa condition n'est pas remplie"},
    {"recovered by itself before anybody approved", "rétabli de lui-même avant toute approbation"},
    {"recovered by itself", "rétabli de lui-même"},
    {"a fence certificate stands already", "un certificat d'isolement existe déjà"},
    {"it is not run again", "elle n'est pas relancée"},
    {"it cannot be run", "elle ne peut pas être lancée"},
    {"a rule of safety forbids it", "une règle de sûreté l'interdit"},
    {"the pause is over", "la pause est terminée"},
    {"a person must approve", "une personne doit approuver"},
    {"its command is run", "sa commande est lancée"},
    {"another playbook begins", "un autre scénario commence"},
    {"people were told", "les personnes ont été prévenues"},
    {"its condition is awaited", "sa condition est attendue"},
    {"a person approved it", "une personne l'a approuvée"},
    {"a person denied it", "une personne l'a refusée"},
    {"nobody approved it in time, which is a no", "personne ne l'a approuvée à temps, ce qui est un non"},
    {"a person starts another playbook; its command is stopped", "une personne lance un autre scénario ; sa commande est arrêtée"},
    {"done before it was stopped", "faite avant d'être arrêtée"},
    {"stopped, and given up waiting for", "arrêtée, et plus attendue"},
    {"stopped", "arrêtée"},
    {"its command succeeded; its effect is awaited", "sa commande a réussi ; son effet est attendu"},
    {"done, and its effect shows", "faite, et son effet se voit"},
    {"done", "faite"},
    {"failed; it is tried again", "échec ; elle est essayée de nouveau"},
    {"the fence failed", "l'isolement a échoué"},
    {"failed", "échec"},
    {"the fence used up its budget and does not end", "l'isolement a épuisé son budget et ne se termine pas"},
    {"the fence used up its budget", "l'isolement a épuisé son budget"},
    {"its budget is used up and its command does not end", "son budget est épuisé et sa commande ne se termine pas"},
    {"its budget is used up; its command is stopped", "son budget est épuisé ; sa commande est arrêtée"},
    {"its budget is used up", "son budget est épuisé"},
    {"its command needs a person", "sa commande a besoin d'une personne"},
    {"its effect did not show within its budget", "son effet ne s'est pas vu dans son budget"},
    {"it is tried again", "elle est essayée de nouveau"},
    {"the playbook succeeded", "le scénario a réussi"},
    {"the playbook failed", "le scénario a échoué"},
    {"a person wants it tried again", "une personne veut un nouvel essai"},
    {"a person certified it", "une personne l'a certifiée"},
    {"a person gave a certificate", "une personne a donné un certificat"},
    /* what a message tells people to do */
    {"to run it again", "pour le relancer"},
    {"to try again", "pour réessayer"},
    {"to go on by hand", "pour continuer à la main"},
    {"to run it all the same", "pour le lancer malgré tout"},
    {"to work by hand", "pour travailler à la main"},
    {"it is over, and the public was not told so", "c'est terminé, et le public ne le sait pas"},
    {"the public was promised news by now", "une nouvelle était promise au public pour maintenant"},
    {"the service is not well again, and the playbook is not started another time", "le service ne va pas bien de nouveau, et le scénario n'est pas relancé"},
};

/* How the sentence about a step ends: where the playbook goes on. */
static const struct text2 endings[] = {
    {"; the playbook has failed", " ; le scénario a échoué"},
    {"; the playbook ends", " ; le scénario se termine"},
    {"; it goes on with \"", " ; il continue avec \""},
};

static const struct text2 *beginning_of(const char *text)
{
    for (size_t i = 0; i < COUNT_OF(sentences); i++) {
        size_t n = strlen(sentences[i].en);
        bool whole = strncmp(text, sentences[i].en, n) == 0 && (text[n] == 0 || text[n] == ':' || text[n] == ';');
        if (whole)
            return &sentences[i];
    }
    return NULL;
}

/* The last of the endings in `text`, or NULL. */
static const char *find_ending(const char *text, const struct text2 **ret)
{
    const char *last = NULL;
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        for (const char *p = text; (p = strstr(p, endings[i].en)); p++)
            if (!last || p > last) {
                last = p;
                *ret = &endings[i];
            }
    return last;
}

const char *word_decided(struct arena *a, const char *text, enum language language)
{
    const struct text2 *begin = language == LANGUAGE_EN ? NULL : beginning_of(text), *ending = NULL;
    if (!begin)
        return text;
    const char *rest = text + strlen(begin->en), *end = find_ending(rest, &ending);
    const char *colon = *rest == ':' ? " " : "";
    if (!end)
        return arena_printf(a, "%s%s%s", begin->fr, colon, rest);
    return arena_printf(a, "%s%s%.*s%s%s", begin->fr, colon, (int)(end - rest), rest, ending->fr, end + strlen(ending->en));
}

/* A part of a sentence that is a sentence too is translated by itself. */
const char *story_reasons(struct arena *a, const char *text, enum language language)
{
    const char *out = "";
    for (const char *p = text;;) {
        const char *cut = strstr(p, "; ");
        const char *part = cut ? arena_strndup(a, p, (size_t)(cut - p)) : p;
        out = arena_printf(a, "%s%s%s", out, word_decided(a, part, language), cut ? "; " : "");
        if (!cut)
            return out;
        p = cut + 2;
    }
}
