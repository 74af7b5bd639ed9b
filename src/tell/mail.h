/* tell/mail.h -- A notice as an Internet message (RFC 5322). Pure: the same notice gives the same bytes. */
#pragma once
#include "base/base.h"
#include "model/record.h"

/* A plain address: LOCAL@DOMAIN in printable ASCII without blanks, quotes, brackets, commas or control characters. */
MUST_USE bool mail_address_valid(const char *address, struct err *err);

/* The whole message, CRLF lines of at most 78 characters (longer only where an address alone is). ERR_DATA when an address is malformed or a header would be broken in two. */
MUST_USE bool mail_build(struct arena *arena, const char *from, const struct notice *notice, struct str *ret, struct err *err);
