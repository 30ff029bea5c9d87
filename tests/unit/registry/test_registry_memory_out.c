/* test_registry_memory_out.c - memory runs out at every place where the registry asks for some: the call says so,
 * leaves the stores as they were, and leaks nothing (built with the address sanitizer). SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <errno.h>
#include <jansson.h>

#include <staffetta/binding.h>

#include "common/doc.h"
#include "fail_alloc.h"
#include "registry/diff.h"
#include "registry/import.h"
#include "registry/place.h"
#include "registry/snapshot.h"
#include "registry/tree.h"

#define HIVE_KEY "HKLM\\SYSTEM\\Test"
#define REG_KEY "HKLM\\SOFTWARE\\Test"

static const char reg_text[] = "Windows Registry Editor Version 5.00\r\n\r\n"
                               "[HKEY_LOCAL_MACHINE\\SYSTEM\\Test]\r\n\"value\"=dword:00000007\r\n\"gone\"=-\r\n"
                               "\"list\"=hex(7):61,00,00,00,00,00\r\n\r\n"
                               "[-HKEY_LOCAL_MACHINE\\SYSTEM\\Test\\Below]\r\n\r\n"
                               "[HKEY_LOCAL_MACHINE\\SYSTEM\\Test\\New\\Key]\r\n@=\"x\"\r\n";

static const char store_text[] = "Windows Registry Editor Version 5.00\r\n\r\n"
                                 "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Test]\r\n\"Value\"=\"x\"\r\n\r\n"
                                 "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Test\\Below]\r\n\"deep\"=dword:00000001\r\n";

struct world {
    json_t *config;
    struct stf_host host;
    json_t *patch_id; /* of reg_text on the hive */
    json_t *before;   /* what the hive has there */
    json_t *snapshot;
    json_t *given; /* members of attempts that no table can hold */
    json_t *id;    /* of the attempt at hand, and the state that it writes */
    json_t *state;
    bool parses_json; /* it has jansson parse a text, which takes some allocations that fail for mistakes in the text */
};

/* ---- what is tried ---- */

/* Which of the binding's table has been tried, so that none is left out. */
static bool tried_verbs[16];
static struct {
    bool read;
    bool write;
    bool describe;
} tried_resources[16];

/* NULL when it is no verb. */
static const struct stf_verb *verb_named(const char *name)
{
    const struct stf_verb *verb = stf_registry_binding.verbs;

    while (verb->name != NULL && strcmp(verb->name, name) != 0)
        verb++;
    return verb->name != NULL ? verb : NULL;
}

static size_t resource_index(const char *name)
{
    size_t i = 0;

    while (strcmp(stf_registry_binding.resources[i].name, name) != 0)
        i++;
    return i;
}

/* A binding that keeps no patch from an earlier attempt. */
static void *open_binding(struct stf_err *err)
{
    void *self = stf_registry_binding.open();

    if (self == NULL)
        stf_err_set(err, STF_NO_MEMORY, 0, "open", NULL, "memory is out");
    return self;
}

static enum stf_kind call(const struct world *world, const struct stf_verb *verb, const json_t *args, json_t **result,
                          struct stf_err *err)
{
    void *self = open_binding(err);
    enum stf_kind kind = STF_NO_MEMORY;

    if (self != NULL) {
        kind = verb->call(self, &world->host, args, result, err);
        stf_registry_binding.close(self);
    }
    tried_verbs[verb - stf_registry_binding.verbs] = true;
    return kind;
}

static enum stf_kind read_state(const struct world *world, const char *name, const json_t *id, json_t **state,
                                struct stf_err *err)
{
    size_t i = resource_index(name);
    void *self = open_binding(err);
    enum stf_kind kind = STF_NO_MEMORY;

    if (self != NULL) {
        kind = stf_registry_binding.resources[i].read(self, &world->host, id, state, err);
        stf_registry_binding.close(self);
    }
    tried_resources[i].read = true;
    return kind;
}

static enum stf_kind write_state(const struct world *world, const char *name, const json_t *id, const json_t *state,
                                 struct stf_err *err)
{
    size_t i = resource_index(name);
    void *self = open_binding(err);
    enum stf_kind kind = STF_NO_MEMORY;

