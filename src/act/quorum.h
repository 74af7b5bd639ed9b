/* act/quorum.h -- What synchronous_standby_names says: how many of which standbys acknowledge a commit before it is promised to anybody, and so
   how many of them must be compared until one of them surely has all that was promised. */
#pragma once
#include "base/base.h"

enum { QUORUM_NAMES_MAX = 16, QUORUM_NAME_SIZE = 64 };

struct quorum {
    int acks;   /* standbys that a commit waits for; 0: it waits for nobody */
    bool all;   /* "*" is among the names */
    char names[QUORUM_NAMES_MAX][QUORUM_NAME_SIZE];
    size_t n;
};

/* As PostgreSQL reads it: "", "a, b", "2 (a, b)", "FIRST 2 (a, b)", "ANY 1 (a, b)". ERR_DATA for anything else. */
MUST_USE bool quorum_parse(const char *text, struct quorum *ret, struct err *err);
bool quorum_names(const struct quorum *q, const char *standby); /* is that one whose answer counts? */
/* Of so many standbys that may have acknowledged, this many have one among them that acknowledged any given commit: R of R + W > N. At least 1. */
size_t quorum_needed(const struct quorum *q, size_t voters);
