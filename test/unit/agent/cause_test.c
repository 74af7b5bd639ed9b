/* cause_test.c -- Ends of a PostgreSQL as its log tells of them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>

#include "agent/cause.h"

static const struct postmaster_end exited = {.known = true, .exit_code = 1}, killed = {.known = true, .exit_code = -1, .signal = SIGKILL},
                                   aborted = {.known = true, .exit_code = -1, .signal = SIGABRT}, unknown = {.exit_code = -1};

static void causes_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const struct postmaster_end *end;
        const char *log;
        bool oom, came_up;
        enum agent_cause cause;
        const char *says;
    } cases[] = {
        {&killed, "LOG:  database system is ready\n", false, true, CAUSE_KILLED, "signal 9 (Killed)"},
        {&killed, "", true, true, CAUSE_OOM, "out of memory"},
        {&exited, "", false, false, CAUSE_CANNOT_START, "exit code 1"},
        {&exited, "", false, true, CAUSE_KILLED, "exit code 1"},
        {&unknown, "", false, true, CAUSE_KILLED, "not known"},
        {&exited, "LOG:  could not bind IPv4 address \"127.0.0.1\": Address already in use\nFATAL:  could not create any TCP/IP sockets\n", false, false, CAUSE_CANNOT_START, "could not bind"},
        {&exited, "LOG:  unrecognized configuration parameter \"x\" in file \"/d/postgresql.conf\" line 1\nFATAL:  configuration file \"/d/postgresql.conf\" contains errors\n", false, false,
         CAUSE_CONFIGURATION, "unrecognized configuration parameter"},
        {&aborted, "PANIC:  could not write to file \"pg_wal/xlogtemp.1\": No space left on device\nLOG:  startup process (PID 2) was terminated by signal 6\n", false, true, CAUSE_DISK_FULL,
         "No space left"},
        {&exited, "FATAL:  could not write lock file \"postmaster.pid\": No space left on device\n", false, false, CAUSE_DISK_FULL, "No space left"},
        {&aborted, "PANIC:  could not locate a valid checkpoint record\n", false, false, CAUSE_CORRUPTION, "checkpoint record"},
        {&exited, "postgres: could not find the database system\nExpected to find it in the directory \"/d\",\nbut could not open file \"/d/global/pg_control\": No such file or directory\n",
         false, false, CAUSE_CORRUPTION, "could not find the database system"},
        /* A session's own trouble is not the server's. */
        {&killed, "ERROR:  out of memory\nERROR:  could not extend file: No space left on device\n", false, true, CAUSE_KILLED, "signal 9"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char why[512] = "";
        assert_string_equal(cause_name(cause_of(cases[i].end, str_of(cases[i].log), cases[i].oom, cases[i].came_up, why, sizeof(why))), cause_name(cases[i].cause));
        if (!strstr(why, cases[i].says))
            fail_msg("\"%s\" does not say \"%s\"", why, cases[i].says);
    }
}

static void what_no_restart_mends_is_not_restarted(void **state)
{
    (void)state;
    assert_true(cause_mends(CAUSE_KILLED) && cause_mends(CAUSE_OOM) && cause_mends(CAUSE_CANNOT_START));
    assert_false(cause_mends(CAUSE_DISK_FULL) || cause_mends(CAUSE_CORRUPTION) || cause_mends(CAUSE_CONFIGURATION) || cause_mends(CAUSE_CRASH_LOOP));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes_are_told_apart),
        cmocka_unit_test(what_no_restart_mends_is_not_restarted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
