/* model/field.c -- The fields of a post-incident report that people write. */
#include "model/field.h"

const struct report_field report_fields[] = {
    {"author", {"Author", "Auteur"}, {"who prepared this report.", "qui a préparé ce rapport."}, SEVERITY_P3},
    {"summary",
     {"Summary", "Résumé"},
     {"in two sentences, what the users could and could not do.", "en deux phrases, ce que les utilisateurs pouvaient et ne pouvaient pas faire."},
     SEVERITY_P2},
    {"true-start",
     {"True start", "Vrai début"},
     {"confirm the true start: did anything show before the last proof of life, in logs or to users?",
      "confirmer le vrai début : quelque chose se voyait-il avant la dernière preuve de vie, dans les journaux ou chez les utilisateurs ?"},
     SEVERITY_P2},
    {"communications",
     {"Other communications", "Autres communications"},
     {"messages sent by other ways, and any apology that is owed.", "messages envoyés par d'autres voies, et les excuses qui seraient dues."},
     FIELD_OPTIONAL},
    {"decisions",
     {"Decisions", "Décisions"},
     {"why each decision of a person was taken.", "pourquoi chaque décision d'une personne a été prise."},
     FIELD_OPTIONAL},
    {"business-impact",
     {"Business impact", "Impact métier"},
     {"confirm or correct the estimate: users, money, tickets, reputation.", "confirmer ou corriger l'estimation : utilisateurs, argent, tickets, image."},
     SEVERITY_P2},
    {"technical-impact",
     {"Technical impact", "Impact technique"},
     {"what was damaged, degraded or put at risk beside what users noticed.", "ce qui a été abîmé, dégradé ou mis en danger au-delà de ce que les utilisateurs ont vu."},
     SEVERITY_P2},
    {"team-impact",
     {"Team impact", "Impact sur l'équipe"},
     {"who worked how long, at night or beside other work.", "qui a travaillé combien de temps, de nuit ou en plus d'autre chose."},
     SEVERITY_P2},
    {"why-1", {"Why 1", "Pourquoi 1"}, {"why did the users notice it?", "pourquoi les utilisateurs l'ont-ils vu ?"}, SEVERITY_P2},
    {"why-2", {"Why 2", "Pourquoi 2"}, {"why did that happen?", "pourquoi cela est-il arrivé ?"}, SEVERITY_P2},
    {"why-3", {"Why 3", "Pourquoi 3"}, {"and why that?", "et pourquoi cela ?"}, SEVERITY_P2},
    {"why-4", {"Why 4", "Pourquoi 4"}, {"and why that? (\"-\": the chain ends above)", "et pourquoi cela ? (\"-\" : la chaîne s'arrête au-dessus)"}, SEVERITY_P2},
    {"why-5", {"Why 5", "Pourquoi 5"}, {"and why that? (\"-\": the chain ends above)", "et pourquoi cela ? (\"-\" : la chaîne s'arrête au-dessus)"}, SEVERITY_P2},
    {"root-cause", {"Root cause", "Cause racine"}, {"what must change so that it cannot happen again.", "ce qui doit changer pour que cela ne puisse plus arriver."}, SEVERITY_P3},
    {"went-well",
     {"What people did well", "Ce que les personnes ont bien fait"},
     {"what people did well, and where luck helped.", "ce que les personnes ont bien fait, et où la chance a aidé."},
     SEVERITY_P2},
    {"went-badly",
     {"What was hard", "Ce qui a été difficile"},
     {"what was hard to see, to decide or to do.", "ce qui a été difficile à voir, à décider ou à faire."},
     SEVERITY_P2},
    {"meeting",
     {"Post-mortem meeting", "Réunion de post-mortem"},
     {"when and with whom the post-mortem meeting is held: within 24 hours.", "quand et avec qui se tient la réunion de post-mortem : dans les 24 heures."},
     SEVERITY_P1},
    {"documentation",
     {"Documentation", "Documentation"},
     {"which playbooks, runbooks and documents were changed.", "quels scénarios, procédures et documents ont été modifiés."},
     FIELD_OPTIONAL},
    {"reviewed", {"Reviewed", "Relu"}, {"who has read the report through, with their remarks.", "qui a relu le rapport, avec ses remarques."}, SEVERITY_P2},
    {0},
};

const struct report_field *report_field(const char *name)
{
    for (const struct report_field *f = report_fields; f->name; f++)
        if (same(f->name, name))
            return f;
    return NULL;
}

bool field_required(const struct report_field *field, enum severity severity)
{
    return field->required != FIELD_OPTIONAL && (int)severity <= field->required;
}

int action_number(const char *subject)
{
    int64_t number;
    size_t n = strlen(ACTION_PREFIX);
    return strncmp(subject, ACTION_PREFIX, n) == 0 && str_int(str_of(subject + n), &number) && number >= 1 && number <= ACTIONS_MAX ? (int)number : 0;
}

#define HORIZON_NAME(id, name, en, fr) [id] = name,        /* NOLINT(bugprone-macro-parentheses): a literal */
#define HORIZON_TITLE(id, name, en, fr) [id] = {(en), (fr)},
static const char *const names[] = {HORIZONS(HORIZON_NAME)};
static const struct text2 titles[] = {HORIZONS(HORIZON_TITLE)};

const char *horizon_name(enum horizon horizon)
{
    return (unsigned)horizon < HORIZON_MAX ? names[horizon] : "?";
}

struct text2 horizon_title(enum horizon horizon)
{
    return (unsigned)horizon < HORIZON_MAX ? titles[horizon] : (struct text2){"?", "?"};
}

bool horizon_of(const char *name, enum horizon *ret)
{
    for (int i = 0; i < HORIZON_MAX; i++)
        if (same(name, names[i])) {
            *ret = (enum horizon)i;
            return true;
        }
    return false;
}