    if (self != NULL) {
        kind = stf_registry_binding.resources[i].write(self, &world->host, id, state, err);
        stf_registry_binding.close(self);
    }
    tried_resources[i].write = true;
    return kind;
}

/* One call of the binding; `state` is JSON, NULL for reading. A member of the id that is null is in world.given. */
struct attempt {
    const char *what;
    const char *id;
    const char *state;
};

static const struct attempt attempts[] = {
    {"registry.list", "{\"key\": \"HKLM\\\\SYSTEM\\\\Test\"}", NULL},
    {"registry.tree", "{\"key\": \"HKLM\\\\SYSTEM\"}", NULL},
    {"registry.list", "{\"key\": \"HKLM\\\\SOFTWARE\\\\Test\"}", NULL},
    {"registry.tree", "{\"key\": \"HKLM\"}", NULL},
    {"registry.snapshot", "{\"key\": \"HKLM\\\\SYSTEM\\\\Test\"}", NULL},
    {"registry.diff", "{\"key\": \"HKLM\\\\SOFTWARE\\\\Test\", \"snapshot\": null}", NULL},
    {"registry.import", "{\"data\": null}", NULL},
    {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\Test\", \"name\": \"VALUE\"}", NULL},
    {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\No\\\\Way\", \"name\": \"x\"}", NULL},
    {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\Test\", \"name\": \"value\"}",
     "{\"type\": 1, \"data\": \"0000\"}"},
    {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\A\\\\B\", \"name\": \"x\"}", "{\"type\": 3, \"data\": \"01\"}"},
    {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\Test\", \"name\": \"gone\"}", "null"},
    {"registry.value", "{\"key\": \"HKLM\\\\SOFTWARE\\\\Test\", \"name\": \"v\"}",
     "{\"type\": 4, \"data\": \"01000000\"}"},
    {"registry.value", "{\"key\": \"HKLM\\\\SOFTWARE\\\\Test\", \"name\": \"value\"}", "null"},
    {"registry.key", "{\"key\": \"HKLM\\\\SYSTEM\\\\test\"}", NULL},
    {"registry.key", "{\"key\": \"HKLM\\\\SYSTEM\\\\Test\"}", "null"},
    {"registry.key", "{\"key\": \"HKLM\\\\SYSTEM\\\\test\"}",
     "{\"values\": [{\"name\": \"a\", \"type\": 3, \"data\": \"01\"}], \"keys\": {\"K\": {\"values\": [], \"keys\": "
     "{}}}}"},
    {"registry.key", "{\"key\": \"HKLM\\\\SOFTWARE\\\\Test\"}",
     "{\"values\": [], \"keys\": {\"K\": {\"values\": [], \"keys\": {}}}}"},
    {"registry.presence", "{\"key\": \"HKLM\\\\SYSTEM\\\\X\\\\Y\"}", NULL},
    {"registry.presence", "{\"key\": \"HKLM\\\\SYSTEM\\\\X\\\\Y\"}", "{\"exists\": true}"},
    {"registry.presence", "{\"key\": \"HKLM\\\\SOFTWARE\\\\X\\\\Y\"}", "{\"exists\": true}"},
};

static enum stf_kind try_attempt(struct world *world, size_t index, struct stf_err *err)
{
    const struct attempt *attempt = &attempts[index];
    const struct stf_verb *verb = verb_named(attempt->what);
    json_t *found = NULL;
    enum stf_kind kind = verb != NULL           ? call(world, verb, world->id, &found, err)
                         : world->state != NULL ? write_state(world, attempt->what, world->id, world->state, err)
                                                : read_state(world, attempt->what, world->id, &found, err);

    json_decref(found);
    return kind;
}

static enum stf_kind try_patch_read(struct world *world, size_t index, struct stf_err *err)
{
    json_t *state = NULL;
    enum stf_kind kind = read_state(world, "registry.patch", world->patch_id, &state, err);

    (void)index;
    json_decref(state);
    return kind;
}

