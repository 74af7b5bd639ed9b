/* agent/walend.h -- How far a PostgreSQL that has ended had come, read from its write-ahead log by pg_waldump: so what a promotion loses is
   told by what is on the disk, and not by what was last asked. */
#pragma once
#include "base/base.h"

/* The position in what pg_waldump says where the log ends. False when it ends in another way than a log does that nobody writes to any
   more: then nothing is known. */
MUST_USE bool walend_parse(struct str complaint, uint64_t *ret);
