/* test_registry_binding.c - the registry as the runtime uses it: verbs, and the contract of each resource, undo above
 * all: after it the whole hive is as before. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <jansson.h>

#include <staffetta/binding.h>

#define OAKLEY "HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent\\Oakley"

struct world {
    json_t *config;
    struct stf_host host;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct stf_registry *registry;
    struct stf_err err = {0};

    if (make_test_folder(NULL) != 0 || mkdir(in_folder("hives"), 0700) != 0 ||
        stf_hive_create(in_folder("hives/SYSTEM"), &err) != STF_OK ||
        stf_hive_create(in_folder("hives/SOFTWARE"), &err) != STF_OK)
        return -1;
    registry = open_hive(in_folder("hives/SYSTEM"), STF_REGISTRY_WRITE);
    set_bytes(registry, "Select", "Current", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "ControlSet001\\Services\\PolicyAgent", "Start", STF_REG_DWORD, "\2\0\0\0", 4);
    set_bytes(registry, "ControlSet001\\Services\\PolicyAgent\\Oakley", "Existing", STF_REG_SZ, "x\0\0\0", 4);
    set_bytes(registry, "ControlSet001\\Services\\Tree\\A\\B", "v", 0x1234, "\1\2\3", 3);
    set_bytes(registry, "ControlSet001\\Services\\Tree", "", STF_REG_MULTI_SZ, "a\0\0\0\0\0", 6);
    if (stf_registry_create_key(registry, "ControlSet001\\Services\\Tree\\Empty", &err) != STF_OK)
        return -1;
    commit_and_close(registry);
    world->config = json_pack("{s:s, s:{s:s, s:s}}", "role", "front_end", "registry", "HKLM\\SYSTEM", "hives/SYSTEM",
                              "HKEY_LOCAL_MACHINE\\Software", "hives/SOFTWARE");
    world->host = (struct stf_host){.name = "win-fe1", .config = world->config, .site_dir = test_folder};
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    json_decref(world->config);
    free(world);
    return remove_test_folder(NULL);
}

static const struct stf_resource *resource_named(const char *name)
{
    const struct stf_resource *resource = stf_registry_binding.resources;

    while (resource->name != NULL && strcmp(resource->name, name) != 0)
        resource++;
    assert_non_null(resource->name);
    assert_string_equal(resource->need, "registry.write");
    return resource;
}

static enum stf_kind call_verb(const struct world *world, const char *name, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    const struct stf_verb *verb = stf_registry_binding.verbs;

    while (verb->name != NULL && strcmp(verb->name, name) != 0)
        verb++;
    assert_non_null(verb->name);
    assert_string_equal(verb->need, "registry.read");
    return verb->call(NULL, &world->host, args, result, err);
}

static json_t *key_doc(const char *key)
{
    return json_pack("{s:s}", "key", key);
}

static json_t *value_id(const char *key, const char *name)
{
    return json_pack("{s:s, s:s}", "key", key, "name", name);
}

static json_t *tree_of(const struct world *world, const char *key)
{
    json_t *args = key_doc(key);
    json_t *tree = NULL;
    struct stf_err err = {0};

    assert_ok(call_verb(world, "registry.tree", args, &tree, &err), &err);
    json_decref(args);
    return tree;
}

static json_t *read_state(const struct world *world, const char *resource, const json_t *id)
{
    json_t *state = NULL;
    struct stf_err err = {0};

    assert_ok(resource_named(resource)->read(NULL, &world->host, id, &state, &err), &err);
    assert_non_null(state);
    return state;
}

static void write_state(const struct world *world, const char *resource, const json_t *id, const json_t *state)
{
    struct stf_err err = {0};

    assert_ok(resource_named(resource)->write(NULL, &world->host, id, state, &err), &err);
}

static enum stf_kind kind_of_write(const struct world *world, const char *resource, const json_t *id,
                                   const json_t *state, struct stf_err *err)
{
    return resource_named(resource)->write(NULL, &world->host, id, state, err);
}

/* Takes over both documents. */
static void check_equal(json_t *found, json_t *wanted)
{
    char *found_text = json_dumps(found, JSON_ENCODE_ANY);
    char *wanted_text = json_dumps(wanted, JSON_ENCODE_ANY);

    if (!json_equal(found, wanted))
        fail_msg("found\n%s\nwanted\n%s", found_text, wanted_text);
    free(found_text);
    free(wanted_text);
    json_decref(found);
    json_decref(wanted);
}

