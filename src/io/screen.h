/* io/screen.h -- A whole terminal as rows and columns (ncurses inside): what did not change is not sent again, so nothing flickers over
   a slow line, and a terminal that shrinks or lacks colours is no special case for the caller. */
#pragma once
#include "base/base.h"

enum paint { PAINT_PLAIN, PAINT_GOOD, PAINT_WARN, PAINT_BAD, PAINT_DIM, PAINT_STRONG, PAINT_MAX };

/* Keys beyond characters, which are their Unicode numbers. */
enum { SCREEN_NOTHING = -1, SCREEN_RESIZED = -2, SCREEN_UP = -3, SCREEN_DOWN = -4, SCREEN_ERASE = -5, SCREEN_ENTER = -6, SCREEN_ESCAPE = -7 };

struct screen;

/* ERR_UNAVAILABLE when standard input or output is no terminal, or one that nothing is known about ($TERM). One at a time. */
MUST_USE bool screen_open(bool colour, struct screen **ret, struct err *err);
void screen_close(struct screen **screen); /* gives the terminal back as it was */
void screen_size(const struct screen *screen, int *ret_columns, int *ret_rows);
void screen_clear(struct screen *screen);
/* UTF-8, cut at the right edge; control characters are left out. Gives the column after it. */
int screen_put(struct screen *screen, int row, int column, enum paint paint, const char *text);
void screen_show(struct screen *screen, int cursor_row, int cursor_column); /* row -1: no cursor */
int screen_key(struct screen *screen, int wait_ms); /* waits at most so long */
/* Offers text to the clipboard of the terminal (OSC 52), which many know and others ignore. */
void screen_copy(struct screen *screen, const char *text);
