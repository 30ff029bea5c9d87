/* timeline.c - a timeline as a table. SPDX-License-Identifier: MIT */
#include "timeline.h"

#include <stdbool.h>
#include <string.h>

#include "cli.h"

const char *stf_timeline_phase_words(const json_t *phase)
{
    static const struct {
        const char *name, *words;
    } phases[] = {
        {"holder_lost", "holder lost"},
        {"address_removed", "address removed"},
        {"sas_deleted", "SAs deleted"},
        {"negotiation_begins", "negotiation begins"},
        {"address_on_new_node", "address on the new node"},
        {"sas_up", "SAs up"},
        {"first_answer", "first answer"},
    };
    const char *name = stf_cli_text(phase, "name");
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        if (strcmp(name, phases[i].name) == 0)
            return phases[i].words;
    return name;
}

static void print_ms(const json_t *doc, const char *key, FILE *stream)
{
    const json_t *value = json_object_get(doc, key);
    if (value)
        fprintf(stream, "%9.1f", (double)json_integer_value(value) / 1000);
    else
        fprintf(stream, "%9s", "-");
}

static bool has_medians_in(const json_t *phases)
{
    size_t i;
    json_t *phase;
    json_array_foreach (phases, i, phase)
        if (json_object_get(phase, "median_us"))
            return true;
    return false;
}

static void print_phase(const json_t *phase, bool has_medians, FILE *stream)
{
    fputs("    ", stream);
    print_ms(phase, "at_us", stream);
    print_ms(phase, "duration_us", stream);
    if (has_medians)
        print_ms(phase, "median_us", stream);
    fprintf(stream, "  %-25s", stf_timeline_phase_words(phase));
    if (json_is_true(json_object_get(phase, "seen")))
        fprintf(stream, "%-10s %s: %s\n", stf_cli_text(phase, "host"), stf_cli_text(phase, "source"),
                stf_cli_text(phase, "event"));
    else
        fputs("not seen\n", stream);
}

void stf_timeline_print(const json_t *timeline, FILE *stream)
{
    size_t i;
    json_t *each;
    const json_t *phases = json_object_get(timeline, "phases");
    bool has_medians = has_medians_in(phases);
    fprintf(stream, "    %9s%9s%s\n", "at ms", "+ ms", has_medians ? "   median" : "");
    json_array_foreach (phases, i, each)
        print_phase(each, has_medians, stream);
    fprintf(stream, "    %s\n", stf_cli_text(timeline, "summary"));
    json_array_foreach (json_object_get(timeline, "gaps"), i, each)
        fprintf(stream, "    not heard to the end: %s of %s: %s\n", stf_cli_text(each, "source"),
                stf_cli_text(each, "host"), stf_cli_text(each, "reason"));
}
