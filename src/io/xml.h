/* io/xml.h -- The little of XML that S3 and other services of AWS answer with: elements by name, without attributes that matter. */
#pragma once
#include "base/base.h"

/* The content of the next <tag>...</tag> in *rest, which moves behind it; false when there is none. Elements of the same name do not nest. */
bool xml_next(struct str *rest, const char *tag, struct str *ret);
/* The text of the first <tag>, entities resolved; NULL: there is none. */
char *xml_text(struct arena *arena, struct str in, const char *tag);