/* Applies the patch, or undoes it. */
static enum stf_kind try_patch_write(struct world *world, size_t index, struct stf_err *err)
{
    return write_state(world, "registry.patch", world->patch_id, index == 0 ? json_true() : world->before, err);
}

static enum stf_kind try_patch_make(struct world *world, size_t index, struct stf_err *err)
{
    struct stf_reg_edits edits = {0};
    json_t *changes = NULL;
    void *self = open_binding(err);
    enum stf_kind kind = STF_NO_MEMORY;

    (void)index;
    if (self != NULL) {
        kind = stf_reg_parse(reg_text, sizeof(reg_text) - 1, "a.reg", &edits, err);
        if (kind == STF_OK)
            kind = stf_registry_import(self, &world->host, &edits, &changes, err);
        stf_registry_binding.close(self);
    }
    stf_reg_edits_fini(&edits);
    json_decref(changes);
    return kind;
}

static enum stf_kind open_key(const struct world *world, const char *key, struct stf_registry **registry,
                              const char **below, struct stf_err *err)
{
    struct stf_registry_location location;
    enum stf_kind kind = stf_registry_host_store(&world->host, key, &location, below, err);

    *registry = NULL;
    if (kind == STF_OK)
        kind = stf_registry_location_open(&location, STF_REGISTRY_READ, registry, err);
    stf_registry_location_fini(&location);
    return kind;
}

static enum stf_kind try_export(struct world *world, size_t index, struct stf_err *err)
{
    static const struct stf_reg_format format = {0};
    struct stf_registry *registry;
    const char *below;
    uint8_t *bytes = NULL;
    size_t size;
    enum stf_kind kind = open_key(world, HIVE_KEY, &registry, &below, err);

    (void)index;
    if (kind == STF_OK)
        kind = stf_registry_export_reg(registry, "HKLM\\SYSTEM", below, &format, &bytes, &size, err);
    free(bytes);
    stf_registry_close(registry);
    return kind;
}

static enum stf_kind try_diff(struct world *world, size_t index, struct stf_err *err)
{
    struct stf_registry_side first = {0};
    struct stf_registry_side second = {0};
    struct stf_registry_diff diff = {0};
    struct stf_reg_edits edits = {0};
    json_t *doc = NULL;
    char *text = NULL;
    enum stf_kind kind = open_key(world, HIVE_KEY, &first.registry, &first.key, err);

    (void)index;
    if (kind == STF_OK)
        kind = open_key(world, REG_KEY, &second.registry, &second.key, err);
    if (kind == STF_OK)
        kind = stf_registry_diff(&first, &second, &diff, err);
    if (kind == STF_OK) {
        text = stf_registry_diff_text(&diff, HIVE_KEY);
        kind = text != NULL ? stf_registry_diff_to_doc(&diff, HIVE_KEY, &doc, err) : STF_NO_MEMORY;
    }
    if (kind == STF_OK)
        kind = stf_registry_diff_to_edits(&diff, HIVE_KEY, &edits, err);
    stf_reg_edits_fini(&edits);
    json_decref(doc);
    free(text);
    stf_registry_diff_fini(&diff);
    stf_registry_close(first.registry);
    stf_registry_close(second.registry);
    return kind;
}

static enum stf_kind try_snapshot(struct world *world, size_t index, struct stf_err *err)
{
    const struct stf_registry_snapshot data = {"hive:x", HIVE_KEY, "staffetta",
                                               json_object_get(world->snapshot, "tree")};
    json_t *made = NULL;
    const json_t *tree;
    const char *key;
    enum stf_kind kind = stf_registry_snapshot_make(&data, &made, err);

    (void)index;
    if (kind == STF_OK)
        kind = stf_registry_snapshot_check(made, &key, &tree, err);
    json_decref(made);
    return kind;
}

static enum stf_kind try_location(struct world *world, size_t index, struct stf_err *err)
{
    const struct stf_registry_words words = {.store = "remote:10.0.0.5", .mount = "HKLM\\SYSTEM", .credentials = "c"};
    struct stf_registry_location location;
    json_t *doc = NULL;
    char *full = NULL;
    enum stf_kind kind = stf_registry_location_init(&location, &words, test_folder, err);

