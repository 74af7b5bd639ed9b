/* base/base64.h -- Base64 (RFC 4648), with padding. Pure. */
#pragma once
#include "base/buf.h"

bool base64_add(struct buf *to, const void *data, size_t size); /* false, and `to->over`, when it does not fit */
/* Adds the bytes that `text` stands for; false, with nothing added, when it is not base64 in its one canonical form. */
bool base64_decode(struct buf *to, struct str text);
