/* cmd_registry.c - `staffetta registry`: its options and its verbs that look. Changes nothing; cmd_registry_change.c
 * does, through the change engine. SPDX-License-Identifier: MIT */
#include "cmd_registry.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/doc.h"
#include "registry/tree.h"
#include "runtime.h"

/* ---- operands ---- */

const char *stf_registry_cli_next(struct stf_registry_cli *rc)
{
    return rc->used < rc->cli.operand_count ? rc->cli.operands[rc->used++] : NULL;
}

int stf_registry_cli_usage(const struct stf_registry_cli *rc, const char *what)
{
    if (rc->used < rc->cli.operand_count)
        return stf_cli_usage_error("registry", "%s: '%s' is one argument too many", rc->verb,
                                   rc->cli.operands[rc->used]);
    char where[64];
    snprintf(where, sizeof where, "an argument of %s", rc->verb);
    return stf_cli_usage_value("registry", where, what, NULL);
}

int stf_registry_cli_fail(const struct stf_registry_cli *rc, const struct stf_err *err)
{
    stf_cli_error(&rc->cli, err);
    return err->kind == STF_NOT_FOUND ? STF_EXIT_ABSENT : STF_EXIT_ERROR;
}

/* ---- targets ---- */

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "registry", NULL, "not enough memory");
}

