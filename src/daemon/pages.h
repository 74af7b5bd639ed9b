/* daemon/pages.h -- The status pages are written by a child process, so that no slow disk of a web folder holds up a recovery. */
#pragma once
#include "model/record.h"

struct daemon;
struct pages;

struct pages *pages_open(struct daemon *d); /* NULL when the configuration names no page; the others accept that */
void pages_begin(struct pages *p);          /* after the replay: the first writing, and from then on at least every `refresh` */
void pages_row(struct pages *p, const struct record *record); /* of every row as it is written: what the public sees may have changed */
bool pages_busy(const struct pages *p);     /* something is not written yet */
void pages_close(struct pages **p);
