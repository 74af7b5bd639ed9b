/* cli/oncall.h -- What commands about people on call share. */
#pragma once
#include "cli/command.h"
#include "model/rotation.h"

struct stand_ins {
    struct stand_in *p;
    size_t n, cap;
};
/* Everybody's word about who stands in, from the journal; none when there is no journal yet. */
MUST_USE bool stand_ins_read(const struct cli *cli, struct stand_ins *ret, struct err *err);
/* "now", "+2h", or a moment as zone_parse_moment reads it; what follows a "+" counts from `base_ms`. */
MUST_USE bool moment_word(const char *word, const struct zone *zone, int64_t base_ms, int64_t *ret, struct err *err);
