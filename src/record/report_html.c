/* record/report_html.c -- A report as a page: the Markdown that the reports are made of, and no more of Markdown than that. Everything that
   is not a mark of ours is text and is escaped, so whatever people and programs wrote cannot become markup. */
#include "record/story.h"

struct page_out {
    struct buf *out;
    bool list, quote, table; /* what is open */
};

/* ---- text ---- */

static void put_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        switch (text.p[i]) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        default:
            buf_putc(out, text.p[i]);
        }
}

static size_t digits(struct str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n;
}

static struct str after(struct str s, size_t n)
{
    return (struct str){.p = s.p + n, .n = s.n - n};
}

/* "[#12]", and where the row stands: `<a id="record-12"></a>`. How much was used; 0: it is neither. */
static size_t put_cite(struct buf *out, struct str s)
{
    size_t n = str_starts(s, "[#") ? digits(after(s, 2)) : 0;
    if (!n || s.n <= n + 2 || s.p[n + 2] != ']')
        return 0;
    buf_printf(out, "<a class=\"cite\" href=\"#record-%.*s\">#%.*s</a>", (int)n, s.p + 2, (int)n, s.p + 2);
    return n + 3;
}

static size_t put_anchor(struct buf *out, struct str s)
{
    static const char begin[] = "<a id=\"record-", end[] = "\"></a>";
    size_t head = strlen(begin), n = str_starts(s, begin) ? digits(after(s, head)) : 0;
    if (!n || !str_starts(after(s, head + n), end))
        return 0;
    buf_add(out, s.p, head + n + strlen(end));
    return head + n + strlen(end);
}

static size_t put_code(struct buf *out, struct str s)
{
    const char *close = s.p[0] == '`' ? memchr(s.p + 1, '`', s.n - 1) : NULL;
    if (!close)
        return 0;
    buf_puts(out, "<code>");
    put_escaped(out, (struct str){.p = s.p + 1, .n = (size_t)(close - s.p) - 1});
    buf_puts(out, "</code>");
    return (size_t)(close - s.p) + 1;
}

static void put_inline(struct buf *out, struct str s)
{
    bool strong = false;
    while (s.n) {
        size_t used = put_cite(out, s);
        used = used ? used : put_anchor(out, s);
        used = used ? used : put_code(out, s);
        if (!used && str_starts(s, "**")) {
            buf_puts(out, strong ? "</strong>" : "<strong>");
            strong = !strong;
            used = 2;
        }
        if (!used && s.p[0] == '\\' && s.n > 1) {
            s = after(s, 1);
            used = 1;
            put_escaped(out, (struct str){.p = s.p, .n = 1});
        }
        if (!used) {
            used = 1;
            put_escaped(out, (struct str){.p = s.p, .n = 1});
        }
        s = after(s, used);
    }
    if (strong)
        buf_puts(out, "</strong>");
}

/* ---- lines ---- */

static void end_blocks(struct page_out *p)
{
    if (p->list)
        buf_puts(p->out, "</ul>\n");
    if (p->quote)
        buf_puts(p->out, "</div>\n");
    if (p->table)
        buf_puts(p->out, "</tbody></table></div>\n");
    p->list = p->quote = p->table = false;
}

/* The cell up to the next bar that is not escaped. */
static bool next_cell(struct str *rest, struct str *ret)
{
    for (size_t i = 0; i < rest->n; i++) {
        if (rest->p[i] == '\\') {
            i++;
        } else if (rest->p[i] == '|') {
            *ret = str_trim((struct str){.p = rest->p, .n = i});
            *rest = after(*rest, i + 1);
            return true;
        }
    }
    return false;
}

/* "| --- | --- |" */
static bool is_rule(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if (!strchr("|- ", line.p[i]))
            return false;
    return memchr(line.p, '-', line.n) != NULL;
}

static void put_row(struct page_out *p, struct str line)
{
    struct str rest = after(line, 1), cell;
    bool head = !p->table;
    if (is_rule(line))
        return;
    if (head) {
        end_blocks(p);
        buf_puts(p->out, "<div class=\"wide\"><table><thead>\n");
        p->table = true;
    }
    buf_puts(p->out, "<tr>");
    while (next_cell(&rest, &cell)) {
        buf_puts(p->out, head ? "<th scope=\"col\">" : "<td>");
        put_inline(p->out, cell);
        buf_puts(p->out, head ? "</th>" : "</td>");
    }
    buf_puts(p->out, head ? "</tr></thead><tbody>\n" : "</tr>\n");
}

static void put_heading_line(struct page_out *p, struct str line, int level, int number)
{
    end_blocks(p);
    buf_printf(p->out, level == 2 ? "<h%d id=\"chapter-%d\">" : "<h%d>", level, number);
    put_inline(p->out, str_trim(after(line, (size_t)level)));
    buf_printf(p->out, "</h%d>\n", level);
}

static bool is_definition(struct str line)
{
    size_t n = str_starts(line, "[#") ? digits(after(line, 2)) : 0;
    return n && str_starts(after(line, 2 + n), "]: #record-");
}