/* The contract that the change engine relies on, and more: undo leaves the whole hive as it was. Takes over `id` and
 * `after`. */
static void check_change_and_undo(const struct world *world, const char *resource, json_t *id, json_t *after)
{
    json_t *tree_before = tree_of(world, "HKLM\\SYSTEM");
    json_t *before = read_state(world, resource, id);

    check_equal(read_state(world, resource, id), json_incref(before));
    for (int i = 0; i < 2; i++) {
        write_state(world, resource, id, after);
        check_equal(read_state(world, resource, id), json_incref(after));
    }
    for (int i = 0; i < 2; i++) {
        write_state(world, resource, id, before);
        check_equal(read_state(world, resource, id), json_incref(before));
        check_equal(tree_of(world, "HKLM\\SYSTEM"), json_incref(tree_before));
    }
    json_decref(tree_before);
    json_decref(before);
    json_decref(after);
    json_decref(id);
}

static json_t *dword(const char *hex)
{
    return json_pack("{s:i, s:s}", "type", 4, "data", hex);
}

/* ---- registry.value ---- */

static void test_value_states(void **state)
{
    const struct world *world = *state;
    json_t *id = value_id(OAKLEY, "NLBSFlags");
    json_t *other = value_id("HKLM\\SYSTEM\\CurrentControlSet\\Services\\X\\Y", "v");
    json_t *existing = value_id(OAKLEY, "EXISTING");
    json_t *set = dword("01000000");

    check_equal(read_state(world, "registry.value", id), json_null());
    write_state(world, "registry.value", id, set);
    check_equal(read_state(world, "registry.value", id), set);
    check_equal(read_state(world, "registry.value", other), json_pack("{s:i}", "existing_keys", 2));
    check_equal(read_state(world, "registry.value", existing),
                json_pack("{s:i, s:s, s:s}", "type", 1, "data", "78000000", "name", "Existing"));
    json_decref(existing);
    json_decref(other);
    json_decref(id);
}

static void test_value_change_and_undo(void **state)
{
    const struct world *world = *state;
    const char *missing = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\IKEEXT\\Parameters";
    json_t *sz = json_pack("{s:i, s:s}", "type", 1, "data", "3dd8"); /* an unpaired surrogate, no NUL */

    check_change_and_undo(world, "registry.value", value_id(OAKLEY, "NLBSFlags"), dword("01000000"));
    check_change_and_undo(world, "registry.value", value_id(OAKLEY, ""), dword("01000000"));
    check_change_and_undo(world, "registry.value", value_id(missing, "NlbsIdleTime"), dword("3c000000"));
    check_change_and_undo(world, "registry.value", value_id("HKLM\\SYSTEM\\New\\Keys\\All\\The\\Way", "v"), sz);
    check_change_and_undo(world, "registry.value", value_id("HKLM\\SYSTEM", "at the root"), dword("00000000"));
    check_change_and_undo(world, "registry.value", value_id(OAKLEY, "Existing"), dword("01000000"));
    check_change_and_undo(world, "registry.value", value_id(OAKLEY, "Existing"), json_null());
    /* deleted or set through another spelling, and put back in its own */
    check_change_and_undo(world, "registry.value", value_id(OAKLEY, "EXISTING"), json_null());
    check_change_and_undo(world, "registry.value", value_id(OAKLEY, "eXISTING"), dword("01000000"));
    check_change_and_undo(world, "registry.value",
                          value_id("HKLM\\system\\currentcontrolset\\SERVICES\\tree\\a\\b", "V"), json_null());
    /* as a plan may leave it: only some of the keys */
    check_change_and_undo(world, "registry.value", value_id(missing, "v"), json_pack("{s:i}", "existing_keys", 3));
}

static void check_identity(const char *resource, json_t *one, json_t *other, bool is_one)
{
    json_t *first = stf_registry_binding.identity(resource, one);
    json_t *second = stf_registry_binding.identity(resource, other);

    assert_int_equal(json_equal(first, second), is_one);
    json_decref(first);
    json_decref(second);
    json_decref(one);
    json_decref(other);
}