    (void)world;
    (void)index;
    if (kind == STF_OK) {
        full = stf_registry_location_full_key(&location, "Select");
        kind = full != NULL ? stf_registry_location_to_doc(&location, &doc, err) : STF_NO_MEMORY;
    }
    json_decref(doc);
    free(full);
    stf_registry_location_fini(&location);
    return kind;
}

/* ---- the trial ---- */

static const char *const files[] = {"SYSTEM", "store.reg"};
enum { FILE_COUNT = sizeof(files) / sizeof(files[0]) };

struct image {
    uint8_t *bytes;
    size_t size;
};

static void take_images(struct image images[FILE_COUNT])
{
    for (size_t i = 0; i < FILE_COUNT; i++)
        images[i].bytes = read_file(in_folder(files[i]), &images[i].size);
}

static void compare_images(const struct image images[FILE_COUNT], const char *what, size_t n)
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        size_t size;
        uint8_t *bytes = read_file(in_folder(files[i]), &size);
        if (size != images[i].size || memcmp(bytes, images[i].bytes, size) != 0)
            fail_msg("%s: %s has changed though allocation %zu failed", what, files[i], n);
        free(bytes);
    }
}

static void put_images(struct image images[FILE_COUNT])
{
    for (size_t i = 0; i < FILE_COUNT; i++) {
        write_file(in_folder(files[i]), images[i].bytes, images[i].size);
        free(images[i].bytes);
    }
}

/* Fails allocation 1, 2, ... until all are had. */
static void run_out(struct world *world, const char *what, size_t index,
                    enum stf_kind (*attempt)(struct world *, size_t, struct stf_err *))
{
    struct image images[FILE_COUNT];
    bool is_reached = true;
    size_t n = 0;

    take_images(images);
    while (is_reached) {
        struct stf_err err = {0};
        enum stf_kind kind;
        stf_fail_alloc_arm(++n);
        kind = attempt(world, index, &err);
        is_reached = stf_fail_alloc_disarm();
        if (is_reached && kind != STF_NO_MEMORY && !(world->parses_json && kind == STF_INVALID_DATA))
            fail_msg("%s: allocation %zu failed, and the kind is %s: %s", what, n, stf_kind_name(kind), err.message);
        if (!is_reached && kind != STF_OK)
            fail_msg("%s: %s: %s", what, stf_kind_name(kind), err.message);
        if (is_reached)
            compare_images(images, what, n);
    }
    assert_true(n > 1);
    put_images(images);
}

static void test_verbs_and_resources(void **state)
{
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        const char *text = attempts[i].state;
        world->id = json_loads(attempts[i].id, 0, NULL);
        json_object_update_existing(world->id, world->given);
        world->parses_json = json_object_get(world->id, "snapshot") != NULL;
        world->state = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        run_out(world, attempts[i].id, i, try_attempt);
        json_decref(world->id);
        json_decref(world->state);
    }
}

static void test_patches(void **state)
{
    struct stf_err err = {0};

    run_out(*state, "make a patch", 0, try_patch_make);
    run_out(*state, "read what it alters", 0, try_patch_read);
    run_out(*state, "write a patch", 0, try_patch_write);
    assert_ok(try_patch_write(*state, 0, &err), &err);
    run_out(*state, "read a patch", 0, try_patch_read);
    run_out(*state, "undo a patch", 1, try_patch_write);
    assert_ok(try_patch_write(*state, 1, &err), &err);
}

static void test_text_differences_and_snapshots(void **state)
{
    run_out(*state, "export", 0, try_export);
    run_out(*state, "diff", 0, try_diff);
    run_out(*state, "snapshot", 0, try_snapshot);
    run_out(*state, "location", 0, try_location);
}

/* A description that can not be had is NULL. */
static void describe(const char *name, const json_t *id, const json_t *state)
{
    size_t i = resource_index(name);
    bool is_reached = true;

    tried_resources[i].describe = true;
    for (size_t n = 1; is_reached; n++) {
        char *text;
        stf_fail_alloc_arm(n);
        text = stf_registry_binding.resources[i].describe(id, state);
        is_reached = stf_fail_alloc_disarm();
        assert_true(is_reached || text != NULL);
        free(text);
    }
}