static void put_text_line(struct page_out *p, struct str line)
{
    if (str_starts(line, "- ")) {
        if (!p->list) {
            end_blocks(p);
            buf_puts(p->out, "<ul>\n");
        }
        p->list = true;
        buf_puts(p->out, "<li>");
        put_inline(p->out, after(line, 2));
        buf_puts(p->out, "</li>\n");
        return;
    }
    bool quote = str_starts(line, "> ");
    if (!quote || !p->quote)
        end_blocks(p);
    if (quote && !p->quote)
        buf_puts(p->out, "<div class=\"note\" role=\"note\">\n");
    p->quote = quote;
    buf_puts(p->out, "<p>");
    put_inline(p->out, quote ? after(line, 2) : line);
    buf_puts(p->out, "</p>\n");
}

static void put_body(struct buf *out, struct str markdown)
{
    struct page_out p = {.out = out};
    struct str line;
    int chapter = 0;
    while (str_next(&markdown, '\n', &line)) {
        if (!line.n)
            end_blocks(&p);
        else if (str_starts(line, "### "))
            put_heading_line(&p, line, 3, 0);
        else if (str_starts(line, "## "))
            put_heading_line(&p, line, 2, ++chapter);
        else if (str_starts(line, "# "))
            put_heading_line(&p, line, 1, 0);
        else if (line.p[0] == '|')
            put_row(&p, line);
        else if (!is_definition(line))
            put_text_line(&p, line);
    }
    end_blocks(&p);
}

/* ---- the page ---- */

static const char style_all[] =
    "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem 1.25rem 4rem;color:#1b1f24;background:#fff;overflow-wrap:anywhere}"
    "h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid #d0d7de;padding-bottom:.25rem}"
    "h3{font-size:1rem;margin:1.2rem 0 .4rem}p,ul{margin:.5rem 0}ul{padding-left:1.3rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}"
    "th,td{border:1px solid #d0d7de;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "th{background:#f3f5f7}code{font:0.9em ui-monospace,monospace;overflow-wrap:anywhere}"
    ".note{border-left:.3rem solid #9a6700;background:#fff8e5;padding:.4rem .8rem;margin:.8rem 0}.note p{margin:.2rem 0}"
    "a{color:#0550ae}.cite{font-size:.85em;white-space:nowrap;display:inline-block;min-width:1.75rem;min-height:1.5rem}:target{outline:2px solid #0550ae}"
    "nav ol{columns:2;font-size:.9rem;padding-left:1.5rem}nav li{min-height:1.75rem}nav a{display:inline-block;min-height:1.5rem}";
static const char style_screen[] =
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}h2,th,td{border-color:#3d444d}th{background:#161b22}"
    ".note{background:#2b2111;border-color:#d29922}a{color:#79b8ff}:target{outline-color:#79b8ff}}"
    "@media(max-width:40rem){nav ol{columns:1}}";
static const char style_paper[] =
    "@page{size:A4;margin:18mm 15mm 20mm}@page{@bottom-right{content:counter(page) \" / \" counter(pages);font:9pt sans-serif}}"
    "body{font-size:10pt;max-width:none;padding:0}h2{break-after:avoid}tr,.note,li{break-inside:avoid}thead{display:table-header-group}"
    "table{font-size:8pt}.wide{overflow:visible}a{color:inherit;text-decoration:none}nav{break-after:page}";

static void put_contents(struct buf *out, struct str markdown, enum language language)
{
    struct str line;
    int chapter = 0;
    buf_printf(out, "<nav aria-label=\"%s\"><ol>\n", language == LANGUAGE_FR ? "Table des matières" : "Contents");
    while (str_next(&markdown, '\n', &line)) {
        if (!str_starts(line, "## "))
            continue;
        buf_printf(out, "<li><a href=\"#chapter-%d\">", ++chapter);
        put_inline(out, str_trim(after(line, 3)));
        buf_puts(out, "</a></li>\n");
    }
    buf_puts(out, "</ol></nav>\n");
}

void story_html(const struct buf *markdown, bool for_paper, enum language language, struct buf *out)
{
    struct str text = buf_str(markdown), rest = text, title = {0};
    (void)str_next(&rest, '\n', &title);
    buf_printf(out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n", language == LANGUAGE_FR ? "fr" : "en");
    buf_puts(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    for (struct str t = str_trim(str_starts(title, "# ") ? after(title, 2) : title); t.n; t = after(t, 1))
        if (t.p[0] != '\\' || t.n == 1)
            put_escaped(out, (struct str){.p = t.p, .n = 1});
    buf_printf(out, "</title>\n<style>%s%s</style>\n</head>\n<body>\n<main>\n", style_all, for_paper ? style_paper : style_screen);
    /* The contents stand between the title and the rest. */
    SCOPED(buf_done) struct buf body = {.max = out->max};
    put_body(&body, text);
    const char *after_title = strstr(buf_text(&body), "</h1>\n");
    size_t head = after_title ? (size_t)(after_title - buf_text(&body)) + strlen("</h1>\n") : 0;
    buf_add(out, buf_text(&body), head);
    put_contents(out, text, language);
    buf_add(out, buf_text(&body) + head, body.n - head);
    out->over = out->over || body.over;
    buf_puts(out, "</main>\n</body>\n</html>\n");
}