static void test_identity(void **state)
{
    json_t *patch = json_pack("{s:s, s:s}", "key", "HKLM", "patch", "");

    (void)state;
    check_identity("registry.value", value_id("HKLM\\A\\ß\\ä", "nlbsflags"),
                   value_id("hkey_local_machine\\a\\ß\\Ä", "NLBSFlags"), true);
    check_identity("registry.value", value_id("a", "\u0250"), value_id("A", "\u2c6f"), true); /* two bytes, three */
    check_identity("registry.value", value_id("A", "HKLM\\v"), value_id("A", "HKEY_LOCAL_MACHINE\\v"), false);
    check_identity("registry.value", value_id("HKLM\\A", "ß"), value_id("HKLM\\A", "SS"), false);
    check_identity("registry.value", value_id("HKLM\\A", "v"), value_id("HKCU\\A", "v"), false);
    check_identity("registry.key", json_pack("{s:s, s:b}", "key", "HKLM\\A", "times", 1),
                   json_pack("{s:s}", "key", "HKLM\\A"), false);
    assert_ptr_equal(stf_registry_binding.identity("registry.patch", patch), patch); /* a large text is not copied */
    json_decref(patch);
    json_decref(patch);
}

/* What a state that `one` has is for `other`, and the same back again. */
static void check_respelled(const char *resource, const json_t *one, const json_t *other, json_t *given,
                            json_t *expected)
{
    json_t *found = stf_registry_binding.respell(resource, given, one, other);
    json_t *back = stf_registry_binding.respell(resource, found, other, one);

    assert_true(json_equal(found, expected));
    assert_true(json_equal(back, given));
    json_decref(found);
    json_decref(back);
    json_decref(given);
    json_decref(expected);
}

static void test_respelled_states(void **state)
{
    json_t *one = value_id("HKLM\\Key", "One");
    json_t *other = value_id("HKLM\\KEY", "ONE");

    (void)state;
    check_respelled("registry.value", one, other, json_pack("{s:i, s:s}", "type", 4, "data", "01000000"),
                    json_pack("{s:i, s:s, s:s}", "type", 4, "data", "01000000", "name", "One"));
    check_respelled("registry.value", one, other, json_pack("{s:i, s:s, s:s}", "type", 0, "data", "", "name", "oNE"),
                    json_pack("{s:i, s:s, s:s}", "type", 0, "data", "", "name", "oNE"));
    check_respelled("registry.value", one, other, json_null(), json_null());
    json_object_del(one, "name");
    json_object_del(other, "name");
    check_respelled("registry.key", one, other, json_pack("{s:[], s:{}, s:s}", "values", "keys", "name", "KEY"),
                    json_pack("{s:[], s:{}}", "values", "keys"));
    check_respelled("registry.presence", one, other, json_pack("{s:b}", "exists", 1), json_pack("{s:b}", "exists", 1));
    json_decref(one);
    json_decref(other);
}

static void test_undo_spares_what_others_put_there(void **state)
{
    const struct world *world = *state;
    const char *key = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\IKEEXT\\Parameters";
    json_t *id = value_id(key, "NlbsIdleTime");
    json_t *foreign = value_id(key, "of somebody else");
    json_t *before = read_state(world, "registry.value", id);
    json_t *after = dword("3c000000");
    json_t *tree;
    struct stf_err err = {0};

    write_state(world, "registry.value", id, after);
    write_state(world, "registry.value", foreign, after);
    tree = tree_of(world, "HKLM\\SYSTEM");
    assert_int_equal(kind_of_write(world, "registry.value", id, before, &err), STF_CONFLICT);
    assert_contains(err.message, "Parameters");
    check_equal(tree_of(world, "HKLM\\SYSTEM"), tree);
    json_decref(after);
    json_decref(before);
    json_decref(foreign);
    json_decref(id);
}

