/* tell/page_write.c -- Which files a status page has, and how they come to lie in a folder: each is whole or the one before it, and what has
   not changed is not touched, so that caches and CDNs keep it. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"
#include "tell/page_internal.h"

enum { LEFT_OVER_MS = 10 * MS_MINUTE };

static void add(struct arena *arena, struct page_files *to, const char *path, const struct buf *text)
{
    *vec_add(arena, to) = (struct page_file){.path = path, .text = str_of(arena_strdup(arena, buf_text(text)))};
}

static struct page_out out_for(struct arena *arena, const struct page *page, enum language language, bool deeper, struct buf *out)
{
    const char *root = *page_folder(page->conf, language) ? "../" : "";
    return (struct page_out){.arena = arena, .page = page, .language = language, .up = deeper ? "../" : "",
                             .root = arena_printf(arena, "%s%s", deeper ? "../" : "", root), .out = out};
}

static void render_language(struct arena *arena, const struct page *page, enum language language, struct page_files *to)
{
    const char *folder = page_folder(page->conf, language);
    for (size_t i = 0; i < page->incidents.n; i++) {
        SCOPED(buf_done) struct buf out = {.max = PAGE_FILE_MAX};
        struct page_out o = out_for(arena, page, language, true, &out);
        page_incident_file(&o, &page->incidents.p[i]);
        add(arena, to, arena_printf(arena, "%sincident/%" PRId64 ".html", folder, page->incidents.p[i].id), &out);
    }
    SCOPED(buf_done) struct buf history = {.max = PAGE_FILE_MAX}, feed = {.max = PAGE_FILE_MAX};
    struct page_out o = out_for(arena, page, language, false, &history);
    page_history(&o);
    add(arena, to, arena_printf(arena, "%shistory.html", folder), &history);
    page_feed(arena, page, language, &feed);
    add(arena, to, arena_printf(arena, "%shistory.atom", folder), &feed);
}

void page_render(struct arena *arena, const struct page *page, struct page_files *ret)
{
    for (size_t i = page_languages(page->conf); i-- > 0;)
        render_language(arena, page, page_language(page->conf, i), ret);
    page_json(arena, page, ret);
    for (size_t i = page_languages(page->conf); i-- > 0;) {
        enum language language = page_language(page->conf, i);
        SCOPED(buf_done) struct buf index = {.max = PAGE_FILE_MAX};
        struct page_out o = out_for(arena, page, language, false, &index);
        page_index(&o);
        add(arena, ret, arena_printf(arena, "%sindex.html", page_folder(page->conf, language)), &index);
    }
}

/* ---- into a folder ---- */

static bool lies_there(struct arena *arena, const char *folder, const struct page_file *file)
{
    struct str old;
    const char *path = file_join(arena, folder, file->path);
    return file_exists(path) && file_read(arena, path, PAGE_FILE_MAX, &old, NULL) && old.n == file->text.n && memcmp(old.p, file->text.p, old.n) == 0;
}

/* Folders that a web server may look into, whatever the umask is. */
static bool make_folders(struct arena *arena, const char *folder, const char *path, struct err *err)
{
    if (!file_mkdirs(folder, 0755, err))
        return false;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        const char *sub = file_join(arena, folder, arena_strndup(arena, path, (size_t)(slash - path)));
        if (file_exists(sub))
            continue;
        if (!file_mkdirs(sub, 0755, err))
            return false;
        if (chmod(sub, 0755) != 0)
            return err_os(err, errno, "could not open folder \"%s\" for readers", sub);
    }
    return true;
}

/* What a killed writer left: temporary files, which nobody writes for so long. */
static void sweep(struct arena *arena, const char *folder)
{
    DIR *dir = opendir(folder);
    struct stat st;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        const char *dot = strrchr(e->d_name, '.');
        bool ours = e->d_name[0] == '.' && dot && strlen(dot) == 7 && (strstr(e->d_name, ".html.") || strstr(e->d_name, ".json.") || strstr(e->d_name, ".atom."));
        const char *path = ours ? file_join(arena, folder, e->d_name) : NULL;
        if (path && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && clock_wall_ms() - st.st_mtim.tv_sec * MS_SECOND > LEFT_OVER_MS)
            (void)unlink(path);
    }
    if (dir)
        closedir(dir);
}

bool page_write(const char *folder, const struct page_files *files, size_t *ret_written, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    size_t written = 0;
    for (size_t i = 0; i < files->n; i++) {
        const struct page_file *file = &files->p[i];
        const char *name = file_name_of(file->path);
        if (same(name, "index.html") || same(name, "status.json")) /* one of each folder that has many writings */
            sweep(arena, file_join(arena, folder, arena_strndup(arena, file->path, (size_t)(name - file->path))));
        if (lies_there(arena, folder, file))
            continue;
        if (!make_folders(arena, folder, file->path, err) || !file_write(file_join(arena, folder, file->path), file->text.p, file->text.n, 0644, err))
            return err_prefix(err, "status page in \"%s\"", folder);
        written++;
    }
    *ret_written = written;
    return true;
}

static bool tells_time(const char *path)
{
    const char *name = file_name_of(path);
    return same(name, "index.html") || same(name, "history.html") || same(name, "summary.json") || same(name, "status.json");
}

size_t page_compare(struct arena *arena, const char *folder, const struct page_files *files)
{
    size_t alike = 0;
    for (size_t i = 0; i < files->n; i++)
        alike += tells_time(files->p[i].path) ? file_exists(file_join(arena, folder, files->p[i].path)) : lies_there(arena, folder, &files->p[i]);
    return alike;
}
