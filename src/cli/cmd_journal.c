/* cli/cmd_journal.c -- The journal itself: is it whole, and what is in it. */
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "cli/command.h"
#include "record/journal.h"
#include "record/story.h"

extern const struct command cmd_journal;

enum { ROW_MAX = 4 * 1024 * 1024, FOLLOW_MS = 200 };

/* ---- verify ---- */

static int print_verified(const struct err *err, int64_t checked, const char *head, int64_t head_seq)
{
    SCOPED(buf_done) struct buf out = {.max = 8192};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_bool(&j, "whole", err == NULL);
    json_put_int(&j, "records", checked);
    json_put_text(&j, "head", head);
    json_key(&j, "head_file_seq");
    if (head_seq)
        json_int(&j, head_seq);
    else
        json_null(&j);
    if (err)
        json_put_text(&j, "error", err->message);
    json_object_end(&j);
    buf_putc(&out, '\n');
    int status = cli_print(&out);
    return err ? cli_fail(err) : status;
}

static int run_verify(struct cli *cli)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    int64_t checked = 0, head_seq = 0;
    char head[65], in_file[65];
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, &err))
        return cli_fail(&err);
    bool whole = journal_verify(journal, &checked, head, &err);
    if (!journal_head(journal, &head_seq, in_file))
        head_seq = 0;
    if (cli->json)
        return print_verified(whole ? NULL : &err, checked, head, head_seq);
    if (!whole) {
        fprintf(stderr, _("sound records before the fault: %" PRId64 "\n"), checked);
        return cli_fail(&err);
    }
    printf("%s✓%s ", cli_green(cli), cli_plain(cli));
    printf(_("the chain is whole; records: %" PRId64 ", head: %s\n"), checked, head);
    if (!head_seq && checked)
        printf("  %s\n", _("journal.head is missing or unreadable: rows cut off at the end could not be missed"));
    return 0;
}

/* ---- show ---- */

struct showing {
    struct cli *cli;
    int64_t last;
    bool broken; /* nobody reads any more */
};

static bool show_row(void *arg, const struct record *record)
{
    struct showing *s = arg;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf out = {.max = ROW_MAX};
    if (s->cli->json) {
        struct jsonout j = jsonout(&out);
        story_record_json(&j, record);
        buf_putc(&out, '\n');
    } else {
        buf_printf(&out, "#%-6" PRId64 " %s  %-19s %s\n", record->seq, moment_iso(a, record->wall_ms),
                   record->is_order ? order_name((enum order_kind)record->kind) : event_name((enum event_kind)record->kind),
                   story_sentence(a, record, s->cli->language));
    }
    s->last = record->seq;
    s->broken = fwrite(buf_text(&out), 1, out.n, stdout) != out.n;
    return !s->broken;
}

/* Until the reader is gone or a signal comes. */
static bool follow(struct journal *journal, struct showing *s, int64_t incident, struct err *err)
{
    struct pollfd reader = {.fd = STDOUT_FILENO};
    while (!s->broken && fflush(stdout) == 0) {
        if (poll(&reader, 1, FOLLOW_MS) > 0)
            return true;
        if (journal_changed(journal) && !journal_read(journal, s->last, incident, show_row, s, err))
            return false;
    }
    return true;
}

static int run_show(struct cli *cli, int argc, char **argv)
{
    struct showing s = {.cli = cli};
    SCOPED(journal_close) struct journal *journal = NULL;
    struct err err = {0};
    int64_t incident = 0;
    bool follows = false;
    for (int i = 2; i < argc; i++) {
        int64_t *number = same(argv[i], "--after") ? &s.last : same(argv[i], "--incident") ? &incident : NULL;
        if (same(argv[i], "--follow"))
            follows = true;
        else if (!number)
            return cli_usage(&cmd_journal, _("unknown argument \"%s\""), argv[i]);
        else if (++i >= argc || !str_int(str_of(argv[i]), number) || *number < 0)
            return cli_usage(&cmd_journal, _("option \"%s\" wants a number"), argv[i - 1]);
    }
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, &err))
        return cli_fail(&err);
    (void)journal_changed(journal);
    bool ok = journal_read(journal, s.last, incident, show_row, &s, &err) && (!follows || follow(journal, &s, incident, &err));
    if (fflush(stdout) != 0 || s.broken)
        return err_exit_status(ERR_IO);
    return ok ? 0 : cli_fail(&err);
}

static int run_journal(struct cli *cli, int argc, char **argv)
{
    if (argc >= 2 && same(argv[1], "show"))
        return run_show(cli, argc, argv);
    if (argc == 2 && same(argv[1], "verify"))
        return run_verify(cli);
    return cli_usage(&cmd_journal, "%s", argc < 2 ? _("a subcommand is missing") : _("verify and show are the subcommands"));
}

const struct command cmd_journal = {
    .name = "journal",
    .usage = "journal verify | show [--after SEQ] [--incident N] [--follow]",
    .summary = N_("checks that the journal is whole, and prints its records"),
    .details = N_("verify computes the chain of hashes from the first record and names the first one that was altered or is missing;\n"
                  "docs/journal.md says how to do the same without this program. show prints one line a record, with --json one\n"
                  "object a line, every field in it; --follow goes on as records are appended."),
    .wants_config = true,
    .run = run_journal,
};