static void test_value_errors(void **state)
{
    const struct world *world = *state;
    json_t *id = value_id(OAKLEY, "v");
    json_t *bad_states[] = {
        json_pack("{}"),
        json_pack("{s:i}", "type", 4),
        json_pack("{s:i, s:s}", "type", 4, "data", "0"),
        json_pack("{s:i, s:s, s:i}", "type", 4, "data", "00", "x", 1),
        json_pack("{s:i, s:s, s:s}", "type", 4, "data", "00", "name", "another"),
        json_pack("{s:i}", "existing_keys", 99),
        json_pack("{s:i, s:i}", "existing_keys", 1, "x", 1),
        json_pack("[]"),
    };
    struct stf_err err = {0};
    json_t *bad_id = json_pack("{s:s}", "key", OAKLEY);
    json_t *found = NULL;

    for (size_t i = 0; i < sizeof(bad_states) / sizeof(bad_states[0]); i++) {
        assert_int_equal(kind_of_write(world, "registry.value", id, bad_states[i], &err), STF_INVALID_DATA);
        assert_true(err.message[0] != '\0');
        json_decref(bad_states[i]);
    }
    assert_int_equal(resource_named("registry.value")->read(NULL, &world->host, bad_id, &found, &err),
                     STF_INVALID_DATA);
    assert_contains(err.message, "name");
    check_equal(read_state(world, "registry.value", id), json_null());
    json_decref(bad_id);
    json_decref(id);
}

/* ---- registry.key and registry.presence ---- */

static void test_key_change_and_undo(void **state)
{
    const struct world *world = *state;
    const char *tree = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tree";
    json_t *replaced = json_pack("{s:[{s:s,s:i,s:s}], s:{s:{s:[],s:{}}}}", "values", "name", "n", "type", 3, "data",
                                 "00", "keys", "Empty", "values", "keys");

    check_change_and_undo(world, "registry.key", key_doc(tree), json_null());
    check_change_and_undo(world, "registry.key", key_doc("HKLM\\SYSTEM\\CURRENTCONTROLSET\\services\\TREE"),
                          json_null());
    check_change_and_undo(world, "registry.key", key_doc(tree), replaced);
    check_change_and_undo(world, "registry.key", key_doc("HKLM\\SYSTEM\\New\\Key"),
                          json_pack("{s:[], s:{}}", "values", "keys"));
    check_change_and_undo(world, "registry.key", key_doc("HKLM\\SYSTEM\\New\\Key"),
                          json_pack("{s:i}", "existing_keys", 0));
    check_change_and_undo(world, "registry.key", key_doc("HKLM\\SYSTEM"), json_pack("{s:[], s:{}}", "values", "keys"));
}

static void test_presence_change_and_undo(void **state)
{
    const struct world *world = *state;
    json_t *id = key_doc("HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tree");
    json_t *tree = tree_of(world, "HKLM\\SYSTEM");
    json_t *exists = json_pack("{s:b}", "exists", 1);
    struct stf_err err = {0};

    check_change_and_undo(world, "registry.presence", key_doc("HKLM\\SYSTEM\\New\\Key"), json_incref(exists));
    check_change_and_undo(world, "registry.presence", key_doc("HKLM\\SYSTEM\\New"), json_incref(exists));
    check_change_and_undo(world, "registry.presence", key_doc("HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tree\\Empty"),
                          json_null());
    /* a key that is full keeps what it has, both ways */
    check_equal(read_state(world, "registry.presence", id), json_incref(exists));
    write_state(world, "registry.presence", id, exists);
    assert_int_equal(kind_of_write(world, "registry.presence", id, json_null(), &err), STF_CONFLICT);
    check_equal(tree_of(world, "HKLM\\SYSTEM"), tree);
    json_decref(exists);
    json_decref(id);
}

/* What a key's state says of the things in it is what they are. */
static void test_parts_of_a_key(void **state)
{
    static const struct {
        const char *resource;
        const char *id;
        bool is_part;
    } things[] = {
        {"registry.value", "{\"key\": \"hklm\\\\SYSTEM\\\\ControlSet001\\\\services\\\\TREE\", \"name\": \"\"}", true},
        {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\", \"name\": \"none\"}",
         true},
        {"registry.value",
         "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\\\\a\\\\b\", \"name\": \"V\"}", true},
        {"registry.key", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\\\\a\"}", true},
        {"registry.key", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\\\\A\\\\B\"}", true},
        {"registry.key", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\"}", true},
        {"registry.presence", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\\\\Empty\"}", true},
        {"registry.key", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\", \"times\": true}", false},
        {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree\\\\No\", \"name\": \"\"}",
         false},
        {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\", \"name\": \"\"}", false},
        {"registry.value", "{\"key\": \"HKLM\\\\SYSTEM\\\\ControlSet001\\\\Services\\\\Tree2\", \"name\": \"\"}",
         false},
    };
    const struct world *world = *state;
    json_t *id = key_doc("HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\tree");
    json_t *whole = read_state(world, stf_registry_binding.whole, id);

    for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
        json_t *part_id = json_loads(things[i].id, 0, NULL);
        json_t *part = stf_registry_binding.part(id, whole, things[i].resource, part_id);
        json_t *read = read_state(world, things[i].resource, part_id);
        if (things[i].is_part ? !json_equal(part, read) : part != NULL)
            fail_msg("%s: a state of the key says something else", things[i].id);
        assert_null(stf_registry_binding.part(id, json_null(), things[i].resource, part_id));
        json_decref(read);
        json_decref(part);
        json_decref(part_id);
    }
    json_decref(whole);
    json_decref(id);
}