static enum stf_kind no_host(const json_t *hosts, const char *name, struct stf_err *err)
{
    const char *names[64] = {NULL};
    const char *each;
    json_t *host;
    size_t count = 0;
    json_object_foreach ((json_t *)hosts, each, host)
        if (count + 1 < sizeof names / sizeof *names)
            names[count++] = each;
    const char *nearest = stf_nearest(name, names);
    return stf_err_set(err, STF_INVALID_DATA, 0, "registry", name, "there is no host '%s' in the site%s%s%s", name,
                       nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static enum stf_kind host_of_site(struct stf_registry_target *target, const struct stf_registry_cli *rc,
                                  const char *path, struct stf_err *err)
{
    json_t *site = NULL;
    if (!rc->cli.site_dir)
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", rc->host_name,
                           "--host names a host of a site, and there is none: give --site DIR");
    enum stf_kind kind = stf_site_load(rc->cli.site_dir, &site, err);
    if (kind != STF_OK)
        return kind;
    const json_t *hosts = json_object_get(site, "hosts");
    target->config = json_incref(json_object_get(hosts, rc->host_name));
    if (!target->config) {
        kind = no_host(hosts, rc->host_name, err);
    } else {
        target->name = strdup(rc->host_name);
        target->site_name = strdup(json_string_value(json_object_get(site, "name")));
        target->site_dir = realpath(rc->cli.site_dir, NULL);
        target->key = strdup(path);
        kind = target->name && target->site_name && target->site_dir && target->key ? STF_OK : no_memory(err);
    }
    json_decref(site);
    return kind;
}

/* --create: a store that is missing is made, empty; for a plan somewhere else, so that there is something to look at.
 */
static enum stf_kind make_store(struct stf_registry_target *target, const struct stf_registry_cli *rc,
                                struct stf_registry_location *location, struct stf_err *err)
{
    if (!rc->may_create || !location->path || access(location->path, F_OK) == 0)
        return STF_OK;
    if (rc->is_plan) {
        char *path;
        target->scratch = strdup("/tmp/staffetta-plan-XXXXXX");
        if (!target->scratch || !mkdtemp(target->scratch) || asprintf(&path, "%s/store", target->scratch) < 0)
            return stf_err_set(err, STF_IO, 0, "create", "/tmp", "no folder for the plan can be made in /tmp");
        free(location->path);
        location->path = path;
    }
    return stf_registry_location_create(location, err);
}

static void remove_scratch(const struct stf_registry_target *target)
{
    char *path;
    if (!target->scratch)
        return;
    if (asprintf(&path, "%s/store", target->scratch) >= 0) {
        unlink(path);
        free(path);
    }
    rmdir(target->scratch);
}

static enum stf_kind host_of_store(struct stf_registry_target *target, const struct stf_registry_cli *rc,
                                   const char *store, const char *path, struct stf_err *err)
{
    char folder[PATH_MAX];
    struct stf_registry_location location;
    struct stf_registry_words words = rc->words;
    const char *below;
    json_t *registry = NULL;
    words.store = store;
    if (!getcwd(folder, sizeof folder))
        return stf_err_set(err, STF_IO, 0, "registry", store, "the present folder can not be named");
    enum stf_kind kind = stf_registry_location_init(&location, &words, folder, err);
    location.is_prompting = location.host && !location.credentials && !location.is_kerberos;
    if (kind == STF_OK)
        kind = stf_registry_location_key(&location, path, &below, err);
    if (kind == STF_OK) {
        target->name = stf_registry_location_text(&location);
        kind = make_store(target, rc, &location, err);
    }
    if (kind == STF_OK)
        kind = stf_registry_location_to_doc(&location, &registry, err);
    if (kind == STF_OK) {
        target->site_name = strdup("");
        target->site_dir = strdup(folder);
        target->key = stf_registry_location_full_key(&location, path);
        target->config = json_pack("{s:o}", "registry", registry);
        bool is_full = target->name && target->site_name && target->site_dir && target->key && target->config;
        kind = is_full ? STF_OK : no_memory(err);
    }
    stf_registry_location_fini(&location);
    return kind;
}

enum stf_kind stf_registry_target_init(struct stf_registry_target *target, const struct stf_registry_cli *rc,
                                       const char *store, const char *path, struct stf_err *err)
{
    *target = (struct stf_registry_target){0};
    enum stf_kind kind = store ? host_of_store(target, rc, store, path ? path : "", err)
                               : host_of_site(target, rc, path ? path : "", err);
    target->host = (struct stf_host){
        .name = target->name,
        .config = target->config,
        .site_dir = target->site_dir,
    };
    target->binding = stf_registry_binding.open();
    return kind == STF_OK && !target->binding ? no_memory(err) : kind;
}

void stf_registry_target_fini(struct stf_registry_target *target)
{
    remove_scratch(target);
    if (target->binding)
        stf_registry_binding.close(target->binding);
    free(target->scratch);
    json_decref(target->config);
    free(target->name);
    free(target->site_name);
    free(target->site_dir);
    free(target->key);
    *target = (struct stf_registry_target){0};
}

enum stf_kind stf_registry_target_open(const struct stf_registry_target *target, struct stf_registry **registry,
                                       const char **below, struct stf_err *err)
{
    struct stf_registry_location location;
    enum stf_kind kind = stf_registry_host_store(&target->host, target->key, &location, below, err);
    if (kind == STF_OK)
        kind = stf_registry_location_open(&location, STF_REGISTRY_READ, registry, err);
    stf_registry_location_fini(&location);
    return kind;
}

int stf_registry_cli_target(struct stf_registry_cli *rc, struct stf_registry_target *target)
{
    struct stf_err err;
    *target = (struct stf_registry_target){0};
    const char *store = rc->host_name ? NULL : stf_registry_cli_next(rc);
    const char *path = stf_registry_cli_next(rc);
    if (!path)
        return stf_registry_cli_usage(rc, rc->host_name ? "PATH" : "STORE PATH");
    if (stf_registry_target_init(target, rc, store, path, &err) == STF_OK)
        return -1;
    stf_cli_error(&rc->cli, &err);
    return STF_EXIT_ERROR;
}

/* ---- get and list ---- */

static json_t *plain_to_doc(uint32_t type, const struct stf_registry_plain *plain)
{
    bool is_text = type == STF_REG_SZ || type == STF_REG_EXPAND_SZ || type == STF_REG_LINK;
    switch (plain->form) {
    case STF_REGISTRY_FORM_INTEGER:
        return json_integer(plain->integer);
    case STF_REGISTRY_FORM_STRING:
        return is_text ? json_stringn(plain->string.bytes, plain->string.size) : NULL;
    case STF_REGISTRY_FORM_LIST: {
        json_t *list = json_array();
        for (size_t i = 0; i < plain->count; i++)
            json_array_append_new(list, json_stringn(plain->items[i].bytes, plain->items[i].size));
        return list;
    }
    case STF_REGISTRY_FORM_NONE:
        break;
    }
    return NULL;
}

/* {"type": "dword", "code": 4, "value": 1, "data": "01000000"}; "value" only for numbers, text and lists, and
 * "is_exact" false where the value does not say all that the data does. */
static json_t *value_to_doc(const struct stf_registry_value *value)
{
    struct stf_registry_plain plain;
    struct stf_err err;
    const char *type = stf_registry_type_name(value->type);
    char *hex = stf_hex_from_bytes(value->data, value->size);
    json_t *doc = NULL;
    if (hex && stf_registry_value_decode(value->type, value->data, value->size, &plain, &err) == STF_OK) {
        doc = json_pack("{s:s, s:s*, s:I, s:o*, s:s}", "name", value->name, "type", type, "code",
                        (json_int_t)value->type, "value", plain_to_doc(value->type, &plain), "data", hex);
        if (doc && !plain.is_exact)
            json_object_set_new(doc, "is_exact", json_false());
        stf_registry_plain_fini(&plain);
    }
    free(hex);
    return doc;
}

static int print_value(const struct stf_registry_cli *rc, const struct stf_registry_value *value)
{
    if (rc->cli.is_json) {
        json_t *doc = value_to_doc(value);
        stf_output_json(doc);
        json_decref(doc);
        return STF_EXIT_OK;
    }
    char *line = stf_registry_value_text(value->type, value->data, value->size);
    stf_output_text(stdout, line ? line : "?", true);
    putchar('\n');
    free(line);
    return STF_EXIT_OK;
}

static int get(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct stf_registry_value value = {0};
    struct stf_registry *registry = NULL;
    const char *below;
    struct stf_err err;
    int exit_code = stf_registry_cli_target(rc, &target);
    const char *name = stf_registry_cli_next(rc);
    if (exit_code == -1 && rc->used < rc->cli.operand_count)
        exit_code = stf_registry_cli_usage(rc, NULL);
    if (exit_code != -1)
        goto out;
    enum stf_kind kind = stf_registry_target_open(&target, &registry, &below, &err);
    if (kind == STF_OK) {
        kind = stf_registry_get(registry, below, name ? name : "", &value, &err);
        exit_code = kind == STF_OK ? print_value(rc, &value) : stf_registry_cli_fail(rc, &err);
    } else {
        stf_cli_error(&rc->cli, &err);
        exit_code = STF_EXIT_ERROR;
    }
out:
    stf_registry_value_fini(&value);
    stf_registry_close(registry);
    stf_registry_target_fini(&target);
    return exit_code;
}

static void print_listing(const struct stf_registry_cli *rc, const struct stf_registry_listing *listing)
{
    json_t *keys = json_array(), *values = json_array();
    for (size_t i = 0; i < listing->key_count; i++) {
        if (rc->cli.is_json) {
            json_array_append_new(keys, json_string(listing->keys[i]));
            continue;
        }
        stf_output_text(stdout, listing->keys[i], false);
        puts("\\");
    }
    for (size_t i = 0; i < listing->value_count; i++) {
        const struct stf_registry_value *value = &listing->values[i];
        if (rc->cli.is_json) {
            json_array_append_new(values, value_to_doc(value));
            continue;
        }
        char *line = stf_registry_value_describe(value->type, value->data, value->size);
        stf_output_text(stdout, *value->name ? value->name : "(default)", false);
        fputs(" = ", stdout);
        stf_output_text(stdout, line ? line : "?", false);
        putchar('\n');
        free(line);
    }
    json_t *doc = json_pack("{s:o, s:o}", "keys", keys, "values", values);
    if (rc->cli.is_json)
        stf_output_json(doc);
    json_decref(doc);
}

static int list(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct stf_registry_listing listing = {0};
    struct stf_registry *registry = NULL;
    const char *below;
    struct stf_err err;
    int exit_code = stf_registry_cli_target(rc, &target);
    if (exit_code == -1 && rc->used < rc->cli.operand_count)
        exit_code = stf_registry_cli_usage(rc, NULL);
    if (exit_code != -1)
        goto out;
    if (stf_registry_target_open(&target, &registry, &below, &err) != STF_OK) {
        stf_cli_error(&rc->cli, &err);
        exit_code = STF_EXIT_ERROR;
    } else if (stf_registry_list(registry, below, &listing, &err) != STF_OK) {
        exit_code = stf_registry_cli_fail(rc, &err);
    } else {
        print_listing(rc, &listing);
        exit_code = STF_EXIT_OK;
    }
out:
    stf_registry_listing_fini(&listing);
    stf_registry_close(registry);
    stf_registry_target_fini(&target);
    return exit_code;
}

/* ---- about ---- */

static void print_class(const char *hex)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    char *name = NULL;
    struct stf_err err;
    if (stf_hex_to_bytes(hex, &bytes, &size, &err) == STF_OK &&
        stf_registry_name_from_utf16(bytes, size / 2, &name, &err) == STF_OK) {
        fputs("class: ", stdout);
        stf_output_text(stdout, name, false);
        putchar('\n');
    }
    free(name);
    free(bytes);
}

