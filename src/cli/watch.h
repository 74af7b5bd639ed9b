/* cli/watch.h -- The console: what the journal says, followed row by row, and how one screen shows it. */
#pragma once
#include "cli/command.h"
#include "decide/decide.h"
#include "io/screen.h"
#include "record/story.h"
#include "sys/clock.h"

/* ---- watch_follow.c: the journal as it grows, through the same decisions as the controller's ---- */

enum { WATCH_LINES = 200 };

struct watch_notice { /* ordered, and not handed over yet */
    char key[MODEL_ID_SIZE], contact[MODEL_ID_SIZE], channel[MODEL_ID_SIZE], stage[MODEL_ID_SIZE];
    int64_t incident;
    int64_t attempts;
    int64_t next_try_ms; /* core time; -1: given up */
    char why[MODEL_TEXT_SIZE]; /* of the newest attempt; "" before the first */
};

struct watch {
    const struct cli *cli;
    struct arena *arena;
    struct journal *journal;
    struct decide *decide;
    struct orders orders;      /* reused; what decide orders here is carried out by nobody */
    struct core_clock clock;
    int64_t seq;               /* of the newest row read */
    VEC(struct watch_notice) notices;
    struct watch_line {        /* ring of what happened; `count` of all, the newest at (count - 1) % WATCH_LINES */
        int64_t wall_ms;
        char text[MODEL_TEXT_SIZE];
    } lines[WATCH_LINES];
    size_t count;
    void (*said)(void *arg, const struct record *record); /* each row as it comes; may be NULL */
    void *arg;
};

MUST_USE bool watch_open(const struct cli *cli, struct watch **ret, struct err *err);
void watch_close(struct watch **watch);
MUST_USE bool watch_follow(struct watch *watch, struct err *err); /* takes in the rows that came since */
bool watch_changed(struct watch *watch);
int64_t watch_now(const struct watch *watch); /* core time */
/* The incident that a person should look at: unresolved, worst, oldest; NULL: none. */
const struct incident *watch_worst(const struct watch *watch);

/* ---- watch_page.c: one screen of it. Pure but for the story, which is read from the journal ---- */

struct watch_page {
    struct arena *arena;
    VEC(struct watch_row {
        VEC(struct watch_run { enum paint paint; const char *text; }) runs;
    }) rows;
};

struct watch_view {
    int columns, rows;
    int64_t incident;     /* shown; 0: the worst */
    bool controller;      /* one runs */
    const char *footer;   /* last line: keys, an answer, or what is being typed */
    enum paint footer_paint;
};

void watch_draw(const struct watch *watch, const struct watch_view *view, struct watch_page *page);
void watch_text(const struct watch_page *page, struct buf *out); /* without colour */
void watch_json(const struct watch *watch, bool controller, struct buf *out);
/* What a person would type now to move the incident on. */
const char *watch_command(const struct watch *watch, struct arena *arena, const struct incident *incident);
