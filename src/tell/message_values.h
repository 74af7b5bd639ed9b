/* tell/message_values.h -- What is known of an incident, as templates name it. Shared by the messages to people and to the public. */
#pragma once
#include "base/mustache.h"
#include "tell/message.h"

struct letter {
    struct arena *arena;
    enum language language;
    const struct service *service;
    const struct incident *incident;
    const struct severity_conf *severity; /* NULL: not configured */
    const struct message_facts *facts;
    const char *stage, *order_text;
};

/* Is the service back, as far as a message of this stage says? */
bool letter_is_back(const struct letter *letter);
int64_t letter_outage_ms(const struct letter *letter); /* until now, or until the service was back */
/* "affected", each with a name, and "any_affected". */
void letter_put_affected(const struct letter *letter, struct mustache_value *root);
void letter_put_severity(const struct letter *letter, struct mustache_value *root); /* p1, p2, p3 */
void letter_put_all(const struct letter *letter, struct mustache_value *root);      /* everything a message to people may say */
