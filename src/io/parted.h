/* io/parted.h -- What a primary wrote after its standby had parted from it, and what was committed there: counted in its write-ahead log by pg_waldump.
   Only the text: whoever runs the script decides where. */
#pragma once
#include "base/base.h"

/* For sh. $w is pg_waldump, $g the folder of the log; the words are parted_words. Prints one line: commits, probes, where the last record stands and
   how long it is; what pg_waldump complains of in the end, which tells where the log ends, comes on stderr. A log that goes on to a newer timeline is
   refused, since what is asked for is not all of it then. */
#define PARTED_SCRIPT                                                                                                                                  \
    "LC_ALL=C; export LC_ALL\n"                                                                                                                        \
    "n=$(ls \"$g\" | awk 'length($0) == 24 { t = substr($0, 1, 8) \"\"; if (t > n) n = t } END { print n }')\n"                                        \
    "[ \"$n\" = \"$5\" ] || { echo \"its log is of timeline $n, and not of $5\" >&2; exit 2; }\n"                                                      \
    "\"$w\" -p \"$g\" -t \"$1\" -s \"$2\" | awk -v hi=\"$3\" -v lo=\"$4\" '\n"                                                                         \
    "function number(hex,  i, n) { n = 0; for (i = 1; i <= length(hex); i++) n = n * 16 + index(\"0123456789ABCDEF\", substr(hex, i, 1)) - 1; return n }\n" \
    "function place(  half, high) { match($0, /lsn: [0-9A-F]+\\/[0-9A-F]+/); split(substr($0, RSTART + 5, RLENGTH - 5), half, \"/\")\n"                \
    "  high = number(half[1]); return high > hi + 0 || (high == hi + 0 && number(half[2]) >= lo + 0) }\n"                                              \
    "function session() { match($0, /tx: +[0-9]+/); return substr($0, RSTART + 3, RLENGTH - 3) + 0 }\n"                                                \
    "/^rmgr: LogicalMessage / && / desc: MESSAGE transactional, prefix \"bascule\";/ { own[session()] = 1 }\n"                                         \
    "/^rmgr: Transaction / && / desc: COMMIT/ { if (place()) { if (session() in own) probes++; else commits++ } }\n"                                   \
    "/^rmgr: / { last = $0 }\n"                                                                                                                        \
    "END { $0 = last; match($0, /lsn: [0-9A-F]+\\/[0-9A-F]+/); at = substr($0, RSTART + 5, RLENGTH - 5); match($0, /[0-9]+, tx:/)\n"                  \
    "  print commits + 0, probes + 0, at == \"\" ? \"0/0\" : at, / desc: SWITCH/ ? 0 : substr($0, RSTART, RLENGTH - 4) + 0 }'\n"

enum { PARTED_WORDS = 5 };
/* For the script, and nothing behind them. */
void parted_words(struct arena *arena, int64_t timeline, uint64_t fork, const char *ret[PARTED_WORDS]);

struct parted {
    uint64_t fork, end;   /* all of it stands between: from the first position that the other does not have */
    int64_t transactions; /* committed there, without: */
    int64_t probes;       /* the writes of this program, by which it looks whether the server commits */
};
/* From what the script printed and what came on stderr. ERR_DATA with the reason: how much it is is not known. */
MUST_USE bool parted_parse(struct str out, struct str complaint, uint64_t fork, struct parted *ret, struct err *err);

/* Where the log ends, in what pg_waldump complains of in the end: the position of the next record, if there were one. False when it ends in another
   way than a log does that nobody writes to any more: then nothing is known. */
MUST_USE bool parted_end(struct str complaint, uint64_t *ret);