static void test_root_is_not_deleted(void **state)
{
    const struct world *world = *state;
    json_t *id = key_doc("HKLM\\SYSTEM");
    struct stf_err err = {0};

    assert_int_equal(kind_of_write(world, "registry.key", id, json_null(), &err), STF_UNSUPPORTED);
    assert_int_equal(kind_of_write(world, "registry.presence", id, json_null(), &err), STF_UNSUPPORTED);
    json_decref(id);
}

/* ---- verbs ---- */

static void test_list(void **state)
{
    const struct world *world = *state;
    json_t *args = key_doc("HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\Tree");
    json_t *absent = key_doc("HKLM\\SYSTEM\\Nothing");
    json_t *bad = json_pack("{s:s}", "kye", "HKLM\\SYSTEM");
    json_t *result = NULL;
    struct stf_err err = {0};

    assert_ok(call_verb(world, "registry.list", args, &result, &err), &err);
    check_equal(result, json_pack("{s:[s, s], s:[{s:s, s:i, s:s}]}", "keys", "A", "Empty", "values", "name", "", "type",
                                  7, "data", "610000000000"));
    assert_ok(call_verb(world, "registry.list", absent, &result, &err), &err);
    check_equal(result, json_null());
    assert_ok(call_verb(world, "registry.tree", absent, &result, &err), &err);
    check_equal(result, json_null());
    assert_int_equal(call_verb(world, "registry.list", bad, &result, &err), STF_INVALID_DATA);
    assert_contains(err.message, "key");
    json_decref(bad);
    json_decref(absent);
    json_decref(args);
}

static void test_tree(void **state)
{
    const struct world *world = *state;

    check_equal(
        tree_of(world, "HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tree\\A"),
        json_loads("{\"values\": [], \"keys\": {\"B\": {\"values\": [{\"name\": \"v\", \"type\": 4660, \"data\": "
                   "\"010203\"}], \"keys\": {}}}}",
                   0, NULL));
    check_equal(tree_of(world, "HKLM\\SOFTWARE"), json_pack("{s:[], s:{}}", "values", "keys"));
}

/* ---- where the stores are ---- */

static enum stf_kind kind_of_list(const json_t *config, const char *key, struct stf_err *err)
{
    const struct world world = {.host = {.name = "h1", .config = config, .site_dir = test_folder}};
    json_t *args = key_doc(key);
    json_t *result = NULL;
    enum stf_kind kind = call_verb(&world, "registry.list", args, &result, err);

    json_decref(result);
    json_decref(args);
    return kind;
}

static void check_no_store(const char *config_text, const char *key, enum stf_kind kind, const char *message)
{
    json_t *config = json_loads(config_text, 0, NULL);
    struct stf_err err = {0};

    assert_non_null(config);
    assert_int_equal(kind_of_list(config, key, &err), kind);
    assert_contains(err.message, message);
    json_decref(config);
}

