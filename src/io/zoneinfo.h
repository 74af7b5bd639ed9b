/* io/zoneinfo.h -- Time zones as the system keeps them: /usr/share/zoneinfo, in the form of RFC 8536. */
#pragma once
#include "base/base.h"
#include "base/zone.h"

#define ZONEINFO_FOLDER "/usr/share/zoneinfo"

/* "Europe/Paris". ERR_NOT_FOUND when there is no such zone. "UTC" needs no file. The rule for the years to come is written out to the end of 2100. */
MUST_USE bool zoneinfo_read(struct arena *arena, const char *name, struct zone *ret, struct err *err);
/* The same of bytes at hand. */
MUST_USE bool zoneinfo_parse(struct arena *arena, struct str data, struct zone *ret, struct err *err);
