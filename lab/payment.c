/* lab/payment.c -- In a file of its own because jansson and base/jsonout.h share names. */
#include "payment.h"

#include <jansson.h>

/* An amount may be a number, or a text that keeps every digit. */
bool payment_read(struct arena *arena, const char *body, struct payment *ret, struct err *err)
{
    json_error_t where;
    json_t *root = json_loads(body, JSON_REJECT_DUPLICATES, &where);
    const json_t *contract = json_object_get(root, "contract_id");
    const json_t *amount = json_object_get(root, "amount");
    const json_t *reference = json_object_get(root, "reference");
    bool ok = json_is_integer(contract) && (json_is_number(amount) || json_is_string(amount)) && json_is_string(reference);
    if (ok) {
        ret->contract_id = arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(contract));
        ret->amount = json_is_string(amount) ? arena_strdup(arena, json_string_value(amount))
                                             : arena_printf(arena, "%.2f", json_number_value(amount));
        ret->reference = arena_strdup(arena, json_string_value(reference));
    } else {
        err_set(err, ERR_USAGE, "expected {\"contract_id\": number, \"amount\": number, \"reference\": text}");
    }
    json_decref(root);
    return ok;
}
