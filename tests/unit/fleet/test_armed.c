/* test_armed.c - what an undo that is due does with what it finds: puts back what the run wrote, also where a reboot
 * has left it on disk but out of effect, and leaves what somebody else wrote. SPDX-License-Identifier: MIT */
#include "fleet/armed.h"

#include "../common/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOTHING "null"
#define FIRST "{\"ports\":[110]}"
#define FIRST_OUT_OF_EFFECT "{\"loaded\":false,\"ports\":[110]}"
#define SECOND "{\"ports\":[143]}"
#define SECOND_OUT_OF_EFFECT "{\"loaded\":false,\"ports\":[143]}"
#define FOREIGN "{\"loaded\":false,\"ports\":[25]}"
#define NO_PATH "{\"has_path\":false}"
#define PATH_ONLY "{\"has_path\":true}"

static char dir[64];
static char armed_path[96];
static char undone_path[96];
static char *standing; /* the state of the one thing there is, as text; what it is called does not matter */

static void stand(json_t *state)
{
    free(standing);
    standing = json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

static enum stf_kind read_item(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                               struct stf_err *err)
{
    (void)self;
    (void)host;
    (void)id;
    (void)err;
    *state = json_loads(standing, JSON_DECODE_ANY, NULL);
    return STF_OK;
}

static enum stf_kind write_item(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                struct stf_err *err)
{
    (void)self;
    (void)host;
    (void)id;
    (void)err;
    stand((json_t *)state);
    return STF_OK;
}

static char *describe_item(const json_t *id, const json_t *state)
{
    (void)id;
    return strdup(json_object_get(state, "has_path") ? "absent" : "there");
}

static const struct stf_resource resources[] = {
    {"box.item", "box.write", read_item, write_item, describe_item},
    {NULL, NULL, NULL, NULL, NULL},
};
static const struct stf_binding box = {.name = "box", .resources = resources};
static const struct stf_binding *const bindings[] = {&box, NULL};

static json_t *parse(const char *text)
{
    json_t *document = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(document);
    return document;
}

/* The undo of changes that lead from each of `states` to the next, armed before the host's last boot; NULL ends them.
 */
static void arm(const char *const *states)
{
    FILE *file = fopen(armed_path, "w");
    assert_non_null(file);
    fprintf(file, "{\"boot\":\"another\",\"due_ms\":0,\"host\":\"web1\"}\n");
    for (; states[1]; states++)
        fprintf(file,
                "{\"after\":%s,\"before\":%s,\"boot\":\"another\",\"due_ms\":0,\"id\":{},\"resource\":\"box.item\"}\n",
                states[1], states[0]);
    assert_int_equal(fclose(file), 0);
}

/* What became of the changes, newest first: "undone nothing". */
static void read_outcomes(char *text, size_t size)
{
    size_t i, used = 0;
    json_t *item, *document = json_load_file(undone_path, 0, NULL);
    json_array_foreach (json_object_get(document, "items"), i, item)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "",
                                 json_string_value(json_object_get(item, "outcome")));
    json_decref(document);
}

static void expect(const char *const *states, const char *now, const char *outcomes, const char *left)
{
    char found[64] = "";
    struct stf_err err = {0};
    json_t *state = parse(now), *expected = parse(left);
    arm(states);
    stand(state);
    json_decref(state);
    if (stf_armed_wait(armed_path, bindings, &err) != STF_OK)
        fail_msg("%s", err.message);
    read_outcomes(found, sizeof found);
    assert_string_equal(found, outcomes);
    state = parse(standing);
    assert_true(json_equal(state, expected));
    json_decref(state);
    json_decref(expected);
    assert_int_not_equal(access(armed_path, F_OK), 0);
}

static void test_what_the_run_wrote_is_put_back(void **state)
{
    (void)state;
    expect((const char *const[]){NOTHING, FIRST, NULL}, FIRST, "undone", NOTHING);
    expect((const char *const[]){NOTHING, FIRST, NULL}, NOTHING, "nothing", NOTHING);
    expect((const char *const[]){NOTHING, FIRST, SECOND, NULL}, SECOND, "undone undone", NOTHING);
    expect((const char *const[]){NOTHING, FIRST, SECOND, NULL}, FIRST, "nothing undone", NOTHING);
}

static void test_a_reboot_takes_it_out_of_effect(void **state)
{
    (void)state;
    expect((const char *const[]){NOTHING, FIRST, NULL}, FIRST_OUT_OF_EFFECT, "undone", NOTHING);
    expect((const char *const[]){FIRST, SECOND, NULL}, SECOND_OUT_OF_EFFECT, "undone", FIRST);
    expect((const char *const[]){FIRST, NOTHING, NULL}, FIRST_OUT_OF_EFFECT, "undone", FIRST);
    expect((const char *const[]){NOTHING, FIRST, SECOND, NULL}, SECOND_OUT_OF_EFFECT, "undone undone", NOTHING);
}

static void test_what_somebody_else_wrote_is_left(void **state)
{
    (void)state;
    expect((const char *const[]){NOTHING, FIRST, NULL}, SECOND, "left", SECOND);
    expect((const char *const[]){NOTHING, FIRST, NULL}, FOREIGN, "left", FOREIGN);
    expect((const char *const[]){FIRST, SECOND, NULL}, NOTHING, "left", NOTHING);
}

/* The undoing of other changes alters how much of the path to an absent thing there is. */
static void test_absent_is_absent_whatever_the_path(void **state)
{
    (void)state;
    expect((const char *const[]){FIRST, PATH_ONLY, NULL}, NO_PATH, "undone", FIRST);
    expect((const char *const[]){PATH_ONLY, FIRST, NULL}, NO_PATH, "left", NO_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_run_wrote_is_put_back),
        cmocka_unit_test(test_a_reboot_takes_it_out_of_effect),
        cmocka_unit_test(test_what_somebody_else_wrote_is_left),
        cmocka_unit_test(test_absent_is_absent_whatever_the_path),
    };
    snprintf(dir, sizeof dir, "/tmp/stf-test-armed-%d", (int)getpid());
    snprintf(armed_path, sizeof armed_path, "%s/7-web1.armed", dir);
    snprintf(undone_path, sizeof undone_path, "%s/7-web1.undone", dir);
    scratch_start("rm -rf %s", dir);
    if (!scratch_sh("mkdir %s", dir))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(standing);
    return failed;
}
