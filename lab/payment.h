/* lab/payment.h -- Reads the body of POST /api/payments. */
#pragma once
#include "base/base.h"

struct payment {
    const char *contract_id, *amount, *reference; /* as text for PostgreSQL, which checks them */
};

MUST_USE bool payment_read(struct arena *arena, const char *body, struct payment *ret, struct err *err);
