/* backup/part.h -- One section of a dump out of a pg_dump of its own, put into a lane so that the lanes together read like one dump: the
   first part's head, the last part's tail with the first one's trailer, and nothing said twice. */
#pragma once
#include "backup/backup.h"
#include "backup/cutter.h"
#include "dump/lexer.h"

enum part_section { PART_PRE_DATA, PART_DATA, PART_POST_DATA, PART_SECTION_MAX };

/* What one part leaves to a later one: the pre-data part writes it, the post-data part reads it, the data part touches it not. */
struct part_memory {
    struct buf trailer;               /* of the first part: closes the whole dump */
    struct buf settings;              /* the first part's last default_tablespace and default_table_access_method, a line each */
    struct buf grants;                /* its GRANTs and REVOKEs: pg_dump puts them behind constraints and indexes */
    struct buf created;               /* tables created: their names, a line each */
};

struct part;
/* `cutter` has begun its lane. */
struct part *part_open(enum part_section section, struct cutter *cutter, struct part_memory *memory);
void part_close(struct part **part);
MUST_USE bool part_feed(void *part, const void *data, size_t size, struct err *err); /* a dumper_sink_fn */
/* ERR_DATA when the section was cut off. The lane goes on: cutter_end is the caller's. */
MUST_USE bool part_end(struct part *part, struct err *err);
const char *part_section_name(enum part_section section); /* "pre-data" */
void part_memory_init(struct part_memory *memory);
void part_memory_done(struct part_memory *memory);
