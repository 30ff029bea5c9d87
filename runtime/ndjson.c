/* ndjson.c - a run for a program: one JSON object a line on standard output, as things happen. Must never print
 * anything else there. SPDX-License-Identifier: MIT */
#include "ndjson.h"

#include <stdio.h>

#include "cli.h"
#include "common/clock.h"

/* Steals what is to be in the line. */
static void print_line(json_t *members)
{
    json_t *line = json_pack("{s:i, s:I, s:O}", "api", STF_NDJSON_API, "at_unix_ms", (json_int_t)stf_clock_unix_ms(),
                             "event", json_object_get(members, "event"));
    json_object_update(line, members);
    json_dumpf(line, stdout, JSON_COMPACT | (stf_output_is_ascii(stdout) ? JSON_ENSURE_ASCII : 0));
    putchar('\n');
    fflush(stdout);
    json_decref(line);
    json_decref(members);
}

void stf_ndjson_event(void *user, const json_t *event)
{
    (void)user;
    print_line(json_copy((json_t *)event));
}

void stf_ndjson_end(const json_t *report, int exit_code)
{
    static const char *const copied[] = {
        "run",   "playbook", "mode",           "state", "verdict",        "counts",
        "error", "drift",    "rollback_error", "hosts", "is_interrupted", "duration_ms"};
    json_t *line = json_pack("{s:s, s:i}", "event", "end", "exit_code", exit_code);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        json_t *member = json_object_get(report, copied[i]);
        if (member)
            json_object_set(line, copied[i], member);
    }
    const json_t *plan = json_object_get(report, "plan");
    if (plan)
        json_object_set_new(line, "planned_changes",
                            json_integer((json_int_t)json_array_size(json_object_get(plan, "changes"))));
    print_line(line);
}

void stf_ndjson_error(const json_t *error)
{
    print_line(json_pack("{s:s, s:O}", "event", "error", "error", error));
}
