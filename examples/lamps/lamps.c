/* lamps.c - a program of somebody else: its own binding, a playbook on it, planned, run, and undone when it
 * fails. Uses nothing but the public header. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <staffetta/staffetta.h>

/* ---- the binding: lamps with a level; the program's own state stands for the world ---- */

struct lamp {
    const char *host;
    json_int_t level;
};

static struct lamp lamps[] = {{"lamp-1", 0}, {"lamp-2", 0}};

static struct lamp *lamp_of(const struct stf_host *host)
{
    for (size_t i = 0; i < sizeof lamps / sizeof *lamps; i++)
        if (strcmp(lamps[i].host, host->name) == 0)
            return &lamps[i];
    return NULL;
}

static enum stf_kind lamps_sum(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    (void)self, (void)host;
    json_int_t sum = 0;
    size_t index;
    json_t *number;
    json_array_foreach (json_object_get(args, "numbers"), index, number)
        sum += json_integer_value(number);
    *result = json_pack("{s:I}", "sum", sum);
    return *result ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "lamps.sum", NULL, "not enough memory");
}

static enum stf_kind level_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                struct stf_err *err)
{
    (void)self, (void)id;
    const struct lamp *lamp = lamp_of(host);
    if (!lamp)
        return stf_err_set(err, STF_NOT_FOUND, 0, "lamps.level", host->name, "%s has no lamp", host->name);
    *state = json_pack("{s:I}", "level", lamp->level);
    return STF_OK;
}

static enum stf_kind level_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                 struct stf_err *err)
{
    (void)self, (void)id, (void)err;
    lamp_of(host)->level = json_integer_value(json_object_get(state, "level"));
    return STF_OK;
}

static const struct stf_verb verbs[] = {{"lamps.sum", "lamps.read", lamps_sum}, {NULL, NULL, NULL}};
static const struct stf_resource resources[] = {{"lamps.level", "lamps.write", level_read, level_write, NULL},
                                                {NULL, NULL, NULL, NULL, NULL}};
static const struct stf_binding lamps_binding = {.name = "lamps", .verbs = verbs, .resources = resources};

/* ---- the program ---- */

static void fail(const char *what, const struct stf_err *err)
{
    fprintf(stderr, "lamps: %s: %s\n", what, err ? err->message : "not as expected");
    exit(1);
}

static void expect(bool is_so, const char *what)
{
    if (!is_so)
        fail(what, NULL);
}

static void count_events(void *user, const json_t *event)
{
    (void)event;
    ++*(int *)user;
}

static json_t *run(struct stf_runtime *runtime, enum stf_run_mode mode, json_t *params, int *events)
{
    struct stf_err err;
    json_t *report;
    struct stf_run_options options = {
        .playbook = "brighten", .mode = mode, .params = params, .on_event = count_events, .user = events};
    if (stf_runtime_run(runtime, &options, &report, &err) != STF_OK)
        fail("run", &err);
    json_decref(params);
    return report;
}

static void expect_state(json_t *report, const char *state)
{
    expect(strcmp(json_string_value(json_object_get(report, "state")), state) == 0, state);
    json_decref(report);
}

int main(int argc, char **argv)
{
    expect(argc == 2, "usage: lamps SITE");
    char state_dir[] = "/tmp/staffetta-embed-XXXXXX";
    expect(mkdtemp(state_dir) != NULL, "a folder for the journal");
    struct stf_runtime_options options = {.site_dir = argv[1], .state_dir = state_dir};
    struct stf_runtime *runtime;
    struct stf_err err;
    if (stf_runtime_open(&options, &runtime, &err) != STF_OK)
        fail("open", &err);
    if (stf_runtime_add_binding(runtime, &lamps_binding, &err) != STF_OK)
        fail("add binding", &err);
    expect(stf_runtime_add_binding(runtime, &lamps_binding, &err) == STF_CONFLICT, "a name is taken only once");

    int events = 0;
    json_t *plan = run(runtime, STF_RUN_PLAN, json_pack("{s:i}", "level", 7), &events);
    expect(json_array_size(json_object_get(json_object_get(plan, "plan"), "changes")) == 2, "two changes planned");
    expect_state(plan, "done");
    expect(lamps[0].level == 0 && lamps[1].level == 0, "a plan changes nothing");
    expect(events > 0, "events were told");

    expect_state(run(runtime, STF_RUN_APPLY, json_pack("{s:s}", "level", "7"), &events), "done");
    expect(lamps[0].level == 7 && lamps[1].level == 7, "both lamps are set");

    expect_state(run(runtime, STF_RUN_APPLY, json_pack("{s:i, s:b}", "level", 3, "fails", 1), &events), "rolled_back");
    expect(lamps[0].level == 7 && lamps[1].level == 7, "a failed run has put both lamps back");

    struct stf_run_options wrong = {.playbook = "brigthen"};
    json_t *report;
    expect(stf_runtime_run(runtime, &wrong, &report, &err) == STF_NOT_FOUND && !report, "no such playbook");

    stf_runtime_close(runtime);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", state_dir);
    expect(system(command) == 0, "the journal's folder is removed");
    puts("1 passed, 0 failed");
    return 0;
}