static void test_stores_are_named_in_errors(void **state)
{
    const char *good = "{\"registry\": {\"HKLM\\\\SYSTEM\": \"hives/SYSTEM\"}}";

    (void)state;
    check_no_store("{}", "HKLM\\SYSTEM", STF_UNSUPPORTED, "the host h1 has no registry");
    check_no_store("{\"registry\": {}}", "HKLM\\SYSTEM", STF_UNSUPPORTED, "none");
    check_no_store(good, "HKLM\\SOFTWARE\\X", STF_UNSUPPORTED, "site.lua has HKLM\\SYSTEM");
    check_no_store(good, "SYSTEM\\X", STF_INVALID_DATA, "does not start with a root");
    check_no_store(good, "HKLM\\SYSTEM\\\\X", STF_INVALID_DATA, "one backslash");
    check_no_store("{\"registry\": {\"SYSTEM\": \"x\"}}", "HKLM\\SYSTEM", STF_INVALID_DATA, "the entry SYSTEM");
    check_no_store("{\"registry\": {\"HKLM\": 1}}", "HKLM\\SYSTEM", STF_INVALID_DATA, "the entry HKLM");
    check_no_store("{\"registry\": {\"HKLM\": \"missing\"}}", "HKLM\\SYSTEM", STF_NOT_FOUND, "missing");
}

static void test_longest_root_wins(void **state)
{
    const struct world *world = *state;
    json_t *stores = json_pack("{s:s, s:s, s:s}", "HKLM", "hives/nothing", "hklm\\system\\controlset001",
                               "hives/SOFTWARE", "HKLM\\SYSTEM", "hives/SYSTEM");
    json_t *config = json_pack("{s:o}", "registry", stores);
    struct world other = {.host = {.name = "h1", .config = config, .site_dir = test_folder}};
    json_t *id = value_id("HKLM\\SYSTEM\\ControlSet001\\Deep", "v");
    json_t *set = dword("01000000");

    check_equal(read_state(&other, "registry.value", id), json_pack("{s:i}", "existing_keys", 0));
    write_state(&other, "registry.value", id, set);
    check_equal(read_state(world, "registry.value", id), json_pack("{s:i}", "existing_keys", 1));
    json_decref(id);
    id = value_id("HKLM\\SOFTWARE\\Deep", "v");
    check_equal(read_state(world, "registry.value", id), set);
    json_decref(id);
    json_decref(config);
}

/* ---- for people ---- */

static void check_described(const char *resource, json_t *id, json_t *state, const char *line)
{
    char *described = resource_named(resource)->describe(id, state);

    assert_string_equal(described, line);
    free(described);
    json_decref(id);
    json_decref(state);
}

static void test_describe(void **state)
{
    (void)state;
    check_described("registry.value", value_id("HKEY_LOCAL_MACHINE\\SYSTEM\\Select", "Current"), NULL,
                    "HKLM\\SYSTEM\\Select\\Current");
    check_described("registry.value", value_id("HKLM\\SYSTEM", ""), NULL, "HKLM\\SYSTEM\\(default)");
    check_described("registry.value", value_id("HKLM", "a"), dword("01000000"), "dword 1 (0x00000001)");
    check_described("registry.value", value_id("HKLM", "a"),
                    json_pack("{s:i, s:s}", "type", 1, "data", "74006500780074000000"), "sz \"text\"");
    check_described("registry.value", value_id("HKLM", "a"), json_null(), "absent");
    check_described("registry.value", value_id("HKLM", "a"), json_pack("{s:i}", "existing_keys", 2), "absent");
    check_described("registry.key", key_doc("HKLM\\SYSTEM\\A"), NULL, "HKLM\\SYSTEM\\A");
    check_described("registry.key", key_doc("HKEY_LOCAL_MACHINE"), NULL, "HKLM");
    check_described("registry.key", key_doc("HKLM"), json_pack("{s:[{}], s:{}}", "values", "keys"),
                    "key with 1 value and 0 subkeys");
    check_described("registry.key", key_doc("HKLM"), json_pack("{s:i}", "existing_keys", 2), "absent");
    check_described("registry.presence", key_doc("HKLM\\A"), NULL, "HKLM\\A");
    check_described("registry.presence", key_doc("HKLM\\A"), json_pack("{s:b}", "exists", 1), "present");
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_value_states),
        IN_WORLD(test_value_change_and_undo),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_respelled_states),
        IN_WORLD(test_undo_spares_what_others_put_there),
        IN_WORLD(test_value_errors),
        IN_WORLD(test_key_change_and_undo),
        IN_WORLD(test_presence_change_and_undo),
        IN_WORLD(test_parts_of_a_key),
        IN_WORLD(test_root_is_not_deleted),
        IN_WORLD(test_list),
        IN_WORLD(test_tree),
        IN_WORLD(test_stores_are_named_in_errors),
        IN_WORLD(test_longest_root_wins),
        IN_WORLD(test_describe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
