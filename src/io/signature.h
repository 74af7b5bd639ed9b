/* io/signature.h -- How a webhook proves where it comes from, after Standard Webhooks (version 1: HMAC-SHA256). */
#pragma once
#include "base/base.h"

/* "v1,BASE64" over "ID.TIMESTAMP.BODY". A secret "whsec_BASE64" stands for the bytes that it names, any other text for its own. */
MUST_USE bool signature_webhook(struct arena *arena, const char *secret, const char *id, int64_t timestamp_s, struct str body, const char **ret, struct err *err);
