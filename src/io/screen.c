/* io/screen.c -- ncurses behind few words. */
#define NCURSES_WIDECHAR 1
#include "io/screen.h"

#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "base/base64.h"

struct screen {
    SCREEN *curses;
    bool colour;
};

enum { COPY_MAX = 4096 };

/* Text is UTF-8 whatever the locale says: a bare "C" would make every accent two question marks. */
static void speak_utf8(void)
{
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX < 4)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static void set_colours(struct screen *s, bool wanted)
{
    s->colour = wanted && has_colors() && start_color() == OK && use_default_colors() == OK;
    if (!s->colour)
        return;
    init_pair(PAINT_GOOD, COLOR_GREEN, -1);
    init_pair(PAINT_WARN, COLOR_YELLOW, -1);
    init_pair(PAINT_BAD, COLOR_RED, -1);
}

bool screen_open(bool colour, struct screen **ret, struct err *err)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(err, ERR_UNAVAILABLE, "this is no terminal");
    speak_utf8();
    struct screen *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->curses = newterm(NULL, stdout, stdin);
    if (!s->curses) {
        free(s);
        return err_set(err, ERR_UNAVAILABLE, "nothing is known about a terminal of the kind \"%s\"", getenv("TERM") ? getenv("TERM") : "");
    }
    set_term(s->curses);
    set_colours(s, colour);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(50); /* between a lone Escape and the beginning of another key */
    *ret = s;
    return true;
}

void screen_close(struct screen **screen)
{
    if (!screen || !*screen)
        return;
    endwin();
    delscreen((*screen)->curses);
    free(*screen);
    *screen = NULL;
}

void screen_size(const struct screen *screen UNUSED, int *ret_columns, int *ret_rows)
{
    getmaxyx(stdscr, *ret_rows, *ret_columns);
}

void screen_clear(struct screen *screen UNUSED)
{
    erase();
}

/* Colour never stands alone: what it says is said by a word or a sign too, and without colour it becomes bold. */
static attr_t attributes(const struct screen *s, enum paint paint)
{
    if (paint == PAINT_STRONG || (paint == PAINT_BAD && !s->colour))
        return A_BOLD;
    if (paint == PAINT_DIM)
        return A_DIM;
    return s->colour ? (attr_t)COLOR_PAIR(paint) : A_NORMAL;
}

int screen_put(struct screen *screen, int row, int column, enum paint paint, const char *text)
{
    int columns, rows;
    screen_size(screen, &columns, &rows);
    attr_t how = attributes(screen, paint);
    mbstate_t state = {0};
    wchar_t c;
    (void)attron(how);
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        n = mbrtowc(&c, text, left, &state);
        if (n == 0 || n > left) /* no character at all, or half of one */
            break;
        int width = wcwidth(c);
        if (width < 0)
            continue;
        if (row < 0 || row >= rows || column + width > columns)
            break;
        mvaddnwstr(row, column, &c, 1);
        column += width;
    }
    (void)attroff(how);
    return column;
}

void screen_show(struct screen *screen UNUSED, int cursor_row, int cursor_column)
{
    curs_set(cursor_row >= 0);
    if (cursor_row >= 0)
        move(cursor_row, cursor_column);
    refresh();
}

int screen_key(struct screen *screen UNUSED, int wait_ms)
{
    wint_t key;
    timeout(wait_ms);
    int kind = get_wch(&key);
    if (kind == ERR)
        return SCREEN_NOTHING;
    if (kind == KEY_CODE_YES)
        return key == KEY_RESIZE ? SCREEN_RESIZED : key == KEY_UP ? SCREEN_UP : key == KEY_DOWN ? SCREEN_DOWN : key == KEY_BACKSPACE ? SCREEN_ERASE
               : key == KEY_ENTER ? SCREEN_ENTER : SCREEN_NOTHING;
    if (key == '\r' || key == '\n')
        return SCREEN_ENTER;
    if (key == 27)
        return SCREEN_ESCAPE;
    return key == 127 || key == 8 ? SCREEN_ERASE : (int)key;
}

void screen_copy(struct screen *screen UNUSED, const char *text)
{
    SCOPED(buf_done) struct buf encoded = {.max = COPY_MAX};
    base64_add(&encoded, text, strlen(text));
    if (!encoded.over)
        printf("\033]52;c;%s\a", buf_text(&encoded));
    fflush(stdout);
}
