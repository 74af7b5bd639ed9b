/* agent/lost.c -- What a primary that has ended wrote after another had parted from it: committed here, and on no other machine. It is read for whoever
   asks, as often as they ask, one at a time. */
#include "agent/agent_internal.h"

#include "base/jsonout.h"
#include "io/parted.h"
#include "io/standing.h"
#include "sys/file.h"
#include "sys/proc.h"

#include "base/banned.h"

enum { READ_MS = 60 * 1000, SAID_MAX = 4096, ANSWER_MAX = 1024 };

static const char script[] = "w=$1 g=$2; shift 2\n" PARTED_SCRIPT;

static void on_read(void *arg, const struct proc_result *result)
{
    struct agent *a = arg;
    struct httpd_request *r = TAKE(a->lost.asked);
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(buf_done) struct buf out = {.max = ANSWER_MAX};
    struct jsonout j = jsonout(&out);
    struct parted parted;
    struct err err = {0};
    a->lost.reader = NULL;
    bool ok = proc_ok(result) ? parted_parse(result->out, result->err, a->lost.fork, &parted, &err)
                              : err_set(&err, result->end == PROC_EXITED ? ERR_DATA : ERR_FAILED, "its log was not read (%s): %.*s", result->why, (int)MIN_OF(result->err.n, 200), result->err.p);
    if (postmaster_pid(a->postmaster))
        ok = err_set(&err, ERR_REFUSED, "PostgreSQL was started here meanwhile");
    if (!ok) {
        answer_error(r, (unsigned)err_http_status(err.code), err.message);
        return;
    }
    json_object(&j);
    json_put_text(&j, "fork", lsn_print(arena, parted.fork));
    json_put_text(&j, "end", lsn_print(arena, parted.end));
    json_put_int(&j, "transactions", parted.transactions);
    json_put_int(&j, "probes", parted.probes);
    json_object_end(&j);
    answer_json(r, buf_str(&out));
}

bool lost_read(struct agent *a, struct httpd_request *request, int64_t timeline, uint64_t fork, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *data = a->spec->site->database.data_directory, *words[PARTED_WORDS];
    if (a->lost.reader)
        return err_set(err, ERR_UNAVAILABLE, "its log is being read for somebody else");
    if (postmaster_pid(a->postmaster))
        return agent_is_standby(a) ? err_set(err, ERR_DATA, "its data follows another by now")
                                   : err_set(err, ERR_UNAVAILABLE, "PostgreSQL runs here: what it wrote is all there only when it has ended");
    parted_words(arena, timeline, fork, words);
    const char *argv[6 + PARTED_WORDS + 1] = {"sh", "-c", script, "sh", file_join(arena, a->spec->site->agent.pg_bindir, "pg_waldump"), file_join(arena, data, "pg_wal")};
    memcpy(&argv[6], words, sizeof(words));
    struct proc_spec spec = {.argv = argv, .timeout_ms = READ_MS, .output_max = SAID_MAX};
    if (!proc_start(a->loop, &spec, on_read, a, &a->lost.reader, err)) {
        a->lost.reader = NULL;
        return false;
    }
    a->lost.asked = request;
    a->lost.fork = fork;
    return true;
}

void lost_end(struct agent *a)
{
    proc_abandon(&a->lost.reader);
}
