/* config/templates.c -- Template files are text and no YAML: what they may say is known to the room that fills them. */
#include "config/templates.h"

#include <dirent.h>
#include <errno.h>

#include "config/rules.h"
#include "sys/file.h"

enum { FILES_MAX = 200, FILE_MAX = 64 * 1024 };
#define ENDING ".mustache"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the files, in order; false when the folder cannot be read. */
static bool list_files(struct arena *arena, const char *folder, struct strs *ret, struct err *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return err_os(err, errno, "could not open folder \"%s\"", folder);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (*entry->d_name != '.' && n > strlen(ENDING) && same(entry->d_name + n - strlen(ENDING), ENDING))
            *vec_add(arena, ret) = arena_strdup(arena, entry->d_name);
    }
    closedir(dir);
    if (ret->n)
        qsort(ret->p, ret->n, sizeof(*ret->p), by_name); /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    return true;
}

static void load_one(struct walk *w, struct config *config, const char *file)
{
    const char *path = file_join(w->arena, config->templates_dir, file);
    struct str text;
    struct err err = {0};
    if (!file_read(w->arena, path, FILE_MAX, &text, &err)) {
        rule_failed(w, &config->templates_dir, config, &err);
    } else if (!str_is_clean(text)) {
        rule_error(w, &config->templates_dir, config, "\"%s\" holds characters that are not text", path)->hint =
            "it must be UTF-8, with lines that end in LF alone";
    } else {
        struct message_template *t = vec_add(w->arena, &config->templates);
        *t = (struct message_template){.mark = {.file = path, .line = 1, .column = 1},
                                       .name = arena_strndup(w->arena, file, strlen(file) - strlen(ENDING)),
                                       .text = text.p};
    }
}

void templates_load(struct walk *w, struct config *config)
{
    struct strs files = {0};
    struct err err = {0};
    if (!config->templates_dir)
        return;
    if (!list_files(w->arena, config->templates_dir, &files, &err)) {
        rule_failed(w, &config->templates_dir, config, &err);
        return;
    }
    if (files.n > FILES_MAX)
        rule_error(w, &config->templates_dir, config, "there are %zu templates in \"%s\"; at most %d are read", files.n, config->templates_dir, FILES_MAX);
    for (size_t i = 0; i < files.n && i < FILES_MAX; i++)
        load_one(w, config, files.p[i]);
}

void templates_check(struct walk *w, const struct config *config)
{
    for (size_t i = 0; w->hooks->template_valid && i < config->templates.n; i++) {
        struct err err = {0};
        if (!w->hooks->template_valid(config, &config->templates.p[i], &err))
            rule_failed(w, &config->templates_dir, config, &err);
    }
}