static void print_written(int64_t written)
{
    static const int64_t unix_start = 116444736000000000; /* in 100 ns since 1601 */
    char text[32];
    time_t seconds = (time_t)((written - unix_start) / 10000000);
    const struct tm *utc = gmtime(&seconds);
    if (utc && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", utc) > 0)
        printf("written: %s UTC\n", text);
}

static void print_extras(const json_t *extras)
{
    const char *class_name = json_string_value(json_object_get(extras, "class"));
    const char *rights = json_string_value(json_object_get(extras, "security"));
    const json_t *written = json_object_get(extras, "written");
    if (class_name)
        print_class(class_name);
    if (written)
        print_written(json_integer_value(written));
    printf("rights: %s\n", rights ? rights : "as the key above");
}

/* What a store keeps and can not do, and what it keeps of one key besides names and values. */
static int about(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct stf_registry_location location = {0};
    struct stf_registry *registry = NULL;
    json_t *extras = NULL;
    const char *below;
    struct stf_err err;
    const char *store = rc->host_name ? NULL : stf_registry_cli_next(rc), *path = stf_registry_cli_next(rc);
    if ((!store && !path) || rc->used < rc->cli.operand_count)
        return stf_registry_cli_usage(rc, rc->host_name ? "PATH" : "STORE [PATH]");
    int exit_code = STF_EXIT_OK;
    enum stf_kind kind = stf_registry_target_init(&target, rc, store, path, &err);
    if (kind == STF_OK)
        kind = stf_registry_host_store(&target.host, target.key, &location, &below, &err);
    if (kind == STF_OK && path)
        kind = stf_registry_location_open(&location, STF_REGISTRY_READ, &registry, &err);
    if (kind == STF_OK && path)
        kind = stf_registry_extras_read(registry, below, &extras, &err);
    if (kind != STF_OK) {
        exit_code = stf_registry_cli_fail(rc, &err);
    } else if (rc->cli.is_json) {
        json_t *doc = json_pack("{s:s, s:O*}", "limits", stf_registry_limits(location.backend), "key", extras);
        stf_output_json(doc);
        json_decref(doc);
    } else {
        printf("%s\n", stf_registry_limits(location.backend));
        if (extras)
            print_extras(extras);
    }
    json_decref(extras);
    stf_registry_close(registry);
    stf_registry_location_fini(&location);
    stf_registry_target_fini(&target);
    return exit_code;
}

/* ---- the command ---- */

const char stf_registry_help[] =
    "  get STORE PATH [NAME]                  one value; NAME left out or \"\" is the default value\n"
    "  list STORE PATH                        the subkeys and values of a key\n"
    "  set STORE PATH NAME TYPE VALUE...      TYPE by name or number: sz expand_sz multi_sz (a VALUE for each string)\n"
    "                                         dword dword_big_endian qword link; any other VALUE is bytes in hex. One "
    "that\n"
    "                                         starts with - goes after --\n"
    "  delete STORE PATH [NAME]               a value; without NAME the key\n"
    "  export STORE PATH [FILE.reg]           .reg text as regedit writes it; without FILE in UTF-8\n"
    "  export --undo RUN [FILE.reg]           what puts a run's changes back by hand, with regedit. Keys that the run\n"
    "                                         made are deleted, with all that is in them\n"
    "  import STORE FILE.reg                  does all that a .reg file says, as one change\n"
    "  snapshot STORE PATH FILE               all below a key, exactly, with a hash, as JSON\n"
    "  restore FILE STORE [PATH]              makes the key equal to a snapshot again\n"
    "  diff STORE PATH STORE2 [PATH2]         what makes the second of the first; STORE2 may be a snapshot\n"
    "  watch STORE PATH                       prints what changes in a key, until it is interrupted\n"
    "  about STORE [PATH]                     what such a store keeps and can not do; class, time and rights of a key\n"
    "\n"
    "STORE is a hive or a .reg file (by its first bytes; hive:PATH and reg:PATH say it), windows: (the live registry, "
    "in\n"
    "the Windows program) or remote:HOST. With --host NAME, a host of the site instead: leave STORE out.\n"
    "\n"
    "PATH is a full key (HKLM\\SYSTEM\\Select), or one below the root of a hive (Select; \"\" is the root). A hive "
    "that is\n"
    "called SYSTEM, SOFTWARE, SAM, SECURITY, COMPONENTS, DRIVERS, DEFAULT, NTUSER.DAT or UsrClass.dat is taken for "
    "what it\n"
    "is on every Windows; --mount KEY says it of any other.\n"
    "\n"
    "What changes a store is a run like any other: --plan shows it, `staffetta rollback` puts it back.\n"
    "\n"
    "Options:\n"
    "  --site DIR           the folder with site.lua (default " STF_DEFAULT_SITE_DIR "), for --host\n"
    "  --host NAME          the stores of this host of the site\n"
    "  --mount KEY          the key that the root of the hive is\n"
    "  --credentials FILE   for remote:, or --kerberos: the tickets that you have; else the terminal is asked\n"
    "  --replay-logs        a hive that was not closed well: as its .LOG1 and .LOG2 say; a change writes it so\n"
    "  --plan               change nothing; exit code 2 says that changes are pending\n"
    "  --recursive          delete: a key that has subkeys\n"
    "  --hex                set: VALUE is the bytes in hex, whatever the type\n"
    "  --create             set, import: make the store where there is none; a rollback leaves it, empty\n"
    "  --format FORM        diff: text (default), json, or reg: .reg text that makes the first equal to the second\n"
    "  --reg4               export: REGEDIT4, in cp1252\n"
    "  --state DIR          where the journal is kept (default " STF_DEFAULT_STATE_DIR ")\n"
    "  --output FORM        human (default) or json; --json is the same\n"
    "\n"
    "Exit codes: 0 done, 1 error, 2 changes pending (--plan) or different (diff), 3 failed and put back, 5 a person is "
    "needed,\n"
    "6 no such key or value, 64 wrong usage.\n";

static const struct {
    const char *name;
    int (*run)(struct stf_registry_cli *rc);
} verbs[] = {
    {"get", get},
    {"list", list},
    {"set", stf_registry_cmd_set},
    {"delete", stf_registry_cmd_delete},
    {"export", stf_registry_cmd_export},
    {"import", stf_registry_cmd_import},
    {"snapshot", stf_registry_cmd_snapshot},
    {"restore", stf_registry_cmd_restore},
    {"diff", stf_registry_cmd_diff},
    {"watch", stf_registry_cmd_watch},
    {"about", about},
};

enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

enum option_code {
    OPTION_SITE = 256,
    OPTION_HOST,
    OPTION_STATE,
    OPTION_MOUNT,
    OPTION_CREDENTIALS,
    OPTION_KERBEROS,
    OPTION_REPLAY_LOGS,
    OPTION_PLAN,
    OPTION_RECURSIVE,
    OPTION_HEX,
    OPTION_CREATE,
    OPTION_REG4,
    OPTION_FORMAT,
    OPTION_UNDO,
    OPTION_OUTPUT,
    OPTION_JSON,
    OPTION_HELP,
};

static int take_option(void *user, int option, const char *name)
{
    struct stf_registry_cli *rc = user;
    (void)name;
    switch (option) {
    case OPTION_SITE:
        rc->cli.site_dir = optarg;
        return -1;
    case OPTION_HOST:
        rc->host_name = optarg;
        return -1;
    case OPTION_STATE:
        rc->cli.state_dir = optarg;
        return -1;
    case OPTION_MOUNT:
        rc->words.mount = optarg;
        return -1;
    case OPTION_CREDENTIALS:
        rc->words.credentials = optarg;
        return -1;
    case OPTION_KERBEROS:
        rc->words.is_kerberos = true;
        return -1;
    case OPTION_REPLAY_LOGS:
        rc->words.is_replaying_logs = true;
        return -1;
    case OPTION_PLAN:
        rc->is_plan = true;
        return -1;
    case OPTION_RECURSIVE:
        rc->is_recursive = true;
        return -1;
    case OPTION_HEX:
        rc->is_hex = true;
        return -1;
    case OPTION_CREATE:
        rc->may_create = true;
        return -1;
    case OPTION_REG4:
        rc->is_reg4 = true;
        return -1;
    case OPTION_FORMAT:
        rc->format = optarg;
        return -1;
    case OPTION_UNDO:
        rc->undo = optarg;
        return -1;
    case OPTION_OUTPUT:
        return stf_cli_take_output(&rc->cli, optarg);
    case OPTION_JSON:
        rc->cli.is_json = true;
        return -1;
    default:
        stf_command_help(stf_command_find("registry"), stdout);
        return STF_EXIT_OK;
    }
}

static int parse(struct stf_registry_cli *rc, int argc, char **argv)
{
    static const struct option options[] = {
        {"site", required_argument, NULL, OPTION_SITE},
        {"host", required_argument, NULL, OPTION_HOST},
        {"state", required_argument, NULL, OPTION_STATE},
        {"mount", required_argument, NULL, OPTION_MOUNT},
        {"credentials", required_argument, NULL, OPTION_CREDENTIALS},
        {"kerberos", no_argument, NULL, OPTION_KERBEROS},
        {"replay-logs", no_argument, NULL, OPTION_REPLAY_LOGS},
        {"plan", no_argument, NULL, OPTION_PLAN},
        {"recursive", no_argument, NULL, OPTION_RECURSIVE},
        {"hex", no_argument, NULL, OPTION_HEX},
        {"create", no_argument, NULL, OPTION_CREATE},
        {"reg4", no_argument, NULL, OPTION_REG4},
        {"format", required_argument, NULL, OPTION_FORMAT},
        {"undo", required_argument, NULL, OPTION_UNDO},
        {"output", required_argument, NULL, OPTION_OUTPUT},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    *rc = (struct stf_registry_cli){.cli.command = "registry"};
    int exit_code = stf_cli_options(&rc->cli, argc, argv, ":", options, take_option, rc);
    if (exit_code != -1)
        return exit_code;
    if (rc->cli.operand_count == 0)
        return stf_cli_usage_value("registry", "the verb", "get, list, set, ...", NULL);
    rc->verb = *rc->cli.operands++;
    rc->cli.operand_count--;
    if (!rc->cli.site_dir && access(STF_DEFAULT_SITE_DIR, F_OK) == 0)
        rc->cli.site_dir = STF_DEFAULT_SITE_DIR;
    return -1;
}

/* Texts and trees of many megabytes come and go: memory that is free is used again, not given back in between. */
static void keep_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

int stf_cmd_registry(int argc, char **argv)
{
    struct stf_registry_cli rc;
    keep_memory();
    const char *names[VERB_COUNT + 1] = {NULL};
    int exit_code = parse(&rc, argc, argv);
    if (exit_code != -1)
        return exit_code;
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, rc.verb) == 0)
            return verbs[i].run(&rc);
        names[i] = verbs[i].name;
    }
    const char *nearest = stf_nearest(rc.verb, names);
    return stf_cli_usage_error("registry", "there is no verb '%s'%s%s%s", rc.verb, nearest ? "; did you mean '" : "",
                               nearest ? nearest : "", nearest ? "'?" : "");
}