static void test_descriptions(void **state)
{
    const struct world *world = *state;

    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
        if (attempts[i].state != NULL) {
            json_t *id = json_loads(attempts[i].id, 0, NULL);
            json_t *doc = json_loads(attempts[i].state, JSON_DECODE_ANY, NULL);
            describe(attempts[i].what, id, NULL);
            describe(attempts[i].what, id, doc);
            json_decref(doc);
            json_decref(id);
        }
    }
    describe("registry.patch", world->patch_id, NULL);
    describe("registry.patch", world->patch_id, world->before);
    describe("registry.patch", world->patch_id, json_true());
}

static void test_none_is_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; stf_registry_binding.verbs[i].name != NULL; i++)
        if (!tried_verbs[i])
            fail_msg("%s was not tried", stf_registry_binding.verbs[i].name);
    for (size_t i = 0; stf_registry_binding.resources[i].name != NULL; i++)
        if (!tried_resources[i].read || !tried_resources[i].write || !tried_resources[i].describe)
            fail_msg("%s was not tried in all ways", stf_registry_binding.resources[i].name);
}

/* The text of a snapshot, and .reg text as hex. */
static json_t *make_given(const struct world *world)
{
    json_t *args = json_pack("{s:s}", "key", HIVE_KEY);
    char *hex = stf_hex_from_bytes(reg_text, sizeof(reg_text) - 1);
    json_t *text = NULL;
    struct stf_err err = {0};
    json_t *given;

    assert_ok(call(world, verb_named("registry.snapshot"), args, &text, &err), &err);
    given = json_pack("{s:o, s:s}", "snapshot", text, "data", hex);
    assert_non_null(given);
    free(hex);
    json_decref(args);
    return given;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct stf_registry *registry;
    struct stf_reg_edits edits = {0};
    struct stf_err err = {0};
    json_t *changes = NULL;
    json_t *tree = NULL;
    void *self;

    if (make_test_folder(NULL) != 0 || stf_hive_create(in_folder("SYSTEM"), &err) != STF_OK)
        return -1;
    write_file(in_folder("store.reg"), store_text, sizeof(store_text) - 1);
    registry = open_hive(in_folder("SYSTEM"), STF_REGISTRY_WRITE);
    set_bytes(registry, "Test", "Value", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "Test", "gone", STF_REG_SZ, "x\0\0\0", 4);
    set_bytes(registry, "Test\\Below\\Deep", "", 0x1234, "\1\2\3", 3);
    commit_and_close(registry);
    world->config =
        json_pack("{s:{s:s, s:{s:s}}}", "registry", "HKLM\\SYSTEM", "SYSTEM", "HKLM", "store", "reg:store.reg");
    world->host = (struct stf_host){.name = "win", .config = world->config, .site_dir = test_folder};
    registry = open_hive(in_folder("SYSTEM"), STF_REGISTRY_READ);
    assert_ok(stf_reg_parse(reg_text, sizeof(reg_text) - 1, "a.reg", &edits, &err), &err);
    self = open_binding(&err);
    assert_ok(stf_registry_import(self, &world->host, &edits, &changes, &err), &err);
    stf_registry_binding.close(self);
    world->patch_id = json_incref(json_object_get(json_array_get(changes, 0), "id"));
    json_decref(changes);
    assert_ok(read_state(world, "registry.patch", world->patch_id, &world->before, &err), &err);
    assert_ok(stf_registry_tree_read(registry, "", &tree, &err), &err);
    world->snapshot = json_pack("{s:o}", "tree", tree);
    world->given = make_given(world);
    stf_registry_close(registry);
    stf_reg_edits_fini(&edits);
    memset(tried_verbs, 0, sizeof(tried_verbs)); /* what was needed to get here is no trial */
    memset(tried_resources, 0, sizeof(tried_resources));
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    json_decref(world->config);
    json_decref(world->patch_id);
    json_decref(world->before);
    json_decref(world->snapshot);
    json_decref(world->given);
    free(world);
    return remove_test_folder(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs_and_resources),
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_text_differences_and_snapshots),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_none_is_left_out), /* the last: it looks at what those before it did */
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
