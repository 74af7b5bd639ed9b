/* tell/page.h -- A status page as files that any web server can serve, and that outlive whoever wrote them: HTML that is readable without a
   script, the JSON that readers of status pages know (/api/v2), and an Atom feed. */
#pragma once
#include "model/page.h"

struct page_file {
    const char *path; /* in the folder: "index.html", "fr/incident/7.html", "api/v2/status.json" */
    struct str text;
};
struct page_files {
    struct page_file *p;
    size_t n, cap;
};

/* Pure: the same page gives the same files, byte for byte. The first page that people open comes last. */
void page_render(struct arena *arena, const struct page *page, struct page_files *ret);

/* Writes what differs from what lies there, each file whole or not at all (0644; folders 0755), in the order given; nothing is removed.
   *ret_written: how many were written. */
MUST_USE bool page_write(const char *folder, const struct page_files *files, size_t *ret_written, struct err *err);
/* How many of the files lie there as they would be written now, but for those that tell the time at which they were written. */
size_t page_compare(struct arena *arena, const char *folder, const struct page_files *files);
