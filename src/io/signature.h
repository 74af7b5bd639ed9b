/* io/signature.h -- How a webhook proves where it comes from, after Standard Webhooks (version 1: HMAC-SHA256), and how a command does that
   one of our programs sends to another. */
#pragma once
#include "base/base.h"

/* "v1,BASE64" over "ID.TIMESTAMP.BODY". A secret "whsec_BASE64" stands for the bytes that it names, any other text for its own. */
MUST_USE bool signature_webhook(struct arena *arena, const char *secret, const char *id, int64_t timestamp_s, struct str body, const char **ret, struct err *err);

/* Of a command to an agent: hex HMAC-SHA256 over "METHOD PATH\nBODY". The body holds a nonce of the receiver, so that it counts once. */
enum { SIGNATURE_COMMAND_SIZE = 65 };
#define SIGNATURE_COMMAND_HEADER "X-Bascule-Signature"
void signature_command(const char *secret, const char *method, const char *path, struct str body, char ret[SIGNATURE_COMMAND_SIZE]);
bool signature_same(const char *a, const char *b); /* takes equally long whatever differs; NULL is like nothing */
