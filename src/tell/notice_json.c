/* tell/notice_json.c -- One member after the other. */
#include "tell/notice_json.h"

#include "model/names.h"
#include "tell/handover.h"

enum { LINE_MAX_CHARACTERS = 1024 };

void notice_put_json(struct jsonout *j, const struct notice *n, size_t body_max)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    json_put_text(j, "id", notice_identity(a, n));
    json_put_text(j, "key", n->key);
    json_put_text(j, "time", moment_iso(a, n->wall_ms));
    json_put_bool(j, "test", n->test);
    json_put_int(j, "incident", n->incident);
    json_put_text(j, "thread", n->thread ? text_cut(a, n->thread, LINE_MAX_CHARACTERS) : NULL);
    json_put_text(j, "service", n->service);
    json_put_text(j, "severity", n->severity >= 0 && n->severity < SEVERITY_MAX ? severity_name((enum severity)n->severity) : NULL);
    json_put_text(j, "stage", n->stage);
    json_put_text(j, "phase", n->phase);
    json_put_text(j, "contact", n->contact);
    json_put_text(j, "channel", n->channel);
    json_put_text(j, "address", n->address && *n->address ? n->address : NULL);
    json_put_text(j, "subject", text_cut(a, n->subject, LINE_MAX_CHARACTERS));
    json_put_text(j, "brief", text_cut(a, n->brief ? n->brief : n->subject, LINE_MAX_CHARACTERS));
    json_put_text(j, "body", text_cut(a, n->body, body_max));
    json_put_int(j, "attempt", n->attempts);
}

char *notice_type(struct arena *arena, const struct notice *notice)
{
    return notice->phase ? arena_printf(arena, "public.%s", notice->phase) : arena_strdup(arena, notice->stage);
}
